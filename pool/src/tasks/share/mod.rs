//! A share of a pool: tasks of which no more than so many run at a time, on the workers of a parent.
//!
//! The share has a queue of its own. What it submits to the parent are *tickets*, which carry no task: a ticket that
//! starts drives the queue until it is empty, or hands on to a new ticket when others wait for the parent's workers. The
//! first ticket is submitted, so that the share has what others have: a place in the parent's queue or line. Further ones
//! are *offered*: a parent without room keeps them until one of its workers would go idle otherwise. The rule that keeps
//! accepted tasks from being stranded:
//!
//! *a task in the queue is either being offered by its submitter, who will take it back when the parent refuses, or the
//! share is carried*: by a running driver, by a driver that hands on, or by a ticket that the parent has accepted. Whoever
//! is the last to carry looks at the queue in the same critical section in which it stops to do so. A ticket that the
//! parent drops is followed by another; only when the parent takes none any more the queue is dropped.
//!
//! The parent is never called under the share's lock.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use super::handle::{TaskHandle, spawn_through};
use super::{Task, TaskPool};
use crate::config::WhenFull;
use crate::error::{SubmitError, WaitError};
use crate::panic::drop_quietly;
use crate::pool::submit::{Wait, Wish};
use crate::sync::{Arc, Condvar, Instant, Mutex, MutexGuard};

/// How many tickets in a row the parent may drop before the share believes that it runs none.
const DROPS_IN_A_ROW: u32 = 8;

impl TaskPool {
    /// A share of this pool: at most `max` (but at least 1) of its workers run the share's tasks at a time. Its queue has
    /// no bound, see [`sub_pool_bounded`](Self::sub_pool_bounded).
    ///
    /// ```
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(8).build_tasks()?;
    /// let database = pool.sub_pool(2);
    /// for _ in 0..100 {
    ///     database.execute(|| { /* at most two of these at a time */ })?;
    /// }
    /// database.wait_idle()?;
    /// assert!(database.stats().peak_running <= 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sub_pool(&self, max: usize) -> SubPool {
        self.sub_pool_bounded(max, usize::MAX)
    }

    /// As [`sub_pool`](Self::sub_pool), with a bound on the accepted tasks that wait, beyond those that wait for the
    /// share's first worker.
    ///
    /// A submitter that waits for room hears of the end of a task and of nothing else: when the parent is stopped
    /// meanwhile, it is told so once one of the share's running tasks has ended.
    pub fn sub_pool_bounded(&self, max: usize, queue_capacity: usize) -> SubPool {
        let share = Share {
            parent: self.clone(),
            max: max.max(1),
            queue_capacity,
            state: Mutex::new(ShareState::default()),
            changed: Condvar::new(),
        };
        SubPool { share: Arc::new(share) }
    }
}

/// A share of a pool's workers, made by [`sub_pool`](TaskPool::sub_pool); clones are the same share.
///
/// Tasks start in the order in which they were accepted. A task is accepted when one of the parent's workers works for
/// the share already or surely will; else the parent has to accept it, and its refusal is the share's. Once the parent
/// is stopped nothing is accepted, and what was still runs.
///
/// Of the parent's policy for [when it is full](crate::WhenFull), `Refuse` holds here too. With any other a submitter
/// waits: neither does it run the share's tasks itself, nor is anything discarded in favour of the share. It may be left
/// waiting until the parent has room although its task is done, by a worker that came to the share in the meantime.
///
/// The share is fair to the parent's other users: after each task, if payloads wait in the parent's queue or submitters are
/// blocked there, its worker goes to them, and the share to the end of that queue; if that is full, it waits for a worker
/// that has nothing else to do, though not for ever.
///
/// A worker of the parent that [joins](TaskHandle::join) a task which has not started runs it itself, in place of
/// waiting for it; that one does not count towards `max`.
///
/// A panic of a task is one of the parent's: counted and reported there. Only once the parent is stopped several panics in
/// a row are reported as the first of them. The share's own [`stats`](SubPool::stats) count each.
///
/// A share keeps its parent from being stopped by the drop of its last other handle. What the parent hands back
/// ([`stop_now`](crate::WorkerPool::stop_now)) stands for the share's queue: running it runs that, dropping the
/// last of it drops that, and [handles](TaskHandle) tell [`Lost`](crate::TaskError::Lost). While one of its workers works
/// for the share it hands back nothing of the share's; [`take_queue`](SubPool::take_queue) does at any time. What an open
/// parent discards, because it became too old or had to make room, takes nothing along: another takes its place, unless
/// the parent has dropped several in a row without having run a task of the share.
#[derive(Clone)]
pub struct SubPool {
    share: Arc<Share>,
}

