//! Everything that the pool decides under its one lock.
//!
//! Counts, state, ready stack, queue and waiting line live in one [`Core`], so each decision sees all of them at one
//! moment. The methods only decide and record; what has to happen outside the lock (sending, waking, making threads,
//! running user code) is returned to the caller. `PROTOCOL.md` tells the whole story. Invariants, asserted in debug
//! builds after each decision:
//!
//! 1. something waits in line, or is offered (while open) ⟹ no worker is idle;
//! 2. something queued (while open) ⟹ no worker is idle, or one was woken and will look at the queue before all else;
//! 3. something queued ⟹ some worker lives that will look at the queue before it leaves;
//! 4. something in a worker's hand ⟹ no worker is idle;
//! 5. idle workers ≤ workers, and while there are idle ones, workers ≤ the cap: the slot of a worker is free from the
//!    moment it is unlinked, not from the moment its thread has ended.

use std::collections::VecDeque;

use crate::config::Limits;
use crate::config::clock::Clock;
use crate::core::batch::Batch;
use crate::core::handoff::{Order, Seat};
use crate::core::queue::{Item, Priority, Queue};
use crate::core::ready_stack::ReadyStack;
use crate::core::waiters::{WaitTicket, Waiters};
use crate::sync::{Arc, Condvar, StdArc, thread};

mod admission;
pub(crate) mod batch;
mod broadcast;
mod check_in;
mod chunks;
pub(crate) mod handoff;
mod lifecycle;
pub(crate) mod queue;
mod ready_stack;
mod stats;
pub(crate) mod waiters;

pub(crate) struct Core<T> {
    pub(crate) limits: Limits,
    clock: Clock,
    pub(crate) open: bool,
    pub(crate) ready: ReadyStack<Seat<T>>,
    /// Slots taken: workers idle, busy, or being started.
    pub(crate) workers: usize,
    /// Workers whose thread is being made by a submitter; they may not come to be.
    pub(crate) spawning: usize,
    /// Workers on their way to the lock without a payload, those being made included.
    searching: usize,
    /// Errands of workers that may not come to be.
    searching_unborn: usize,
    /// Errands of workers that do their duties before they come; part of `errands`.
    broadcasting: usize,
    /// True while a worker was woken for the queue's sake and has not said that it is awake.
    waking: bool,
    queue: Queue<T>,
    /// Offers: what a worker takes only when it would go idle otherwise. They are accepted when they are taken.
    background: VecDeque<Item<T>>,
    /// Visits since the last offer was taken, while there was one.
    passed_over: u32,
    /// Payloads taken from the queue so far.
    taken: u64,
    /// Hands that were filled and may still hold something, or have something to report.
    batches: Vec<Arc<Batch<T>>>,
    pub(crate) waiters: Waiters<T>,
    /// Submitters whose payload went from the line to the queue, and who are told once the queue has run low.
    deferred: VecDeque<(WaitTicket, Arc<Condvar>)>,
    broadcasts: Vec<Broadcast>,
    /// How many duties were ever given.
    broadcasts_given: u64,
    /// Number of the next worker.
    next_index: usize,
    /// True while a cleaner exists or is being made.
    pub(crate) cleaner: bool,
    /// Handles of all threads not joined yet.
    pub(crate) threads: Vec<thread::JoinHandle<()>>,
    /// Callers of `wait` that are joining threads right now.
    pub(crate) joining: usize,
    /// Threads that wait for the pool's events; when there are none, nobody is notified.
    pub(crate) watchers: usize,
    /// How often the pool had nothing left to do; lets a waiter see that such a moment passed.
    pub(crate) idle_moments: u64,
    totals: Totals,
}

#[derive(Default)]
struct Totals {
    peak_workers: usize,
    accepted: u64,
    finished: u64,
    panicked: u64,
    handed_back: u64,
    discarded: u64,
    ran_by_caller: u64,
    rejected: u64,
    spawned: u64,
    expired: u64,
}

/// What every worker alive is to do once, beside its payloads.
pub(crate) type BroadcastBody = StdArc<dyn Fn(usize) + Send + Sync>;

struct Broadcast {
    number: u64,
    body: BroadcastBody,
    /// How many workers have not taken it yet.
    to_take: usize,
}

/// A worker about to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reservation {
    /// Its number, which no other worker of the pool ever has.
    pub(crate) index: usize,
    /// Duties given before it; they are not for it.
    broadcasts_seen: u64,
    /// True when it is made without a payload.
    searching: bool,
}

