//! Three ways to batch `User.offers`, each with the real offers-api behind it: ours, the crate
//! `dataloader`, and the `DataLoader` of async-graphql as it comes.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark stops at what is wrong")]

mod common;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::{
    dataloader::{DataLoader, Loader},
    futures_util::future::BoxFuture,
    runtime::{TokioSpawner, TokioTimer},
};
use dataloader::{BatchFn, non_cached};
use schema::{BatchLoader, Error, LoadOwned};
use serde_json::{Value, json};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(1);

type Offers = Arc<Value>;

/// Asks offers-api for the offers of users.
#[derive(Clone)]
struct Upstream {
    client: reqwest::Client,
    url: String,
}

impl Upstream {
    async fn load(&self, users: &[i64]) -> HashMap<i64, Offers> {
        const QUERY: &str = "query($u:[_Any!]!){_entities(representations:$u){...on User{\
            offersConnection(first:1000){nodes{id userId title text \
        price{amount currency} status createdAt updatedAt}}}}}";
        let named = |id: &i64| json!({ "__typename": "User", "id": id.to_string() });
        let named: Vec<_> = users.iter().map(named).collect();
        let body = json!({ "query": QUERY, "variables": { "u": named } });
        let answer = self.client.post(&self.url).json(&body).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        let Value::Array(entities) = answer["data"]["_entities"].take() else { unreachable!() };
        users.iter().copied().zip(entities.into_iter().map(Arc::new)).collect()
    }
}

impl BatchFn<i64, Offers> for Upstream {
    async fn load(&mut self, users: &[i64]) -> HashMap<i64, Offers> {
        Upstream::load(self, users).await
    }
}

impl Loader<i64> for Upstream {
    type Value = Offers;
    type Error = Error;

    async fn load(&self, users: &[i64]) -> Result<HashMap<i64, Offers>, Error> {
        Ok(Upstream::load(self, users).await)
    }
}

type Load = Arc<dyn Fn(i64) -> BoxFuture<'static, Option<Offers>> + Send + Sync>;

fn loaders(upstream: &Upstream) -> [(&'static str, Load); 3] {
    let ours = Arc::new(BatchLoader::data_loader(upstream.clone(), |_| ()));
    let theirs = non_cached::Loader::new(upstream.clone()).with_max_batch_size(1000);
    let timed = DataLoader::new(upstream.clone(), TokioSpawner::current(), TokioTimer::default());
    let timed = Arc::new(timed);
    [
        (
            "ours",
            Arc::new(move |user| {
                let loader = Arc::clone(&ours);
                Box::pin(async move { loader.load_owned(user).await.unwrap() })
            }),
        ),
        (
            "dataloader",
            Arc::new(move |user| {
                let loader = theirs.clone();
                Box::pin(async move { loader.try_load(user).await.ok() })
            }),
        ),
        (
            "async-graphql",
            Arc::new(move |user| {
                let loader = Arc::clone(&timed);
                Box::pin(async move { loader.load_one(user).await.unwrap() })
            }),
        ),
    ]
}

/// Look-ups a second.
#[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
async fn rate(load: &Load, clients: i64) -> f64 {
    let start = Instant::now();
    let client = |number: i64| {
        let load = Arc::clone(load);
        tokio::spawn(async move {
            let mut done = 0_i64;
            while start.elapsed() < ROUND {
                let user = (number * 7919 + done * 31) % common::USERS + 1;
                assert!(load(user).await.is_some());
                done += 1;
            }
            done
        })
    };
    let clients: Vec<_> = (0..clients).map(client).collect();
    let mut done = 0;
    for client in clients {
        done += client.await.unwrap();
    }
    done as f64 / start.elapsed().as_secs_f64()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[tokio::main]
async fn main() {
    // The services have a runtime of their own, as they have a process of their own.
    let services = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (rows, url) = services
        .spawn(async {
            let rows = common::rows().await;
            let url = common::serve(common::offers_api(&rows).await).await;
            (rows, url)
        })
        .await
        .unwrap();
    let client = server::client::build(None).unwrap();
    let loaders = loaders(&Upstream { client, url: format!("{url}/graphql") });
    for clients in [1, 32] {
        let mut rates = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..=ROUNDS {
            for ((_, load), rates) in loaders.iter().zip(&mut rates) {
                let rate = rate(load, clients).await;
                // The first fills pools and caches.
                if round > 0 {
                    rates.push(rate);
                }
            }
        }
        for ((name, _), own) in loaders.iter().zip(&rates) {
            let ratio = median(own.iter().zip(&rates[0]).map(|(one, ours)| one / ours).collect());
            let rate = median(own.clone());
            println!("{clients:>2} clients: {name:<14} {rate:>7.0} a second, {ratio:.2} of ours");
        }
    }
    services.shutdown_background();
    drop(rows);
}
