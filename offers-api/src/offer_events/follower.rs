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

/// Interval of polls without a notification.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// Delay before another attempt after an error.
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// Limit on the offers that one poll publishes; beyond it subscribers get `EVENTS_LOST`.
pub(super) const MAX_CATCH_UP: usize = 50_000;
/// Rows read by one statement.
const ROWS_PER_READ: usize = 500;

/// Publishes new rows of the table forever, with notifications if there is a PostgreSQL URL.
pub(super) async fn follow(feed: Arc<Feed>, url: Option<String>) {
    loop {
        let error = match &url {
            Some(url) => listen_loop(&feed, url).await,
            None => poll_loop(&feed).await,
        };
        tracing::debug!(?error, "failed to follow new offers");
        time::sleep(RETRY_DELAY).await;
    }
}

/// The reason why following the table has stopped.
#[derive(Debug)]
#[allow(dead_code, reason = "the log prints it with Debug")]
enum FollowError {
    Connection,
    Listener(sqlx::Error),
    Rows(schema::Error),
}

impl From<sqlx::Error> for FollowError {
    fn from(error: sqlx::Error) -> Self {
        Self::Listener(error)
    }
}

impl From<schema::Error> for FollowError {
    fn from(error: schema::Error) -> Self {
        Self::Rows(error)
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
    // A lost connection must be an error: the poll after it finds the notifications missed meanwhile.
    listener.eager_reconnect(false);
    listener.listen(notify::CHANNEL).await?;
    let mut polls = time::interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            received = listener.try_recv() => {
                let mut ids = Vec::new();
                let mut next = Some(received?.ok_or(FollowError::Connection)?);
                while let Some(notification) = next {
                    ids.extend(notify::parse_payload(notification.payload()));
                    next = listener.next_buffered();
                }
                feed.publish_missing(ids).await?;
            }
            _ = polls.tick() => {
                // A round trip to the server, which detects a dead connection.
                time::timeout(POLL_INTERVAL, listener.unlisten("nothing")).await.map_err(|_| FollowError::Connection)??;
                feed.catch_up().await?;
            }
        }
    }
}

impl Feed {
    /// Publishes offers that came without a notification. The first call only finds the newest.
    async fn catch_up(&self) -> Result<()> {
        let watermark = self.seen().watermark();
        let Some(watermark) = watermark else { return self.mark_existing_seen().await };
        let ids: Vec<i64> = offer::Entity::find()
            .select_only()
            .column(offer::Column::Id)
            .filter(offer::Column::Id.gt(watermark))
            .order_by_asc(offer::Column::Id)
            .limit(MAX_CATCH_UP as u64)
            .into_tuple()
            .all(&self.database)
            .await?;
        if ids.len() == MAX_CATCH_UP {
            self.mark_existing_seen().await?;
            let _ = self.events.send(Event::Lagged);
            return Ok(());
        }
        self.publish_missing(ids).await?;
        self.seen().advance_watermark();
        Ok(())
    }

    /// Marks the newest existing offers as already published.
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

    /// Publishes those of the offers that were not published before.
    async fn publish_missing(&self, mut ids: Vec<i64>) -> Result<()> {
        {
            let seen = self.seen();
            ids.retain(|id| !seen.contains(*id));
        }
        for ids in ids.chunks(ROWS_PER_READ) {
            if self.has_subscribers() {
                let found = OfferLoader(self.database.clone()).load(ids).await?;
                let mut rows: Vec<_> = found.into_values().collect();
                rows.sort_unstable_by_key(|offer| offer.id);
                for row in &rows {
                    self.publish_local(row);
                }
            }
            // With those that are deleted by now, or that have no subscriber.
            let mut seen = self.seen();
            for id in ids {
                seen.insert(*id);
            }
        }
        Ok(())
    }
}
