//! Limits while a worker's state is being made, which may take any time: submissions, cancellation, workers made in
//! advance and for a raised cap. The making is held by a gate, so whoever returns has not waited for it.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anthill_pool::{CancelToken, Refusal, SubmitError, WorkerPool, WorkerPoolBuilder};
use anthill_tests::pool::{Held, blocked, occupy, reaches, release};
use anthill_tests::{Gate, PATIENCE, background, eventually, within};

/// A pool whose workers, from number `slow_from` on, wait at the gate for their state; and whether one has come there.
fn slow(options: WorkerPoolBuilder<Held>, slow_from: usize) -> (WorkerPool<Held>, Gate, Receiver<usize>) {
    let (gate, (entered, has_entered)) = (Gate::new(), channel());
    let held = gate.clone();
    let pool = options.build_with_state(
        move |worker| {
            if worker >= slow_from {
                entered.send(worker).unwrap();
                held.pass();
            }
            Ok::<_, io::Error>(())
        },
        |(): &mut (), held: Held| held.gate.pass(),
    );
    (pool.unwrap(), gate, has_entered)
}

fn refused_with(outcome: Result<(), SubmitError<Held>>) -> (Refusal, usize) {
    let error = outcome.expect_err("it is refused");
    (error.refusal(), error.into_payload().number)
}

#[test]
fn pool_f2_submissions_keep_their_limits_while_the_first_state_is_made() {
    let (pool, gate, has_entered) = slow(WorkerPool::builder().max_workers(1), 0);
    let handle = pool.clone();
    let outcomes = within("submissions with limits", move || {
        let limit = Duration::from_millis(10);
        let token = CancelToken::new();
        let first = refused_with(handle.submit_timeout(Held::free(1), limit));
        let canceller = {
            let token = token.clone();
            background(move || {
                thread::sleep(limit);
                token.cancel();
            })
        };
        let cancelled = handle.submission(Held::free(2)).cancel_with(&token).timeout(Duration::MAX).submit();
        canceller.outcome("the canceller");
        let rest = [
            refused_with(handle.try_submit(Held::free(3))),
            refused_with(handle.submission(Held::free(4)).no_wait().submit()),
            refused_with(handle.submission(Held::free(5)).timeout(Duration::ZERO).submit()),
            refused_with(handle.submission(Held::free(6)).cancel_with(&token).submit()),
        ];
        let many = handle.try_submit_many(vec![Held::free(7)]).unwrap_err().refusal;
        (first, refused_with(cancelled), rest, many)
    });
    let expected = (
        (Refusal::Timeout, 1),
        (Refusal::Cancelled, 2),
        [(Refusal::Full, 3), (Refusal::Full, 4), (Refusal::Timeout, 5), (Refusal::Cancelled, 6)],
        Refusal::Full,
    );
    assert_eq!(outcomes, expected);
    // All of that was for one worker, which comes in the end.
    assert_eq!(has_entered.try_iter().collect::<Vec<_>>(), [0]);
    assert_eq!((pool.stats().accepted, pool.stats().workers), (0, 1));
    gate.open();
    reaches(&pool, "it has come", |stats| stats.idle == 1);
    pool.try_submit(Held::free(8)).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    let stats = pool.stats();
    assert_eq!((stats.finished, stats.rejected, stats.spawned, stats.peak_workers), (1, 7, 1, 1));
}

#[test]
fn pool_f2_a_submitter_for_whom_a_state_is_made_beside_busy_workers_keeps_its_limit() {
    let (pool, gate, has_entered) = slow(WorkerPool::builder().max_workers(2), 1);
    let busy = occupy(&pool, 1);
    let handle = pool.clone();
    let outcomes = within("submissions beside a busy worker", move || {
        let tried = refused_with(handle.try_submit(Held::free(1)));
        let timed = refused_with(handle.submit_timeout(Held::free(2), Duration::from_millis(5)));
        (tried, timed)
    });
    assert_eq!(outcomes, ((Refusal::Full, 1), (Refusal::Timeout, 2)));
    // One that waits is served by whoever comes first, here the worker with the slow state.
    let waiting = blocked(&pool, Held::free(3), 1);
    assert_eq!(has_entered.recv_timeout(PATIENCE), Ok(1));
    gate.open();
    waiting.outcome("the submitter in line").unwrap();
    release(&busy);
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().finished, pool.stats().spawned), (2, 2));
}

#[test]
fn pool_f2_where_nobody_may_block_a_state_is_still_waited_for_a_moment() {
    let options = WorkerPool::builder().max_workers(1).max_blocking(0);
    let pool = options.build_with_state(|_| Ok::<_, io::Error>(()), |(): &mut (), _: Held| {}).unwrap();
    // A state that is made at once is there in time for those who do not wait.
    eventually("a try finds its worker", || pool.try_submit(Held::free(0)).is_ok());
    let (pool, gate, _entered) = slow(WorkerPool::builder().max_workers(1).max_blocking(0), 0);
    let handle = pool.clone();
    let refused =
        within("a submission that may not block", move || refused_with(handle.submit(Held::free(1))));
    assert_eq!(refused.0, Refusal::Overload);
    gate.open();
}

