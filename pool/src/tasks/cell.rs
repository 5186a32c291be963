//! A closure that waits to be run, and what became of it: the state that a handle and the pool's ticket share.
//!
//! The closure lies in the shared state until somebody starts it, so whoever comes first gets it: the worker that runs
//! the ticket, a `join` on a worker, a `cancel`, or the drop of a ticket that never ran. Each takes it out under the
//! lock, so exactly one of them does; all user code (the closure, drops, wakers) runs outside of the lock.
//!
//! A worker that waits is noted as [sleeping](crate::waits) by itself, under the cell's lock, and is noted as awake
//! under the same lock by whoever ends the task: so no moment is there in which a task has ended and its waiter still
//! counts as one that sleeps for it.
//!
//! Every way out of waiting ends in [`end`](OutcomeCell::end), which tells whoever waits. So nobody waits for ever as
//! long as the pool runs or drops what it accepted.

use std::mem::replace;
use std::task::{Poll, Waker};

use super::error::{TaskError, TaskPanic};
use super::stored_closure::StoredClosure;
use crate::panic::{catch, contain, drop_each_quietly, drop_quietly};
use crate::sync::{Arc, Condvar, Instant, Mutex, MutexGuard};
use crate::threads::identity::{self, PoolIdentity};
use crate::waits::{self, Alarm, PoolKey, Sleeper, StayAwake, TaskRunner, Wait, WayOut};

pub(super) type TaskResult<R> = Result<R, TaskError>;

/// The cell of a closure that borrows nothing, whatever its type.
pub(super) type TaskCell<R> = OutcomeCell<R, StoredClosure<R>>;

/// What waits in a cell to be run.
pub(super) trait Work<R> {
    fn run(self) -> R;
}

impl<R> Work<R> for StoredClosure<R> {
    fn run(self) -> R {
        StoredClosure::run(self)
    }
}

impl<R, F: FnOnce() -> R> Work<R> for F {
    fn run(self) -> R {
        self()
    }
}

pub(super) struct OutcomeCell<R, W> {
    state: Mutex<CellState<R, W>>,
    ended: Condvar,
}

struct CellState<R, W> {
    stage: Stage<R, W>,
    /// Of the task that awaits the handle; there is only one handle.
    waker: Option<Waker>,
    /// Nobody will ask for the outcome.
    abandoned: bool,
    sleeper: Option<CellSleeper>,
}

/// A worker that is noted as sleeping for this task; it sleeps on its bell.
struct CellSleeper {
    worker: Sleeper,
    /// What it does when the task, which it cannot run, waits for it.
    way_out: WayOut,
}

/// Who is to begin work that lies elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum Promise {
    /// A timer, or whoever holds it: what these wait for is not seen, so they count as moving.
    Unseen,
    /// The same, while it is handed to a pool.
    UnderWay,
    /// Any worker of this pool that comes free.
    Pool(PoolKey),
    /// This one is about it, and may have to leave it for later.
    Runner(TaskRunner),
}

/// How waiting for a task ended.
pub(super) enum JoinOutcome<R> {
    Ended(TaskResult<R>),
    /// The time was up first.
    Late,
    /// The task waits for the worker that wanted to wait for it, if only in the end.
    ForEver,
}

enum Stage<R, W> {
    Waiting(W),
    /// The work lies elsewhere, and has not been done.
    Elsewhere(Promise),
    /// The closure is being run, or being dropped unrun.
    Running(TaskRunner),
    Ended(TaskResult<R>),
    /// The outcome was given to somebody, or to nobody.
    Taken,
}

impl<R, W: Work<R>> OutcomeCell<R, W> {
    pub(super) fn new(work: W) -> Arc<Self> {
        Arc::new(OutcomeCell::of(Stage::Waiting(work)))
    }

    /// One that is not shared yet, for a caller that shares it in another way.
    pub(super) fn unshared(work: W) -> Self {
        OutcomeCell::of(Stage::Waiting(work))
    }

    /// The cell of work that lies elsewhere: whoever has it asks [`begin`](Self::begin) first, and
    /// [concludes](Self::conclude).
    pub(super) fn of_work_elsewhere(promise: Promise) -> Arc<Self> {
        Arc::new(OutcomeCell::of(Stage::Elsewhere(promise)))
    }

    /// Work that lies elsewhere is somebody else's to begin from now on. An alarm is to be rung.
    #[must_use = "somebody may have to be roused"]
    pub(super) fn entrust(&self, promise: Promise) -> Option<Alarm> {
        self.state.lock().entrust(promise)
    }

    /// The pool has taken what was [on its way](Promise::UnderWay) to it, unless somebody has it again.
    #[must_use = "somebody may have to be roused"]
    pub(super) fn has_arrived(&self, pool: PoolKey) -> Option<Alarm> {
        let mut state = self.state.lock();
        let is_under_way = matches!(state.stage, Stage::Elsewhere(Promise::UnderWay));
        if is_under_way { state.entrust(Promise::Pool(pool)) } else { None }
    }

