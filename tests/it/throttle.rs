//! Failed logins are throttled by account and client address, registrations and taken names by address.
//! The database is not involved.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all};
use reqwest::header;
use serde_json::{Value, json};

use crate::support::client::{ApiClient, HttpResponse};
use crate::support::fixtures::{password_of, registration};
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

/// The ways to log in.
#[derive(Clone, Copy, Debug)]
enum LoginRoute {
    Rest,
    GraphqlHttp,
    GraphqlSocket,
}

impl LoginRoute {
    const ALL: [Self; 3] = [Self::Rest, Self::GraphqlHttp, Self::GraphqlSocket];

    /// Logs in from one address with each pair of username and password, and returns the codes of the
    /// errors; `OK` stands for a success.
    async fn log_in(
        self,
        users: &ApiClient,
        address: &str,
        attempts: impl IntoIterator<Item = (String, String)>,
    ) -> Vec<String> {
        let users = users.forwarded_for(address);
        let mut socket = users.websocket().await;
        let mut codes = Vec::new();
        for (username, password) in attempts {
            let variables = credentials(&username, &password);
            let code = match self {
                Self::Rest => users.post_login(username, password).await.parse()["code"].clone(),
                Self::GraphqlHttp => users.graphql(AUTHENTICATE, variables).await.body["errors"][0]
                    ["extensions"]["code"]
                    .clone(),
                Self::GraphqlSocket => {
                    socket.execute(AUTHENTICATE, variables).await["errors"][0]["extensions"]["code"]
                        .clone()
                }
            };
            codes.push(code.as_str().unwrap_or("OK").to_owned());
        }
        codes
    }
}

#[tokio::test]
async fn account_besieged_by_others_is_open_by_every_route() {
    let services =
        Topology::SQLITE_ONE_PROCESS.set("TRUSTED_PROXIES", "127.0.0.0/8,::1").start().await;
    services.register("ann").await;
    let users = &services.users;
    let failing = |times: usize| vec![("ann".to_owned(), "wrong".to_owned()); times];
    let right = || [("ann".to_owned(), password_of("ann"))];
    let log_in = async |route: LoginRoute, address: &str| {
        let start = Instant::now();
        assert_eq!(route.log_in(users, address, right()).await, ["OK"], "{route:?} {address}");
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    };
    for (number, route) in LoginRoute::ALL.into_iter().enumerate() {
        let codes = route.log_in(users, &format!("192.0.2.{number}"), failing(20)).await;
        assert!(codes[..5].iter().all(|code| code == "INVALID_CREDENTIALS"), "{codes:?}");
        assert!(codes.contains(&"TOO_MANY_REQUESTS".to_owned()), "{codes:?}");
        log_in(route, &format!("192.0.2.1{number}")).await;
    }
    // From so many addresses that the account has more failures than it is free to have.
    for number in 0..120 {
        let address = format!("198.51.100.{number}");
        log_in_from(users, &address, "ann", "wrong").await.problem(401);
    }
    assert_throttled(&log_in_from(users, "198.51.100.119", "ann", "wrong").await);
    for (number, route) in LoginRoute::ALL.into_iter().enumerate() {
        log_in(route, &format!("203.0.113.{number}")).await;
    }
}

#[tokio::test]
async fn parallel_failures_are_as_many_as_are_free() {
    let services = Topology::SQLITE_ONE_PROCESS.start_open().await;
    services.register("ann").await;
    let log_in_often = async |password: &str| {
        // New connections: those of a busy machine may be idle for too long.
        let users = ApiClient::new(services.users.url("/").as_str());
        let attempts = (0..100).map(|_| users.post_login("ann", password));
        join_all(attempts).await.into_iter().map(|response| response.status).collect::<Vec<_>>()
    };
    let count = |statuses: &[u16], status| statuses.iter().filter(|it| **it == status).count();
    let right = log_in_often(&password_of("ann")).await;
    assert_eq!(count(&right, 200), 100, "{right:?}");
    let wrong = log_in_often("wrong").await;
    assert_eq!((count(&wrong, 401), count(&wrong, 429)), (5, 95), "{wrong:?}");
}

