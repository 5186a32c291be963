//! The handle: submit, resize, broadcast, stop, restart, look. What is decided is decided by the core.

use std::fmt;
use std::io;
use std::time::Duration;

use super::submit;
use super::timer::submit_due;
use crate::config::{self, Discard, Settings, WhenFull, WorkerPoolBuilder};
use crate::core::{BroadcastBody, Core, OnFull, Order, Resize, SubmitOptions};
use crate::error::{BirthError, BuildError, Refusal, SubmitError, SubmitManyError};
use crate::panic::drop_quietly;
use crate::stats::{PoolState, PoolStats};
use crate::sync::{Arc, Count, StdArc};
use crate::threads::birth::Birth;
use crate::threads::cleaner;
use crate::threads::handler::Handler;
use crate::threads::identity::{self, PoolIdentity};
use crate::threads::made::ensure_cleaner;
use crate::threads::shared::{Shared, notify_each};
use crate::threads::spawn::{is_still_wanted, start_searching};
use crate::times::PoolTimes;
use crate::waits::{self, StayAwake};

/// A pool of OS threads that run one function over payloads `T`.
///
/// Idle workers wait on a last-in-first-out stack, each on a channel of its own; workers are made on demand up to a
/// hard cap, and let go when unused for a while. The contract is one sentence: *every accepted payload is run exactly
/// once or handed back*.
///
/// The handle is cheap to clone; all clones feed the same pool. When the last one is dropped the pool is stopped as by
/// [`stop`](WorkerPool::stop): what was accepted still runs, and nothing waits for it.
///
/// ```
/// use anthill_pool::WorkerPool;
///
/// let (results, inbox) = std::sync::mpsc::channel();
/// let pool = WorkerPool::new(4, move |n: u64| results.send(n * n).unwrap())?;
/// for n in 0..10 {
///     pool.submit(n)?;
/// }
/// pool.stop();
/// pool.wait()?;
/// assert_eq!(inbox.iter().take(10).sum::<u64>(), 285);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WorkerPool<T: Send + 'static> {
    owner: Arc<Owner<T>>,
}

/// What the handles share; its drop is the drop of the last handle. Workers hold only `Shared`.
struct Owner<T: Send + 'static> {
    shared: Arc<Shared<T>>,
}

impl<T: Send + 'static> Drop for Owner<T> {
    fn drop(&mut self) {
        stop(&self.shared, |_| ());
    }
}

