//! Submissions that can be called off, and many payloads at once.
//!
//! Rows 10 and 79. The rule they check: a submission that ends without being accepted has its payload, and a batch is
//! cut in exactly two.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_pool::{CancelToken, Discard, Refusal, SubmitError, WhenFull, WorkerPool};
use anthill_tests::pool::{
    Held, blocked, holding, occupy, on_threads, reaches, release, waiting_for_its_thread,
};
use anthill_tests::{Background, PATIENCE, background, comes_true, within};

/// A submission that waits, with a token, as number `place` in the line.
fn blocked_with(
    pool: &WorkerPool<Held>,
    payload: Held,
    token: &CancelToken,
    place: usize,
) -> Background<Result<(), SubmitError<Held>>> {
    let (handle, token) = (pool.clone(), token.clone());
    let submission = background(move || handle.submission(payload).cancel_with(&token).submit());
    reaches(pool, "the submitter is blocked", |stats| stats.blocked == place);
    submission
}

#[test]
fn pool_010_a_blocked_submission_can_be_called_off() {
    for queue in [0, 1] {
        let pool = holding(WorkerPool::builder().max_workers(1).queue_capacity(queue));
        let busy = occupy(&pool, 1);
        for number in 0..queue {
            pool.try_submit(Held::free(100 + number)).unwrap();
        }
        let (token, other) = (CancelToken::new(), CancelToken::new());
        let payloads: Vec<Held> = (1..=4).map(Held::free).collect();
        let first = blocked_with(&pool, payloads[0].clone(), &token, 1);
        let second = blocked(&pool, payloads[1].clone(), 2);
        let third = blocked_with(&pool, payloads[2].clone(), &other, 3);
        let fourth = blocked_with(&pool, payloads[3].clone(), &token, 4);
        assert!(!token.is_cancelled());
        token.cancel();
        token.cancel();
        assert!(token.is_cancelled() && !other.is_cancelled());
        for (submission, payload) in [(first, &payloads[0]), (fourth, &payloads[3])] {
            match submission.outcome("a submission that was called off") {
                Err(SubmitError::Cancelled(returned)) => assert_eq!(returned, *payload),
                outcome => panic!("{outcome:?}"),
            }
        }
        let stats = pool.stats();
        assert_eq!((stats.blocked, stats.rejected), (2, 2), "the others wait on");
        release(&busy);
        second.outcome("the one without a token").unwrap();
        third.outcome("the one with another token").unwrap();
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(pool.stats().finished, 3 + queue as u64);
        // Too late for what was accepted.
        other.cancel();
        assert_eq!((pool.waiting(), pool.stats().rejected), (0, 2));
    }
}

#[test]
fn pool_010_a_token_that_was_cancelled_before_refuses_at_once() {
    let pool = holding(WorkerPool::builder().max_workers(1).queue_capacity(1));
    let token = CancelToken::new();
    token.cancel();
    let refused = pool.submission(Held::free(1)).cancel_with(&token).submit();
    assert!(matches!(refused, Err(SubmitError::Cancelled(_))), "although a worker could be made");
    let busy = occupy(&pool, 1);
    let refused = pool.submission(Held::free(2)).cancel_with(&token).timeout(PATIENCE).submit();
    assert!(matches!(refused, Err(SubmitError::Cancelled(_))), "although there is room in the queue");
    pool.try_submit(Held::free(3)).unwrap();
    let refused = pool.submission(Held::free(4)).cancel_with(&token).no_wait().submit();
    assert!(matches!(refused, Err(SubmitError::Cancelled(_))));
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().rejected), (2, 3));
}

#[test]
fn pool_010_a_limit_and_a_token_go_together() {
    let pool = holding(WorkerPool::builder().max_workers(1));
    let busy = occupy(&pool, 1);
    let token = CancelToken::new();
    let late = pool.submission(Held::free(1)).cancel_with(&token).timeout(Duration::from_millis(5)).submit();
    assert!(matches!(late, Err(SubmitError::Timeout(_))));
    let (handle, same) = (pool.clone(), token.clone());
    let patient =
        background(move || handle.submission(Held::free(2)).cancel_with(&same).timeout(PATIENCE).submit());
    reaches(&pool, "it waits", |stats| stats.blocked == 1);
    token.cancel();
    assert!(matches!(patient.outcome("called off long before its limit"), Err(SubmitError::Cancelled(_))));
    release(&busy);
}

