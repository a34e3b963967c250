//! `POST /user/refresh/`; more about its tokens in `tokens/`.

use reqwest::header;
use serde_json::json;

use crate::support::fixtures::{fields, text};
use crate::support::services::Layout;

on_every_stack!(
    gives_a_new_pair,
    refuses_what_is_no_refresh_token,
    names_missing_and_wrong_fields,
    takes_post_alone,
);

async fn gives_a_new_pair(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let body = json!({ "refresh_token": ann.refresh });
    let answer = stack.users.post("/user/refresh/", body).await.expect(200);
    assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"));
    let session = answer.json();
    assert_eq!(
        fields(&session),
        ["access_token", "expires_in", "refresh_token", "token_type", "user_id"]
    );
    assert_eq!(session["user_id"], ann.id);
    assert_eq!(session["token_type"], "Bearer");
    assert_eq!(session["expires_in"], 600);
    assert_ne!(text(&session, "refresh_token"), ann.refresh);
    assert_ne!(text(&session, "access_token"), ann.access);
    let body = json!({ "refresh_token": session["refresh_token"] });
    stack.users.post("/user/refresh/", body).await.expect(200);
}

async fn refuses_what_is_no_refresh_token(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    for token in ["", "garbage", "a.b.c", "\u{0}", &ann.access] {
        let body = json!({ "refresh_token": token });
        stack.users.post("/user/refresh/", body).await.problem(401);
    }
}

async fn names_missing_and_wrong_fields(layout: Layout) {
    let stack = layout.spec().await;
    for body in [json!({}), json!({ "refresh_token": 1 }), json!({ "refresh_token": null })] {
        let problem = stack.users.post("/user/refresh/", body).await.problem(422);
        problem.points_at(&["/refresh_token"]);
    }
}

async fn takes_post_alone(layout: Layout) {
    let stack = layout.spec().await;
    let answer = stack.users.get("/user/refresh/").await;
    answer.problem(405);
    assert_eq!(answer.header(header::ALLOW), Some("POST"));
}
