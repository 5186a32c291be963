//! Streams of events: what clients hear, who is missed, what the slow ones lose, and that none of them holds a thread.
//!
//! The idea: a test has the hub in its hands and the client at the other end, so it says when something happens and
//! reads what came of it, byte by byte. The rule: whatever both ways of serving a connection can do is shown for both.

use std::io::Write;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anthill_http::RequestCtx;
use anthill_http::events::{
    Event, EventError, EventHub, EventOptions, EventSender, EventStream, Overflow, event_channel,
    event_channel_with,
};
use anthill_tests::client::{Client, SOCKET_LIMIT, get, hears};
use anthill_tests::drivers::{on_both, on_both_within};
use anthill_tests::events::{HEAD, chunk, next_chunk};
use anthill_tests::server::{Running, plain};
use anthill_tests::uploads::{assert_goes_on, or_next};
use anthill_tests::{Gate, PATIENCE, background, eventually, planned_panic};

const HEARTBEAT: &str = "3\r\n:\n\n\r\n";
const END: &str = "0\r\n\r\n";

/// Who sends to each of the streams that a handler has begun, in order.
#[derive(Clone, Debug, Default)]
struct Senders(Arc<Mutex<Vec<EventSender>>>);

impl Senders {
    /// A stream whose sender is kept here.
    fn stream(&self, options: EventOptions) -> EventStream {
        let (sender, stream) = event_channel_with(options).unwrap();
        self.0.lock().unwrap().push(sender);
        stream
    }

    /// The sender of a stream that begins.
    #[track_caller]
    fn next(&self) -> EventSender {
        eventually("the handler begins a stream", || !self.0.lock().unwrap().is_empty());
        self.0.lock().unwrap().remove(0)
    }
}

/// A handler that begins a stream with these options, and an echo.
fn begins(
    senders: &Senders,
    options: EventOptions,
) -> impl Fn(&mut RequestCtx) + Clone + Send + Sync + 'static {
    let senders = senders.clone();
    or_next(move |ctx| ctx.set_event_stream(senders.stream(options.clone())))
}

/// Without heartbeats: whatever comes was sent.
fn silent() -> EventOptions {
    EventOptions::new().heartbeat(None)
}

/// Reads a response of chunks to its end and gives the body.
fn body(client: &mut Client) -> String {
    let reply = client.response();
    String::from_utf8(reply.body).unwrap()
}

/// The numbers after `data: ` in order.
fn numbers(body: &str) -> Vec<usize> {
    body.lines().filter_map(|line| line.strip_prefix("data: ")).map(|data| data.parse().unwrap()).collect()
}

fn numbered(number: usize) -> Event {
    Event::data(number.to_string())
}

#[test]
fn a_client_hears_each_event_when_it_is_sent_and_its_connection_goes_on() {
    let senders = Senders::default();
    on_both(plain(), begins(&senders, silent()), |driven| {
        let mut client = driven.client();
        for ends in [EventSender::close, |sender: &EventSender| drop(sender.clone())] {
            client.send(get("/"));
            hears(&client, HEAD);
            let sender = senders.next();
            assert!(sender.is_connected());
            sender.send(Event::data("hello\nworld").event("greeting").id("7")).unwrap();
            hears(&client, &chunk("data: hello\ndata: world\nevent: greeting\nid: 7\n\n"));
            sender.send(Event::comment("nothing")).unwrap();
            hears(&client, &chunk(": nothing\n\n"));
            ends(&sender);
            drop(sender);
            hears(&client, END);
            assert_goes_on(&mut client);
        }
    });
}

#[test]
fn a_hub_sends_to_all_who_have_subscribed() {
    let hub = EventHub::new();
    let subscribing = hub.clone();
    let running = Running::with(plain(), or_next(move |ctx| ctx.set_event_stream(subscribing.subscribe())));
    assert_eq!(hub.send(Event::data("nobody")), Ok(0));
    let mut clients = running.clients(20);
    for client in &mut clients {
        client.send(get("/"));
        hears(client, HEAD);
    }
    assert_eq!(hub.subscribers(), 20);
    assert_eq!(hub.send(Event::data("all")), Ok(20));
    for client in &clients {
        hears(client, &chunk("data: all\n\n"));
    }
    assert_eq!(hub.send(Event::data("x").event("a\rb")), Err(EventError::Field("event")));
    hub.close();
    for client in &mut clients {
        hears(client, END);
        assert_goes_on(client);
    }
    assert_eq!((hub.subscribers(), hub.lost()), (0, 0));
    assert_eq!(hub.send(Event::data("late")), Err(EventError::Closed));
    // Who comes late finds the end.
    assert_eq!(clients[0].get("/").text(), "");
}

