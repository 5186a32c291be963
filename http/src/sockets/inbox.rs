//! Messages on their way to a loop that owns its socket.
//!
//! Whoever serves the connection leaves messages here as long as there is room, and stops reading when there is none.
//! *Finding no room* and *asking to be told of it* are one step under the lock, as are *taking a message* and *looking
//! whether somebody is to be told*; so a peer is never left unread. And the other way round: *finding nothing*
//! and *going to sleep* are one step for the loop.
//!
//! `M` is a message, `E` says how it ended.

use crate::sockets::sync::{Condvar, Instant, Mutex, lock, wait_until};
use std::collections::VecDeque;

/// So many wait at most, unless something else is said, ...
const MOST: usize = 32;
/// ... and no more once they weigh so much together.
const MOST_BYTES: usize = 256 * 1024;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Inbox<M, E> {
    state: Mutex<InboxState<M, E>>,
    came: Condvar,
    most: usize,
}

#[derive(Debug)]
struct InboxState<M, E> {
    waiting: VecDeque<(M, usize)>,
    bytes: usize,
    /// Who serves the connection found no room.
    is_asked: bool,
    /// The peer has said that no more comes.
    is_last: bool,
    /// The loop has seen that.
    is_last_seen: bool,
    /// How it ended.
    end: Option<E>,
    /// Nobody takes messages any more.
    has_left: bool,
}

/// What a loop found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard<M, E> {
    Message(M),
    /// The peer has closed; how it all ends is not settled yet.
    Last,
    End(E),
    /// Nothing, until the deadline.
    Nothing,
}

impl<M, E: Clone> Inbox<M, E> {
    pub(crate) fn new() -> Self {
        Self::with_room(MOST)
    }

    /// One in which so many wait at most.
    pub(crate) fn with_room(most: usize) -> Self {
        let state = InboxState {
            waiting: VecDeque::new(),
            bytes: 0,
            is_asked: false,
            is_last: false,
            is_last_seen: false,
            end: None,
            has_left: false,
        };
        Self { state: Mutex::new(state), came: Condvar::new(), most }
    }

    /// Whether there is room for another message. If not, the next [`take`](Self::take) says that there is.
    pub(crate) fn has_room(&self) -> bool {
        let mut state = lock(&self.state);
        let has_room = state.has_room(self.most);
        state.is_asked = !has_room;
        has_room
    }

    /// Leaves a message; whoever does has asked for room.
    pub(crate) fn put(&self, message: M, weight: usize) {
        let mut state = lock(&self.state);
        if state.has_left {
            drop(state);
            return drop(message);
        }
        state.bytes = state.bytes.saturating_add(weight);
        state.waiting.push_back((message, weight));
        drop(state);
        self.came.notify_one();
    }

    /// The peer has closed: nothing more comes. True: the loop has nothing left to take, and knows it.
    pub(crate) fn put_last(&self) -> bool {
        let mut state = lock(&self.state);
        state.is_last = true;
        let is_seen = state.is_last_seen || state.has_left;
        drop(state);
        self.came.notify_all();
        is_seen
    }

    /// It has ended.
    pub(crate) fn end(&self, end: E) {
        let mut state = lock(&self.state);
        state.end.get_or_insert(end);
        drop(state);
        self.came.notify_all();
    }

    /// Takes the next message, waiting for it until `deadline`. True: whoever serves the connection is to look again.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> (Heard<M, E>, bool) {
        let mut state = lock(&self.state);
        let mut is_late = false;
        loop {
            if let Some((message, weight)) = state.waiting.pop_front() {
                state.bytes -= weight;
                let is_told = state.is_asked && state.has_room(self.most);
                state.is_asked &= !is_told;
                return (Heard::Message(message), is_told);
            }
            if let Some(end) = &state.end {
                return (Heard::End(end.clone()), false);
            }
            if state.is_last && !state.is_last_seen {
                state.is_last_seen = true;
                return (Heard::Last, true);
            }
            if is_late {
                return (Heard::Nothing, false);
            }
            (state, is_late) = wait_until(&self.came, state, deadline);
        }
    }

    /// Nobody takes messages any more.
    pub(crate) fn leave(&self) {
        let mut state = lock(&self.state);
        state.has_left = true;
        state.bytes = 0;
        let dropped = std::mem::take(&mut state.waiting);
        drop(state);
        drop(dropped);
    }
}

impl<M, E> InboxState<M, E> {
    fn has_room(&self, most: usize) -> bool {
        self.has_left || self.waiting.len() < most && self.bytes < MOST_BYTES
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_found_no_room_is_told_of_it_once() {
        let inbox: Inbox<usize, ()> = Inbox::new();
        for message in 0..MOST {
            assert!(inbox.has_room());
            inbox.put(message, 1);
        }
        assert!(!inbox.has_room());
        assert_eq!(inbox.take(None), (Heard::Message(0), true));
        assert_eq!(inbox.take(None), (Heard::Message(1), false));
        inbox.put(7, MOST_BYTES);
        assert!(!inbox.has_room(), "it is heavy");
        inbox.leave();
        assert!(inbox.has_room(), "nobody has them waited for");
    }

    #[test]
    fn what_came_is_taken_before_the_end() {
        let inbox = Inbox::new();
        inbox.put('a', 1);
        assert!(!inbox.put_last(), "something is left to be taken");
        assert_eq!(inbox.take(None), (Heard::Message('a'), false));
        assert_eq!(inbox.take(None), (Heard::Last, true));
        assert_eq!(inbox.take(Some(Instant::now())), (Heard::Nothing, false));
        assert!(inbox.put_last());
        inbox.end("over");
        inbox.end("later");
        assert_eq!(inbox.take(None), (Heard::End("over"), false));
        assert_eq!(inbox.take(None), (Heard::End("over"), false));
    }

    #[test]
    fn a_loop_that_waits_is_told_of_the_end() {
        let inbox: Inbox<u8, char> = Inbox::new();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| inbox.take(None));
            inbox.end('e');
            assert_eq!(waits.join().expect("it is told"), (Heard::End('e'), false));
        });
    }
}
