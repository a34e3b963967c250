//! `POST /offer/create/`.

use reqwest::{Method, header};
use serde_json::json;

use crate::support::client::Answer;
use crate::support::fixtures::{assert_recent, fields};
use crate::support::services::Layout;

on_every_stack!(
    makes_an_offer,
    takes_texts_up_to_their_limits,
    refuses_an_unknown_user,
    names_missing_and_wrong_fields,
    refuses_what_is_no_object,
    ignores_unknown_fields,
    takes_post_alone,
);

async fn makes_an_offer(layout: Layout) {
    let stack = layout.spec().await;
    let user = stack.register("ann").await;
    let body = json!({ "user_id": user["id"], "title": "Стул 🪑", "text": "Ten\nyears old.\t" });
    let answer = stack.offers.post("/offer/create/", body).await.expect(201);
    let offer = answer.json();
    assert_eq!(fields(&offer), ["created_at", "id", "text", "title", "user_id"]);
    assert!(offer["id"].as_i64().unwrap() > 0, "{offer}");
    assert_eq!(offer["user_id"], user["id"]);
    assert_eq!(offer["title"], "Стул 🪑");
    assert_eq!(offer["text"], "Ten\nyears old.\t");
    assert_recent(&offer["created_at"]);
    let body = json!({ "offer_id": offer["id"] });
    assert_eq!(stack.offers.post("/offer/", body).await.expect(200).json(), offer);
}

async fn takes_texts_up_to_their_limits(layout: Layout) {
    let stack = layout.spec().await;
    let user = stack.register("ann").await;
    for (title, text, status) in
        [(1, 1, 201), (200, 20_000, 201), (0, 1, 422), (201, 1, 422), (1, 0, 422), (1, 20_001, 422)]
    {
        let body = json!({
            "user_id": user["id"],
            "title": "ж".repeat(title),
            "text": "🦊".repeat(text),
        });
        let answer = stack.offers.post("/offer/create/", body).await;
        assert_eq!(answer.status, status, "title {title}, text {text}");
        match status {
            201 => assert_eq!(answer.json()["text"], "🦊".repeat(text)),
            _ if text == 1 => answer.problem(422).points_at(&["/title"]),
            _ => answer.problem(422).points_at(&["/text"]),
        }
    }
    // `PostgreSQL` can't keep a NUL, which must not come out as a failure of ours.
    let body = json!({ "user_id": user["id"], "title": "a\u{0}b", "text": "c\u{0}d" });
    let answer = stack.offers.post("/offer/create/", body).await;
    answer.problem(422).points_at(&["/title", "/text"]);
}

async fn refuses_an_unknown_user(layout: Layout) {
    let stack = layout.spec().await;
    for id in [1, i64::MAX] {
        let body = json!({ "user_id": id, "title": "chair", "text": "old" });
        let problem = stack.offers.post("/offer/create/", body).await.problem(422);
        assert_eq!(problem.code, "USER_NOT_FOUND");
        problem.points_at(&["/user_id"]);
    }
}

async fn names_missing_and_wrong_fields(layout: Layout) {
    let stack = layout.spec().await;
    let user = stack.register("ann").await;
    for body in [
        json!({}),
        json!({ "user_id": null, "title": null, "text": null }),
        json!({ "user_id": "one", "title": 1, "text": ["old"] }),
        json!({ "user_id": {}, "title": "", "text": "" }),
    ] {
        let problem = stack.offers.post("/offer/create/", body).await.problem(422);
        problem.points_at(&["/user_id", "/title", "/text"]);
    }
    for id in [json!(0), json!(-1), json!(1.5), json!(u64::MAX), json!(1e30), json!(true)] {
        let body = json!({ "user_id": id, "title": "chair", "text": "old" });
        let problem = stack.offers.post("/offer/create/", body).await.problem(422);
        problem.points_at(&["/user_id"]);
    }
    let body = json!({ "user_id": user["id"], "title": "chair" });
    let problem = stack.offers.post("/offer/create/", body).await.problem(422);
    problem.points_at(&["/text"]);
}

async fn refuses_what_is_no_object(layout: Layout) {
    let stack = layout.spec().await;
    for path in ["/offer/create/", "/offer/"] {
        for body in ["", "{", "nothing", "[]", "\"chair\"", "1", "null"] {
            let request = stack.offers.request(Method::POST, path);
            let request = request.header(header::CONTENT_TYPE, "application/json");
            Answer::to(request.body(body)).await.problem(400);
        }
    }
}

async fn ignores_unknown_fields(layout: Layout) {
    let stack = layout.spec().await;
    let user = stack.register("ann").await;
    let body = json!({
        "user_id": user["id"], "title": "chair", "text": "old", "id": 77, "price": { "in": "€" },
    });
    let offer = stack.offers.post("/offer/create/", body).await.expect(201).json();
    assert_eq!(fields(&offer), ["created_at", "id", "text", "title", "user_id"]);
    assert_ne!(offer["id"], 77);
}

async fn takes_post_alone(layout: Layout) {
    let stack = layout.spec().await;
    for path in ["/offer/create/", "/offer/"] {
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = Answer::to(stack.offers.request(method, path)).await;
            answer.problem(405);
            assert_eq!(answer.header(header::ALLOW), Some("POST"));
        }
    }
}
