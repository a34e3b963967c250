//! Finds the offers that other instances have created.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_graphql::dataloader::Loader;
use entity::offer;
use schema::Result;
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sqlx,
    sqlx::postgres::PgListener,
};
use tokio::time::{self, MissedTickBehavior};

use super::{Event, Feed, notify, seen_ids};
use crate::loaders::OfferLoader;

/// Time between two polls of the table, with or without notifications.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// Time to wait after an error of the database.
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// Maximum number of rows that are read with one statement.
const ROWS_PER_READ: usize = 500;

/// Follows the table for ever: with notifications from the PostgreSQL at `url`, or by polling.
pub(super) async fn follow(feed: Arc<Feed>, url: Option<String>) {
    loop {
        let error = match &url {
            Some(url) => listen_loop(&feed, url).await,
            None => poll_loop(&feed).await,
        };
        tracing::debug!(?error, "new offers cannot be followed");
        time::sleep(RETRY_DELAY).await;
    }
}

/// The reason why following has ended.
#[derive(Debug)]
#[allow(dead_code, reason = "printed in the log")]
enum FollowError {
    Disconnected,
    Listener(sqlx::Error),
    Read(schema::Error),
}

impl From<sqlx::Error> for FollowError {
    fn from(error: sqlx::Error) -> Self {
        Self::Listener(error)
    }
}

impl From<schema::Error> for FollowError {
    fn from(error: schema::Error) -> Self {
        Self::Read(error)
    }
}

async fn poll_loop(feed: &Feed) -> Result<Infallible, FollowError> {
    loop {
        feed.catch_up().await?;
        time::sleep(POLL_INTERVAL).await;
    }
}

async fn listen_loop(feed: &Feed, url: &str) -> Result<Infallible, FollowError> {
    let mut listener = PgListener::connect(url).await?;
    // A lost connection must be an error: polling finds the notifications that were missed.
    listener.eager_reconnect(false);
    listener.listen(notify::CHANNEL).await?;
    let mut polls = time::interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            received = listener.try_recv() => {
                let mut ids = Vec::new();
                let mut notification = Some(received?.ok_or(FollowError::Disconnected)?);
                while let Some(received) = notification {
                    ids.extend(notify::parse_payload(received.payload()));
                    notification = listener.next_buffered();
                }
                feed.publish_missing(ids).await?;
            }
            _ = polls.tick() => {
                // A statement that shows if the connection is dead.
                let ping = time::timeout(POLL_INTERVAL, listener.unlisten("nothing"));
                ping.await.map_err(|_| FollowError::Disconnected)??;
                feed.catch_up().await?;
            }
        }
    }
}

impl Feed {
    /// Publishes the offers since the last poll. The first poll only finds the start.
    async fn catch_up(&self) -> Result<()> {
        let watermark = self.seen().watermark();
        let Some(watermark) = watermark else { return self.mark_existing_seen().await };
        let ids: Vec<i64> = offer::Entity::find()
            .select_only()
            .column(offer::Column::Id)
            .filter(offer::Column::Id.gt(watermark))
            .order_by_asc(offer::Column::Id)
            .limit(seen_ids::MAX_CATCH_UP as u64)
            .into_tuple()
            .all(&self.database)
            .await?;
        if ids.len() == seen_ids::MAX_CATCH_UP {
            self.mark_existing_seen().await?;
            let _ = self.events.send(Event::Lagged);
            return Ok(());
        }
        self.publish_missing(ids).await?;
        self.seen().advance_watermark();
        Ok(())
    }

    /// Marks existing offers as published.
    async fn mark_existing_seen(&self) -> Result<()> {
        let ids: Vec<i64> = offer::Entity::find()
            .select_only()
            .column(offer::Column::Id)
            .order_by_desc(offer::Column::Id)
            .limit(seen_ids::WATERMARK_LAG as u64)
            .into_tuple()
            .all(&self.database)
            .await?;
        let mut seen = self.seen();
        for id in ids {
            seen.insert(id);
        }
        seen.advance_watermark();
        drop(seen);
        self.ready.send_replace(true);
        Ok(())
    }

    /// Publishes the offers of `ids` that were not published before.
    async fn publish_missing(&self, mut ids: Vec<i64>) -> Result<()> {
        {
            let seen = self.seen();
            ids.retain(|id| !seen.contains(*id));
        }
        for ids in ids.chunks(ROWS_PER_READ) {
            if self.has_subscribers() {
                let found = OfferLoader(self.database.clone()).load(ids).await?;
                let mut offers: Vec<_> = found.into_values().collect();
                offers.sort_unstable_by_key(|offer| offer.id);
                for offer in &offers {
                    self.publish(offer);
                }
            }
            // Also the offers that were deleted since, and those without a subscriber.
            let mut seen = self.seen();
            for id in ids {
                seen.insert(*id);
            }
        }
        Ok(())
    }
}
