//! The options about proxies in front of the server.

use crate::config::error::BuildError;
use crate::config::options::ServerBuilder;
use crate::ctx::TrustedProxies;
use crate::util::network::Network;

/// Proxies in front of the server.
impl ServerBuilder {
    /// Says whose word is taken on who the client is: proxies by their networks (`10.0.0.0/8`, `2001:db8::/32`,
    /// `127.0.0.1`), or `unix` for whoever has connected by a Unix domain socket (or another stream of which no address
    /// is known). Nobody's when not set. Name the proxies alone, never a network in which clients are, too: whoever is
    /// trusted chooses the address that he has.
    ///
    /// Of requests from them `X-Forwarded-For` becomes [`RequestCtx::remote_addr`](crate::RequestCtx::remote_addr),
    /// `X-Forwarded-Proto` [`RequestCtx::scheme`](crate::RequestCtx::scheme), and `X-Forwarded-Host`
    /// [`RequestCtx::host`](crate::RequestCtx::host). Lists are read from the right, past addresses that are trusted
    /// themselves, so what a client has made up is not believed. Each proxy has to add to the first, and to replace or
    /// add to the other two, or to remove what it gets.
    ///
    /// [`max_conns_per_ip`](Self::max_conns_per_ip) and [`ConnInfo`](crate::ConnInfo) are about the connection, and so
    /// about the proxy; unless it speaks the [PROXY protocol](crate::Listener::proxy_protocol), which only these may do
    /// then. Who it names is the peer from then on, and is trusted with the fields of requests if it is one of the
    /// networks itself.
    ///
    /// ```
    /// # use std::io::{Read, Write};
    /// let server = anthill_http::Server::builder()
    ///     .trusted_proxies(["127.0.0.1", "10.0.3.7"])
    ///     .build(|ctx| ctx.set_body(format!("{}://{}", ctx.scheme(), ctx.remote_addr().ip())))?;
    /// let running = server.start("127.0.0.1:0")?;
    /// let mut proxy = std::net::TcpStream::connect(running.local_addr())?;
    /// proxy.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
    ///     X-Forwarded-For: 6.6.6.6, 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\r\n")?;
    /// let mut response = String::new();
    /// proxy.read_to_string(&mut response)?;
    /// assert!(response.ends_with("\r\n\r\nhttps://198.51.100.7"));
    /// # server.shutdown(std::time::Duration::from_secs(10))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trusted_proxies<N: AsRef<str>>(mut self, networks: impl IntoIterator<Item = N>) -> Self {
        let by_forwarded = self.ctx.proxies.is_some_and(|proxies| proxies.by_forwarded);
        let mut proxies = TrustedProxies { by_forwarded, are_named: true, ..TrustedProxies::default() };
        for network in networks {
            let network = network.as_ref().trim();
            match Network::parse(network) {
                Some(network) => proxies.networks.push(network),
                None if network == "unix" => proxies.unix = true,
                None => proxies.refused = Some(network.to_owned()),
            }
        }
        self.ctx.proxies = Some(proxies);
        self
    }

    /// Says whether [trusted proxies](Self::trusted_proxies) report clients by `Forwarded` (RFC 7239); no when not set.
    /// Then `X-Forwarded-For`, `-Proto` and `-Host` are not read; never both, because a proxy that knows only one of
    /// them passes on what clients have made up in the other.
    pub fn trusts_forwarded(mut self, by_forwarded: bool) -> Self {
        self.ctx.proxies.get_or_insert_default().by_forwarded = by_forwarded;
        self
    }

    pub(super) fn check_proxies(&self) -> Result<(), BuildError> {
        let refused = self.ctx.proxies.as_ref().and_then(|proxies| proxies.refused.as_ref());
        match refused {
            Some(network) => {
                let problem = format!(
                    "has {network:?}, which is no network; write 10.0.0.0/8, 2001:db8::/32 (no bits set behind those \
                     that count), an address, or unix"
                );
                Err(BuildError::new("trusted_proxies", problem))
            }
            None => Ok(()),
        }
    }
}
