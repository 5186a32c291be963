//! Opening handshakes of WebSockets: any values of the fields that matter.
//!
//! The idea: the values are the input, one behind the other. What is accepted must be what the RFC asks for, judged
//! here field by field, and what is answered must be one line each and come from what was offered.

use anthill_http::websocket::{DeflateOptions, Handshake, HandshakeRequest, OriginPolicy};
use anthill_http::{Headers, Version};

use super::plan::{Plan, fields};

const NAMES: [&str; 7] = [
    "Connection",
    "Upgrade",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
    "Origin",
];

/// What stands in the fields that the input leaves empty.
const GOOD: [&str; 4] = ["Upgrade", "websocket", "13", "dGhlIHNhbXBsZSBub25jZQ=="];

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let values = fields::<8>(input);
    let mut headers = Headers::new();
    for (place, name) in NAMES.into_iter().enumerate() {
        let value = match values[place] {
            [] => GOOD.get(place).map(|good| good.as_bytes()),
            value => Some(value),
        };
        if let Some(value) = value {
            headers.append(name, value);
            if plan.is_yes() {
                headers.append(name, value);
            }
        }
    }
    let host = if values[7].is_empty() { b"example.com" } else { values[7] };
    let keeps = plan.is_yes();
    let options =
        DeflateOptions { server_context_takeover: keeps, client_context_takeover: keeps, min_size: 0 };
    let handshake = Handshake::new().subprotocols(["chat", "superchat"]).deflate(options);
    let request =
        HandshakeRequest { method: "GET", version: Version::Http11, host, headers: headers.fields() };

    let Ok(answer) = handshake.accept(&request) else {
        let error = handshake.accept(&request).expect_err("the same again");
        assert!([400, 403, 405, 426].contains(&error.status()) && !error.to_string().is_empty());
        let open = handshake.clone().origins(OriginPolicy::Any);
        assert_eq!(
            open.accept(&request).is_ok(),
            error.status() == 403,
            "only the origin is wrong: {error:?}"
        );
        return;
    };
    let lines = |name: &str| headers.get_all(name).map(|line| line.to_ascii_lowercase()).collect::<Vec<_>>();
    let has = |name: &str, token: &str| {
        let is = |element: &[u8]| element.trim_ascii() == token.as_bytes();
        lines(name).iter().any(|line| line.split(|&byte| byte == b',').any(is))
    };
    assert!(has("Connection", "upgrade") && has("Upgrade", "websocket"));
    assert_eq!(lines("Sec-WebSocket-Version"), [b"13"]);
    let keys: Vec<&[u8]> = headers.get_all("Sec-WebSocket-Key").collect();
    let [key] = keys[..] else { panic!("{} keys", keys.len()) };
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    assert!(
        key.len() == 24 && key.ends_with(b"==") && key[..22].iter().all(is_digit),
        "{}",
        key.escape_ascii()
    );
    assert_eq!(answer.accept.len(), 28);
    if let Some(chosen) = &answer.subprotocol {
        assert!(has("Sec-WebSocket-Protocol", chosen) && ["chat", "superchat"].contains(&chosen.as_str()));
    }
    if let Some(params) = &answer.deflate {
        let offered = lines("Sec-WebSocket-Extensions").concat();
        assert!(String::from_utf8_lossy(&offered).contains("permessage-deflate"));
        assert!(keeps || params.answer().contains("server_no_context_takeover; client_no_context_takeover"));
    }
    for (name, value) in answer.headers() {
        assert!(value.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{name}: {value:?}");
    }
}
