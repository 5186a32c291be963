//! What does it cost to get an object and to return it, and does it stay so with more threads?
//!
//! One, two and four threads; each gets an object, uses it a little and returns it, over and over. A pool that scales
//! has the same CPU time per use with any number of threads, and the same time per use as long as there are cores for
//! them.

use anthill_benches::objects::{
    Cost, LockfreeLinear, Malloc, MutexVec, ObjectPool, Opool, Ours, OursOwned, OursWeighed, ShardedSlab,
    cost,
};
use anthill_benches::report::{self, Table, median, spread};
use anthill_benches::settings::Settings;

/// Runs one pool once, with so many threads and so many uses by each.
type Contestant = (&'static str, fn(u32, u64) -> Cost);

const CONTESTANTS: [Contestant; 9] = [
    ("ours", cost::<Ours>),
    ("ours_owned", cost::<OursOwned>),
    ("ours_weighed", cost::<OursWeighed>),
    ("opool", cost::<Opool>),
    ("object-pool", cost::<ObjectPool>),
    ("lockfree", cost::<LockfreeLinear>),
    ("sharded-slab", cost::<ShardedSlab>),
    ("mutex_vec", cost::<MutexVec>),
    ("malloc", cost::<Malloc>),
];

fn main() {
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    let packages = ["opool", "object-pool", "lockfree-object-pool", "sharded-slab"];
    report::headline("What does it cost to get an object and to return it?", &packages, settings.quick);

    let uses = if settings.quick { 10_000 } else { 1_000_000 };
    let alone = rounds(&settings, &contestants, 1, uses);
    print(1, &contestants, &alone, &alone);
    for threads in [2, 4] {
        let runs = rounds(&settings, &contestants, threads, uses);
        print(threads, &contestants, &runs, &alone);
    }
}

/// Every contestant once per round, in a rotating order.
fn rounds(settings: &Settings, contestants: &[Contestant], threads: u32, uses: u64) -> Vec<Vec<Cost>> {
    let mut runs = vec![Vec::new(); contestants.len()];
    for round in 0..settings.rounds_or(7) {
        for turn in 0..contestants.len() {
            let index = (round + turn) % contestants.len();
            runs[index].push(contestants[index].1(threads, uses));
        }
    }
    runs
}

fn print(threads: u32, contestants: &[Contestant], runs: &[Vec<Cost>], alone: &[Vec<Cost>]) {
    let title = format!("get and return, {threads} thread(s)");
    let mut table = Table::new(&[&title, "ns/use", "spread", "CPU ns/use", "CPU : alone", "CPU : ours"]);
    let cpu = |runs: &[Cost]| median(runs.iter().map(|run| run.cpu_nanos));
    let ours = contestants.iter().position(|(name, _)| *name == "ours");
    for (((name, _), own), own_alone) in contestants.iter().zip(runs).zip(alone) {
        let ratio = ours.map(|ours| {
            median(own.iter().zip(&runs[ours]).map(|(mine, reference)| mine.cpu_nanos / reference.cpu_nanos))
        });
        table.row(vec![
            (*name).to_owned(),
            format!("{:.1}", median(own.iter().map(|run| run.nanos))),
            format!("{:.0} %", spread(own.iter().map(|run| run.nanos))),
            format!("{:.1}", cpu(own)),
            format!("{:.2}", cpu(own) / cpu(own_alone)),
            ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
        ]);
    }
    report::say("");
    table.print();
}
