//! Texts, what undoes the codings of responses without the code that made them, and servers that compress.

use std::io::Read;

use anthill_http::body::ContentCoding;
use anthill_http::{CompressPolicy, Handler, RequestCtx, Server, compress};
use anthill_tests::client::{Client, Reply};
use anthill_tests::server::Running;

/// All codings.
pub(crate) const CODINGS: [ContentCoding; 4] =
    [ContentCoding::Gzip, ContentCoding::Deflate, ContentCoding::Brotli, ContentCoding::Zstd];

/// So many bytes of lines that all differ a little.
pub(crate) fn text(bytes: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|line: u32| {
        format!("{line}: the quick brown fox jumps over {} lazy dogs\n", line.wrapping_mul(2_654_435_761))
            .into_bytes()
    });
    lines.take(bytes).collect()
}

/// Bytes that no coding makes shorter.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = Noise::default();
    (0..bytes).map(|_| noise.next_byte()).collect()
}

/// Noise without end.
#[derive(Clone)]
pub(crate) struct Noise(u64);

impl Default for Noise {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Noise {
    pub(crate) fn next_byte(&mut self) -> u8 {
        let Self(state) = self;
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state as u8
    }
}

/// Digits of which each has so many bits of noise: no coding finds anything but that they are few.
pub(crate) fn digits(bits: u32, count: usize) -> Vec<u8> {
    let digit = |byte: u8| b' ' + (byte & ((1 << bits) - 1));
    noise(count).into_iter().map(digit).collect()
}

/// What `packed` was, by decoders that share nothing with those under test.
pub(crate) fn unpack(coding: &str, packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let result = match coding {
        "gzip" => flate2::read::MultiGzDecoder::new(packed).read_to_end(&mut plain),
        "deflate" => flate2::read::ZlibDecoder::new(packed).read_to_end(&mut plain),
        "br" => brotli::Decompressor::new(packed, 4096).read_to_end(&mut plain),
        "zstd" => ruzstd::decoding::StreamingDecoder::new(packed).expect("a frame").read_to_end(&mut plain),
        _ => panic!("{coding} is no coding"),
    };
    result.unwrap_or_else(|error| panic!("{coding} of {} bytes: {error}", packed.len()));
    plain
}

/// A request by GET for `target` with further lines.
pub(crate) fn get(target: &str, lines: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n")
}

/// The same of a client that takes the coding.
pub(crate) fn get_in(target: &str, coding: &str) -> String {
    get(target, &format!("Accept-Encoding: {coding}\r\n"))
}

/// A server whose handler is wrapped so.
pub(crate) fn running(policy: CompressPolicy, handler: impl Handler) -> Running {
    serving(compress(handler, policy))
}

pub(crate) fn serving(handler: impl Handler) -> Running {
    Running::serving(Server::builder().shards(1).build_handler(handler).expect("options that can be meant"))
}

/// What one client gets for one request.
pub(crate) fn reply(running: &Running, request: &str) -> Reply {
    running.client().exchange(request)
}

/// The body without its coding.
pub(crate) fn content(reply: &Reply) -> Vec<u8> {
    match reply.field("Content-Encoding") {
        Some(coding) => unpack(coding, &reply.body),
        None => reply.body.clone(),
    }
}

/// Reads one response with a chunked body by pieces: gives what the body's chunks are so far to `sees`, until that says
/// that it is enough.
pub(crate) fn read_chunks_until(client: &mut Client, mut sees: impl FnMut(&[u8]) -> bool) {
    let mut body = Vec::new();
    loop {
        let mut size = Vec::new();
        while !size.ends_with(b"\r\n") {
            size.extend(client.bytes(1));
        }
        let size = std::str::from_utf8(&size[..size.len() - 2]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        body.extend(client.bytes(size));
        assert_eq!(client.bytes(2), b"\r\n");
        if sees(&body) || size == 0 {
            return;
        }
    }
}

/// A handler that answers `body` as plain text.
pub(crate) fn answers(body: Vec<u8>) -> impl Handler {
    move |ctx: &mut RequestCtx| ctx.set_body(&body)
}
