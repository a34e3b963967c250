//! Hints at new offers to the other instances.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseConnection,
    sea_query::{Expr, Func, Query},
};
use tokio::sync::mpsc;

/// The channel of PostgreSQL.
pub(super) const CHANNEL: &str = "offer_created";
/// Ids in a hint: PostgreSQL takes at most 8000 bytes.
const IDS: usize = 380;
/// The shortest time from one hint to the next. All commits that notify wait for each other, so
/// hints go out in bundles, in transactions of their own.
const PACE: Duration = Duration::from_millis(25);

/// Sends what comes in, until the feed is gone.
pub(super) async fn send(database: DatabaseConnection, mut ids: mpsc::Receiver<i64>) {
    let mut bundle = Vec::new();
    while ids.recv_many(&mut bundle, IDS).await > 0 {
        let text: Vec<_> = bundle.drain(..).map(|id| id.to_string()).collect();
        let notify = Func::cust("pg_notify").args([Expr::val(CHANNEL), Expr::val(text.join(","))]);
        if let Err(error) = database.query_one(Query::select().expr(notify)).await {
            tracing::warn!(%error, "other instances will see new offers late");
        }
        tokio::time::sleep(PACE).await;
    }
}

/// The ids in a hint.
pub(super) fn read(payload: &str) -> impl Iterator<Item = i64> {
    payload.split(',').filter_map(schema::id::parse)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_hint_fits_and_is_read_back() {
        let text = vec![i64::MAX.to_string(); super::IDS].join(",");
        assert!(text.len() < 8000);
        assert_eq!(super::read(&text).count(), super::IDS);
        assert_eq!(super::read("7,x,-1,,8").collect::<Vec<_>>(), [7, 8]);
    }
}
