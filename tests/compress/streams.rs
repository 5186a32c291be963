//! Bodies that come while they are sent: each piece reaches the client at once, and whoever brings them is done with
//! when the client is.

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_http::body::{CompressionLevel, ContentCoding, ContentDecoder};
use anthill_http::events::{Event, EventHub, EventOptions};
use anthill_http::{CompressPolicy, RequestCtx};
use anthill_tests::client::Client;
use anthill_tests::{Gate, eventually};

use crate::support::{CODINGS, Noise, content, get_in, read_chunks_until, reply, running, text};

/// What of a body that is not there yet can be decoded.
fn so_far(coding: &str, packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut decoder = ContentDecoder::new(coding, packed).expect("a coding");
    let mut byte = [0];
    while let Ok(1) = decoder.read(&mut byte) {
        plain.push(byte[0]);
    }
    plain
}

/// Takes the head of a response, and gives the coding of its body.
fn begin(client: &mut Client, target: &str, coding: &str) -> String {
    client.send(get_in(target, coding));
    let head = client.response_to_head();
    assert_eq!((head.status, head.field("Transfer-Encoding")), (200, Some("chunked")));
    assert_eq!((head.field("Content-Length"), head.field("Vary")), (None, Some("Accept-Encoding")));
    head.field("Content-Encoding").unwrap_or("identity").to_owned()
}

#[test]
fn cmp_04_what_a_writer_flushes_is_there_before_it_writes_more() {
    for coding in CODINGS {
        let of_handler = Arc::new(Gate::new());
        let passes = of_handler.clone();
        let running = running(CompressPolicy::new(), move |ctx: &mut RequestCtx| {
            let gate = passes.clone();
            ctx.response.set_body_writer(move |out| {
                out.write_all(b"foo")?;
                out.flush()?;
                gate.pass();
                out.write_all(b"barbaz")
            });
        });
        let mut client = running.client();
        let coding = begin(&mut client, "/", coding.name());
        let mut body = Vec::new();
        read_chunks_until(&mut client, |all| {
            body = all.to_vec();
            so_far(&coding, all) == b"foo"
        });
        assert_eq!(so_far(&coding, &body), b"foo", "{coding}");
        of_handler.open();
        let mut rest = Vec::new();
        read_chunks_until(&mut client, |all| {
            rest = all.to_vec();
            false
        });
        body.extend(rest);
        assert_eq!(crate::support::unpack(&coding, &body), b"foobarbaz");
        assert_eq!(client.get("/").status, 200);
    }
}

