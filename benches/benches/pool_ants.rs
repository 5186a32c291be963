//! What does a crowd of sleeping tasks cost?
//!
//! The shape of ants' own benchmark: a million tasks that sleep for 10 ms, submitted by one thread. There the pool has
//! 50,000 goroutines; threads are dearer, so it is 1,000 of them, and then as many as the system allows up to 10,000.
//! The ideal is what it would take if threads cost nothing.

use anthill_benches::pools::{
    Crowd, Nap, Naps, Ours, OursStrict, RustyPool, ThreadPerPayload, Threadpool, Tokio, affordable_threads,
    crowd, measure_if_asked, run_apart,
};
use anthill_benches::report::{self, Table};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use std::time::Duration;

/// How long each task sleeps.
const NAP: Duration = Duration::from_millis(10);

/// Threads in smoke mode, threads that every system allows, and those that are tried for.
const A_HUNDRED: usize = 100;
const FEW: usize = 1_000;
const MANY: usize = 10_000;

/// Room for the benchmark's own thread and for a pool's helpers, where the system allows fewer than wanted.
const SPARE: usize = 100;

/// Asks how many threads the system allows; tried in a process of its own as well.
const AFFORDABLE: &str = "affordable-threads";

type Contestant = (&'static str, fn(Naps) -> Crowd);

const CONTESTANTS: [Contestant; 6] = [
    ("ours", crowd::<OursStrict<Nap>>),
    ("ours_queue", crowd::<Ours<Nap>>),
    ("threadpool", crowd::<Threadpool>),
    ("rusty_pool", crowd::<RustyPool>),
    ("tokio", crowd::<Tokio>),
    ("threads", crowd::<ThreadPerPayload>),
];

fn main() {
    measure_if_asked(|name, numbers| match *numbers {
        [wanted] if name == AFFORDABLE => {
            Some(vec![affordable_threads(usize::try_from(wanted).ok()?) as f64])
        }
        [payloads, capacity] => {
            let (_, run) = CONTESTANTS.iter().find(|(known, _)| *known == name)?;
            let naps = Naps { payloads, time: NAP, capacity: usize::try_from(capacity).ok()? };
            let Crowd { seconds, cpu_micros, threads, grown } = run(naps);
            Some(vec![seconds, cpu_micros, threads, grown])
        }
        _ => None,
    });
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    let packages = ["threadpool", "rusty_pool", "tokio"];
    let payloads = if settings.quick { 2_000 } else { 1_000_000 };
    report::headline(
        &format!("What does a crowd of sleeping tasks cost? {payloads} tasks of 10 ms"),
        &packages,
        settings.quick,
    );

    let capacities = if settings.quick { vec![A_HUNDRED] } else { vec![FEW, many()] };
    for capacity in capacities {
        let naps = Naps { payloads, time: NAP, capacity };
        let names = contestants.iter().map(|(name, _)| *name).collect();
        let rounds = Rounds::play(settings.rounds_or(3), names, |contestant| {
            let (name, _) = contestants[contestant];
            let [seconds, cpu_micros, threads, grown] = run_apart(name, &[payloads, capacity as u64]);
            Crowd { seconds, cpu_micros, threads, grown }
        });
        print(naps, &rounds);
    }
}

/// As many as wanted where the system allows them.
fn many() -> usize {
    let [affordable] = run_apart(AFFORDABLE, &[MANY as u64]);
    let affordable = affordable as usize;
    if affordable < MANY { affordable.saturating_sub(SPARE).max(1) } else { MANY }
}

fn print(naps: Naps, rounds: &Rounds<Crowd>) {
    let ideal = naps.ideal().as_secs_f64();
    let title = format!("{} at a time, ideal {ideal:.2} s", naps.capacity);
    let titles = [
        &title,
        "seconds",
        "spread",
        ": ideal",
        "time : ours",
        "CPU us/task",
        "threads",
        "MiB",
        "KiB/thread",
    ];
    let mut table = Table::new(&titles);
    for (contestant, name) in rounds.contestants() {
        let grown = rounds.median(contestant, |run| run.grown);
        table.row(vec![
            name.to_owned(),
            format!("{:.2}", rounds.median(contestant, |run| run.seconds)),
            format!("{:.0} %", rounds.spread(contestant, |run| run.seconds)),
            format!("{:.2}", rounds.median(contestant, |run| run.seconds / ideal)),
            rounds.ratio_to_ours(contestant, |run| run.seconds),
            format!("{:.1}", rounds.median(contestant, |run| run.cpu_micros)),
            format!("{:.0}", rounds.median(contestant, |run| run.threads)),
            format!("{:.1}", grown / 1024.0),
            format!("{:.1}", rounds.median(contestant, |run| run.grown / run.threads)),
        ]);
    }
    report::say("");
    table.print();
}
