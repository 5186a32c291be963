//! What a share decides, under its own lock: a queue, and an account of who will look at it.
//!
//! Nothing here locks, waits, runs a task or calls the parent. The page `PROTOCOL.md` beside this file tells what the
//! words mean and why no accepted task is stranded.

use std::collections::VecDeque;
use std::mem;

use crate::error::Refusal;
use crate::watched::{Watch, Watchable};

/// How many tickets in a row the parent may drop before the share believes that it runs none.
const DROPS_IN_A_ROW: u32 = 8;

/// The share's limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShareLimits {
    /// The most drivers at a time.
    pub(super) max: usize,
    /// The most tasks in the queue; `None` without a bound.
    pub(super) queue_capacity: Option<usize>,
}

/// `K` is the type of tasks.
pub(super) struct ShareState<K> {
    limits: ShareLimits,
    /// True while tasks are accepted.
    open: bool,
    queue: VecDeque<QueuedTask<K>>,
    next_number: u64,
    carriers: Carriers,
    /// Tickets made in place of dropped ones since a task was last started.
    replacements: u32,
    watch: Watch,
    totals: ShareTotals,
}

/// Who will look at the queue.
#[derive(Default)]
struct Carriers {
    /// Drivers that run a task.
    running: usize,
    /// Drivers between two tasks, while they look whether others wait for the parent's workers.
    handing_on: usize,
    /// Tickets that the parent has accepted and that have not started.
    expected: usize,
    /// Numbers of tickets on their way to the parent, whose answer is not known. Whoever knows first that the parent
    /// has accepted one (its submitter, or the ticket itself when it starts) takes its number out. They carry nothing
    /// yet.
    unanswered: Vec<u64>,
}

struct QueuedTask<K> {
    /// The number of the ticket that was made for it, if there was one.
    number: u64,
    /// Its submitter waits for the parent's answer, and will take the task back after a refusal.
    unanswered: bool,
    task: K,
}

#[derive(Default)]
pub(super) struct ShareTotals {
    pub(super) accepted: u64,
    pub(super) finished: u64,
    pub(super) panicked: u64,
    pub(super) lost: u64,
    pub(super) handed_back: u64,
    pub(super) peak_running: usize,
}

/// The answer to a submission.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ShareAdmission<K> {
    /// It is queued, and somebody will surely look at the queue.
    Queued {
        /// One more driver would be of use: submit a ticket in the background.
        wants_help: bool,
    },
    /// It is queued, but nobody is sure to look: submit the ticket of this number, and report the parent's answer.
    AskParent(u64),
    /// The queue is full: try again after the next event.
    Wait(K),
    Refused(Refusal, K),
}

impl<K> ShareState<K> {
    pub(super) fn new(limits: ShareLimits) -> Self {
        ShareState {
            limits,
            open: true,
            queue: VecDeque::new(),
            next_number: 0,
            carriers: Carriers::default(),
            replacements: 0,
            watch: Watch::default(),
            totals: ShareTotals::default(),
        }
    }

    /// Decides on a task. A worker of the parent never waits for room: that could be room which only itself can make.
    pub(super) fn admit(&mut self, task: K, may_wait: bool, on_worker: bool) -> ShareAdmission<K> {
        if !self.open {
            return ShareAdmission::Refused(Refusal::Closed, task);
        }
        if !self.is_carried() {
            let number = self.enqueue(task, true);
            self.carriers.unanswered.push(number);
            return ShareAdmission::AskParent(number);
        }
        if self.limits.queue_capacity.is_none_or(|capacity| self.queue.len() < capacity) {
            self.enqueue(task, false);
            return ShareAdmission::Queued { wants_help: self.wants_help() };
        }
        match (may_wait, on_worker) {
            (false, _) => ShareAdmission::Refused(Refusal::Full, task),
            (true, true) => ShareAdmission::Refused(Refusal::WouldDeadlock, task),
            (true, false) => ShareAdmission::Wait(task),
        }
    }

    /// Nothing is accepted any more.
    pub(super) fn close(&mut self) {
        self.open = false;
    }

