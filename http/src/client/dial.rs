//! Making a connection.
//!
//! The idea: a host may have several names and addresses, of both families; a look-up may hang, and an address may
//! swallow all that is sent to it. So they are tried one after the other, the next when the one before has failed or
//! has not answered for a moment, and the first connection that stands is taken (RFC 8305). Sockets do not block and
//! look-ups run elsewhere, so no thread is needed for that.
//!
//! The rule: whatever was begun and not taken is closed when the call returns.

use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::names::{AskedAddrs, AwaitedAddrs, wake};
use super::patience::CallPatience;
use crate::engine::socket::Socket;
use crate::wire::transport::{Direction, Transport};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an address has before the next one is tried beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// How long a socket in the file system has whose queue is full, before it is tried again. Nothing reports that there
/// is room.
const QUEUE_PAUSE: Duration = Duration::from_millis(2);

/// A connection that stands.
pub(crate) struct RaceWinner {
    pub(crate) socket: Socket,
    /// `None`: it is one of the file system.
    pub(crate) remote: Option<SocketAddr>,
    /// Which of those that were asked for has its address.
    pub(crate) number: usize,
}

/// Where a host may be.
pub(crate) enum Candidates {
    Addrs(AskedAddrs),
    #[cfg(unix)]
    Unix(Arc<Path>),
}

/// Where a host may be, and its number.
pub(crate) type NumberedAsk = (usize, Candidates);

/// One address to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Endpoint {
    Inet(SocketAddr),
    #[cfg(unix)]
    Unix(Arc<Path>),
}

/// What the poller reports when a call was called off, or a look-up has ended. Attempts have their numbers.
const LOOK_AGAIN: Token = Token(usize::MAX);

/// Waits for the addresses of a name.
pub(crate) fn await_addrs(
    asked: AskedAddrs,
    patience: &CallPatience,
) -> Result<Vec<SocketAddr>, ClientError> {
    let awaited = match asked {
        AskedAddrs::Known(addrs) => return Ok(addrs),
        AskedAddrs::Awaited(awaited) => awaited,
    };
    let failed = |error: io::Error| ClientError::because(ClientErrorKind::Resolve, error);
    let mut poll = Poll::new().map_err(failed)?;
    let waker = Arc::new(Waker::new(poll.registry(), LOOK_AGAIN).map_err(failed)?);
    awaited.wake_at_end(&waker);
    let _here = patience.waits(|| {
        let waker = waker.clone();
        Box::new(move || wake(&waker))
    });
    let mut events = Events::with_capacity(1);
    loop {
        if let Some(outcome) = awaited.outcome() {
            return outcome;
        }
        if patience.is_over() {
            return Err(ClientError::new(ClientErrorKind::Timeout(ClientPhase::Resolve)));
        }
        match poll.poll(&mut events, patience.until().left()) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(failed(error)),
            _ => {}
        }
    }
}

/// The addresses in their order, but the families by turns, so that a family that does not work costs one try (RFC 8305
/// section 4).
pub(crate) fn by_turns(addrs: &[SocketAddr]) -> Vec<SocketAddr> {
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

/// A connection that is being made.
struct DialAttempt {
    socket: Socket,
    endpoint: Endpoint,
    number: usize,
    /// Whether it is registered with the poller.
    is_watched: bool,
}

/// The attempts of one call: connections to the first addresses that answer. `asks` gives the addresses of one host
/// after the other, and is asked for the next when those before do not answer.
// Wide because it is all that one call has begun, which goes on between two connections and ends with it.
pub(crate) struct Race<'a> {
    /// Made when there is something to wait for besides one attempt, for which most calls have no need.
    poll: Option<Poll>,
    waker: Option<Arc<Waker>>,
    asks: &'a mut dyn Iterator<Item = NumberedAsk>,
    local: Option<IpAddr>,
    is_all_asked: bool,
    awaited: Vec<(usize, AwaitedAddrs)>,
    untried: VecDeque<(usize, Endpoint)>,
    /// By their tokens; `None`: failed.
    tries: Vec<Option<DialAttempt>>,
    failure: Option<ClientError>,
    /// When the next is begun beside those before.
    next_at: Instant,
    /// Those that have no room now, which the next are.
    full: VecDeque<(usize, Endpoint)>,
    /// Whether the next is not begun earlier, whatever becomes of those before.
    is_held: bool,
    /// Whether a connection was handed out. Whoever asks again has no use for it.
    has_given: bool,
}