/// Gives a piece for each time that the gate is opened.
struct Pieces {
    pieces: Vec<&'static [u8]>,
    gate: Arc<Gate>,
    dropped: Arc<AtomicUsize>,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.pieces.pop() else { return Ok(0) };
        if piece == b"barbaz" {
            self.gate.pass();
        }
        out[..piece.len()].copy_from_slice(piece);
        Ok(piece.len())
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn cmp_04_what_a_reader_gives_is_there_before_it_gives_more() {
    for coding in CODINGS {
        let gate = Arc::new(Gate::new());
        let dropped = Arc::new(AtomicUsize::new(0));
        let (passes, counts) = (gate.clone(), dropped.clone());
        let running = running(CompressPolicy::new(), move |ctx: &mut RequestCtx| {
            let (gate, dropped) = (passes.clone(), counts.clone());
            ctx.response.set_body_reader(Pieces { pieces: vec![b"barbaz", b"foo"], gate, dropped });
        });
        let mut client = running.client();
        let coding = begin(&mut client, "/", coding.name());
        let mut body = Vec::new();
        read_chunks_until(&mut client, |all| {
            body = all.to_vec();
            so_far(&coding, all) == b"foo"
        });
        gate.open();
        read_chunks_until(&mut client, |all| {
            let mut whole = body.clone();
            whole.extend_from_slice(all);
            so_far(&coding, &whole) == b"foobarbaz" && {
                body = whole;
                true
            }
        });
        assert_eq!(so_far(&coding, &body), b"foobarbaz", "{coding}");
        drop(client);
        eventually("the reader's end", || dropped.load(Ordering::Relaxed) == 1);
    }
}

/// A coder that was held would say of the second event that it is the first one again.
#[test]
fn cmp_04_between_two_events_nothing_is_remembered() {
    let hub = Arc::new(EventHub::new());
    let of_handler = hub.clone();
    let running = running(CompressPolicy::new().event_streams(true), move |ctx: &mut RequestCtx| {
        ctx.set_event_stream(of_handler.subscribe());
    });
    // Digits that repeat nothing.
    let told: String =
        (0_u64..100).map(|number| format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    for coding in ["gzip", "deflate"] {
        let mut client = running.client();
        assert_eq!(begin(&mut client, "/", coding), coding);
        eventually("a subscriber", || hub.subscribers() == 1);
        let mut lengths = Vec::new();
        let mut body = Vec::new();
        for number in 1..=3 {
            hub.send(Event::data(told.clone())).expect("a hub that is open");
            let before = body.clone();
            read_chunks_until(&mut client, |all| {
                body = [&before[..], all].concat();
                let plain = String::from_utf8(so_far(coding, &body)).expect("text");
                plain.matches("\n\n").count() == number
            });
            lengths.push(body.len() - before.len());
        }
        assert!(lengths[1] > lengths[0] / 2 && lengths[2] > lengths[0] / 2, "{coding}: {lengths:?}");
        drop(client);
        eventually("its end", || hub.subscribers() == 0);
    }
}

#[test]
fn cmp_04_an_event_is_there_at_once_and_a_stream_that_waits_has_no_coder() {
    let hub = Arc::new(EventHub::new());
    let of_handler = hub.clone();
    let running = running(CompressPolicy::new().event_streams(true), move |ctx: &mut RequestCtx| {
        ctx.set_event_stream(of_handler.subscribe());
    });
    // Brotli would have to keep what it knows, so who takes that alone gets events as they are.
    for (accepts, expected) in
        [("br, gzip", "gzip"), ("deflate", "deflate"), ("br", "identity"), ("", "identity")]
    {
        let mut client = running.client();
        let coding = begin(&mut client, "/", accepts);
        assert_eq!(coding, expected);
        eventually("a subscriber", || hub.subscribers() == 1);
        let (mut body, mut sent) = (Vec::new(), String::new());
        for number in 0..20 {
            hub.send(Event::data(format!("event {number}"))).expect("a hub that is open");
            sent.push_str(&format!("data:event {number}\n\n"));
            let before = body.clone();
            read_chunks_until(&mut client, |all| {
                body = [&before[..], all].concat();
                let plain = String::from_utf8(so_far(&coding, &body)).expect("text");
                plain.matches("event").count() == number + 1
            });
        }
        let plain = String::from_utf8(so_far(&coding, &body)).expect("text");
        assert_eq!(plain.replace(": ", ":"), sent, "{coding}");
        drop(client);
        eventually("its end", || hub.subscribers() == 0);
    }
    // Its end is that of the coding as well.
    let mut client = running.client();
    client.send(get_in("/", "gzip"));
    let head = client.response_to_head();
    assert_eq!(head.field("Content-Encoding"), Some("gzip"));
    eventually("a subscriber", || hub.subscribers() == 1);
    hub.send(Event::data("the last")).expect("a hub that is open");
    hub.close();
    let mut body = Vec::new();
    read_chunks_until(&mut client, |all| {
        body = all.to_vec();
        false
    });
    let plain = String::from_utf8(crate::support::unpack("gzip", &body)).expect("text");
    assert!(plain.starts_with("data:") && plain.contains("the last"), "{plain:?}");
}

#[test]
fn cmp_04_a_heartbeat_passes_through_the_coding() {
    let options = EventOptions::new().heartbeat(Duration::from_millis(20));
    let hub = Arc::new(EventHub::with(options).expect("options that can be meant"));
    let of_handler = hub.clone();
    let running = running(CompressPolicy::new().event_streams(true), move |ctx: &mut RequestCtx| {
        ctx.set_event_stream(of_handler.subscribe());
    });
    let mut client = running.client();
    let coding = begin(&mut client, "/", "gzip");
    read_chunks_until(&mut client, |all| {
        let plain = so_far(&coding, all);
        plain.iter().filter(|&&byte| byte == b':').count() >= 3
    });
}

#[test]
fn cmp_04_events_are_left_alone_unless_the_policy_says_otherwise() {
    let hub = Arc::new(EventHub::new());
    let of_handler = hub.clone();
    let running = running(CompressPolicy::new().types(["*/*"]), move |ctx: &mut RequestCtx| {
        ctx.set_event_stream(of_handler.subscribe());
    });
    let mut client = running.client();
    client.send(get_in("/", "gzip, br"));
    let head = client.response_to_head();
    assert_eq!((head.field("Content-Encoding"), head.field("Vary")), (None, None));
    eventually("a subscriber", || hub.subscribers() == 1);
    hub.send(Event::data("as it is")).expect("a hub that is open");
    read_chunks_until(&mut client, |all| String::from_utf8_lossy(all).contains("as it is\n\n"));
}

#[test]
fn cmp_04_a_client_that_goes_closes_the_source() {
    for coding in CODINGS {
        let dropped = Arc::new(AtomicUsize::new(0));
        let counts = dropped.clone();
        /// Never the same again, of which a window that is large enough would leave nothing.
        struct Endless(Noise, Arc<AtomicUsize>);
        impl Read for Endless {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                out.iter_mut().for_each(|byte| *byte = self.0.next_byte());
                Ok(out.len())
            }
        }
        impl Drop for Endless {
            fn drop(&mut self) {
                self.1.fetch_add(1, Ordering::Relaxed);
            }
        }
        let running = running(CompressPolicy::new(), move |ctx: &mut RequestCtx| {
            ctx.response.set_body_reader(Endless(Noise::default(), counts.clone()));
        });
        let mut client = running.client();
        begin(&mut client, "/", coding.name());
        client.bytes(100_000);
        drop(client);
        eventually("the reader's end", || dropped.load(Ordering::Relaxed) == 1);
        // Nor is it asked for anything by whoever wants the head alone.
        let mut client = running.client();
        client.send(get_in("/", coding.name()).replacen("GET", "HEAD", 1));
        assert_eq!(client.response_to_head().field("Content-Encoding"), Some(coding.name()));
        eventually("the other reader's end", || dropped.load(Ordering::Relaxed) == 2);
    }
}

#[test]
fn cmp_04_sources_that_fail_end_as_they_do_without_a_coding() {
    let running = running(CompressPolicy::new(), |ctx: &mut RequestCtx| match ctx.path() {
        "/at-once" => ctx.response.set_body_reader(Failing(0)),
        "/later" => ctx.response.set_body_reader(Failing(3)),
        "/short" => ctx.response.set_body_reader_sized(Cursor::new(text(500)), 501),
        "/writer" => ctx.response.set_body_writer(|_| Err(io::ErrorKind::Other.into())),
        _ => ctx.response.set_body_writer(|out| {
            out.write_all(&text(100))?;
            out.flush()?;
            Err(io::ErrorKind::Other.into())
        }),
    });
    struct Failing(usize);
    impl Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::Other)?;
            out[..100].copy_from_slice(&text(100));
            Ok(100)
        }
    }
    for coding in CODINGS.map(ContentCoding::name) {
        for target in ["/at-once", "/writer"] {
            let found = reply(&running, &get_in(target, coding));
            assert_eq!((found.status, found.field("Content-Encoding")), (500, None), "{target} {coding}");
        }
        for target in ["/later", "/short", "/flushed"] {
            let mut client = running.client();
            client.send(get_in(target, coding));
            let error = client.try_response();
            assert!(error.is_err(), "{target} {coding}: a response that broke off is whole: {error:?}");
        }
    }
}

