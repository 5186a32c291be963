//! A shard: a poller, the connections registered with it, their deadlines, and the queue of those to serve next.
//!
//! The shard's lock is held for moments only: to take a connection out and to put it back. Waiting for the poller
//! happens outside of it, under a lock of its own that only the driver takes; so others can add connections and give
//! them back meanwhile, and wake the driver if it sleeps past what they brought.

pub(crate) mod clock;
pub(crate) mod conn;
pub(crate) mod deadlines;
pub(crate) mod lease;
mod slots;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use mio::{Events, Interest, Poll, Registry, Waker};
use parking_lot::{Mutex, MutexGuard};

use crate::config::settings::Settings;
use crate::ctx::ConnInfo;
use crate::engine::dispatch::predict::Route;
use crate::engine::shard::conn::Conn;
use crate::engine::shard::deadlines::{Deadlines, Millis, NEVER};
use crate::engine::shard::lease::{Lease, Term};
use crate::engine::shard::slots::{Readiness, Slots, Token};
use crate::wire::transport::Wire;

/// Token of the waker; no connection has it, its slot number is out of reach.
const WAKE: mio::Token = mio::Token(usize::MAX);
/// Events taken from the poller at once.
const EVENTS_AT_ONCE: usize = 256;

pub(crate) struct Shard {
    pub(crate) lease: Lease,
    /// The route of the handler that the driver is in; means something only while it is in one.
    route: AtomicU16,
    /// Connections, for the choice of the shard with the fewest.
    connections: AtomicUsize,
    registry: Registry,
    waker: Waker,
    poller: Mutex<Poller>,
    state: Mutex<State>,
}

struct Poller {
    poll: Poll,
    events: Events,
}

pub(crate) struct State {
    slots: Slots<Box<Conn>>,
    to_serve: VecDeque<Box<Conn>>,
    /// How many of `to_serve` come before the poller is asked again, so that those who always have more to do do not
    /// keep others from being heard.
    this_pass: usize,
    deadlines: Deadlines,
    /// The driver waits for the poller, or is about to.
    asleep: bool,
    /// The driver is gone for good; nothing can be added.
    ended: bool,
    /// Requests of this shard's connections, counted when they are put back.
    pub(crate) requests: u64,
}

/// What the driver found when it looked for a connection to serve.
pub(crate) enum Found {
    Connection(Box<Conn>),
    /// Some, but the poller must be asked first whether others are ready.
    Others,
    /// Nothing: wait for the poller, at most until then.
    Nothing(Millis),
}

impl Shard {
    pub(crate) fn new() -> io::Result<(Self, Term)> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(&registry, WAKE)?;
        let (lease, term) = Lease::new();
        let shard = Shard {
            lease,
            route: AtomicU16::new(0),
            connections: AtomicUsize::new(0),
            registry,
            waker,
            poller: Mutex::new(Poller { poll, events: Events::with_capacity(EVENTS_AT_ONCE) }),
            state: Mutex::new(State {
                slots: Slots::new(),
                to_serve: VecDeque::new(),
                this_pass: 0,
                deadlines: Deadlines::default(),
                asleep: false,
                ended: false,
                requests: 0,
            }),
        };
        Ok((shard, term))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Connections there are.
    pub(crate) fn load(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// What the driver is about to run.
    pub(crate) fn announce(&self, route: Route) {
        self.route.store(route.to_number(), Ordering::Relaxed);
    }

    pub(crate) fn announced(&self) -> Route {
        Route::from_number(self.route.load(Ordering::Relaxed))
    }

    /// Takes in a new connection. On an error it is closed, and the caller gives its place back.
    pub(crate) fn add(
        &self,
        mut transport: Box<dyn Wire>,
        info: ConnInfo,
        counted_address: Option<std::net::IpAddr>,
        deadline: Millis,
    ) -> io::Result<()> {
        let token = {
            let mut state = self.lock();
            if state.ended {
                return Err(io::Error::other("the server is shut down"));
            }
            state.slots.reserve()
        };
        self.connections.fetch_add(1, Ordering::Relaxed);
        let number = mio::Token(token.to_number() as usize);
        // Both interests once and for all: with edges, an event that is not awaited costs nothing.
        let both = Interest::READABLE | Interest::WRITABLE;
        let source = transport.source().ok_or_else(|| io::Error::other("there is no socket to wait for"));
        if let Err(error) = source.and_then(|source| self.registry.register(source, number, both)) {
            self.release(token);
            return Err(error);
        }
        let conn = Box::new(Conn::new(token, transport, info, counted_address, deadline));
        let mut state = self.lock();
        let mut wake = state.deadlines.set(token, deadline);
        if let Err((mut conn, readiness)) = state.slots.park(token, conn, true) {
            conn.sock.note(readiness);
            state.to_serve.push_back(conn);
            wake = true;
        }
        self.unlock_and_wake(state, wake);
        Ok(())
    }

    /// Parks a connection after a turn. `Err`: something was reported meanwhile, serve it again.
    pub(crate) fn park(
        &self,
        mut conn: Box<Conn>,
        now: Millis,
        settings: &Settings,
    ) -> Result<(), Box<Conn>> {
        let (token, due, is_idle) = (conn.token, conn.next_deadline(now, settings), conn.is_idle());
        let mut state = self.lock();
        state.count(&mut conn);
        match state.slots.park(token, conn, is_idle) {
            Ok(()) => {
                let wake = due != NEVER && state.deadlines.set(token, due);
                self.unlock_and_wake(state, wake);
                Ok(())
            }
            Err((mut conn, readiness)) => {
                conn.sock.note(readiness);
                Err(conn)
            }
        }
    }

    /// Puts a connection that is out at the end of the queue.
    pub(crate) fn queue(&self, conn: Box<Conn>) {
        let mut state = self.lock();
        state.to_serve.push_back(conn);
        self.unlock_and_wake(state, true);
    }

    /// Ends a connection that is out, and closes it.
    pub(crate) fn close(&self, mut conn: Box<Conn>) {
        let mut state = self.lock();
        state.count(&mut conn);
        drop(state);
        self.release(conn.token);
    }

    fn release(&self, token: Token) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        let mut state = self.lock();
        state.deadlines.forget(token);
        state.slots.release(token);
        let connections = state.slots.len();
        state.deadlines.prune(connections);
        // Whoever waits for the last connection of a shutdown sleeps in the poller.
        self.unlock_and_wake(state, connections == 0);
    }

