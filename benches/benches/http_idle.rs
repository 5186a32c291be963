//! What does a connection cost that has nothing to do, and does memory come back after a burst?
//!
//! * `idle`: 10,000 connections that have been answered once and are kept alive. What the server's resident memory has
//!   grown by, divided by their number.
//! * `burst`: 9,000 requests at once for a handler that sleeps, so that most of them wait for a thread; then all
//!   connections are closed, and 30 s pass. Resident memory before, at its peak, and at the end, and what of it the
//!   server itself still holds: the rest is the allocator's.
//!
//! The servers are processes of their own, so that the client's descriptors and memory are not theirs. Before anything
//! is measured each has served some hundred connections, so that what is made once is there already.

use anthill_benches::allocations::Weighing;
use anthill_benches::descriptors;
use anthill_benches::http::{self, Server, ServerProcess};
use anthill_benches::load::{Crowd, Exchange};
use anthill_benches::report::{self, Table, complain};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use std::process;
use std::thread;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: Weighing = Weighing;

const SERVERS: [Server; 6] =
    [Server::Ours, Server::Hyper, Server::Axum, Server::Actix, Server::Fasthttp, Server::NetHttp];

#[derive(Clone, Copy)]
enum Case {
    Idle,
    Burst,
}

const CASES: [(&str, Case); 2] = [("idle", Case::Idle), ("burst", Case::Burst)];

const HELLO: Exchange = Exchange::get("/", "Hello, World!");

/// Long enough that all have asked before the first thousand are answered for the second time.
const SLEEP: Exchange = Exchange::get("/sleep?us=300000", "300000");

/// Connections before anything is measured.
const WARM_UP: usize = 300;

fn main() {
    http::serve_if_asked();
    let settings = Settings::from_command_line();
    report::headline(
        "What does a connection cost that has nothing to do, and does memory come back after a burst?",
        &["hyper", "tokio", "axum", "actix-web"],
        settings.quick,
    );
    let mut servers = settings.choose(&SERVERS, Server::name);
    servers.retain(|server| server.is_at_hand(&settings));
    for (_, case) in settings.choose_cases(&CASES, |(name, _)| name) {
        match case {
            Case::Idle => idle(&settings, &servers),
            Case::Burst => burst(&settings, &servers),
        }
    }
}

fn connections(settings: &Settings, default: usize) -> usize {
    let wanted = settings.connections_or(if settings.quick { 500 } else { default });
    let allowed = descriptors::for_connections(wanted);
    if allowed < wanted {
        report::say(&format!("{allowed} connections and not {wanted}: the limit on descriptors is that low"));
    }
    allowed
}

struct Idle {
    threads: usize,
    before_kib: u64,
    bytes_per_connection: f64,
    live_per_connection: Option<f64>,
}

fn idle(settings: &Settings, servers: &[Server]) {
    let count = connections(settings, 10_000);
    let rest = Duration::from_millis(if settings.quick { 100 } else { 2_000 });
    let names = servers.iter().map(|server| server.name()).collect();
    let rounds = Rounds::play(settings.rounds_or(3), names, |contestant| {
        let server = servers[contestant];
        measured(server, measure_idle(server, count, rest))
    });
    report::say(&format!("\nidle, {count} connections"));
    let mut table =
        Table::new(&["server", "bytes/connection", "spread", "allocated", "before KiB", "threads"]);
    for (contestant, name) in rounds.contestants() {
        let live = rounds.median(contestant, |run| run.live_per_connection.unwrap_or(f64::NAN));
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", rounds.median(contestant, |run| run.bytes_per_connection)),
            format!("{:.0} %", rounds.spread(contestant, |run| run.bytes_per_connection)),
            if live.is_nan() { "-".to_owned() } else { format!("{live:.0}") },
            format!("{:.0}", rounds.median(contestant, |run| run.before_kib as f64)),
            format!("{:.0}", rounds.median(contestant, |run| run.threads as f64)),
        ]);
    }
    table.print();
}

