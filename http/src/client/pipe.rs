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
//! watched, before anybody else can lead; and before anybody sleeps, if it is to get no other request. Whoever leaves
//! with something of his in the list has whoever sleeps look again: he may have been the last who waited for it.
//!
//! ```text
//!          run ──▶ queue ──append──▶ under way ──hand out──▶ outcome
//!                    ▲                   │
//!                    └────not begun──────┘ when the connection ends, or somebody leaves
//! ```

use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::host::SharedHost;
use super::names::wake;
use super::patience::CallPatience;
use super::pipe_call::{PipelinedCall, PipelinedOutcome};
use super::pipe_conn::{PipeConn, PipeLoss, PipeTerms, PipelineConnEnd};
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
pub(super) struct PipelineConn {
    state: Mutex<PipelineConnState>,
    /// How many calls were given to it and are not over.
    pub(super) pending: Arc<AtomicUsize>,
    /// Whether a call has got nothing in all its time while the connection was silent. Then no other is sent on it
    /// before something comes.
    is_suspected: AtomicBool,
}

struct PipelineConnState {
    /// Calls of which nothing was sent, in order.
    queued: VecDeque<Arc<PipelinedCall>>,
    /// Since when the queue is not empty.
    queued_since: Instant,
    /// While nobody leads.
    gear: PipeGear,
    is_led: bool,
    /// How to wake whoever leads while he waits.
    sleeper: Option<Arc<Waker>>,
    /// Whether there is a connection. What there is not is not suspected.
    is_connected: bool,
    /// How many signs of life there were: bytes that came, and connections that were made or ended.
    heard: u64,
}

/// What whoever leads has in his hands.
struct PipeGear {
    /// From the first time on.
    poller: Option<PipePoller>,
    conn: Option<Box<PipeConn>>,
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
    pipe: &'a PipelineConn,
    how: &'a PipeUse<'a>,
    /// His own.
    call: &'a Arc<PipelinedCall>,
    gear: PipeGear,
    /// Whether the thread was unwinding when he began, as a destructor may that makes a call.
    was_panicking: bool,
}

