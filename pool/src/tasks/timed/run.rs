//! A task that runs at instants: one run after the other, never two at a time, until there is no next one.
//!
//! Between two runs it lies in its state, and a ticket for it is on the pool's agenda or on its way to a worker;
//! whoever runs the ticket takes it out, so a cancellation finds either it or a run under way. A ticket that is dropped
//! unrun (the pool was stopped, or discarded it) is a run that was passed over. The lock is never held while the user's
//! code runs, while something is submitted, or while anything of the user's is dropped.

use std::panic::resume_unwind;

use crate::config::Arrival;
use crate::core::{AgendaKey, Era, Planned, Priority};
use crate::error::SubmitError;
use crate::panic::{PanicValue, drop_quietly};
use crate::pool::timer::Timer;
use crate::sync::{Instant, Mutex, StdArc};
use crate::tasks::canceller::EndsEarly;
use crate::tasks::cell::TaskResult;
use crate::tasks::error::TaskError;
use crate::tasks::task::Task;
use crate::waits::{self, Alarm, PoolKey};

/// What is to be done at its instants.
pub(super) trait Recurrence: Send + 'static {
    /// Runs, and says when to run next, if ever; a panic of the user's code comes back.
    fn run(&mut self, due: Instant, timer: &Timer<Task>) -> (Option<Instant>, Result<(), PanicValue>);

    /// Was not run; when to run next, if ever.
    fn passed_over(&mut self, due: Instant, now: Instant) -> Option<Instant>;

    /// True when somebody may wait for it, who is to know that a run [lies with the pool](Self::lies_with).
    const IS_AWAITED: bool = false;

    /// The next run is this pool's to begin from now on. An alarm is to be rung.
    #[must_use = "somebody may have to be roused"]
    fn lies_with(&self, _: PoolKey) -> Option<Alarm> {
        None
    }
}

pub(super) struct TimedTask<C: Recurrence> {
    timer: Timer<Task>,
    /// A stop ends it.
    era: Era,
    priority: Priority,
    state: Mutex<TimedState<C>>,
}

struct TimedState<C> {
    /// None while it runs, and when it has ended.
    body: Option<C>,
    /// Nothing runs any more once the present run, if there is one, has ended.
    ended: bool,
    /// When the run is due that the ticket is for.
    due: Instant,
    /// How many runs have begun or were passed over.
    runs: u64,
    /// The ticket's place on the agenda; none when it was submitted already.
    key: Option<AgendaKey>,
}

impl<C: Recurrence> TimedTask<C> {
    /// A task whose first run is due at an instant. A refusal is neither counted nor told.
    pub(super) fn start(
        timer: Timer<Task>,
        era: Era,
        body: C,
        due: Instant,
        priority: Priority,
    ) -> Result<StdArc<Self>, SubmitError<C>> {
        let task = TimedTask::new(timer, era, body, due, priority);
        match task.arm(due) {
            Ok(()) => Ok(task),
            Err(refusal) => Err(refusal.map(|ticket| task.take_back(ticket))),
        }
    }

    pub(super) fn new(
        timer: Timer<Task>,
        era: Era,
        body: C,
        due: Instant,
        priority: Priority,
    ) -> StdArc<Self> {
        let state = TimedState { body: Some(body), ended: false, due, runs: 0, key: None };
        StdArc::new(TimedTask { timer, era, priority, state: Mutex::new(state) })
    }

    /// What the pool gets.
    pub(super) fn ticket(self: &StdArc<Self>) -> Task {
        let ticket = Ticket { task: Some(self.clone()) };
        Task::new(move || ticket.run())
    }

    /// The body, of a ticket that was refused.
    pub(super) fn take_back(&self, ticket: Task) -> C {
        // Before the ticket is dropped, which would take this for a run that was passed over.
        let body = self.state.lock().body.take();
        drop(ticket);
        body.expect("what was refused was not run")
    }

