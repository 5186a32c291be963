//! Workers that take several short payloads at a time: faster, and otherwise not to be noticed.
//!
//! A pool with a long queue lets its workers take payloads along (see `anthill_tests::batches`). The rule: what a
//! worker holds is queued like everything else. It waits for nobody while another worker is free, it can be handed
//! back, it counts, and more urgent payloads go before it.
//!
//! Beside the rows that this could break (15, 16, 28, 34, 49, 76): part of row 97, which it is made for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anthill_pool::{Priority, WorkerPool};
use anthill_tests::batches::{Scene, Step, WARM_UP, quick};
use anthill_tests::pool::{Held, adds_up, on_threads, reaches, release};
use anthill_tests::{PATIENCE, background, eventually, quiet_panics, within};

/// Room for batches of the largest size.
const QUEUE: usize = 4_096;

#[test]
fn pool_016_no_payload_waits_behind_a_slow_one_while_a_worker_is_free() {
    for workers in 2..=4 {
        let scene = Scene::new(workers, QUEUE);
        let plug = scene.plug(workers);
        // As many slow ones as leave one worker free, with many others behind each.
        let mut steps = quick(0..WARM_UP);
        let mut slow = Vec::new();
        for number in 0..workers - 1 {
            let held = Held::new(10_000 + number);
            slow.push(held.clone());
            steps.push(Step::Held(held));
            let next = 1_000 * (number + 1);
            steps.extend(quick(next..next + 300));
        }
        let all = steps.len() + workers;
        scene.submit(steps);
        plug.open();
        reaches(&scene.pool, "all but the slow ones end", |stats| {
            stats.finished as usize == all - slow.len() && stats.queued == 0
        });
        assert_eq!(scene.pool.stats().busy, slow.len());
        assert!(adds_up(&scene.pool.stats()));
        release(&slow);
        scene.pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(scene.ran.lock().unwrap().len(), all);
    }
}

#[test]
fn pool_034_stop_now_hands_back_what_workers_hold_in_its_order() {
    for workers in 1..=3 {
        let scene = Scene::new(workers, QUEUE);
        let plug = scene.plug(workers);
        let end = WARM_UP + 1_000;
        let slow = scene.slow_among_quick(workers, end, &plug);
        let stats = scene.pool.stats();
        assert_eq!((stats.busy, stats.accepted as usize), (workers, workers + end));
        assert!(adds_up(&stats), "{stats:?}");
        let rest: Vec<usize> = scene.pool.stop_now().iter().map(Step::number).collect();
        assert_eq!(rest.len(), stats.queued, "what is held is queued");
        assert!(rest.is_sorted(), "{rest:?}");
        if workers == 1 {
            assert_eq!(rest, (WARM_UP + 1..end).collect::<Vec<_>>());
        }
        release(&slow);
        scene.pool.wait_timeout(PATIENCE).unwrap();
        let stats = scene.pool.stats();
        assert_eq!((stats.handed_back as usize, stats.queued), (rest.len(), 0));
        assert!(adds_up(&stats));
        let mut all = scene.ran.lock().unwrap()[workers..].to_vec();
        all.extend(rest);
        all.sort_unstable();
        assert_eq!(all, (0..end).collect::<Vec<_>>(), "run or handed back, and once");
    }
}

/// A worker above the cap must not go on with what it holds.
#[test]
fn pool_028_a_lowered_cap_takes_back_what_workers_hold() {
    let workers = 3;
    let scene = Scene::new(workers, QUEUE);
    let plug = scene.plug(workers);
    let end = WARM_UP + 2_000;
    let slow = scene.slow_among_quick(workers, end, &plug);
    let queued = scene.pool.stats().queued;
    scene.pool.set_max_workers(1).unwrap();
    for (held, left) in slow[..2].iter().zip([2, 1]) {
        held.gate.open();
        reaches(&scene.pool, "its worker leaves", |stats| stats.workers == left);
        assert_eq!(scene.pool.stats().queued, queued, "and starts nothing more");
    }
    scene.most.store(0, Ordering::SeqCst);
    slow[2].gate.open();
    scene.pool.wait_idle_timeout(PATIENCE).unwrap();
    assert!(scene.most.load(Ordering::SeqCst) <= 1);
    let ran = scene.ran.lock().unwrap();
    assert_eq!(ran.len(), workers + end);
    assert!(ran[ran.len() - queued..].is_sorted(), "one worker, in the old order");
}

