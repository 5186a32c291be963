//! Groups of tasks: all results, or the first thing that went wrong.
//!
//! Row 67. The rule: a task of a group runs or is skipped, never both; and `wait` returns when no task of it runs.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use anthill_pool::{GroupError, SubmitError, TaskGroup, TaskPool};
use anthill_tests::pool::{hold, on_threads, reaches, tasks};
use anthill_tests::{Gate, PATIENCE, eventually, planned_panic, within};

fn waited<T: Send + 'static, E: Send + 'static>(group: TaskGroup<T, E>) -> Result<Vec<T>, GroupError<E>> {
    within("waiting for a group", move || group.wait())
}

/// A task of the group that has started and gives 1 when the gate is opened.
fn hold_with_one<E: Send + 'static>(group: &TaskGroup<u8, E>) -> Gate {
    let (gate, (has_started, started)) = (Gate::new(), channel());
    let held = gate.clone();
    let spawned = group.spawn(move || {
        has_started.send(()).unwrap();
        held.pass();
        Ok(1)
    });
    assert!(spawned.is_ok());
    started.recv_timeout(PATIENCE).unwrap();
    gate
}

#[test]
fn pool_067_all_results_come_in_the_order_of_the_spawns() {
    let pool = tasks(2, 64);
    let group = pool.group::<usize, ()>();
    let first_gate = Gate::new();
    for number in 0..100 {
        let gate = first_gate.clone();
        group
            .spawn(move || {
                if number == 0 {
                    gate.pass();
                } else if number == 99 {
                    gate.open();
                }
                Ok(number)
            })
            .unwrap();
    }
    assert_eq!(group.len(), 100);
    assert!(waited(group).unwrap().into_iter().eq(0..100));
    assert!(waited(pool.group::<(), ()>()).unwrap().is_empty(), "an empty group is done");
}

#[test]
fn pool_067_the_first_error_skips_what_was_not_started() {
    let pool = tasks(1, 128);
    let group = pool.group();
    let (gate, ran, dropped) = (Gate::new(), Arc::new(AtomicUsize::new(0)), Arc::new(()));
    for number in 0..100 {
        let (held, ran, dropped) = (gate.clone(), ran.clone(), dropped.clone());
        group
            .spawn(move || {
                let _dropped = dropped;
                held.pass();
                ran.fetch_add(1, Ordering::SeqCst);
                if number >= 10 { Err(number) } else { Ok(()) }
            })
            .unwrap();
    }
    gate.open();
    assert_eq!(waited(group).unwrap_err().into_failure(), Some(10));
    assert_eq!(ran.load(Ordering::SeqCst), 11);
    assert_eq!(Arc::strong_count(&dropped), 1, "the closures of the skipped ones are gone");
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 11, "they never run");
}

#[test]
fn pool_067_the_first_error_is_first_in_time() {
    let pool = tasks(2, 8);
    let group = pool.group::<(), &str>();
    let gate = Gate::new();
    let held = gate.clone();
    group
        .spawn(move || {
            held.pass();
            Err("the earlier task, later")
        })
        .unwrap();
    group.spawn(|| Err("the later task, earlier")).unwrap();
    eventually("the second has failed", || group.is_cancelled());
    gate.open();
    assert_eq!(waited(group).unwrap_err().into_failure(), Some("the later task, earlier"));
}

#[test]
fn pool_067_a_panic_ends_a_group_like_an_error() {
    let pool = tasks(1, 8);
    let group = pool.group::<u8, ()>();
    let gate = Gate::new();
    let held = gate.clone();
    group
        .spawn(move || {
            held.pass();
            planned_panic()
        })
        .unwrap();
    group.spawn(|| Ok(1)).unwrap();
    gate.open();
    match waited(group) {
        Err(GroupError::Panicked(panic)) => assert_eq!(panic.into_value().downcast_ref(), Some(&"planned")),
        other => panic!("{other:?}"),
    }
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(
        (pool.stats().panicked, pool.stats().spawned),
        (0, 1),
        "the group has the panic, not the pool"
    );
}

#[test]
fn pool_067_running_tasks_can_see_that_they_are_not_wanted() {
    let pool = tasks(2, 8);
    let group = pool.group::<(), &str>();
    let (token, (has_started, started)) = (group.token(), channel());
    group
        .spawn(move || {
            has_started.send(()).unwrap();
            while !token.is_cancelled() {
                thread::yield_now();
            }
            Ok(())
        })
        .unwrap();
    started.recv_timeout(PATIENCE).unwrap();
    assert!(!group.is_cancelled());
    group.spawn(|| Err("enough")).unwrap();
    assert_eq!(waited(group).unwrap_err().into_failure(), Some("enough"));
}