/// What a worker brings to the lock.
pub(crate) struct WorkerRecord<T> {
    pub(crate) seat: Seat<T>,
    pub(crate) batch: Arc<Batch<T>>,
    /// True from the filling of its hand until the next visit.
    pub(crate) holding: bool,
    /// True while it does duties.
    pub(crate) broadcasting: bool,
    pub(crate) reservation: Reservation,
}

/// Why a worker comes to the lock.
#[derive(Clone, Copy)]
pub(crate) struct CheckIn {
    /// How its latest payload ended; `None` when it comes without having run one.
    pub(crate) ended: Option<Ended>,
    /// True when it may take several payloads at a time.
    pub(crate) may_batch: bool,
}

/// How a payload's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Returned,
    Panicked,
    /// It had waited too long and was not run.
    Discarded,
}

/// How a submission wants to be treated.
#[derive(Clone, Copy)]
pub(crate) struct Ask {
    /// False for a caller whose attempt to make a thread just failed.
    pub(crate) may_spawn: bool,
    pub(crate) priority: Priority,
    /// When the queue is full, its oldest payload makes room.
    pub(crate) displace: bool,
}

/// What a worker leaves behind that cannot go on.
pub(crate) struct Leftovers<T> {
    /// Nobody is left to run them.
    pub(crate) payloads: Vec<T>,
    pub(crate) condvars: Vec<Arc<Condvar>>,
    /// Only to be dropped after unlocking.
    pub(crate) _broadcasts: Vec<BroadcastBody>,
}

/// An order to be given, once unlocked, to a worker that was unlinked.
pub(crate) type Mail<T> = (Seat<T>, Order<T>);

/// The answer to a submission.
pub(crate) enum Admission<T> {
    /// Accepted: give this order to this worker, which is unlinked.
    HandOver(Seat<T>, Order<T>),
    /// A slot is reserved: make a thread for this worker, then report `spawn_succeeded` or `spawn_failed`.
    Spawn(Item<T>, Reservation),
    /// Accepted: it is in the queue.
    Queued,
    /// Accepted: it is in the queue, from which this one was discarded.
    QueuedInstead(Item<T>),
    /// Every worker there is is still being made, by other submitters: look again after the next event.
    Unsettled(Item<T>),
    /// There is no worker, and the caller could not make one.
    NoWorker(Item<T>),
    /// All workers are busy and there is no room.
    Full(Item<T>),
    Closed(Item<T>),
}

/// What a worker does after a visit.
pub(crate) enum Next<T> {
    Run(Item<T>),
    /// Do these first, then come again.
    Broadcasts(Vec<BroadcastBody>),
    /// It is on the ready stack: wait for an order.
    Idle,
    /// Its slot is given back: end.
    Leave,
}

impl Reservation {
    /// It was told to look, without a payload.
    pub(crate) fn now_searching(&mut self) {
        self.searching = true;
    }
}

impl<T> Core<T> {
    pub(crate) fn new(limits: Limits, clock: Clock) -> Self {
        Core {
            limits,
            clock,
            open: true,
            ready: ReadyStack::new(),
            workers: 0,
            spawning: 0,
            searching: 0,
            searching_unborn: 0,
            broadcasting: 0,
            waking: false,
            queue: Queue::new(limits.batch_size),
            background: VecDeque::new(),
            passed_over: 0,
            taken: 0,
            batches: Vec::new(),
            waiters: Waiters::new(),
            deferred: VecDeque::new(),
            broadcasts: Vec::new(),
            broadcasts_given: 0,
            next_index: 0,
            cleaner: false,
            threads: Vec::new(),
            joining: 0,
            watchers: 0,
            idle_moments: 0,
            totals: Totals::default(),
        }
    }

    pub(crate) fn check(&self) {
        let someone_idle = self.ready.len() > 0;
        debug_assert!(self.idle() <= self.workers, "idle workers are workers");
        debug_assert!(
            !someone_idle || self.workers <= self.limits.max_workers,
            "idle workers are below the cap"
        );
        debug_assert!(
            !self.open || self.waiters.is_empty() || !someone_idle,
            "nobody waits beside an idle worker"
        );
        debug_assert!(
            !self.open || self.queue.is_empty() || !someone_idle || self.waking,
            "someone will look"
        );
        debug_assert!(self.queue.is_empty() || self.workers > self.spawning, "what is queued has a worker");
        debug_assert!(
            !someone_idle || self.batches.iter().all(|batch| batch.counts().queued == 0),
            "nothing is held beside an idle worker"
        );
    }
}
