//! What happens when no thread is left for handlers that block: everything else goes on, and what waits is told in
//! time.
//!
//! The idea: handlers wait at a gate that stays closed until all that is claimed has been seen, so whatever is answered
//! meanwhile did not wait for them. The rule: the limits are so short that they pass, and no test cares when.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anthill_http::{RequestConfig, Server, ServerBuilder};
use anthill_tests::client::{Client, get};
use anthill_tests::server::Running;
use anthill_tests::{Gate, background, eventually};

const SHARDS: usize = 2;
const SHORT: Duration = Duration::from_millis(300);

fn options() -> ServerBuilder {
    Server::builder().shards(SHARDS)
}

/// A server whose `/held` waits at the gate, `/release` opens it, and `/nap?<microseconds>` sleeps. Says how many have
/// been inside of `/held`.
fn held(options: ServerBuilder) -> (Running, Gate, Arc<AtomicUsize>) {
    let (gate, entered) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (held, count) = (gate.clone(), entered.clone());
    let running = Running::with(options, move |ctx| match ctx.path() {
        "/held" => {
            count.fetch_add(1, Ordering::SeqCst);
            held.pass();
        }
        "/release" => held.open(),
        "/nap" => {
            let micros = String::from_utf8_lossy(ctx.request.query()).parse().unwrap();
            thread::sleep(Duration::from_micros(micros));
        }
        "/upload" => {
            let _ = ctx.read_body();
        }
        _ => {}
    });
    (running, gate, entered)
}

fn clients(running: &Running, count: usize, target: &str) -> Vec<Client> {
    let mut clients = running.clients(count);
    for client in &mut clients {
        client.send(get(target));
    }
    clients
}

