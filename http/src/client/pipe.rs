//! One connection of a pipelining client, as its callers share it.
//!
//! The idea: there is no thread for it. Of the callers who wait, one leads: he connects, writes and reads for all, in
//! both directions at once, until he has his own response; then another one does. Whoever leads waits in a poller, in
//! which the others wake him when they have put something into the queue. A server that reads nothing before its
//! responses are read is so always read from, and what waits on either side is bounded by what callers have sent, and
//! by one response.
//!
//! The rules: whoever leads alone touches the connection. Whoever leaves while nobody leads has another one lead, or
//! closes what nobody waits for. When nothing is under way the connection goes back to where idle ones are kept and
//! watched, before anybody else can lead.
//!
//! ```text
//!          run ──▶ queue ──append──▶ under way ──hand out──▶ outcome
//!                    ▲                   │
//!                    └─────not sent──────┘ when the connection ends
//! ```

use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::host::SharedHost;
use super::names::wake;
use super::patience::CallPatience;
use super::pipe_call::{PipelinedCall, PipelinedOutcome};
use super::pipe_conn::{PipeConn, PipeEnd, PipeLoss, PipeTerms};
use super::stock::Leased;
use mio::{Events, Poll, Token, Waker};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What the poller reports when somebody woke whoever leads. The connection has another token.
const WOKEN: Token = Token(usize::MAX);

/// A connection that is shared; see the module's text.
pub(super) struct Pipe {
    state: Mutex<PipeState>,
    /// How many calls were given to it and are not over.
    pub(super) pending: Arc<AtomicUsize>,
    /// Whether a call has got nothing in all its time while the connection was silent. Then no other is sent on it
    /// before something comes.
    is_suspected: AtomicBool,
}

struct PipeState {
    /// Calls of which nothing was sent, in order.
    queued: VecDeque<Arc<PipelinedCall>>,
    /// Since when the queue is not empty.
    queued_since: Instant,
    /// While nobody leads.
    gear: PipeGear,
    is_led: bool,
    /// How to wake whoever leads while he waits.
    sleeper: Option<Arc<Waker>>,
    /// How many bytes have come, over all connections.
    heard: u64,
}

/// What whoever leads has in his hands.
struct PipeGear {
    /// From the first time on.
    poller: Option<PipePoller>,
    conn: Option<PipeConn>,
    /// How many requests may be under way on the next connection at first.
    window: usize,
}

struct PipePoller {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
}

/// How a pipe is used.
pub(super) struct PipeUse<'a> {
    pub(super) host: &'a SharedHost,
    pub(super) terms: &'a PipeTerms,
    /// How long requests wait for others, to be sent together.
    pub(super) batch_delay: Duration,
    /// How many calls there may be at once.
    pub(super) pending_max: usize,
}

/// What a caller who waits is woken for.
enum CallTurn {
    /// The outcome is there.
    Over,
    Lead(PipeGear),
}

/// Whoever leads, as long as he does.
struct Leading<'a> {
    pipe: &'a Pipe,
    how: &'a PipeUse<'a>,
    gear: PipeGear,
}

impl Pipe {
    pub(super) fn new() -> Self {
        let gear = PipeGear { poller: None, conn: None, window: usize::MAX };
        let state = PipeState {
            queued: VecDeque::new(),
            queued_since: Instant::now(),
            gear,
            is_led: false,
            sleeper: None,
            heard: 0,
        };
        Self { state: Mutex::new(state), pending: Arc::default(), is_suspected: AtomicBool::new(false) }
    }

    /// Whether its connection seems to be dead.
    pub(super) fn is_suspected(&self) -> bool {
        self.is_suspected.load(Ordering::Relaxed)
    }

    /// Has a call carried out, or carries it out with those of others.
    pub(super) fn run(
        &self,
        how: &PipeUse<'_>,
        call: &Arc<PipelinedCall>,
        patience: &CallPatience,
    ) -> PipelinedOutcome {
        self.enqueue(how, call);
        loop {
            match patience.park_until(|| self.turn(call)) {
                Some(CallTurn::Over) => {
                    if let Some(outcome) = call.take() {
                        return outcome;
                    }
                }
                None => return self.leave(how, call, patience, None),
                Some(CallTurn::Lead(gear)) => {
                    let mut leading = Leading { pipe: self, how, gear };
                    let failed = leading.lead(call, patience).err();
                    drop(leading);
                    if failed.is_some() || patience.is_over() {
                        return self.leave(how, call, patience, failed);
                    }
                }
            }
        }
    }

    fn enqueue(&self, how: &PipeUse<'_>, call: &Arc<PipelinedCall>) {
        let mut state = self.state.lock();
        let is_first = state.queued.is_empty();
        if is_first {
            state.queued_since = Instant::now();
        }
        state.queued.push_back(call.clone());
        // Who waits for others to come knows that they will.
        let is_awaited = is_first || how.batch_delay.is_zero() || self.is_full(how);
        let sleeper = if is_awaited { state.sleeper.take() } else { None };
        drop(state);
        if let Some(waker) = sleeper {
            wake(&waker);
        }
    }

