//! The handle: submit, stop, wait, look. It carries out what [`Core`] decides, and has no algorithm of its own.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::cleaner;
use crate::core::{Admission, Core};
use crate::error::{SubmitError, WaitError};
use crate::handoff::Order;
use crate::options::{Builder, Settings, WorkerThread};
use crate::stats::{PoolState, PoolStats};
use crate::sync::{Arc, Condvar, Instant, Mutex, MutexGuard, channel, thread};
use crate::worker;

/// For how long a submitter whose payload was accepted may be left asleep until the queue has run low.
const TELL_WITHIN: Duration = Duration::from_micros(200);

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
        stop(&self.shared);
    }
}

/// What handles, workers and the cleaner share.
pub(crate) struct Shared<T> {
    pub(crate) core: Mutex<Core<T>>,
    /// Rung for the rare events that watchers wait for: idleness, departures, outcomes of thread creation.
    pub(crate) events: Condvar,
    /// Rung only to end the cleaner.
    pub(crate) cleaner_bell: Condvar,
    pub(crate) settings: Settings,
    pub(crate) handler: Box<dyn Fn(T) + Send + Sync>,
}

impl<T> Shared<T> {
    /// A number that no other pool alive has; never 0.
    pub(crate) fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// How long a submission that must not wait gives the first thread to come to be, before it calls the pool full.
const SETTLE_WITHIN: Duration = Duration::from_millis(5);

/// How long a submission may wait.
#[derive(Clone, Copy)]
enum Patience {
    None,
    Until(Instant),
    Endless,
}

impl Patience {
    /// Until when to wait for a thread that somebody else is making; shortly, where nobody may block.
    fn settle_by(self, may_block: bool) -> Option<Instant> {
        match self {
            Patience::Until(deadline) if may_block => Some(deadline),
            Patience::Endless if may_block => None,
            _ => Instant::now().checked_add(SETTLE_WITHIN),
        }
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
    pub fn builder() -> Builder<T> {
        Builder::new()
    }

    pub(crate) fn start(settings: Settings, handler: Box<dyn Fn(T) + Send + Sync>) -> Self {
        let shared = Arc::new(Shared {
            core: Mutex::new(Core::new(settings.limits)),
            events: Condvar::new(),
            cleaner_bell: Condvar::new(),
            settings,
            handler,
        });
        WorkerPool { owner: Arc::new(Owner { shared }) }
    }

    fn shared(&self) -> &Arc<Shared<T>> {
        &self.owner.shared
    }

    /// Hands a payload to the pool, and waits while every worker is busy and the queue is full.
    ///
    /// Those who wait are served in the order in which they came.
    ///
    /// # Errors
    /// [`Closed`](SubmitError::Closed), [`Overload`](SubmitError::Overload),
    /// [`SpawnFailed`](SubmitError::SpawnFailed) or [`WouldDeadlock`](SubmitError::WouldDeadlock), each with the
    /// payload.
    pub fn submit(&self, payload: T) -> Result<(), SubmitError<T>> {
        self.place(payload, Patience::Endless)
    }

    /// Hands a payload to the pool if it can be accepted without waiting for a worker to come free.
    ///
    /// While the pool's first thread is just being made for somebody else it waits for that to succeed, 5 ms at most.
    ///
    /// # Errors
    /// [`Full`](SubmitError::Full), [`Closed`](SubmitError::Closed) or [`SpawnFailed`](SubmitError::SpawnFailed), each
    /// with the payload.
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
        self.place(payload, Patience::None)
    }

    /// As [`submit`](Self::submit), but waits no longer than `limit`.
    ///
    /// # Errors
    /// As `submit`, and [`Timeout`](SubmitError::Timeout). A limit too long to be a point in time waits without end.
    pub fn submit_timeout(&self, payload: T, limit: Duration) -> Result<(), SubmitError<T>> {
        let patience = Instant::now().checked_add(limit).map_or(Patience::Endless, Patience::Until);
        self.place(payload, patience)
    }

