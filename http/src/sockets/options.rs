//! What a WebSocket is like, on one page.

use super::error::WebSocketError;
use super::outbox::{QueueRoom, WithoutRoom};
use super::times::SocketTimeouts;
use crate::ws::{DeflateOptions, Handshake, MessageLimits, OriginPolicy};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What becomes of a message when as many wait for the client as may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueuePolicy {
    /// It is not taken: [`send`](super::WebSocketSender::send) fails with [`Full`](WebSocketError::Full).
    #[default]
    Refuse,
    /// The oldest ones that were not sent make room, and nobody tells the client.
    DropOldest,
    /// The client is cut off, so that it knows: it connects again, and asks for what it needs.
    Disconnect,
    /// The sender waits for room so long at most, then it is refused.
    ///
    /// What a handler's own methods send to their own socket is taken at once, whatever waits. A
    /// [group](super::WebSocketGroup) waits for nobody: this client misses the message then.
    Block(Duration),
}

/// How WebSockets are upgraded and served: for [`RequestCtx::upgrade_websocket`](crate::RequestCtx::upgrade_websocket).
/// A clone costs nothing, so it is made once.
///
/// ```
/// use anthill_http::websocket::{QueuePolicy, WebSocketOptions};
/// use std::time::Duration;
///
/// let options = WebSocketOptions::builder()
///     .subprotocols(["chat", "superchat"])
///     .max_message_size(64 * 1024)
///     .queue(16)
///     .when_full(QueuePolicy::Disconnect)
///     .ping_interval(Duration::from_secs(20))
///     .build()?;
/// # let _ = options;
///
/// let error = WebSocketOptions::builder().queue(0).build().unwrap_err();
/// assert_eq!(error.to_string(), "queue must be at least 1");
/// # Ok::<(), anthill_http::websocket::WebSocketError>(())
/// ```
#[derive(Clone)]
pub struct WebSocketOptions {
    pub(crate) handshake: Arc<Handshake>,
    pub(crate) settings: Arc<SocketSettings>,
}

/// What is to be known of a socket behind the handshake.
#[derive(Debug)]
pub(crate) struct SocketSettings {
    pub(crate) limits: MessageLimits,
    pub(crate) room: QueueRoom,
    pub(crate) when_full: QueuePolicy,
    pub(crate) timeouts: SocketTimeouts,
}

impl QueuePolicy {
    /// What an outbox does by this policy where nobody waits.
    pub(super) fn without_waiting(self) -> WithoutRoom {
        match self {
            Self::Refuse | Self::Block(_) => WithoutRoom::Refuse,
            Self::DropOldest => WithoutRoom::DropOldest,
            Self::Disconnect => WithoutRoom::CutOff,
        }
    }
}

impl WebSocketOptions {
    /// The defaults, which every setter of the builder names.
    pub fn builder() -> WebSocketOptionsBuilder {
        WebSocketOptionsBuilder {
            handshake: Handshake::default(),
            limits: MessageLimits::default(),
            room: QueueRoom { messages: 128, bytes: 4 * 1024 * 1024 },
            when_full: QueuePolicy::default(),
            timeouts: SocketTimeouts {
                ping: Some(Duration::from_secs(30)),
                pong: Duration::from_secs(20),
                idle: None,
                close: Duration::from_secs(5),
            },
        }
    }
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self::builder().assemble()
    }
}

impl fmt::Debug for WebSocketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketOptions").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Options under way; of [`WebSocketOptions::builder`].
#[derive(Clone, Debug)]
#[must_use = "options do nothing until they are built and used"]
pub struct WebSocketOptionsBuilder {
    handshake: Handshake,
    limits: MessageLimits,
    room: QueueRoom,
    when_full: QueuePolicy,
    timeouts: SocketTimeouts,
}

impl WebSocketOptionsBuilder {
    /// The subprotocols that are spoken here (`Sec-WebSocket-Protocol`), the preferred one first; none when not set.
    /// The first that the client offers as well is chosen. When it offers none of them the socket opens without one, as
    /// the RFC has it.
    pub fn subprotocols<S: Into<String>>(mut self, protocols: impl IntoIterator<Item = S>) -> Self {
        self.handshake = self.handshake.subprotocols(protocols);
        self
    }

    /// Which pages may open a socket here, by the `Origin` that browsers send; the page has to be of the same host when
    /// not set. Others are answered 403.
    ///
    /// Browsers let any page open a WebSocket anywhere, with the cookies of the server: whoever knows its users by
    /// cookies needs this.
    pub fn origins(mut self, policy: OriginPolicy) -> Self {
        self.handshake = self.handshake.origins(policy);
        self
    }

