//! Access rules over REST.

use serde_json::{Value, json};

use crate::support::client::send;
use crate::support::fixtures::{email_of, password_of, pluck, registration, registration_with};
use crate::support::services::{ProcessCount, Services, Topology};

on_every_topology!(
    open_mode_requires_no_token,
    open_mode_checks_a_token_if_sent,
    invalid_token_is_ignored_where_it_is_replaced,
    invalid_token_is_ignored_where_it_is_replaced_on_a_websocket,
    strict_mode_requires_the_owner,
    strict_mode_requires_a_token_to_list_users,
    strict_mode_hides_emails_of_others,
    strict_mode_rejects_weak_passwords,
    open_mode_is_logged_at_startup,
);

async fn open_mode_requires_no_token(topology: Topology) {
    let services = topology.start_open().await;
    let id = services.register("ann").await["id"].clone();
    services.offers.create_offer(id, "chair", "old").await.expect(201);
    let list = services.users.get_users().await.expect(200).json();
    assert_eq!(pluck(&list, "email"), [email_of("ann")]);
    let user = services.users.get_user("ann").await.expect(200).json();
    assert_eq!(user["email"], email_of("ann"));
    services.users.patch_user("ann", json!({ "username": "anna" })).await.expect(200);
    services.users.delete_user("anna").await.expect(204);
    let weak = json!({ "login": "bob", "password": "password" });
    services.users.post_user(weak).await.expect(201);
}

async fn open_mode_checks_a_token_if_sent(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    for (token, status) in [("garbage", 401), (&bob.access_token, 403)] {
        let (users, offers) = (services.users.bearer(token), services.offers.bearer(token));
        offers.post_offer(body.clone()).await.problem(status);
        users.patch_user(ann.id, json!({ "username": "x" })).await.problem(status);
        users.delete_user(ann.id).await.problem(status);
    }
    for path in ["/user/", "/user/ann/"] {
        services.users.bearer("garbage").get(path).await.problem(401);
        services.users.bearer(&bob.access_token).get(path).await.expect(200);
    }
    services.offers.bearer("garbage").find_offers_of(ann.id).await.problem(401);
    services.offers.bearer(&bob.access_token).find_offers_of(ann.id).await.expect(200);
    // The scheme is case-insensitive.
    let request = services.users.request(reqwest::Method::GET, "/user/ann/");
    let request = request.header("authorization", format!("bearer {}", bob.access_token));
    send(request).await.expect(200);

    services.offers.bearer(&ann.access_token).post_offer(body).await.expect(201);
    let as_ann = services.users.bearer(&ann.access_token);
    as_ann.patch_user("ann", json!({ "username": "anna" })).await.expect(200);
    as_ann.delete_user("anna").await.expect(204);
}

/// A client may send its old token with the request that replaces it.
async fn invalid_token_is_ignored_where_it_is_replaced(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let ended = services.log_in("ann").await;
    services.users.post_logout(&ended["refresh_token"]).await.expect(204);
    let mut refresh_token = ann.refresh_token;
    let ended = ended["access_token"].as_str().unwrap();
    for (number, token) in ["garbage", ended].into_iter().enumerate() {
        let users = services.users.bearer(token);
        users.get_user("ann").await.problem(401);
        let [bob, eve, zoe] = ["bob", "eve", "zoe"].map(|name| format!("{name}{number}"));
        users.post_registration(registration(&bob)).await.expect(201);
        users.post_user(registration(&eve)).await.expect(201);
        users.post_login("ann", "wrong").await.problem(401);
        users.post_login("ann", &ann.password).await.expect(200);
        let pair = users.post_refresh(&refresh_token).await.expect(200).json();

        let data = users.graphql(REGISTER, json!({ "input": registration(&zoe) })).await;
        assert_eq!(data.data()["register"]["username"], zoe);
        let login = json!({ "username": "ann", "password": ann.password });
        let data = users.graphql(LOG_IN, json!({ "input": login })).await.data();
        let logout = data["authenticate"]["refreshToken"].clone();
        let refresh =
            "mutation($token: String!) { refresh(refreshToken: $token) { refreshToken } }";
        let data = users.graphql(refresh, json!({ "token": pair["refresh_token"] })).await.data();
        refresh_token = data["refresh"]["refreshToken"].as_str().unwrap().to_owned();
        let end = "mutation($token: String!) { logout(refreshToken: $token) }";
        users.graphql(end, json!({ "token": logout })).await.data();
        for _ in 0..2 {
            users.post_logout(&logout).await.expect(204);
        }

        // Anything else in the same operation needs the token.
        let change = format!("updateUser(id: \"{}\", input: {{}}) {{ id }}", ann.id);
        for query in [
            format!("mutation($token: String!) {{ logout(refreshToken: $token) {change} }}"),
            format!(
                "mutation($token: String!) {{ ...F }} fragment F on Mutation {{ logout(refreshToken: $token) {change} }}"
            ),
            "query { __typename }".to_owned(),
        ] {
            let answer = users.graphql(&query, json!({ "token": "x" })).await;
            assert_eq!((answer.http.status, answer.code()), (401, "INVALID_TOKEN"), "{query}");
        }
    }
}

