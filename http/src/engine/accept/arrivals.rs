//! Where connections come from: a listener, and the two waits of whoever accepts, both of which the end of the server
//! interrupts.
//!
//! On Unix a listener is waited for by `poll(2)`, which reports it for as long as connections are there. So they can be
//! taken one at a time, and the call that finds none is not made for each; when they come thick, the wait is spared
//! instead. A blocking `accept` would need one call less still, but only `shutdown(2)` ends it, and that would end the
//! listener too for whoever else has it: a process that takes it over, or the user.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Token, Waker};

use crate::ctx::ConnInfo;
use crate::engine::accept::listener::ListeningSocket;
use crate::engine::socket::Socket;
use crate::wire::transport::Transport;

const WAKE: Token = Token(0);
#[cfg(not(unix))]
const LISTENER: Token = Token(1);

/// Connections as they come in.
pub(crate) trait Arrivals {
    /// What they are.
    type Socket: Transport + 'static;

    /// Connections have to be accepted until there are none, because of each other one nothing is reported.
    const MUST_DRAIN: bool;

    /// The next connection. `Ok(None)`: there was one, and it is of no use any more.
    ///
    /// # Errors
    /// Those of accepting; `WouldBlock`: none waits.
    fn accept(&mut self) -> io::Result<Option<(Self::Socket, ConnInfo)>>;

    /// Waits until there may be a connection, or the end has begun.
    ///
    /// # Errors
    /// When waiting is not possible.
    fn wait(&mut self) -> io::Result<()>;

    /// Waits for `limit`, or until the end has begun.
    ///
    /// # Errors
    /// When waiting is not possible.
    fn rest(&mut self, limit: Duration) -> io::Result<()>;
}

/// A listener that is waited for.
pub(crate) struct Listening {
    listener: ListeningSocket,
    /// Tells of the waker, and where it must of the listener.
    poll: Poll,
    events: Events,
}

impl Listening {
    /// Also returns what ends the waits, from then on.
    ///
    /// # Errors
    /// When there is no descriptor left.
    #[cfg_attr(unix, expect(unused_mut, reason = "only other systems register the listener"))]
    pub(crate) fn new(mut listener: ListeningSocket) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        #[cfg(not(unix))]
        poll.registry().register(listener.source(), LISTENER, mio::Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        Ok((Listening { listener, poll, events: Events::with_capacity(2) }, waker))
    }
}

impl Arrivals for Listening {
    type Socket = Socket;

    const MUST_DRAIN: bool = cfg!(not(unix));

    fn accept(&mut self) -> io::Result<Option<(Socket, ConnInfo)>> {
        self.listener.accept()
    }

    #[cfg(unix)]
    fn wait(&mut self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags};

        let mut awaited =
            [PollFd::new(&self.listener, PollFlags::IN), PollFd::new(self.poll.registry(), PollFlags::IN)];
        let waited = rustix::event::poll(&mut awaited, None);
        waited.map(drop).map_err(io::Error::from).or_else(unless_interrupted)
    }

    #[cfg(not(unix))]
    fn wait(&mut self) -> io::Result<()> {
        self.poll.poll(&mut self.events, None).or_else(unless_interrupted)
    }

    fn rest(&mut self, limit: Duration) -> io::Result<()> {
        self.poll.poll(&mut self.events, Some(limit)).or_else(unless_interrupted)
    }
}

/// A signal may end any wait, and whoever waits looks again.
pub(super) fn unless_interrupted(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}
