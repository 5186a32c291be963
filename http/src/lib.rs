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
//! The rule: knowledge flows one way, `util -> values -> proto -> ctx -> drivers`. `proto` is bytes in and
//! bytes out; it knows no socket, no clock and no thread.

mod util;

mod args;
mod coding;
mod contain;
mod cookie;
pub mod form;
pub mod header;
mod headers;
mod input;
pub mod multipart;
mod output;
mod request;
mod response;
mod uri;
mod wire;

#[cfg(feature = "http")]
mod convert;

mod proto;

mod ctx;
mod error;
mod exchange;
mod handler;
mod serve_conn;

mod engine;
mod server;

pub use args::{ArgError, Args};
pub use coding::{ContentDecoder, UnsupportedCoding};
#[cfg(feature = "http")]
pub use convert::Unconvertible;
pub use cookie::{Cookie, CookieError, CookieLine, RequestCookies, SameSite};
pub use ctx::{ConnInfo, RequestCtx, UserKey};
pub use error::Error;
pub use handler::RequestConfig;
pub use headers::{FieldIter, Fields, Headers};
pub use proto::ProtoError;
pub use request::{BodyReader, InvalidRequest, QueryArgs, Request, Version};
pub use response::{BodyWriter, IntoStatus, InvalidTrailer, Response};
pub use server::counters::Rejections;
pub use server::options::{Builder as ServerBuilder, ConfigError};
pub use server::{Server, ServerStats, ShutdownError, listen_and_serve};
pub use uri::{QueryArgsMut, Uri, UriError};