struct Share {
    parent: TaskPool,
    max: usize,
    queue_capacity: usize,
    state: Mutex<ShareState>,
    /// Rung when room, an end or idleness may have come, if somebody watches.
    changed: Condvar,
}

#[derive(Default)]
struct ShareState {
    queue: VecDeque<QueuedTask>,
    next_number: u64,
    /// Numbers of tickets on their way to the parent. Whoever knows first that the parent has accepted one (its submitter
    /// or itself, when it starts) takes its number out.
    offered: Vec<u64>,
    /// Tickets that the parent has accepted and that have not started.
    expected: usize,
    /// Drivers that run a task.
    running: usize,
    /// Drivers between two tasks, on their way to the end of the parent's queue.
    handing_on: usize,
    /// Tickets made in place of dropped ones since a task was last started.
    replacements: u32,
    watchers: usize,
    idle_moments: u64,
    totals: ShareTotals,
}

struct QueuedTask {
    /// The number of the ticket that was made for it, if there was one.
    number: u64,
    /// Its submitter waits for the parent's answer, and will take it back after a refusal.
    offered: bool,
    task: Task,
}

#[derive(Default)]
struct ShareTotals {
    accepted: u64,
    finished: u64,
    panicked: u64,
    lost: u64,
    handed_back: u64,
    peak_running: usize,
}

/// A consistent snapshot of a [`SubPool`]: all figures were read in one critical section.
///
/// Always `accepted == finished + running + queued + lost + handed_back`; a task whose submission is under way counts as
/// accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubPoolStats {
    /// The most tasks that may run at a time.
    pub max: usize,
    /// Tasks that run.
    pub running: usize,
    /// Tasks that wait in the share's queue.
    pub queued: usize,
    /// The most tasks that ran at a time.
    pub peak_running: usize,
    /// Tasks accepted.
    pub accepted: u64,
    /// Tasks whose run ended, by returning or by a panic.
    pub finished: u64,
    /// Tasks whose run ended by a panic; part of `finished`.
    pub panicked: u64,
    /// Tasks accepted and dropped, because the parent dropped what stood for them.
    pub lost: u64,
    /// Tasks accepted and handed back by [`take_queue`](SubPool::take_queue).
    pub handed_back: u64,
}

impl SubPool {
    /// Hands a closure to the share, and waits while its queue is full; or while the parent is, if none of its workers
    /// works for the share.
    ///
    /// # Errors
    /// As [`submit`](crate::WorkerPool::submit). On a worker of the parent it never waits for room in the share's own
    /// queue: it is [`WouldDeadlock`](SubmitError::WouldDeadlock) then.
    pub fn execute(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Task>> {
        self.submit(Task::new(closure))
    }

    /// As [`execute`](Self::execute), but without waiting.
    ///
    /// # Errors
    /// As [`try_submit`](crate::WorkerPool::try_submit).
    pub fn try_execute(&self, closure: impl FnOnce() + Send + 'static) -> Result<(), SubmitError<Task>> {
        self.try_submit(Task::new(closure))
    }

    /// As [`execute`](Self::execute), for a task that is made already.
    ///
    /// # Errors
    /// As `execute`.
    pub fn submit(&self, task: Task) -> Result<(), SubmitError<Task>> {
        Share::place(&self.share, task, true)
    }

    /// As [`try_execute`](Self::try_execute), for a task that is made already.
    ///
    /// # Errors
    /// As `try_execute`.
    pub fn try_submit(&self, task: Task) -> Result<(), SubmitError<Task>> {
        Share::place(&self.share, task, false)
    }

    /// As [`execute`](Self::execute), with a [handle](TaskHandle) of the result.
    ///
    /// # Errors
    /// As `execute`, with the closure.
    pub fn spawn<F, R>(&self, closure: F) -> Result<TaskHandle<R>, SubmitError<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        spawn_through(&self.share.parent, closure, |task| self.submit(task))
    }

