//! How passwords are kept.

use entity::user;
use sea_orm::EntityTrait;
use serde_json::json;

use crate::support::fixtures::registration;
use crate::support::services::Layout;

on_every_stack!(are_kept_as_argon2id, are_never_shown);

async fn are_kept_as_argon2id(layout: Layout) {
    let stack = layout.spec().await;
    for name in ["ann", "bob"] {
        let body = json!({ "login": name, "password": "the same for both" });
        stack.users.post("/user/", body).await.expect(201);
    }
    let rows = stack.database.connect().await;
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

async fn are_never_shown(layout: Layout) {
    let stack = layout.spec().await;
    let body = registration("ann");
    let password = body["password"].as_str().unwrap().to_owned();
    let answers = [
        stack.users.post("/user/registry/", body).await,
        stack.users.get("/user/ann/").await,
        stack.users.get("/user/").await,
        stack.users.patch("/user/ann/", json!({ "password": "another" })).await,
    ];
    for answer in answers {
        assert!(answer.status < 300, "{answer:?}");
        let text = answer.text();
        assert!(!text.contains(&password) && !text.contains("argon2"), "{text}");
        assert!(!text.contains("password"), "{text}");
    }
    // A change of the profile is no way round the old password.
    stack.log_in("ann").await;
}