    /// The next connection to serve: first those that time out, then those reported.
    pub(crate) fn find(&self, now: Millis) -> Found {
        let mut state = self.lock();
        if state.this_pass == 0 {
            state.queue_overdue(now);
        }
        if !state.to_serve.is_empty() && state.this_pass == 0 {
            return Found::Others;
        }
        if let Some(conn) = state.to_serve.pop_front() {
            state.this_pass -= 1;
            return Found::Connection(conn);
        }
        state.this_pass = 0;
        state.asleep = true;
        Found::Nothing(state.deadlines.next().unwrap_or(NEVER))
    }

    /// Waits until the poller reports, somebody wakes the driver, or `timeout` has passed, and queues what is ready.
    pub(crate) fn wait(&self, timeout: Option<Duration>) {
        let mut poller = self.poller.lock();
        let Poller { poll, events } = &mut *poller;
        // A wait that failed reports nothing.
        if let Err(error) = poll.poll(events, timeout) {
            if error.kind() != io::ErrorKind::Interrupted {
                log::error!("waiting for events failed: {error}");
            }
            events.clear();
        }
        let mut state = self.lock();
        state.asleep = false;
        for event in events.iter() {
            if event.token() == WAKE {
                continue;
            }
            let readiness = Readiness {
                readable: event.is_readable(),
                writable: event.is_writable(),
                read_closed: event.is_read_closed() || event.is_error(),
            };
            if let Some(mut conn) = state.slots.report(Token::from_number(event.token().0 as u64), readiness)
            {
                conn.sock.note(readiness);
                state.to_serve.push_back(conn);
            }
        }
        state.this_pass = state.to_serve.len();
    }

    /// Makes the driver look at every parked connection; to be called when the server begins to stop.
    pub(crate) fn rouse_all(&self) {
        let mut state = self.lock();
        for mut conn in state.slots.stop() {
            // A request may have come that the poller was not asked about yet.
            conn.sock.readable = true;
            state.to_serve.push_back(conn);
        }
        self.unlock_and_wake(state, true);
    }

    /// Ends the shard if it has no connection left; true when it has ended.
    pub(crate) fn end_if_empty(&self) -> bool {
        let mut state = self.lock();
        state.ended |= state.slots.len() == 0;
        state.ended
    }

    fn unlock_and_wake(&self, mut state: MutexGuard<'_, State>, wake: bool) {
        let asleep = state.asleep;
        if wake {
            state.asleep = false;
        }
        drop(state);
        if wake && asleep {
            if let Err(error) = self.waker.wake() {
                log::error!("waking a shard failed: {error}");
            }
        }
    }
}

impl State {
    fn count(&mut self, conn: &mut Conn) {
        self.requests += conn.exchange.uncounted_requests();
    }

    /// Queues every parked connection whose deadline has passed.
    fn queue_overdue(&mut self, now: Millis) {
        while let Some(token) = self.deadlines.take_due(now) {
            // Gone, or out: then its deadline is set anew when it is parked.
            let Some(mut conn) = self.slots.take(token) else { continue };
            if conn.clock.deadline() <= now {
                conn.timed_out = true;
                self.to_serve.push_back(conn);
                continue;
            }
            let due = conn.clock.deadline();
            if let Err((conn, _)) = self.slots.park(token, conn, false) {
                debug_assert!(false, "nothing is reported under the lock");
                self.to_serve.push_back(conn);
            } else if due != NEVER {
                self.deadlines.set(token, due);
            }
        }
    }
}
