//! Failed logins are throttled by account and by client address. The database is not involved.

use std::time::Duration;

use reqwest::header;
use serde_json::{Value, json};

use crate::support::client::{ApiClient, HttpResponse};
use crate::support::fixtures::password_of;
use crate::support::services::Topology;
use crate::support::wait;

/// Logs in through a proxy that sends the client address in `X-Forwarded-For`.
async fn log_in_from(
    users: &ApiClient,
    address: &str,
    username: &str,
    password: &str,
) -> HttpResponse {
    users.forwarded_for(address).post_login(username, password).await
}

/// Logs in by GraphQL.
const AUTHENTICATE: &str =
    "mutation($input: AuthenticateInput!) { authenticate(input: $input) { userId } }";

fn credentials(username: &str, password: &str) -> Value {
    json!({ "input": { "username": username, "password": password } })
}

/// Returns the code of the only error of a GraphQL response.
fn error_code(response: &Value) -> &str {
    response["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
}

#[track_caller]
fn assert_throttled(response: &HttpResponse) {
    assert_eq!(response.problem(429).code, "TOO_MANY_REQUESTS");
    let wait: u64 = response.header(header::RETRY_AFTER).unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[tokio::test]
async fn account_is_throttled_but_not_locked_out() {
    let services = Topology::SQLITE_ONE_PROCESS.start_open().await;
    services.register("ann").await;
    let users = &services.users;
    // The header of an untrusted client is ignored.
    for name in ["ann", "nobody"] {
        for number in 0..5 {
            let address = format!("192.0.2.{number}");
            log_in_from(users, &address, name, "wrong").await.problem(401);
        }
    }
    wait::until("a sixth failure is throttled before the password is checked", async || {
        let response = users.post_login("ann", "wrong").await;
        (response.status == 429).then(|| assert_throttled(&response))
    })
    .await;
    let password = password_of("ann");
    assert_throttled(&log_in_from(users, "192.0.2.99", "ANN", &password).await);

    let graphql = users.graphql(AUTHENTICATE, credentials("ANN", &password)).await;
    assert_eq!(graphql.code(), "TOO_MANY_REQUESTS");
    assert!(graphql.body["errors"][0]["extensions"]["retryAfter"].is_u64());

    let timeout = Duration::from_mins(1);
    wait::until_timeout(timeout, "the right password is accepted again", async || {
        (users.post_login("ANN", &password).await.status == 200).then_some(())
    })
    .await;
    // The success reset the account: as many failures are free again.
    for _ in 0..5 {
        users.post_login("ann", "wrong").await.problem(401);
    }
}

#[tokio::test]
async fn address_is_throttled_across_usernames() {
    let services =
        Topology::SQLITE_ONE_PROCESS.set("TRUSTED_PROXIES", "127.0.0.0/8,::1").start().await;
    services.register("ann").await;
    let mut throttled_after = None;
    for number in 0..200 {
        // The address that the client sent is before the one that the proxy has added.
        let address = format!("10.0.0.{number}, 192.0.2.1");
        let username = format!("nobody-{number}");
        let response = log_in_from(&services.users, &address, &username, "wrong").await;
        if response.status == 429 {
            assert_throttled(&response);
            throttled_after = Some(number);
            break;
        }
        response.problem(401);
    }
    assert!(throttled_after.is_some_and(|number| number >= 50), "{throttled_after:?}");
    let password = password_of("ann");
    let blocked = log_in_from(&services.users, "192.0.2.1", "ann", &password).await;
    assert_throttled(&blocked);
    log_in_from(&services.users, "192.0.2.2", "ann", &password).await.expect(200);
}

/// Asserts that `log_in`, which has one address, is throttled after failures with many names, and that
/// `elsewhere`, with another address, is not.
async fn assert_address_is_throttled(
    mut log_in: impl AsyncFnMut(&str, &str) -> Value,
    mut elsewhere: impl AsyncFnMut(&str, &str) -> Value,
) {
    let mut throttled_after = None;
    for number in 0..200 {
        let response = log_in(&format!("nobody-{number}"), "wrong").await;
        if error_code(&response) == "TOO_MANY_REQUESTS" {
            throttled_after = Some(number);
            break;
        }
        assert_eq!(error_code(&response), "INVALID_CREDENTIALS", "{response}");
    }
    assert!(throttled_after.is_some_and(|number| number >= 50), "{throttled_after:?}");
    let password = password_of("ann");
    let blocked = log_in("ann", &password).await;
    assert_eq!(error_code(&blocked), "TOO_MANY_REQUESTS", "{blocked}");
    let response = elsewhere("ann", &password).await;
    assert_eq!(response["data"]["authenticate"]["userId"], "1", "{response}");
}

#[tokio::test]
async fn address_is_throttled_by_graphql() {
    let services =
        Topology::SQLITE_ONE_PROCESS.set("TRUSTED_PROXIES", "127.0.0.0/8,::1").start().await;
    services.register("ann").await;
    let log_in_from = |address: &str| {
        let users = services.users.forwarded_for(address);
        async move |username: &str, password: &str| {
            users.graphql(AUTHENTICATE, credentials(username, password)).await.body
        }
    };
    assert_address_is_throttled(log_in_from("192.0.2.1"), log_in_from("192.0.2.2")).await;

    let [mut socket, mut other] = [
        services.users.forwarded_for("192.0.2.3").websocket().await,
        services.users.forwarded_for("192.0.2.4").websocket().await,
    ];
    assert_address_is_throttled(
        async |username, password| {
            socket.execute(AUTHENTICATE, credentials(username, password)).await
        },
        async |username, password| {
            other.execute(AUTHENTICATE, credentials(username, password)).await
        },
    )
    .await;
}

#[tokio::test]
async fn password_change_attempts_are_throttled() {
    let services = Topology::SQLITE_ONE_PROCESS.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let as_ann = services.users.bearer(&ann.access_token);
    for _ in 0..5 {
        as_ann.post_password("wrong", "a wholly new one").await.problem(401);
    }
    wait::until("the sixth is throttled", async || {
        let response = as_ann.post_password("wrong", "a wholly new one").await;
        (response.status == 429).then(|| assert_throttled(&response))
    })
    .await;
    // Logins are counted separately.
    services.log_in("ann").await;
}
