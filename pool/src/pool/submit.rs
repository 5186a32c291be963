//! Submitting: carries out what the core decides on a payload, and waits where the submitter is willing to.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::cancel::CancelToken;
use crate::config::{Discard, WhenFull};
use crate::core::queue::{Item, Priority};
use crate::core::waiters::WaiterState;
use crate::core::{Admission, Ask, Core};
use crate::error::{Refusal, SubmitError, SubmitManyError};
use crate::panic::contain;
use crate::sync::{Arc, Instant, MutexGuard, StdArc};
use crate::threads::handler::Handler;
use crate::threads::identity::PoolIdentity;
use crate::threads::shared::{Shared, report};
use crate::threads::spawn::start_worker;

/// For how long a submitter whose payload was accepted may be left asleep until the queue has run low.
const TELL_WITHIN: Duration = Duration::from_micros(200);

/// How long a submission that must not wait gives the first thread to come to be, before it calls the pool full.
const SETTLE_WITHIN: Duration = Duration::from_millis(5);

/// How many payloads of a batch are placed in one critical section.
const AT_A_TIME: usize = 64;

/// How long a submission may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    None,
    Until(Instant),
    Endless,
}

impl Wait {
    /// Until so long from now; without end when that is too long to be a point in time.
    pub(crate) fn within(limit: Duration) -> Self {
        Instant::now().checked_add(limit).map_or(Wait::Endless, Wait::Until)
    }

    fn deadline(self) -> Option<Instant> {
        match self {
            Wait::Until(deadline) => Some(deadline),
            Wait::None | Wait::Endless => None,
        }
    }

    /// Until when to wait for a thread that somebody else is making; shortly, where nobody may block.
    fn settle_by(self, may_block: bool) -> Option<Instant> {
        match self {
            Wait::Until(deadline) if may_block => Some(deadline),
            Wait::Endless if may_block => None,
            _ => Instant::now().checked_add(SETTLE_WITHIN),
        }
    }
}

/// What a submission asks for.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'t> {
    pub(crate) wait: Wait,
    pub(crate) priority: Priority,
    pub(crate) token: Option<&'t CancelToken>,
    /// When there is no room: the oldest queued payload makes some.
    displace: bool,
    /// When there is no room: the submitter runs the payload.
    run_here: bool,
    /// A refusal is neither counted nor told here: the submission may still go elsewhere.
    quiet: bool,
    /// Does not wait for a thread that somebody else is making either.
    hasty: bool,
    /// When there is no room: it is kept for the next worker that has nothing else to do.
    background: bool,
}

impl<'t> Wish<'t> {
    pub(crate) fn waiting(wait: Wait) -> Self {
        Wish {
            wait,
            priority: Priority::Normal,
            token: None,
            displace: false,
            run_here: false,
            quiet: false,
            hasty: false,
            background: false,
        }
    }

    /// A look in passing, by someone who has other pools to go to.
    pub(crate) fn glance() -> Self {
        Wish { quiet: true, hasty: true, ..Self::waiting(Wait::None) }
    }

    /// For what a worker should do when it has nothing else to do.
    pub(crate) fn offer() -> Self {
        Wish { background: true, quiet: true, ..Self::waiting(Wait::None) }
    }

    /// The same, by someone who will call [`note_refusal`] if this was the end of it.
    pub(crate) fn quietly(self) -> Self {
        Wish { quiet: true, ..self }
    }

    /// What the pool's policy says.
    pub(crate) fn by_policy(policy: WhenFull) -> Self {
        let wait = if policy == WhenFull::Block { Wait::Endless } else { Wait::None };
        Wish {
            displace: policy == WhenFull::DiscardOldest,
            run_here: policy == WhenFull::RunOnCaller,
            ..Self::waiting(wait)
        }
    }

    pub(crate) fn with(self, priority: Priority, token: Option<&'t CancelToken>) -> Self {
        Wish { priority, token, ..self }
    }
}

