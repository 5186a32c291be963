//! An HTTP/1.1 server whose handlers are plain blocking functions and whose engine is an event loop.
//!
//! A handler is a function of a [`RequestCtx`]: it reads `ctx.request`, fills `ctx.response`, and may sleep, query a
//! database, lock a mutex or panic. One that blocks holds up nobody else; one that does not costs what it costs in an
//! event loop. There is no async and no runtime. The semantics follow the Go library fasthttp wherever RFC 9110 and
//! RFC 9112 leave room.
//!
//! ```
//! use anthill_http::{HttpError, Server};
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use std::time::Duration;
//!
//! let server = Server::builder()
//!     .max_request_body_size(1024 * 1024)
//!     .build(|ctx| match (ctx.method(), ctx.path()) {
//!         ("GET", "/hello") => {
//!             let name = ctx.query_arg("name").ok_or(HttpError::new(400, "who are you?"))?.into_owned();
//!             ctx.success("text/plain", [b"hello ", &*name].concat());
//!             Ok(())
//!         }
//!         _ => Err(HttpError::new(404, "not here")),
//!     })?;
//!
//! let running = server.start("127.0.0.1:0")?; // or `server.run("[::]:8080")?`, until SIGINT or SIGTERM
//!
//! let mut client = TcpStream::connect(running.local_addr())?;
//! client.write_all(b"GET /hello?name=ann HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
//! let mut response = String::new();
//! client.read_to_string(&mut response)?;
//! assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("\r\n\r\nhello ann"));
//!
//! running.shutdown(Duration::from_secs(5))?;
//! running.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where to start
//!
//! - The [`guide`]: short pages, from the first server to its deployment.
//! - Serving: [`Server`]; [`ServerBuilder`] has the table of all options; [`run`] needs none.
//! - Routes: [`Router`], and [`router`] for how they are found; [`RequestCtx::param`], [`RequestCtx::parse_param`].
//! - Handlers: [`Handler`] says what one may be and return, and how wrappers are written.
//! - Around handlers: [`middleware`] for what many services have (ids, CORS, limits, error pages), and in which order.
//! - Input as values of your own types: [`RequestCtx::parse_query_arg`] and what is beside it; with the features
//!   `serde` and `json` whole structures, `RequestCtx::query`, `form`, `json`, and `send_json`. What is wrong with it
//!   is answered by itself: [`InputError`].
//! - Errors: [`StatusError`], [`HttpError`], [`Problem`]; how they look, in one place: [`ServerBuilder::error_body`],
//!   [`error_body`].
//! - In a handler: [`RequestCtx`], its [`Request`] and its [`Response`]; [`Headers`], [`Cookie`], [`Args`], [`Uri`].
//! - Bodies that are read as they arrive or written as they are made: [`RequestCtx::body_reader`],
//!   [`Response::set_body_reader`], [`Response::set_body_writer`], [`Response::set_body_file`], and when the handler is
//!   called: [`ServerBuilder::stream_request_body`], [`ServerBuilder::header_received`].
//! - Events to browsers as they happen, to thousands of clients without a thread for each: [`events`].
//! - Compressed responses: [`compress()`], [`CompressPolicy`]. Codings of bytes and of what is written or read:
//!   [`body::ContentCoding`], [`body::ContentEncoder`], [`body::ContentDecoder`].
//! - Files and folders: [`files::Files`], [`RequestCtx::send_file`]; content of your own with tags and ranges:
//!   [`RequestCtx::serve_content`].
//! - HTTPS (feature `tls`): `listen_and_serve_tls` in one line; `TlsConfig` for several names, clients' certificates
//!   and other protocols; `Listener::tls` beside plain listeners, and [`HttpsRedirect`].
//! - WebSockets: [`RequestCtx::upgrade_websocket`] and the module `websocket`, with the feature `ws`.
//! - Other protocols on a connection: [`RequestCtx::upgrade`], [`RequestCtx::hijack`], [`HijackedConn`].
//! - Forms and uploads: [`RequestCtx::form_value`], [`form`], [`multipart`].
//! - What fields mean (negotiation, ranges, parameters, dates, entity tags): [`header`]. Cookies beyond [`Cookie`]:
//!   [`cookie`].
//! - What operators see: [`ServerBuilder::on_complete`], [`AccessLog`], [`ServerBuilder::conn_state`],
//!   [`ServerBuilder::error_handler`].
//! - Tests without a socket: [`testing`] (feature `testing`), [`RequestCtx::for_request`], [`InMemoryListener`].
//! - What is refused and why, form by form: [`strictness`].
//! - What is called otherwise in fasthttp: [`coming_from`].
//!
//! # In production
//!
//! - Every connection takes a file descriptor: set [`concurrency`](ServerBuilder::concurrency) below the process's
//!   limit (`ulimit -n`). At the limit of the system, connections wait instead of being refused.
//! - [`max_workers`](ServerBuilder::max_workers) bounds how many handlers, and functions that write bodies, may block
//!   at once. Requests beyond that wait: at most [`max_waiting_requests`](ServerBuilder::max_waiting_requests) of them,
//!   for [`max_wait`](ServerBuilder::max_wait); others are answered 503. Whatever does not block is answered all the
//!   while.
//! - A handler that asks its own server for something that blocks needs a second thread for it. When all are taken by
//!   such handlers they are answered 503 after `max_wait`; let them call the function that answers it instead.
//! - [`run`], [`Server::run`] and [`RunningServer::run`] end by SIGINT and SIGTERM, also as process 1 of a container:
//!   what is under way is answered, for at most [`shutdown_timeout`](ServerBuilder::shutdown_timeout); a second signal
//!   ends the process at once. [`Server::serve`] and [`Server::listen_and_serve`] catch no signal, and return when a
//!   [`shutdown`](Server::shutdown) has come to its end.
//! - What a handler waits for may hang: [`handler_timeout`](ServerBuilder::handler_timeout), or [`timeout()`] around
//!   one handler, answer 503 without it. Handlers see how much time is left ([`RequestCtx::time_left`]).
//! - Behind a proxy that asks for readiness set [`shutdown_delay`](ServerBuilder::shutdown_delay), and answer it by
//!   [`RequestCtx::is_ready`]. Handlers that take long ask [`RequestCtx::is_stopping`], or wait by
//!   [`RequestCtx::stop_signal`].
//! - Behind a proxy, addresses are the proxy's, unless you say whom to believe: [`ServerBuilder::trusted_proxies`] for
//!   what proxies add to requests, [`Listener::proxy_protocol`] for those that pass on connections.
//! - Clients that stop, or trickle, are given up by the timeouts, [`min_body_rate`](ServerBuilder::min_body_rate) and
//!   [`min_response_rate`](ServerBuilder::min_response_rate). Bodies that are conversations need others
//!   ([`header_received`](ServerBuilder::header_received)); [`events`] do not.
//! - Uploads and forms are bounded twice: by the server's
//!   [`max_request_body_size`](ServerBuilder::max_request_body_size), unless they are streamed, and by
//!   [`form::Options`] or [`multipart::Limits`], also in what they unpack to.
//! - To change the program without a pause, two processes may listen on one port:
//!   [`reuse_port`](ServerBuilder::reuse_port).
//! - [`Server::stats`] has the counters: connections, requests, refusals by cause, latencies, panics, workers; a
//!   [`Probe`] answers with them in Prometheus's form, and to those who ask whether the server is ready. Messages go to
//!   the `log` crate; those of failing and panicking handlers at level `Error`, those about requests that were refused
//!   at level `Debug`. Without a logger (`env_logger`, ...) nobody sees why a 500 or a 400 was answered.
//!
//! # When not to use it
//!
//! There is no HTTP/2. For tens of thousands of
//! responses at once that are each written slowly by a function of yours, an async server costs less memory: each such
//! function holds a thread ([`events`] hold none).
//!
//! # Features
//!
//! - `gzip`, on unless it is left out: [`compress()`] with gzip and deflate, and [`body::ContentEncoder`]. Requests in
//!   them are read without it.
//! - `br`: brotli, for responses and requests. `zstd`: the same of zstd, which takes a C compiler.
//! - `fs`, on unless it is left out: [`files`].
//! - `router`, on unless it is left out: [`Router`], [`router`].
//! - `signals`, on unless it is left out: [`run`], on Unix.
//! - `systemd`: [`Server::inherited_listeners`], on Unix.
//! - `tls`: HTTPS, by `rustls` and aws-lc-rs, which takes a C compiler. `tls-ring`: the same by ring, which is smaller
//!   and has no post-quantum key exchange; with both it is aws-lc-rs. `tls-no-provider`: with cryptography that you
//!   bring, `TlsConfigBuilder::crypto_provider`. Nothing is installed for the process.
//! - `http`: conversions to and from the types of the `http` crate, which are then accepted as statuses too.
//! - `tower`: axum's routers and other services of tower as handlers, and handlers as such services: `adapters`. It
//!   comes with `http`.
//! - `tracing`: requests as spans. `metrics`: their figures for the facade of that name.
//! - `ws`: [`websocket`].
//! - `client`: the module `client`; with one of `tls...` its clients speak HTTPS, too.
//! - `native-roots`: they can trust the authorities of the system.
//! - `cookies`: the client keeps cookies, `client::CookieJar`.
//! - `serde`: queries, forms and parameters of routes as structures (`RequestCtx::query`, `form`, `params_as`).
//! - `json`: the same of bodies that are JSON, both ways (`RequestCtx::json`, `send_json`, `Response::set_json`), and,
//!   with `client`, JSON in its requests and responses.
//! - `sessions`: signed and encrypted cookies, sessions and tokens against forged requests, in [`middleware`].
//! - `testing`: [`testing`], for tests of programs.
//! - `unstable`: nothing for users: what this repository's own tests drive. It may change at any time.

