//! `POST /user/logout/` and `POST /user/password/`.

use reqwest::header;
use serde_json::json;

use crate::support::fixtures::password_of;
use crate::support::services::Layout;

on_every_stack!(
    logs_out_and_again,
    logout_takes_any_token,
    logout_names_a_missing_field,
    changes_a_password,
    password_change_needs_its_user,
    password_change_names_wrong_fields,
    both_take_post_alone,
);

async fn logs_out_and_again(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let other = stack.log_in("ann").await;
    let body = json!({ "refresh_token": ann.refresh });
    for _ in 0..2 {
        let answer = stack.users.post("/user/logout/", body.clone()).await.expect(204);
        assert!(answer.body.is_empty(), "{answer:?}");
    }
    stack.users.post("/user/refresh/", body).await.problem(401);
    // The other session of the same user goes on.
    let body = json!({ "refresh_token": other["refresh_token"] });
    stack.users.post("/user/refresh/", body).await.expect(200);
}

/// As RFC 7009 has it: nobody learns here whether a token is a good one.
async fn logout_takes_any_token(layout: Layout) {
    let stack = layout.spec().await;
    for token in ["", "garbage", "a.b.c"] {
        let body = json!({ "refresh_token": token });
        stack.users.post("/user/logout/", body).await.expect(204);
    }
}

async fn logout_names_a_missing_field(layout: Layout) {
    let stack = layout.spec().await;
    let problem = stack.users.post("/user/logout/", json!({})).await.problem(422);
    problem.points_at(&["/refresh_token"]);
}

async fn changes_a_password(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let other = stack.log_in("ann").await;
    let bob = stack.member("bob").await;
    let body = json!({ "old_password": ann.password, "new_password": "a wholly new one" });
    let own = stack.users.bearer(&ann.access);
    let answer = own.post("/user/password/", body).await.expect(204);
    assert!(answer.body.is_empty(), "{answer:?}");

    for token in [json!(ann.refresh), other["refresh_token"].clone()] {
        let body = json!({ "refresh_token": token });
        stack.users.post("/user/refresh/", body).await.problem(401);
    }
    let body = json!({ "refresh_token": bob.refresh });
    stack.users.post("/user/refresh/", body).await.expect(200);
    let body = json!({ "username": "ann", "password": password_of("ann") });
    stack.users.post("/user/auth/", body).await.problem(401);
    let body = json!({ "username": "ann", "password": "a wholly new one" });
    stack.users.post("/user/auth/", body).await.expect(200);
}

async fn password_change_needs_its_user(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let body = json!({ "old_password": ann.password, "new_password": "a wholly new one" });
    stack.users.post("/user/password/", body.clone()).await.problem(401);
    for token in ["garbage", &ann.refresh] {
        let api = stack.users.bearer(token);
        api.post("/user/password/", body.clone()).await.problem(401);
    }
    let wrong = json!({ "old_password": "wrong", "new_password": "a wholly new one" });
    let own = stack.users.bearer(&ann.access);
    own.post("/user/password/", wrong).await.problem(401);
    stack.log_in("ann").await;
}

async fn password_change_names_wrong_fields(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let own = stack.users.bearer(&ann.access);
    for (body, pointers) in [
        (json!({}), &["/old_password", "/new_password"][..]),
        (json!({ "old_password": ann.password }), &["/new_password"]),
        (json!({ "old_password": ann.password, "new_password": "" }), &["/new_password"]),
        (
            json!({ "old_password": ann.password, "new_password": "x".repeat(1025) }),
            &["/new_password"],
        ),
        (json!({ "old_password": 1, "new_password": "a new one" }), &["/old_password"]),
    ] {
        let problem = own.post("/user/password/", body).await.problem(422);
        problem.points_at(pointers);
    }
    stack.log_in("ann").await;
}

async fn both_take_post_alone(layout: Layout) {
    let stack = layout.spec().await;
    for path in ["/user/logout/", "/user/password/"] {
        let answer = stack.users.get(path).await;
        answer.problem(405);
        assert_eq!(answer.header(header::ALLOW), Some("POST"));
    }
}
