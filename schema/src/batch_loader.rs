//! The `DataLoader` of async-graphql, set up to batch by load instead of by time.
//!
//! A batch starts as soon as the one before it has ended, so batches grow with the load and a lone
//! look-up waits for no timer. A batch that takes longer than [`SLOW_AFTER`] lets the next one start
//! beside it. The number of slow batches is not limited here: requests in progress and the
//! connections of the pool limit it, and waiting for slow batches would slow the others too. Nothing
//! is cached.
//!
//! A batch runs in a task of its own, so a client that disconnects cancels no other look-up. Its
//! trace is the one of the look-up that came first.

use std::{
    collections::HashMap,
    hash::Hash,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{self, Wake},
    time::Duration,
};

use async_graphql::{
    dataloader::{DataLoader, Loader},
    runtime::Timer,
};
use futures_util::{
    FutureExt as _,
    future::BoxFuture,
    task::{FutureObj, Spawn, SpawnError},
};
use opentelemetry::{
    Context,
    context::{FutureExt as _, WithContext},
};
use tokio::{sync::watch, task::yield_now, time::timeout};

use crate::{AnswerBudget, Error, ErrorCode, Result};

/// Time after which the next batch no longer waits for the one that is running.
const SLOW_AFTER: Duration = Duration::from_millis(5);

/// The values of a batch by their keys. A key that was not found is missing.
pub type BatchResult<K, V> = Result<HashMap<K, V>>;

/// A loader whose batches run one after another unless they are slow.
pub struct BatchLoader<L> {
    loader: L,
    record_size: Box<dyn Fn(usize) + Send + Sync>,
    running: watch::Sender<usize>,
}

impl<L> BatchLoader<L> {
    /// Returns a `DataLoader` that loads batches by `loader` and reports the number of keys of each.
    pub fn data_loader(
        loader: L,
        record_size: impl Fn(usize) + Send + Sync + 'static,
    ) -> DataLoader<Self> {
        let running = watch::Sender::new(0);
        let timer = WaitForRunningBatch(running.clone());
        let batches = Self { loader, record_size: Box::new(record_size), running };
        let loader = DataLoader::new(batches, SpawnAfterYield, timer);
        loader.enable_all_cache(false);
        loader
    }
}

impl<K, L> Loader<K> for BatchLoader<L>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    L: Loader<K, Error = Error>,
{
    /// `DataLoader` clones every value that it returns, even for a single look-up; an `Arc` makes
    /// that cheap.
    type Value = Arc<L::Value>;
    type Error = Error;

    async fn load(&self, keys: &[K]) -> BatchResult<K, Arc<L::Value>> {
        let running = RunningGuard::new(&self.running);
        (self.record_size)(keys.len());
        // `DataLoader` would pass a panic on to every look-up of the batch.
        let mut load = pin!(AssertUnwindSafe(self.loader.load(keys)).catch_unwind());
        let values = if let Ok(values) = timeout(SLOW_AFTER, &mut load).await {
            values
        } else {
            drop(running);
            load.await
        };
        let values = values.map_err(|_| Error::internal("a batch loader panicked"))??;
        Ok(values.into_iter().map(|(key, value)| (key, Arc::new(value))).collect())
    }
}

/// Look-ups whose values are owned. A value of a single look-up is moved, not cloned.
pub trait LoadOwned<K, V> {
    /// Loads the value of a key, or returns `None` if there is none.
    ///
    /// # Errors
    /// Fails if the batch does.
    fn load_owned(&self, key: K) -> impl Future<Output = Result<Option<V>>> + Send;

    /// Loads the values of `keys`, in their order.
    ///
    /// # Errors
    /// Fails if the batch does.
    fn load_all_owned(&self, keys: Vec<K>) -> impl Future<Output = Result<Vec<Option<V>>>> + Send;
}

impl<K, L> LoadOwned<K, L::Value> for DataLoader<BatchLoader<L>>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    L: Loader<K, Error = Error>,
{
    async fn load_owned(&self, key: K) -> Result<Option<L::Value>> {
        Ok(self.load_one(key).await?.map(Arc::unwrap_or_clone))
    }

    async fn load_all_owned(&self, keys: Vec<K>) -> Result<Vec<Option<L::Value>>> {
        let mut found = self.load_many(keys.iter().cloned()).await?;
        let values: Vec<_> = keys.iter().map(|key| found.get(key).cloned()).collect();
        found.clear();
        Ok(values.into_iter().map(|value| value.map(Arc::unwrap_or_clone)).collect())
    }
}

/// A value that takes bytes of the budget of an answer.
pub trait ReadBytes {
    /// Returns the approximate bytes of the value in memory.
    fn read_bytes(&self) -> usize;
}

impl<T: ReadBytes> ReadBytes for Option<T> {
    fn read_bytes(&self) -> usize {
        self.as_ref().map_or(0, ReadBytes::read_bytes)
    }
}

