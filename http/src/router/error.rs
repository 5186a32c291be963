//! What is wrong with a router.

use crate::config::error::BuildError;
use std::convert::Infallible;
use std::fmt;

/// What is wrong with the routes of a [`Router`](crate::Router): everything, one sentence each.
///
/// ```
/// use anthill_http::{RequestCtx, Router, Server};
/// let router = || {
///     Router::new()
///         .get("/users/{id}", |_: &mut RequestCtx| {})
///         .get("/users/{name}", |_: &mut RequestCtx| {})
///         .post("users", |_: &mut RequestCtx| {})
/// };
/// let error = router().build().unwrap_err();
/// assert_eq!(error.problems(), [
///     "the route users: a path starts with a slash",
///     "GET is answered twice at the same paths: by the route /users/{id} and the route /users/{name}",
/// ]);
///
/// let error = Server::builder().build_router(router()).unwrap_err();
/// assert_eq!(error.option(), "router");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RouterError {
    problems: Vec<String>,
}

impl RouterError {
    pub(super) fn new(problems: Vec<String>) -> Self {
        Self { problems }
    }

    /// What is wrong.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for RouterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

/// As its text, which is what is shown when `main` returns it.
impl fmt::Debug for RouterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for RouterError {}

impl From<RouterError> for BuildError {
    fn from(error: RouterError) -> Self {
        Self::new("router", format!("has problems: {error}"))
    }
}

/// Of what cannot fail.
impl From<Infallible> for BuildError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
