//! Workers that sleep for work of pools: for a task, a group, a scope, or in line for room.
//!
//! The rule: whoever sleeps is seen to sleep, so the last one that could move is helped or told, and nothing ends in a
//! hang: not on a full pool, not on one without a queue, not when two pools wait for each other. Of those who wait for
//! each other a submission is refused first, and a join only when there is none.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anthill_pool::{GroupError, Refusal, SubmitError, TaskError, TaskHandle, TaskPool, WhenFull, WorkerPool};
use anthill_tests::pool::{hold, reaches, tasks};
use anthill_tests::{Gate, PATIENCE, within};

/// What a submission of an empty task that may have to wait comes to.
fn submission(pool: &TaskPool) -> Result<(), Refusal> {
    pool.execute(|| {}).map_err(|error| error.refusal())
}

/// The same as a task on another worker than the caller's, told through the channel.
fn submitting(pool: &TaskPool, answers: &Sender<Result<(), Refusal>>) -> impl FnOnce() + Send + use<> {
    let (pool, answers) = (pool.clone(), answers.clone());
    move || answers.send(submission(&pool)).unwrap()
}

/// Runs `sleep` on a worker of a pool of two without a queue; it is to sleep for the given task, which submits another
/// one. What it is given too returns once the task has begun, on the other worker. Returns what came of that
/// submission.
fn asleep_for(
    sleep: impl FnOnce(&TaskPool, Box<dyn FnOnce() + Send>, &dyn Fn()) + Send + 'static,
) -> Result<(), Refusal> {
    let pool = tasks(2, 0);
    let (answers, answer) = channel();
    let begun = Gate::new();
    let (begins, submit) = (begun.clone(), submitting(&pool, &answers));
    let inner = Box::new(move || {
        begins.open();
        submit();
    });
    let handle = pool.clone();
    let outer = pool.spawn(move || sleep(&handle, inner, &|| begun.pass())).unwrap();
    outer.join_timeout(PATIENCE).expect("the sleeper goes on").unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    answer.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn pool_f1_a_worker_that_joins_is_seen_to_sleep() {
    let refused = asleep_for(|pool, task, begun| {
        let handle = pool.spawn(task).unwrap();
        begun();
        handle.join().unwrap();
    });
    assert_eq!(refused, Err(Refusal::WouldDeadlock));
}

#[test]
fn pool_f1_a_worker_that_joins_with_a_limit_is_seen_to_sleep() {
    for limit in [PATIENCE * 4, Duration::MAX] {
        let refused = asleep_for(move |pool, task, begun| {
            let handle = pool.spawn(task).unwrap();
            begun();
            let outcome = handle.join_timeout(limit);
            outcome.expect("long before the time is up").unwrap();
        });
        assert_eq!(refused, Err(Refusal::WouldDeadlock));
    }
}

#[test]
fn pool_f1_a_worker_that_waits_for_a_group_is_seen_to_sleep() {
    let refused = asleep_for(|pool, task, begun| {
        let group = pool.group::<(), ()>();
        let member = move || {
            task();
            Ok(())
        };
        group.spawn(member).unwrap();
        begun();
        group.wait().unwrap();
    });
    assert_eq!(refused, Err(Refusal::WouldDeadlock));
}

#[test]
fn pool_f1_the_owner_of_a_scope_is_seen_to_sleep() {
    let refused = asleep_for(|pool, task, begun| {
        pool.scope(|scope| {
            scope.spawn(task);
            begun();
        });
    });
    assert_eq!(refused, Err(Refusal::WouldDeadlock));
}

#[test]
fn pool_f1_a_worker_that_joins_a_task_of_a_share_is_seen_to_sleep() {
    let refused = asleep_for(|pool, task, begun| {
        let handle = pool.sub_pool(1).spawn(task).unwrap();
        begun();
        handle.join().unwrap();
    });
    assert_eq!(refused, Err(Refusal::WouldDeadlock));
}

#[test]
fn pool_f1_sleepers_behind_sleepers_are_seen() {
    let pool = tasks(4, 0);
    let (answers, answer) = channel();
    let (first, second) = (pool.clone(), pool.clone());
    let last = submitting(&pool, &answers);
    let third = hold(&pool);
    let outer = pool
        .spawn(move || {
            let group = first.group::<(), ()>();
            let (has_begun, begun) = channel();
            group
                .spawn(move || {
                    has_begun.send(()).unwrap();
                    let (has_begun, begun) = channel();
                    second.scope(|scope| {
                        scope.spawn(move || {
                            has_begun.send(()).unwrap();
                            last();
                        });
                        begun.recv_timeout(PATIENCE).unwrap();
                    });
                    Ok(())
                })
                .unwrap();
            begun.recv_timeout(PATIENCE).unwrap();
            group.wait().unwrap();
        })
        .unwrap();
    reaches(&pool, "the submission waits, as one worker is held and will come free", |stats| {
        stats.blocked == 1
    });
    assert!(answer.try_recv().is_err(), "it is not refused while a worker moves");
    third.open();
    assert_eq!(answer.recv_timeout(PATIENCE), Ok(Ok(())), "it was served");
    outer.join_timeout(PATIENCE).expect("all go on").unwrap();
}

/// It waits in line before anybody sleeps for it.
#[test]
fn pool_f1_who_waits_in_line_is_told_when_the_last_other_worker_falls_asleep() {
    let pool = tasks(2, 0);
    let (answers, answer) = channel();
    let waiting = pool.spawn(submitting(&pool, &answers)).unwrap();
    let (gate, held) = (Gate::new(), Gate::new());
    let pass = gate.clone();
    let sleeper = {
        let held = held.clone();
        pool.spawn(move || {
            held.open();
            pass.pass();
            waiting.join()
        })
    };
    // The first may have been done before the second one came.
    held.pass();
    reaches(&pool, "one waits in line, or was served", |stats| stats.blocked == 1 || stats.finished > 0);
    let waits = pool.waiting() == 1;
    gate.open();
    sleeper.unwrap().join_timeout(PATIENCE).expect("it goes on").unwrap().unwrap();
    let answer = answer.recv_timeout(PATIENCE).unwrap();
    assert_eq!(answer, if waits { Err(Refusal::WouldDeadlock) } else { Ok(()) });
}

/// A worker of `outer` joins a task of `inner` that waits for room in `outer`.
#[test]
fn pool_f1_two_pools_without_queues_do_not_wait_for_each_other() {
    let (outer, inner) = (tasks(1, 0), tasks(1, 0));
    let (answers, answer) = channel();
    let back = submitting(&outer, &answers);
    let there = inner.clone();
    let handle = outer.spawn(move || there.spawn(back).unwrap().join()).unwrap();
    handle.join_timeout(PATIENCE).expect("no deadlock").unwrap().unwrap();
    assert_eq!(answer.recv_timeout(PATIENCE), Ok(Err(Refusal::WouldDeadlock)));
}

/// A worker of `outer` joins a task of `inner` that joins one that is queued in `outer`, whose only worker sleeps.
#[test]
fn pool_f1_two_pools_with_queues_do_not_wait_for_each_other() {
    let (outer, inner) = (tasks(1, 8), tasks(1, 8));
    let (there, back) = (inner.clone(), outer.clone());
    let handle = outer
        .spawn(move || {
            let inside =
                move || back.spawn(|| std::thread::current().name().map(str::to_owned)).unwrap().join();
            there.spawn(inside).unwrap().join().unwrap().unwrap()
        })
        .unwrap();
    assert!(handle.join_timeout(PATIENCE).expect("no deadlock").unwrap().is_some(), "whoever could ran it");
}

/// The same with a group, of which the task that nobody could start is one.
#[test]
fn pool_f1_a_group_of_another_pool_is_helped_when_nobody_else_can() {
    let (outer, inner) = (tasks(1, 8), tasks(1, 8));
    let (there, back) = (inner.clone(), outer.clone());
    let handle = outer
        .spawn(move || {
            let inside = move || {
                let group = back.group::<u8, ()>();
                for number in 0..3 {
                    group.spawn(move || Ok(number)).unwrap();
                }
                group.wait().unwrap()
            };
            there.spawn(inside).unwrap().join().unwrap()
        })
        .unwrap();
    assert_eq!(handle.join_timeout(PATIENCE).expect("no deadlock").unwrap(), [0, 1, 2]);
}

type Exchange<R> = (Sender<TaskHandle<R>>, Receiver<TaskHandle<R>>);

/// Two tasks, on a worker of each of these pools, that get the handle of the other one and do `meet` with it.
fn exchange<R: Send + 'static>(
    pools: [&TaskPool; 2],
    meet: impl Fn(usize, TaskHandle<R>) -> R + Clone + Send + 'static,
) {
    let [(give_first, first), (give_second, second)]: [Exchange<R>; 2] = [channel(), channel()];
    let begun = [Gate::new(), Gate::new()];
    let task = |number: usize, given: Receiver<TaskHandle<R>>| {
        let (meet, begins) = (meet.clone(), begun[number].clone());
        move || {
            begins.open();
            meet(number, given.recv_timeout(PATIENCE).unwrap())
        }
    };
    let handles = [pools[0].spawn(task(0, first)).unwrap(), pools[1].spawn(task(1, second)).unwrap()];
    let [of_first, of_second] = handles;
    begun.iter().for_each(Gate::pass);
    give_first.send(of_second).unwrap();
    give_second.send(of_first).unwrap();
}

