//! Undoing codings: by their names, several at once, within bounds.

use std::io::{self, ErrorKind, Read};

use anthill_http::body::{CodingError, CompressionLevel, ContentCoding, ContentDecoder, DecodeLimit};
use anthill_http::{HttpError, Request, RequestCtx, Response, Server, StatusError};
use anthill_tests::server::Running;

use crate::support::{CODINGS, digits, noise, serving, text, unpack};

fn packed(coding: ContentCoding, plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    coding.append_encoded(&mut packed, plain, CompressionLevel::Default).expect("memory for a coder");
    packed
}

fn limit(error: &io::Error) -> Option<DecodeLimit> {
    error.get_ref().and_then(|inner| inner.downcast_ref()).copied()
}

fn with(coding: &str, body: &[u8]) -> (Request, Response) {
    let mut request = Request::new("PUT", "/").expect("a request");
    let mut response = Response::new();
    request.set_content_encoding(coding);
    response.set_content_encoding(coding);
    request.set_body(body);
    response.set_body(body);
    (request, response)
}

#[test]
fn cmp_06_by_the_content_encoding() {
    let plain = text(2048);
    for coding in CODINGS {
        for name in
            [coding.name().to_owned(), coding.name().to_uppercase(), format!("identity, {}", coding.name())]
        {
            let (request, response) = with(&name, &packed(coding, &plain));
            assert_eq!(request.body_uncompressed(None).expect("the content"), plain, "{name}");
            assert_eq!(response.body_uncompressed(4096).expect("the content"), plain, "{name}");
        }
    }
    for none in ["", "identity"] {
        let (request, response) = with(none, &plain);
        assert_eq!(request.body_uncompressed(1).expect("as it is"), plain);
        assert_eq!(response.body_uncompressed(1).expect("as it is"), plain);
    }
    assert_eq!(Response::new().body_uncompressed(None).expect("nothing"), &b""[..]);
}

#[test]
fn cmp_06_an_unknown_coding_is_a_typed_error() {
    for name in ["compress", "brotli", "gzip, compress", "gzip;q=1"] {
        let (request, response) = with(name, b"x");
        for error in
            [request.body_uncompressed(None), response.body_uncompressed(None)].map(Result::unwrap_err)
        {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(error.get_ref().and_then(|inner| inner.downcast_ref()), Some(&CodingError));
            assert_eq!(error.status(), 415);
        }
    }
}

#[test]
fn cmp_06_what_is_too_large_is_told_to_the_byte() {
    let plain = text(2048);
    for coding in CODINGS {
        let (request, response) = with(coding.name(), &packed(coding, &plain));
        for max in [0, 1024, 2047] {
            for error in
                [request.body_uncompressed(max), response.body_uncompressed(max)].map(Result::unwrap_err)
            {
                assert_eq!(
                    (limit(&error), error.status()),
                    (Some(DecodeLimit::Bytes), 413),
                    "{coding:?} {max}"
                );
            }
            let mut out = b"kept".to_vec();
            let error = coding.append_decoded(&mut out, request.body(), max).expect_err("too much");
            assert_eq!(
                (limit(&error), &out[..]),
                (Some(DecodeLimit::Bytes), &b"kept"[..]),
                "{coding:?} {max}"
            );
        }
        assert_eq!(request.body_uncompressed(2048).expect("just so much"), plain, "{coding:?}");
    }
}

#[test]
fn cmp_06_several_codings_are_undone_in_their_order() {
    let plain = text(100_000);
    for first in CODINGS {
        for second in CODINGS {
            let body = packed(second, &packed(first, &plain));
            let codings = format!("{}, {}", first.name(), second.name());
            let (request, _) = with(&codings, &body);
            assert_eq!(request.body_uncompressed(None).expect("both"), plain, "{codings}");
            for bytes in [&body[..body.len() - 1], &[&body[..], b"x"].concat(), b""] {
                let error = with(&codings, bytes).0.body_uncompressed(None).expect_err("not whole");
                assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidData, 400), "{codings}");
            }
        }
    }
    // On lines of their own, and one too many.
    let body = packed(ContentCoding::Zstd, &packed(ContentCoding::Gzip, &plain));
    let mut request = with("gzip", &body).0;
    request.append_header("Content-Encoding", "zstd");
    assert_eq!(request.body_uncompressed(None).expect("both"), plain);
    assert!(ContentDecoder::new("gzip, gzip, gzip, gzip", io::empty()).is_err());
    let decoder = ContentDecoder::new("gzip, br, zstd", io::empty()).expect("three");
    assert_eq!(format!("{decoder:?}"), "ContentDecoder(gzip, br, zstd)");
}