#[test]
fn the_last_handle_of_a_hub_ends_its_streams() {
    let hub = Arc::new(Mutex::new(None));
    let held = hub.clone();
    let handler = or_next(move |ctx| {
        let stream = held.lock().unwrap().get_or_insert_with(EventHub::new).subscribe();
        ctx.set_event_stream(stream);
    });
    on_both(plain(), handler, |driven| {
        let mut client = driven.client();
        client.send(get("/"));
        hears(&client, HEAD);
        drop(hub.lock().unwrap().take());
        hears(&client, END);
        assert_goes_on(&mut client);
    });
}

#[test]
fn what_is_sent_before_the_response_waits_for_it_in_order() {
    let handler = or_next(|ctx| {
        let (sender, mut stream) = event_channel();
        let after = ctx.last_event_id().map(str::to_owned);
        sender.send(Event::data("queued")).unwrap();
        stream.send_first(Event::data(format!("after {after:?}"))).unwrap();
        assert_eq!(stream.send_first(Event::data("x").id("\0")), Err(EventError::Field("id")));
        stream.send_first(Event::data("b".repeat(200_000))).unwrap();
        ctx.response.set_header("cache-control", "no-store");
        ctx.set_event_stream(stream);
        sender.send(Event::data("last")).unwrap();
    });
    on_both(plain(), handler, |driven| {
        let mut client = driven.client();
        let reply = client.exchange("GET / HTTP/1.1\r\nHost: h\r\nLast-Event-ID: 41\r\n\r\n");
        assert_eq!(reply.field("Cache-Control"), Some("no-store"));
        let large = "b".repeat(200_000);
        let expected = format!("data: after Some(\"41\")\n\ndata: {large}\n\ndata: queued\n\ndata: last\n\n");
        assert!(reply.text() == expected, "{:.200}", reply.text());
        assert_goes_on(&mut client);
    });
}

#[test]
fn many_events_come_in_order_and_none_is_lost() {
    const EVENTS: usize = 20_000;
    let senders = Senders::default();
    on_both(plain(), begins(&senders, silent().queue(EVENTS)), |driven| {
        let mut client = driven.client();
        client.send(get("/"));
        let sender = senders.next();
        let sending = background(move || {
            for number in 0..EVENTS {
                sender.send(numbered(number)).unwrap();
                if number % 97 == 0 {
                    // So that the stream runs empty now and then.
                    thread::sleep(Duration::from_micros(300));
                }
            }
        });
        assert!(numbers(&body(&mut client)) == (0..EVENTS).collect::<Vec<_>>());
        sending.outcome("sending");
        assert_goes_on(&mut client);
    });
}

#[test]
fn subscribers_come_and_go_while_several_send() {
    const SENDERS: usize = 3;
    let hub = EventHub::with(silent().queue(1_000_000)).unwrap();
    let subscribing = hub.clone();
    let running = Running::with(plain().shards(2), move |ctx| ctx.set_event_stream(subscribing.subscribe()));
    let is_over = Arc::new(AtomicBool::new(false));
    let sending: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (hub, is_over) = (hub.clone(), is_over.clone());
            background(move || {
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    hub.send(numbered(count * SENDERS + sender)).unwrap();
                    count += 1;
                    thread::sleep(Duration::from_micros(50));
                }
            })
        })
        .collect();
    let address = running.address();
    let staying: Vec<_> = (0..8)
        .map(|_| {
            background(move || {
                let mut client = Client::connect(address);
                client.send(get("/"));
                body(&mut client)
            })
        })
        .collect();
    for round in 0..200 {
        let mut client = running.client();
        client.send(get("/"));
        if round % 2 == 0 {
            hears(&client, HEAD);
        }
    }
    eventually("the others have left", || hub.subscribers() == 8);
    is_over.store(true, Ordering::Relaxed);
    for sending in sending {
        sending.outcome("sending");
    }
    hub.close();
    let heard: Vec<_> = staying.into_iter().map(|client| numbers(&client.outcome("a client"))).collect();
    for heard in &heard {
        for sender in 0..SENDERS {
            let of_one: Vec<_> = heard.iter().filter(|number| *number % SENDERS == sender).collect();
            assert!(!of_one.is_empty());
            assert!(of_one.windows(2).all(|pair| pair[0] + SENDERS == *pair[1]), "one was lost or moved");
        }
    }
    // All had the same order, from where each began.
    let longest = heard.iter().max_by_key(|heard| heard.len()).unwrap();
    assert!(heard.iter().all(|heard| longest.ends_with(heard)));
    assert_eq!(hub.lost(), 0);
}

