//! The load generator: some threads, each an epoll loop over its share of keep-alive connections, closed loop.
//!
//! A connection sends a batch of requests (one, unless pipelined), waits until all are answered, and sends the next.
//! Every answer must have the status and exactly the body that its request asked for; the first that has not, or that
//! does not come, fails the run. When the time is up no more is sent, and a run ends only when everything that was sent
//! has been answered: a request that a server forgot is found, however many others it served meanwhile.

mod coded;
mod connection;
mod crowd;
mod exchange;
mod lone;
mod paced;
mod sweep;
mod visits;
mod wire;

pub use coded::packed_length;
pub use crowd::Crowd;
pub use exchange::{Asking, Exchange};
pub use paced::{Pace, Paced};
pub use sweep::sweep;
pub use visits::{Coming, visit};
pub use wire::Encryption;

use crate::chance::Chance;
use crate::cpu::CpuTime;
use crate::http::ServerProcess;
use crate::latency::Histogram;
use crate::machine;
use crate::report::micros;
use crate::settings::Settings;
use connection::Connection;
use mio::{Events, Interest, Poll, Token};
use paced::Pacer;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// What to send, and for how long.
#[derive(Debug, Clone)]
pub struct Load {
    /// Threads of the load generator.
    pub threads: usize,
    /// Connections in all, spread evenly over the threads.
    pub connections: usize,
    /// Requests sent at once on a connection.
    pub pipeline: usize,
    /// The kinds of requests; each request is one of them, by chance but the same chance in every run.
    pub exchanges: Vec<Exchange>,
    /// Whether all kinds count as one.
    pub is_one_kind: bool,
    /// Time under load before measuring starts.
    pub warm_up: Duration,
    /// Time measured.
    pub measure: Duration,
    /// How long an answer may take before the run has failed.
    pub patience: Duration,
    /// What is asked beside it at a steady pace.
    pub paced: Option<Paced>,
    /// How all connections are encrypted.
    pub encryption: Option<Encryption>,
}

impl Load {
    /// A load as the settings want it; `connections` and one request at a time where they have no wish.
    #[must_use]
    pub fn new(settings: &Settings, connections: usize, exchanges: Vec<Exchange>) -> Self {
        Self {
            threads: 2,
            connections: settings.connections_or(connections),
            pipeline: settings.pipeline.unwrap_or(1),
            exchanges,
            is_one_kind: false,
            warm_up: settings.warm_up(),
            measure: settings.measure(),
            patience: Duration::from_secs(10),
            paced: None,
            encryption: None,
        }
    }

    /// What there is to count how long each kind takes.
    fn histograms(&self) -> Vec<Histogram> {
        vec![Histogram::new(); if self.is_one_kind { 1 } else { self.exchanges.len() }]
    }
}

/// What one run has shown.
#[derive(Debug)]
pub struct Measured {
    /// The time measured.
    pub elapsed: Duration,
    /// From sending to the complete answer, for each kind of request in the order of the load, or for all together.
    pub latency: Vec<Histogram>,
    /// CPU time that the server used in that time.
    pub server: CpuTime,
    /// CPU time that the load generator used in that time.
    pub client: CpuTime,
    /// Threads of the server at its end.
    pub server_threads: usize,
    /// CPU time that everything else on the machine used in that time, as the kernel's ticks have it; none where the
    /// kernel does not tell.
    pub others: Option<Duration>,
    /// What was asked beside the load.
    pub pace: Pace,
}

impl Measured {
    /// Right answers received in the time measured.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.latency.iter().map(Histogram::count).sum()
    }

    /// Right answers per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.answers() as f64 / self.elapsed.as_secs_f64()
    }

    /// CPU time of the server per answer, in microseconds. What is asked at a steady pace is paid for by the load.
    #[must_use]
    pub fn server_cpu(&self) -> f64 {
        micros(self.server.total()) / self.answers() as f64
    }

    /// How many cores everything else on the machine kept busy; not a number where the kernel does not tell.
    #[must_use]
    pub fn other_cores(&self) -> f64 {
        self.others.map_or(f64::NAN, |others| others.as_secs_f64() / self.elapsed.as_secs_f64())
    }

    /// Both together, as if it had been one run: what was measured in several parts.
    #[must_use]
    pub fn and(mut self, more: &Self) -> Self {
        self.elapsed += more.elapsed;
        for (mine, theirs) in self.latency.iter_mut().zip(&more.latency) {
            mine.merge(theirs);
        }
        self.server += more.server;
        self.client += more.client;
        self.server_threads = self.server_threads.max(more.server_threads);
        self.others = self.others.zip(more.others).map(|(mine, theirs)| mine + theirs);
        self.pace.merge(&more.pace);
        self
    }

    /// CPU time of the load generator per answer, in microseconds.
    #[must_use]
    pub fn client_cpu(&self) -> f64 {
        micros(self.client.total()) / self.answers() as f64
    }
}

