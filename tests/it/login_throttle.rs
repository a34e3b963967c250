//! Failed logins are slowed, an account and an address at a time. No database has a part in it.

use std::time::Duration;

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::support::client::{Answer, Api};
use crate::support::fixtures::password_of;
use crate::support::services::Layout;
use crate::support::wait as poll;

/// Logs in by way of a proxy that says where the client is.
async fn from(users: &Api, address: &str, body: &Value) -> Answer {
    let request = users.request(Method::POST, "/user/auth/");
    Answer::to(request.header("x-forwarded-for", address).json(body)).await
}

#[track_caller]
fn assert_slowed(answer: &Answer) {
    assert_eq!(answer.problem(429).code, "TOO_MANY_REQUESTS");
    let wait: u64 = answer.header(header::RETRY_AFTER).unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[tokio::test]
async fn an_account_is_slowed_and_never_locked_out() {
    let stack = Layout::SQLITE_ONE.spec().await;
    stack.register("ann").await;
    let users = &stack.users;
    // The address in the header is the word of a stranger, and changes nothing.
    for name in ["ann", "nobody"] {
        let body = json!({ "username": name, "password": "wrong" });
        for number in 0..5 {
            from(users, &format!("192.0.2.{number}"), &body).await.problem(401);
        }
    }
    let right = json!({ "username": "ANN", "password": password_of("ann") });
    poll::until("a sixth failure is slowed, before the password is looked at", async || {
        let wrong = json!({ "username": "ann", "password": "wrong" });
        let answer = users.post("/user/auth/", wrong).await;
        (answer.status == 429).then(|| assert_slowed(&answer))
    })
    .await;
    let slowed = from(users, "192.0.2.99", &right).await;
    assert_slowed(&slowed);

    let query = "mutation($input: AuthenticateInput!) { authenticate(input: $input) { userId } }";
    let graph = users.graphql(query, json!({ "input": right })).await;
    assert_eq!(graph.code(), "TOO_MANY_REQUESTS");
    assert!(graph.body["errors"][0]["extensions"]["retryAfter"].is_u64());

    let limit = Duration::from_mins(1);
    poll::within(limit, "the wait is over, and the right password is taken", async || {
        let answer = users.post("/user/auth/", right.clone()).await;
        (answer.status == 200).then_some(())
    })
    .await;
    // Forgotten: the same number of failures costs nothing again.
    for _ in 0..5 {
        let wrong = json!({ "username": "ann", "password": "wrong" });
        users.post("/user/auth/", wrong).await.problem(401);
    }
}

#[tokio::test]
async fn an_address_is_slowed_whatever_the_names() {
    let stack = Layout::SQLITE_ONE.set("TRUSTED_PROXIES", "127.0.0.0/8,::1").start().await;
    stack.register("ann").await;
    let right = json!({ "username": "ann", "password": password_of("ann") });
    let mut slowed = None;
    for number in 0..200 {
        let body = json!({ "username": format!("nobody-{number}"), "password": "wrong" });
        // What the client wrote itself stands before what the proxy has added.
        let answer = from(&stack.users, &format!("10.0.0.{number}, 192.0.2.1"), &body).await;
        if answer.status == 429 {
            assert_slowed(&answer);
            slowed = Some(number);
            break;
        }
        answer.problem(401);
    }
    assert!(slowed.is_some_and(|number| number >= 50), "{slowed:?}");
    assert_slowed(&from(&stack.users, "192.0.2.1", &right).await);
    from(&stack.users, "192.0.2.2", &right).await.expect(200);
}

#[tokio::test]
async fn a_stolen_access_token_does_not_find_out_the_password() {
    let stack = Layout::SQLITE_ONE.strict().await;
    let ann = stack.member("ann").await;
    let own = stack.users.bearer(&ann.access);
    let body = json!({ "old_password": "wrong", "new_password": "a wholly new one" });
    for _ in 0..5 {
        own.post("/user/password/", body.clone()).await.problem(401);
    }
    poll::until("the sixth is slowed", async || {
        let answer = own.post("/user/password/", body.clone()).await;
        (answer.status == 429).then(|| assert_slowed(&answer))
    })
    .await;
    // Logging in is counted apart.
    stack.log_in("ann").await;
}