#[test]
fn a_head_is_answered_by_the_head() {
    let hub = EventHub::new();
    let subscribing = hub.clone();
    let handler = or_next(move |ctx| ctx.set_event_stream(subscribing.subscribe()));
    on_both(plain(), handler, |driven| {
        let mut client = driven.client();
        client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
        let reply = client.response_to_head();
        assert_eq!(reply.field("Content-Type"), Some("text/event-stream"));
        assert_goes_on(&mut client);
        assert_eq!(hub.subscribers(), 0);
    });
}

#[test]
fn to_an_old_client_the_stream_lasts_as_long_as_the_connection() {
    let senders = Senders::default();
    on_both(plain(), begins(&senders, silent()), |driven| {
        let mut client = driven.client();
        client.send("GET / HTTP/1.0\r\n\r\n");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                    Connection: close\r\n\r\n";
        hears(&client, head);
        let sender = senders.next();
        sender.send(Event::data("bare")).unwrap();
        hears(&client, "data: bare\n\n");
        drop(sender);
        client.expect_end();
    });
}

#[test]
fn requests_behind_a_stream_wait_for_its_end() {
    let senders = Senders::default();
    on_both(plain(), begins(&senders, silent()), |driven| {
        let mut client = driven.client();
        // More of them than are taken in while the stream is under way.
        let behind = 2000;
        let mut writing = client.stream().try_clone().unwrap();
        let requests = get("/") + &get("/next").repeat(behind);
        let writing = background(move || writing.write_all(requests.as_bytes()));
        hears(&client, HEAD);
        let sender = senders.next();
        for number in 0..50 {
            sender.send(numbered(number)).unwrap();
            hears(&client, &chunk(&format!("data: {number}\n\n")));
        }
        assert_eq!(driven.handled(), 1, "the first alone has been handled");
        drop(sender);
        hears(&client, END);
        for _ in 0..behind {
            assert_eq!(client.response().status, 200);
        }
        writing.outcome("writing").unwrap();
        assert_goes_on(&mut client);
    });
}

#[test]
fn a_client_that_has_gone_is_missed_while_nothing_is_sent() {
    let hub = EventHub::with(silent()).unwrap();
    let subscribing = hub.clone();
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let running = Running::with(plain(), move |ctx| {
        let mut stream = hub_stream(&subscribing, &count);
        if ctx.path() == "/first" {
            stream.send_first(Event::data("first")).unwrap();
        }
        ctx.set_event_stream(stream);
    });
    let sender = hub;
    for (round, path) in ["/", "/first"].into_iter().enumerate() {
        let mut clients = running.clients(3);
        for client in &mut clients {
            client.send(get(path));
        }
        for client in &clients[..2] {
            hears(client, HEAD);
            if path == "/first" {
                hears(client, &chunk("data: first\n\n"));
            }
        }
        // What is closed with something unread is reset.
        eventually("the third has its head", || clients[2].stream().peek(&mut [0]).is_ok());
        assert_eq!(sender.subscribers(), 3);
        clients[1].stream().shutdown(Shutdown::Both).unwrap();
        clients.clear();
        eventually("all three are missed", || sender.subscribers() == 0);
        eventually("their ends are told", || ended.load(Ordering::SeqCst) == 3 * (round + 1));
        running.reaches("their connections are closed", |stats| stats.open_connections == 0);
    }
}

