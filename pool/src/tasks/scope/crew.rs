//! A scope's tasks: its own queue, the tickets that bring the pool's workers to it, and the owner's wait for the end.
//!
//! A ticket carries no task: it comes to the queue and takes what is there. So it does not matter whether the pool
//! accepts a ticket, runs it late or drops it: the owner runs what no worker has taken. No pool, however full or
//! stopped, makes a scope wait for anything but its own running tasks.
//!
//! Tickets are submitted in the *background*: a pool without room keeps them until a worker would go idle otherwise. More of
//! them than there can be workers would be of no use, so no more are ever under way; a worker that has come stays until no
//! more jobs wait than tickets are to come. So as long as the pool takes tickets and drops none, *what waits has a ticket to
//! come or a worker that will look at the queue again*.
//!
//! The promise of [`settle`](Crew::settle), which borrowing rests on: *when it returns, every job ever added has been
//! run to its end, its captures dropped*. A job is in the queue, or its runner among the `runners`, from `add` until
//! after it has ended, and `settle` returns only when it sees both empty in one critical section.
//!
//! An owner that is a worker is noted as [sleeping](crate::waits) for one of the runners at a time: it cannot go on before
//! that one has ended, and is noted for the next one then. Whoever wakes the owner notes it as awake first.

use std::collections::VecDeque;

use crate::error::SubmitError;
use crate::panic::{PanicValue, catch, drop_quietly};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard};
use crate::tasks::job::Job;
use crate::tasks::task::{Task, TaskPool};
use crate::threads::identity;
use crate::waits::{self, Alarm, ForEver, Sleeper, TaskRunner, Wait, WayOut, WorkerKey};

pub(in crate::tasks) struct Crew {
    /// The most tickets under way at a time, if there is a limit.
    most_tickets: Option<usize>,
    state: Mutex<CrewState>,
    /// Only the owner sleeps on it.
    changed: Condvar,
}

struct CrewState {
    queue: VecDeque<Job<()>>,
    /// Who runs jobs that have been taken and have not ended.
    runners: Vec<TaskRunner>,
    /// Tickets that have not come yet.
    expected: usize,
    owner_waits: bool,
    /// The owner while it is noted as sleeping, and for whom it sleeps.
    sleeper: Option<(WorkerKey, TaskRunner)>,
    /// Of the first job that panicked.
    panic: Option<PanicValue>,
}

impl Crew {
    pub(in crate::tasks) fn new(pool: &TaskPool) -> Arc<Self> {
        let most_tickets = pool.capacity();
        let state = CrewState {
            queue: VecDeque::new(),
            runners: Vec::new(),
            expected: 0,
            owner_waits: false,
            sleeper: None,
            panic: None,
        };
        Arc::new(Crew { most_tickets, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Queues a job, and submits a ticket if there may be one more.
    pub(in crate::tasks) fn add(crew: &Arc<Crew>, pool: &TaskPool, job: Job<()>) {
        let mut state = crew.state.lock();
        state.queue.push_back(job);
        let calls_help = crew.most_tickets.is_none_or(|most| state.expected < most);
        state.expected += usize::from(calls_help);
        let wake = state.wake_owner();
        drop(state);
        if wake {
            crew.changed.notify_one();
        }
        if calls_help {
            let ticket = HelpTicket { crew: crew.clone() };
            // A refusal is no harm; the ticket is dropped then, and not expected any more.
            let answer = pool.submit_in_background(Task::new(move || ticket.run()));
            drop(answer.map_err(SubmitError::into_payload));
        }
    }

    /// A job has panicked, and nobody else is told of it.
    pub(super) fn note_panic(&self, value: PanicValue) {
        let mut panic = Some(value);
        let mut state = self.state.lock();
        if state.panic.is_none() {
            state.panic = panic.take();
        }
        drop(state);
        drop_quietly(panic);
    }

    /// Runs what nobody has started, and waits for the rest. Returns what the first panic was raised with.
    pub(super) fn settle(&self) -> Option<PanicValue> {
        let me = identity::sleeper();
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                state = self.run(state, job);
                continue;
            }
            let Some(&runner) = state.runners.first() else { return state.panic.take() };
            let alarm = me.as_ref().and_then(|me| state.note_sleeper(me, runner));
            if alarm.is_some() {
                drop(state);
                waits::ring(alarm);
                state = self.state.lock();
                continue;
            }
            state.owner_waits = true;
            state = self.changed.wait(state);
            state.owner_waits = false;
        }
    }

    /// A worker's part: one job for its ticket, and more as long as more jobs wait than tickets are to come.
    fn help(&self) {
        let mut state = self.state.lock();
        while let Some(job) = state.queue.pop_front() {
            state = self.run(state, job);
            if state.queue.len() <= state.expected {
                break;
            }
        }
        let wake = state.runners.is_empty() && state.wake_owner();
        drop(state);
        if wake {
            self.changed.notify_one();
        }
    }

    /// Runs a job that was just taken from the queue; it counts as running until its captures are gone.
    fn run<'a>(&'a self, mut state: MutexGuard<'a, CrewState>, job: Job<()>) -> MutexGuard<'a, CrewState> {
        let runner = identity::runner();
        state.runners.push(runner);
        drop(state);
        if let Err(value) = catch(|| job.run()) {
            self.note_panic(value);
        }
        let mut state = self.state.lock();
        let alarm = state.has_ended(runner);
        if alarm.is_some() {
            drop(state);
            waits::ring(alarm);
            state = self.state.lock();
        }
        state
    }
}

impl CrewState {
    /// Notes that the owner sleeps for this runner, unless it is noted already. An alarm is to be rung before it sleeps.
    fn note_sleeper(&mut self, me: &Sleeper, runner: TaskRunner) -> Option<Alarm> {
        if self.sleeper.is_some() {
            return None;
        }
        match waits::fall_asleep(me, Wait::Run(runner), WayOut::Nothing) {
            Ok(alarm) => {
                self.sleeper = Some((me.key(), runner));
                alarm
            }
            Err(ForEver) => unreachable!("it has no way out"),
        }
    }

    /// A job has ended. If the owner slept for this runner, it sleeps for the next; somebody may have to be roused then.
    fn has_ended(&mut self, runner: TaskRunner) -> Option<Alarm> {
        if let Some(place) = self.runners.iter().position(|other| *other == runner) {
            self.runners.swap_remove(place);
        }
        let (owner, slept_for) = self.sleeper?;
        let next = *self.runners.first()?;
        if slept_for != runner {
            return None;
        }
        self.sleeper = Some((owner, next));
        waits::sleep_on(owner, Wait::Run(next), WayOut::Nothing)
    }

    /// True when the owner sleeps, and is to be woken; it does not count as one that sleeps any more.
    fn wake_owner(&mut self) -> bool {
        if let Some((owner, _)) = self.sleeper.take() {
            waits::wake(owner);
        }
        self.owner_waits
    }
}

/// What the pool gets; 'static, and harmless after the scope's end.
struct HelpTicket {
    crew: Arc<Crew>,
}

impl HelpTicket {
    fn run(self) {
        let crew = self.crew.clone();
        drop(self);
        crew.help();
    }
}

impl Drop for HelpTicket {
    fn drop(&mut self) {
        self.crew.state.lock().expected -= 1;
    }
}
