//! Reaching a host: a connection to it, or to what is between, and what has to be said there before there is HTTP for
//! it.
//!
//! ```text
//! socket ──▶ TLS to a proxy ──▶ CONNECT, or SOCKS ──▶ TLS to the host
//! ```
//!
//! The rule: all of it has the patience of the call. A host with several addresses is asked at one after the other, and
//! one that lets itself be connected to and fails then is passed like any other.

use super::conn::{ConnWay, NewSocket};
use super::dial::{Race, RaceWinner, await_addrs};
use super::dialler::{Dial, DialTarget, DialledStream, OwnDialler, Reached};
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::host_addr::{HostAddr, HostPlace, ProxyRoute, without_brackets};
use super::patience::CallPatience;
use super::proxy::ProxyKind;
use super::secure::encrypt;
use super::settings::HostSettings;
use super::socks::{self, SocksTarget};
use super::tunnel::{self, NOWHERE};
use crate::wire::transport::Transport;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
            let mut next = || dial_one_of(&mut in_turn, &**dialler, patience);
            return first_that_agrees(&mut next, settings, patience);
        }
        let mut asks = in_turn.map(|(number, addr)| (number, addr.candidates(&settings.names)));
        // One for all of them: what is under way while one of them is spoken to goes on.
        let mut race = Race::new(&mut asks, settings.dialling.local)?;
        let mut next = || {
            let RaceWinner { socket, remote, number } = race.connect(patience)?;
            let local = socket.local_addr();
            let reached = Reached { transport: Arc::new(socket), remote, local };
            // It is one of those that were asked.
            let addr = self.addrs.get(number).ok_or_else(|| ClientError::new(ClientErrorKind::Connect))?;
            Ok((addr, reached))
        };
        first_that_agrees(&mut next, settings, patience)
    }
}

/// The first of several connections on which all goes well that has to be said before there is HTTP.
fn first_that_agrees<'a>(
    next: &mut dyn FnMut() -> Result<(&'a HostAddr, Reached), ClientError>,
    settings: &HostSettings,
    patience: &CallPatience,
) -> Result<NewSocket, ClientError> {
    let mut failure = None;
    loop {
        let (addr, reached) = match next() {
            Ok(reached) => reached,
            Err(error) if patience.is_over() => return Err(error),
            // Those before have let themselves be connected to at least.
            Err(error) => return Err(failure.unwrap_or(error)),
        };
        match greet(addr, reached, settings, patience) {
            Ok(socket) => return Ok(socket),
            Err(error) if patience.is_over() => return Err(error),
            Err(error) => failure = Some(error),
        }
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

/// Says what has to be said before there is HTTP for the host.
fn greet(
    addr: &HostAddr,
    reached: Reached,
    settings: &HostSettings,
    patience: &CallPatience,
) -> Result<NewSocket, ClientError> {
    let Reached { mut transport, remote, local } = reached;
    let remote = remote.unwrap_or(NOWHERE);
    let here = |error: ClientError| error.at(remote);
    let mut via = None;
    if let Some(route) = &addr.route {
        if let Some((encryption, peer)) = &route.encryption {
            transport = encrypt(transport, encryption, peer, patience).map_err(here)?;
        }
        via = route.via.clone();
        if via.is_none() {
            transport = pass(transport, addr, route, settings, patience).map_err(here)?;
        }
    }
    if let (Some(tls), Some(peer)) = (&settings.tls, &addr.peer) {
        transport = encrypt(transport, tls, peer, patience).map_err(here)?;
    }
    Ok(NewSocket { transport, remote, way: ConnWay { local, via } })
}

/// Has a proxy give a connection to the host.
fn pass(
    transport: Arc<dyn Transport>,
    addr: &HostAddr,
    route: &ProxyRoute,
    settings: &HostSettings,
    patience: &CallPatience,
) -> Result<Arc<dyn Transport>, ClientError> {
    let (name, port) = match &addr.place {
        HostPlace::Named { name, port } => (name, *port),
        // No proxy leads there.
        #[cfg(unix)]
        HostPlace::Unix(_) => return Ok(transport),
    };
    match route.proxy.kind {
        ProxyKind::Http { .. } => {
            let authority = format!("{name}:{port}");
            tunnel::open(transport, &authority, &route.proxy.authorization(), patience)
        }
        ProxyKind::Socks5 { wants_addresses } => {
            let host = without_brackets(name);
            let target = match (host.parse::<IpAddr>(), wants_addresses) {
                (Ok(ip), _) => SocksTarget::Addr(ip),
                (Err(_), false) => SocksTarget::Name(host),
                (Err(_), true) => {
                    let addrs = await_addrs(settings.names.ask(host, port), patience)?;
                    // A proxy may not have both families, and hardly any has IPv6 alone.
                    let first = addrs.iter().find(|addr| addr.is_ipv4()).or(addrs.first());
                    let none = || ClientError::new(ClientErrorKind::Resolve);
                    SocksTarget::Addr(first.ok_or_else(none)?.ip())
                }
            };
            socks::open(transport, target, port, route.proxy.credentials(), patience)
        }
    }
}
