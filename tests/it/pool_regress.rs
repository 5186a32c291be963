//! What reviews found: the user's code where it must not run, slots that were lost, hangs. One test each; every one of
//! them failed before its cause was mended.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use anthill_pool::{Refusal, WorkerPool};
use anthill_tests::{Gate, PATIENCE, background, eventually, quiet_panics, within};

/// Runs a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A pool that its own hooks can reach.
type Myself = Arc<OnceLock<WorkerPool<u8>>>;

#[test]
fn pool_069_a_duty_is_not_dropped_under_the_lock() {
    within("a broadcast whose duty looks at the pool in its drop", || {
        let pool = WorkerPool::new(1, |_: u8| {}).unwrap();
        let seen = pool.clone();
        let looks = OnDrop(move || _ = seen.stats());
        assert_eq!(pool.broadcast(move |_| _ = &looks), 0, "there is no worker yet");
    });
}

#[test]
fn pool_069_a_duty_for_a_thread_that_is_refused_is_not_dropped_under_the_lock() {
    within("a broadcast that meets a refused thread", || {
        let (asked, go_on) = (Gate::new(), Gate::new());
        let pool = {
            let (asked, go_on) = (asked.clone(), go_on.clone());
            let refuses = move |_| {
                asked.open();
                go_on.pass();
                Err(io::Error::other("no threads"))
            };
            WorkerPool::builder().max_workers(1).spawner(refuses).build(|_: u8| {}).unwrap()
        };
        let submitter = {
            let pool = pool.clone();
            background(move || pool.submit(1).is_err())
        };
        asked.pass();
        let seen = pool.clone();
        let looks = OnDrop(move || _ = seen.stats());
        assert_eq!(pool.broadcast(move |_| _ = &looks), 1);
        go_on.open();
        assert!(submitter.outcome("the submitter"));
    });
}

#[test]
fn pool_069_a_duty_whose_drop_panics_costs_no_worker() {
    quiet_panics();
    let (gate, dropped) = (Gate::new(), Gate::new());
    let held = gate.clone();
    let options = WorkerPool::builder().name("quiet-duty").max_workers(1);
    let pool = options.build(move |_: u8| held.pass()).unwrap();
    pool.submit(1).unwrap();
    let panics = {
        let dropped = dropped.clone();
        OnDrop(move || {
            dropped.open();
            panic!("planned");
        })
    };
    // The worker is held, so that the broadcaster has dropped its share before, and the worker is the last to do so.
    assert_eq!(pool.broadcast(move |_| _ = &panics), 1);
    gate.open();
    dropped.pass();
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}

/// An error of the user's that looks at the pool when it is dropped.
struct Nosy(Myself);

impl fmt::Debug for Nosy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nosy")
    }
}

impl fmt::Display for Nosy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no state")
    }
}

impl Error for Nosy {}

impl Drop for Nosy {
    fn drop(&mut self) {
        let _ = self.0.get().map(WorkerPool::stats);
    }
}

#[test]
fn pool_084_an_error_of_the_states_maker_is_not_dropped_under_the_lock() {
    quiet_panics();
    within("a submission that loses the worker it waits for", || {
        let (myself, made) = (Myself::default(), AtomicUsize::new(0));
        let gate = Gate::new();
        let pool = {
            let (myself, gate) = (myself.clone(), gate.clone());
            WorkerPool::builder()
                .name("quiet-nosy")
                .max_workers(2)
                .build_with_state(
                    move |_| match made.fetch_add(1, Ordering::Relaxed) {
                        0 => Ok(()),
                        _ => Err(Nosy(myself.clone())),
                    },
                    move |(), is_first: u8| {
                        if is_first == 1 {
                            gate.pass();
                            panic!("planned");
                        }
                    },
                )
                .unwrap()
        };
        myself.set(pool.clone()).expect("once");
        pool.submit(1).unwrap();
        let blocked = {
            let pool = pool.clone();
            background(move || pool.submit(2).map_err(|error| error.refusal()))
        };
        eventually("the second one is blocked", || pool.waiting() == 1);
        gate.open();
        assert_eq!(blocked.outcome("the blocked submitter"), Err(Refusal::StateFailed));
    });
}

/// Its drop panics.
#[derive(Debug)]
struct Explosive;

impl fmt::Display for Explosive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no state")
    }
}

impl Error for Explosive {}

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("planned");
    }
}

#[test]
fn pool_084_an_error_whose_drop_panics_costs_no_slot() {
    quiet_panics();
    let made = AtomicUsize::new(0);
    let pool = WorkerPool::builder()
        .name("quiet-explosive")
        .max_workers(1)
        .build_with_state(
            move |_| if made.fetch_add(1, Ordering::Relaxed) == 0 { Ok(()) } else { Err(Explosive) },
            |(), _: u8| panic!("planned"),
        )
        .unwrap();
    pool.submit(1).unwrap();
    eventually("the worker leaves", || pool.running() == 0);
    pool.stop();
    pool.wait_timeout(PATIENCE).unwrap();
}

