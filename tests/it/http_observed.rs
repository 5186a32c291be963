//! Connections and requests are told of as they go: their states, and what became of each request.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use anthill_http::{CompletedRequest, RequestCtx, RequestOutcome, Server, ServerBuilder};
use anthill_tests::client::{Client, get};
use anthill_tests::drivers::on_both;
use anthill_tests::notes::Notes;
use anthill_tests::server::Running;
use anthill_tests::{Gate, background, eventually, planned_panic};

fn states(notes: &Notes) -> ServerBuilder {
    let notes = notes.clone();
    Server::builder().conn_state(move |conn, state| {
        assert!(conn.remote_addr().is_some());
        notes.add(state.to_string());
    })
}

#[test]
fn srv_11_the_states_of_a_connection() {
    let notes = Notes::default();
    on_both(
        states(&notes),
        |ctx| ctx.set_body("served"),
        |driven| {
            let mut client = driven.client();
            client.get("/");
            client.get("/");
            assert_eq!(notes.take(5), ["new", "active", "idle", "active", "idle"]);
            drop(client);
            assert_eq!(notes.take(1), ["closed"]);

            let mut client = driven.client();
            client.exchange("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            client.expect_end();
            assert_eq!(notes.take(3), ["new", "active", "closed"]);

            let mut client = driven.client();
            client.exchange("nonsense\r\n\r\n");
            client.expect_end();
            assert_eq!(notes.take(3), ["new", "active", "closed"]);

            drop(driven.client());
            assert_eq!(notes.take(2), ["new", "closed"]);

            // Requests that come together are one time of activity.
            let mut client = driven.client();
            client.send(get("/").repeat(3));
            for _ in 0..3 {
                client.response();
            }
            assert_eq!(notes.take(3), ["new", "active", "idle"]);
            drop(client);
            assert_eq!(notes.take(1), ["closed"]);
        },
    );
}

#[test]
fn srv_11_who_is_refused_a_place_is_new_and_closed() {
    let (notes, gate) = (Notes::default(), Gate::new());
    let held = gate.clone();
    let running = Running::with(states(&notes).concurrency(1), move |_| held.pass());
    let mut first = running.client();
    first.send(get("/"));
    assert_eq!(notes.take(2), ["new", "active"]);
    assert_eq!(running.client().response().status, 503);
    assert_eq!(notes.take(2), ["new", "closed"]);
    gate.open();
    assert_eq!(first.response().status, 200);
    assert_eq!(notes.take(1), ["idle"]);
}

/// A shutdown closes what is idle, and makes room for new ones by doing so; both are told.
#[test]
fn srv_11_connections_that_are_closed_for_others_or_by_a_shutdown() {
    let notes = Notes::default();
    let mut running = Running::with(states(&notes).concurrency(1), |_| ());
    let mut first = running.client();
    first.get("/");
    assert_eq!(notes.take(3), ["new", "active", "idle"]);
    let mut second = running.client();
    second.get("/");
    let mut told = notes.take(4);
    told.sort();
    assert_eq!(told, ["active", "closed", "idle", "new"]);
    running.shut_down(Duration::from_secs(10)).expect("nothing is under way");
    assert_eq!(notes.take(1), ["closed"]);
}

fn record(completed: &CompletedRequest) -> String {
    let (method, path, status) = (completed.method(), completed.path(), completed.status());
    let (received, sent, body) =
        (completed.bytes_received(), completed.bytes_sent(), completed.body_bytes_sent());
    format!("{method} {path} {status} {received} {sent} {body} {}", completed.outcome())
}

fn recorded(notes: &Notes) -> ServerBuilder {
    let notes = notes.clone();
    Server::builder()
        .name(None)
        .default_date(false)
        .default_content_type(false)
        .on_complete(move |completed| notes.add(record(completed)))
}

fn answer(ctx: &mut RequestCtx) {
    match ctx.path() {
        "/" => ctx.set_body("served"),
        "/panic" => planned_panic(),
        "/upload" => {
            let count = io::copy(&mut ctx.body_reader(), &mut io::sink()).unwrap_or(0);
            ctx.set_body(count.to_string());
        }
        "/written" => ctx.response.set_body_writer(|out| {
            for _ in 0..3 {
                out.write_all(b"piece")?;
                out.flush()?;
            }
            Ok(())
        }),
        "/read" => ctx.response.set_body_reader_sized(io::Cursor::new(vec![b'x'; 200_000]), 200_000),
        "/short" => ctx.response.set_body_reader_sized(io::Cursor::new(b"x"), 2),
        "/failing" => ctx.response.set_body_writer(|out| {
            out.write_all(b"x")?;
            out.flush()?;
            Err(io::Error::other("as planned"))
        }),
        _ => ctx.not_found(),
    }
}

#[test]
fn each_request_is_told_with_what_it_was_and_what_became_of_it() {
    let notes = Notes::default();
    let options = recorded(&notes).max_request_body_size(300_000);
    on_both(options, answer, |driven| {
        let told = |request: &str, head: bool| {
            let mut client = driven.client();
            client.send(request);
            let reply = if head { client.response_to_head() } else { client.response() };
            (reply.status, notes.take(1).remove(0))
        };
        const HEAD: usize = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n".len();
        let request = get("/");
        let expected = format!("GET / 200 {} {} 6 sent", request.len(), HEAD + 6);
        assert_eq!(told(&request, false), (200, expected));
        let request = request.replace("GET", "HEAD");
        assert_eq!(told(&request, true), (200, format!("HEAD / 200 {} {HEAD} 0 sent", request.len())));

        let upload = format!(
            "PUT /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n{}",
            "x".repeat(100_000)
        );
        let (status, line) = told(&upload, false);
        assert_eq!(status, 200);
        assert!(line.starts_with(&format!("PUT /upload 200 {} ", upload.len())), "{line}");
        let chunked = "PUT /upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (_, line) = told(&format!("{chunked}3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), false);
        assert!(
            line.starts_with(&format!("PUT /upload 200 {} ", chunked.len() + 5)),
            "without framing: {line}"
        );

        let (_, line) = told(&get("/written"), false);
        let chunks = "5\r\npiece\r\n".len() * 3 + "0\r\n\r\n".len();
        assert!(line.ends_with(&format!(" {chunks} sent")), "{line}");
        let (_, line) = told(&get("/read"), false);
        assert!(line.ends_with(" 200000 sent"), "{line}");
        let (status, line) = told(&get("/panic"), false);
        assert_eq!(status, 500);
        assert!(line.starts_with("GET /panic 500 ") && line.ends_with(" panicked"), "{line}");
        let (status, line) = told("GET /a?b HTTP/1.1\r\nA: b\r\n\r\n", false);
        assert_eq!(status, 400);
        let expected = "GET /a 400 27 ";
        assert!(line.starts_with(expected) && line.ends_with(" 26 refused: missing host field"), "{line}");
    });
}

