//! The rules for usernames and email addresses.

/// Validates a username.
pub(crate) fn username(name: &str) -> Option<&'static str> {
    const RULE: &str =
        "must have 1 to 64 characters, none of them white space or control characters";
    let fits = (1..=64).contains(&name.chars().count());
    let bad = |c: char| c.is_whitespace() || c.is_control();
    (!fits || name.chars().any(bad)).then_some(RULE)
}

/// Validates an email address as HTML's `<input type=email>` does (HTML, section 4.10.5.1.5), with at
/// most 254 characters (RFC 5321, section 4.5.3.1.3).
pub(crate) fn email(email: &str) -> Option<&'static str> {
    const RULE: &str = "must be an email address of at most 254 characters";
    let good = email.len() <= 254
        && email.rsplit_once('@').is_some_and(|(local, domain)| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
            !local.is_empty() && local.bytes().all(plain) && domain.split('.').all(is_label)
        });
    (!good).then_some(RULE)
}

/// Returns true for a label of a domain name (RFC 1034, section 3.5).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::{email, username};

    #[test]
    fn username_is_measured_in_characters_and_has_no_white_space() {
        for good in ["a", "1", "Ёж", "a/b", "o'neill", &"я".repeat(64)] {
            assert_eq!(username(good), None, "{good}");
        }
        for bad in ["", " ", "a b", "a\u{a0}b", "a\0", "a\u{85}", &"a".repeat(65)] {
            assert!(username(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn email_follows_html() {
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