    fn place(&self, payload: T, patience: Patience) -> Result<(), SubmitError<T>> {
        let shared = self.shared();
        let mut payload = payload;
        let mut spawn_error: Option<io::Error> = None;
        let mut settle_by = None;
        let mut core = shared.core.lock();
        loop {
            match core.admit(payload, spawn_error.is_none()) {
                Admission::HandOver(seat, payload) => {
                    drop(core);
                    seat.give(Order::Run(payload));
                    return Ok(());
                }
                Admission::Queued => return Ok(()),
                Admission::Spawn(returned, index) => {
                    drop(core);
                    match start_worker(shared, returned, index) {
                        Ok(()) => return Ok(()),
                        Err((returned, error)) => {
                            payload = returned;
                            spawn_error = Some(error);
                            core = shared.core.lock();
                        }
                    }
                }
                Admission::Unsettled(returned) => {
                    let may_block = core.limits.max_blocking > 0;
                    let settle_by = *settle_by.get_or_insert_with(|| patience.settle_by(may_block));
                    let late;
                    (core, late) = watch(shared, core, settle_by);
                    if late && !core.is_settled() {
                        let error = match patience {
                            Patience::None => SubmitError::Full(returned),
                            _ if !may_block => SubmitError::Overload(returned),
                            Patience::Until(_) | Patience::Endless => SubmitError::Timeout(returned),
                        };
                        return refuse(core, error);
                    }
                    payload = returned;
                }
                Admission::NoWorker(payload) => {
                    return refuse(core, SubmitError::SpawnFailed(payload, lost(spawn_error)));
                }
                Admission::Closed(payload) => return refuse(core, SubmitError::Closed(payload)),
                Admission::Full(payload) => {
                    let from_worker = worker::works_for(shared);
                    return match (patience, spawn_error) {
                        (Patience::None, None) => refuse(core, SubmitError::Full(payload)),
                        (Patience::None, Some(error)) => {
                            refuse(core, SubmitError::SpawnFailed(payload, error))
                        }
                        _ if core.line.len() >= core.limits.max_blocking => {
                            refuse(core, SubmitError::Overload(payload))
                        }
                        _ if from_worker && core.line.workers_waiting + 1 >= core.workers => {
                            refuse(core, SubmitError::WouldDeadlock(payload))
                        }
                        (patience, _) => wait_in_line(shared, core, payload, patience, from_worker),
                    };
                }
            }
        }
    }

    /// Accepts nothing any more. Idle workers leave at once, busy ones after their payload; what is queued still runs.
    ///
    /// Blocked submitters get their payload back with [`SubmitError::Closed`]. Returns without waiting, may be called
    /// any number of times, from anywhere, workers included. See [`wait`](Self::wait).
    pub fn stop(&self) {
        stop(self.shared());
    }

    /// As [`stop`](Self::stop), but hands back what is queued, oldest first, instead of running it.
    #[must_use = "these payloads were accepted and will not run"]
    pub fn stop_now(&self) -> Vec<T> {
        stop(self.shared());
        let mut core = self.shared().core.lock();
        let rest = core.take_queue();
        let watched = core.watchers > 0;
        drop(core);
        if watched {
            self.shared().events.notify_all();
        }
        rest
    }

    /// Waits until a stopped pool has run what it accepted and all its threads have ended, thread-local destructors
    /// included. On a pool that nobody stops it waits without end.
    ///
    /// # Errors
    /// [`WaitError::WouldDeadlock`] on a worker of this pool.
    pub fn wait(&self) -> Result<(), WaitError> {
        self.wait_deserted(None)
    }

    /// As [`wait`](Self::wait), but no longer than `limit`, except for thread-local destructors that run already.
    ///
    /// # Errors
    /// As `wait`, and [`WaitError::Timeout`]; the pool goes on stopping, and a later wait can succeed.
    pub fn wait_timeout(&self, limit: Duration) -> Result<(), WaitError> {
        self.wait_deserted(Instant::now().checked_add(limit))
    }

    /// Waits until there is nothing to do: nothing runs, nothing is queued, nobody is blocked. The pool stays open.
    ///
    /// Returns if there was such a moment since the call, even when new payloads came right after it.
    ///
    /// # Errors
    /// [`WaitError::WouldDeadlock`] on a worker of this pool.
    pub fn wait_idle(&self) -> Result<(), WaitError> {
        self.wait_idleness(None)
    }

    /// As [`wait_idle`](Self::wait_idle), but no longer than `limit`.
    ///
    /// # Errors
    /// As `wait_idle`, and [`WaitError::Timeout`].
    pub fn wait_idle_timeout(&self, limit: Duration) -> Result<(), WaitError> {
        self.wait_idleness(Instant::now().checked_add(limit))
    }

    fn wait_idleness(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        let shared = self.outside()?;
        let mut core = shared.core.lock();
        let seen = core.idle_moments;
        let mut late = false;
        loop {
            if core.is_idle() || core.idle_moments != seen {
                return Ok(());
            }
            if late {
                return Err(WaitError::Timeout);
            }
            (core, late) = watch(shared, core, deadline);
        }
    }

