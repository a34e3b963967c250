//! Which media type the client wants its answer in (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, HeaderValue, header};

/// The media types that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status tells how it went.
    Response,
    /// `application/json`, for clients of old: the status is 200 for every well-formed request.
    Json,
}

impl Media {
    /// The value of `Content-Type`.
    pub(super) const fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Response => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }
}

/// How much a client wants a media type: its weight, and how exactly it was named.
type Wish = (u16, u8);

const RESPONSE: (&str, &str) = ("application", "graphql-response+json");
const JSON: (&str, &str) = ("application", "json");
const HTML: (&str, &str) = ("text", "html");

/// The media type to answer in; nothing where the client accepts none of ours.
///
/// What is named exactly goes before a wildcard of the same weight; a wildcard alone, and no
/// `Accept` at all, mean a client that may know `application/json` only.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<Media> {
    let Some(ranges) = ranges(headers) else { return Some(Media::Json) };
    match (wish(&ranges, RESPONSE), wish(&ranges, JSON)) {
        (Some(response), Some(json)) if response.1 < 2 && json >= response => Some(Media::Json),
        (Some(response), Some(json)) if json > response => Some(Media::Json),
        (Some(_), _) => Some(Media::Response),
        (None, Some(_)) => Some(Media::Json),
        (None, None) => None,
    }
}

/// Whether this is a browser that wants a page rather than data.
pub(super) fn prefers_html(headers: &HeaderMap) -> bool {
    let Some(ranges) = ranges(headers) else { return false };
    let html = wish(&ranges, HTML);
    html.is_some() && html > wish(&ranges, RESPONSE).max(wish(&ranges, JSON))
}

struct Range<'a> {
    main: &'a str,
    sub: &'a str,
    weight: u16,
}

fn ranges(headers: &HeaderMap) -> Option<Vec<Range<'_>>> {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    values.peek()?;
    let texts = values.filter_map(|value| value.to_str().ok());
    Some(texts.flat_map(|text| text.split(',')).filter_map(range).collect())
}

fn range(text: &str) -> Option<Range<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let (main, sub) = parts.next()?.split_once('/')?;
    let mut weight = 1000;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        if name.eq_ignore_ascii_case("q") {
            weight = thousandths(value)?;
        } else if name.eq_ignore_ascii_case("charset") && !is_utf8(value) {
            return None;
        }
    }
    Some(Range { main, sub, weight })
}

/// A weight of `0` to `1` with at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    Some((whole * 1000 + decimals).min(1000))
}

pub(super) fn is_utf8(charset: &str) -> bool {
    let charset = charset.trim_matches('"');
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

fn wish(ranges: &[Range<'_>], (main, sub): (&str, &str)) -> Option<Wish> {
    let exactness = |range: &Range<'_>| match (range.main, range.sub) {
        ("*", "*") => Some(0),
        (of, "*") if of.eq_ignore_ascii_case(main) => Some(1),
        (of, as_) if of.eq_ignore_ascii_case(main) && as_.eq_ignore_ascii_case(sub) => Some(2),
        _ => None,
    };
    let fitting = ranges.iter().filter_map(|range| Some((exactness(range)?, range.weight)));
    let (exactness, weight) = fitting.max_by_key(|(exactness, _)| *exactness)?;
    (weight > 0).then_some((weight, exactness))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())])
    }

    #[test]
    fn the_best_of_what_is_accepted_is_served() {
        for (accept, media) in [
            ("application/graphql-response+json", Some(Media::Response)),
            ("application/json", Some(Media::Json)),
            ("*/*", Some(Media::Json)),
            ("application/*", Some(Media::Json)),
            ("application/graphql-response+json, application/json", Some(Media::Response)),
            ("application/json, application/graphql-response+json", Some(Media::Response)),
            (
                "application/graphql-response+json;charset=utf-8, application/json;charset=utf-8",
                Some(Media::Response),
            ),
            ("application/graphql-response+json, application/json;q=0.9", Some(Media::Response)),
            ("application/graphql-response+json;q=0.8, application/json", Some(Media::Json)),
            ("application/json, text/plain, */*", Some(Media::Json)),
            ("application/graphql-response+json, */*", Some(Media::Response)),
            ("application/graphql-response+json;q=0, */*", Some(Media::Json)),
            ("APPLICATION/JSON", Some(Media::Json)),
            ("text/html, */*;q=0.1", Some(Media::Json)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json;charset=latin1", None),
            ("application/json;q=2", None),
            ("nonsense", None),
            ("", None),
        ] {
            assert_eq!(negotiate(&headers(accept)), media, "{accept}");
        }
        assert_eq!(negotiate(&HeaderMap::new()), Some(Media::Json));
    }

    #[test]
    fn a_browser_is_told_from_a_client() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert!(prefers_html(&headers(browser)));
        for client in ["*/*", "application/json, text/html;q=0.9", "application/json"] {
            assert!(!prefers_html(&headers(client)), "{client}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