/// A stream whose end is counted.
fn hub_stream(hub: &EventHub, ended: &Arc<AtomicUsize>) -> EventStream {
    let mut stream = hub.subscribe();
    let ended = ended.clone();
    stream.on_end(move || {
        ended.fetch_add(1, Ordering::SeqCst);
    });
    stream
}

#[test]
fn heartbeats_find_out_who_has_gone() {
    let senders = Senders::default();
    let beating = EventOptions::new().heartbeat(Duration::from_millis(20));
    on_both(plain(), begins(&senders, beating), |driven| {
        let mut client = driven.client();
        client.send(get("/"));
        hears(&client, HEAD);
        let sender = senders.next();
        for _ in 0..3 {
            hears(&client, HEARTBEAT);
        }
        assert!(sender.is_connected());
        drop(client);
        eventually("the client is missed", || !sender.is_connected());
        assert_eq!(sender.send(Event::data("late")), Err(EventError::Closed));
    });
}

#[test]
fn a_client_that_only_listens_from_now_on_keeps_its_stream() {
    let senders = Senders::default();
    on_both(plain(), begins(&senders, silent()), |driven| {
        let mut client = driven.client();
        client.send(get("/"));
        client.finish_sending();
        hears(&client, HEAD);
        let sender = senders.next();
        if driven.is_engine() {
            // It is asked whether it is still there.
            hears(&client, HEARTBEAT);
        }
        for number in 0..20 {
            sender.send(numbered(number)).unwrap();
            hears(&client, &chunk(&format!("data: {number}\n\n")));
        }
        assert!(sender.is_connected());
        drop(sender);
        hears(&client, END);
        client.expect_end();
    });
}

#[test]
fn no_timeout_counts_while_there_are_no_events() {
    let limit = Duration::from_millis(100);
    let senders = Senders::default();
    let options = plain().idle_timeout(limit).read_header_timeout(limit);
    on_both_within(limit, options, begins(&senders, silent()), |driven| {
        let mut client = driven.client();
        client.send(get("/"));
        hears(&client, HEAD);
        let sender = senders.next();
        for _ in 0..2 {
            assert!(client.hears_nothing_for(limit * 4));
            sender.send(Event::data("still there")).unwrap();
            hears(&client, &chunk("data: still there\n\n"));
        }
        drop(sender);
        hears(&client, END);
        assert_goes_on(&mut client);
        // Now they count again.
        assert!(client.is_ended_within(SOCKET_LIMIT));
    });
}

#[test]
fn a_client_that_takes_nothing_is_given_up_at_the_write_timeout() {
    let limit = Duration::from_millis(300);
    let senders = Senders::default();
    on_both_within(limit, plain(), begins(&senders, silent()), |driven| {
        let mut client = driven.client();
        client.send(get("/"));
        hears(&client, HEAD);
        let sender = senders.next();
        let begun = Instant::now();
        let large = "x".repeat(500_000);
        eventually("it is given up", || sender.send(Event::data(&large)).is_err());
        assert!(begun.elapsed() >= limit, "after {:?}", begun.elapsed());
        assert!(!sender.is_connected());
        if let Some(ended) = driven.end() {
            assert!(ended.unwrap_err().is_timeout());
        }
        drop(client);
    });
}

#[test]
fn a_slow_client_loses_the_oldest_events_and_is_told_of_it() {
    const EVENTS: usize = 100;
    let senders = Senders::default();
    on_both(plain(), begins(&senders, silent().queue(10).tell_loss(true)), |driven| {
        let mut client = driven.client();
        client.send(get("/"));
        hears(&client, HEAD);
        let sender = senders.next();
        let filler = "x".repeat(200_000);
        for number in 0..EVENTS {
            sender.send(Event::data(&filler).add_data(number.to_string())).unwrap();
        }
        let lost = sender.lost();
        assert!(lost > 0 && lost < EVENTS as u64, "{lost}");
        assert!(sender.is_connected());
        // What the queue has no room for can be refused instead. Whoever serves the client may still be taking some,
        // until the client's buffers are full as well.
        let mut sent = EVENTS;
        eventually("there is no room", || {
            let refused = sender.try_send(numbered(sent)).err();
            sent += usize::from(refused.is_none());
            assert!(matches!(refused, None | Some(EventError::Full)), "{refused:?}");
            refused.is_some()
        });
        assert_eq!(sender.lost(), lost, "nothing is lost for what is refused");
        drop(sender);
        let mut heard = Vec::new();
        let mut told = 0;
        let mut is_told = false;
        // The head was read already.
        let rest = chunks(&client);
        for line in rest.lines() {
            match line.strip_prefix("data: ") {
                Some(count) if is_told => told += count.parse::<u64>().unwrap(),
                Some(number) if number != filler => heard.push(number.parse::<usize>().unwrap()),
                _ => {}
            }
            is_told = line == "event: lagged";
        }
        assert_eq!(told, lost);
        assert_eq!(heard.len() as u64 + lost, sent as u64);
        assert!(heard.is_sorted() && heard.ends_with(&(sent - 10..sent).collect::<Vec<_>>()), "{heard:?}");
        assert_goes_on(&mut client);
    });
}

