//! One function over an iterator: lazily, bounded, in order or not.
//!
//! The rule: what was pulled is run once or dropped; no more is pulled than asked for; and it comes to its end whatever
//! the state of the pool.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use anthill_pool::{TaskError, TaskHandle, TaskPool};
use anthill_tests::pool::{hold, tasks, without_help};
use anthill_tests::{Gate, PATIENCE, eventually, within};
use proptest::prelude::*;

/// Counts the items that are alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Alive(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn pool_map_keeps_the_order() {
    let pool = tasks(2, 0);
    // The first one ends last.
    let last = Gate::new();
    let open = last.clone();
    let results = pool.map(0..4_usize, move |number| {
        match number {
            0 => last.pass(),
            3 => open.open(),
            _ => {}
        }
        number
    });
    assert_eq!(results.collect::<Vec<_>>(), [0, 1, 2, 3]);
    let many = within("many items", move || pool.map(0..10_000_u32, |n| n * 2).collect::<Vec<_>>());
    assert!(many.into_iter().eq((0..10_000).map(|n| n * 2)));
}

#[test]
fn pool_map_unordered_gives_what_is_there() {
    let pool = tasks(2, 0);
    let overtaken = |pool: &TaskPool| {
        let (gate, workers) = (Gate::new(), pool.clone());
        let hold = gate.clone();
        let mut results = pool.map_unordered([0, 1, 2, 3], move |number| {
            // Whoever asks may run it too, and cannot be held.
            if number == 0 && workers.is_worker() {
                hold.pass();
            }
            number
        });
        let early: Vec<u32> = results.by_ref().take(3).collect();
        gate.open();
        let is_overtaken = early.iter().sum::<u32>() == 6;
        assert_eq!(
            results.map(|number| (number, is_overtaken)).last(),
            Some((6 - early.iter().sum::<u32>(), is_overtaken))
        );
        is_overtaken
    };
    eventually("a worker has the first one, and it comes last", || overtaken(&pool));
}

#[test]
fn pool_map_runs_on_workers() {
    for ordered in [true, false] {
        let pool = tasks(2, 0);
        let meeting = Arc::new(Barrier::new(2));
        let meet = move |_| {
            meeting.wait();
        };
        // Neither ends before both run.
        let count = match ordered {
            true => pool.map([1, 2], meet).count(),
            false => pool.map_unordered([1, 2], meet).count(),
        };
        assert_eq!(count, 2);
    }
}

#[test]
fn pool_map_pulls_lazily_and_no_more_than_may_be_in_flight() {
    let pool = tasks(2, 0);
    let pulled = Cell::new(0_usize);
    let source = || (0..).inspect(|_| pulled.set(pulled.get() + 1));
    let mut ordered = pool.map(source(), |n: usize| n).in_flight(3);
    assert_eq!(pulled.get(), 0, "nothing before it is asked for");
    for given in 0..50 {
        assert_eq!(ordered.next(), Some(given));
        assert!(pulled.get() <= given + 3, "{} pulled, {given} given out before", pulled.get());
    }
    drop(ordered);
    pulled.set(0);
    let mut unordered = pool.map_unordered(source(), |n: usize| n).in_flight(3);
    for given in 0..50 {
        unordered.next().unwrap();
        assert!(pulled.get() <= given + 3);
    }
    drop(unordered);
    pulled.set(0);
    pool.map(source(), |n: usize| n).next();
    assert_eq!(pulled.get(), 16, "when nothing is set, with few workers");
    pulled.set(0);
    tasks(20, 0).map(source(), |n: usize| n).next();
    assert_eq!(pulled.get(), 40, "twice the workers");
    pulled.set(0);
    tasks(500, 0).map(source(), |n: usize| n).next();
    assert_eq!(pulled.get(), 64, "with many workers");
}

#[test]
fn pool_map_ends_without_any_worker() {
    for (pool, gates) in without_help() {
        let tripled = |n: u32| n * 3;
        assert_eq!(pool.map(1..=3, tripled).collect::<Vec<_>>(), [3, 6, 9]);
        let mut unordered: Vec<_> = pool.map_unordered(1..=3, tripled).collect();
        unordered.sort();
        assert_eq!(unordered, [3, 6, 9]);
        let sum = AtomicUsize::new(0);
        pool.for_each(1..=3, |n| {
            sum.fetch_add(n, Ordering::SeqCst);
        });
        assert_eq!(sum.into_inner(), 6);
        assert_eq!(pool.try_map(["1", "x"], str::parse::<u8>).filter(Result::is_err).count(), 1);
        gates.iter().for_each(Gate::open);
    }
}

