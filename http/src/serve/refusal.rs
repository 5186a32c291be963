//! Which connections are not even served, and what they are told.

/// Which limit a connection was refused by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Concurrency,
    PerAddress,
}

impl Refusal {
    /// The status that it is answered with.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Concurrency => 503,
            Self::PerAddress => 429,
        }
    }

    /// The body of the answer, fasthttp's.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Concurrency => "The connection cannot be served because Server.Concurrency limit exceeded",
            Self::PerAddress => "The number of connections from your ip exceeds MaxConnsPerIP",
        }
    }
}