/// What is in the chunks that come, up to the last one.
fn chunks(client: &Client) -> String {
    let mut text = String::new();
    while next_chunk(client, &mut text) {}
    text
}

/// The next event, which comes in as many chunks as it likes but alone.
fn event(client: &Client) -> String {
    let mut text = String::new();
    while !text.ends_with("\n\n") {
        assert!(next_chunk(client, &mut text), "the end after {text:?}");
    }
    text
}

#[test]
fn a_slow_client_is_cut_off_where_that_is_the_policy() {
    let hub = EventHub::with(silent().queue(5).overflow(Overflow::Disconnect)).unwrap();
    let subscribing = hub.clone();
    let handler = or_next(move |ctx| ctx.set_event_stream(subscribing.subscribe()));
    on_both(plain(), handler, |driven| {
        let (mut slow, mut fast) = (driven.client(), driven.client());
        for client in [&mut slow, &mut fast] {
            client.send(get("/"));
            hears(client, HEAD);
        }
        let (text, before) = ("x".repeat(300_000), hub.lost());
        let mut sent = 0;
        while hub.lost() == before {
            assert!(hub.send(Event::data(&text)).unwrap() >= 1);
            assert!(event(&fast) == format!("data: {text}\n\n"));
            sent += 1;
            assert!(sent < 1000, "nobody is too slow");
        }
        assert_eq!(hub.lost() - before, 6, "what waited, and what was too much");
        // Who blocks learns of it only when the client takes something.
        if driven.is_engine() {
            eventually("the slow one has left", || hub.subscribers() == 1);
        }
        let rest = slow.rest().unwrap_or_default();
        assert!(!rest.ends_with(END.as_bytes()), "it can tell");
        eventually("the slow one has left", || hub.subscribers() == 1);
        assert_eq!(hub.send(Event::data("on")), Ok(1));
        hears(&fast, &chunk("data: on\n\n"));
        drop(fast);
        // Who blocks notices when it sends.
        eventually("the other has gone too", || hub.send(Event::data("any")) == Ok(0));
    });
}

#[test]
fn a_shutdown_ends_all_streams_at_once_and_well() {
    let hub = EventHub::new();
    let subscribing = hub.clone();
    let handler = move |ctx: &mut RequestCtx| ctx.set_event_stream(subscribing.subscribe());
    on_both(plain(), handler, |driven| {
        let mut clients: Vec<_> = (0..20).map(|_| driven.client()).collect();
        for client in &mut clients {
            client.send(get("/"));
            hears(client, HEAD);
        }
        // Somebody who does not stop sending does not keep them.
        let (sending, is_over) = (hub.clone(), Arc::new(AtomicBool::new(false)));
        let over = is_over.clone();
        let sending = background(move || {
            while !over.load(Ordering::Relaxed) {
                sending.send(Event::data("and on")).unwrap();
                thread::sleep(Duration::from_micros(100));
            }
        });
        eventually("all hear something", || {
            clients.iter().all(|client| client.stream().peek(&mut [0]).is_ok_and(|count| count == 1))
        });
        driven.running().server().shutdown(PATIENCE).unwrap();
        for client in &mut clients {
            let rest = client.rest().unwrap();
            let rest = String::from_utf8(rest).unwrap();
            assert!(rest.ends_with("data: and on\n\n\r\n0\r\n\r\n"), "{rest:?}");
        }
        assert_eq!(hub.subscribers(), 0);
        is_over.store(true, Ordering::Relaxed);
        sending.outcome("sending");
    });
}