/// The item is refused, and not whoever iterates: an iterator has no way to say so but a panic.
#[test]
fn pool_map_goes_on_when_an_item_joins_the_task_that_iterates() {
    for ordered in [true, false] {
        let pool = tasks(2, 0);
        let ((give, given), (told, refusals)) = (channel::<TaskHandle<()>>(), channel());
        let (given, inside) = (Arc::new(Mutex::new(given)), pool.clone());
        let outer = pool.spawn(move || {
            let (iterates, begun) = (thread::current().id(), Gate::new());
            let item = move |_| {
                if thread::current().id() == iterates {
                    begun.pass();
                    return false;
                }
                let outer = given.lock().unwrap().recv();
                begun.open();
                // The handle is there once.
                outer.is_ok_and(|outer| matches!(outer.join(), Err(TaskError::WouldDeadlock(_))))
            };
            let refused = match ordered {
                true => inside.map(0..2, item).filter(|refused| *refused).count(),
                false => inside.map_unordered(0..2, item).filter(|refused| *refused).count(),
            };
            told.send(refused).unwrap();
        });
        give.send(outer.unwrap()).unwrap();
        drop(give);
        assert_eq!(refusals.recv_timeout(PATIENCE), Ok(1), "in order: {ordered}");
        pool.wait_idle_timeout(PATIENCE).expect("no deadlock");
    }
}

#[test]
fn pool_map_nests_on_its_own_workers() {
    for (workers, queue) in [(1, 0), (2, 0), (2, 2)] {
        let pool = tasks(workers, queue);
        let (outer, inner) = (pool.clone(), pool.clone());
        let sum = within("nested maps", move || {
            let rows = outer.map(0..20_u64, move |row| {
                inner.map_unordered(0..20_u64, move |column| row * column).sum::<u64>()
            });
            rows.sum::<u64>()
        });
        assert_eq!(sum, 190 * 190);
    }
}