    /// Whether messages are compressed (`permessage-deflate`, RFC 7692) when the client can, and how; [`None`] for
    /// never. Not when not set: each message costs time then, and the coder some 300 KiB while it is used.
    pub fn compression(mut self, options: impl Into<Option<DeflateOptions>>) -> Self {
        self.handshake = self.handshake.deflate(options);
        self
    }

    /// The largest message that a client may send, in bytes, unpacked if it is compressed; 4 MiB when not set. At
    /// least 1. A larger one closes the socket with 1009.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.limits.message = bytes;
        self
    }

    /// The largest frame that a client may send, in bytes as it comes; 4 MiB when not set. At least 1. A larger one
    /// closes the socket with 1009.
    pub fn max_frame_size(mut self, bytes: u64) -> Self {
        self.limits.frame = bytes;
        self
    }

    /// How many messages wait for the client at most, beside what was handed to the system for it; 128 when not set. At
    /// least 1.
    pub fn queue(mut self, messages: usize) -> Self {
        self.room.messages = messages;
        self
    }

    /// How many bytes of messages wait for the client at most; 4 MiB when not set. At least 1. A larger message waits
    /// all the same when it is alone.
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.room.bytes = bytes;
        self
    }

    /// What becomes of a message for which there is no room; it is refused when not set. A client that takes nothing
    /// at all is cut off by [`write_timeout`](crate::ServerBuilder::write_timeout) and
    /// [`min_response_rate`](crate::ServerBuilder::min_response_rate) besides.
    pub fn when_full(mut self, policy: QueuePolicy) -> Self {
        self.when_full = policy;
        self
    }

    /// After how long without a word from the client it is sent a ping; 30 s when not set, never with `None`. Above
    /// zero.
    pub fn ping_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.timeouts.ping = interval.into();
        self
    }

    /// How long a client may take to show that it is there, by a pong or anything else, after it was sent a ping; 20 s
    /// when not set. Then it is cut off. Above zero.
    ///
    /// A client that takes nothing of what is to be sent cannot be asked: it is cut off when it has taken nothing for
    /// [`ping_interval`](Self::ping_interval) and this limit together, whatever the limits on writing are.
    pub fn pong_timeout(mut self, limit: Duration) -> Self {
        self.timeouts.pong = limit;
        self
    }

    /// How long a socket may be open without a message in either direction before it is closed with 1001; as long as it
    /// likes when not set, or with `None`. Above zero. One whose client takes nothing of a message for so long is cut
    /// off.
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeouts.idle = limit.into();
        self
    }

    /// How long the client may take to answer a close frame, from when it was to be sent; 5 s when not set. Then the
    /// connection is cut off. Above zero.
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.timeouts.close = limit;
        self
    }

    /// The options, when they can be met.
    ///
    /// # Errors
    /// [`WebSocketError::Option`].
    pub fn build(self) -> Result<WebSocketOptions, WebSocketError> {
        let bounds = [
            ("max_message_size", self.limits.message == 0),
            ("max_frame_size", self.limits.frame == 0),
            ("queue", self.room.messages == 0),
            ("queue_bytes", self.room.bytes == 0),
        ];
        if let Some((option, _)) = bounds.into_iter().find(|(_, is_wrong)| *is_wrong) {
            return Err(WebSocketError::Option(option, "must be at least 1"));
        }
        let zero = Some(Duration::ZERO);
        let SocketTimeouts { ping, pong, idle, close } = self.timeouts;
        let limits = [
            ("ping_interval", ping == zero),
            ("pong_timeout", pong.is_zero()),
            ("idle_timeout", idle == zero),
            ("close_timeout", close.is_zero()),
            ("when_full", self.when_full == QueuePolicy::Block(Duration::ZERO)),
        ];
        if let Some((option, _)) = limits.into_iter().find(|(_, is_wrong)| *is_wrong) {
            return Err(WebSocketError::Option(option, "must be above zero"));
        }
        Ok(self.assemble())
    }

    fn assemble(self) -> WebSocketOptions {
        let Self { handshake, limits, room, when_full, timeouts } = self;
        let settings = SocketSettings { limits, room, when_full, timeouts };
        WebSocketOptions { handshake: Arc::new(handshake), settings: Arc::new(settings) }
    }
}
