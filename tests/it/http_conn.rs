//! How long a connection lives and in which order it is served: rows `CON-01` to `CON-11`, `EXP-01` and `EXP-04`, and
//! what a handler knows about its connection.
//!
//! The rule: whoever says that the connection ends must end it, and whoever ends it must have said so.

use std::net::Shutdown;
use std::time::Duration;

use anthill_http::{RequestCtx, Server};
use anthill_tests::client::{Client, Reply, SOCKET_LIMIT, get, post};
use anthill_tests::drivers::on_both;
use anthill_tests::notes::Notes;
use anthill_tests::server::Running;
use anthill_tests::{Gate, eventually};

/// Answers with method and path, and does to the connection what the query says.
fn echo(ctx: &mut RequestCtx) {
    let echoed = format!("{} {} {}", ctx.method(), ctx.path(), String::from_utf8_lossy(ctx.body()));
    ctx.set_body(echoed.trim_end());
    match ctx.request.query() {
        b"close" => ctx.response.set_connection_close(),
        b"header" => ctx.response.set_header("Connection", "close"),
        b"keep" => ctx.response.set_header("Connection", "keep-alive"),
        _ => {}
    }
}

fn with_field(request: &str, field: &str) -> String {
    request.replacen("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"), 1)
}

#[track_caller]
fn assert_stays(client: &mut Client, request: &str) -> Reply {
    let reply = client.exchange(request);
    assert_eq!((reply.status, reply.field("Connection")), (200, None), "{request:?}");
    assert_eq!(client.get("/still").text(), "GET /still", "after {request:?}");
    reply
}

#[track_caller]
fn assert_closes(mut client: Client, request: &str) {
    // What follows must not be served.
    client.send(request.to_owned() + &get("/never"));
    let reply = client.response();
    assert_eq!((reply.status, reply.closes()), (200, true), "{request:?}");
    client.expect_end();
}

#[test]
fn con_01_connections_stay_by_default() {
    let running = Running::new(echo);
    let mut client = running.client();
    for request in [get("/1"), post("/2", "body"), get("/3")] {
        assert_stays(&mut client, &request);
    }
    assert_eq!(running.server().stats().accepted_connections, 1);
}

#[test]
fn con_02_the_client_may_close() {
    let running = Running::new(echo);
    assert_closes(running.client(), &with_field(&get("/"), "Connection: close"));
    assert_closes(running.client(), &with_field(&post("/", "body"), "Connection: close"));
    assert_eq!(running.handled(), 2);
}

#[test]
fn con_03_close_counts_in_any_case_and_in_a_list() {
    let running = Running::new(echo);
    for value in
        ["Close", "CLOSE", "close, TE", "TE, close", "TE,close", " TE ,\tcLoSe ", "keep-alive, close"]
    {
        assert_closes(running.client(), &with_field(&get("/"), &format!("Connection: {value}")));
    }
    assert_closes(running.client(), &with_field(&get("/"), "Connection: TE\r\nconnection: close"));
    for value in ["closed", "not-close", "TE", "", "close-notify", "\"close\""] {
        assert_stays(&mut running.client(), &with_field(&get("/"), &format!("Connection: {value}")));
    }
}

#[test]
fn con_04_http_1_0_closes_unless_asked_not_to() {
    let running = Running::new(echo);
    let old = "GET /old HTTP/1.0\r\n\r\n";
    assert_closes(running.client(), old);
    for value in ["keep-alive", "Keep-Alive", "foo, keep-alive"] {
        let mut client = running.client();
        let kept = with_field(old, &format!("Connection: {value}"));
        for _ in 0..2 {
            let reply = client.exchange(&kept);
            assert_eq!((reply.status, reply.field("Connection")), (200, Some("keep-alive")));
        }
        // The third closes, so a fourth is not served.
        client.send(old.to_owned() + &kept);
        assert!(client.response().closes());
        client.expect_end();
    }
    assert_closes(running.client(), &with_field(old, "Connection: keep-alive, close"));
    assert_eq!(running.handled(), 1 + 3 * 3 + 1);
}

#[test]
fn con_05_the_handler_may_close_and_cannot_keep() {
    let running = Running::new(echo);
    assert_closes(running.client(), &get("/?close"));
    assert_closes(running.client(), &get("/?header"));
    assert_closes(running.client(), &with_field(&get("/?keep"), "Connection: close"));
    assert_closes(running.client(), "GET /?keep HTTP/1.0\r\n\r\n");
    assert_stays(&mut running.client(), &get("/?keep"));
}

