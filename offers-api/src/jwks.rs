//! A cache of the public keys of the Users service (RFC 7517), which are fetched on demand.

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

/// Minimum time between two fetches, for tokens with unknown `kid`s.
const MIN_REFETCH: Duration = Duration::from_secs(10);
/// Minimum time between two fetches while there are no keys.
const MIN_FIRST_REFETCH: Duration = Duration::from_secs(1);
/// Maximum age of the keys: a key that was withdrawn is accepted for this time.
const MAX_AGE: Duration = Duration::from_mins(5);

/// The keys by their ids.
type Keys = Arc<HashMap<String, DecodingKey>>;

/// Verifies access tokens with the keys at a URL.
pub(crate) struct JwksCache {
    client: reqwest::Client,
    url: String,
    /// The last set that was fetched, and its time.
    keys: RwLock<Option<(Keys, Instant)>>,
    last_attempt: Mutex<Option<Instant>>,
}

impl JwksCache {
    pub(crate) fn new(client: reqwest::Client, url: String) -> Self {
        Self { client, url, keys: RwLock::default(), last_attempt: Mutex::default() }
    }

    /// Returns the key with this id, and fetches the keys if it is unknown or too old.
    async fn key(&self, kid: &str) -> Result<DecodingKey> {
        if let Some((keys, fetched)) = self.cached()
            && fetched.elapsed() < MAX_AGE
            && let Some(key) = keys.get(kid)
        {
            return Ok(key.clone());
        }
        self.fetch().await;
        let Some((keys, _)) = self.cached() else {
            let detail = "The keys that verify tokens cannot be fetched.";
            return Err(Error::new(ErrorCode::KeysUnavailable, detail).retry_after(1));
        };
        keys.get(kid).cloned().ok_or_else(token::invalid)
    }

    fn cached(&self) -> Option<(Keys, Instant)> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the keys unless that was attempted recently. If it fails, the last ones stay.
    async fn fetch(&self) {
        let mut last_attempt = self.last_attempt.lock().await;
        let min_interval = if self.cached().is_some() { MIN_REFETCH } else { MIN_FIRST_REFETCH };
        if last_attempt.is_some_and(|attempt| attempt.elapsed() < min_interval) {
            return;
        }
        let response = async {
            client::send(self.client.get(&self.url)).await?.error_for_status()?.json().await
        };
        match response.await {
            Ok(set) => {
                let now = Instant::now();
                let keys = Arc::new(ed25519_keys(&set));
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some((keys, now));
            }
            Err(error) => {
                let error: reqwest::Error = error;
                tracing::warn!(%error, "failed to fetch the public keys");
            }
        }
        *last_attempt = Some(Instant::now());
    }
}

/// Returns the Ed25519 keys, the kind that signs tokens.
fn ed25519_keys(set: &JwkSet) -> HashMap<String, DecodingKey> {
    let keys = set.keys.iter().filter_map(|key| {
        let AlgorithmParameters::OctetKeyPair(parameters) = &key.algorithm else { return None };
        let decoding = DecodingKey::from_jwk(key).ok()?;
        let kid = key.common.key_id.clone()?;
        (parameters.curve == EllipticCurve::Ed25519).then_some((kid, decoding))
    });
    keys.collect()
}

impl Authenticate for JwksCache {
    fn viewer<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Viewer>> {
        Box::pin(async move {
            let key = self.key(&token::key_id(token, Kind::Access)?).await?;
            token::verify(token, &key)?.viewer()
        })
    }
}
