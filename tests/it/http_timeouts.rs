//! How long the server waits: rows `TMO-01` to `TMO-06`.
//!
//! Time is what is tested, so these tests sleep. The rule: what must not happen early is measured by what really
//! passed, with the rounding of the server's clock allowed for; what must happen is given far longer than a loaded
//! machine needs, and far less than any other limit of the server would take.

use std::thread;
use std::time::{Duration, Instant};

use anthill_http::{RequestConfig, Server, ServerBuilder};
use anthill_tests::client::{Client, get};
use anthill_tests::eventually;
use anthill_tests::notes::Notes;
use anthill_tests::server::Running;

const LIMIT: Duration = Duration::from_millis(200);
/// What the server's clock may be off, and what passes between sending a byte and noting the time.
const EARLY: Duration = Duration::from_millis(50);
/// Beyond this a limit of `LIMIT` has not worked. All other limits are switched off or above.
const LATE: Duration = Duration::from_secs(8);

/// Every timeout switched off.
fn patient() -> ServerBuilder {
    Server::builder().read_timeout(None).read_header_timeout(None).idle_timeout(None).write_timeout(None)
}

/// Asserts that what began then ended after `limit`.
#[track_caller]
fn assert_took(limit: Duration, begun: Instant) {
    let took = begun.elapsed();
    assert!(took + EARLY >= limit, "ended after {took:?}, which is before {limit:?} had passed");
    assert!(took < LATE, "ended after {took:?}, which is long after {limit:?}");
}

/// Reads a 408 with everything that belongs to it.
#[track_caller]
fn assert_timed_out(client: &mut Client) {
    let reply = client.response();
    assert_eq!((reply.status, reply.text(), reply.closes()), (408, "Request timeout", true));
    client.expect_end();
}

/// Sends `text` byte by byte, one in 50 ms, until the server has had enough.
fn trickle(client: &mut Client, text: &str) {
    for byte in text.as_bytes() {
        if client.try_send([*byte]).is_err() || !client.hears_nothing_for(Duration::from_millis(50)) {
            return;
        }
    }
    panic!("the server took all of it");
}

#[test]
fn tmo_01_a_first_request_that_never_begins() {
    let limits = [patient().read_timeout(LIMIT), patient().read_timeout(LATE * 2).read_header_timeout(LIMIT)];
    // The shorter of the two counts.
    for options in limits {
        for sent in ["", "\r\n"] {
            let running = Running::with(options.clone(), |_| {});
            let begun = Instant::now();
            let mut client = running.client();
            client.send(sent);
            client.expect_end();
            assert_took(LIMIT, begun);
            assert_eq!(running.server().stats().rejections.timed_out, 0);
        }
        let running = Running::with(options.answer_silent_conns(true), |_| {});
        let begun = Instant::now();
        assert_timed_out(&mut running.client());
        assert_took(LIMIT, begun);
        assert_eq!(running.server().stats().rejections.timed_out, 1);
    }
}

/// Nobody is told of a request that never was; whoever began one is answered.
#[test]
fn tmo_01_silence_is_no_request_for_anybody() {
    let notes = Notes::default();
    let (completed, refused, states) = (notes.clone(), notes.clone(), notes.clone());
    let options = patient()
        .read_header_timeout(LIMIT)
        .on_complete(move |request| completed.add(format!("completed {}", request.status())))
        .error_handler(move |_, error| refused.add(format!("{error:?}")))
        .conn_state(move |_, state| states.add(format!("{state:?}")));
    let running = Running::with(options, |_| {});
    running.client().expect_end();
    assert_eq!(notes.take(2), ["New", "Closed"]);
    let mut begun = running.client();
    begun.send("G");
    assert_timed_out(&mut begun);
    assert_eq!(notes.take(5), ["New", "Active", "Timeout", "completed 408", "Closed"]);
}

/// A client that connects ahead, as browsers do, and whose request comes when the server has just given it up.
#[test]
fn tmo_01_a_connection_made_ahead_is_not_answered_before_it_asks() {
    let running = Running::with(patient().read_header_timeout(LIMIT), |ctx| ctx.set_body("served"));
    let mut ahead = running.client();
    eventually("it is closed", || running.server().stats().open_connections == 0);
    // Whether this still can be sent the system decides; but no answer to it is there already.
    let _ = ahead.try_send(get("/"));
    assert!(!matches!(ahead.try_response(), Ok(reply) if reply.status != 200));
    assert_eq!(running.client().get("/").text(), "served");
}