impl<'a> Race<'a> {
    /// One from the address `local`, if that is said.
    pub(crate) fn new(asks: &'a mut dyn Iterator<Item = NumberedAsk>, local: Option<IpAddr>) -> Self {
        Self {
            poll: None,
            waker: None,
            asks,
            local,
            is_all_asked: false,
            awaited: Vec::new(),
            untried: VecDeque::new(),
            tries: Vec::new(),
            failure: None,
            next_at: Instant::now(),
            full: VecDeque::new(),
            is_held: false,
            has_given: false,
        }
    }

    /// The first connection, or, of an address that was of no use, the next; the others go on meanwhile. When there was
    /// no time for one, it can be asked again.
    pub(crate) fn connect(&mut self, patience: &CallPatience) -> Result<RaceWinner, ClientError> {
        let was_given = std::mem::take(&mut self.has_given);
        // What was reported of the others when one was taken is not reported again.
        if let Some(dialled) = (0..self.tries.len()).find_map(|token| self.look_at(token)) {
            self.has_given = true;
            return Ok(dialled);
        }
        if was_given && !self.is_held {
            self.next_at = Instant::now();
        }
        let outcome = match self.run(patience) {
            Ok(outcome) => outcome,
            Err(error) => Err(ClientError::because(ClientErrorKind::Connect, error)),
        };
        self.has_given = outcome.is_ok();
        outcome
    }

