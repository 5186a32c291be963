//! How soon does an idle worker begin?
//!
//! One payload at a time, at least 100 us apart, to two workers that have nothing to do: nearly all of it is waking a
//! thread. Time counts from before the submit to the payload's first instruction. A submitter that goes to sleep leaves
//! its core to the worker, one that stays busy does not; which it is changes the ranking, so both are asked.

use anthill_benches::latency::exact_quantile;
use anthill_benches::pools::{
    Affinitypool, Between, Blocking, Lateness, Ours, Rayon, RustyPool, Stamp, Threadpool, Tokio, Workerpool,
    lateness,
};
use anthill_benches::report::{self, Table, micros};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use std::time::Duration;

type Contestant = (&'static str, fn(u64, Duration, Between) -> Lateness);

const CONTESTANTS: [Contestant; 8] = [
    ("ours", lateness::<Ours<Stamp>>),
    ("rayon", lateness::<Rayon>),
    ("tokio", lateness::<Tokio>),
    ("threadpool", lateness::<Threadpool>),
    ("rusty_pool", lateness::<RustyPool>),
    ("blocking", lateness::<Blocking>),
    ("workerpool", lateness::<Workerpool<Stamp>>),
    ("affinitypool", lateness::<Affinitypool>),
];

fn main() {
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    let packages = ["rayon", "tokio", "threadpool", "rusty_pool", "blocking", "workerpool", "affinitypool"];
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
    let names = contestants.iter().map(|(name, _)| *name).collect();
    let rounds = Rounds::play(settings.rounds_or(7), names, |contestant| {
        let (_, run) = contestants[contestant];
        Quantiles::of(run(payloads, Duration::from_micros(100), between))
    });
    print(title, &rounds);
}

fn print(title: &str, rounds: &Rounds<Quantiles>) {
    let mut table = Table::new(&[title, "p50 us", "spread", "p99 us", "p50 : ours", "p99 : ours"]);
    for (contestant, name) in rounds.contestants() {
        table.row(vec![
            name.to_owned(),
            format!("{:.1}", rounds.median(contestant, |run| run.p50)),
            format!("{:.0} %", rounds.spread(contestant, |run| run.p50)),
            format!("{:.1}", rounds.median(contestant, |run| run.p99)),
            rounds.ratio_to_ours(contestant, |run| run.p50),
            rounds.ratio_to_ours(contestant, |run| run.p99),
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
}
