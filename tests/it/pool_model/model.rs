//! The reference: the pool as it is documented, without threads. It changes when the documentation does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anthill_pool::{PoolState, PoolStats, Priority};

use super::Limits;

/// How many ticks of the clock make the idle limit.
pub(super) const IDLE_TICKS: u32 = 2;

/// One take in this many is for a less urgent level, while priorities differ.
const TURNS: u32 = 16;

/// Number of a payload.
pub(super) type Id = usize;
/// Number of a worker, which its thread's name shows.
pub(super) type Worker = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    Accepted,
    Full,
    Overload,
    Closed,
    Timeout,
    SpawnFailed,
    Cancelled,
    /// It was behind the first one of its batch that was refused.
    NotTried,
}

/// A payload that waits, and how urgent it is.
pub(super) type Waiting = (Id, Priority);

/// The pool as it is documented.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) limits: Limits,
    pub(super) open: bool,
    pub(super) refuses_threads: bool,
    pub(super) now: u32,
    /// With the moment they became idle; the last one is taken first.
    pub(super) idle: Vec<(Worker, u32)>,
    pub(super) busy: Vec<(Worker, Id)>,
    pub(super) queue: VecDeque<Waiting>,
    pub(super) takes_until_patient: u32,
    pub(super) patient_turns: usize,
    pub(super) line: VecDeque<Waiting>,
    /// Submissions that a cancellation calls off, if it finds them in the line.
    pub(super) cancellable: Vec<Id>,
    pub(super) next_worker: Worker,
    pub(super) peak_workers: usize,
    pub(super) finished: u64,
    pub(super) panicked: u64,
    pub(super) handed_back: u64,
    pub(super) spawned: u64,
    pub(super) expired: u64,
    pub(super) duties: usize,
    /// What started, in this order.
    pub(super) started: Vec<(Worker, Id)>,
    pub(super) answers: BTreeMap<Id, Answer>,
}

impl Model {
    pub(super) fn new(limits: Limits) -> Self {
        Model {
            limits,
            open: true,
            refuses_threads: false,
            now: 0,
            idle: Vec::new(),
            busy: Vec::new(),
            queue: VecDeque::new(),
            takes_until_patient: TURNS,
            patient_turns: 0,
            line: VecDeque::new(),
            cancellable: Vec::new(),
            next_worker: 0,
            peak_workers: 0,
            finished: 0,
            panicked: 0,
            handed_back: 0,
            spawned: 0,
            expired: 0,
            duties: 0,
            started: Vec::new(),
            answers: BTreeMap::new(),
        }
    }

    pub(super) fn workers(&self) -> usize {
        self.idle.len() + self.busy.len()
    }

    /// A submission that waits in line unless `at_full` says what else it gets. True: it was not refused.
    pub(super) fn submit(
        &mut self,
        id: Id,
        priority: Priority,
        may_wait: bool,
        at_full: Option<Answer>,
    ) -> bool {
        let answer = self.admit(id, priority, may_wait, at_full);
        self.answers.extend(answer.map(|answer| (id, answer)));
        answer.is_none_or(|answer| answer == Answer::Accepted)
    }

    pub(super) fn admit(
        &mut self,
        id: Id,
        priority: Priority,
        may_wait: bool,
        at_full: Option<Answer>,
    ) -> Option<Answer> {
        if !self.open {
            return Some(Answer::Closed);
        }
        if let Some((worker, _)) = self.idle.pop() {
            self.start(worker, id);
            return Some(Answer::Accepted);
        }
        let mut refused_thread = false;
        if self.workers() < self.limits.max_workers {
            if let Some(worker) = self.make_worker() {
                self.start(worker, id);
                return Some(Answer::Accepted);
            }
            if self.workers() == 0 {
                return Some(Answer::SpawnFailed);
            }
            refused_thread = true;
        }
        if self.queue.len() < self.limits.queue {
            self.queue.push_back((id, priority));
            return Some(Answer::Accepted);
        }
        if may_wait && self.line.len() >= self.limits.max_blocking {
            return Some(Answer::Overload);
        }
        match at_full {
            Some(Answer::Full) if refused_thread => Some(Answer::SpawnFailed),
            Some(answer) => Some(answer),
            None => {
                self.line.push_back((id, priority));
                None
            }
        }
    }

    /// An attempt counts, whether it succeeds or not.
    pub(super) fn make_worker(&mut self) -> Option<Worker> {
        self.peak_workers = self.peak_workers.max(self.workers() + 1);
        self.next_worker += 1;
        self.spawned += u64::from(!self.refuses_threads);
        (!self.refuses_threads).then_some(self.next_worker - 1)
    }

    pub(super) fn start(&mut self, worker: Worker, id: Id) {
        self.busy.push((worker, id));
        self.started.push((worker, id));
    }

    pub(super) fn finish(&mut self, id: Id, panicked: bool) {
        let place = self.busy.iter().position(|(_, running)| *running == id).expect("only what runs can end");
        let surplus = self.workers() > self.limits.max_workers;
        let (worker, _) = self.busy.remove(place);
        self.finished += 1;
        self.panicked += u64::from(panicked);
        if surplus {
            return;
        }
        match self.next_waiting() {
            Some(next) => self.start(worker, next),
            None if self.open => self.idle.push((worker, self.now)),
            None => {}
        }
    }

