//! Submitting: carries out what the core decides on a payload, and sleeps where the submitter is to wait.

use std::mem;
use std::time::Duration;

use crate::cancel::Registration;
use crate::config::{Arrival, Discard, Tracking};
use crate::core::{
    Admission, Attempt, Core, Item, OnFull, Reservation, SubmitOptions, ToNotify, WaitTicket, Waited,
    Waiting, Woken,
};
use crate::error::{BirthError, Refusal, SubmitError, SubmitManyError};
use crate::panic::{catch, contain, drop_quietly};
use crate::sync::{Arc, Condvar, Instant, MutexGuard, StdArc};
use crate::telemetry;
use crate::threads::birth::Birth;
use crate::threads::handler::Handler;
use crate::threads::identity;
use crate::threads::shared::{Shared, notify_each};
use crate::threads::spawn::{begin_worker, start_worker};
use crate::waits::{self, Sleeper};

/// For how long a submitter whose payload was accepted may be left asleep until the queue has run low; and for how long
/// one may wait for workers that took short payloads together, before these are called back. Shorter, it would wake
/// most submitters of payloads of some microseconds before the queue has run low, which then buys few submissions.
const TELL_WITHIN: Duration = Duration::from_millis(1);

/// How long a submission that must not wait gives a worker to come to be, before it calls the pool full.
const SETTLE_WITHIN: Duration = Duration::from_millis(5);

/// How many of the payloads submitted together are placed in one critical section.
const AT_A_TIME: usize = 64;

type LockedCore<'a, T> = MutexGuard<'a, Core<T>>;

/// Hands a payload to the pool.
#[inline]
pub(crate) fn place<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    payload: T,
    options: SubmitOptions<'_>,
) -> Result<(), SubmitError<T>> {
    match shared.settings.hooks.tracking {
        None => place_untold(shared, payload, options, &mut None),
        Some(tracking) => place_tracked(shared, payload, options, tracking),
    }
}

/// As [`place`], of a payload that is to know where it is.
#[inline(never)]
fn place_tracked<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    payload: T,
    options: SubmitOptions<'_>,
    tracking: Tracking<T>,
) -> Result<(), SubmitError<T>> {
    let mut arrival = (tracking.departs)(&payload);
    let outcome = place_untold(shared, payload, options, &mut arrival);
    let Err(error) = outcome else {
        shared.tell(&mut arrival);
        return Ok(());
    };
    Err(error.map(|mut payload| {
        (tracking.returns)(&mut payload);
        payload
    }))
}

/// As [`place`]; tells of the arrival only if the submitter has to wait.
#[inline]
fn place_untold<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    payload: T,
    options: SubmitOptions<'_>,
    arrival: &mut Option<Arrival>,
) -> Result<(), SubmitError<T>> {
    let since = shared.stamp();
    let mut core = shared.core.lock();
    if since.is_some() || !options.is_plain() {
        return place_with_care(shared, core, Item { payload, since }, options, arrival);
    }
    match core.queue_at_once(payload) {
        Ok(()) => Ok(()),
        Err(payload) => place_with_care(shared, core, Item::unstamped(payload), options, arrival),
    }
}

/// Carries out what the core decides on a payload, until it is accepted or refused.
#[inline(never)]
fn place_with_care<'a, T: Send + 'static>(
    shared: &'a Arc<Shared<T>>,
    core: LockedCore<'a, T>,
    item: Item<T>,
    options: SubmitOptions<'_>,
    arrival: &mut Option<Arrival>,
) -> Result<(), SubmitError<T>> {
    let mut item = Some(item);
    let mut progress = Progress::new();
    let mut core = core;
    loop {
        progress.ask_again(&mut core);
        core = match core.admit(&mut item, &options, progress.attempt(), identity::sleeper) {
            Admission::Kept => return Ok(()),
            Admission::Give(seat, order) => {
                drop(core);
                seat.give(order);
                return Ok(());
            }
            Admission::Displaced(oldest) => {
                drop(core);
                shared.discard([oldest.payload], Discard::Displaced);
                return Ok(());
            }
            Admission::Spawn(reservation) => {
                drop(core);
                if progress.make_worker(shared, &mut item, reservation) {
                    return Ok(());
                }
                shared.core.lock()
            }
            Admission::Watch => watch_others(shared, core, &options, &mut progress),
            Admission::Wait(ticket, condvar) => {
                let core = tell_in_line(shared, core, arrival);
                match wait_for_room(shared, core, ticket, condvar, &options) {
                    (_, Waited::Accepted) => return Ok(()),
                    (core, Waited::Refused(refusal, item)) => {
                        return refuse(shared, core, &options, refusal, Some(item), progress);
                    }
                    (core, Waited::Anew(returned)) => {
                        drop(core);
                        item = Some(returned);
                        progress.forget_failed_worker();
                        shared.core.lock()
                    }
                }
            }
            Admission::RunHere => {
                drop(core);
                run_here(shared, item.expect("what the submitter runs was not taken").payload);
                return Ok(());
            }
            Admission::Refused(refusal) => return refuse(shared, core, &options, refusal, item, progress),
        };
    }
}

