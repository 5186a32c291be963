//! What does a handler cost that sleeps, and what does a fast route beside it feel?
//!
//! Every handler of the load blocks. We and the threads per connection simply sleep in the handler; the async stacks
//! have the sleep where their users must put it, in `spawn_blocking` or `web::block`; in Go it is no thread's. A table
//! for each sleep and number of connections. Beside the load, some connections ask for the tiny text at a steady pace.
//!
//! `ours` was just started, `ours_calmed` has had fast traffic for some seconds: a server that learns which routes
//! block must not depend on when it has to learn it. The others learn nothing.

use anthill_benches::http::{self, Entrant, Server, ServerProcess, Standing};
use anthill_benches::load::{self, Exchange, Load, Measured, Paced};
use anthill_benches::machine;
use anthill_benches::report::{self, Table, micros};
use anthill_benches::settings::Settings;
use std::time::Duration;

const ENTRANTS: [Entrant; 10] = [
    Entrant::fresh(Server::Ours),
    Entrant { name: "ours_calmed", server: Server::Ours, calmed: true },
    Entrant::fresh(Server::BareThreads),
    Entrant::fresh(Server::Threads),
    Entrant::fresh(Server::Hyper),
    Entrant { name: "hyper_calmed", server: Server::Hyper, calmed: true },
    Entrant::fresh(Server::Axum),
    Entrant::fresh(Server::Actix),
    Entrant::fresh(Server::Fasthttp),
    Entrant::fresh(Server::NetHttp),
];

/// Who takes part only when asked for by name.
const ON_DEMAND: [&str; 1] = ["hyper_calmed"];

/// Connections that make the fast traffic: few, so that the machine does not look busy itself.
const CALM_CONNECTIONS: usize = 4;

fn main() {
    http::serve_if_asked();
    let settings = Settings::from_command_line();
    report::headline(
        "What does a handler cost that sleeps, and what does a fast route beside it feel?",
        &["hyper", "tokio", "axum", "actix-web"],
        settings.quick,
    );
    let entrants = entrants(&settings);
    for (micros, connections) in cells(&settings) {
        let load = load(&settings, micros, connections);
        let calming = calming(&settings);
        let before = machine::load_average().map_or("?".to_owned(), |load| format!("{load:.2}"));
        let standings = http::compete_by(&entrants, settings.rounds_or(5), |entrant, process| {
            measure(entrant, process, &calming, &load)
        });
        let sleep = micros as f64 / 1000.0;
        report::say(&format!(
            "\nsleep {sleep} ms, {connections} connections (load average before: {before})"
        ));
        print(&standings);
    }
}

/// Those that were asked for and are at hand.
fn entrants(settings: &Settings) -> Vec<Entrant> {
    let mut chosen = settings.choose(&ENTRANTS, |entrant| entrant.name);
    if settings.only.is_empty() {
        chosen.retain(|entrant| !ON_DEMAND.contains(&entrant.name));
    }
    let mut has_fasthttp = false;
    chosen.retain(|entrant| {
        // Go's standard library stands in for fasthttp.
        let is_spare = entrant.server == Server::NetHttp && has_fasthttp && settings.only.is_empty();
        let takes_part = !is_spare && entrant.server.is_at_hand(settings);
        has_fasthttp |= takes_part && entrant.server == Server::Fasthttp;
        takes_part
    });
    chosen
}

/// Microseconds and connections of each table.
fn cells(settings: &Settings) -> Vec<(u64, usize)> {
    if settings.quick && settings.sleeps.is_empty() && settings.connections.is_empty() {
        return vec![(100, 64), (1_000, 256), (10_000, 1_000)];
    }
    let or =
        |asked: &[u64], default: [u64; 3]| if asked.is_empty() { default.to_vec() } else { asked.to_vec() };
    let connections: Vec<_> = settings.connections.iter().map(|&connections| connections as u64).collect();
    let connections = or(&connections, [64, 256, 1_000]);
    let sleeps = or(&settings.sleeps, [100, 1_000, 10_000]);
    let with = |micros| connections.iter().map(move |&connections| (micros, connections as usize));
    sleeps.into_iter().flat_map(with).collect()
}

fn measure(
    entrant: Entrant,
    process: &mut ServerProcess,
    calming: &Load,
    load: &Load,
) -> Result<Measured, String> {
    if entrant.calmed {
        load::run(calming, process).map_err(|reason| format!("calming: {reason}"))?;
    }
    load::run(load, process)
}

fn hello() -> Exchange {
    Exchange::get("/", "Hello, World!")
}

fn calming(settings: &Settings) -> Load {
    let time = settings.calm.unwrap_or(Duration::from_millis(if settings.quick { 200 } else { 4_000 }));
    Load {
        connections: CALM_CONNECTIONS,
        threads: 1,
        warm_up: Duration::ZERO,
        measure: time,
        ..Load::new(&Settings::default(), CALM_CONNECTIONS, vec![hello()])
    }
}

fn load(settings: &Settings, micros: u64, connections: usize) -> Load {
    // They live as long as the program.
    let (target, body) = (format!("/sleep?us={micros}").leak(), micros.to_string().leak());
    let settings = Settings { connections: vec![connections], ..settings.clone() };
    let measure = settings.measure.unwrap_or(Duration::from_millis(if settings.quick { 150 } else { 1_000 }));
    Load {
        measure,
        warm_up: settings.warm_up().min(Duration::from_millis(250)),
        paced: Some(Paced { exchange: hello(), connections: 4, per_second: 400 }),
        ..Load::new(&settings, connections, vec![Exchange::get(target, body)])
    }
}

fn print(standings: &[Standing]) {
    let ours = standings.iter().find(|standing| standing.name() == "ours");
    let mut table = Table::new(&[
        "server",
        "requests/s",
        "CPU us/req",
        "user us/req",
        "p50 us",
        "p99 us",
        "fast p50",
        "fast p99",
        "fast p99.9",
        "worst at start",
        "threads",
        "others' cores",
        "req/s : ours",
        "CPU : ours",
    ]);
    for standing in standings {
        let pace = standing.pace();
        let fast = |quantile| standing.paced(quantile).map_or("-".to_owned(), |fast| format!("{fast:.0}"));
        table.row(vec![
            standing.name().to_owned(),
            format!("{:.0}", standing.rate()),
            format!("{:.2}", standing.cpu()),
            format!("{:.2}", standing.user_cpu()),
            format!("{:.0}", standing.latency(0, 0.5)),
            format!("{:.0}", standing.latency(0, 0.99)),
            fast(0.5),
            fast(0.99),
            format!("{:.0}", micros(pace.measured.quantile(0.999))),
            format!("{:.0}", micros(pace.before.quantile(1.0))),
            standing.threads().to_string(),
            format!("{:.2}", standing.other_cores()),
            ours.map_or("-".into(), |other| standing.rate_ratios(other)),
            ours.map_or("-".into(), |other| standing.cpu_ratios(other)),
        ]);
    }
    table.print();
}
