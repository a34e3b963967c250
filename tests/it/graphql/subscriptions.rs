//! `offerCreated`, on one instance of `offers-api` and on two.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::timeout;

use crate::seed::seed;
use crate::support::client::Api;
use crate::support::fixtures::{Member, each};
use crate::support::process::{self, Process};
use crate::support::services::{Layout, Stack};
use crate::support::websocket::Socket;

on_every_stack!(
    tells_of_new_offers,
    tells_of_one_user_alone,
    refuses_what_names_no_user,
    nothing_is_lost_and_nothing_comes_twice,
);

const ALL: &str = "subscription { offerCreated { id title userId user { id } } }";

async fn tells_of_new_offers(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    stack.offer(&ann, "before").await;
    let mut socket = stack.offers.socket().await;
    socket.subscribe("s", ALL).await;
    for title in ["chair", "table"] {
        let offer = stack.offer(&ann, title).await;
        let user = json!({ "id": ann.id.to_string() });
        let expected = json!({
            "id": offer["id"].to_string(), "title": title, "userId": user["id"], "user": user,
        });
        assert_eq!(socket.event("s").await["offerCreated"], expected);
    }
}

async fn tells_of_one_user_alone(layout: Layout) {
    let stack = layout.strict().await;
    let (ann, bob) = (stack.member("ann").await, stack.member("bob").await);
    let mut socket = stack.offers.socket().await;
    let query = format!("subscription {{ offerCreated(userId: {}) {{ title }} }}", bob.id);
    socket.subscribe("s", &query).await;
    stack.offer(&ann, "chair").await;
    stack.offer(&bob, "table").await;
    assert_eq!(socket.event("s").await["offerCreated"]["title"], "table");
}

async fn refuses_what_names_no_user(layout: Layout) {
    let stack = layout.spec().await;
    let mut socket = stack.offers.socket().await;
    let query = "subscription { offerCreated(userId: \"x\") { id } }";
    let payload = json!({ "query": query });
    socket.say(json!({ "type": "subscribe", "id": "s", "payload": payload })).await;
    let message = socket.hear().await;
    assert_eq!(message["type"], "error", "{message}");
    assert_eq!(message["payload"][0]["extensions"]["code"], "INVALID_INPUT");
}

async fn nothing_is_lost_and_nothing_comes_twice(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let mut sockets = join_all((0..5).map(|_| stack.offers.socket())).await;
    for socket in &mut sockets {
        socket.subscribe("s", ALL).await;
    }
    let titles: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    let made = join_all(titles.iter().map(|title| stack.offer(&ann, title))).await;
    let mut made: Vec<_> = made.iter().map(|offer| offer["id"].to_string()).collect();
    made.push(stack.offer(&ann, "last").await["id"].to_string());
    made.sort_unstable();
    for socket in &mut sockets {
        assert_eq!(ids_until(socket, "last").await, made);
    }
}

/// The sorted ids of the events up to the offer of this title, which is the last one made.
async fn ids_until(socket: &mut Socket, title: &str) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let offer = socket.event("s").await["offerCreated"].clone();
        ids.push(offer["id"].as_str().unwrap().to_owned());
        if offer["title"] == title {
            ids.sort_unstable();
            return ids;
        }
    }
}

/// One more `offers-api` on the same database.
async fn other_instance(stack: &Stack) -> (Process, Api) {
    let settings = [
        ("DATABASE_URL", stack.database.url()),
        ("HTTP_ADDR", "127.0.0.1:0"),
        ("SECURITY", "spec"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let command = process::command("offers-api", stack.folder(), &settings);
    let mut process = Process::start("offers-api", command);
    let url = process.address("offers-api", "http").await.expect("it runs");
    (process, Api::new(&url))
}

async fn offer_at(api: &Api, member: &Member, title: &str) -> String {
    let body = json!({ "user_id": member.id, "title": title, "text": "As good as new." });
    api.post("/offer/create/", body).await.expect(201).json()["id"].to_string()
}

#[tokio::test]
async fn another_instance_is_heard_within_a_second() {
    let stack = Layout::POSTGRES_TWO.spec().await;
    let ann = stack.member("ann").await;
    let (_process, other) = other_instance(&stack).await;
    let mut socket = stack.offers.socket().await;
    socket.subscribe("s", ALL).await;
    for number in 0..20 {
        let id = offer_at(&other, &ann, &number.to_string()).await;
        let event = timeout(Duration::from_secs(1), socket.event("s")).await;
        assert_eq!(event.expect("within a second")["offerCreated"]["id"], id.as_str());
    }
    let made = join_all((0..100).map(|_| offer_at(&other, &ann, "many"))).await;
    let mut made = made;
    made.push(offer_at(&other, &ann, "last").await);
    made.sort_unstable();
    assert_eq!(ids_until(&mut socket, "last").await, made);
}

/// What is made while an instance has no database is told once it has one again.
#[tokio::test]
async fn a_lost_database_loses_no_offer() {
    let mut stack = Layout::POSTGRES_TWO.set("SECURITY", "spec").database_relayed().start().await;
    let ann = stack.member("ann").await;
    let (_process, other) = other_instance(&stack).await;
    let mut socket = stack.offers.socket().await;
    socket.subscribe("s", ALL).await;
    for round in ["first", "second"] {
        stack.cut().await;
        let mut made = vec![offer_at(&other, &ann, "while away").await];
        stack.mend();
        made.push(offer_at(&other, &ann, round).await);
        made.sort_unstable();
        assert_eq!(ids_until(&mut socket, round).await, made);
    }
}

/// An offer that nobody has hinted at is found all the same.
#[tokio::test]
async fn an_offer_without_a_hint_is_found() {
    for layout in [Layout::SQLITE_TWO, Layout::POSTGRES_TWO] {
        let stack = layout.spec().await;
        let mut socket = stack.offers.socket().await;
        socket.subscribe("s", "subscription { offerCreated { id title } }").await;
        seed(&stack.database, stack.folder(), 2, 3).await;
        let mut ids = Vec::new();
        for _ in 0..6 {
            ids.push(socket.event("s").await["offerCreated"].clone());
        }
        ids.dedup();
        assert_eq!(each(&json!(ids), "title").len(), 6);
    }
}

/// Who does not read keeps nobody waiting, and does not get everything either.
#[tokio::test]
async fn a_slow_reader_holds_up_no_writer() {
    let stack = Layout::SQLITE_ONE.spec().await;
    let ann = stack.member("ann").await;
    let mut slow = stack.offers.socket().await;
    slow.subscribe("s", "subscription { offerCreated { text } }").await;
    let mut quick = stack.offers.socket().await;
    quick.subscribe("s", "subscription { offerCreated { id title } }").await;
    let text = "😀".repeat(20_000);
    let body = json!({ "user_id": ann.id, "title": "large", "text": text });
    let reader = tokio::spawn(async move { ids_until(&mut quick, "last").await.len() });
    for _ in 0..25 {
        let written = (0..50).map(|_| stack.offers.post("/offer/create/", body.clone()));
        join_all(written).await.into_iter().for_each(|answer| drop(answer.expect(201)));
    }
    stack.offer(&ann, "last").await;
    assert_eq!(reader.await.unwrap(), 25 * 50 + 1);
    let mut told = 0;
    // It is told so, or let go where it has taken too long for that.
    while let Some(message) = slow.next().await {
        match message["payload"]["errors"][0]["extensions"]["code"].as_str() {
            None => told += 1,
            Some(code) => {
                assert_eq!(code, "EVENTS_LOST");
                break;
            }
        }
    }
    assert!(told < 25 * 50, "{told}");
}
