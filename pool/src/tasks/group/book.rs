//! A group's list of its tasks, and what the pool gets for each.

use std::mem;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex};
use crate::tasks::cell::{TaskCell, TaskResult};
use crate::tasks::error::TaskError;
use crate::tasks::stored_closure::StoredClosure;
use crate::tasks::token::TaskToken;

/// What the group and its tickets share.
pub(super) struct Book<T: 'static, E: 'static> {
    pub(super) token: TaskToken,
    /// A failure does not cancel the rest.
    keeps_going: AtomicBool,
    list: Mutex<List<T, E>>,
}

struct List<T: 'static, E: 'static> {
    members: Vec<Member<T, E>>,
    next_number: u64,
    /// Number of the first member that went wrong.
    first_failure: Option<u64>,
    /// Numbers of the tasks that were not even taken up, because the group was cancelled.
    skipped: Vec<u64>,
}

pub(super) struct Member<T: 'static, E: 'static> {
    pub(super) number: u64,
    pub(super) cell: Arc<TaskCell<Result<T, E>>>,
}

impl<T, E> Clone for Member<T, E> {
    fn clone(&self) -> Self {
        Member { number: self.number, cell: self.cell.clone() }
    }
}

impl<T: Send, E: Send> Book<T, E> {
    pub(super) fn new() -> Arc<Self> {
        let list = List { members: Vec::new(), next_number: 0, first_failure: None, skipped: Vec::new() };
        Arc::new(Book {
            token: TaskToken::new(),
            keeps_going: AtomicBool::new(false),
            list: Mutex::new(list),
        })
    }

    /// A failure is not to cancel the rest.
    pub(super) fn keep_going(&self) {
        self.keeps_going.store(true, Ordering::Release);
    }

    /// Takes a closure up as a member; drops it when the group is cancelled.
    pub(super) fn enter<F>(&self, closure: F) -> Option<Member<T, E>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
    {
        let mut list = self.list.lock();
        // Under the lock that a cancellation takes its list with: no task is missing there and started here.
        let number = list.next_number;
        list.next_number += 1;
        if self.token.is_cancelled() {
            list.skipped.push(number);
            drop(list);
            drop(closure);
            return None;
        }
        let member = Member { number, cell: TaskCell::new(StoredClosure::new(closure)) };
        list.members.push(member.clone());
        Some(member)
    }

    /// Strikes out a member that was refused.
    pub(super) fn leave(&self, number: u64) {
        let mut list = self.list.lock();
        if let Ok(place) = list.members.binary_search_by_key(&number, |member| member.number) {
            let member = list.members.remove(place);
            drop(list);
            drop(member);
        }
    }

    pub(super) fn members(&self) -> Vec<Member<T, E>> {
        self.list.lock().members.clone()
    }

    /// The first member from number `number` on.
    pub(super) fn member_from(&self, number: u64) -> Option<Member<T, E>> {
        let list = self.list.lock();
        let place = list.members.partition_point(|member| member.number < number);
        list.members.get(place).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.list.lock().members.len()
    }

    pub(super) fn run(&self, member: &Member<T, E>) {
        member.cell.start(|outcome: &TaskResult<Result<T, E>>| {
            if !matches!(outcome, Ok(Ok(_))) {
                self.cancel(Some(member.number));
            }
        });
    }

    /// Cancels what has not been started. `cause` is the member that went wrong.
    pub(super) fn cancel(&self, cause: Option<u64>) {
        let mut list = self.list.lock();
        list.first_failure = list.first_failure.or(cause);
        let goes_on = cause.is_some() && self.keeps_going.load(Ordering::Acquire);
        let again = !goes_on && self.token.raise();
        drop(list);
        if goes_on {
            return;
        }
        if again {
            return;
        }
        for member in self.members() {
            member.cell.forestall(TaskError::Cancelled);
        }
    }

    /// Who failed first, and whose closures were dropped unseen.
    pub(super) fn verdict(&self) -> (Option<u64>, Vec<u64>) {
        let mut list = self.list.lock();
        let verdict = (list.first_failure, mem::take(&mut list.skipped));
        // All have ended: nothing is left to cancel or to abandon.
        let ended = mem::take(&mut list.members);
        drop(list);
        drop(ended);
        verdict
    }
}

/// What the pool gets: runs the member if it is still to be run; dropped instead, it tells that this will not be.
pub(super) struct MemberTicket<T: Send + 'static, E: Send + 'static> {
    book: Arc<Book<T, E>>,
    member: Option<Member<T, E>>,
}

impl<T: Send, E: Send> MemberTicket<T, E> {
    pub(super) fn new(book: &Arc<Book<T, E>>, member: &Member<T, E>) -> Self {
        MemberTicket { book: book.clone(), member: Some(member.clone()) }
    }

    pub(super) fn run(mut self) {
        if let Some(member) = self.member.take() {
            self.book.run(&member);
        }
    }
}

impl<T: Send + 'static, E: Send + 'static> Drop for MemberTicket<T, E> {
    fn drop(&mut self) {
        if let Some(member) = self.member.take() {
            if member.cell.forestall(TaskError::Lost) {
                self.book.cancel(Some(member.number));
            }
        }
    }
}