const WARM_UP: u8 = 0;
const MEASURE: u8 = 1;
const DRAIN: u8 = 2;

/// Puts a server under load.
///
/// # Errors
/// When any answer was wrong, late or missing, a connection failed, or nothing was answered in the time measured.
pub fn run(load: &Load, server: &mut ServerProcess) -> Result<Measured, String> {
    let address = server.address();
    drive(load, address, |stage| observe(load, server, stage))
}

/// Runs the clients; `observe` leads them through the phases and measures everything but them.
fn drive(
    load: &Load,
    address: SocketAddr,
    observe: impl FnOnce(&Stage) -> Result<Measured, String>,
) -> Result<Measured, String> {
    let stage = &Stage::new();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..load.threads)
            .map(|index| scope.spawn(move || Client::connect(load, address, index)?.run(stage)))
            .collect();
        let pacers = pace(scope, load, address, stage);
        let window = observe(stage);
        // Also when observing failed: the clients must come to an end either way.
        stage.enter(DRAIN);
        let latency = collect(load, clients)?;
        let pace = paces(pacers)?;
        answered(Measured { latency, pace, ..window? })
    })
}

/// An error where nothing was answered.
fn answered(measured: Measured) -> Result<Measured, String> {
    match measured.answers() {
        0 => Err("nothing was answered in the time measured".to_owned()),
        _ => Ok(measured),
    }
}

type Paces<'s> = Vec<ScopedJoinHandle<'s, Result<Pace, String>>>;

/// Begins what is asked at a steady pace beside the load.
fn pace<'s>(scope: &'s Scope<'s, '_>, load: &'s Load, address: SocketAddr, stage: &'s Stage) -> Paces<'s> {
    let connections =
        load.paced.iter().flat_map(|paced| (0..paced.connections).map(move |index| (paced, index)));
    let pacers = connections
        .map(|(paced, index)| scope.spawn(move || Pacer::connect(paced, load, address, index)?.run(stage)));
    pacers.collect()
}

/// How long that took.
fn paces(pacers: Paces<'_>) -> Result<Pace, String> {
    let mut pace = Pace::default();
    for pacer in pacers {
        pace.merge(&joined(pacer)?);
    }
    Ok(pace)
}

/// How far a run has come; the observer sets the phase, the clients tell how many connections are in use.
struct Stage {
    phase: AtomicU8,
    /// Connections on which something was answered.
    answered: AtomicUsize,
}

impl Stage {
    fn new() -> Self {
        Self { phase: AtomicU8::new(WARM_UP), answered: AtomicUsize::new(0) }
    }

    fn phase(&self) -> u8 {
        self.phase.load(Ordering::Acquire)
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::Release);
    }
}

fn observe(load: &Load, server: &mut ServerProcess, stage: &Stage) -> Result<Measured, String> {
    let lost = |error| format!("the server's CPU time is unknown: {error}");
    let connecting = Instant::now();
    while stage.answered.load(Ordering::Acquire) < load.connections {
        if connecting.elapsed() > load.patience {
            return Err(format!("not all connections got an answer within {:?}", load.patience));
        }
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(load.warm_up);
    let server_before = server.cpu_time().map_err(lost)?;
    let client_before = CpuTime::of_this_process();
    let busy_before = machine::busy_time();
    let started = Instant::now();
    stage.enter(MEASURE);
    thread::sleep(load.measure);
    let server_threads = server.threads().map_err(lost)?;
    stage.enter(DRAIN);
    let elapsed = started.elapsed();
    let client = CpuTime::of_this_process() - client_before;
    let server = server.cpu_time().map_err(lost)? - server_before;
    let busy = machine::busy_time().zip(busy_before).map(|(after, before)| after.saturating_sub(before));
    let others = busy.map(|busy| busy.saturating_sub(server.total() + client.total()));
    Ok(Measured {
        elapsed,
        latency: Vec::new(),
        server,
        client,
        server_threads,
        others,
        pace: Pace::default(),
    })
}

fn collect(
    load: &Load,
    clients: Vec<ScopedJoinHandle<'_, Result<Vec<Histogram>, String>>>,
) -> Result<Vec<Histogram>, String> {
    let mut latency = load.histograms();
    for client in clients {
        let part = joined(client)?;
        for (all, part) in latency.iter_mut().zip(&part) {
            all.merge(part);
        }
    }
    Ok(latency)
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, String>>) -> Result<T, String> {
    thread.join().map_err(|_| "a thread of the load generator panicked".to_owned())?
}

/// One thread of the load generator.
struct Client<'l> {
    load: &'l Load,
    requests: Vec<Vec<u8>>,
    connections: Vec<Connection>,
    poll: Poll,
    latency: Vec<Histogram>,
    lot: Lot,
}

