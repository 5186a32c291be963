//! Bodies that take long to compress: whole at their clients, while others are served.

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anthill_http::body::ContentCoding;
use anthill_http::{CompressPolicy, Handler, Request, RequestCtx, Server, compress};
use anthill_tests::client::Client;
use anthill_tests::server::Running;
use anthill_tests::{PATIENCE, eventually};

use crate::support::{CODINGS, Noise, content, get_in, read_chunks_until, reply, running, text, unpack};

#[test]
fn cmp_04_large_bodies_of_every_kind_come_whole() {
    let plain = Arc::new(text(300_000));
    let shared: Arc<[u8]> = plain[..].into();
    let of_handler = plain.clone();
    let running = running(CompressPolicy::new(), move |ctx: &mut RequestCtx| match ctx.path() {
        "/vec" => ctx.response.set_body_vec(of_handler.to_vec()),
        "/shared" => ctx.response.set_body_shared(shared.clone()),
        "/file" => {
            let mut file = tempfile::tempfile().expect("a temporary file");
            file.write_all(&of_handler).expect("room");
            ctx.response.set_body_file(file).expect("a file");
        }
        "/sized" => {
            ctx.response.set_body_reader_sized(Cursor::new(of_handler.to_vec()), of_handler.len() as u64);
        }
        "/writer" => {
            let plain = of_handler.clone();
            ctx.response
                .set_body_writer(move |out| plain.chunks(1_000).try_for_each(|part| out.write_all(part)));
        }
        _ => ctx.set_body(&*of_handler),
    });
    for target in ["/", "/vec", "/shared", "/file", "/sized", "/writer"] {
        for coding in CODINGS {
            let found = reply(&running, &get_in(target, coding.name()));
            assert_eq!(found.field("Content-Encoding"), Some(coding.name()), "{target}");
            assert_eq!(found.field("Transfer-Encoding"), Some("chunked"), "{target}");
            assert!(found.body.len() < plain.len() / 2, "{target} {coding:?}: {}", found.body.len());
            assert!(content(&found) == *plain, "{target} {coding:?}");
        }
    }
}

#[test]
fn cmp_04_zeros_without_end_are_no_pieces_without_bytes() {
    let zeros = vec![0; 5_000_000];
    let of_handler: Arc<[u8]> = zeros[..].into();
    let running = running(CompressPolicy::new(), move |ctx: &mut RequestCtx| {
        ctx.response.set_body_shared(of_handler.clone());
    });
    for coding in CODINGS {
        let found = reply(&running, &get_in("/", coding.name()));
        assert!(content(&found) == zeros, "{coding:?}");
        assert!(found.body.len() < 20_000, "{coding:?}: {}", found.body.len());
    }
}

#[test]
fn cmp_04_slow_clients_hold_no_more_coders_than_were_given() {
    let plain: Arc<[u8]> = text(100_000).into();
    let large = plain.clone();
    let answer = move |ctx: &mut RequestCtx| match ctx.path() {
        "/small" => ctx.set_body(text(1000)),
        _ => ctx.response.set_body_shared(large.clone()),
    };
    let handler = compress(answer, CompressPolicy::new().max_streams(2));
    // Who is asked so and not read yet is the slowest of clients.
    let ask = |target: &str, coding: &str| {
        let mut request = Request::new("GET", target).expect("a request");
        request.set_header("Accept-Encoding", coding);
        let mut ctx = RequestCtx::for_request(request, None);
        handler.handle(&mut ctx);
        assert_eq!(ctx.response.header_str("vary"), Some("Accept-Encoding"));
        ctx
    };
    let coding = |ctx: &RequestCtx| ctx.response.content_encoding_str().map(str::to_owned);
    for name in CODINGS.map(ContentCoding::name) {
        let (mut first, second) = (ask("/", name), ask("/", "gzip"));
        assert_eq!((coding(&first).as_deref(), coding(&second).as_deref()), (Some(name), Some("gzip")));
        for _ in 0..3 {
            let other = ask("/", name);
            assert!(coding(&other).is_none() && *other.response.body() == plain[..]);
        }
        // What is there at once takes no place.
        assert_eq!(coding(&ask("/small", name)).as_deref(), Some(name));
        // Whoever has all of it has none any more, nor has who goes.
        assert!(unpack(name, first.response.read_body(100_000).expect("a body")) == plain[..]);
        let third = ask("/", name);
        assert!(coding(&third).is_some() && coding(&ask("/", name)).is_none());
        drop((second, third));
        let both = (ask("/", name), ask("/", name));
        assert!(coding(&both.0).is_some() && coding(&both.1).is_some() && coding(&ask("/", name)).is_none());
    }
}

