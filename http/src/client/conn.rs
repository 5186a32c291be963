//! One connection of a client: the socket, the protocol's state, and the buffers that go with it.
//!
//! The rules: everything that waits does so with a limit, and says what for. A connection on which anything has failed
//! is never given back; whoever has it drops it.

use super::dial::NewSocket;
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::patience::{CallPatience, WaitingHere};
use super::until::Until;
use super::watcher::{IdleRegistration, Look};
use crate::proto::client::{ClientSession, ResponseProgress};
use crate::proto::received::{Received, Rest};
use crate::proto::response_head::ResponseParts;
use crate::proto::{CloseReason, Limits, ProtoError};
use crate::values::headers::Fields;
use crate::wire::input::Input;
use crate::wire::output::Output;
use crate::wire::transport::{Direction, ReadySet, Transport};
use mio::{Interest, Token};
use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The smallest read that is worth a system call, and the most that is asked for at once.
const READ_BYTES_MIN: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;

/// A connection; see the module's text.
pub(crate) struct ClientSocket {
    /// Shared with whoever may have to end the call from elsewhere, and with nobody while it is idle.
    transport: Arc<dyn Transport>,
    pub(crate) remote: SocketAddr,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) opened: Instant,
    /// How many requests were begun on it.
    pub(crate) requests: u64,
    pub(crate) session: ClientSession,
    pub(crate) input: Input,
    pub(crate) found: Received<ResponseParts>,
    pub(crate) out: Output,
    pub(crate) passed: PassedBytes,
    /// Whether the peer's stream has ended.
    is_at_end: bool,
    watch: IdleWatch,
}

/// What has passed in the exchange that is under way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PassedBytes {
    /// Bytes of the response that have come.
    pub(crate) received: u64,
    /// Bytes of the request that the system has taken.
    pub(crate) sent: u64,
}

/// Whether something is reported of a connection while it is idle.
#[derive(Debug)]
enum IdleWatch {
    No,
    Yes(IdleRegistration),
    /// It cannot be.
    Never,
}

/// How long one call may take on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    pub(crate) until: Until,
    /// The longest silence while something is to be read.
    pub(crate) read: Option<Duration>,
    /// The longest time without progress while something is to be written.
    pub(crate) write: Option<Duration>,
}

/// What an exchange goes by, and what came of it meanwhile.
pub(crate) struct Terms<'a, 'h> {
    pub(crate) limits: &'a Limits,
    pub(crate) allowed: Allowed,
    /// Is told of interim responses.
    pub(crate) on_informational: Option<&'a mut InformationalHook<'h>>,
    /// Whether the server has asked for the body.
    pub(crate) is_continued: bool,
}

/// What is told of interim responses: their status and their fields.
pub(crate) type InformationalHook<'h> = Box<dyn FnMut(u16, Fields<'_>) + 'h>;

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// All that was to be sent.
    All,
    /// The final response came before that. Nothing more is to be sent.
    Answered,
}

