//! What a handshake comes to, field by field.

use super::*;
use crate::values::headers::Headers;

const GOOD: [(&str, &str); 4] = [
    ("Connection", "keep-alive, upgrade"),
    ("Upgrade", "WebSocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// The answer to a good handshake without the fields named in `changes`, and with those instead that have a value.
fn answer(handshake: &Handshake, changes: &[(&str, &str)]) -> Result<HandshakeAnswer, HandshakeError> {
    let kept = GOOD.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let set = changes.iter().filter(|(_, value)| *value != "(none)");
    let headers = Headers::from_iter(kept.chain(set).copied());
    handshake.accept(&HandshakeRequest {
        method: "GET",
        version: Version::Http11,
        host: b"example.com",
        headers: headers.fields(),
    })
}

#[test]
fn a_good_one() {
    let answer = answer(&Handshake::new(), &[]).expect("good");
    assert_eq!(
        answer.headers().collect::<Vec<_>>(),
        [("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned())]
    );
}

#[test]
fn whatever_is_wrong_has_a_name() {
    let cases: &[(&[(&str, &str)], HandshakeError)] = &[
        (&[("Connection", "(none)")], HandshakeError::NoUpgrade),
        (&[("Connection", "keep-alive")], HandshakeError::NoUpgrade),
        (&[("Connection", "not-upgrade")], HandshakeError::NoUpgrade),
        (&[("Upgrade", "(none)")], HandshakeError::NoUpgrade),
        (&[("Upgrade", "h2c")], HandshakeError::NoUpgrade),
        (&[("Upgrade", "websocket/13")], HandshakeError::NoUpgrade),
        (&[("Sec-WebSocket-Version", "(none)")], HandshakeError::Version),
        (&[("Sec-WebSocket-Version", "8")], HandshakeError::Version),
        (&[("Sec-WebSocket-Version", "13, 8")], HandshakeError::Version),
        (&[("Sec-WebSocket-Version", "013")], HandshakeError::Version),
        (&[("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Version", "13")], HandshakeError::Version),
        (&[("Sec-WebSocket-Key", "(none)")], HandshakeError::Key),
        (&[("Sec-WebSocket-Key", "")], HandshakeError::Key),
        (&[("Sec-WebSocket-Key", "c2hvcnQ=")], HandshakeError::Key),
        (&[("Sec-WebSocket-Key", GOOD[3].1), ("Sec-WebSocket-Key", GOOD[3].1)], HandshakeError::Key),
        (&[("Origin", "https://evil.example")], HandshakeError::Origin),
        (&[("Sec-WebSocket-Protocol", "a b")], HandshakeError::Subprotocols),
        (
            &[("Sec-WebSocket-Protocol", "a, b"), ("Sec-WebSocket-Protocol", "a")],
            HandshakeError::Subprotocols,
        ),
        (&[("Sec-WebSocket-Extensions", "permessage-deflate;")], HandshakeError::Extensions),
        (&[("Sec-WebSocket-Extensions", "x; y=\"")], HandshakeError::Extensions),
    ];
    for (changes, error) in cases {
        assert_eq!(answer(&Handshake::new(), changes), Err(*error), "{changes:?}");
    }
}

#[test]
fn methods_and_versions() {
    let headers = Headers::from_iter(GOOD);
    let request =
        HandshakeRequest { method: "GET", version: Version::Http11, host: b"h", headers: headers.fields() };
    let handshake = Handshake::new();
    assert!(handshake.accept(&request).is_ok());
    for method in ["POST", "get", "HEAD", "CONNECT", ""] {
        let request = HandshakeRequest { method, ..request };
        assert_eq!(handshake.accept(&request), Err(HandshakeError::Method), "{method}");
    }
    let request = HandshakeRequest { version: Version::Http10, ..request };
    assert_eq!(handshake.accept(&request), Err(HandshakeError::NoUpgrade));
}

#[test]
fn the_servers_best_subprotocol_is_chosen() {
    let handshake = Handshake::new().subprotocols(["v2.chat", "v1.chat"]);
    for (known, expected) in [
        (&[][..], None),
        (&[("Sec-WebSocket-Protocol", "v1.chat")], Some("v1.chat")),
        (&[("Sec-WebSocket-Protocol", "x, v1.chat ,v2.chat")], Some("v2.chat")),
        (&[("Sec-WebSocket-Protocol", "v1.chat"), ("Sec-WebSocket-Protocol", "v2.chat")], Some("v2.chat")),
        (&[("Sec-WebSocket-Protocol", "V1.CHAT, v3.chat")], None),
        (&[("Sec-WebSocket-Protocol", " , ")], None),
    ] {
        let answer = answer(&handshake, known).expect("good");
        assert_eq!(answer.subprotocol.as_deref(), expected, "{known:?}");
    }
}

#[test]
fn compression_is_agreed_on_when_both_want_it() {
    let offer = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")];
    assert_eq!(answer(&Handshake::new(), &offer).expect("good").deflate, None);
    let handshake = Handshake::new().deflate(DeflateOptions::default());
    assert_eq!(answer(&handshake, &[]).expect("good").deflate, None);
    let agreed = answer(&handshake, &offer).expect("good");
    assert_eq!(
        agreed.headers().last(),
        Some((
            "Sec-WebSocket-Extensions",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned()
        ))
    );
}
