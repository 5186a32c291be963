//! How many connections there may be, how long each serves, and how they end.

use std::time::Duration;

use crate::config::error::{BuildError, at_least_one};
use crate::config::options::ServerBuilder;
use crate::config::settings::Connections;

/// Whether this system spreads the connections of a port over several listeners.
const SPREADS_OVER_A_PORT: bool =
    cfg!(any(target_os = "linux", target_os = "android", target_os = "dragonfly", target_os = "freebsd"));

/// Connections.
impl ServerBuilder {
    /// How many connections may be open at once, 262144 when not set. At least 1.
    ///
    /// For a further one the connection is closed that has been idle for longest: between two requests or, when there
    /// is none of those, without having sent anything yet. When none is idle the further one is answered 503 and
    /// closed.
    ///
    /// Each takes a descriptor of the process, so keep it below the limit on open files: when there are no descriptors
    /// left, idle connections are closed in the same way, but when none is idle the further ones are not refused but
    /// wait with the system.
    // LIM-01.
    pub fn concurrency(mut self, connections: usize) -> Self {
        self.connections.concurrency = connections;
        self
    }

    /// How many connections one address, IPv4 or IPv6, may have open; further ones are answered 429 and closed. At
    /// least 1; any number when not set, or with `None`.
    ///
    /// Behind a proxy all connections come from the proxy's address, and those of a Unix socket from none, which is not
    /// counted.
    // LIM-03.
    pub fn max_conns_per_ip(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.connections.max_per_ip = connections.into();
        self
    }

    /// After how many requests a connection is closed, with `Connection: close` in the last response. At least 1; never
    /// when not set, or with `None`.
    // SRV-16.
    pub fn max_requests_per_conn(mut self, requests: impl Into<Option<u64>>) -> Self {
        self.connections.max_requests = requests.into();
        self
    }

    /// Says whether connections stay for further requests, when their clients want that; yes when not set. If not, each
    /// is closed after its first response.
    // SRV-15.
    #[doc(alias = "disable_keepalive")]
    pub fn keep_alive(mut self, keeps: bool) -> Self {
        self.connections.keep_alive = keeps;
        self
    }

    /// Says whether responses have `Connection: close`, and their connections end, from when a
    /// [`shutdown`](crate::Server::shutdown) was asked for; yes when not set (fasthttp: no), because who closes a
    /// connection ought to say so (RFC 9112 9.6): else a client that keeps its connections, as proxies do, sends a
    /// request into one that is just being closed.
    ///
    /// During the [`shutdown_delay`](Self::shutdown_delay) connections go on without this. Behind that they end after
    /// the request they are in, either way.
    // SHD-01.
    pub fn close_on_shutdown(mut self, announces: bool) -> Self {
        self.connections.close_on_shutdown = announces;
        self
    }

    /// Says whether a connection on which nothing was ever sent is answered 408 when its time is up (see
    /// [`read_header_timeout`](Self::read_header_timeout)); no when not set: it is closed without a word, as one is
    /// that is silent between two requests. What was begun is answered 408 either way.
    ///
    /// RFC 9110 15.5.9 has 408 for a request that did not arrive whole. Where there is none, whoever has opened the
    /// connection ahead takes it for the answer to what it sends next, or has just sent. fasthttp and Node.js answer;
    /// nginx and Go's `net/http` do not.
    ///
    /// ```
    /// use std::io::Read;
    /// use std::time::Duration;
    ///
    /// let answers = |answers: bool| -> Result<String, Box<dyn std::error::Error>> {
    ///     let options = anthill_http::Server::builder().read_header_timeout(Duration::from_millis(20));
    ///     let running = options.answer_silent_conns(answers).build(|_| {})?.start("127.0.0.1:0")?;
    ///     let mut answer = String::new();
    ///     std::net::TcpStream::connect(running.local_addr())?.read_to_string(&mut answer)?;
    ///     running.shutdown(Duration::from_secs(5))?;
    ///     Ok(answer)
    /// };
    /// assert_eq!(answers(false)?, "");
    /// assert!(answers(true)?.starts_with("HTTP/1.1 408 "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    // TMO-01.
    pub fn answer_silent_conns(mut self, answers: bool) -> Self {
        self.connections.answers_silence = answers;
        self
    }

    /// How long a [`shutdown`](crate::Server::shutdown) goes on taking in connections and requests, while
    /// [`is_ready`](crate::Server::is_ready) says no already; not at all when not set.
    ///
    /// For a proxy or an orchestrator that asks a route for readiness
    /// ([`RequestCtx::is_ready`](crate::RequestCtx::is_ready)), or takes a while to learn that this process ends: some
    /// seconds more than it waits between two questions. The delay is part of the time that the shutdown was given, and
    /// takes half of that at most.
    pub fn shutdown_delay(mut self, delay: Duration) -> Self {
        self.connections.shutdown_delay = delay;
        self
    }

    /// How long a shutdown may take that a signal has begun ([`run`](crate::Server::run)); 25 s when not set, because
    /// Kubernetes ends a process by force 30 s after the signal. (Docker does so after 10 s unless it is told
    /// otherwise.) With zero nothing is waited for.
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.connections.shutdown_timeout = limit;
        self
    }

    /// Says whether [`listen_and_serve`](crate::Server::listen_and_serve) opens a listener for each shard, by the
    /// system's `SO_REUSEPORT`; no when not set.
    ///
    /// The system then spreads connections over the shards by a hash of their addresses, each shard's are accepted by a
    /// thread of its own, and other servers and processes of the same user that set the same option can listen on the
    /// same port, for instance to take over from this one. Worth it for very many short connections. Without it one
    /// thread accepts for all shards and gives each connection to the shard with the fewest busy ones, which spreads
    /// few connections more evenly.
    ///
    /// When a process is replaced so, connections that are just being made to the listeners of the one that ends may be
    /// reset, however gracefully it is shut down. Linux can give some of them to the listeners that stay
    /// (`net.ipv4.tcp_migrate_req`); a listener that is handed on from process to process loses none.
    ///
    /// For [`serve`](crate::Server::serve), which is given its listener, it changes nothing.
    ///
    /// On Linux, Android, FreeBSD and DragonFly BSD. Elsewhere [`build`](Self::build) refuses it: there is no such
    /// option, or it gives all connections to one of the listeners.
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let server = anthill_http::Server::builder().shards(2).reuse_port(true).build(|ctx| ctx.set_body("shared"))?;
    /// let listeners = server.listen_all("127.0.0.1:0")?;
    /// assert_eq!(listeners.len(), 2);
    /// assert_eq!(listeners[0].local_addr()?, listeners[1].local_addr()?);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reuse_port(mut self, reuses: bool) -> Self {
        self.connections.reuse_port = reuses;
        self
    }

    pub(super) fn check_connections(&self) -> Result<(), BuildError> {
        let Connections { concurrency, max_per_ip, max_requests, reuse_port, .. } = self.connections;
        at_least_one("concurrency", concurrency)?;
        if max_per_ip == Some(0) {
            return Err(BuildError::new("max_conns_per_ip", "must be at least 1, or None for no limit"));
        }
        if max_requests == Some(0) {
            return Err(BuildError::new("max_requests_per_conn", "must be at least 1, or None for no limit"));
        }
        if reuse_port && !SPREADS_OVER_A_PORT {
            let problem = "is not to be had on this system; leave it out, one listener serves all shards";
            return Err(BuildError::new("reuse_port", problem));
        }
        Ok(())
    }
}
