//! By which proxy a host is asked, if by any.
//!
//! The rule: the environment is read only when somebody asks for it. Passwords are in no text that this makes.

use super::error::ClientError;
use super::no_proxy::NoProxy;
use crate::values::uri::Uri;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::sync::Arc;

/// The proxies by which hosts are asked: [`ClientBuilder::proxy`](super::ClientBuilder::proxy).
///
/// A proxy is a URL. By `http://` it speaks HTTP: it is told the whole URL of what is asked by plain HTTP, and makes a
/// tunnel (`CONNECT`) for HTTPS. By `https://` it does the same over TLS. By `socks5h://` it speaks SOCKS5 and looks
/// names up itself; by `socks5://` the client does, and asks it for one address of the host after the other, one of
/// IPv4 first and then of the families by turns, each for half of the time that is left. Without a scheme it is
/// `http://`; the port is 80, 443 or 1080 if none is named.
///
/// A user and a password, escaped as URLs have them, are told to it and to nobody else. A field `Proxy-Authorization`
/// of a request's own is told to the proxy instead where that reads the request, and is left out where it only carries
/// it: in a tunnel.
///
/// ```
/// use anthill_http::client::{Client, Proxy};
///
/// let proxy = Proxy::new("http://user:secret@proxy.internal:3128")?.no_proxy("localhost, .internal, 10.0.0.0/8");
/// let client = Client::builder().proxy(proxy).build()?;
/// # let _ = client;
/// # Ok::<(), anthill_http::client::ClientError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Proxy {
    http: Option<Arc<ProxyServer>>,
    https: Option<Arc<ProxyServer>>,
    direct: NoProxy,
}

/// One proxy.
pub(crate) struct ProxyServer {
    pub(crate) kind: ProxyKind,
    /// A name, or an address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    credentials: Option<ProxyCredentials>,
}

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    Http {
        is_encrypted: bool,
    },
    Socks5 {
        /// Whether it is told addresses, and no names.
        wants_addresses: bool,
    },
}

/// Who is to be let through.
pub(crate) struct ProxyCredentials {
    pub(crate) user: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

impl Proxy {
    /// All hosts are asked by the proxy of this URL.
    ///
    /// # Errors
    /// [`InvalidRequest`](super::ClientErrorKind::InvalidRequest) when it is no URL of a proxy; its text has no
    /// password.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let server = ProxyServer::parse(url)?;
        Ok(Self { http: Some(server.clone()), https: Some(server), direct: NoProxy::default() })
    }

