//! How slow a peer may be in its request and in taking its response.

use crate::config::request_config::RequestConfig;
use crate::config::settings::Timeouts;
use crate::wire::pace::Pace;

/// How slow the peer may be while others wait for it. Without a limit of time in there the transport has its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    pub(crate) read: Pace,
    pub(crate) write: Pace,
}

impl Patience {
    /// That with the peer of a request for which `config` says what is different from what the `server` has.
    pub(crate) fn of(config: &RequestConfig, server: &Timeouts) -> Self {
        Self {
            read: config.reading(server.read, server.body_rate),
            write: config.writing(server.write, server.response_rate),
        }
    }

    /// The same with no limits of time: of a transport that has its own.
    pub(crate) fn without_limits(self) -> Self {
        Self { read: self.read.without_limit(), write: self.write.without_limit() }
    }
}
