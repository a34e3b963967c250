//! The rules of single fields. Each returns `None` if the value is valid, else the requirement.

use schema::BigInt;

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

/// Validates the amount of a price.
pub(crate) fn amount(amount: BigInt) -> Option<&'static str> {
    const RULE: &str = "must be an integer from 0 to 9007199254740991";
    (!(0..=BigInt::MAX).contains(&amount.0)).then_some(RULE)
}

/// Validates the currency of a price.
pub(crate) fn currency(code: &str) -> Option<&'static str> {
    const RULE: &str = "must have three capital letters, as in ISO 4217";
    (code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(RULE)
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
    fn amount_is_exact_in_every_client() {
        assert_eq!([0, 1, 9_007_199_254_740_991].map(|n| amount(BigInt(n))), [None; 3]);
        assert!([-1, 9_007_199_254_740_992, i64::MAX].iter().all(|n| amount(BigInt(*n)).is_some()));
    }

    #[test]
    fn currency_is_three_capital_letters() {
        assert_eq!(["EUR", "JPY", "XXX"].map(currency), [None; 3]);
        for bad in ["", "EU", "EURO", "eur", "EU1", "ЕUR", "ÄÖ", " EU"] {
            assert!(currency(bad).is_some(), "{bad}");
        }
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
