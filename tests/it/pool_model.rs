//! The pool against a small model of it: random operations, and after each one both must look the same.
//!
//! Row 101. The model is the pool without threads: one state, changed by one operation after the other. Payloads run
//! for as long as the test says and end as it says, so that the real pool comes to rest after each operation; then its
//! counters, which payload started on which worker, and what became of blocked submitters are compared. The rule: the
//! model says what the documentation says, and knows nothing of how the pool does it.
//!
//! Where two workers could do the same thing in either order, an operation is cut so that only one does: the cap is raised
//! for one more worker at a time, and workers are prestarted, or given a duty, while nothing else goes on.
//!
//! A thousand cases; `PROPTEST_CASES` asks for another number.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use anthill_pool::{
    CancelToken, ManualClock, PoolState, PoolStats, Priority, Refusal, SubmitError, WaitError, WorkerPool,
};
use anthill_tests::{comes_true_within, quiet_panics};
use proptest::prelude::*;

/// How long the pool may take to come to rest; short, because a failure is met again and again while it is shrunk.
const TO_REST: Duration = Duration::from_secs(10);

/// What the clock is moved by, and how many of these make the idle limit.
const TICK: Duration = Duration::from_secs(60);
const IDLE_TICKS: u32 = 2;

/// One take in this many is for the least urgent, while priorities differ.
const TURNS: u32 = 16;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Submit,
    TrySubmit,
    SubmitTimeout,
    SubmitUrgency(Priority),
    /// As `Submit`, until a `Cancel`.
    SubmitCancellable,
    Cancel,
    /// So many at once, without waiting.
    TrySubmitMany(usize),
    /// Ends one of the running payloads.
    Finish(usize),
    Panic(usize),
    /// From now on the system refuses new threads, or does so no more.
    RefuseThreads(bool),
    CloneHandle,
    DropHandle,
    WaitIdle,
    Wait,
    Stop,
    StopNow,
    Restart,
    SetMaxWorkers(usize),
    /// One worker more.
    Prestart,
    Broadcast,
    /// Time passes.
    Tick(u32),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        8 => Just(Operation::Submit),
        6 => Just(Operation::TrySubmit),
        3 => Just(Operation::SubmitTimeout),
        3 => prop_oneof![Just(Priority::Low), Just(Priority::High)].prop_map(Operation::SubmitUrgency),
        2 => Just(Operation::SubmitCancellable),
        1 => Just(Operation::Cancel),
        2 => (0..6_usize).prop_map(Operation::TrySubmitMany),
        10 => (0..8_usize).prop_map(Operation::Finish),
        3 => (0..8_usize).prop_map(Operation::Panic),
        1 => any::<bool>().prop_map(Operation::RefuseThreads),
        1 => Just(Operation::CloneHandle),
        1 => Just(Operation::DropHandle),
        1 => Just(Operation::WaitIdle),
        1 => Just(Operation::Wait),
        1 => Just(Operation::Stop),
        1 => Just(Operation::StopNow),
        3 => Just(Operation::Restart),
        4 => (0..5_usize).prop_map(Operation::SetMaxWorkers),
        2 => Just(Operation::Prestart),
        1 => Just(Operation::Broadcast),
        3 => (0..4_u32).prop_map(Operation::Tick),
    ];
    prop::collection::vec(operation, 1..40)
}

fn limits() -> impl Strategy<Value = Limits> {
    let max_blocking = prop_oneof![Just(0_usize), Just(1), Just(2), Just(usize::MAX)];
    (1..=3_usize, 0..=2_usize, 0..=3_usize, max_blocking).prop_map(|(max, min, queue, max_blocking)| Limits {
        max_workers: max,
        min_workers: min.min(max),
        queue,
        max_blocking,
    })
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    max_workers: usize,
    min_workers: usize,
    queue: usize,
    max_blocking: usize,
}

/// The last act of a case.
#[derive(Clone, Copy, Debug)]
enum End {
    Stop,
    StopNow,
    DropHandles,
}