impl ClientSocket {
    pub(crate) fn new(dialled: NewSocket) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let NewSocket { transport, remote, local } = dialled;
        Self {
            transport,
            remote,
            local,
            opened: Instant::now(),
            requests: 0,
            session: ClientSession::new(NEXT.fetch_add(1, Ordering::Relaxed)),
            input: Input::default(),
            found: Received::default(),
            out: Output::default(),
            passed: PassedBytes::default(),
            is_at_end: false,
            watch: IdleWatch::No,
        }
    }

    /// Whether nothing has come since the last response. An end, a reset and any byte mean that the connection must not
    /// be used: what came belongs to no request of ours.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [0];
        let read = self.transport.read(&mut byte);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Has the transport shut down when the call is called off, until what is returned is dropped.
    pub(crate) fn ends_with(&self, patience: &CallPatience) -> WaitingHere {
        patience.waits(|| {
            let transport = self.transport.clone();
            Box::new(move || transport.shut_down())
        })
    }

    /// Has reported what comes while it is idle. Whoever has the transport beside must have let it go.
    pub(crate) fn watch(&mut self, look: &Look<'_>) {
        if !matches!(self.watch, IdleWatch::No) {
            return;
        }
        self.watch = IdleWatch::Never;
        let Some(source) = Arc::get_mut(&mut self.transport).and_then(Transport::source) else { return };
        let watched = look.watch();
        match watched.registry.register(source, watched.token, Interest::READABLE) {
            Ok(()) => self.watch = IdleWatch::Yes(watched),
            Err(error) => log::debug!("an idle connection is not watched: {error}"),
        }
    }

    /// Ends that.
    pub(crate) fn unwatch(&mut self) {
        let IdleWatch::Yes(watched) = std::mem::replace(&mut self.watch, IdleWatch::No) else { return };
        let source = Arc::get_mut(&mut self.transport).and_then(Transport::source);
        if let Some(Err(error)) = source.map(|source| watched.registry.deregister(source)) {
            log::debug!("a connection stays watched: {error}");
        }
    }

    /// Whether something was reported of it.
    pub(crate) fn is_reported(&self, reported: &HashSet<Token>) -> bool {
        matches!(&self.watch, IdleWatch::Yes(watched) if reported.contains(&watched.token))
    }

    /// Sends what is in the output, and looks for the response meanwhile: it may come early, and a server that has
    /// given it may read no further.
    pub(crate) fn send(&mut self, terms: &mut Terms<'_, '_>) -> Result<Sent, ClientError> {
        let allowed = terms.allowed;
        // A body without an end may be taken as fast as it comes, so that there is never anything to wait for.
        if allowed.until.is_over() {
            return Err(self.late(ClientPhase::Send));
        }
        while !self.out.is_empty() {
            match self.transport.write(self.out.slices()) {
                Ok(count) => {
                    self.passed.sent += count as u64;
                    self.out.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let either = ReadySet { read: true, ..self.transport.awaits(Direction::Write) };
                    self.wait(either, allowed.until, allowed.write, ClientPhase::Send)?;
                    if self.take_what_is_there(terms)? {
                        return Ok(Sent::Answered);
                    }
                }
                Err(error) => return self.salvage(error, terms),
            }
        }
        Ok(Sent::All)
    }

    /// The server takes nothing more: what it said before may be the response, which the system has kept for us.
    fn salvage(&mut self, error: io::Error, terms: &mut Terms<'_, '_>) -> Result<Sent, ClientError> {
        match self.take_what_is_there(terms) {
            Ok(true) => Ok(Sent::Answered),
            // The writing has failed, whatever the reading says.
            Ok(false) | Err(_) => Err(self.lost(error)),
        }
    }

    /// Reads without waiting, until there is nothing more, or the head of the final response is there.
    pub(crate) fn take_what_is_there(&mut self, terms: &mut Terms<'_, '_>) -> Result<bool, ClientError> {
        loop {
            if self.advance(terms)? {
                return Ok(true);
            }
            match self.read_once() {
                Ok(0) => return Err(self.ended()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    /// Waits until the server asks for the body, or says that it does not want it, or `wait` is over: it may not know
    /// how to ask (RFC 9110 section 10.1.1).
    pub(crate) fn await_continue(
        &mut self,
        wait: Duration,
        terms: &mut Terms<'_, '_>,
    ) -> Result<Sent, ClientError> {
        let allowed = terms.allowed;
        let end = allowed.until.or_after(Some(wait));
        loop {
            if self.take_what_is_there(terms)? {
                return Ok(Sent::Answered);
            }
            if terms.is_continued || end.is_over() {
                return Ok(Sent::All);
            }
            let awaited = self.transport.awaits(Direction::Read);
            self.transport.wait(awaited, end.left()).map_err(|error| self.lost(error))?;
        }
    }

    /// Waits for the head of the final response.
    pub(crate) fn receive_head(&mut self, terms: &mut Terms<'_, '_>) -> Result<(), ClientError> {
        let allowed = terms.allowed;
        while !self.advance(terms)? {
            self.receive(&allowed, ClientPhase::Head)?;
            if self.is_at_end {
                return Err(self.ended());
            }
        }
        Ok(())
    }

    /// Receives more of a body whose head is there, and decodes it.
    pub(crate) fn receive_body(&mut self, limits: &Limits, allowed: &Allowed) -> Result<(), ClientError> {
        self.found.drop_decoded(&mut self.input);
        self.receive(allowed, ClientPhase::Body)?;
        let decoded = if self.is_at_end {
            self.session.input_closed(&mut self.input, &mut self.found, limits).map(|_| ())
        } else {
            self.found.decode_rest(&mut self.input)
        };
        decoded.map_err(|error| self.refused(error))
    }

    /// Whether all of the body is in the input.
    pub(crate) fn is_body_here(&self) -> bool {
        self.found.rest == Rest::None
    }

    /// Ends the exchange. `None`: another request can be sent on the connection.
    pub(crate) fn finish(&mut self) -> Option<CloseReason> {
        let reason = self.session.finish(&mut self.input, &mut self.found);
        self.passed = PassedBytes::default();
        self.out.clear();
        match reason {
            None if self.is_at_end => Some(CloseReason::PeerAsked),
            reason => reason,
        }
    }

    /// Whether the head of the final response is in the input; passes those before it.
    fn advance(&mut self, terms: &mut Terms<'_, '_>) -> Result<bool, ClientError> {
        loop {
            match self.session.advance(&mut self.input, &mut self.found, terms.limits) {
                Ok(ResponseProgress::NeedInput) => return Ok(false),
                Ok(ResponseProgress::Interim { status }) => {
                    terms.is_continued |= status == 100;
                    if let Some(tell) = &mut terms.on_informational {
                        tell(status, self.found.header_fields(&self.input));
                    }
                }
                Ok(ResponseProgress::Ready) => return Ok(true),
                Err(error) => return Err(self.refused(error)),
            }
        }
    }

    /// Reads once, waiting for something to come, or for the end of the peer's stream.
    fn receive(&mut self, allowed: &Allowed, phase: ClientPhase) -> Result<(), ClientError> {
        // A silence begins anew with each byte; the end of the call does not move.
        loop {
            if allowed.until.is_over() {
                return Err(self.late(phase));
            }
            match self.read_once() {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(self.transport.awaits(Direction::Read), allowed.until, allowed.read, phase)?;
                }
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    fn read_once(&mut self) -> io::Result<usize> {
        loop {
            let room = self.input.space(READ_BYTES_MIN);
            let most = room.len().min(READ_BYTES_MAX);
            match self.transport.read(&mut room[..most]) {
                Ok(read) => {
                    self.input.filled(read.count);
                    self.passed.received += read.count as u64;
                    self.is_at_end |= read.count == 0;
                    return Ok(read.count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn wait(
        &self,
        awaited: ReadySet,
        until: Until,
        silence: Option<Duration>,
        phase: ClientPhase,
    ) -> Result<(), ClientError> {
        let limit = until.or_after(silence).left();
        match self.transport.wait(awaited, limit) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.late(phase)),
            Err(error) => Err(self.lost(error)),
        }
    }

    fn late(&self, phase: ClientPhase) -> ClientError {
        ClientError::new(ClientErrorKind::Timeout(phase)).at(self.remote)
    }

    fn lost(&self, error: io::Error) -> ClientError {
        ClientError::because(ClientErrorKind::ConnectionClosed, error).at(self.remote)
    }

    fn ended(&self) -> ClientError {
        ClientError::new(ClientErrorKind::ConnectionClosed).at(self.remote)
    }

    fn refused(&self, error: ProtoError) -> ClientError {
        ClientError::protocol(error).at(self.remote)
    }
}

impl fmt::Debug for ClientSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSocket")
            .field("remote", &self.remote)
            .field("requests", &self.requests)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