#[test]
fn pool_f2_a_stop_ends_the_wait_for_a_state() {
    let (pool, gate, has_entered) = slow(WorkerPool::builder().max_workers(1), 0);
    let handle = pool.clone();
    let waiting = background(move || refused_with(handle.submit(Held::free(1))));
    has_entered.recv_timeout(PATIENCE).unwrap();
    pool.stop();
    assert_eq!(waiting.outcome("the submitter"), (Refusal::Closed, 1));
    assert!(pool.wait_timeout(Duration::from_millis(5)).is_err(), "a worker is still being made");
    gate.open();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!((pool.stats().accepted, pool.running()), (0, 0));
}

/// Each state waits for all the others, so they come to be only side by side.
#[test]
fn pool_f2_states_made_in_advance_are_made_side_by_side() {
    let (together, made) = (Arc::new(std::sync::Barrier::new(4)), Arc::new(AtomicUsize::new(0)));
    let (meeting, count) = (together.clone(), made.clone());
    let pool = WorkerPool::builder()
        .max_workers(4)
        .build_with_state(
            move |_| {
                meeting.wait();
                count.fetch_add(1, Ordering::SeqCst);
                Ok::<_, io::Error>(())
            },
            |(): &mut (), _: u8| {},
        )
        .unwrap();
    let handle = pool.clone();
    assert_eq!(within("workers made in advance", move || handle.prestart(9)).unwrap(), 4);
    assert_eq!((made.load(Ordering::SeqCst), pool.stats().spawned, pool.running()), (4, 4, 4));
}

#[test]
fn pool_f2_one_state_of_several_fails_and_the_others_stay() {
    let made = AtomicUsize::new(0);
    let pool = WorkerPool::builder()
        .max_workers(4)
        .build_with_state(
            move |_| if made.fetch_add(1, Ordering::SeqCst) == 1 { Err("no pen") } else { Ok(()) },
            |(): &mut (), _: u8| {},
        )
        .unwrap();
    let error = pool.prestart(4).unwrap_err();
    assert_eq!(error.to_string(), "a worker's state could not be made: no pen");
    assert_eq!((pool.running(), pool.stats().spawned), (3, 3));
    assert_eq!(pool.prestart(4).unwrap(), 1);
}

#[test]
fn pool_f2_a_raised_cap_waits_for_no_state() {
    let (pool, gate, has_entered) = slow(WorkerPool::builder().max_workers(1).queue_capacity(8), 1);
    let busy = occupy(&pool, 1);
    for number in 1..4 {
        pool.submit(Held::free(number)).unwrap();
    }
    let handle = pool.clone();
    within("raising the cap", move || handle.set_max_workers(4)).unwrap();
    let mut entered: Vec<_> = (0..3).map(|_| has_entered.recv_timeout(PATIENCE).unwrap()).collect();
    entered.sort_unstable();
    assert_eq!((entered, pool.running()), (vec![1, 2, 3], 4));
    gate.open();
    reaches(&pool, "they have run what was queued", |stats| stats.finished == 3);
    release(&busy);
}

#[test]
fn pool_f4_a_state_that_fails_is_named_in_the_first_line() {
    let pool = WorkerPool::builder()
        .max_workers(1)
        .build_with_state(|_| Err::<(), _>("unable to open database file"), |(): &mut (), _: u8| {})
        .unwrap();
    let error = pool.submit(7).unwrap_err();
    assert_eq!(error.to_string(), "a worker's state could not be made: unable to open database file");
    assert!(error.source().is_none(), "the cause is in the text, and not once more behind it");
    assert!(format!("{error:?}").starts_with("StateFailed("));
    assert_eq!((error.refusal(), error.into_payload()), (Refusal::StateFailed, 7));
    let many = pool.submit_many(vec![1, 2]).unwrap_err();
    assert_eq!((many.refusal, many.rest), (Refusal::StateFailed, vec![1, 2]));
}

#[test]
fn pool_f4_a_stack_that_is_too_large_is_named_in_the_first_line() {
    let bytes = usize::MAX / 2;
    let pool = WorkerPool::builder().max_workers(1).stack_size(bytes).build(|_: u8| {}).unwrap();
    for error in [pool.submit(7).unwrap_err().to_string(), pool.prestart(1).unwrap_err().to_string()] {
        assert!(error.contains(&format!("a stack of {bytes} bytes was asked for")), "{error}");
    }
    let plain = SubmitError::SpawnFailed((), io::Error::other("no room")).to_string();
    assert!(plain.starts_with("the system refused a new thread: no room; "), "{plain}");
}

/// A spawner that drops the thread's body, with and without an error of its own.
#[test]
fn pool_f2_a_spawner_that_drops_a_worker_with_a_state_is_told_of() {
    for refuses in [false, true] {
        let pool = WorkerPool::builder().max_workers(1).spawner(move |worker| {
            drop(worker);
            if refuses { Err(io::Error::other("no more")) } else { Ok(thread::spawn(|| {})) }
        });
        let pool = pool.build_with_state(|_| Ok::<_, io::Error>(()), |(): &mut (), _: u8| {}).unwrap();
        let handle = pool.clone();
        let error = within("submitting", move || handle.submit(1)).unwrap_err().to_string();
        assert!(error.contains(if refuses { "no more" } else { "dropped the worker's thread" }), "{error}");
        assert_eq!((pool.running(), pool.stats().accepted, pool.stats().rejected), (0, 0, 1));
        pool.stop();
        pool.wait_timeout(PATIENCE).unwrap();
    }
}