fn ends() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Stop), Just(End::StopNow), Just(End::DropHandles)]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 1_000 },
        max_shrink_time: 60_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn pool_101_the_pool_behaves_like_its_model(limits in limits(), operations in operations(), end in ends()) {
        quiet_panics();
        let mut trial = Trial::new(limits);
        for operation in operations {
            trial.perform(operation)?;
            trial.compare()?;
        }
        trial.end(end)?;
    }
}

/// Number of a payload.
type Id = usize;
/// Number of a worker, which its thread's name shows.
type Worker = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Accepted,
    Full,
    Overload,
    Closed,
    Timeout,
    SpawnFailed,
    Cancelled,
    /// It was behind the first one of its batch that was refused.
    NotTried,
}

/// A payload that waits, and how urgent it is.
type Waiting = (Id, Priority);

/// The pool as it is documented.
#[derive(Debug)]
struct Model {
    limits: Limits,
    open: bool,
    refuses_threads: bool,
    now: u32,
    /// With the moment they became idle; the last one is taken first.
    idle: Vec<(Worker, u32)>,
    busy: Vec<(Worker, Id)>,
    queue: VecDeque<Waiting>,
    takes_until_least: u32,
    line: VecDeque<Waiting>,
    /// Submissions that a cancellation calls off, if it finds them in the line.
    cancellable: Vec<Id>,
    next_worker: Worker,
    peak_workers: usize,
    finished: u64,
    panicked: u64,
    handed_back: u64,
    spawned: u64,
    expired: u64,
    duties: usize,
    /// What started, in this order.
    started: Vec<(Worker, Id)>,
    answers: BTreeMap<Id, Answer>,
}

impl Model {
    fn new(limits: Limits) -> Self {
        Model {
            limits,
            open: true,
            refuses_threads: false,
            now: 0,
            idle: Vec::new(),
            busy: Vec::new(),
            queue: VecDeque::new(),
            takes_until_least: TURNS,
            line: VecDeque::new(),
            cancellable: Vec::new(),
            next_worker: 0,
            peak_workers: 0,
            finished: 0,
            panicked: 0,
            handed_back: 0,
            spawned: 0,
            expired: 0,
            duties: 0,
            started: Vec::new(),
            answers: BTreeMap::new(),
        }
    }

    fn workers(&self) -> usize {
        self.idle.len() + self.busy.len()
    }

    /// A submission that waits in line unless `at_full` says what else it gets. True: it was not refused.
    fn submit(&mut self, id: Id, priority: Priority, may_wait: bool, at_full: Option<Answer>) -> bool {
        let answer = self.admit(id, priority, may_wait, at_full);
        self.answers.extend(answer.map(|answer| (id, answer)));
        answer.is_none_or(|answer| answer == Answer::Accepted)
    }

    fn admit(
        &mut self,
        id: Id,
        priority: Priority,
        may_wait: bool,
        at_full: Option<Answer>,
    ) -> Option<Answer> {
        if !self.open {
            return Some(Answer::Closed);
        }
        if let Some((worker, _)) = self.idle.pop() {
            self.start(worker, id);
            return Some(Answer::Accepted);
        }
        let mut refused_thread = false;
        if self.workers() < self.limits.max_workers {
            if let Some(worker) = self.make_worker() {
                self.start(worker, id);
                return Some(Answer::Accepted);
            }
            if self.workers() == 0 {
                return Some(Answer::SpawnFailed);
            }
            refused_thread = true;
        }
        if self.queue.len() < self.limits.queue {
            self.queue.push_back((id, priority));
            return Some(Answer::Accepted);
        }
        if may_wait && self.line.len() >= self.limits.max_blocking {
            return Some(Answer::Overload);
        }
        match at_full {
            Some(Answer::Full) if refused_thread => Some(Answer::SpawnFailed),
            Some(answer) => Some(answer),
            None => {
                self.line.push_back((id, priority));
                None
            }
        }
    }

