//! Making a connection.
//!
//! The idea: a host may have several addresses, of both families, and one of them may swallow all that is sent to it.
//! So they are tried one after the other, the next when the one before has failed or has not answered for a moment,
//! and the first connection that stands is taken (RFC 8305). Sockets do not block, so no thread is needed for that.
//!
//! The rule: whatever was begun and not taken is closed when the call returns.

use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::patience::CallPatience;
use crate::engine::socket::Socket;
use crate::wire::transport::Transport;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an address has before the next one is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connection that stands.
pub(crate) struct NewSocket {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) remote: SocketAddr,
    /// `None`: the system does not say.
    pub(crate) local: Option<SocketAddr>,
}

/// What the poller reports when a call was called off. Attempts have their numbers.
const CALLED_OFF: Token = Token(usize::MAX);

/// Connects to the first of `addrs` that answers.
pub(crate) fn connect(addrs: &[SocketAddr], patience: &CallPatience) -> Result<NewSocket, ClientError> {
    let addrs = by_turns(addrs);
    match Race::new(&addrs).and_then(|mut race| race.run(patience)) {
        Ok(outcome) => outcome,
        Err(error) => Err(ClientError::because(ClientErrorKind::Connect, error)),
    }
}

/// The addresses in their order, but the families by turns, so that a family that does not work costs one try (RFC 8305
/// section 4).
fn by_turns(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_first_family =
        |addr: &&SocketAddr| addrs.first().is_some_and(|first| first.is_ipv6() == addr.is_ipv6());
    let mut first = addrs.iter().filter(is_first_family);
    let mut second = addrs.iter().filter(|addr| !is_first_family(addr));
    let mut ordered = Vec::with_capacity(addrs.len());
    while ordered.len() < addrs.len() {
        ordered.extend(first.next());
        ordered.extend(second.next());
    }
    ordered
}

/// The attempts of one call.
struct Race<'a> {
    poll: Poll,
    untried: std::slice::Iter<'a, SocketAddr>,
    /// By their tokens; `None`: failed.
    tries: Vec<Option<(TcpStream, SocketAddr)>>,
    failure: Option<ClientError>,
}

impl<'a> Race<'a> {
    fn new(addrs: &'a [SocketAddr]) -> io::Result<Self> {
        Ok(Self { poll: Poll::new()?, untried: addrs.iter(), tries: Vec::new(), failure: None })
    }

    /// The outer error is the poller's.
    fn run(&mut self, patience: &CallPatience) -> io::Result<Result<NewSocket, ClientError>> {
        let waker = patience.can_be_cancelled().then(|| Waker::new(self.poll.registry(), CALLED_OFF));
        let waker = waker.transpose()?.map(Arc::new);
        let _here = patience.waits(|| Box::new(move || wake(waker.as_deref())));
        let mut events = Events::with_capacity(16);
        let mut next_at = Instant::now();
        loop {
            if next_at <= Instant::now() || self.tries.iter().all(Option::is_none) {
                self.begin_next();
                next_at = Instant::now() + HEAD_START;
            }
            let is_over = self.tries.iter().all(Option::is_none) && self.untried.len() == 0;
            if is_over {
                let none = || ClientError::new(ClientErrorKind::Resolve);
                return Ok(Err(self.failure.take().unwrap_or_else(none)));
            }
            if patience.is_over() {
                let error = ClientError::new(ClientErrorKind::Timeout(ClientPhase::Connect));
                return Ok(Err(match self.tries.iter().flatten().next_back() {
                    Some((_, addr)) => error.at(*addr),
                    None => error,
                }));
            }
            let next = (self.untried.len() > 0).then(|| next_at.saturating_duration_since(Instant::now()));
            let limit = match (patience.until().left(), next) {
                (Some(left), Some(next)) => Some(left.min(next)),
                (left, next) => left.or(next),
            };
            match self.poll.poll(&mut events, limit) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            let before = self.tries.iter().flatten().count();
            for event in &events {
                if let Some(dialled) = self.look_at(event.token().0) {
                    return Ok(Ok(dialled));
                }
            }
            if self.tries.iter().flatten().count() < before {
                // Where one has failed the next need not wait.
                next_at = Instant::now();
            }
        }
    }

