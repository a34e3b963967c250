//! Pages of other origins.

use reqwest::{Method, header};

use crate::support::client::{Answer, Api};
use crate::support::services::Layout;

on_every_stack!(none_may_call_by_default, those_named_may_call, any_may_call_with_a_star);

const ALLOWED: &str = "https://app.example";
const OTHER: &str = "https://other.example";

/// Which origin an answer and a preflight let in.
async fn lets_in(api: &Api, origin: &str) -> [Option<String>; 2] {
    let plain = api.request(Method::GET, "/health/live").header(header::ORIGIN, origin);
    let preflight = api
        .request(Method::OPTIONS, "/graphql")
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");
    let plain = Answer::to(plain).await.expect(200);
    let preflight = Answer::to(preflight).await;
    [plain, preflight].map(|answer| {
        let value = answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN)?;
        Some(value.to_owned())
    })
}

async fn none_may_call_by_default(layout: Layout) {
    let stack = layout.spec().await;
    for api in [&stack.users, &stack.offers] {
        assert_eq!(lets_in(api, ALLOWED).await, [None, None]);
    }
}

async fn those_named_may_call(layout: Layout) {
    let stack = layout.set("CORS_ORIGINS", "https://app.example,https://two.example").start().await;
    for api in [&stack.users, &stack.offers] {
        for origin in [ALLOWED, "https://two.example"] {
            let own = Some(origin.to_owned());
            assert_eq!(lets_in(api, origin).await, [own.clone(), own]);
        }
        assert_eq!(lets_in(api, OTHER).await, [None, None]);
    }
}

async fn any_may_call_with_a_star(layout: Layout) {
    let stack = layout.set("CORS_ORIGINS", "*").start().await;
    for api in [&stack.users, &stack.offers] {
        let any = Some("*".to_owned());
        assert_eq!(lets_in(api, OTHER).await, [any.clone(), any]);
    }
}
