//! How soon does an idle worker begin?
//!
//! One payload at a time, at least 100 us apart, to two workers that have nothing to do: nearly all of it is waking a
//! thread. Time counts from before the submit to the payload's first instruction. A submitter that goes to sleep leaves
//! its core to the worker, one that stays busy does not; which it is changes the ranking, so both are asked.

use anthill_benches::latency::exact_quantile;
use anthill_benches::pools::{Between, Lateness, Ours, Rayon, RustyPool, Stamp, Threadpool, Tokio, lateness};
use anthill_benches::report::{self, Table, median, micros, spread};
use anthill_benches::settings::Settings;
use std::time::Duration;

type Contestant = (&'static str, fn(u64, Duration, Between) -> Lateness);

const CONTESTANTS: [Contestant; 5] = [
    ("ours", lateness::<Ours<Stamp>>),
    ("rayon", lateness::<Rayon>),
    ("tokio", lateness::<Tokio>),
    ("threadpool", lateness::<Threadpool>),
    ("rusty_pool", lateness::<RustyPool>),
];

fn main() {
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    let packages = ["rayon", "tokio", "threadpool", "rusty_pool"];
    report::headline(
        "How soon does an idle worker begin? 2 workers, 100 us apart",
        &packages,
        settings.quick,
    );

    compare("submitter sleeps", Between::Sleep, &contestants, &settings);
    compare("submitter stays busy", Between::Spin, &contestants, &settings);
}

/// Every contestant once per round, in a rotating order; then the table.
fn compare(title: &str, between: Between, contestants: &[Contestant], settings: &Settings) {
    let payloads = if settings.quick { 200 } else { 4_000 };
    let mut runs: Vec<Vec<Quantiles>> = vec![Vec::new(); contestants.len()];
    for round in 0..settings.rounds_or(7) {
        for turn in 0..contestants.len() {
            let index = (round + turn) % contestants.len();
            let (_, run) = contestants[index];
            runs[index].push(Quantiles::of(run(payloads, Duration::from_micros(100), between)));
        }
    }
    print(title, contestants, &runs);
}

fn print(title: &str, contestants: &[Contestant], runs: &[Vec<Quantiles>]) {
    let ours = contestants.iter().position(|(name, _)| *name == "ours");
    let mut table = Table::new(&[title, "p50 us", "spread", "p99 us", "p50 : ours", "p99 : ours"]);
    for ((name, _), own) in contestants.iter().zip(runs) {
        let ratio = |figure: fn(&Quantiles) -> f64| {
            let ratios =
                |ours: usize| own.iter().zip(&runs[ours]).map(|(mine, other)| figure(mine) / figure(other));
            ours.map_or("-".into(), |ours| format!("{:.2}", median(ratios(ours))))
        };
        table.row(vec![
            (*name).to_owned(),
            format!("{:.1}", median(own.iter().map(Quantiles::p50))),
            format!("{:.0} %", spread(own.iter().map(Quantiles::p50))),
            format!("{:.1}", median(own.iter().map(Quantiles::p99))),
            ratio(Quantiles::p50),
            ratio(Quantiles::p99),
        ]);
    }
    report::say("");
    table.print();
}

/// Of one run, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Quantiles {
    p50: f64,
    p99: f64,
}

impl Quantiles {
    fn of(mut lateness: Lateness) -> Self {
        let mut quantile = |quantile| micros(exact_quantile(&mut lateness.samples, quantile));
        Self { p50: quantile(0.5), p99: quantile(0.99) }
    }

    fn p50(&self) -> f64 {
        self.p50
    }

    fn p99(&self) -> f64 {
        self.p99
    }
}
