//! Header and claims of tokens.

use std::collections::BTreeSet;

use crate::support::fixtures::string_field;
use crate::support::jwt::{self, is_signed_by, published_key};
use crate::support::services::Topology;

on_every_topology!(tokens_have_their_documented_claims);

const ASYMMETRIC: [&str; 6] = ["EdDSA", "ES256", "ES384", "RS256", "RS512", "PS256"];

async fn tokens_have_their_documented_claims(topology: Topology) {
    let services = topology.start_open().await;
    let ann = services.register_and_log_in("ann").await;
    let now = chrono::Utc::now().timestamp();
    for (token, token_type, lifetime) in
        [(&ann.access_token, "at+jwt", 600), (&ann.refresh_token, "rt+jwt", 30 * 24 * 3600)]
    {
        let header = jwt::header(token);
        assert_eq!(header["typ"], token_type);
        assert!(ASYMMETRIC.contains(&header["alg"].as_str().unwrap()), "{header}");
        let key = published_key(&services.users, &string_field(&header, "kid")).await;
        assert_eq!(key["alg"], header["alg"]);
        assert!(is_signed_by(token, &key));

        let claims = jwt::claims(token);
        for name in ["iss", "aud", "sid", "jti"] {
            assert!(!string_field(&claims, name).is_empty(), "{claims}");
        }
        assert_eq!(claims["sub"], ann.id.to_string());
        let issued = claims["iat"].as_i64().unwrap();
        assert!((now - 60..=now + 1).contains(&issued), "{claims}");
        assert_eq!(claims["exp"].as_i64().unwrap(), issued + lifetime);
        let all = claims.to_string() + &header.to_string();
        assert!(!all.contains("example.org") && !all.contains("argon2"), "{all}");
    }
    assert_eq!(jwt::claims(&ann.access_token)["sid"], jwt::claims(&ann.refresh_token)["sid"]);

    let mut token_ids = BTreeSet::new();
    let mut sessions = BTreeSet::new();
    for _ in 0..3 {
        let session = services.log_in("ann").await;
        for name in ["access_token", "refresh_token"] {
            let claims = jwt::claims(&string_field(&session, name));
            assert!(token_ids.insert(string_field(&claims, "jti")), "ids are unique");
            sessions.insert(string_field(&claims, "sid"));
        }
    }
    assert_eq!(sessions.len(), 3);
}
