//! What becomes of a slash too much or too few.

/// What becomes of a path that no route matches, but that one would match with a slash more, or less, at its end; for
/// [`Router::trailing_slash`](crate::Router::trailing_slash).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailingSlash {
    /// It is another path: 404.
    #[default]
    Strict,
    /// The client is sent there, by a 308, which keeps method and body.
    Redirect,
    /// It is the same one.
    Ignore,
}