    /// Begins with the next address; those that fail at once are passed.
    fn begin_next(&mut self) {
        for addr in self.untried.by_ref() {
            let begun = TcpStream::connect(*addr).and_then(|mut stream| {
                let token = Token(self.tries.len());
                // A connection that stands, and one that has failed, are both reported as writable.
                self.poll.registry().register(&mut stream, token, Interest::WRITABLE)?;
                Ok(stream)
            });
            match begun {
                Ok(stream) => return self.tries.push(Some((stream, *addr))),
                Err(error) => {
                    self.failure = Some(ClientError::because(ClientErrorKind::Connect, error).at(*addr))
                }
            }
        }
    }

    /// What has become of an attempt of which something was reported.
    fn look_at(&mut self, number: usize) -> Option<NewSocket> {
        let place = self.tries.get_mut(number)?;
        let (stream, addr) = place.as_mut()?;
        let remote = *addr;
        let failure = match stream.take_error() {
            Ok(Some(error)) | Err(error) => error,
            Ok(None) => match stream.peer_addr() {
                Ok(_) => {
                    let (mut stream, _) = place.take()?;
                    if let Err(error) = self.poll.registry().deregister(&mut stream) {
                        log::debug!("a connection stays registered until it is closed: {error}");
                    }
                    return Some(dialled(stream, remote));
                }
                // Reported too early; there will be another report.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return None,
                Err(error) => error,
            },
        };
        *place = None;
        self.failure = Some(ClientError::because(ClientErrorKind::Connect, failure).at(remote));
        None
    }
}

fn wake(waker: Option<&Waker>) {
    if let Some(Err(error)) = waker.map(Waker::wake) {
        log::warn!("a call that was called off goes on until a connection stands, or time is up: {error}");
    }
}

fn dialled(stream: TcpStream, remote: SocketAddr) -> NewSocket {
    // A request is written in one piece where that can be; what is small must not wait for what was sent before.
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("small pieces may wait on a connection to {remote}: {error}");
    }
    let local = stream.local_addr().ok();
    NewSocket { transport: Arc::new(Socket::Tcp(stream)), remote, local }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn families_take_turns_and_keep_their_order() {
        let four = [addr("192.0.2.1:1"), addr("192.0.2.2:1"), addr("192.0.2.3:1")];
        let six = [addr("[2001:db8::1]:1")];
        let listed = [six[0], four[0], four[1], four[2]];
        assert_eq!(by_turns(&listed), [six[0], four[0], four[1], four[2]]);
        let listed = [four[0], four[1], four[2], six[0]];
        assert_eq!(by_turns(&listed), [four[0], six[0], four[1], four[2]]);
        assert_eq!(by_turns(&[]), []);
    }

    #[test]
    fn a_dead_address_is_passed() {
        let alive = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let alive = alive.local_addr().map(|addr| (alive, addr)).expect("it listens");
        let dead = TcpListener::bind("127.0.0.1:0").and_then(|dead| dead.local_addr()).expect("it listened");
        let remote =
            |addrs: &[SocketAddr]| connect(addrs, &CallPatience::default()).map(|dialled| dialled.remote);
        assert_eq!(remote(&[dead, alive.1]).expect("the second one listens"), alive.1);
        let error = remote(&[dead, dead]).expect_err("nobody listens");
        assert_eq!((error.kind(), error.addr()), (ClientErrorKind::Connect, Some(dead)));
    }

    #[test]
    fn no_address_and_no_time_are_errors() {
        let failed = |addrs: &[SocketAddr], limit| {
            connect(addrs, &CallPatience::new(limit, None)).map(|dialled| dialled.remote)
        };
        let error = failed(&[], None).expect_err("there is none");
        assert_eq!(error.kind(), ClientErrorKind::Resolve);
        let alive = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = alive.local_addr().expect("it listens");
        let error = failed(&[addr], Some(Duration::ZERO)).expect_err("there is no time");
        assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Connect));
    }
}