/// Two tasks join each other; others are idle, which does not help them.
#[test]
fn pool_f1_tasks_that_join_each_other_are_told_and_the_handle_stays() {
    let (one, other) = (tasks(4, 4), tasks(1, 0));
    one.prestart(4).unwrap();
    for pools in [[&one, &one], [&one, &other]] {
        let (ends, ended) = channel();
        exchange(pools, move |number, handle: TaskHandle<usize>| {
            match handle.join() {
                Ok(value) => ends.send(Ok((number, value))).unwrap(),
                Err(error) => ends.send(Err((number, error))).unwrap(),
            }
            number
        });
        let (mut refused, mut joined) = (None, None);
        for _ in 0..2 {
            match ended.recv_timeout(PATIENCE).expect("no deadlock") {
                Ok(pair) => joined = Some(pair),
                Err(pair) => refused = Some(pair),
            }
        }
        let (by, error) = refused.expect("one is refused");
        assert_eq!(joined, Some((1 - by, by)), "the other one has its result then");
        assert!(matches!(error, TaskError::WouldDeadlock(_)), "{error}");
        let handle = TaskHandle::<usize>::from_refused(error).expect("the handle is in it");
        assert_eq!(handle.join_timeout(PATIENCE).unwrap().unwrap(), 1 - by, "and can be used");
    }
}

