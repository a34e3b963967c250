//! The log of security events.

use serde_json::{Value, json};

use crate::support::fixtures::{email_of, password_of, registration};
use crate::support::services::{Services, Topology};
use crate::support::wait;

on_every_topology!(
    events_contain_actor_and_address,
    graphql_events_contain_the_address,
    refusals_are_logged,
    repeated_refusals_are_summed_up,
);

/// Waits for the deletion of a user, the last event, and returns all events.
async fn wait_for_deletion(services: &Services) -> Vec<Value> {
    let last = |event: &Value| event["message"] == "user_deleted" && event["outcome"] == "success";
    wait::until("the last event is written", async || {
        let events = services.security_events();
        events.iter().any(last).then_some(events)
    })
    .await
}

fn text(event: &Value, name: &str) -> String {
    event[name].as_str().unwrap_or_default().to_owned()
}

async fn events_contain_actor_and_address(topology: Topology) {
    let settings = topology.set("SECURITY", "strict").set("LOG_FORMAT", "json");
    let services = settings.set("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let ann = services.register_and_log_in("ann").await;
    let as_ann = services.users.bearer(&ann.access_token);
    for name in ["ann", "hunter2"] {
        let users = services.users.forwarded_for("192.0.2.1");
        users.post_login(name, "wrong").await.problem(401);
    }
    as_ann.patch_user(ann.id, json!({ "email": "ann@example.net" })).await.expect(200);
    let session = services.log_in("ann").await;
    let next = services.users.post_refresh(&session["refresh_token"]).await.expect(200).json();
    services.users.post_refresh(&next["refresh_token"]).await.expect(200);
    services.users.post_refresh(&session["refresh_token"]).await.problem(401);
    services.users.post_logout(&ann.refresh_token).await.expect(204);
    let session = services.log_in("ann").await;
    let as_ann = services.users.bearer(session["access_token"].as_str().unwrap());
    as_ann.post_password("wrong", "a wholly new one").await.problem(401);
    as_ann.post_password(password_of("ann"), "a wholly new one").await.expect(204);
    let session = services.users.post_login("ann", "a wholly new one").await.expect(200).json();
    let as_ann = services.users.bearer(session["access_token"].as_str().unwrap());
    as_ann.delete_user(ann.id).await.expect(204);

    let seen = wait_for_deletion(&services).await;
    let logged: Vec<_> = seen
        .iter()
        .map(|event| {
            let text = |name| text(event, name);
            (text("message"), text("outcome"), text("source_ip"), event["user"].as_i64())
        })
        .collect();
    let event = |what: &str, outcome: &str, from: &str, user: Option<i64>| {
        (what.to_owned(), outcome.to_owned(), from.to_owned(), user)
    };
    let (here, elsewhere, id) = ("127.0.0.1", "192.0.2.1", Some(ann.id));
    assert_eq!(
        logged,
        [
            event("user_created", "success", here, id),
            event("authn_login_success", "success", here, id),
            event("authn_login_fail", "failure", elsewhere, id),
            event("authn_login_fail", "failure", elsewhere, None),
            event("user_updated", "success", here, id),
            event("authn_login_success", "success", here, id),
            event("authn_token_reuse", "failure", here, id),
            event("authn_logout", "success", here, id),
            event("authn_login_success", "success", here, id),
            event("authn_password_change_fail", "failure", here, id),
            event("authn_password_change", "success", here, id),
            event("authn_login_success", "success", here, id),
            event("user_deleted", "success", here, id),
        ]
    );
    let (logs, password) = (services.logs().join("\n"), password_of("ann"));
    assert!(!logs.contains("hunter2"), "an unknown username may be a password in the wrong field");
    for secret in [&password, "a wholly new one", &ann.access_token, &ann.refresh_token] {
        assert!(!logs.contains(secret), "{secret}");
    }
}

async fn graphql_events_contain_the_address(topology: Topology) {
    let settings = topology.set("LOG_FORMAT", "json").set("TRUSTED_PROXIES", "127.0.0.1");
    let services = settings.start().await;
    let (by_http, by_socket) = ("192.0.2.1", "192.0.2.2");
    let users = services.users.forwarded_for(by_http);
    let mut socket = services.users.forwarded_for(by_socket).websocket().await;
    let documents = [
        r#"mutation { register(input: {username: "ann", password: "7 quiet herons"}) { id } }"#,
        r#"mutation { authenticate(input: {username: "ann", password: "wrong"}) { userId } }"#,
        r#"mutation { authenticate(input: {username: "ann", password: "7 quiet herons"}) { userId } }"#,
        r#"mutation { updateUser(id: 1, input: {username: "bob"}) { id } }"#,
    ];
    for document in documents {
        users.graphql(document, json!({})).await.http.expect(200);
        let document = document.replace("ann", "eve").replace("id: 1", "id: 2");
        let document = document.replace("bob", "mallory");
        socket.execute(&document, json!({})).await;
    }
    socket.execute("mutation { deleteUser(id: 2) }", json!({})).await;

    let seen = wait_for_deletion(&services).await;
    let seen = seen.iter().map(|event| (text(event, "message"), text(event, "source_ip")));
    let expected = [
        ("user_created", by_http),
        ("user_created", by_socket),
        ("authn_login_fail", by_http),
        ("authn_login_fail", by_socket),
        ("authn_login_success", by_http),
        ("authn_login_success", by_socket),
        ("user_updated", by_http),
        ("user_updated", by_socket),
        ("user_deleted", by_socket),
    ];
    let expected = expected.map(|(message, address)| (message.to_owned(), address.to_owned()));
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

async fn refusals_are_logged(topology: Topology) {
    let settings = topology.set("SECURITY", "strict").set("LOG_FORMAT", "json");
    let services = settings.set("REGISTRATION_BURST", "5").start().await;
    let (ann, bob) =
        (services.register_and_log_in("ann").await, services.register_and_log_in("bob").await);
    let offer = services.create_offer(&ann, "Bicycle").await;
    services.users.post_registration(registration("ann")).await.problem(409);
    wait::until_true("a login is slowed", async || {
        services.users.post_login("nobody", "wrong").await.status == 429
    })
    .await;
    let as_bob = services.users.bearer(&bob.access_token);
    wait::until_true("a change of a password is slowed", async || {
        as_bob.post_password("wrong", "a wholly new one").await.status == 429
    })
    .await;
    services.users.post_password("wrong", "a wholly new one").await.problem(401);
    as_bob.patch_user(ann.id, json!({ "email": null })).await.problem(403);
    as_bob.patch_user(bob.id, json!({ "username": "ann" })).await.problem(409);
    as_bob.patch_user(bob.id, json!({ "email": email_of("ann") })).await.problem(409);
    as_bob.patch_user(bob.id, json!({ "email": null })).await.problem(429);
    services.users.post_registration(registration("eve")).await.problem(429);
    services.users.delete_user(ann.id).await.problem(401);
    as_bob.delete_user(ann.id).await.problem(403);
    services.users.bearer("forged").delete_user(ann.id).await.problem(401);
    services.users.post_refresh("forged").await.problem(401);

    let offers = services.offers.bearer(&bob.access_token);
    services.offers.create_offer(ann.id, "Boat", "New.").await.problem(401);
    offers.create_offer(ann.id, "Boat", "New.").await.problem(403);
    let id = &offer["id"];
    let update = format!(r#"mutation {{ updateOffer(id: {id}, input: {{title: "x"}}) {{ id }} }}"#);
    assert_eq!(offers.graphql(&update, json!({})).await.code(), "FORBIDDEN");
    let delete = format!("mutation {{ deleteOffer(id: {id}) }}");
    assert_eq!(services.offers.graphql(&delete, json!({})).await.code(), "UNAUTHENTICATED");
    services.offers.bearer("forged").create_offer(ann.id, "Boat", "New.").await.problem(401);
    as_bob.delete_user(bob.id).await.expect(204);

    let logged = wait_for_deletion(&services).await;
    let logged: Vec<_> = logged
        .iter()
        .map(|event| {
            assert_eq!(event["source_ip"], "127.0.0.1", "{event}");
            let text = |name| text(event, name);
            let number = |name: &str| event[name].as_i64();
            (text("message"), text("action"), text("code"), number("user"), number("actor"))
        })
        .collect();
    let (ann, bob) = (Some(ann.id), Some(bob.id));
    let expected = [
        ("user_created", "register", "USERNAME_TAKEN", None, None),
        ("authn_login_fail", "log_in", "INVALID_CREDENTIALS", None, None),
        ("authn_login_fail", "log_in", "TOO_MANY_REQUESTS", None, None),
        ("authn_password_change_fail", "change_password", "INVALID_CREDENTIALS", bob, None),
        ("authn_password_change_fail", "change_password", "TOO_MANY_REQUESTS", bob, None),
        ("authn_password_change_fail", "change_password", "UNAUTHENTICATED", None, None),
        ("authz_fail", "update_user", "FORBIDDEN", ann, bob),
        ("user_updated", "update_user", "USERNAME_TAKEN", bob, bob),
        ("user_updated", "update_user", "EMAIL_TAKEN", bob, bob),
        ("excess_rate_limit_exceeded", "update_user", "TOO_MANY_REQUESTS", bob, bob),
        ("excess_rate_limit_exceeded", "register", "TOO_MANY_REQUESTS", None, None),
        ("authz_fail", "delete_user", "UNAUTHENTICATED", ann, None),
        ("authz_fail", "delete_user", "FORBIDDEN", ann, bob),
        ("authz_fail", "use_token", "INVALID_TOKEN", None, None),
        ("authz_fail", "refresh", "INVALID_TOKEN", None, None),
        ("authz_fail", "create_offer", "UNAUTHENTICATED", None, None),
        ("authz_fail", "create_offer", "FORBIDDEN", ann, bob),
        ("authz_fail", "update_offer", "FORBIDDEN", ann, bob),
        ("authz_fail", "delete_offer", "UNAUTHENTICATED", None, None),
        ("user_deleted", "delete_user", "", bob, bob),
    ];
    for (what, action, code, user, by) in expected {
        let event = (what.to_owned(), action.to_owned(), code.to_owned(), user, by);
        assert!(logged.contains(&event), "{event:?} is not among {logged:?}");
    }
}

async fn repeated_refusals_are_summed_up(topology: Topology) {
    let settings = topology.set("SECURITY", "strict").set("LOG_FORMAT", "json");
    let mut services = settings.start().await;
    let ann = services.register("ann").await;
    for _ in 0..20 {
        services.users.delete_user(&ann["id"]).await.problem(401);
    }
    let refusals = |services: &Services| {
        let events = services.security_events().into_iter();
        events.filter(|event| event["message"] == "authz_fail").collect::<Vec<_>>()
    };
    let once = |event: &Value| event["count"].as_u64();
    wait::until_true("the first is written", async || !refusals(&services).is_empty()).await;
    assert_eq!(refusals(&services).iter().map(once).collect::<Vec<_>>(), [None]);
    // The rest is written after a minute, or at the end of the process.
    services.terminate().await;
    assert_eq!(refusals(&services).iter().map(once).collect::<Vec<_>>(), [None, Some(19)]);
}
