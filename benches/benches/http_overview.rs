//! How do whole servers compare, each used as its documentation says? The table and the figure of README.md.
//!
//! Three questions in one run: a tiny text for 64 connections; handlers that wait for 5 ms, as for a database, of 256
//! connections; and how long the tiny text takes beside them. Whoever cannot wait in a handler has no figure there.
//! `--svg=FILE` draws it. tiny_http takes part when it is asked for: it left requests of 64 connections unanswered for
//! ten seconds, which is the end of a run.

use anthill_benches::chart::{Chart, Group};
use anthill_benches::http::{self, Server, Standing};
use anthill_benches::load::{Exchange, Load, Paced};
use anthill_benches::report::{self, Table};
use anthill_benches::settings::Settings;

const SERVERS: [Server; 8] = [
    Server::Ours,
    Server::Fasthttp,
    Server::NetHttp,
    Server::Hyper,
    Server::Axum,
    Server::Actix,
    Server::TinyHttp,
    Server::Nginx,
];

/// Who takes part only when asked for by name.
const ON_DEMAND: [Server; 1] = [Server::TinyHttp];

const WAITING: usize = 256;

fn main() {
    http::serve_if_asked();
    let settings = Settings::from_command_line();
    report::headline(
        "How do whole servers compare, each used as its documentation says? 2 server threads",
        &["hyper", "tokio", "axum", "actix-web", "tiny_http"],
        settings.quick,
    );
    let mut servers = settings.choose(&SERVERS, Server::name);
    servers.retain(|server| !settings.only.is_empty() || !ON_DEMAND.contains(server));
    servers.retain(|server| server.is_at_hand(&settings));
    let rounds = settings.rounds_or(5);
    let fast = http::compete(&servers, rounds, &Load::new(&settings, 64, vec![hello()]));
    let blocking: Vec<_> = servers.iter().copied().filter(|server| *server != Server::Nginx).collect();
    let waiting = http::compete(&blocking, rounds, &waiting(&settings));
    print(&fast, &waiting);
    if let Some(file) = &settings.svg {
        if let Err(error) = chart(&fast, &waiting).write(file) {
            report::complain(&format!("{file}: {error}"));
            std::process::exit(1);
        }
    }
}

fn hello() -> Exchange {
    Exchange::get("/", "Hello, World!")
}

/// Handlers that wait, and beside them the tiny text at a steady pace.
fn waiting(settings: &Settings) -> Load {
    let paced = Paced { exchange: hello(), connections: 4, per_second: 400 };
    Load { paced: Some(paced), ..Load::new(settings, WAITING, vec![Exchange::get("/sleep?us=5000", "5000")]) }
}

/// What one server has achieved in both.
struct Row<'s> {
    name: &'static str,
    fast: &'s Standing,
    waiting: Option<&'s Standing>,
}

fn rows<'s>(fast: &'s [Standing], waiting: &'s [Standing]) -> Vec<Row<'s>> {
    let row = |fast: &'s Standing| {
        let waiting = waiting.iter().find(|other| other.server() == fast.server());
        Row { name: fast.name(), fast, waiting }
    };
    fast.iter().map(row).collect()
}

fn print(fast: &[Standing], waiting: &[Standing]) {
    let ours = fast.iter().find(|standing| standing.server() == Server::Ours);
    let ours_waiting = waiting.iter().find(|standing| standing.server() == Server::Ours);
    let ratio = |own: Option<&Standing>, ours: Option<&Standing>, of: fn(&Standing, &Standing) -> f64| {
        own.zip(ours).map_or("-".to_owned(), |(own, ours)| format!("{:.2}", of(own, ours)))
    };
    let mut table = Table::new(&[
        "server",
        "tiny text: requests/s",
        "CPU us",
        "req/s : ours",
        "CPU : ours",
        "waits 5 ms: requests/s",
        "req/s : ours",
        "tiny text beside: p99 ms",
    ]);
    for Row { name, fast, waiting } in rows(fast, waiting) {
        let own = |figure: &dyn Fn(&Standing) -> String| waiting.map_or("-".to_owned(), figure);
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", fast.rate()),
            format!("{:.2}", fast.cpu()),
            ratio(Some(fast), ours, Standing::rate_ratio),
            ratio(Some(fast), ours, Standing::cpu_ratio),
            own(&|waiting| format!("{:.0}", waiting.rate())),
            ratio(waiting, ours_waiting, Standing::rate_ratio),
            own(&|waiting| waiting.paced(0.99).map_or("-".to_owned(), |p99| format!("{:.2}", p99 / 1000.0))),
        ]);
    }
    table.print();
}

fn chart(fast: &[Standing], waiting: &[Standing]) -> Chart {
    let rows = rows(fast, waiting);
    let group = |title: &str, figure: &dyn Fn(&Row<'_>) -> Option<f64>| Group {
        title: title.to_owned(),
        bars: rows.iter().map(|row| (row.name, figure(row))).collect(),
    };
    Chart {
        title: "Two server threads, all servers in one run".to_owned(),
        groups: vec![
            group("A tiny text, 64 connections: requests/s (more is better)", &|row| Some(row.fast.rate())),
            group("A tiny text: CPU microseconds for each request (less is better)", &|row| {
                Some(row.fast.cpu())
            }),
            group("Handlers that wait for 5 ms, 256 connections: requests/s (more is better)", &|row| {
                row.waiting.map(Standing::rate)
            }),
            group("The tiny text beside them: 99th percentile in ms (less is better)", &|row| {
                row.waiting.and_then(|waiting| waiting.paced(0.99)).map(|p99| p99 / 1000.0)
            }),
        ],
    }
}
