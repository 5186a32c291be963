//! The pool against a small model of it: random operations, and after each one both must look the same.
//!
//! Row 101. The model is the pool without threads: one state, changed by one operation after the other. Payloads run
//! for as long as the test says and end as it says, so that the real pool comes to rest after each operation; then its
//! counters, which payload started on which worker, and what became of blocked submitters are compared. The rule: the
//! model says what the documentation says, and knows nothing of how the pool does it.
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

use anthill_pool::{PoolState, PoolStats, SubmitError, WaitError, WorkerPool};
use anthill_tests::{comes_true_within, quiet_panics};
use proptest::prelude::*;

/// How long the pool may take to come to rest; short, because a failure is met again and again while it is shrunk.
const TO_REST: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
enum Operation {
    Submit,
    TrySubmit,
    SubmitTimeout,
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
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        8 => Just(Operation::Submit),
        6 => Just(Operation::TrySubmit),
        3 => Just(Operation::SubmitTimeout),
        10 => (0..8_usize).prop_map(Operation::Finish),
        3 => (0..8_usize).prop_map(Operation::Panic),
        1 => any::<bool>().prop_map(Operation::RefuseThreads),
        1 => Just(Operation::CloneHandle),
        1 => Just(Operation::DropHandle),
        1 => Just(Operation::WaitIdle),
        1 => Just(Operation::Wait),
        1 => Just(Operation::Stop),
        1 => Just(Operation::StopNow),
    ];
    prop::collection::vec(operation, 1..32)
}

fn limits() -> impl Strategy<Value = Limits> {
    (1..=3_usize, 0..=3_usize, prop_oneof![Just(0_usize), Just(1), Just(2), Just(usize::MAX)])
        .prop_map(|(max_workers, queue, max_blocking)| Limits { max_workers, queue, max_blocking })
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    max_workers: usize,
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
}