#[test]
fn pool_071_a_worker_that_is_being_made_does_not_wait_for_itself() {
    for in_hook in [false, true] {
        within("a submission from inside the making of a worker", move || {
            let myself = Myself::default();
            let (answers, inbox) = channel();
            let nested = {
                let (myself, answers) = (myself.clone(), Mutex::new(answers));
                move || {
                    let answer = myself.get().expect("set before").submit(7).map_err(|error| error.refusal());
                    answers.lock().unwrap().send(answer).unwrap();
                }
            };
            let nested = Arc::new(nested);
            let hook = nested.clone();
            let pool = WorkerPool::builder()
                .max_workers(1)
                .queue_capacity(8)
                .on_worker_start(move |_| {
                    if in_hook {
                        hook();
                    }
                })
                .build_with_state(
                    move |_| {
                        if !in_hook {
                            nested();
                        }
                        Ok::<_, io::Error>(())
                    },
                    |(), _: u8| {},
                )
                .unwrap();
            myself.set(pool.clone()).expect("once");
            pool.submit(1).unwrap();
            assert_eq!(inbox.recv_timeout(PATIENCE).unwrap(), Err(Refusal::WouldDeadlock));
        });
    }
}

/// Has the second of two workers leave, who says so at `leaves` and submits then, while the first waits at `gate`; and
/// opens that once the submission waits in line.
fn second_leaves_beside_a_busy_one(pool: &WorkerPool<u8>, gate: &Gate, leaves: &Gate) {
    pool.submit(1).unwrap();
    pool.submit(0).unwrap();
    eventually("the second worker is idle", || pool.stats().idle == 1);
    pool.set_max_workers(1).unwrap();
    leaves.pass();
    eventually("what it submits waits in line", || pool.waiting() == 1);
    gate.open();
}

#[test]
fn pool_071_a_worker_that_has_left_waits_like_anybody() {
    let myself = Myself::default();
    let (answers, inbox) = channel();
    let (gate, left) = (Gate::new(), Gate::new());
    let pool = {
        let (myself, answers, held, left) = (myself.clone(), Mutex::new(answers), gate.clone(), left.clone());
        WorkerPool::builder()
            .max_workers(2)
            .on_worker_stop(move |index| {
                if index == 1 {
                    left.open();
                    let answer = myself.get().expect("set before").submit(0).map_err(|error| error.refusal());
                    answers.lock().unwrap().send(answer).unwrap();
                }
            })
            .build(move |waits: u8| {
                if waits == 1 {
                    held.pass();
                }
            })
            .unwrap()
    };
    myself.set(pool.clone()).expect("once");
    second_leaves_beside_a_busy_one(&pool, &gate, &left);
    assert_eq!(inbox.recv_timeout(PATIENCE).unwrap(), Ok(()));
}

