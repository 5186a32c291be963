//! What does it cost to hand a payload to a pool?
//!
//! Two workers; one submitter and eight; payloads that do nothing, where the pool is all there is, and payloads of a
//! microsecond, where it should disappear. Time per payload counts from the first submit until all have run.

use anthill_benches::pools::{
    Count, Ours, OursTasks, Rayon, RustyPool, Spin, Submission, Threadpool, Throughput, Tokio, throughput,
};
use anthill_benches::report::{self, Table, median, spread};
use anthill_benches::settings::Settings;
use std::time::Duration;

/// Runs one pool once, with payloads that do nothing and with payloads of so many laps.
type Contestant = (&'static str, fn(Submission) -> Throughput, fn(Submission, u64) -> Throughput);

macro_rules! contestant {
    ($name:literal, $count:ty, $spin:ty) => {
        (
            $name,
            |submission| throughput::<Count, $count>(submission, Count),
            |submission, laps| throughput::<Spin, $spin>(submission, |number| Spin { number, laps }),
        )
    };
}

const CONTESTANTS: [Contestant; 6] = [
    contestant!("ours", Ours<Count>, Ours<Spin>),
    contestant!("ours_tasks", OursTasks, OursTasks),
    contestant!("rayon", Rayon, Rayon),
    contestant!("tokio", Tokio, Tokio),
    contestant!("threadpool", Threadpool, Threadpool),
    contestant!("rusty_pool", RustyPool, RustyPool),
];

fn main() {
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, ..)| name);
    let packages = ["rayon", "tokio", "threadpool", "rusty_pool"];
    report::headline("What does it cost to hand a payload to a pool? 2 workers", &packages, settings.quick);

    let share = if settings.quick { 50 } else { 1 };
    let laps = Spin::laps_in(Duration::from_micros(1));
    for submitters in [1, 8] {
        let submission = Submission { submitters, payloads: 1_000_000 / share };
        let runs = rounds(&settings, &contestants, |(_, empty, _)| empty(submission));
        print(&format!("empty payloads, {submitters} submitter(s)"), &contestants, &runs);

        let submission = Submission { submitters, payloads: 300_000 / share };
        let runs = rounds(&settings, &contestants, |(.., spin)| spin(submission, laps));
        print(&format!("payloads of 1 us, {submitters} submitter(s)"), &contestants, &runs);
    }
}

/// Every contestant once per round, in a rotating order.
fn rounds(
    settings: &Settings,
    contestants: &[Contestant],
    run: impl Fn(&Contestant) -> Throughput,
) -> Vec<Vec<Throughput>> {
    let mut runs = vec![Vec::new(); contestants.len()];
    for round in 0..settings.rounds_or(7) {
        for turn in 0..contestants.len() {
            let index = (round + turn) % contestants.len();
            runs[index].push(run(&contestants[index]));
        }
    }
    runs
}

fn print(title: &str, contestants: &[Contestant], runs: &[Vec<Throughput>]) {
    let mut table = Table::new(&[title, "ns/payload", "spread", "CPU ns/payload", "time : ours"]);
    let ours = contestants.iter().position(|(name, ..)| *name == "ours");
    for ((name, ..), own) in contestants.iter().zip(runs) {
        let ratio = ours.map(|ours| {
            median(own.iter().zip(&runs[ours]).map(|(mine, reference)| mine.nanos / reference.nanos))
        });
        table.row(vec![
            (*name).to_owned(),
            format!("{:.1}", median(own.iter().map(|run| run.nanos))),
            format!("{:.0} %", spread(own.iter().map(|run| run.nanos))),
            format!("{:.1}", median(own.iter().map(|run| run.cpu_nanos))),
            ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
        ]);
    }
    report::say("");
    table.print();
}