impl<'l> Client<'l> {
    fn connect(load: &'l Load, address: SocketAddr, index: usize) -> Result<Self, String> {
        let failed = |error| format!("cannot connect: {error}");
        let poll = Poll::new().map_err(failed)?;
        let mut connections = Vec::new();
        for number in (0..load.connections).filter(|number| number % load.threads == index) {
            let mut connection =
                Connection::open(address, load.encryption.as_ref(), number).map_err(failed)?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            let token = Token(connections.len());
            poll.registry().register(connection.source(), token, interest).map_err(failed)?;
            connections.push(connection);
        }
        Ok(Self {
            load,
            requests: load.exchanges.iter().map(|exchange| exchange.request(address)).collect(),
            connections,
            poll,
            latency: load.histograms(),
            lot: Lot::new(&load.exchanges, index),
        })
    }

    fn run(mut self, stage: &Stage) -> Result<Vec<Histogram>, String> {
        let mut events = Events::with_capacity(self.connections.len().max(1));
        let now = Instant::now();
        for index in 0..self.connections.len() {
            self.send(index, now)?;
        }
        loop {
            match self.poll.poll(&mut events, Some(Duration::from_millis(50))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result.map_err(|error| format!("cannot wait for events: {error}"))?,
            }
            for event in &events {
                self.receive(event.token().0, stage)?;
            }
            if stage.phase() == DRAIN && self.is_drained()? {
                return Ok(self.latency);
            }
        }
    }

    fn receive(&mut self, index: usize, stage: &Stage) -> Result<(), String> {
        let phase = stage.phase();
        let connection = &mut self.connections[index];
        let (latency, exchanges) = (&mut self.latency, &self.load.exchanges);
        let is_one_kind = self.load.is_one_kind;
        let now = connection.receive(exchanges, |kind, took| {
            if phase == MEASURE {
                let kind = if is_one_kind { 0 } else { kind };
                latency[kind].record(took);
            }
        })?;
        if !connection.is_idle() {
            return Ok(());
        }
        if connection.is_first_batch() {
            stage.answered.fetch_add(1, Ordering::AcqRel);
        }
        if phase != DRAIN {
            return self.send(index, now);
        }
        Ok(())
    }

    fn send(&mut self, index: usize, now: Instant) -> Result<(), String> {
        for _ in 0..self.load.pipeline {
            let kind = self.lot.next();
            self.connections[index].queue(kind, &self.requests[kind], now);
        }
        self.connections[index].flush()
    }

    /// Whether all requests are answered; an error when one has waited for too long.
    fn is_drained(&self) -> Result<bool, String> {
        let waiting = self.connections.iter().filter_map(Connection::waiting_since).min();
        match waiting {
            Some(since) if since.elapsed() > self.load.patience => {
                Err(format!("a request was not answered within {:?}", self.load.patience))
            }
            waiting => Ok(waiting.is_none()),
        }
    }
}

/// Draws kinds of requests by weight; the same sequence in every run.
struct Lot {
    chance: Chance,
    /// For each kind, the sum of the weights up to it.
    up_to: Vec<u32>,
}

impl Lot {
    fn new(exchanges: &[Exchange], seed: usize) -> Self {
        let mut sum = 0;
        let up_to = exchanges.iter().map(|exchange| {
            sum += exchange.weight;
            sum
        });
        Self { up_to: up_to.collect(), chance: Chance::new(seed as u64) }
    }

