//! Who sleeps for whom: the workers of all pools that sleep until work of a pool has gone on, so that none of them
//! sleeps for ever.
//!
//! A worker that is about to sleep in line for room, for a task, for a group or for a scope says so first, and whoever
//! satisfies it says that it sleeps no more *before* it goes on to anything else. So at every moment a worker that is
//! not noted here moves, or sleeps for something of the user's that nobody here can see. When the last one that moved
//! is about to sleep, one of those who would sleep for each other is told to take its [way out](WayOut) instead.
//!
//! One lock for the process, because workers of several pools may sleep for each other. It is taken by workers that
//! sleep and by those who end that, may be taken under every other lock, and nothing is done under it but to look and
//! to note. Who is told is roused by the returned [`Alarm`], to be rung without any lock; and by a thread that is not
//! noted here itself, as what an alarm holds may be the last share of a pool, and so its end the user's code.

mod graph;

use std::fmt;

use crate::panic::drop_quietly;
use crate::sync::{Arc, Condvar, Figure, Instant, Mutex, StdArc, fresh_number, process_wide};
use graph::Graph;

process_wide! {
    static GRAPH: Mutex<Graph> = Mutex::new(Graph::default());
}

/// A worker, among all that the process ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WorkerKey(u64);

/// A pool, among all that are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PoolKey(usize);

/// How many workers a pool has, and how many of them are noted as sleeping.
pub(crate) struct Headcount {
    /// Slots taken; changed under the core's lock.
    workers: Figure,
    /// Changed under the lock of the graph.
    asleep: Figure,
}

/// A worker that may have to sleep.
#[derive(Clone)]
pub(crate) struct Sleeper {
    key: WorkerKey,
    home: StdArc<Headcount>,
    /// Its state is still being made.
    unborn: bool,
    bell: Arc<Bell>,
}

/// What a worker can sleep on, whatever for. Rung before that, it does not let it fall asleep, once.
struct Bell {
    rung: Mutex<bool>,
    rang: Condvar,
}

/// Who runs a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskRunner {
    Worker(WorkerKey),
    /// A thread that is no worker; what it sleeps for is not seen.
    Outside,
}

/// What a worker sleeps for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// What this one runs.
    Run(TaskRunner),
    /// That some worker of this pool comes free.
    Free(PoolKey),
}

/// What a sleeping worker does when nobody moves any more for whom it could wait; the first one there is is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WayOut {
    /// Its submission is refused: what it would have submitted can be run in place.
    RefusedSubmission,
    /// It runs the task it waits for, which has not begun.
    Help,
    /// It wakes by itself, as its time is limited.
    Limit,
    /// Its join is refused.
    RefusedJoin,
    /// None: it has to wait.
    Nothing,
}

/// Rouses a worker that is to take its way out. To be [rung](ring) without any lock.
#[derive(Clone)]
pub(crate) enum Alarm {
    /// It sleeps on its bell.
    Bell(Sleeper),
    /// It sleeps on something else.
    Call(StdArc<dyn Fn() + Send + Sync>),
}

/// Why a worker may not sleep, and is not noted as sleeping.
pub(crate) enum StayAwake {
    /// Sleeping would be for ever: it is to take its own way out.
    ForEver,
    /// It is to [ring](ring) for another one, which takes its way out, and may sleep then.
    Ring(Alarm),
}

impl WorkerKey {
    /// The key of a new worker.
    pub(crate) fn new() -> Self {
        WorkerKey(fresh_number())
    }
}

impl PoolKey {
    pub(crate) fn of(headcount: &StdArc<Headcount>) -> Self {
        PoolKey(StdArc::as_ptr(headcount).addr())
    }
}

impl Headcount {
    pub(crate) fn new() -> StdArc<Self> {
        StdArc::new(Headcount { workers: Figure::new(0), asleep: Figure::new(0) })
    }

    /// The pool has so many workers now. When these are fewer than before, somebody may have to
    /// [be found a way out](look_again).
    pub(crate) fn set_workers(&self, workers: usize) {
        self.workers.set(workers);
    }

    /// How many of the pool's workers sleep.
    pub(crate) fn asleep(&self) -> usize {
        self.asleep.get()
    }
}

impl Sleeper {
    /// A worker that may still have to make its state.
    pub(crate) fn new(key: WorkerKey, home: StdArc<Headcount>, unborn: bool) -> Self {
        let bell = Bell { rung: Mutex::new(false), rang: Condvar::new() };
        Sleeper { key, home, unborn, bell: Arc::new(bell) }
    }

    /// Its state was made.
    pub(crate) fn is_born(&mut self) {
        self.unborn = false;
    }

    /// True when it is one of this pool that is still making its state.
    pub(crate) fn is_unborn_of(&self, pool: PoolKey) -> bool {
        self.unborn && self.is_of(pool)
    }

    pub(crate) fn key(&self) -> WorkerKey {
        self.key
    }

