//! The rules for usernames and email addresses.

use entity::lookup_key;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{DefaultIgnorableCodePoint, GeneralCategory},
};

/// Usernames that a path cannot refer to, since they are another route or none at all.
pub(crate) const RESERVED_USERNAMES: [&str; 7] =
    [".", "..", "auth", "logout", "password", "refresh", "registry"];

/// Validates a new username. Users from before a rule keep their name: see [`has_username_form`].
pub(crate) fn username(name: &str) -> Option<&'static str> {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let unprintable = |c: char| {
        let category = categories.get(c);
        // Format has the bidirectional ones; a blank Braille pattern counts as a symbol.
        matches!(
            category,
            GeneralCategory::Format | GeneralCategory::PrivateUse | GeneralCategory::Unassigned
        ) || ignorable.contains(c)
            || c == '\u{2800}'
    };
    let key = lookup_key(name);
    if !has_username_form(name) {
        Some("must have 1 to 64 characters, none of them white space or control characters")
    } else if name.chars().any(unprintable) {
        Some("must not have invisible, bidirectional, private or unassigned characters")
    } else if key.chars().all(|c| categories.get(c) == GeneralCategory::DecimalNumber) {
        Some("must not be digits alone: a path takes these as an id")
    } else if RESERVED_USERNAMES.contains(&key.as_str()) {
        Some("is reserved: a path cannot refer to it")
    } else {
        None
    }
}

/// Returns true if the text has the length and the characters that every username has ever had.
pub(crate) fn has_username_form(name: &str) -> bool {
    (1..=64).contains(&name.chars().count())
        && !name.chars().any(|c| c.is_whitespace() || c.is_control())
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
    use super::{email, has_username_form, username};

    #[test]
    fn username_is_measured_in_characters_and_has_no_white_space() {
        for good in ["a", "1a", "Ёж", "a/b", "o'neill", "...", "🦊", "авторизация", &"я".repeat(64)]
        {
            assert_eq!(username(good), None, "{good}");
        }
        for bad in ["", " ", "a b", "a\u{a0}b", "a\0", "a\u{85}", &"a".repeat(65)] {
            assert!(username(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn new_username_can_be_seen_and_addressed() {
        for bad in [
            "adm\u{200b}in",
            "adm\u{ad}in",
            "admin\u{202e}",
            "\u{2066}a",
            "\u{3164}",
            "\u{2060}x",
            "a\u{fe0f}",
            "\u{e000}",
            "\u{10ffff}",
            "a\u{378}",
            "\u{2800}",
            "1",
            "007",
            "１２",
            "٤٢",
            ".",
            "..",
            "‥",
            "auth",
            "Registry",
            "LOGOUT",
            "ｐａｓｓｗｏｒｄ",
            "refreſh",
        ] {
            assert!(username(bad).is_some(), "{bad:?}");
            assert!(has_username_form(bad), "{bad:?}");
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
