//! The layer above a socket that encrypts: a transport as any other, once there has been a handshake.
//!
//! ```text
//!   Clear ── a client says hello ──▶ Hello ── all of it is there ──▶ Shaking ── both agree ──▶ Open
//!                                      │                                │
//!                                      └───────────────┬────────────────┘
//!                                                  they do not ──▶ Failed
//! ```
//!
//! Where the code that encrypts panics the layer is `Broken` from then on, so that nothing leaves unencrypted. That of
//! a client, which says hello itself, begins as `Shaking`.
//!
//! The rule: before it is open, what is read and written passes as it is, so that a proxy's header can be read, a
//! handshake be fed, and a client be told in its own words that it speaks the wrong language.

use std::any::Any;
use std::io::{self, ErrorKind};
use std::mem;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mio::event::Source;
use mio::{Registry, Token};
use parking_lot::Mutex;
use rustls::ServerConnection;

use super::config::TlsConfig;
use super::handshake::HandshakeFailure;
use super::recipe::AlpnHandler;
use super::records::RecordPlace;
use super::session::TlsSession;
use crate::util::panic::{self, Contained};
use crate::wire::tls_info::TlsInfo;
use crate::wire::transport::{Direction, ReadCount, ReadySet, Transport};
use crate::wire::wake::Waker;

/// The first byte of a record of a handshake.
const HANDSHAKE: u8 = 22;

/// See the module's text.
pub(crate) struct TlsLayer {
    below: Arc<dyn Transport>,
    /// `None`: this is the client's end.
    config: Option<TlsConfig>,
    state: Mutex<LayerState>,
    info: OnceLock<Arc<TlsInfo>>,
}

#[derive(Default)]
enum LayerState {
    #[default]
    Clear,
    Hello(Box<Hello>),
    Shaking(Box<Shaking>),
    Open(Box<TlsSession>),
    Failed(HandshakeFailure),
    /// It was open, and the code that encrypts panicked: nothing passes any more.
    Broken,
}

/// What a client has said of its first record.
#[derive(Default)]
struct Hello {
    bytes: Vec<u8>,
    place: RecordPlace,
    is_due: bool,
}

/// A handshake under way.
struct Shaking {
    session: TlsSession,
    place: RecordPlace,
    is_due: bool,
}

impl TlsLayer {
    /// One above `below`, over which nothing was received.
    pub(crate) fn new(below: Arc<dyn Transport>, config: TlsConfig) -> Self {
        Self { below, config: Some(config), state: Mutex::default(), info: OnceLock::new() }
    }

    /// The client's end of one above `below`, which says hello when it is [reckoned](Self::reckon) with first.
    #[cfg(feature = "client")]
    pub(super) fn of_client(below: Arc<dyn Transport>, session: TlsSession) -> Self {
        let shaking = Shaking { session, place: RecordPlace::default(), is_due: true };
        let state = Mutex::new(LayerState::Shaking(Box::new(shaking)));
        Self { below, config: None, state, info: OnceLock::new() }
    }

    /// The layer that `transport` is, if it is one.
    pub(crate) fn of(transport: &dyn Transport) -> Option<&Self> {
        transport.as_any()?.downcast_ref()
    }

    /// Whether the peer has said anything.
    pub(crate) fn has_heard(&self) -> bool {
        !matches!(*self.state.lock(), LayerState::Clear)
    }

    /// Whether the handshake is beyond the client's hello.
    pub(crate) fn has_begun(&self) -> bool {
        matches!(*self.state.lock(), LayerState::Shaking(_))
    }

    /// Takes what was received for the handshake. Costs little.
    ///
    /// # Errors
    /// When it is nothing of the kind.
    pub(crate) fn feed(&self, bytes: &[u8]) -> Result<(), HandshakeFailure> {
        let Some(&first) = bytes.first() else { return Ok(()) };
        let mut state = self.state.lock();
        if matches!(*state, LayerState::Clear) {
            match first {
                HANDSHAKE => *state = LayerState::Hello(Box::default()),
                b'A'..=b'Z' | b'a'..=b'z' => return Err(HandshakeFailure::PlainHttp),
                _ => return Err(HandshakeFailure::NotTls),
            }
        }
        match &mut *state {
            LayerState::Hello(hello) => {
                hello.is_due |= hello.place.passes(bytes);
                hello.bytes.extend_from_slice(bytes);
                Ok(())
            }
            LayerState::Shaking(shaking) => {
                shaking.is_due |= shaking.place.passes(bytes);
                shaking.session.receive(bytes);
                Ok(())
            }
            LayerState::Clear | LayerState::Open(_) | LayerState::Failed(_) | LayerState::Broken => Ok(()),
        }
    }