async fn invalid_token_is_ignored_where_it_is_replaced_on_a_websocket(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let mut socket = services.users.bearer(&ann.access_token).websocket().await;
    let me = socket.execute("{ me { username } }", json!({})).await;
    assert_eq!(me["data"]["me"]["username"], "ann");
    services.users.post_logout(&ann.refresh_token).await.expect(204);
    let login = json!({ "input": { "username": "ann", "password": ann.password } });
    let answer = socket.execute(LOG_IN, login).await;
    assert!(answer["data"]["authenticate"]["refreshToken"].is_string(), "{answer}");
    let query = json!({ "query": "{ me { username } }" });
    socket.send(json!({ "type": "subscribe", "id": "1", "payload": query })).await;
    assert_eq!(socket.receive_unless_closed().await, None);
}

const REGISTER: &str = "mutation($input: RegisterInput!) { register(input: $input) { username } }";
const LOG_IN: &str =
    "mutation($input: AuthenticateInput!) { authenticate(input: $input) { refreshToken } }";

async fn strict_mode_requires_the_owner(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let body = json!({ "user_id": ann.id, "title": "chair", "text": "old" });
    let with_token = |token: &str| services.both().map(|api| api.bearer(token));
    for ([users, offers], status) in [
        ([services.users.clone(), services.offers.clone()], 401),
        (with_token("garbage"), 401),
        (with_token(&ann.refresh_token), 401),
        (with_token(&bob.access_token), 403),
    ] {
        offers.post_offer(body.clone()).await.problem(status);
        for user in [&ann.id.to_string(), "ann"] {
            users.patch_user(user, json!({ "username": "x" })).await.problem(status);
            users.delete_user(user).await.problem(status);
        }
    }
    // Reading needs no token.
    services.users.get_user(ann.id).await.expect(200);
    let offers = services.offers.find_offers_of(ann.id).await.expect(200);
    assert_eq!(offers.json(), json!([]));

    services.offers.bearer(&ann.access_token).post_offer(body).await.expect(201);
    let as_ann = services.users.bearer(&ann.access_token);
    as_ann.patch_user(ann.id, json!({ "username": "anna" })).await.expect(200);
    as_ann.delete_user(ann.id).await.expect(204);
}

async fn strict_mode_requires_a_token_to_list_users(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    services.register("bob").await;
    services.users.get_users().await.problem(401);
    services.users.bearer("garbage").get_users().await.problem(401);
    let list = services.users.bearer(&ann.access_token).get_users().await.expect(200).json();
    assert_eq!(pluck(&list, "username"), ["ann", "bob"]);
    assert_eq!(pluck(&list, "email"), [json!(email_of("ann")), Value::Null]);
}

async fn strict_mode_hides_emails_of_others(topology: Topology) {
    let services = topology.start_strict().await;
    let response = services.users.post_registration(registration("ann")).await;
    assert_eq!(response.expect(201).json()["username"], "ann");
    let ann = services.log_in("ann").await;
    let bob = services.register_and_log_in("bob").await;
    let as_ann = services.users.bearer(ann["access_token"].as_str().unwrap());
    let as_bob = services.users.bearer(&bob.access_token);
    for name in ["ann", &ann["user_id"].to_string()] {
        let user = services.users.get_user(name).await.expect(200).json();
        assert_eq!(user["email"], Value::Null);
        let user = as_bob.get_user(name).await.expect(200).json();
        assert_eq!(user["email"], Value::Null);
        let user = as_ann.get_user(name).await.expect(200).json();
        assert_eq!(user["email"], email_of("ann"));
    }
    let offers = services.offers.bearer(ann["access_token"].as_str().unwrap());
    offers.create_offer(&ann["user_id"], "Bicycle", "Blue.").await.expect(201);
    for (viewer, seen) in [(&as_ann, json!(email_of("ann"))), (&as_bob, Value::Null)] {
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
    let changed = as_ann.patch_user("ann", json!({ "email": "a@example.net" })).await;
    assert_eq!(changed.expect(200).json()["email"], "a@example.net");
}

async fn strict_mode_rejects_weak_passwords(topology: Topology) {
    let services = topology.start_strict().await;
    let ann = services.register_and_log_in("ann").await;
    let as_ann = services.users.bearer(&ann.access_token);
    let weak = ["7 birds", "password", "12345678", "qwertyuiop", "€€€€", "        ", "Classifieds"];
    for weak in weak {
        let body = registration_with("bob", "password", weak);
        for path in ["/user/registry/", "/user/"] {
            let problem = services.users.post(path, body.clone()).await.problem(422);
            problem.assert_pointers(&["/password"]);
        }
        let problem = as_ann.post_password(password_of("ann"), weak).await.problem(422);
        problem.assert_pointers(&["/new_password"]);
    }
    // The names of the user, who is ann in the second case.
    for name in ["Ann.Of.Green.Gables", "ann.gables@example.org"] {
        let body = json!({
            "username": "ann.of.green.gables", "password": name, "email": "ann.gables@example.org",
        });
        let problem = services.users.post_registration(body).await.problem(422);
        problem.assert_pointers(&["/password"]);
    }
    let own_email = email_of("ann");
    let problem = as_ann.post_password(password_of("ann"), own_email).await.problem(422);
    problem.assert_pointers(&["/new_password"]);
    let body = registration_with("bob", "password", "8 birdsé");
    services.users.post_registration(body).await.expect(201);
}

async fn open_mode_is_logged_at_startup(topology: Topology) {
    let warnings = |services: &Services| {
        let logs = services.logs();
        logs.iter().filter(|line| line.contains("SECURITY") && line.contains("spec")).count()
    };
    let processes = match topology.processes {
        ProcessCount::One => 1,
        ProcessCount::Two => 2,
    };
    assert_eq!(warnings(&topology.start_open().await), processes, "one line for each process");
    assert_eq!(warnings(&topology.start_strict().await), 0);
}
