//! The core: everything that the pool decides, under its one lock.
//!
//! Workers, backlog, blocked submitters and broadcasts lie in one [`Core`], so each decision sees all of them at one
//! moment. The methods only decide and record; what has to happen outside of the lock (giving orders, waking, making
//! threads, running user code, dropping) is returned to the caller, who carries it out. Nothing outside of this folder
//! sees a field of it. `PROTOCOL.md` tells the whole story.
//!
//! # Invariants
//! Asserted by [`check`](Core::check) after each decision, in debug builds and in models:
//!
//! 1. a submitter waits for room, or background work is kept (while the pool is open) ⟹ no worker is idle;
//! 2. something is queued (while open) ⟹ no worker is idle, or one was woken and will look at the queue before all
//!    else;
//! 3. something is queued ⟹ some worker surely lives that will look at the queue before it leaves;
//! 4. something is in a worker's batch ⟹ no worker is idle;
//! 5. something is on the agenda (while open) ⟹ somebody looks at the clock: the cleaner, or whoever moves a manual
//!    one;
//! 6. idle workers ≤ workers, and while there are idle ones, workers ≤ the cap: the slot of a worker is free from the
//!    moment it is unlinked, not from the moment its thread has ended.
//!
//! # Glossary
//! | word | what it means |
//! |---|---|
//! | slot | the right to be a worker; there are as many as the cap allows |
//! | reservation | a slot taken for a worker whose thread is still to be made, and which may not come to be |
//! | surely alive | a worker whose thread was made: there is one when there are more workers than are being spawned |
//! | idle | linked on the *ready stack*; whoever takes a worker off it, *unlinks* it, gives it exactly one order |
//! | seat | where to reach a worker that sleeps: its channel of one place, and its thread |
//! | order | what an unlinked worker is told: run this, relay, search, or leave |
//! | relay | an order to run a payload, but first to come to the core and wake the next worker; while one is on its way the roster is *waking* |
//! | searching | on the way to the core without a payload, to look for one |
//! | birth | the making of a worker with a state: it is *unborn* until it surely lives or is known not to come to be |
//! | undecided | a submission that has its payload in hand, and asks again after the next event |
//! | check-in | a worker's call at the core, after a payload or a search, to learn what it does next |
//! | queue | accepted payloads that no worker has taken, in *chunks* that can be taken whole |
//! | batch | short payloads that one worker took from the queue together, behind a lock of its own |
//! | background | work that a worker takes only when it would go idle otherwise, or next if it is urgent: of scopes, shares, the agenda |
//! | waiter | a blocked submitter, with the payload that it could not place; not accepted yet |
//! | ticket | what a waiter knows itself by; when it is gone from the list, the waiter was served |
//! | deferred | of a waiter that was served: it is told only once the queue has run low |
//! | agenda | payloads that wait for an instant before they are submitted; an *era* is the time between two stops |
//! | broadcast | a closure that each worker runs once |
//! | watcher | a thread that waits for the pool as a whole, or for a thread that another one is making |

use crate::config::Limits;
use crate::config::clock::Clock;
use crate::sync::{Arc, Condvar, StdArc};
use crate::waits::{Headcount, PoolKey};
use crate::watched::{Watch, Watchable};

mod admission;
mod agenda;
mod background;
mod backlog;
mod batch;
mod births;
mod broadcast;
mod check_in;
mod chunks;
mod handoff;
mod lifecycle;
mod queue;
mod ready_stack;
mod roster;
mod stats;
mod threads;
mod waiters;
mod waiting;

pub(crate) use admission::{Admission, Attempt, Forsaken, OnFull, SubmitOptions};
pub(crate) use agenda::{AgendaKey, Era, Planned};
pub(crate) use batch::BatchPacer;
pub(crate) use broadcast::BroadcastBody;
pub(crate) use check_in::{CheckIn, Ended, Leftovers, Next};
pub(crate) use handoff::{Inbox, Order, Seat};
pub(crate) use lifecycle::Resize;
pub(crate) use queue::Item;
pub use queue::Priority;
pub(crate) use roster::{Reservation, WorkerRecord};
pub(crate) use threads::{CleanerStage, Departure};
pub(crate) use waiters::WaitTicket;
pub(crate) use waiting::{Waited, Waiting, Woken};

use agenda::Agenda;
use backlog::Backlog;
use births::Births;
use broadcast::Broadcasts;
use roster::Roster;
use stats::Totals;
use threads::Threads;
use waiters::Waiters;

/// Condition variables of waiters, to be notified once the core is unlocked.
pub(crate) type ToNotify = Vec<Arc<Condvar>>;

pub(crate) struct Core<T> {
    limits: Limits,
    clock: Clock,
    /// True while payloads are accepted.
    open: bool,
    births: Births,
    roster: Roster<T>,
    backlog: Backlog<T>,
    waiters: Waiters<T>,
    agenda: Agenda<T>,
    broadcasts: Broadcasts,
    threads: Threads,
    watch: Watch,
    totals: Totals,
}

impl<T> Core<T> {
    pub(crate) fn new(limits: Limits, clock: Clock, have_state: bool, headcount: StdArc<Headcount>) -> Self {
        Core {
            limits,
            clock,
            open: true,
            births: Births::new(have_state),
            roster: Roster::new(headcount),
            backlog: Backlog::new(limits.batch_size),
            waiters: Waiters::new(),
            agenda: Agenda::new(),
            broadcasts: Broadcasts::default(),
            threads: Threads::default(),
            watch: Watch::default(),
            totals: Totals::default(),
        }
    }

    /// Tells this pool from others.
    fn key(&self) -> PoolKey {
        PoolKey::of(self.roster.headcount())
    }

    /// Asserts the invariants, see above.
    fn check(&self) {
        let workers = self.roster.workers();
        let someone_idle = self.roster.ready() > 0;
        debug_assert!(self.roster.idle() <= workers, "idle workers are workers");
        debug_assert!(
            !someone_idle || self.limits.surplus_of(workers) == 0,
            "idle workers are below the cap"
        );
        debug_assert!(
            !self.open || self.waiters.is_empty() || !someone_idle,
            "nobody waits beside an idle worker"
        );
        debug_assert!(
            !self.open || self.backlog.background() == 0 || !someone_idle,
            "no background work is kept beside an idle worker"
        );
        debug_assert!(
            !self.open || self.backlog.queued() == 0 || !someone_idle || self.roster.is_waking(),
            "someone will look"
        );
        debug_assert!(
            self.backlog.queued() == 0 || self.roster.someone_lives(),
            "what is queued has a worker"
        );
        debug_assert!(!someone_idle || self.backlog.held() == 0, "nothing is held beside an idle worker");
        debug_assert!(
            !self.open || self.agenda.len() == 0 || self.clock.is_manual() || self.threads.has_cleaner(),
            "somebody looks at the clock for what is scheduled"
        );
    }

    /// True when nothing is queued or kept in the background, and nobody waits for room.
    fn nothing_waits(&self) -> bool {
        self.backlog.queued() == 0 && self.waiters.is_empty() && self.backlog.background() == 0
    }
}

impl<T> Watchable for Core<T> {
    fn watch(&self) -> &Watch {
        &self.watch
    }

    fn watch_mut(&mut self) -> &mut Watch {
        &mut self.watch
    }

    /// True when nothing accepted is left to run, nobody waits to be accepted, and all workers have come to rest.
    fn is_idle(&self) -> bool {
        self.roster.ready() == self.roster.workers() && self.nothing_waits() && self.births.undecided() == 0
    }
}