    /// Whether there is something to be reckoned with.
    pub(crate) fn is_due(&self) -> bool {
        match &*self.state.lock() {
            LayerState::Hello(hello) => hello.is_due,
            LayerState::Shaking(shaking) => shaking.is_due,
            LayerState::Clear | LayerState::Open(_) | LayerState::Failed(_) | LayerState::Broken => false,
        }
    }

    /// Goes on with the handshake. This may take long, and runs code of the user's where they have brought some.
    pub(crate) fn reckon(&self) {
        let mut state = self.state.lock();
        match panic::call(|| self.go_on(&mut state)) {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => become_in_place(&mut state, LayerState::Failed(failure)),
            Err(panicked) => {
                log::error!("the code of a TLS handshake {panicked}");
                become_in_place(&mut state, LayerState::Failed(HandshakeFailure::Panicked));
            }
        }
    }

    /// What has come of the handshake; `None`: it goes on.
    pub(crate) fn outcome(&self) -> Option<Result<(), HandshakeFailure>> {
        match &*self.state.lock() {
            LayerState::Open(_) => Some(Ok(())),
            LayerState::Failed(failure) => Some(Err(failure.clone())),
            LayerState::Broken => Some(Err(HandshakeFailure::Panicked)),
            LayerState::Clear | LayerState::Hello(_) | LayerState::Shaking(_) => None,
        }
    }

    fn go_on(&self, state: &mut LayerState) -> Result<(), HandshakeFailure> {
        if let (LayerState::Hello(hello), Some(config)) = (&mut *state, &self.config) {
            let Hello { bytes, place, .. } = mem::take(&mut **hello);
            let mut session = TlsSession::new(ServerConnection::new(config.for_connection())?);
            session.receive(&bytes);
            *state = LayerState::Shaking(Box::new(Shaking { session, place, is_due: true }));
        }
        let LayerState::Shaking(shaking) = state else { return Ok(()) };
        shaking.is_due = false;
        let reckoned = shaking.session.reckon();
        let is_server = self.config.is_some();
        if !(is_server && matches!(reckoned, Ok(true)) && shaking.session.lets_wait()) {
            // What does not go now goes later, and what cannot go at all is found then. If it was in vain, this is why.
            let _ = shaking.session.push_all(&*self.below);
        }
        if reckoned? {
            let _ = self.info.set(Arc::new(shaking.session.info()));
            if let LayerState::Shaking(shaking) = mem::take(state) {
                *state = LayerState::Open(Box::new(shaking.session));
            }
        } else if shaking.session.has_peer_ended() {
            return Err(HandshakeFailure::Ended);
        }
        Ok(())
    }

    /// What was fed to the handshake had drained the transport, and nothing was reported since.
    pub(crate) fn is_drained_below(&self) {
        if let LayerState::Open(session) = &mut *self.state.lock() {
            session.is_drained_below();
        }
    }

    /// Who is to take the connection; `None`: it is HTTP's.
    pub(crate) fn taker(&self) -> Option<AlpnHandler> {
        self.config.as_ref()?.handler(self.info.get()?.alpn()?).cloned()
    }

    /// What is to be known of the session, if it is open.
    fn of_session<R>(&self, what: impl FnOnce(&TlsSession) -> R) -> Option<R> {
        match &*self.state.lock() {
            LayerState::Open(session) => Some(what(session)),
            _ => None,
        }
    }

