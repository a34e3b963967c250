//! What tokens say.

use std::collections::BTreeSet;

use crate::support::fixtures::text;
use crate::support::jwt::{part, published, verifies};
use crate::support::services::Layout;

on_every_stack!(tokens_say_what_they_should);

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
