//! Events of new offers, whichever instance created them.
//!
//! The table is the source of truth. An instance publishes its own offers at once, and notifies the
//! others by PostgreSQL's NOTIFY; [`follower`] reads the offers of a notification, and polls for new
//! ones every few seconds and whenever it could have missed a notification. So an offer is published
//! late at worst, even if an instance died before it notified, and [`seen_ids`] prevents duplicates.
//! If LISTEN is refused, polls find the offers of other instances by themselves.

mod follower;
mod notify;
mod seen_ids;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{Stream, stream};
use schema::{Error, ErrorCode, Offer, Result};
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::{broadcast, mpsc, watch};

use seen_ids::SeenIds;

/// Events kept for a slow subscriber; one that is further behind gets `EVENTS_LOST`. Of the largest
/// texts that is 20 MiB, for all subscribers together.
const SUBSCRIBER_BUFFER: usize = 256;
/// Offers of this instance that wait for a notification.
const NOTIFY_QUEUE: usize = 8192;
/// Time that a subscriber waits for a feed that has just started.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(5);

/// An event of the feed.
#[derive(Clone)]
enum Event {
    Created(Arc<Offer>),
    /// Events were dropped, because there were too many at once.
    Lagged,
}

/// The feed of new offers.
pub(crate) struct Feed {
    database: DatabaseConnection,
    events: broadcast::Sender<Event>,
    seen: Mutex<SeenIds>,
    ready: watch::Sender<bool>,
    notifications: Option<mpsc::Sender<i64>>,
}

impl Feed {
    /// Starts to follow the table in background tasks.
    pub(crate) fn start(database: &DatabaseConnection, url: &str) -> Arc<Self> {
        let mut database = database.clone();
        // Its statements belong to no request: they are left out of the metrics.
        database.set_metric_callback(|_| ());
        let is_postgres = database.get_database_backend() == DbBackend::Postgres;
        let notifications = is_postgres.then(|| {
            let (sender, receiver) = mpsc::channel(NOTIFY_QUEUE);
            tokio::spawn(notify::notify_loop(database.clone(), receiver));
            sender
        });
        let feed = Arc::new(Self {
            database,
            events: broadcast::channel(SUBSCRIBER_BUFFER).0,
            seen: Mutex::default(),
            ready: watch::channel(false).0,
            notifications,
        });
        tokio::spawn(follower::follow(Arc::clone(&feed), is_postgres.then(|| url.to_owned())));
        feed
    }

    /// Publishes an offer that this instance has created. It never waits for subscribers.
    pub(crate) fn publish(&self, offer: &Offer) {
        if let Some(notifications) = &self.notifications {
            // If the queue is full, the other instances find the offer by polling.
            let _ = notifications.try_send(offer.id.0);
        }
        self.publish_local(offer);
    }

    /// Publishes an offer to the subscribers of this instance, unless it was published before.
    fn publish_local(&self, offer: &Offer) {
        let is_new = self.seen().insert((offer.id.0, offer.created_at.to_utc()));
        if is_new && self.has_subscribers() {
            // The last subscriber may have left meanwhile.
            let _ = self.events.send(Event::Created(Arc::new(offer.clone())));
        }
    }

    fn has_subscribers(&self) -> bool {
        self.events.receiver_count() > 0
    }

    fn seen(&self) -> MutexGuard<'_, SeenIds> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes to the new offers of a user, or of all users. The stream ends with its first
    /// error, `EVENTS_LOST`.
    ///
    /// # Errors
    /// `DATABASE_UNAVAILABLE` if the table cannot be followed.
    pub(crate) async fn subscribe(
        &self,
        user_id: Option<i64>,
    ) -> Result<impl Stream<Item = Result<Offer>> + use<>> {
        let mut ready = self.ready.subscribe();
        let started = tokio::time::timeout(STARTUP_TIMEOUT, ready.wait_for(|ready| *ready)).await;
        if !matches!(started, Ok(Ok(_))) {
            let detail = "New offers cannot be followed at the moment.";
            return Err(Error::new(ErrorCode::DatabaseUnavailable, detail).retry_after(1));
        }
        let events = Some(self.events.subscribe());
        Ok(stream::unfold(events, move |events| async move { next(events?, user_id).await }))
    }
}

/// An offer or the last error, with the events that follow.
type NextEvent = (Result<Offer>, Option<broadcast::Receiver<Event>>);

/// Returns the next offer of that user, or of any user without one; `None` once the feed is closed.
/// Nothing follows an error.
async fn next(mut events: broadcast::Receiver<Event>, user_id: Option<i64>) -> Option<NextEvent> {
    loop {
        match events.recv().await {
            Ok(Event::Created(offer)) if user_id.is_none_or(|id| id == offer.user_id.0) => {
                return Some((Ok(Arc::unwrap_or_clone(offer)), Some(events)));
            }
            Ok(Event::Created(_)) => (),
            Ok(Event::Lagged) | Err(broadcast::error::RecvError::Lagged(_)) => {
                let detail = "Events were dropped; resubscribe and reload the list.";
                return Some((Err(Error::new(ErrorCode::EventsLost, detail)), None));
            }
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use schema::OfferStatus;

    use super::*;

    fn created(id: i64, user_id: i64) -> Event {
        Event::Created(Arc::new(Offer {
            id: id.into(),
            title: String::new().into(),
            text: String::new().into(),
            price: None,
            status: OfferStatus::Open,
            created_at: DateTime::UNIX_EPOCH.into(),
            updated_at: DateTime::UNIX_EPOCH.into(),
            user_id: user_id.into(),
        }))
    }

    #[tokio::test]
    async fn subscription_filters_by_user() {
        let (sender, events) = broadcast::channel(4);
        for event in [created(1, 5), created(2, 6), created(3, 5)] {
            assert!(sender.send(event).is_ok());
        }
        drop(sender);
        let (first, events) = next(events, Some(6)).await.unwrap();
        assert!(first.is_ok());
        assert!(next(events.unwrap(), Some(6)).await.is_none());
    }

    #[tokio::test]
    async fn lagging_subscriber_gets_one_error() {
        let (sender, behind) = broadcast::channel(4);
        for id in 1..=5 {
            assert!(sender.send(created(id, 1)).is_ok());
        }
        let lagged = sender.subscribe();
        assert!(sender.send(Event::Lagged).is_ok());
        for events in [behind, lagged] {
            let (error, rest) = next(events, None).await.unwrap();
            assert_eq!(error.err().map(|error| error.code), Some(ErrorCode::EventsLost));
            assert!(rest.is_none());
        }
    }
}
