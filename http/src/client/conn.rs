//! One connection of a client: the socket, the protocol's state, and the buffers that go with it.
//!
//! The rules: everything that waits does so with a limit, and says what for. A connection on which anything has failed
//! is never given back; whoever has it drops it.

use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::patience::{CallPatience, WaitingHere};
use super::proxy::ViaProxy;
use super::secure::kind_of_loss;
use super::until::Until;
use super::watcher::{IdleRegistration, Look};
use crate::proto::client::{ClientSession, ResponseProgress};
use crate::proto::received::{Received, Rest};
use crate::proto::response_head::ResponseParts;
use crate::proto::{CloseReason, Limits, ProtoError};
use crate::values::headers::Fields;
use crate::wire::input::Input;
use crate::wire::output::{KEPT_BYTES_MAX, Output};
#[cfg(feature = "tls-no-provider")]
use crate::wire::tls_info::TlsInfo;
use crate::wire::transport::{Direction, ReadySet, Transport};
#[cfg(feature = "ws")]
use crate::wire::wake::Waker;
use mio::{Interest, Registry, Token};
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

/// What is kept of a response that comes while the request is still being sent. A server that sends more waits for us
/// to read it, and would not read on.
const EARLY_BYTES_MAX: usize = 256 * 1024;

/// A connection; see the module's text.
pub(crate) struct ClientSocket {
    /// Shared with whoever may have to end the call from elsewhere, and with nobody while it is idle.
    transport: Arc<dyn Transport>,
    pub(crate) remote: SocketAddr,
    pub(crate) way: ConnWay,
    pub(crate) times: ConnTimes,
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

/// A connection on which no HTTP was spoken.
pub(crate) struct NewSocket {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) remote: SocketAddr,
    pub(crate) way: ConnWay,
}

/// How a connection leads to its host.
#[derive(Clone, Debug)]
pub(crate) struct ConnWay {
    /// Our end; `None`: the system does not say.
    pub(crate) local: Option<SocketAddr>,
    /// What a proxy reads of each request; `None`: nothing.
    pub(crate) via: Option<Arc<ViaProxy>>,
    /// Whether a proxy of HTTP has given it, and reads nothing of what is said on it.
    pub(crate) is_tunnel: bool,
}

/// Since when a connection has been what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnTimes {
    pub(crate) opened: Instant,
    /// Since when it is idle, if it is.
    pub(crate) idle: Instant,
}

/// What has passed in the exchange that is under way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PassedBytes {
    /// Bytes of the response that have come.
    pub(crate) received: u64,
    /// Bytes of the request that the system has taken.
    pub(crate) sent: u64,
    /// Whether the head of the final response is among those that have come.
    is_answered: bool,
    /// Why what came behind that head is no body.
    pub(crate) broken: Option<ProtoError>,
    /// How much the next read asks for; more when the one before has filled its room.
    read_next: usize,
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
    /// A response of success ends the sending for now: whoever gets it sends the rest while it reads the body.
    pub(crate) sends_behind: bool,
}

/// What is told of interim responses: their status and their fields.
pub(crate) type InformationalHook<'h> = Box<dyn FnMut(u16, Fields<'_>) + Send + 'h>;

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// All that was to be sent.
    All,
    /// The final response came before that, and nothing more is to be sent.
    Answered,
}