/// Hands a payload to the pool.
pub(crate) fn place<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    payload: T,
    wish: Wish<'_>,
) -> Result<(), SubmitError<T>> {
    let mut item = Item { payload, since: shared.stamp() };
    let mut spawn_error: Option<io::Error> = None;
    let mut settle_by = None;
    let mut core = shared.core.lock();
    if wish.token.is_some_and(CancelToken::is_cancelled) {
        return refuse(shared, core, wish, SubmitError::Cancelled(item.payload));
    }
    loop {
        let ask = Ask { may_spawn: spawn_error.is_none(), priority: wish.priority, displace: wish.displace };
        match core.admit(item, ask) {
            Admission::HandOver(seat, order) => {
                drop(core);
                seat.give(order);
                return Ok(());
            }
            Admission::Queued => return Ok(()),
            Admission::QueuedInstead(oldest) => {
                drop(core);
                shared.discard([oldest.payload], Discard::Displaced);
                return Ok(());
            }
            Admission::Spawn(returned, reservation) => {
                drop(core);
                match start_worker(shared, Some(returned), reservation) {
                    Ok(()) => return Ok(()),
                    Err((returned, error)) => {
                        item = returned.expect("a worker that did not come to be gives its payload back");
                        spawn_error = Some(error);
                        core = shared.core.lock();
                    }
                }
            }
            Admission::Unsettled(returned) if wish.hasty => {
                return refuse(shared, core, wish, SubmitError::Full(returned.payload));
            }
            Admission::Unsettled(returned)
                if shared.handler.has_state() && PoolIdentity::of(shared).has_slot_for_this_thread() =>
            {
                // It is one of those that are being made, for whose state its maker waits: it would wait for itself.
                return refuse(shared, core, wish, SubmitError::WouldDeadlock(returned.payload));
            }
            Admission::Unsettled(returned) => {
                let _registration = wish.token.map(|token| {
                    let shared = shared.clone();
                    token.listen(StdArc::new(move || {
                        // Once the lock was free, the submitter has either seen the cancellation or sleeps.
                        drop(shared.core.lock());
                        shared.events.notify_all();
                    }))
                });
                if wish.token.is_some_and(CancelToken::is_cancelled) {
                    return refuse(shared, core, wish, SubmitError::Cancelled(returned.payload));
                }
                let may_block = core.limits.max_blocking > 0;
                let settle_by = *settle_by.get_or_insert_with(|| wish.wait.settle_by(may_block));
                let late;
                (core, late) = shared.watch(core, settle_by);
                if late && !core.is_settled() {
                    let why = match wish.wait {
                        Wait::None => SubmitError::Full,
                        _ if !may_block => SubmitError::Overload,
                        Wait::Until(_) | Wait::Endless => SubmitError::Timeout,
                    };
                    return refuse(shared, core, wish, why(returned.payload));
                }
                item = returned;
            }
            Admission::NoWorker(item) => {
                let error = spawn_error.unwrap_or_else(|| io::Error::other("no worker could be made"));
                return refuse(shared, core, wish, SubmitError::SpawnFailed(item.payload, error));
            }
            Admission::Closed(item) => return refuse(shared, core, wish, SubmitError::Closed(item.payload)),
            Admission::Full(offer) if wish.background => {
                return match core.add_background(offer) {
                    Ok(()) => Ok(()),
                    Err(offer) => refuse(shared, core, wish, SubmitError::Full(offer.payload)),
                };
            }
            Admission::Full(full) if wish.run_here => {
                core.count_run_by_caller();
                drop(core);
                run_here(shared, full.payload);
                return Ok(());
            }
            Admission::Full(full) => {
                let from_worker = PoolIdentity::of(shared).has_slot_for_this_thread();
                if matches!(wish.wait, Wait::None) {
                    let error = match spawn_error {
                        None => SubmitError::Full(full.payload),
                        Some(error) => SubmitError::SpawnFailed(full.payload, error),
                    };
                    return refuse(shared, core, wish, error);
                }
                if core.waiters.len() >= core.limits.max_blocking {
                    return refuse(shared, core, wish, SubmitError::Overload(full.payload));
                }
                if from_worker && core.waiters.workers_waiting + 1 >= core.workers {
                    return refuse(shared, core, wish, SubmitError::WouldDeadlock(full.payload));
                }
                match wait_for_room(shared, core, full, wish, from_worker) {
                    Outcome::Accepted => return Ok(()),
                    Outcome::Refused(core, error) => return refuse(shared, core, wish, error),
                    Outcome::Forsaken(again, returned) => {
                        drop(again);
                        // An error of the user's, to be dropped without the lock.
                        let old = spawn_error.take();
                        contain(|| drop(old));
                        item = returned;
                        core = shared.core.lock();
                    }
                }
            }
        }
    }
}

/// Hands over payloads in their order, as many in one critical section as go without waiting.
pub(crate) fn place_many<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    payloads: Vec<T>,
    wish: Wish<'_>,
) -> Result<usize, SubmitManyError<T>> {
    let mut accepted = 0;
    let mut payloads = payloads.into_iter();
    let mut orders = Vec::new();
    loop {
        let since = shared.stamp();
        let mut core = shared.core.lock();
        let mut left_over = None;
        for payload in payloads.by_ref().take(AT_A_TIME) {
            if core.would_spawn() {
                left_over = Some(payload);
                break;
            }
            let ask = Ask { may_spawn: false, priority: wish.priority, displace: false };
            match core.admit(Item { payload, since }, ask) {
                Admission::HandOver(seat, order) => orders.push((seat, order)),
                Admission::Queued => {}
                Admission::Unsettled(item)
                | Admission::NoWorker(item)
                | Admission::Full(item)
                | Admission::Closed(item) => {
                    left_over = Some(item.payload);
                    break;
                }
                Admission::Spawn(..) | Admission::QueuedInstead(_) => unreachable!("neither was asked for"),
            }
            accepted += 1;
        }
        drop(core);
        for (seat, order) in orders.drain(..) {
            seat.give(order);
        }
        let Some(payload) = left_over else {
            if payloads.len() == 0 {
                return Ok(accepted);
            }
            continue;
        };
        // What takes more than a look goes the way of a single payload.
        if let Err(error) = place(shared, payload, wish) {
            let refusal = error.refusal();
            let rest = std::iter::once(error.into_payload()).chain(payloads).collect();
            return Err(SubmitManyError { accepted, refusal, rest });
        }
        accepted += 1;
    }
}