/// It waits for a thread that somebody else is making, and that can take long.
#[test]
fn pool_010_a_submission_that_waits_for_the_first_thread_can_be_called_off() {
    let (pool, first, gate) = waiting_for_its_thread();
    let token = CancelToken::new();
    let (handle, same) = (pool.clone(), token.clone());
    let second = background(move || handle.submission(Held::free(2)).cancel_with(&same).submit());
    // There is no counter for this wait; it is soon there, and if not, the test has nothing to find.
    thread::sleep(Duration::from_millis(20));
    token.cancel();
    let in_time = comes_true(|| second.is_finished());
    gate.open();
    assert!(in_time, "it waited for the spawner of someone else");
    assert!(matches!(second.outcome("the second"), Err(SubmitError::Cancelled(_))));
    first.outcome("the first").unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 1);
}

/// A worker that comes free and a cancellation at the same time: one of them wins, and the worker is not lost.
#[test]
fn pool_010_a_cancellation_and_a_worker_that_comes_free_do_not_both_win() {
    let pool = holding(WorkerPool::builder().max_workers(1));
    let mut accepted = 0;
    for round in 0..400 {
        let busy = occupy(&pool, 1);
        let tokens = [CancelToken::new(), CancelToken::new()];
        let first = blocked_with(&pool, Held::free(1), &tokens[0], 1);
        let second = blocked(&pool, Held::free(2), 2);
        let token = tokens[0].clone();
        let canceller = background(move || {
            for _ in 0..round % 20 * 50 {
                std::hint::spin_loop();
            }
            token.cancel();
        });
        release(&busy);
        match first.outcome("the one that may be called off") {
            Ok(()) => accepted += 1,
            Err(SubmitError::Cancelled(back)) => assert_eq!(back.number, 1),
            Err(other) => panic!("{other:?}"),
        }
        second.outcome("the one behind it").unwrap();
        canceller.outcome("cancelling");
        pool.wait_idle_timeout(PATIENCE).unwrap();
        let stats = pool.stats();
        assert_eq!(stats.finished, 2 * (round + 1) + accepted, "round {round}");
        assert_eq!((stats.blocked, stats.rejected), (0, round + 1 - accepted));
    }
}

#[test]
fn pool_079_a_batch_is_accepted_and_run_in_its_order() {
    let ran = Arc::new(Mutex::new(Vec::new()));
    for queue in [0, 7, 2_000] {
        let record = ran.clone();
        let pool = WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(queue)
            .build(move |number: usize| record.lock().unwrap().push(number))
            .unwrap();
        assert_eq!(pool.submit_many(Vec::new()).unwrap(), 0);
        assert_eq!(pool.running(), 0, "nothing to do");
        assert_eq!(pool.submit_many((0..1_000).collect()).unwrap(), 1_000);
        pool.wait_idle_timeout(PATIENCE).unwrap();
        assert_eq!(std::mem::take(&mut *ran.lock().unwrap()), (0..1_000).collect::<Vec<_>>());
        let stats = pool.stats();
        assert_eq!((stats.accepted, stats.finished, stats.rejected, stats.spawned), (1_000, 1_000, 0, 1));
    }
}

#[test]
fn pool_079_a_batch_gets_all_the_workers_there_may_be() {
    for queue in [0, 1, 100] {
        let pool = holding(WorkerPool::builder().max_workers(6).queue_capacity(queue));
        // Once all are to be made, once some of them idle, once all.
        for made in [0, 3, 6] {
            if made > 0 {
                pool.set_max_workers(made).unwrap();
                pool.set_max_workers(6).unwrap();
            }
            assert_eq!(pool.running(), made);
            let held: Vec<Held> = (0..6).map(Held::new).collect();
            assert_eq!(pool.try_submit_many(held.clone()).unwrap(), 6);
            reaches(&pool, "all run at once", |stats| stats.busy == 6 && stats.queued == 0);
            release(&held);
            pool.wait_idle_timeout(PATIENCE).unwrap();
        }
    }
}

#[test]
fn pool_079_what_does_not_fit_comes_back_in_its_order() {
    let pool = holding(WorkerPool::builder().max_workers(2).queue_capacity(150));
    let busy = Held::new(0);
    let mut batch = vec![busy.clone(), busy.clone()];
    batch.extend((2..300).map(Held::free));
    let error = pool.try_submit_many(batch).unwrap_err();
    assert_eq!((error.accepted, error.refusal), (152, Refusal::Full));
    assert_eq!(error.rest.iter().map(|held| held.number).collect::<Vec<_>>(), (152..300).collect::<Vec<_>>());
    assert_eq!((pool.stats().accepted, pool.stats().queued, pool.stats().rejected), (152, 150, 1));
    assert!(error.to_string().contains("152") && format!("{error:?}").contains("148"), "{error}");
    busy.gate.open();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    pool.stop();
    let error = pool.submit_many(error.rest).unwrap_err();
    assert_eq!((error.accepted, error.refusal, error.rest.len()), (0, Refusal::Closed, 148));
    assert_eq!(pool.stats().finished, 152);
}

