//! A bounded queue is bounded: what workers took along in batches counts against its capacity, and keeps nothing
//! waiting that must not wait for a whole batch.
//!
//! Row 13, and what batches could do to rows 68, 69 and 76. Each scene brings workers to batches and holds them there
//! (see `anthill_tests::batches`), so that nothing of what is asserted depends on how fast anybody is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use anthill_pool::{Priority, SubmitError, WorkerPool};
use anthill_tests::batches::{Scene, Step, WARM_UP, quick};
use anthill_tests::pool::{Held, adds_up, blocked, hold, reaches, release, tasks};
use anthill_tests::{Gate, PATIENCE, background};

const CAPACITY: usize = 1_024;

/// What was accepted and not started.
fn unstarted(scene: &Scene) -> usize {
    scene.pool.stats().accepted as usize - scene.ran.lock().unwrap().len()
}

#[test]
fn pool_013_what_workers_took_along_counts_against_the_capacity() {
    for workers in [1, 2, 64] {
        let scene = Scene::new(workers, CAPACITY);
        let gate = Gate::new();
        let (mut number, mut held) = (0, 0);
        while held < workers {
            // Each worker ends up at a gate, with others behind that it took along.
            let step = match number % 100 {
                99 => Step::Held(Held { number, gate: gate.clone() }),
                _ => Step::Quick(number),
            };
            match scene.pool.try_submit(step) {
                Ok(()) => number += 1,
                Err(SubmitError::Full(_)) => std::thread::yield_now(),
                Err(other) => panic!("{other}"),
            }
            // What a worker has just taken, and is about to start, is on nobody's account.
            let most = CAPACITY + workers;
            assert!(unstarted(&scene) <= most, "{workers} workers: {} wait", unstarted(&scene));
            held += scene.gated.try_iter().count();
        }
        while scene.pool.try_submit(Step::Quick(number)).is_ok() {
            number += 1;
        }
        assert_eq!(unstarted(&scene), CAPACITY, "{workers} workers: neither more nor refused before");
        let stats = scene.pool.stats();
        assert_eq!((stats.queued, stats.busy), (CAPACITY, workers));
        assert!(adds_up(&stats), "{stats:?}");
        gate.open();
        scene.pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(scene.ran.lock().unwrap().len(), number);
    }
}

/// A worker that is held, then held again and again, with a full queue behind it.
fn held_in_a_row() -> (Scene, Vec<Held>) {
    let scene = Scene::new(1, CAPACITY);
    let plug = scene.plug(1);
    let held: Vec<Held> = (0..3).map(|number| Held::new(10_000 + number)).collect();
    let mut steps = quick(0..WARM_UP);
    steps.extend(held.iter().cloned().map(Step::Held));
    scene.submit(steps);
    plug.open();
    assert_eq!(scene.gated.recv_timeout(PATIENCE), Ok(10_000));
    while scene.pool.try_submit(Step::Quick(1_000)).is_ok() {}
    (scene, held)
}

/// What was started after number 10,000, once all is over.
fn started_after(scene: &Scene, held: &[Held]) -> Vec<usize> {
    release(held);
    scene.pool.wait_idle_timeout(PATIENCE).unwrap();
    let ran = scene.ran.lock().unwrap();
    let place = ran.iter().position(|number| *number == 10_000).unwrap();
    ran[place + 1..].to_vec()
}

#[test]
fn pool_013_what_a_worker_starts_of_what_it_took_along_leaves_room_at_once() {
    let (scene, held) = held_in_a_row();
    for next in &held[1..] {
        assert!(matches!(scene.pool.try_submit(Step::Quick(1)), Err(SubmitError::Full(_))));
        held[next.number - 10_001].gate.open();
        assert_eq!(scene.gated.recv_timeout(PATIENCE), Ok(next.number));
        scene.pool.try_submit(Step::Quick(1)).unwrap();
    }
    started_after(&scene, &held);
}

