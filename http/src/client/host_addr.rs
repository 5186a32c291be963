//! Where a host is, and what is between it and us.
//!
//! The rule: what cannot be asked for is said when an address is taken, before anything is resolved or connected.

use super::dial::Candidates;
use super::error::ClientError;
use super::names::Names;
use super::proxy::{ProxyKind, ProxyServer, Secret, ViaProxy};
use super::secure::{Encryption, PeerName, peer_name, proxy_name, usual_encryption};
use super::settings::HostSettings;
use crate::util::authority;
#[cfg(unix)]
use std::path::Path;
use std::sync::Arc;

/// The port of plain HTTP, and that of HTTPS.
const PORTS: (u16, u16) = (80, 443);

/// What a server behind a socket of the file system is told that it is.
#[cfg(unix)]
const HERE: &str = "localhost";

/// The longest name that SOCKS5 can say (RFC 1928 section 5).
const SOCKS_NAME_MAX: usize = 255;

/// An address of a host.
#[derive(Debug)]
pub(crate) struct HostAddr {
    /// As it was given.
    pub(crate) text: String,
    pub(crate) place: HostPlace,
    /// Whom it has to be, if connections are encrypted.
    pub(crate) peer: Option<PeerName>,
    /// `None`: it is connected to directly.
    pub(crate) route: Option<ProxyRoute>,
}

#[derive(Debug)]
pub(crate) enum HostPlace {
    Named {
        /// A name, or an address with or without brackets.
        name: String,
        port: u16,
    },
    #[cfg(unix)]
    Unix(Arc<Path>),
}

/// The way by a proxy.
#[derive(Debug)]
pub(crate) struct ProxyRoute {
    pub(crate) proxy: Arc<ProxyServer>,
    /// Of what is said to the proxy, and whom it has to be.
    pub(crate) encryption: Option<(Encryption, PeerName)>,
    /// What the proxy is told with each request; `None`: it gives a connection to the host.
    pub(crate) via: Option<Arc<ViaProxy>>,
}

impl HostAddr {
    /// One that is reached as `settings` say.
    pub(crate) fn parse(text: &str, settings: &HostSettings) -> Result<Self, ClientError> {
        let text = text.trim();
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::unix(text, path, settings);
        }
        let (name, port) = split(text)?;
        let port = port.unwrap_or(if settings.tls.is_some() { PORTS.1 } else { PORTS.0 });
        let peer = settings.tls.as_ref().map(|tls| peer_name(tls, name)).transpose()?;
        let route = ProxyRoute::new(name, port, settings)?;
        let place = HostPlace::Named { name: name.to_owned(), port };
        Ok(Self { text: text.to_owned(), place, peer, route })
    }

    /// A socket of the file system. No proxy leads there.
    #[cfg(unix)]
    fn unix(text: &str, path: &str, settings: &HostSettings) -> Result<Self, ClientError> {
        if path.is_empty() || path.contains('\0') {
            return Err(ClientError::invalid(format!("{path:?} is no path of a socket")));
        }
        let peer = settings.tls.as_ref().map(|tls| peer_name(tls, HERE)).transpose()?;
        let place = HostPlace::Unix(Path::new(path).into());
        Ok(Self { text: text.to_owned(), place, peer, route: None })
    }

    /// What a request names as its host if it does not itself.
    pub(crate) fn host(&self) -> &str {
        match &self.place {
            HostPlace::Named { .. } => &self.text,
            #[cfg(unix)]
            HostPlace::Unix(_) => HERE,
        }
    }

    /// Where a connection is to be made to.
    pub(crate) fn candidates(&self, names: &Names) -> Candidates {
        match (&self.route, &self.place) {
            (Some(route), _) => Candidates::Addrs(names.ask(&route.proxy.host, route.proxy.port)),
            (None, HostPlace::Named { name, port }) => Candidates::Addrs(names.ask(name, *port)),
            #[cfg(unix)]
            (None, HostPlace::Unix(path)) => Candidates::Unix(path.clone()),
        }
    }

    /// The name and the port that a connection is to be made to; of a Unix socket its path.
    pub(crate) fn target(&self) -> (&str, u16) {
        match (&self.route, &self.place) {
            (Some(route), _) => (&route.proxy.host, route.proxy.port),
            (None, HostPlace::Named { name, port }) => (without_brackets(name), *port),
            #[cfg(unix)]
            (None, HostPlace::Unix(path)) => (path.to_str().unwrap_or_default(), 0),
        }
    }
}

/// A name, or an address, and the port behind it.
fn split(text: &str) -> Result<(&str, Option<u16>), ClientError> {
    // Before an `@` there may be a password.
    let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let refused = || ClientError::invalid(format!("{shown:?} is no host:port"));
    if text.is_empty() || !authority::is_valid(text.as_bytes()) {
        return Err(refused());
    }
    if text.contains("%25") {
        // It means something on this machine only, and must not be told to a server (RFC 6874 section 4).
        let why =
            format!("{text:?} has a zone, which addresses cannot have here; name its interface otherwise");
        return Err(ClientError::invalid(why));
    }
    let (name, port) = authority::split_port(text.as_bytes()).map_err(|_| refused())?;
    let name = std::str::from_utf8(name).map_err(|_| refused())?;
    let port = match port.map(std::str::from_utf8) {
        None => None,
        Some(Ok(digits)) => Some(digits.parse().map_err(|_| refused())?),
        Some(Err(_)) => return Err(refused()),
    };
    Ok((name, port))
}

/// An address of IPv6 as everybody but URLs has it.
pub(crate) fn without_brackets(name: &str) -> &str {
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name)
}

impl ProxyRoute {
    /// Whether the proxy gives a connection to the host, and reads nothing of what is said on it.
    pub(crate) fn tunnels(&self) -> bool {
        self.via.is_none()
    }

    /// The way to a host; `None`: the direct one.
    fn new(name: &str, port: u16, settings: &HostSettings) -> Result<Option<Self>, ClientError> {
        let is_https = settings.tls.is_some();
        let proxies = settings.dialling.proxy.as_ref();
        let Some(proxy) = proxies.and_then(|proxies| proxies.server_for(is_https, name, port)) else {
            return Ok(None);
        };
        let mut encryption = None;
        let via = match proxy.kind {
            ProxyKind::Http { is_encrypted } => {
                if is_encrypted {
                    let usual = || settings.dialling.proxy_tls.clone().map_or_else(usual_encryption, Ok);
                    encryption = Some((usual()?, proxy_name(&proxy.host)?));
                }
                let is_told = !is_https && !settings.dialling.always_tunnels;
                let authority = if port == PORTS.0 { name.to_owned() } else { format!("{name}:{port}") };
                let authorization = Secret(proxy.authorization());
                is_told.then(|| Arc::new(ViaProxy { authority: authority.into(), authorization }))
            }
            ProxyKind::Socks5 { .. } if name.len() > SOCKS_NAME_MAX => {
                return Err(ClientError::invalid(format!(
                    "a name of {} bytes cannot be told by SOCKS5",
                    name.len()
                )));
            }
            ProxyKind::Socks5 { .. } => None,
        };
        Ok(Some(Self { proxy: proxy.clone(), encryption, via }))
    }
}