/// What a submitter has found out, and done, since it first asked.
struct Progress<'t> {
    /// Why the worker that it was to make did not come to be.
    start_error: Option<BirthError>,
    /// The worker that it was to make, while that makes its state.
    birth: Option<Arc<Birth>>,
    /// It has its payload in hand, and the core counts on it to ask again.
    is_undecided: bool,
    roused: bool,
    /// Until when it watches workers come to be; known once it began to.
    settle_by: Option<Option<Instant>>,
    watched_long_enough: bool,
    /// Has it told of a cancellation while it watches.
    registration: Option<Registration<'t>>,
}

impl Drop for Progress<'_> {
    /// What the submitter is not told, as its payload was accepted or refused for another reason.
    fn drop(&mut self) {
        self.forget_failed_worker();
    }
}

impl Progress<'_> {
    fn new() -> Self {
        Progress {
            start_error: None,
            birth: None,
            is_undecided: false,
            roused: false,
            settle_by: None,
            watched_long_enough: false,
            registration: None,
        }
    }

    fn attempt(&self) -> Attempt {
        Attempt {
            failed: self.start_error.as_ref().map(BirthError::refusal),
            awaits_worker: self.birth.is_some(),
            roused: self.roused,
            watched_long_enough: self.watched_long_enough,
        }
    }

    /// Makes the worker for which a slot was reserved. True when the payload went with it; one that has to make its
    /// state first comes for it later.
    fn make_worker<T: Send + 'static>(
        &mut self,
        shared: &Arc<Shared<T>>,
        item: &mut Option<Item<T>>,
        reservation: Reservation,
    ) -> bool {
        if shared.handler.has_state() {
            self.is_undecided = true;
            self.birth = Some(begin_worker(shared, reservation));
            return false;
        }
        let Err((returned, error)) = start_worker(shared, item.take(), reservation) else { return true };
        *item = returned;
        self.start_error = Some(BirthError::Thread(error));
        false
    }

    /// The submitter is about to ask the core, and looks what became of the worker that it made.
    fn ask_again<T>(&mut self, core: &mut Core<T>) {
        if mem::take(&mut self.is_undecided) {
            self.roused = core.asks_again(identity::sleeper().map(|worker| worker.key()));
        }
        if let Some(outcome) = self.birth.as_ref().and_then(|birth| birth.take()) {
            self.birth = None;
            self.start_error = outcome.err();
        }
    }

    /// Everything has changed: a worker may be had again.
    fn forget_failed_worker(&mut self) {
        // An error of the user's, to be dropped without the lock.
        if let Some(error) = self.start_error.take() {
            drop_quietly(error);
        }
    }
}

/// Sleeps while workers come to be, until something has happened or the submission has watched for long enough.
fn watch_others<'a, 't, T: Send + 'static>(
    shared: &'a Arc<Shared<T>>,
    core: LockedCore<'a, T>,
    options: &SubmitOptions<'t>,
    progress: &mut Progress<'t>,
) -> LockedCore<'a, T> {
    progress.is_undecided = true;
    let waker = {
        let shared = shared.clone();
        move || {
            // Once the lock was free, the submitter has either seen why it is woken or sleeps.
            drop(shared.core.lock());
            shared.core.notify_watchers();
        }
    };
    if let (Some(token), None) = (options.token, &progress.registration) {
        progress.registration = Some(token.listen(StdArc::new(waker)));
        // A cancellation that came before is seen when the core is asked again.
        return core;
    }
    if let Some(sleeper) = identity::sleeper() {
        waits::set_alarm(sleeper.key(), waker);
        if waits::is_roused(sleeper.key()) {
            return core;
        }
    }
    let may_block = shared.settings.limits.max_blocking != Some(0);
    let settle_by = *progress.settle_by.get_or_insert_with(|| match options.on_full {
        OnFull::Wait(deadline) if may_block => deadline,
        // Where nobody may block, it is not for long.
        _ => Instant::now().checked_add(SETTLE_WITHIN),
    });
    let (core, late) = shared.core.watch(core, settle_by);
    progress.watched_long_enough = late;
    core
}