#[test]
fn cmp_04_an_old_client_reads_to_the_end_of_the_connection() {
    let running = running(CompressPolicy::new(), |ctx: &mut RequestCtx| {
        ctx.response.set_body_reader(Cursor::new(text(100_000)));
    });
    for coding in CODINGS.map(ContentCoding::name) {
        let mut client = running.client();
        client.send(format!("GET / HTTP/1.0\r\nAccept-Encoding: {coding}\r\n\r\n"));
        let found = client.response();
        assert_eq!((found.field("Transfer-Encoding"), found.field("Content-Length")), (None, None));
        assert_eq!(content(&found), text(100_000), "{coding}");
    }
}

#[test]
fn cmp_04_trailers_come_behind_what_is_compressed() {
    let running = running(
        CompressPolicy::new().level(ContentCoding::Gzip, CompressionLevel::Fastest),
        |ctx: &mut RequestCtx| {
            ctx.response.set_body_writer(|out| {
                assert!(out.append_trailer("X-Sum", "42"));
                out.write_all(&text(1000))
            });
        },
    );
    let mut client = running.client();
    client.send(get_in("/", "gzip"));
    let head = client.response_to_head();
    assert_eq!(head.field("Content-Encoding"), Some("gzip"));
    client.finish_sending();
    let rest = client.rest().expect("a proper end");
    assert!(rest.ends_with(b"0\r\nX-Sum: 42\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
}
