//! The key of a handshake, and the answer that shows that a server speaks WebSocket.
//!
//! Source: RFC 6455 sections 4.1 and 4.2.2.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest, Sha1};
use std::hash::{BuildHasher, RandomState};

/// Appended to a key before it is hashed.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The last of 22 digits has four bits too many. What a client has in them is nobody's business, as in other servers.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// The value of `Sec-WebSocket-Key`: 16 bytes that a client has made up, in base64.
///
/// ```
/// use anthill_http::websocket::HandshakeKey;
/// let key = HandshakeKey::random();
/// assert!(key.is_answered_by(key.accept().as_bytes()));
/// assert!(!key.is_answered_by(HandshakeKey::random().accept().as_bytes()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HandshakeKey(String);

impl HandshakeKey {
    /// Another one each time, for a client.
    pub fn random() -> Self {
        // The standard library's keyed hash, whose key comes from the system: no secret, but nobody meets it twice.
        let half = |_| RandomState::new().hash_one(0_u8).to_ne_bytes();
        Self(BASE64.encode([0, 1].map(half).concat()))
    }

    /// Reads the value of the field.
    pub fn read(value: &[u8]) -> Option<Self> {
        // The decoder asks for room for 18, before it has seen the padding.
        let mut bytes = [0; 18];
        let is_key =
            value.len() == 24 && BASE64.decode_slice(value, &mut bytes).is_ok_and(|length| length == 16);
        if is_key { std::str::from_utf8(value).ok().map(|key| Self(key.to_owned())) } else { None }
    }

    /// The key, as it stands in the field.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of `Sec-WebSocket-Accept` that answers it.
    pub fn accept(&self) -> String {
        BASE64.encode(Sha1::new().chain_update(&self.0).chain_update(GUID).finalize())
    }

    /// Whether `accept`, what a server has sent, answers it.
    pub fn is_answered_by(&self, accept: &[u8]) -> bool {
        self.accept().as_bytes() == accept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let key = HandshakeKey::read(b"dGhlIHNhbXBsZSBub25jZQ==").expect("a key");
        assert_eq!(key.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_no_key() {
        for value in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "dGhlIHNhbXBsZSBub25jZSEh",
            "dGhlIHNhbXBsZSBub25j====",
            "dGhlIHNhbXBsZSBub25j_-==",
            "dGhlIHNhbXBsZSBub25 ZQ==",
            "dGhlIHNhbXBsZSBub25jZQ== ",
            "\u{e9}GhlIHNhbXBsZSBub25jZQ=",
        ] {
            assert_eq!(HandshakeKey::read(value.as_bytes()), None, "{value:?}");
        }
        let loose = "dGhlIHNhbXBsZSBub25jZR==";
        assert_eq!(HandshakeKey::read(loose.as_bytes()).expect("a key").as_str(), loose);
    }

    #[test]
    fn random_keys_are_keys() {
        let keys: std::collections::HashSet<String> =
            (0..100).map(|_| HandshakeKey::random().as_str().to_owned()).collect();
        assert_eq!(keys.len(), 100);
        for key in keys {
            assert!(HandshakeKey::read(key.as_bytes()).is_some(), "{key}");
        }
    }
}