#[test]
fn responses_that_are_not_sent_whole_are_told_as_that() {
    let notes = Notes::default();
    on_both(recorded(&notes), answer, |driven| {
        for path in ["/short", "/failing"] {
            let mut client = driven.client();
            client.send(get(path));
            let line = notes.take(1).remove(0);
            assert!(line.starts_with(&format!("GET {path} 200 ")) && line.ends_with(" broken"), "{line}");
            assert!(client.rest().is_ok());
        }
    });
    // The client takes nothing of more than all buffers hold, and goes.
    let running = Running::with(recorded(&notes), |ctx| ctx.response.set_body_reader(io::repeat(b'x')));
    let mut client = running.client();
    client.send(get("/endless"));
    running.reaches("it is being answered", |stats| stats.open_connections == 1);
    thread::sleep(Duration::from_millis(50));
    drop(client);
    let line = notes.take(1).remove(0);
    assert!(line.starts_with("GET /endless 200 ") && line.ends_with(" client gone"), "{line}");
}

#[test]
fn those_who_find_no_thread_are_told_as_turned_away() {
    let (notes, gate) = (Notes::default(), Gate::new());
    let held = gate.clone();
    let options = recorded(&notes).shards(1).max_workers(1).max_wait(Duration::from_millis(50));
    let running = Running::with(options, move |_| held.pass());
    let mut clients: Vec<Client> = running.clients(12);
    for client in &mut clients {
        client.send(get("/"));
    }
    eventually("somebody is turned away", || running.server().stats().rejections.turned_away > 0);
    gate.open();
    for client in &mut clients {
        client.response();
    }
    let turned_away = usize::try_from(running.server().stats().rejections.turned_away).expect("few");
    let told = notes.take(12);
    assert_eq!(told.iter().filter(|line| line.ends_with(" turned away")).count(), turned_away);
    assert!(told.iter().all(|line| line.ends_with(" turned away") == line.contains(" 503 ")), "{told:?}");
}

