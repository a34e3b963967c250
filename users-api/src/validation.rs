//! The rules for what a user is called.

/// The rule for a username.
pub(crate) fn username(name: &str) -> Option<&'static str> {
    const RULE: &str =
        "must have 1 to 64 characters, none of them white space or control characters";
    let fits = (1..=64).contains(&name.chars().count());
    let bad = |c: char| c.is_whitespace() || c.is_control();
    (!fits || name.chars().any(bad)).then_some(RULE)
}

/// The rule for an email: what HTML's `<input type=email>` takes (HTML, section 4.10.5.1.5), at
/// most 254 characters (RFC 5321, section 4.5.3.1.3).
pub(crate) fn email(email: &str) -> Option<&'static str> {
    const RULE: &str = "must be an email address of at most 254 characters";
    let good = email.len() <= 254
        && email.rsplit_once('@').is_some_and(|(local, domain)| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
            !local.is_empty() && local.bytes().all(plain) && domain.split('.').all(label)
        });
    (!good).then_some(RULE)
}

/// A label of a domain name (RFC 1034, section 3.5).
fn label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::{email, username};

    #[test]
    fn usernames_count_characters_and_have_no_blanks() {
        for good in ["a", "1", "Ёж", "a/b", "o'neill", &"я".repeat(64)] {
            assert_eq!(username(good), None, "{good}");
        }
        for bad in ["", " ", "a b", "a\u{a0}b", "a\0", "a\u{85}", &"a".repeat(65)] {
            assert!(username(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn emails_are_those_that_html_takes() {
        for good in ["a@b", "a.b+c@d-e.example", "!#$%&'*+/=?^_`{|}~-@x.y", ".a.@b.c"] {
            assert_eq!(email(good), None, "{good}");
        }
        let long = format!("{}@b.c", "a".repeat(251));
        let label = format!("a@{}.c", "b".repeat(64));
        for bad in ["", "a", "@b", "a@", "a@b.", "a@-b", "a@b-", "a b@c", "a@b@c", "ä@b", "a@ä"] {
            assert!(email(bad).is_some(), "{bad}");
        }
        assert!(email(&long).is_some() && email(&label).is_some());
    }
}