    /// An attempt counts, whether it succeeds or not.
    fn make_worker(&mut self) -> Option<Worker> {
        self.peak_workers = self.peak_workers.max(self.workers() + 1);
        self.next_worker += 1;
        self.spawned += u64::from(!self.refuses_threads);
        (!self.refuses_threads).then_some(self.next_worker - 1)
    }

    fn start(&mut self, worker: Worker, id: Id) {
        self.busy.push((worker, id));
        self.started.push((worker, id));
    }

    fn finish(&mut self, id: Id, panicked: bool) {
        let place = self.busy.iter().position(|(_, running)| *running == id).expect("only what runs can end");
        let surplus = self.workers() > self.limits.max_workers;
        let (worker, _) = self.busy.remove(place);
        self.finished += 1;
        self.panicked += u64::from(panicked);
        if surplus {
            return;
        }
        match self.next_waiting() {
            Some(next) => self.start(worker, next),
            None if self.open => self.idle.push((worker, self.now)),
            None => {}
        }
    }

    /// What a worker that comes free takes; the line moves up.
    fn next_waiting(&mut self) -> Option<Id> {
        let taken = self.take_queued();
        while let Some((id, priority)) = self.line.front().copied() {
            if taken.is_some() && self.queue.len() == self.limits.queue {
                break;
            }
            self.line.pop_front();
            self.answers.insert(id, Answer::Accepted);
            if taken.is_none() {
                return Some(id);
            }
            self.queue.push_back((id, priority));
        }
        taken
    }

    fn take_queued(&mut self) -> Option<Id> {
        let urgencies = || self.queue.iter().map(|(_, priority)| *priority);
        let mut turn = urgencies().max()?;
        if urgencies().any(|priority| priority != Priority::Normal) {
            self.takes_until_least -= 1;
            if self.takes_until_least == 0 {
                turn = urgencies().min()?;
                self.takes_until_least = TURNS;
            }
        }
        let place = self.queue.iter().position(|(_, priority)| *priority == turn)?;
        self.queue.remove(place).map(|(id, _)| id)
    }

    /// Cancels all submissions in the line that can be.
    fn cancel(&mut self) {
        let called_off = std::mem::take(&mut self.cancellable);
        let (gone, stay) = self.line.drain(..).partition(|(id, _)| called_off.contains(id));
        self.line = stay;
        let gone: VecDeque<Waiting> = gone;
        self.answers.extend(gone.into_iter().map(|(id, _)| (id, Answer::Cancelled)));
    }

    /// Changes the cap, by which no more than one worker is made.
    fn set_max_workers(&mut self, max_workers: usize) {
        self.limits.max_workers = max_workers;
        let surplus = self.workers().saturating_sub(max_workers);
        self.idle.drain(..surplus.min(self.idle.len()));
        let waits = !self.queue.is_empty() || !self.line.is_empty();
        let worker =
            (self.open && waits && self.workers() < max_workers).then(|| self.make_worker()).flatten();
        if let Some(worker) = worker {
            let next = self.next_waiting().expect("something waits");
            self.start(worker, next);
        }
    }

    fn tick(&mut self, ticks: u32) {
        self.now += ticks;
        let due = self.idle.iter().filter(|(_, since)| since + IDLE_TICKS <= self.now).count();
        let gone = due.min(self.workers().saturating_sub(self.limits.min_workers));
        self.idle.drain(..gone);
        self.expired += gone as u64;
    }

    fn stop(&mut self) {
        self.open = false;
        self.idle.clear();
        self.answers.extend(self.line.drain(..).map(|(id, _)| (id, Answer::Closed)));
    }

    fn stop_now(&mut self) -> Vec<Id> {
        self.stop();
        self.handed_back += self.queue.len() as u64;
        let mut rest: Vec<Waiting> = self.queue.drain(..).collect();
        rest.sort_by_key(|(_, priority)| std::cmp::Reverse(*priority));
        rest.into_iter().map(|(id, _)| id).collect()
    }

    fn is_idle(&self) -> bool {
        self.busy.is_empty() && self.queue.is_empty() && self.line.is_empty()
    }