    fn wait_deserted(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        let shared = self.outside()?;
        let mut core = shared.core.lock();
        let mut late = false;
        loop {
            if core.is_deserted() {
                let threads = std::mem::take(&mut core.threads);
                if threads.is_empty() && core.joining == 0 {
                    return Ok(());
                }
                if !threads.is_empty() {
                    core.joining += 1;
                    drop(core);
                    let alive = join_until(threads, deadline);
                    core = shared.core.lock();
                    core.joining -= 1;
                    late = !alive.is_empty();
                    core.threads.extend(alive);
                    drop(core);
                    shared.events.notify_all();
                    if late {
                        return Err(WaitError::Timeout);
                    }
                    core = shared.core.lock();
                    continue;
                }
            }
            if late {
                return Err(WaitError::Timeout);
            }
            (core, late) = watch(shared, core, deadline);
        }
    }

    fn outside(&self) -> Result<&Arc<Shared<T>>, WaitError> {
        if self.is_worker() { Err(WaitError::WouldDeadlock) } else { Ok(self.shared()) }
    }

    /// True when the calling thread is a worker of this pool.
    pub fn is_worker(&self) -> bool {
        worker::works_for(self.shared())
    }

    /// The stage of the pool's life.
    pub fn state(&self) -> PoolState {
        self.shared().core.lock().state()
    }

    /// True once the pool was stopped.
    pub fn is_closed(&self) -> bool {
        self.state() != PoolState::Open
    }

    /// All counters at one moment.
    pub fn stats(&self) -> PoolStats {
        self.shared().core.lock().stats()
    }

    /// Workers there are, busy or idle (ants: `Running`).
    pub fn running(&self) -> usize {
        self.stats().workers
    }

    /// How many more workers may be busy at once; `None` when there is no cap (ants: `Free`).
    pub fn free(&self) -> Option<usize> {
        let stats = self.stats();
        stats.capacity.map(|capacity| capacity - stats.busy)
    }

    /// The cap on workers; `None` when there is none (ants: `Cap`).
    pub fn capacity(&self) -> Option<usize> {
        self.stats().capacity
    }

    /// Submitters blocked in `submit` (ants: `Waiting`).
    pub fn waiting(&self) -> usize {
        self.stats().blocked
    }

    /// Lets workers go as the cleaner would at `now`. Models use this in place of time.
    #[cfg(anthill_loom)]
    pub fn expire(&self, now: Instant) {
        if let Some(limit) = self.shared().settings.max_idle {
            cleaner::expire(self.shared(), now, limit, &mut Vec::new());
        }
    }
}

fn stop<T>(shared: &Shared<T>) {
    let mut core = shared.core.lock();
    let (leaving, bells) = core.close();
    let watched = core.watchers > 0;
    drop(core);
    for seat in leaving {
        seat.give(Order::Leave);
    }
    for bell in bells {
        bell.notify_one();
    }
    shared.cleaner_bell.notify_one();
    if watched {
        shared.events.notify_all();
    }
}

/// Makes a thread for the slot that was reserved, and sends it `payload`; on failure gives slot and payload back.
fn start_worker<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    payload: T,
    index: usize,
) -> Result<(), (T, io::Error)> {
    let (place, orders) = channel::one_place();
    let options = &shared.settings.threads;
    let body = {
        let (shared, place) = (shared.clone(), place.clone());
        Box::new(move || worker::live(&shared, index, place, &orders))
    };
    let new =
        WorkerThread { name: format!("{}-{index}", options.name), stack_size: options.stack_size, body };
    let made = contain("making a worker's thread", || match &options.spawner {
        Some(spawner) => spawner(new),
        None => new.spawn(),
    });
    let handle = match made {
        Ok(handle) => handle,
        Err(error) => return Err((give_up_worker(shared, payload), error)),
    };
    // Sent before the slot counts as settled, so that nobody can take this worker for one that goes idle.
    if let Err(unsent) = place.try_send(Order::Run(payload)).map_err(channel::unsent) {
        let Order::Run(payload) = unsent else { unreachable!("it was an order to run") };
        let error = io::Error::other("the custom spawner dropped the worker's thread instead of running it");
        return Err((give_up_worker(shared, payload), error));
    }
    let mut core = shared.core.lock();
    core.spawn_succeeded(handle);
    let mut core = ensure_cleaner(shared, core);
    core.spawning -= 1;
    let watched = core.watchers > 0;
    drop(core);
    if watched {
        shared.events.notify_all();
    }
    Ok(())
}

/// Gives back the slot of a worker that did not come to be, and the payload.
fn give_up_worker<T>(shared: &Shared<T>, payload: T) -> T {
    let mut core = shared.core.lock();
    let bells = core.spawn_failed();
    let watched = core.watchers > 0;
    drop(core);
    for bell in bells {
        bell.notify_one();
    }
    if watched {
        shared.events.notify_all();
    }
    payload
}

