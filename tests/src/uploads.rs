//! Requests with bodies, and handlers that read them while they arrive.
//!
//! The idea: what is behind a body shows whether its end was found. So handlers of streamed bodies are wrapped by
//! [`or_next`], and [`assert_goes_on`] sends one more request.

use std::io::{self, Read};

use anthill_http::{ProtoError, RequestCtx, ServerBuilder};

use crate::client::{Client, post};
use crate::server::plain;

/// The options of a server that hands bodies over while they arrive.
pub fn streaming() -> ServerBuilder {
    plain().stream_request_body(true)
}

/// Bytes that tell where they belong.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|position| (position % 251) as u8).collect()
}

/// The head of a POST request to `target`, whose body is framed so.
pub fn head(target: &str, framing: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n")
}

/// The head of a POST request to `target` that announces so many bytes.
pub fn sized(target: &str, length: usize) -> String {
    head(target, &format!("Content-Length: {length}"))
}

/// A POST request to `target` with that body.
pub fn upload(target: &str, body: &[u8]) -> Vec<u8> {
    [sized(target, body.len()).as_bytes(), body].concat()
}

/// The same in chunks of so many bytes, with a trailer.
pub fn chunked(target: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = head(target, "Transfer-Encoding: chunked").into_bytes();
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\nX-Sum: 7\r\n\r\n");
    bytes
}

/// Reads the body by reads of `room` bytes.
pub fn read_by(ctx: &mut RequestCtx, room: usize) -> io::Result<Vec<u8>> {
    let (mut body, mut room) = (Vec::new(), vec![0; room]);
    let mut reader = ctx.body_reader();
    loop {
        match reader.read(&mut room)? {
            0 => return Ok(body),
            count => body.extend(&room[..count]),
        }
    }
}

/// Answers with the body and the trailers, or with what went wrong; the query says how large the reads are.
pub fn echo(ctx: &mut RequestCtx) {
    let room = String::from_utf8_lossy(ctx.request.query()).parse().unwrap_or(8 * 1024);
    let before = match ctx.path() {
        "/before" => format!("{} then ", ctx.request.trailers().iter().count()),
        _ => String::new(),
    };
    match read_by(ctx, room) {
        Ok(body) => ctx.set_body(body),
        Err(error) => ctx.set_body(told(&error)),
    }
    let after = ctx.request.trailers().get("X-Sum").map(<[u8]>::to_vec);
    ctx.response.set_header("X-Trailers", format!("{before}{after:?}"));
    let left = ctx.body_reader().remaining();
    ctx.response.set_header("X-Left", format!("{left:?}"));
}

/// Asserts that the connection is where it should be.
#[track_caller]
pub fn assert_goes_on(client: &mut Client) {
    let reply = client.exchange(post("/next", "behind"));
    assert_eq!((reply.status, reply.text()), (200, "behind"));
}

/// `handler`, and an echo for what comes behind.
pub fn or_next(handler: impl Fn(&mut RequestCtx) + Clone) -> impl Fn(&mut RequestCtx) + Clone {
    move |ctx| if ctx.path() == "/next" { echo(ctx) } else { handler(ctx) }
}

/// Kind of an error, and the reason within.
pub fn told(error: &io::Error) -> String {
    let reason = error.get_ref().and_then(|reason| reason.downcast_ref::<ProtoError>());
    format!("{:?} {reason:?}", error.kind())
}