#[tokio::test]
async fn failures_of_an_address_have_one_outcome_by_every_route() {
    let settings = Topology::SQLITE_ONE_PROCESS.set("TRUSTED_PROXIES", "127.0.0.0/8,::1");
    let services = settings.set("LOG_FORMAT", "json").start().await;
    for (number, route) in LoginRoute::ALL.into_iter().enumerate() {
        let address = format!("192.0.2.{number}");
        let attempts = (0..120).map(|name| (format!("nobody-{name}"), "wrong".to_owned()));
        let start = Instant::now();
        let codes = route.log_in(&services.users, &address, attempts).await;
        let count = |wanted: &str| codes.iter().filter(|code| *code == wanted).count();
        let failures = count("INVALID_CREDENTIALS");
        assert!(codes[..50].iter().all(|code| code == "INVALID_CREDENTIALS"), "{codes:?}");
        let forgotten = start.elapsed().as_secs_f64() / 5.0;
        assert!(
            f64::from(u8::try_from(failures).unwrap()) <= 51.0 + forgotten,
            "{route:?}: {codes:?}"
        );
        assert_eq!(count("TOO_MANY_REQUESTS"), 120 - failures, "{route:?}: {codes:?}");

        let all_events = async || {
            let events = services.security_events().into_iter();
            let events: Vec<_> = events.filter(|event| event["source_ip"] == address).collect();
            (events.len() > failures).then_some(events)
        };
        let events = wait::until("failures and a throttled login are logged", all_events).await;
        assert!(events.iter().all(|event| event["message"] == "authn_login_fail"), "{events:?}");
        let count = |outcome: &str, code: &str| {
            let events = events.iter();
            events.filter(|event| event["outcome"] == outcome && event["code"] == code).count()
        };
        assert_eq!(count("failure", "INVALID_CREDENTIALS"), failures, "{route:?}");
        let throttled = count("rate_limited", "TOO_MANY_REQUESTS");
        assert_eq!(throttled, events.len() - failures, "{route:?}");
    }
}

/// Registers users `{prefix}-{number}` until one is throttled, and returns how many were not.
async fn register_until_throttled(users: &ApiClient, prefix: &str) -> u32 {
    for number in 0..50 {
        let response = users.post_registration(registration(&format!("{prefix}-{number}"))).await;
        if response.status == 429 {
            assert_throttled(&response);
            return number;
        }
        response.expect(201);
    }
    panic!("is not throttled");
}

#[tokio::test]
async fn registrations_are_throttled_by_address() {
    let settings = Topology::SQLITE_ONE_PROCESS.set("REGISTRATION_BURST", "5");
    let services = settings.set("TRUSTED_PROXIES", "127.0.0.0/8,::1").start().await;
    let users = services.users.forwarded_for("192.0.2.1");
    assert_eq!(register_until_throttled(&users, "one").await, 5);
    let register =
        r#"mutation { register(input: {username: "ann", password: "7 quiet herons"}) { id } }"#;
    assert_eq!(users.graphql(register, json!({})).await.code(), "TOO_MANY_REQUESTS");
    let mut socket = users.websocket().await;
    assert_eq!(error_code(&socket.execute(register, json!({})).await), "TOO_MANY_REQUESTS");
    users.post_login("one-1", password_of("one-1")).await.expect(200);

    // Taken names count, by registrations and by changes.
    let other = services.users.forwarded_for("192.0.2.2");
    for _ in 0..3 {
        other.post_registration(registration("one-1")).await.problem(409);
    }
    for _ in 0..2 {
        other.patch_user("one-2", json!({ "username": "one-1" })).await.problem(409);
    }
    assert_throttled(&other.patch_user("one-2", json!({ "username": "free" })).await);
    // Those of an account count for every address.
    let more = services.users.forwarded_for("192.0.2.3");
    for _ in 0..3 {
        more.patch_user("one-2", json!({ "username": "one-1" })).await.problem(409);
    }
    let third = services.users.forwarded_for("192.0.2.4");
    assert_throttled(&third.patch_user("one-2", json!({ "username": "one-1" })).await);
    third.patch_user("one-3", json!({ "username": "free" })).await.expect(200);
}

#[tokio::test]
async fn hundreds_of_registrations_are_free_where_no_token_is_needed() {
    let services = Topology::SQLITE_ONE_PROCESS.start_open().await;
    let bodies = (0..300).map(|number| registration(&format!("user-{number}")));
    let mut requests = futures_util::stream::iter(bodies)
        .map(|body| services.users.post_registration(body))
        .buffer_unordered(40);
    while let Some(response) = requests.next().await {
        response.expect(201);
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