    fn is_full(&self, how: &PipeUse<'_>) -> bool {
        self.pending.load(Ordering::Relaxed) >= how.pending_max
    }

    /// Whether what is queued is to be sent now.
    fn is_due(&self, state: &PipeState, how: &PipeUse<'_>) -> bool {
        !self.is_suspected()
            && (how.batch_delay.is_zero()
                || state.queued_since.elapsed() >= how.batch_delay
                || self.is_full(how))
    }

    /// Whether something could be put into the output now.
    fn is_more_to_send(&self, state: &PipeState, conn: &PipeConn, how: &PipeUse<'_>) -> bool {
        let is_begun = conn.has_room_for_rest();
        is_begun || !state.queued.is_empty() && self.is_due(state, how) && conn.has_room(how.terms)
    }

    /// Whether the connection seems to be dead, and nobody waits for what is under way on it.
    fn is_given_up(&self, conn: &PipeConn) -> bool {
        self.is_suspected() && !conn.is_idle() && conn.is_forsaken()
    }

    /// What there is for a caller to do.
    fn turn(&self, call: &PipelinedCall) -> Option<CallTurn> {
        let mut state = self.state.lock();
        match call.is_over() {
            true => Some(CallTurn::Over),
            false => state.take_lead().map(CallTurn::Lead),
        }
    }

    /// Ends the wait for a call, unless it was served in the last moment.
    fn leave(
        &self,
        how: &PipeUse<'_>,
        call: &Arc<PipelinedCall>,
        patience: &CallPatience,
        failed: Option<ClientError>,
    ) -> PipelinedOutcome {
        let mut state = self.state.lock();
        if let Some(outcome) = call.leave() {
            return outcome;
        }
        let before = state.queued.len();
        state.queued.retain(|other| !Arc::ptr_eq(other, call));
        let was_sent = state.queued.len() == before;
        let mut sleeper = None;
        if was_sent && patience.until().is_over() && state.heard == call.heard_before() {
            self.is_suspected.store(true, Ordering::Relaxed);
            // It may have been the last one who waited for this connection.
            sleeper = state.sleeper.take();
        }
        let gear = state.take_lead();
        drop(state);
        if let Some(waker) = sleeper {
            wake(&waker);
        }
        // Whoever leads for no time at all hands on, and puts in order what nobody waits for.
        drop(gear.map(|gear| Leading { pipe: self, how, gear }));
        let phase = if was_sent { ClientPhase::Head } else { ClientPhase::Send };
        let late = || ClientError::new(ClientErrorKind::Timeout(phase));
        PipelinedOutcome::unsent(failed.unwrap_or_else(late))
    }
}

impl PipeState {
    /// Has the caller lead, if nobody does.
    fn take_lead(&mut self) -> Option<PipeGear> {
        if std::mem::replace(&mut self.is_led, true) {
            return None;
        }
        let window = self.gear.window;
        Some(std::mem::replace(&mut self.gear, PipeGear { poller: None, conn: None, window }))
    }
}