#[test]
fn tmo_02_a_slow_head_is_cut_off_at_the_timeout() {
    let running = Running::with(patient().read_timeout(LIMIT), |_| {});
    let mut client = running.client();
    let begun = Instant::now();
    trickle(&mut client, &format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(400)));
    assert_timed_out(&mut client);
    assert_took(LIMIT, begun);
    assert_eq!(running.handled(), 0);
}

#[test]
fn tmo_02_a_slow_body_is_cut_off_at_the_timeout() {
    let running = Running::with(patient().read_timeout(LIMIT), |_| {});
    let body = "x".repeat(400);
    for (head, body) in [
        ("Content-Length: 400\r\n\r\n", body.clone()),
        ("Transfer-Encoding: chunked\r\n\r\n", format!("190\r\n{body}\r\n0\r\n\r\n")),
        ("Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n".repeat(80)),
    ] {
        let mut client = running.client();
        let begun = Instant::now();
        client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{head}"));
        trickle(&mut client, &body);
        assert_timed_out(&mut client);
        assert_took(LIMIT, begun);
    }
    assert_eq!(running.handled(), 0);
}

#[test]
fn a_request_in_time_is_served_however_often() {
    let running = Running::with(patient().read_timeout(Duration::from_secs(2)), |_| {});
    let mut client = running.client();
    // Taken together they take longer than one may.
    for _ in 0..5 {
        client.send("GET / HTTP/1.1\r\n");
        thread::sleep(Duration::from_millis(500));
        client.send("Host: h\r\n\r\n");
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn tmo_03_a_connection_that_stays_idle_is_closed_silently() {
    let idle = Duration::from_millis(100);
    // Whoever was answered once has not been silent.
    let options = patient().idle_timeout(idle).read_timeout(Duration::from_secs(5)).answer_silent_conns(true);
    let running = Running::with(options, |ctx| {
        if ctx.path() == "/long" {
            thread::sleep(Duration::from_millis(300));
        }
    });
    let mut client = running.client();
    let begun = Instant::now();
    assert_eq!(client.get("/").status, 200);
    client.expect_end();
    assert_took(idle, begun);
    let mut client = running.client();
    assert_eq!(client.get("/long").status, 200, "a handler may take longer");
    client.expect_end();
    assert_eq!(running.server().stats().rejections.timed_out, 0, "silence is not an error");
}

#[test]
fn tmo_03_without_an_idle_timeout_the_read_timeout_counts() {
    let running = Running::with(patient().read_timeout(LIMIT), |_| {});
    let mut client = running.client();
    let begun = Instant::now();
    assert_eq!(client.get("/").status, 200);
    client.expect_end();
    assert_took(LIMIT, begun);
}

#[test]
fn tmo_03_an_idle_timeout_does_not_hurry_a_request_that_has_begun() {
    // Long enough for the first byte of each request to come in time on a busy machine.
    let running = Running::with(patient().idle_timeout(Duration::from_millis(700)), |_| {});
    let mut client = running.client();
    assert_eq!(client.get("/").status, 200);
    let request = get("/");
    client.send(&request[..1]);
    thread::sleep(Duration::from_millis(1000));
    client.send(&request[1..20]);
    thread::sleep(Duration::from_millis(1000));
    client.send(&request[20..]);
    assert_eq!(client.response().status, 200);
}

#[test]
fn tmo_04_a_client_that_takes_nothing_is_given_up() {
    let running = Running::with(patient().write_timeout(LIMIT), |ctx| {
        ctx.response.set_body_vec(vec![b'x'; 64 << 20]);
    });
    let begun = Instant::now();
    let mut client = running.client();
    client.send(get("/"));
    running.reaches("it has come", |stats| stats.accepted_connections == 1);
    running.reaches("the server has given up", |stats| stats.open_connections == 0);
    assert_took(LIMIT, begun);
    // What was under way arrives, and no more.
    let received = client.rest().map_or(0, |rest| rest.len());
    assert!(received < 64 << 20, "{received} bytes");
}

#[test]
fn tmo_05_the_write_timeout_begins_after_the_handler() {
    let limit = Duration::from_millis(1000);
    let running = Running::with(patient().write_timeout(limit), move |ctx| {
        thread::sleep(limit + limit / 2);
        // More than the sockets hold, so that the server has to wait for the client.
        ctx.response.set_body_vec(vec![b'x'; 16 << 20]);
    });
    assert_eq!(running.client().get("/").body.len(), 16 << 20);
}

#[test]
fn a_slow_reader_that_gets_on_is_not_given_up() {
    let running = Running::with(patient().write_timeout(Duration::from_millis(1500)), |ctx| {
        ctx.response.set_body_vec(vec![b'x'; 24 << 20]);
    });
    let mut client = running.client();
    client.send(get("/"));
    // Each pause is within the limit, all of them together are not.
    let mut received = 0;
    let mut buffer = vec![0; 6 << 20];
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(600));
        std::io::Read::read_exact(&mut client.stream(), &mut buffer).expect("the next quarter");
        received += buffer.len();
    }
    assert_eq!(received, 24 << 20);
}

