//! How exchanges on a shared connection end, and the connection: by its server, by limits, by whoever calls them off.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use anthill_http::Request;
use anthill_http::client::{CancelToken, ClientErrorKind, ClientPhase, PipelineClient};

use crate::pipelining::{body, builder, client, found, in_order, kind, late, named, serve_all};
use crate::script::{LONG, OK, Peer, Script, get, post, wait_until, with_more_than_is_taken};

#[test]
fn pcl_01_it_begins_again_after_having_been_idle() {
    let server = Script::new(3, |number, mut peer: Peer| {
        let head = peer.head();
        peer.say(&named(&head));
        if number > 0 {
            // The client ends what was idle for too long; the first one is closed by the server.
            peer.expect_end();
        }
    });
    let client =
        builder(&server).max_idle_conn_duration(Duration::from_millis(5)).build().expect("an address");
    for path in ["/a", "/b", "/c"] {
        assert_eq!(body(client.send(&get(path))), path);
        wait_until("the end of what is idle", || client.stats().open == 0);
    }
    server.end();
}

#[test]
fn pcl_01_a_response_that_does_not_come_costs_nobody_his_own() {
    let server = Script::new(2, |number, mut peer: Peer| {
        if number == 0 {
            for _ in 0..4 {
                peer.head();
                // It works on it, and says so.
                peer.say("HTTP/1.1 102 Processing\r\n\r\n");
            }
            // Then it says nothing, until it is too late: that is no response to anything any more.
            let mut room = [0; 64];
            assert_eq!(peer.stream.read(&mut room).expect("the client ends"), 0);
            let _ = peer.stream.write_all(OK.repeat(4).as_bytes());
            return;
        }
        serve_all(&mut peer);
    });
    let client = builder(&server).read_timeout(Duration::from_millis(500)).build().expect("an address");
    let requests = [get("/late"), get("/b"), post("/once", "x"), get("/d")];
    let outcomes = in_order(&client, &requests, || {});
    let closed = Err(ClientErrorKind::ConnectionClosed);
    assert_eq!(outcomes, [Err(late(ClientPhase::Head)), found("/b"), closed, found("/d")]);
    drop(client);
    server.end();
}

#[test]
fn pcl_01_behind_the_last_response_that_was_announced_all_is_sent_again() {
    let server = Script::new(2, |number, mut peer: Peer| {
        if number == 0 {
            let heads: Vec<String> = (0..4).map(|_| peer.read_until("body")).collect();
            peer.say(&named(&heads[0]));
            peer.say(&named(&heads[1]).replacen("\r\n", "\r\nConnection: close\r\n", 1));
            return;
        }
        // One goes first, so that it takes no others along if it is the reason.
        let head = peer.read_until("body");
        let mut room = [0; 64];
        peer.stream.set_nonblocking(true).expect("an option of every socket");
        std::thread::sleep(Duration::from_millis(20));
        let more = peer.stream.read(&mut room).map_err(|error| error.kind());
        assert_eq!(more, Err(std::io::ErrorKind::WouldBlock));
        peer.stream.set_nonblocking(false).expect("an option of every socket");
        peer.say(&named(&head));
        let head = peer.read_until("body");
        peer.say(&named(&head));
    });
    let client = client(&server);
    let requests = ["/a", "/b", "/c", "/d"].map(|path| post(path, "body"));
    let mut outcomes = in_order(&client, &requests, || {});
    outcomes.sort_by_key(|outcome| outcome.clone().ok());
    assert_eq!(outcomes, [found("/a"), found("/b"), found("/c"), found("/d")]);
    server.end();
}