    /// Sleeps until it is [rung](Self::ring) for, or was since it last slept here; true when `deadline` passed first.
    /// Only for the worker itself.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) -> bool {
        let mut rung = self.bell.rung.lock();
        let mut late = false;
        while !*rung && !late {
            (rung, late) = match deadline {
                Some(deadline) => self.bell.rang.wait_until(rung, deadline),
                None => (self.bell.rang.wait(rung), false),
            };
        }
        *rung = false;
        late
    }

    /// Wakes it, if it sleeps on its bell.
    pub(crate) fn ring(&self) {
        *self.bell.rung.lock() = true;
        self.bell.rang.notify_one();
    }

    /// True when it is a worker of this pool.
    pub(crate) fn is_of(&self, pool: PoolKey) -> bool {
        PoolKey::of(&self.home) == pool
    }
}

impl fmt::Debug for Sleeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sleeper").field(&self.key).finish()
    }
}

/// Notes that a worker sleeps from now on; unless that was the last one to move among those who sleep for each other,
/// and one of them has to take its way out: this one or another one.
pub(crate) fn fall_asleep(sleeper: &Sleeper, wait: Wait, way_out: WayOut) -> Result<(), StayAwake> {
    GRAPH.lock().fall_asleep(sleeper, wait, way_out)
}

/// Has a worker that was noted as sleeping roused by this call, and not by its bell. It must look whether
/// [it was](is_roused) before it sleeps.
pub(crate) fn set_alarm(sleeper: WorkerKey, rouse: impl Fn() + Send + Sync + 'static) {
    GRAPH.lock().set_alarm(sleeper, Alarm::Call(StdArc::new(rouse)));
}

/// A worker that sleeps sleeps for something else from now on, and goes on sleeping. The alarm is for another one, or
/// for itself.
#[must_use = "somebody is to be roused"]
pub(crate) fn sleep_on(sleeper: WorkerKey, wait: Wait, way_out: WayOut) -> Option<Alarm> {
    GRAPH.lock().sleep_on(sleeper, wait, way_out)
}

/// A worker sleeps no more: what it slept for has come, or it gives up. True when it had been told to take its way out.
pub(crate) fn wake(sleeper: WorkerKey) -> bool {
    let record = GRAPH.lock().wake(sleeper);
    record.is_some_and(|record| record.is_roused())
}

/// True when a worker that was noted as sleeping is to take its way out.
pub(crate) fn is_roused(sleeper: WorkerKey) -> bool {
    GRAPH.lock().is_roused(sleeper)
}

/// A pool has fewer workers than before: finds a way out if those that are left sleep for each other.
#[must_use = "somebody is to be roused"]
pub(crate) fn look_again(pool: &StdArc<Headcount>) -> Option<Alarm> {
    if pool.asleep() == 0 {
        return None;
    }
    GRAPH.lock().look_again(PoolKey::of(pool))
}

/// Rouses whom this alarm is for, if there is one; to be called without any lock, and by nobody who is noted as
/// sleeping.
pub(crate) fn ring(alarm: impl Into<Option<Alarm>>) {
    match alarm.into() {
        Some(Alarm::Bell(sleeper)) => sleeper.ring(),
        Some(Alarm::Call(rouse)) => {
            rouse();
            // It may be the last to hold something of the user's.
            drop_quietly(rouse);
        }
        None => {}
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// Something of the user's that has a worker sleep when it is dropped; tells whether it could.
    struct SleepsOnDrop(Sleeper, Sender<bool>);

    impl Drop for SleepsOnDrop {
        fn drop(&mut self) {
            let noted = fall_asleep(&self.0, Wait::Run(TaskRunner::Outside), WayOut::Nothing);
            self.1.send(noted.is_ok() && !wake(self.0.key())).unwrap();
        }
    }

    #[test]
    fn whoever_rings_is_awake_while_it_drops_what_the_alarm_held() {
        let pool = Headcount::new();
        pool.set_workers(2);
        let [ringer, other] = [(); 2].map(|()| Sleeper::new(WorkerKey::new(), pool.clone(), false));
        let free = Wait::Free(PoolKey::of(&pool));
        assert!(fall_asleep(&other, free, WayOut::RefusedSubmission).is_ok());
        let (told, could_sleep) = channel();
        let held = SleepsOnDrop(ringer.clone(), told);
        set_alarm(other.key(), move || {
            let _ = &held;
        });
        let Err(StayAwake::Ring(alarm)) = fall_asleep(&ringer, free, WayOut::Nothing) else {
            panic!("the other one is to be roused first")
        };
        assert!(wake(other.key()), "it was told to take its way out");
        ring(alarm);
        assert_eq!(could_sleep.try_recv(), Ok(true));
        assert!(fall_asleep(&ringer, free, WayOut::Nothing).is_ok());
        wake(ringer.key());
    }
}
