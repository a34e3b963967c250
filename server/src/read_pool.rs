//! Reads of lists, which a hot standby serves while it is good enough.
//!
//! A monitor samples the position of the primary in its write-ahead log. A read may be served by a
//! standby that has replayed a sample of the last second which was taken after the last write of this
//! process: then the standby lags by less than a second, and a client reads what it has written. Each
//! read asks for the position first, on the connection that it uses, so it is right behind a proxy too
//! whose connections lead to several standbys. No clocks of two machines are compared.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, join};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseExecutor, DbBackend, DbErr, ExecResult,
    QueryResult, Statement, TransactionTrait,
    prelude::async_trait::async_trait,
    sea_query::{Alias, Expr, ExprTrait, Func, FunctionCall, Query},
};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    database,
    metrics::{Metrics, ReadMetrics},
    settings::Settings,
};

/// Lag of a standby from which its reads go to the primary.
const MAX_LAG: Duration = Duration::from_secs(1);
/// Time between two samples while nothing is written through this process.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);
/// Time between two samples at least, after a write: reads return to the standby soon.
const MIN_SAMPLE_INTERVAL: Duration = Duration::from_millis(10);
/// Time for both servers to return their positions.
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(1);
/// Time to wait for a connection to the standby before a read goes to the primary.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(1);
/// Time for a read on the standby, after which it is repeated on the primary.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads lists from the standby of `DATABASE_READ_URL`, or from the primary while there is none that is
/// good enough. Nothing may be decided by what it returns. As a connection, it runs each query as a
/// read of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReadPool {
    primary: DatabaseConnection,
    standby: Option<Arc<Standby>>,
    metrics: ReadMetrics,
}

impl ReadPool {
    /// Opens the pool of `DATABASE_READ_URL`, if it is set, and starts its monitor.
    ///
    /// # Errors
    /// The name of the setting, and the problem with its URL or with that of the primary.
    pub async fn connect(
        settings: &Settings,
        primary: &DatabaseConnection,
        metrics: &Metrics,
    ) -> Result<Self, String> {
        let standby = match &settings.database_read_url {
            Some(url) => {
                let standby = Standby::connect(url, settings, primary, metrics).await;
                let standby = standby.map_err(|error| format!("DATABASE_READ_URL: {error}"))?;
                let standby = Arc::new(standby);
                tokio::spawn(Arc::clone(&standby).monitor(primary.clone()));
                Some(standby)
            }
            None => None,
        };
        Ok(Self { primary: primary.clone(), standby, metrics: metrics.reads.clone() })
    }

    /// Records that a client has written through this process: until the standby has replayed the
    /// write, reads go to the primary. To be called once the write is committed, before its response.
    pub fn record_write(&self) {
        if let Some(standby) = &self.standby {
            standby.state().last_write = Some(Instant::now());
            standby.written.notify_one();
        }
    }

    /// Runs `read` on the standby if it is good enough, else or if that fails on the primary.
    ///
    /// # Errors
    /// Fails if the primary does.
    pub async fn read<T, F>(&self, read: F) -> Result<T, DbErr>
    where
        T: Send,
        F: for<'c> Fn(DatabaseExecutor<'c>) -> BoxFuture<'c, Result<T, DbErr>> + Send + Sync,
    {
        if let Some(standby) = &self.standby
            && let Some(value) = standby.read(&read).await
        {
            self.metrics.from_standby.inc();
            return Ok(value);
        }
        self.metrics.from_primary.inc();
        read((&self.primary).into()).await
    }
}

#[async_trait]
impl ConnectionTrait for ReadPool {
    fn get_database_backend(&self) -> DbBackend {
        self.primary.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.primary.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, _: &str) -> Result<ExecResult, DbErr> {
        Err(DbErr::Custom("reads are prepared".to_owned()))
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.read(|database| {
            let statement = statement.clone();
            Box::pin(async move { database.query_one_raw(statement).await })
        })
        .await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.read(|database| {
            let statement = statement.clone();
            Box::pin(async move { database.query_all_raw(statement).await })
        })
        .await
    }
}

