//! Opening handshakes of WebSockets: any values of the fields that matter.
//!
//! The idea: the values are the input, one behind the other. What is accepted must be what the RFC asks for, judged
//! here field by field, and what is answered must be one line each and come from what was offered. The same request
//! that comes over a connection must be answered in the same way.

use std::sync::LazyLock;

use anthill_http::websocket::{
    DeflateOptions, Handshake, HandshakeAnswer, HandshakeError, HandshakeRequest, Message, OriginPolicy,
    WebSocketHandler, WebSocketOptions, WebSocketResult, WebSocketSender,
};
use anthill_http::{Headers, RequestCtx, Server, Version};

use super::line::{Habits, Line};
use super::plan::{Plan, fields, shown};

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

const PROTOCOLS: [&str; 2] = ["chat", "superchat"];

fn deflate(keeps: bool) -> DeflateOptions {
    DeflateOptions { server_context_takeover: keeps, client_context_takeover: keeps, min_size: 0 }
}

/// Hears everything and says nothing.
struct Silent;

impl WebSocketHandler for Silent {
    fn on_message(&mut self, _: &WebSocketSender, _: Message) -> WebSocketResult {
        Ok(())
    }
}

/// Without and with what is kept from message to message.
static SERVERS: LazyLock<[Server; 2]> = LazyLock::new(|| {
    [false, true].map(|keeps| {
        let options = WebSocketOptions::builder().subprotocols(PROTOCOLS).compression(deflate(keeps));
        let options = options.build().expect("options that go together");
        let handler = move |ctx: &mut RequestCtx| {
            ctx.upgrade_websocket_handler(&options, Silent);
        };
        Server::new(handler).expect("the defaults")
    })
});

/// Sends a request with these fields over a connection, and sees that it is answered in the same way.
fn over_a_connection(
    headers: &Headers,
    expected: &Result<HandshakeAnswer, HandshakeError>,
    keeps: bool,
    habits: Habits,
) {
    let mut request = b"GET / HTTP/1.1\r\nHost: example.com\r\n".to_vec();
    for (name, value) in headers.iter() {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    let (line, view) = Line::new(&request, habits);
    let _ = SERVERS[usize::from(keeps)].serve_conn(line);
    let written = view.written();
    let text = String::from_utf8_lossy(&written);
    let (head, _) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}: {}", shown(&request)));
    let status = expected.as_ref().map_or_else(|error| error.status(), |_| 101);
    assert!(
        head.starts_with(&format!("HTTP/1.1 {status} ")),
        "{head}, not {expected:?}: {}",
        shown(&request)
    );
    let Ok(answer) = expected else { return };
    let lines: Vec<&str> = head.split("\r\n").filter(|line| line.starts_with("Sec-Websocket-")).collect();
    assert_eq!(lines.len(), answer.headers().count(), "{head}");
    for (name, value) in answer.headers() {
        let is_there = |line: &&str| {
            line.split_once(": ")
                .is_some_and(|(found, text)| found.eq_ignore_ascii_case(name) && text == value)
        };
        assert!(lines.iter().any(is_there), "{name}: {value} is not in {head}");
    }
}

/// Whether values are what they are on the wire as well, and few enough: all else is a matter of how heads are read.
fn are_plain(headers: &Headers) -> bool {
    const MOST: usize = 3000;
    let length: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let is_plain =
        |value: &[u8]| value.trim_ascii() == value && value.iter().all(|byte| (b' '..0x7f).contains(byte));
    length <= MOST && headers.iter().all(|(_, value)| is_plain(value))
}

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
    let habits = Habits { reads: plan.bytes(5).iter().map(|size| size % 201).collect(), writes: Vec::new() };
    let handshake = Handshake::new().subprotocols(PROTOCOLS).deflate(deflate(keeps));
    let request =
        HandshakeRequest { method: "GET", version: Version::Http11, host, headers: headers.fields() };

    let answered = handshake.accept(&request);
    if values[7].is_empty() && are_plain(&headers) {
        over_a_connection(&headers, &answered, keeps, habits);
    }
    let Ok(answer) = answered else {
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
        assert!(has("Sec-WebSocket-Protocol", chosen) && PROTOCOLS.contains(&chosen.as_str()));
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
