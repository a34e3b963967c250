//! Finds the offers that other instances have created.

use std::{convert::Infallible, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use entity::offer;
use schema::Result;
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, sqlx,
    sqlx::postgres::PgListener,
};
use tokio::time::{self, MissedTickBehavior};

use super::{
    Event, Feed, notify,
    seen_ids::{self, OfferKey},
};
use crate::loaders::load_whole;

/// Interval of polls beside notifications, for those that are missed.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// Interval of polls without notifications.
const POLL_INTERVAL_ALONE: Duration = Duration::from_secs(2);
/// Time after which LISTEN is tried again if the server refused it.
const LISTEN_RETRY_INTERVAL: Duration = Duration::from_mins(1);
/// Delay before another attempt after an error.
const RETRY_DELAY: Duration = Duration::from_millis(500);
/// Limit on the offers that one poll publishes; beyond it subscribers get `EVENTS_LOST`.
pub(super) const MAX_CATCH_UP: usize = 50_000;
/// Rows read by one statement: of the largest texts 4 MiB, and fewer than a subscriber has room for.
const ROWS_PER_READ: usize = 50;

/// Publishes new rows of the table forever, with notifications if there is a PostgreSQL URL.
pub(super) async fn follow(feed: Arc<Feed>, url: Option<String>) {
    let mut was_refused = false;
    loop {
        let error = match &url {
            Some(url) => listen_loop(&feed, url).await,
            None => poll_loop(&feed).await,
        };
        if let Err(FollowError::ListenRefused(error)) = &error {
            if !std::mem::replace(&mut was_refused, true) {
                tracing::warn!(%error, "LISTEN is refused: new offers are found by polling");
            }
            let _ = time::timeout(LISTEN_RETRY_INTERVAL, poll_loop(&feed)).await;
        } else {
            tracing::debug!(?error, "failed to follow new offers");
            // The pool may still reach the database, or reach it again sooner.
            let _ = feed.catch_up().await;
        }
        time::sleep(RETRY_DELAY).await;
    }
}

/// The reason why following the table has stopped.
#[derive(Debug)]
#[allow(dead_code, reason = "the log prints it with Debug")]
enum FollowError {
    Connection,
    /// The server is available and does not support or allow LISTEN.
    ListenRefused(sqlx::Error),
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
        time::sleep(POLL_INTERVAL_ALONE).await;
    }
}

async fn listen_loop(feed: &Feed, url: &str) -> Result<Infallible, FollowError> {
    let mut listener = PgListener::connect(url).await?;
    // A lost connection must be an error: the poll after it finds the notifications missed meanwhile.
    listener.eager_reconnect(false);
    listener.listen(notify::CHANNEL).await.map_err(|error| match &error {
        // Class 57 is that of a server that is shutting down.
        sqlx::Error::Database(cause) if cause.code().is_some_and(|it| !it.starts_with("57")) => {
            FollowError::ListenRefused(error)
        }
        _ => FollowError::Listener(error),
    })?;
    let mut polls = time::interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            received = listener.try_recv() => {
                let mut ids = Vec::new();
                let mut next = Some(received?.ok_or(FollowError::Connection)?);
                while let Some(notification) = next {
                    ids.extend(notify::parse_payload(notification.payload()).map(|id| (id, None)));
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
        let (watermark, newest) = {
            let seen = self.seen();
            (seen.watermark(), seen.newest())
        };
        let Some(watermark) = watermark else { return self.mark_existing_seen().await };
        let rows = offer::Entity::find()
            .filter(offer::Column::Id.gt(watermark))
            .order_by_asc(offer::Column::Id)
            .limit(MAX_CATCH_UP as u64);
        let offers = self.read_keys(rows).await?;
        if offers.len() == MAX_CATCH_UP {
            self.mark_existing_seen().await?;
            let _ = self.events.send(Event::Lagged);
            return Ok(());
        }
        if offers.last().map_or(0, |(id, _)| *id) < newest {
            return self.follow_lower_ids().await;
        }
        self.publish_missing(offers).await?;
        self.seen().advance_watermark();
        Ok(())
    }

    /// Follows the table where its newest offers are gone: deleted, or with all others by
    /// `migration fresh`, after which the IDs begin again.
    async fn follow_lower_ids(&self) -> Result<()> {
        let existing = self.read_newest().await?;
        let new = {
            let mut seen = self.seen();
            seen.forget_after(existing.first().map_or(0, |(id, _)| *id));
            let (new, old): (Vec<_>, _) = existing.into_iter().partition(|it| seen.is_later(*it));
            for offer in old {
                seen.insert(offer);
            }
            new
        };
        self.publish_missing(new).await?;
        self.seen().advance_watermark();
        Ok(())
    }

    /// Marks the newest existing offers as already published.
    async fn mark_existing_seen(&self) -> Result<()> {
        let existing = self.read_newest().await?;
        let mut seen = self.seen();
        for offer in existing {
            seen.insert(offer);
        }
        seen.advance_watermark();
        drop(seen);
        self.ready.send_replace(true);
        Ok(())
    }

    /// Reads the newest offers, newest first.
    async fn read_newest(&self) -> Result<Vec<OfferKey>> {
        let rows = offer::Entity::find().order_by_desc(offer::Column::Id);
        self.read_keys(rows.limit(seen_ids::WATERMARK_LAG as u64)).await
    }

    async fn read_keys(&self, rows: Select<offer::Entity>) -> Result<Vec<OfferKey>> {
        let columns = [offer::Column::Id, offer::Column::CreatedAt];
        let rows: Vec<(i64, DateTime<Utc>)> =
            rows.select_only().columns(columns).into_tuple().all(&self.database).await?;
        Ok(rows.into_iter().map(|(id, created_at)| (id, Some(created_at))).collect())
    }

    /// Publishes those of the offers that were not published before.
    async fn publish_missing(&self, mut offers: Vec<OfferKey>) -> Result<()> {
        {
            let seen = self.seen();
            offers.retain(|offer| !seen.contains(*offer));
        }
        for offers in offers.chunks(ROWS_PER_READ) {
            if self.has_subscribers() {
                let ids = offers.iter().map(|(id, _)| *id).collect();
                let found = load_whole(&self.database, ids).await?;
                let mut rows: Vec<_> = found.into_values().collect();
                rows.sort_unstable_by_key(|offer| offer.id);
                for row in &rows {
                    self.publish_local(row);
                }
            }
            // With those that are deleted by now, or that have no subscriber.
            let mut seen = self.seen();
            for offer in offers {
                seen.insert(*offer);
            }
        }
        Ok(())
    }
}