    /// The outer error is the poller's.
    fn run(&mut self, patience: &CallPatience) -> io::Result<Result<RaceWinner, ClientError>> {
        let waker = if patience.can_be_cancelled() { Some(self.waker()?) } else { None };
        let _here = patience.waits(|| {
            Box::new(move || {
                if let Some(waker) = &waker {
                    wake(waker);
                }
            })
        });
        loop {
            self.take_found();
            if self.is_next_due() {
                self.is_held = false;
                self.next_at = Instant::now() + HEAD_START;
                self.begin_next()?;
            }
            if self.tries().count() == 0 && self.awaited.is_empty() && self.is_all_begun() {
                let none = || ClientError::new(ClientErrorKind::Resolve);
                return Ok(Err(self.failure.take().unwrap_or_else(none)));
            }
            if patience.is_over() {
                return Ok(Err(self.late()));
            }
            let next = (!self.is_all_begun()).then(|| self.next_at.saturating_duration_since(Instant::now()));
            let limit = match (patience.until().left(), next) {
                (Some(left), Some(next)) => Some(left.min(next)),
                (left, next) => left.or(next),
            };
            let before = self.tries().count();
            let reported = match self.await_some(limit) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                reported => reported?,
            };
            if let Some(dialled) = reported.into_iter().find_map(|token| self.look_at(token)) {
                return Ok(Ok(dialled));
            }
            if self.tries().count() < before && !self.is_held {
                // Where one has failed the next need not wait.
                self.next_at = Instant::now();
            }
        }
    }

    /// Those that are under way.
    fn tries(&self) -> impl DoubleEndedIterator<Item = &DialAttempt> {
        self.tries.iter().flatten()
    }

    /// Whether there is nothing that could be begun.
    fn is_all_begun(&self) -> bool {
        self.is_all_asked && self.untried.is_empty() && self.full.is_empty()
    }

    /// Whether the next one has to be begun now: those before have had their time, or there are none.
    fn is_next_due(&self) -> bool {
        let is_next_there = self.awaited.is_empty() || !self.untried.is_empty();
        self.next_at <= Instant::now() || self.tries().count() == 0 && is_next_there && !self.is_held
    }

    fn waker(&mut self) -> io::Result<Arc<Waker>> {
        if let Some(waker) = &self.waker {
            return Ok(waker.clone());
        }
        let waker = Arc::new(Waker::new(self.poller()?.registry(), LOOK_AGAIN)?);
        Ok(self.waker.insert(waker).clone())
    }

    fn poller(&mut self) -> io::Result<&mut Poll> {
        let poll = match self.poll.take() {
            Some(poll) => poll,
            None => Poll::new()?,
        };
        Ok(self.poll.insert(poll))
    }

    /// Waits for something to happen for so long at most, and says of which attempts something is known then.
    fn await_some(&mut self, limit: Option<Duration>) -> io::Result<Vec<usize>> {
        let mut under_way =
            self.tries.iter().enumerate().filter_map(|(token, tried)| Some((token, tried.as_ref()?)));
        // Old Windows does not say of a single one that it has failed.
        if let (true, Some((token, attempt)), None, None) =
            (cfg!(unix), under_way.next(), under_way.next(), &self.poll)
        {
            // A connection that stands, and one that has failed, are both ready to be written to.
            let is_ready = attempt.socket.wait(Direction::Write.into(), limit)?;
            return Ok(is_ready.then_some(token).into_iter().collect());
        }
        self.poller()?;
        let Some(poll) = &mut self.poll else { return Ok(Vec::new()) };
        for (token, tried) in self.tries.iter_mut().enumerate() {
            let Some(attempt) = tried.as_mut().filter(|attempt| !attempt.is_watched) else { continue };
            poll.registry().register(&mut attempt.socket, Token(token), Interest::WRITABLE)?;
            attempt.is_watched = true;
        }
        let mut events = Events::with_capacity(16);
        poll.poll(&mut events, limit)?;
        Ok(events.iter().map(|event| event.token().0).collect())
    }

    /// Takes over what look-ups have found.
    fn take_found(&mut self) {
        let Self { awaited, untried, failure, next_at, .. } = self;
        awaited.retain(|(number, awaited)| {
            match awaited.outcome() {
                None => return true,
                Some(Ok(addrs)) => untried.extend(numbered(*number, &addrs)),
                Some(Err(error)) => {
                    *failure = Some(error);
                    *next_at = Instant::now();
                }
            }
            false
        });
    }

    /// Begins with the next address, or the next look-up; what fails at once is passed.
    fn begin_next(&mut self) -> io::Result<()> {
        loop {
            if let Some((number, endpoint)) = self.untried.pop_front() {
                match self.begin(number, &endpoint) {
                    Ok(()) => return Ok(()),
                    Err(error) if is_queue_full(&endpoint, &error) => {
                        self.full.push_back((number, endpoint));
                    }
                    Err(error) => self.failure = Some(not_connected(&endpoint, error)),
                }
                continue;
            }
            match self.asks.next() {
                None => {
                    self.is_all_asked = true;
                    self.untried.append(&mut self.full);
                    if !self.untried.is_empty() {
                        self.is_held = true;
                        self.next_at = Instant::now() + QUEUE_PAUSE;
                    }
                    return Ok(());
                }
                #[cfg(unix)]
                Some((number, Candidates::Unix(path))) => {
                    self.untried.push_back((number, Endpoint::Unix(path)));
                }
                Some((number, Candidates::Addrs(AskedAddrs::Known(addrs)))) => {
                    self.untried.extend(numbered(number, &addrs));
                }
                Some((number, Candidates::Addrs(AskedAddrs::Awaited(awaited)))) => {
                    awaited.wake_at_end(&self.waker()?);
                    self.awaited.push((number, awaited));
                    return Ok(());
                }
            }
        }
    }

    /// Begins with an address.
    fn begin(&mut self, number: usize, endpoint: &Endpoint) -> io::Result<()> {
        let socket = match endpoint {
            Endpoint::Inet(addr) => Socket::tcp(connecting(*addr, self.local)?),
            #[cfg(unix)]
            Endpoint::Unix(path) => Socket::unix(mio::net::UnixStream::connect(path)?),
        };
        self.tries.push(Some(DialAttempt { socket, endpoint: endpoint.clone(), number, is_watched: false }));
        Ok(())
    }

    /// Why there is no connection when time is up.
    fn late(&self) -> ClientError {
        let late = |phase| ClientError::new(ClientErrorKind::Timeout(phase));
        match self.tries().next_back() {
            Some(attempt) => at(late(ClientPhase::Connect), &attempt.endpoint),
            None if self.awaited.is_empty() => late(ClientPhase::Connect),
            None => late(ClientPhase::Resolve),
        }
    }

    /// What has become of an attempt of which something was reported.
    fn look_at(&mut self, token: usize) -> Option<RaceWinner> {
        let place = self.tries.get_mut(token)?;
        let DialAttempt { socket, endpoint, .. } = place.as_ref()?;
        match socket.is_connected() {
            Ok(false) => {
                // If it was reported it was too early, of which a poller tells once.
                self.poll = self.poll.take().or_else(|| Poll::new().ok());
                None
            }
            Ok(true) => {
                let DialAttempt { mut socket, endpoint, number, is_watched } = place.take()?;
                let poll = self.poll.as_ref().filter(|_| is_watched);
                if let Some(Err(error)) = poll.map(|poll| poll.registry().deregister(&mut socket)) {
                    log::debug!("a connection stays registered until it is closed: {error}");
                }
                Some(dialled(socket, endpoint, number))
            }
            Err(error) => {
                self.failure = Some(not_connected(endpoint, error));
                *place = None;
                None
            }
        }
    }
}

