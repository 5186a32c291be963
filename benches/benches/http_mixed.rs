//! What do slow requests cost the fast ones, where they can be foreseen and where they cannot?
//!
//! * `predictable`: 99 of 100 requests are for the tiny text, one is for another route and sleeps for 20 ms.
//! * `unpredictable`: all are for the same route; in one of 100 calls it sleeps for 20 ms, in the others it does
//!   nothing.
//! * `phases`: the same route does nothing for half a second, then sleeps for 1 ms, and so on; the phases that sleep
//!   are measured, from their first answers on.
//! * `computes_100us`, `computes_1ms`, `computes_5ms`: handlers that keep a core busy, more of them than there are
//!   cores.
//!
//! The async stacks are told what blocks or computes (it is in `spawn_blocking`, and there the route that may sleep is
//! as a whole); we are not. In all but the first, some connections ask for the tiny text at a steady pace; the first
//! and the second have quantiles of the load's own fast requests too.

use anthill_benches::http::{self, Entrant, Server, ServerProcess, Standing};
use anthill_benches::load::{self, Exchange, Load, Measured, Paced};
use anthill_benches::machine;
use anthill_benches::report::{self, Table, micros};
use anthill_benches::settings::Settings;
use std::time::Duration;

const ENTRANTS: [Entrant; 5] = [
    Entrant::fresh(Server::Ours),
    Entrant::fresh(Server::Axum),
    Entrant::fresh(Server::Hyper),
    Entrant::fresh(Server::Actix),
    Entrant::fresh(Server::Threads),
];

/// The kind of exchange that is fast, where there are two.
const FAST: usize = 0;
const SLOW: usize = 1;

/// Pairs of phases in one run.
const PHASES: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Predictable,
    Unpredictable,
    Phases,
    Computes(&'static str, &'static str),
}

const CASES: [(&str, Case); 6] = [
    ("predictable", Case::Predictable),
    ("unpredictable", Case::Unpredictable),
    ("phases", Case::Phases),
    ("computes_100us", Case::Computes("/spin?us=100", "100")),
    ("computes_1ms", Case::Computes("/spin?us=1000", "1000")),
    ("computes_5ms", Case::Computes("/spin?us=5000", "5000")),
];

fn main() {
    http::serve_if_asked();
    let settings = Settings::from_command_line();
    let entrants = settings.choose(&ENTRANTS, |entrant| entrant.name);
    report::headline(
        "What do slow requests cost the fast ones?",
        &["axum", "hyper", "tokio", "actix-web"],
        settings.quick,
    );
    for (name, case) in settings.choose_cases(&CASES, |(name, _)| name) {
        let load = load(&settings, case);
        let before = machine::load_average().map_or("?".to_owned(), |load| format!("{load:.2}"));
        let standings = http::compete_by(&entrants, settings.rounds_or(5), |_, process| match case {
            Case::Phases => in_phases(&settings, process, &load),
            _ => load::run(&load, process),
        });
        report::say(&format!("\n{name}, {} connections (load average before: {before})", load.connections));
        print(&standings, load.exchanges.len() > 1);
    }
}

fn hello() -> Exchange {
    Exchange::get("/", "Hello, World!")
}

fn load(settings: &Settings, case: Case) -> Load {
    let (connections, exchanges) = match case {
        Case::Predictable => {
            (64, vec![Exchange { weight: 99, ..hello() }, Exchange::get("/sleep?us=20000", "20000")])
        }
        Case::Unpredictable => (
            64,
            vec![
                Exchange { weight: 99, ..Exchange::get("/sleep?us=0", "0") },
                Exchange::get("/sleep?us=20000", "20000"),
            ],
        ),
        Case::Phases => (64, vec![Exchange::get("/sleep?us=1000", "1000")]),
        // Enough to keep more than the cores busy, and few enough that the fast route is not starved by the kernel
        // alone.
        Case::Computes(target, body) => (8, vec![Exchange::get(target, body)]),
    };
    let paced = Paced { exchange: hello(), connections: 4, per_second: 400 };
    Load {
        paced: (case != Case::Predictable).then_some(paced),
        ..Load::new(settings, connections, exchanges)
    }
}

/// Alternates between the route at its fastest and the load; what the load's phases have shown, together.
fn in_phases(settings: &Settings, process: &mut ServerProcess, load: &Load) -> Result<Measured, String> {
    let phase = Duration::from_millis(if settings.quick { 60 } else { 500 });
    let slow = Load { warm_up: Duration::ZERO, measure: phase, ..load.clone() };
    let fast = Exchange::get("/sleep?us=0", "0");
    let fast = Load { exchanges: vec![fast], ..slow.clone() };
    let mut sum: Option<Measured> = None;
    for _ in 0..if settings.quick { 2 } else { PHASES } {
        load::run(&fast, process)?;
        let measured = load::run(&slow, process)?;
        sum = Some(match sum {
            None => measured,
            Some(sum) => sum.and(&measured),
        });
    }
    sum.ok_or_else(|| "there are no phases".to_owned())
}

fn print(standings: &[Standing], has_two_kinds: bool) {
    let axum = standings.iter().find(|standing| standing.server() == Server::Axum);
    let mut table = Table::new(&[
        "server",
        "requests/s",
        "CPU us/req",
        "user us/req",
        "fast p50 us",
        "fast p99 us",
        "slow p99 us",
        "paced p50",
        "paced p99",
        "paced p99.9",
        "threads",
        "others' cores",
        "req/s : axum",
        "CPU : axum",
    ]);
    for standing in standings {
        let or_none = |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.0}"));
        let pace = standing.pace().measured;
        let worst = Some(micros(pace.quantile(0.999))).filter(|_| pace.count() > 0);
        let fast = |quantile| match has_two_kinds {
            false => "-".to_owned(),
            true => format!("{:.0}", standing.latency(FAST, quantile)),
        };
        let slow = if has_two_kinds { SLOW } else { 0 };
        table.row(vec![
            standing.name().to_owned(),
            format!("{:.0}", standing.rate()),
            format!("{:.2}", standing.cpu()),
            format!("{:.2}", standing.user_cpu()),
            fast(0.5),
            fast(0.99),
            format!("{:.0}", standing.latency(slow, 0.99)),
            or_none(standing.paced(0.5)),
            or_none(standing.paced(0.99)),
            or_none(worst),
            standing.threads().to_string(),
            format!("{:.2}", standing.other_cores()),
            axum.map_or("-".into(), |other| standing.rate_ratios(other)),
            axum.map_or("-".into(), |other| standing.cpu_ratios(other)),
        ]);
    }
    table.print();
}
