//! What does it cost to put one function over many items?
//!
//! 10,000 items of 5 us on two threads, by everything that does it: over a slice, over an iterator, with a task per
//! item in a scope, by halving the slice down to single items (`rayon_join`, `chili`, `forte`: what pools for that are
//! made for), with a thread per part. `alone` is one thread and a loop; half of its time is the limit. The empty items
//! show what each item costs beside its work.

use anthill_benches::pools::{Spin, WORKERS};
use anthill_benches::report::{self, Table};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use anthill_pool::{TaskPool, WorkerPool};
use rayon::prelude::*;
use std::hint::black_box;
use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

/// The pools, and how many laps an item takes.
struct Place {
    ours: TaskPool,
    rayon: rayon::ThreadPool,
    chili: chili::ThreadPool,
    forte: &'static forte::ThreadPool,
    items: Vec<u64>,
    laps: u64,
}

impl Place {
    fn new(items: u64, laps: u64) -> Self {
        let ours = WorkerPool::builder().max_workers(WORKERS).build_tasks().expect("valid options");
        let rayon = rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build().expect("two threads");
        let threads = NonZero::new(WORKERS);
        // It counts the calling thread, which takes part.
        let config = chili::Config { thread_count: threads, ..chili::Config::default() };
        let chili = chili::ThreadPool::with_config(config);
        // It has to be there for ever. The calling thread takes part beside those of the pool.
        let forte: &'static _ = Box::leak(Box::new(forte::ThreadPool::new()));
        forte.resize_to(WORKERS - 1);
        Self { ours, rayon, chili, forte, items: (0..items).collect(), laps }
    }

    fn work(&self, item: u64) -> u64 {
        work(self.laps, item)
    }
}

fn work(laps: u64, item: u64) -> u64 {
    Spin::only(laps);
    black_box(item) * 2
}

/// Returns the sum of the results.
type Contestant = (&'static str, fn(&Place) -> u64);

const CONTESTANTS: [Contestant; 11] = [
    ("ours", |place| place.ours.par_map(&place.items, |item| place.work(*item)).iter().sum()),
    ("rayon", |place| {
        let map = || place.items.par_iter().map(|item| place.work(*item)).collect::<Vec<_>>();
        place.rayon.install(map).iter().sum()
    }),
    ("ours_map", |place| {
        let laps = place.laps;
        place.ours.map(place.items.clone(), move |item| work(laps, item)).in_flight(64).sum()
    }),
    ("ours_unordered", |place| {
        let laps = place.laps;
        place.ours.map_unordered(place.items.clone(), move |item| work(laps, item)).in_flight(64).sum()
    }),
    ("ours_scope", |place| {
        place.ours.scope(|scope| {
            let spawn = |item: &u64| {
                let item = *item;
                scope.spawn(move || place.work(item))
            };
            let handles: Vec<_> = place.items.iter().map(spawn).collect();
            handles.into_iter().map(|handle| handle.join().expect("no panics")).sum()
        })
    }),
    ("rayon_scope", |place| {
        let mut results = vec![0; place.items.len()];
        place.rayon.scope(|scope| {
            for (result, item) in results.iter_mut().zip(&place.items) {
                scope.spawn(move |_| *result = place.work(*item));
            }
        });
        results.iter().sum()
    }),
    ("rayon_join", |place| {
        halved(place, |place, items, results| {
            place.rayon.install(|| rayon_halves(place, items, results));
        })
    }),
    ("chili", |place| {
        halved(place, |place, items, results| chili_halves(&mut place.chili.scope(), place, items, results))
    }),
    ("forte", |place| {
        halved(place, |place, items, results| {
            place.forte.with_worker(|worker| forte_halves(worker, place, items, results));
        })
    }),
    ("threads", |place| {
        thread::scope(|scope| {
            let part = place.items.len().div_ceil(WORKERS);
            let spawn = |part| scope.spawn(move || sum_of(place, part));
            let threads: Vec<_> = place.items.chunks(part).map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panics")).sum()
        })
    }),
    ("alone", |place| sum_of(place, &place.items)),
];

/// The sum of what `map` makes of all items.
fn halved(place: &Place, map: impl FnOnce(&Place, &[u64], &mut [u64])) -> u64 {
    let mut results = vec![0; place.items.len()];
    map(place, &place.items, &mut results);
    results.iter().sum()
}

/// Halves of items and of the places of their results.
type Halves<'a> = [(&'a [u64], &'a mut [u64]); 2];

/// None when there is one item, which is done then, or none.
fn halves<'a>(place: &Place, items: &'a [u64], results: &'a mut [u64]) -> Option<Halves<'a>> {
    if let [item] = items {
        results[0] = place.work(*item);
    }
    (items.len() > 1).then(|| {
        let middle = items.len() / 2;
        let (items, results) = (items.split_at(middle), results.split_at_mut(middle));
        [(items.0, results.0), (items.1, results.1)]
    })
}

fn rayon_halves(place: &Place, items: &[u64], results: &mut [u64]) {
    if let Some([a, b]) = halves(place, items, results) {
        rayon::join(|| rayon_halves(place, a.0, a.1), || rayon_halves(place, b.0, b.1));
    }
}

fn chili_halves(scope: &mut chili::Scope<'_>, place: &Place, items: &[u64], results: &mut [u64]) {
    if let Some([a, b]) = halves(place, items, results) {
        scope.join(|s| chili_halves(s, place, a.0, a.1), |s| chili_halves(s, place, b.0, b.1));
    }
}

fn forte_halves(worker: &forte::Worker, place: &Place, items: &[u64], results: &mut [u64]) {
    if let Some([a, b]) = halves(place, items, results) {
        worker.join(|w| forte_halves(w, place, a.0, a.1), |w| forte_halves(w, place, b.0, b.1));
    }
}

fn sum_of(place: &Place, items: &[u64]) -> u64 {
    items.iter().map(|item| place.work(*item)).sum()
}

fn main() {
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    report::headline(
        "What does it cost to put one function over many items? 2 threads",
        &["rayon", "chili", "forte"],
        settings.quick,
    );
    let items = if settings.quick { 200 } else { 10_000 };
    let cases: [(&str, u64); 2] = [("5us", 5), ("nothing", 0)];
    for (kind, micros) in settings.choose_cases(&cases, |(name, _)| name) {
        let laps = if micros == 0 { 0 } else { Spin::laps_in(Duration::from_micros(micros)) };
        let place = Place::new(items, laps);
        let names = contestants.iter().map(|(name, _)| *name).collect();
        let rounds = Rounds::play(settings.rounds_or(15), names, |contestant| {
            let (name, run) = contestants[contestant];
            let started = Instant::now();
            let sum = run(&place);
            let elapsed = started.elapsed();
            assert_eq!(sum, items * (items - 1), "{name}: every item once");
            elapsed.as_secs_f64() * 1e9 / items as f64
        });
        print(&format!("{items} items: {kind}"), &rounds);
    }
}

fn print(title: &str, rounds: &Rounds<f64>) {
    report::say(&format!("\n{title}\n"));
    let mut table = Table::new(&["", "ns per item", ": ours", ": rayon", "spread"]);
    for (contestant, name) in rounds.contestants() {
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", rounds.median(contestant, |nanos| *nanos)),
            rounds.ratio_to_ours(contestant, |nanos| *nanos),
            rounds.ratio_to("rayon", contestant, |nanos| *nanos),
            format!("{:.0} %", rounds.spread(contestant, |nanos| *nanos)),
        ]);
    }
    table.print();
}