#[test]
fn pool_f1_a_limited_join_in_a_circle_ends_by_its_limit() {
    let pool = tasks(2, 0);
    let (ends, ended) = channel();
    exchange([&pool, &pool], move |number, handle: TaskHandle<usize>| {
        let joined = match number {
            0 => handle.join_timeout(Duration::from_millis(20)).map_err(drop).ok(),
            _ => Some(handle.join()),
        };
        ends.send((number, joined.map(|outcome| outcome.map_err(|error| error.to_string())))).unwrap();
        number
    });
    let mut outcomes: Vec<_> = (0..2).map(|_| ended.recv_timeout(PATIENCE).expect("no deadlock")).collect();
    outcomes.sort();
    assert_eq!(outcomes, [(0, None), (1, Some(Ok(0)))], "nobody is refused where the time of one is limited");
}

#[test]
fn pool_f1_a_task_that_joins_itself_is_told() {
    let pool = tasks(2, 4);
    let (give, given) = channel::<TaskHandle<()>>();
    let (errors, error) = channel();
    let handle = pool
        .spawn(move || {
            let itself = given.recv_timeout(PATIENCE).unwrap();
            errors.send(itself.join().unwrap_err()).unwrap();
        })
        .unwrap();
    give.send(handle).unwrap();
    let error = error.recv_timeout(PATIENCE).expect("no deadlock");
    assert_eq!(error.to_string(), "the worker would wait for a task that waits for it");
    let other = TaskHandle::<u8>::from_refused(error).expect_err("it is a handle of another type");
    TaskHandle::<()>::from_refused(other).unwrap().join_timeout(PATIENCE).unwrap().unwrap();
    let ended = TaskHandle::<()>::from_refused(TaskError::Lost);
    assert!(matches!(ended, Err(TaskError::Lost)));
}

