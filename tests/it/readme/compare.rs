//! Comparison of output with the README.

use serde_json::Value;

/// The wildcard in the README.
const WILDCARD: char = '…';

/// Returns whether a text matches, where `…` in `expected` matches anything.
fn matches(expected: &str, text: &str) -> bool {
    let mut parts = expected.split(WILDCARD);
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(position) = rest.find(part) else { return false };
        rest = &rest[position + part.len()..];
    }
    rest.ends_with(last)
}

/// Parses JSON in which `…` outside of a string is quoted first.
fn parse(text: &str) -> serde_json::Result<Value> {
    let (mut quoted, mut escaped) = (false, false);
    let mut json = String::new();
    for letter in text.chars() {
        if letter == WILDCARD && !quoted {
            json.extend(['"', WILDCARD, '"']);
            continue;
        }
        if letter == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = letter == '\\' && !escaped;
        json.push(letter);
    }
    serde_json::from_str(&json)
}

/// Describes the first difference from the expected JSON, `None` if it matches. A `…` at the end of
/// an array matches any number of values.
fn difference(expected: &Value, found: &Value, at: &str) -> Option<String> {
    let different = || Some(format!("at {at:?}: expected {expected}, found {found}"));
    match (expected, found) {
        (Value::String(text), _) if text.chars().eq([WILDCARD]) => None,
        (Value::String(text), Value::String(found)) if matches(text, found) => None,
        (Value::Object(names), Value::Object(found)) if names.keys().eq(found.keys()) => names
            .iter()
            .find_map(|(name, value)| difference(value, &found[name], &format!("{at}/{name}"))),
        (Value::Array(values), Value::Array(found)) => {
            let open = values.last().and_then(Value::as_str) == Some("…");
            let values = if open { &values[..values.len() - 1] } else { &values[..] };
            if found.len() < values.len() || (!open && found.len() > values.len()) {
                return different();
            }
            let mut pairs = values.iter().zip(found).enumerate();
            pairs.find_map(|(index, (value, found))| {
                difference(value, found, &format!("{at}/{index}"))
            })
        }
        _ if expected == found => None,
        _ => different(),
    }
}

/// Describes how the output of a command differs from the README, `None` if it matches.
pub(super) fn mismatch(kind: &str, expected: &str, printed: &str) -> Option<String> {
    if kind == "text" {
        let trimmed = |text: &str| text.trim().replace('\r', "");
        return (!matches(&trimmed(expected), &trimmed(printed)))
            .then(|| format!("expected:\n{expected}\nprinted:\n{printed}"));
    }
    match (parse(expected), serde_json::from_str(printed)) {
        (Ok(expected), Ok(printed)) => difference(&expected, &printed, ""),
        (Err(error), _) => Some(format!("the README's JSON: {error}")),
        (_, Err(error)) => Some(format!("printed no JSON: {error}\n{printed}")),
    }
}

#[test]
fn comparison_reports_differences() {
    for (expected, printed) in [
        (
            r#"{"a": …, "b": ["x", …], "c": "eyJ…"}"#,
            r#"{"a": {"d": 1}, "b": ["x", 2], "c": "eyJx"}"#,
        ),
        (r#"[1, "\"…\""]"#, r#"[1, "\"quoted\""]"#),
    ] {
        assert_eq!(mismatch("json", expected, printed), None);
    }
    for (expected, printed) in [
        (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#),
        (r#"{"a": 1, "b": …}"#, r#"{"a": 1}"#),
        (r#"["x", …]"#, r#"["y", "x"]"#),
        (r#"["x"]"#, r#"["x", "x"]"#),
        (r#"{"c": "eyJ…z"}"#, r#"{"c": "eyJx"}"#),
        (r"{}", "nothing"),
    ] {
        assert!(mismatch("json", expected, printed).is_some(), "{expected} {printed}");
    }
    assert_eq!(
        mismatch("text", "HTTP/1.1 204 No Content\n…", "HTTP/1.1 204 No Content\r\ndate: x\n"),
        None
    );
    assert!(mismatch("text", "HTTP/1.1 204\n…", "HTTP/1.1 404 Not Found\ndate: x").is_some());
}
