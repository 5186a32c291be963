//! Reaching a host: a connection to it, or to what is between, and what has to be said there before there is HTTP for
//! it.
//!
//! ```text
//! socket ──▶ TLS to a proxy ──▶ CONNECT, or SOCKS ──▶ TLS to the host
//! ```
//!
//! The rule: all of it has the patience of the call. A host with several addresses is asked at one after the other, and
//! one that lets itself be connected to and fails then is passed like any other. One that is silent then, where it is
//! to encrypt, keeps the others waiting for half of the time; what it says later still counts. A proxy that is silent
//! is waited for: what it does meanwhile may take its time.

use super::conn::{ConnWay, NewSocket};
use super::dial::{Candidates, Race, RaceWinner, await_addrs, by_turns};
use super::dialler::{Dial, DialTarget, DialledStream, OwnDialler, Reached};
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::host_addr::{HostAddr, HostPlace, ProxyRoute, without_brackets};
use super::names::AskedAddrs;
use super::patience::CallPatience;
use super::proxy::ProxyKind;
use super::secure::{Handshake, encrypt};
use super::settings::HostSettings;
use super::socks::{self, SocksFailure, SocksTarget};
use super::tunnel::{self, NOWHERE};
use super::until::Until;
use crate::wire::transport::Transport;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// The addresses of a host.
#[derive(Debug)]
pub(crate) struct Reach {
    addrs: Vec<HostAddr>,
    /// Which of them is the next for a new connection.
    next: AtomicUsize,
}

impl Reach {
    /// Addresses between commas.
    pub(crate) fn new(addrs: &str, settings: &HostSettings) -> Result<Self, ClientError> {
        let addrs = addrs.split(',').map(|addr| HostAddr::parse(addr, settings));
        Ok(Self { addrs: addrs.collect::<Result<_, _>>()?, next: AtomicUsize::new(0) })
    }

    /// What a request names as its host if it does not itself.
    pub(crate) fn host(&self) -> &[u8] {
        self.addrs.first().map_or(&b""[..], |addr| addr.host().as_bytes())
    }

    /// The addresses as they were given.
    pub(crate) fn addrs(&self) -> impl Iterator<Item = &str> {
        self.addrs.iter().map(|addr| addr.text.as_str())
    }

    /// Whether a proxy of HTTP may give a connection that leads there.
    pub(crate) fn may_tunnel(&self) -> bool {
        self.addrs.iter().filter_map(|addr| addr.route.as_ref()).any(ProxyRoute::tunnels)
    }

    /// A connection to the address whose turn it is, or to the next that takes one: when the one before refuses, or
    /// does not answer for a moment.
    pub(crate) fn connect(
        &self,
        settings: &HostSettings,
        patience: &CallPatience,
    ) -> Result<NewSocket, ClientError> {
        let _slot = settings.dialling.slot(patience)?;
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.addrs.len().max(1);
        let numbered = self.addrs.iter().enumerate();
        let mut in_turn = numbered.clone().skip(turn).chain(numbered.take(turn));
        if let Some(OwnDialler(dialler)) = &settings.dialling.dialler {
            // What it has begun cannot be gone on with, so it has all the time.
            let mut next = |_: &CallPatience| dial_one_of(&mut in_turn, &**dialler, patience);
            return Greetings::new(settings, patience).run(&mut next);
        }
        let mut asks = in_turn.map(|(number, addr)| (number, addr.candidates(&settings.names)));
        // One for all of them: what is under way while one of them is spoken to goes on.
        let mut race = Race::new(&mut asks, settings.dialling.local);
        let mut next = |patience: &CallPatience| {
            let RaceWinner { socket, remote, number } = race.connect(patience)?;
            let local = socket.local_addr();
            let reached = Reached { transport: Arc::new(socket), remote, local };
            // It is one of those that were asked.
            let addr = self.addrs.get(number).ok_or_else(|| ClientError::new(ClientErrorKind::Connect))?;
            Ok((addr, reached))
        };
        Greetings::new(settings, patience).run(&mut next)
    }
}

/// How long each of several that are under way is waited for at once.
const TURN: Duration = Duration::from_millis(20);

/// Gives connections, one after the other.
type NextReached<'n, 'a> = dyn FnMut(&CallPatience) -> Result<(&'a HostAddr, Reached), ClientError> + 'n;

/// A connection on which everything was said that has to be said before there is HTTP, but perhaps how it is encrypted.
enum Greeted {
    Ready(NewSocket),
    Encrypting(EncryptingSocket),
}

/// One that is being encrypted.
struct EncryptingSocket {
    handshake: Handshake,
    remote: SocketAddr,
    way: ConnWay,
}

/// The connections of one call that stand: the first on which all goes well that has to be said is taken.
struct Greetings<'a> {
    settings: &'a HostSettings,
    patience: &'a CallPatience,
    under_way: VecDeque<EncryptingSocket>,
    /// Whether there may be another.
    has_more: bool,
    /// When another is tried beside those that are under way.
    next_at: Until,
    failure: Option<ClientError>,
}

