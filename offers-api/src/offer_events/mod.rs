//! Tells of new offers, whichever instance made them.
//!
//! The table is the truth. An instance tells of its own offers at once, and hints at them to the
//! others by PostgreSQL's NOTIFY; [`follow`] reads what a hint names, and looks itself at the
//! newest offers every few seconds and whenever it could have missed a hint. So an offer is told
//! late at worst, also where an instance died before its hint, and [`seen`] keeps it from being
//! told twice.

mod follower;
mod notify;
mod seen_ids;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_graphql::{Context, ID, Subscription};
use futures_util::{Stream, stream};
use schema::{Error, ErrorCode, Offer, Result, validation};
use sea_orm::{DatabaseConnection, DbBackend};
use tokio::sync::{broadcast, mpsc, watch};

use crate::{OffersState, graphql};
use seen_ids::Seen;

/// Offers that are kept for a slow subscriber; one that is further behind is let go.
const BEHIND: usize = 1024;
/// Offers of this instance that wait to be hinted at.
const HINTS: usize = 8192;
/// How long a subscriber waits for a feed that has only just been started.
const START: Duration = Duration::from_secs(5);

/// What subscribers are told.
#[derive(Clone)]
enum Event {
    Created(Arc<Offer>),
    /// There were more offers at once than can be told.
    Lost,
}

/// New offers.
pub(crate) struct Feed {
    database: DatabaseConnection,
    events: broadcast::Sender<Event>,
    seen: Mutex<Seen>,
    ready: watch::Sender<bool>,
    hints: Option<mpsc::Sender<i64>>,
}

impl Feed {
    /// Starts to follow the table, in tasks of its own.
    pub(crate) fn start(database: &DatabaseConnection, url: &str) -> Arc<Self> {
        let mut database = database.clone();
        // Its statements belong to no request.
        database.set_metric_callback(|_| ());
        let shared = database.get_database_backend() == DbBackend::Postgres;
        let hints = shared.then(|| {
            let (sender, receiver) = mpsc::channel(HINTS);
            tokio::spawn(notify::send(database.clone(), receiver));
            sender
        });
        let feed = Arc::new(Self {
            database,
            events: broadcast::channel(BEHIND).0,
            seen: Mutex::default(),
            ready: watch::channel(false).0,
            hints,
        });
        tokio::spawn(follower::follow(Arc::clone(&feed), shared.then(|| url.to_owned())));
        feed
    }

    /// Tells of an offer that this instance has made. Nothing here waits for a reader.
    pub(crate) fn created(&self, offer: &Offer) {
        if let Some(hints) = &self.hints {
            // Where too many wait, the others find it themselves.
            let _ = hints.try_send(offer.id.0);
        }
        self.tell(offer);
    }

    fn tell(&self, offer: &Offer) {
        let fresh = self.seen().insert(offer.id.0);
        if fresh && self.heard() {
            // The last subscriber may have left meanwhile.
            let _ = self.events.send(Event::Created(Arc::new(offer.clone())));
        }
    }

    /// Whether anybody listens.
    fn heard(&self) -> bool {
        self.events.receiver_count() > 0
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn subscribe(&self) -> Result<broadcast::Receiver<Event>> {
        let mut ready = self.ready.subscribe();
        let begun = tokio::time::timeout(START, ready.wait_for(|ready| *ready)).await;
        if !matches!(begun, Ok(Ok(_))) {
            let detail = "New offers cannot be followed at the moment.";
            return Err(Error::new(ErrorCode::DatabaseUnavailable, detail).retry_after(1));
        }
        Ok(self.events.subscribe())
    }
}

#[derive(Default)]
pub(crate) struct OfferSubscription;

/// What can be followed.
#[Subscription(name = "Subscription")]
impl OfferSubscription {
    /// Each offer that is created from now on, of one user or of all. A client that reads too
    /// slowly gets the error `EVENTS_LOST`, and the subscription ends.
    async fn offer_created(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose offers; those of all users if left out.")] user_id: Option<ID>,
    ) -> Result<impl Stream<Item = Result<graphql::offers::Offer>> + use<>> {
        let user_id = user_id.map(|id| validation::user_id("/userId", &id)).transpose()?;
        let events = OffersState::from_ctx(ctx).feed.subscribe().await?;
        Ok(stream::unfold(Some(events), move |events| async move { next(events?, user_id).await }))
    }
}

type Told = (Result<graphql::offers::Offer>, Option<broadcast::Receiver<Event>>);

/// The next offer of that user. An error is the last that is told.
async fn next(mut events: broadcast::Receiver<Event>, user_id: Option<i64>) -> Option<Told> {
    loop {
        match events.recv().await {
            Ok(Event::Created(offer)) if user_id.is_none_or(|id| id == offer.user_id.0) => {
                return Some((Ok(Arc::unwrap_or_clone(offer).into()), Some(events)));
            }
            Ok(Event::Created(_)) => (),
            Ok(Event::Lost) | Err(broadcast::error::RecvError::Lagged(_)) => {
                let detail = "Some offers could not be told: subscribe again, and read the list.";
                return Some((Err(Error::new(ErrorCode::EventsLost, detail)), None));
            }
            Err(broadcast::error::RecvError::Closed) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn created(id: i64, user_id: i64) -> Event {
        Event::Created(Arc::new(Offer {
            id: id.into(),
            title: String::new().into(),
            text: String::new().into(),
            created_at: DateTime::UNIX_EPOCH.into(),
            user_id: user_id.into(),
        }))
    }

    #[tokio::test]
    async fn a_subscriber_hears_of_one_user() {
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
    async fn one_that_is_behind_is_told_so_once() {
        let (sender, behind) = broadcast::channel(4);
        for id in 1..=5 {
            assert!(sender.send(created(id, 1)).is_ok());
        }
        let lost = sender.subscribe();
        assert!(sender.send(Event::Lost).is_ok());
        for events in [behind, lost] {
            let (error, rest) = next(events, None).await.unwrap();
            assert_eq!(error.err().map(|error| error.code), Some(ErrorCode::EventsLost));
            assert!(rest.is_none());
        }
    }
}