#[test]
fn a_record_knows_the_request_its_route_and_its_times() {
    let notes = Notes::default();
    let told = notes.clone();
    let options = Server::builder().on_complete(move |completed| {
        assert!(completed.handled() >= Duration::from_millis(30), "{:?}", completed.handled());
        assert!(completed.total() >= completed.handled() + completed.waited());
        assert!(completed.time() <= SystemTime::now());
        let request = completed.request();
        told.add(format!(
            "{:?} {} {:?} {} {} {}",
            completed.route(),
            request.request_uri_str(),
            request.header_str("X"),
            request.body().len(),
            completed.conn().request_number(),
            completed.remote_addr().is_some(),
        ));
    });
    let running = Running::with(options, |ctx| {
        ctx.set_route("/users/{id}");
        ctx.request.set_header("X", "changed by the handler");
        thread::sleep(Duration::from_millis(30));
    });
    let mut client = running.client();
    let request = "PUT /users/7?a=b HTTP/1.1\r\nHost: h\r\nX: as sent\r\nContent-Length: 3\r\n\r\nabc";
    client.exchange(request);
    client.exchange(request);
    let expected =
        |number: u32| format!("Some(\"/users/{{id}}\") /users/7?a=b Some(\"as sent\") 0 {number} true");
    assert_eq!(notes.take(2), [expected(1), expected(2)]);
}

#[test]
fn requests_that_come_together_are_told_in_order() {
    let notes = Notes::default();
    on_both(recorded(&notes), answer, |driven| {
        let mut client = driven.client();
        client.send(["/", "/written", "/missing", "/read", "/"].map(get).concat());
        for _ in 0..5 {
            client.response();
        }
        let told = notes.take(5);
        let paths: Vec<_> = told.iter().map(|line| line.split(' ').nth(1).expect("a path")).collect();
        assert_eq!(paths, ["/", "/written", "/missing", "/read", "/"]);
    });
}

/// It is told on a thread that may block: what is fast goes on, also when as many wait as there may be.
#[test]
fn an_observer_that_blocks_holds_nobody_up() {
    let (gate, entered) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (held, count) = (gate.clone(), entered.clone());
    let is_held = Arc::new(AtomicBool::new(false));
    let blocks = is_held.clone();
    let options =
        Server::builder().shards(1).max_workers(2).max_waiting_requests(4).on_complete(move |completed| {
            if completed.path() == "/held" && blocks.load(Ordering::SeqCst) {
                count.fetch_add(1, Ordering::SeqCst);
                held.pass();
            }
        });
    let running = Running::with(options, |ctx| ctx.set_body("served"));
    let mut calm = running.client();
    for path in ["/", "/held"] {
        for _ in 0..300 {
            assert_eq!(calm.get(path).text(), "served");
        }
    }
    // Its next request waits until those before it were told.
    assert_eq!(calm.get("/").text(), "served");
    is_held.store(true, Ordering::SeqCst);
    let mut others = running.clients(30);
    for client in &mut others {
        assert_eq!(client.get("/held").text(), "served", "it was sent before anybody is told");
    }
    eventually("somebody is told", || entered.load(Ordering::SeqCst) > 0);
    for client in &mut others {
        client.send(get("/"));
    }
    gate.open();
    for client in &mut others {
        assert_eq!(client.response().text(), "served");
    }
    eventually("all are told", || entered.load(Ordering::SeqCst) == 30);
    assert_eq!(calm.get("/").text(), "served");
}

#[test]
fn an_observer_that_panics_harms_nobody() {
    let notes = Notes::default();
    let told = notes.clone();
    let options = Server::builder()
        .conn_state(|_, _| planned_panic())
        .on_complete(|_| planned_panic())
        .on_complete(move |completed| told.add(completed.outcome().to_string()));
    on_both(options, answer, |driven| {
        let mut client = driven.client();
        assert_eq!((client.get("/").text(), client.get("/").text()), ("served", "served"));
        assert_eq!(notes.take(2), ["sent", "sent"]);
    });
}

/// What happens to connections that end in a shutdown is told before the shutdown returns.
#[test]
fn the_last_ones_are_told_before_a_shutdown_is_over() {
    let (told, gate) = (Arc::new(AtomicUsize::new(0)), Gate::new());
    let (count, held) = (told.clone(), gate.clone());
    let options = Server::builder().on_complete(move |completed| {
        assert_eq!(completed.outcome(), RequestOutcome::Sent);
        thread::sleep(Duration::from_millis(5));
        count.fetch_add(1, Ordering::SeqCst);
    });
    let mut running = Running::with(options, move |_| held.pass());
    let mut clients = running.clients(8);
    for client in &mut clients {
        client.send(get("/"));
    }
    eventually("all are inside", || running.handled() == 8);
    let server = running.server().clone();
    let stopping = background(move || server.shutdown(Duration::from_secs(20)));
    gate.open();
    for client in &mut clients {
        client.response();
    }
    stopping.outcome("the shutdown").expect("all end");
    assert_eq!(told.load(Ordering::SeqCst), 8);
    running.shut_down(Duration::from_secs(10)).expect("it is over");
}
