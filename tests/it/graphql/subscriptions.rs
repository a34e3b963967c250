//! `offerCreated`, with one and two instances of `offers-api`.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::timeout;

use crate::support::client::ApiClient;
use crate::support::database::migrate_and_grant;
use crate::support::fixtures::{TestUser, pluck};
use crate::support::process::Process;
use crate::support::services::{Services, Topology};
use crate::support::settings::settings;
use crate::support::tcp_proxy::{Target, TcpProxy};
use crate::support::websocket::GraphqlSocket;

on_every_topology!(
    delivers_new_offers,
    subscription_filters_by_user,
    rejects_invalid_user_id,
    every_subscriber_gets_each_offer_once,
    offers_are_delivered_after_the_ids_begin_again,
);

const ALL: &str = "subscription { offerCreated {
    id title price { amount currency } status userId user { id } } }";

async fn delivers_new_offers(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    services.create_offer(&ann, "before").await;
    let mut socket = services.offers.websocket().await;
    socket.subscribe("s", ALL).await;
    for title in ["chair", "table"] {
        let price = json!({ "amount": 12_000, "currency": "EUR" });
        let body = json!({ "user_id": ann.id, "title": title, "text": "old", "price": price });
        let offer = services.offers.post_offer(body).await.expect(201).json();
        let user = json!({ "id": ann.id.to_string() });
        let expected = json!({
            "id": offer["id"].to_string(), "title": title, "price": price, "status": "OPEN",
            "userId": user["id"], "user": user,
        });
        assert_eq!(socket.next_event("s").await["offerCreated"], expected);
    }
}

async fn subscription_filters_by_user(topology: Topology) {
    let services = topology.start_strict().await;
    let (ann, bob) =
        (services.register_and_log_in("ann").await, services.register_and_log_in("bob").await);
    let mut socket = services.offers.websocket().await;
    let query = format!("subscription {{ offerCreated(userId: {}) {{ title }} }}", bob.id);
    socket.subscribe("s", &query).await;
    services.create_offer(&ann, "chair").await;
    services.create_offer(&bob, "table").await;
    assert_eq!(socket.next_event("s").await["offerCreated"]["title"], "table");
}

async fn rejects_invalid_user_id(topology: Topology) {
    let services = topology.start_open().await;
    let mut socket = services.offers.websocket().await;
    let query = "subscription { offerCreated(userId: \"x\") { id } }";
    let payload = json!({ "query": query });
    socket.send(json!({ "type": "subscribe", "id": "s", "payload": payload })).await;
    let message = socket.receive().await;
    assert_eq!(message["type"], "error", "{message}");
    assert_eq!(message["payload"][0]["extensions"]["code"], "INVALID_INPUT");
}

async fn every_subscriber_gets_each_offer_once(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let mut sockets = join_all((0..5).map(|_| services.offers.websocket())).await;
    for socket in &mut sockets {
        socket.subscribe("s", ALL).await;
    }
    let titles: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    let created = join_all(titles.iter().map(|title| services.create_offer(&ann, title))).await;
    let mut created: Vec<_> = created.iter().map(|offer| offer["id"].to_string()).collect();
    created.push(services.create_offer(&ann, "last").await["id"].to_string());
    created.sort_unstable();
    for socket in &mut sockets {
        assert_eq!(ids_until(socket, "last").await, created);
    }
}

/// `migration fresh` under running services: the ids are those of earlier offers.
async fn offers_are_delivered_after_the_ids_begin_again(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let mut socket = services.offers.websocket().await;
    socket.subscribe("s", ALL).await;
    for title in ["chair", "table", "last"] {
        services.create_offer(&ann, title).await;
    }
    ids_until(&mut socket, "last").await;
    migrate_and_grant(services.database.url(), services.folder(), "fresh").await;
    let ann = services.register("ann").await;
    let offer = services.offers.create_offer(&ann["id"], "new", "As good as new.").await;
    assert_eq!(offer.expect(201).json()["id"], 1);
    assert_eq!(ids_until(&mut socket, "new").await, ["1"]);
    // Without a notification, as of an instance that died: found by a poll.
    services.seed(1, 1).await;
    assert_eq!(socket.next_event("s").await["offerCreated"]["id"], "2");
}

/// Returns the sorted ids of the events up to the offer with this title, the last one created.
async fn ids_until(socket: &mut GraphqlSocket, title: &str) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let offer = socket.next_event("s").await["offerCreated"].clone();
        ids.push(offer["id"].as_str().unwrap().to_owned());
        if offer["title"] == title {
            ids.sort_unstable();
            return ids;
        }
    }
}

/// Starts another `offers-api` on the same database.
async fn start_second_instance(services: &Services) -> (Process, ApiClient) {
    start_instance(services, &[]).await
}

async fn start_instance(services: &Services, own: &[(&str, &str)]) -> (Process, ApiClient) {
    let shared = [
        ("DATABASE_URL", services.database.url()),
        ("HTTP_ADDR", "127.0.0.1:0"),
        ("SECURITY", "spec"),
    ];
    let settings = settings(shared.into_iter().chain(own.iter().copied()));
    let mut process = Process::start("offers-api", services.folder(), &settings);
    let url = process.url("offers-api", "http").await;
    (process, ApiClient::new(&url))
}

