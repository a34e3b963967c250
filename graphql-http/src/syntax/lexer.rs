//! Tokens.

use std::fmt;

use async_graphql::{Pos, Positioned, ServerError};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Punctuator(char),
    Spread,
    Name(&'a str),
    Int(&'a str),
    Float(&'a str),
    String(String),
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Punctuator(punctuator) => write!(formatter, "\"{punctuator}\""),
            Self::Spread => formatter.write_str("\"...\""),
            Self::Name(text) | Self::Int(text) | Self::Float(text) => {
                write!(formatter, "\"{text}\"")
            }
            Self::String(_) => formatter.write_str("a string"),
            Self::End => formatter.write_str("the end of the document"),
        }
    }
}

pub(super) struct Lexer<'a> {
    rest: &'a str,
    pos: Pos,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, pos: Pos { line: 1, column: 1 } }
    }

    /// Returns the next token; [`Token::End`] at the end of the text.
    ///
    /// # Errors
    /// A syntax error.
    pub(super) fn next_token(&mut self) -> Result<Positioned<Token<'a>>, ServerError> {
        self.skip_ignored();
        let pos = self.pos;
        let Some(first) = self.rest.chars().next() else {
            return Ok(Positioned::new(Token::End, pos));
        };
        let read = match first {
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
                Ok((Token::Punctuator(first), 1))
            }
            '.' if self.rest.starts_with("...") => Ok((Token::Spread, 3)),
            '-' | '0'..='9' => read_number(self.rest),
            '"' => match self.rest.strip_prefix("\"\"\"") {
                Some(content) => read_block_string(content),
                None => read_string(&self.rest[1..]),
            },
            _ if is_name_start(first) => {
                let length = self.rest.find(|next| !is_name_part(next)).unwrap_or(self.rest.len());
                Ok((Token::Name(&self.rest[..length]), length))
            }
            _ => Err(format!("unexpected character {first:?}")),
        };
        let (token, length) = read.map_err(|message| syntax_error(&message, pos))?;
        self.advance(length);
        Ok(Positioned::new(token, pos))
    }

    fn skip_ignored(&mut self) {
        loop {
            match self.rest.chars().next() {
                Some(' ' | '\t' | '\r' | '\n' | ',') => self.advance(1),
                Some('\u{feff}') => self.advance('\u{feff}'.len_utf8()),
                Some('#') => {
                    self.advance(self.rest.find(['\r', '\n']).unwrap_or(self.rest.len()));
                }
                _ => return,
            }
        }
    }

    fn advance(&mut self, length: usize) {
        let (passed, rest) = self.rest.split_at(length);
        let mut chars = passed.chars().peekable();
        while let Some(passed) = chars.next() {
            let next = chars.peek().copied().or_else(|| rest.chars().next());
            if passed == '\n' || passed == '\r' && next != Some('\n') {
                self.pos = Pos { line: self.pos.line + 1, column: 1 };
            } else {
                self.pos.column += 1;
            }
        }
        self.rest = rest;
    }
}

/// Creates the error of a text that is not GraphQL.
pub(super) fn syntax_error(message: &str, pos: Pos) -> ServerError {
    ServerError::new(format!("Syntax error: {message}."), Some(pos))
}

fn is_name_start(char: char) -> bool {
    char.is_ascii_alphabetic() || char == '_'
}

fn is_name_part(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

/// A token and its length in bytes, or the message of a syntax error.
type ReadToken<'a> = Result<(Token<'a>, usize), String>;

/// Sections 2.9.1 and 2.9.2.
fn read_number(text: &str) -> ReadToken<'_> {
    let digits_at = |at: usize| {
        let digits = text.bytes().skip(at).take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            Err(format!("expected a digit after \"{}\"", &text[..at]))
        } else {
            Ok(digits)
        }
    };
    let byte_at = |at: usize| text.as_bytes().get(at).copied();
    let mut at = usize::from(text.starts_with('-'));
    let first = at;
    at += digits_at(at)?;
    if byte_at(first) == Some(b'0') && at > first + 1 {
        return Err("a number must not begin with a zero".to_owned());
    }
    let integer = at;
    if byte_at(at) == Some(b'.') {
        at += 1;
        at += digits_at(at)?;
    }
    if matches!(byte_at(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(byte_at(at + 1), Some(b'+' | b'-')));
        at += digits_at(at)?;
    }
    if let Some(next) =
        text[at..].chars().next().filter(|next| is_name_start(*next) || *next == '.')
    {
        return Err(format!("a number must not be followed by {next:?}"));
    }
    let number = &text[..at];
    Ok((if at == integer { Token::Int(number) } else { Token::Float(number) }, at))
}

const UNTERMINATED: &str = "a string does not end";

