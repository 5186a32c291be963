//! Handshake after handshake, those that succeed and those that come to nothing: they leave nothing behind.
//!
//! The rule: the server is a process of its own, so that what it has is what connections have left there. What every
//! first handshake brings along is there before anything is measured.

use std::env;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anthill_http::{RequestCtx, Server, TlsConfig};
use anthill_tests::client::{Client, get};
use anthill_tests::eventually;
use anthill_tests::processes::{ADDRESS, ServingApart, descriptors_of, serve_apart, status_of};
use anthill_tests::tls::{
    Authority, BOTH, TLS12, TLS13, TlsStream, gullible_by, hello, provider, session, socket, try_connect,
};
use rustls::ClientConfig;
use rustls::client::Resumption;

const NAME: &str = "site.example";
const THREADS_MOST: usize = 20;
/// Descriptors that the server opens for itself later on.
const OWN_DESCRIPTORS: usize = 4;

/// Serves until it is killed. With a provider of one's own sessions are remembered, otherwise they are in tickets.
fn serve(remembers: bool) -> i32 {
    let identity = Authority::new("an authority").issue(&[NAME]);
    let builder = TlsConfig::builder().certificate_pem(&identity.certificate, &identity.key);
    let builder = if remembers { builder.crypto_provider((*provider()).clone()) } else { builder };
    let config = builder.build().expect("certificates");
    let handler = |ctx: &mut RequestCtx| {
        let is_resumed = ctx.tls().is_some_and(|tls| tls.is_resumed());
        ctx.set_body(if is_resumed { "again" } else { "for the first time" });
    };
    let server = Server::builder().shards(2).max_workers(4).build(handler).expect("options");
    let running = server.start_tls(&*env::var(ADDRESS).expect("an address"), &config);
    running.and_then(|running| running.join()).map_or(1, |()| 0)
}

/// Clients of every kind there is.
struct Clients {
    address: SocketAddr,
    /// Those who never come back, and those who do by one of the versions.
    full: Arc<ClientConfig>,
    again: [Arc<ClientConfig>; 2],
}

impl Clients {
    fn new(address: SocketAddr) -> Self {
        let mut full = gullible_by(BOTH, &[]);
        full.resumption = Resumption::disabled();
        Self {
            address,
            full: Arc::new(full),
            again: [TLS12, TLS13].map(|versions| Arc::new(gullible_by(versions, &[]))),
        }
    }

    /// Is the client number `number`.
    fn be(&self, number: usize) {
        match number % 8 {
            0 | 1 => self.asks(&self.full),
            // Whoever comes first has nothing to come back with.
            2 | 3 => self.asks(&self.again[0]),
            4 | 5 => self.asks(&self.again[1]),
            6 => self.gives_up(number),
            _ => drop(self.connect(&self.full)),
        }
    }

    fn connect(&self, config: &Arc<ClientConfig>) -> TlsStream {
        try_connect(self.address, config, NAME).expect("a handshake")
    }

    fn asks(&self, config: &Arc<ClientConfig>) {
        let mut stream = self.connect(config);
        stream.write_all(get("/").as_bytes()).expect("the server reads");
        let mut client = Client::over(stream);
        assert_eq!(client.response().status, 200);
        let mut stream = client.into_stream();
        stream.conn.send_close_notify();
        stream.flush().expect("it is open");
    }

