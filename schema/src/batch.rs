//! Look-ups that are asked for one by one and done many at a time.
//!
//! A look-up does not wait for others: it starts a batch as soon as its task has nothing else to
//! ask. While a batch is under way the others queue up for the next one, so batches grow with the
//! load. One that takes long stops nobody: the next starts beside it, as one of many look-ups does,
//! which gains little by waiting for more.
//!
//! A batch runs in a task of its own: whoever leaves takes nothing away from the others. (With the
//! crate dataloader 0.18 the look-ups of the others panic where the client leaves whose task runs
//! the batch.)
//!
//! In traces a batch belongs to the look-up that came first.

use std::{
    collections::HashMap,
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use opentelemetry::{Context, context::FutureExt};
use tokio::{sync::oneshot, time::timeout};

use crate::{Error, Result};

/// How long the next batch waits for the one under way.
const SLOW: Duration = Duration::from_millis(5);
/// So many look-ups for each batch under way are worth another beside them. Fewer wait.
const MANY: usize = 64;
/// The most batches beside each other.
const BATCHES: usize = 8;
/// The most keys in a batch.
const KEYS: usize = 1000;

/// What a batch found; a key that is missing was not there.
pub type Found<K, V> = Result<HashMap<K, V>>;

type Load<K, V> = Box<dyn Fn(Vec<K>) -> BoxFuture<'static, Found<K, V>> + Send + Sync>;
type Waiting<V> = Vec<oneshot::Sender<Result<Option<V>>>>;
type Answer<V> = oneshot::Receiver<Result<Option<V>>>;

/// Gathers look-ups into batches. Cheap to clone; clones share the queue.
pub struct Batcher<K, V>(Arc<Shared<K, V>>);

struct Shared<K, V> {
    load: Load<K, V>,
    queue: Mutex<Queue<K, V>>,
}

struct Queue<K, V> {
    waiting: HashMap<K, Waiting<V>>,
    /// The trace of the first of them.
    trace: Context,
    /// Batches under way.
    batches: usize,
    /// Those of them that the next one does not wait for any more.
    slow: usize,
    /// Whether the first of those waiting still lets others queue up.
    led: bool,
}

impl<K, V> Clone for Batcher<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Batcher<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Loads batches by this function, which gets each key once.
    pub fn new<F>(load: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Found<K, V>> + Send + 'static,
    {
        let queue = Queue {
            waiting: HashMap::new(),
            trace: Context::new(),
            batches: 0,
            slow: 0,
            led: false,
        };
        let load: Load<K, V> = Box::new(move |keys| Box::pin(load(keys)));
        Self(Arc::new(Shared { load, queue: Mutex::new(queue) }))
    }

    /// Looks one key up, in a batch with others.
    ///
    /// # Errors
    /// What the batch failed with.
    pub async fn load(&self, key: K) -> Result<Option<V>> {
        let (leads, answer) = {
            let mut queue = self.0.lock();
            (queue.join(), queue.ask(key))
        };
        self.lead(leads).await;
        answered(answer).await
    }

    /// Looks keys up, in a batch with others. The answers are in the order of the keys.
    pub async fn load_all(&self, keys: Vec<K>) -> Vec<Result<Option<V>>> {
        let (leads, answers) = {
            let mut queue = self.0.lock();
            let leads = !keys.is_empty() && queue.join();
            let answers: Vec<_> = keys.into_iter().map(|key| queue.ask(key)).collect();
            // Many look-ups do not wait for others to join them.
            queue.led &= queue.waiting.len() < MANY * queue.fresh().max(1);
            self.0.start(queue);
            (leads, answers)
        };
        self.lead(leads).await;
        let mut found = Vec::with_capacity(answers.len());
        for answer in answers {
            found.push(answered(answer).await);
        }
        found
    }

    async fn lead(&self, leads: bool) {
        if leads {
            // Dropping it starts the batch, so a client that leaves here keeps nobody waiting.
            let lead = Lead(&self.0);
            // Lets the other look-ups of this task queue up first, also where a batch is under way
            // that might end half-way through them.
            tokio::task::yield_now().await;
            drop(lead);
        }
    }
}

async fn answered<V>(answer: Answer<V>) -> Result<Option<V>> {
    answer.await.map_err(|_| Error::internal("a batch ended without an answer"))?
}

struct Lead<'a, K, V>(&'a Arc<Shared<K, V>>)
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static;

impl<K, V> Drop for Lead<'_, K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.led = false;
        self.0.start(queue);
    }
}