// How it is built. Knowledge flows one way, from the bottom to the top: `util`, `stop`, `wire`, `values`, `proto`,
// `ws`, `sockets`, `message`, `ctx`, `files`, `tls`, `observe`, `config`, `router`, `middleware`, `serve`, `engine`,
// `client`, `server`, `adapters`, `testing`, `guide`. `proto` is bytes in and bytes out: no socket, no clock, no
// thread.

#[cfg(any(feature = "metrics", feature = "tower", feature = "tracing"))]
pub mod adapters;
#[cfg(feature = "client")]
pub mod client;
mod config;
mod ctx;
mod engine;
#[cfg(feature = "fs")]
pub mod files;
mod message;
pub mod middleware;
mod observe;
mod proto;
#[cfg(feature = "router")]
pub mod router;
mod serve;
mod server;
#[cfg(feature = "ws")]
mod sockets;
mod stop;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tls-no-provider")]
mod tls;
mod util;
mod values;
mod wire;
#[cfg(feature = "ws")]
mod ws;

#[cfg(feature = "unstable")]
#[doc(hidden)]
pub mod unstable;

pub use config::conn_options::ConnOptions;
pub use config::error::BuildError;
pub use config::options::ServerBuilder;
pub use config::request_config::RequestConfig;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
pub use ctx::{CompressPolicy, TagChange, compress};
pub use ctx::{
    ConnInfo, Handler, HandlerPanic, HandlerResult, HijackedConn, HttpError, HttpsRedirect, InputError,
    InputErrorKind, InputPart, PeerCredentials, RequestCtx, StatusError, TimeLimit, UserKey, timeout,
};
pub use engine::accept::in_memory::InMemoryListener;
#[cfg(feature = "http")]
pub use message::convert::ConvertError;
pub use message::problem::{Problem, ProblemValue};
pub use message::request::{Request, RequestError};
pub use message::response::{IntoStatus, Response, TrailerError};
pub use observe::ConnState;
pub use observe::access_log::{AccessLog, AccessLogForm};
pub use observe::completed::{CompletedRequest, RequestOutcome};
pub use observe::in_flight::RequestInFlight;
pub use observe::latency::LatencyHistogram;
pub use observe::response_counts::ResponseCounts;
pub use proto::ProtoError;
#[cfg(feature = "router")]
pub use router::Router;
pub use serve::counters::Rejections;
pub use serve::error::Error;
#[cfg(all(feature = "signals", unix))]
pub use server::run;
pub use server::{
    ConnectionCounts, GivenUp, HandshakeCounts, Listener, Probe, RunningServer, ServeError, Server,
    ServerStats, ShutdownError, listen_and_serve,
};
#[cfg(unix)]
pub use server::{UnixAccess, UnixSocket};
pub use stop::{StopHook, StopSignal};
pub use util::html::html_escape;
pub use values::args::{ArgError, Args};
pub use values::cookie::Cookie;
pub use values::headers::Headers;
pub use values::uri::Uri;
pub use values::version::Version;
pub use values::{form, header, multipart};
pub use wire::in_memory::InMemoryStream;
pub use wire::pace::MinRate;