    /// What is asked by plain HTTP is so by the proxy of this URL, and the rest directly.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn http(url: &str) -> Result<Self, ClientError> {
        Ok(Self { https: None, ..Self::new(url)? })
    }

    /// What is asked by HTTPS is so by the proxy of this URL, and the rest directly.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn https(url: &str) -> Result<Self, ClientError> {
        Ok(Self { http: None, ..Self::new(url)? })
    }

    /// The same for what is asked by HTTPS, by the proxy of this URL.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn with_https(self, url: &str) -> Result<Self, ClientError> {
        Ok(Self { https: Some(ProxyServer::parse(url)?), ..self })
    }

    /// The hosts that are asked directly, as `NO_PROXY` has them: entries between commas or blanks. A name stands for
    /// itself and all names below it, with a dot or `*.` in front as without; an address for itself, `10.0.0.0/8` for
    /// all addresses that begin so; each but the last may have a port. `*` is all hosts. Addresses are compared with
    /// what a URL says, and names are not looked up for that.
    pub fn no_proxy(self, list: &str) -> Self {
        Self { direct: NoProxy::parse(list), ..self }
    }

    /// What the environment says: `http_proxy` or `HTTP_PROXY` for plain HTTP, `https_proxy` or `HTTPS_PROXY` for
    /// HTTPS, `all_proxy` or `ALL_PROXY` for what has none of its own, `no_proxy` or `NO_PROXY` for what is asked
    /// directly. The lower case counts first, and what is empty is not there. Without any of them everything is asked
    /// directly.
    ///
    /// Where `REQUEST_METHOD` is set, `HTTP_PROXY` is not read: in a CGI program it is what a client has said in a
    /// field `Proxy` (CVE-2016-5386).
    ///
    /// # Errors
    /// Those of [`new`](Self::new), of a variable that counts; the text names it.
    pub fn from_env() -> Result<Self, ClientError> {
        // What is no text is there as well: for who looks whether this is a CGI program, and as an error elsewhere.
        Self::from_variables(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<Self, ClientError> {
        let is_there = |name: &str| read(name).filter(|value| !value.trim().is_empty());
        // Where names of variables have no case the small one is the same.
        let may_be_forged = read("REQUEST_METHOD").is_some();
        let is_read =
            |name: &str| !(may_be_forged && (name == "HTTP_PROXY" || cfg!(windows) && name == "http_proxy"));
        let first = |names: [&'static str; 4]| {
            let found = names.into_iter().filter(|name| is_read(name));
            let mut found = found.filter_map(|name| is_there(name).map(|value| (name, value)));
            let server = found.next().map(|(name, value)| {
                ProxyServer::parse(value.trim()).map_err(|error| {
                    let why = error.get_ref().map(ToString::to_string).unwrap_or_default();
                    ClientError::invalid(format!("the variable {name}: {why}"))
                })
            });
            server.transpose()
        };
        let direct = is_there("no_proxy").or_else(|| is_there("NO_PROXY"));
        Ok(Self {
            http: first(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])?,
            https: first(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            direct: NoProxy::parse(&direct.unwrap_or_default()),
        })
    }

    /// By which one a host is asked.
    pub(crate) fn server_for(&self, is_https: bool, host: &str, port: u16) -> Option<&Arc<ProxyServer>> {
        let server = if is_https { &self.https } else { &self.http };
        server.as_ref().filter(|_| !self.direct.has(host, port))
    }
}

impl ProxyServer {
    fn parse(url: &str) -> Result<Arc<Self>, ClientError> {
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        // What it says may be a password.
        let uri = Uri::parse(with_scheme).map_err(|_| ClientError::invalid("it is no URL of a proxy"))?;
        let (kind, usual_port) = match uri.scheme() {
            "http" => (ProxyKind::Http { is_encrypted: false }, 80),
            "https" => (ProxyKind::Http { is_encrypted: true }, 443),
            "socks5" => (ProxyKind::Socks5 { wants_addresses: true }, 1080),
            "socks5h" | "socks" => (ProxyKind::Socks5 { wants_addresses: false }, 1080),
            other => {
                return Err(ClientError::invalid(format!(
                    "there is no proxy of the scheme {other}; there are http, https, socks5, socks5h"
                )));
            }
        };
        let host = std::str::from_utf8(uri.hostname()).unwrap_or_default();
        if host.is_empty() || !host.is_ascii() {
            return Err(ClientError::invalid("it is no URL of a proxy: it has no host"));
        }
        let credentials = (!uri.userinfo().is_empty()).then(|| ProxyCredentials {
            user: uri.username().into_owned(),
            password: uri.password().into_owned(),
        });
        if let Some(credentials) = &credentials {
            credentials.check(kind)?;
        }
        let port = uri.port().unwrap_or(usual_port);
        Ok(Arc::new(Self { kind, host: host.to_owned(), port, credentials }))
    }

    pub(crate) fn credentials(&self) -> Option<&ProxyCredentials> {
        self.credentials.as_ref()
    }

    /// What a proxy of HTTP is told of who asks; empty: nothing.
    pub(crate) fn authorization(&self) -> Vec<u8> {
        let Some(ProxyCredentials { user, password }) = &self.credentials else { return Vec::new() };
        let both = STANDARD.encode([user.as_slice(), b":", password].concat());
        format!("Basic {both}").into_bytes()
    }
}

impl ProxyCredentials {
    /// Whether there is a way to say them.
    fn check(&self, kind: ProxyKind) -> Result<(), ClientError> {
        let Self { user, password } = self;
        match kind {
            ProxyKind::Http { .. } if user.contains(&b':') => Err(ClientError::invalid(
                "the proxy's user has a colon, so he cannot be told from his password",
            )),
            // RFC 1929 section 2.
            ProxyKind::Socks5 { .. } if user.is_empty() || user.len() > 255 || password.len() > 255 => {
                Err(ClientError::invalid("the proxy's user and password have 1 to 255 bytes by SOCKS5"))
            }
            _ => Ok(()),
        }
    }
}

/// Without credentials.
impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyServer")
            .field("kind", &self.kind)
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Bytes that are not shown.
pub(crate) struct Secret(pub(crate) Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What requests say that a proxy reads.
#[derive(Debug)]
pub(crate) struct ViaProxy {
    /// Whom it is to ask.
    pub(crate) authority: Vec<u8>,
    /// Who asks; empty: that is not said.
    pub(crate) authorization: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientErrorKind;

    /// Which proxy each kind of host is asked by.
    fn of_env(variables: &[(&str, &str)]) -> (String, String) {
        let read = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let proxy = Proxy::from_variables(read).expect("proxies");
        let host = |is_https| {
            let server = proxy.server_for(is_https, "h.test", 80);
            server.map_or_else(String::new, |server| format!("{}:{}", server.host, server.port))
        };
        (host(false), host(true))
    }

    #[test]
    fn prx_01_what_the_environment_says() {
        let upper = [("HTTP_PROXY", "http://a:1"), ("HTTPS_PROXY", "http://b:2")];
        for (variables, http, https) in [
            (&[][..], "", ""),
            (&upper[..1], "a:1", ""),
            (&upper[1..], "", "b:2"),
            (&upper, "a:1", "b:2"),
            (&[("http_proxy", "c"), upper[0], upper[1]], "c:80", "b:2"),
            (&[("http_proxy", " "), upper[0]], "a:1", ""),
            (&[("ALL_PROXY", "socks5://d")], "d:1080", "d:1080"),
            (&[("all_proxy", "https://e"), upper[0]], "a:1", "e:443"),
            (&[("NO_PROXY", "h.test"), upper[0], upper[1]], "", ""),
            (&[("NO_PROXY", "h.test"), ("no_proxy", "other"), upper[0]], "a:1", ""),
            (&[("no_proxy", "*"), upper[0]], "", ""),
            (&[("REQUEST_METHOD", "GET"), upper[0], upper[1]], "", "b:2"),
            (&[("REQUEST_METHOD", ""), upper[0], ("ALL_PROXY", "f:9")], "f:9", "f:9"),
        ] {
            assert_eq!(of_env(variables), (http.to_owned(), https.to_owned()), "{variables:?}");
        }
        let bad =
            Proxy::from_variables(|name| (name == "HTTPS_PROXY").then(|| "ftp://u:secret@h".to_owned()));
        let error = bad.expect_err("there is no such proxy");
        assert!(error.to_string().contains("HTTPS_PROXY") && error.to_string().contains("ftp"), "{error}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[test]
    fn urls_of_proxies() {
        let proxy = Proxy::new("HTTP://me:p%40ss:w@[::1]:3128/").expect("a proxy");
        let server = proxy.server_for(false, "h", 80).expect("for all");
        assert_eq!((server.host.as_str(), server.port), ("::1", 3128));
        assert_eq!(server.authorization(), b"Basic bWU6cEBzczp3");
        assert!(!format!("{proxy:?}").contains("ss"), "{proxy:?}");
        let both = Proxy::http("a").and_then(|proxy| proxy.with_https("socks5h://b")).expect("proxies");
        let host = |is_https| both.server_for(is_https, "h", 80).map(|server| server.host.clone());
        assert_eq!((host(false).as_deref(), host(true).as_deref()), (Some("a"), Some("b")));
        assert!(Proxy::https("a").expect("a proxy").server_for(false, "h", 80).is_none());
        let long = format!("socks5://{}@h", "u".repeat(256));
        for url in ["", "http://", "ftp://h", "socks4://h", "http://a b", "h:99999", "http://u%3A:p@h", &long]
        {
            let error = Proxy::new(url).expect_err(url);
            assert_eq!(error.kind(), ClientErrorKind::InvalidRequest, "{url}");
        }
    }
}