impl Leading<'_> {
    /// Leads until the call is over, or there is nothing to wait for any more. An error is the call's own.
    fn lead(&mut self, call: &PipelinedCall, patience: &CallPatience) -> Result<(), ClientError> {
        loop {
            if call.is_over() || patience.is_over() {
                return Ok(());
            }
            if self.gear.conn.is_none() {
                self.connect(patience)?;
                continue;
            }
            let worked = self.work(call).and_then(|()| match call.is_over() {
                true => Ok(()),
                false => self.sleep(patience),
            });
            match worked {
                Ok(()) => self.put_back_retired(),
                Err(loss) => self.lose(loss),
            }
        }
    }

    /// Takes a connection. When none can be had, all who wait for it are told.
    fn connect(&mut self, patience: &CallPatience) -> Result<(), ClientError> {
        self.pipe.is_suspected.store(false, Ordering::Relaxed);
        let window = self.gear.window;
        let error = match self.how.host.lease(None, patience) {
            Ok(leased) => match self.gear.conn_of(leased, window) {
                Ok(()) => return Ok(()),
                Err(error) => ClientError::because(ClientErrorKind::Connect, error),
            },
            // It was only this call that had no more time.
            Err(error) if patience.is_over() => return Err(error),
            Err(error) => error,
        };
        self.fail_queued(&error);
        Ok(())
    }

    /// Tells all of which nothing was sent.
    fn fail_queued(&self, error: &ClientError) {
        let queued = std::mem::take(&mut self.pipe.state.lock().queued);
        for call in queued {
            call.give(PipelinedOutcome::unsent(error.same()));
        }
    }

    /// Reads and writes what can be without waiting.
    fn work(&mut self, call: &PipelinedCall) -> Result<(), PipeLoss> {
        let (pipe, how) = (self.pipe, self.how);
        let Some(conn) = &mut self.gear.conn else { return Ok(()) };
        loop {
            // What came before a request was sent is no response to it, so reading comes first.
            let (heard, received) = conn.receive(call, how.terms);
            let mut state = pipe.state.lock();
            state.heard += heard;
            if heard > 0 {
                pipe.is_suspected.store(false, Ordering::Relaxed);
            }
            received?;
            conn.check_stillness(how.terms)?;
            if pipe.is_given_up(conn) {
                return Err(conn.forsaken());
            }
            let is_due = pipe.is_due(&state, how);
            let PipeState { queued, heard, .. } = &mut *state;
            conn.append(queued, *heard, is_due, how.terms);
            drop(state);
            conn.write()?;
            if call.is_over() || !pipe.is_more_to_send(&pipe.state.lock(), conn, how) {
                return Ok(());
            }
        }
    }

    /// Waits until something can be done.
    fn sleep(&mut self, patience: &CallPatience) -> Result<(), PipeLoss> {
        let (pipe, how) = (self.pipe, self.how);
        let PipeGear { poller: Some(poller), conn: Some(conn), .. } = &mut self.gear else { return Ok(()) };
        let mut limit = patience.until().or(conn.until(how.terms));
        {
            let mut state = pipe.state.lock();
            if pipe.is_given_up(conn) || pipe.is_more_to_send(&state, conn, how) {
                return Ok(());
            }
            if !state.queued.is_empty() && !pipe.is_due(&state, how) {
                limit = limit.or_at(state.queued_since, Some(how.batch_delay));
            }
            state.sleeper = Some(poller.waker.clone());
        }
        let slept = {
            let waker = &poller.waker;
            let _here = patience.waits(|| {
                let waker = waker.clone();
                Box::new(move || wake(&waker))
            });
            match patience.is_over() {
                true => Ok(()),
                false => poller.poll.poll(&mut poller.events, limit.left()),
            }
        };
        pipe.state.lock().sleeper = None;
        match slept {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(conn.lost(error)),
            _ => Ok(()),
        }
    }

    /// Puts the connection back when no other request may follow on it, and there are none under way.
    fn put_back_retired(&mut self) {
        let is_retired = |conn: &mut PipeConn| conn.is_idle() && conn.is_retired(self.how.terms);
        if let Some(conn) = self.gear.conn.take_if(is_retired) {
            self.gear.put_back(conn);
        }
    }

    /// Closes the connection. What was not sent on it is sent on the next.
    fn lose(&mut self, loss: PipeLoss) {
        let Some(conn) = self.gear.conn.take() else { return };
        let PipeEnd { unsent, window, useless } = conn.end(loss);
        self.gear.window = window;
        let mut state = self.pipe.state.lock();
        for call in unsent.into_iter().rev().filter(|call| !call.is_gone()) {
            state.queued.push_front(call);
        }
        drop(state);
        if let Some(error) = useless {
            // An attempt has failed for all, so that there is an end to attempts.
            self.fail_queued(&error);
        }
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(loss) = self.gear.conn.as_ref().map(PipeConn::forsaken) {
                self.lose(loss);
            }
        }
        loop {
            let mut state = self.pipe.state.lock();
            let is_unused = |conn: &mut PipeConn| state.queued.is_empty() && conn.is_forsaken();
            if let Some(conn) = self.gear.conn.take_if(is_unused) {
                // Before anybody else leads, who would find that there are as many connections as there may be.
                drop(state);
                if conn.is_idle() {
                    self.gear.put_back(conn);
                } else {
                    let loss = conn.forsaken();
                    self.gear.window = conn.end(loss).window;
                }
                continue;
            }
            let next = state.queued.back().or_else(|| self.gear.conn.as_ref()?.last_waiting()).cloned();
            let emptied = PipeGear { poller: None, conn: None, window: self.gear.window };
            state.gear = std::mem::replace(&mut self.gear, emptied);
            state.is_led = false;
            drop(state);
            if let Some(next) = next {
                next.wake();
            }
            return;
        }
    }
}

impl PipeGear {
    /// Makes a connection of a lease. `window`: how many requests may be under way on it at first.
    fn conn_of(&mut self, leased: Leased, window: usize) -> io::Result<()> {
        let registry = self.poller()?.poll.registry();
        let conn = PipeConn::new(leased, window, registry)?;
        self.conn = Some(conn);
        Ok(())
    }

    fn poller(&mut self) -> io::Result<&PipePoller> {
        if self.poller.is_none() {
            let poll = Poll::new()?;
            let waker = Arc::new(Waker::new(poll.registry(), WOKEN)?);
            self.poller = Some(PipePoller { poll, events: Events::with_capacity(4), waker });
        }
        self.poller.as_ref().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Puts a connection to those that are idle.
    fn put_back(&mut self, conn: PipeConn) {
        if let Some(poller) = &self.poller {
            self.window = conn.give_back(poller.poll.registry());
        }
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").field("pending", &self.pending).finish_non_exhaustive()
    }
}