/// The crate `rustls` that this one uses, for a [configuration of one's own](TlsConfig::from_rustls). Its version is no
/// part of what this crate promises.
#[cfg(feature = "tls-no-provider")]
pub use ::rustls;
#[cfg(feature = "tls-no-provider")]
pub use server::listen_and_serve_tls;
#[cfg(feature = "tls-no-provider")]
pub use tls::{ClientAuth, TlsConfig, TlsConfigBuilder, TlsError};
#[cfg(feature = "tls-no-provider")]
pub use wire::tls_info::TlsInfo;

/// Bodies in pieces: how a request's is read and a response's is written, and how content codings are undone.
///
/// They are got from [`RequestCtx::body_reader`] and [`Response::set_body_writer`].
pub mod body {
    pub use crate::message::request::BodyReader;
    pub use crate::message::response::BodyWriter;
    pub use crate::values::coding::{CodingError, ContentDecoder, DecodeLimit};
    #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
    pub use crate::values::coding::{CompressionLevel, ContentCoding, ContentEncoder};
}

/// Cookies beside [`Cookie`]: those of a request, a line of them, and what is wrong with one.
pub mod cookie {
    pub use crate::values::cookie::{CookieError, CookieLine, RequestCookies, SameSite};
}

/// How errors become bodies: ready ways for a [`ServerBuilder::error_body`], and what that is given.
///
/// Without one, errors are plain text: the words of [`HttpError`], of [`RequestCtx::error`], of the server itself; but
/// for [`Problem`]s and [`InputError`]s, which are problem details.
///
/// ```
/// use anthill_http::{InputError, Request, RequestCtx, Server, error_body};
///
/// fn double(ctx: &mut RequestCtx) -> Result<(), InputError> {
///     let number: i64 = ctx.parse_query_arg("number")?;
///     ctx.set_body((number * 2).to_string());
///     Ok(())
/// }
/// let server = Server::builder().error_body(error_body::negotiated).build(double)?;
/// let mut request = Request::new("GET", "/?number=many")?;
/// request.set_header("Accept", "text/html");
/// let response = server.call(&request)?;
/// assert!(response.body_str().is_some_and(|page| page.contains("<h1>400 Bad Request</h1>")));
/// assert_eq!(response.header_str("Vary"), Some("Accept"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod error_body {
    pub use crate::ctx::error_pages::{html, negotiated, problem, text};
    pub use crate::ctx::{ErrorCause, ErrorReport};
}