/// A socket that is about to be connected.
fn connecting(addr: SocketAddr, local: Option<IpAddr>) -> io::Result<TcpStream> {
    let Some(local) = local else { return TcpStream::connect(addr) };
    if local.is_ipv6() != addr.is_ipv6() {
        return Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "this end has an address of the other family",
        ));
    }
    let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(local, 0).into())?;
    match socket.connect(&addr.into()) {
        Ok(()) => {}
        Err(error) if is_under_way(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(TcpStream::from_std(socket.into()))
}

fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}

/// Whether whoever listens there has no room now, and may have in a moment.
fn is_queue_full(endpoint: &Endpoint, error: &io::Error) -> bool {
    !matches!(endpoint, Endpoint::Inet(_)) && error.kind() == io::ErrorKind::WouldBlock
}

fn not_connected(endpoint: &Endpoint, error: io::Error) -> ClientError {
    match endpoint {
        Endpoint::Inet(addr) => ClientError::because(ClientErrorKind::Connect, error).at(*addr),
        #[cfg(unix)]
        Endpoint::Unix(path) => {
            ClientError::because(ClientErrorKind::Connect, format!("{}: {error}", path.display()))
        }
    }
}

fn at(error: ClientError, endpoint: &Endpoint) -> ClientError {
    match endpoint {
        Endpoint::Inet(addr) => error.at(*addr),
        #[cfg(unix)]
        Endpoint::Unix(_) => error,
    }
}

/// The addresses of one host, in the order in which they are tried, with its number.
fn numbered(number: usize, addrs: &[SocketAddr]) -> impl Iterator<Item = (usize, Endpoint)> + use<> {
    by_turns(addrs).into_iter().map(move |addr| (number, Endpoint::Inet(addr)))
}

