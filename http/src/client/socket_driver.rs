//! The thread that serves a WebSocket which this program has opened.
//!
//! The idea: the session says what is to be done next; here bytes are moved, and waited for in a poller, in which
//! whoever sends something wakes the thread.
//!
//! The server is heard whatever it takes of what is sent to it: it may be one that takes nothing more before what it
//! has said was read. Between two pieces of the output, and while there is no room for the next, the session is asked
//! only what to hear; what that may keep is bounded by the room for messages that nobody has taken, and by the limit of
//! one.
//!
//! The rule: before each wait everything that can be read and written was, unless the session wants nothing more: the
//! poller tells of changes, and not of how things are.

use super::arriving::UpgradedConn;
use super::error::{ClientError, ClientErrorKind};
use super::names::wake;
use super::stock::Leased;
use crate::sockets::{BeforeParking, SocketSession, SocketSettings, SocketStep, WebSocket};
use crate::wire::wake::{Waker, Wakes};
use crate::ws::HandshakeAnswer;
use anthill_pool::{CancelListener, CancelToken};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the poller reports when somebody woke the thread. The connection has another token.
const WOKEN: Token = Token(usize::MAX);

/// How long a server that takes nothing is waited for at once: what others do meanwhile is seen then.
const SLICE: Duration = Duration::from_millis(100);

/// How long a server has to close the connection behind the end. It should be the first (RFC 6455 section 7.1.1).
const LINGER: Duration = Duration::from_secs(1);

/// How much of it is thrown away meanwhile.
const LINGER_BYTES: usize = 1024 * 1024;

/// Pieces that are read behind a failed write: what the server has said before it closed the connection.
const LAST_READS: usize = 256;

/// The thread; see the module's text.
pub(super) struct SocketDriver {
    leased: Leased,
    session: SocketSession,
    poll: Poll,
    events: Events,
    wakes: Arc<DriverWakes>,
    start: Instant,
    /// How long the server may take nothing.
    write_limit: Option<Duration>,
    /// Since when it has taken nothing of what is to be sent.
    stalled: Option<Instant>,
    /// It has taken something since the session was told of that.
    has_moved: bool,
    /// The session is only asked what to hear next.
    only_hears: bool,
    _listener: Option<CancelListener>,
}

/// How the thread is woken.
struct DriverWakes {
    waker: mio::Waker,
    is_cancelled: AtomicBool,
}

impl Wakes for DriverWakes {
    fn wake(&self, _: usize) {
        wake(&self.waker);
    }
}

impl SocketDriver {
    /// Serves the connection as a WebSocket from now on.
    ///
    /// # Errors
    /// When there is no poller or no thread to be had.
    pub(super) fn start(
        upgraded: UpgradedConn,
        settings: Arc<SocketSettings>,
        answer: HandshakeAnswer,
        token: Option<&CancelToken>,
    ) -> Result<WebSocket, ClientError> {
        let remote = upgraded.leased.conn.remote;
        Self::begin(upgraded, settings, answer, token)
            .map_err(|error| ClientError::because(ClientErrorKind::Connect, error).at(remote))
    }