    /// Has the next run come at `due`. The body lies in the state.
    fn arm(self: &StdArc<Self>, due: Instant) -> Result<(), SubmitError<Task>> {
        let mut state = self.state.lock();
        state.due = due;
        let runs = state.runs;
        drop(state);
        let arrival = C::IS_AWAITED.then(|| {
            let task = self.clone();
            Box::new(move |pool| task.has_arrived(runs, pool)) as Arrival
        });
        let planned = Planned { payload: self.ticket(), priority: self.priority, arrival };
        let key = self.timer.schedule(due, planned, self.era)?;
        let mut state = self.state.lock();
        let cancelled = state.ended;
        // By now that run may have come, and others after it.
        if !cancelled && state.runs == runs {
            state.key = key;
        }
        drop(state);
        if let (true, Some(key)) = (cancelled, key) {
            let ticket = self.timer.strike(key);
            drop_quietly(ticket);
        }
        Ok(())
    }

    /// The ticket for the run after so many others lies with the pool.
    fn has_arrived(&self, runs: u64, pool: PoolKey) {
        let state = self.state.lock();
        let body = state.body.as_ref().filter(|_| state.runs == runs);
        let alarm = body.and_then(|body| body.lies_with(pool));
        drop(state);
        waits::ring(alarm);
    }

    /// A run begins, or is passed over: the body, and when it was due; none once it was cancelled.
    fn begin(&self) -> Option<(C, Instant)> {
        let mut state = self.state.lock();
        let body = state.body.take()?;
        state.runs += 1;
        state.key = None;
        Some((body, state.due))
    }

    /// That run is over.
    fn go_on(self: &StdArc<Self>, body: C, next: Option<Instant>) {
        let mut state = self.state.lock();
        let Some(next) = next.filter(|_| !state.ended) else {
            state.ended = true;
            drop(state);
            drop_quietly(body);
            return;
        };
        state.body = Some(body);
        drop(state);
        if let Err(refusal) = self.arm(next) {
            let mut state = self.state.lock();
            state.ended = true;
            // None if it was cancelled meanwhile.
            let body = state.body.take();
            drop(state);
            drop_quietly(body);
            drop_quietly(refusal);
        }
    }

    fn run(self: &StdArc<Self>) {
        let Some((mut body, due)) = self.begin() else { return };
        let (next, outcome) = body.run(due, &self.timer);
        self.go_on(body, next);
        if let Err(value) = outcome {
            resume_unwind(value);
        }
    }

    fn pass_over(self: &StdArc<Self>) {
        let Some((mut body, due)) = self.begin() else { return };
        let next = body.passed_over(due, self.timer.now());
        self.go_on(body, next);
    }
}

/// One run of a task, as a payload.
struct Ticket<C: Recurrence> {
    task: Option<StdArc<TimedTask<C>>>,
}

impl<C: Recurrence> Ticket<C> {
    fn run(mut self) {
        if let Some(task) = self.task.take() {
            task.run();
        }
    }
}

impl<C: Recurrence> Drop for Ticket<C> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.pass_over();
        }
    }
}

/// The value of a panic of which nobody wants to know, for the pool; an outcome that nobody wants is dropped.
pub(super) fn unclaimed_panic<R>(unclaimed: Option<TaskResult<R>>) -> Result<(), PanicValue> {
    match unclaimed {
        Some(Err(TaskError::Panicked(panic))) => Err(panic.into_value()),
        unclaimed => {
            drop_quietly(unclaimed);
            Ok(())
        }
    }
}

/// A task at instants, as its handle sees it.
pub(super) trait Timed: Send + Sync {
    /// No run begins any more; true when this call is the reason.
    fn cancel(&self) -> bool;
    fn has_ended(&self) -> bool;
}

impl<C: Recurrence> Timed for TimedTask<C> {
    fn cancel(&self) -> bool {
        let mut state = self.state.lock();
        let is_new = !state.ended;
        state.ended = true;
        let (body, key) = (state.body.take(), state.key.take());
        drop(state);
        drop_quietly(body);
        if let Some(key) = key {
            let ticket = self.timer.strike(key);
            drop_quietly(ticket);
        }
        is_new
    }

    fn has_ended(&self) -> bool {
        self.state.lock().ended
    }
}

impl<C: Recurrence> EndsEarly for TimedTask<C> {
    fn end_early(&self) {
        Timed::cancel(self);
    }
}
