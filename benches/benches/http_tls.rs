//! What does it cost to encrypt?
//!
//! TLS 1.3 throughout, with the same key exchange, cipher and kind of key for everybody:
//!
//! * `requests`: 64 keep-alive connections ask for a tiny text. What is not encrypted is there for comparison.
//! * `handshakes`: 16 visitors make a whole handshake for each request; what those feel meanwhile who are connected
//!   already is asked at a steady pace beside them.
//! * `returns`: 16 visitors come back to the session that they had the time before.
//! * `idle`: 5,000 connections that have been answered once. What the server's resident memory has grown by, divided by
//!   their number.

use anthill_benches::descriptors;
use anthill_benches::http::{self, Entrant, Server, ServerProcess, Standing};
use anthill_benches::load::{self, Coming, Crowd, Encryption, Exchange, Load, Measured, Paced};
use anthill_benches::report::{self, Table, complain};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use std::process;
use std::thread;
use std::time::Duration;

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Requests,
    Handshakes,
    Returns,
    Idle,
}

const CASES: [Case; 4] = [Case::Requests, Case::Handshakes, Case::Returns, Case::Idle];

const SERVERS: [Server; 5] =
    [Server::Hyper, Server::Ours, Server::HyperTls, Server::OursTls, Server::NginxTls];

const HELLO: Exchange = Exchange::get("/", "Hello, World!");

/// Connections before memory is measured.
const WARM_UP: usize = 300;

impl Case {
    const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Handshakes => "handshakes",
            Self::Returns => "returns",
            Self::Idle => "idle",
        }
    }

    const fn question(self) -> &'static str {
        match self {
            Self::Requests => "What does a request cost that is encrypted?",
            Self::Handshakes => "What does a connection cost with a whole handshake and one request?",
            Self::Returns => "What does a connection cost that comes back to a session, with one request?",
            Self::Idle => "What does an encrypted connection cost that has nothing to do?",
        }
    }

    const fn connections(self) -> usize {
        match self {
            Self::Requests => 64,
            Self::Handshakes | Self::Returns => 16,
            Self::Idle => 5_000,
        }
    }
}

fn is_encrypted(server: Server) -> bool {
    !matches!(server, Server::Hyper | Server::Ours)
}

fn main() {
    http::serve_if_asked();
    let settings = Settings::from_command_line();
    let mut servers = settings.choose(&SERVERS, Server::name);
    servers.retain(|server| server.is_at_hand(&settings));
    for case in settings.choose_cases(&CASES, Case::name) {
        let mut servers = servers.clone();
        servers.retain(|&server| case == Case::Requests || is_encrypted(server));
        let load = Load::new(&settings, case.connections(), vec![HELLO]);
        let question = format!("{} {} connections, 2 server threads", case.question(), load.connections);
        report::headline(&question, &["hyper", "tokio", "rustls", "tokio-rustls"], settings.quick);
        if case == Case::Idle {
            idle(&settings, &servers);
            continue;
        }
        let entrants: Vec<_> = servers.into_iter().map(Entrant::fresh).collect();
        let standings = http::compete_by(&entrants, settings.rounds_or(7), |entrant, process| {
            run(case, &load, entrant.server, process)
        });
        print(&standings, case);
    }
}

fn run(
    case: Case,
    load: &Load,
    server: Server,
    process: &mut http::ServerProcess,
) -> Result<Measured, String> {
    let encryption = is_encrypted(server).then(|| Encryption::new(false));
    let load = Load { encryption, ..load.clone() };
    let coming = match case {
        Case::Handshakes => Coming::Anew,
        Case::Returns => Coming::Back,
        Case::Requests | Case::Idle => return load::run(&load, process),
    };
    let paced = Some(Paced { exchange: HELLO, connections: 4, per_second: 400 });
    load::visit(&Load { paced, ..load }, coming, process)
}

fn print(standings: &[Standing], case: Case) {
    let reference = standings.iter().find(|standing| standing.server() == Server::HyperTls);
    let mut titles = vec!["server", "per second", "spread", "CPU us each", "user us each", "client us each"];
    titles.extend(["p50 us", "p99 us"]);
    if case != Case::Requests {
        titles.extend(["connected p50", "connected p99"]);
    }
    titles.extend(["others' cores", "rate : hyper_tls", "CPU : hyper_tls"]);
    let mut table = Table::new(&titles);
    for standing in standings {
        let mut row = standing.cells();
        row.extend(standing.latency_cells());
        if case != Case::Requests {
            let beside = [0.5, 0.99].map(|quantile| standing.paced(quantile));
            row.extend(beside.map(|took| took.map_or("-".to_owned(), |took| format!("{took:.0}"))));
        }
        row.extend(standing.cells_beside(reference));
        table.row(row);
    }
    table.print();
}

struct Idle {
    bytes_per_connection: f64,
    before_kib: f64,
    threads: f64,
}

fn idle(settings: &Settings, servers: &[Server]) {
    let wanted = settings.connections_or(if settings.quick { 100 } else { Case::Idle.connections() });
    let count = descriptors::for_connections(wanted);
    if count < wanted {
        report::say(&format!("{count} connections and not {wanted}: the limit on descriptors is that low"));
    }
    let rest = Duration::from_millis(if settings.quick { 50 } else { 1_000 });
    let names = servers.iter().map(|server| server.name()).collect();
    let rounds = Rounds::play(settings.rounds_or(3).min(3), names, |contestant| {
        let server = servers[contestant];
        measure_idle(server, count, rest).unwrap_or_else(|reason| {
            complain(&format!("{} failed: {reason}", server.name()));
            process::exit(1)
        })
    });
    let mut table =
        Table::new(&["server", "bytes/connection", "spread", "before KiB", "threads", "bytes : hyper_tls"]);
    for (contestant, name) in rounds.contestants() {
        let bytes = |run: &Idle| run.bytes_per_connection;
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", rounds.median(contestant, bytes)),
            format!("{:.0} %", rounds.spread(contestant, bytes)),
            format!("{:.0}", rounds.median(contestant, |run| run.before_kib)),
            format!("{:.0}", rounds.median(contestant, |run| run.threads)),
            rounds.ratio_to(Server::HyperTls.name(), contestant, bytes),
        ]);
    }
    table.print();
}

fn measure_idle(server: Server, count: usize, rest: Duration) -> Result<Idle, String> {
    let failed = |error| format!("the process does not tell: {error}");
    let process = ServerProcess::start(server).map_err(|error| error.to_string())?;
    // What is made once is there then.
    Crowd::of(process.address()).encrypted().join(WARM_UP.min(count), &HELLO)?;
    thread::sleep(rest);
    let before = process.resident().map_err(failed)? as f64;
    let mut crowd = Crowd::of(process.address()).encrypted();
    crowd.join(count, &HELLO)?;
    thread::sleep(rest);
    let after = process.resident().map_err(failed)? as f64;
    Ok(Idle {
        bytes_per_connection: (after - before) * 1024.0 / count as f64,
        before_kib: before,
        threads: process.threads().map_err(failed)? as f64,
    })
}
