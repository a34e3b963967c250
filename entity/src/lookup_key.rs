//! The keys that make usernames and emails unique, and found, regardless of case and Unicode form.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;

/// Returns the key of a username or an email: its NFKC with full case folding (Unicode, section
/// 3.13.5, compatibility caseless matching).
///
/// The keys are stored. They stay the same in later versions of Unicode, unless the text has
/// characters that are not assigned yet.
#[must_use]
pub fn lookup_key(text: &str) -> String {
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    let folded = CaseMapper::new().fold_string(&nfkc.normalize(text)).into_owned();
    nfkc.normalize(&folded).into_owned()
}

/// Returns the key that versions before Unicode forms were folded stored for a username. A user
/// whose new key would have been that of another one still has it.
#[must_use]
pub fn legacy_lookup_key(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::lookup_key;

    #[test]
    fn case_and_form_are_folded() {
        for (one, other) in [
            ("Alice", "aLICE"),
            ("Ёжик", "ёЖИК"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("straße", "STRAẞE"),
            ("Straße", "STRASSE"),
            ("\u{e9}ve", "E\u{301}VE"),
            ("ＡＤＭＩＮ", "admin"),
            ("ﬁne", "FINE"),
            ("Ǆ", "ǆ"),
        ] {
            assert_eq!(lookup_key(one), lookup_key(other));
        }
        for (one, other) in [("alice", "alicе"), ("ı", "i"), ("é", "e")] {
            assert_ne!(lookup_key(one), lookup_key(other));
        }
    }

    #[test]
    fn key_of_a_key_is_the_same_in_any_case() {
        for c in '\0'..=char::MAX {
            let key = lookup_key(&format!("a{c}b"));
            assert_eq!(lookup_key(&key), key, "{c:?}");
            // The capitals of a dotless i have a dot in folding, as in most languages.
            if !key.contains('ı') {
                assert_eq!(lookup_key(&key.to_uppercase()), key, "{c:?}");
            }
        }
    }
}
