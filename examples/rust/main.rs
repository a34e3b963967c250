//! Registers, logs in, creates an offer, reads it, and receives a new one: with reqwest and
//! tungstenite.

use std::{env, error::Error, process, time::SystemTime};

use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PASSWORD: &str = "7 quiet herons";
const QUERY: &str = "subscription ($user: ID) { offerCreated(userId: $user) { title } }";

#[tokio::main]
async fn main() -> Result<()> {
    let url = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let users = url("USERS_URL", "http://127.0.0.1:8001");
    let offers = url("OFFERS_URL", "http://127.0.0.1:8002");
    let http = Client::new();

    let name = format!("story-{}-{}", process::id(), SystemTime::UNIX_EPOCH.elapsed()?.as_millis());
    let registration =
        json!({ "username": name, "password": PASSWORD, "email": format!("{name}@example.org") });
    send(http.post(format!("{users}/user/registry/")).json(&registration)).await?;
    println!("registered {name}");

    let credentials = json!({ "username": name, "password": PASSWORD });
    let session = send(http.post(format!("{users}/user/auth/")).json(&credentials)).await?;
    let user = &session["user_id"];
    let token = text(&session["access_token"]);
    println!("logged in as user {user}");

    let create_offer = |title: &str| {
        let offer = json!({ "user_id": user, "title": title, "text": "As good as new." });
        send(http.post(format!("{offers}/offer/create/")).bearer_auth(token).json(&offer))
    };
    create_offer("Bicycle").await?;
    println!("created an offer: Bicycle");

    let profile = send(http.get(format!("{users}/user/{user}/"))).await?;
    println!("read: {}", text(&profile["offers"][0]["title"]));

    // The protocol of subscriptions is graphql-transport-ws: https://github.com/enisdenjo/graphql-ws.
    let mut request =
        format!("{}/graphql/ws", offers.replacen("http", "ws", 1)).into_client_request()?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", "graphql-transport-ws".parse()?);
    let (mut socket, _) = connect_async(request).await?;
    let variables = json!({ "user": user.to_string() });
    for message in [
        json!({ "type": "connection_init" }),
        json!({
            "type": "subscribe",
            "id": "1",
            "payload": { "query": QUERY, "variables": variables },
        }),
        json!({ "type": "ping" }),
    ] {
        socket.send(Message::text(message.to_string())).await?;
    }
    while let Some(message) = socket.next().await {
        let Ok(json) = message?.into_text() else { continue };
        let Ok(message) = serde_json::from_str::<Value>(&json) else { continue };
        match message["type"].as_str() {
            Some("connection_ack") => (),
            // Messages are processed in order: once the pong arrives, the subscription has begun.
            Some("pong") => drop(create_offer("Lamp").await?),
            Some("next") => {
                println!(
                    "received: {}",
                    text(&message["payload"]["data"]["offerCreated"]["title"])
                );
                return Ok(());
            }
            _ => return Err(message.to_string().into()),
        }
    }
    Err("the socket was closed".into())
}

/// Sends a request and returns the body; fails with the problem details of the service.
async fn send(request: RequestBuilder) -> Result<Value> {
    let response = request.send().await?;
    let succeeded = response.status().is_success();
    let body: Value = response.json().await?;
    if succeeded { Ok(body) } else { Err(body.to_string().into()) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
