//! The protocol version of a message.

/// The protocol version of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// `HTTP/1.0`, and any `HTTP/1.x` that is not 1.1.
    // PAR-02.
    Http10,
    /// `HTTP/1.1`.
    #[default]
    Http11,
}
