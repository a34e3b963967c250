//! The public keys of the Users service (RFC 7517), fetched when they are needed and kept.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, JwkSet},
};
use schema::{Error, ErrorCode, Result, Viewer};
use server::{
    auth::Authenticate,
    client,
    token::{self, Kind},
};
use tokio::{sync::Mutex, time::Instant};

/// How often the keys are fetched at most, whatever `kid`s arrive.
const FETCH: Duration = Duration::from_secs(10);
/// The same while there are none yet.
const FIRST_FETCH: Duration = Duration::from_secs(1);
/// How long keys are taken as they are: one that was withdrawn is forgotten after so long.
const FRESH: Duration = Duration::from_mins(5);

/// The keys by their ids.
type Keys = Arc<HashMap<String, DecodingKey>>;

/// Verifies access tokens with the keys at an address.
pub(crate) struct Jwks {
    client: reqwest::Client,
    url: String,
    /// The last good set, and when it was fetched.
    keys: RwLock<Option<(Keys, Instant)>>,
    tried: Mutex<Option<Instant>>,
}

impl Jwks {
    pub(crate) fn new(client: reqwest::Client, url: String) -> Self {
        Self { client, url, keys: RwLock::default(), tried: Mutex::default() }
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey> {
        if let Some((keys, fetched)) = self.kept()
            && fetched.elapsed() < FRESH
            && let Some(key) = keys.get(kid)
        {
            return Ok(key.clone());
        }
        self.fetch().await;
        let Some((keys, _)) = self.kept() else {
            let detail = "The keys that tokens are verified with cannot be fetched.";
            return Err(Error::new(ErrorCode::KeysUnavailable, detail).retry_after(1));
        };
        keys.get(kid).cloned().ok_or_else(token::invalid)
    }

    fn kept(&self) -> Option<(Keys, Instant)> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the keys unless that was just tried. While they cannot be had the last ones serve.
    async fn fetch(&self) {
        let mut tried = self.tried.lock().await;
        let pause = if self.kept().is_some() { FETCH } else { FIRST_FETCH };
        if tried.is_some_and(|tried| tried.elapsed() < pause) {
            return;
        }
        let answer = async {
            client::send(self.client.get(&self.url)).await?.error_for_status()?.json().await
        };
        match answer.await {
            Ok(set) => {
                let now = Instant::now();
                let keys = Arc::new(usable(&set));
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some((keys, now));
            }
            Err(error) => {
                let error: reqwest::Error = error;
                tracing::warn!(%error, "keys not fetched");
            }
        }
        *tried = Some(Instant::now());
    }
}

/// The keys of the one kind that signs our tokens.
fn usable(set: &JwkSet) -> HashMap<String, DecodingKey> {
    let keys = set.keys.iter().filter_map(|key| {
        let AlgorithmParameters::OctetKeyPair(parameters) = &key.algorithm else { return None };
        let decoding = DecodingKey::from_jwk(key).ok()?;
        let kid = key.common.key_id.clone()?;
        (parameters.curve == EllipticCurve::Ed25519).then_some((kid, decoding))
    });
    keys.collect()
}

impl Authenticate for Jwks {
    fn viewer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Viewer>> {
        Box::pin(async move {
            let key = self.key(&token::key_id(token, Kind::Access)?).await?;
            token::verify(token, &key)?.viewer()
        })
    }
}
