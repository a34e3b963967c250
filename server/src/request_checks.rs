//! The rules that every request must meet before any route runs: those of HTTP, and those against
//! pages of foreign origins.

use axum::{
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, Version, header,
        uri::{Authority, Uri},
    },
};
use schema::{Error, ErrorCode, Result};

use crate::settings::Origin;

/// Headers of which a request has at most one line: of two, each reader could take another.
const SINGLE_HEADERS: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::HOST,
    header::ORIGIN,
    HeaderName::from_static("idempotency-key"),
];
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Checks a request.
///
/// # Errors
/// `BAD_REQUEST` for a malformed request, `FORBIDDEN` for a request of a page of a foreign origin.
pub(crate) fn check_request(request: &Request, cors_origins: &[Origin]) -> Result<()> {
    let malformed = |detail| Err(Error::new(ErrorCode::BadRequest, detail));
    let headers = request.headers();
    for name in SINGLE_HEADERS {
        if headers.get_all(&name).iter().nth(1).is_some() {
            return malformed(format!("The header {name} occurs twice."));
        }
    }
    let Some(host) = find_host(request.version(), request.uri(), headers) else {
        return malformed(
            "Host must be a host name or address, with or without a port.".to_owned(),
        );
    };
    // The codings of a transfer besides chunked are not decoded (RFC 9112, section 7).
    let codings = headers.get_all(header::TRANSFER_ENCODING);
    if codings.iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return malformed("The only supported Transfer-Encoding is chunked.".to_owned());
    }
    if is_from_foreign_page(request.method(), headers, host, cors_origins) {
        let detail = "Pages of this origin may not send this request: see CORS_ORIGINS.";
        return Err(Error::new(ErrorCode::Forbidden, detail));
    }
    Ok(())
}

/// Returns the host that a request is for (RFC 9112, section 3.2, and RFC 9113, section 8.3.1); empty
/// if HTTP/1.0 names none. `None` if it is missing or malformed.
fn find_host<'a>(version: Version, uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let host = headers.get(header::HOST);
    if host.is_some_and(|host| !is_valid_host(host)) {
        return None;
    }
    let host = host.and_then(|host| host.to_str().ok());
    let authority = uri.authority().map(Authority::as_str);
    match (authority, host) {
        // HTTP/1.1 ignores a Host that differs from the target; HTTP/2 does not define it.
        (Some(authority), Some(host)) if version >= Version::HTTP_2 => {
            authority.eq_ignore_ascii_case(host).then_some(authority)
        }
        (Some(authority), _) if version >= Version::HTTP_2 => Some(authority),
        (Some(authority), Some(_)) => Some(authority),
        (None, Some(host)) => Some(host),
        (authority, None) => (version <= Version::HTTP_10).then_some(authority.unwrap_or_default()),
    }
}

fn is_valid_host(value: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(value.as_bytes()) else { return false };
    let port = authority.as_str().strip_prefix(authority.host());
    let port =
        port.and_then(|rest| if rest.is_empty() { Some("") } else { rest.strip_prefix(':') });
    !authority.host().is_empty()
        && port.is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok())
}

/// Returns true for a request that a page of a foreign origin sends without a preflight, or the
/// handshake of a WebSocket, to which CORS does not apply. Source: OWASP cross-site request forgery
/// prevention cheat sheet, "Fetch Metadata headers"; RFC 6455, section 10.2.
fn is_from_foreign_page(
    method: &Method,
    headers: &HeaderMap,
    host: &str,
    cors_origins: &[Origin],
) -> bool {
    let origin = headers.get(header::ORIGIN);
    let is_websocket = headers
        .get(header::UPGRADE)
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let is_foreign = match headers.get(SEC_FETCH_SITE) {
        Some(site) if !is_websocket => site == "cross-site",
        _ => origin.is_some_and(|origin| !is_origin_of_host(origin, host)),
    };
    let is_listed = || {
        let sent = origin.and_then(|origin| origin.to_str().ok());
        cors_origins.iter().any(|listed| listed.0 == "*" || Some(listed.0.as_str()) == sent)
    };
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    (is_websocket || !is_safe) && is_foreign && !is_listed()
}

