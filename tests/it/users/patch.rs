//! `PATCH /user/{user_id or username}/`.

use serde_json::json;

use crate::support::fixtures::{password_of, sorted_keys};
use crate::support::services::Topology;

on_every_topology!(
    updates_a_user,
    username_may_change_case,
    unknown_user_returns_404,
    rejects_taken_names,
    reports_invalid_fields,
);

async fn updates_a_user(topology: Topology) {
    let services = topology.start_open().await;
    let user = services.register("ann").await;
    let id = &user["id"];

    let body = json!({ "username": "anna" });
    let changed = services.users.patch_user(id, body).await.expect(200).json();
    assert_eq!(sorted_keys(&changed), ["created_at", "email", "id", "username"]);
    assert_eq!(changed["username"], "anna");
    assert_eq!(changed["email"], user["email"]);
    assert_eq!(changed["created_at"], user["created_at"]);

    let body = json!({ "email": "anna@example.net" });
    let changed = services.users.patch_user("Anna", body).await.expect(200).json();
    assert_eq!(&changed["id"], id);
    assert_eq!(changed["email"], "anna@example.net");

    let unchanged = services.users.patch_user(id, json!({})).await.expect(200).json();
    assert_eq!(unchanged, changed);

    services.users.get_user("ann").await.problem(404);
    services.users.post_login("anna", password_of("ann")).await.expect(200);
    // The old name and email are available again.
    services.register("ann").await;
}

async fn username_may_change_case(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ёжик").await;
    let body = json!({ "username": "ЁЖИК" });
    let encoded = "%D1%91%D0%B6%D0%B8%D0%BA";
    let changed = services.users.patch_user(encoded, body).await.expect(200).json();
    assert_eq!(changed["username"], "ЁЖИК");
}

async fn unknown_user_returns_404(topology: Topology) {
    let services = topology.start_open().await;
    for user in ["1", "nobody", "99999999999999999999"] {
        let body = json!({ "username": "ann" });
        let problem = services.users.patch_user(user, body).await.problem(404);
        assert_eq!(problem.code, "NOT_FOUND");
    }
}

async fn rejects_taken_names(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    services.register("bob").await;
    let body = json!({ "username": "ANN" });
    let problem = services.users.patch_user("bob", body).await.problem(409);
    assert_eq!(problem.code, "USERNAME_TAKEN");
    let body = json!({ "username": "robert", "email": "Ann@Example.org" });
    let problem = services.users.patch_user("bob", body).await.problem(409);
    assert_eq!(problem.code, "EMAIL_TAKEN");
    // A rejected update changes no field.
    services.users.get_user("bob").await.expect(200);
    services.users.get_user("robert").await.problem(404);
}

async fn reports_invalid_fields(topology: Topology) {
    let services = topology.start_open().await;
    services.register("ann").await;
    for (body, pointer) in [
        (json!({ "username": "" }), "/username"),
        (json!({ "username": "a b" }), "/username"),
        (json!({ "username": 5 }), "/username"),
        (json!({ "username": null }), "/username"),
        (json!({ "email": "nobody" }), "/email"),
        (json!({ "email": {} }), "/email"),
    ] {
        let problem = services.users.patch_user("ann", body).await.problem(422);
        problem.assert_pointers(&[pointer]);
    }
}
