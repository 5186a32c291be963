//! What the models share: how to explore, payloads that keep account of their fate, a gate, and the closing check.
//!
//! Bookkeeping lies in std's primitives on purpose: loom does not see them, so they add no interleavings. They are
//! never held across one of loom's switching points.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use anthill_pool::{PoolState, PoolStats, SubmitError, WorkerPool};

/// How many times loom may take the processor from a thread that could go on, where all interleavings are too many.
#[derive(Clone, Copy)]
pub(crate) enum Preemptions {
    Any,
    AtMost(usize),
}

/// Runs `scene` in every interleaving (within `preemptions`).
pub(crate) fn explore(name: &str, preemptions: Preemptions, scene: impl Fn() + Send + Sync + 'static) {
    let explored = Arc::new(AtomicUsize::new(0));
    let mut model = loom::model::Builder::new();
    model.max_branches = 10_000;
    if let Preemptions::AtMost(bound) = preemptions {
        model.preemption_bound = Some(bound);
    }
    let counter = explored.clone();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        model.check(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            scene();
        });
    }));
    if let Err(value) = outcome {
        if value.downcast_ref() == Some(&PLANNED) {
            // It was raised without a message.
            let _ = writeln!(std::io::stderr(), "{name}: the planned panic was not contained");
        }
        resume_unwind(value);
    }
    let explored = explored.load(Ordering::Relaxed);
    // Past the test harness's own lock on its output; a refused write is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{name}: {explored} interleavings");
    assert!(explored > 1, "{name} explored a single interleaving, so it checks no race");
}

/// What became of each payload.
#[derive(Default)]
pub(crate) struct Ledger {
    fates: Mutex<Vec<Fate>>,
}

#[derive(Clone, Copy, Default)]
struct Fate {
    ran: usize,
    returned: usize,
    discarded: usize,
}

impl Ledger {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Ledger::default())
    }

    /// A payload that will be accounted for.
    pub(crate) fn payload(self: &Arc<Self>) -> Payload {
        let mut fates = self.fates.lock().unwrap();
        fates.push(Fate::default());
        Payload { number: fates.len() - 1, ledger: self.clone(), _alive: loom::alloc::Track::new(()) }
    }

    /// How many payloads have run.
    pub(crate) fn ran(&self) -> usize {
        self.fates.lock().unwrap().iter().map(|fate| fate.ran).sum()
    }

    /// How many payloads were handed back.
    pub(crate) fn returned(&self) -> usize {
        self.fates.lock().unwrap().iter().map(|fate| fate.returned).sum()
    }

    /// How many accepted payloads the pool gave up.
    pub(crate) fn discarded(&self) -> usize {
        self.fates.lock().unwrap().iter().map(|fate| fate.discarded).sum()
    }

    /// The contract: each payload was run exactly once or handed back.
    pub(crate) fn check(&self) {
        for (number, fate) in self.fates.lock().unwrap().iter().enumerate() {
            let Fate { ran, returned, discarded } = *fate;
            assert!(
                ran + returned + discarded == 1,
                "payload {number}: ran {ran} times, handed back {returned} times, discarded {discarded} times"
            );
        }
    }
}

/// A payload that notes in its ledger whether it ran or came back; loom complains when one is leaked.
pub(crate) struct Payload {
    pub(crate) number: usize,
    ledger: Arc<Ledger>,
    _alive: loom::alloc::Track<()>,
}

impl Payload {
    pub(crate) fn run(self) {
        self.ledger.fates.lock().unwrap()[self.number].ran += 1;
    }

    pub(crate) fn hand_back(self) {
        self.ledger.fates.lock().unwrap()[self.number].returned += 1;
    }

    pub(crate) fn discard(self) {
        self.ledger.fates.lock().unwrap()[self.number].discarded += 1;
    }
}

/// Notes a refused payload as handed back; true when it was accepted.
pub(crate) fn settle(outcome: Result<(), SubmitError<Payload>>) -> bool {
    outcome.map_err(|refusal| refusal.into_payload().hand_back()).is_ok()
}

/// What planned panics are raised with.
const PLANNED: &str = "planned panic";