#[test]
fn con_06_pipelined_requests_are_answered_in_order() {
    let running = Running::new(echo);
    let mut client = running.client();
    for round in 0..20 {
        let batch: String = (0..20).map(|number| get(&format!("/{round}/{number}"))).collect();
        client.send(batch);
        for number in 0..20 {
            assert_eq!(client.response().text(), format!("GET /{round}/{number}"));
        }
    }
    assert_eq!(running.handled(), 400);
}

#[test]
fn pipelining_more_than_any_buffer_holds_stalls_nobody() {
    let running = Running::new(|ctx| ctx.set_body(vec![b'x'; 10_000]));
    let mut client = running.client();
    // Nothing is read before all is sent: 20 MB of responses have to wait on the server's side of the socket, and the
    // server must go on reading when they have gone.
    let sending = client.stream().try_clone().unwrap();
    let sender = anthill_tests::background(move || Client::over(sending).send(get("/").repeat(2000)));
    for _ in 0..2000 {
        assert_eq!(client.response().body.len(), 10_000);
    }
    sender.outcome("sending 2000 requests");
}

#[test]
fn con_07_half_a_request_holds_up_no_response() {
    let running = Running::new(echo);
    for cut in [1, 3, 20, get("/second").len() - 1] {
        let mut client = running.client();
        let second = get("/second");
        client.send(get("/first") + &second[..cut]);
        assert_eq!(client.response().text(), "GET /first");
        client.send(&second[cut..]);
        assert_eq!(client.response().text(), "GET /second");
    }
}

#[test]
fn con_08_stray_line_ends_between_requests_and_connections_without_any() {
    let running = Running::new(echo);
    let mut client = running.client();
    client.send(post("/1", "abc") + "\r\n\r\n" + &get("/2"));
    assert_eq!(client.response().text(), "POST /1 abc");
    assert_eq!(client.response().text(), "GET /2");
    // And nothing behind them.
    client.send(post("/3", "abc") + "\r\n\r\n");
    assert_eq!(client.response().text(), "POST /3 abc");
    client.finish_sending();
    client.expect_end();
    assert_eq!(running.handled(), 3);

    let mut client = running.client();
    client.finish_sending();
    client.expect_end();
    let mut client = running.client();
    client.send("\r\n\r\n");
    client.finish_sending();
    client.expect_end();
    drop(running.client());
    running.reaches("all are gone", |stats| stats.open_connections == 0);
    assert_eq!((running.handled(), running.server().stats().rejections.malformed), (3, 0));
}

#[test]
fn con_08_ends_between_requests_are_no_errors() {
    on_both(Server::builder(), echo, |driven| {
        for (sent, responses) in [
            (String::new(), 0),
            ("\r\n".to_owned(), 0),
            ("\r\n\r\n\n\r".to_owned(), 0),
            (post("/1", "abc") + "\r\n\r\n", 1),
            (post("/1", "abc") + "\r\n\r\n" + &post("/2", "abc") + "\r\n", 2),
        ] {
            for is_dropped in [false, true] {
                let mut client = driven.client();
                client.send(&sent);
                for number in 1..=responses {
                    assert_eq!(client.response().text(), format!("POST /{number} abc"), "{sent:?}");
                }
                if !is_dropped {
                    client.finish_sending();
                    client.expect_end();
                }
                drop(client);
                if let Some(ended) = driven.end() {
                    ended.unwrap_or_else(|error| panic!("{error:?} after {sent:?}"));
                }
            }
        }
        assert_eq!(driven.handled(), 6);
        assert_eq!(driven.running().server().stats().rejections.malformed, 0);
    });
}