    /// Leaves in the middle of a handshake, or says something else there.
    fn gives_up(&self, number: usize) {
        let (mut stream, mut session) = (socket(self.address), session(&self.full, NAME));
        let hello = hello(&mut session);
        let (said, behind) = match number / 8 % 4 {
            0 => (&hello[..100], &b""[..]),
            1 => (&hello[..], &b""[..]),
            2 => (&hello[..], &b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"[..]),
            _ => (&b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"[..], &b""[..]),
        };
        // The server may have had enough before.
        let _ = stream.write_all(said).and_then(|()| stream.write_all(behind));
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

/// What a server has.
#[derive(Clone, Copy, Debug)]
struct Figures {
    memory_kib: usize,
    threads: usize,
}

impl Figures {
    fn of(server: &ServingApart) -> Self {
        // Without the pages of the program itself, of which ever more have been used.
        Self { memory_kib: status_of(server.id(), "RssAnon"), threads: status_of(server.id(), "Threads") }
    }
}

/// So many handshakes by clients of several threads; how long they took.
fn churn(clients: &Arc<Clients>, count: usize, threads: usize) -> Duration {
    let begun = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let all: Vec<_> = (0..threads)
        .map(|_| {
            let (clients, next) = (clients.clone(), next.clone());
            thread::spawn(move || {
                loop {
                    match next.fetch_add(1, Ordering::Relaxed) {
                        number if number < count => clients.be(number),
                        _ => return,
                    }
                }
            })
        })
        .collect();
    all.into_iter().for_each(|thread| thread.join().expect("clients that are served"));
    begun.elapsed()
}

/// How many handshakes are made before something is measured, and then in each period, and what they may leave in KiB:
/// those of the first period, and those of each further one.
struct Plan {
    before: usize,
    count: usize,
    periods: usize,
    first_kib_most: usize,
    kib_most: usize,
}

/// Judges what handshakes leave behind.
#[allow(clippy::print_stdout)]
fn leaves_nothing(name: &str, remembers: bool, plan: &Plan) {
    let server = serve_apart(name, "", &[&|| serve(false), &|| serve(true)], usize::from(remembers));
    let clients = Arc::new(Clients::new(server.address()));
    // What listens is there before what serves is: whoever is answered knows that all of it is.
    clients.asks(&clients.full);
    let none = descriptors_of(server.id());
    let are_gone = || {
        let most = none + OWN_DESCRIPTORS;
        eventually("all connections are gone", || descriptors_of(server.id()) <= most);
    };
    churn(&clients, plan.before, 4);
    are_gone();
    let mut last = Figures::of(&server);
    for period in 0..plan.periods {
        let took = churn(&clients, plan.count, 4);
        are_gone();
        let now = Figures::of(&server);
        let rate = plan.count as f64 / took.as_secs_f64();
        let what = format!("{} handshakes of period {period}, remembered: {remembers}", plan.count);
        println!("{what}, {rate:.0} a second: {last:?} before, {now:?} now");
        let grown = now.memory_kib.saturating_sub(last.memory_kib);
        let most = if period == 0 { plan.first_kib_most } else { plan.kib_most };
        assert!(grown <= most, "{what} have left {grown} KiB: {last:?} before, {now:?} now");
        assert!(now.threads <= THREADS_MOST, "{now:?}");
        last = now;
    }
    // Both kinds of clients are served still, and known again.
    for config in &clients.again {
        let stream = clients.connect(config);
        assert_eq!(Client::over(stream).get("/").text(), "again");
    }
    assert_eq!(Client::over(clients.connect(&clients.full)).get("/").text(), "for the first time");
}

#[test]
fn tls_02_handshakes_leave_nothing_behind() {
    let name = "churn::tls_02_handshakes_leave_nothing_behind";
    for remembers in [false, true] {
        let plan = Plan { before: 160, count: 480, periods: 1, first_kib_most: 1024, kib_most: 0 };
        leaves_nothing(name, remembers, &plan);
    }
}

/// As many as can be within some minutes, behind as many as fill what is remembered. Where memory is taken and given
/// back all the time, it takes a while until the free places between fit: after the first period nothing is left.
#[test]
#[ignore = "takes minutes: for changes of TLS, with --release where the rate is of interest"]
fn tls_02_tens_of_thousands_of_handshakes_leave_nothing_behind() {
    let name = "churn::tls_02_tens_of_thousands_of_handshakes_leave_nothing_behind";
    for remembers in [false, true] {
        // 4,096 sessions are remembered, of at most 2 KiB.
        let first_kib_most = if remembers { 4_096 * 2 } else { 1024 };
        let plan = Plan { before: 6_000, count: 60_000, periods: 2, first_kib_most, kib_most: 512 };
        leaves_nothing(name, remembers, &plan);
    }
}
