//! Clients that read slowly, or not at all, and responses that have no end.
//!
//! The idea: a response from a reader or a file is sent as its client takes it, by whoever serves the connection. The
//! rule: nobody's slowness costs a thread, or another client's time.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anthill_http::RequestCtx;
use anthill_tests::body_sources::{CHUNKED_HEAD, Source, StepReader, Tally};
use anthill_tests::client::hears;
use anthill_tests::client::{Client, SOCKET_LIMIT, get};
use anthill_tests::drivers::on_both_within;
use anthill_tests::files::{LARGE, assert_same_bytes, file_head, sparse};
use anthill_tests::notes::Notes;
use anthill_tests::processes::apart_with_descriptors;
use anthill_tests::server::Running;
use anthill_tests::server::plain;
use anthill_tests::uploads::{assert_goes_on, or_next};
use anthill_tests::{Gate, PATIENCE, background, eventually};

/// A reader of an endless body, which is as quick as can be.
fn endless(tally: &Tally) -> Source<io::Repeat> {
    tally.source(io::repeat(b'x'))
}

#[test]
fn a_client_that_takes_nothing_of_a_stream_is_given_up() {
    let limit = Duration::from_millis(300);
    let tally = Tally::default();
    let notes = Notes::default();
    let (same, says) = (tally.clone(), notes.clone());
    let handler = move |ctx: &mut RequestCtx| {
        let source = endless(&same);
        let says = says.clone();
        match ctx.path() {
            "/reader" => ctx.response.set_body_reader(source),
            "/file" => {
                drop(source);
                ctx.response.set_body_file(sparse(LARGE)).unwrap();
            }
            _ => ctx.response.set_body_writer(move |out| {
                source.touch();
                loop {
                    if let Err(error) = out.write_all(&[b'x'; 10_000]) {
                        says.add(format!("{:?}", error.kind()));
                        return Err(error);
                    }
                }
            }),
        }
    };
    on_both_within(limit, plain(), handler, |driven| {
        for (target, handled) in [("/reader", 1), ("/file", 2), ("/writer", 3)] {
            let begun = Instant::now();
            let mut client = driven.client();
            client.send(get(target));
            eventually("it has begun", || driven.handled() == handled);
            let ended = driven.end();
            assert!(begun.elapsed() >= limit, "{target} after {:?}", begun.elapsed());
            tally.drops(1);
            if let Some(ended) = ended {
                let error = ended.unwrap_err();
                assert!(error.is_timeout() && error.is_io(), "{target}: {error:?}");
            }
            if target == "/writer" {
                assert_eq!(notes.take(1), ["TimedOut"]);
            }
            drop(client);
        }
    });
}

#[test]
fn clients_that_read_slowly_hold_up_neither_a_thread_nor_each_other() {
    let tally = Tally::default();
    let same = tally.clone();
    let handler = or_next(move |ctx| match ctx.path() {
        "/file" => ctx.response.set_body_file(sparse(LARGE)).unwrap(),
        _ => ctx.response.set_body_reader_sized(endless(&same), LARGE),
    });
    // No thread for each: were they held up, nobody else would be answered.
    let running = Running::with(plain().shards(1).max_workers(1), handler);
    let mut slow = running.clients(60);
    for (number, client) in slow.iter_mut().enumerate() {
        client.send(get(if number % 2 == 0 { "/reader" } else { "/file" }));
    }
    eventually("all of them have begun", || running.handled() == 60);
    for _ in 0..20 {
        assert_goes_on(&mut running.client());
    }
    // On a machine that does other things, too, one of them may be waited for a while; not half of them.
    let threads = running.server().stats().workers.unwrap().peak_workers;
    assert!(threads < 30, "{threads} threads");
    // They go on when they like.
    for (number, client) in slow.iter_mut().enumerate().take(4) {
        hears(client, &file_head(LARGE));
        let mut left = LARGE;
        let mut room = vec![0; 1 << 20];
        while left > 0 {
            let most = room.len().min(usize::try_from(left).unwrap());
            let count = client.stream().read(&mut room[..most]).unwrap();
            assert!(count > 0, "{number} ended {left} bytes early");
            left -= count as u64;
        }
        assert_goes_on(client);
    }
    drop(slow);
    running.reaches("all are gone", |stats| stats.open_connections == 0);
    tally.drops(30);
}

#[test]
fn a_source_that_blocks_is_not_laid_to_the_charge_of_others() {
    // On a busy machine the others are slow themselves at times, so there is another try.
    let tries: Vec<_> = (0..5).map(|_| asked_beside_a_source_that_blocks()).collect();
    assert!(tries.iter().any(|(asked, handed_over)| handed_over * 4 < *asked), "{tries:?}");
}

/// How many requests were answered while a source blocked, and how many of them were handed over.
fn asked_beside_a_source_that_blocks() -> (u64, u64) {
    const PIECES: usize = 100;
    let tally = Tally::default();
    let same = tally.clone();
    let handler = or_next(move |ctx| {
        if ctx.path() == "/blocks" {
            let slowly = |room: &mut [u8]| {
                thread::sleep(Duration::from_millis(4));
                room[0] = b'x';
                Ok(1)
            };
            let script = (0..PIECES).fold(StepReader::new(), |script, _| script.then(slowly));
            ctx.response.set_body_reader(same.source(script));
        }
    });
    let running = Running::with(plain().shards(1), handler);
    let mut blocked = running.client();
    blocked.send(get("/blocks"));
    eventually("it has begun", || running.handled() == 1);
    let mut quick = running.client();
    let mut asked: u64 = 0;
    while tally.0.1.load(Ordering::SeqCst) == 0 {
        assert_goes_on(&mut quick);
        asked += 1;
    }
    assert_eq!(blocked.response().body, [b'x'; PIECES]);
    assert!(asked > PIECES as u64, "the source holds up the others: {asked}");
    // Requests of a route that is believed to block are handed over, one by one; so are the pieces, some at once.
    (asked, running.server().stats().dispatched_requests.saturating_sub(PIECES as u64))
}

