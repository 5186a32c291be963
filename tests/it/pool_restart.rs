//! A stopped pool that is opened again: as good as new, and safe while the old life still ends.
//!
//! Rows 41 and 42. The rule they check: a restart neither waits for what was accepted before nor loses any of it, and
//! the workers of both lives together keep to the cap.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use anthill_pool::{PoolState, SubmitError, WorkerPool};
use anthill_tests::pool::{Held, blocked, holding, occupy, on_threads, reaches, release};
use anthill_tests::{PATIENCE, eventually, threads_of, within};

#[test]
fn pool_041_a_pool_that_came_to_its_end_can_be_used_again() {
    let starts = Arc::new(AtomicUsize::new(0));
    let count = starts.clone();
    let (done, runs) = channel();
    let pool = WorkerPool::builder()
        .name("r41")
        .max_workers(4)
        .on_worker_start(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        })
        .build(move |number: usize| done.send((number, thread::current().id())).unwrap())
        .unwrap();
    for life in 1..=3 {
        let mut workers = Vec::new();
        for number in 0..1_000 {
            pool.submit(number).unwrap();
            let (ran, worker) = runs.recv_timeout(PATIENCE).unwrap();
            assert_eq!(ran, number);
            workers.push(worker);
            pool.wait_idle_timeout(PATIENCE).unwrap();
        }
        assert!(workers.iter().all(|worker| *worker == workers[0]), "one worker is enough and is reused");
        assert_eq!(starts.load(Ordering::SeqCst), life);
        pool.stop();
        pool.wait_timeout(PATIENCE).unwrap();
        assert_eq!(threads_of("r41").len(), 0);
        assert_eq!(pool.state(), PoolState::Stopped);
        assert!(matches!(pool.try_submit(0), Err(SubmitError::Closed(0))));
        pool.restart();
        assert_eq!((pool.state(), pool.is_closed()), (PoolState::Open, false));
    }
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.spawned, stats.rejected, stats.peak_workers), (3_000, 3, 3, 1));
}