#[test]
fn pcl_01_a_server_that_ends_in_the_middle_gets_only_what_may_be_repeated() {
    for is_malformed in [false, true] {
        let server = Script::new(2, move |number, mut peer: Peer| {
            if number > 0 {
                return serve_all(&mut peer);
            }
            let heads: Vec<String> = (0..4).map(|_| peer.head()).collect();
            peer.say(&named(&heads[0]));
            // Of this one a part has come, so it has been acted on.
            peer.say(if is_malformed { "HTTP/1.1 2oo\r\n\r\n" } else { "HTTP/1.1 200 OK\r\nX: " });
        });
        let client = client(&server);
        let requests = [get("/a"), get("/half"), post("/once", ""), get("/d")];
        let outcomes = in_order(&client, &requests, || {});
        assert_eq!((&outcomes[0], &outcomes[3]), (&found("/a"), &found("/d")));
        let half = outcomes[1].clone().expect_err("half of a response");
        let is_protocol = matches!(half, ClientErrorKind::Protocol(_));
        assert_eq!((is_protocol, half == ClientErrorKind::ConnectionClosed), (is_malformed, !is_malformed));
        assert_eq!(outcomes[2], Err(ClientErrorKind::ConnectionClosed));
        drop(client);
        server.end();
    }
}

#[test]
fn pcl_01_a_deadline_ends_its_own_call_and_no_other() {
    // Whoever leaves leads for the others, or waits for whoever does.
    for who in [0, 1] {
        let (release, held) = mpsc::channel::<()>();
        let server = Script::new(1, move |_, mut peer: Peer| {
            let heads: Vec<String> = (0..3).map(|_| peer.head()).collect();
            held.recv().expect("the test goes on");
            heads.iter().for_each(|head| peer.say(&named(head)));
            serve_all(&mut peer);
        });
        let client = client(&server);
        std::thread::scope(|scope| {
            let mut calls = Vec::new();
            for number in 0..3 {
                let limit = if number == who { Duration::from_millis(500) } else { LONG };
                let client = &client;
                calls.push(scope.spawn(move || client.send_timeout(&get(&format!("/{number}")), limit)));
                wait_until("the call", || client.pending_requests() == number + 1);
            }
            let short = calls.remove(who).join().expect("no panic");
            assert_eq!(kind(short), late(ClientPhase::Head));
            assert_eq!(client.pending_requests(), 3, "its response is still to come");
            release.send(()).expect("the server waits for it");
            for (call, number) in calls.into_iter().zip((0..3).filter(|number| *number != who)) {
                assert_eq!(body(call.join().expect("no panic")), format!("/{number}"));
            }
        });
        let response = client.send(&get("/next")).expect("a response");
        assert_eq!((response.conn_requests(), client.stats().open), (4, 1));
        assert_eq!(client.pending_requests(), 0);
        drop(client);
        server.end();
    }
}

#[test]
fn pcl_01_what_nobody_waits_for_is_closed() {
    let server = Script::new(2, |number, mut peer: Peer| {
        let head = peer.head();
        if number > 0 {
            return peer.say(&named(&head));
        }
        peer.expect_end();
    });
    let client = client(&server);
    let error =
        client.send_timeout(&get("/a"), Duration::from_millis(200)).expect_err("there is no response");
    assert!(error.is_timeout());
    assert_eq!((client.stats().open, client.pending_requests()), (0, 0));
    assert_eq!(body(client.send(&get("/b"))), "/b");
    server.end();
}

#[test]
fn pcl_01_a_connection_that_seems_dead_gets_no_new_requests() {
    let server = Script::new(2, |number, mut peer: Peer| {
        if number > 0 {
            return serve_all(&mut peer);
        }
        drop((peer.head(), peer.head()));
        peer.expect_end();
    });
    let client = client(&server);
    std::thread::scope(|scope| {
        let client = &client;
        let send = |path: &'static str, limit| move || client.send_timeout(&get(path), limit);
        let lasting = scope.spawn(send("/lasting", Duration::from_millis(1000)));
        wait_until("the call", || client.pending_requests() == 1);
        let error = send("/short", Duration::from_millis(100))().expect_err("there is no response");
        assert!(error.is_timeout());
        // It is sent once nobody waits for the silent one any more.
        assert_eq!(body(send("/c", LONG)()), "/c");
        assert_eq!(kind(lasting.join().expect("no panic")), late(ClientPhase::Head));
    });
    drop(client);
    server.end();
}

