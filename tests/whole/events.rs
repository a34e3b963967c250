//! The log of events.

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::poll;
use crate::stack::{Layout, Stack};
use crate::story::password_of;

on_every_stack!(tell_who_did_what_from_where);

fn events(stack: &Stack) -> Vec<Value> {
    let logs = stack.logs();
    let lines = logs.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["target"] == "events").collect()
}

async fn tell_who_did_what_from_where(layout: Layout) {
    let settings = layout.set("SECURITY", "strict").set("LOG_FORMAT", "json");
    let stack = settings.set("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let ann = stack.member("ann").await;
    let own = stack.users.bearer(&ann.access);
    for name in ["ann", "hunter2"] {
        let request = stack.users.request(Method::POST, "/user/auth/");
        let request = request.header("x-forwarded-for", "192.0.2.1");
        let body = json!({ "username": name, "password": "wrong" });
        Answer::to(request.json(&body)).await.problem(401);
    }
    own.patch(&ann.path(), json!({ "email": "ann@example.net" })).await.expect(200);
    let session = stack.log_in("ann").await;
    let refresh =
        |token: &Value| stack.users.post("/user/refresh/", json!({ "refresh_token": token }));
    let next = refresh(&session["refresh_token"]).await.expect(200).json();
    refresh(&next["refresh_token"]).await.expect(200);
    refresh(&session["refresh_token"]).await.problem(401);
    let body = json!({ "refresh_token": ann.refresh });
    stack.users.post("/user/logout/", body).await.expect(204);
    let session = stack.log_in("ann").await;
    let own = stack.users.bearer(session["access_token"].as_str().unwrap());
    let change = |old: &str| json!({ "old_password": old, "new_password": "a wholly new one" });
    own.post("/user/password/", change("wrong")).await.problem(401);
    own.post("/user/password/", change(&password_of("ann"))).await.expect(204);
    let body = json!({ "username": "ann", "password": "a wholly new one" });
    let session = stack.users.post("/user/auth/", body).await.expect(200).json();
    let own = stack.users.bearer(session["access_token"].as_str().unwrap());
    own.delete(&ann.path()).await.expect(204);

    let seen = poll::until("the last event is written", async || {
        let events = events(&stack);
        events.iter().any(|event| event["message"] == "deletion").then_some(events)
    })
    .await;
    let told: Vec<_> = seen
        .iter()
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            (text("message"), text("outcome"), text("from"), event["user"].as_i64())
        })
        .collect();
    let event = |what: &str, outcome: &str, from: &str, user: Option<i64>| {
        (what.to_owned(), outcome.to_owned(), from.to_owned(), user)
    };
    let (here, away, id) = ("127.0.0.1", "192.0.2.1", Some(ann.id));
    assert_eq!(
        told,
        [
            event("registration", "done", here, id),
            event("login", "done", here, id),
            event("login", "refused", away, id),
            event("login", "refused", away, None),
            event("change of a user", "done", here, id),
            event("login", "done", here, id),
            event("reuse of a refresh token", "refused", here, id),
            event("logout", "done", here, id),
            event("login", "done", here, id),
            event("password change", "refused", here, id),
            event("password change", "done", here, id),
            event("login", "done", here, id),
            event("deletion", "done", here, id),
        ]
    );
    let text = stack.logs().join("\n");
    assert!(!text.contains("hunter2"), "a name may be a password in the wrong field");
}
