//! Two ends in memory: what is written at one is read at the other, in both directions, by whom waits and by whom is
//! woken.
//!
//! ```text
//! end 0 ── flows[0] ──▶ end 1
//!       ◀── flows[1] ──
//! ```
//!
//! The rule: whatever may end a wait is done under the one lock, and whoever may wait at the other end is told of it
//! under the lock too; a waker, which knows locks of its own, is called behind it.

use crate::wire::sync::{Condvar, Instant, Mutex, lock, wait_until};
use crate::wire::transport::{ReadCount, ReadySet};
use crate::wire::wake::Waker;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
#[cfg(feature = "testing")]
use std::num::NonZeroUsize;
use std::time::Duration;

/// Bytes that are under way in one direction at most.
const CAPACITY: usize = 64 * 1024;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PipeEnd {
    First,
    Second,
}

impl PipeEnd {
    fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    fn index(self) -> usize {
        usize::from(self == Self::Second)
    }
}

/// Both ends; see the module's text.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    state: Mutex<PipeState>,
    /// For who waits at either end.
    changed: [Condvar; 2],
}

#[derive(Debug, Default)]
struct PipeState {
    /// What each end has written.
    flows: [Flow; 2],
    waits: [WaitLimits; 2],
    wakers: [Option<Waker>; 2],
}

/// Bytes on their way.
#[derive(Debug, Default)]
struct Flow {
    bytes: VecDeque<u8>,
    /// Nothing more will be written.
    is_finished: bool,
    /// Nothing more will be read.
    is_refused: bool,
    /// What a test does to it.
    #[cfg(feature = "testing")]
    faults: FlowFaults,
    /// Whoever has written them waits until they were read.
    #[cfg(feature = "testing")]
    is_awaited: bool,
}

/// What a test does to bytes on their way.
#[cfg(feature = "testing")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FlowFaults {
    /// So many are read at once at most.
    pub(crate) torn_by: Option<NonZeroUsize>,
    /// When so many were written, the connection breaks.
    pub(crate) breaks_after: Option<u64>,
}

/// How long calls at one end wait; `None`: for ever.
#[derive(Clone, Copy, Debug, Default)]
struct WaitLimits {
    read: WaitLimit,
    write: WaitLimit,
}

/// How long a call waits at most, and until when any.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WaitLimit {
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
}

impl WaitLimit {
    /// When a call gives up that has begun then.
    fn end(self, begun: Instant) -> Option<Instant> {
        let timeout = self.timeout.and_then(|timeout| begun.checked_add(timeout));
        timeout.into_iter().chain(self.deadline).min()
    }
}

impl PipeState {
    fn ready(&self, end: PipeEnd) -> ReadySet {
        let (incoming, outgoing) = (&self.flows[end.other().index()], &self.flows[end.index()]);
        ReadySet {
            read: !incoming.bytes.is_empty() || incoming.is_finished || incoming.is_refused,
            write: outgoing.bytes.len() < CAPACITY || outgoing.is_finished || outgoing.is_refused,
        }
    }

    /// Also says whether somebody may have waited for the room.
    fn read(&mut self, end: PipeEnd, room: &mut [u8]) -> io::Result<(ReadCount, bool)> {
        let flow = &mut self.flows[end.other().index()];
        if flow.bytes.is_empty() && !flow.is_finished && !flow.is_refused {
            return Err(ErrorKind::WouldBlock.into());
        }
        let (mut count, was_full) = (0, flow.bytes.len() == CAPACITY);
        #[cfg(feature = "testing")]
        let room = flow.torn(room);
        while count < room.len() && !flow.bytes.is_empty() {
            let (front, _) = flow.bytes.as_slices();
            let part = front.len().min(room.len() - count);
            room[count..count + part].copy_from_slice(&front[..part]);
            flow.bytes.drain(..part);
            count += part;
        }
        let is_drained = flow.bytes.is_empty() && !flow.is_finished;
        #[cfg(feature = "testing")]
        let was_full = was_full || flow.is_awaited && flow.bytes.is_empty();
        Ok((ReadCount { count, is_drained }, was_full))
    }