#[test]
fn tmo_06_a_limit_of_its_own_for_the_head() {
    let running = Running::with(patient().read_header_timeout(LIMIT * 2), |_| {});
    let mut client = running.client();
    let begun = Instant::now();
    client.send("POST / HTTP/1.1\r\nHost: h\r\n");
    assert_timed_out(&mut client);
    assert_took(LIMIT * 2, begun);
    // The body may take its time.
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo");
    thread::sleep(LIMIT * 4);
    client.send("dy");
    assert_eq!(client.response().status, 200);
    // And a connection may stay idle.
    thread::sleep(LIMIT * 4);
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn deadlines_of_many_connections_do_not_disturb_each_other() {
    let options = patient().read_timeout(Duration::from_secs(1)).idle_timeout(LATE).shards(1);
    let running = Running::with(options, |_| {});
    let mut late: Vec<Client> = running.clients(20);
    let mut busy = running.client();
    let begun = Instant::now();
    for client in &mut late {
        client.send("GET / HT");
    }
    while begun.elapsed() < Duration::from_millis(1500) {
        assert_eq!(busy.get("/").status, 200);
        thread::sleep(Duration::from_millis(100));
    }
    for client in &mut late {
        assert_timed_out(client);
    }
    assert_eq!(busy.get("/").status, 200);
}

#[test]
fn the_time_for_a_head_does_not_begin_while_the_body_before_it_is_thrown_away() {
    let running = Running::with(patient().read_header_timeout(LIMIT * 5).stream_request_body(true), |_| {});
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.send("a");
    thread::sleep(LIMIT * 6);
    client.send("bGET / HTTP/1.1\r\n");
    thread::sleep(LIMIT);
    client.send("Host: h\r\n\r\n");
    assert_eq!(client.response().status, 200);
}

#[test]
fn srv_13_a_time_for_one_body_is_none_for_the_next_head() {
    let options = patient()
        .read_timeout(LATE)
        .header_received(|_| RequestConfig::new().read_timeout(Duration::from_millis(1)));
    let running = Running::with(options, |_| {});
    let mut client = running.client();
    assert_eq!(client.get("/").status, 200);
    client.send("GET / HTTP/1.1\r\n");
    thread::sleep(LIMIT);
    client.send("Host: h\r\n\r\n");
    assert_eq!(client.response().status, 200);
    // Nor may it make the next head slower than the server allows.
    let options =
        patient().read_timeout(LIMIT).header_received(|_| RequestConfig::new().read_timeout(LATE * 2));
    let running = Running::with(options, |_| {});
    let mut client = running.client();
    assert_eq!(client.get("/").status, 200);
    client.send("GET / HTTP/1.1\r\n");
    let begun = Instant::now();
    assert_timed_out(&mut client);
    assert_took(LIMIT, begun);
}

#[test]
fn empty_lines_do_not_stretch_the_time_between_requests() {
    let running = Running::with(patient().idle_timeout(LIMIT), |_| {});
    let mut client = running.client();
    assert_eq!(client.get("/").status, 200);
    for _ in 0..40 {
        if client.try_send("\r\n").is_err() || !client.hears_nothing_for(LIMIT / 4) {
            return;
        }
    }
    panic!("the server waits still");
}

#[test]
fn the_time_for_a_head_does_not_begin_with_the_empty_lines_before_it() {
    let running = Running::with(patient().read_header_timeout(LIMIT * 5), |_| {});
    let mut client = running.client();
    client.send(get("/") + "\r\n");
    assert_eq!(client.response().status, 200);
    thread::sleep(LIMIT * 6);
    client.send("GET / HTTP/1.1\r\n");
    thread::sleep(LIMIT);
    client.send("Host: h\r\n\r\n");
    assert_eq!(client.response().status, 200);
}
