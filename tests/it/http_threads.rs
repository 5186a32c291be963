//! When the system gives no thread: row `WP-06`.
//!
//! The rule: the limit is the system's own, set while the server runs, so whatever would make a thread meets it. Root
//! has no such limit, so these tests run as somebody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_http::{Handler, RequestCtx, Server, ServerBuilder, timeout};
use anthill_tests::client::{Client, get};
use anthill_tests::processes::{ThreadLimit, apart_without_privileges};
use anthill_tests::server::{Running, skip};
use anthill_tests::{Gate, PATIENCE, eventually, logs, threads_of};

const SHARDS: usize = 2;
/// For timeouts that are to pass.
const SHORT: Duration = Duration::from_millis(200);

/// A server with a route that is known to be fast, one that blocks until the gate opens, and one with a limit; and how
/// many have entered the second.
fn server() -> (Running, Gate, Arc<AtomicUsize>) {
    let (gate, entered) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (held, count) = (gate.clone(), entered.clone());
    let timed = timeout(|ctx: &mut RequestCtx| ctx.set_body("in time"), Duration::from_secs(60));
    let running = Running::with(options(), move |ctx| match ctx.path() {
        "/held" => {
            count.fetch_add(1, Ordering::SeqCst);
            held.pass();
            ctx.set_body("held");
        }
        "/timed" => timed.handle(ctx),
        _ => ctx.set_body("fast"),
    });
    warm(&running);
    (running, gate, entered)
}

fn options() -> ServerBuilder {
    Server::builder().shards(SHARDS).max_wait(SHORT).read_header_timeout(5 * SHORT)
}

/// Routes that are fast. On a busy machine one that was interrupted twice is taken for one that blocks, and needs a
/// thread; so there are several, of which most are known for what they are.
const FAST: usize = 8;

fn fast(route: usize) -> String {
    format!("/fast{}", route % FAST)
}

/// Both shards know by then that the routes are fast.
fn warm(running: &Running) {
    for _ in 0..4 * SHARDS {
        let mut client = running.client();
        for request in 0..100 {
            assert_eq!(client.get(&fast(request)).text(), "fast");
        }
    }
}

/// Asks for the fast routes on new connections. All are answered, and most of them for good; says how many were
/// refused.
#[track_caller]
fn assert_goes_on(running: &Running, what: &str) -> usize {
    let answers: Vec<u16> =
        (0..5 * FAST).map(|request| running.client().get(&fast(request)).status).collect();
    assert!(answers.iter().all(|status| [200, 503].contains(status)), "{what}: {answers:?}");
    let served = answers.iter().filter(|status| **status == 200).count();
    assert!(served > answers.len() / 2, "{what}: {answers:?}");
    answers.len() - served
}

fn asking(running: &Running, count: usize, target: &str) -> Vec<Client> {
    let mut clients = running.clients(count);
    for client in &mut clients {
        client.send(get(target));
    }
    clients
}

/// Nothing that drives needs a new thread: fast routes are answered and timeouts kept while handlers block on every
/// shard. Whatever does need one is answered 503 in time, and served again as soon as there are threads.
#[test]
fn wp_06_without_new_threads_the_server_goes_on() {
    const NAME: &str = "http_threads::wp_06_without_new_threads_the_server_goes_on";
    const ASKING: usize = 12;
    let is_run = apart_without_privileges(NAME, || {
        logs::collect();
        let mut limit = ThreadLimit::new();
        let (running, gate, entered) = server();
        limit.forbid();

        let timed = running.client().get("/timed");
        assert_eq!((timed.status, running.server().stats().timed_handlers_refused), (503, 1));
        let mut others = assert_goes_on(&running, "nothing blocks");

        // Some block on the drivers, who are replaced; the others find no thread.
        let mut held = asking(&running, ASKING, "/held");
        let turned_away = || running.server().stats().rejections.turned_away as usize;
        eventually("each blocks or is refused", || {
            entered.load(Ordering::SeqCst) + turned_away() == ASKING + others
        });
        let blocked = entered.load(Ordering::SeqCst);
        assert!((1..=2 * SHARDS).contains(&blocked), "{blocked} run, and there are threads for all");
        others += assert_goes_on(&running, &format!("{blocked} block"));
        let mut late = running.clients(2 * SHARDS);
        for client in &mut late {
            client.send("GET /fast0 HTTP/1.1\r\nHo");
        }
        for client in &mut late {
            assert_eq!(client.response().status, 408);
        }
        let stats = running.server().stats();
        let workers = stats.workers.expect("it serves");
        assert_eq!(stats.waiting_requests, 0);
        assert_eq!(workers.busy, SHARDS + blocked, "{workers:?}");
        assert_eq!(workers.busy + workers.idle, workers.workers);
        assert!(!logs::with("anthill_http::engine::say_seldom", "the system gives no thread").is_empty());
        assert!(
            Server::new(|_| {}).expect("valid").start("127.0.0.1:0").is_err(),
            "it would have no threads"
        );

        limit.allow();
        // With threads again, as many block as ask.
        let mut more = asking(&running, ASKING, "/held");
        eventually("all block", || entered.load(Ordering::SeqCst) == blocked + ASKING);
        gate.open();
        let answers: Vec<_> = held.iter_mut().map(Client::response).collect();
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!((refused.status, refused.field("retry-after")), (503, Some("2")));
        }
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), blocked);
        for client in &mut more {
            assert_eq!(client.response().text(), "held");
        }
        assert_eq!(turned_away(), ASKING - blocked + others);
        assert_eq!(running.client().get("/timed").text(), "in time");
        let again = Server::new(|_| {}).expect("valid").start("127.0.0.1:0").expect("there are threads");
        again.shutdown(PATIENCE).expect("nothing is under way");
    });
    if !is_run {
        skip("this process cannot become another user");
    }
}