    fn write(&mut self, end: PipeEnd, slices: [&[u8]; 2]) -> io::Result<usize> {
        let flow = &mut self.flows[end.index()];
        if flow.is_finished || flow.is_refused {
            return Err(io::Error::new(ErrorKind::BrokenPipe, "the connection is closed"));
        }
        let mut count = 0;
        for slice in slices {
            let part = slice.len().min(CAPACITY - flow.bytes.len());
            #[cfg(feature = "testing")]
            let part = flow.before_break(part);
            flow.bytes.extend(&slice[..part]);
            count += part;
        }
        #[cfg(feature = "testing")]
        if flow.faults.breaks_after == Some(0) {
            self.break_off();
            return if count > 0 { Ok(count) } else { Err(ErrorKind::BrokenPipe.into()) };
        }
        let is_full = count == 0 && slices.iter().any(|slice| !slice.is_empty());
        if is_full { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }
}

/// What tests do.
#[cfg(feature = "testing")]
impl PipeState {
    /// The connection is lost: what is on its way arrives, and nothing more.
    fn break_off(&mut self) {
        for flow in &mut self.flows {
            (flow.is_finished, flow.faults.breaks_after) = (true, None);
        }
    }
}

#[cfg(feature = "testing")]
impl Flow {
    /// As much of `room` as may be read at once.
    fn torn<'a>(&self, room: &'a mut [u8]) -> &'a mut [u8] {
        let most = self.faults.torn_by.map_or(room.len(), |most| most.get().min(room.len()));
        &mut room[..most]
    }

    /// How many of `count` bytes are written before the connection breaks.
    fn before_break(&mut self, count: usize) -> usize {
        let Some(left) = &mut self.faults.breaks_after else { return count };
        let count = usize::try_from(*left).unwrap_or(usize::MAX).min(count);
        *left -= count as u64;
        count
    }
}

#[cfg(feature = "testing")]
impl Pipe {
    /// Does that to what `end` writes from now on, and to what it reads.
    pub(crate) fn set_faults(&self, end: PipeEnd, outgoing: FlowFaults, incoming: FlowFaults) {
        let mut state = lock(&self.state);
        state.flows[end.index()].faults = outgoing;
        state.flows[end.other().index()].faults = incoming;
    }

    /// Waits until the other end has read all that `end` has written, or will read no more. False: `until` came first.
    pub(crate) fn wait_taken(&self, end: PipeEnd, until: Instant) -> bool {
        let mut state = lock(&self.state);
        loop {
            let flow = &mut state.flows[end.index()];
            flow.is_awaited = !flow.bytes.is_empty() && !flow.is_refused;
            if !flow.is_awaited {
                return true;
            }
            let is_late;
            (state, is_late) = wait_until(&self.changed[end.index()], state, Some(until));
            if is_late {
                state.flows[end.index()].is_awaited = false;
                return false;
            }
        }
    }
}

impl Pipe {
    /// Reads what is there, if something is or will never be.
    pub(crate) fn try_read(&self, end: PipeEnd, room: &mut [u8]) -> io::Result<ReadCount> {
        self.act(end, |state| state.read(end, room))
    }

    /// Writes what there is room for, if there is any or will never be.
    pub(crate) fn try_write(&self, end: PipeEnd, slices: [&[u8]; 2]) -> io::Result<usize> {
        self.act(end, |state| Ok((state.write(end, slices)?, true)))
    }

    /// Does something at `end`, and tells the other of it if it says so.
    fn act<T>(
        &self,
        end: PipeEnd,
        act: impl FnOnce(&mut PipeState) -> io::Result<(T, bool)>,
    ) -> io::Result<T> {
        let other = end.other().index();
        let mut state = lock(&self.state);
        let (done, tells) = act(&mut state)?;
        if !tells {
            return Ok(done);
        }
        self.changed[other].notify_all();
        let waker = state.wakers[other].clone();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(done)
    }