    fn begin(
        upgraded: UpgradedConn,
        settings: Arc<SocketSettings>,
        answer: HandshakeAnswer,
        token: Option<&CancelToken>,
    ) -> io::Result<WebSocket> {
        let UpgradedConn { mut leased, write_limit } = upgraded;
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WOKEN)?;
        let wakes = Arc::new(DriverWakes { waker, is_cancelled: AtomicBool::new(false) });
        match leased.conn.report_to(poll.registry(), Token(0), Interest::READABLE | Interest::WRITABLE) {
            // One in memory says itself when something happens.
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let whom: Arc<dyn Wakes> = wakes.clone();
                if !leased.conn.be_woken_by(Waker::new(Arc::downgrade(&whom), 0)) {
                    return Err(error);
                }
            }
            reported => reported?,
        }
        let listener = token.map(|token| {
            let wakes = wakes.clone();
            token.on_cancel(move || {
                wakes.is_cancelled.store(true, Ordering::SeqCst);
                wakes.wake(0);
            })
        });
        let HandshakeAnswer { subprotocol, deflate, .. } = answer;
        let (session, socket) = SocketSession::begin_held(settings, subprotocol, deflate, 0);
        let driver = Self {
            leased,
            session,
            poll,
            events: Events::with_capacity(4),
            wakes,
            start: Instant::now(),
            write_limit,
            stalled: None,
            has_moved: false,
            only_hears: false,
            _listener: listener,
        };
        let thread = std::thread::Builder::new().name("anthill-client-websocket".to_owned());
        thread.spawn(move || driver.serve())?;
        Ok(socket)
    }

    /// Milliseconds since it was opened.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Serves the session to its end.
    fn serve(mut self) {
        let wakes: Arc<dyn Wakes> = self.wakes.clone();
        self.session.be_told_by(|| Waker::new(Arc::downgrade(&wakes), 0));
        loop {
            if self.wakes.is_cancelled.load(Ordering::SeqCst) {
                self.session.cut_off();
            }
            let now = self.now();
            let conn = &mut *self.leased.conn;
            let only_hears = self.only_hears;
            let next = match only_hears {
                true => self.session.hear(&mut conn.input, &mut conn.out, now),
                false => self.session.next(&mut conn.input, &mut conn.out, now, false),
            };
            let step = match next {
                SocketStep::Run => {
                    self.session.run();
                    continue;
                }
                SocketStep::GoOn => continue,
                SocketStep::Over { is_cut: true, .. } => return,
                SocketStep::Over { is_cut: false, .. } => return self.say_the_last(),
                step @ (SocketStep::Send | SocketStep::Read | SocketStep::Wait) => step,
            };
            if let Err(error) = self.move_bytes(step, only_hears) {
                log::debug!("a WebSocket is given up: {error}");
                self.hear_the_last();
                self.session.cut_off();
            }
        }
    }

    fn move_bytes(&mut self, step: SocketStep, only_hears: bool) -> io::Result<()> {
        let is_sent = self.send()?;
        // Behind a piece that was sent the server has its turn.
        self.only_hears = !is_sent || (step == SocketStep::Send && !only_hears);
        let now = self.now();
        if step == SocketStep::Read && self.read(now)? {
            return Ok(());
        }
        if !is_sent {
            // Room for messages is told of by a nudge; whatever else happens is seen in time.
            let is_nudged = step == SocketStep::Send && self.session.look_for_nudge();
            return if is_nudged { Ok(()) } else { self.wait(Some(SLICE)) };
        }
        if only_hears || step == SocketStep::Send {
            return Ok(());
        }
        let conn = &mut *self.leased.conn;
        if self.session.look() || self.session.before_parking(&mut conn.out, now) != BeforeParking::Nothing {
            return Ok(());
        }
        let deadline = self.session.deadline();
        // What is due now was done before.
        self.wait(deadline.map(|at| Duration::from_millis(at.saturating_sub(now).max(1))))
    }

    /// Reads once. False: nothing is there.
    fn read(&mut self, now: u64) -> io::Result<bool> {
        match self.leased.conn.read_once() {
            Ok(0) => self.session.cut_off(),
            Ok(_) => self.session.heard(now),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.session.heard_nothing(now);
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Nothing more can be sent: what the server has said before is still there, perhaps why. What has not left stays
    /// in the output, so that nobody takes it for sent.
    fn hear_the_last(&mut self) {
        for _ in 0..LAST_READS {
            let now = self.now();
            let conn = &mut *self.leased.conn;
            let step = self.session.hear(&mut conn.input, &mut conn.out, now);
            if step != SocketStep::Read || !matches!(conn.read_once(), Ok(1..)) {
                return;
            }
        }
    }

    /// Sends the output. False: the server takes no more of it now.
    fn send(&mut self) -> io::Result<bool> {
        loop {
            match self.leased.conn.write_some() {
                Ok(true) => (self.stalled, self.has_moved) = (None, true),
                Ok(false) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let stalled = self.stalled.get_or_insert_with(Instant::now).elapsed();
                    let is_late = self.write_limit.is_some_and(|limit| stalled >= limit);
                    let (now, has_moved) = (self.now(), std::mem::take(&mut self.has_moved));
                    if self.session.is_late_to_take(now, has_moved) || is_late {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, limit) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            polled => polled,
        }
    }

    /// Sends what is left, and gives the server the time to be the first that closes, whatever it sends meanwhile.
    fn say_the_last(mut self) {
        let end = Instant::now() + LINGER;
        let mut is_sent = false;
        let mut thrown_away = 0;
        loop {
            match self.send() {
                Ok(sent) => {
                    if sent && !std::mem::replace(&mut is_sent, true) {
                        self.leased.conn.end_sending();
                    }
                }
                Err(_) => return,
            }
            // Nobody reads that any more.
            loop {
                match self.leased.conn.read_once() {
                    Ok(0) => return,
                    Ok(count) => {
                        self.leased.conn.input.clear();
                        thrown_away += count;
                        if thrown_away > LINGER_BYTES || Instant::now() >= end {
                            return;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => return,
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            let is_cancelled = self.wakes.is_cancelled.load(Ordering::SeqCst);
            if left.is_zero() || is_cancelled || self.wait(Some(left)).is_err() {
                return;
            }
        }
    }
}