    /// What a worker that comes free takes; the line moves up.
    pub(super) fn next_waiting(&mut self) -> Option<Id> {
        let taken = self.take_queued();
        while let Some((id, priority)) = self.line.front().copied() {
            if taken.is_some() && self.queue.len() == self.limits.queue {
                break;
            }
            self.line.pop_front();
            self.answers.insert(id, Answer::Accepted);
            if taken.is_none() {
                return Some(id);
            }
            self.queue.push_back((id, priority));
        }
        taken
    }

    pub(super) fn take_queued(&mut self) -> Option<Id> {
        let urgencies = || self.queue.iter().map(|(_, priority)| *priority);
        let mut turn = urgencies().max()?;
        if urgencies().any(|priority| priority != Priority::Normal) {
            self.takes_until_patient -= 1;
            if self.takes_until_patient == 0 {
                // The levels below the most urgent one take turns.
                let below: BTreeSet<Priority> = urgencies().filter(|priority| *priority < turn).collect();
                turn = below.iter().copied().nth(self.patient_turns % below.len().max(1)).unwrap_or(turn);
                self.patient_turns += 1;
                self.takes_until_patient = TURNS;
            }
        }
        let place = self.queue.iter().position(|(_, priority)| *priority == turn)?;
        self.queue.remove(place).map(|(id, _)| id)
    }

    /// Cancels all submissions in the line that can be.
    pub(super) fn cancel(&mut self) {
        let called_off = std::mem::take(&mut self.cancellable);
        let (gone, stay) = self.line.drain(..).partition(|(id, _)| called_off.contains(id));
        self.line = stay;
        let gone: VecDeque<Waiting> = gone;
        self.answers.extend(gone.into_iter().map(|(id, _)| (id, Answer::Cancelled)));
    }

    /// Changes the cap, by which no more than one worker is made.
    pub(super) fn set_max_workers(&mut self, max_workers: usize) {
        self.limits.max_workers = max_workers;
        let surplus = self.workers().saturating_sub(max_workers);
        self.idle.drain(..surplus.min(self.idle.len()));
        let waits = !self.queue.is_empty() || !self.line.is_empty();
        let worker =
            (self.open && waits && self.workers() < max_workers).then(|| self.make_worker()).flatten();
        if let Some(worker) = worker {
            let next = self.next_waiting().expect("something waits");
            self.start(worker, next);
        }
    }

    pub(super) fn tick(&mut self, ticks: u32) {
        self.now += ticks;
        let due = self.idle.iter().filter(|(_, since)| since + IDLE_TICKS <= self.now).count();
        let gone = due.min(self.workers().saturating_sub(self.limits.min_workers));
        self.idle.drain(..gone);
        self.expired += gone as u64;
    }

    pub(super) fn stop(&mut self) {
        self.open = false;
        self.idle.clear();
        self.answers.extend(self.line.drain(..).map(|(id, _)| (id, Answer::Closed)));
    }

    pub(super) fn stop_now(&mut self) -> Vec<Id> {
        self.stop();
        self.handed_back += self.queue.len() as u64;
        let mut rest: Vec<Waiting> = self.queue.drain(..).collect();
        rest.sort_by_key(|(_, priority)| std::cmp::Reverse(*priority));
        rest.into_iter().map(|(id, _)| id).collect()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.busy.is_empty() && self.queue.is_empty() && self.line.is_empty()
    }

    pub(super) fn figures(&self) -> Figures {
        let count = |wanted| self.answers.values().filter(|answer| **answer == wanted).count();
        let (accepted, not_tried) = (count(Answer::Accepted), count(Answer::NotTried));
        Figures {
            state: match (self.open, self.workers()) {
                (true, _) => PoolState::Open,
                (false, 0) => PoolState::Stopped,
                (false, _) => PoolState::Draining,
            },
            gauges: [self.workers(), self.busy.len(), self.idle.len(), self.queue.len(), self.line.len()],
            capacity: Some(self.limits.max_workers),
            peak_workers: self.peak_workers,
            accepted: accepted as u64,
            finished: self.finished,
            panicked: self.panicked,
            handed_back: self.handed_back,
            rejected: (self.answers.len() - accepted - not_tried) as u64,
            spawned: self.spawned,
            expired: self.expired,
        }
    }
}

/// Everything that a snapshot holds.
#[derive(Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) state: PoolState,
    /// Workers, busy, idle, queued, blocked.
    pub(super) gauges: [usize; 5],
    pub(super) capacity: Option<usize>,
    pub(super) peak_workers: usize,
    pub(super) accepted: u64,
    pub(super) finished: u64,
    pub(super) panicked: u64,
    pub(super) handed_back: u64,
    pub(super) rejected: u64,
    pub(super) spawned: u64,
    pub(super) expired: u64,
}

impl From<PoolStats> for Figures {
    fn from(stats: PoolStats) -> Self {
        Figures {
            state: stats.state,
            gauges: [stats.workers, stats.busy, stats.idle, stats.queued, stats.blocked],
            capacity: stats.capacity,
            peak_workers: stats.peak_workers,
            accepted: stats.accepted,
            finished: stats.finished,
            panicked: stats.panicked,
            handed_back: stats.handed_back,
            rejected: stats.rejected,
            spawned: stats.spawned,
            expired: stats.expired,
        }
    }
}