#[test]
fn pcl_01_a_token_ends_its_own_call_and_no_other() {
    for who in [0, 1] {
        let (release, held) = mpsc::channel::<()>();
        let (asked, is_asked) = mpsc::channel::<()>();
        let server = Script::new(1, move |_, mut peer: Peer| {
            let heads = [peer.head(), peer.head()];
            asked.send(()).expect("the test waits for it");
            held.recv().expect("the test goes on");
            heads.iter().for_each(|head| peer.say(&named(head)));
            serve_all(&mut peer);
        });
        let client = client(&server);
        let token = CancelToken::new();
        std::thread::scope(|scope| {
            let mut calls = Vec::new();
            for number in 0..2 {
                let (client, token) =
                    (&client, if number == who { token.clone() } else { CancelToken::new() });
                calls.push(
                    scope.spawn(move || client.call(&get(&format!("/{number}"))).cancel_with(&token).send()),
                );
                wait_until("the call", || client.pending_requests() == number + 1);
            }
            // A call that counts may not have come to a connection yet. Called off then it would take that along, and
            // so would one that waits alone.
            is_asked.recv_timeout(LONG).expect("both were sent");
            token.cancel();
            let cancelled = calls.remove(who).join().expect("no panic");
            assert_eq!(kind(cancelled), ClientErrorKind::Cancelled);
            let other = scope.spawn(|| client.send(&get("/other")));
            wait_until("the other call", || client.pending_requests() == 3);
            release.send(()).expect("the server waits for it");
            let number = 1 - who;
            assert_eq!(body(calls.remove(0).join().expect("no panic")), format!("/{number}"));
            assert_eq!(body(other.join().expect("no panic")), "/other");
        });
        drop(client);
        server.end();
    }
}

#[test]
fn pcl_01_a_token_before_there_is_a_connection_ends_its_own_call_and_no_other() {
    // Whoever leads makes the connection for all; the others do it again.
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let resolver = move |_: &str| {
        let _ = held.lock().expect("no panic").recv();
        Ok(vec![std::net::Ipv4Addr::LOCALHOST.into()])
    };
    let server = Script::new(1, |_, mut peer: Peer| serve_all(&mut peer));
    let client = PipelineClient::builder(format!("name.test:{}", server.addr.port())).resolver(resolver);
    let client = client.connect_timeout(LONG).timeout(LONG).build().expect("an address");
    let token = CancelToken::new();
    std::thread::scope(|scope| {
        let client = &client;
        let first = scope.spawn({
            let token = token.clone();
            move || kind(client.call(&get("/first")).cancel_with(&token).send())
        });
        wait_until("its connection", || client.stats().open == 1);
        let second = scope.spawn(|| body(client.send(&get("/second"))));
        wait_until("the other call", || client.pending_requests() == 2);
        token.cancel();
        assert_eq!(first.join().expect("no panic"), ClientErrorKind::Cancelled);
        release.send(()).expect("the resolver waits for it");
        assert_eq!(second.join().expect("no panic"), "/second");
    });
    drop(client);
    server.end();
}

#[test]
fn pcl_01_a_response_to_nothing_is_not_taken_for_the_next() {
    let (release, held) = mpsc::channel::<()>();
    let server = Script::new(2, move |number, mut peer: Peer| {
        let head = peer.head();
        if number > 0 {
            return peer.say(&named(&head));
        }
        peer.say(&format!("{}{OK}", named(&head)));
        held.recv().expect("the test goes on");
        peer.expect_end();
    });
    let client = client(&server);
    assert_eq!(body(client.send(&get("/a"))), "/a");
    release.send(()).expect("the server waits for it");
    assert_eq!(body(client.send(&get("/b"))), "/b");
    server.end();
}

