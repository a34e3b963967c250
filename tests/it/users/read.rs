//! `GET /user/{user_id}/` and `GET /user/{username}/`.

use reqwest::{Method, header};
use serde_json::json;

use crate::support::client::Answer;
use crate::support::fixtures::{each, email_of, fields};
use crate::support::services::Layout;

on_every_stack!(
    shows_a_user_with_offers,
    finds_a_username,
    knows_a_number_from_a_name,
    nobody_is_404,
    answers_head_without_a_body,
    takes_its_methods_alone,
);

async fn shows_a_user_with_offers(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    for (member, title) in [(&ann, "first"), (&bob, "other"), (&ann, "second"), (&ann, "third")] {
        stack.offer(member, title).await;
    }
    let user = stack.users.get(&ann.path()).await.expect(200).json();
    assert_eq!(fields(&user), ["created_at", "email", "id", "offers", "username"]);
    assert_eq!(user["id"], ann.id);
    assert_eq!(user["username"], "ann");
    assert_eq!(user["email"], email_of("ann"));
    assert_eq!(each(&user["offers"], "title"), ["first", "second", "third"]);
    for offer in user["offers"].as_array().unwrap() {
        assert_eq!(fields(offer), ["created_at", "id", "text", "title", "user_id"]);
        assert_eq!(offer["user_id"], ann.id);
        let asked = json!({ "offer_id": offer["id"] });
        assert_eq!(&stack.offers.post("/offer/", asked).await.json(), offer);
    }
    stack.register("carl").await;
    let user = stack.users.get("/user/carl/").await.expect(200).json();
    assert_eq!(user["offers"], json!([]));
}

async fn finds_a_username(layout: Layout) {
    let stack = layout.spec().await;
    let user = stack.register("Ёж/и?к").await;
    for segment in ["%D0%81%D0%B6%2F%D0%B8%3F%D0%BA", "%D1%91%D0%B6%2F%D0%B8%3F%D0%9A"] {
        let found = stack.users.get(&format!("/user/{segment}/")).await;
        assert_eq!(found.expect(200).json()["id"], user["id"]);
    }
}

async fn knows_a_number_from_a_name(layout: Layout) {
    let stack = layout.spec().await;
    let user = stack.register("1st").await;
    assert_ne!(user["id"], 1000);
    stack.users.get("/user/1st/").await.expect(200);
    // Nobody is found by a username of digits alone, since that is an id.
    let mut body = crate::support::fixtures::registration("digits");
    body["username"] = json!("1000");
    let registered = stack.users.post("/user/registry/", body).await;
    assert!(matches!(registered.status, 201 | 422), "{registered:?}");
    stack.users.get("/user/1000/").await.problem(404);
}

async fn nobody_is_404(layout: Layout) {
    let stack = layout.spec().await;
    for segment in [
        "1",
        "0",
        "nobody",
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999",
        "%20",
        "%25",
    ] {
        let problem = stack.users.get(&format!("/user/{segment}/")).await.problem(404);
        assert_eq!(problem.code, "NOT_FOUND");
    }
}

async fn answers_head_without_a_body(layout: Layout) {
    let stack = layout.spec().await;
    stack.register("ann").await;
    let answer = Answer::to(stack.users.request(Method::HEAD, "/user/ann/")).await;
    let answer = answer.expect(200);
    assert_eq!(answer.media_type(), Some("application/json"));
    assert!(answer.body.is_empty());
    let answer = Answer::to(stack.users.request(Method::HEAD, "/user/nobody/")).await;
    answer.expect(404);
}

async fn takes_its_methods_alone(layout: Layout) {
    let stack = layout.spec().await;
    for method in [Method::POST, Method::PUT] {
        let answer = Answer::to(stack.users.request(method, "/user/ann/")).await;
        answer.problem(405);
        let allow = answer.header(header::ALLOW).unwrap();
        let mut methods: Vec<_> = allow.split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods, ["DELETE", "GET", "HEAD", "PATCH"]);
    }
}