    fn figures(&self) -> Figures {
        let count = |wanted| self.answers.values().filter(|answer| **answer == wanted).count();
        let (accepted, not_tried) = (count(Answer::Accepted), count(Answer::NotTried));
        Figures {
            state: match (self.open, self.workers()) {
                (true, _) => PoolState::Open,
                (false, 0) => PoolState::Stopped,
                (false, _) => PoolState::Draining,
            },
            gauges: [self.workers(), self.busy.len(), self.idle.len(), self.queue.len(), self.line.len()],
            capacity: Some(self.limits.max_workers),
            peak_workers: self.peak_workers,
            accepted: accepted as u64,
            finished: self.finished,
            panicked: self.panicked,
            handed_back: self.handed_back,
            rejected: (self.answers.len() - accepted - not_tried) as u64,
            spawned: self.spawned,
            expired: self.expired,
        }
    }
}

/// Everything that a snapshot holds.
#[derive(Debug, PartialEq)]
struct Figures {
    state: PoolState,
    /// Workers, busy, idle, queued, blocked.
    gauges: [usize; 5],
    capacity: Option<usize>,
    peak_workers: usize,
    accepted: u64,
    finished: u64,
    panicked: u64,
    handed_back: u64,
    rejected: u64,
    spawned: u64,
    expired: u64,
}

impl From<PoolStats> for Figures {
    fn from(stats: PoolStats) -> Self {
        Figures {
            state: stats.state,
            gauges: [stats.workers, stats.busy, stats.idle, stats.queued, stats.blocked],
            capacity: stats.capacity,
            peak_workers: stats.peak_workers,
            accepted: stats.accepted,
            finished: stats.finished,
            panicked: stats.panicked,
            handed_back: stats.handed_back,
            rejected: stats.rejected,
            spawned: stats.spawned,
            expired: stats.expired,
        }
    }
}

/// A payload that runs until it is told how to end.
struct Payload {
    id: Id,
    panics: Receiver<bool>,
    starts: Sender<(Worker, Id)>,
    alive: Arc<AtomicUsize>,
}