    /// The submitter of the task and ticket `number` has the parent's answer. After a refusal it gets the task back,
    /// unless somebody else carries the queue by now, or a driver has started the task.
    pub(super) fn parent_answered(&mut self, number: u64, accepted: bool) -> Option<K> {
        self.confirm(number, accepted);
        let place = self.queue.iter().position(|queued| queued.number == number)?;
        if accepted || self.is_carried() {
            self.queue[place].unanswered = false;
            return None;
        }
        let queued = self.queue.remove(place)?;
        self.totals.accepted -= 1;
        self.note_idleness();
        Some(queued.task)
    }

    /// The number of a ticket that is about to be submitted in the background.
    pub(super) fn new_ticket(&mut self) -> u64 {
        let number = self.take_number();
        self.carriers.unanswered.push(number);
        number
    }

    /// Whoever submitted a ticket has the parent's answer. One that has started, or was dropped, needs no confirmation.
    pub(super) fn confirm(&mut self, number: u64, accepted: bool) {
        if self.take_unanswered(number) && accepted {
            self.carriers.expected += 1;
        }
    }

    /// A ticket starts, or is dropped without having started. True when whoever submitted it had its answer before.
    pub(super) fn ticket_is_over(&mut self, number: u64) -> bool {
        let was_expected = !self.take_unanswered(number);
        self.carriers.expected -= usize::from(was_expected);
        was_expected
    }

    /// The driver's next task, which counts as running from now on; none where as many drive as are allowed, as those
    /// look at the queue before they leave.
    pub(super) fn start(&mut self) -> Option<K> {
        if self.carriers.running >= self.limits.max {
            return None;
        }
        let queued = self.queue.pop_front()?;
        self.carriers.running += 1;
        self.replacements = 0;
        self.totals.peak_running = self.totals.peak_running.max(self.carriers.running);
        Some(queued.task)
    }

    /// A driver's task has ended. True when more is queued: then the driver is handing on, and says so when it has.
    pub(super) fn end(&mut self, panicked: bool) -> bool {
        self.totals.finished += 1;
        self.totals.panicked += u64::from(panicked);
        self.carriers.running -= 1;
        let goes_on = !self.queue.is_empty();
        self.carriers.handing_on += usize::from(goes_on);
        goes_on
    }

    /// A driver has handed on. True when it should leave: it wants to, and the queue is carried without it.
    pub(super) fn has_handed_on(&mut self, wants_to_leave: bool) -> bool {
        self.carriers.handing_on -= 1;
        wants_to_leave && self.is_carried()
    }

    /// True when another driver would find something to do and be allowed to.
    pub(super) fn wants_help(&self) -> bool {
        self.carriers.count() + self.carriers.unanswered.len() < self.limits.max
    }

    /// True when something accepted has nobody who will look at it, and another ticket is worth a try.
    pub(super) fn begin_replacement(&mut self) -> bool {
        let is_stranded = !self.is_carried() && self.queue.iter().any(|queued| !queued.unanswered);
        if !is_stranded || self.replacements >= DROPS_IN_A_ROW {
            return false;
        }
        self.replacements += 1;
        true
    }

    /// What nobody will run any more, to be dropped; `None` while the queue is carried.
    pub(super) fn give_up(&mut self) -> Option<Vec<K>> {
        if self.is_carried() {
            return None;
        }
        let lost = self.take_answered();
        self.replacements = 0;
        self.totals.lost += lost.len() as u64;
        self.note_idleness();
        Some(lost)
    }

    /// Takes what is queued and was not started, the oldest first.
    pub(super) fn take_queue(&mut self) -> Vec<K> {
        let taken = self.take_answered();
        self.totals.handed_back += taken.len() as u64;
        self.note_idleness();
        taken
    }

    pub(super) fn limits(&self) -> ShareLimits {
        self.limits
    }