#[test]
fn pool_013_a_blocked_submitter_has_its_room_while_workers_are_held_in_what_they_took_along() {
    let (scene, held) = held_in_a_row();
    let first = blocked(&scene.pool, Step::Quick(20_001), 1);
    let second = blocked(&scene.pool, Step::Quick(20_002), 2);
    for (next, submission) in held[1..].iter().zip([first, second]) {
        held[next.number - 10_001].gate.open();
        assert_eq!(scene.gated.recv_timeout(PATIENCE), Ok(next.number));
        submission.outcome("a submitter for whom there is room").unwrap();
        assert_eq!(unstarted(&scene), CAPACITY);
    }
    let started = started_after(&scene, &held);
    assert_eq!(started[started.len() - 2..], [20_001, 20_002]);
}

#[test]
fn pool_076_an_urgent_payload_that_had_to_wait_for_room_goes_before_what_a_worker_took_along() {
    let (scene, held) = held_in_a_row();
    let pool = scene.pool.clone();
    let urgent = background(move || pool.submission(Step::Quick(20_000)).priority(Priority::High).submit());
    reaches(&scene.pool, "it waits", |stats| stats.blocked == 1);
    held[0].gate.open();
    urgent.outcome("an urgent payload for which there is room").unwrap();
    let started = started_after(&scene, &held);
    assert_eq!(started[..3], [10_001, 20_000, 10_002]);
}

#[test]
fn pool_069_a_broadcast_goes_before_what_a_worker_took_along() {
    let (scene, held) = held_in_a_row();
    let ran = scene.ran.clone();
    assert_eq!(scene.pool.broadcast(move |_| ran.lock().unwrap().push(30_000)), 1);
    let started = started_after(&scene, &held);
    assert_eq!(started[..3], [30_000, 10_001, 10_002]);
    assert_eq!(started.len(), CAPACITY + 1, "{started:?}");
}

/// A scope that found the pool full is helped after 64 payloads at the latest, however many a worker takes at a time.
#[test]
fn pool_068_a_scope_does_not_wait_for_what_a_worker_took_along() {
    const QUEUE: usize = 4_096;
    let pool = tasks(1, QUEUE);
    let starts = Arc::new(AtomicUsize::new(0));
    let quick = |count: usize| {
        for _ in 0..count {
            let starts = starts.clone();
            let count = move || {
                starts.fetch_add(1, Ordering::SeqCst);
            };
            pool.execute(count).unwrap();
        }
    };
    let plug = hold(&pool);
    quick(WARM_UP);
    let (gate, arrived) = (Gate::new(), Gate::new());
    let (held, arriving) = (gate.clone(), arrived.clone());
    pool.execute(move || {
        arriving.open();
        held.pass();
    })
    .unwrap();
    quick(QUEUE - WARM_UP - 1);
    plug.open();
    arrived.pass();
    let before = starts.load(Ordering::SeqCst);
    quick(WARM_UP + 1);
    assert_eq!(pool.stats().queued, QUEUE);
    let (spawned, was_spawned) = channel();
    let (scoped, counter) = (pool.clone(), starts.clone());
    let scope = background(move || {
        let met = Gate::new();
        let mut after = 0;
        scoped.scope(|scope| {
            // The scope's own thread runs one of them, and so a worker has to run the other.
            scope.spawn(|| met.pass());
            scope.spawn(|| {
                after = counter.load(Ordering::SeqCst);
                met.open();
            });
            spawned.send(()).unwrap();
        });
        after
    });
    was_spawned.recv_timeout(PATIENCE).unwrap();
    gate.open();
    let after = scope.outcome("a scope beside a full queue");
    assert!(after - before <= 64, "{} others were started first", after - before);
    pool.wait_idle_timeout(PATIENCE).unwrap();
}

/// Times and ages need each payload's own turn: there a worker takes no more than one, and the bound is the same.
#[test]
fn pool_013_the_bound_is_the_same_where_workers_take_one_at_a_time() {
    let gate = Gate::new();
    let held = gate.clone();
    let pool = WorkerPool::builder()
        .max_workers(2)
        .queue_capacity(CAPACITY)
        .measure_times(true)
        .build(move |()| held.pass())
        .unwrap();
    let mut accepted = 0;
    while pool.try_submit(()).is_ok() {
        accepted += 1;
    }
    assert_eq!(accepted, CAPACITY + 2);
    gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
}
