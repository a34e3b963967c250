//! Storage of passwords.

use entity::user;
use sea_orm::EntityTrait;
use sea_orm::sea_query::Expr;
use serde_json::json;

use crate::support::fixtures::registration;
use crate::support::services::Topology;

on_every_topology!(
    passwords_are_stored_as_argon2id,
    passwords_are_never_returned,
    password_is_the_same_in_any_unicode_form,
);

async fn passwords_are_stored_as_argon2id(topology: Topology) {
    let services = topology.start_open().await;
    for name in ["ann", "bob"] {
        let body = json!({ "login": name, "password": "the same for both" });
        services.users.post_user(body).await.expect(201);
    }
    let rows = services.database.connect().await;
    let users = user::Entity::find().all(&rows).await.unwrap();
    let hashes: Vec<_> = users.iter().map(|user| user.password_hash.0.as_str()).collect();
    assert_eq!(hashes.len(), 2);
    for hash in &hashes {
        // $argon2id$v=19$m=19456,t=2,p=1$salt$hash
        let parts: Vec<_> = hash.split('$').collect();
        assert_eq!(parts[..4], ["", "argon2id", "v=19", "m=19456,t=2,p=1"], "{hash}");
        // 16 bytes of salt and 32 of hash in base64.
        assert_eq!(parts[4..].iter().map(|part| part.len()).collect::<Vec<_>>(), [22, 43]);
        assert!(!hash.contains("the same"));
    }
    assert_ne!(hashes[0], hashes[1]);
    assert_ne!(hashes[0].split('$').nth(4), hashes[1].split('$').nth(4));
}

async fn passwords_are_never_returned(topology: Topology) {
    let services = topology.start_open().await;
    let body = registration("ann");
    let password = body["password"].as_str().unwrap().to_owned();
    let responses = [
        services.users.post_registration(body).await,
        services.users.get_user("ann").await,
        services.users.get_users().await,
        services.users.patch_user("ann", json!({ "password": "another" })).await,
    ];
    for response in responses {
        assert!(response.status < 300, "{response:?}");
        let text = response.text();
        assert!(!text.contains(&password) && !text.contains("argon2"), "{text}");
        assert!(!text.contains("password"), "{text}");
    }
    // `PATCH` does not change the password, so the old one is still valid.
    services.log_in("ann").await;
}

async fn password_is_the_same_in_any_unicode_form(topology: Topology) {
    let services = topology.start_open().await;
    let (composed, decomposed) = ("caf\u{e9} au lait", "cafe\u{301} au lait");
    let body = json!({ "login": "ann", "password": decomposed });
    services.users.post_user(body).await.expect(201);
    for password in [composed, decomposed] {
        services.users.post_login("ann", password).await.expect(200);
    }
    services.users.post_login("ann", "cafe au lait").await.problem(401);

    // The hash of a password that was stored as it was sent, with the salt `somesaltsomesalt`.
    let rows = services.database.connect().await;
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
        WaE9lDaDOqniSH1j+e3i5G02AvTlZs8D6sRKEXIqx0M";
    let stored =
        user::Entity::update_many().col_expr(user::Column::PasswordHash, Expr::value(hash));
    stored.exec(&rows).await.unwrap();
    services.users.post_login("ann", composed).await.problem(401);
    services.users.post_login("ann", decomposed).await.expect(200);
    let user = user::Entity::find().one(&rows).await.unwrap().unwrap();
    assert_ne!(user.password_hash.0, hash, "it is replaced at the login");
    services.users.post_login("ann", composed).await.expect(200);
}