/// Look-ups of a loader that bounds a batch by its bytes: it leaves the rest of the keys out of the
/// result, and they are loaded by the next batch, unless the answer is too large by then. So a batch
/// of large values of one client neither fills the memory nor fails the look-ups of others.
pub trait LoadWithinBudget<K, V> {
    /// Loads the value of a key within the budget of the answer.
    ///
    /// # Errors
    /// `QUERY_TOO_COMPLEX` if the answer is too large. Fails if a batch does.
    fn load_within_budget(
        &self,
        budget: Option<&AnswerBudget>,
        key: K,
    ) -> impl Future<Output = Result<V>> + Send;

    /// Loads the values of `keys`, in their order, within the budget of the answer.
    ///
    /// # Errors
    /// `QUERY_TOO_COMPLEX` if the answer is too large. Fails if a batch does.
    fn load_all_within_budget(
        &self,
        budget: Option<&AnswerBudget>,
        keys: Vec<K>,
    ) -> impl Future<Output = Result<Vec<V>>> + Send;
}

impl<K, L> LoadWithinBudget<K, L::Value> for DataLoader<BatchLoader<L>>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    L: Loader<K, Error = Error, Value: ReadBytes>,
{
    async fn load_within_budget(&self, budget: Option<&AnswerBudget>, key: K) -> Result<L::Value> {
        loop {
            let value = self.load_owned(key.clone()).await?;
            take_read(budget, &value)?;
            if let Some(value) = value {
                return Ok(value);
            }
        }
    }

    async fn load_all_within_budget(
        &self,
        budget: Option<&AnswerBudget>,
        keys: Vec<K>,
    ) -> Result<Vec<L::Value>> {
        let mut values: Vec<_> = keys.iter().map(|_| None).collect();
        loop {
            let missing = keys.iter().zip(&mut values).filter(|(_, value)| value.is_none());
            let (missing, places): (Vec<_>, Vec<_>) =
                missing.map(|(key, place)| (key.clone(), place)).unzip();
            if missing.is_empty() {
                return Ok(values.into_iter().flatten().collect());
            }
            for (place, value) in places.into_iter().zip(self.load_all_owned(missing).await?) {
                take_read(budget, &value)?;
                *place = value;
            }
        }
    }
}

fn take_read(budget: Option<&AnswerBudget>, value: &impl ReadBytes) -> Result<()> {
    let bytes = value.read_bytes();
    let taken = budget.map_or(Ok(()), |budget| budget.take_read(bytes));
    taken.map_err(|error| Error::new(ErrorCode::QueryTooComplex, error.to_string()))
}

/// Counts a batch as running until it is dropped.
struct RunningGuard<'a>(&'a watch::Sender<usize>);

impl<'a> RunningGuard<'a> {
    fn new(running: &'a watch::Sender<usize>) -> Self {
        running.send_modify(|batches| *batches += 1);
        Self(running)
    }
}

impl Drop for RunningGuard<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|batches| *batches -= 1);
    }
}

/// A timer that ignores the delay and waits until no batch is running.
struct WaitForRunningBatch(watch::Sender<usize>);

impl Timer for WaitForRunningBatch {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        let mut running = self.0.subscribe();
        Box::pin(async move {
            let _ = running.wait_for(|batches| *batches == 0).await;
        })
    }
}

/// Spawns a batch once the current task has yielded, so that all look-ups of the task join it. The
/// batch inherits the trace of that task.
struct SpawnAfterYield;

impl Spawn for SpawnAfterYield {
    fn spawn_obj(&self, batch: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        let batch = PendingBatch(Mutex::new(Some(batch.with_context(Context::current()))));
        // `yield_now` defers its waker until the poll of the current task has returned; here the
        // waker starts the batch. Were it woken sooner, batches would only be smaller.
        let waker = Arc::new(batch).into();
        let _ = pin!(yield_now()).poll(&mut task::Context::from_waker(&waker));
        Ok(())
    }
}