#[test]
fn pool_067_a_group_can_be_cancelled() {
    let pool = tasks(1, 8);
    let group = pool.group::<u8, ()>();
    let gate = hold_with_one(&group);
    group.spawn(|| Ok(2)).unwrap();
    group.cancel();
    group.cancel();
    gate.open();
    assert!(matches!(waited(group), Err(GroupError::Cancelled)));

    let group = pool.group::<u8, ()>();
    group.spawn(|| Ok(3)).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    group.cancel();
    assert_eq!(waited(group).unwrap(), [3], "nothing was skipped");

    let group = pool.group::<u8, ()>();
    group.cancel();
    let alive = Arc::new(());
    let held = alive.clone();
    group.spawn(move || Ok(u8::from(Arc::strong_count(&held) > 0))).unwrap();
    assert_eq!((Arc::strong_count(&alive), group.len()), (1, 0), "its closure is dropped");
    assert!(matches!(waited(group), Err(GroupError::Cancelled)));
}

#[test]
fn pool_067_a_task_may_wait_for_a_group_on_its_own_pool() {
    fn sum(pool: &TaskPool, depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let group = pool.group::<u64, ()>();
        for _ in 0..3 {
            let handle = pool.clone();
            group.spawn(move || Ok(sum(&handle, depth - 1))).unwrap();
        }
        group.wait().unwrap().into_iter().sum()
    }
    for workers in [1, 2] {
        let pool = tasks(workers, 10_000);
        let handle = pool.clone();
        let outer = pool.spawn(move || sum(&handle, 5)).unwrap();
        assert_eq!(outer.join_timeout(PATIENCE).expect("no deadlock").unwrap(), 243);
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn pool_067_a_refused_closure_comes_back_and_the_group_goes_on() {
    let pool = tasks(1, 1);
    let group = pool.group::<Vec<u8>, ()>();
    let (gate, (has_started, started)) = (Gate::new(), channel());
    let held = gate.clone();
    group
        .spawn(move || {
            has_started.send(()).unwrap();
            held.pass();
            Ok(vec![1])
        })
        .unwrap();
    started.recv_timeout(PATIENCE).unwrap();
    group.spawn(|| Ok(vec![2])).unwrap();
    pool.stop();
    let third = vec![3];
    match group.spawn(move || Ok(third)) {
        Err(SubmitError::Closed(closure)) => assert_eq!(closure.run(), Ok(vec![3])),
        other => panic!("{other:?}"),
    }
    gate.open();
    assert_eq!(waited(group).unwrap(), [[1], [2]]);
}

#[test]
fn pool_067_what_the_pool_hands_back_is_lost_to_the_group() {
    let pool = tasks(1, 8);
    let group = pool.group::<u8, ()>();
    let gate = hold_with_one(&group);
    group.spawn(|| Ok(2)).unwrap();
    group.spawn(|| Ok(3)).unwrap();
    drop(pool.stop_now());
    gate.open();
    assert!(matches!(waited(group), Err(GroupError::Lost)));
}

#[test]
fn pool_067_a_dropped_group_detaches_its_tasks() {
    let pool = tasks(1, 8);
    let group = pool.group::<Arc<()>, ()>();
    let (gate, result) = (Gate::new(), Arc::new(()));
    for number in 0..4 {
        let (held, result) = (gate.clone(), result.clone());
        group
            .spawn(move || {
                held.pass();
                match number {
                    0 | 1 => Ok(result),
                    2 => planned_panic(),
                    _ => unreachable!("skipped"),
                }
            })
            .unwrap();
    }
    drop(group);
    gate.open();
    reaches(&pool, "all have ended", |stats| stats.finished == 4);
    assert_eq!(pool.stats().panicked, 1, "its panic is the pool's");
    assert_eq!(Arc::strong_count(&result), 1, "results are dropped");
}

#[test]
fn pool_067_failures_and_starts_race() {
    let pool = tasks(2, 32);
    on_threads(3, |thread| {
        for round in 0..300 {
            let group = pool.group::<usize, usize>();
            let ran = Arc::new(Mutex::new(BTreeSet::new()));
            for number in 0..12 {
                let ran = ran.clone();
                let fails = number == (round + thread) % 12 || number == (round * 7) % 12;
                group
                    .spawn(move || {
                        assert!(ran.lock().unwrap().insert(number), "each at most once");
                        if fails { Err(number) } else { Ok(number) }
                    })
                    .unwrap();
            }
            let failed = waited(group).unwrap_err().into_failure().expect("an error and no panic");
            let ran = Arc::try_unwrap(ran).expect("no closure is left").into_inner().unwrap();
            assert!(ran.contains(&failed));
        }
    });
}

#[test]
fn pool_067_a_group_that_keeps_going_has_an_outcome_of_each() {
    let pool = tasks(2, 64);
    let group = pool.group::<u32, &str>().keep_going();
    let token = group.token();
    for number in 0..6 {
        group
            .spawn(move || match number {
                1 => Err("an error"),
                3 => planned_panic(),
                number => Ok(number),
            })
            .unwrap();
    }
    let outcomes = within("each outcome", move || group.wait_each());
    let told: Vec<String> = outcomes.iter().map(|outcome| format!("{outcome:?}")).collect();
    assert_eq!(told[..3], ["Ok(0)", "Err(Failed(\"an error\"))", "Ok(2)"]);
    assert!(matches!(outcomes[3], Err(GroupError::Panicked(_))));
    assert_eq!(told[4..], ["Ok(4)", "Ok(5)"]);
    assert!(!token.is_cancelled());

    let group = pool.group::<u32, &str>().keep_going();
    (0..3)
        .for_each(|number| group.spawn(move || if number == 1 { Err("first") } else { Ok(number) }).unwrap());
    assert!(matches!(waited(group), Err(GroupError::Failed("first"))), "`wait` has its error all the same");
}

#[test]
fn pool_067_outcomes_of_skipped_tasks_are_in_their_places() {
    let pool = tasks(1, 64);
    let gate = hold(&pool);
    let group = pool.group::<u32, &str>();
    group.spawn(|| Ok(0)).unwrap();
    group.spawn(|| Err("wrong")).unwrap();
    group.spawn(|| Ok(2)).unwrap();
    gate.open();
    eventually("it has failed", || group.is_cancelled());
    group.spawn(|| Ok(3)).unwrap();
    let outcomes = within("each outcome", move || group.wait_each());
    assert!(matches!(
        outcomes[..],
        [Ok(0), Err(GroupError::Failed("wrong")), Err(GroupError::Cancelled), Err(GroupError::Cancelled)]
    ));
}

#[test]
fn pool_067_waiting_with_a_limit_gives_the_group_back() {
    let pool = tasks(2, 8);
    let group: TaskGroup<u8> = pool.group();
    group.spawn(|| Ok(7)).unwrap();
    let gate = hold_with_one(&group);
    group.spawn(|| Ok(8)).unwrap();
    // The first result is gathered, and kept.
    let group = group.wait_timeout(Duration::from_millis(2)).unwrap_err();
    let group = group.wait_timeout(Duration::ZERO).unwrap_err();
    group.spawn(|| Ok(9)).unwrap();
    gate.open();
    let outcome = within("the rest", move || group.wait_timeout(PATIENCE).unwrap());
    assert_eq!(outcome.unwrap(), [7, 1, 8, 9]);
}

/// Full, and nobody free: a worker that waits for its own group with a limit runs it.
#[test]
fn pool_067_a_worker_that_waits_with_a_limit_runs_the_groups_tasks() {
    let pool = tasks(1, 8);
    let inner = pool.clone();
    let outer = pool.spawn(move || {
        let group: TaskGroup<u8> = inner.group();
        (0..8).for_each(|number| group.spawn(move || Ok(number)).unwrap());
        group.wait_timeout(Duration::ZERO).map(|outcome| outcome.unwrap().len()).map_err(|group| group.len())
    });
    let outcome = within("a worker that waits", move || outer.unwrap().join()).unwrap();
    assert_eq!(outcome, Ok(8));
}

#[test]
fn pool_067_a_group_is_a_future() {
    struct Rings(Gate);
    impl Wake for Rings {
        fn wake(self: Arc<Self>) {
            self.0.open();
        }
    }
    fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
        loop {
            let bell = Gate::new();
            let waker = Waker::from(Arc::new(Rings(bell.clone())));
            match Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => bell.pass(),
            }
        }
    }
    let pool = tasks(2, 64);
    let group: TaskGroup<u8> = pool.group();
    let gate = hold_with_one(&group);
    (10..20).for_each(|number| group.spawn(move || Ok(number)).unwrap());
    let opener = thread::spawn(move || gate.open());
    let results = within("an awaited group", move || block_on(group)).unwrap();
    assert_eq!(results, [1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    opener.join().unwrap();
    let failing = pool.group::<(), u8>();
    failing.spawn(|| Err(3)).unwrap();
    assert_eq!(within("an awaited failure", move || block_on(failing)).unwrap_err().into_failure(), Some(3));
    // Given up while it is awaited: its tasks run, and the waker is gone.
    let group: TaskGroup<u8> = pool.group();
    let gate = hold_with_one(&group);
    let bell = Arc::new(Rings(Gate::new()));
    let mut group = group;
    let waker = Waker::from(bell.clone());
    assert!(Pin::new(&mut group).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    drop(group);
    assert_eq!(Arc::strong_count(&bell), 1);
    gate.open();
}

/// Results that nobody waited for are dropped with the group, each by itself.
#[test]
fn pool_067_a_group_given_up_after_a_limit_drops_what_it_has_gathered() {
    let pool = tasks(2, 8);
    let group = pool.group::<Arc<()>, ()>();
    let alive = Arc::new(());
    let result = alive.clone();
    group.spawn(move || Ok(result)).unwrap();
    let gate = Gate::new();
    let (held, late) = (gate.clone(), alive.clone());
    group
        .spawn(move || {
            held.pass();
            Ok(late)
        })
        .unwrap();
    let group = group.wait_timeout(Duration::from_millis(5)).unwrap_err();
    drop(group);
    gate.open();
    eventually("all are gone", || Arc::strong_count(&alive) == 1);
}