/// Whoever looks at a driver that holds up its shard may find it computing, and it may sleep all the same.
#[test]
fn engine_f1_what_computes_before_it_blocks_is_noticed() {
    let running = Running::with(options(), |ctx| {
        if ctx.path() == "/both" {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(8) {}
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut client = running.client();
    let mut run = |requests: usize| {
        for _ in 0..requests {
            assert_eq!(client.get("/both").status, 200);
        }
        running.server().stats().revoked_leases
    };
    let learned = run(10);
    assert_eq!(run(20), learned, "it holds up no shard any more");
}

#[test]
fn engine_f1_what_blocks_for_moments_is_noticed_by_a_calm_server() {
    for micros in [100, 300, 1000] {
        let (running, ..) = held(options());
        let mut calm = running.client();
        // Longer than a new server is watched closely.
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(1500) {
            assert_eq!(calm.get("/").status, 200);
        }
        const CLIENTS: u64 = 8;
        const EACH: u64 = 40;
        let before = running.server().stats().dispatched_requests;
        let asking: Vec<_> = running
            .clients(CLIENTS as usize)
            .into_iter()
            .map(|mut client| {
                background(move || {
                    for _ in 0..EACH {
                        assert_eq!(client.get(&format!("/nap?{micros}")).status, 200);
                    }
                })
            })
            .collect();
        for client in asking {
            client.outcome("a client of what blocks for moments");
        }
        let dispatched = running.server().stats().dispatched_requests - before;
        assert!(dispatched > CLIENTS * EACH / 2, "{dispatched} of those that sleep {micros} us");
    }
}

#[test]
fn engine_f2_with_every_worker_blocked_the_rest_goes_on() {
    for workers in [1, 2, 4] {
        let limits = options().max_workers(workers).idle_timeout(SHORT).read_header_timeout(SHORT);
        let (running, _, entered) = held(limits);
        let mut idle = running.clients(8);
        for client in &mut idle {
            assert_eq!(client.get("/").status, 200);
        }
        let mut blocked = clients(&running, workers + 30, "/held");
        eventually("they block", || entered.load(Ordering::SeqCst) >= workers);
        for _ in 0..20 {
            assert_eq!(running.client().get("/new").status, 200, "{workers} workers");
        }
        let mut late = running.clients(8);
        for client in &mut late {
            client.send("GET / HTTP/1.1\r\nHo");
        }
        for client in &mut late {
            assert_eq!(client.response().status, 408);
            client.expect_end();
        }
        for client in &mut idle {
            client.expect_end();
        }
        let entered = entered.load(Ordering::SeqCst);
        assert!(entered <= workers + SHARDS + 4, "{entered} run at once");
        // What ends the blocking is read.
        assert_eq!(running.client().get("/release").status, 200);
        for client in &mut blocked {
            assert_eq!(client.response().status, 200);
        }
    }
}

#[test]
fn engine_f2_clients_who_send_nothing_do_not_take_the_last_worker() {
    for workers in [1, 2, 8] {
        let (running, ..) = held(options().max_workers(workers).stream_request_body(true));
        let mut silent = running.clients(workers + 20);
        for client in &mut silent {
            client.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n");
        }
        eventually("they occupy all they can", || {
            running.server().stats().workers.is_some_and(|pool| pool.busy > SHARDS)
        });
        for _ in 0..4 {
            let mut slow = clients(&running, 4, "/nap?3000");
            assert_eq!(running.client().get("/").status, 200);
            for client in &mut slow {
                assert_eq!(client.response().status, 200, "{workers} workers");
            }
        }
        for client in &mut silent {
            client.send("x");
        }
        for client in &mut silent {
            assert_eq!(client.response().status, 200);
        }
    }
}

#[test]
fn engine_f2_a_writer_that_is_not_run_leaves_its_place_to_others() {
    let options = options().max_streaming_workers(1).stream_request_body(true).body_read_ahead(None);
    let running = Running::with(options, |ctx| match ctx.method() {
        "POST" => {
            let _ = ctx.read_body();
        }
        _ => ctx.response.set_body_writer(|out| std::io::Write::write_all(out, b"written")),
    });
    let mut client = running.client();
    for _ in 0..4 {
        // It has a head alone, so nothing writes.
        client.send("HEAD /written HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(client.response_to_head().status, 200);
    }
    let mut upload = running.client();
    upload.send("POST /upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n");
    eventually("it has a thread", || running.server().stats().dispatched_requests > 0);
    upload.send("x");
    assert_eq!(upload.response().status, 200);
}

#[test]
fn engine_f12_a_small_upload_needs_no_thread() {
    let (running, gate, entered) = held(options().max_workers(2).stream_request_body(true));
    let mut blocked = clients(&running, 6, "/held");
    eventually("they block", || entered.load(Ordering::SeqCst) >= 2);
    for chunked in [false, true] {
        let (framing, body) = match chunked {
            true => ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
            false => ("Content-Length: 5", "hello"),
        };
        // A body that is late waits for a thread, so there is another try.
        eventually("an upload is answered", || {
            let mut client = running.client();
            client.send(format!("POST /small HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n"));
            client.send(body);
            !client.hears_nothing_for(SHORT)
        });
    }
    gate.open();
    for client in &mut blocked {
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn engine_f12_who_waits_for_an_answer_gets_it_before_the_rest_is_sent() {
    let running = Running::with(options().stream_request_body(true), |ctx| {
        let mut first = [0; 2];
        std::io::Read::read_exact(&mut ctx.body_reader(), &mut first).unwrap();
        ctx.response.set_body_writer(move |out| {
            use std::io::{Read, Write};
            out.write_all(&first)?;
            out.flush()?;
            let mut rest = Vec::new();
            out.body_reader().read_to_end(&mut rest)?;
            out.write_all(&rest)
        });
    });
    let mut client = running.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
    anthill_tests::client::hears(&client, "HTTP/1.1 200 OK");
    client.send("cd");
}

#[test]
fn engine_f3_what_waits_for_too_long_is_turned_away() {
    let (running, gate, entered) = held(options().max_workers(1).max_wait(SHORT));
    let mut blocked = clients(&running, 20, "/held");
    eventually("one blocks", || entered.load(Ordering::SeqCst) >= 1);
    let mut turned_away = 0;
    running.reaches("the others are turned away", |stats| stats.rejections.turned_away >= 10);
    gate.open();
    for client in &mut blocked {
        let reply = client.response();
        if reply.status == 503 {
            turned_away += 1;
            let after: u32 = reply.field("retry-after").expect("a client wants to know").parse().unwrap();
            assert!(after >= 1);
        } else {
            assert_eq!(reply.status, 200);
        }
        // It is the request that was turned away, not its client.
        assert_eq!(client.get("/held").status, 200);
    }
    assert_eq!(running.server().stats().rejections.turned_away, turned_away);
    assert_eq!(20 - turned_away as usize, entered.load(Ordering::SeqCst) - 20, "those that ran");
}

#[test]
fn engine_f3_only_so_many_wait() {
    let (running, gate, entered) = held(options().max_workers(1).max_waiting_requests(3));
    let mut blocked = clients(&running, 30, "/held");
    eventually("one blocks", || entered.load(Ordering::SeqCst) >= 1);
    running.reaches("the others are turned away at once", |stats| stats.rejections.turned_away >= 15);
    assert_eq!(running.client().get("/").status, 200);
    gate.open();
    let replies: Vec<_> = blocked.iter_mut().map(|client| client.response().status).collect();
    let refused = replies.iter().filter(|status| **status == 503).count();
    assert!(replies.iter().all(|status| matches!(status, 200 | 503)));
    assert_eq!(refused as u64, running.server().stats().rejections.turned_away);
}

#[test]
fn engine_f3_a_server_that_asks_itself_recovers() {
    let address = Arc::new(std::sync::OnceLock::new());
    let known = address.clone();
    let running = Running::with(options().max_workers(4).max_wait(SHORT), move |ctx| match ctx.path() {
        "/asks" => {
            thread::sleep(Duration::from_millis(20));
            let answer = Client::connect(*known.get().expect("it serves")).get("/nap");
            ctx.response.set_status_code(answer.status);
        }
        "/nap" => thread::sleep(Duration::from_millis(5)),
        _ => {}
    });
    address.set(running.address()).expect("once");
    for _ in 0..2 {
        // Both routes are known to block, and all threads are with those who ask.
        let mut asking = clients(&running, 40, "/asks");
        assert_eq!(running.client().get("/").status, 200);
        for client in &mut asking {
            assert!(matches!(client.response().status, 200 | 503));
        }
        assert_eq!(running.client().get("/nap").status, 200, "it has recovered");
    }
}

#[test]
fn engine_f3_who_goes_away_takes_the_request_along() {
    let (running, gate, entered) = held(options().max_workers(1));
    let mut first = clients(&running, SHARDS + 8, "/held");
    eventually("some block", || entered.load(Ordering::SeqCst) >= 1);
    let dispatched = || running.server().stats().dispatched_requests;
    let (before, ran) = (dispatched(), entered.load(Ordering::SeqCst));
    let waiting = clients(&running, 10, "/held");
    eventually("they wait", || dispatched() >= before + 10);
    let mut half_closed = clients(&running, 3, "/held");
    for client in &half_closed {
        client.finish_sending();
    }
    eventually("they wait, too", || dispatched() >= before + 13);
    // Longer than one waits who has half-closed the connection.
    thread::sleep(Duration::from_millis(200));
    drop(waiting);
    running.reaches("they are gone", |stats| stats.rejections.abandoned == 10);
    gate.open();
    for client in first.iter_mut().chain(&mut half_closed) {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(entered.load(Ordering::SeqCst), ran.max(SHARDS + 8) + 3, "those that went away did not run");
}

#[test]
fn engine_f7_a_hook_that_blocks_is_not_laid_to_the_charge_of_others() {
    let hooked = Arc::new(AtomicUsize::new(0));
    let count = hooked.clone();
    let hook = move |request: &anthill_http::Request| {
        if request.path() == "/hooked" {
            count.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(5));
        }
        RequestConfig::new()
    };
    let running = Running::with(options().header_received(hook), |_| {});
    let mut quick = running.client();
    let mut slow = running.clients(4);
    for _ in 0..50 {
        for client in &mut slow {
            client.send(get("/hooked"));
        }
        for _ in 0..10 {
            assert_eq!(quick.get("/quick").status, 200);
        }
        for client in &mut slow {
            assert_eq!(client.response().status, 200);
        }
    }
    assert_eq!(hooked.load(Ordering::SeqCst), 200, "each is asked about once");
    let dispatched = running.server().stats().dispatched_requests;
    assert!(dispatched > 100, "its requests are handed over: {dispatched}");
    assert!(dispatched < 450, "those of others are not: {dispatched}");
}

#[test]
fn engine_f8_a_route_that_has_become_fast_is_forgotten_also_when_clients_pipeline() {
    let blocks = Arc::new(AtomicBool::new(true));
    let slow = blocks.clone();
    let running = Running::with(options(), move |ctx| {
        if ctx.path() == "/at-first" && slow.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let mut client = running.client();
    for _ in 0..3 {
        assert_eq!(client.get("/at-first").status, 200);
    }
    blocks.store(false, Ordering::SeqCst);
    let batch = |client: &mut Client| {
        client.send(get("/at-first").repeat(32));
        for _ in 0..32 {
            assert_eq!(client.response().status, 200);
        }
    };
    for _ in 0..100 {
        batch(&mut client);
    }
    // Each may have been taken for slow once more, when something else had the CPU.
    let dispatched = || running.server().stats().dispatched_requests;
    let before = dispatched();
    for _ in 0..100 {
        batch(&mut client);
    }
    let more = dispatched() - before;
    assert!(more < 50, "{more} of 100 batches");
}

#[test]
fn engine_answers_that_are_ready_do_not_wait_for_the_next_handler() {
    let (running, gate, entered) = held(options());
    // Of the first nothing is known, the second is known to block.
    for number in 1..=2 {
        let mut client = running.client();
        client.send(get("/quick") + &get("/held"));
        assert_eq!(client.response().status, 200);
        eventually("the next is held", || entered.load(Ordering::SeqCst) == number);
        if number == 2 {
            gate.open();
        }
    }
}

#[test]
fn engine_answers_that_are_ready_do_not_wait_for_a_hook() {
    let (gate, entered) = (Gate::new(), Arc::new(AtomicU64::new(0)));
    let (held, enters) = (gate.clone(), entered.clone());
    let options = options().header_received(move |request| {
        if request.path() == "/held" {
            enters.fetch_add(1, Ordering::SeqCst);
            held.pass();
        }
        RequestConfig::new()
    });
    let running = Running::with(options, |_| {});
    let mut client = running.client();
    client.send(get("/quick") + &get("/held"));
    assert_eq!(client.response().status, 200);
    eventually("the hook is asked", || entered.load(Ordering::SeqCst) == 1);
    gate.open();
    assert_eq!(client.response().status, 200);
}

/// Nothing is known of any of them, so the shards' threads try them, all at the same time.
#[test]
fn engine_f2_what_is_not_known_leaves_a_place_for_what_is_fast() {
    const SHARDS: usize = 6;
    let (gate, held) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (closed, count) = (gate.clone(), held.clone());
    let running = Running::with(options().shards(SHARDS).max_workers(2), move |ctx| {
        if ctx.path().starts_with("/held/") {
            count.fetch_add(1, Ordering::SeqCst);
            closed.pass();
        }
    });
    let mut other = running.client();
    for _ in 0..50 {
        assert_eq!(other.get("/").status, 200);
    }
    let mut blocked = running.clients(50);
    for (number, client) in blocked.iter_mut().enumerate() {
        client.send(get(&format!("/held/{number}")));
    }
    eventually("what may block does", || held.load(Ordering::SeqCst) >= 2 + 4);
    for _ in 0..50 {
        assert_eq!(other.get("/").status, 200);
        assert_eq!(running.client().get("/").status, 200);
        thread::sleep(Duration::from_millis(2));
    }
    gate.open();
    for client in &mut blocked {
        assert_eq!(client.response().status, 200);
    }
}

/// Each of them gets a worker of its own, however short the queue is.
#[test]
fn engine_nobody_is_turned_away_while_there_are_workers() {
    let (running, gate, entered) = held(options().max_workers(20).max_waiting_requests(1));
    let mut clients = running.clients(15);
    for client in &mut clients {
        client.send(get("/held"));
    }
    eventually("all are handled", || entered.load(Ordering::SeqCst) == 15);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(running.server().stats().rejections.turned_away, 0);
}

#[test]
fn engine_a_worker_answers_one_by_one_what_blocks() {
    let turns = Arc::new(AtomicU64::new(0));
    let (gate, taken) = (Gate::new(), turns.clone());
    let held = gate.clone();
    let running = Running::with(options(), move |ctx| {
        if ctx.path() == "/slow" {
            thread::sleep(Duration::from_millis(5));
            if taken.fetch_add(1, Ordering::SeqCst) == 3 {
                held.pass();
            }
        }
    });
    let mut client = running.client();
    assert_eq!(client.get("/slow").status, 200);
    client.send(get("/slow").repeat(3));
    // The third of them is held.
    assert_eq!(client.response().status, 200);
    assert_eq!(client.response().status, 200);
    gate.open();
    assert_eq!(client.response().status, 200);
}
