use axum::body::{Body, to_bytes};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderName, Request, StatusCode};
use tower::ServiceExt as _;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, PathItem};
use utoipa::openapi::{InfoBuilder, OpenApiBuilder, PathsBuilder};

use super::*;

fn pages() -> Pages {
    let operation = OperationBuilder::new()
        .summary(Some("Read <one>"))
        .operation_id(Some("read"))
        .tag("offers");
    let paths = PathsBuilder::new().path("/offer/", PathItem::new(HttpMethod::Post, operation));
    Pages {
        service: "offers-api",
        title: "Offers",
        summary: "What users \"offer\" & more",
        links: vec![Link { href: None, label: "users-api", text: "The other service" }],
        graphiql: true,
        queries: &["query One { offer(id: \"1\") { title } } # <&>"],
        openapi: OpenApiBuilder::new()
            .info(InfoBuilder::new().title("Offers").version("1"))
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
    router(&pages()).unwrap().oneshot(request).await.unwrap()
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
        text(graphiql(&pages())).await,
    ]
}

#[tokio::test]
async fn pages_load_only_what_is_served_here() {
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
async fn pages_carry_the_policy() {
    for response in [get("/", None).await, get("/docs", None).await, graphiql(&pages())] {
        assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], CONTENT_SECURITY);
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(response.headers()[REFERRER_POLICY], "no-referrer");
    }
}

#[tokio::test]
async fn text_is_escaped() {
    let [index, _, graphiql] = every_page().await;
    assert!(index.contains("What users &quot;offer&quot; &amp; more"), "{index}");
    assert!(index.contains("Read &lt;one&gt;"), "{index}");
    assert!(index.contains("href=\"/docs#/offers/read\""), "{index}");
    assert!(graphiql.contains("offer(id: \\&quot;1\\&quot;)"), "{graphiql}");
    assert!(graphiql.contains("# &lt;&amp;&gt;"), "{graphiql}");
}

#[tokio::test]
async fn graphiql_is_linked_where_it_is_on() {
    let mut pages = pages();
    assert!(start_page::render(&pages).contains("href=\"/graphql\""));
    pages.graphiql = false;
    assert!(!start_page::render(&pages).contains("href=\"/graphql\""));
}

#[tokio::test]
async fn packed_files_are_unpacked_for_clients_that_take_no_gzip() {
    for (path, _) in assets::all() {
        let plain = get(path, Some((ACCEPT_ENCODING, "br, gzip;q=0"))).await;
        assert!(!plain.headers().contains_key(CONTENT_ENCODING), "{path}");
        let plain = body(plain).await;
        assert!(std::str::from_utf8(&plain).is_ok_and(|text| !text.is_empty()), "{path}");

        let packed = get(path, Some((ACCEPT_ENCODING, "br, gzip"))).await;
        if packed.headers().contains_key(CONTENT_ENCODING) {
            let packed = body(packed).await;
            assert!(packed.len() < plain.len(), "{path}");
            assert_eq!(assets::unpack(&packed).unwrap(), plain, "{path}");
        } else {
            assert_eq!(body(packed).await, plain, "{path}");
        }
    }
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
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