#[test]
fn pool_041_restarting_an_open_pool_does_nothing() {
    let pool = holding(WorkerPool::builder().max_workers(2));
    let busy = occupy(&pool, 2);
    let waiting = blocked(&pool, Held::free(2), 1);
    let before = pool.stats();
    pool.restart();
    assert_eq!(pool.stats(), before);
    release(&busy);
    waiting.outcome("the submitter that was blocked all along").unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_041_in_the_next_life_unused_workers_are_let_go_again() {
    let options = WorkerPool::builder().name("r41b").max_workers(3);
    let pool = holding(options.max_idle_worker_duration(Duration::from_millis(20)));
    for life in 1..=4 {
        release(&occupy(&pool, 3));
        reaches(&pool, "all expire", |stats| stats.workers == 0 && stats.expired == 3 * life);
        release(&occupy(&pool, 1));
        pool.stop();
        pool.wait_timeout(PATIENCE).unwrap();
        pool.restart();
    }
    assert_eq!(threads_of("r41b").len(), 0);
}

/// The stop has told the cleaner to end; whoever reopens the pool has to see to it that there is one.
#[test]
fn pool_042_workers_of_the_old_life_are_let_go_in_the_next() {
    for pause in 0..30 {
        let options = WorkerPool::builder().name("r42").max_workers(1);
        let pool = holding(options.max_idle_worker_duration(Duration::from_millis(5)));
        let busy = occupy(&pool, 1);
        pool.stop();
        if pause % 3 == 0 {
            eventually("the cleaner has ended", || threads_of("r42").len() == 1);
        } else {
            thread::sleep(Duration::from_micros(10 * pause));
        }
        pool.restart();
        release(&busy);
        reaches(&pool, "the worker expires", |stats| stats.workers == 0 && stats.expired == 1);
        pool.stop();
        pool.wait_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn pool_042_workers_that_are_still_busy_stay_and_count() {
    let pool = holding(WorkerPool::builder().max_workers(2).queue_capacity(2));
    let busy = occupy(&pool, 2);
    pool.try_submit(Held::free(2)).unwrap();
    pool.stop();
    assert_eq!(pool.state(), PoolState::Draining);
    pool.restart();
    let stats = pool.stats();
    assert_eq!((stats.state, stats.workers, stats.busy, stats.queued), (PoolState::Open, 2, 2, 1));
    pool.try_submit(Held::free(3)).unwrap();
    assert!(matches!(pool.try_submit(Held::free(4)), Err(SubmitError::Full(_))), "the cap counts both lives");
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.spawned, stats.workers), (4, 2, 2), "nobody left");
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_042_whom_the_stop_turned_away_stays_turned_away() {
    for queue in [0, 1] {
        let pool = holding(WorkerPool::builder().max_workers(1).queue_capacity(queue));
        let busy = occupy(&pool, 1);
        for number in 0..queue {
            pool.try_submit(Held::free(100 + number)).unwrap();
        }
        let mut waiting: Vec<_> =
            (1..=4).map(|place| (place, blocked(&pool, Held::free(place), place))).collect();
        pool.stop();
        pool.restart();
        // Those who come now do not take the places of those before.
        let late = blocked(&pool, Held::free(9), 1);
        for (number, submission) in waiting.drain(..) {
            match submission.outcome("a submitter that the stop turned away") {
                Err(SubmitError::Closed(returned)) => assert_eq!(returned.number, number),
                other => panic!("{other:?}"),
            }
        }
        release(&busy);
        late.outcome("the submitter of the new life").unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
        let stats = pool.stats();
        assert_eq!((stats.finished, stats.rejected, stats.blocked), (2 + queue as u64, 4, 0));
    }
}

#[test]
fn pool_042_what_stop_now_handed_back_can_be_submitted_to_the_next_life() {
    let pool = holding(WorkerPool::builder().max_workers(1).queue_capacity(8));
    let busy = occupy(&pool, 1);
    for number in 1..=5 {
        pool.try_submit(Held::free(number)).unwrap();
    }
    let rest = pool.stop_now();
    assert_eq!(rest.iter().map(|held| held.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    pool.restart();
    assert_eq!(pool.submit_many(rest).unwrap(), 5);
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.accepted, stats.finished, stats.handed_back), (11, 6, 5));
}

/// A worker of the old life that ends while the new one runs must not take the new one's count or place along.
#[test]
fn pool_042_stops_and_restarts_in_the_midst_of_load_lose_nothing() {
    const CAP: usize = 3;
    let (running, most, ran) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let (now, peak, count) = (running.clone(), most.clone(), ran.clone());
    let pool = WorkerPool::builder()
        .max_workers(CAP)
        .queue_capacity(4)
        .max_idle_worker_duration(Duration::from_millis(1))
        .build(move |number: usize| {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            if number.is_multiple_of(64) {
                thread::sleep(Duration::from_micros(200));
            }
            now.fetch_sub(1, Ordering::SeqCst);
            count.fetch_add(1, Ordering::SeqCst);
        })
        .unwrap();
    let handle = pool.clone();
    let (accepted, handed_back) = within("submitting across many lives", move || {
        let done = AtomicUsize::new(0);
        let outcomes = on_threads(4, |who| {
            let (mut accepted, mut handed_back) = (0, 0);
            if who == 3 {
                for life in 0.. {
                    if life % 3 == 0 {
                        handed_back += handle.stop_now().len();
                    } else {
                        handle.stop();
                    }
                    if life % 5 == 0 {
                        handle.wait().unwrap();
                        assert_eq!(handle.running(), 0);
                    }
                    handle.restart();
                    if done.load(Ordering::SeqCst) == 3 {
                        break;
                    }
                    thread::yield_now();
                }
            } else {
                for number in 0..3_000 {
                    match handle.submit(number) {
                        Ok(()) => accepted += 1,
                        Err(SubmitError::Closed(back)) => assert_eq!(back, number),
                        Err(other) => panic!("{other:?}"),
                    }
                }
                done.fetch_add(1, Ordering::SeqCst);
            }
            (accepted, handed_back)
        });
        outcomes.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    });
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(ran.load(Ordering::SeqCst) + handed_back, accepted);
    assert!(most.load(Ordering::SeqCst) <= CAP);
    let stats = pool.stats();
    assert_eq!((stats.accepted, stats.handed_back), (accepted as u64, handed_back as u64));
    assert!(stats.peak_workers <= CAP, "{stats:?}");
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}