    /// As [`try_execute`](Self::try_execute), with a [handle](TaskHandle) of the result.
    ///
    /// # Errors
    /// As `try_execute`, with the closure.
    pub fn try_spawn<F, R>(&self, closure: F) -> Result<TaskHandle<R>, SubmitError<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        spawn_through(&self.share.parent, closure, |task| self.try_submit(task))
    }

    /// Hands back what is queued and was not started, the oldest first. What runs goes on, and the share stays as it is.
    ///
    /// A task whose submitter still waits for the parent's answer is left to it. After a stop of the parent this is what
    /// keeps the rest from being run.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use anthill_pool::WorkerPool;
    ///
    /// let pool = WorkerPool::builder().max_workers(1).build_tasks()?;
    /// let share = pool.sub_pool(1);
    /// let (open, gate) = channel::<()>();
    /// share.execute(move || gate.recv().unwrap())?;
    /// share.execute(|| unreachable!("it is not run"))?;
    /// while share.stats().running == 0 {
    ///     std::thread::yield_now();
    /// }
    /// assert_eq!(share.take_queue().len(), 1);
    /// open.send(())?;
    /// share.wait_idle()?;
    /// assert_eq!((share.stats().finished, share.stats().handed_back), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "these tasks were accepted and will not run"]
    pub fn take_queue(&self) -> Vec<Task> {
        let mut state = self.share.state.lock();
        let taken = state.take_settled();
        state.totals.handed_back += taken.len() as u64;
        state.note_idleness();
        self.share.unlock_and_tell(state);
        taken.into_iter().map(|entry| entry.task).collect()
    }

    /// Waits until the share has nothing to do: nothing runs, nothing is queued. Returns if there was such a moment since
    /// the call.
    ///
    /// # Errors
    /// [`WaitError::WouldDeadlock`] on a worker of the parent.
    pub fn wait_idle(&self) -> Result<(), WaitError> {
        self.share.wait_idle(None)
    }

    /// As [`wait_idle`](Self::wait_idle), but no longer than `limit`.
    ///
    /// # Errors
    /// As `wait_idle`, and [`WaitError::Timeout`].
    pub fn wait_idle_timeout(&self, limit: Duration) -> Result<(), WaitError> {
        self.share.wait_idle(Instant::now().checked_add(limit))
    }

    /// All counters at one moment.
    pub fn stats(&self) -> SubPoolStats {
        let state = self.share.state.lock();
        SubPoolStats {
            max: self.share.max,
            running: state.running,
            queued: state.queue.len(),
            peak_running: state.totals.peak_running,
            accepted: state.totals.accepted,
            finished: state.totals.finished,
            panicked: state.totals.panicked,
            lost: state.totals.lost,
            handed_back: state.totals.handed_back,
        }
    }

    /// The pool whose workers run the tasks.
    pub fn parent(&self) -> &TaskPool {
        &self.share.parent
    }
}

