//! A share at work: carries out what its state decides, submits tickets to the parent, and drives the queue.
//!
//! The parent is never called under the share's lock.

use std::panic::resume_unwind;

use super::state::{ShareAdmission, ShareState};
use crate::config::WhenFull;
use crate::core::{OnFull, SubmitOptions};
use crate::error::{SubmitError, WaitError};
use crate::panic::{PanicValue, catch, drop_each_quietly, drop_quietly};
use crate::sync::{Arc, Instant, MutexGuard};
use crate::tasks::task::{Task, TaskPool};
use crate::watched::{Watchable, Watched};

/// What the handles of a share and its tickets have in common.
pub(super) struct Share {
    pub(super) parent: TaskPool,
    /// Watched for room in the queue, for ends of tasks and for idleness.
    pub(super) state: Watched<ShareState<Task>>,
}

type LockedState<'a> = MutexGuard<'a, ShareState<Task>>;

impl Share {
    /// Hands a task to the share.
    pub(super) fn place(share: &Arc<Share>, task: Task, may_wait: bool) -> Result<(), SubmitError<Task>> {
        let on_worker = share.parent.is_worker();
        let mut task = task;
        let number = loop {
            if share.parent.is_closed() {
                return Err(SubmitError::Closed(task));
            }
            let mut state = share.state.lock();
            match state.admit(task, may_wait, on_worker) {
                ShareAdmission::AskParent(number) => break number,
                ShareAdmission::Queued { wants_help } => {
                    drop(state);
                    if wants_help {
                        Share::call_help(share);
                    }
                    return Ok(());
                }
                ShareAdmission::Wait(returned) => {
                    drop(share.state.watch(state, None));
                    task = returned;
                }
                ShareAdmission::Refused(refusal, task) => return Err(SubmitError::new(refusal, task, None)),
            }
        };
        // A ticket that is run here would make the submitter a driver, for everybody and without end; one that
        // displaces others would be at the expense of those who are not of the share.
        let waits = may_wait && share.parent.when_full() != WhenFull::Refuse;
        let on_full = if waits { OnFull::Wait(None) } else { OnFull::Refuse };
        let answer = share.parent.place(DriverTicket::task(share, number), SubmitOptions::new(on_full));
        // The refused ticket is dropped at once, and takes its number out.
        let refusal = answer.err().map(|refusal| refusal.map(drop));
        let mut state = share.state.lock();
        let returned = state.parent_answered(number, refusal.is_none());
        if let Some(task) = returned {
            share.state.unlock_and_notify(state);
            return Err(refusal.expect("only a refused task comes back").map(|()| task));
        }
        Share::unlock_or_replace(share, state);
        // Others carry the task. The refusal may hold an error of the user's, to be dropped without the lock.
        drop_quietly(refusal);
        Ok(())
    }

    /// Submits a ticket in the background; true when the parent has accepted it. A refusal is no harm to what is
    /// carried by others.
    fn call_help(share: &Arc<Share>) -> bool {
        let (state, accepted) = Share::unlock_and_call_help(share, share.state.lock());
        Share::unlock_or_replace(share, state);
        accepted
    }