#[test]
fn pcl_01_the_last_of_a_connection_has_none_behind_it() {
    let server = Script::new(2, |_, mut peer: Peer| {
        let head = peer.head();
        let is_last = head.contains("Connection: close");
        if is_last {
            // The other one is not sent here.
            peer.stream.set_read_timeout(Some(Duration::from_millis(20))).expect("an option of every socket");
            let more = peer.stream.read(&mut [0; 64]).map_err(|error| error.kind());
            assert!(more.is_err(), "{more:?}");
        }
        peer.say(&named(&head));
    });
    let client = client(&server);
    let mut last = get("/last");
    last.set_header("Connection", "close");
    assert_eq!(in_order(&client, &[last, post("/b", "")], || {}), [found("/last"), found("/b")]);
    server.end();
}

#[test]
fn pcl_01_there_is_an_end_to_attempts() {
    // It takes connections, and ends each at once.
    let server = Script::new(3, |_, peer: Peer| drop(peer));
    let client = builder(&server).max_attempts(3).build().expect("an address");
    let error = client.send(&get("/a")).expect_err("there is no response");
    assert_eq!((error.kind(), client.stats().open), (ClientErrorKind::ConnectionClosed, 0));
    server.end();
    let outcomes = in_order(&client, &[get("/a")], || {});
    assert_eq!(outcomes, [Err(ClientErrorKind::Connect)]);
    assert_eq!(client.pending_requests(), 0);
}

#[test]
fn pcl_01_a_connection_serves_as_many_requests_as_it_may() {
    let server = Script::new(2, |number, mut peer: Peer| {
        let heads: Vec<String> = (0..2 - number).map(|_| peer.head()).collect();
        heads.iter().for_each(|head| peer.say(&named(head)));
        if number == 0 {
            peer.expect_end();
        }
    });
    let client = builder(&server).max_conn_requests(2).build().expect("an address");
    let outcomes = in_order(&client, &[post("/a", ""), post("/b", ""), post("/c", "")], || {});
    assert_eq!(outcomes, [found("/a"), found("/b"), found("/c")]);
    server.end();
}

#[test]
fn pcl_01_behind_the_last_of_a_connection_others_go_to_the_next() {
    let (release, held) = mpsc::channel::<()>();
    let server = Script::new(2, move |number, mut peer: Peer| {
        let head = peer.head();
        if number == 0 {
            held.recv().expect("the test goes on");
        }
        peer.say(&named(&head));
        peer.expect_end();
    });
    let client = builder(&server).max_conn_requests(1).build().expect("an address");
    // The second is queued while the first is under way, and has to be woken by its response.
    let outcomes = in_order(&client, &[post("/a", ""), post("/b", "")], || {
        release.send(()).expect("the server waits for it");
    });
    assert_eq!(outcomes, [found("/a"), found("/b")]);
    server.end();
}

#[test]
fn pcl_01_whoever_is_queued_is_told_when_nobody_waits_for_the_silent_ones_any_more() {
    let server = Script::new(2, |number, mut peer: Peer| {
        if number > 0 {
            return serve_all(&mut peer);
        }
        (0..3).for_each(|_| drop(peer.head()));
        peer.expect_end();
    });
    let client = client(&server);
    let tokens = [CancelToken::new(), CancelToken::new()];
    std::thread::scope(|scope| {
        let mut lasting = Vec::new();
        for token in &tokens {
            let client = &client;
            lasting.push(scope.spawn(move || kind(client.call(&get("/lasting")).cancel_with(token).send())));
            wait_until("the call", || client.pending_requests() == lasting.len());
        }
        let short = client.send_timeout(&get("/short"), Duration::from_millis(100));
        assert_eq!(kind(short), late(ClientPhase::Head));
        let queued = scope.spawn(|| {
            let before = cpu_ticks();
            (body(client.send(&get("/queued"))), cpu_ticks() - before)
        });
        wait_until("the call", || client.pending_requests() == 4);
        // Whoever is queued leads once the first one has left, and is to be woken when the other one does.
        let mut lasting = lasting.into_iter();
        for token in &tokens {
            std::thread::sleep(Duration::from_millis(200));
            token.cancel();
            let called_off = lasting.next().map(|call| call.join().expect("no panic"));
            assert_eq!(called_off, Some(ClientErrorKind::Cancelled));
        }
        let (body, ticks) = queued.join().expect("no panic");
        assert_eq!(body, "/queued");
        assert!(ticks < 10, "it slept while it waited, and did not turn round and round for {ticks} ticks");
    });
    drop(client);
    server.end();
}