/// Gives what another reader gives, a few bytes at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = out.len().min(999);
        self.0.read(&mut out[..room])
    }
}

#[test]
fn cmp_06_blocks_that_give_nothing_before_they_are_whole_are_no_padding() {
    // Base64 and hexadecimal digits: three quarters, and half, of each block is what it is encoded in.
    for plain in [digits(6, 400_000), digits(4, 400_000)] {
        for coding in CODINGS {
            let body = packed(coding, &plain);
            let mut content = Vec::new();
            let mut decoder = ContentDecoder::new(coding.name(), Trickle(&body)).expect("a coding");
            decoder.read_to_end(&mut content).unwrap_or_else(|error| panic!("{coding:?}: {error}"));
            assert!(content == plain, "{coding:?}");
        }
    }
    let plain = digits(6, 200_000);
    for first in CODINGS {
        let once = packed(first, &plain);
        for second in CODINGS {
            let codings = format!("{}, {}", first.name(), second.name());
            let (request, _) = with(&codings, &packed(second, &once));
            let content = request.body_uncompressed(None);
            assert!(content.expect(&codings) == plain, "{codings}");
        }
    }
}

#[test]
fn cmp_06_a_bomb_is_noticed_by_its_ratio_in_every_coding() {
    let mib = 1024 * 1024;
    let zeros = vec![0; 5 * mib];
    for coding in CODINGS {
        let bomb = packed(coding, &zeros);
        let within_another = packed(ContentCoding::Gzip, &bomb);
        let twice = format!("{}, gzip", coding.name());
        for (codings, body) in [(coding.name(), &bomb), (&*twice, &within_another)] {
            let mut decoder = ContentDecoder::new(codings, &body[..]).expect("a coding");
            let (mut count, mut place) = (0, vec![0; 10_000]);
            let error = loop {
                match decoder.read(&mut place) {
                    Ok(0) => panic!("{codings}: all of it came"),
                    Ok(more) => count += more,
                    Err(error) => break error,
                }
            };
            assert_eq!(limit(&error), Some(DecodeLimit::Ratio), "{codings}");
            assert!((mib - 10_000..=mib + 10_000).contains(&count), "{codings}: {count}");
            assert_eq!(
                decoder.read(&mut place).map_err(|error| limit(&error)),
                Err(Some(DecodeLimit::Ratio))
            );
        }
        let mut all = Vec::new();
        let decoder = ContentDecoder::new(coding.name(), &bomb[..]).expect("a coding");
        let taken = decoder.max_ratio(None).read_to_end(&mut all).expect("if that is wanted");
        assert_eq!(taken, zeros.len(), "{coding:?}");
    }
}

#[test]
fn cmp_06_whatever_is_cut_off_or_followed_is_an_error() {
    for coding in CODINGS {
        for plain in [text(500), noise(500), Vec::new()] {
            let body = packed(coding, &plain);
            for end in 0..body.len() {
                let error = with(coding.name(), &body[..end]).0.body_uncompressed(None).expect_err("a part");
                assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidData, 400), "{coding:?} {end}");
            }
            for more in [&b"x"[..], b"\0", &noise(100)] {
                let followed = [&body[..], more].concat();
                assert!(with(coding.name(), &followed).0.body_uncompressed(None).is_err(), "{coding:?}");
            }
        }
    }
    // Frames one behind the other are one content; empty ones are not read without end.
    let (some, none) = (packed(ContentCoding::Zstd, b"some"), packed(ContentCoding::Zstd, b""));
    assert_eq!(
        with("zstd", &some.repeat(3)).0.body_uncompressed(None).expect("frames"),
        &b"somesomesome"[..]
    );
    let mut endless = io::repeat(0).take(0).chain(Repeated { bytes: &none, at: 0, given: 0 });
    let mut decoder = ContentDecoder::new("zstd", &mut endless).expect("a coding");
    assert_eq!(decoder.read(&mut [0; 100]).map_err(|error| error.kind()), Err(ErrorKind::InvalidData));
}