impl fmt::Debug for SubPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubPool").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Share {
    fn place(share: &Arc<Share>, task: Task, may_wait: bool) -> Result<(), SubmitError<Task>> {
        let on_worker = share.parent.is_worker();
        let mut state = loop {
            if share.parent.is_closed() {
                return Err(SubmitError::Closed(task));
            }
            let mut state = share.state.lock();
            if !state.is_carried() {
                break state;
            }
            if state.queue.len() < share.queue_capacity {
                state.enqueue(task, false);
                let wants_help = state.wants_help(share.max);
                drop(state);
                if wants_help {
                    Share::offer_ticket(share);
                }
                return Ok(());
            }
            if !may_wait {
                return Err(SubmitError::Full(task));
            }
            if on_worker {
                return Err(SubmitError::WouldDeadlock(task));
            }
            drop(share.watch(state, None));
        };
        let number = state.enqueue(task, true);
        state.offered.push(number);
        drop(state);
        // A ticket that is run here would make the submitter a driver, for everybody and without end; one that displaces
        // others would be at the expense of those who are not of the share.
        let waits = may_wait && share.parent.when_full() != WhenFull::Refuse;
        let wait = if waits { Wait::Endless } else { Wait::None };
        let answer = share.parent.place(DriverTicket::task(share, number), Wish::waiting(wait));
        Share::settle_offer(share, number, answer)
    }

    /// The submitter of entry and ticket `number` has its answer.
    fn settle_offer(
        share: &Arc<Share>,
        number: u64,
        answer: Result<(), SubmitError<Task>>,
    ) -> Result<(), SubmitError<Task>> {
        // The refused ticket is dropped at once, and takes its number out.
        let refusal = answer.err().map(|refusal| refusal.map(drop));
        let mut state = share.state.lock();
        state.confirm(number, refusal.is_none());
        // When it is not there any more some driver has started it.
        if let Some(place) = state.queue.iter().position(|entry| entry.number == number) {
            match refusal {
                Some(refusal) if !state.is_carried() => {
                    let entry = state.queue.remove(place);
                    state.totals.accepted -= 1;
                    state.note_idleness();
                    share.unlock_and_tell(state);
                    let task = entry.expect("it was found there").task;
                    return Err(refusal.map(|()| task));
                }
                _ => state.queue[place].offered = false,
            }
        }
        Share::unlock_or_replace(share, state);
        Ok(())
    }

    /// Offers the parent a ticket; true when it was accepted. A refusal is no harm to what is carried by others.
    fn offer_ticket(share: &Arc<Share>) -> bool {
        let (state, accepted) = Share::unlock_and_offer(share, share.state.lock());
        Share::unlock_or_replace(share, state);
        accepted
    }

    /// Offers the parent a ticket, unlocked meanwhile.
    fn unlock_and_offer<'a>(
        share: &'a Arc<Share>,
        mut state: MutexGuard<'a, ShareState>,
    ) -> (MutexGuard<'a, ShareState>, bool) {
        let number = state.take_number();
        state.offered.push(number);
        drop(state);
        let accepted = share.parent.offer(DriverTicket::task(share, number)).is_ok();
        let mut state = share.state.lock();
        state.confirm(number, accepted);
        (state, accepted)
    }

    /// The life of a ticket that a worker runs: task after task.
    fn drive(share: &Arc<Share>, number: u64) {
        let mut state = share.state.lock();
        state.ticket_is_over(number);
        let mut panic: Option<Box<dyn Any + Send>> = None;
        // Where as many drive as are allowed, those look at the queue before they leave.
        while state.running < share.max {
            let Some(entry) = state.queue.pop_front() else { break };
            state.running += 1;
            state.replacements = 0;
            state.totals.peak_running = state.totals.peak_running.max(state.running);
            // There is room in the queue now.
            share.unlock_and_tell(state);
            let outcome = catch_unwind(AssertUnwindSafe(|| entry.task.run()));
            let panicked = outcome.is_err();
            if panic.is_none() {
                panic = outcome.err();
            } else {
                drop_quietly(outcome);
            }
            state = share.state.lock();
            state.totals.finished += 1;
            state.totals.panicked += u64::from(panicked);
            state.running -= 1;
            if state.queue.is_empty() {
                break;
            }
            state.handing_on += 1;
            drop(state);
            let leaves = Share::hand_on(share, panic.is_some());
            state = share.state.lock();
            state.handing_on -= 1;
            if leaves && state.is_carried() {
                break;
            }
        }
        state.note_idleness();
        share.unlock_and_tell(state);
        if let Some(value) = panic {
            // For the parent to count and to report.
            resume_unwind(value);
        }
    }

    /// A driver between two tasks looks whether others wait for the parent's workers. True when it should leave, if the
    /// share is carried without it.
    fn hand_on(share: &Arc<Share>, must_unwind: bool) -> bool {
        let parent = share.parent.stats();
        if must_unwind || parent.queued > 0 || parent.blocked > 0 {
            return Share::offer_ticket(share);
        }
        // This driver itself is one of them.
        let wants_help = share.state.lock().wants_help(share.max);
        if wants_help {
            Share::offer_ticket(share);
        }
        false
    }

    fn wait_idle(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        if self.parent.is_worker() {
            return Err(WaitError::WouldDeadlock);
        }
        let mut state = self.state.lock();
        let seen = state.idle_moments;
        let mut late = false;
        loop {
            if state.is_idle() || state.idle_moments != seen {
                return Ok(());
            }
            if late {
                return Err(WaitError::Timeout);
            }
            (state, late) = self.watch(state, deadline);
        }
    }

    /// Waits for the next event; the flag is true when `deadline` passed.
    fn watch<'a>(
        &self,
        mut state: MutexGuard<'a, ShareState>,
        deadline: Option<Instant>,
    ) -> (MutexGuard<'a, ShareState>, bool) {
        state.watchers += 1;
        let (mut state, late) = match deadline {
            Some(deadline) => self.changed.wait_until(state, deadline),
            None => (self.changed.wait(state), false),
        };
        state.watchers -= 1;
        (state, late)
    }

    fn unlock_and_tell(&self, state: MutexGuard<'_, ShareState>) {
        let watched = state.watchers > 0;
        drop(state);
        if watched {
            self.changed.notify_all();
        }
    }

    /// A ticket may have come to nothing: if what is queued is not carried any more, offers another one; and drops the
    /// queue when the parent takes none.
    fn unlock_or_replace<'a>(share: &'a Arc<Share>, mut state: MutexGuard<'a, ShareState>) {
        while state.is_stranded() {
            let mut accepted = false;
            if state.replacements < DROPS_IN_A_ROW {
                state.replacements += 1;
                (state, accepted) = Share::unlock_and_offer(share, state);
            }
            if !accepted {
                break;
            }
        }
        share.unlock_or_give_up(state);
    }

    /// Drops what nobody will run any more, if the share is not carried.
    fn unlock_or_give_up(&self, mut state: MutexGuard<'_, ShareState>) {
        if state.is_carried() {
            return;
        }
        let lost = state.take_settled();
        state.replacements = 0;
        state.totals.lost += lost.len() as u64;
        state.note_idleness();
        self.unlock_and_tell(state);
        // One by one, so that several drops that panic are contained too.
        lost.into_iter().for_each(drop_quietly);
    }
}

