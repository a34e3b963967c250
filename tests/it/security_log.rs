//! The log of events.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::fixtures::{password_of, registration};
use crate::support::services::{Layout, Stack};
use crate::support::wait as poll;

on_every_stack!(tell_who_did_what_from_where, tell_what_was_refused);

fn events(stack: &Stack) -> Vec<Value> {
    let logs = stack.logs();
    let lines = logs.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["target"] == "events").collect()
}

/// All events, once somebody is deleted, which is the last of them.
async fn until_deletion(stack: &Stack) -> Vec<Value> {
    let last = |event: &Value| event["message"] == "deletion" && event["outcome"] == "done";
    poll::until("the last event is written", async || {
        let events = events(stack);
        events.iter().any(last).then_some(events)
    })
    .await
}

fn text(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap_or_default().to_owned()
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

    let seen = until_deletion(&stack).await;
    let told: Vec<_> = seen
        .iter()
        .map(|event| {
            let text = |name| text(event, name);
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
    let (text, own) = (stack.logs().join("\n"), password_of("ann"));
    assert!(!text.contains("hunter2"), "a name may be a password in the wrong field");
    for secret in [&own, "a wholly new one", &ann.access, &ann.refresh] {
        assert!(!text.contains(secret), "{secret}");
    }
}

async fn tell_what_was_refused(layout: Layout) {
    let settings = layout.set("SECURITY", "strict").set("LOG_FORMAT", "json");
    let stack = settings.start().await;
    let (ann, bob) = (stack.member("ann").await, stack.member("bob").await);
    stack.users.post("/user/registry/", registration("ann")).await.problem(409);
    let body = json!({ "username": "nobody", "password": "wrong" });
    poll::until("a login is slowed", async || {
        (stack.users.post("/user/auth/", body.clone()).await.status == 429).then_some(())
    })
    .await;
    let own = stack.users.bearer(&bob.access);
    let body = json!({ "old_password": "wrong", "new_password": "a wholly new one" });
    poll::until("a change of a password is slowed", async || {
        (own.post("/user/password/", body.clone()).await.status == 429).then_some(())
    })
    .await;
    own.patch(&ann.path(), json!({ "email": null })).await.problem(403);
    stack.users.delete(&ann.path()).await.problem(401);
    own.delete(&ann.path()).await.problem(403);
    own.delete(&bob.path()).await.expect(204);

    let mut told: Vec<_> = until_deletion(&stack).await;
    told.retain(|event| event["message"] != "login" || event["outcome"] == "slowed");
    let told: Vec<_> = told
        .iter()
        .map(|event| {
            let number = |name: &str| event[name].as_i64();
            assert_eq!(event["from"], "127.0.0.1", "{event}");
            (text(event, "message"), text(event, "outcome"), number("user"), number("by"))
        })
        .collect();
    let (ann, bob) = (Some(ann.id), Some(bob.id));
    let refused = [
        ("registration", "refused", None, None),
        ("login", "slowed", None, None),
        ("password change", "slowed", bob, None),
        ("change of a user", "refused", ann, bob),
        ("deletion", "refused", ann, None),
        ("deletion", "refused", ann, bob),
        ("deletion", "done", bob, bob),
    ];
    for (what, outcome, user, by) in refused {
        let event = (what.to_owned(), outcome.to_owned(), user, by);
        assert!(told.contains(&event), "{event:?} is not among {told:?}");
    }
}