struct Repeated<'a> {
    bytes: &'a [u8],
    at: usize,
    given: usize,
}

impl Read for Repeated<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        for place in &mut *out {
            *place = self.bytes[self.at];
            self.at = (self.at + 1) % self.bytes.len();
        }
        self.given += out.len();
        assert!(self.given < 1024 * 1024, "nobody wants to read this");
        Ok(out.len())
    }
}

#[test]
fn cmp_06_a_window_above_that_of_the_specification_is_refused() {
    // A frame that asks for 16 MiB: one of zstd's own, as its header says (RFC 8878 section 3.1.1.1.2).
    let exponent = 24 - 10;
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3, 1, 0, 0];
    let error = with("zstd", &frame).0.body_uncompressed(None).expect_err("a window of 16 MiB");
    assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidData, 400));
    let within = [0x28, 0xb5, 0x2f, 0xfd, 0, (23 - 10) << 3, 1, 0, 0];
    assert_eq!(
        with("zstd", &within).0.body_uncompressed(None).expect("8 MiB, and nothing in them"),
        &b""[..]
    );
    // "Large windows" are no part of brotli.
    let error = with("br", &[0x11, 0x1e, 0x03]).0.body_uncompressed(None).expect_err("a large window");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn cmp_06_requests_over_a_socket_are_decoded_or_answered() {
    let plain = text(200_000);
    let count = |ctx: &mut RequestCtx| {
        let codings = ctx.request.content_encoding().unwrap_or_default().to_vec();
        let mut content = Vec::new();
        let decoder = ContentDecoder::new(codings, ctx.body_reader())?.max_decoded_bytes(250_000);
        decoder.take(300_000).read_to_end(&mut content)?;
        ctx.set_body(format!(
            "{} {}",
            content.len(),
            content.iter().map(|&byte| u64::from(byte)).sum::<u64>()
        ));
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    };
    let whole = |ctx: &mut RequestCtx| -> Result<(), HttpError> {
        match ctx.request.body_uncompressed(250_000) {
            Ok(content) => {
                let sum = content.iter().map(|&byte| u64::from(byte)).sum::<u64>();
                let answer = format!("{} {sum}", content.len());
                ctx.set_body(answer);
                Ok(())
            }
            Err(error) => Err(HttpError::new(error.status(), error.to_string())),
        }
    };
    let expected = format!("{} {}", plain.len(), plain.iter().map(|&byte| u64::from(byte)).sum::<u64>());
    let streaming = Server::builder().shards(1).stream_request_body(true).build_handler(count);
    for running in [serving(whole), Running::serving(streaming.expect("options"))] {
        for coding in CODINGS {
            let body = packed(coding, &plain);
            assert_eq!(unpack(coding.name(), &body), plain);
            for (body, status) in [
                (body.clone(), 200),
                (body[..body.len() - 3].to_vec(), 400),
                (packed(coding, &text(250_001)), 413),
            ] {
                let head = format!(
                    "PUT / HTTP/1.1\r\nHost: h\r\nContent-Encoding: {}\r\nContent-Length: {}\r\n\r\n",
                    coding.name(),
                    body.len()
                );
                let mut client = running.client();
                client.send([head.as_bytes(), &body].concat());
                let reply = client.response();
                assert_eq!(reply.status, status, "{coding:?}: {}", reply.text());
                assert!(status != 200 || reply.text() == expected, "{coding:?}: {}", reply.text());
            }
        }
        let mut client = running.client();
        client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Encoding: lzma\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(client.response().status, 415);
    }
}