#[test]
fn pool_077_the_age_of_a_batch_does_not_count_from_its_call() {
    let discarded = Arc::new(AtomicUsize::new(0));
    let count = discarded.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(64)
        .max_queue_age(Duration::from_secs(2))
        .on_discard(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .build(|_: u32| thread::sleep(Duration::from_millis(1)))
        .unwrap();
    // Over three seconds in all, but nobody waits for more than 64 others.
    pool.submit_many((0..3_000).collect()).unwrap();
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(discarded.load(Ordering::Relaxed), 0);
}

#[test]
fn pool_020_prestart_ends_although_workers_expire_meanwhile() {
    let pool = WorkerPool::builder()
        .max_workers(400)
        .max_idle_worker_duration(Duration::from_micros(1))
        .build(|_: u8| {})
        .unwrap();
    let asked = pool.clone();
    let made = within("prestart", move || asked.prestart(200).unwrap());
    assert!(made <= 200, "{made}");
}

#[test]
fn pool_047_a_submitter_that_tries_again_is_still_reckoned_with() {
    quiet_panics();
    let (made, ran) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (gate, slow) = (Gate::new(), Gate::new());
    let pool = {
        let (gate, slow, ran) = (gate.clone(), slow.clone(), ran.clone());
        WorkerPool::builder()
            .name("quiet-forsaken")
            .max_workers(1)
            .build_with_state(
                move |_| match made.fetch_add(1, Ordering::Relaxed) {
                    1 => Err(io::Error::other("once")),
                    2 => {
                        slow.pass();
                        Ok(())
                    }
                    _ => Ok(()),
                },
                move |(), n: u8| {
                    if n == 1 {
                        gate.pass();
                        panic!("planned");
                    }
                    ran.fetch_add(1, Ordering::Relaxed);
                },
            )
            .unwrap()
    };
    pool.submit(1).unwrap();
    let blocked = {
        let pool = pool.clone();
        background(move || pool.submit(2).is_ok())
    };
    eventually("the second one is blocked", || pool.waiting() == 1);
    let waiter = {
        let (pool, ran) = (pool.clone(), ran.clone());
        background(move || {
            pool.wait_idle().unwrap();
            ran.load(Ordering::Relaxed)
        })
    };
    gate.open();
    // The worker is lost, and the one that is made for the second payload takes its time.
    eventually("a new worker is made", || pool.stats().blocked == 0 && pool.running() == 1);
    slow.open();
    assert!(blocked.outcome("the blocked submitter"));
    assert_eq!(waiter.outcome("the waiter"), 1, "it returned before the second payload had run");
}

#[test]
fn pool_027_a_raise_makes_no_more_workers_than_have_something_to_do() {
    let gate = Gate::new();
    let held = gate.clone();
    let pool = WorkerPool::builder()
        .max_workers(1)
        .queue_capacity(2_000)
        .build(move |waits: bool| {
            if waits {
                held.pass();
            }
        })
        .unwrap();
    pool.submit(true).unwrap();
    pool.submit_many(vec![false; 1_999]).unwrap();
    pool.set_max_workers(1_000).unwrap();
    let stats = pool.stats();
    gate.open();
    // Slots are reserved for all at first; threads are only made while there is something to do.
    assert!(stats.spawned < 900, "{stats:?}");
}

#[test]
fn pool_027_a_stop_ends_the_making_of_workers() {
    let (made, first) = (Arc::new(AtomicUsize::new(0)), Gate::new());
    let (gate, held) = (Gate::new(), Gate::new());
    let pool = {
        let (made, first, gate, held) = (made.clone(), first.clone(), gate.clone(), held.clone());
        WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(10)
            .spawner(move |worker| {
                if made.fetch_add(1, Ordering::Relaxed) == 1 {
                    first.open();
                    gate.pass();
                }
                worker.spawn()
            })
            .build(move |waits: bool| {
                if waits {
                    held.pass();
                }
            })
            .unwrap()
    };
    pool.submit(true).unwrap();
    pool.submit_many(vec![false; 10]).unwrap();
    let resizer = {
        let pool = pool.clone();
        background(move || pool.set_max_workers(11).unwrap())
    };
    first.pass();
    let rest = pool.stop_now();
    gate.open();
    resizer.outcome("the resizer");
    held.open();
    pool.wait_timeout(PATIENCE).unwrap();
    assert_eq!(rest.len(), 10);
    assert_eq!(made.load(Ordering::Relaxed), 2, "the worker there was, and the one that was being made");
}

#[test]
fn pool_071_a_start_hook_may_submit_while_its_worker_is_still_being_made() {
    let myself = Myself::default();
    let (answers, inbox) = channel();
    let pool = {
        let (myself, answers) = (myself.clone(), Mutex::new(answers));
        WorkerPool::builder()
            .max_workers(1)
            .queue_capacity(8)
            .spawner(|new| {
                let thread = new.spawn();
                // So that the hook comes first.
                thread::sleep(Duration::from_millis(50));
                thread
            })
            .on_worker_start(move |_| {
                let answer = myself.get().expect("set before").submit(7).map_err(|error| error.refusal());
                answers.lock().unwrap().send(answer).unwrap();
            })
            .build(|_: u8| {})
            .unwrap()
    };
    myself.set(pool.clone()).expect("once");
    pool.submit(1).unwrap();
    assert_eq!(inbox.recv_timeout(PATIENCE).unwrap(), Ok(()));
    pool.wait_idle_timeout(PATIENCE).unwrap();
    assert_eq!(pool.stats().finished, 2);
}

/// Submits to its pool when it is dropped.
struct Restless {
    myself: Myself,
    answers: std::sync::mpsc::Sender<Result<(), Refusal>>,
    dropping: Gate,
}

impl Drop for Restless {
    fn drop(&mut self) {
        self.dropping.open();
        let answer = self.myself.get().expect("set before").submit(0).map_err(|error| error.refusal());
        // Nobody listens to the last worker's.
        let _ = self.answers.send(answer);
    }
}

#[test]
fn pool_084_a_state_that_is_dropped_by_a_worker_that_left_submits_like_anybody() {
    let myself = Myself::default();
    let (answers, inbox) = channel();
    let (gate, dropping) = (Gate::new(), Gate::new());
    let pool = {
        let (myself, held, dropping) = (myself.clone(), gate.clone(), dropping.clone());
        let answers = Mutex::new(answers);
        WorkerPool::builder()
            .max_workers(2)
            .build_with_state(
                move |_| {
                    let answers = answers.lock().unwrap().clone();
                    Ok::<_, io::Error>(Restless {
                        myself: myself.clone(),
                        answers,
                        dropping: dropping.clone(),
                    })
                },
                move |_, waits: u8| {
                    if waits == 1 {
                        held.pass();
                    }
                },
            )
            .unwrap()
    };
    myself.set(pool.clone()).expect("once");
    second_leaves_beside_a_busy_one(&pool, &gate, &dropping);
    assert_eq!(inbox.recv_timeout(PATIENCE).unwrap(), Ok(()));
}