fn dialled(socket: Socket, endpoint: Endpoint, number: usize) -> RaceWinner {
    let remote = match endpoint {
        Endpoint::Inet(addr) => Some(addr),
        #[cfg(unix)]
        Endpoint::Unix(_) => None,
    };
    // A request is written in one piece where that can be; what is small must not wait for what was sent before.
    if let Err(error) = socket.set_nodelay() {
        log::debug!("small pieces may wait on a connection to {remote:?}: {error}");
    }
    RaceWinner { socket, remote, number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::names::Names;
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

    fn connect_to(asks: Vec<AskedAddrs>, patience: &CallPatience) -> Result<SocketAddr, ClientError> {
        let mut asks = asks.into_iter().map(Candidates::Addrs).enumerate();
        let dialled = Race::new(&mut asks, None).connect(patience)?;
        Ok(dialled.remote.expect("one of the network"))
    }

    fn alive() -> (TcpListener, SocketAddr) {
        let alive = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = alive.local_addr().expect("it listens");
        (alive, addr)
    }

    #[test]
    fn a_dead_address_is_passed() {
        let (_alive, addr) = alive();
        let dead = TcpListener::bind("127.0.0.1:0").and_then(|dead| dead.local_addr()).expect("it listened");
        let remote = |asks| connect_to(asks, &CallPatience::default());
        let known = AskedAddrs::Known;
        assert_eq!(remote(vec![known(vec![dead, addr])]).expect("the second one listens"), addr);
        let of_two = vec![known(vec![dead]), known(vec![addr])];
        assert_eq!(remote(of_two).expect("the second one listens"), addr);
        let error = remote(vec![known(vec![dead]), known(vec![dead])]).expect_err("nobody listens");
        assert_eq!((error.kind(), error.addr()), (ClientErrorKind::Connect, Some(dead)));
    }

    #[cfg(unix)]
    #[test]
    fn an_attempt_that_is_alone_is_waited_for_without_a_poller() {
        let (_alive, addr) = alive();
        let token = anthill_pool::CancelToken::new();
        for (token, has_poller) in [(None, false), (Some(&token), true)] {
            let asks = &mut [(0, Candidates::Addrs(AskedAddrs::Known(vec![addr])))].into_iter();
            let mut race = Race::new(asks, None);
            race.connect(&CallPatience::new(None, token)).expect("it listens");
            assert_eq!(race.poll.is_some(), has_poller);
        }
    }

    #[test]
    fn no_address_and_no_time_are_errors() {
        let failed = |addrs: &[SocketAddr], limit| {
            let asks = vec![AskedAddrs::Known(addrs.to_vec())];
            connect_to(asks, &CallPatience::new(limit, None))
        };
        let error = failed(&[], None).expect_err("there is none");
        assert_eq!(error.kind(), ClientErrorKind::Resolve);
        let (_alive, addr) = alive();
        let error = failed(&[addr], Some(Duration::ZERO)).expect_err("there is no time");
        assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Connect));
    }

    #[test]
    fn a_name_that_is_looked_up_holds_nobody_else_up_and_is_used_when_it_is_found() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let resolver = move |_: &str| {
            let _ = held.lock().expect("no panic").recv();
            Ok(vec![std::net::Ipv4Addr::LOCALHOST.into()])
        };
        let names = Names::new(Some(Box::new(resolver)), Duration::from_secs(60));
        let (_alive, addr) = alive();
        let hour = CallPatience::new(Some(Duration::from_secs(3600)), None);
        let asks = vec![names.ask("hangs", 9), AskedAddrs::Known(vec![addr])];
        assert_eq!(connect_to(asks, &hour).expect("the second one listens"), addr);
        let short = CallPatience::new(Some(Duration::from_millis(5)), None);
        let error = connect_to(vec![names.ask("hangs", 9)], &short).expect_err("it hangs");
        assert_eq!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Resolve));
        std::thread::scope(|scope| {
            let found = scope.spawn(|| {
                let hour = CallPatience::new(Some(Duration::from_secs(3600)), None);
                connect_to(vec![names.ask("hangs", addr.port())], &hour)
            });
            // It waits by now, or will find it there.
            std::thread::sleep(Duration::from_millis(10));
            release.send(()).expect("the resolver waits for it");
            assert_eq!(found.join().expect("no panic").expect("it is found"), addr);
        });
    }
}