/// The pool as it is documented.
#[derive(Debug)]
struct Model {
    limits: Limits,
    open: bool,
    refuses_threads: bool,
    /// The last one is taken first.
    idle: Vec<Worker>,
    busy: Vec<(Worker, Id)>,
    queue: VecDeque<Id>,
    line: VecDeque<Id>,
    next_worker: Worker,
    peak_workers: usize,
    finished: u64,
    panicked: u64,
    handed_back: u64,
    spawned: u64,
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
            idle: Vec::new(),
            busy: Vec::new(),
            queue: VecDeque::new(),
            line: VecDeque::new(),
            next_worker: 0,
            peak_workers: 0,
            finished: 0,
            panicked: 0,
            handed_back: 0,
            spawned: 0,
            started: Vec::new(),
            answers: BTreeMap::new(),
        }
    }

    fn workers(&self) -> usize {
        self.idle.len() + self.busy.len()
    }

    /// A submission that waits in line unless `at_full` says what else it gets.
    fn submit(&mut self, id: Id, may_wait: bool, at_full: Option<Answer>) {
        let answer = self.admit(id, may_wait, at_full);
        self.answers.extend(answer.map(|answer| (id, answer)));
    }

    fn admit(&mut self, id: Id, may_wait: bool, at_full: Option<Answer>) -> Option<Answer> {
        if !self.open {
            return Some(Answer::Closed);
        }
        if let Some(worker) = self.idle.pop() {
            self.start(worker, id);
            return Some(Answer::Accepted);
        }
        let mut refused_thread = false;
        if self.workers() < self.limits.max_workers {
            self.peak_workers = self.peak_workers.max(self.workers() + 1);
            let worker = self.next_worker;
            self.next_worker += 1;
            if !self.refuses_threads {
                self.spawned += 1;
                self.start(worker, id);
                return Some(Answer::Accepted);
            }
            if self.workers() == 0 {
                return Some(Answer::SpawnFailed);
            }
            refused_thread = true;
        }
        if self.queue.len() < self.limits.queue {
            self.queue.push_back(id);
            return Some(Answer::Accepted);
        }
        if may_wait && self.line.len() >= self.limits.max_blocking {
            return Some(Answer::Overload);
        }
        match at_full {
            Some(Answer::Full) if refused_thread => Some(Answer::SpawnFailed),
            Some(answer) => Some(answer),
            None => {
                self.line.push_back(id);
                None
            }
        }
    }

    fn start(&mut self, worker: Worker, id: Id) {
        self.busy.push((worker, id));
        self.started.push((worker, id));
    }

    fn finish(&mut self, id: Id, panicked: bool) {
        let place = self.busy.iter().position(|(_, running)| *running == id).expect("only what runs can end");
        let (worker, _) = self.busy.remove(place);
        self.finished += 1;
        self.panicked += u64::from(panicked);
        // The line moves up, to the end of the queue.
        if let Some(next) = self.line.pop_front() {
            self.answers.insert(next, Answer::Accepted);
            self.queue.push_back(next);
        }
        match self.queue.pop_front() {
            Some(next) => self.start(worker, next),
            None if self.open => self.idle.push(worker),
            None => {}
        }
    }

    fn stop(&mut self) {
        self.open = false;
        self.idle.clear();
        self.answers.extend(self.line.drain(..).map(|id| (id, Answer::Closed)));
    }

    fn stop_now(&mut self) -> Vec<Id> {
        self.stop();
        self.handed_back += self.queue.len() as u64;
        self.queue.drain(..).collect()
    }

    fn is_idle(&self) -> bool {
        self.busy.is_empty() && self.queue.is_empty() && self.line.is_empty()
    }

    fn figures(&self) -> Figures {
        let accepted = self.answers.values().filter(|answer| **answer == Answer::Accepted).count();
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
            rejected: (self.answers.len() - accepted) as u64,
            spawned: self.spawned,
            expired: 0,
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
    next_id: Id,
    /// How to end each payload that was made.
    verdicts: BTreeMap<Id, Sender<bool>>,
    starts: Channel<(Worker, Id)>,
    answers: Channel<(Id, Answer)>,
    seen_started: Vec<(Worker, Id)>,
    seen_answers: Vec<(Id, Answer)>,
    alive: Arc<AtomicUsize>,
}

impl Trial {
    fn new(limits: Limits) -> Self {
        let refuses_threads = Arc::new(AtomicBool::new(false));
        let refuses = refuses_threads.clone();
        let pool = WorkerPool::builder()
            .name("quiet101")
            .max_workers(limits.max_workers)
            .queue_capacity(limits.queue)
            .max_blocking(limits.max_blocking)
            .keep_idle_workers()
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
            next_id: 0,
            verdicts: BTreeMap::new(),
            starts: channel(),
            answers: channel(),
            seen_started: Vec::new(),
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
                self.model.submit(id, true, None);
            }
            Operation::TrySubmit => {
                let id = self.submit(WorkerPool::try_submit);
                self.model.submit(id, false, Some(Answer::Full));
            }
            Operation::SubmitTimeout => {
                let id = self.submit(|pool, payload| pool.submit_timeout(payload, Duration::ZERO));
                self.model.submit(id, true, Some(Answer::Timeout));
            }
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
        }
        Ok(())
    }

    /// Submits a new payload, on a thread of its own because it may block.
    fn submit(
        &mut self,
        how: impl FnOnce(&WorkerPool<Payload>, Payload) -> Result<(), SubmitError<Payload>> + Send + 'static,
    ) -> Id {
        let id = self.next_id;
        self.next_id += 1;
        let (verdict, panics) = channel();
        self.verdicts.insert(id, verdict);
        self.alive.fetch_add(1, Ordering::SeqCst);
        let payload = Payload { id, panics, starts: self.starts.0.clone(), alive: self.alive.clone() };
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
        prop_assert_eq!(&self.seen_started, &self.model.started, "what started, and where");
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
