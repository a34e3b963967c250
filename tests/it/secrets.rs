//! No secret in any log line, however much is logged.

use entity::user;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::support::fixtures::{password_of, registration, text};
use crate::support::services::{Layout, Stack};

on_every_stack!(none_is_in_the_logs_as_text, none_is_in_the_logs_as_json);

/// What must not be seen: tokens, passwords and hashes that came up in a story.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        self.0.push(secret.to_owned());
    }

    fn add_session(&mut self, session: &Value) -> (String, String) {
        let access = text(session, "access_token");
        let refresh = text(session, "refresh_token");
        for token in [&access, &refresh] {
            // The signature alone is what the rest can be completed with.
            self.add(token.rsplit('.').next().unwrap());
        }
        (access, refresh)
    }
}

/// Every step that touches a secret, those that fail among them.
async fn story(stack: &Stack) -> Secrets {
    let mut secrets = Secrets::default();
    let users = &stack.users;
    secrets.add(&password_of("ann"));
    let user = stack.register("ann").await;
    users.post("/user/registry/", registration("ann")).await.problem(409);
    let (access, refresh) = secrets.add_session(&stack.log_in("ann").await);

    for wrong in ["a wrong password", "another wrong one"] {
        secrets.add(wrong);
        let body = json!({ "username": "ann", "password": wrong });
        users.post("/user/auth/", body).await.problem(401);
        let body = json!({ "login": "a b", "password": wrong, "email": 1 });
        users.post("/user/", body).await.problem(422);
        let text = format!("{{\"password\": \"{wrong}\"");
        let request = users.request(reqwest::Method::POST, "/user/auth/").body(text);
        crate::support::client::Answer::to(request).await.problem(400);
    }

    let own = users.bearer(&access);
    own.get("/user/ann/").await.expect(200);
    let body = json!({ "user_id": user["id"], "title": "chair", "text": "old" });
    stack.offers.bearer(&access).post("/offer/create/", body).await.expect(201);
    let tampered = format!("{access}x");
    users.bearer(&tampered).get("/user/").await.problem(401);
    stack.offers.bearer(&tampered).post("/offer/", json!({ "offer_id": 1 })).await.problem(401);

    let body = json!({ "refresh_token": refresh });
    let session = users.post("/user/refresh/", body.clone()).await.expect(200).json();
    let (_, second) = secrets.add_session(&session);
    let next = json!({ "refresh_token": second });
    let session = users.post("/user/refresh/", next).await.expect(200).json();
    secrets.add_session(&session);
    users.post("/user/refresh/", body).await.problem(401);

    let (access, refresh) = secrets.add_session(&stack.log_in("ann").await);
    let query = format!("mutation {{ refresh(refreshToken: \"{refresh}\") {{ refreshToken }} }}");
    let data = users.query(&query).await;
    let refresh = text(&data["refresh"], "refreshToken");
    secrets.add(refresh.rsplit('.').next().unwrap());
    users.post("/user/logout/", json!({ "refresh_token": refresh })).await.expect(204);
    users.bearer(&access).get("/user/").await.problem(401);

    let (access, _) = secrets.add_session(&stack.log_in("ann").await);
    secrets.add("a wholly new one");
    let body = json!({ "old_password": password_of("ann"), "new_password": "a wholly new one" });
    users.bearer(&access).post("/user/password/", body).await.expect(204);

    // A password written into the document itself, where no variable hides it.
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
    secrets.add(text(&data["authenticate"], "accessToken").rsplit('.').next().unwrap());

    let rows = stack.database.connect().await;
    for user in user::Entity::find().all(&rows).await.unwrap() {
        secrets.add(user.password_hash.0.rsplit('$').next().unwrap());
    }
    secrets.add("$argon2");
    secrets.add("PRIVATE KEY");
    secrets
}

async fn check(layout: Layout, format: &str) {
    let stack = layout.set("LOG", "trace").set("LOG_FORMAT", format).start().await;
    let secrets = story(&stack).await;
    let logs = stack.logs();
    assert!(logs.len() > 50, "too little is logged to tell: {}", logs.len());
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

async fn none_is_in_the_logs_as_text(layout: Layout) {
    check(layout, "text").await;
}

async fn none_is_in_the_logs_as_json(layout: Layout) {
    check(layout, "json").await;
}