    /// Does something with the session, if there is one that encrypts. `None`: what is to be done is done without.
    ///
    /// Ciphers may be the user's, so this runs code of theirs, on a driver above all.
    fn with_session<R>(
        &self,
        what: impl FnOnce(&mut TlsSession, &dyn Transport) -> io::Result<R>,
    ) -> Option<io::Result<R>> {
        let mut state = self.state.lock();
        let session = match &mut *state {
            LayerState::Open(session) => session,
            LayerState::Broken => return Some(Err(broken())),
            LayerState::Clear | LayerState::Hello(_) | LayerState::Shaking(_) | LayerState::Failed(_) => {
                return None;
            }
        };
        let done = panic::call(|| what(session, &*self.below));
        Some(done.unwrap_or_else(|panicked| {
            log::error!("the code that encrypts a connection {panicked}");
            become_in_place(&mut state, LayerState::Broken);
            Err(broken())
        }))
    }

    /// The same with what waits for the socket to be read, or written.
    fn with_records(&self, awaited: ReadySet, direction: Direction) -> ReadySet {
        let waits =
            direction == Direction::Read && self.of_session(TlsSession::holds_records).unwrap_or(false);
        ReadySet { write: awaited.write || waits, ..awaited }
    }
}

/// Another state, in place of one in which code of the user's may be that panics while it is dropped.
fn become_in_place(state: &mut LayerState, next: LayerState) {
    drop(Contained::new(mem::replace(state, next)));
}

fn broken() -> io::Error {
    io::Error::new(ErrorKind::ConnectionAborted, "the code that encrypts the connection panicked")
}

impl Drop for TlsLayer {
    fn drop(&mut self) {
        if self.config.is_none() {
            // No request ends where its connection does, so a server takes nothing for whole that is not.
            self.say_goodbye();
        }
        become_in_place(self.state.get_mut(), LayerState::Clear);
    }
}

impl Transport for TlsLayer {
    fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
        self.with_session(|session, below| session.read(below, &mut *room))
            .unwrap_or_else(|| self.below.read(room))
    }

    fn write(&self, slices: [&[u8]; 2]) -> io::Result<usize> {
        self.with_session(|session, below| session.write(below, slices))
            .unwrap_or_else(|| self.below.write(slices))
    }

    fn push(&self) -> io::Result<usize> {
        // That of a handshake was encrypted where it was reckoned.
        if let LayerState::Shaking(shaking) = &mut *self.state.lock() {
            return shaking.session.push(&*self.below);
        }
        self.with_session(|session, below| session.push(below)).unwrap_or(Ok(0))
    }

    fn say_goodbye(&self) {
        // Who has not room for that is not told.
        let _ = self.with_session(|session, below| session.say_goodbye(below));
    }

    fn is_input_cut_off(&self) -> bool {
        self.of_session(TlsSession::is_cut_off).unwrap_or(false)
    }

    fn tls_info(&self) -> Option<&Arc<TlsInfo>> {
        self.info.get()
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn awaits(&self, direction: Direction) -> ReadySet {
        self.with_records(self.below.awaits(direction), direction)
    }

    fn awaited_reports(&self, direction: Direction) -> ReadySet {
        self.with_records(self.below.awaited_reports(direction), direction)
    }

    fn wait(&self, awaited: ReadySet, limit: Option<Duration>) -> io::Result<bool> {
        self.below.wait(awaited, limit)
    }

    fn blocks(&self) -> bool {
        self.below.blocks()
    }

    fn source(&mut self) -> Option<&mut dyn Source> {
        Arc::get_mut(&mut self.below)?.source()
    }

    fn report_room_if_lacked(&self, registry: &Registry, token: Token) -> io::Result<()> {
        self.below.report_room_if_lacked(registry, token)
    }

    fn has_peer_ended_unreported(&self) -> bool {
        self.below.has_peer_ended_unreported()
    }

    fn set_waker(&self, waker: Option<Waker>) -> bool {
        self.below.set_waker(waker)
    }

    fn peer_has_ended(&self) -> bool {
        // Whoever has the session may wait for the peer with it.
        let has_said_so = || match self.state.try_lock().as_deref() {
            Some(LayerState::Open(session)) => session.has_peer_ended(),
            _ => false,
        };
        self.below.peer_has_ended() || has_said_so()
    }

    fn is_broken(&self) -> bool {
        self.below.is_broken()
    }

    fn give_up_after(&self, limit: Option<Duration>) {
        self.below.give_up_after(limit);
    }

    fn shut_down(&self) {
        self.below.shut_down();
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.with_session(|session, below| session.say_goodbye(below)).unwrap_or(Ok(()))?;
        self.below.shutdown_write()
    }
}