/// A task of a scope joins the task in which the scope is; whoever of the two sleeps last, the join is refused.
#[test]
fn pool_f1_a_scope_is_never_refused_but_what_waits_for_it() {
    for scope_sleeps_first in [true, false] {
        let pool = tasks(2, 0);
        let (give, given) = channel::<TaskHandle<()>>();
        let (errors, error) = channel();
        let handle = pool.clone();
        let outer = pool
            .spawn(move || {
                let (about_to_join, joins) = channel();
                handle.scope(|scope| {
                    scope.spawn(move || {
                        let outer = given.recv_timeout(PATIENCE).unwrap();
                        about_to_join.send(()).unwrap();
                        errors.send(outer.join().map_err(|error| format!("{error:?}"))).unwrap();
                    });
                    if !scope_sleeps_first {
                        joins.recv_timeout(PATIENCE).unwrap();
                    }
                });
            })
            .unwrap();
        give.send(outer).unwrap();
        assert_eq!(error.recv_timeout(PATIENCE).expect("no deadlock"), Err("WouldDeadlock".to_owned()));
        pool.wait_idle_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn pool_f1_a_group_that_waits_for_itself_is_told() {
    let pool = tasks(2, 0);
    let (give, given) = channel::<TaskHandle<bool>>();
    let handle = pool.clone();
    let outer = pool
        .spawn(move || {
            let group = handle.group::<(), ()>();
            let (has_begun, begun) = channel();
            group
                .spawn(move || {
                    has_begun.send(()).unwrap();
                    let outer = given.recv_timeout(PATIENCE).unwrap();
                    // Of the two the one is refused that sleeps last.
                    let _ = outer.join();
                    Ok(())
                })
                .unwrap();
            begun.recv_timeout(PATIENCE).unwrap();
            matches!(group.wait(), Ok(_) | Err(GroupError::WouldDeadlock))
        })
        .unwrap();
    give.send(outer).unwrap();
    pool.wait_idle_timeout(PATIENCE).expect("no deadlock");
}

/// The caller runs a task on top of one that it is waited for by.
#[test]
fn pool_f1_a_task_that_its_submitter_runs_may_not_wait_for_that() {
    let pool = WorkerPool::builder().max_workers(1).when_full(WhenFull::RunOnCaller).build_tasks().unwrap();
    let (give, given) = channel::<TaskHandle<bool>>();
    let handle = pool.clone();
    let outer = pool
        .spawn(move || {
            let inner = handle.spawn(move || given.recv_timeout(PATIENCE).unwrap().join());
            matches!(inner.unwrap().join(), Ok(Err(TaskError::WouldDeadlock(_))))
        })
        .unwrap();
    give.send(outer).unwrap();
    pool.wait_idle_timeout(PATIENCE).expect("no deadlock");
    assert_eq!(pool.stats().ran_by_caller, 1);
}

#[test]
fn pool_f1_a_worker_that_waits_for_a_map_is_seen_to_sleep() {
    for _ in 0..20 {
        let pool = tasks(2, 0);
        let (handle, inside) = (pool.clone(), pool.clone());
        let outer = pool.spawn(move || {
            // Run by the other worker, which then waits for room, or here when that one is late.
            let answers = handle.map_unordered(0..4, move |_| submission(&inside));
            answers.filter(|answer| !matches!(answer, Ok(()) | Err(Refusal::WouldDeadlock))).count()
        });
        assert_eq!(outer.unwrap().join_timeout(PATIENCE).expect("no deadlock").unwrap(), 0);
    }
}

#[test]
fn pool_f1_a_worker_that_waits_for_a_map_of_another_pool_waits_for_those_who_run_its_items() {
    // Workers of the other pool that are free do not bring what its busy ones owe.
    for others in 1..=3 {
        let (first, other) = (tasks(1, 4), tasks(others, 4));
        other.prestart(others).unwrap();
        let (back, over) = (first.clone(), other.clone());
        let outer = first.spawn(move || {
            let item = move |number: u32| match back.spawn(move || number).unwrap().join() {
                Err(TaskError::WouldDeadlock(refused)) => {
                    drop(refused);
                    number
                }
                ended => ended.unwrap(),
            };
            over.map_unordered(0..3, item).sum::<u32>()
        });
        let sum = within("a map over another pool", move || outer.unwrap().join().unwrap());
        assert_eq!(sum, 3, "{others} workers");
    }
}

/// Fork and join, in place where the pool refuses.
fn fibonacci(pool: &TaskPool, number: u64) -> u64 {
    if number < 2 {
        return number;
    }
    let forked = pool.clone();
    let left = match pool.spawn(move || fibonacci(&forked, number - 1)) {
        Ok(handle) => Ok(handle),
        Err(SubmitError::WouldDeadlock(closure)) => Err(closure.run()),
        Err(other) => panic!("{other:?}"),
    };
    let right = fibonacci(pool, number - 2);
    left.map_or_else(|value| value, |handle| handle.join().unwrap()) + right
}

#[test]
fn pool_f1_recursive_fork_and_join_ends_whatever_the_queue() {
    for workers in 1..=3 {
        for queue in [0, 1, 4, 1000] {
            let pool = tasks(workers, queue);
            let handle = pool.clone();
            let root = pool.spawn(move || fibonacci(&handle, 12)).unwrap();
            let sum = within("fork and join", move || root.join().unwrap());
            assert_eq!(sum, 144, "{workers} workers, a queue of {queue}");
        }
    }
}