/// What has ended is not taken for something that still runs, when nobody is left to run the rest.
#[test]
fn pool_map_unordered_ends_when_its_workers_leave_it() {
    let pool = tasks(2, 0);
    for round in 0..300 {
        let (inner, gates) = (pool.clone(), Arc::new(Mutex::new(Vec::new())));
        let kept = gates.clone();
        let source = (0..20).inspect(move |item| {
            // Other work takes the workers while the map is under way.
            if item % 7 == round % 7 {
                let gate = Gate::new();
                let held = gate.clone();
                if inner.try_execute(move || held.pass()).is_ok() {
                    kept.lock().unwrap().push(gate);
                }
            }
        });
        let (mapping, results) = (pool.clone(), pool.clone());
        let map = move || mapping.map_unordered(source, |n: u32| n).in_flight(5).sum::<u32>();
        assert_eq!(within("a map without workers", map), 190);
        gates.lock().unwrap().iter().for_each(Gate::open);
        results.wait_idle_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn pool_map_panics_in_its_turn() {
    let pool = tasks(2, 0);
    let alive = Arc::new(AtomicUsize::new(0));
    let planned = |n: u32| if n == 3 { resume_unwind(Box::new("planned")) } else { n };
    for ordered in [true, false] {
        let held = Alive::new(&alive);
        let function = move |n| {
            let _held = &held;
            planned(n)
        };
        let given = Mutex::new(Vec::new());
        let caught = catch_unwind(AssertUnwindSafe(|| match ordered {
            true => pool.map(0..100, function).for_each(|n| given.lock().unwrap().push(n)),
            false => pool.map_unordered(0..100, function).for_each(|n| given.lock().unwrap().push(n)),
        }));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"planned"));
        let given = given.into_inner().unwrap();
        assert!(if ordered { given == [0, 1, 2] } else { given.len() < 100 });
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    eventually("all is dropped", || alive.load(Ordering::SeqCst) == 0);
    assert_eq!(pool.stats().panicked, 0);
}

#[test]
fn pool_map_dropped_early_drops_what_was_not_started() {
    for ordered in [true, false] {
        let pool = tasks(1, 0);
        let alive = Arc::new(AtomicUsize::new(0));
        let (gate, (begun, begins)) = (Gate::new(), channel());
        let (count, hold) = (alive.clone(), gate.clone());
        let items = (0..1000).map(move |number| (number, Alive::new(&count)));
        let ran = Arc::new(AtomicUsize::new(0));
        let runs = ran.clone();
        let function = move |(number, _alive): (u32, Alive)| {
            runs.fetch_add(1, Ordering::SeqCst);
            if number == 1 {
                begun.send(()).unwrap();
                hold.pass();
            }
        };
        // Number 1 is the worker's and held; number 0 is out.
        let pull = |next: &mut dyn Iterator<Item = ()>| {
            next.next().unwrap();
            begins.recv_timeout(PATIENCE).unwrap();
        };
        if ordered {
            pull(&mut pool.map(items, function).in_flight(10));
        } else {
            pull(&mut pool.map_unordered(items, function).in_flight(10));
        }
        assert_eq!(alive.load(Ordering::SeqCst), 1, "but for what runs");
        gate.open();
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(alive.load(Ordering::SeqCst), 0);
        assert!((2..=10).contains(&ran.load(Ordering::SeqCst)), "{ran:?}");
    }
}

#[test]
fn pool_map_in_a_scope_is_over_when_the_scope_is() {
    let pool = tasks(2, 0);
    let words = ["so", "many", "words"].map(str::to_owned);
    let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let first = pool.scope(|scope| {
        let mut lengths = scope.map_unordered(words.iter().cycle(), |word| {
            begun.fetch_add(1, Ordering::SeqCst);
            thread::yield_now();
            ended.fetch_add(1, Ordering::SeqCst);
            word.len()
        });
        lengths.next()
    });
    assert!(first.is_some());
    assert_eq!(begun.into_inner(), ended.into_inner());
}

#[test]
fn pool_map_in_a_scope_may_be_forgotten() {
    let pool = tasks(2, 0);
    let ran = AtomicUsize::new(0);
    pool.scope(|scope| {
        let mut map = scope.map(0..100, |_| ran.fetch_add(1, Ordering::SeqCst)).in_flight(5);
        map.next();
        std::mem::forget(map);
    });
    assert_eq!(ran.into_inner(), 5);
}

#[test]
fn pool_try_map_ends_with_the_first_error_in_order() {
    let pool = tasks(2, 0);
    let late_gate = Gate::new();
    let gate = late_gate.clone();
    let pulled = Cell::new(0);
    let items = (0..1000).inspect(|_| pulled.set(pulled.get() + 1));
    // Number 5 fails at once, number 3 after it.
    let mut results = pool
        .try_map(items, move |n: u32| match n {
            3 => {
                gate.pass();
                Err(3)
            }
            5 => {
                gate.open();
                Err(5)
            }
            n => Ok(n),
        })
        .in_flight(8);
    let outcomes: Vec<_> = results.by_ref().collect();
    assert_eq!(outcomes, [Ok(0), Ok(1), Ok(2), Err(3)]);
    assert_eq!(results.next(), None);
    assert!(pulled.get() <= 11, "{} were pulled", pulled.get());
}

#[test]
fn pool_try_map_starts_nothing_behind_a_failure() {
    let pool = tasks(1, 0);
    let gate = hold(&pool);
    let ran = Arc::new(Mutex::new(Vec::new()));
    let note = ran.clone();
    let outcome: Result<Vec<u32>, u32> = pool
        .try_map(0..100, move |n| {
            note.lock().unwrap().push(n);
            if n == 2 { Err(n) } else { Ok(n) }
        })
        .collect();
    gate.open();
    assert_eq!(outcome, Err(2));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(*ran.lock().unwrap(), [0, 1, 2]);
}

#[test]
fn pool_for_each_borrows_and_has_ended_when_it_returns() {
    let pool = tasks(2, 0);
    let sums = [const { AtomicUsize::new(0) }; 3];
    pool.for_each((0..300).zip(sums.iter().cycle()), |(n, sum)| {
        sum.fetch_add(n, Ordering::Relaxed);
    });
    assert_eq!(sums.iter().map(|sum| sum.load(Ordering::Relaxed)).sum::<usize>(), 44_850);
    let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        pool.for_each(0..1000, |n| {
            begun.fetch_add(1, Ordering::SeqCst);
            assert!(n != 7, "planned");
            ended.fetch_add(1, Ordering::SeqCst);
        });
    }));
    assert!(caught.is_err());
    assert_eq!(begun.into_inner(), ended.into_inner() + 1);
    let failed = pool.try_for_each(0..1000, |n| if n % 100 == 99 { Err(n) } else { Ok(()) });
    assert_eq!(failed, Err(99));
}

/// The consumer's own iterator may panic as well.
#[test]
fn pool_map_survives_a_source_that_panics() {
    let pool = tasks(2, 0);
    let source = (0..10).map(|n| if n == 5 { resume_unwind(Box::new("the source")) } else { n });
    let mut results = pool.map(source, |n: u32| n).in_flight(1);
    let mut given = Vec::new();
    let caught = catch_unwind(AssertUnwindSafe(|| given.extend(results.by_ref())));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"the source"));
    drop(results);
    pool.wait_idle_timeout(PATIENCE).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn pool_map_is_map(
        items in prop::collection::vec(any::<u16>(), 0..200),
        (workers, queue, in_flight) in (1_usize..4, 0_usize..4, 1_usize..20),
    ) {
        let pool = tasks(workers, queue);
        let function = |n: u16| {
            if n.is_multiple_of(7) {
                thread::yield_now();
            }
            u32::from(n) * 2
        };
        let expected: Vec<u32> = items.iter().map(|&n| function(n)).collect();
        let ordered: Vec<u32> = pool.map(items.clone(), function).in_flight(in_flight).collect();
        prop_assert_eq!(&ordered, &expected);
        let mut unordered: Vec<u32> = pool.map_unordered(items, function).in_flight(in_flight).collect();
        unordered.sort();
        let mut expected = expected;
        expected.sort();
        prop_assert_eq!(unordered, expected);
    }
}