/// Unwinds without the noise of the panic hook.
pub(crate) fn planned_panic() -> ! {
    resume_unwind(Box::new(PLANNED))
}

/// Holds whoever passes until it is opened.
pub(crate) struct Gate {
    open: loom::sync::Mutex<bool>,
    opened: loom::sync::Condvar,
}

impl Gate {
    pub(crate) fn closed() -> loom::sync::Arc<Self> {
        loom::sync::Arc::new(Gate { open: loom::sync::Mutex::new(false), opened: loom::sync::Condvar::new() })
    }

    pub(crate) fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    pub(crate) fn pass(&self) {
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.opened.wait(open).unwrap();
        }
    }
}

/// A handler that holds payload number `waiter` until number `opener` is run: two workers are needed, or the right order.
pub(crate) fn one_waits_for(waiter: usize, opener: usize) -> impl Fn(Payload) + Send + Sync + 'static {
    let gate = Gate::closed();
    move |payload| {
        if payload.number == waiter {
            gate.pass();
        } else if payload.number == opener {
            gate.open();
        }
        payload.run();
    }
}

/// A handler that counts how many payloads of the numbers from `first` on run at a time; a failed assertion inside of a
/// handler would be contained, so the most there were is told by the second result.
pub(crate) fn counting(first: usize) -> (impl Fn(Payload) + Send + Sync + 'static, impl Fn() -> usize) {
    use loom::sync::atomic::AtomicUsize as Visible;
    let now = loom::sync::Arc::new(Visible::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let handler = move |payload: Payload| {
        let counts = payload.number >= first;
        if counts {
            // Loom may switch threads between the two: so that runs can overlap.
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::Relaxed);
            now.fetch_sub(1, Ordering::SeqCst);
        }
        payload.run();
    };
    (handler, move || seen.load(Ordering::Relaxed))
}

/// A pool's thread hooks, counted; visible to loom, so that a thread can be caught between its last payload and its
/// end.
#[derive(Clone)]
pub(crate) struct Lives {
    started: loom::sync::Arc<loom::sync::atomic::AtomicUsize>,
    ended: loom::sync::Arc<loom::sync::atomic::AtomicUsize>,
}

impl Lives {
    pub(crate) fn new() -> Self {
        let zero = || loom::sync::Arc::new(loom::sync::atomic::AtomicUsize::new(0));
        Lives { started: zero(), ended: zero() }
    }

    pub(crate) fn start(&self) {
        self.started.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    /// After `wait` no worker's thread may be on its way any more.
    pub(crate) fn check(&self, threads: usize) {
        let (started, ended) = (self.started.load(Ordering::SeqCst), self.ended.load(Ordering::SeqCst));
        assert!(
            started == threads && ended == threads,
            "wait returned with threads alive: {started} started and {ended} ended of {threads}"
        );
    }
}

/// Stops the pool, waits, and checks that books and counters agree. Every refusal must have been noted before.
pub(crate) fn close(pool: WorkerPool<Payload>, ledger: &Ledger) -> PoolStats {
    pool.stop();
    pool.wait().unwrap();
    let stats = pool.stats();
    drop(pool);
    ledger.check();
    check_closed(&stats);
    assert!(ledger.ran() as u64 == stats.finished, "finished: {}, ran: {}", stats.finished, ledger.ran());
    assert!(
        ledger.returned() as u64 == stats.rejected + stats.handed_back,
        "rejected {} and handed back {} of {}",
        stats.rejected,
        stats.handed_back,
        ledger.returned()
    );
    assert!(
        ledger.discarded() as u64 == stats.discarded,
        "discarded {} of {}",
        stats.discarded,
        ledger.discarded()
    );
    stats
}

/// What the counters of a pool say after `wait`.
pub(crate) fn check_closed(stats: &PoolStats) {
    assert_eq!(stats.state, PoolState::Stopped);
    assert_eq!((stats.workers, stats.busy, stats.idle), (0, 0, 0), "workers, busy, idle");
    assert_eq!((stats.queued, stats.blocked), (0, 0), "queued, blocked");
    assert_eq!(
        stats.accepted,
        stats.finished + stats.handed_back + stats.discarded,
        "accepted is finished, handed back or discarded"
    );
}
