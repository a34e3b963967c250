//! What tokens say, and the keys that are published for them.

use std::collections::BTreeSet;

use reqwest::header;
use serde_json::Value;

use super::jwt::{part, published, verifies};
use crate::stack::{Layout, Stack};
use crate::story::text;

on_every_stack!(tokens_say_what_they_should, keys_are_published, keys_survive_a_restart);

const ASYMMETRIC: [&str; 6] = ["EdDSA", "ES256", "ES384", "RS256", "RS512", "PS256"];

async fn tokens_say_what_they_should(layout: Layout) {
    let stack = layout.spec().await;
    let ann = stack.member("ann").await;
    let now = chrono::Utc::now().timestamp();
    for (token, kind, lifetime) in
        [(&ann.access, "at+jwt", 600), (&ann.refresh, "rt+jwt", 30 * 24 * 3600)]
    {
        let header = part(token, 0);
        assert_eq!(header["typ"], kind);
        assert!(ASYMMETRIC.contains(&header["alg"].as_str().unwrap()), "{header}");
        let key = published(&stack.users, &text(&header, "kid")).await;
        assert_eq!(key["alg"], header["alg"]);
        assert!(verifies(token, &key));

        let claims = part(token, 1);
        for name in ["iss", "aud", "sid", "jti"] {
            assert!(!text(&claims, name).is_empty(), "{claims}");
        }
        assert_eq!(claims["sub"], ann.id.to_string());
        let issued = claims["iat"].as_i64().unwrap();
        assert!((now - 60..=now + 1).contains(&issued), "{claims}");
        assert_eq!(claims["exp"].as_i64().unwrap(), issued + lifetime);
        let all = claims.to_string() + &header.to_string();
        assert!(!all.contains("example.org") && !all.contains("argon2"), "{all}");
    }
    assert_eq!(part(&ann.access, 1)["sid"], part(&ann.refresh, 1)["sid"]);

    let mut seen = BTreeSet::new();
    let mut sessions = BTreeSet::new();
    for _ in 0..3 {
        let session = stack.log_in("ann").await;
        for name in ["access_token", "refresh_token"] {
            let claims = part(&text(&session, name), 1);
            assert!(seen.insert(text(&claims, "jti")), "each has a name of its own");
            sessions.insert(text(&claims, "sid"));
        }
    }
    assert_eq!(sessions.len(), 3);
}

async fn keys_are_published(layout: Layout) {
    let stack = layout.strict().await;
    let answer = stack.users.get("/.well-known/jwks.json").await.expect(200);
    let caching = answer.header(header::CACHE_CONTROL).unwrap();
    assert!(caching.contains("max-age="), "{caching}");
    let media_type = answer.media_type().unwrap();
    assert!(["application/json", "application/jwk-set+json"].contains(&media_type));
    let set = answer.parse();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    for key in keys {
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{private} is private");
        }
        assert_ne!(key["kty"], "oct");
        assert_eq!(key["use"], "sig");
        assert!(key["kid"].is_string() && key["alg"].is_string());
    }
}

fn kid(stack: &Stack, set: &Value) -> String {
    assert!(stack.keys().read_dir().unwrap().count() > 0, "the key is kept in a file");
    text(&set["keys"][0], "kid")
}

async fn keys_survive_a_restart(layout: Layout) {
    let mut stack = layout.strict().await;
    let ann = stack.member("ann").await;
    let before = stack.users.get("/.well-known/jwks.json").await.parse();
    let before = kid(&stack, &before);
    stack.restart().await;
    let after = stack.users.get("/.well-known/jwks.json").await.parse();
    assert_eq!(kid(&stack, &after), before);
    stack.users.bearer(&ann.access).get("/user/").await.expect(200);
    stack.offer(&ann, "chair").await;
    let body = serde_json::json!({ "refresh_token": ann.refresh });
    stack.users.post("/user/refresh/", body).await.expect(200);

    // A private key is nobody else's to read.
    #[cfg(unix)]
    for file in stack.keys().read_dir().unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}