/// Threads are refused and given again while handlers block: the server is never held up, and in the end has as many in
/// reserve as in the beginning.
#[test]
fn wp_06_threads_that_come_and_go_leave_the_server_as_it_was() {
    const NAME: &str = "http_threads::wp_06_threads_that_come_and_go_leave_the_server_as_it_was";
    const ROUNDS: usize = 5;
    let is_run = apart_without_privileges(NAME, || {
        let gates: Vec<Gate> = (0..ROUNDS).map(|_| Gate::new()).collect();
        let held = gates.clone();
        // A route for each round, of which nobody knows that it blocks.
        let running = Running::with(options(), move |ctx| match ctx.path().strip_prefix("/held") {
            Some(round) => held[round.parse::<usize>().expect("a number")].pass(),
            None => ctx.set_body("fast"),
        });
        warm(&running);
        let idle = || running.server().stats().workers.expect("it serves").idle;
        let in_reserve = idle();
        assert!(in_reserve >= SHARDS, "{in_reserve} in reserve");
        for (round, gate) in gates.iter().enumerate() {
            let mut limit = ThreadLimit::new();
            limit.forbid();
            let mut held = asking(&running, 2 * SHARDS, &format!("/held{round}"));
            assert_goes_on(&running, &format!("round {round}"));
            limit.allow();
            gate.open();
            for client in &mut held {
                assert!([200, 503].contains(&client.response().status));
            }
        }
        eventually("those in reserve are there", || idle() >= in_reserve);
    });
    if !is_run {
        skip("this process cannot become another user");
    }
}

/// Whatever of it could not be made, nothing of a server that could not be started is left: it serves when there are
/// threads.
#[test]
#[cfg(target_os = "linux")]
fn wp_06_a_server_that_cannot_be_started_leaves_nothing_running() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const NAME: &str = "http_threads::wp_06_a_server_that_cannot_be_started_leaves_nothing_running";
    let is_run = apart_without_privileges(NAME, || {
        let whole = getrlimit(Resource::Nproc);
        let server = Server::builder().shards(1).build(|ctx| ctx.set_body("served")).expect("valid options");
        let nobody_serves = |server: &Server| !server.is_ready() && server.stats().workers.is_none();
        let addresses =
            ["127.0.0.1:0"; 3].map(|address| address.parse::<std::net::SocketAddr>().expect("an address"));
        let (mut failures, mut without_acceptors, mut most) = (0, 0, 0);
        // Some of this user's threads may be others', and those come and go; so each limit is tried.
        let started = loop {
            most += 1;
            setrlimit(Resource::Nproc, Rlimit { current: Some(most), maximum: whole.maximum })
                .expect("a lower limit");
            let listeners = addresses.map(|address| Server::listen(address).expect("a free port"));
            match server.start_all(listeners) {
                Ok(running) => break running,
                Err(error) => {
                    failures += 1;
                    let is_acceptor =
                        error.to_string().starts_with("there is no thread to accept connections on: ");
                    without_acceptors += usize::from(is_acceptor);
                    assert!(nobody_serves(&server), "at most {most} threads: {error}");
                    let ours = || threads_of("anthill").len();
                    eventually("its threads have ended", || ours() == 0);
                }
            }
            assert!(most < 10_000, "it never starts");
        };
        assert!(failures >= without_acceptors && without_acceptors >= 1, "{without_acceptors} of {failures}");
        setrlimit(Resource::Nproc, whole).expect("the limit as it was");
        for address in started.local_addrs() {
            assert_eq!(Client::connect(*address).get("/").text(), "served");
        }
        // Another one beside it that cannot be started takes nothing away.
        let mut limit = ThreadLimit::new();
        limit.forbid();
        let error = server.start("127.0.0.1:0").expect_err("no thread is given");
        assert!(error.to_string().starts_with("there is no thread to accept connections on: "), "{error}");
        assert_eq!(Client::connect(started.local_addr()).get("/").text(), "served");
        limit.allow();
        started.shutdown(PATIENCE).expect("nothing is under way");
        started.join().expect("a good end");
    });
    if !is_run {
        skip("this process cannot become another user");
    }
}
