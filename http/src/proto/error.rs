//! Why bytes did not become a request, and what the peer is told about it.
//!
//! The rule: one variant per cause, and [`ProtoError::status`] is the only place that turns a cause into a status
//! code.

use std::fmt;

/// The reason why a request was refused before it reached a handler.
///
/// Whoever receives one decides on it by code, so it is small and `Copy`. More causes may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtoError {
    /// The request line or a field line is malformed (rows `PAR-01` to `PAR-10`).
    Syntax,
    /// The head does not fit the limit (row `LIM-04`).
    HeadTooLarge,
    /// The request line alone does not fit the limit of the head, because of its target.
    TargetTooLong,
    /// What stands where a method should does not end within the limit of the head.
    MethodTooLong,
    /// More header fields than allowed.
    TooManyFields,
    /// The body is or would be larger than allowed (rows `LIM-05`, `LIM-06`).
    BodyTooLarge,
    /// An HTTP/1.1 request without a `Host` field, or with an empty one (row `PAR-05`).
    MissingHost,
    /// More than one `Host` field (row `PAR-05`).
    DuplicateHost,
    /// The `Host` field or the authority of the target is not a host with an optional port (row `PAR-06`).
    BadHost,
    /// The `Content-Length` is not a number below 2^63 (row `PAR-11`).
    BadContentLength,
    /// More than one `Content-Length` field, even with equal values (row `PAR-12`).
    DuplicateContentLength,
    /// A `Transfer-Encoding` that is not exactly `chunked` on one line (row `PAR-13`).
    BadTransferEncoding,
    /// A `Transfer-Encoding` in a request that is not HTTP/1.1 (row `PAR-14`).
    TransferEncodingOnHttp10,
    /// A chunk size, a chunk extension or the end of a chunk is malformed (row `BDY-05`).
    BadChunk,
    /// A trailer field is malformed, or has a name that must not be a trailer (row `BDY-07`).
    BadTrailer,
    /// The trailer section does not fit its bounds.
    TrailersTooLarge,
    /// The major version is not 1.
    UnsupportedVersion,
    /// An `Expect` field that is not `100-continue` (row `EXP-04`).
    ExpectationFailed,
    /// The request did not arrive in time. Raised by whoever keeps the time (row `TMO-02`).
    Timeout,
    /// The peer closed the connection in the middle of a request (row `BDY-04`).
    UnexpectedEnd,
}

impl ProtoError {
    /// The status code with which a request is refused for this.
    ///
    /// ```
    /// assert_eq!(anthill_http::ProtoError::BodyTooLarge.status(), 413);
    /// ```
    pub fn status(self) -> u16 {
        match self {
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailersTooLarge => 431,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::MethodTooLong => 501,
            Self::UnsupportedVersion => 505,
            Self::ExpectationFailed => 417,
            Self::Timeout => 408,
            Self::Syntax
            | Self::MissingHost
            | Self::DuplicateHost
            | Self::BadHost
            | Self::BadContentLength
            | Self::DuplicateContentLength
            | Self::BadTransferEncoding
            | Self::TransferEncodingOnHttp10
            | Self::BadChunk
            | Self::BadTrailer
            | Self::UnexpectedEnd => 400,
        }
    }
}

/// The body of a refusal, by its status: fasthttp's text where it has one.
pub(crate) fn refusal_text(status: u16) -> &'static str {
    match status {
        408 => "Request timeout",
        413 => "Request body too large",
        414 => "Too long request target",
        417 => "",
        431 => "Too big request header",
        501 => "Unsupported method",
        505 => "HTTP version not supported",
        _ => "Error when parsing request",
    }
}

impl fmt::Display for ProtoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "malformed request line or header field",
            Self::HeadTooLarge => "request head exceeds the limit; raise it if such heads are expected",
            Self::TargetTooLong => "request target exceeds the limit; raise it if such targets are expected",
            Self::MethodTooLong => "no method ends within the limit of the head",
            Self::TooManyFields => "too many header fields",
            Self::BodyTooLarge => "request body exceeds the limit; raise it if such bodies are expected",
            Self::MissingHost => "missing host field",
            Self::DuplicateHost => "more than one host field",
            Self::BadHost => "invalid host",
            Self::BadContentLength => "invalid content-length",
            Self::DuplicateContentLength => "more than one content-length field",
            Self::BadTransferEncoding => "unsupported transfer-encoding; only chunked is",
            Self::TransferEncodingOnHttp10 => "transfer-encoding in a request that is not http/1.1",
            Self::BadChunk => "malformed chunk",
            Self::BadTrailer => "malformed or forbidden trailer",
            Self::TrailersTooLarge => "trailer section exceeds the limit",
            Self::UnsupportedVersion => "unsupported protocol version; use http/1.1",
            Self::ExpectationFailed => "unknown expectation; only 100-continue is met",
            Self::Timeout => "the request did not arrive in time",
            Self::UnexpectedEnd => "unexpected end of the connection inside a request",
        })
    }
}

impl std::error::Error for ProtoError {}
