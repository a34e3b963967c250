//! The rules of single fields. Each returns `None` if the value is valid, else the requirement.

/// Maximum length of an idempotency key, in bytes.
const MAX_KEY_LENGTH: usize = 255;

/// Validates the title of an offer.
pub(crate) fn title(title: &str) -> Option<&'static str> {
    const RULE: &str = "must have 1 to 200 characters, none of them a control character";
    let fits = (1..=200).contains(&title.chars().count());
    (!fits || title.chars().any(char::is_control)).then_some(RULE)
}

/// Validates the text of an offer. PostgreSQL cannot store the character NUL.
pub(crate) fn text(text: &str) -> Option<&'static str> {
    const RULE: &str = "must have 1 to 20000 characters, none of them NUL";
    let fits = (1..=20_000).contains(&text.chars().count());
    (!fits || text.contains('\0')).then_some(RULE)
}

/// Validates an idempotency key.
pub(crate) fn idempotency_key(key: &str) -> Option<&'static str> {
    const RULE: &str = "must have 1 to 255 visible ASCII characters";
    let fits = (1..=MAX_KEY_LENGTH).contains(&key.len());
    (!fits || !key.bytes().all(|byte| byte.is_ascii_graphic())).then_some(RULE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters_not_bytes() {
        assert_eq!(title(&"я".repeat(200)), None);
        assert_eq!(text(&"я".repeat(20_000)), None);
        assert!(title(&"a".repeat(201)).is_some() && title("").is_some());
        assert!(text(&"a".repeat(20_001)).is_some() && text("").is_some());
        assert!(title("a\nb").is_some() && text("a\0b").is_some());
        assert_eq!(text("a\nb"), None);
    }

    #[test]
    fn key_format_is_validated() {
        for good in ["a", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"", &"k".repeat(255)] {
            assert_eq!(idempotency_key(good), None, "{good}");
        }
        for bad in ["", " ", "a b", "ключ", "a\n", &"k".repeat(256)] {
            assert!(idempotency_key(bad).is_some(), "{bad}");
        }
    }
}