/// A payload lies in line: for who waits for it, it has come to the pool.
fn tell_in_line<'a, T: Send + 'static>(
    shared: &'a Shared<T>,
    core: LockedCore<'a, T>,
    arrival: &mut Option<Arrival>,
) -> LockedCore<'a, T> {
    if arrival.is_none() {
        return core;
    }
    drop(core);
    shared.tell(arrival);
    shared.core.lock()
}

/// Sleeps until the core says that the wait is over.
fn wait_for_room<'a, T: Send + 'static>(
    shared: &'a Arc<Shared<T>>,
    mut core: LockedCore<'a, T>,
    ticket: WaitTicket,
    condvar: Arc<Condvar>,
    options: &SubmitOptions<'_>,
) -> (LockedCore<'a, T>, Waited<T>) {
    let waker = {
        let (shared, condvar) = (shared.clone(), condvar.clone());
        move || {
            // Once the lock was free, the submitter has either seen why it is woken or sleeps.
            drop(shared.core.lock());
            condvar.notify_one();
        }
    };
    let _registration = options.token.map(|token| token.listen(StdArc::new(waker.clone())));
    let sleeper = identity::sleeper();
    if let Some(sleeper) = &sleeper {
        waits::set_alarm(sleeper.key(), waker.clone());
    }
    let deadline = options.on_full.deadline();
    let tell_by = Instant::now().checked_add(TELL_WITHIN);
    let mut woken = Woken::Notified;
    let mut to_notify = ToNotify::new();
    let waited = loop {
        let waiting = core.go_on_waiting(ticket, options, woken, &mut to_notify);
        let unlocked = !to_notify.is_empty();
        if unlocked {
            drop(core);
            notify_each(to_notify.drain(..));
            core = shared.core.lock();
        }
        let wake_by = match waiting {
            // Something may have happened meanwhile.
            Waiting::Sleep { .. } if unlocked => {
                woken = Woken::Notified;
                continue;
            }
            Waiting::MakeWorker(reservation) => {
                (core, woken) = make_good(shared, core, ticket, reservation, sleeper.as_ref(), &waker);
                continue;
            }
            Waiting::Sleep { eager: true } => deadline,
            Waiting::Sleep { eager: false } => earlier(deadline, tell_by),
            Waiting::Over(waited) => break waited,
        };
        let late;
        (core, late) = match wake_by {
            Some(at) => condvar.wait_until(core, at),
            None => (condvar.wait(core), false),
        };
        woken = match late {
            false => Woken::Notified,
            true if wake_by == deadline => Woken::TimedOut,
            true => Woken::Untold,
        };
    };
    core.return_condvar(condvar);
    (core, waited)
}

/// Makes a worker in place of one that did not come to be, for the line; its submitter is noted as sleeping again after
/// it.
fn make_good<'a, T: Send + 'static>(
    shared: &'a Arc<Shared<T>>,
    core: LockedCore<'a, T>,
    ticket: WaitTicket,
    reservation: Option<Reservation>,
    sleeper: Option<&Sleeper>,
    waker: &(impl Fn() + Clone + Send + Sync + 'static),
) -> (LockedCore<'a, T>, Woken) {
    drop(core);
    // Whoever comes serves the line; why nobody does is told to those who ask anew.
    drop(reservation.map(|reservation| begin_worker(shared, reservation)));
    let mut core = shared.core.lock();
    let Some(sleeper) = sleeper else { return (core, Woken::Notified) };
    let noted = core.sleep_in_line(ticket, sleeper);
    waits::set_alarm(sleeper.key(), waker.clone());
    let woken = if noted.is_ok() { Woken::Notified } else { Woken::WouldDeadlock };
    (core, woken)
}

/// Tells whom a refusal concerns, unless that is left to the caller.
#[cold]
fn refuse<T: Send + 'static>(
    shared: &Shared<T>,
    core: LockedCore<'_, T>,
    options: &SubmitOptions<'_>,
    refusal: Refusal,
    item: Option<Item<T>>,
    mut progress: Progress<'_>,
) -> Result<(), SubmitError<T>> {
    let item = item.expect("what is refused was not taken");
    shared.core.unlock_and_notify(core);
    if !options.quiet {
        tell_refusal(shared, refusal);
    }
    let is_why = progress.start_error.as_ref().is_some_and(|error| error.refusal() == refusal);
    let cause = if is_why { progress.start_error.take() } else { None };
    Err(SubmitError::new(refusal, item.payload, cause))
}