/// And new workers help with it.
#[test]
fn pool_027_a_raised_cap_lets_new_workers_have_what_others_hold() {
    let scene = Scene::new(1, QUEUE);
    let plug = scene.plug(1);
    let slow = Held::new(10_000);
    let mut steps = quick(0..WARM_UP);
    steps.push(Step::Held(slow.clone()));
    // No more than one worker takes at a time, so nothing is left in the queue.
    steps.extend(quick(1_000..1_004));
    scene.submit(steps);
    plug.open();
    scene.gated.recv_timeout(PATIENCE).unwrap();
    scene.pool.set_max_workers(2).unwrap();
    reaches(&scene.pool, "the second worker runs them", |stats| stats.queued == 0 && stats.busy == 1);
    assert_eq!(scene.pool.stats().finished as usize, 1 + WARM_UP + 4);
    release(&[slow]);
    scene.pool.wait_idle_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_076_urgent_payloads_go_before_what_a_worker_holds() {
    let scene = Scene::new(1, QUEUE);
    let plug = scene.plug(1);
    let slow = Held::new(10_000);
    let mut steps = quick(0..WARM_UP);
    steps.push(Step::Held(slow.clone()));
    steps.extend(quick(1_000..1_200));
    scene.submit(steps);
    plug.open();
    scene.gated.recv_timeout(PATIENCE).unwrap();
    for number in [1, 2, 3] {
        let urgent = Step::Quick(20_000 + number);
        scene.pool.submission(urgent).priority(Priority::High).submit().unwrap();
    }
    scene.pool.submission(Step::Quick(30_000)).priority(Priority::Low).submit().unwrap();
    slow.gate.open();
    scene.pool.wait_idle_timeout(PATIENCE).unwrap();
    let ran = scene.ran.lock().unwrap();
    let after = ran.iter().position(|number| *number == 10_000).unwrap() + 1;
    assert_eq!(ran[after..after + 4], [20_001, 20_002, 20_003, 1_000]);
    let normal: Vec<usize> = ran[after..].iter().copied().filter(|number| *number < 20_000).collect();
    assert_eq!(normal, (1_000..1_200).collect::<Vec<_>>());
    assert!(ran[after..].contains(&30_000));
}

/// The same for one that waited in line and moves up.
#[test]
fn pool_076_urgent_payloads_from_the_line_go_before_what_a_worker_holds() {
    let scene = Scene::new(1, QUEUE);
    let plug = scene.plug(1);
    let gates: Vec<Held> = (0..40).map(|number| Held::new(10_000 + number)).collect();
    let mut steps = quick(0..QUEUE - 40);
    steps.extend(gates.iter().cloned().map(Step::Held));
    scene.submit(steps);
    let handle = scene.pool.clone();
    let urgent = background(move || handle.submission(Step::Quick(20_000)).priority(Priority::High).submit());
    reaches(&scene.pool, "it waits", |stats| stats.blocked == 1);
    plug.open();
    urgent.outcome("an urgent one that had to wait for room").unwrap();
    assert_eq!(scene.gated.recv_timeout(PATIENCE), Ok(10_000));
    release(&gates);
    scene.pool.wait_idle_timeout(PATIENCE).unwrap();
    let ran = scene.ran.lock().unwrap();
    // It moves up when the first one is taken, and is the next to start, or the one after that.
    let place = ran.iter().position(|number| *number == 20_000).unwrap();
    assert!(place <= 2, "started as number {place}");
}

#[test]
fn pool_015_one_worker_keeps_the_order_however_many_it_takes_at_a_time() {
    let scene = Scene::new(1, QUEUE);
    let (pool, ran) = (scene.pool.clone(), scene.ran.clone());
    within("submitting a long row", move || {
        for number in 0..30_000 {
            pool.submit(Step::Quick(number)).unwrap();
            if number % 5_000 == 0 {
                // The same cap once more: what is held goes back to the queue, and into its old place.
                pool.set_max_workers(1).unwrap();
            }
        }
    });
    scene.pool.wait_idle_timeout(PATIENCE).unwrap();
    let ran = ran.lock().unwrap();
    assert!(ran.len() == 30_000 && ran.is_sorted());
}

#[test]
fn pool_016_long_queues_of_quick_and_slow_payloads_run_in_full() {
    for workers in [1, 2, 3, 5, 8] {
        let fates: Arc<Vec<AtomicUsize>> = Arc::new((0..24_000).map(|_| AtomicUsize::new(0)).collect());
        let marks = fates.clone();
        let pool = WorkerPool::builder()
            .max_workers(workers)
            .queue_capacity(QUEUE)
            .build(move |number: usize| {
                marks[number].fetch_add(1, Ordering::SeqCst);
                if number.is_multiple_of(997) {
                    thread::sleep(Duration::from_micros(500));
                }
            })
            .unwrap();
        let handle = pool.clone();
        within("long queues", move || {
            on_threads(3, |who| {
                if who == 2 {
                    while handle.stats().accepted < 24_000 {
                        let stats = handle.stats();
                        assert!(adds_up(&stats), "{stats:?}");
                        assert!(stats.busy <= workers);
                    }
                    return;
                }
                for number in who * 12_000..(who + 1) * 12_000 {
                    handle.submit(number).unwrap();
                }
            });
        });
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert!(fates.iter().all(|fate| fate.load(Ordering::SeqCst) == 1), "once each, {workers} workers");
        let stats = pool.stats();
        assert_eq!((stats.finished, stats.queued, stats.busy), (24_000, 0, 0));
        assert!(adds_up(&stats));
    }
}

#[test]
fn pool_050_panics_of_payloads_taken_along_are_counted() {
    quiet_panics();
    let pool = WorkerPool::builder()
        .name("quiet50")
        .max_workers(2)
        .queue_capacity(QUEUE)
        .build(|number: usize| assert!(!number.is_multiple_of(100), "every hundredth"))
        .unwrap();
    let handle = pool.clone();
    within("submitting", move || handle.submit_many((0..20_000).collect())).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.panicked, stats.spawned), (20_000, 200, 2));
}

