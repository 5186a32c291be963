//! A guide of short pages, in the order in which one needs them.
//!
//! - To begin: [first server](first_server), [routes](routing), [input], [errors], [middleware].
//! - What is sent: [files and folders](files), [streaming], [events], [compression]; what is received: [uploads].
//!   Conversations: [WebSockets](websockets).
//! - Users: [cookies, sessions, logins](sessions_and_cookies).
//! - The engine and you: [state and databases](state), [blocking], [limits and timeouts](limits), [tuning].
//! - [The client](client): asking other servers.
//! - [Testing](testing) what you build.
//! - In production: [shutdown], [behind a proxy](behind_a_proxy), [HTTPS](tls), [observability], [deployment],
//!   [security].
//! - [What it does not do](what_it_does_not_do), and what to take instead.
//! - Coming from [fasthttp](crate::coming_from), or [from axum, actix-web, fiber, Flask, Express or
//!   tiny_http](coming_from_elsewhere).
//!
//! The programs of all pages are compiled and run with the tests.

// Whoever reads a page as a file follows the links that are defined at its end. Here `links.txt` stands before it, and
// of several definitions of a link the first counts, so that here each leads to what it names. (What a test says of a
// program counts the lines of both files, and names the first.)

#[cfg(all(feature = "signals", unix))]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/first-server.md")]
pub mod first_server {}

#[cfg(feature = "router")]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/routing.md")]
pub mod routing {}

#[cfg(all(feature = "json", feature = "router"))]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/input.md")]
pub mod input {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/errors.md")]
pub mod errors {}

#[cfg(feature = "router")]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/middleware.md")]
pub mod middleware {}

#[cfg(all(feature = "router", feature = "sessions"))]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/sessions-and-cookies.md")]
pub mod sessions_and_cookies {}

#[cfg(all(feature = "fs", feature = "router"))]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/files.md")]
pub mod files {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/streaming.md")]
pub mod streaming {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/events.md")]
pub mod events {}

#[cfg(all(feature = "gzip", feature = "router"))]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/compression.md")]
pub mod compression {}

#[cfg(feature = "router")]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/uploads.md")]
pub mod uploads {}

#[cfg(all(feature = "router", feature = "ws"))]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/websockets.md")]
pub mod websockets {}

#[cfg(feature = "router")]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/state.md")]
pub mod state {}

// Pictures are elsewhere, too.
#[doc = "[request]: https://raw.githubusercontent.com/anthill-rs/anthill/main/http/docs/request.svg"]
#[doc = "[lease]: https://raw.githubusercontent.com/anthill-rs/anthill/main/http/docs/lease.svg"]
#[doc = ""]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/blocking.md")]
pub mod blocking {}

#[cfg(feature = "router")]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/limits.md")]
pub mod limits {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/shutdown.md")]
pub mod shutdown {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/behind-a-proxy.md")]
pub mod behind_a_proxy {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/tls.md")]
pub mod tls {}

#[cfg(feature = "router")]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/observability.md")]
pub mod observability {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/tuning.md")]
pub mod tuning {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/deployment.md")]
pub mod deployment {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/security.md")]
pub mod security {}

#[cfg(feature = "router")]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/coming-from-elsewhere.md")]
pub mod coming_from_elsewhere {}

#[cfg(feature = "client")]
#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/client.md")]
pub mod client {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/links.txt")]
#[doc = include_str!("../docs/what-it-does-not-do.md")]
pub mod what_it_does_not_do {}
