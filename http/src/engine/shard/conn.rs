//! One connection: its socket, its protocol state, and what is left over between two turns.
//!
//! A parked connection owns no buffers unless bytes are left over: half a request, or a response that the peer does
//! not take. While it is served the buffers are those of the server's desk.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::request_config::RequestConfig;
use crate::config::settings::Settings;
use crate::ctx::{ConnInfo, UserValues};
use crate::engine::dispatch::predict::Route;
use crate::engine::shard::deadlines::{Millis, NEVER};
use crate::engine::shard::slots::Token;
use crate::message::response::Outgoing;
use crate::proto::{Limits, Session};
use crate::wire::input::Input;
use crate::wire::output::Output;
use crate::wire::transport::Wire;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Requests are read and answered.
    Serving,
    /// What is in the output is sent; then the connection is closed, or lingers if the peer has sent more.
    Closing,
    /// What is in the output is sent; then the connection lingers, because the peer may be in the middle of sending.
    Refusing,
    /// Everything was sent and our side is shut. What the peer still sends is thrown away for a while: closing at once
    /// would reset the connection, and with it the response that the peer has not read yet.
    Lingering,
}

/// What a parked connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaits {
    Request,
    Writable,
    LingerEnd,
}

/// A connection of a shard.
pub(crate) struct Conn {
    pub(crate) token: Token,
    /// Lent to the request while it is handled.
    pub(crate) wire: Option<Box<dyn Wire>>,
    pub(crate) session: Session,
    /// Unread bytes, while parked.
    pub(crate) input: Input,
    /// Unsent bytes, while parked.
    pub(crate) output: Output,
    /// What is to follow the output: the rest of a streamed response.
    pub(crate) outgoing: Option<Box<Outgoing>>,
    /// The route that the streamed response belongs to.
    pub(crate) route: Route,
    /// What handlers have kept until the streamed response is sent.
    pub(crate) kept: UserValues,
    /// What is different for the request under way, where there are hooks that say so.
    config: Option<Box<RequestConfig>>,
    /// Whether the output is to be sent before the next piece is asked for.
    pub(crate) sends_head_first: bool,
    pub(crate) info: ConnInfo,
    /// The address that counts for the limit per address.
    pub(crate) counted_address: Option<IpAddr>,
    pub(crate) stage: Stage,
    pub(crate) awaits: Awaits,
    /// False once a read found less than it asked for: then the poller will report when there is more.
    pub(crate) readable: bool,
    /// The peer has sent its last byte. It was reported once, so reading must go on to the end by itself.
    pub(crate) read_closed: bool,
    /// When the first byte of the current request came; between two, that of the empty lines.
    pub(crate) request_began: Millis,
    /// When the connection is given up, while parked.
    pub(crate) deadline: Millis,
    /// When it is given up unless the peer takes some of the output first.
    pub(crate) write_deadline: Millis,
    /// Its deadline has passed; what it waited for did not come.
    pub(crate) timed_out: bool,
    /// Bytes thrown away while lingering.
    pub(crate) drained: usize,
    /// Requests counted in the shard's statistics so far.
    pub(crate) counted_requests: u64,
}

impl Conn {
    pub(crate) fn new(
        token: Token,
        wire: Box<dyn Wire>,
        info: ConnInfo,
        counted_address: Option<IpAddr>,
    ) -> Self {
        Conn {
            token,
            wire: Some(wire),
            session: Session::new(),
            input: Input::default(),
            output: Output::default(),
            outgoing: None,
            route: Route::default(),
            kept: UserValues::default(),
            config: None,
            sends_head_first: false,
            info,
            counted_address,
            stage: Stage::Serving,
            awaits: Awaits::Request,
            readable: true,
            read_closed: false,
            request_began: NEVER,
            deadline: NEVER,
            write_deadline: NEVER,
            timed_out: false,
            drained: 0,
            counted_requests: 0,
        }
    }
    /// Takes over what is different for the request whose head has just arrived.
    pub(crate) fn configure(&mut self, config: RequestConfig) {
        match &mut self.config {
            Some(present) => **present = config,
            // For most connections that is never.
            None if config != RequestConfig::default() => self.config = Some(Box::new(config)),
            None => {}
        }
    }

    pub(crate) fn limits(&self, settings: &Settings) -> Limits {
        self.config.as_ref().map_or(settings.limits, |config| config.apply(&settings.limits))
    }

    pub(crate) fn read_timeout(&self, settings: &Settings) -> Option<Duration> {
        self.config.as_ref().and_then(|config| config.read_timeout).or(settings.read_timeout)
    }

    pub(crate) fn write_timeout(&self, settings: &Settings) -> Option<Duration> {
        self.config.as_ref().and_then(|config| config.write_timeout).or(settings.write_timeout)
    }
}