#[test]
fn pool_047_the_pool_is_not_idle_while_a_worker_holds_something() {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = ran.clone();
    let pool = WorkerPool::builder()
        .max_workers(3)
        .queue_capacity(QUEUE)
        .build(move |(): ()| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    for round in 1..=300 {
        assert_eq!(pool.submit_many(vec![(); 150]).unwrap(), 150);
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), 150 * round);
    }
}

/// Two workers, the first of which is slow to wake: whoever was accepted first starts first all the same.
#[test]
fn pool_015_a_payload_that_meets_a_full_queue_does_not_overtake_what_is_queued() {
    let (starts, started) = channel();
    let pool = WorkerPool::builder()
        .max_workers(2)
        .queue_capacity(1)
        .build(move |held: Held| {
            starts.send(held.number).unwrap();
            held.gate.pass();
        })
        .unwrap();
    pool.prestart(2).unwrap();
    for round in 0..300 {
        pool.wait_idle_timeout(PATIENCE).unwrap();
        let held: Vec<Held> = (0..3).map(Held::new).collect();
        for payload in &held {
            pool.try_submit(payload.clone()).unwrap();
        }
        eventually("two run", || pool.stats().queued == 1);
        let mut first: Vec<usize> = started.iter().take(2).collect();
        first.sort_unstable();
        assert_eq!(first, [0, 1], "round {round}");
        release(&held);
        assert_eq!(started.recv_timeout(PATIENCE), Ok(2));
    }
}