/// A handler of whose bodies each needs a place, and ends in its own way.
fn bodies(ctx: &mut RequestCtx) {
    struct Panics(usize);
    impl Read for Panics {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                anthill_tests::planned_panic();
            }
            self.0 -= 1;
            out.fill(b'x');
            Ok(out.len())
        }
    }
    match ctx.path() {
        "/writer" => ctx.response.set_body_writer(|out| out.write_all(&text(1000))),
        "/reader" => ctx.response.set_body_reader(Cursor::new(text(1000))),
        "/short" => ctx.response.set_body_reader_sized(Cursor::new(text(500)), 501),
        "/failing" => ctx.response.set_body_writer(|_| Err(io::ErrorKind::Other.into())),
        "/writer-panics" => ctx.response.set_body_writer(|_| anthill_tests::planned_panic()),
        "/writer-panics-later" => ctx.response.set_body_writer(|out| {
            out.write_all(&text(1000))?;
            out.flush()?;
            anthill_tests::planned_panic()
        }),
        "/reader-panics" => ctx.response.set_body_reader(Panics(0)),
        "/reader-panics-later" => ctx.response.set_body_reader(Panics(2)),
        "/handler-panics" => {
            ctx.set_body(text(70_000));
            anthill_tests::planned_panic();
        }
        "/endless" => ctx.response.set_body_reader(Endless::default()),
        "/endless-writer" => ctx.response.set_body_writer(|out| {
            let mut noise = Noise::default();
            loop {
                let piece: Vec<u8> = (0..4096).map(|_| noise.next_byte()).collect();
                out.write_all(&piece)?;
            }
        }),
        _ => ctx.set_body(text(70_000)),
    }
}

/// Noise without end.
#[derive(Default)]
struct Endless(Noise);

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        out.iter_mut().for_each(|byte| *byte = self.0.next_byte());
        Ok(out.len())
    }
}

/// Waits until a body is compressed again, for which the only place must be free.
fn assert_is_free(running: &Running, coding: &str, after: &str) {
    eventually(&format!("a place after {after} in {coding}"), || {
        let found = reply(running, &get_in("/", coding));
        assert!(content(&found) == text(70_000), "{after} {coding}");
        found.field("Content-Encoding") == Some(coding)
    });
}

#[test]
fn cmp_04_places_of_coders_are_free_again_whatever_becomes_of_their_bodies() {
    let running = running(CompressPolicy::new().max_streams(1), bodies);
    for coding in CODINGS.map(ContentCoding::name) {
        for target in [
            "/writer",
            "/reader",
            "/",
            "/short",
            "/failing",
            "/writer-panics",
            "/writer-panics-later",
            "/reader-panics",
            "/reader-panics-later",
            "/handler-panics",
        ] {
            for method in ["GET", "HEAD"] {
                let mut client = running.client();
                client.send(get_in(target, coding).replacen("GET", method, 1));
                match method {
                    "HEAD" => drop(client.response_to_head()),
                    _ => drop(client.try_response()),
                }
                drop(client);
                assert_is_free(&running, coding, target);
            }
        }
    }
}

/// The client that takes nothing more holds the place as long as it is there, and no longer.
#[test]
fn cmp_04_places_of_coders_are_free_again_when_their_clients_go() {
    let running = running(CompressPolicy::new().max_streams(1), bodies);
    for coding in CODINGS.map(ContentCoding::name) {
        for target in ["/endless", "/endless-writer"] {
            let mut client = running.client();
            client.send(get_in(target, coding));
            assert_eq!(client.response_to_head().field("Content-Encoding"), Some(coding), "{target}");
            client.bytes(10_000);
            for _ in 0..3 {
                let other = reply(&running, &get_in("/", coding));
                assert_eq!((other.field("Content-Encoding"), other.body.len()), (None, 70_000));
            }
            drop(client);
            assert_is_free(&running, coding, target);
        }
    }
}

/// What is under way when a server is told to end is delivered, and has its place for as long as that takes, whether
/// its client is still there or not.
#[test]
fn cmp_04_a_server_that_ends_leaves_no_place_taken() {
    for (target, coding) in [("/reader", "gzip"), ("/writer", "gzip"), ("/reader", "br"), ("/reader", "zstd")]
    {
        let (is_over, given) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let noise = || NoiseUntil { noise: Noise::default(), is_over: is_over.clone(), given: given.clone() };
        let of_handler = noise();
        let answer = move |ctx: &mut RequestCtx| match ctx.path() {
            "/reader" => ctx.response.set_body_reader(of_handler.clone()),
            "/writer" => {
                let mut noise = of_handler.clone();
                ctx.response.set_body_writer(move |out| io::copy(&mut noise, out).map(drop));
            }
            _ => ctx.set_body(text(70_000)),
        };
        let handler: Arc<dyn Handler> = Arc::new(compress(answer, CompressPolicy::new().max_streams(1)));
        let start = || {
            let handler = handler.clone();
            Running::new(move |ctx: &mut RequestCtx| handler.handle(ctx))
        };
        let mut running = start();
        let mut client = running.client();
        client.send(get_in(target, coding));
        eventually("it is under way", || given.load(Ordering::SeqCst) > 0);
        assert!(running.shut_down(Duration::from_millis(50)).is_err(), "{target} {coding} is under way");
        let next = start();
        let other = reply(&next, &get_in("/", coding));
        assert_eq!((other.field("Content-Encoding"), other.body.len()), (None, 70_000), "it has the place");
        is_over.store(true, Ordering::SeqCst);
        let whole = client.response();
        assert_eq!(content(&whole).len(), given.load(Ordering::SeqCst), "{target} {coding}");
        assert_is_free(&next, coding, "the server's end");
        drop(client);
    }
}