/// Reads a string whose first quote was read. Section 2.9.4.
fn read_string<'a>(content: &str) -> ReadToken<'a> {
    let mut value = String::new();
    let mut rest = content;
    loop {
        let length = rest.find(['"', '\\', '\r', '\n']).ok_or(UNTERMINATED)?;
        let (plain, tail) = rest.split_at(length);
        value.push_str(plain);
        if let Some(after) = tail.strip_prefix('"') {
            return Ok((Token::String(value), 1 + content.len() - after.len()));
        }
        let escaped = tail.strip_prefix('\\').ok_or(UNTERMINATED)?;
        let (char, after) = read_escape(escaped).ok_or_else(|| {
            format!("\"\\{}\" is no escape", escaped.chars().take(1).collect::<String>())
        })?;
        value.push(char);
        rest = after;
    }
}

/// Returns the character that an escape stands for, and the text behind it; `None` if there is no such
/// escape.
fn read_escape(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    let char = match chars.next()? {
        char @ ('"' | '\\' | '/') => char,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return read_unicode_escape(chars.as_str()),
        _ => return None,
    };
    Some((char, chars.as_str()))
}

fn read_unicode_escape(text: &str) -> Option<(char, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (digits, rest) = braced.split_once('}')?;
        return Some((char::from_u32(from_hex(digits)?)?, rest));
    }
    let (first, rest) = (from_hex(text.get(..4)?)?, &text[4..]);
    if let Some(char) = char::from_u32(first) {
        return Some((char, rest));
    }
    // One half of a surrogate pair.
    let second = rest.strip_prefix("\\u")?;
    let pair = [u16::try_from(first).ok()?, u16::try_from(from_hex(second.get(..4)?)?).ok()?];
    let char = char::decode_utf16(pair).next()?.ok()?;
    Some((char, &second[4..]))
}

fn from_hex(digits: &str) -> Option<u32> {
    // The standard parser takes a sign.
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// Reads a block string whose first three quotes were read.
fn read_block_string<'a>(content: &str) -> ReadToken<'a> {
    let mut raw = String::new();
    let mut rest = content;
    loop {
        let (before, after) = rest.split_once("\"\"\"").ok_or(UNTERMINATED)?;
        rest = after;
        let Some(before) = before.strip_suffix('\\') else {
            raw.push_str(before);
            return Ok((Token::String(block_string_value(&raw)), 3 + content.len() - after.len()));
        };
        raw.push_str(before);
        raw.push_str("\"\"\"");
    }
}

/// Removes the common indentation, and blank lines at the start and the end (`BlockStringValue`).
fn block_string_value(raw: &str) -> String {
    let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
    let indentation = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let is_blank = |line: &&str| indentation(line) == line.len();
    let lines: Vec<_> = raw.split('\n').collect();
    let indented = lines.iter().skip(1).filter(|line| !is_blank(line));
    let common = indented.map(|line| indentation(line)).min().unwrap_or_default();
    let first = lines.iter().take_while(|line| is_blank(line)).count();
    let last = lines.iter().rposition(|line| !is_blank(line)).map_or(first, |at| at + 1);
    let dedented = lines
        .iter()
        .enumerate()
        .take(last)
        .skip(first)
        .map(|(at, line)| if at == 0 { line } else { line.get(common..).unwrap_or_default() });
    dedented.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the value of the only token of a text, if it is a string.
    fn string(text: &str) -> Option<String> {
        let mut lexer = Lexer::new(text);
        let token = lexer.next_token().ok()?.node;
        assert_eq!(lexer.next_token().ok()?.node, Token::End, "{text}");
        if let Token::String(value) = token { Some(value) } else { None }
    }

    #[test]
    fn strings_have_the_value_that_the_specification_gives_them() {
        for (text, value) in [
            (r#""""#, ""),
            (r#""a\"\\\/\b\f\n\r\tä""#, "a\"\\/\u{8}\u{c}\n\r\tä"),
            (r#""\u00e4\u{e4}\u{1F4A3}\uD83D\uDCA3""#, "ää💣💣"),
            (r#""""""""#, ""),
            (r#"""" a "" \""" \n """"#, " a \"\" \"\"\" \\n "),
            ("\"\"\"\n    a\r\n      b\r  \n    c\n\n  \"\"\"", "a\n  b\n\nc"),
            ("\"\"\"a\n  b\n\tc\"\"\"", "a\n b\nc"),
        ] {
            assert_eq!(string(text).as_deref(), Some(value), "{text}");
        }
    }

    #[test]
    fn positions_count_lines_and_characters() {
        let mut lexer = Lexer::new("\u{feff}a \"ä\" b\r\nc\rd\n# e\n\"\"\"f\n\"\"\" g");
        let mut positions = Vec::new();
        while let Ok(token) = lexer.next_token() {
            if token.node == Token::End {
                break;
            }
            positions.push((token.pos.line, token.pos.column));
        }
        assert_eq!(positions, [(1, 2), (1, 4), (1, 8), (2, 1), (3, 1), (5, 1), (6, 5)]);
    }
}
