//! Behaviour of `users-api` while `offers-api` is unreachable.

use serde_json::{Value, json};

use crate::support::fixtures::{TestUser, pluck};
use crate::support::services::{Services, Topology};
use crate::support::wait;

// In one process the services can't lose each other.
on_two_processes!(recovers_from_a_lost_connection, recovers_from_a_stopped_service);

const QUERY: &str = "{ user(username: \"ann\") { username offers { title } } }";
const PAGE: &str = "{ user(username: \"ann\") { username offersConnection { edges { cursor } } } }";

/// Creates `ann` with one offer, and asserts that REST and GraphQL return it.
async fn ann_with_offer(services: &Services) -> TestUser {
    let ann = services.register_and_log_in("ann").await;
    services.create_offer(&ann, "chair").await;
    check_complete(services, &ann).await.unwrap();
    ann
}

/// Asserts that responses contain the offer; `None` while `offers-api` is unreachable.
async fn check_complete(services: &Services, ann: &TestUser) -> Option<()> {
    let rest = services.users.get_user(ann.id).await;
    let graphql = services.users.graphql(QUERY, json!({})).await;
    if rest.status != 200 || graphql.body.get("errors").is_some() {
        return None;
    }
    let chair = [json!("chair")];
    assert_eq!(pluck(&rest.json()["offers"], "title"), chair);
    assert_eq!(pluck(&graphql.data()["user"]["offers"], "title"), chair);
    Some(())
}

/// Asserts that only responses with offers fail.
async fn assert_offers_unavailable(services: &Services, ann: &TestUser) {
    for _ in 0..3 {
        let problem = services.users.get_user(ann.id).await.problem(503);
        assert_eq!(problem.code, "OFFERS_UNAVAILABLE");
        let graphql = services.users.graphql(QUERY, json!({})).await;
        assert_eq!(graphql.code(), "OFFERS_UNAVAILABLE");
        assert_eq!(graphql.http.status, 200);
        let user = json!({ "username": "ann", "offers": null });
        assert_eq!(graphql.body["data"], json!({ "user": user }));
        assert_eq!(graphql.body["errors"][0]["path"], json!(["user", "offers"]));
        let graphql = services.users.graphql(PAGE, json!({})).await;
        assert_eq!(graphql.code(), "OFFERS_UNAVAILABLE");
        assert_eq!(graphql.body["data"]["user"]["offersConnection"], Value::Null);
    }
    // Requests without offers still succeed.
    services.users.get_users().await.expect(200);
    services.users.get_user("nobody").await.problem(404);
    services.users.get("/health/ready").await.expect(200);
    services.log_in("ann").await;
}

async fn recovers_from_a_lost_connection(topology: Topology) {
    let mut services = topology.builder().proxy_offers().start().await;
    let ann = ann_with_offer(&services).await;
    for _ in 0..2 {
        services.disconnect().await;
        assert_offers_unavailable(&services, &ann).await;
        services.connect();
        wait::until("users-api returns offers again", async || {
            check_complete(&services, &ann).await
        })
        .await;
    }
}

async fn recovers_from_a_stopped_service(topology: Topology) {
    let mut services = topology.start_open().await;
    let ann = ann_with_offer(&services).await;
    services.stop("offers-api");
    assert_offers_unavailable(&services, &ann).await;
    services.start("offers-api").await;
    wait::until("users-api returns offers again", async || check_complete(&services, &ann).await)
        .await;
}