    /// Submits a ticket in the background, unlocked meanwhile.
    fn unlock_and_call_help<'a>(
        share: &'a Arc<Share>,
        mut state: LockedState<'a>,
    ) -> (LockedState<'a>, bool) {
        let number = state.new_ticket();
        drop(state);
        let answer = share.parent.submit_in_background(DriverTicket::task(share, number));
        let accepted = answer.map_err(SubmitError::into_payload).is_ok();
        let mut state = share.state.lock();
        state.confirm(number, accepted);
        (state, accepted)
    }

    /// The life of a ticket that a worker runs: it drives the queue, task after task.
    fn drive(share: &Arc<Share>, number: u64) {
        let mut state = share.state.lock();
        state.ticket_is_over(number);
        let mut panic: Option<PanicValue> = None;
        while let Some(task) = state.start() {
            // There is room in the queue now.
            share.state.unlock_and_notify(state);
            let outcome = catch(|| task.run());
            let panicked = outcome.is_err();
            if panic.is_none() {
                panic = outcome.err();
            } else {
                drop_quietly(outcome);
            }
            state = share.state.lock();
            if !state.end(panicked) {
                break;
            }
            drop(state);
            let wants_to_leave = Share::hand_on(share, panic.is_some());
            state = share.state.lock();
            if state.has_handed_on(wants_to_leave) {
                break;
            }
        }
        state.note_idleness();
        share.state.unlock_and_notify(state);
        if let Some(value) = panic {
            // For the parent to count and to report.
            resume_unwind(value);
        }
    }

    /// A driver between two tasks looks whether others wait for the parent's workers. True when it wants to leave: the
    /// share then goes on at the end of the parent's queue, with a ticket.
    fn hand_on(share: &Arc<Share>, must_unwind: bool) -> bool {
        if must_unwind || share.parent.is_wanted() {
            return Share::call_help(share);
        }
        // This driver itself counts as one of those there are.
        let wants_help = share.state.lock().wants_help();
        if wants_help {
            Share::call_help(share);
        }
        false
    }

    pub(super) fn wait_idle(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        if self.parent.is_worker() {
            return Err(WaitError::WouldDeadlock);
        }
        self.state.wait_idle(deadline)
    }

    /// A ticket may have come to nothing: if what is queued is not carried any more, submits another one; and drops the
    /// queue when the parent takes none.
    fn unlock_or_replace<'a>(share: &'a Arc<Share>, mut state: LockedState<'a>) {
        while state.begin_replacement() {
            let accepted;
            (state, accepted) = Share::unlock_and_call_help(share, state);
            if !accepted {
                break;
            }
        }
        if let Some(lost) = state.give_up() {
            share.state.unlock_and_notify(state);
            drop_each_quietly(lost);
        }
    }
}

/// What the parent gets in place of tasks: it comes to the share's queue and drives it.
struct DriverTicket {
    /// `None` once it has started.
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
            // Else it is refused, or its answer is on the way: whoever submitted it will look at the queue.
            if state.ticket_is_over(self.number) {
                Share::unlock_or_replace(&share, state);
            }
        }
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use std::fmt;
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex, OnceLock};
    use std::thread;
    use std::time::Duration;

    use crate::config::WhenFull;
    use crate::pool::WorkerPool;
    use crate::tasks::SubPool;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A spawner's error whose drop looks at the share, then panics.
    #[derive(Debug)]
    struct LooksOnDrop(Arc<OnceLock<SubPool>>);

    impl Drop for LooksOnDrop {
        fn drop(&mut self) {
            let accepted = self.0.get().map(|share| share.stats().accepted);
            panic!("planned: the share has accepted {accepted:?}");
        }
    }

    impl fmt::Display for LooksOnDrop {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("planned")
        }
    }

    impl std::error::Error for LooksOnDrop {}

    /// Two first tasks ask the parent for themselves; one gets a thread and carries the queue, the other one's thread
    /// is refused, with an error that nobody asks for.
    #[test]
    fn a_refusal_made_good_by_others_is_dropped_without_the_lock() {
        let slot: Arc<OnceLock<SubPool>> = Arc::default();
        let (second_asks, asked) = channel();
        let (first_runs, ran) = channel();
        let (asked, ran) = (Mutex::new(asked), Mutex::new(ran));
        let (calls, looked_at) = (AtomicUsize::new(0), slot.clone());
        let parent = WorkerPool::builder()
            .max_workers(2)
            .when_full(WhenFull::Refuse)
            .spawner(move |thread| {
                if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                    asked.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                    return thread.spawn();
                }
                second_asks.send(()).unwrap();
                ran.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                Err(io::Error::other(LooksOnDrop(looked_at.clone())))
            })
            .build_tasks()
            .unwrap();
        let share = parent.sub_pool(2);
        assert!(slot.set(share.clone()).is_ok());
        let (release, held) = channel::<()>();
        let (submitted, both) = channel();
        let first = (share.clone(), submitted.clone());
        thread::spawn(move || {
            let (share, submitted) = first;
            let answer = share.execute(move || {
                first_runs.send(()).unwrap();
                held.recv_timeout(PATIENCE).unwrap();
            });
            submitted.send(answer.is_ok()).unwrap();
        });
        while share.stats().accepted == 0 {
            thread::yield_now();
        }
        let second = share.clone();
        thread::spawn(move || submitted.send(second.execute(|| {}).is_ok()).unwrap());
        for _ in 0..2 {
            assert_eq!(both.recv_timeout(PATIENCE), Ok(true));
        }
        release.send(()).unwrap();
        share.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!((share.stats().accepted, share.stats().finished), (2, 2));
    }
}