/// The pool of the standby.
#[derive(Debug)]
struct Standby {
    database: DatabaseConnection,
    state: Arc<Mutex<State>>,
    written: Notify,
    metrics: ReadMetrics,
}

/// The judgement of the monitor.
#[derive(Debug, Default)]
struct State {
    samples: Samples,
    last_write: Option<Instant>,
    /// True if the standby has replayed a sample of the last [`MAX_LAG`].
    is_good: bool,
    /// The time of the last failure. Older connections are not used again: they may lead to a server
    /// that does not answer or is promoted, or may be left within a transaction (sqlx issue 4393).
    last_failure: Option<Instant>,
}

impl State {
    fn record_failure(&mut self) {
        self.is_good = false;
        self.last_failure = Some(Instant::now());
    }
}

impl Standby {
    async fn connect(
        url: &str,
        settings: &Settings,
        primary: &DatabaseConnection,
        metrics: &Metrics,
    ) -> Result<Self, String> {
        if primary.get_database_backend() != DbBackend::Postgres {
            return Err("needs a DATABASE_URL such as postgres://…".to_owned());
        }
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let is_usable = move |age| {
            let failure = lock(&shared).last_failure;
            failure.is_none_or(|failure| age <= failure.elapsed())
        };
        let database =
            database::connect_standby(url, ACQUIRE_TIMEOUT, settings, metrics, is_usable).await?;
        let metrics = metrics.reads.clone();
        Ok(Self { database, state, written: Notify::new(), metrics })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Returns the position that a read needs, or `None` if it needs the primary.
    fn required_position(&self) -> Option<i64> {
        let state = self.state();
        if !state.is_good {
            return None;
        }
        state.samples.oldest_usable(Instant::now(), state.last_write)
    }

    /// Runs a read, unless the standby is not good enough. Returns `None` if it was not run or failed.
    async fn read<T, F>(&self, read: &F) -> Option<T>
    where
        F: for<'c> Fn(DatabaseExecutor<'c>) -> BoxFuture<'c, Result<T, DbErr>>,
    {
        let required = self.required_position()?;
        let attempt = async {
            let transaction = self.database.begin().await?;
            let replayed = replayed_position(&transaction).await?;
            let is_replayed = replayed.is_some_and(|replayed| replayed >= required);
            // Each statement of the transaction sees all that is replayed when it begins.
            let value = if is_replayed { Some(read((&transaction).into()).await?) } else { None };
            transaction.commit().await?;
            Ok::<_, DbErr>(value)
        };
        match timeout(READ_TIMEOUT, attempt).await {
            Ok(Ok(value)) => value,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a read failed on the standby and is repeated");
                None
            }
            Err(_) => {
                self.state().record_failure();
                None
            }
        }
    }

    /// Samples the positions of both servers for ever.
    async fn monitor(self: Arc<Self>, primary: DatabaseConnection) {
        let mut was_good = None;
        loop {
            let taken = Instant::now();
            let (current, replayed) = join(
                timeout(SAMPLE_TIMEOUT, current_position(&primary)),
                timeout(SAMPLE_TIMEOUT, replayed_position(&self.database)),
            )
            .await;
            let current = current.ok().and_then(Result::ok).flatten();
            let replayed = replayed.ok().and_then(Result::ok).flatten();
            let is_good = self.judge(taken, current, replayed);
            if was_good.replace(is_good) != Some(is_good) {
                if is_good {
                    tracing::info!("reads of lists go to the standby");
                } else {
                    let answers = replayed.is_some();
                    tracing::warn!(
                        answers,
                        "reads of lists go to the primary: the standby lags, is gone or is promoted"
                    );
                }
            }
            sleep(MIN_SAMPLE_INTERVAL).await;
            // An error is the end of the interval without a write.
            let _ = timeout(SAMPLE_INTERVAL, self.written.notified()).await;
        }
    }

    /// Adds a sample, and returns true if the standby is good enough, but for the writes of clients.
    fn judge(&self, taken: Instant, current: Option<i64>, replayed: Option<i64>) -> bool {
        let mut state = self.state();
        if let Some(position) = current {
            state.samples.push(taken, position);
        }
        let required = state.samples.oldest_usable(Instant::now(), None);
        match replayed {
            Some(replayed) => {
                state.is_good = required.is_some_and(|required| replayed >= required);
                if let Some(current) = current {
                    self.metrics.lag.set(Ord::max(current - replayed, 0));
                }
            }
            None => state.record_failure(),
        }
        self.metrics.standby_in_use.set(state.is_good.into());
        state.is_good
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Positions of the primary, each with a time at which it had come at most that far, oldest first.
#[derive(Debug, Default)]
struct Samples(VecDeque<(Instant, i64)>);

impl Samples {
    fn push(&mut self, taken: Instant, position: i64) {
        self.0.retain(|(earlier, _)| taken.duration_since(*earlier) <= MAX_LAG);
        self.0.push_back((taken, position));
    }

    /// Returns the oldest position of the last [`MAX_LAG`] that was sampled after the last write, or
    /// `None` if there is none.
    fn oldest_usable(&self, now: Instant, last_write: Option<Instant>) -> Option<i64> {
        let usable = |taken: Instant| {
            now.duration_since(taken) <= MAX_LAG && last_write.is_none_or(|write| taken > write)
        };
        self.0.iter().find(|(taken, _)| usable(*taken)).map(|(_, position)| *position)
    }
}

/// Returns the end of the write-ahead log of the primary, in bytes. A commit that was answered is before
/// it, even if it is not on disk.
async fn current_position(primary: &impl ConnectionTrait) -> Result<Option<i64>, DbErr> {
    let mut select = Query::select();
    select.expr(bytes(Func::cust("pg_current_wal_insert_lsn")));
    let row = primary.query_one(&select).await?;
    row.map(|row| row.try_get_by_index(0)).transpose()
}

/// Returns how far a standby has replayed the log, in bytes, or `None` if the server is no standby.
async fn replayed_position(server: &impl ConnectionTrait) -> Result<Option<i64>, DbErr> {
    let mut select = Query::select();
    select.expr(Func::cust("pg_is_in_recovery")).expr(bytes(Func::cust("pg_last_wal_replay_lsn")));
    let Some(row) = server.query_one(&select).await? else { return Ok(None) };
    let is_standby: bool = row.try_get_by_index(0)?;
    let position: Option<i64> = row.try_get_by_index(1)?;
    Ok(position.filter(|_| is_standby))
}

/// Returns a position in the log as a number of bytes.
fn bytes(position: FunctionCall) -> Expr {
    let start = Expr::Constant("0/0".into());
    let bytes = Func::cust("pg_wal_lsn_diff").args([position.into(), start]);
    Expr::from(bytes).cast_as(Alias::new("int8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_after_the_last_write_within_the_lag_is_required() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut samples = Samples::default();
        assert_eq!(samples.oldest_usable(at(0), None), None);
        for (millis, position) in [(0, 10), (250, 20), (500, 30)] {
            samples.push(at(millis), position);
        }
        assert_eq!(samples.oldest_usable(at(600), None), Some(10));
        assert_eq!(samples.oldest_usable(at(1200), None), Some(20));
        assert_eq!(samples.oldest_usable(at(1501), None), None);
        assert_eq!(samples.oldest_usable(at(600), Some(at(100))), Some(20));
        // A sample of the very moment may be from before the write.
        assert_eq!(samples.oldest_usable(at(600), Some(at(250))), Some(30));
        assert_eq!(samples.oldest_usable(at(600), Some(at(500))), None);
        samples.push(at(1400), 40);
        assert_eq!(samples.0.len(), 2);
    }
}