impl Payload {
    fn run(self) {
        let worker = thread::current().name().and_then(|name| name.rsplit('-').next()?.parse().ok());
        // The test may be over, if it failed.
        let _ = self.starts.send((worker.unwrap_or(Worker::MAX), self.id));
        assert!(!self.panics.recv().unwrap_or(false), "payload {} panics", self.id);
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

type Channel<T> = (Sender<T>, Receiver<T>);

/// One case: the model, the pool, and what was seen of the pool so far.
struct Trial {
    model: Model,
    handles: Vec<WorkerPool<Payload>>,
    refuses_threads: Arc<AtomicBool>,
    clock: ManualClock,
    token: CancelToken,
    duties: Arc<AtomicUsize>,
    next_id: Id,
    /// How to end each payload that was made.
    verdicts: BTreeMap<Id, Sender<bool>>,
    starts: Channel<(Worker, Id)>,
    answers: Channel<(Id, Answer)>,
    seen_started: Vec<(Worker, Id)>,
    /// How many of these were compared.
    compared: usize,
    seen_answers: Vec<(Id, Answer)>,
    alive: Arc<AtomicUsize>,
}

impl Trial {
    fn new(limits: Limits) -> Self {
        let refuses_threads = Arc::new(AtomicBool::new(false));
        let refuses = refuses_threads.clone();
        let clock = ManualClock::new();
        let pool = WorkerPool::builder()
            .name("quiet101")
            .max_workers(limits.max_workers)
            .min_workers(limits.min_workers)
            .queue_capacity(limits.queue)
            .max_blocking(limits.max_blocking)
            .max_idle_worker_duration(IDLE_TICKS * TICK)
            .clock(&clock)
            .spawner(move |worker| {
                if refuses.load(Ordering::SeqCst) {
                    Err(io::ErrorKind::WouldBlock.into())
                } else {
                    worker.spawn()
                }
            })
            .build(Payload::run)
            .unwrap();
        Trial {
            model: Model::new(limits),
            handles: vec![pool],
            refuses_threads,
            clock,
            token: CancelToken::new(),
            duties: Arc::default(),
            next_id: 0,
            verdicts: BTreeMap::new(),
            starts: channel(),
            answers: channel(),
            seen_started: Vec::new(),
            compared: 0,
            seen_answers: Vec::new(),
            alive: Arc::default(),
        }
    }

    /// The youngest handle; which one is used must not matter.
    fn pool(&self) -> &WorkerPool<Payload> {
        self.handles.last().expect("one handle is kept")
    }

    fn perform(&mut self, operation: Operation) -> Result<(), TestCaseError> {
        match operation {
            Operation::Submit => {
                let id = self.submit(WorkerPool::submit);
                self.model.submit(id, Priority::Normal, true, None);
            }
            Operation::TrySubmit => {
                let id = self.submit(WorkerPool::try_submit);
                self.model.submit(id, Priority::Normal, false, Some(Answer::Full));
            }
            Operation::SubmitTimeout => {
                let id = self.submit(|pool, payload| pool.submit_timeout(payload, Duration::ZERO));
                self.model.submit(id, Priority::Normal, true, Some(Answer::Timeout));
            }
            Operation::SubmitUrgency(priority) => {
                let id =
                    self.submit(move |pool, payload| pool.submission(payload).priority(priority).submit());
                self.model.submit(id, priority, true, None);
            }
            Operation::SubmitCancellable => {
                let token = self.token.clone();
                let id =
                    self.submit(move |pool, payload| pool.submission(payload).cancel_with(&token).submit());
                self.model.submit(id, Priority::Normal, true, None);
                self.model.cancellable.push(id);
            }
            Operation::Cancel => {
                std::mem::take(&mut self.token).cancel();
                self.model.cancel();
            }
            Operation::TrySubmitMany(count) => self.submit_many(count)?,
            Operation::Finish(which) => self.end_payload(which, false),
            Operation::Panic(which) => self.end_payload(which, true),
            Operation::RefuseThreads(refuses) => {
                self.refuses_threads.store(refuses, Ordering::SeqCst);
                self.model.refuses_threads = refuses;
            }
            Operation::CloneHandle => self.handles.push(self.pool().clone()),
            Operation::DropHandle => {
                if self.handles.len() > 1 {
                    self.handles.swap_remove(0);
                }
            }
            Operation::WaitIdle => {
                let expected = if self.model.is_idle() { Ok(()) } else { Err(WaitError::Timeout) };
                prop_assert_eq!(self.pool().wait_idle_timeout(Duration::ZERO), expected);
            }
            Operation::Wait => {
                let ended = !self.model.open && self.model.workers() == 0;
                // The threads of an ended pool may take a moment.
                let (limit, expected) =
                    if ended { (TO_REST, Ok(())) } else { (Duration::ZERO, Err(WaitError::Timeout)) };
                prop_assert_eq!(self.pool().wait_timeout(limit), expected);
            }
            Operation::Stop => {
                self.pool().stop();
                self.model.stop();
            }
            Operation::StopNow => {
                let rest: Vec<Id> = self.pool().stop_now().iter().map(|payload| payload.id).collect();
                prop_assert_eq!(rest, self.model.stop_now());
            }
            Operation::Restart => {
                self.pool().restart();
                self.model.open = true;
            }
            Operation::SetMaxWorkers(max_workers) => {
                let max_workers = max_workers.min(self.model.workers() + 1);
                let valid = max_workers >= self.model.limits.min_workers.max(1);
                prop_assert_eq!(self.pool().set_max_workers(max_workers).is_ok(), valid);
                if valid {
                    self.model.set_max_workers(max_workers);
                }
            }
            Operation::Prestart => self.prestart()?,
            Operation::Broadcast => {
                // With several their order on the way back would be open.
                if self.model.is_idle() && self.model.idle.len() <= 1 {
                    let duties = self.duties.clone();
                    let told = self.pool().broadcast(move |_| {
                        duties.fetch_add(1, Ordering::SeqCst);
                    });
                    prop_assert_eq!(told, self.model.idle.len());
                    self.model.duties += told;
                    prop_assert_eq!(self.pool().wait_idle_timeout(TO_REST), Ok(()));
                    self.model.idle.iter_mut().for_each(|(_, since)| *since = self.model.now);
                }
            }
            Operation::Tick(ticks) => {
                self.clock.advance(ticks * TICK);
                self.model.tick(ticks);
            }
        }
        Ok(())
    }

    /// Makes one worker more, if there is nothing to do; else it would be open when it comes to rest.
    fn prestart(&mut self) -> Result<(), TestCaseError> {
        if !self.model.is_idle() {
            return Ok(());
        }
        let made = self.pool().prestart(self.model.workers() + 1).ok();
        if self.model.open && self.model.workers() < self.model.limits.max_workers {
            let worker = self.model.make_worker();
            prop_assert_eq!(made, worker.map(|_| 1));
            self.model.idle.extend(worker.map(|worker| (worker, self.model.now)));
        } else {
            prop_assert_eq!(made, Some(0));
        }
        prop_assert_eq!(self.pool().wait_idle_timeout(TO_REST), Ok(()));
        Ok(())
    }

    /// Submits so many new payloads at once.
    fn submit_many(&mut self, count: usize) -> Result<(), TestCaseError> {
        let first = self.next_id;
        let payloads: Vec<Payload> = (0..count).map(|_| self.new_payload()).collect();
        let outcome = self.pool().try_submit_many(payloads);
        let accepted = match &outcome {
            Ok(accepted) => *accepted,
            Err(error) => error.accepted,
        };
        let mut answers = vec![Answer::Accepted; accepted];
        if let Err(error) = &outcome {
            let rest: Vec<Id> = error.rest.iter().map(|payload| payload.id).collect();
            prop_assert_eq!(rest, (first + accepted..first + count).collect::<Vec<_>>());
            answers.push(match error.refusal {
                Refusal::Full => Answer::Full,
                Refusal::Closed => Answer::Closed,
                Refusal::SpawnFailed => Answer::SpawnFailed,
                other => panic!("{other:?}"),
            });
            answers.resize(count, Answer::NotTried);
        }
        self.seen_answers.extend((first..).zip(answers));
        let mut ids = first..first + count;
        while let Some(id) = ids.next() {
            if !self.model.submit(id, Priority::Normal, false, Some(Answer::Full)) {
                self.model.answers.extend(ids.by_ref().map(|id| (id, Answer::NotTried)));
            }
        }
        Ok(())
    }

    fn new_payload(&mut self) -> Payload {
        let id = self.next_id;
        self.next_id += 1;
        let (verdict, panics) = channel();
        self.verdicts.insert(id, verdict);
        self.alive.fetch_add(1, Ordering::SeqCst);
        Payload { id, panics, starts: self.starts.0.clone(), alive: self.alive.clone() }
    }

    /// Submits a new payload, on a thread of its own because it may block.
    fn submit(
        &mut self,
        how: impl FnOnce(&WorkerPool<Payload>, Payload) -> Result<(), SubmitError<Payload>> + Send + 'static,
    ) -> Id {
        let payload = self.new_payload();
        let id = payload.id;
        let (pool, answers) = (self.pool().clone(), self.answers.0.clone());
        thread::spawn(move || {
            let outcome = how(&pool, payload);
            drop(pool);
            let (id, answer) = match outcome {
                Ok(()) => (id, Answer::Accepted),
                Err(error) => {
                    let answer = match error {
                        SubmitError::Full(_) => Answer::Full,
                        SubmitError::Overload(_) => Answer::Overload,
                        SubmitError::Closed(_) => Answer::Closed,
                        SubmitError::Timeout(_) => Answer::Timeout,
                        SubmitError::SpawnFailed(..) => Answer::SpawnFailed,
                        SubmitError::Cancelled(_) => Answer::Cancelled,
                        other => panic!("{other:?}"),
                    };
                    // The payload's own number: it must be the one that was submitted.
                    (error.into_payload().id, answer)
                }
            };
            let _ = answers.send((id, answer));
        });
        id
    }

    /// Ends one of the payloads that run, if any do.
    fn end_payload(&mut self, which: usize, panics: bool) {
        if self.model.busy.is_empty() {
            return;
        }
        let (_, id) = self.model.busy[which % self.model.busy.len()];
        self.tell(id, panics);
        self.model.finish(id, panics);
    }

    fn tell(&self, id: Id, panics: bool) {
        // A payload that was refused does not listen any more.
        let _ = self.verdicts[&id].send(panics);
    }

    /// Waits until the pool has come to rest, and looks like the model.
    fn compare(&mut self) -> Result<(), TestCaseError> {
        let figures = self.model.figures();
        // Whether it is alike is asserted below, where it can be shown.
        let _ = comes_true_within(TO_REST, || {
            self.look();
            // More than there should be does not go away by waiting.
            self.seen_started.len() > self.model.started.len()
                || self.seen_answers.len() > self.model.answers.len()
                || (Figures::from(self.pool().stats()) == figures
                    && self.seen_started.len() == self.model.started.len()
                    && self.seen_answers.len() == self.model.answers.len())
        });
        // Of those that one operation starts, the order is open; where each one starts is not.
        for started in [&mut self.seen_started, &mut self.model.started] {
            let before = self.compared.min(started.len());
            started[before..].sort_unstable();
        }
        self.compared = self.model.started.len();
        prop_assert_eq!(&self.seen_started, &self.model.started, "what started, and where");
        prop_assert_eq!(self.duties.load(Ordering::SeqCst), self.model.duties);
        self.seen_answers.sort_unstable();
        let expected: Vec<_> = self.model.answers.iter().map(|(id, answer)| (*id, *answer)).collect();
        prop_assert_eq!(&self.seen_answers, &expected, "what submitters were told");
        prop_assert_eq!(Figures::from(self.pool().stats()), figures);
        Ok(())
    }

    fn look(&mut self) {
        self.seen_started.extend(self.starts.1.try_iter());
        self.seen_answers.extend(self.answers.1.try_iter());
    }

    /// Ends the pool, lets everything run that was accepted, and looks for what got lost or ran twice.
    fn end(mut self, end: End) -> Result<(), TestCaseError> {
        match end {
            // Blocked submitters hold handles: then dropping ours is not the end.
            End::DropHandles if self.model.line.is_empty() => {
                self.handles.clear();
                self.model.stop();
            }
            End::Stop | End::DropHandles => self.perform(Operation::Stop)?,
            End::StopNow => self.perform(Operation::StopNow)?,
        }
        for id in 0..self.next_id {
            self.tell(id, false);
        }
        while let Some((_, id)) = self.model.busy.first().copied() {
            self.model.finish(id, false);
        }
        if let Some(pool) = self.handles.last() {
            prop_assert_eq!(pool.wait_timeout(TO_REST), Ok(()));
        }
        let all_answered = comes_true_within(TO_REST, || {
            self.look();
            self.seen_answers.len() == self.model.answers.len()
        });
        prop_assert!(all_answered, "submitters are left");
        if let Some(pool) = self.handles.last() {
            prop_assert_eq!(Figures::from(pool.stats()), self.model.figures());
        }
        let nothing_left = comes_true_within(TO_REST, || self.alive.load(Ordering::SeqCst) == 0);
        prop_assert!(nothing_left, "payloads are left");
        self.look();
        // Several workers drained the queue, so only what ran is certain, and not where and when.
        let ids = |started: &[(Worker, Id)]| {
            let mut ids: Vec<Id> = started.iter().map(|(_, id)| *id).collect();
            ids.sort_unstable();
            ids
        };
        prop_assert_eq!(ids(&self.seen_started), ids(&self.model.started));
        Ok(())
    }
}