impl ShareState {
    /// Puts a task at the queue's end, and returns its number.
    fn enqueue(&mut self, task: Task, offered: bool) -> u64 {
        let number = self.take_number();
        self.queue.push_back(QueuedTask { number, offered, task });
        self.totals.accepted += 1;
        number
    }

    fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// True when what is in the queue will surely be looked at.
    fn is_carried(&self) -> bool {
        self.running + self.handing_on + self.expected > 0
    }

    /// True when something accepted is in the queue that nobody will look at.
    fn is_stranded(&self) -> bool {
        !self.is_carried() && self.queue.iter().any(|entry| !entry.offered)
    }

    /// Takes all out of the queue but what its submitter may still take back.
    fn take_settled(&mut self) -> VecDeque<QueuedTask> {
        let (kept, taken) = mem::take(&mut self.queue).into_iter().partition(|entry| entry.offered);
        self.queue = kept;
        taken
    }

    /// True when another driver would find something to do and be allowed to.
    fn wants_help(&self, max: usize) -> bool {
        self.running + self.handing_on + self.expected + self.offered.len() < max
    }

    /// The submitter of a ticket has its answer. A ticket that has started, or was dropped, needs no confirmation.
    fn confirm(&mut self, number: u64, accepted: bool) {
        if self.take_offered(number) && accepted {
            self.expected += 1;
        }
    }

    /// The ticket starts, or is dropped without having started. True when whoever offered it had its answer before.
    fn ticket_is_over(&mut self, number: u64) -> bool {
        let was_expected = !self.take_offered(number);
        self.expected -= usize::from(was_expected);
        was_expected
    }

    fn take_offered(&mut self, number: u64) -> bool {
        let place = self.offered.iter().position(|&offered| offered == number);
        place.map(|place| self.offered.swap_remove(place)).is_some()
    }

    fn is_idle(&self) -> bool {
        self.running + self.handing_on == 0 && self.queue.is_empty()
    }

    fn note_idleness(&mut self) {
        if self.is_idle() {
            self.idle_moments += 1;
        }
    }
}

/// What the parent gets in place of tasks.
struct DriverTicket {
    share: Option<Arc<Share>>,
    number: u64,
}

impl DriverTicket {
    fn task(share: &Arc<Share>, number: u64) -> Task {
        let ticket = DriverTicket { share: Some(share.clone()), number };
        Task::new(move || ticket.run())
    }

    fn run(mut self) {
        if let Some(share) = self.share.take() {
            Share::drive(&share, self.number);
        }
    }
}

impl Drop for DriverTicket {
    fn drop(&mut self) {
        if let Some(share) = self.share.take() {
            let mut state = share.state.lock();
            // Else it is refused, or its answer is on the way: whoever offered it will look at the queue.
            if state.ticket_is_over(self.number) {
                Share::unlock_or_replace(&share, state);
            }
        }
    }
}
