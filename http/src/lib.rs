//! An HTTP/1.1 server whose handlers are plain blocking functions and whose engine is an event loop.
//!
//! The idea: a handler is a function from a [`RequestCtx`] to nothing. It reads `ctx.request`, fills
//! `ctx.response`, may block, may panic; the engine around it keeps the connections going. The semantics
//! follow the Go library fasthttp wherever RFC 9110 and RFC 9112 leave room.
//!
//! # Where to start
//!
//! - Serving: [`Server`], [`ServerBuilder`] for its options with their defaults, [`listen_and_serve`] for none.
//! - In a handler: [`RequestCtx`], its [`Request`] and its [`Response`]; [`Headers`], [`Cookie`], [`Args`], [`Uri`].
//! - Bodies that are read as they arrive or written as they are made: [`RequestCtx::body_reader`],
//!   [`Response::set_body_reader`], [`Response::set_body_writer`], [`Response::set_body_file`], and when the handler is called:
//!   [`ServerBuilder::stream_request_body`], [`ServerBuilder::header_received`].
//! - Forms and uploads: [`RequestCtx::form_value`], [`form`], [`multipart`].
//! - What fields mean (negotiation, ranges, parameters, dates, entity tags): [`header`].
//!
//! What is refused and why, form by form, is in `STRICTNESS.md` beside this crate's manifest.
//!
//! # Features
//!
//! - `http`: conversions to and from the types of the `http` crate, which are then accepted as statuses too.
//!
//! # How it is built
//!
//! The rule: knowledge flows one way. From the bottom to the top: `util`, `wire`, `values`, `proto`, `message`, `ctx`,
//! `config`, `serve`, `engine`, `server`. `proto` is bytes in and bytes out; it knows no socket, no clock and no thread.

mod config;
mod ctx;
mod engine;
mod message;
mod proto;
mod serve;
mod server;
mod util;
mod values;
mod wire;

pub use config::conn_options::ConnOptions;
pub use config::options::{BuildError, ServerBuilder};
pub use config::request_config::RequestConfig;
pub use ctx::{ConnInfo, Handler, HandlerResult, HttpError, RequestCtx, StatusError, UserKey};
#[cfg(feature = "http")]
pub use message::convert::Unconvertible;
pub use message::request::{BodyReader, InvalidRequest, QueryArgs, Request};
pub use message::response::{BodyWriter, IntoStatus, InvalidTrailer, Response};
pub use proto::ProtoError;
pub use serve::counters::Rejections;
pub use serve::error::Error;
pub use server::{Server, ServerStats, ShutdownError, listen_and_serve};
pub use values::args::{ArgError, Args};
pub use values::coding::{ContentDecoder, UnsupportedCoding};
pub use values::cookie::{Cookie, CookieError, CookieLine, RequestCookies, SameSite};
pub use values::headers::{FieldIter, Fields, Headers};
pub use values::uri::{QueryArgsMut, Uri, UriError};
pub use values::version::Version;
pub use values::{form, header, multipart};

#[doc = include_str!("engine/PROTOCOL.md")]
pub mod engine_protocol {}

/// The programs of the registry's front page.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct FrontPage;
