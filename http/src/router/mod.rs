//! Routes: which handler answers a request, by its path, method and host (feature `router`).
//!
//! A [`Router`] is what programs write, [`Routes`] what answers. See there for programs; here is what is found how.
//!
//! # Patterns
//!
//! | pattern | matches | not |
//! |---|---|---|
//! | `/users/me` | that path | `/users/me/` |
//! | `/users/{id}` | one segment that is not empty | `/users`, `/users/`, `/users/1/2` |
//! | `/files/{*path}` | all that is left, one byte at least | `/files/` |
//! | `/{{x}}` | `/{x}` | |
//!
//! Of several that match, the most particular answers, judged from the front, segment by segment: text before a
//! parameter, that before all that is left. The order in which routes were added
//! does not matter, and a route without the request's method is passed over, so `GET /users/{id}` answers `GET
//! /users/me` where that is a route for `POST` alone. Two routes of which neither comes before the other are an
//! [error](RouterError) that names both: those for the same method at the same paths; a parameter and all that is left
//! in the same place (`/{id}` and `/{*rest}`). What answers wherever nothing else does is a
//! [fallback](Router::fallback), beside which every route may be.
//!
//! A parameter is all of its segment. What is below the prefix of a [group](Router::nest) is looked for in that group
//! alone.
//!
//! # Methods
//!
//! `HEAD` is answered by the route for `GET` where it has none of its own. A path without a route for the method is
//! answered 405 with `Allow`; `OPTIONS` 204 with `Allow`; `OPTIONS *`, which is about no route, and
//! `CONNECT` without a route of its own at `/` the same, with all methods there are.
//!
//! # Paths
//!
//! What is matched is [`Request::path`](crate::Request::path): decoded once, without empty segments and dot segments.
//! So `/%75sers/7` and `/x/../users//7` are `/users/7`, and an escaped slash is a slash like any other: a value that
//! may have one is for `{*path}`, or for the query. An absolute target is matched by its path; its authority is its
//! host.
//!
//! # Parameters
//!
//! [`param`](crate::RequestCtx::param) gives a parameter's value, decoded once: `%2541` is `%41`. Every byte can be in
//! one, a line break or a zero byte as well, so look at what you pass on. What is no UTF-8 stays an escape, in upper
//! case: `%ff` is the text `%FF`. A value is never empty, none has a segment of two dots, and only one of `{*path}`
//! has slashes.
//!
//! # What knows the route
//!
//! Its pattern, the prefixes of its groups and its host included, is [`route`](crate::RequestCtx::route), from before
//! the first wrapper: in access logs, in what [`on_complete`](crate::ServerBuilder::on_complete) is told, for metrics.
//! Where no path was matched it is `None`. Patterns are kept until the process ends, each once. The engine learns by
//! routes, too, which handlers block.

mod assembly;
mod builder;
mod dispatch;
mod error;
mod group;
mod handlers;
mod hosts;
mod key_table;
mod layouts;
mod methods;
mod paths;
mod pattern;
mod route;
mod routes;
mod table;
#[cfg(test)]
mod tests;
mod trailing_slash;

pub use crate::ctx::UrlError;
pub use builder::Router;
pub use error::RouterError;
pub use handlers::RouteHandler;
pub use route::Route;
pub use routes::Routes;
pub use trailing_slash::TrailingSlash;
