//! What does it cost to hand a payload to a pool?
//!
//! Two workers; one, two and eight submitters. Payloads that do nothing, where the pool is all there is; the same with
//! three words of data, as small closures have; and payloads of 1 us and of 10 us, where the pool should disappear.
//! Time per payload counts from the first submit until all have run.

use anthill_benches::pools::{
    Blocking, Count, Ours, OursTasks, Rayon, RustyPool, Spin, Submission, Threadpool, Throughput, Tokio,
    Triple, Workerpool, print_throughput, throughput,
};
use anthill_benches::report;
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use std::time::Duration;

/// What the payloads do.
#[derive(Clone, Copy)]
enum Payloads {
    Empty,
    EmptyOfThreeWords,
    Laps(u64),
}

type Contestant = (&'static str, fn(Submission, Payloads) -> Throughput);

macro_rules! contestant {
    ($name:literal, $pool:ident) => {
        contestant!($name, $pool, $pool, $pool)
    };
    ($name:literal, $pool:ident<T>) => {
        contestant!($name, $pool<Count>, $pool<Triple>, $pool<Spin>)
    };
    ($name:literal, $count:ty, $triple:ty, $spin:ty) => {
        ($name, |submission, payloads| match payloads {
            Payloads::Empty => throughput::<_, $count>(submission, Count),
            Payloads::EmptyOfThreeWords => throughput::<_, $triple>(submission, Triple::numbered),
            Payloads::Laps(laps) => throughput::<_, $spin>(submission, |number| Spin { number, laps }),
        })
    };
}

const CONTESTANTS: [Contestant; 8] = [
    contestant!("ours", Ours<T>),
    contestant!("ours_tasks", OursTasks),
    contestant!("rayon", Rayon),
    contestant!("tokio", Tokio),
    contestant!("threadpool", Threadpool),
    contestant!("rusty_pool", RustyPool),
    contestant!("blocking", Blocking),
    contestant!("workerpool", Workerpool<T>),
];

fn main() {
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    let packages = ["rayon", "tokio", "threadpool", "rusty_pool", "blocking", "workerpool"];
    report::headline("What does it cost to hand a payload to a pool? 2 workers", &packages, settings.quick);

    let kinds = [
        ("empty payloads", Payloads::Empty, 1_000_000),
        ("empty payloads of 3 words", Payloads::EmptyOfThreeWords, 1_000_000),
        ("payloads of 1 us", Payloads::Laps(Spin::laps_in(Duration::from_micros(1))), 300_000),
        ("payloads of 10 us", Payloads::Laps(Spin::laps_in(Duration::from_micros(10))), 30_000),
    ];
    let share = if settings.quick { 50 } else { 1 };
    for (kind, payloads, number) in kinds {
        for submitters in [1, 2, 8] {
            let submission = Submission { submitters, payloads: number / share };
            let names = contestants.iter().map(|(name, _)| *name).collect();
            let rounds = Rounds::play(settings.rounds_or(7), names, |contestant| {
                let (_, run) = contestants[contestant];
                run(submission, payloads)
            });
            print_throughput(&format!("{kind}, {submitters} submitter(s)"), &rounds);
        }
    }
}