    /// Reads, as soon as something is there.
    ///
    /// # Errors
    /// `TimedOut`: within the limit of this end nothing was.
    pub(crate) fn read(&self, end: PipeEnd, room: &mut [u8]) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            match self.try_read(end, room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read.map(|read| read.count),
            }
            self.wait_within(end, ReadySet { read: true, write: false }, begun, |limits| limits.read)?;
        }
    }

    /// Writes, as soon as there is room.
    ///
    /// # Errors
    /// `TimedOut`: within the limit of this end there was none.
    pub(crate) fn write(&self, end: PipeEnd, slices: [&[u8]; 2]) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            match self.try_write(end, slices) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return written,
            }
            self.wait_within(end, ReadySet { read: false, write: true }, begun, |limits| limits.write)?;
        }
    }

    /// Waits as the limits of this end say, which may change meanwhile.
    fn wait_within(
        &self,
        end: PipeEnd,
        awaited: ReadySet,
        begun: Instant,
        limit: impl Fn(&WaitLimits) -> WaitLimit,
    ) -> io::Result<()> {
        let mut state = lock(&self.state);
        while !state.ready(end).meets(awaited) {
            let until = limit(&state.waits[end.index()]).end(begun);
            if until.is_some_and(|until| until <= Instant::now()) {
                return Err(io::Error::new(ErrorKind::TimedOut, "the other end did nothing in time"));
            }
            (state, _) = wait_until(&self.changed[end.index()], state, until);
        }
        Ok(())
    }

    /// Waits until something of `awaited` can be done. False: `limit` passed first.
    pub(crate) fn wait(&self, end: PipeEnd, awaited: ReadySet, limit: Option<Duration>) -> bool {
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut state = lock(&self.state);
        while !state.ready(end).meets(awaited) {
            let is_late;
            (state, is_late) = wait_until(&self.changed[end.index()], state, until);
            if is_late {
                return state.ready(end).meets(awaited);
            }
        }
        true
    }

    /// How long calls at `end` wait from now on, those under way too.
    pub(crate) fn set_read_limit(&self, end: PipeEnd, set: impl FnOnce(&mut WaitLimit)) {
        set(&mut lock(&self.state).waits[end.index()].read);
        self.changed[end.index()].notify_all();
    }

    /// How long calls at `end` wait from now on, those under way too.
    pub(crate) fn set_write_limit(&self, end: PipeEnd, set: impl FnOnce(&mut WaitLimit)) {
        set(&mut lock(&self.state).waits[end.index()].write);
        self.changed[end.index()].notify_all();
    }

    /// Ends one direction at `end`, or both. What was written before can still be read at the other end.
    pub(crate) fn shut_down(&self, end: PipeEnd, what: Shutdown) {
        let mut state = lock(&self.state);
        if what != Shutdown::Read {
            state.flows[end.index()].is_finished = true;
        }
        if what != Shutdown::Write {
            let incoming = &mut state.flows[end.other().index()];
            incoming.is_refused = true;
            incoming.bytes.clear();
        }
        for changed in &self.changed {
            changed.notify_all();
        }
        let [ours, theirs] = [end, end.other()].map(|end| state.wakers[end.index()].clone());
        drop(state);
        if let Some(ours) = ours {
            ours.wake();
        }
        match theirs {
            Some(theirs) if what != Shutdown::Read => theirs.wake_ended(),
            Some(theirs) => theirs.wake(),
            None => {}
        }
    }

    /// Whether the other end will write nothing more, and whether it will read nothing more either.
    pub(crate) fn has_other_ended(&self, end: PipeEnd) -> (bool, bool) {
        let state = lock(&self.state);
        let is_finished = state.flows[end.other().index()].is_finished;
        (is_finished, is_finished && state.flows[end.index()].is_refused)
    }

    /// Has `waker` called whenever something may be different for `end`, and once now.
    pub(crate) fn set_waker(&self, end: PipeEnd, waker: Option<Waker>) {
        let mut state = lock(&self.state);
        state.wakers[end.index()].clone_from(&waker);
        let has_ended = state.flows[end.other().index()].is_finished;
        drop(state);
        match waker {
            Some(waker) if has_ended => waker.wake_ended(),
            Some(waker) => waker.wake(),
            None => {}
        }
    }
}