/// Makes up for what a quiet refusal left out.
pub(crate) fn note_refusal<T>(shared: &Shared<T>, refusal: Refusal) {
    shared.core.lock().count_refusal();
    tell_refusal(shared, refusal);
}

fn tell_refusal<T>(shared: &Shared<T>, refusal: Refusal) {
    telemetry::submission_refused(&shared.settings.threads.name, refusal);
    if let Some(hook) = &shared.settings.hooks.on_refusal {
        contain(|| hook(refusal));
    }
}

/// Runs a payload on the submitter.
fn run_here<T>(shared: &Shared<T>, payload: T) {
    let Handler::Shared(handler) = &shared.handler else { unreachable!("refused when the pool was built") };
    if let Err(value) = catch(|| handler(payload)) {
        shared.report_panic(value);
    }
}

/// Hands over payloads in their order, as many in one critical section as go without waiting.
pub(crate) fn place_many<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    payloads: Vec<T>,
    options: SubmitOptions<'_>,
) -> Result<usize, SubmitManyError<T>> {
    let tracking = shared.settings.hooks.tracking;
    let mut accepted = 0;
    let mut payloads = payloads.into_iter();
    let (mut orders, mut arrivals) = (Vec::new(), Vec::new());
    loop {
        let since = shared.stamp();
        let mut core = shared.core.lock();
        let next = payloads.by_ref().take(AT_A_TIME).inspect(|payload| {
            if let Some(tracking) = tracking {
                arrivals.push((tracking.departs)(payload));
            }
        });
        let (count, left_over) =
            core.admit_many(next, since, options.priority, identity::sleeper, &mut orders);
        drop(core);
        accepted += count;
        arrivals.drain(..).take(count).for_each(|mut arrival| shared.tell(&mut arrival));
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
        if let Err(error) = place(shared, payload, options) {
            let refusal = error.refusal();
            let rest = std::iter::once(error.into_payload()).chain(payloads).collect();
            return Err(SubmitManyError { accepted, refusal, rest });
        }
        accepted += 1;
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use crate::config::WorkerPoolBuilder;
    use crate::error::{Refusal, SubmitError};
    use crate::panic::tests::error_that_panics_on_drop;
    use crate::pool::WorkerPool;

    /// A pool whose second thread is refused, with an error whose drop panics. Payload 0 waits at the barrier.
    fn pool_of_one(builder: WorkerPoolBuilder<u8>, gate: &Arc<Barrier>) -> WorkerPool<u8> {
        let (gate, threads) = (gate.clone(), AtomicUsize::new(0));
        builder
            .max_workers(2)
            .spawner(move |thread| match threads.fetch_add(1, Ordering::SeqCst) {
                0 => thread.spawn(),
                _ => Err(error_that_panics_on_drop()),
            })
            .build(move |payload| {
                if payload == 0 {
                    gate.wait();
                }
            })
            .unwrap()
    }

    #[test]
    fn an_accepted_submission_survives_the_drop_of_a_spawners_error() {
        let gate = Arc::new(Barrier::new(2));
        let pool = pool_of_one(WorkerPool::builder().queue_capacity(1), &gate);
        pool.submit(0).unwrap();
        pool.submit(1).unwrap();
        gate.wait();
        pool.stop();
        pool.wait().unwrap();
        assert_eq!(pool.stats().finished, 2);
    }

    #[test]
    fn a_payload_refused_for_another_reason_comes_back_past_a_spawners_error() {
        let gate = Arc::new(Barrier::new(2));
        let pool = pool_of_one(WorkerPool::builder().max_blocking(0), &gate);
        pool.submit(0).unwrap();
        match pool.submit(1) {
            Err(SubmitError::Overload(payload)) => assert_eq!(payload, 1),
            other => panic!("{other:?}"),
        }
        gate.wait();
    }

    #[test]
    fn the_payload_is_taken_out_of_a_spawners_error() {
        let pool =
            WorkerPool::builder().spawner(|_| Err(error_that_panics_on_drop())).build(|_: u8| {}).unwrap();
        let error = pool.submit_many(vec![1, 2, 3]).unwrap_err();
        assert_eq!((error.accepted, error.refusal), (0, Refusal::SpawnFailed));
        assert_eq!(error.rest, [1, 2, 3]);
        assert_eq!(pool.submit(4).unwrap_err().into_payload(), 4);
    }
}