    pub(super) fn running(&self) -> usize {
        self.carriers.running
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn totals(&self) -> &ShareTotals {
        &self.totals
    }

    /// True when somebody will surely look at the queue.
    fn is_carried(&self) -> bool {
        self.carriers.count() > 0
    }

    /// Puts a task at the queue's end, and returns its number.
    fn enqueue(&mut self, task: K, unanswered: bool) -> u64 {
        let number = self.take_number();
        self.queue.push_back(QueuedTask { number, unanswered, task });
        self.totals.accepted += 1;
        number
    }

    /// Takes all out of the queue but what its submitter may still take back.
    fn take_answered(&mut self) -> Vec<K> {
        let (kept, taken): (_, VecDeque<QueuedTask<K>>) =
            mem::take(&mut self.queue).into_iter().partition(|queued| queued.unanswered);
        self.queue = kept;
        taken.into_iter().map(|queued| queued.task).collect()
    }

    fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn take_unanswered(&mut self, number: u64) -> bool {
        let unanswered = &mut self.carriers.unanswered;
        let place = unanswered.iter().position(|&other| other == number);
        place.map(|place| unanswered.swap_remove(place)).is_some()
    }
}

impl Carriers {
    fn count(&self) -> usize {
        self.running + self.handing_on + self.expected
    }
}

impl<K> Watchable for ShareState<K> {
    fn watch(&self) -> &Watch {
        &self.watch
    }

    fn watch_mut(&mut self) -> &mut Watch {
        &mut self.watch
    }

