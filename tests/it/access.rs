//! The access rules by REST.

use serde_json::{Value, json};

use crate::support::fixtures::{each, email_of, password_of, registration};
use crate::support::services::{Layout, Processes, Stack};

on_every_stack!(
    spec_asks_for_nothing,
    spec_checks_a_token_that_is_sent,
    strict_needs_the_user,
    strict_needs_any_token_for_the_list,
    strict_shows_an_email_to_its_user_alone,
    strict_refuses_weak_passwords,
    the_start_says_which_rules_hold,
);

async fn spec_asks_for_nothing(layout: Layout) {
    let stack = layout.spec().await;
    let id = stack.register("ann").await["id"].clone();
    let body = json!({ "user_id": id, "title": "chair", "text": "old" });
    stack.offers.post("/offer/create/", body).await.expect(201);
    let list = stack.users.get("/user/").await.expect(200).json();
    assert_eq!(each(&list, "email"), [email_of("ann")]);
    let user = stack.users.get("/user/ann/").await.expect(200).json();
    assert_eq!(user["email"], email_of("ann"));
    stack.users.patch("/user/ann/", json!({ "username": "anna" })).await.expect(200);
    stack.users.delete("/user/anna/").await.expect(204);
    let weak = json!({ "login": "bob", "password": "password" });
    stack.users.post("/user/", weak).await.expect(201);
}

async fn spec_checks_a_token_that_is_sent(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    for (token, status) in [("garbage", 401), (&bob.access, 403)] {
        let (users, offers) = (stack.users.bearer(token), stack.offers.bearer(token));
        offers.post("/offer/create/", body.clone()).await.problem(status);
        users.patch(&ann.path(), json!({ "username": "x" })).await.problem(status);
        users.delete(&ann.path()).await.problem(status);
    }
    for path in ["/user/", "/user/ann/"] {
        stack.users.bearer("garbage").get(path).await.problem(401);
        stack.users.bearer(&bob.access).get(path).await.expect(200);
    }
    let by_user = json!({ "user_id": ann.id });
    stack.offers.bearer("garbage").post("/offer/", by_user.clone()).await.problem(401);
    stack.offers.bearer(&bob.access).post("/offer/", by_user).await.expect(200);
    // Other schemes are no token of ours.
    let request = stack.users.request(reqwest::Method::GET, "/user/ann/");
    let request = request.header("authorization", format!("bearer {}", bob.access));
    crate::support::client::Answer::to(request).await.expect(200);

    stack.offers.bearer(&ann.access).post("/offer/create/", body).await.expect(201);
    let own = stack.users.bearer(&ann.access);
    own.patch("/user/ann/", json!({ "username": "anna" })).await.expect(200);
    own.delete("/user/anna/").await.expect(204);
}

async fn strict_needs_the_user(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    let bob = stack.member("bob").await;
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    for (api, status) in [
        ([stack.users.clone(), stack.offers.clone()], 401),
        ([stack.users.bearer("garbage"), stack.offers.bearer("garbage")], 401),
        ([stack.users.bearer(&ann.refresh), stack.offers.bearer(&ann.refresh)], 401),
        ([stack.users.bearer(&bob.access), stack.offers.bearer(&bob.access)], 403),
    ] {
        let [users, offers] = api;
        offers.post("/offer/create/", body.clone()).await.problem(status);
        for path in [ann.path(), "/user/ann/".to_owned()] {
            users.patch(&path, json!({ "username": "x" })).await.problem(status);
            users.delete(&path).await.problem(status);
        }
    }
    // Reading is open to all.
    stack.users.get(&ann.path()).await.expect(200);
    let none = stack.offers.post("/offer/", json!({ "user_id": ann.id })).await;
    assert_eq!(none.expect(200).json(), json!([]));

    stack.offers.bearer(&ann.access).post("/offer/create/", body).await.expect(201);
    let own = stack.users.bearer(&ann.access);
    own.patch(&ann.path(), json!({ "username": "anna" })).await.expect(200);
    own.delete(&ann.path()).await.expect(204);
}

