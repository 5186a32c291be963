//! The opening handshake, as a client has it.
//!
//! The rule: what a server agrees on was offered, all of it; anything else is no answer to this handshake.
//!
//! Source: RFC 6455 section 4.1.

use super::{Handshake, HandshakeAnswer, HandshakeKey, VERSION, only};
use crate::util::token;
use crate::values::header::has_token;
use crate::values::headers::Fields;
use std::fmt;

/// A handshake that a client begins.
pub(crate) struct HandshakeOffer<'a> {
    wanted: &'a Handshake,
    key: HandshakeKey,
}

/// Why a response with status 101 does not answer the handshake of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadHandshakeAnswer {
    /// It does not agree on the protocol `websocket`, by `Upgrade` and `Connection`.
    NoUpgrade,
    /// `Sec-WebSocket-Accept` does not answer the key that was sent. Who sent it may not know what a WebSocket is.
    Accept,
    /// It chooses a subprotocol that was not offered, or several.
    Subprotocol,
    /// It chooses an extension that was not offered, or not in that way.
    Extensions,
}

impl fmt::Display for BadHandshakeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUpgrade => "it does not agree on the protocol, by Upgrade and Connection",
            Self::Accept => "Sec-WebSocket-Accept does not answer the key",
            Self::Subprotocol => "Sec-WebSocket-Protocol was not offered",
            Self::Extensions => "Sec-WebSocket-Extensions was not offered",
        })
    }
}

impl std::error::Error for BadHandshakeAnswer {}

impl Handshake {
    /// Begins a handshake. `None`: its subprotocols cannot be offered, because one is no token, or is there twice.
    pub(crate) fn offer(&self) -> Option<HandshakeOffer<'_>> {
        let mut names: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        names.sort_unstable();
        let are_tokens = names.iter().all(|name| token::is_token(name.as_bytes()));
        let are_unique = names.windows(2).all(|pair| pair[0] != pair[1]);
        (are_tokens && are_unique).then(|| HandshakeOffer { wanted: self, key: HandshakeKey::random() })
    }
}

impl HandshakeOffer<'_> {
    /// The fields of the request.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let subprotocols =
            (!self.wanted.subprotocols.is_empty()).then(|| self.wanted.subprotocols.join(", "));
        [
            ("Upgrade", Some("websocket".to_owned())),
            ("Connection", Some("Upgrade".to_owned())),
            ("Sec-WebSocket-Version", Some(VERSION.to_owned())),
            ("Sec-WebSocket-Key", Some(self.key.as_str().to_owned())),
            ("Sec-WebSocket-Protocol", subprotocols),
            ("Sec-WebSocket-Extensions", self.wanted.deflate.map(|options| options.offer())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// What the fields of a response with status 101 come to.
    ///
    /// # Errors
    /// Why it does not answer this handshake.
    pub(crate) fn read(&self, headers: Fields<'_>) -> Result<HandshakeAnswer, BadHandshakeAnswer> {
        let values = |name: &'static str| headers.get_all(name);
        if !has_token(values("Connection"), "Upgrade") || !has_token(values("Upgrade"), "websocket") {
            return Err(BadHandshakeAnswer::NoUpgrade);
        }
        let accept = only(values("Sec-WebSocket-Accept")).unwrap_or_default();
        if !self.key.is_answered_by(accept) {
            return Err(BadHandshakeAnswer::Accept);
        }
        let subprotocol = match headers.get("Sec-WebSocket-Protocol") {
            None => None,
            Some(_) => {
                let chosen = only(values("Sec-WebSocket-Protocol"));
                let known = self.wanted.subprotocols.iter().find(|name| chosen == Some(name.as_bytes()));
                Some(known.cloned().ok_or(BadHandshakeAnswer::Subprotocol)?)
            }
        };
        let mut extensions = values("Sec-WebSocket-Extensions");
        let deflate = match &self.wanted.deflate {
            Some(options) => options.read_answer(extensions).map_err(|_| BadHandshakeAnswer::Extensions)?,
            None if extensions.next().is_some() => return Err(BadHandshakeAnswer::Extensions),
            None => None,
        };
        Ok(HandshakeAnswer { accept: self.key.accept(), subprotocol, deflate })
    }
}

#[cfg(test)]
mod tests {
    use super::super::HandshakeRequest;
    use super::*;
    use crate::values::headers::Headers;
    use crate::values::version::Version;
    use crate::ws::DeflateOptions;

    #[test]
    fn both_sides_of_a_handshake_agree() {
        let client = Handshake::new().subprotocols(["b", "a"]).deflate(DeflateOptions::default());
        let offer = client.offer().expect("these can be offered");
        let headers: Headers = offer.headers().collect();
        let request = HandshakeRequest {
            method: "GET",
            version: Version::Http11,
            host: b"h",
            headers: headers.fields(),
        };
        let server = Handshake::new().subprotocols(["a"]).deflate(DeflateOptions::default());
        let answer = server.accept(&request).expect("a handshake");
        let mut headers: Headers = answer.headers().collect();
        headers.append("Upgrade", "WebSocket");
        headers.append("Connection", "keep-alive, upgrade");
        let read = offer.read(headers.fields()).expect("an answer");
        assert_eq!((read.subprotocol.as_deref(), read.accept), (Some("a"), answer.accept));
        assert!(read.deflate.is_some());
    }

    #[test]
    fn what_does_not_answer() {
        use BadHandshakeAnswer::{Accept, Extensions, NoUpgrade, Subprotocol};
        let client = Handshake::new().subprotocols(["a", "b"]);
        let offer = client.offer().expect("these can be offered");
        let accept = offer.key.accept();
        let good =
            [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept.as_str())];
        assert!(offer.read(good.into_iter().collect::<Headers>().fields()).is_ok());
        for (name, value, expected) in [
            ("Upgrade", "h2c", NoUpgrade),
            ("Connection", "close", NoUpgrade),
            ("Sec-WebSocket-Accept", "", Accept),
            ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", Accept),
            ("Sec-WebSocket-Protocol", "c", Subprotocol),
            ("Sec-WebSocket-Protocol", "a, b", Subprotocol),
            ("Sec-WebSocket-Protocol", "A", Subprotocol),
            ("Sec-WebSocket-Extensions", "permessage-deflate", Extensions),
        ] {
            let mut headers: Headers = good.into_iter().collect();
            headers.set(name, value);
            assert_eq!(offer.read(headers.fields()), Err(expected), "{name}: {value}");
        }
        let mut twice: Headers = good.into_iter().collect();
        twice.append("Sec-WebSocket-Accept", accept.as_str());
        assert_eq!(offer.read(twice.fields()), Err(Accept));
        let mut twice: Headers = good.into_iter().collect();
        twice.append("Sec-WebSocket-Protocol", "a");
        twice.append("Sec-WebSocket-Protocol", "b");
        assert_eq!(offer.read(twice.fields()), Err(Subprotocol));
        for names in [["a", "a"], ["a b", "c"], ["", "a"]] {
            assert!(Handshake::new().subprotocols(names).offer().is_none(), "{names:?}");
        }
    }
}