impl<K, V> Queue<K, V>
where
    K: Clone + Eq + Hash,
{
    /// Joins those who wait. The first of them leads.
    fn join(&mut self) -> bool {
        let leads = self.waiting.is_empty();
        if leads {
            self.trace = Context::current();
            self.led = true;
        }
        leads
    }

    fn ask(&mut self, key: K) -> Answer<V> {
        let (sender, answer) = oneshot::channel();
        self.waiting.entry(key).or_default().push(sender);
        answer
    }

    /// Batches under way that are not slow.
    fn fresh(&self) -> usize {
        self.batches - self.slow
    }

    fn has_room(&self) -> bool {
        self.waiting.len() >= MANY * self.fresh() && self.batches < BATCHES
    }

    fn take(&mut self) -> (HashMap<K, Waiting<V>>, Context) {
        if self.waiting.len() <= KEYS {
            return (mem::take(&mut self.waiting), mem::take(&mut self.trace));
        }
        let keys: Vec<_> = self.waiting.keys().take(KEYS).cloned().collect();
        let batch = keys.iter().filter_map(|key| self.waiting.remove_entry(key)).collect();
        (batch, self.trace.clone())
    }
}

impl<K, V> Shared<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    fn lock(&self) -> MutexGuard<'_, Queue<K, V>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the next batch if there is one, and room, and nobody else is about to.
    fn start(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue<K, V>>) {
        if queue.waiting.is_empty() || queue.led || !queue.has_room() {
            return;
        }
        queue.batches += 1;
        let (batch, trace) = queue.take();
        drop(queue);
        // In its own task: the batch belongs to all who wait, not to the one who started it.
        tokio::spawn(Arc::clone(self).run(batch).with_context(trace));
    }

    async fn run(self: Arc<Self>, batch: HashMap<K, Waiting<V>>) {
        let mut place = Place { shared: &self, slow: false };
        let mut load = (self.load)(batch.keys().cloned().collect());
        let mut found = if let Ok(found) = timeout(SLOW, &mut load).await {
            found
        } else {
            place.step_aside();
            load.await
        };
        // The next batch is on its way while this one is handed out.
        drop(place);
        for (key, mut waiting) in batch {
            let answer = match &mut found {
                Ok(found) => Ok(found.remove(&key)),
                Err(error) => Err(error.clone()),
            };
            // Whoever has left is not waited for.
            let last = waiting.pop();
            for sender in waiting {
                let _ = sender.send(answer.clone());
            }
            let _ = last.map(|sender| sender.send(answer));
        }
    }
}

/// The place of a batch that is under way, given back also where its load panics.
struct Place<'a, K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    shared: &'a Arc<Shared<K, V>>,
    slow: bool,
}

impl<K, V> Place<'_, K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Lets the next batch start.
    fn step_aside(&mut self) {
        let mut queue = self.shared.lock();
        self.slow = true;
        queue.slow += 1;
        self.shared.start(queue);
    }
}