async fn strict_needs_any_token_for_the_list(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    stack.register("bob").await;
    stack.users.get("/user/").await.problem(401);
    stack.users.bearer("garbage").get("/user/").await.problem(401);
    let list = stack.users.bearer(&ann.access).get("/user/").await.expect(200).json();
    assert_eq!(each(&list, "username"), ["ann", "bob"]);
    assert_eq!(each(&list, "email"), [json!(email_of("ann")), Value::Null]);
}

async fn strict_shows_an_email_to_its_user_alone(layout: Layout) {
    let stack = layout.strict().await;
    let answer = stack.users.post("/user/registry/", registration("ann")).await;
    assert_eq!(answer.expect(201).json()["username"], "ann");
    let ann = stack.log_in("ann").await;
    let bob = stack.member("bob").await;
    let own = stack.users.bearer(ann["access_token"].as_str().unwrap());
    let other = stack.users.bearer(&bob.access);
    for path in ["/user/ann/".to_owned(), format!("/user/{}/", ann["user_id"])] {
        let user = stack.users.get(&path).await.expect(200).json();
        assert_eq!(user["email"], Value::Null);
        let user = other.get(&path).await.expect(200).json();
        assert_eq!(user["email"], Value::Null);
        let user = own.get(&path).await.expect(200).json();
        assert_eq!(user["email"], email_of("ann"));
    }
    let offer = json!({ "user_id": ann["user_id"], "title": "Bicycle", "text": "Blue." });
    let access = ann["access_token"].as_str().unwrap();
    stack.offers.bearer(access).post("/offer/create/", offer).await.expect(201);
    for (viewer, seen) in [(&own, json!(email_of("ann"))), (&other, Value::Null)] {
        let query = "query($id: ID!) { user(id: $id) { email offers { user { email } } }
            users(first: 1) { nodes { email offers { user { email } } } edges { node { email } } }
            _entities(representations: [{ __typename: \"User\", id: $id }])
                { ... on User { email } } }";
        let variables = json!({ "id": ann["user_id"].to_string() });
        let data = viewer.graphql(query, variables).await.data();
        let [node, edge] = [&data["users"]["nodes"][0], &data["users"]["edges"][0]["node"]];
        for user in [&data["user"], node, edge, &data["_entities"][0]] {
            assert_eq!(user["email"], seen, "{data}");
        }
        for user in [&data["user"], node] {
            assert_eq!(user["offers"][0]["user"]["email"], seen, "{data}");
        }
    }
    let changed = own.patch("/user/ann/", json!({ "email": "a@example.net" })).await;
    assert_eq!(changed.expect(200).json()["email"], "a@example.net");
}

async fn strict_refuses_weak_passwords(layout: Layout) {
    let stack = layout.strict().await;
    let ann = stack.member("ann").await;
    let own = stack.users.bearer(&ann.access);
    for weak in ["7 birds", "password", "12345678", "qwertyuiop", "€€€€"] {
        let mut body = registration("bob");
        body["password"] = json!(weak);
        for path in ["/user/registry/", "/user/"] {
            let problem = stack.users.post(path, body.clone()).await.problem(422);
            problem.points_at(&["/password"]);
        }
        let body = json!({ "old_password": password_of("ann"), "new_password": weak });
        let problem = own.post("/user/password/", body).await.problem(422);
        problem.points_at(&["/new_password"]);
    }
    let mut body = registration("bob");
    body["password"] = json!("8 birdsé");
    stack.users.post("/user/registry/", body).await.expect(201);
}

async fn the_start_says_which_rules_hold(layout: Layout) {
    let told = |stack: &Stack| {
        let logs = stack.logs();
        logs.iter().filter(|line| line.contains("SECURITY") && line.contains("spec")).count()
    };
    let processes = match layout.processes {
        Processes::One => 1,
        Processes::Two => 2,
    };
    assert_eq!(told(&layout.spec().await), processes, "one line each");
    assert_eq!(told(&layout.strict().await), 0);
}