impl ClientSocket {
    pub(crate) fn new(socket: NewSocket) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let NewSocket { transport, remote, way } = socket;
        let now = Instant::now();
        Self {
            transport,
            remote,
            way,
            times: ConnTimes { opened: now, idle: now },
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

    /// What it goes over, if nothing more has come than was taken: for whoever goes on otherwise.
    pub(crate) fn into_transport(self) -> Option<Arc<dyn Transport>> {
        let behind = self.input.unread().get(self.found.raw..).unwrap_or_default();
        behind.is_empty().then_some(self.transport)
    }

    /// What was agreed on with the server, if it is encrypted.
    #[cfg(feature = "tls-no-provider")]
    pub(crate) fn tls_info(&self) -> Option<&Arc<TlsInfo>> {
        self.transport.tls_info()
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
    ///
    /// # Errors
    /// When it cannot be; that is said once.
    pub(crate) fn watch(&mut self, look: &Look<'_>) -> io::Result<()> {
        if !matches!(self.watch, IdleWatch::No) {
            return Ok(());
        }
        self.watch = IdleWatch::Never;
        let watched = look.watch();
        match self.report_to(&watched.registry, watched.token, Interest::READABLE) {
            Ok(()) => self.watch = IdleWatch::Yes(watched),
            // There is nothing to be watched.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether it is watched, or cannot be.
    pub(crate) fn was_watched(&self) -> bool {
        !matches!(self.watch, IdleWatch::No)
    }

    /// Ends that.
    pub(crate) fn unwatch(&mut self) {
        let IdleWatch::Yes(watched) = std::mem::replace(&mut self.watch, IdleWatch::No) else { return };
        self.report_no_more_to(&watched.registry);
    }

    /// Has what it gets ready for reported to a poller. Whoever has the transport beside must have let it go.
    ///
    /// # Errors
    /// When there is nothing that can be, or the system does not do it.
    pub(crate) fn report_to(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match Arc::get_mut(&mut self.transport).and_then(Transport::source) {
            Some(source) => registry.register(source, token, interest),
            None => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Has `waker` called when something happens to a connection of which no system reports. False: that cannot be
    /// told of it.
    #[cfg(feature = "ws")]
    pub(crate) fn be_woken_by(&self, waker: Waker) -> bool {
        self.transport.set_waker(Some(waker))
    }

    /// Ends that.
    pub(crate) fn report_no_more_to(&mut self, registry: &Registry) {
        let source = Arc::get_mut(&mut self.transport).and_then(Transport::source);
        if let Some(Err(error)) = source.map(|source| registry.deregister(source)) {
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
        // What the server says meanwhile does not count as taking something.
        let mut end = allowed.until.or_after(allowed.write);
        loop {
            match self.write_some() {
                Ok(true) => end = allowed.until.or_after(allowed.write),
                Ok(false) => return Ok(Sent::All),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // What comes before anything was sent is no response to it.
                    let reads = self.passed.sent > 0;
                    // Looked for before it is waited for: it may be here, and nobody report it.
                    if reads && self.take_what_is_there(terms)? {
                        return Ok(Sent::Answered);
                    }
                    let awaited = self.transport.awaits(Direction::Write);
                    let awaited = ReadySet { read: awaited.read || reads, ..awaited };
                    if end.is_over() {
                        return Err(self.late(ClientPhase::Send));
                    }
                    self.wait(awaited, end, None, ClientPhase::Send)?;
                }
                Err(error) => return self.salvage(error, terms),
            }
        }
    }

    /// Writes as much of the output as is taken now. False: all has left.
    pub(crate) fn write_some(&mut self) -> io::Result<bool> {
        if self.out.is_empty() {
            // A layer between us and the network may hold back what it took.
            return Ok(self.transport.push()? > 0);
        }
        match self.transport.write(self.out.slices())? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            count => {
                self.passed.sent += count as u64;
                self.out.advance(count);
                Ok(true)
            }
        }
    }

    /// The server takes nothing more: what it said before may be the response, which the system has kept for us. Before
    /// anything was sent it is the response to nothing.
    fn salvage(&mut self, error: io::Error, terms: &mut Terms<'_, '_>) -> Result<Sent, ClientError> {
        if self.passed.sent > 0 {
            // The writing has failed, whatever the reading says, unless that is why.
            match self.take_what_is_there(terms) {
                Ok(_) if self.passed.is_answered => return Ok(Sent::Answered),
                Err(error) if error.kind() == ClientErrorKind::Tls => return Err(error),
                _ => {}
            }
        }
        Err(self.lost(error))
    }

    /// Reads without waiting, until there is nothing more, or there is a response that ends the sending.
    pub(crate) fn take_what_is_there(&mut self, terms: &mut Terms<'_, '_>) -> Result<bool, ClientError> {
        loop {
            if self.advance(terms)? && self.ends_sending(terms) {
                return Ok(true);
            }
            let is_answered = self.passed.is_answered;
            match self.read_once() {
                Ok(0) if is_answered => return Ok(true),
                Ok(0) => return Err(self.ended()),
                Ok(_) if is_answered => self.decode(),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(_) if is_answered && self.is_body_here() => return Ok(true),
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    /// Whether the response that is there means that the rest of the request is not wanted, or cannot be taken. A
    /// server that agrees may well begin to say so before it has read all.
    fn ends_sending(&self, terms: &Terms<'_, '_>) -> bool {
        self.found.head.status >= 300
            || terms.sends_behind
            || self.passed.broken.is_some()
            || self.input.unread().len() >= EARLY_BYTES_MAX
    }

    /// Says that nothing more of the request comes, to a server that may wait for it.
    pub(crate) fn end_sending(&self) {
        if let Err(error) = self.transport.shutdown_write() {
            log::debug!("the server is not told that a request has ended before its end: {error}");
        }
    }

    /// Decodes what has come of the body. A fault in it is told to whoever reads it.
    fn decode(&mut self) {
        if let Err(error) = self.found.decode_rest(&mut self.input) {
            self.passed.broken = Some(error);
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
            // Who asks for the body may agree to it in the same breath, and wants it none the less.
            if terms.is_continued {
                return Ok(Sent::All);
            }
            if self.passed.is_answered {
                return Ok(Sent::Answered);
            }
            if end.is_over() {
                return Ok(Sent::All);
            }
            let awaited = self.transport.awaits(Direction::Read);
            self.transport.wait(awaited, end.left()).map_err(|error| self.lost(error))?;
        }
    }

    /// Waits for the head of the final response.
    pub(crate) fn receive_head(&mut self, terms: &mut Terms<'_, '_>) -> Result<(), ClientError> {
        let allowed = terms.allowed;
        // Hardly any server answers sooner than it could be looked whether it has. A connection that was used before
        // was quiet when this was begun, so there is nothing here that nobody would report.
        let mut is_looked_for = self.passed.received > 0 || self.requests <= 1;
        while !self.advance(terms)? {
            if !std::mem::replace(&mut is_looked_for, true) {
                let awaited = self.transport.awaits(Direction::Read);
                self.wait(awaited, allowed.until, allowed.read, ClientPhase::Head)?;
            }
            self.receive(&allowed, ClientPhase::Head)?;
            if self.is_at_end {
                return Err(self.ended());
            }
        }
        Ok(())
    }

    /// Receives more of a body whose head is there, and decodes it.
    pub(crate) fn receive_body(&mut self, limits: &Limits, allowed: &Allowed) -> Result<(), ClientError> {
        if let Some(error) = self.passed.broken {
            return Err(self.refused(error));
        }
        self.found.drop_decoded(&mut self.input);
        self.receive(allowed, ClientPhase::Body)?;
        self.take_received(limits)
    }

    /// Takes what has come of a body whose head is there, without waiting. False: nothing has.
    pub(crate) fn receive_body_now(&mut self, limits: &Limits) -> Result<bool, ClientError> {
        if let Some(error) = self.passed.broken {
            return Err(self.refused(error));
        }
        self.found.drop_decoded(&mut self.input);
        match self.read_once() {
            Ok(_) => self.take_received(limits).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Waits for so long at most: for something to be read, unless all is here, and for room for what `is_sending`.
    pub(crate) fn wait_for_either(&self, is_sending: bool, limit: Duration) -> Result<(), ClientError> {
        let reading = (!self.is_body_here()).then(|| self.transport.awaits(Direction::Read));
        let writing = is_sending.then(|| self.transport.awaits(Direction::Write));
        let either = reading
            .into_iter()
            .chain(writing)
            .reduce(|one, other| ReadySet { read: one.read || other.read, write: one.write || other.write });
        let Some(awaited) = either else { return Ok(()) };
        self.transport.wait(awaited, Some(limit)).map(drop).map_err(|error| self.lost(error))
    }

    /// Decodes what was read of a body, be it the end of the stream.
    fn take_received(&mut self, limits: &Limits) -> Result<(), ClientError> {
        if self.is_at_end {
            return self.take_end(limits).map(|_| ());
        }
        self.found.decode_rest(&mut self.input).map_err(|error| self.refused(error))
    }

    /// Decides what the end of the peer's stream means, when all that came before it was looked at.
    pub(crate) fn take_end(&mut self, limits: &Limits) -> Result<ResponseProgress, ClientError> {
        // Whoever is between us and the server may end a connection; that is not the end of a body.
        if self.transport.is_input_cut_off() {
            return Err(self.ended());
        }
        let closed = self.session.input_closed(&mut self.input, &mut self.found, limits);
        closed.map_err(|error| self.refused(error))
    }

    /// Whether the stream has ended, on whichever side.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_at_end
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
        self.give_memory_back();
        match reason {
            None if self.is_at_end => Some(CloseReason::PeerAsked),
            reason => reason,
        }
    }

    /// Gives back the memory that a large response has taken.
    pub(crate) fn give_memory_back(&mut self) {
        if self.input.is_empty() && self.input.capacity() > KEPT_BYTES_MAX {
            self.input = Input::default();
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
                Ok(ResponseProgress::Ready) => {
                    if !self.passed.is_answered {
                        self.passed.is_answered = true;
                        self.decode();
                    }
                    return Ok(true);
                }
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

    /// Reads once without waiting; 0: the peer's stream has ended.
    pub(crate) fn read_once(&mut self) -> io::Result<usize> {
        loop {
            let room = self.input.space(self.passed.read_next.clamp(READ_BYTES_MIN, READ_BYTES_MAX));
            let most = room.len().min(READ_BYTES_MAX);
            match self.transport.read(&mut room[..most]) {
                Ok(read) => {
                    if read.count == most {
                        // There is more; the next read may take twice as much.
                        self.passed.read_next = most * 2;
                    }
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

    pub(crate) fn late(&self, phase: ClientPhase) -> ClientError {
        ClientError::new(ClientErrorKind::Timeout(phase)).at(self.remote)
    }

    pub(crate) fn lost(&self, error: io::Error) -> ClientError {
        let is_new = self.passed.received == 0 && self.requests <= 1;
        ClientError::because(kind_of_loss(&error, is_new), error).at(self.remote)
    }

    pub(crate) fn ended(&self) -> ClientError {
        ClientError::new(ClientErrorKind::ConnectionClosed).at(self.remote)
    }

    pub(crate) fn refused(&self, error: ProtoError) -> ClientError {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::scripted::{ScriptedTransport, blocked};
    use crate::proto::RequestHead;
    use crate::values::version::Version;
    use parking_lot::Mutex;
    use std::collections::VecDeque;

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    /// A connection over `transport` with the head of a POST in its output.
    fn posting(transport: &Arc<ScriptedTransport>) -> ClientSocket {
        beginning(transport, b"POST", 5)
    }

    /// A connection over `transport` with the head of a request in its output whose body has so many bytes.
    fn beginning(transport: &Arc<ScriptedTransport>, method: &[u8], length: u64) -> ClientSocket {
        let addr = SocketAddr::from(([127, 0, 0, 1], 9));
        let way = ConnWay { local: None, via: None, is_tunnel: false };
        let mut conn = ClientSocket::new(NewSocket { transport: transport.clone(), remote: addr, way });
        let head = RequestHead {
            method,
            target: b"/",
            version: Version::Http11,
            host: b"h",
            defaults: Fields::new(b"", &[]),
            fields: Fields::new(b"", &[]),
            expects_continue: false,
            length: Some(length),
        };
        conn.session.begin(&head, &conn.input, &mut conn.out).expect("a length");
        conn
    }

    const STREAMS: Limits = Limits { streams_bodies: true, ..Limits::DEFAULT };

    fn terms() -> Terms<'static, 'static> {
        let allowed = Allowed { until: Until::default(), read: None, write: None };
        Terms { limits: &STREAMS, allowed, on_informational: None, is_continued: false, sends_behind: false }
    }

    #[test]
    fn what_came_before_anything_was_sent_answers_nothing() {
        let unasked = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
        for (first, is_sent) in [(Err(io::ErrorKind::ConnectionReset), false), (Ok(7), true)] {
            let transport = ScriptedTransport {
                reads: Mutex::new([Ok(unasked), Err(io::ErrorKind::ConnectionReset)].into()),
                writes: Mutex::new([first, Err(io::ErrorKind::ConnectionReset)].into()),
                ..ScriptedTransport::default()
            };
            let mut conn = posting(&Arc::new(transport));
            match (conn.send(&mut terms()), is_sent) {
                (Ok(sent), true) => assert_eq!((sent, conn.found.head.status), (Sent::Answered, 408)),
                (Err(error), false) => {
                    assert_eq!(error.kind(), ClientErrorKind::ConnectionClosed);
                    assert_eq!((conn.passed.sent, conn.passed.received), (0, 0), "so it may be repeated");
                }
                (other, _) => panic!("{other:?}"),
            }
        }
        // Nor is it looked for while the system has no room for the first byte.
        let transport = Arc::new(ScriptedTransport {
            reads: Mutex::new([Ok(unasked)].into()),
            writes: Mutex::new([Err(io::ErrorKind::WouldBlock)].into()),
            ..ScriptedTransport::default()
        });
        assert_eq!(posting(&transport).send(&mut terms()).expect("it is sent"), Sent::All);
        let waits = transport.waits.lock();
        assert_eq!((waits.len(), waits[0].read), (1, false));
    }

    #[test]
    fn a_head_of_which_only_a_part_was_sent_is_the_last_of_its_connection() {
        let refused = "HTTP/1.1 431 Too Large\r\nContent-Length: 0\r\n\r\n";
        for is_cut in [true, false] {
            let transport = Arc::new(ScriptedTransport {
                reads: Mutex::new([Ok(refused)].into()),
                writes: Mutex::new(if is_cut { [Ok(7), blocked()].into() } else { VecDeque::new() }),
                ..ScriptedTransport::default()
            });
            let mut conn = beginning(&transport, b"GET", 0);
            let sent = conn.send(&mut terms()).expect("it is taken, or answered");
            assert_eq!(sent, if is_cut { Sent::Answered } else { Sent::All });
            assert!(!conn.session.is_request_sent(), "nobody has said so yet");
            if !is_cut {
                conn.session.request_sent();
                conn.receive_head(&mut terms()).expect("a response");
            }
            assert_eq!(conn.found.head.status, 431);
            assert_eq!(conn.finish(), is_cut.then_some(CloseReason::UnsentBody));
        }
    }

    #[test]
    fn a_response_is_waited_for_before_it_is_looked_for_where_nothing_can_be_here() {
        let last = "HTTP/1.1 100 Continue\r\n\r\n";
        // How many requests there were, what has come of this one, and how often is waited, where nothing blocks.
        for (requests, before, waits) in [(1, None, 0), (2, None, 1), (2, Some(last), 0)] {
            let transport = Arc::new(ScriptedTransport::default());
            let mut conn = beginning(&transport, b"GET", 0);
            conn.requests = requests;
            assert_eq!(conn.send(&mut terms()).expect("it is taken"), Sent::All);
            conn.session.request_sent();
            if let Some(before) = before {
                transport.reads.lock().push_back(Ok(before));
                assert!(!conn.take_what_is_there(&mut terms()).expect("an interim response"));
            }
            transport.reads.lock().push_back(Ok(OK));
            conn.receive_head(&mut terms()).expect("a response");
            let waited = transport.waits.lock();
            assert_eq!(waited.len(), waits, "{requests} {before:?}");
            assert!(waited.iter().all(|awaited| awaited.read));
        }
    }

    #[test]
    fn what_a_layer_holds_back_is_pushed_out() {
        let transport = Arc::new(ScriptedTransport { held: Mutex::new(8), ..ScriptedTransport::default() });
        assert_eq!(posting(&transport).send(&mut terms()).expect("it is sent"), Sent::All);
        assert_eq!(*transport.held.lock(), 0);
    }

    #[test]
    fn a_cut_off_connection_ends_no_body() {
        for is_cut_off in [false, true] {
            let reads = [Ok("HTTP/1.1 200 OK\r\n\r\nhalf"), Ok("")];
            let transport = ScriptedTransport {
                reads: Mutex::new(reads.into()),
                is_cut_off,
                ..ScriptedTransport::default()
            };
            let mut conn = posting(&Arc::new(transport));
            let mut terms = terms();
            conn.send(&mut terms).expect("it is sent");
            conn.receive_head(&mut terms).expect("it is there");
            let received = conn.receive_body(terms.limits, &terms.allowed);
            let error = received.err().map(|error| error.kind());
            assert_eq!(error, is_cut_off.then_some(ClientErrorKind::ConnectionClosed));
        }
    }

    #[test]
    fn an_early_agreement_does_not_end_the_sending_until_it_is_too_much_to_keep() {
        let transport = Arc::new(ScriptedTransport {
            reads: Mutex::new([Ok(OK), blocked(), Err(io::ErrorKind::ConnectionReset)].into()),
            writes: Mutex::new([Ok(7), blocked(), Ok(7), blocked()].into()),
            ..ScriptedTransport::default()
        });
        let mut conn = posting(&transport);
        // It is whole, so what follows takes nothing from it.
        assert_eq!(conn.send(&mut terms()).expect("a response"), Sent::Answered);
        assert_eq!((conn.passed.sent, conn.is_body_here()), (14, true));

        let head = "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n";
        let piece = "xxxxxxxxxxxxxxxx".repeat(256).leak() as &str;
        let reads = std::iter::once(Ok(head)).chain(std::iter::repeat_n(Ok(piece), 70));
        let transport = Arc::new(ScriptedTransport {
            reads: Mutex::new(reads.collect()),
            writes: Mutex::new([Ok(7), blocked()].into()),
            ..ScriptedTransport::default()
        });
        let mut conn = posting(&transport);
        assert_eq!(conn.send(&mut terms()).expect("a response"), Sent::Answered);
        assert_eq!(conn.input.unread().len() / 4096, 64, "256 KiB");
    }

    #[test]
    fn a_fault_in_a_body_is_told_to_whoever_reads_it() {
        // In the same read as the head, and in another.
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let both = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n";
        for reads in [vec![Ok(both)], vec![Ok(head), Ok("no chunk\r\n")]] {
            let transport =
                ScriptedTransport { reads: Mutex::new(reads.into()), ..ScriptedTransport::default() };
            let mut conn = posting(&Arc::new(transport));
            let mut terms = terms();
            conn.send(&mut terms).expect("it is sent");
            conn.receive_head(&mut terms).expect("it is there");
            let error = conn.receive_body(terms.limits, &terms.allowed).expect_err("that is none");
            assert!(matches!(error.kind(), ClientErrorKind::Protocol(_)), "{error}");
        }
    }

    #[test]
    fn reads_grow_with_what_is_there_and_the_room_is_given_back() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n";
        let body = "x".repeat(400_000).leak() as &str;
        let reads = Mutex::new([Ok(head), Ok(body)].into());
        let transport = Arc::new(ScriptedTransport { reads, ..ScriptedTransport::default() });
        let mut conn = posting(&transport);
        let mut terms = terms();
        conn.send(&mut terms).expect("it is sent");
        conn.session.request_sent();
        conn.receive_head(&mut terms).expect("it is there");
        while !conn.is_body_here() {
            conn.receive_body(terms.limits, &terms.allowed).expect("there is room for all of it");
        }
        let rooms = transport.rooms.lock();
        assert!(rooms[0] == READ_BYTES_MIN && rooms.last() == Some(&READ_BYTES_MAX), "{rooms:?}");
        assert!(conn.input.capacity() > KEPT_BYTES_MAX);
        assert_eq!((conn.finish(), conn.input.capacity()), (None, 0));
    }
}