impl<T> WorkerPool<T>
where
    T: Send + 'static,
{
    /// A pool of at most `max_workers` workers that run `handler`; every other option at its default.
    ///
    /// # Errors
    /// When `max_workers` is 0.
    pub fn new(
        max_workers: usize,
        handler: impl Fn(T) + Send + Sync + 'static,
    ) -> Result<Self, crate::error::BuildError> {
        Self::builder().max_workers(max_workers).build(handler)
    }

    /// Starts choosing options.
    pub fn builder() -> WorkerPoolBuilder<T> {
        WorkerPoolBuilder::new()
    }

    pub(crate) fn start(settings: Settings<T>, handler: Handler<T>) -> Self {
        let shared = Arc::new(Shared::new(settings, handler, submit_due));
        #[cfg(not(anthill_loom))]
        if let crate::config::clock::Clock::Manual(clock) = &shared.settings.clock {
            let expire: Arc<dyn crate::config::clock::Expire> = shared.clone();
            clock.subscribe(Arc::downgrade(&expire));
        }
        WorkerPool { owner: Arc::new(Owner { shared }) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared<T>> {
        &self.owner.shared
    }

    /// Hands a payload to the pool, and waits while every worker is busy and the queue is full (unless
    /// [`when_full`](WorkerPoolBuilder::when_full) says otherwise).
    ///
    /// Those who wait are served in the order in which they came.
    ///
    /// # Errors
    /// [`Closed`](SubmitError::Closed), [`Overload`](SubmitError::Overload),
    /// [`SpawnFailed`](SubmitError::SpawnFailed), [`StateFailed`](SubmitError::StateFailed) or
    /// [`WouldDeadlock`](SubmitError::WouldDeadlock), each with the payload; [`Full`](SubmitError::Full) if the pool's
    /// policy is to refuse.
    pub fn submit(&self, payload: T) -> Result<(), SubmitError<T>> {
        self.place(payload, self.policy())
    }

    /// Hands a payload to the pool if it can be accepted without waiting for a worker to come free.
    ///
    /// While the worker that would take it makes its state or is on its way from there, or the pool's first thread is
    /// just being made for somebody else, it waits for that to succeed, 5 ms at most; then the pool is full.
    ///
    /// # Errors
    /// [`Full`](SubmitError::Full), [`Closed`](SubmitError::Closed), [`SpawnFailed`](SubmitError::SpawnFailed) or
    /// [`StateFailed`](SubmitError::StateFailed), or [`WouldDeadlock`](SubmitError::WouldDeadlock) to a worker that is
    /// just making its state, when no other one lives; each with the payload.
    ///
    /// ```
    /// use anthill_pool::{SubmitError, WorkerPool};
    /// let gate = std::sync::Arc::new(std::sync::Barrier::new(2));
    /// let held = gate.clone();
    /// let pool = WorkerPool::new(1, move |_: &str| { held.wait(); })?;
    /// pool.try_submit("first")?;
    /// assert!(matches!(pool.try_submit("second"), Err(SubmitError::Full("second"))));
    /// gate.wait();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_submit(&self, payload: T) -> Result<(), SubmitError<T>> {
        self.place(payload, SubmitOptions::new(OnFull::Refuse))
    }

    /// Hands a payload to the pool, and waits for room, no longer than `limit`, whatever
    /// [`when_full`](WorkerPoolBuilder::when_full) says. The limit holds as well while a worker makes its state.
    ///
    /// A limit too long to be a point in time waits without end.
    ///
    /// # Errors
    /// [`Timeout`](SubmitError::Timeout) when no room came in time, and otherwise [`Closed`](SubmitError::Closed),
    /// [`Overload`](SubmitError::Overload), [`SpawnFailed`](SubmitError::SpawnFailed),
    /// [`StateFailed`](SubmitError::StateFailed) or [`WouldDeadlock`](SubmitError::WouldDeadlock); each with the
    /// payload.
    pub fn submit_timeout(&self, payload: T, limit: Duration) -> Result<(), SubmitError<T>> {
        self.place(payload, SubmitOptions::new(OnFull::wait_within(limit)))
    }

    /// Hands over many payloads in their order, and waits for room as often as needed. Cheaper than one by one.
    ///
    /// # Errors
    /// As [`submit`](Self::submit) for the first payload that was refused; that one and those after it come back.
    pub fn submit_many(&self, payloads: Vec<T>) -> Result<usize, SubmitManyError<T>> {
        self.place_many(payloads, self.policy())
    }

    /// As [`submit_many`](Self::submit_many), without waiting for room.
    ///
    /// # Errors
    /// As [`try_submit`](Self::try_submit) for the first payload that was refused; that one and those after it come
    /// back.
    ///
    /// ```
    /// use std::sync::{Arc, Barrier};
    /// use anthill_pool::{Refusal, WorkerPool};
    /// let gate = Arc::new(Barrier::new(2));
    /// let held = gate.clone();
    /// let pool = WorkerPool::builder().max_workers(1).queue_capacity(2).build(move |n: u32| {
    ///     if n == 0 { held.wait(); }
    /// })?;
    /// let error = pool.try_submit_many(vec![0, 1, 2, 3, 4]).unwrap_err();
    /// assert_eq!((error.accepted, error.refusal, error.rest), (3, Refusal::Full, vec![3, 4]));
    /// gate.wait();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_submit_many(&self, payloads: Vec<T>) -> Result<usize, SubmitManyError<T>> {
        self.place_many(payloads, SubmitOptions::new(OnFull::Refuse))
    }

    pub(crate) fn place(&self, payload: T, options: SubmitOptions<'_>) -> Result<(), SubmitError<T>> {
        submit::place(self.shared(), payload, options)
    }

    pub(crate) fn place_many(
        &self,
        payloads: Vec<T>,
        options: SubmitOptions<'_>,
    ) -> Result<usize, SubmitManyError<T>> {
        submit::place_many(self.shared(), payloads, options)
    }

    /// Counts and tells a refusal that was quiet when it happened.
    pub(crate) fn note_refusal(&self, refusal: Refusal) {
        submit::note_refusal(self.shared(), refusal);
    }

    /// What `submit` does when there is no room.
    pub(crate) fn policy(&self) -> SubmitOptions<'static> {
        SubmitOptions::by_policy(self.shared().settings.when_full)
    }

    /// What `submit` does when there is no room, by its name.
    pub(crate) fn when_full(&self) -> WhenFull {
        self.shared().settings.when_full
    }

    /// Makes workers until there are `workers` of them, or as many as the cap allows; returns how many were made.
    /// Workers that have a state make it side by side, and are waited for.
    ///
    /// # Errors
    /// When the system refused a thread, or a state could not be made; the others stay.
    ///
    /// ```
    /// let pool = anthill_pool::WorkerPool::new(4, |_: u8| {})?;
    /// assert_eq!(pool.prestart(2)?, 2);
    /// assert_eq!(pool.running(), 2);
    /// assert_eq!(pool.prestart(100)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn prestart(&self, workers: usize) -> io::Result<usize> {
        let shared = self.shared();
        let missing = workers.saturating_sub(self.running());
        let (mut made, mut births) = (0, Vec::new());
        for _ in 0..missing {
            // Others may prestart too; and some may expire already, which must not make this endless.
            let reserved = shared.core.lock().reserve_below(workers);
            let Some(reservation) = reserved else { break };
            births.extend(start_searching(shared, reservation)?);
            made += 1;
        }
        // Only now, as they make their states side by side.
        await_births(shared, births)?;
        Ok(made)
    }

    /// Changes the cap on workers, at once and in both directions (ants: `Tune`); `None` is no cap.
    ///
    /// Raised: as many workers are made as queued and blocked payloads can use. Lowered: idle workers above the cap
    /// leave, busy ones after their payload, and no payload starts that would make more than the cap run at a time
    /// beside those that run already.
    ///
    /// # Errors
    /// When the cap is 0 or below [`min_workers`](WorkerPoolBuilder::min_workers); then nothing was changed.
    ///
    /// ```
    /// let pool = anthill_pool::WorkerPool::new(8, |_: u8| {})?;
    /// pool.prestart(8)?;
    /// pool.wait_idle()?;
    /// pool.set_max_workers(2)?;
    /// assert_eq!((pool.running(), pool.capacity()), (2, Some(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_max_workers(&self, max_workers: impl Into<Option<usize>>) -> Result<(), BuildError> {
        let max_workers = max_workers.into();
        let shared = self.shared();
        config::check_sizes(shared.settings.limits.min_workers, max_workers)?;
        let mut core = shared.core.lock();
        let Resize { leaving, reservations } = core.resize(max_workers);
        shared.core.unlock_and_notify(core);
        for seat in leaving {
            seat.give(Order::Leave);
        }
        for reservation in reservations {
            if is_still_wanted(shared, reservation) {
                // A refused thread is no error here: its slot is free again, and the next submission is told. Nor is a
                // state waited for.
                drop_quietly(start_searching(shared, reservation));
            }
        }
        Ok(())
    }

    /// Has each worker there is run `body` once, with its number, and returns how many these are. Idle ones do it at
    /// once, busy ones after their payload; workers made later do not. Workers that are just being made count, although
    /// they may still not come to be. A panic in it is contained.
    ///
    /// For what is bound to threads: flushing thread-local caches, setting priorities.
    ///
    /// ```
    /// let pool = anthill_pool::WorkerPool::new(4, |_: u8| {})?;
    /// pool.prestart(3)?;
    /// let (done, inbox) = std::sync::mpsc::channel();
    /// assert_eq!(pool.broadcast(move |index| done.send(index).unwrap()), 3);
    /// let mut seen: Vec<usize> = inbox.iter().take(3).collect();
    /// seen.sort();
    /// assert_eq!(seen, [0, 1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn broadcast(&self, body: impl Fn(usize) + Send + Sync + 'static) -> usize {
        // Ours is dropped last, after the lock: what it holds is the user's.
        let body: BroadcastBody = StdArc::new(body);
        let (workers, idle) = self.shared().core.lock().broadcast(body.clone());
        for seat in idle {
            seat.give(Order::Search);
        }
        workers
    }

    /// Accepts nothing any more. Idle workers leave at once, busy ones after their payload; what is queued still runs.
    /// What was [scheduled](Self::submit_after) for later is discarded.
    ///
    /// Blocked submitters get their payload back with [`SubmitError::Closed`]. Returns without waiting, may be called
    /// any number of times, from anywhere, workers included. See [`wait`](Self::wait).
    pub fn stop(&self) {
        stop(self.shared(), |_| ());
    }

    /// As [`stop`](Self::stop), but hands back what is queued instead of running it: the most urgent first, among
    /// equals the oldest. After these comes what was [scheduled](Self::submit_after) for later.
    #[must_use = "these payloads were accepted and will not run"]
    pub fn stop_now(&self) -> Vec<T> {
        stop(self.shared(), |core| {
            let mut rest = core.take_queue();
            rest.append(&mut core.hand_back_agenda());
            self.shared().settings.return_each(&mut rest);
            rest
        })
    }

    /// As [`stop_now`](Self::stop_now), and says how many payloads run, at the same moment.
    pub(super) fn stop_and_look(&self) -> (Vec<T>, usize) {
        stop(self.shared(), |core| {
            let mut rest = core.take_queue();
            self.shared().settings.return_each(&mut rest);
            (rest, core.stats().busy)
        })
    }

    /// Opens a stopped pool again (ants: `Reboot`); nothing on one that is open.
    ///
    /// It need not have come to rest: workers that still run what was accepted before simply stay, and the cap counts
    /// them. Submitters whom the stop turned away stay turned away.
    ///
    /// ```
    /// let pool = anthill_pool::WorkerPool::new(4, |_: u8| {})?;
    /// pool.stop();
    /// pool.wait()?;
    /// assert!(pool.try_submit(1).is_err());
    /// pool.restart();
    /// assert!(pool.try_submit(2).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restart(&self) {
        let mut core = self.shared().core.lock();
        core.reopen();
        let core = ensure_cleaner(self.shared(), core);
        self.shared().core.unlock_and_notify(core);
    }

    /// True when the calling thread is a worker of this pool.
    #[must_use]
    pub fn is_worker(&self) -> bool {
        self.identity().is_of_this_thread()
    }

    /// Tells this pool from others without keeping it open.
    pub(crate) fn identity(&self) -> PoolIdentity {
        PoolIdentity::of(self.shared())
    }

    /// Hands a payload to the pool for when a worker is free: at once if there is one or room in the queue, otherwise
    /// when a worker would go idle. Refused only if the pool is stopped or has no worker that surely lives; such a
    /// refusal is not counted, as it refuses nobody anything. A stop before its turn treats it as accepted.
    pub(crate) fn submit_in_background(&self, payload: T) -> Result<(), SubmitError<T>> {
        self.place(payload, SubmitOptions::in_background())
    }

    /// The stage of the pool's life.
    #[must_use]
    pub fn state(&self) -> PoolState {
        self.shared().core.lock().state()
    }

    /// True once the pool was stopped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state() != PoolState::Open
    }

    /// All counters at one moment.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let stats = self.shared().core.lock().stats();
        PoolStats { items: self.items().get(), ..stats }
    }

    /// Where items of maps are counted.
    pub(crate) fn items(&self) -> &StdArc<Count> {
        &self.shared().items
    }

    /// True when payloads are queued or submitters wait for room.
    pub(crate) fn is_wanted(&self) -> bool {
        self.shared().core.lock().is_wanted()
    }

    /// Payloads that run or are queued, and submitters that wait.
    pub(crate) fn load(&self) -> usize {
        self.shared().core.lock().load()
    }

    /// How many payloads were ever accepted, if there is nothing to do.
    pub(crate) fn accepted_when_idle(&self) -> Option<u64> {
        self.shared().core.lock().accepted_when_idle()
    }

    /// How many workers stay, however long unused.
    pub(crate) fn min_workers(&self) -> usize {
        self.shared().settings.limits.min_workers
    }

    /// How many payloads may be queued; `None` when there is no bound.
    #[cfg(all(feature = "remote", not(anthill_loom)))]
    pub(crate) fn queue_capacity(&self) -> Option<usize> {
        self.shared().settings.limits.queue_capacity
    }

    /// How long payloads waited and ran so far; `None` unless the pool was built with
    /// [`measure_times`](WorkerPoolBuilder::measure_times).
    #[must_use]
    pub fn times(&self) -> Option<PoolTimes> {
        self.shared().settings.times.as_ref().map(|times| times.snapshot())
    }

    /// Workers there are, busy or idle (ants: `Running`).
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared().core.lock().workers()
    }

    /// How many more workers may be busy at once; `None` when there is no cap (ants: `Free`).
    #[must_use]
    pub fn free(&self) -> Option<usize> {
        self.shared().core.lock().free()
    }

    /// The cap on workers; `None` when there is none (ants: `Cap`).
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.shared().core.lock().capacity()
    }

    /// Submitters blocked in `submit` (ants: `Waiting`).
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared().core.lock().blocked()
    }

    /// Lets workers go, and submits what is due, as the cleaner would at `now`. Models use this in place of time.
    #[cfg(anthill_loom)]
    pub fn expire(&self, now: crate::sync::Instant) {
        if let Some(limit) = self.shared().settings.max_idle {
            cleaner::expire(self.shared(), now, limit, &mut Vec::new());
        }
        submit_due(self.shared(), now);
    }
}