#[test]
fn a_stream_ends_with_its_server_though_its_sender_lives_on() {
    let senders = Senders::default();
    let mut running = Running::with(plain(), begins(&senders, silent()));
    for _ in 0..2 {
        let mut client = running.client();
        client.send(get("/"));
        hears(&client, HEAD);
        let sender = senders.next();
        running.shut_down(PATIENCE).unwrap();
        hears(&client, END);
        client.expect_end();
        assert!(!sender.is_connected());
        assert_eq!(sender.send(Event::data("late")), Err(EventError::Closed));
        running.listen("127.0.0.1:0").unwrap();
    }
}

#[test]
fn streams_of_handlers_that_block_hold_no_worker() {
    const STREAMS: usize = 30;
    let hub = EventHub::new();
    let subscribing = hub.clone();
    let running = Running::with(
        plain().shards(1).max_workers(8),
        or_next(move |ctx| {
            thread::sleep(Duration::from_millis(20));
            ctx.set_event_stream(subscribing.subscribe());
        }),
    );
    let mut clients = running.clients(STREAMS);
    for client in &mut clients {
        client.send(get("/"));
        hears(client, HEAD);
    }
    assert_eq!(hub.subscribers(), STREAMS);
    eventually("nobody but the driver is busy", || {
        running.server().stats().workers.is_some_and(|pool| pool.busy <= 1)
    });
    for number in 0..50 {
        assert_eq!(hub.send(numbered(number)), Ok(STREAMS));
        for client in &clients {
            hears(client, &chunk(&format!("data: {number}\n\n")));
        }
    }
    let dispatched = running.server().stats().dispatched_requests;
    assert!(dispatched <= STREAMS as u64, "a stream was handed over: {dispatched}");
    hub.close();
    for client in &mut clients {
        hears(client, END);
        assert_goes_on(client);
    }
}

#[test]
fn what_runs_at_the_end_of_a_stream_may_panic() {
    let hub = EventHub::new();
    let subscribing = hub.clone();
    let handler = or_next(move |ctx| {
        let mut stream = subscribing.subscribe();
        stream.on_end(|| planned_panic());
        ctx.set_event_stream(stream);
        if ctx.path() == "/never" {
            ctx.set_body("instead");
        }
    });
    let running = Running::with(plain(), handler);
    let mut client = running.client();
    assert_eq!(client.get("/never").text(), "instead");
    client.send(get("/"));
    hears(&client, HEAD);
    hub.close();
    hears(&client, END);
    assert_goes_on(&mut client);
}

/// What runs at the ends of streams blocks as many threads as there are for what blocks, and no more.
#[test]
fn what_blocks_at_the_ends_of_streams_holds_up_nobody() {
    const STREAMS: usize = 30;
    let (hub, gate, ended) = (EventHub::new(), Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (to, held, ends) = (hub.clone(), gate.clone(), ended.clone());
    let running = Running::with(plain().shards(2).max_workers(2), move |ctx| {
        if ctx.path() != "/events" {
            return;
        }
        let (held, ends) = (held.clone(), ends.clone());
        let mut stream = to.subscribe();
        stream.on_end(move || {
            held.pass();
            ends.fetch_add(1, Ordering::SeqCst);
        });
        ctx.set_event_stream(stream);
    });
    // Each shard gets some of these, whose answers are nobody's code.
    let is_held_up_nowhere = || {
        for mut client in running.clients(20) {
            client.send("no request\r\n\r\n");
            assert_eq!(client.response().status, 400);
        }
    };
    let mut clients = running.clients(STREAMS);
    for client in &mut clients {
        client.send(get("/events"));
    }
    eventually("all listen", || hub.subscribers() == STREAMS);
    // Some go by themselves, the others are sent the end.
    clients.truncate(STREAMS / 2);
    is_held_up_nowhere();
    hub.close();
    is_held_up_nowhere();
    assert_eq!(ended.load(Ordering::SeqCst), 0);
    gate.open();
    eventually("each has ended", || ended.load(Ordering::SeqCst) == STREAMS);
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200, "the stream, which ends, and the next response");
    }
}