/// Returns true if an origin has this host and port. Its scheme is not compared: a proxy may have
/// replaced it.
fn is_origin_of_host(origin: &HeaderValue, host: &str) -> bool {
    let Ok(origin) = Uri::try_from(origin.as_bytes()) else { return false };
    let Ok(host) = host.parse::<Authority>() else { return false };
    let default_port = if origin.scheme_str() == Some("https") { 443 } else { 80 };
    let port = |port: Option<u16>| port.unwrap_or(default_port);
    origin.host().is_some_and(|name| name.eq_ignore_ascii_case(host.host()))
        && port(origin.port_u16()) == port(host.port_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(method: &str, lines: &[(&str, &str)]) -> Option<ErrorCode> {
        let request = Request::builder().method(method).uri("/user/");
        let request =
            lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(axum::body::Body::empty()).unwrap();
        let listed = [Origin("https://app.example".to_owned())];
        check_request(&request, &listed).err().map(|error| error.code)
    }

    #[test]
    fn host_is_required_once_and_well_formed() {
        for good in ["localhost", "LOCALHOST:80", "127.0.0.1:8001", "[::1]:8001", "[::1]", "a.b:"] {
            assert_eq!(code_of("GET", &[("host", good)]), None, "{good}");
        }
        for bad in
            ["", "a b/c", "a/b", "user@host", "host:port", "host:99999", "http://host", "a\u{e4}"]
        {
            assert_eq!(code_of("GET", &[("host", bad)]), Some(ErrorCode::BadRequest), "{bad}");
        }
        assert_eq!(code_of("GET", &[]), Some(ErrorCode::BadRequest));
        assert_eq!(code_of("GET", &[("host", "a"), ("host", "a")]), Some(ErrorCode::BadRequest));
    }

    #[test]
    fn host_of_other_versions() {
        let request = |version, uri: &str, host: Option<&str>| {
            let request = Request::builder().version(version).uri(uri);
            let request =
                host.into_iter().fold(request, |request, host| request.header("host", host));
            let request = request.body(axum::body::Body::empty()).unwrap();
            check_request(&request, &[]).is_ok()
        };
        assert!(request(Version::HTTP_10, "/", None));
        assert!(!request(Version::HTTP_10, "/", Some("a b")));
        assert!(request(Version::HTTP_11, "http://a/", Some("b")));
        assert!(!request(Version::HTTP_11, "http://a/", None));
        assert!(request(Version::HTTP_2, "https://a/", None));
        assert!(request(Version::HTTP_2, "https://a/", Some("A")));
        assert!(!request(Version::HTTP_2, "https://a/", Some("b")));
        assert!(request(Version::HTTP_2, "/", Some("b")));
    }

    #[test]
    fn ambiguous_requests_are_malformed() {
        let bad = Some(ErrorCode::BadRequest);
        for name in ["authorization", "content-type", "idempotency-key"] {
            assert_eq!(code_of("POST", &[("host", "a"), (name, "x"), (name, "x")]), bad, "{name}");
        }
        for (coding, code) in [("chunked", None), ("Chunked", None), ("gzip, chunked", bad)] {
            let lines = [("host", "a"), ("transfer-encoding", coding)];
            assert_eq!(code_of("POST", &lines), code, "{coding}");
        }
    }

    #[test]
    fn foreign_pages_only_read() {
        const OWN: (&str, &str) = ("host", "api.example:8443");
        let forbidden = Some(ErrorCode::Forbidden);
        let cross_site = ("sec-fetch-site", "cross-site");
        for (lines, code) in [
            (&[OWN][..], None),
            (&[OWN, cross_site], forbidden),
            (&[OWN, cross_site, ("origin", "https://app.example")], None),
            (&[OWN, cross_site, ("origin", "https://evil.example")], forbidden),
            (&[OWN, ("sec-fetch-site", "same-site"), ("origin", "https://www.example")], None),
            (&[OWN, ("sec-fetch-site", "same-origin")], None),
            (&[OWN, ("origin", "https://evil.example")], forbidden),
            (&[OWN, ("origin", "https://api.example")], forbidden),
            (&[OWN, ("origin", "null")], forbidden),
            (&[OWN, ("origin", "https://api.example:8443")], None),
            (&[("host", "api.example"), ("origin", "https://api.example")], None),
            (&[("host", "api.example:443"), ("origin", "https://api.example")], None),
            (&[("host", "[::1]:80"), ("origin", "http://[::1]")], None),
        ] {
            assert_eq!(code_of("POST", lines), code, "{lines:?}");
            assert_eq!(code_of("DELETE", lines), code, "{lines:?}");
            for safe in ["GET", "HEAD", "OPTIONS"] {
                assert_eq!(code_of(safe, lines), None, "{safe} {lines:?}");
            }
        }
        let upgrade = ("upgrade", "WebSocket");
        for (lines, code) in [
            (&[OWN, upgrade][..], None),
            (&[OWN, upgrade, ("origin", "https://api.example:8443")], None),
            (&[OWN, upgrade, ("origin", "https://app.example")], None),
            (&[OWN, upgrade, ("origin", "https://evil.example")], forbidden),
            (&[OWN, upgrade, ("origin", "null")], forbidden),
            (
                &[OWN, upgrade, ("origin", "http://b.example"), ("sec-fetch-site", "same-site")],
                forbidden,
            ),
        ] {
            assert_eq!(code_of("GET", lines), code, "{lines:?}");
        }
    }
}