#[test]
fn con_11_a_handler_notices_that_its_client_is_gone() {
    let notes = Notes::default();
    let says = notes.clone();
    let running = Running::with(Server::builder().stream_request_body(true), move |ctx| {
        match ctx.path() {
            "/next" => return assert!(!ctx.client_disconnected()),
            "/behind" => return,
            _ => {}
        }
        if ctx.path() == "/read" {
            assert!(ctx.read_body().is_ok());
        }
        assert!(!ctx.client_disconnected(), "it waits for the response");
        says.add("waits");
        eventually("the client is seen to be gone", || ctx.client_disconnected());
        assert!(ctx.client_disconnected(), "and does not come back");
        says.add("noticed");
    });
    let requests = [
        get("/"),
        // With something behind it that was not looked at, a body that was read, and one that was not.
        get("/") + &get("/behind"),
        post("/read", "body"),
        post("/", "body")[..post("/", "body").len() - 1].to_owned(),
    ];
    for request in requests {
        let mut client = running.client();
        client.send(request);
        assert_eq!(notes.take(1), ["waits"]);
        drop(client);
        assert_eq!(notes.take(1), ["noticed"]);
    }
    // A client that has only said everything it has to say.
    let mut client = running.client();
    client.send(get("/"));
    assert_eq!(notes.take(1), ["waits"]);
    client.finish_sending();
    assert_eq!(client.response().status, 200);
    client.expect_end();
    assert_eq!(notes.take(1), ["noticed"]);
    // And those who stay are not mistaken.
    let mut client = running.client();
    for _ in 0..3 {
        assert_eq!(client.exchange(post("/next", "body")).status, 200);
    }
    assert_eq!(running.server().stats().panics, 0);
}

#[test]
fn con_09_nothing_behind_a_closing_response_is_executed() {
    let running = Running::new(echo);
    let mut client = running.client();
    client.send(get("/?close") + &get("/never") + &post("/never", "x"));
    assert!(client.response().closes());
    client.expect_end();
    assert_eq!(running.handled(), 1);
    // Neither is what comes later.
    let mut client = running.client();
    client.send(get("/?close"));
    assert!(client.response().closes());
    let _ = client.try_send(get("/never"));
    // The connection may be gone by then, so this may be answered by a reset.
    assert!(client.is_ended_within(SOCKET_LIMIT));
    assert_eq!(running.handled(), 2);
}

#[test]
fn con_10_an_early_refusal_can_be_read_by_a_client_that_goes_on_sending() {
    let running = Running::with(Server::builder().max_request_body_size(1000), echo);
    let piece = "x".repeat(50_000);
    for head in ["Content-Length: 500000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n7a120\r\n"] {
        let mut client = running.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{head}"));
        // It looks for a response only when it has sent everything, as many clients do.
        for _ in 0..10 {
            client.send(&piece);
        }
        let reply = client.response();
        assert_eq!((reply.status, reply.closes()), (413, true));
        client.expect_end();
    }
    running.reaches("both are gone", |stats| stats.open_connections == 0);
    assert_eq!(running.handled(), 0);
}

#[test]
fn a_refused_client_that_never_stops_sending_is_cut_off() {
    let running = Running::with(Server::builder().max_request_body_size(1000), echo);
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000000\r\n\r\n");
    assert_eq!(client.response().status, 413);
    let piece = vec![b'x'; 64 * 1024];
    let mut sent = 0_u64;
    while client.try_send(&piece).is_ok() {
        sent += piece.len() as u64;
        assert!(sent < 1 << 30, "a gigabyte was taken from a client that was refused");
    }
    running.reaches("it is gone", |stats| stats.open_connections == 0);
    // And one that neither sends nor closes.
    let mut client = running.client();
    client.send("nonsense\r\n\r\n");
    assert_eq!(client.response().status, 400);
    running.reaches("it is gone as well", |stats| stats.open_connections == 0);
}

#[test]
fn the_other_end_may_be_shut_before_the_response() {
    let gate = Gate::new();
    let held = gate.clone();
    let running = Running::new(move |ctx| {
        held.pass();
        ctx.set_body(vec![b'x'; 1 << 20]);
    });
    let mut client = running.client();
    client.send(get("/").repeat(2));
    client.stream().shutdown(Shutdown::Write).unwrap();
    eventually("the handler runs", || running.handled() == 1);
    gate.open();
    for _ in 0..2 {
        assert_eq!(client.response().body.len(), 1 << 20);
    }
    client.expect_end();
}

#[test]
fn exp_01_the_body_is_asked_for() {
    let running = Running::new(echo);
    let mut client = running.client();
    for body in
        ["Content-Length: 4\r\n\r\n|body", "Transfer-Encoding: chunked\r\n\r\n|4\r\nbody\r\n0\r\n\r\n"]
    {
        let (head, body) = body.split_once('|').unwrap();
        client.send(format!("POST /up HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n{head}"));
        let interim = client.response();
        assert_eq!((interim.status, interim.reason.as_str(), interim.fields.len()), (100, "Continue", 0));
        assert!(client.hears_nothing_for(Duration::from_millis(20)), "nothing more before the body");
        client.send(body);
        let reply = client.response();
        assert_eq!((reply.status, reply.text()), (200, "POST /up body"));
    }
}