/// LISTEN is refused, as some engines do that speak the protocol of `PostgreSQL`.
#[tokio::test]
async fn events_cross_instances_without_listen() {
    let services = Topology::POSTGRES_TWO_PROCESSES.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let mut proxy = TcpProxy::bind();
    proxy.connect(Target::PostgresWithoutListen(services.database.socket()));
    let url = services.database.url_at(proxy.address());
    let (process, deaf) = start_instance(&services, &[("DATABASE_LISTEN_URL", &url)]).await;
    let mut socket = deaf.websocket().await;
    socket.subscribe("s", ALL).await;
    for title in ["chair", "table"] {
        services.create_offer(&ann, title).await;
        let event = timeout(Duration::from_secs(5), socket.next_event("s")).await;
        assert_eq!(event.expect("found by a poll")["offerCreated"]["title"], title);
    }
    let logs = process.logs();
    let refusals = logs.iter().filter(|line| line.contains("LISTEN is refused"));
    assert_eq!(refusals.count(), 1, "{logs:?}");
}

async fn create_offer_at(api: &ApiClient, user: &TestUser, title: &str) -> String {
    api.create_offer(user.id, title, "As good as new.").await.expect(201).json()["id"].to_string()
}

#[tokio::test]
async fn events_cross_instances_within_1s() {
    let services = Topology::POSTGRES_TWO_PROCESSES.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let (_process, other) = start_second_instance(&services).await;
    let mut socket = services.offers.websocket().await;
    socket.subscribe("s", ALL).await;
    for number in 0..20 {
        let id = create_offer_at(&other, &ann, &number.to_string()).await;
        let event = timeout(Duration::from_secs(1), socket.next_event("s")).await;
        assert_eq!(event.expect("within a second")["offerCreated"]["id"], id.as_str());
    }
    let mut created = join_all((0..100).map(|_| create_offer_at(&other, &ann, "many"))).await;
    created.push(create_offer_at(&other, &ann, "last").await);
    created.sort_unstable();
    assert_eq!(ids_until(&mut socket, "last").await, created);
}

/// Offers that another instance creates meanwhile are delivered after reconnecting.
#[tokio::test]
async fn no_event_is_lost_while_the_database_is_down() {
    let mut services = Topology::POSTGRES_TWO_PROCESSES.builder().proxy_database().start().await;
    let ann = services.register_and_log_in("ann").await;
    let (_process, other) = start_second_instance(&services).await;
    let mut socket = services.offers.websocket().await;
    socket.subscribe("s", ALL).await;
    for round in ["first", "second"] {
        services.disconnect().await;
        let mut created = vec![create_offer_at(&other, &ann, "while away").await];
        services.connect();
        created.push(create_offer_at(&other, &ann, round).await);
        created.sort_unstable();
        assert_eq!(ids_until(&mut socket, round).await, created);
    }
}

/// `seed` writes offers without a notification.
#[tokio::test]
async fn missed_notification_is_recovered() {
    for topology in [Topology::SQLITE_TWO_PROCESSES, Topology::POSTGRES_TWO_PROCESSES] {
        let services = topology.start_open().await;
        let mut socket = services.offers.websocket().await;
        socket.subscribe("s", "subscription { offerCreated { id title } }").await;
        services.seed(2, 3).await;
        let mut ids = Vec::new();
        for _ in 0..6 {
            ids.push(socket.next_event("s").await["offerCreated"].clone());
        }
        ids.dedup();
        assert_eq!(pluck(&json!(ids), "title").len(), 6);
    }
}

/// A subscriber that does not read loses events, and delays nothing else.
#[tokio::test]
async fn slow_subscriber_does_not_block_writers() {
    let services = Topology::SQLITE_ONE_PROCESS.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let mut slow = services.offers.websocket().await;
    slow.subscribe("s", "subscription { offerCreated { text } }").await;
    let mut quick = services.offers.websocket().await;
    quick.subscribe("s", "subscription { offerCreated { id title } }").await;
    let text = "😀".repeat(20_000);
    let reader = tokio::spawn(async move { ids_until(&mut quick, "last").await.len() });
    for _ in 0..25 {
        let written = (0..50).map(|_| services.offers.create_offer(ann.id, "large", &text));
        join_all(written).await.into_iter().for_each(|response| drop(response.expect(201)));
    }
    services.create_offer(&ann, "last").await;
    assert_eq!(reader.await.unwrap(), 25 * 50 + 1);
    let mut received = 0;
    // The loss is reported, or the connection is closed after the send timeout.
    while let Some(message) = slow.receive_unless_closed().await {
        match message["payload"]["errors"][0]["extensions"]["code"].as_str() {
            None => received += 1,
            Some(code) => {
                assert_eq!(code, "EVENTS_LOST");
                break;
            }
        }
    }
    assert!(received < 25 * 50, "{received}");
}