impl<K, V> Drop for Place<'_, K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.batches -= 1;
        queue.slow -= usize::from(self.slow);
        self.shared.start(queue);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    fn counted() -> (Batcher<u32, u32>, Arc<AtomicUsize>) {
        let runs = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&runs);
        let batcher = Batcher::new(move |keys: Vec<u32>| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { Ok(keys.into_iter().filter(|key| *key < 1000).map(|k| (k, k + 1)).collect()) }
        });
        (batcher, runs)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_look_ups_of_one_task_are_one_batch() {
        let (batcher, runs) = counted();
        for round in 1..=100 {
            let answers = join_all((0..200).map(|key| batcher.load(key))).await;
            assert!((0u32..).zip(answers).all(|(key, answer)| answer == Ok(Some(key + 1))));
            assert_eq!(runs.load(Ordering::SeqCst), round);
        }
    }

    #[tokio::test]
    async fn look_ups_of_many_keys_are_answered_in_their_order() {
        let (batcher, runs) = counted();
        let answers = batcher.load_all(vec![3, 2000, 1, 3]).await;
        assert_eq!(answers, [Ok(Some(4)), Ok(None), Ok(Some(2)), Ok(Some(4))]);
        assert_eq!(batcher.load_all(Vec::new()).await, []);
        assert_eq!(runs.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn many_keys_do_not_wait_for_the_batch_under_way() {
        let (started, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (start, wait) = (Arc::clone(&started), Arc::clone(&gate));
        let batcher: Batcher<u32, u32> = Batcher::new(move |keys: Vec<u32>| {
            start.add_permits(1);
            let wait = Arc::clone(&wait);
            async move {
                if keys.contains(&0) {
                    drop(wait.acquire().await);
                }
                Ok(keys.into_iter().map(|key| (key, key)).collect())
            }
        });
        let first = tokio::spawn({
            let batcher = batcher.clone();
            async move { batcher.load(0).await }
        });
        started.acquire().await.unwrap().forget();
        // The clock goes on only where all wait for it, as for a batch that is slow.
        tokio::time::pause();
        let start = tokio::time::Instant::now();
        let many = u32::try_from(MANY).unwrap();
        let found = batcher.load_all((1..=many).collect()).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!((1..=many).zip(found).all(|(key, found)| found == Ok(Some(key))));
        assert!(!first.is_finished());
        gate.add_permits(1);
        assert_eq!(first.await.unwrap(), Ok(Some(0)));
    }

    #[tokio::test]
    async fn what_is_not_found_is_nothing() {
        let (batcher, _) = counted();
        assert_eq!(batcher.load(5000).await, Ok(None));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_tasks_all_get_their_own_answer() {
        let (batcher, _) = counted();
        let tasks = (0..500).map(|key| {
            let batcher = batcher.clone();
            tokio::spawn(async move { (key, batcher.load(key).await) })
        });
        for task in join_all(tasks).await {
            let (key, answer) = task.unwrap();
            assert_eq!(answer, Ok(Some(key + 1)));
        }
    }

    #[tokio::test]
    async fn a_batch_belongs_to_the_trace_of_the_first() {
        let batcher: Batcher<u32, Option<char>> = Batcher::new(|keys: Vec<u32>| async {
            let trace = Context::current().get().copied();
            Ok(keys.into_iter().map(|key| (key, trace)).collect())
        });
        let traced = |key, trace: char| {
            let batcher = batcher.clone();
            let load = async move { batcher.load(key).await };
            load.with_context(Context::new().with_value(trace))
        };
        let both = join_all([traced(1, 'a'), traced(2, 'b')]).await;
        assert_eq!(both, [Ok(Some(Some('a'))), Ok(Some(Some('a')))]);
        assert_eq!(traced(3, 'b').await, Ok(Some(Some('b'))));
        assert_eq!(batcher.load(4).await, Ok(Some(None)));
    }

    #[tokio::test]
    async fn who_leaves_keeps_nobody_waiting() {
        let gate = Arc::new(Semaphore::new(0));
        let wait = Arc::clone(&gate);
        let batcher: Batcher<u32, u32> = Batcher::new(move |keys: Vec<u32>| {
            let wait = Arc::clone(&wait);
            async move {
                drop(wait.acquire().await);
                Ok(keys.into_iter().map(|key| (key, key)).collect())
            }
        });
        let leader = tokio::spawn({
            let batcher = batcher.clone();
            async move { batcher.load(1).await }
        });
        tokio::task::yield_now().await;
        leader.abort();
        let follower = tokio::spawn(async move { batcher.load(2).await });
        tokio::task::yield_now().await;
        gate.add_permits(10);
        assert_eq!(follower.await.unwrap(), Ok(Some(2)));
    }

    #[tokio::test]
    async fn a_slow_batch_stops_nobody() {
        let started = Arc::new(Semaphore::new(0));
        let start = Arc::clone(&started);
        let batcher: Batcher<u32, u32> = Batcher::new(move |keys: Vec<u32>| {
            start.add_permits(1);
            async move {
                if keys.contains(&0) {
                    std::future::pending::<()>().await;
                }
                Ok(keys.into_iter().map(|key| (key, key)).collect())
            }
        });
        let stuck = tokio::spawn({
            let batcher = batcher.clone();
            async move { batcher.load(0).await }
        });
        started.acquire().await.unwrap().forget();
        for key in 1..=50 {
            assert_eq!(batcher.load(key).await, Ok(Some(key)));
        }
        assert!(!stuck.is_finished());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_batch_runs() {
        let first = AtomicUsize::new(0);
        let batcher: Batcher<u32, u32> = Batcher::new(move |keys: Vec<u32>| {
            let fails = first.fetch_add(1, Ordering::SeqCst) < 3;
            async move {
                assert!(!fails, "as planned");
                Ok(keys.into_iter().map(|key| (key, key)).collect())
            }
        });
        for _ in 0..3 {
            assert!(batcher.load(1).await.is_err());
        }
        assert_eq!(batcher.load(1).await, Ok(Some(1)));
    }
}
