//! Notifies the other instances of new offers.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection,
    sea_query::{Expr, Func, Query},
};
use tokio::sync::mpsc;

/// The PostgreSQL channel.
pub(super) const CHANNEL: &str = "offer_created";
/// Limit on the IDs in a notification: PostgreSQL allows 8000 bytes.
const MAX_IDS: usize = 380;
/// Minimum time between two notifications. Commits that notify wait for each other, so IDs are sent
/// in batches, in transactions of their own.
const MIN_INTERVAL: Duration = Duration::from_millis(25);

/// Notifies of the received IDs until the feed is dropped.
pub(super) async fn notify_loop(database: DatabaseConnection, mut ids: mpsc::Receiver<i64>) {
    let mut batch = Vec::new();
    let mut is_failing = false;
    while ids.recv_many(&mut batch, MAX_IDS).await > 0 {
        let text: Vec<_> = batch.drain(..).map(|id| id.to_string()).collect();
        let notify = Func::cust("pg_notify").args([Expr::val(CHANNEL), Expr::val(text.join(","))]);
        match database.query_one(Query::select().expr(notify)).await {
            Ok(_) => is_failing = false,
            Err(error) if !std::mem::replace(&mut is_failing, true) => {
                tracing::warn!(%error, "failed to notify other instances of new offers");
            }
            Err(_) => (),
        }
        tokio::time::sleep(MIN_INTERVAL).await;
    }
}

/// Returns the IDs in a notification.
pub(super) fn parse_payload(payload: &str) -> impl Iterator<Item = i64> {
    payload.split(',').filter_map(schema::id::parse)
}

#[cfg(test)]
mod tests {
    #[test]
    fn payload_fits_and_round_trips() {
        let text = vec![i64::MAX.to_string(); super::MAX_IDS].join(",");
        assert!(text.len() < 8000);
        assert_eq!(super::parse_payload(&text).count(), super::MAX_IDS);
        assert_eq!(super::parse_payload("7,x,-1,,8").collect::<Vec<_>>(), [7, 8]);
    }
}
