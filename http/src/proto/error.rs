//! Why bytes did not become a message, and what a client is told about it.
//!
//! The rule: one variant per cause, whichever role found it, and [`ProtoError::status`] is the only place that turns a
//! cause into a status code.

use std::fmt;

/// The reason why what a peer sent is not a message.
///
/// A server refuses the request for it, before it reaches a handler, with its [`status`](Self::status).
///
/// Whoever receives one decides on it by code, so it is small and `Copy`. More causes may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtoError {
    /// A line of a head ends with a line feed alone, without a carriage return before it.
    BareLineFeed,
    /// The request line begins with white space.
    MissingMethod,
    /// What stands where a method should is no token.
    BadMethod,
    /// The request line is a method alone, or has nothing between its method and its version.
    MissingTarget,
    /// The target has none of the four forms that there are, or not the one that its method asks for.
    BadTarget,
    /// The request line does not end with `HTTP/`, a digit, a dot and a digit.
    BadVersion,
    /// The parts of the request line are not parted by one space each: by more, by other white space, or there are too
    /// many.
    BadSpacing,
    /// The name of a header field is no token, is not followed by a colon at once, or begins with space (a folded
    /// line).
    BadFieldName,
    /// The value of a header field has control characters.
    BadFieldValue,
    /// A TLS handshake came to a port that speaks plain HTTP.
    TlsHandshake,
    /// A line of a head does not end as it should: a carriage return stands without a line feed, say.
    Syntax,
    /// The head does not fit the limit.
    HeadTooLarge,
    /// The request line alone does not fit the limit of the head, because of its target.
    TargetTooLong,
    /// What stands where a method should does not end within the limit of the head.
    MethodTooLong,
    /// More header fields than allowed.
    TooManyFields,
    /// The body is or would be larger than allowed.
    BodyTooLarge,
    /// An HTTP/1.1 request without a `Host` field, or with an empty one.
    MissingHost,
    /// More than one `Host` field.
    DuplicateHost,
    /// The `Host` field or the authority of the target is not a host with an optional port.
    BadHost,
    /// The `Content-Length` is not a number below 2^63.
    BadContentLength,
    /// More than one `Content-Length` field, even with equal values.
    DuplicateContentLength,
    /// A `Transfer-Encoding` that is not exactly `chunked` on one line.
    BadTransferEncoding,
    /// A `Transfer-Encoding` in a message that is not HTTP/1.1.
    TransferEncodingOnHttp10,
    /// A chunk size, a chunk extension or the end of a chunk is malformed.
    BadChunk,
    /// A trailer field is malformed, or has a name that must not be a trailer.
    BadTrailer,
    /// The trailer section does not fit its bounds.
    TrailersTooLarge,
    /// The major version is not 1.
    UnsupportedVersion,
    /// An `Expect` field that is not `100-continue`.
    ExpectationFailed,
    /// The message did not arrive in time. Raised by whoever keeps the time.
    Timeout,
    /// The peer closed the connection in the middle of a message.
    UnexpectedEnd,
    /// A response does not begin with a version, a code of three digits and a reason.
    BadStatusLine,
    /// A request got more interim (1xx) responses than anybody has use for.
    TooManyInterim,
    /// A response switches to another protocol (101), for which the request did not ask.
    UnexpectedUpgrade,
    /// Bytes came from a server that belong to no response which was asked for.
    ExtraBytes,
}

impl ProtoError {
    /// The status code with which a server refuses a request for this; for what only a response can have done, the one
    /// with which a gateway would tell its own client.
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
            Self::BadStatusLine | Self::TooManyInterim | Self::UnexpectedUpgrade | Self::ExtraBytes => 502,
            Self::BareLineFeed
            | Self::MissingMethod
            | Self::BadMethod
            | Self::MissingTarget
            | Self::BadTarget
            | Self::BadVersion
            | Self::BadSpacing
            | Self::BadFieldName
            | Self::BadFieldValue
            | Self::TlsHandshake
            | Self::Syntax
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
            Self::BareLineFeed => "bare line feed in a line of the head; lines end with both, CR and LF",
            Self::MissingMethod => "no method at the beginning of the request line",
            Self::BadMethod => "malformed method in the request line",
            Self::MissingTarget => "no target in the request line",
            Self::BadTarget => "malformed request target",
            Self::BadVersion => "no HTTP version at the end of the request line",
            Self::BadSpacing => "not one space each between the parts of the request line",
            Self::BadFieldName => "malformed name of a header field",
            Self::BadFieldValue => "control characters in the value of a header field",
            Self::TlsHandshake => "a TLS handshake on a port for plain http",
            Self::Syntax => "malformed end of a line in the head",
            Self::HeadTooLarge => "head exceeds the limit; raise it if such heads are expected",
            Self::TargetTooLong => "request target exceeds the limit; raise it if such targets are expected",
            Self::MethodTooLong => "no method ends within the limit of the head",
            Self::TooManyFields => "too many header fields",
            Self::BodyTooLarge => "body exceeds the limit; raise it if such bodies are expected",
            Self::MissingHost => "missing host field",
            Self::DuplicateHost => "more than one host field",
            Self::BadHost => "invalid host",
            Self::BadContentLength => "invalid content-length",
            Self::DuplicateContentLength => "more than one content-length field",
            Self::BadTransferEncoding => "unsupported transfer-encoding; only chunked is",
            Self::TransferEncodingOnHttp10 => "transfer-encoding in a message that is not http/1.1",
            Self::BadChunk => "malformed chunk",
            Self::BadTrailer => "malformed or forbidden trailer",
            Self::TrailersTooLarge => "trailer section exceeds the limit",
            Self::UnsupportedVersion => "unsupported protocol version; use http/1.1",
            Self::ExpectationFailed => "unknown expectation; only 100-continue is met",
            Self::Timeout => "the message did not arrive in time",
            Self::UnexpectedEnd => "unexpected end of the connection inside a message",
            Self::BadStatusLine => "malformed status line",
            Self::TooManyInterim => "too many interim responses",
            Self::UnexpectedUpgrade => "a switch to another protocol that was not asked for",
            Self::ExtraBytes => "bytes that belong to no response",
        })
    }
}

impl std::error::Error for ProtoError {}
