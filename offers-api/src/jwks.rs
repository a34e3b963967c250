//! A cache of the public keys of users-api (RFC 7517).

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
    token::{self, TokenType},
};
use tokio::{sync::Mutex, time::Instant};

/// Minimum time between two fetches, whichever `kid`s arrive.
const MIN_REFETCH: Duration = Duration::from_secs(10);
/// The same until the first fetch has succeeded.
const MIN_FIRST_REFETCH: Duration = Duration::from_secs(1);
/// Time after which keys are fetched again, so that withdrawn ones are dropped.
const MAX_AGE: Duration = Duration::from_mins(5);

/// Keys by their IDs.
type KeysById = Arc<HashMap<String, DecodingKey>>;

/// Verifies access tokens with the keys at a URL.
pub(crate) struct JwksCache {
    client: reqwest::Client,
    url: String,
    /// The last keys fetched, and the time of that fetch.
    keys: RwLock<Option<(KeysById, Instant)>>,
    last_attempt: Mutex<Option<Instant>>,
}

impl JwksCache {
    pub(crate) fn new(client: reqwest::Client, url: String) -> Self {
        Self { client, url, keys: RwLock::default(), last_attempt: Mutex::default() }
    }

    /// Returns the key of this ID, after a fetch if it is unknown or the keys are too old.
    ///
    /// # Errors
    /// `INVALID_TOKEN` for an unknown ID, `KEYS_UNAVAILABLE` if no fetch has ever succeeded.
    async fn find_key(&self, kid: &str) -> Result<DecodingKey> {
        if let Some((keys, fetched)) = self.cached()
            && fetched.elapsed() < MAX_AGE
            && let Some(key) = keys.get(kid)
        {
            return Ok(key.clone());
        }
        self.fetch().await;
        let Some((keys, _)) = self.cached() else {
            let detail = "The keys that tokens are verified with cannot be fetched.";
            return Err(Error::new(ErrorCode::KeysUnavailable, detail).retry_after(1));
        };
        keys.get(kid).cloned().ok_or_else(token::invalid_token)
    }

    fn cached(&self) -> Option<(KeysById, Instant)> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the keys, unless the last attempt is too recent. A failure keeps the last keys.
    async fn fetch(&self) {
        let mut last_attempt = self.last_attempt.lock().await;
        let min_wait = if self.cached().is_some() { MIN_REFETCH } else { MIN_FIRST_REFETCH };
        if last_attempt.is_some_and(|at| at.elapsed() < min_wait) {
            return;
        }
        let response = async {
            client::send_traced(self.client.get(&self.url)).await?.error_for_status()?.json().await
        };
        match response.await {
            Ok(set) => {
                let now = Instant::now();
                let keys = Arc::new(ed25519_keys(&set));
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some((keys, now));
            }
            Err(error) => {
                let error: reqwest::Error = error;
                tracing::warn!(%error, "failed to fetch public keys");
            }
        }
        *last_attempt = Some(Instant::now());
    }
}

/// Returns the Ed25519 keys that have an ID.
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
    fn authenticate<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Viewer>> {
        Box::pin(async move {
            let key = self.find_key(&token::key_id(token, TokenType::Access)?).await?;
            token::verify(token, &key)?.viewer()
        })
    }
}