#[test]
fn pool_079_a_batch_that_waits_for_room_is_cut_by_a_stop() {
    for queue in [0, 4] {
        let (starts, started) = channel();
        let pool = WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(queue)
            .build(move |held: Held| {
                starts.send(held.number).unwrap();
                held.gate.pass();
            })
            .unwrap();
        let mut batch: Vec<Held> = (0..100).map(Held::free).collect();
        batch[40] = Held::new(40);
        let gate = batch[40].gate.clone();
        let handle = pool.clone();
        let submission = background(move || handle.submit_many(batch));
        reaches(&pool, "it waits behind the fortieth", |stats| stats.blocked == 1 && stats.finished == 40);
        pool.stop();
        let error = submission.outcome("a batch that the stop cut").unwrap_err();
        assert_eq!((error.accepted, error.refusal), (41 + queue, Refusal::Closed));
        let rest: Vec<usize> = error.rest.iter().map(|held| held.number).collect();
        assert_eq!(rest, (41 + queue..100).collect::<Vec<_>>());
        gate.open();
        pool.wait_timeout(PATIENCE).unwrap();
        assert_eq!(started.try_iter().collect::<Vec<_>>(), (0..41 + queue).collect::<Vec<_>>());
    }
}

#[test]
fn pool_079_a_batch_follows_the_pools_policy() {
    let discarded = Arc::new(Mutex::new(Vec::new()));
    let record = discarded.clone();
    let options = WorkerPool::builder().max_workers(1).queue_capacity(2);
    let pool = holding(
        options
            .clone()
            .when_full(WhenFull::DiscardOldest)
            .on_discard(move |held: Held, why| record.lock().unwrap().push((held.number, why))),
    );
    let busy = occupy(&pool, 1);
    assert_eq!(pool.submit_many((1..=5).map(Held::free).collect()).unwrap(), 5);
    assert_eq!(*discarded.lock().unwrap(), [1, 2, 3].map(|number| (number, Discard::Displaced)));
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().discarded), (3, 3));

    let pool = holding(options.clone().when_full(WhenFull::RunOnCaller));
    let busy = occupy(&pool, 1);
    assert_eq!(pool.submit_many((1..=5).map(Held::free).collect()).unwrap(), 5);
    assert_eq!((pool.stats().queued, pool.stats().ran_by_caller), (2, 3));
    release(&busy);

    let pool = holding(options.when_full(WhenFull::Refuse));
    let busy = occupy(&pool, 1);
    let error = pool.submit_many((1..=5).map(Held::free).collect()).unwrap_err();
    assert_eq!((error.accepted, error.refusal, error.rest.len()), (2, Refusal::Full, 3));
    release(&busy);
}

#[test]
fn pool_079_batches_from_several_threads_lose_nothing_and_keep_their_order() {
    for (workers, queue) in [(1, 0), (1, 100), (3, 5), (3, 4_096)] {
        let ran: Arc<Vec<AtomicUsize>> = Arc::new((0..3 * 6_000).map(|_| AtomicUsize::new(0)).collect());
        let turn = Arc::new(AtomicUsize::new(0));
        let marks = ran.clone();
        let pool = WorkerPool::builder()
            .max_workers(workers)
            .queue_capacity(queue)
            .build(move |number: usize| {
                let place = 1 + turn.fetch_add(1, Ordering::SeqCst);
                assert_eq!(marks[number].swap(place, Ordering::SeqCst), 0, "payload {number} ran twice");
            })
            .unwrap();
        let handle = pool.clone();
        within("batches from three threads", move || {
            on_threads(3, |who| {
                let (mut next, mut size) = (who * 6_000, 0);
                while next < (who + 1) * 6_000 {
                    size += 1;
                    let end = (next + size).min((who + 1) * 6_000);
                    let mut batch: Vec<usize> = (next..end).collect();
                    if size % 2 == 0 {
                        // As much as goes without waiting, the rest with.
                        batch = handle.try_submit_many(batch).map_or_else(|error| error.rest, |_| Vec::new());
                    }
                    handle.submit_many(batch).unwrap();
                    next = end;
                }
            });
        });
        pool.wait_idle_timeout(PATIENCE).unwrap();
        let places: Vec<usize> = ran.iter().map(|place| place.load(Ordering::SeqCst)).collect();
        assert!(places.iter().all(|place| *place > 0), "everything ran");
        if workers == 1 {
            assert!(places.chunks(6_000).all(|one| one.is_sorted()), "each submitter's in its order");
        }
        assert_eq!((pool.stats().finished, pool.stats().panicked), (18_000, 0));
    }
}
