//! What does it cost to hand a payload to a pool?
//!
//! Two workers; one, two and eight submitters. Payloads that do nothing, where the pool is all there is; the same with
//! three words of data, as small closures have; and payloads of 1, 10 and 100 us, where the pool should disappear.
//! Time per payload counts from the first submit until all have run. The last table has all cases side by side.
//!
//! Not here: `affinitypool`, whose handle cancels the payload when it is dropped, so nothing can be handed over and
//! forgotten (see `pool_latency`); `forte`, where whoever spawns from outside becomes a worker for the moment and runs
//! the payload itself; and `chili`, which knows no payloads, only joins (see `pool_maps` for both).

use anthill_benches::pools::{
    Blocking, Count, Ours, OursTasks, Rayon, RustyPool, Spin, Submission, Threadpool, Throughput, Tokio,
    Triple, Workerpool, print_ratios, print_throughput, throughput,
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

/// What is asked, by name: the payloads, and from how many threads.
type Case = (&'static str, Kind, u64);

/// Payloads that do nothing, or so many microseconds' work.
#[derive(Clone, Copy)]
enum Kind {
    Empty,
    EmptyOfThreeWords,
    Micros(u64),
}

const CASES: [Case; 15] = [
    ("empty_1", Kind::Empty, 1),
    ("empty_2", Kind::Empty, 2),
    ("empty_8", Kind::Empty, 8),
    ("words_1", Kind::EmptyOfThreeWords, 1),
    ("words_2", Kind::EmptyOfThreeWords, 2),
    ("words_8", Kind::EmptyOfThreeWords, 8),
    ("1us_1", Kind::Micros(1), 1),
    ("1us_2", Kind::Micros(1), 2),
    ("1us_8", Kind::Micros(1), 8),
    ("10us_1", Kind::Micros(10), 1),
    ("10us_2", Kind::Micros(10), 2),
    ("10us_8", Kind::Micros(10), 8),
    ("100us_1", Kind::Micros(100), 1),
    ("100us_2", Kind::Micros(100), 2),
    ("100us_8", Kind::Micros(100), 8),
];

impl Kind {
    /// In words, what a pool gets, and how many of them.
    fn unfolded(self) -> (String, Payloads, u64) {
        match self {
            Kind::Empty => ("empty payloads".to_owned(), Payloads::Empty, 1_000_000),
            Kind::EmptyOfThreeWords => {
                ("empty payloads of 3 words".to_owned(), Payloads::EmptyOfThreeWords, 1_000_000)
            }
            Kind::Micros(micros) => {
                let laps = Spin::laps_in(Duration::from_micros(micros));
                (format!("payloads of {micros} us"), Payloads::Laps(laps), 300_000 / micros)
            }
        }
    }
}

fn main() {
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    let packages = ["rayon", "tokio", "threadpool", "rusty_pool", "blocking", "workerpool"];
    report::headline("What does it cost to hand a payload to a pool? 2 workers", &packages, settings.quick);

    let share = if settings.quick { 50 } else { 1 };
    let mut played = Vec::new();
    for (name, kind, submitters) in settings.choose_cases(&CASES, |(name, ..)| name) {
        let (kind, payloads, number) = kind.unfolded();
        let submission = Submission { submitters, payloads: number / share };
        let names = contestants.iter().map(|(name, _)| *name).collect();
        let rounds = Rounds::play(settings.rounds_or(7), names, |contestant| {
            let (_, run) = contestants[contestant];
            run(submission, payloads)
        });
        print_throughput(&format!("{kind}, {submitters} submitter(s)"), &rounds);
        played.push((name, rounds));
    }
    print_ratios("time : ours", &played, |run| run.nanos);
}
