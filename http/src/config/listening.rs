//! The options of the sockets that the server listens on.

use std::time::Duration;

use crate::config::error::BuildError;
use crate::config::options::ServerBuilder;
use crate::config::settings::ListenOptions;

/// What the kernels that are known keep a number of seconds, of probes and of connections in.
const KEEPALIVE_CEILING: Duration = Duration::from_secs(32767);
const PROBES_CEILING: u32 = 127;
const BUFFER_CEILING: usize = 1 << 30;

/// The sockets of listeners that the server opens; connections inherit from them.
impl ServerBuilder {
    /// How many connections the system may complete before the server accepts them, 4096 when not set; more are refused
    /// or tried again by their clients. At least 1. Linux has a bound of its own (`net.core.somaxconn`).
    pub fn backlog(mut self, connections: u32) -> Self {
        self.listening.backlog = i32::try_from(connections).unwrap_or(i32::MAX);
        self
    }

    /// Has the system ask whether the peer is still there when a connection was silent for so long (fasthttp's
    /// `TCPKeepalive` and `TCPKeepalivePeriod`); not when not set: the server's own timeouts close what is silent. For
    /// connections that are taken over, and streams that may rest for long. From one second to 32767; parts of a second
    /// do not count.
    ///
    /// ```
    /// use std::time::Duration;
    /// let server = anthill_http::Server::builder()
    ///     .tcp_keepalive(Duration::from_secs(30))
    ///     .tcp_keepalive_interval(Duration::from_secs(10))
    ///     .tcp_keepalive_probes(3)
    ///     .build(|_| {})?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    // SRV-18.
    pub fn tcp_keepalive(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.listening.keepalive = idle.into();
        self
    }

    /// How far apart the system asks again; as the system likes when not set. Bounds as in
    /// [`tcp_keepalive`](Self::tcp_keepalive), which has to be set as well.
    pub fn tcp_keepalive_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.listening.keepalive_interval = interval.into();
        self
    }

    /// How often the system asks before it gives a connection up, 1 to 127; as the system likes when not set.
    /// [`tcp_keepalive`](Self::tcp_keepalive) has to be set as well.
    pub fn tcp_keepalive_probes(mut self, probes: impl Into<Option<u32>>) -> Self {
        self.listening.keepalive_probes = probes.into();
        self
    }

    /// How many bytes the system keeps of each connection that were received and not read (`SO_RCVBUF`); as it likes
    /// when not set, which is mostly better: then it grows with the distance. From 1 to 2^30; Linux doubles the number.
    pub fn receive_buffer(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.listening.receive_buffer = bytes.into();
        self
    }

    /// How many bytes the system keeps of each connection that were written and not acknowledged (`SO_SNDBUF`); as it
    /// likes when not set, which is mostly better. From 1 to 2^30; Linux doubles the number.
    pub fn send_buffer(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.listening.send_buffer = bytes.into();
        self
    }

    /// How many bytes a connection may have that were not sent yet before it takes no more (`TCP_NOTSENT_LOWAT`); no
    /// such bound when not set. At least 1. With one, streams lag less behind, and slow clients take less of the
    /// kernel's memory. On Linux and Android; elsewhere [`build`](Self::build) refuses it.
    pub fn tcp_not_sent_lowat(mut self, bytes: impl Into<Option<u32>>) -> Self {
        self.listening.not_sent_lowat = bytes.into();
        self
    }

    pub(super) fn check_listening(&self) -> Result<(), BuildError> {
        let ListenOptions { backlog, keepalive, keepalive_interval, keepalive_probes, .. } = self.listening;
        if backlog < 1 {
            return Err(BuildError::new("backlog", "must be at least 1"));
        }
        for (option, period) in [("tcp_keepalive", keepalive), ("tcp_keepalive_interval", keepalive_interval)]
        {
            let period = period.unwrap_or(KEEPALIVE_CEILING);
            if period < Duration::from_secs(1) || period > KEEPALIVE_CEILING {
                let problem = format!("of {period:?} is out of bounds; choose 1 s to {KEEPALIVE_CEILING:?}");
                return Err(BuildError::new(option, problem));
            }
        }
        if keepalive_probes.is_some_and(|probes| !(1..=PROBES_CEILING).contains(&probes)) {
            let problem = format!("is out of bounds; choose 1 to {PROBES_CEILING}");
            return Err(BuildError::new("tcp_keepalive_probes", problem));
        }
        if keepalive.is_none() && (keepalive_interval.is_some() || keepalive_probes.is_some()) {
            let problem = "must be set as well, for its interval and probes to mean anything";
            return Err(BuildError::new("tcp_keepalive", problem));
        }
        self.check_buffers()
    }

    fn check_buffers(&self) -> Result<(), BuildError> {
        let ListenOptions { receive_buffer, send_buffer, not_sent_lowat, .. } = self.listening;
        for (option, bytes) in [("receive_buffer", receive_buffer), ("send_buffer", send_buffer)] {
            if bytes.is_some_and(|bytes| !(1..=BUFFER_CEILING).contains(&bytes)) {
                let problem =
                    format!("is out of bounds; choose 1 to {BUFFER_CEILING}, or None for the system's");
                return Err(BuildError::new(option, problem));
            }
        }
        if not_sent_lowat == Some(0) {
            return Err(BuildError::new("tcp_not_sent_lowat", "must be at least 1, or None for no bound"));
        }
        if not_sent_lowat.is_some() && !cfg!(any(target_os = "linux", target_os = "android")) {
            return Err(BuildError::new(
                "tcp_not_sent_lowat",
                "is not to be had on this system; leave it out",
            ));
        }
        Ok(())
    }
}
