use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderName, Request, StatusCode};
use tower::ServiceExt as _;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::{InfoBuilder, OpenApiBuilder, PathsBuilder};

use super::*;

fn ui() -> UiConfig {
    let operation =
        OperationBuilder::new().summary(Some("Read <one>")).operation_id(Some("read")).tag("books");
    let paths = PathsBuilder::new().path("/book/", PathItem::new(HttpMethod::Post, operation));
    UiConfig {
        service: "books-api",
        title: "Books",
        summary: "What readers \"lend\" & more",
        cards: vec![Card { href: None, label: "readers-api", text: "The other service" }],
        graphiql: true,
        queries: &["query One { book(id: \"1\") { title } } # <&>"],
        openapi: OpenApiBuilder::new()
            .info(InfoBuilder::new().title("Books").version("1"))
            .paths(paths)
            .build(),
    }
}

async fn get(path: &str, header: Option<(HeaderName, &str)>) -> Response {
    let mut request = Request::get(path);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let request = request.body(Body::empty()).unwrap();
    router(&ui()).unwrap().oneshot(request).await.unwrap()
}

async fn body(response: Response) -> Vec<u8> {
    to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()
}

async fn text(response: Response) -> String {
    String::from_utf8(body(response).await).unwrap()
}

async fn every_page() -> [String; 3] {
    [
        text(get("/", None).await).await,
        text(get("/docs", None).await).await,
        text(graphiql(&ui())).await,
    ]
}

#[tokio::test]
async fn pages_load_only_own_assets() {
    for html in every_page().await {
        let mut assets = 0;
        for (_, rest) in html.match_indices("/assets/").map(|(at, _)| html.split_at(at)) {
            let path = rest.split('"').next().unwrap();
            assert_eq!(get(path, None).await.status(), StatusCode::OK, "{path}");
            assets += 1;
        }
        assert!(assets >= 2, "{html}");
        assert!(!html.contains("://"), "{html}");
        assert!(!html.contains("<style") && !html.contains("style="), "{html}");
        assert_eq!(html.matches("<script").count(), html.matches("<script src=").count(), "{html}");
    }
}

#[tokio::test]
async fn pages_have_security_headers() {
    for response in [get("/", None).await, get("/docs", None).await, graphiql(&ui())] {
        assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], CONTENT_SECURITY);
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(response.headers()[REFERRER_POLICY], "no-referrer");
    }
}

#[tokio::test]
async fn text_is_escaped() {
    let [index, _, graphiql] = every_page().await;
    assert!(index.contains("What readers &quot;lend&quot; &amp; more"), "{index}");
    assert!(index.contains("Read &lt;one&gt;"), "{index}");
    assert!(index.contains("href=\"/docs#/books/read\""), "{index}");
    assert!(graphiql.contains("book(id: \\&quot;1\\&quot;)"), "{graphiql}");
    assert!(graphiql.contains("# &lt;&amp;&gt;"), "{graphiql}");
}

#[tokio::test]
async fn graphiql_is_linked_if_enabled() {
    let mut ui = ui();
    assert!(start_page::render(&ui).contains("href=\"/graphql\""));
    ui.graphiql = false;
    assert!(!start_page::render(&ui).contains("href=\"/graphql\""));
}

#[tokio::test]
async fn gzipped_files_are_decompressed_for_other_clients() {
    for (path, _) in assets::static_assets() {
        let plain = get(path, Some((ACCEPT_ENCODING, "br, gzip;q=0"))).await;
        assert!(!plain.headers().contains_key(CONTENT_ENCODING), "{path}");
        let plain = body(plain).await;
        assert!(std::str::from_utf8(&plain).is_ok_and(|text| !text.is_empty()), "{path}");

        let gzipped = get(path, Some((ACCEPT_ENCODING, "br, gzip"))).await;
        if gzipped.headers().contains_key(CONTENT_ENCODING) {
            let gzipped = body(gzipped).await;
            assert!(gzipped.len() < plain.len(), "{path}");
            assert_eq!(assets::gunzip(&gzipped).unwrap(), plain, "{path}");
        } else {
            assert_eq!(body(gzipped).await, plain, "{path}");
        }
    }
}

#[tokio::test]
async fn unchanged_file_returns_304() {
    for path in ["/openapi.json", "/assets/page.css", "/assets/graphiql.js"] {
        let etag = get(path, None).await.headers()[ETAG].to_str().unwrap().to_owned();
        let known = format!("\"other\", {etag}");
        let again = get(path, Some((IF_NONE_MATCH, &known))).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
        assert_eq!(again.headers()[ETAG], etag.as_str());
        assert!(body(again).await.is_empty());
        let changed = get(path, Some((IF_NONE_MATCH, "\"other\""))).await;
        assert_eq!(changed.status(), StatusCode::OK, "{path}");
    }
}
