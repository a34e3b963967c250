//! Negotiation of the media type of a response (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, HeaderValue, header};

/// A media type that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/graphql-response+json`: the status is that of the outcome.
    GraphqlResponse,
    /// `application/json`, for older clients: the status is 200 for every well-formed request.
    Json,
}

impl MediaType {
    /// Returns the value of `Content-Type`.
    pub(crate) const fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        })
    }
}

/// A client's preference for a media type: its weight in thousandths, and the exactness of its name.
type Preference = (u16, u8);

const GRAPHQL_RESPONSE: (&str, &str) = ("application", "graphql-response+json");
const JSON: (&str, &str) = ("application", "json");
const HTML: (&str, &str) = ("text", "html");

/// Returns the media type of the response; `None` if the client accepts neither.
///
/// An exact name precedes a wildcard of the same weight. A wildcard alone, or no `Accept` at all,
/// means a client that may know `application/json` only.
pub(crate) fn negotiate(headers: &HeaderMap) -> Option<MediaType> {
    let Some(ranges) = media_ranges(headers) else { return Some(MediaType::Json) };
    match (preference(&ranges, GRAPHQL_RESPONSE), preference(&ranges, JSON)) {
        (Some(response), Some(json)) if response.1 < 2 && json >= response => Some(MediaType::Json),
        (Some(response), Some(json)) if json > response => Some(MediaType::Json),
        (Some(_), _) => Some(MediaType::GraphqlResponse),
        (None, Some(_)) => Some(MediaType::Json),
        (None, None) => None,
    }
}

/// Returns whether the client prefers a page to data, as a browser does.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let Some(ranges) = media_ranges(headers) else { return false };
    let html = preference(&ranges, HTML);
    html.is_some() && html > preference(&ranges, GRAPHQL_RESPONSE).max(preference(&ranges, JSON))
}

struct MediaRange<'a> {
    main: &'a str,
    sub: &'a str,
    weight: u16,
}

/// Returns the media ranges in `Accept`; `None` without this header.
fn media_ranges(headers: &HeaderMap) -> Option<Vec<MediaRange<'_>>> {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    values.peek()?;
    let texts = values.filter_map(|value| value.to_str().ok());
    Some(texts.flat_map(|text| text.split(',')).filter_map(parse_range).collect())
}

fn parse_range(text: &str) -> Option<MediaRange<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let (main, sub) = parts.next()?.split_once('/')?;
    let mut weight = 1000;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        if name.eq_ignore_ascii_case("q") {
            weight = parse_qvalue(value)?;
        } else if name.eq_ignore_ascii_case("charset") && !is_utf8(value) {
            return None;
        }
    }
    Some(MediaRange { main, sub, weight })
}

/// Parses a weight of 0 to 1 with at most three decimals, in thousandths.
fn parse_qvalue(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1)?;
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    Some((whole * 1000 + decimals).min(1000))
}

pub(crate) fn is_utf8(charset: &str) -> bool {
    let charset = charset.trim_matches('"');
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

/// Returns the preference for a media type; `None` if it is not accepted.
fn preference(ranges: &[MediaRange<'_>], (main, sub): (&str, &str)) -> Option<Preference> {
    let exactness = |range: &MediaRange<'_>| match (range.main, range.sub) {
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
    fn preferred_media_type_is_served() {
        for (accept, media) in [
            ("application/graphql-response+json", Some(MediaType::GraphqlResponse)),
            ("application/json", Some(MediaType::Json)),
            ("*/*", Some(MediaType::Json)),
            ("application/*", Some(MediaType::Json)),
            (
                "application/graphql-response+json, application/json",
                Some(MediaType::GraphqlResponse),
            ),
            (
                "application/json, application/graphql-response+json",
                Some(MediaType::GraphqlResponse),
            ),
            (
                "application/graphql-response+json;charset=utf-8, application/json;charset=utf-8",
                Some(MediaType::GraphqlResponse),
            ),
            (
                "application/graphql-response+json, application/json;q=0.9",
                Some(MediaType::GraphqlResponse),
            ),
            ("application/graphql-response+json;q=0.8, application/json", Some(MediaType::Json)),
            ("application/json, text/plain, */*", Some(MediaType::Json)),
            ("application/graphql-response+json, */*", Some(MediaType::GraphqlResponse)),
            ("application/graphql-response+json;q=0, */*", Some(MediaType::Json)),
            ("APPLICATION/JSON", Some(MediaType::Json)),
            ("text/html, */*;q=0.1", Some(MediaType::Json)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json;charset=latin1", None),
            ("application/json;q=2", None),
            ("nonsense", None),
            ("", None),
        ] {
            assert_eq!(negotiate(&headers(accept)), media, "{accept}");
        }
        assert_eq!(negotiate(&HeaderMap::new()), Some(MediaType::Json));
    }

    #[test]
    fn browser_gets_html_and_client_gets_json() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert!(prefers_html(&headers(browser)));
        for client in ["*/*", "application/json, text/html;q=0.9", "application/json"] {
            assert!(!prefers_html(&headers(client)), "{client}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
