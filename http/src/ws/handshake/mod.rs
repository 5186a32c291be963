//! The opening handshake: whether a request becomes a WebSocket, and what it is answered.
//!
//! The idea: a function of the request's head. Whatever is wrong has a name and a status, so that a person who looks at
//! it with a browser or `curl` sees what was expected.
//!
//! The files: the key and its answer (`key`), the side of a client (`offer`), from where a browser may come (`origin`),
//! refusals (`error`).
//!
//! Source: RFC 6455 sections 4.2 and 11.3; status 426: RFC 9110 section 15.5.22.

mod error;
mod key;
#[cfg(feature = "client")]
mod offer;
mod origin;

pub use error::HandshakeError;
pub use key::HandshakeKey;
#[cfg(feature = "client")]
pub use offer::BadHandshakeAnswer;
pub use origin::OriginPolicy;

use super::deflate::{DeflateOptions, DeflateParams};
use super::extensions::read_extensions;
use crate::util::token;
use crate::values::header::has_token;
use crate::values::headers::Fields;
use crate::values::version::Version;

/// The one version of the protocol.
pub(super) const VERSION: &str = "13";

/// What a server wants of a handshake.
///
/// ```
/// use anthill_http::websocket::{Handshake, HandshakeRequest};
/// use anthill_http::{Headers, Version};
///
/// let headers = Headers::from_iter([
///     ("Upgrade", "websocket"),
///     ("Connection", "keep-alive, Upgrade"),
///     ("Sec-WebSocket-Version", "13"),
///     ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
///     ("Sec-WebSocket-Protocol", "chat, superchat"),
///     ("Origin", "https://example.com"),
/// ]);
/// let request = HandshakeRequest {
///     method: "GET",
///     version: Version::Http11,
///     host: b"example.com",
///     headers: headers.fields(),
/// };
/// let answer = Handshake::new().subprotocols(["superchat"]).accept(&request)?;
/// assert_eq!(answer.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// assert_eq!(answer.subprotocol.as_deref(), Some("superchat"));
/// # Ok::<(), anthill_http::websocket::HandshakeError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Handshake {
    subprotocols: Vec<String>,
    origins: OriginPolicy,
    deflate: Option<DeflateOptions>,
}

/// The head of a request, as far as a handshake looks at it.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The version of HTTP.
    pub version: Version,
    /// For which host it is, with a port if there is one: the field `Host`, or that of an absolute target; behind a
    /// proxy what the browser has asked for.
    pub host: &'a [u8],
    /// All fields.
    pub headers: Fields<'a>,
}

/// What a handshake came to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandshakeAnswer {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
    /// The subprotocol that was chosen.
    pub subprotocol: Option<String>,
    /// What was agreed on about compression.
    pub deflate: Option<DeflateParams>,
}

impl Handshake {
    /// No subprotocol, browsers only from pages of the same host, no compression.
    pub fn new() -> Self {
        Self::default()
    }

    /// The subprotocols that can be spoken, the best one first. The first one that the client knows as well is chosen;
    /// without one the connection has none, which is for the handler to judge.
    pub fn subprotocols(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.subprotocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// From which pages browsers may come. Default: those of the same host.
    pub fn origins(mut self, origins: OriginPolicy) -> Self {
        self.origins = origins;
        self
    }

    /// How messages may be compressed. Default `None`: not at all.
    pub fn deflate(mut self, options: impl Into<Option<DeflateOptions>>) -> Self {
        self.deflate = options.into();
        self
    }

    /// What a request is answered with status 101.
    ///
    /// # Errors
    /// Why it is no handshake, or not a welcome one; with the status of the answer.
    pub fn accept(&self, request: &HandshakeRequest<'_>) -> Result<HandshakeAnswer, HandshakeError> {
        let values = |name: &'static str| request.headers.get_all(name);
        if request.method != "GET" {
            return Err(HandshakeError::Method);
        }
        // "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request" (RFC 9110 section
        // 7.8).
        let asks = request.version != Version::Http10
            && has_token(values("Connection"), "Upgrade")
            && has_token(values("Upgrade"), "websocket");
        if !asks {
            return Err(HandshakeError::NoUpgrade);
        }
        if only(values("Sec-WebSocket-Version")) != Some(VERSION.as_bytes()) {
            return Err(HandshakeError::Version);
        }
        let key =
            only(values("Sec-WebSocket-Key")).and_then(HandshakeKey::read).ok_or(HandshakeError::Key)?;
        let subprotocol = self.choose(values("Sec-WebSocket-Protocol"))?;
        let offers = read_extensions(values("Sec-WebSocket-Extensions"));
        let offers = offers.map_err(|_| HandshakeError::Extensions)?;
        if !self.origins.allows(values("Origin"), request.host) {
            return Err(HandshakeError::Origin);
        }
        let deflate = self.deflate.as_ref().and_then(|options| DeflateParams::agree(options, &offers));
        Ok(HandshakeAnswer { accept: key.accept(), subprotocol, deflate })
    }

    /// The best of the subprotocols that a client knows: "all unique strings", tokens.
    fn choose<'a>(&self, lines: impl Iterator<Item = &'a [u8]>) -> Result<Option<String>, HandshakeError> {
        let mut known: Vec<&[u8]> = lines.flat_map(token::list).collect();
        if !known.iter().all(|name| token::is_token(name)) {
            return Err(HandshakeError::Subprotocols);
        }
        known.sort_unstable();
        if known.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(HandshakeError::Subprotocols);
        }
        let chosen = self.subprotocols.iter().find(|name| known.binary_search(&name.as_bytes()).is_ok());
        Ok(chosen.cloned())
    }
}

impl HandshakeAnswer {
    /// The fields of the response beside `Upgrade` and `Connection`.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let extensions = self.deflate.map(|params| params.answer());
        [
            ("Sec-WebSocket-Accept", Some(self.accept.clone())),
            ("Sec-WebSocket-Protocol", self.subprotocol.clone()),
            ("Sec-WebSocket-Extensions", extensions),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// The one value, if there is just one.
fn only<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests;
