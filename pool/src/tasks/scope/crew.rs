//! A scope's tasks: its own queue, the tickets that bring the pool's workers to it, and the owner's wait for the end.
//!
//! A ticket carries no task: it comes to the queue and takes what is there. So it does not matter whether the pool
//! accepts a ticket, runs it late or drops it: the owner runs what no worker has taken. No pool, however full or
//! stopped, makes a scope wait for anything but its own running tasks.
//!
//! Tickets are submitted in the *background*: a pool without room keeps them until a worker would go idle otherwise.
//! More of them than there can be workers would be of no use, so no more are ever under way; a worker that has come
//! stays until no more jobs wait than tickets are to come. So as long as the pool takes tickets and drops none, *what
//! waits has a ticket to come or a worker that will look at the queue again*, or one that looks after it:
//!
//! Jobs that compute are done soonest by as many workers as there are cores, and jobs that block by as many as there
//! are jobs; which these are nobody says. So beyond a worker for each core one more comes as the *watcher*. It runs
//! nothing, and looks every millisecond how many jobs have ended: if they take long, it calls as many workers again as
//! there are, and so on; and helps itself where no more may come.
//!
//! The promise of [`settle`](Crew::settle), which borrowing rests on: *when it returns, every job ever added has been
//! run to its end, its captures dropped*. A job is in the queue, or its runner among the `runners`, from `add` until
//! after it has ended, and `settle` returns only when it sees both empty in one critical section.
//!
//! An owner that is a worker is noted as [sleeping](crate::waits) for one of the runners at a time: it cannot go on
//! before that one has ended, and is noted for the next one then. Whoever wakes the owner notes it as awake first.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::SubmitError;
use crate::panic::{PanicValue, catch, drop_quietly};
use crate::sync::{Arc, Condvar, Instant, Mutex, MutexGuard, parallelism};
use crate::tasks::stored_closure::StoredClosure;
use crate::tasks::task::{Task, TaskPool};
use crate::threads::identity;
use crate::waits::{self, Alarm, Sleeper, StayAwake, TaskRunner, Wait, WayOut, WorkerKey};

/// How long the watcher sleeps between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// Fewer jobs than this in a look for each of those who help, twice in a row, are jobs that take long. A thread costs
/// some 50 us to make, so for jobs of 250 us one more is not dear, even if all of them compute.
const FEW: u64 = 4;

pub(in crate::tasks) struct Crew {
    /// The most tickets under way at a time, if there is a limit.
    most_tickets: Option<usize>,
    /// How many workers are called before anybody has looked whether jobs take long.
    at_once: usize,
    /// Only the watcher sleeps on it, and only the end of the scope wakes it.
    over: Condvar,
    state: Mutex<CrewState>,
    /// Only the owner sleeps on it.
    changed: Condvar,
}

struct CrewState {
    queue: VecDeque<StoredClosure<()>>,
    /// Who runs jobs that have been taken and have not ended.
    runners: Vec<TaskRunner>,
    /// Tickets that have not come yet.
    expected: usize,
    /// Workers that have come and help.
    helping: usize,
    /// Jobs that have ended.
    ended: u64,
    watcher: Watcher,
    owner_waits: bool,
    /// The owner while it is noted as sleeping, and for whom it sleeps.
    sleeper: Option<(WorkerKey, TaskRunner)>,
    /// Of the first job that panicked.
    panic: Option<PanicValue>,
}

/// Whether somebody looks after jobs that may take long.
enum Watcher {
    None,
    /// Its ticket is under way, or it has come. It calls others on this pool.
    Called(TaskPool),
    /// None is called any more.
    Over,
}

/// What a ticket is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Duty {
    Help,
    Watch,
}

impl Crew {
    pub(in crate::tasks) fn new(pool: &TaskPool) -> Arc<Self> {
        let most_tickets = pool.capacity();
        // Where there can be no more anyway, nobody need look.
        let cores = parallelism();
        let at_once = if most_tickets.is_some_and(|most| most <= cores + 1) { usize::MAX } else { cores };
        let state = CrewState {
            queue: VecDeque::new(),
            runners: Vec::new(),
            expected: 0,
            helping: 0,
            ended: 0,
            watcher: Watcher::None,
            owner_waits: false,
            sleeper: None,
            panic: None,
        };
        let (changed, over) = (Condvar::new(), Condvar::new());
        Arc::new(Crew { most_tickets, at_once, over, state: Mutex::new(state), changed })
    }

    /// Queues a job, and submits a ticket if there may be one more.
    pub(in crate::tasks) fn add(crew: &Arc<Crew>, pool: &TaskPool, job: StoredClosure<()>) {
        let mut state = crew.state.lock();
        state.queue.push_back(job);
        let duty = crew.next_duty(&mut state, pool);
        let wake = state.wake_owner();
        drop(state);
        if wake {
            crew.changed.notify_one();
        }
        if let Some(duty) = duty {
            Crew::call(crew, pool, duty);
        }
    }

    /// What one more worker is to come for, which is expected then.
    fn next_duty(&self, state: &mut CrewState, pool: &TaskPool) -> Option<Duty> {
        if state.expected.saturating_add(state.helping) < self.at_once {
            if self.most_tickets.is_none_or(|most| state.expected < most) {
                state.expected += 1;
                return Some(Duty::Help);
            }
        } else if matches!(state.watcher, Watcher::None) {
            state.watcher = Watcher::Called(pool.clone());
            return Some(Duty::Watch);
        }
        None
    }