/// Noise until somebody says that it is enough.
#[derive(Clone)]
struct NoiseUntil {
    noise: Noise,
    is_over: Arc<AtomicBool>,
    given: Arc<AtomicUsize>,
}

impl Read for NoiseUntil {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.is_over.load(Ordering::SeqCst) {
            return Ok(0);
        }
        out.iter_mut().for_each(|byte| *byte = self.noise.next_byte());
        self.given.fetch_add(out.len(), Ordering::SeqCst);
        Ok(out.len())
    }
}

/// More of them than may block at once, each for as long as nobody else was served: whoever compressed a body to its
/// end would never be done.
#[test]
fn cmp_04_others_are_served_while_much_is_compressed() {
    struct UntilTold(Arc<AtomicBool>);
    impl Read for UntilTold {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0.load(Ordering::SeqCst) {
                return Ok(0);
            }
            let piece = out.len().min(1000);
            out[..piece].fill(b'x');
            Ok(piece)
        }
    }
    for coding in CODINGS.map(ContentCoding::name) {
        let is_told = Arc::new(AtomicBool::new(false));
        let of_handler = is_told.clone();
        let answer = move |ctx: &mut RequestCtx| match ctx.path() {
            "/large" => ctx.response.set_body_reader(UntilTold(of_handler.clone())),
            _ => ctx.set_body("small"),
        };
        // By this and a reserve of seven.
        let server = Server::builder().shards(1).max_workers(1);
        let server = server.build_handler(compress(answer, CompressPolicy::new())).expect("valid options");
        let running = Running::serving(server);
        let mut large = running.clients(12);
        for client in &mut large {
            client.send(get_in("/large", coding));
        }
        for client in &mut large {
            assert_eq!(client.response_to_head().field("Content-Encoding"), Some(coding));
        }
        let mut client = running.client();
        for _ in 0..20 {
            assert_eq!(client.get("/small").body, b"small");
        }
        is_told.store(true, Ordering::SeqCst);
        for client in &mut large {
            let mut packed = Vec::new();
            read_chunks_until(client, |all| {
                packed = all.to_vec();
                false
            });
            let plain = unpack(coding, &packed);
            assert!(!plain.is_empty() && plain.iter().all(|&byte| byte == b'x'), "{coding}: {}", plain.len());
        }
    }
}

/// Computes each of its pieces for as long as nobody else is served, so that a shard whose driver did nothing else
/// would never be done.
struct Computes {
    served: Arc<AtomicUsize>,
    pieces: usize,
}

impl Read for Computes {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.pieces == 0 {
            return Ok(0);
        }
        self.pieces -= 1;
        let (before, began) = (self.served.load(Ordering::SeqCst), Instant::now());
        while self.served.load(Ordering::SeqCst) < before + 3 {
            if began.elapsed() > PATIENCE {
                return Err(io::Error::other("nobody else was served"));
            }
            std::hint::spin_loop();
        }
        out.fill(b'x');
        Ok(out.len())
    }
}

/// Also of several at once, and of those who take the place of the shard's driver.
#[test]
fn cmp_04_a_shard_serves_while_pieces_are_computed() {
    const LARGE: usize = 4;
    const PIECES: usize = 4;
    for coding in CODINGS.map(ContentCoding::name) {
        let served = Arc::new(AtomicUsize::new(0));
        let of_handler = served.clone();
        let answer = move |ctx: &mut RequestCtx| match ctx.path() {
            "/large" => {
                let served = of_handler.clone();
                ctx.response.set_body_reader(Computes { served, pieces: PIECES });
            }
            _ => {
                of_handler.fetch_add(1, Ordering::SeqCst);
                ctx.set_body("small");
            }
        };
        let running = running(CompressPolicy::new(), answer);
        let (is_over, address) = (Arc::new(AtomicBool::new(false)), running.address());
        let of_asker = is_over.clone();
        let asker = anthill_tests::background(move || {
            let mut client = Client::connect(address);
            while !of_asker.load(Ordering::SeqCst) {
                assert_eq!(client.get("/small").body, b"small");
            }
        });
        let mut large = running.clients(LARGE);
        for client in &mut large {
            client.send(get_in("/large", coding));
        }
        for client in &mut large {
            let whole = client.response();
            let plain = content(&whole);
            assert!(
                plain.len() >= PIECES && plain.iter().all(|&byte| byte == b'x'),
                "{coding}: {}",
                plain.len()
            );
        }
        is_over.store(true, Ordering::SeqCst);
        asker.outcome("who asks for something small");
    }
}
