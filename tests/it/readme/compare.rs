//! What a command printed against what the README says.

use serde_json::Value;

/// Stands for anything, in what the README expects.
const ANYTHING: char = '…';

/// Whether a text is the expected one, where `…` stands for any part of it.
fn fits(expected: &str, text: &str) -> bool {
    let mut parts = expected.split(ANYTHING);
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.ends_with(last)
}

/// JSON whose `…` outside of a text has been put into one.
fn parse(text: &str) -> serde_json::Result<Value> {
    let (mut quoted, mut escaped) = (false, false);
    let mut whole = String::new();
    for letter in text.chars() {
        if letter == ANYTHING && !quoted {
            whole.extend(['"', ANYTHING, '"']);
            continue;
        }
        if letter == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = letter == '\\' && !escaped;
        whole.push(letter);
    }
    serde_json::from_str(&whole)
}

/// Where JSON differs from what is expected, if it does. A `…` at the end of an array stands for
/// any number of values.
fn difference(expected: &Value, found: &Value, at: &str) -> Option<String> {
    let different = || Some(format!("at {at:?}: expected {expected}, found {found}"));
    match (expected, found) {
        (Value::String(text), _) if text.chars().eq([ANYTHING]) => None,
        (Value::String(text), Value::String(found)) if fits(text, found) => None,
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
            pairs.find_map(|(place, (value, found))| {
                difference(value, found, &format!("{at}/{place}"))
            })
        }
        _ if expected == found => None,
        _ => different(),
    }
}

/// Why what a command printed is not what it should have, if it is not.
pub(super) fn check(kind: &str, expected: &str, printed: &str) -> Option<String> {
    if kind == "text" {
        let trimmed = |text: &str| text.trim().replace('\r', "");
        return (!fits(&trimmed(expected), &trimmed(printed)))
            .then(|| format!("expected:\n{expected}\nprinted:\n{printed}"));
    }
    match (parse(expected), serde_json::from_str(printed)) {
        (Ok(expected), Ok(printed)) => difference(&expected, &printed, ""),
        (Err(error), _) => Some(format!("the README's JSON: {error}")),
        (_, Err(error)) => Some(format!("printed no JSON: {error}\n{printed}")),
    }
}

#[test]
fn the_comparison_finds_what_differs() {
    for (expected, printed) in [
        (
            r#"{"a": …, "b": ["x", …], "c": "eyJ…"}"#,
            r#"{"a": {"d": 1}, "b": ["x", 2], "c": "eyJx"}"#,
        ),
        (r#"[1, "\"…\""]"#, r#"[1, "\"quoted\""]"#),
    ] {
        assert_eq!(check("json", expected, printed), None);
    }
    for (expected, printed) in [
        (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#),
        (r#"{"a": 1, "b": …}"#, r#"{"a": 1}"#),
        (r#"["x", …]"#, r#"["y", "x"]"#),
        (r#"["x"]"#, r#"["x", "x"]"#),
        (r#"{"c": "eyJ…z"}"#, r#"{"c": "eyJx"}"#),
        (r"{}", "nothing"),
    ] {
        assert!(check("json", expected, printed).is_some(), "{expected} {printed}");
    }
    assert_eq!(
        check("text", "HTTP/1.1 204 No Content\n…", "HTTP/1.1 204 No Content\r\ndate: x\n"),
        None
    );
    assert!(check("text", "HTTP/1.1 204\n…", "HTTP/1.1 404 Not Found\ndate: x").is_some());
}