    /// True when the pool has taken the ticket. A refusal is no harm; the ticket is dropped then, and not expected any
    /// more.
    fn call(crew: &Arc<Crew>, pool: &TaskPool, duty: Duty) -> bool {
        let ticket = HelpTicket { crew: crew.clone(), duty: Some(duty) };
        let answer = pool.submit_in_background(Task::new(move || ticket.run()));
        answer.map_err(SubmitError::into_payload).is_ok()
    }

    /// No further jobs come, or nobody waits for them: the watcher need not stay, and nothing is kept of the pool.
    pub(in crate::tasks) fn dismiss_watcher(&self) {
        let last = std::mem::replace(&mut self.state.lock().watcher, Watcher::Over);
        if let Watcher::Called(pool) = last {
            self.over.notify_one();
            drop(pool);
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
            let noted = me.as_ref().map_or(Ok(()), |me| state.note_sleeper(me, runner));
            if let Err(StayAwake::Ring(alarm)) = noted {
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
        state.helping += 1;
        while let Some(job) = state.queue.pop_front() {
            state = self.run(state, job);
            if state.queue.len() <= state.expected {
                break;
            }
        }
        state.helping -= 1;
        let wake = state.runners.is_empty() && state.wake_owner();
        drop(state);
        if wake {
            self.changed.notify_one();
        }
    }

    /// The watcher's part. It leaves when there was nothing to look after for a look, and becomes a helper where nobody
    /// else may come, or comes.
    fn watch(crew: &Arc<Crew>) {
        let mut state = crew.state.lock();
        let mut slow_looks = 0;
        loop {
            let Watcher::Called(pool) = &state.watcher else { return };
            let (pool, ended) = (pool.clone(), state.ended);
            let next = Instant::now().checked_add(LOOK).unwrap_or_else(Instant::now);
            state = crew.over.wait_until(state, next).0;
            let hands = state.helping + 1;
            let is_slow = state.ended - ended < FEW * hands as u64;
            slow_looks = if is_slow { slow_looks + 1 } else { 0 };
            let more = if slow_looks >= 2 { crew.more_for(&state, hands) } else { hands };
            let mut leaves = state.queue.is_empty() || more == 0;
            if !leaves && slow_looks >= 2 {
                slow_looks = 0;
                state.expected += more;
                drop(state);
                let taken = (0..more).filter(|_| Crew::call(crew, &pool, Duty::Help)).count();
                state = crew.state.lock();
                // By a pool that was stopped meanwhile.
                leaves = taken == 0;
            }
            if leaves && matches!(state.watcher, Watcher::Called(_)) {
                // The next job calls another one.
                state.watcher = Watcher::None;
            }
            drop(state);
            if leaves {
                return crew.help();
            }
            drop(pool);
            state = crew.state.lock();
        }
    }

    /// How many more workers are to come for jobs that take long: as many as there are, if that many jobs wait that
    /// have no ticket to come, and so many may come beside the watcher.
    fn more_for(&self, state: &CrewState, hands: usize) -> usize {
        let waiting = state.queue.len().saturating_sub(state.expected);
        let present = state.expected + state.helping + 1;
        let room = self.most_tickets.map_or(usize::MAX, |most| most.saturating_sub(present));
        hands.min(waiting).min(room)
    }

    /// Runs a job that was just taken from the queue; it counts as running until its captures are gone.
    fn run<'a>(
        &'a self,
        mut state: MutexGuard<'a, CrewState>,
        job: StoredClosure<()>,
    ) -> MutexGuard<'a, CrewState> {
        let runner = identity::runner();
        state.runners.push(runner);
        drop(state);
        if let Err(value) = catch(|| job.run()) {
            self.note_panic(value);
        }
        let mut state = self.state.lock();
        state.ended += 1;
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
    /// Notes that the owner sleeps for this runner, unless it is noted already.
    fn note_sleeper(&mut self, me: &Sleeper, runner: TaskRunner) -> Result<(), StayAwake> {
        if self.sleeper.is_none() {
            waits::fall_asleep(me, Wait::Run(runner), WayOut::Nothing)?;
            self.sleeper = Some((me.key(), runner));
        }
        Ok(())
    }

    /// A job has ended. If the owner slept for this runner, it sleeps for the next; somebody may have to be roused
    /// then.
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
    /// `None` once it is a watcher that has come.
    duty: Option<Duty>,
}

impl HelpTicket {
    fn run(mut self) {
        let crew = self.crew.clone();
        if self.duty == Some(Duty::Watch) {
            self.duty = None;
            Crew::watch(&crew);
        } else {
            drop(self);
            crew.help();
        }
    }
}

impl Drop for HelpTicket {
    fn drop(&mut self) {
        match self.duty {
            Some(Duty::Help) => self.crew.state.lock().expected -= 1,
            // Refused, or lost: the next job calls another one.
            Some(Duty::Watch) => {
                let mut state = self.crew.state.lock();
                let is_called = matches!(state.watcher, Watcher::Called(_));
                let last = is_called.then(|| std::mem::replace(&mut state.watcher, Watcher::None));
                drop(state);
                drop(last);
            }
            None => {}
        }
    }
}