/// A batch that is spawned when it is woken.
struct PendingBatch(Mutex<Option<WithContext<FutureObj<'static, ()>>>>);

impl Wake for PendingBatch {
    fn wake(self: Arc<Self>) {
        let batch = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(batch) = batch {
            tokio::spawn(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Loads batches with a function.
    struct FnLoader<K, V>(Load<K, V>);

    type Load<K, V> = Box<dyn Fn(Vec<K>) -> BoxFuture<'static, BatchResult<K, V>> + Send + Sync>;

    impl<K, V> Loader<K> for FnLoader<K, V>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        type Value = V;
        type Error = Error;

        async fn load(&self, keys: &[K]) -> BatchResult<K, V> {
            (self.0)(keys.to_vec()).await
        }
    }

    struct TestLoader<K, V>(Arc<DataLoader<BatchLoader<FnLoader<K, V>>>>);

    impl<K, V> Clone for TestLoader<K, V> {
        fn clone(&self) -> Self {
            Self(Arc::clone(&self.0))
        }
    }

    impl<K, V> TestLoader<K, V>
    where
        K: Clone + Eq + Hash + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        fn new<F: Future<Output = BatchResult<K, V>> + Send + 'static>(
            load: impl Fn(Vec<K>) -> F + Send + Sync + 'static,
        ) -> Self {
            let each = FnLoader(Box::new(move |keys| load(keys).boxed()));
            Self(Arc::new(BatchLoader::data_loader(each, |_| ())))
        }

        async fn load(&self, key: K) -> Result<Option<V>> {
            self.0.load_owned(key).await
        }
    }

    fn counted() -> (TestLoader<u32, u32>, Arc<AtomicUsize>) {
        let runs = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&runs);
        let loader = TestLoader::new(move |keys: Vec<u32>| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { Ok(keys.into_iter().filter(|key| *key < 1000).map(|k| (k, k + 1)).collect()) }
        });
        (loader, runs)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn look_ups_of_one_task_are_one_batch() {
        let (loader, runs) = counted();
        let task = async move {
            for round in 1..=100 {
                let answers = join_all((0..200).map(|key| loader.load(key))).await;
                assert!((0u32..).zip(answers).all(|(key, answer)| answer == Ok(Some(key + 1))));
                assert_eq!(runs.load(Ordering::SeqCst), round);
            }
        };
        // As the services do: on a thread of the runtime.
        tokio::spawn(task).await.unwrap();
    }

    #[tokio::test]
    async fn values_keep_the_order_of_keys() {
        let (loader, runs) = counted();
        let found = loader.0.load_all_owned(vec![3, 5000, 1, 3]).await;
        assert_eq!(found, Ok(vec![Some(4), None, Some(2), Some(4)]));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn missing_key_returns_none() {
        let (loader, _) = counted();
        assert_eq!(loader.load(5000).await, Ok(None));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_task_gets_its_own_value() {
        let (loader, _) = counted();
        let tasks = (0..500).map(|key| {
            let loader = loader.clone();
            tokio::spawn(async move { (key, loader.load(key).await) })
        });
        for task in join_all(tasks).await {
            let (key, answer) = task.unwrap();
            assert_eq!(answer, Ok(Some(key + 1)));
        }
    }

    #[tokio::test]
    async fn batch_uses_trace_of_first_caller() {
        let loader: TestLoader<u32, Option<char>> = TestLoader::new(|keys: Vec<u32>| async {
            let trace = Context::current().get().copied();
            Ok(keys.into_iter().map(|key| (key, trace)).collect())
        });
        let traced = |key, trace: char| {
            let loader = loader.clone();
            let load = async move { loader.load(key).await };
            load.with_context(Context::new().with_value(trace))
        };
        let both = join_all([traced(1, 'a'), traced(2, 'b')]).await;
        assert_eq!(both, [Ok(Some(Some('a'))), Ok(Some(Some('a')))]);
        assert_eq!(traced(3, 'b').await, Ok(Some(Some('b'))));
        assert_eq!(loader.load(4).await, Ok(Some(None)));
    }

    #[tokio::test]
    async fn cancelled_leader_does_not_block_batch() {
        let gate = Arc::new(Semaphore::new(0));
        let wait = Arc::clone(&gate);
        let loader: TestLoader<u32, u32> = TestLoader::new(move |keys: Vec<u32>| {
            let wait = Arc::clone(&wait);
            async move {
                drop(wait.acquire().await);
                Ok(keys.into_iter().map(|key| (key, key)).collect())
            }
        });
        let first = tokio::spawn({
            let loader = loader.clone();
            async move { loader.load(1).await }
        });
        tokio::task::yield_now().await;
        first.abort();
        let second = tokio::spawn(async move { loader.load(2).await });
        tokio::task::yield_now().await;
        gate.add_permits(10);
        assert_eq!(second.await.unwrap(), Ok(Some(2)));
    }

    #[tokio::test]
    async fn slow_batch_does_not_block_next() {
        let started = Arc::new(Semaphore::new(0));
        let start = Arc::clone(&started);
        let loader: TestLoader<u32, u32> = TestLoader::new(move |keys: Vec<u32>| {
            start.add_permits(1);
            async move {
                if keys.contains(&0) {
                    std::future::pending::<()>().await;
                }
                Ok(keys.into_iter().map(|key| (key, key)).collect())
            }
        });
        let stuck = tokio::spawn({
            let loader = loader.clone();
            async move { loader.load(0).await }
        });
        started.acquire().await.unwrap().forget();
        for key in 1..=50 {
            assert_eq!(loader.load(key).await, Ok(Some(key)));
        }
        assert!(!stuck.is_finished());
    }

    #[tokio::test]
    async fn panicking_batch_is_an_error() {
        let first = AtomicUsize::new(0);
        let loader: TestLoader<u32, u32> = TestLoader::new(move |keys: Vec<u32>| {
            let fails = first.fetch_add(1, Ordering::SeqCst) < 3;
            async move {
                assert!(!fails, "as planned");
                Ok(keys.into_iter().map(|key| (key, key)).collect())
            }
        });
        for _ in 0..3 {
            assert!(loader.load(1).await.is_err());
        }
        assert_eq!(loader.load(1).await, Ok(Some(1)));
    }
}
