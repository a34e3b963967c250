//! No log line contains a secret, at any level.

use entity::user;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::client::send;
use crate::support::fixtures::{password_of, registration, string_field};
use crate::support::services::{Services, Topology};

on_every_topology!(text_logs_contain_no_secrets, json_logs_contain_no_secrets);

/// Secrets that have been used: tokens, passwords and hashes.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        self.0.push(secret.to_owned());
    }

    fn add_session(&mut self, session: &Value) -> (String, String) {
        let access = string_field(session, "access_token");
        let refresh = string_field(session, "refresh_token");
        for token in [&access, &refresh] {
            // Header and claims are no secret without the signature.
            self.add(token.rsplit('.').next().unwrap());
        }
        (access, refresh)
    }
}

/// Sends every kind of request with a secret, valid and invalid ones.
async fn use_secrets(services: &Services) -> Secrets {
    let mut secrets = Secrets::default();
    let users = &services.users;
    secrets.add(&password_of("ann"));
    let user = services.register("ann").await;
    users.post_registration(registration("ann")).await.problem(409);
    let (access, refresh) = secrets.add_session(&services.log_in("ann").await);

    for wrong in ["a wrong password", "another wrong one"] {
        secrets.add(wrong);
        users.post_login("ann", wrong).await.problem(401);
        let body = json!({ "login": "a b", "password": wrong, "email": 1 });
        users.post_user(body).await.problem(422);
        let text = format!("{{\"password\": \"{wrong}\"");
        let request = users.request(reqwest::Method::POST, "/user/auth/").body(text);
        send(request).await.problem(400);
    }

    let own = users.bearer(&access);
    own.get_user("ann").await.expect(200);
    services.offers.bearer(&access).create_offer(&user["id"], "chair", "old").await.expect(201);
    let tampered = format!("{access}x");
    users.bearer(&tampered).get_users().await.problem(401);
    services.offers.bearer(&tampered).find_offer(1).await.problem(401);

    let session = users.post_refresh(&refresh).await.expect(200).json();
    let (_, second) = secrets.add_session(&session);
    let session = users.post_refresh(&second).await.expect(200).json();
    secrets.add_session(&session);
    users.post_refresh(&refresh).await.problem(401);

    let (access, refresh) = secrets.add_session(&services.log_in("ann").await);
    let query = format!("mutation {{ refresh(refreshToken: \"{refresh}\") {{ refreshToken }} }}");
    let data = users.query(&query).await;
    let refresh = string_field(&data["refresh"], "refreshToken");
    secrets.add(refresh.rsplit('.').next().unwrap());
    users.post_logout(&refresh).await.expect(204);
    users.bearer(&access).get_users().await.problem(401);

    let (access, _) = secrets.add_session(&services.log_in("ann").await);
    secrets.add("a wholly new one");
    users.bearer(&access).post_password(password_of("ann"), "a wholly new one").await.expect(204);

    // A password in the document itself rather than in a variable.
    secrets.add("in the document");
    let query = "mutation { register(input: { username: \"bob\", password: \"in the document\",
        email: \"bob@example.org\" }) { id } }";
    users.query(query).await;
    let query =
        "mutation { authenticate(input: { username: \"bob\", password: \"in the document\" })
        { nothing } }";
    users.graphql(query, json!({})).await.code();
    let query = "mutation { authenticate(input: { username: \"bob\",
        password: \"in the document\" }) { accessToken } }";
    let data = users.query(query).await;
    secrets.add(string_field(&data["authenticate"], "accessToken").rsplit('.').next().unwrap());

    // In the wrong place: a query string, and the variables of a query by GET.
    secrets.add("in_the_query_string");
    users.get("/user/ann/?access_token=in_the_query_string").await.expect(200);
    services.offers.get("/nothing?access_token=in_the_query_string").await.problem(404);
    let query = "mutation($p:String!){authenticate(input:{username:\"bob\",password:$p}){userId}}";
    let variables = json!({ "p": "in_the_query_string" }).to_string();
    let mut url = users.url("/graphql");
    url.query_pairs_mut().append_pair("query", query).append_pair("variables", &variables);
    users.get(url.as_str()).await.expect(405);

    // On a WebSocket, whose library logs messages.
    let (access, _) = secrets.add_session(&users.post_login("bob", "in the document").await.json());
    let mut socket = users.bearer(&access).websocket().await;
    let login = "mutation($p: String!) { authenticate(input: { username: \"bob\", password: $p })
        { accessToken refreshToken } }";
    let answer = socket.execute(login, json!({ "p": "in the document" })).await;
    for name in ["accessToken", "refreshToken"] {
        let token = string_field(&answer["data"]["authenticate"], name);
        secrets.add(token.rsplit('.').next().unwrap());
    }
    let answer = socket.execute(login, json!({ "p": "a wrong password" })).await;
    assert_eq!(answer["data"], Value::Null);

    let rows = services.database.connect().await;
    for user in user::Entity::find().all(&rows).await.unwrap() {
        secrets.add(user.password_hash.0.rsplit('$').next().unwrap());
    }
    for email in ["ann", "bob"] {
        secrets.add(&format!("{email}@example.org"));
    }
    secrets.add("$argon2");
    secrets.add("PRIVATE KEY");
    secrets
}

async fn assert_no_secrets(topology: Topology, format: &str) {
    // A directive for one module is limited too.
    let filter = "trace,h2::codec=trace,tungstenite=trace";
    let services = topology.set("LOG", filter).set("LOG_FORMAT", format).start().await;
    let secrets = use_secrets(&services).await;
    let logs = services.logs();
    assert!(logs.len() > 50, "too few lines: {}", logs.len());
    assert!(logs.iter().any(|line| line.contains("TRACE")), "trace is on");
    for line in &logs {
        if format == "json" {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
        for secret in &secrets.0 {
            assert!(!secret.is_empty());
            assert!(!line.contains(secret), "{secret} is in a log line: {line}");
        }
    }
}

async fn text_logs_contain_no_secrets(topology: Topology) {
    assert_no_secrets(topology, "text").await;
}

async fn json_logs_contain_no_secrets(topology: Topology) {
    assert_no_secrets(topology, "json").await;
}