    fn of(stage: Stage<R, W>) -> Self {
        let state = CellState { stage, waker: None, abandoned: false, sleeper: None };
        OutcomeCell { state: Mutex::new(state), ended: Condvar::new() }
    }

    /// Runs the closure here and now, unless it was started or will never be. `note` sees how it ended before anybody
    /// else does. True when it was run here.
    ///
    /// A panic that nobody can ask for any more goes on to the caller.
    pub(super) fn start(&self, note: impl FnOnce(&TaskResult<R>)) -> bool {
        let mut state = self.state.lock();
        if !matches!(state.stage, Stage::Waiting(_)) {
            return false;
        }
        let Some(Some(job)) = state.begin() else { return false };
        drop(state);
        let outcome = catch(|| job.run()).map_err(|value| TaskError::Panicked(TaskPanic::new(value)));
        note(&outcome);
        match self.conclude(outcome) {
            Some(Err(TaskError::Panicked(panic))) => panic.resume(),
            unclaimed => drop(unclaimed),
        }
        true
    }

    /// Work that lies elsewhere is about to be done; not if this is false, because nobody wants it any more.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.state.lock();
        let may_begin = matches!(state.stage, Stage::Elsewhere(_));
        may_begin && state.begin().is_some()
    }

    /// What has begun has ended like this; returns it when nobody will ask.
    pub(super) fn conclude(&self, outcome: TaskResult<R>) -> Option<TaskResult<R>> {
        self.end(self.state.lock(), outcome)
    }

    /// Ends it with this error unless it was started; the closure is dropped first. True when it was not started.
    pub(super) fn forestall(&self, error: TaskError) -> bool {
        let Some(job) = self.state.lock().begin() else { return false };
        // Before anybody is told: what it captured is gone by then.
        drop_quietly(job);
        let unclaimed = self.end(self.state.lock(), Err(error));
        drop_quietly(unclaimed);
        true
    }

    /// The closure, unless it was started; there is no outcome then.
    pub(super) fn withdraw(&self) -> Option<W> {
        self.state.lock().withdraw(Stage::Taken)?
    }

    /// True while the closure lies here.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state.lock().stage, Stage::Waiting(_))
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state.lock().stage, Stage::Ended(_) | Stage::Taken)
    }

    /// The outcome, if it is known.
    ///
    /// # Panics
    /// When it was taken before.
    pub(super) fn take(&self) -> Option<TaskResult<R>> {
        self.state.lock().take()
    }

    /// Waits for the outcome, until `deadline` if there is one. A worker that would sleep for ever for a task that lies
    /// here runs it by `help`; for one that it cannot run its way out is `refusal`, if its time is not limited. `pool`
    /// is where the task was spawned; to be known unless it has begun.
    ///
    /// # Panics
    /// When the outcome was taken before.
    pub(super) fn wait(
        &self,
        pool: Option<PoolIdentity>,
        deadline: Option<Instant>,
        refusal: WayOut,
        help: impl Fn(),
    ) -> JoinOutcome<R> {
        let worker = identity::sleeper();
        let way_out = if deadline.is_some() { WayOut::Limit } else { refusal };
        let mut state = self.state.lock();
        let mut late = false;
        loop {
            if let Some(outcome) = state.take() {
                return JoinOutcome::Ended(outcome);
            }
            if late {
                drop(state.wake_sleeper());
                return JoinOutcome::Late;
            }
            let Some(worker) = &worker else {
                (state, late) = match deadline {
                    Some(deadline) => self.ended.wait_until(state, deadline),
                    None => (self.ended.wait(state), false),
                };
                continue;
            };
            let noted = state.note_sleeper(worker, pool, way_out);
            let may_help = matches!(state.stage, Stage::Waiting(_));
            drop(state);
            match noted {
                Ok(()) => late = worker.sleep(deadline),
                Err(StayAwake::Ring(alarm)) => waits::ring(alarm),
                Err(StayAwake::ForEver) if may_help => help(),
                Err(StayAwake::ForEver) => return JoinOutcome::ForEver,
            }
            state = self.state.lock();
        }
    }

    /// The outcome, if it is known; else `waker` will be woken once it is.
    ///
    /// # Panics
    /// When it was taken before.
    pub(super) fn poll(&self, waker: &Waker) -> Poll<TaskResult<R>> {
        // Cloning and dropping wakers is foreign code. A clone that panics has changed nothing here; after that the
        // outcome may be in our hands, which a drop that panics must not take along.
        let mut waker = Some(waker.clone());
        let mut state = self.state.lock();
        let (answer, last) = match state.take() {
            Some(outcome) => (Poll::Ready(outcome), state.waker.take()),
            None => (Poll::Pending, replace(&mut state.waker, waker.take())),
        };
        drop(state);
        drop_each_quietly([waker, last]);
        answer
    }

    /// Nobody will ask for the outcome: one that is there is dropped, one to come is given to whoever runs the closure.
    pub(super) fn abandon(&self) {
        drop_quietly(self.renounce());
    }

    /// As [`abandon`](Self::abandon), with the outcome if it is there.
    pub(super) fn renounce(&self) -> Option<TaskResult<R>> {
        let mut state = self.state.lock();
        state.abandoned = true;
        let waker = state.waker.take();
        let outcome = match replace(&mut state.stage, Stage::Taken) {
            Stage::Ended(outcome) => Some(outcome),
            other => {
                state.stage = other;
                None
            }
        };
        drop(state);
        drop_quietly(waker);
        outcome
    }

    /// Makes the outcome known; returns it when nobody will ask.
    fn end(
        &self,
        mut state: MutexGuard<'_, CellState<R, W>>,
        outcome: TaskResult<R>,
    ) -> Option<TaskResult<R>> {
        if state.abandoned {
            state.stage = Stage::Taken;
            return Some(outcome);
        }
        state.stage = Stage::Ended(outcome);
        let waker = state.waker.take();
        let sleeper = state.wake_sleeper();
        drop(state);
        match sleeper {
            Some(sleeper) => sleeper.worker.ring(),
            None => self.ended.notify_all(),
        }
        if let Some(waker) = waker {
            // Nobody's panic: the task has ended, and not by it.
            contain(|| waker.wake());
        }
        None
    }
}