impl<'a> Greetings<'a> {
    fn new(settings: &'a HostSettings, patience: &'a CallPatience) -> Self {
        let (under_way, next_at) = (VecDeque::new(), Until::default());
        Self { settings, patience, under_way, has_more: true, next_at, failure: None }
    }

    fn run(&mut self, next: &mut NextReached<'_, '_>) -> Result<NewSocket, ClientError> {
        loop {
            let is_next_due = self.under_way.is_empty() || self.next_at.is_over();
            if self.has_more && is_next_due {
                if let Some(socket) = self.try_next(next)? {
                    return Ok(socket);
                }
            }
            if let Some(socket) = self.go_on()? {
                return Ok(socket);
            }
        }
    }

    /// Greets whoever is connected to next; the socket, if that was all.
    fn try_next(&mut self, next: &mut NextReached<'_, '_>) -> Result<Option<NewSocket>, ClientError> {
        // Those that are under way have their turn soon.
        let turn = (!self.under_way.is_empty()).then_some(TURN);
        let within = self.patience.or_after(turn);
        let (addr, reached) = match next(&within) {
            Ok(reached) => reached,
            Err(error) if self.patience.is_over() => return Err(error),
            Err(_) if within.is_over() => {
                self.next_at = Until::after(Some(TURN));
                return Ok(None);
            }
            Err(error) => {
                self.has_more = false;
                // Those before have let themselves be connected to at least.
                self.failure.get_or_insert(error);
                return Ok(None);
            }
        };
        match greet(addr, reached, self.settings, self.patience) {
            Ok(Greeted::Ready(socket)) => return Ok(Some(socket)),
            Ok(Greeted::Encrypting(shaking)) => self.under_way.push_back(shaking),
            Err(error) if self.patience.is_over() => return Err(error),
            Err(error) => self.failure = Some(error),
        }
        self.next_at = self.patience.half();
        Ok(None)
    }

    /// Goes on with the one whose turn it is; the socket, if both ends have agreed.
    fn go_on(&mut self) -> Result<Option<NewSocket>, ClientError> {
        let Some(mut shaking) = self.under_way.pop_front() else {
            let none = || ClientError::new(ClientErrorKind::Connect);
            return if self.has_more { Ok(None) } else { Err(self.failure.take().unwrap_or_else(none)) };
        };
        let within = match (self.under_way.is_empty(), self.has_more) {
            (true, false) => self.patience.clone(),
            (true, true) => self.patience.or(self.next_at),
            (false, _) => self.patience.or_after(Some(TURN)),
        };
        let remote = shaking.remote;
        match shaking.handshake.go_on(&within) {
            Ok(true) => {
                let EncryptingSocket { handshake, remote, way } = shaking;
                return Ok(Some(NewSocket { transport: handshake.into_transport(), remote, way }));
            }
            Ok(false) if self.patience.is_over() => {
                return Err(ClientError::new(ClientErrorKind::Timeout(ClientPhase::Tls)).at(remote));
            }
            Ok(false) => self.under_way.push_back(shaking),
            Err(error) if self.patience.is_over() => return Err(error.at(remote)),
            Err(error) => self.failure = Some(error.at(remote)),
        }
        Ok(None)
    }
}

/// A connection to the first that takes one by the user's dialler.
fn dial_one_of<'a>(
    in_turn: &mut dyn Iterator<Item = (usize, &'a HostAddr)>,
    dialler: &dyn Dial,
    patience: &CallPatience,
) -> Result<(&'a HostAddr, Reached), ClientError> {
    let late = || ClientError::new(ClientErrorKind::Timeout(ClientPhase::Connect));
    let mut failure = ClientError::new(ClientErrorKind::Connect);
    for (_, addr) in in_turn {
        if patience.is_over() {
            return Err(late());
        }
        let (host, port) = addr.target();
        let target = DialTarget { host, port, time_left: patience.until().left() };
        match dialler.dial(&target).and_then(DialledStream::into_reached) {
            Ok(_) if patience.is_over() => return Err(late()),
            Ok(reached) => return Ok((addr, reached)),
            Err(error) => failure = ClientError::because(ClientErrorKind::Connect, error),
        }
    }
    Err(failure)
}

/// Says what has to be said before there is HTTP for the host, but for how that is encrypted.
fn greet(
    addr: &HostAddr,
    reached: Reached,
    settings: &HostSettings,
    patience: &CallPatience,
) -> Result<Greeted, ClientError> {
    let Reached { mut transport, remote: known, local } = reached;
    let remote = known.unwrap_or(NOWHERE);
    let here = |error: ClientError| error.at(remote);
    let (mut via, mut is_tunnel) = (None, false);
    if let Some(route) = &addr.route {
        if let Some((encryption, peer)) = &route.encryption {
            transport = encrypt(transport, encryption, peer, patience).map_err(here)?;
        }
        via = route.via.clone();
        if via.is_none() {
            let reached = Reached { transport, remote: known, local };
            transport = pass(reached, addr, route, settings, patience).map_err(here)?;
            is_tunnel = route.tunnels();
        }
    }
    let way = ConnWay { local, via, is_tunnel };
    match (&settings.tls, &addr.peer) {
        (Some(tls), Some(peer)) => {
            let handshake = Handshake::new(transport, tls, peer).map_err(here)?;
            Ok(Greeted::Encrypting(EncryptingSocket { handshake, remote, way }))
        }
        _ => Ok(Greeted::Ready(NewSocket { transport, remote, way })),
    }
}

