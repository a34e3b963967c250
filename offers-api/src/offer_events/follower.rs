//! Finds the offers that others have made.

use std::{sync::Arc, time::Duration};

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

/// How often to look without a hint.
const LOOK: Duration = Duration::from_secs(10);
/// How long a database that is away is left alone.
const AGAIN: Duration = Duration::from_millis(500);
/// The most offers that a look takes up; subscribers are told that they have lost more.
pub(super) const MOST: usize = 50_000;
/// Rows that are read at once.
const ROWS: usize = 500;

/// Follows the table for ever, by hints where there is a PostgreSQL to take them from.
pub(super) async fn follow(feed: Arc<Feed>, url: Option<String>) {
    loop {
        let lost = match &url {
            Some(url) => listen(&feed, url).await,
            None => look(&feed).await,
        };
        tracing::debug!(?lost, "new offers cannot be followed");
        time::sleep(AGAIN).await;
    }
}

/// Why following has ended.
#[derive(Debug)]
#[allow(dead_code, reason = "told to the log")]
enum Lost {
    Connection,
    Listener(sqlx::Error),
    Rows(schema::Error),
}

impl From<sqlx::Error> for Lost {
    fn from(error: sqlx::Error) -> Self {
        Self::Listener(error)
    }
}

impl From<schema::Error> for Lost {
    fn from(error: schema::Error) -> Self {
        Self::Rows(error)
    }
}

type Never = std::convert::Infallible;

async fn look(feed: &Feed) -> Result<Never, Lost> {
    loop {
        feed.catch_up().await?;
        time::sleep(LOOK).await;
    }
}

async fn listen(feed: &Feed, url: &str) -> Result<Never, Lost> {
    let mut listener = PgListener::connect(url).await?;
    // What came while it was away is found by a look, so it has to be noticed.
    listener.eager_reconnect(false);
    listener.listen(notify::CHANNEL).await?;
    let mut looks = time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            hinted = listener.try_recv() => {
                let mut ids = Vec::new();
                let mut hinted = Some(hinted?.ok_or(Lost::Connection)?);
                while let Some(hint) = hinted {
                    ids.extend(notify::read(hint.payload()));
                    hinted = listener.next_buffered();
                }
                feed.take_up(ids).await?;
            }
            _ = looks.tick() => {
                // A question to the server, which shows a connection that is dead in silence.
                time::timeout(LOOK, listener.unlisten("nothing")).await.map_err(|_| Lost::Connection)??;
                feed.catch_up().await?;
            }
        }
    }
}

impl Feed {
    /// Looks for offers that nobody has hinted at. The first look only finds where to begin.
    async fn catch_up(&self) -> Result<()> {
        let since = self.seen().since();
        let Some(since) = since else { return self.begin().await };
        let ids: Vec<i64> = offer::Entity::find()
            .select_only()
            .column(offer::Column::Id)
            .filter(offer::Column::Id.gt(since))
            .order_by_asc(offer::Column::Id)
            .limit(MOST as u64)
            .into_tuple()
            .all(&self.database)
            .await?;
        if ids.len() == MOST {
            self.begin().await?;
            let _ = self.events.send(Event::Lost);
            return Ok(());
        }
        self.take_up(ids).await?;
        self.seen().settle();
        Ok(())
    }

    /// Takes what is there for told.
    async fn begin(&self) -> Result<()> {
        let ids: Vec<i64> = offer::Entity::find()
            .select_only()
            .column(offer::Column::Id)
            .order_by_desc(offer::Column::Id)
            .limit(seen_ids::OVERLAP as u64)
            .into_tuple()
            .all(&self.database)
            .await?;
        let mut seen = self.seen();
        for id in ids {
            seen.insert(id);
        }
        seen.settle();
        drop(seen);
        self.ready.send_replace(true);
        Ok(())
    }

    /// Tells of these offers, but for those that were told before.
    async fn take_up(&self, mut ids: Vec<i64>) -> Result<()> {
        {
            let seen = self.seen();
            ids.retain(|id| !seen.contains(*id));
        }
        for ids in ids.chunks(ROWS) {
            if self.heard() {
                let found = OfferLoader(self.database.clone()).load(ids).await?;
                let mut rows: Vec<_> = found.into_values().collect();
                rows.sort_unstable_by_key(|offer| offer.id);
                for row in &rows {
                    self.tell(row);
                }
            }
            // Also those that are deleted by now, or that nobody wants to hear of.
            let mut seen = self.seen();
            for id in ids {
                seen.insert(*id);
            }
        }
        Ok(())
    }
}