    fn next(&mut self) -> usize {
        if let [_] = self.up_to[..] {
            return 0;
        }
        let total = self.up_to.last().copied().unwrap_or(1);
        let drawn = self.chance.below(total as usize) as u32;
        self.up_to.partition_point(|&sum| sum <= drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    const RIGHT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

    /// Puts a load on a server that treats each of two connections so.
    fn run_against(treat: impl Fn(&mut TcpStream) + Sync) -> Result<Measured, String> {
        run_under(&short_load(Exchange::get("/", "hi")), treat)
    }

    fn short_load(exchange: Exchange) -> Load {
        Load {
            patience: Duration::from_millis(200),
            measure: Duration::from_millis(100),
            ..Load::new(&Settings { quick: true, ..Settings::default() }, 2, vec![exchange])
        }
    }

    fn run_under(load: &Load, treat: impl Fn(&mut TcpStream) + Sync) -> Result<Measured, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (listener, treat) = (&listener, &treat);
        thread::scope(|scope| {
            let paced = load.paced.as_ref().map_or(0, |paced| paced.connections);
            for _ in 0..load.connections + paced {
                scope.spawn(move || treat(&mut listener.accept().unwrap().0));
            }
            drive(load, address, |stage| {
                stage.enter(MEASURE);
                thread::sleep(load.measure);
                Ok(Measured {
                    elapsed: load.measure,
                    latency: Vec::new(),
                    server: CpuTime::default(),
                    client: CpuTime::default(),
                    server_threads: 0,
                    others: None,
                    pace: Pace::default(),
                })
            })
        })
    }

    /// Answers each read with these bytes, at most so many times, and then reads on in silence.
    fn answering(stream: &mut TcpStream, answer: &str, times: usize) {
        let mut buffer = [0; 1024];
        for time in 0.. {
            if !matches!(stream.read(&mut buffer), Ok(1..)) {
                return;
            }
            if time < times && stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    #[test]
    fn right_answers_are_counted() {
        let measured = run_against(|stream| answering(stream, RIGHT, usize::MAX)).unwrap();
        assert!(measured.answers() > 0);
        assert!(measured.latency[0].quantile(0.5) > Duration::ZERO);
    }

    #[test]
    fn one_forgotten_answer_fails_the_run() {
        let failure = run_against(|stream| answering(stream, RIGHT, 100)).unwrap_err();
        assert!(failure.contains("not answered"), "{failure}");
    }

    #[test]
    fn wrong_answers_fail_the_run() {
        let wrong = RIGHT.replace("hi", "ho");
        assert!(run_against(|stream| answering(stream, &wrong, usize::MAX)).unwrap_err().contains("body"));
        let doubled = RIGHT.repeat(2);
        let failure = run_against(|stream| answering(stream, &doubled, usize::MAX)).unwrap_err();
        assert!(failure.contains("nobody asked"), "{failure}");
    }

    #[test]
    fn a_closed_connection_fails_the_run() {
        let failure = run_against(|stream| drop(stream.read(&mut [0; 1024]))).unwrap_err();
        assert!(failure.contains("closed") || failure.contains("cannot"), "{failure}");
    }

    #[test]
    fn what_is_paced_is_answered_beside_the_load() {
        let exchange = Exchange::get("/", "hi");
        let paced = Paced { exchange, connections: 2, per_second: 200 };
        let load = Load { paced: Some(paced), ..short_load(exchange) };
        let measured = run_under(&load, |stream| answering(stream, RIGHT, usize::MAX)).unwrap();
        assert!(measured.pace.measured.count() > 0);
        assert!(measured.answers() > 0);
        let wrong = RIGHT.replace("hi", "ho");
        assert!(run_under(&load, |stream| answering(stream, &wrong, usize::MAX)).is_err());
    }

    #[test]
    fn parts_add_up_to_one_run() {
        let run = || run_against(|stream| answering(stream, RIGHT, usize::MAX)).unwrap();
        let (one, other) = (run(), run());
        let (answers, elapsed) = (one.answers() + other.answers(), one.elapsed + other.elapsed);
        let both = one.and(&other);
        assert_eq!((both.answers(), both.elapsed), (answers, elapsed));
    }

    #[test]
    fn chance_follows_the_weights_and_repeats() {
        let exchange = |weight| Exchange { weight, ..Exchange::get("/", "") };
        let exchanges = [exchange(99), exchange(1)];
        let draw = || {
            let mut lot = Lot::new(&exchanges, 0);
            (0..100_000).map(|_| lot.next()).collect::<Vec<_>>()
        };
        let rare = draw().into_iter().filter(|&kind| kind == 1).count();
        assert!((800..1200).contains(&rare), "one in a hundred became {rare} in 100,000");
        assert_eq!(draw(), draw());
    }
}
