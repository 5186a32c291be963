//! How many threads stay after a burst?
//!
//! 32 payloads of 20 ms at once, then one every 5 ms for 4 s, with an idle limit of 300 ms. One thread could do what
//! comes after the burst. A pool that wakes the thread that has slept longest keeps all of them young for ever; one
//! that wakes the thread that slept least lets the others go.
//!
//! Pools of a fixed size (`rayon`, `threadpool`, `workerpool`) keep all threads on purpose and do not take part.

use anthill_benches::pools::{
    Blocking, Nap, Ours, OursStrict, RustyPool, Shrinking, Tokio, measure_if_asked, run_apart, shrinking,
};
use anthill_benches::report::{self, Table};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use std::time::Duration;

const BURST: usize = 32;
const IDLE_LIMIT: Duration = Duration::from_millis(300);

/// What may be left of ours: the worker that is used, one more for when it is not back in time, and the cleaner.
const OURS_MAY_KEEP: f64 = 3.0;

type Contestant = (&'static str, fn(usize, Duration, Duration) -> Shrinking);

const CONTESTANTS: [Contestant; 5] = [
    ("ours", shrinking::<OursStrict<Nap>>),
    ("ours_queue", shrinking::<Ours<Nap>>),
    ("tokio", shrinking::<Tokio>),
    ("rusty_pool", shrinking::<RustyPool>),
    ("blocking", shrinking::<Blocking>),
];

fn main() {
    measure_if_asked(|name, numbers| {
        let (_, run) = CONTESTANTS.iter().find(|(known, _)| *known == name)?;
        let &[then] = numbers else { return None };
        let Shrinking { burst, left, cpu_micros, sleeps } =
            run(BURST, IDLE_LIMIT, Duration::from_millis(then));
        Some(vec![burst, left, cpu_micros, sleeps])
    });
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    let packages = ["tokio", "rusty_pool", "blocking"];
    let then = if settings.quick { 1_000 } else { 4_000 };
    report::headline(
        &format!("How many threads stay after a burst of {BURST}? 1 payload per 5 ms for {then} ms"),
        &packages,
        settings.quick,
    );

    let names = contestants.iter().map(|(name, _)| *name).collect();
    let rounds = Rounds::play(settings.rounds_or(3), names, |contestant| {
        let (name, _) = contestants[contestant];
        let [burst, left, cpu_micros, sleeps] = run_apart(name, &[then]);
        Shrinking { burst, left, cpu_micros, sleeps }
    });
    print(&rounds);
    for (contestant, name) in rounds.contestants().filter(|(_, name)| name.starts_with("ours")) {
        let most = rounds.of(contestant).iter().map(|run| run.left).fold(0.0, f64::max);
        assert!(most <= OURS_MAY_KEEP, "{name} kept {most} threads");
    }
}

fn print(rounds: &Rounds<Shrinking>) {
    let mut table = Table::new(&[
        "idle limit 300 ms",
        "threads",
        "left",
        "CPU us/payload",
        "sleeps/payload",
        "CPU : ours",
    ]);
    for (contestant, name) in rounds.contestants() {
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", rounds.median(contestant, |run| run.burst)),
            format!("{:.0}", rounds.median(contestant, |run| run.left)),
            format!("{:.1}", rounds.median(contestant, |run| run.cpu_micros)),
            format!("{:.2}", rounds.median(contestant, |run| run.sleeps)),
            rounds.ratio_to_ours(contestant, |run| run.cpu_micros),
        ]);
    }
    report::say("");
    table.print();
}
