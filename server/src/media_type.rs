//! Media types of bodies.

use axum::http::{HeaderMap, header};

/// Returns true if the `Content-Type` is `application/json` or has the suffix `+json`, whatever its
/// parameters; `None` without a `Content-Type`.
pub(crate) fn is_json(headers: &HeaderMap) -> Option<bool> {
    let value = headers.get(header::CONTENT_TYPE)?;
    let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let essence = text.split(';').next().unwrap_or_default().trim();
    let subtype = essence.strip_prefix("application/");
    Some(subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json")))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn is_json_type(media_type: &'static str) -> Option<bool> {
        let value = HeaderValue::from_static(media_type);
        is_json(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]))
    }

    #[test]
    fn json_is_recognized_by_its_essence() {
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/x+json"] {
            assert_eq!(is_json_type(good), Some(true), "{good}");
        }
        for bad in ["", "text/plain", "application/jsonx", "text/json", "application/xml"] {
            assert_eq!(is_json_type(bad), Some(false), "{bad}");
        }
        assert_eq!(is_json(&HeaderMap::new()), None);
    }
}