/// How much time this thread has had, in hundredths of a second; 0 where nobody says.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap_or_default();
    // Behind the name of the thread, which may have spaces.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

#[test]
fn pcl_01_a_connection_that_failed_leaves_room_for_another() {
    let (release, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let server = Script::side_by_side(3, move |_, mut peer: Peer| {
        loop {
            let head = peer.head();
            if head.is_empty() {
                return;
            }
            if head.starts_with("GET /silent ") {
                return peer.expect_end();
            }
            held.lock().expect("no panic").recv().expect("the test goes on");
            peer.say(&named(&head));
        }
    });
    let client = builder(&server).max_conns(2).build().expect("an address");
    let two_at_once = |requests: [Request; 2]| {
        in_order(&client, &requests, || {
            assert_eq!((client.stats().open, client.stats().idle), (2, 0), "one each");
            release.send(()).and_then(|()| release.send(())).expect("the server waits for it");
        })
    };
    assert_eq!(two_at_once([get("/a"), get("/b")]), [found("/a"), found("/b")]);
    let silent = client.send_timeout(&get("/silent"), Duration::from_millis(100));
    assert_eq!(kind(silent), late(ClientPhase::Head));
    assert_eq!(client.stats().open, 1);
    assert_eq!(two_at_once([get("/c"), get("/d")]), [found("/c"), found("/d")]);
    drop(client);
    server.end();
}

#[test]
fn pcl_01_a_request_of_which_only_a_part_was_sent_has_none_behind_it() {
    let (begun, is_begun) = mpsc::channel::<()>();
    let (go, goes_on) = mpsc::channel::<()>();
    let server = Script::new(2, move |number, mut peer: Peer| {
        if number > 0 {
            return serve_all(&mut peer);
        }
        assert!(peer.stream.read(&mut [0; 64]).expect("the client sends") > 0);
        begun.send(()).expect("the test waits for it");
        goes_on.recv_timeout(LONG).expect("the test goes on");
        peer.say("HTTP/1.1 431 Too Large\r\nContent-Length: 5\r\n\r\nlarge");
        goes_on.recv_timeout(LONG).expect("the test goes on");
    });
    let client = client(&server);
    std::thread::scope(|scope| {
        let large = scope.spawn(|| client.send(&with_more_than_is_taken()).expect("a response"));
        is_begun.recv_timeout(LONG).expect("it is sent");
        let behind = scope.spawn(|| body(client.send(&post("/b", ""))));
        wait_until("the other call", || client.pending_requests() == 2);
        go.send(()).expect("the server waits for it");
        let mut large = large.join().expect("no panic");
        assert_eq!((large.status_code(), large.is_request_sent()), (431, false));
        assert_eq!(large.text().expect("a body"), "large");
        go.send(()).expect("the server waits for it");
        assert_eq!(behind.join().expect("no panic"), "/b");
    });
    drop(client);
    server.end();
}

#[test]
fn pcl_01_what_comes_behind_an_announced_end_tells_that_it_was_none() {
    let server = Script::new(2, |number, mut peer: Peer| {
        if number > 0 {
            return serve_all(&mut peer);
        }
        // It says so with each, and acts on all.
        let heads = [peer.head(), peer.head(), peer.head()];
        let last = |head: &String| named(head).replacen("\r\n", "\r\nConnection: close\r\n", 1);
        peer.say(&heads.iter().map(last).collect::<String>());
    });
    let client = client(&server);
    let requests = [post("/a", ""), post("/b", ""), post("/c", "")];
    let outcomes = in_order(&client, &requests, || {});
    let closed = Err(ClientErrorKind::ConnectionClosed);
    assert_eq!(outcomes, [found("/a"), closed.clone(), closed]);
    assert_eq!(body(client.send(&get("/d"))), "/d");
    drop(client);
    server.end();
}