/// Events that are sent to clients as they happen (`text/event-stream`, server-sent events), without a thread for each.
///
/// A response becomes such a stream by [`RequestCtx::set_event_stream`]; what it streams is sent by an
/// [`EventHub`](events::EventHub) to many clients, or through an [`event_channel`](events::event_channel) to one. The
/// example `events` is a chat.
///
/// - A browser's `EventSource` connects again whenever the stream ends, after some seconds
///   ([`Event::retry`](events::Event::retry)). To end it for good send a last event of a name of its own, on which the
///   page calls `close()`, or answer the next request 204.
/// - It then says what it had last, if events have an [`id`](events::Event::id):
///   [`last_event_id`](RequestCtx::last_event_id), [`send_first`](events::EventStream::send_first).
/// - A browser has six HTTP/1.1 connections to a host for all its tabs together, and each stream takes one. Where that
///   is not enough a proxy in front speaks HTTP/2 to it, or a worker of the page shares one stream.
/// - A client that is too slow loses events: [`EventOptions::overflow`](events::EventOptions::overflow).
/// - Each client takes a place of [`concurrency`](ServerBuilder::concurrency), and none of
///   [`max_workers`](ServerBuilder::max_workers).
pub mod events {
    pub use crate::message::events::{
        EventHub, EventOptions, EventSender, EventStream, Overflow, event_channel, event_channel_with,
    };
    pub use crate::values::event::{Event, EventError};
}

/// Parts of URIs: the arguments of a query, and what is wrong with a [`Uri`].
pub mod uri {
    pub use crate::message::request::QueryArgs;
    pub use crate::values::uri::{QueryArgsMut, UriError};
}