/// Makes a thread; a panic on the way is an error like any other.
fn contain(
    what: &str,
    make: impl FnOnce() -> io::Result<thread::JoinHandle<()>>,
) -> io::Result<thread::JoinHandle<()>> {
    catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|value| {
        // Dropping it could panic again.
        std::mem::forget(value);
        Err(io::Error::other(format!("{what} panicked")))
    })
}

/// Makes the cleaner's thread if the pool wants one and has none. Without it nothing expires until the next worker is
/// made, which tries again.
fn ensure_cleaner<'a, T: Send + 'static>(
    shared: &'a Arc<Shared<T>>,
    mut core: MutexGuard<'a, Core<T>>,
) -> MutexGuard<'a, Core<T>> {
    let Some(limit) = shared.settings.max_idle else { return core };
    if core.cleaner || !core.open {
        return core;
    }
    core.cleaner = true;
    drop(core);
    let body = {
        let shared = shared.clone();
        move || cleaner::live(&shared, limit)
    };
    let name = format!("{}-cleaner", shared.settings.threads.name);
    let made = contain("making the cleaner's thread", || thread::Builder::new().name(name).spawn(body));
    let mut core = shared.core.lock();
    match made {
        Ok(handle) => core.threads.push(handle),
        Err(_) => core.cleaner = false,
    }
    core
}

/// Waits in line until the payload is taken, the pool closes, or patience ends.
fn wait_in_line<T>(
    shared: &Shared<T>,
    mut core: MutexGuard<'_, Core<T>>,
    payload: T,
    patience: Patience,
    from_worker: bool,
) -> Result<(), SubmitError<T>> {
    // With no queue there is nothing to wait for but the hand-over itself.
    let mut eager = core.limits.queue_capacity == 0;
    let (ticket, bell) = core.line.join(payload, eager, from_worker);
    core.check();
    let deadline = match patience {
        Patience::Until(deadline) => Some(deadline),
        Patience::None | Patience::Endless => None,
    };
    let tell_by = Instant::now().checked_add(TELL_WITHIN);
    let why: fn(T) -> SubmitError<T> = loop {
        let wake_by = if eager { deadline } else { earlier(deadline, tell_by) };
        let late;
        (core, late) = match wake_by {
            Some(at) => bell.wait_until(core, at),
            None => (bell.wait(core), false),
        };
        if !core.line.still_waits(ticket) {
            core.was_told(ticket);
            core.line.return_bell(bell);
            return Ok(());
        }
        if !core.open {
            break SubmitError::Closed;
        }
        if from_worker && core.is_deadlocked() {
            break SubmitError::WouldDeadlock;
        }
        if late && wake_by == deadline {
            break SubmitError::Timeout;
        }
        if late {
            eager = true;
            core.line.make_eager(ticket);
        }
    };
    let payload = core.line.withdraw(ticket).expect("it still waits");
    core.line.return_bell(bell);
    core.count_refusal();
    core.note_idleness();
    let watched = core.watchers > 0;
    drop(core);
    if watched {
        shared.events.notify_all();
    }
    Err(why(payload))
}

fn refuse<T>(mut core: MutexGuard<'_, Core<T>>, error: SubmitError<T>) -> Result<(), SubmitError<T>> {
    core.count_refusal();
    Err(error)
}

/// Waits for the next event; the flag is true when `deadline` passed.
fn watch<'a, T>(
    shared: &Shared<T>,
    mut core: MutexGuard<'a, Core<T>>,
    deadline: Option<Instant>,
) -> (MutexGuard<'a, Core<T>>, bool) {
    core.watchers += 1;
    let (mut core, late) = match deadline {
        Some(deadline) => shared.events.wait_until(core, deadline),
        None => (shared.events.wait(core), false),
    };
    core.watchers -= 1;
    (core, late)
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn lost(error: Option<io::Error>) -> io::Error {
    error.unwrap_or_else(|| io::Error::other("no worker could be made"))
}

/// Joins what ends by `deadline`, and returns the rest.
fn join_until(
    mut threads: Vec<thread::JoinHandle<()>>,
    deadline: Option<Instant>,
) -> Vec<thread::JoinHandle<()>> {
    let Some(deadline) = deadline else {
        join(threads);
        return Vec::new();
    };
    // Nothing tells when a thread has ended but looking; they are all past their last payload, so it is soon.
    let mut pause = Duration::from_micros(50);
    loop {
        let (ended, alive): (Vec<_>, Vec<_>) = threads.into_iter().partition(thread::is_finished);
        join(ended);
        if alive.is_empty() || Instant::now() >= deadline {
            return alive;
        }
        threads = alive;
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

pub(crate) fn join(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        // A custom spawner's thread may have panicked on its own account; it has ended all the same.
        let _ = thread.join();
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