impl Promise {
    /// What whoever sleeps for the work waits for.
    fn wait(self) -> Wait {
        match self {
            Promise::Unseen | Promise::UnderWay => Wait::Run(TaskRunner::Outside),
            Promise::Pool(pool) => Wait::Free(pool),
            Promise::Runner(runner) => Wait::Run(runner),
        }
    }
}

impl<R, W> CellState<R, W> {
    /// Takes the closure out, if it lies here, to be run or dropped by the calling thread; nothing once the work has
    /// begun.
    fn begin(&mut self) -> Option<Option<W>> {
        let runner = identity::runner();
        let work = self.withdraw(Stage::Running(runner))?;
        let alarm = self.sleep_on(Wait::Run(runner));
        debug_assert!(alarm.is_none(), "this thread moves");
        Some(work)
    }

    fn entrust(&mut self, promise: Promise) -> Option<Alarm> {
        let Stage::Elsewhere(last) = &mut self.stage else { return None };
        *last = promise;
        self.sleep_on(promise.wait())
    }

    /// Whoever sleeps for this task waits for something else from now on.
    fn sleep_on(&self, wait: Wait) -> Option<Alarm> {
        let sleeper = self.sleeper.as_ref()?;
        waits::sleep_on(sleeper.worker.key(), wait, sleeper.way_out)
    }

    /// Notes that a worker sleeps for this task, unless it is noted already.
    fn note_sleeper(
        &mut self,
        worker: &Sleeper,
        pool: Option<PoolIdentity>,
        way_out: WayOut,
    ) -> Result<(), StayAwake> {
        if let Some(sleeper) = &self.sleeper {
            if !waits::is_roused(sleeper.worker.key()) {
                return Ok(());
            }
            // Somebody may have begun the task meanwhile: it is found out by falling asleep anew.
            drop(self.wake_sleeper());
        }
        // Only for what has begun nobody says where it was spawned.
        let free = pool.map_or(Wait::Run(TaskRunner::Outside), |pool| Wait::Free(pool.key()));
        let (wait, now) = match self.stage {
            Stage::Waiting(_) => (free, WayOut::Help),
            Stage::Elsewhere(promise) => (promise.wait(), way_out),
            Stage::Running(runner) => (Wait::Run(runner), way_out),
            Stage::Ended(_) | Stage::Taken => return Ok(()),
        };
        waits::fall_asleep(worker, wait, now)?;
        self.sleeper = Some(CellSleeper { worker: worker.clone(), way_out });
        Ok(())
    }

    /// Notes that whoever sleeps for this task does no more; it is to be rung for.
    fn wake_sleeper(&mut self) -> Option<CellSleeper> {
        let sleeper = self.sleeper.take()?;
        waits::wake(sleeper.worker.key());
        Some(sleeper)
    }

    /// Takes the closure out, if it lies here, and goes on to `next`; nothing once the work has begun.
    fn withdraw(&mut self, next: Stage<R, W>) -> Option<Option<W>> {
        match replace(&mut self.stage, next) {
            Stage::Waiting(work) => Some(Some(work)),
            Stage::Elsewhere(_) => Some(None),
            other => {
                self.stage = other;
                None
            }
        }
    }

    fn take(&mut self) -> Option<TaskResult<R>> {
        match replace(&mut self.stage, Stage::Taken) {
            Stage::Ended(outcome) => Some(outcome),
            Stage::Taken => panic!("the result of this task was taken before"),
            other => {
                self.stage = other;
                None
            }
        }
    }
}