#[test]
fn a_body_that_comes_without_waiting_is_read_all_the_same() {
    let running = Running::new(echo);
    let mut client = running.client();
    client.send(with_field(&post("/", "body"), "Expect: 100-continue") + &get("/next"));
    let mut reply = client.response();
    if reply.status == 100 {
        reply = client.response();
    }
    assert_eq!(reply.text(), "POST / body");
    assert_eq!(client.response().text(), "GET /next");
}

#[test]
fn exp_04_what_expectations_may_be() {
    let running = Running::with(Server::builder().max_request_body_size(10), echo);
    let ask = |version: &str, expect: &str, length: usize| {
        let mut client = running.client();
        client.send(format!(
            "POST / HTTP/{version}\r\nHost: h\r\nExpect: {expect}\r\nContent-Length: {length}\r\n\r\n"
        ));
        client
    };
    for expect in ["100-CONTINUE", "100-Continue", " 100-continue "] {
        let mut client = ask("1.1", expect, 4);
        assert_eq!(client.response().status, 100, "{expect:?}");
        client.send("body");
        assert_eq!(client.response().text(), "POST / body");
    }
    // A client of HTTP/1.0 cannot know what an interim response is.
    let mut client = ask("1.0", "100-continue", 4);
    assert!(client.hears_nothing_for(Duration::from_millis(100)));
    client.send("body");
    assert_eq!(client.response().status, 200);
    for expect in ["200-ok", "100-continue, x", "continue"] {
        let mut client = ask("1.1", expect, 4);
        let reply = client.response();
        assert_eq!((reply.status, reply.closes()), (417, true), "{expect:?}");
        client.expect_end();
    }
    let mut client = ask("1.1", "100-continue", 11);
    assert_eq!(client.response().status, 413, "and no 100 before it");
    client.expect_end();
    // No body to ask for.
    let mut client = ask("1.1", "100-continue", 0);
    assert_eq!(client.response().status, 200);
}

#[test]
fn connections_and_their_requests_are_numbered() {
    let running = Running::new(|ctx| {
        assert_eq!((ctx.conn().id(), ctx.conn().request_number()), (ctx.conn_id(), ctx.conn_request_num()));
        let numbers = format!("{} {}", ctx.conn_id(), ctx.conn_request_num());
        ctx.set_body(numbers);
    });
    let mut ids: Vec<u64> = Vec::new();
    for _ in 0..3 {
        let mut client = running.client();
        client.send(get("/").repeat(2));
        let mut replies = vec![client.response(), client.response()];
        replies.push(client.get("/"));
        for (reply, expected) in replies.iter().zip(1_u64..) {
            let (id, number) = reply.text().split_once(' ').unwrap();
            assert_eq!(number.parse(), Ok(expected));
            ids.push(id.parse().unwrap());
        }
    }
    assert!(ids.chunks(3).all(|of_one| of_one.iter().all(|id| *id == of_one[0])), "{ids:?}");
    assert!(ids[0] != ids[3] && ids[3] != ids[6] && ids[0] != ids[6], "{ids:?}");
}

#[test]
fn a_handler_sees_both_addresses() {
    let running = Running::new(|ctx| {
        let addresses = format!("{} {}", ctx.remote_addr(), ctx.local_addr());
        assert_eq!(ctx.conn().remote_addr(), Some(ctx.remote_addr()));
        ctx.set_body(addresses);
    });
    let mut client = running.client();
    let expected = format!("{} {}", client.stream().local_addr().unwrap(), running.address());
    assert_eq!(client.get("/").text(), expected);
}

#[test]
fn many_connections_each_get_their_own_responses() {
    let running = Running::new(echo);
    let mut clients = running.clients(100);
    for round in 0..5 {
        for (number, client) in clients.iter_mut().enumerate() {
            client
                .send(get(&format!("/{round}/{number}")) + &post(&format!("/{number}"), &number.to_string()));
        }
        for (number, client) in clients.iter_mut().enumerate().rev() {
            assert_eq!(client.response().text(), format!("GET /{round}/{number}"));
            assert_eq!(client.response().text(), format!("POST /{number} {number}"));
        }
    }
    assert_eq!(running.handled(), 1000);
}