impl PipelineConn {
    pub(super) fn new() -> Self {
        let gear = PipeGear { poller: None, conn: None, window: usize::MAX };
        let state = PipelineConnState {
            queued: VecDeque::new(),
            queued_since: Instant::now(),
            gear,
            is_led: false,
            sleeper: None,
            is_connected: false,
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
                    let mut leading = Leading::new(self, how, call, gear);
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
        call.attempt(state.heard);
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
    fn is_due(&self, state: &PipelineConnState, how: &PipeUse<'_>) -> bool {
        !self.is_suspected()
            && (how.batch_delay.is_zero()
                || state.queued_since.elapsed() >= how.batch_delay
                || self.is_full(how))
    }

    /// Whether something could be put into the output now.
    fn is_more_to_send(&self, state: &PipelineConnState, conn: &PipeConn, how: &PipeUse<'_>) -> bool {
        let is_begun = conn.has_room_for_rest();
        is_begun || !state.queued.is_empty() && self.is_due(state, how) && conn.has_room(how.terms)
    }

    /// Whether the connection seems to be dead, and nobody waits for what was begun on it.
    fn is_given_up(&self, conn: &PipeConn) -> bool {
        self.is_suspected() && conn.is_given_up()
    }

    /// Takes note of a connection that was made, or ended. No connection is suspected for what another did.
    fn set_connected(&self, is_connected: bool) {
        let mut state = self.state.lock();
        state.is_connected = is_connected;
        self.heard(&mut state, 1);
    }

    /// Takes note of signs of life.
    fn heard(&self, state: &mut PipelineConnState, count: u64) {
        if count > 0 {
            state.heard += count;
            self.is_suspected.store(false, Ordering::Relaxed);
        }
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
        let was_queued = state.forget(call);
        let was_begun = call.is_begun();
        let was_in_vain = was_begun && state.is_connected && state.heard == call.heard_before();
        if was_in_vain && patience.until().is_over() {
            self.is_suspected.store(true, Ordering::Relaxed);
        }
        // It may have been the last one who waited for what was begun, or lies in the output.
        let sleeper = if was_queued { None } else { state.sleeper.take() };
        let gear = state.take_lead();
        drop(state);
        if let Some(waker) = sleeper {
            wake(&waker);
        }
        // Whoever leads for no time at all hands on, and puts in order what nobody waits for.
        drop(gear.map(|gear| Leading::new(self, how, call, gear)));
        let phase = if was_begun { ClientPhase::Head } else { ClientPhase::Send };
        let late = || ClientError::new(ClientErrorKind::Timeout(phase));
        PipelinedOutcome::unsent(failed.unwrap_or_else(late))
    }
}

impl PipelineConnState {
    /// Has the caller lead, if nobody does.
    fn take_lead(&mut self) -> Option<PipeGear> {
        if std::mem::replace(&mut self.is_led, true) {
            return None;
        }
        let window = self.gear.window;
        Some(std::mem::replace(&mut self.gear, PipeGear { poller: None, conn: None, window }))
    }

    /// Takes a call out of the queue, and says whether it was there.
    fn forget(&mut self, call: &Arc<PipelinedCall>) -> bool {
        let before = self.queued.len();
        self.queued.retain(|other| !Arc::ptr_eq(other, call));
        self.queued.len() < before
    }
}

impl<'a> Leading<'a> {
    fn new(
        pipe: &'a PipelineConn,
        how: &'a PipeUse<'a>,
        call: &'a Arc<PipelinedCall>,
        gear: PipeGear,
    ) -> Self {
        Self { pipe, how, call, gear, was_panicking: std::thread::panicking() }
    }

    /// Leads until the call is over, or there is nothing to wait for any more. An error is the call's own.
    fn lead(&mut self, call: &PipelinedCall, patience: &CallPatience) -> Result<(), ClientError> {
        while !call.is_over() {
            if self.gear.conn.is_none() {
                match patience.is_over() {
                    true => return Ok(()),
                    false => self.connect(patience)?,
                }
                continue;
            }
            // Looked at before time is: the response may have been there before whoever led before has left.
            let worked = self.work(call, patience);
            if worked.is_ok() && (call.is_over() || patience.is_over()) {
                return Ok(());
            }
            // Looked at before the sleep, in which nothing would happen with it any more.
            let slept = worked.and_then(|()| match self.put_back_retired() {
                true => Ok(()),
                false => self.sleep(patience),
            });
            if let Err(loss) = slept {
                self.lose(loss);
            }
        }
        Ok(())
    }

    /// Takes a connection. When none can be had, all who wait for it are told.
    fn connect(&mut self, patience: &CallPatience) -> Result<(), ClientError> {
        let window = self.gear.window;
        let error = match self.how.host.lease(None, patience) {
            Ok(leased) => match self.gear.conn_of(leased, window) {
                Ok(()) => {
                    self.pipe.set_connected(true);
                    return Ok(());
                }
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
    fn work(&mut self, call: &PipelinedCall, patience: &CallPatience) -> Result<(), PipeLoss> {
        let (pipe, how) = (self.pipe, self.how);
        let Some(conn) = &mut self.gear.conn else { return Ok(()) };
        let is_late = || patience.is_over();
        let is_enough = || call.is_over() || is_late();
        loop {
            // What came before a request was sent is no response to it, so reading comes first.
            let (heard, received) = conn.receive(&is_enough, how.terms);
            let mut state = pipe.state.lock();
            pipe.heard(&mut state, heard);
            let is_more_there = received?;
            conn.check_stillness(how.terms)?;
            if pipe.is_given_up(conn) {
                return Err(conn.forsaken());
            }
            if is_late() {
                return Ok(());
            }
            conn.take_back(&mut state.queued);
            let is_due = pipe.is_due(&state, how);
            conn.append(&mut state.queued, is_due, how.terms);
            drop(state);
            conn.write(&is_late, how.terms)?;
            let goes_on =
                is_more_there || conn.is_kept_due() || pipe.is_more_to_send(&pipe.state.lock(), conn, how);
            if is_enough() || !goes_on {
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
            // What is due is waited for no more, however little there is to do for it now.
            let waits = !state.queued.is_empty() && !pipe.is_due(&state, how);
            if waits && !pipe.is_suspected() {
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

    /// Puts the connection back when no other request may follow on it, and there are none under way. Whether it was
    /// so.
    fn put_back_retired(&mut self) -> bool {
        let is_retired = |conn: &mut Box<PipeConn>| conn.is_idle() && conn.is_retired(self.how.terms);
        let retired = self.gear.conn.take_if(is_retired);
        let was_retired = retired.is_some();
        if let Some(conn) = retired {
            self.put_back(*conn);
        }
        was_retired
    }

    /// Puts a connection to those that are idle.
    fn put_back(&mut self, conn: PipeConn) {
        self.gear.put_back(conn);
        self.pipe.set_connected(false);
    }

    /// Closes the connection. What was not begun on it is sent on the next.
    fn lose(&mut self, loss: PipeLoss) {
        let Some(conn) = self.gear.conn.take() else { return };
        let PipelineConnEnd { unsent, window, useless } = conn.end(loss, self.how.terms);
        self.gear.window = window;
        // Behind the telling, so that whoever leaves meanwhile leaves nothing to suspect the next one for.
        self.pipe.set_connected(false);
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

    /// Leaves everything to others when the leading has ended in a panic, which may have cut off what was being done on
    /// the connection. His own call is nobody's any more.
    fn give_up(&mut self) {
        {
            let mut state = self.pipe.state.lock();
            self.call.leave();
            state.forget(self.call);
        }
        if let Some(loss) = self.gear.conn.as_ref().map(|conn| conn.forsaken()) {
            self.lose(loss);
        }
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.was_panicking {
            self.give_up();
        }
        loop {
            let mut state = self.pipe.state.lock();
            if let Some(conn) = &mut self.gear.conn {
                conn.take_back(&mut state.queued);
            }
            let is_unused = |conn: &mut Box<PipeConn>| state.queued.is_empty() && conn.is_forsaken();
            if let Some(conn) = self.gear.conn.take_if(is_unused) {
                // Before anybody else leads, who would find that there are as many connections as there may be.
                drop(state);
                if conn.is_idle() {
                    self.put_back(*conn);
                } else {
                    let loss = conn.forsaken();
                    self.gear.window = conn.end(loss, self.how.terms).window;
                    self.pipe.set_connected(false);
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
        self.conn = Some(Box::new(conn));
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

impl fmt::Debug for PipelineConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineConn").field("pending", &self.pending).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::exchange::append_whole;
    use crate::client::host::HostClient;
    use crate::client::pipe_call::{PendingPlace, PipelinedBytes};
    use crate::client::places::{HostPlaces, ReuseOrder};
    use crate::client::stock::ConnAges;
    use crate::message::request::Request;
    use crate::proto::Limits;
    use crate::values::headers::Fields;

    const TERMS: PipeTerms = PipeTerms {
        limits: Limits::DEFAULT,
        body_max: None,
        read: None,
        write: None,
        ages: ConnAges { idle: Duration::from_secs(60), kept: 0, whole: None, requests: None },
        ratio_max: None,
    };

    fn call() -> Arc<PipelinedCall> {
        let request = Request::new("GET", "/").expect("a request");
        let mut bytes = Vec::new();
        let head = append_whole(&request, b"h", Fields::new(b"", &[]), false, &mut bytes).expect("no body");
        let places = Arc::new(HostPlaces::new(1, 0, ReuseOrder::Lifo));
        let patience = CallPatience::default();
        assert!(places.take(&patience, &patience).is_ok());
        let sent = PipelinedBytes { bytes, head, is_idempotent: true, decodes: false };
        PipelinedCall::new(sent, PendingPlace { places, here: Arc::new(1.into()) })
    }

    /// Does something with a pipe to a host that is never connected to.
    fn with_pipe(act: impl FnOnce(&PipelineConn, &PipeUse<'_>)) {
        let host = HostClient::new("127.0.0.1:9").expect("an address");
        let (terms, batch_delay, pending_max) = (&TERMS, Duration::ZERO, 8);
        act(&PipelineConn::new(), &PipeUse { host: host.shared(), terms, batch_delay, pending_max });
    }

    #[test]
    fn a_panic_of_whoever_leads_leaves_the_lead_to_others() {
        with_pipe(|pipe, how| {
            let (own, other) = (call(), call());
            pipe.enqueue(how, &other);
            pipe.enqueue(how, &own);
            let gear = pipe.state.lock().take_lead().expect("nobody leads");
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _leading = Leading::new(pipe, how, &own, gear);
                std::panic::resume_unwind(Box::new("in the middle"));
            }));
            assert!(panicked.is_err() && own.is_gone());
            let mut state = pipe.state.lock();
            assert!(state.queued.len() == 1 && Arc::ptr_eq(&state.queued[0], &other), "it was the last");
            assert!(state.take_lead().is_some());
        });
    }

    #[test]
    fn whoever_was_to_lead_and_leaves_hands_on() {
        // The leader hands on before the next one leaves, behind that, and while he is told.
        for order in 0..3 {
            with_pipe(|pipe, how| {
                let over = CallPatience::new(Some(Duration::ZERO), None);
                let (give, given) = std::sync::mpsc::channel();
                let waits = std::thread::spawn(move || {
                    let call = call();
                    give.send(call).expect("the test waits for it");
                    let hour = Duration::from_secs(3600);
                    let begun = Instant::now();
                    std::thread::park_timeout(hour);
                    begun.elapsed() < hour
                });
                let third = given.recv().expect("it gives its call");
                let (own, next) = (call(), call());
                for call in [&third, &next] {
                    pipe.enqueue(how, call);
                }
                let gear = pipe.state.lock().take_lead().expect("nobody leads");
                let leading = Leading::new(pipe, how, &own, gear);
                let leave = || drop(pipe.leave(how, &next, &over, None));
                match order {
                    0 => {
                        drop(leading);
                        leave();
                    }
                    1 => {
                        leave();
                        drop(leading);
                    }
                    // Somebody else has taken the lead meanwhile, and goes as well.
                    _ => {
                        drop(leading);
                        let gear = pipe.state.lock().take_lead().expect("nobody leads");
                        leave();
                        drop(Leading::new(pipe, how, &own, gear));
                    }
                }
                assert!(waits.join().expect("no panic"), "the last one who waits is told");
                let mut state = pipe.state.lock();
                assert!(state.queued.len() == 1 && Arc::ptr_eq(&state.queued[0], &third));
                assert!(state.take_lead().is_some(), "and may lead");
            });
        }
    }

    #[test]
    fn a_connection_is_suspected_by_whoever_heard_nothing_of_it_in_all_its_time() {
        let over = CallPatience::new(Some(Duration::ZERO), None);
        for (is_begun, bytes, is_connected) in
            [(true, 0, true), (false, 0, true), (true, 1, true), (true, 0, false)]
        {
            with_pipe(|pipe, how| {
                pipe.set_connected(true);
                let call = call();
                pipe.enqueue(how, &call);
                // While it is queued.
                pipe.heard(&mut pipe.state.lock(), bytes);
                pipe.state.lock().queued.clear();
                if is_begun {
                    call.begun();
                }
                if !is_connected {
                    pipe.set_connected(false);
                }
                let outcome = pipe.leave(how, &call, &over, None);
                let phase = if is_begun { ClientPhase::Head } else { ClientPhase::Send };
                let kind = outcome.result.map(drop).expect_err("time is up").kind();
                assert_eq!(kind, ClientErrorKind::Timeout(phase));
                let is_suspected = is_begun && bytes == 0 && is_connected;
                assert_eq!(pipe.is_suspected(), is_suspected);
                pipe.set_connected(true);
                assert!(!pipe.is_suspected(), "the next one has done nothing");
            });
        }
    }
}
