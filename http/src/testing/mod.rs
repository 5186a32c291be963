//! Testing (feature `testing`): a server in memory, clients with assertions, raw connections, faults, a clock that can
//! be moved, snapshots, and contexts for handlers alone.
//!
//! Turn it on for tests alone:
//!
//! ```toml
//! [dev-dependencies]
//! anthill-http = { git = "https://github.com/anthill-rs/anthill", features = ["testing", "cookies", "json"] }
//! ```
//!
//! # A handler
//!
//! A handler is a function, so it can be called: with a [`ctx`](ctx()), or one that a [`CtxBuilder`] puts together, and
//! what it has [answered](answer()) has the same assertions as any response. Bodies that are written by functions or
//! read from files are read for that.
//!
//! ```
//! use anthill_http::RequestCtx;
//! use anthill_http::testing::{answer, ctx};
//!
//! fn hello(ctx: &mut RequestCtx) {
//!     ctx.set_body("hello");
//! }
//! answer(&hello, ctx("GET /")).assert_status(200).assert_text("hello");
//! ```
//!
//! # A router, and all that is around it
//!
//! A [`TestServer`] is the server that you run, without a port: of a function, a
//! [`Router`](crate::Router) with its state, a builder with its options. So limits, refusals, middleware, hooks and
//! what becomes of a panic are tested as clients see them. Each test has a server of its own.
//!
//! ```
//! use anthill_http::{RequestCtx, Router};
//! use anthill_http::testing::TestServer;
//!
//! fn show(ctx: &mut RequestCtx) {
//!     let id = ctx.param("id").unwrap_or_default().to_owned();
//!     ctx.set_body(id);
//! }
//! let server = TestServer::router(Router::new().get("/users/{id}", show));
//! server.get("/users/7").send().assert_text("7");
//! server.delete("/users/7").send().assert_status(405);
//! ```
//!
//! When an assertion fails, its message has the exchange:
//!
//! ```text
//! expected status 200 (OK), found 500 (Internal Server Error)
//!
//! > GET /users/7 HTTP/1.1
//! > Host: localhost
//! < HTTP/1.1 500 Internal Server Error
//! < Server: anthill
//! < Content-Type: text/plain; charset=utf-8
//! <
//! < Internal Server Error
//!
//! what has gone wrong in the server, the last at the end:
//! - the handler of GET "/users/7" panicked at src/users.rs:12:5 on anthill-0: no such table
//! ```
//!
//! # Sessions, logins, several users
//!
//! A [client](TestServer::client) keeps cookies with [`keep_cookies`](TestClient::keep_cookies) (feature `cookies`),
//! follows redirects with [`follow_redirects`](TestClient::follow_redirects), and says who it is with
//! [`bearer_auth`](TestClient::bearer_auth) or [`from_addr`](TestClient::from_addr). Each client is a user of its own.
//! What the same user sends over a [`TestConn`] has his [cookies](TestClient::cookie_header).
//!
//! # Middleware
//!
//! Wrap a small handler and look at what passes:
//!
//! ```
//! use anthill_http::{Handler, RequestCtx};
//! use anthill_http::testing::TestServer;
//!
//! fn guarded(next: impl Handler) -> impl Handler {
//!     move |ctx: &mut RequestCtx| match ctx.header("Authorization") {
//!         Some(b"Bearer secret") => next.handle(ctx),
//!         _ => ctx.error("who are you?", 401),
//!     }
//! }
//! let server = TestServer::handler(guarded(|ctx: &mut RequestCtx| -> () { panic!("{}", ctx.path()) }));
//! server.get("/").send().assert_status(401);
//! // What the handler behind it does, and be it a panic, comes through.
//! server.client().bearer_auth("secret").get("/x").send().assert_status(500);
//! assert!(server.failures()[0].contains("/x"));
//! ```
//!
//! # Timeouts
//!
//! The server's times pass by its [clock](TestServer::clock), which goes as always, and which you move ahead. So a test
//! of a minute takes none:
//!
//! ```
//! use anthill_http::testing::TestServer;
//! use std::time::Duration;
//!
//! let server = TestServer::new(|ctx| ctx.set_body("done"));
//! let mut conn = server.connect();
//! conn.send("GET / HTTP/1.1\r\nHost: h\r\n"); // and nothing more
//! server.clock().advance(Duration::from_secs(11)); // the limit for a head is 10 s
//! conn.read_response().assert_status(408);
//! conn.assert_closed();
//! ```
//!
//! What of your own keeps time (a cache, a limit of attempts) can be given a [`TestClock`] too, or ask
//! [`RequestCtx::time`](crate::RequestCtx::time), which is the server's.
//!
//! # Uploads
//!
//! [`form`](TestRequest::form), [`multipart`](TestRequest::multipart) and [`json`](TestRequest::json) make bodies,
//! [`send_body`](TestRequest::send_body) one that is streamed. How a handler takes an upload that stops in the middle
//! is seen with [`Faults::break_after_sent`], or over a [`TestConn`] that sends a part and
//! [ends](TestConn::half_close).
//!
//! # Streams
//!
//! A response whose length is not announced is read when somebody asks for its body. Events are read
//! [one at a time](TestResponse::events), anything else [as it comes](TestResponse::reader). What never ends is ended
//! by the client's [time](TestClient::timeout).
//!
//! # Protocol
//!
//! A [`TestConn`] sends any bytes: [torn](TestConn::send_torn) at each place, [slowly](TestConn::send_slowly), and ends
//! whenever it likes. [`Faults`] do so to a client.
//!
//! # Whole responses
//!
//! [`assert_snapshot_inline`](TestResponse::assert_snapshot_inline) compares with a text in the test,
//! [`assert_snapshot`](TestResponse::assert_snapshot) with a file, which `ANTHILL_SNAPSHOTS=write` in the environment
//! writes. Dates, ids, values of cookies and boundaries are not in it.
//!
//! # What fails a test
//!
//! Besides assertions: no response within 30 s, and a server that does not [end](TestServer::ends_within) within 5 s,
//! because a handler hangs; the message names it.

// `failing`, `exchange` and `differences` are how a test fails; `line` is how clients come to the server, `caller` what
// they are made of; `draft` what both `request` and `unit` put together; `response`, with `asserting`, `json`,
// `snapshot` and `events`, what comes back.
mod asserting;
mod caller;
mod client;
mod conn;
mod differences;
mod draft;
mod events;
mod exchange;
mod failing;
mod faults;
#[cfg(feature = "json")]
mod json;
mod line;
mod request;
mod response;
mod server;
mod snapshot;
mod unit;

pub use crate::util::test_clock::TestClock;
pub use client::TestClient;
pub use conn::TestConn;
pub use events::{EventReader, ReceivedEvent};
pub use faults::Faults;
pub use request::TestRequest;
pub use response::TestResponse;
pub use server::TestServer;
pub use snapshot::SnapshotRules;
pub use unit::{CtxBuilder, answer, ctx};