/// Has a proxy give a connection to the host.
fn pass(
    reached: Reached,
    addr: &HostAddr,
    route: &ProxyRoute,
    settings: &HostSettings,
    patience: &CallPatience,
) -> Result<Arc<dyn Transport>, ClientError> {
    let (name, port) = match &addr.place {
        HostPlace::Named { name, port } => (name, *port),
        // No proxy leads there.
        #[cfg(unix)]
        HostPlace::Unix(_) => return Ok(reached.transport),
    };
    match route.proxy.kind {
        ProxyKind::Http { .. } => {
            let authority = format!("{name}:{port}");
            tunnel::open(reached.transport, &authority, &route.proxy.authorization(), patience)
        }
        ProxyKind::Socks5 { wants_addresses } => {
            let host = without_brackets(name);
            let credentials = route.proxy.credentials();
            let open = |transport, target: SocksTarget<'_>, patience: &CallPatience| {
                socks::open(transport, target, port, credentials, patience)
            };
            match (host.parse::<IpAddr>(), wants_addresses) {
                (Ok(ip), _) => open(reached.transport, SocksTarget::Addr(ip), patience),
                (Err(_), false) => open(reached.transport, SocksTarget::Name(host), patience),
                (Err(_), true) => {
                    let mut addrs = await_addrs(settings.names.ask(host, port), patience)?;
                    // A proxy may not have both families, and hardly any has IPv6 alone.
                    addrs.sort_by_key(SocketAddr::is_ipv6);
                    let again =
                        |remote, patience: &CallPatience| connect_again(addr, remote, settings, patience);
                    return pass_to_one_of(&by_turns(&addrs), reached, &open, &again, patience);
                }
            }
            .map_err(|failure| failure.error)
        }
    }
}

/// Has a proxy of SOCKS connect to somebody, over that connection.
type OpenSocks<'o> = dyn Fn(Arc<dyn Transport>, SocksTarget<'_>, &CallPatience) -> SocksOutcome + 'o;
type SocksOutcome = Result<Arc<dyn Transport>, SocksFailure>;

/// Makes another connection to where there was one before.
type ConnectAgain<'o> =
    dyn Fn(Option<SocketAddr>, &CallPatience) -> Result<Arc<dyn Transport>, ClientError> + 'o;

/// Has a proxy of SOCKS give a connection to the first of these addresses that it can connect to, over a connection for
/// each of which the first is there. Each has half of the time that is left, and the last one all.
fn pass_to_one_of(
    addrs: &[SocketAddr],
    reached: Reached,
    open: &OpenSocks<'_>,
    again: &ConnectAgain<'_>,
    patience: &CallPatience,
) -> Result<Arc<dyn Transport>, ClientError> {
    let Reached { transport, remote, .. } = reached;
    let (mut first, mut failure) = (Some(transport), ClientError::new(ClientErrorKind::Resolve));
    for (number, addr) in addrs.iter().enumerate() {
        let is_last = number + 1 == addrs.len();
        let within = if is_last { patience.clone() } else { patience.or(patience.half()) };
        let transport = match first.take() {
            Some(first) => first,
            None => again(remote, patience)?,
        };
        match open(transport, SocksTarget::Addr(addr.ip()), &within) {
            Ok(transport) => return Ok(transport),
            Err(SocksFailure { error, is_of_target }) if patience.is_over() || !is_of_target => {
                return Err(error);
            }
            Err(failed) => failure = failed.error,
        }
    }
    Err(failure)
}

/// Another connection to where there was one before.
fn connect_again(
    addr: &HostAddr,
    remote: Option<SocketAddr>,
    settings: &HostSettings,
    patience: &CallPatience,
) -> Result<Arc<dyn Transport>, ClientError> {
    if let Some(OwnDialler(dialler)) = &settings.dialling.dialler {
        let (_, reached) = dial_one_of(&mut std::iter::once((0, addr)), &**dialler, patience)?;
        return Ok(reached.transport);
    }
    let candidates = match remote {
        Some(remote) => Candidates::Addrs(AskedAddrs::Known(vec![remote])),
        None => addr.candidates(&settings.names),
    };
    let mut asks = std::iter::once((0, candidates));
    let RaceWinner { socket, .. } = Race::new(&mut asks, settings.dialling.local).connect(patience)?;
    Ok(Arc::new(socket))
}