/// Pages of figures for Prometheus; [`ServerStats::add_to`] adds a server's to one.
pub mod prometheus {
    pub use anthill_pool::prometheus::{CONTENT_TYPE, Exposition};
}

/// WebSocket (feature `ws`): sockets that a loop owns, sockets that hold no thread, and a codec for whoever has a
/// connection of his own (RFC 6455; compression by RFC 7692).
///
/// A request becomes a WebSocket in a handler, in one of two ways, both of plain blocking code:
///
/// - [`RequestCtx::upgrade_websocket`] gives a [`WebSocket`](websocket::WebSocket) to a function that reads and sends
///   in a loop. It holds a worker as long as it runs: for few clients, or where each has much to say.
/// - [`RequestCtx::upgrade_websocket_handler`] has a [`WebSocketHandler`](websocket::WebSocketHandler) told of what
///   happens. While nothing happens the socket holds no thread and no buffer: for tens of thousands of clients.
///
/// In both, pings are answered and asked, close frames are exchanged, and a [`shutdown`](Server::shutdown) closes with
/// 1001, by themselves. A [`WebSocketSender`](websocket::WebSocketSender) sends from any thread, a
/// [`WebSocketGroup`](websocket::WebSocketGroup) to many; who takes messages too slowly is treated by a
/// [`QueuePolicy`](websocket::QueuePolicy). Limits and times are [`WebSocketOptions`](websocket::WebSocketOptions);
/// figures are in [`ServerStats::websockets`]. The examples `websocket-echo` and `websocket-chat` are programs.
///
/// ```
/// use anthill_http::Server;
/// use anthill_http::websocket::{MessageEncoder, MessageKind, Role, WebSocketOptions};
/// use std::io::{BufRead, BufReader, Read, Write};
///
/// let options = WebSocketOptions::default();
/// let server = Server::new(move |ctx| {
///     ctx.upgrade_websocket(&options, |mut socket| {
///         while let Some(message) = socket.read()? {
///             socket.send(message)?;
///         }
///         Ok(())
///     });
/// })?;
/// let running = server.start("127.0.0.1:0")?;
///
/// let mut client = std::net::TcpStream::connect(running.local_addr())?;
/// client.write_all(
///     b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
///       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
/// )?;
/// let mut reader = BufReader::new(client.try_clone()?);
/// let head: Vec<String> = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
/// assert_eq!(head[0], "HTTP/1.1 101 Switching Protocols");
/// assert!(head.contains(&"Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned()));
///
/// let mut frame = Vec::new();
/// MessageEncoder::new(Role::Client, None).message(MessageKind::Text, b"hello", &mut frame);
/// client.write_all(&frame)?;
/// let mut answer = [0; 7];
/// reader.read_exact(&mut answer)?;
/// assert_eq!(&answer, b"\x81\x05hello");
///
/// drop((client, reader));
/// running.shutdown(std::time::Duration::from_secs(10))?;
/// assert_eq!(server.stats().websockets.messages_received, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Who has a connection of his own, of either role, uses [`MessageDecoder`](websocket::MessageDecoder) and
/// [`MessageEncoder`](websocket::MessageEncoder), which do no input or output; a [`Handshake`](websocket::Handshake)
/// judges a request.
#[cfg(feature = "ws")]
pub mod websocket {
    #[cfg(feature = "client")]
    pub use crate::ws::BadHandshakeAnswer;

    pub use crate::sockets::{
        QueuePolicy, WebSocket, WebSocketEnd, WebSocketError, WebSocketGroup, WebSocketHandler,
        WebSocketOptions, WebSocketOptionsBuilder, WebSocketResult, WebSocketSender, WebSocketStats,
    };
    pub use crate::ws::{
        CloseCode, CloseFrame, CodecError, ControlPayload, ControlTooLong, DeflateAnswerError,
        DeflateOptions, DeflateParams, Handshake, HandshakeAnswer, HandshakeError, HandshakeKey,
        HandshakeRequest, Incoming, Message, MessageDecoder, MessageEncoder, MessageKind, MessageLimits,
        OriginPolicy, Role, SharedMessage,
    };
}

pub mod guide;

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../COMING_FROM.md")]
pub mod coming_from {}

#[doc = include_str!("../STRICTNESS.md")]
pub mod strictness {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("engine/PROTOCOL.md")]
pub mod engine_protocol {}

/// The programs of the registry's front page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct FrontPage;
