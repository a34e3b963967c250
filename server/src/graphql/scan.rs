//! A look at the text of a document before it is parsed: a parser recurses and allocates for what
//! it reads, so what is too long or too deep must not reach it.

use schema::{Error, ErrorCode, Result};

use super::Limits;

/// The longest name. Every unknown name is compared with all that exist.
const NAME: usize = 100;

/// Counts tokens and open brackets, and gives the number of tokens.
///
/// Text that is no GraphQL passes: the parser says it better.
///
/// # Errors
/// `QUERY_TOO_COMPLEX`.
pub(super) fn scan(text: &str, limits: &Limits) -> Result<usize> {
    let mut rest = text.as_bytes();
    let (mut tokens, mut open) = (0, 0_usize);
    while let Some((&byte, after)) = rest.split_first() {
        let length = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                rest = after;
                continue;
            }
            b'#' => {
                rest = &rest[line(rest)..];
                continue;
            }
            b'"' => string(rest),
            b'{' | b'(' | b'[' => {
                open += 1;
                1
            }
            b'}' | b')' | b']' => {
                open = open.saturating_sub(1);
                1
            }
            b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => name(rest),
            _ => 1,
        };
        tokens += 1;
        if tokens > limits.tokens {
            return Err(too_complex("The document is too long."));
        }
        if open > limits.nesting {
            return Err(too_complex("The document is nested too deep."));
        }
        if length > NAME && byte != b'"' {
            return Err(too_complex("A name or number in the document is too long."));
        }
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn too_complex(detail: &'static str) -> Error {
    Error::new(ErrorCode::QueryTooComplex, detail)
}

fn line(text: &[u8]) -> usize {
    text.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(text.len())
}

fn name(text: &[u8]) -> usize {
    let part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.iter().position(|byte| !part(byte)).unwrap_or(text.len())
}

/// The length of a string with its quotes; of the rest of the line, or of the text, where it does
/// not end.
fn string(text: &[u8]) -> usize {
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

    fn passes(text: &str, tokens: usize, nesting: usize) -> bool {
        scan(text, &Limits { tokens, nesting, ..Limits::default() }).is_ok()
    }

    #[test]
    fn tokens_are_counted_and_nothing_else() {
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
    fn depth_counts_what_is_open_at_once() {
        assert!(passes("{ a(b: [1]) } { a { b } }", 99, 3));
        assert!(!passes("{ a(b: [1]) }", 99, 2));
        assert!(passes("}}}{", 99, 1));
    }

    #[test]
    fn text_that_does_not_end_is_read_to_its_end() {
        for text in ["\"", "\"\\", "\"\"\"", "\"\"\"\\\"\"", "#", "{ \"a", "ä{\"ü\\"] {
            assert!(passes(text, 99, 9), "{text}");
        }
    }

    #[test]
    fn long_names_are_refused_and_long_strings_are_not() {
        assert!(!passes(&format!("{{ {} }}", "a".repeat(101)), 9, 9));
        assert!(passes(&format!("{{ a(b: \"{}\") }}", "a".repeat(101)), 9, 9));
    }
}
