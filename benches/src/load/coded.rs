//! Answers in a content coding: what they are is known, how they look is up to who has compressed them.
//!
//! The rule: each answer is what it must be. The first is decoded; those that have the same bytes are it again, and
//! others are decoded as well.

use super::exchange::{Asking, Exchange};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Where an answer is, and how many bytes of it were in the coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CodedAnswer {
    pub(super) length: usize,
    pub(super) packed: usize,
}

/// The first answer if it is complete and right; none if it is incomplete. `known` are bytes that were right before,
/// and becomes those of this one.
pub(super) fn answer(
    exchange: &Exchange,
    bytes: &[u8],
    known: &mut Vec<u8>,
) -> Result<Option<CodedAnswer>, String> {
    let Some(head) = exchange.coded_head(bytes)? else { return Ok(None) };
    let body = &bytes[head.bytes..];
    let found = match head.length {
        Some(length) => body.get(..length).map(|packed| (packed.to_vec(), length)),
        None => unchunked(body)?,
    };
    let Some((packed, length)) = found else { return Ok(None) };
    if packed != *known {
        let Asking::Coded(coding) = exchange.asking else {
            return Err("nobody asked for a coding".to_owned());
        };
        let plain =
            decoded(coding, &packed).map_err(|error| format!("the body is not in {coding}: {error}"))?;
        if plain != exchange.body {
            return Err(super::exchange::wrong_body(&plain));
        }
        *known = packed;
    }
    Ok(Some(CodedAnswer { length: head.bytes + length, packed: known.len() }))
}

/// What stands in chunks, and how long they are with what is around them; none if there are more to come.
fn unchunked(mut bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut content, all) = (Vec::new(), bytes.len());
    loop {
        let (behind, size) = match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete((behind, size))) => (behind, size as usize),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("a chunk's size is none".to_owned()),
        };
        let Some(chunk) = bytes.get(behind..behind + size + 2) else { return Ok(None) };
        let Some(chunk) = chunk.strip_suffix(b"\r\n") else { return Err("a chunk has no end".to_owned()) };
        content.extend_from_slice(chunk);
        bytes = &bytes[behind + size + 2..];
        if size == 0 {
            return Ok(Some((content, all - bytes.len())));
        }
    }
}

/// By the decoders of the coders' own crates.
fn decoded(coding: &str, packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(packed).read_to_end(&mut plain)?,
        "br" => brotli::Decompressor::new(packed, 4096).read_to_end(&mut plain)?,
        "zstd" => return zstd::stream::decode_all(packed),
        _ => return Err(std::io::Error::other("nobody knows that coding")),
    };
    Ok(plain)
}

/// How many bytes a server makes of a body. Its answer must be right.
///
/// # Errors
/// When it is not, or does not come.
pub fn packed_length(exchange: &Exchange, address: SocketAddr, patience: Duration) -> Result<usize, String> {
    let failed = |error| format!("a request was not answered: {error}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(patience)).map_err(failed)?;
    stream.write_all(&exchange.request(address)).map_err(failed)?;
    let (mut received, mut room) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match stream.read(&mut room) {
            Ok(0) => return Err("closed by the server".to_owned()),
            Ok(count) => received.extend_from_slice(&room[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        }
        match answer(exchange, &received, &mut Vec::new())? {
            Some(CodedAnswer { length, packed }) if length == received.len() => return Ok(packed),
            Some(_) => return Err("the answer is too long".to_owned()),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    const HI: Exchange = Exchange { asking: Asking::Coded("gzip"), ..Exchange::get("/", "hi") };

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn with_length(coding: &str, body: &[u8]) -> Vec<u8> {
        let head =
            format!("HTTP/1.1 200 X\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    }

    #[test]
    fn right_answers_have_a_length_however_they_are_framed() {
        let body = packed("hi");
        let (one, other) = body.split_at(5);
        let mut chunked =
            b"HTTP/1.1 200 X\r\ncontent-encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in [one, other, b""] {
            chunked.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            chunked.extend_from_slice(chunk);
            chunked.extend_from_slice(b"\r\n");
        }
        for whole in [with_length("gzip", &body), chunked] {
            let mut known = Vec::new();
            let expected = CodedAnswer { length: whole.len(), packed: body.len() };
            for _ in 0..2 {
                let more = [&whole[..], b"HTTP/1.1 "].concat();
                assert_eq!(answer(&HI, &more, &mut known), Ok(Some(expected)));
                assert_eq!(known, body);
            }
            for length in 0..whole.len() {
                assert_eq!(answer(&HI, &whole[..length], &mut known), Ok(None), "{length}");
            }
        }
    }

    #[test]
    fn wrong_answers_are_errors() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec();
        for wrong in [
            plain,
            with_length("br", &packed("hi")),
            with_length("gzip", b"hi"),
            with_length("gzip", &packed("ho")),
            with_length("gzip", &packed("")),
        ] {
            let mut known = packed("hi");
            assert!(answer(&HI, &wrong, &mut known).is_err(), "{}", String::from_utf8_lossy(&wrong));
        }
    }
}
