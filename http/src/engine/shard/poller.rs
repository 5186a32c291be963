//! A shard's poller: what the system reports of its sockets, and how its driver is woken from waiting for that.
//!
//! Waiting happens under a lock of its own that only the driver takes. Sockets are registered once, edge-triggered, for
//! what comes in, so that none of that has to be asked for. Room for what goes out all have from the start; it would be
//! reported once of each, and wake the driver for nothing. So it is asked for once something has found none.

use std::io;
use std::time::Duration;

use mio::event::Source;
use mio::{Events, Interest, Poll, Registry, Waker};
use parking_lot::{Mutex, MutexGuard};

use crate::engine::shard::slots::{Readiness, Token};
use crate::wire::transport::Transport;

/// Token of the waker; no connection has it, its slot number is out of reach.
const WAKE: mio::Token = mio::Token(usize::MAX);
/// Events taken from the system at once.
const EVENTS_AT_ONCE: usize = 256;

pub(crate) struct Poller {
    registry: Registry,
    waker: Waker,
    waiting: Mutex<DriversPart>,
}

/// What only the driver uses.
struct DriversPart {
    poll: Poll,
    events: Events,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(&registry, WAKE)?;
        let events = Events::with_capacity(EVENTS_AT_ONCE);
        Ok(Poller { registry, waker, waiting: Mutex::new(DriversPart { poll, events }) })
    }

    /// Has everything reported that happens to `socket`, under `token`, until it is closed; but for
    /// [room](Self::report_room).
    pub(crate) fn register(&self, socket: &mut dyn Source, token: Token) -> io::Result<()> {
        // Elsewhere a socket cannot be found again by its number alone.
        let interests = if cfg!(unix) { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        self.registry.register(socket, mio::Token(token.to_number()), interests)
    }

    /// Has room reported as well, if `transport` has lacked it. If there is some by now, that is reported at once.
    pub(crate) fn report_room(&self, transport: &dyn Transport, token: Token) -> io::Result<()> {
        transport.report_room_if_lacked(&self.registry, mio::Token(token.to_number()))
    }

    /// Has nothing reported of `socket` any more.
    pub(crate) fn deregister(&self, socket: &mut dyn Source) -> io::Result<()> {
        self.registry.deregister(socket)
    }

    /// Ends the driver's wait, or keeps its next one from happening.
    pub(crate) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("waking a shard failed: {error}");
        }
    }

    /// The driver waits until there is something to report, it is woken, or `timeout` has passed.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Reports<'_> {
        let mut waiting = self.waiting.lock();
        let DriversPart { poll, events } = &mut *waiting;
        // A wait that failed reports nothing.
        if let Err(error) = poll.poll(events, timeout) {
            if error.kind() != io::ErrorKind::Interrupted {
                log::error!("waiting for events failed: {error}");
            }
            events.clear();
        }
        Reports { waiting }
    }
}

/// What one wait has brought.
pub(crate) struct Reports<'a> {
    waiting: MutexGuard<'a, DriversPart>,
}

impl Reports<'_> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Token, Readiness)> + '_ {
        self.waiting.events.iter().filter(|event| event.token() != WAKE).map(|event| {
            let readiness = Readiness {
                readable: event.is_readable(),
                writable: event.is_writable(),
                read_closed: event.is_read_closed() || event.is_error(),
            };
            (Token::from_number(event.token().0), readiness)
        })
    }
}