#[test]
fn a_thousand_slow_downloads_need_no_thousand_threads() {
    const DOWNLOADS: usize = 1000;
    const LENGTH: usize = 512 * 1024;
    let name = "http_slow_readers::a_thousand_slow_downloads_need_no_thousand_threads";
    // Each connection has two ends here.
    apart_with_descriptors(name, 2 * DOWNLOADS + 200, || {
        let tally = Tally::default();
        let same = tally.clone();
        let handled = Arc::new(AtomicUsize::new(0));
        let count = handled.clone();
        let server = plain().shards(2).max_workers(64).build(move |ctx| {
            if ctx.path() == "/quick" {
                ctx.set_body("quick");
                return;
            }
            let number: u8 = String::from_utf8_lossy(ctx.request.query()).parse().unwrap();
            let source = same.source(io::repeat(number).take(LENGTH as u64));
            ctx.response.set_body_reader(source);
            count.fetch_add(1, Ordering::SeqCst);
        });
        let server = server.unwrap();
        // Sockets of this kind hold less, so the rest of each body has to wait in the server.
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("socket");
        let listener = UnixListener::bind(&address).unwrap();
        let serving = server.clone();
        let serving = background(move || serving.serve_unix(listener));
        let connect = || {
            let stream = loop {
                match UnixStream::connect(&address) {
                    Ok(stream) => break stream,
                    // More than the listener's queue holds.
                    Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            };
            stream.set_read_timeout(Some(SOCKET_LIMIT)).unwrap();
            Client::over(stream)
        };
        let mut downloads: Vec<_> = (0..DOWNLOADS)
            .map(|number| {
                let mut client = connect();
                client.send(get(&format!("/?{}", number % 251)));
                client
            })
            .collect();
        eventually("all of them have begun", || handled.load(Ordering::SeqCst) == DOWNLOADS);
        // Round after round, until every one of them is stuck and nothing but this is served.
        for _ in 0..20 {
            assert_eq!(connect().get("/quick").text(), "quick");
        }
        assert_eq!(tally.0.1.load(Ordering::SeqCst), 0, "none of them can be over");
        assert!(server.stats().open_connections >= DOWNLOADS);
        // The two that drive the shards, and no others, however many there were to begin with.
        eventually("no worker is held up", || server.stats().workers.is_some_and(|pool| pool.busy <= 2));
        for (number, client) in downloads.iter_mut().enumerate() {
            let reply = client.response();
            assert!(reply.body.len() == LENGTH, "{number}: {}", reply.body.len());
            assert!(reply.body == vec![(number % 251) as u8; LENGTH], "{number}");
        }
        for client in &mut downloads {
            assert_eq!(client.get("/quick").text(), "quick");
        }
        tally.drops(DOWNLOADS);
        server.shutdown(PATIENCE).unwrap();
        serving.outcome("serving").unwrap();
    });
}

#[test]
fn a_shutdown_waits_for_the_rest_of_a_stream() {
    for form in ["/reader", "/writer", "/file"] {
        let gate = Gate::new();
        let tally = Tally::default();
        let (held, same) = (gate.clone(), tally.clone());
        let mut running = Running::with(plain(), move |ctx| {
            let held = held.clone();
            match ctx.path() {
                "/reader" => {
                    let script = StepReader::new().gives("first").waits(&held, "second");
                    ctx.response.set_body_reader(same.source(script));
                }
                "/writer" => {
                    let source = same.source(());
                    ctx.response.set_body_writer(move |out| {
                        source.touch();
                        out.write_all(b"first")?;
                        out.flush()?;
                        held.pass();
                        out.write_all(b"second")
                    });
                }
                _ => ctx.response.set_body_file(sparse(LARGE)).unwrap(),
            }
        });
        let mut client = running.client();
        client.send(get(form) + &get("/never"));
        if form == "/file" {
            hears(&client, &file_head(LARGE));
        } else {
            hears(&client, &format!("{CHUNKED_HEAD}5\r\nfirst\r\n"));
        }
        let server = running.server().clone();
        let shutdown = background(move || server.shutdown(PATIENCE));
        eventually("the listener refuses", || std::net::TcpStream::connect(running.address()).is_err());
        assert!(!shutdown.is_finished());
        gate.open();
        if form == "/file" {
            assert_same_bytes(client.stream(), &sparse(LARGE), 0, LARGE);
        } else {
            hears(&client, "6\r\nsecond\r\n0\r\n\r\n");
            tally.drops(1);
        }
        assert!(client.is_ended_within(SOCKET_LIMIT));
        assert_eq!(running.handled(), 1, "what is behind a stream is not begun");
        shutdown.outcome("shutting down").unwrap();
        running.shut_down(PATIENCE).unwrap();
    }
}
