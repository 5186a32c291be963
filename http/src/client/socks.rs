//! Having a proxy give a connection to a host by SOCKS5 (RFC 1928), with or without a user and a password (RFC 1929).
//!
//! The rule: what is said and what is awaited has its length, and nothing is read beyond it.

use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::patience::CallPatience;
use super::proxy::ProxyCredentials;
use crate::wire::transport::{Direction, ReadySet, Transport};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

const VERSION: u8 = 5;
/// The version of what is said of users and passwords.
const LOGIN_VERSION: u8 = 1;
const WITHOUT_LOGIN: u8 = 0;
const WITH_LOGIN: u8 = 2;
const NO_WAY: u8 = 0xff;
const CONNECT: u8 = 1;
const OF_IPV4: u8 = 1;
const OF_NAME: u8 = 3;
const OF_IPV6: u8 = 4;

/// Whom the proxy is to connect to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SocksTarget<'a> {
    Addr(IpAddr),
    /// One that it is to look up itself, of 255 bytes at most.
    Name(&'a str),
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) struct SocksFailure {
    pub(crate) error: ClientError,
    /// Whether the proxy has taken us, so that it may connect to somebody else.
    pub(crate) is_of_target: bool,
}

/// A connection to `target` over one to a proxy.
pub(crate) fn open(
    transport: Arc<dyn Transport>,
    target: SocksTarget<'_>,
    port: u16,
    credentials: Option<&ProxyCredentials>,
    patience: &CallPatience,
) -> Result<Arc<dyn Transport>, SocksFailure> {
    let here = patience.waits(|| {
        let transport = transport.clone();
        Box::new(move || transport.shut_down())
    });
    let mut talk = Talk { transport: &*transport, patience };
    let failure = |is_of_target| move |error| SocksFailure { error, is_of_target };
    let logged_in = talk.log_in(credentials).map_err(failure(false));
    let outcome = logged_in.and_then(|()| talk.connect(target, port).map_err(failure(true)));
    drop(here);
    outcome.map(|()| transport)
}

/// What is said to the proxy, and heard from it.
struct Talk<'a> {
    transport: &'a dyn Transport,
    patience: &'a CallPatience,
}

impl Talk<'_> {
    fn log_in(&mut self, credentials: Option<&ProxyCredentials>) -> Result<(), ClientError> {
        match credentials {
            None => self.say(&[VERSION, 1, WITHOUT_LOGIN])?,
            Some(_) => self.say(&[VERSION, 2, WITHOUT_LOGIN, WITH_LOGIN])?,
        }
        let [version, way] = self.hear()?;
        if version != VERSION {
            return Err(refused("it does not speak SOCKS5"));
        }
        match (way, credentials) {
            (WITHOUT_LOGIN, _) => Ok(()),
            (WITH_LOGIN, Some(ProxyCredentials { user, password })) => {
                let mut said = vec![LOGIN_VERSION];
                for part in [user, password] {
                    // Their lengths were looked at when they were given.
                    said.push(u8::try_from(part.len()).map_err(|_| refused("its user is too long"))?);
                    said.extend_from_slice(part);
                }
                self.say(&said)?;
                match self.hear()? {
                    [LOGIN_VERSION, 0] => Ok(()),
                    _ => Err(refused("it does not take the user and the password")),
                }
            }
            (NO_WAY, None) => Err(refused("it wants to know who asks")),
            (NO_WAY, Some(_)) => Err(refused("it takes no user with a password")),
            _ => Err(refused("it wants what it was not offered")),
        }
    }

    fn connect(&mut self, target: SocksTarget<'_>, port: u16) -> Result<(), ClientError> {
        let mut said = vec![VERSION, CONNECT, 0];
        match target {
            SocksTarget::Addr(IpAddr::V4(addr)) => {
                said.push(OF_IPV4);
                said.extend_from_slice(&addr.octets());
            }
            SocksTarget::Addr(IpAddr::V6(addr)) => {
                said.push(OF_IPV6);
                said.extend_from_slice(&addr.octets());
            }
            SocksTarget::Name(name) => {
                said.push(OF_NAME);
                said.push(u8::try_from(name.len()).map_err(|_| refused("the name is too long for it"))?);
                said.extend_from_slice(name.as_bytes());
            }
        }
        said.extend_from_slice(&port.to_be_bytes());
        self.say(&said)?;
        let [version, reply, _, kind] = self.hear()?;
        if version != VERSION {
            return Err(refused("it does not speak SOCKS5"));
        }
        if reply != 0 {
            return Err(refused(meaning(reply)));
        }
        // From where it has connected, which is of no use.
        match kind {
            OF_IPV4 => self.hear::<6>().map(drop),
            OF_IPV6 => self.hear::<18>().map(drop),
            OF_NAME => {
                let [length] = self.hear()?;
                for _ in 0..usize::from(length) + 2 {
                    self.hear::<1>()?;
                }
                Ok(())
            }
            _ => Err(refused("it does not speak SOCKS5")),
        }
    }

    fn say(&mut self, mut bytes: &[u8]) -> Result<(), ClientError> {
        loop {
            let taken = match bytes {
                [] => self.transport.push(),
                _ => self.transport.write([bytes, &[]]),
            };
            match taken {
                Ok(0) if bytes.is_empty() => return Ok(()),
                Ok(0) => return Err(refused("it has ended the connection")),
                // What was pushed had been taken before.
                Ok(_) if bytes.is_empty() => {}
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) => self.wait_or_fail(error, Direction::Write)?,
            }
        }
    }

    /// So many bytes.
    fn hear<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], ClientError> {
        let mut heard = [0; COUNT];
        let mut count = 0;
        while count < COUNT {
            let room = heard.get_mut(count..).unwrap_or_default();
            match self.transport.read(room) {
                Ok(read) if read.count == 0 => return Err(refused("it has ended the connection")),
                Ok(read) => count += read.count,
                Err(error) => self.wait_or_fail(error, Direction::Read)?,
            }
        }
        Ok(heard)
    }

    /// Waits for what an attempt in this direction has said that it waits for.
    fn wait_or_fail(&self, error: io::Error, direction: Direction) -> Result<(), ClientError> {
        match error.kind() {
            io::ErrorKind::Interrupted => return Ok(()),
            io::ErrorKind::WouldBlock => {}
            _ => return Err(ClientError::because(ClientErrorKind::Proxy, error)),
        }
        if self.patience.is_over() {
            return Err(ClientError::new(ClientErrorKind::Timeout(ClientPhase::Proxy)));
        }
        let awaited: ReadySet = self.transport.awaits(direction);
        let waited = self.transport.wait(awaited, self.patience.until().left());
        waited.map(drop).map_err(|error| ClientError::because(ClientErrorKind::Proxy, error))
    }
}

fn refused(why: &'static str) -> ClientError {
    ClientError::because(ClientErrorKind::Proxy, why)
}

/// RFC 1928 section 6.
fn meaning(reply: u8) -> &'static str {
    match reply {
        1 => "it has failed",
        2 => "it does not allow that",
        3 => "the network of the server cannot be reached from there",
        4 => "the server cannot be reached from there",
        5 => "the server refuses the connection",
        6 => "it has lost patience with the server",
        7 => "it gives no connections",
        8 => "it does not know addresses of that kind",
        _ => "it does not say why not",
    }
}
