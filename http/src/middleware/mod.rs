//! What is put around handlers: plain functions that take a handler and give one.
//!
//! Each is called with what is to be inside of it and a policy, which is checked when it is built. So it stands around
//! one handler, around a route ([`Route::wrap`](crate::router::Route::wrap)), around a group of them or around all
//! ([`Router::wrap`](crate::Router::wrap)):
//!
//! ```
//! use anthill_http::middleware::{Cors, RequestIds, SecurityHeaders, cors, request_id, security_headers};
//! use anthill_http::{Request, RequestCtx, Server};
//!
//! let hello = |ctx: &mut RequestCtx| ctx.set_body("hello");
//! let handler = security_headers(hello, SecurityHeaders::new());
//! let server = Server::builder().build_handler(request_id(handler, RequestIds::new()))?;
//! let response = server.call(&Request::new("GET", "/")?)?;
//! assert_eq!(response.header("x-request-id").map(<[u8]>::len), Some(32));
//!
//! # #[cfg(feature = "router")] {
//! use anthill_http::Router;
//! let partners = Cors::builder().origins(["https://partner.example"]).build()?;
//! let router = Router::new()
//!     .wrap(|next| request_id(next, RequestIds::new()))
//!     .wrap(|next| security_headers(next, SecurityHeaders::new()))
//!     .get("/", hello)
//!     .nest("/api", |api| api.wrap(|next| cors(next, partners)).get("/hello", hello));
//! let server = Server::builder().build_router(router)?;
//! # assert!(server.call(&Request::new("GET", "/api/hello")?)?.header("x-request-id").is_some());
//! # assert_eq!(server.call(&Request::new("GET", "/api/hello")?)?.header_str("vary"), Some("Origin"));
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Policies are cheap to clone: clones are the same policy, and what is counted by it is counted together.
//!
//! # The order
//!
//! Of what is put around a router the first is the outermost. An outer wrapper sees what the inner ones answer. So what
//! is to be on every response, and in every line of a log, stands outside, and what may answer without the handler
//! stands outside of what costs more. From the outside:
//!
//! | for | what | where it stands |
//! |---|---|---|
//! | forms that mean `PUT` or `DELETE` | [`method_override`](method_override()) | around the built routes: before routing |
//! | a name for each request, in logs and on its response | [`request_id`](request_id()) | outermost: what is outside of it knows no id |
//! | browsers that are careful | [`security_headers`](security_headers()) | outside of whatever answers, so that refusals have them |
//! | pages of other origins | [`cors`](cors()) | the same; around all methods of a path, for it answers `OPTIONS` |
//! | requests that other sites have browsers send | [`csrf`](csrf()) | inside of `method_override`, outside of all that is kept for users |
//! | what is kept for a client | `sessions` (feature `sessions`) | outside of `catch_errors`, which starts responses over, and of what asks for a session |
//! | errors as JSON, or as pages | [`catch_errors`](catch_errors()) | inside of what adds fields, outside of what may fail or refuse |
//! | clients that ask too often | [`rate_limit`](rate_limit()) | outside of what costs much; inside of who the client is, if it counts by user |
//! | who the client is | [`basic_auth`](basic_auth()), [`bearer_auth`](bearer_auth()) | inside of `cors`, and of a `rate_limit` by address against guessing |
//! | smaller responses | [`compress`](crate::compress()) | outside of `etag`, whose tags it makes weak |
//! | what has not changed | [`etag`](etag()) | around what makes bodies |
//! | handlers that hang | [`timeout`](crate::timeout()) | around as little as possible: it takes a second thread |
//! | what cannot take more at once | [`concurrency_limit`](concurrency_limit()) | innermost; inside of `timeout` it counts handlers, outside of it clients that wait |
//!
//! What is elsewhere: bounds of heads and bodies and times for both are the server's, and those of a route are its
//! [`RequestConfig`](crate::RequestConfig). [`HttpsRedirect`](crate::HttpsRedirect) leads clients to HTTPS. An
//! [`AccessLog`](crate::AccessLog) and [`on_complete`](crate::ServerBuilder::on_complete) are told by the server what
//! was sent in the end, whoever has answered, so there is nothing to put around a handler for them.
//!
//! # Errors, panics, refusals
//!
//! An error or a panic of a handler has become a response before a wrapper of these sees it, whatever kind of handler
//! it was; see [`Handler`](crate::Handler). What wrappers here put on a response is also on the one that is sent in its
//! place when its body fails before a byte was sent, when no thread can be had for that body, and on a
//! [`timeout_error`](crate::RequestCtx::timeout_error). The answer by which a connection is taken over
//! ([`hijack`](crate::RequestCtx::hijack), WebSockets) is left as it is.
//!
//! What the server refuses (malformed requests, heads and bodies that are too large, requests that do not arrive in
//! time) reaches no handler. Policies that put something on responses have a method `apply` for that:
//!
//! ```
//! use anthill_http::Server;
//! use anthill_http::middleware::{Cors, RequestIds, SecurityHeaders};
//!
//! let (ids, headers) = (RequestIds::new(), SecurityHeaders::new());
//! let cors = Cors::builder().any_origin().build()?;
//! let server = Server::builder().error_handler(move |ctx, _error| {
//!     ids.apply(ctx);
//!     headers.apply(ctx);
//!     cors.apply(ctx);
//! });
//! # let _ = server;
//! # Ok::<(), anthill_http::BuildError>(())
//! ```
//!
//! Two answers are seen by neither: the 503 for want of a thread
//! ([`max_waiting_requests`](crate::ServerBuilder::max_waiting_requests)), and that of the server's own
//! [`handler_timeout`](crate::ServerBuilder::handler_timeout); that of a [`timeout`](crate::timeout()) inside of
//! wrappers is seen.

mod auth;
mod catch_errors;
mod concurrency_limit;
#[cfg(feature = "sessions")]
mod cookies;
mod cors;
mod csrf;
mod etag;
mod method_override;
mod rate_limit;
mod request_id;
mod security_headers;
#[cfg(feature = "sessions")]
mod sessions;

pub use auth::{AuthVerdict, BearerError, basic_auth, bearer_auth, same_secret};
pub use catch_errors::{CatchErrors, Caught, catch_errors};
pub use concurrency_limit::{ConcurrencyLimit, ConcurrencyLimitBuilder, concurrency_limit};
#[cfg(feature = "sessions")]
pub use cookies::{CookieKey, SealError};
pub use cors::{Cors, CorsBuilder, cors};
#[cfg(feature = "sessions")]
pub use csrf::csrf_tokens;
pub use csrf::{CsrfPolicy, csrf};
pub use etag::{EtagPolicy, etag};
pub use method_override::{MethodOverride, MethodOverrideBuilder, method_override};
pub use rate_limit::{RateKey, RateLimit, RateLimitBuilder, rate_limit};
pub use request_id::{RequestIds, RequestIdsBuilder, request_id};
pub use security_headers::{SecurityHeaders, SecurityHeadersBuilder, security_headers};
#[cfg(feature = "sessions")]
pub use sessions::{
    MemoryStore, Session, SessionError, SessionKey, SessionStore, Sessions, SessionsBuilder, StoredSession,
    sessions,
};