/// How waiting in line ended.
enum Outcome<'a, T> {
    Accepted,
    Refused(MutexGuard<'a, Core<T>>, SubmitError<T>),
    /// The pool has no worker any more who could come free: the payload has to be submitted anew.
    Forsaken(MutexGuard<'a, Core<T>>, Item<T>),
}

/// Waits in line until the payload is taken, the pool closes, or patience ends.
fn wait_for_room<'a, T: Send + 'static>(
    shared: &'a Arc<Shared<T>>,
    mut core: MutexGuard<'a, Core<T>>,
    item: Item<T>,
    wish: Wish<'_>,
    from_worker: bool,
) -> Outcome<'a, T> {
    // With no queue there is nothing to wait for but the hand-over itself.
    let mut eager = core.limits.queue_capacity == 0;
    let (ticket, condvar) = core.waiters.join(item, wish.priority, eager, from_worker);
    core.check();
    let registration = wish.token.map(|token| {
        let (shared, condvar) = (shared.clone(), condvar.clone());
        token.listen(StdArc::new(move || {
            // Once the lock was free, the submitter has either seen the cancellation or sleeps.
            drop(shared.core.lock());
            condvar.notify_one();
        }))
    });
    let deadline = wish.wait.deadline();
    let tell_by = Instant::now().checked_add(TELL_WITHIN);
    let mut late = false;
    let mut wake_by = None;
    let why: Option<fn(T) -> SubmitError<T>> = loop {
        match core.waiters.state_of(ticket) {
            WaiterState::Served => {
                core.was_told(ticket);
                core.waiters.return_condvar(condvar);
                return Outcome::Accepted;
            }
            WaiterState::TurnedAway(item) => {
                core.waiters.return_condvar(condvar);
                return Outcome::Refused(core, SubmitError::Closed(item.payload));
            }
            WaiterState::Waiting => {}
        }
        if wish.token.is_some_and(CancelToken::is_cancelled) {
            break Some(SubmitError::Cancelled);
        }
        if core.workers == 0 {
            break None;
        }
        if from_worker && core.is_deadlocked() {
            break Some(SubmitError::WouldDeadlock);
        }
        if late && wake_by == deadline {
            break Some(SubmitError::Timeout);
        }
        if late {
            eager = true;
            core.waiters.make_eager(ticket);
        }
        wake_by = if eager { deadline } else { earlier(deadline, tell_by) };
        (core, late) = match wake_by {
            Some(at) => condvar.wait_until(core, at),
            None => (condvar.wait(core), false),
        };
    };
    let item = core.waiters.withdraw(ticket).expect("it still waits");
    core.waiters.return_condvar(condvar);
    drop(registration);
    match why {
        Some(why) => Outcome::Refused(core, why(item.payload)),
        None => Outcome::Forsaken(core, item),
    }
}

/// Counts the refusal and tells whom it concerns, unless that is left to the caller.
fn refuse<T>(
    shared: &Shared<T>,
    mut core: MutexGuard<'_, Core<T>>,
    wish: Wish<'_>,
    error: SubmitError<T>,
) -> Result<(), SubmitError<T>> {
    if !wish.quiet {
        core.count_refusal();
    }
    // Its payload was still to be reckoned with until now.
    core.note_idleness();
    shared.unlock_and_tell(core);
    if !wish.quiet {
        tell_refusal(shared, error.refusal());
    }
    Err(error)
}

/// Makes up for what a quiet refusal left out.
pub(crate) fn note_refusal<T>(shared: &Shared<T>, refusal: Refusal) {
    shared.core.lock().count_refusal();
    tell_refusal(shared, refusal);
}

fn tell_refusal<T>(shared: &Shared<T>, refusal: Refusal) {
    if let Some(hook) = &shared.settings.hooks.on_refusal {
        contain(|| hook(refusal));
    }
}

/// Runs a payload on the submitter.
fn run_here<T>(shared: &Shared<T>, payload: T) {
    let Handler::Shared(handler) = &shared.handler else { unreachable!("refused when the pool was built") };
    if let Err(value) = catch_unwind(AssertUnwindSafe(|| handler(payload))) {
        report(shared, value);
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
