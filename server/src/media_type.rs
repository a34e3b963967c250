//! Media types of bodies.

use axum::http::{HeaderMap, header};

/// Returns true if the `Content-Type` is `application/json` or has the suffix `+json`, in UTF-8 (RFC
/// 8259, section 8.1), whatever its other parameters; `None` without a `Content-Type`.
pub(crate) fn is_json(headers: &HeaderMap) -> Option<bool> {
    let value = headers.get(header::CONTENT_TYPE)?;
    let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let subtype = parts.next().and_then(|essence| essence.strip_prefix("application/"));
    let is_json = subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"));
    let mut charsets = parts.filter_map(|part| part.strip_prefix("charset="));
    Some(is_json && charsets.all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8")))
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
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;charset=\"UTF-8\";v=1",
            "application/x+json",
        ] {
            assert_eq!(is_json_type(good), Some(true), "{good}");
        }
        for bad in ["", "text/plain", "application/jsonx", "text/json", "application/xml"]
            .into_iter()
            .chain(["application/json;charset=utf-16", "application/json; charset=latin1"])
        {
            assert_eq!(is_json_type(bad), Some(false), "{bad}");
        }
        assert_eq!(is_json(&HeaderMap::new()), None);
    }
}
