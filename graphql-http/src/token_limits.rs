//! The limits on the text of a document, checked before it is parsed: a parser recurses and
//! allocates for each token, so a text that is too long or nests too deep must not reach it.

use crate::{Limits, error::RequestError};

/// The longest name, in bytes. The validator compares each unknown name with all known ones.
const MAX_NAME_BYTES: usize = 100;

/// Returns the number of tokens in a text. Syntax errors are left to the parser.
///
/// # Errors
/// `QUERY_TOO_COMPLEX`.
pub(crate) fn count_tokens(text: &str, limits: &Limits) -> Result<usize, RequestError> {
    let mut rest = text.as_bytes();
    let (mut tokens, mut open) = (0, 0_usize);
    while let Some((&byte, after)) = rest.split_first() {
        let length = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                rest = after;
                continue;
            }
            b'#' => {
                rest = &rest[comment_len(rest)..];
                continue;
            }
            b'"' => string_len(rest),
            b'{' | b'(' | b'[' => {
                open += 1;
                1
            }
            b'}' | b')' | b']' => {
                open = open.saturating_sub(1);
                1
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => name_len(rest),
            _ => 1,
        };
        tokens += 1;
        if tokens > limits.max_tokens {
            return Err(RequestError::too_complex("The document is too long."));
        }
        if open > limits.max_nesting {
            return Err(RequestError::too_complex("The document is nested too deep."));
        }
        if length > MAX_NAME_BYTES && byte != b'"' {
            return Err(RequestError::too_complex("A name or number in the document is too long."));
        }
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn comment_len(text: &[u8]) -> usize {
    text.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(text.len())
}

fn name_len(text: &[u8]) -> usize {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.iter().position(|byte| !part(byte)).unwrap_or(text.len())
}

/// Returns the length of a string with its quotes. A string that is not terminated ends with the line,
/// a block string with the text.
fn string_len(text: &[u8]) -> usize {
    if text.starts_with(b"\"\"\"") {
        let mut at = 3;
        while at < text.len() {
            match &text[at..] {
                [b'\\', b'"', b'"', b'"', ..] => at += 4,
                [b'"', b'"', b'"', ..] => return at + 3,
                _ => at += 1,
            }
        }
        return text.len();
    }
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            b'\r' | b'\n' => return at,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(text: &str, max_tokens: usize, max_nesting: usize) -> bool {
        count_tokens(text, &Limits { max_tokens, max_nesting, ..Limits::default() }).is_ok()
    }

    #[test]
    fn whitespace_comments_and_strings_are_not_counted_as_tokens() {
        for (text, tokens) in [
            ("", 0),
            ("{ a }", 3),
            ("\u{feff}# { { {\n{ a, b }", 7),
            (r#"{ a(b: "{ \" } # (") }"#, 8),
            ("{ a(b: \"\"\"{ \" \\\"\"\" # ( \"\"\") }", 8),
            ("query Q($a: [Int!]! = [1, 2]) { a }", 20),
        ] {
            assert!(passes(text, tokens, 9), "{text}");
            assert!(tokens == 0 || !passes(text, tokens - 1, 9), "{text}");
        }
    }

    #[test]
    fn nesting_counts_open_brackets() {
        assert!(passes("{ a(b: [1]) } { a { b } }", 99, 3));
        assert!(!passes("{ a(b: [1]) }", 99, 2));
        assert!(passes("}}}{", 99, 1));
    }

    #[test]
    fn unterminated_text_is_accepted() {
        for text in ["\"", "\"\\", "\"\"\"", "\"\"\"\\\"\"", "#", "{ \"a", "ä{\"ü\\"] {
            assert!(passes(text, 99, 9), "{text}");
        }
    }

    #[test]
    fn long_names_are_rejected_and_long_strings_accepted() {
        assert!(!passes(&format!("{{ {} }}", "a".repeat(101)), 9, 9));
        assert!(passes(&format!("{{ a(b: \"{}\") }}", "a".repeat(101)), 9, 9));
    }
}