fn measure_idle(server: Server, count: usize, rest: Duration) -> Result<Idle, String> {
    let failed = |error| format!("the process does not tell: {error}");
    let mut process = warm(server)?;
    thread::sleep(rest);
    let before_kib = process.resident().map_err(failed)?;
    let live_before = process.live_bytes().map_err(failed)?;
    let mut crowd = Crowd::of(process.address());
    crowd.join(count, &HELLO)?;
    thread::sleep(rest);
    let after_kib = process.resident().map_err(failed)?;
    let live_after = process.live_bytes().map_err(failed)?;
    let per_connection = |grown: f64| grown / count as f64;
    Ok(Idle {
        threads: process.threads().map_err(failed)?,
        before_kib,
        bytes_per_connection: per_connection((after_kib as f64 - before_kib as f64) * 1024.0),
        live_per_connection: live_after
            .zip(live_before)
            .map(|(after, before)| per_connection(after as f64 - before as f64)),
    })
}

/// Resident memory in KiB at four times.
struct Burst {
    before: u64,
    peak: u64,
    answered: u64,
    after: u64,
    /// What the server has allocated and not freed, in bytes: before and after.
    live: Option<[u64; 2]>,
    threads: usize,
}

fn burst(settings: &Settings, servers: &[Server]) {
    let count = connections(settings, 9_000);
    let rest = settings.measure.unwrap_or(Duration::from_millis(if settings.quick { 200 } else { 30_000 }));
    let names = servers.iter().map(|server| server.name()).collect();
    let rounds = Rounds::play(settings.rounds_or(1), names, |contestant| {
        let server = servers[contestant];
        measured(server, measure_burst(server, count, rest))
    });
    report::say(&format!(
        "\nburst, {count} requests at once, then {:.1} s without any; KiB resident",
        rest.as_secs_f64()
    ));
    let mut table = Table::new(&[
        "server",
        "before",
        "peak",
        "answered",
        "at the end",
        "end : before",
        "held before",
        "held at the end",
        "threads",
    ]);
    for (contestant, name) in rounds.contestants() {
        let kib = |figure: &dyn Fn(&Burst) -> f64| match rounds.median(contestant, figure) {
            unknown if unknown.is_nan() => "-".to_owned(),
            kib => format!("{kib:.0}"),
        };
        let held = |run: &Burst, index: usize| run.live.map_or(f64::NAN, |live| live[index] as f64 / 1024.0);
        table.row(vec![
            name.to_owned(),
            kib(&|run| run.before as f64),
            kib(&|run| run.peak as f64),
            kib(&|run| run.answered as f64),
            kib(&|run| run.after as f64),
            format!("{:.2}", rounds.median(contestant, |run| run.after as f64 / run.before as f64)),
            kib(&|run| held(run, 0)),
            kib(&|run| held(run, 1)),
            kib(&|run| run.threads as f64),
        ]);
    }
    table.print();
}

fn measure_burst(server: Server, count: usize, rest: Duration) -> Result<Burst, String> {
    let failed = |error| format!("the process does not tell: {error}");
    let mut process = warm(server)?;
    let before = process.resident().map_err(failed)?;
    let live_before = process.live_bytes().map_err(failed)?;
    let mut crowd = Crowd::of(process.address());
    crowd.join(count, &HELLO)?;
    crowd.ask_at_once(&SLEEP)?;
    let answered = process.resident().map_err(failed)?;
    drop(crowd);
    thread::sleep(rest);
    let live_after = process.live_bytes().map_err(failed)?;
    Ok(Burst {
        before,
        peak: process.peak_resident().map_err(failed)?,
        answered,
        after: process.resident().map_err(failed)?,
        live: live_before.zip(live_after).map(|(before, after)| [before, after]),
        threads: process.threads().map_err(failed)?,
    })
}

/// A server that has served already, and has no connections left.
fn warm(server: Server) -> Result<ServerProcess, String> {
    let process = ServerProcess::start(server).map_err(|error| error.to_string())?;
    Crowd::of(process.address()).join(WARM_UP, &HELLO)?;
    Ok(process)
}

fn measured<T>(server: Server, outcome: Result<T, String>) -> T {
    outcome.unwrap_or_else(|reason| {
        complain(&format!("{} failed: {reason}", server.name()));
        process::exit(1);
    })
}
