//! Notifications of new offers to the other instances.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection,
    sea_query::{Expr, Func, Query},
};
use tokio::sync::mpsc;

/// The channel of PostgreSQL.
pub(super) const CHANNEL: &str = "offer_created";
/// Maximum number of ids in a notification: PostgreSQL accepts 8000 bytes.
const MAX_IDS: usize = 380;
/// Minimum time between two notifications. All commits that notify wait for each other, so ids are
/// sent in batches, in transactions of their own.
const MIN_INTERVAL: Duration = Duration::from_millis(25);

/// Sends the ids that it receives, until the feed is dropped.
pub(super) async fn notify_loop(database: DatabaseConnection, mut ids: mpsc::Receiver<i64>) {
    let mut batch = Vec::new();
    while ids.recv_many(&mut batch, MAX_IDS).await > 0 {
        let ids: Vec<_> = batch.drain(..).map(|id| id.to_string()).collect();
        let notify = Func::cust("pg_notify").args([Expr::val(CHANNEL), Expr::val(ids.join(","))]);
        if let Err(error) = database.query_one(Query::select().expr(notify)).await {
            tracing::warn!(%error, "other instances will publish new offers late");
        }
        tokio::time::sleep(MIN_INTERVAL).await;
    }
}

/// Returns the ids in a notification.
pub(super) fn parse_payload(payload: &str) -> impl Iterator<Item = i64> {
    payload.split(',').filter_map(schema::id::parse)
}

#[cfg(test)]
mod tests {
    #[test]
    fn largest_payload_fits_and_is_parsed() {
        let payload = vec![i64::MAX.to_string(); super::MAX_IDS].join(",");
        assert!(payload.len() < 8000);
        assert_eq!(super::parse_payload(&payload).count(), super::MAX_IDS);
        assert_eq!(super::parse_payload("7,x,-1,,8").collect::<Vec<_>>(), [7, 8]);
    }
}