/// Waits until all these workers have come to be, or not; the error is that of the first that did not.
fn await_births<T>(shared: &Shared<T>, births: Vec<Arc<Birth>>) -> Result<(), BirthError> {
    let me = identity::sleeper();
    let mut first = Ok(());
    for birth in births {
        let mut core = shared.core.lock();
        let outcome = loop {
            if let Some(outcome) = birth.take() {
                break outcome;
            }
            let noted = me.as_ref().map_or(Ok(()), |me| core.watch_birth(me, birth.worker()));
            if let Err(StayAwake::Ring(alarm)) = noted {
                drop(core);
                waits::ring(alarm);
                core = shared.core.lock();
                continue;
            }
            core = shared.core.watch(core, None).0;
            if let Some(me) = &me {
                core.end_watch(me.key());
            }
        };
        drop(core);
        if first.is_ok() {
            first = outcome;
        } else {
            drop_quietly(outcome);
        }
    }
    first
}

/// Stops, and does `more` in the same critical section.
fn stop<T, R>(shared: &Shared<T>, more: impl FnOnce(&mut Core<T>) -> R) -> R {
    let mut core = shared.core.lock();
    let (orders, to_notify) = core.close();
    let result = more(&mut core);
    let undue = core.end_era();
    shared.core.unlock_and_notify(core);
    for (seat, order) in orders {
        seat.give(order);
    }
    notify_each(to_notify);
    shared.cleaner_condvar.notify_one();
    shared.discard(undue, Discard::NotDue);
    result
}

#[cfg(not(anthill_loom))]
impl<T: Send + 'static> crate::config::clock::Expire for Shared<T> {
    fn time_moved(self: Arc<Self>) {
        if let Some(limit) = self.settings.max_idle {
            cleaner::expire(&self, self.settings.clock.now(), limit, &mut Vec::new());
        }
        submit_due(&self, self.settings.clock.now());
    }
}

impl<T: Send + 'static> Clone for WorkerPool<T> {
    fn clone(&self) -> Self {
        WorkerPool { owner: self.owner.clone() }
    }
}

impl<T: Send + 'static> fmt::Debug for WorkerPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool")
            .field("name", &self.shared().settings.threads.name)
            .field("stats", &self.stats())
            .finish()
    }
}
