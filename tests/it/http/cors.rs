//! Cross-origin requests.

use reqwest::{Method, header};

use crate::support::client::{ApiClient, send};
use crate::support::services::Topology;

on_every_topology!(
    no_origin_is_allowed_by_default,
    listed_origins_are_allowed,
    star_allows_every_origin
);

const ALLOWED: &str = "https://app.example";
const OTHER: &str = "https://other.example";

/// Returns `Access-Control-Allow-Origin` of a simple and of a preflight request, `None` if absent.
async fn allowed_origins(api: &ApiClient, origin: &str) -> [Option<String>; 2] {
    let plain = api.request(Method::GET, "/health/live").header(header::ORIGIN, origin);
    let preflight = api
        .request(Method::OPTIONS, "/graphql")
        .header(header::ORIGIN, origin)
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type");
    let plain = send(plain).await.expect(200);
    let preflight = send(preflight).await;
    [plain, preflight].map(|response| {
        let value = response.header(header::ACCESS_CONTROL_ALLOW_ORIGIN)?;
        Some(value.to_owned())
    })
}

async fn no_origin_is_allowed_by_default(topology: Topology) {
    let services = topology.start_open().await;
    for api in services.both() {
        assert_eq!(allowed_origins(api, ALLOWED).await, [None, None]);
    }
}

async fn listed_origins_are_allowed(topology: Topology) {
    let services =
        topology.set("CORS_ORIGINS", "https://app.example,https://two.example").start().await;
    for api in services.both() {
        for origin in [ALLOWED, "https://two.example"] {
            let echoed = Some(origin.to_owned());
            assert_eq!(allowed_origins(api, origin).await, [echoed.clone(), echoed]);
        }
        assert_eq!(allowed_origins(api, OTHER).await, [None, None]);
    }
}

async fn star_allows_every_origin(topology: Topology) {
    let services = topology.set("CORS_ORIGINS", "*").start().await;
    for api in services.both() {
        let any = Some("*".to_owned());
        assert_eq!(allowed_origins(api, OTHER).await, [any.clone(), any]);
    }
}
