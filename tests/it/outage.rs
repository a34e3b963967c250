//! `offers-api` away, and back.

use serde_json::{Value, json};

use crate::support::fixtures::{Member, each};
use crate::support::services::{Layout, Stack};
use crate::support::wait as poll;

// In one process neither service can be away for the other.
on_two_processes!(a_cut_connection_is_survived, a_stopped_service_is_survived);

const QUERY: &str = "{ user(username: \"ann\") { username offers { title } } }";
const PAGE: &str = "{ user(username: \"ann\") { username offersConnection { edges { cursor } } } }";

/// `ann` with one offer, seen by both ways.
async fn prepared(stack: &Stack) -> Member {
    let ann = stack.member("ann").await;
    stack.offer(&ann, "chair").await;
    whole(stack, &ann).await.unwrap();
    ann
}

async fn whole(stack: &Stack, ann: &Member) -> Option<()> {
    let rest = stack.users.get(&ann.path()).await;
    let graph = stack.users.graphql(QUERY, json!({})).await;
    if rest.status != 200 || graph.body.get("errors").is_some() {
        return None;
    }
    let chair = [json!("chair")];
    assert_eq!(each(&rest.json()["offers"], "title"), chair);
    assert_eq!(each(&graph.data()["user"]["offers"], "title"), chair);
    Some(())
}

async fn partial(stack: &Stack, ann: &Member) {
    for _ in 0..3 {
        let problem = stack.users.get(&ann.path()).await.problem(503);
        assert_eq!(problem.code, "OFFERS_UNAVAILABLE");
        let graph = stack.users.graphql(QUERY, json!({})).await;
        assert_eq!(graph.code(), "OFFERS_UNAVAILABLE");
        assert_eq!(graph.answer.status, 200);
        let user = json!({ "username": "ann", "offers": null });
        assert_eq!(graph.body["data"], json!({ "user": user }));
        assert_eq!(graph.body["errors"][0]["path"], json!(["user", "offers"]));
        let graph = stack.users.graphql(PAGE, json!({})).await;
        assert_eq!(graph.code(), "OFFERS_UNAVAILABLE");
        assert_eq!(graph.body["data"]["user"]["offersConnection"], Value::Null);
    }
    // What needs no offers goes on as ever.
    stack.users.get("/user/").await.expect(200);
    stack.users.get("/user/nobody/").await.problem(404);
    stack.users.get("/health/ready").await.expect(200);
    stack.log_in("ann").await;
}

async fn a_cut_connection_is_survived(layout: Layout) {
    let mut stack = layout.set("SECURITY", "spec").offers_relayed().start().await;
    let ann = prepared(&stack).await;
    for _ in 0..2 {
        stack.cut().await;
        partial(&stack, &ann).await;
        stack.mend();
        poll::until("users-api is whole again", async || whole(&stack, &ann).await).await;
    }
}

async fn a_stopped_service_is_survived(layout: Layout) {
    let mut stack = layout.spec().await;
    let ann = prepared(&stack).await;
    stack.stop_one("offers-api");
    partial(&stack, &ann).await;
    stack.start_one("offers-api").await;
    poll::until("users-api is whole again", async || whole(&stack, &ann).await).await;
}
