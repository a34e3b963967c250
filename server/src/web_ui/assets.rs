//! The files in `assets/` that the pages load. The large ones are stored as gzip, and decompressed only for
//! clients that do not accept it.

use std::io::Read as _;

use axum::body::Bytes;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use flate2::Crc;
use flate2::read::GzDecoder;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Returns every path below `/assets/` with its file.
pub(super) fn static_assets() -> [(&'static str, Asset); 7] {
    [
        (
            "/assets/icon.svg",
            Asset::uncompressed("image/svg+xml", include_bytes!("../../assets/icon.svg")),
        ),
        ("/assets/page.css", Asset::uncompressed(CSS, include_bytes!("../../assets/page.css"))),
        ("/assets/docs.css", Asset::gzipped(CSS, include_bytes!("../../assets/docs.css.gz"))),
        ("/assets/docs.js", Asset::gzipped(SCRIPT, include_bytes!("../../assets/docs.js.gz"))),
        (
            "/assets/graphiql.css",
            Asset::gzipped(CSS, include_bytes!("../../assets/graphiql.css.gz")),
        ),
        (
            "/assets/graphiql.js",
            Asset::gzipped(SCRIPT, include_bytes!("../../assets/graphiql.js.gz")),
        ),
        (
            "/assets/third-party.txt",
            Asset::gzipped(
                "text/plain; charset=utf-8",
                include_bytes!("../../assets/third-party.txt.gz"),
            ),
        ),
    ]
}

/// A file with its entity tag.
#[derive(Clone)]
pub(super) struct Asset {
    content_type: &'static str,
    etag: String,
    body: Bytes,
    gzipped: bool,
}

impl Asset {
    fn uncompressed(content_type: &'static str, body: &'static [u8]) -> Self {
        Self::new(content_type, Bytes::from_static(body), false)
    }

    fn gzipped(content_type: &'static str, body: &'static [u8]) -> Self {
        Self::new(content_type, Bytes::from_static(body), true)
    }

    pub(super) fn dynamic(content_type: &'static str, body: String) -> Self {
        Self::new(content_type, Bytes::from(body), false)
    }

    fn new(content_type: &'static str, body: Bytes, gzipped: bool) -> Self {
        let mut crc = Crc::new();
        crc.update(&body);
        // Weak, because the gzipped and the plain form share it.
        let etag = format!("W/\"{:08x}-{:x}\"", crc.sum(), body.len());
        Self { content_type, etag, body, gzipped }
    }

    pub(super) fn into_route(self) -> MethodRouter {
        get(async move |headers: HeaderMap| self.response(&headers))
    }

    fn response(&self, request: &HeaderMap) -> Response {
        // Revalidated each time, at the cost of an empty response, so that an upgrade shows at once.
        let cached =
            [(ETAG, self.etag.as_str()), (CACHE_CONTROL, "no-cache"), (VARY, "accept-encoding")];
        if list_header(request, &IF_NONE_MATCH).any(|tag| tag == "*" || tag == self.etag) {
            return (StatusCode::NOT_MODIFIED, cached).into_response();
        }
        let typed = [(CONTENT_TYPE, self.content_type), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
        if !self.gzipped {
            return (cached, typed, self.body.clone()).into_response();
        }
        if list_header(request, &ACCEPT_ENCODING).any(accepts_gzip) {
            return (cached, typed, [(CONTENT_ENCODING, "gzip")], self.body.clone())
                .into_response();
        }
        match gunzip(&self.body) {
            Ok(body) => (cached, typed, body).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// Returns the elements of a header that is a list.
fn list_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn accepts_gzip(element: &str) -> bool {
    let mut parts = element.split(';').map(str::trim);
    let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
    let refused = parts
        .filter_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
        .any(|weight| weight.parse().is_ok_and(|weight: f32| weight <= 0.0));
    named && !refused
}

pub(super) fn gunzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(body).read_to_end(&mut plain)?;
    Ok(plain)
}
