//! Connections that a proxy has made, and whose first bytes say whose they are: the PROXY protocol.
//!
//! The rule: until they have said so, nothing that comes is a request, and nothing is answered. A connection whose peer
//! may not say it, or does not in time and properly, is closed, counted and told to the log.

use crate::config::settings::Settings;
use crate::ctx::{ConnFacts, ConnInfo};
use crate::proto::{ProxyHeader, ProxyHeaderError};
use crate::serve::error::Error;
use crate::serve::service::Service;
use crate::serve::standalone::Attended;
use crate::wire::input::Input;
use crate::wire::transport::Transport;
use std::fmt;
use std::io::{self, ErrorKind};

/// Room for each read of the blocking driver: more than most headers, and the first request with them.
const READ_ROOM: usize = 512;

/// Why nobody has said whose a connection is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotNamed {
    Untrusted,
    Malformed(ProxyHeaderError),
    Ended,
    Late,
}

impl fmt::Display for NotNamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted => f.write_str("its peer is none of `trusted_proxies`"),
            Self::Malformed(error) => write!(f, "it has no PROXY header that is well-formed: {error}"),
            Self::Ended => f.write_str("it ended before its PROXY header was whole"),
            Self::Late => f.write_str("its PROXY header did not come in time"),
        }
    }
}

impl std::error::Error for NotNamed {}

/// Whether the peer of `info` may say whose the connection is.
pub(crate) fn may_name_client(info: &ConnInfo, settings: &Settings) -> bool {
    let proxies = settings.ctx.proxies.as_ref();
    proxies.is_none_or(|proxies| proxies.may_name_client(info.remote_addr()))
}

/// What is known of a connection behind the header at the front of `input`, which is taken out. `None`: more of
/// it is to come.
///
/// # Errors
/// Why there will never be one.
pub(crate) fn take_header(input: &mut Input, facts: ConnFacts) -> Result<Option<ConnFacts>, NotNamed> {
    let header = ProxyHeader::parse(input.unread()).map_err(NotNamed::Malformed)?;
    Ok(header.map(|header| {
        input.consume(header.length);
        facts.named_by(&header)
    }))
}

/// Counts a connection that is closed because nobody has said whose it is, and tells the log.
#[cold]
pub(crate) fn refuse(why: NotNamed, info: &ConnInfo, service: &Service) {
    service.counters.refuse_proxy();
    let level = if service.settings.logging.all_errors { log::Level::Warn } else { log::Level::Debug };
    let (id, peer) = (info.id(), info.peer_text());
    log::log!(target: "anthill_http::refused", level, "closed a connection from {peer}: {why} (connection {id})");
}

/// Receives the header from a transport that blocks, and says what is known of the connection then. What comes behind
/// it is left in `input`.
///
/// # Errors
/// When there is none, or the server stops.
pub(crate) fn receive_header(
    transport: &dyn Transport,
    input: &mut Input,
    info: &ConnInfo,
    service: &Service,
    attended: &Attended<'_>,
) -> Result<ConnInfo, Error> {
    let refused = |why| {
        refuse(why, info, service);
        Error::from(io::Error::new(ErrorKind::InvalidData, why))
    };
    if !may_name_client(info, &service.settings) {
        return Err(refused(NotNamed::Untrusted));
    }
    loop {
        if let Some(named) = take_header(input, *info.facts()).map_err(refused)? {
            return Ok(named.into());
        }
        let waiting = attended.begin_to_wait().ok_or_else(stopped)?;
        let read = transport.read(input.space(READ_ROOM));
        drop(waiting);
        match read {
            Ok(arrived) if arrived.count > 0 => input.filled(arrived.count),
            _ if attended.is_stopping() => return Err(stopped()),
            Ok(_) => return Err(refused(NotNamed::Ended)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::TimedOut => return Err(refused(NotNamed::Late)),
            Err(error) => return Err(error.into()),
        }
    }
}

fn stopped() -> Error {
    io::Error::other("the server is shutting down").into()
}