    fn is_idle(&self) -> bool {
        self.carriers.running + self.carriers.handing_on == 0 && self.queue.is_empty()
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    fn share(max: usize, queue_capacity: Option<usize>) -> ShareState<char> {
        ShareState::new(ShareLimits { max, queue_capacity })
    }

    /// A share whose first task `a` was accepted by the parent as ticket 1, and runs.
    fn running(max: usize, queue_capacity: Option<usize>) -> ShareState<char> {
        let mut share = share(max, queue_capacity);
        assert_eq!(share.admit('a', true, false), ShareAdmission::AskParent(1));
        assert_eq!(share.parent_answered(1, true), None);
        assert!(share.ticket_is_over(1));
        assert_eq!(share.start(), Some('a'));
        share
    }

    /// What a share has accepted is finished, queued, running, lost or handed back.
    fn check_books(share: &ShareState<char>) {
        let totals = share.totals();
        let elsewhere = totals.finished + totals.lost + totals.handed_back;
        assert_eq!(totals.accepted, elsewhere + (share.running() + share.queued()) as u64);
    }

    #[test]
    fn the_first_task_comes_back_when_the_parent_refuses() {
        let mut share = share(1, None);
        assert_eq!(share.admit('a', true, false), ShareAdmission::AskParent(1));
        // The refused ticket is dropped before its submitter hears of it.
        assert!(!share.ticket_is_over(1));
        assert_eq!(share.parent_answered(1, false), Some('a'));
        assert!(share.is_idle() && share.totals().accepted == 0);
        check_books(&share);
    }

    #[test]
    fn two_first_tasks_rely_on_the_parent_each_for_itself() {
        let mut share = share(2, None);
        assert_eq!(share.admit('a', true, false), ShareAdmission::AskParent(1));
        assert_eq!(share.admit('b', true, false), ShareAdmission::AskParent(2));
        assert!(!share.ticket_is_over(1));
        assert_eq!(share.parent_answered(1, false), Some('a'));
        assert_eq!(share.parent_answered(2, true), None);
        assert!(share.ticket_is_over(2));
        assert_eq!((share.start(), share.start()), (Some('b'), None));
        check_books(&share);
    }

    #[test]
    fn a_refused_task_stays_when_others_carry_the_queue_by_then() {
        let mut share = share(2, None);
        assert_eq!(share.admit('a', true, false), ShareAdmission::AskParent(1));
        assert_eq!(share.admit('b', true, false), ShareAdmission::AskParent(2));
        assert_eq!(share.parent_answered(1, true), None);
        assert!(!share.ticket_is_over(2));
        assert_eq!(share.parent_answered(2, false), None, "ticket 1 will run it");
        assert!(share.ticket_is_over(1));
        assert_eq!(share.start(), Some('a'));
        assert!(share.end(false));
        assert!(!share.has_handed_on(false));
        assert_eq!(share.start(), Some('b'));
        check_books(&share);
    }

    #[test]
    fn a_ticket_may_start_before_its_submitter_has_the_answer() {
        let mut share = share(1, None);
        assert_eq!(share.admit('a', true, false), ShareAdmission::AskParent(1));
        assert!(!share.ticket_is_over(1));
        assert_eq!(share.start(), Some('a'));
        assert_eq!(share.parent_answered(1, true), None);
        assert!(!share.end(false), "nothing is left, and no ticket is expected");
        assert!(share.is_idle());
        assert_eq!(share.admit('b', true, false), ShareAdmission::AskParent(2), "nobody carries it any more");
    }

    #[test]
    fn no_more_drive_than_are_allowed_and_help_is_wanted_up_to_that() {
        let mut share = running(2, None);
        assert_eq!(share.admit('b', true, false), ShareAdmission::Queued { wants_help: true });
        let ticket = share.new_ticket();
        assert!(!share.wants_help(), "one is on its way");
        share.confirm(ticket, true);
        assert_eq!(share.admit('c', true, false), ShareAdmission::Queued { wants_help: false });
        assert!(share.ticket_is_over(ticket));
        assert_eq!((share.start(), share.start()), (Some('b'), None));
        assert_eq!(share.totals().peak_running, 2);
        check_books(&share);
    }

    #[test]
    fn a_full_queue_refuses_or_has_its_submitter_wait() {
        let mut share = running(1, Some(1));
        assert_eq!(share.admit('b', true, false), ShareAdmission::Queued { wants_help: false });
        assert_eq!(share.admit('c', false, false), ShareAdmission::Refused(Refusal::Full, 'c'));
        assert_eq!(share.admit('c', true, true), ShareAdmission::Refused(Refusal::WouldDeadlock, 'c'));
        assert_eq!(share.admit('c', true, false), ShareAdmission::Wait('c'));
        check_books(&share);
    }

    #[test]
    fn a_driver_leaves_only_when_another_one_carries_the_queue() {
        let mut share = running(1, None);
        share.admit('b', true, false);
        assert!(share.end(false));
        assert!(!share.has_handed_on(true), "its ticket has come and gone");
        assert_eq!(share.start(), Some('b'));
        share.admit('c', true, false);
        assert!(share.end(false));
        let ticket = share.new_ticket();
        share.confirm(ticket, true);
        assert!(share.has_handed_on(true), "the ticket is to come");
        check_books(&share);
    }

    #[test]
    fn dropped_tickets_are_replaced_until_the_parent_seems_to_run_none() {
        let mut share = share(1, None);
        assert_eq!(share.admit('a', true, false), ShareAdmission::AskParent(1));
        assert_eq!(share.parent_answered(1, true), None);
        assert_eq!(share.admit('b', true, false), ShareAdmission::Queued { wants_help: false });
        assert!(!share.begin_replacement(), "the ticket is to come");
        assert!(share.ticket_is_over(1), "the parent has dropped it");
        for _ in 0..DROPS_IN_A_ROW {
            assert!(share.begin_replacement());
            let ticket = share.new_ticket();
            share.confirm(ticket, true);
            assert_eq!(share.give_up(), None, "the ticket is to come");
            assert!(share.ticket_is_over(ticket));
        }
        assert!(!share.begin_replacement());
        assert_eq!(share.give_up(), Some(vec!['a', 'b']));
        assert_eq!(share.totals().lost, 2);
        check_books(&share);
    }

    #[test]
    fn what_its_submitter_may_take_back_is_left_to_it() {
        let mut share = share(1, None);
        assert_eq!(share.admit('a', true, false), ShareAdmission::AskParent(1));
        assert!(share.take_queue().is_empty());
        assert_eq!(share.parent_answered(1, true), None);
        assert_eq!(share.admit('b', true, false), ShareAdmission::Queued { wants_help: false });
        assert_eq!(share.take_queue(), ['a', 'b']);
        assert!(share.is_idle());
        check_books(&share);
    }
}
