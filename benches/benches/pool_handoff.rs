//! What does a strict hand-off cost?
//!
//! Without a queue a payload is only accepted by a worker that is free; the submitter waits for one. That is how ants
//! and fasthttp work, and it keeps promises that a queue cannot: what was accepted runs now. Two workers; one, two and
//! eight submitters; payloads that do nothing. The channels without a place are the limit: they only pass a payload
//! from thread to thread. `ours_queue` is our pool with its queue of 1024: the distance to it is the price of
//! strictness.

use anthill_benches::pools::{
    Count, CrossbeamRendezvous, Meet, Ours, OursStrict, StdRendezvous, Submission, Throughput, is_strict,
    print_throughput, throughput,
};
use anthill_benches::report;
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;

/// Name, a run, and whether it is strict, by trying; `None` for the one that need not be.
type Contestant = (&'static str, fn(Submission) -> Throughput, Option<fn() -> bool>);

const CONTESTANTS: [Contestant; 4] = [
    ("ours", |run| throughput::<_, OursStrict<Count>>(run, Count), Some(is_strict::<OursStrict<Meet>>)),
    ("ours_queue", |run| throughput::<_, Ours<Count>>(run, Count), None),
    ("std", |run| throughput::<_, StdRendezvous<Count>>(run, Count), Some(is_strict::<StdRendezvous<Meet>>)),
    (
        "crossbeam",
        |run| throughput::<_, CrossbeamRendezvous<Count>>(run, Count),
        Some(is_strict::<CrossbeamRendezvous<Meet>>),
    ),
];

fn main() {
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, ..)| name);
    let packages = ["crossbeam-channel"];
    report::headline(
        "What does a strict hand-off cost? 2 workers, empty payloads",
        &packages,
        settings.quick,
    );
    for (name, _, is_strict) in &contestants {
        if let Some(is_strict) = is_strict {
            assert!(is_strict(), "{name} took a payload while nobody was free");
        }
    }

    let payloads = if settings.quick { 5_000 } else { 200_000 };
    for submitters in [1, 2, 8] {
        let names = contestants.iter().map(|(name, ..)| *name).collect();
        let rounds = Rounds::play(settings.rounds_or(7), names, |contestant| {
            let (_, run, _) = contestants[contestant];
            run(Submission { submitters, payloads })
        });
        print_throughput(&format!("{submitters} submitter(s)"), &rounds);
    }
}
