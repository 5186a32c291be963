//! Random graphs of tasks that spawn, join, wait for groups and scopes, on pools of every size, queue and policy.
//!
//! The rule: whatever they wait for, it ends or says so. What is refused is run in place, and a refused join gives its
//! handle to whoever comes next; so a case ends unless somebody sleeps for ever. A watchdog then prints the case and
//! ends the process, since nothing else could.
//!
//! 200 cases; `PROPTEST_CASES` asks for another number.

use std::env;
use std::io::{self, Write};
use std::process::abort;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_pool::{SubPool, TaskError, TaskHandle, TaskPool, WhenFull, WorkerPool};
use anthill_tests::LONG_PATIENCE;
use proptest::prelude::*;

/// What a task does, one after the other.
type Plan = Vec<Step>;

#[derive(Clone, Debug)]
enum Step {
    Spawn(usize, Plan, Then),
    Group(usize, Vec<Plan>),
    Scope(usize, Vec<Plan>),
    /// A task of a share of one, joined at once; of the pool itself on workers of another one.
    Share(usize, Plan),
    /// Joins one of the published tasks, which may be waiting for this one.
    JoinPublished(usize),
    Yield,
}

/// What becomes of a handle.
#[derive(Clone, Copy, Debug)]
enum Then {
    JoinNow,
    JoinLast,
    /// Joined for no more than a millisecond, and published if that was not enough.
    JoinShortly,
    Publish,
}

#[derive(Clone, Copy, Debug)]
struct PoolOptions {
    workers: usize,
    queue: Option<usize>,
    when_full: WhenFull,
}

#[derive(Clone, Debug)]
struct Case {
    pools: Vec<PoolOptions>,
    /// Each is run by a thread that is no worker.
    roots: Vec<Plan>,
}

struct World {
    pools: Vec<(TaskPool, SubPool)>,
    published: Mutex<Vec<TaskHandle<()>>>,
    ran: AtomicUsize,
}

fn plans() -> impl Strategy<Value = Plan> {
    let leaf = prop_oneof![
        2 => Just(Step::Yield),
        3 => (0..8usize).prop_map(Step::JoinPublished),
    ];
    let plan = prop::collection::vec(leaf, 0..3);
    plan.prop_recursive(5, 48, 4, |inner| {
        let then =
            prop_oneof![Just(Then::JoinNow), Just(Then::JoinLast), Just(Then::JoinShortly), Just(Then::Publish)];
        let pool = 0..3usize;
        let few = || prop::collection::vec(inner.clone(), 0..4);
        let step = prop_oneof![
            6 => (pool.clone(), inner.clone(), then).prop_map(|(pool, plan, then)| Step::Spawn(pool, plan, then)),
            2 => (pool.clone(), few()).prop_map(|(pool, plans)| Step::Group(pool, plans)),
            2 => (pool.clone(), few()).prop_map(|(pool, plans)| Step::Scope(pool, plans)),
            1 => (pool, inner.clone()).prop_map(|(pool, plan)| Step::Share(pool, plan)),
            1 => (0..8usize).prop_map(Step::JoinPublished),
        ];
        prop::collection::vec(step, 1..4)
    })
}

fn pool_options() -> impl Strategy<Value = PoolOptions> {
    let queue = prop_oneof![3 => Just(Some(0)), 3 => (1..4usize).prop_map(Some), 1 => Just(None)];
    let policy = prop_oneof![
        4 => Just(WhenFull::Block),
        1 => Just(WhenFull::Refuse),
        1 => Just(WhenFull::RunOnCaller),
        1 => Just(WhenFull::DiscardOldest),
    ];
    (1..4usize, queue, policy).prop_map(|(workers, queue, when_full)| {
        // Nothing could be discarded without a queue.
        let when_full = if queue == Some(0) && when_full == WhenFull::DiscardOldest {
            WhenFull::Block
        } else {
            when_full
        };
        PoolOptions { workers, queue, when_full }
    })
}

fn cases() -> impl Strategy<Value = Case> {
    let pools = prop::collection::vec(pool_options(), 1..4);
    (pools, prop::collection::vec(plans(), 1..4)).prop_map(|(pools, roots)| Case { pools, roots })
}

/// How many tasks a plan is, itself included.
fn size(plan: &Plan) -> usize {
    let of_step = |step: &Step| match step {
        Step::Spawn(_, plan, _) | Step::Share(_, plan) => size(plan),
        Step::Group(_, plans) | Step::Scope(_, plans) => plans.iter().map(size).sum(),
        Step::JoinPublished(_) | Step::Yield => 0,
    };
    1 + plan.iter().map(of_step).sum::<usize>()
}

impl World {
    fn of(case: &Case) -> Arc<World> {
        let pools = case.pools.iter().map(|options| {
            let pool = WorkerPool::builder()
                .max_workers(options.workers)
                .queue_capacity(options.queue)
                .when_full(options.when_full)
                .build_tasks()
                .unwrap();
            let share = pool.sub_pool(1);
            (pool, share)
        });
        Arc::new(World { pools: pools.collect(), published: Mutex::default(), ran: AtomicUsize::new(0) })
    }

    fn pool(&self, number: usize) -> &(TaskPool, SubPool) {
        &self.pools[number % self.pools.len()]
    }

    fn publish(&self, handle: TaskHandle<()>) {
        self.published.lock().unwrap().push(handle);
    }

    fn join(&self, handle: TaskHandle<()>) {
        match handle.join() {
            Ok(()) | Err(TaskError::Lost) => {}
            Err(TaskError::Panicked(panic)) => panic.resume(),
            Err(refused) => self.publish(TaskHandle::from_refused(refused).expect("it comes back")),
        }
    }
}

fn run(world: &Arc<World>, plan: Plan) {
    world.ran.fetch_add(1, Ordering::Relaxed);
    let mut last = Vec::new();
    for step in plan {
        match step {
            Step::Spawn(number, plan, then) => {
                let inside = world.clone();
                let spawned = world.pool(number).0.spawn(move || run(&inside, plan));
                let handle = match spawned {
                    Ok(handle) => handle,
                    Err(refusal) => {
                        refusal.into_payload().run();
                        continue;
                    }
                };
                match then {
                    Then::JoinNow => world.join(handle),
                    Then::JoinLast => last.push(handle),
                    Then::JoinShortly => match handle.join_timeout(Duration::from_millis(1)) {
                        Ok(Err(TaskError::Panicked(panic))) => panic.resume(),
                        Ok(_) => {}
                        Err(handle) => world.publish(handle),
                    },
                    Then::Publish => world.publish(handle),
                }
            }
            Step::Group(number, plans) => {
                let group = world.pool(number).0.group::<(), ()>();
                for plan in plans {
                    let inside = world.clone();
                    let spawned = group.spawn(move || {
                        run(&inside, plan);
                        Ok(())
                    });
                    let _ = spawned.map_err(|refusal| refusal.into_payload().run());
                }
                let _ = group.wait();
            }
            Step::Scope(number, plans) => world.pool(number).0.scope(|scope| {
                for plan in plans {
                    scope.execute(|| run(world, plan));
                }
            }),
            Step::Share(number, plan) => run_in_share(world, number, plan),
            Step::JoinPublished(number) => {
                let mut published = world.published.lock().unwrap();
                let handle = match published.len() {
                    0 => continue,
                    count => published.swap_remove(number % count),
                };
                drop(published);
                world.join(handle);
            }
            Step::Yield => thread::yield_now(),
        }
    }
    last.into_iter().for_each(|handle| world.join(handle));
}

/// Whether a share's own limit keeps a task from being started is not seen from another pool, so workers of those use the
/// pool itself.
fn run_in_share(world: &Arc<World>, number: usize, plan: Plan) {
    let (pool, share) = world.pool(number);
    let inside = world.clone();
    let task = move || run(&inside, plan);
    let spawned = match world.pools.iter().any(|(other, _)| other.is_worker()) && !pool.is_worker() {
        true => pool.spawn(task),
        false => share.spawn(task),
    };
    match spawned {
        Ok(handle) => world.join(handle),
        Err(refusal) => refusal.into_payload().run(),
    }
}

/// Runs a case to its end, on threads of its own.
fn run_case(case: &Case) {
    let world = World::of(case);
    let (ends, ended) = channel();
    for plan in case.roots.clone() {
        let (world, ends) = (world.clone(), ends.clone());
        thread::spawn(move || {
            run(&world, plan);
            // Nobody is there any more only when the watchdog has barked.
            let _ = ends.send(());
        });
    }
    drop(ends);
    for _ in &case.roots {
        match ended.recv_timeout(LONG_PATIENCE) {
            Ok(()) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => panic!("a root panicked"),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => bark(&world, case),
        }
    }
    // A task of one pool may still hand tasks to one that was idle before.
    let accepted = || world.pools.iter().map(|(pool, _)| pool.stats().accepted).sum::<u64>();
    loop {
        let before = accepted();
        if world.pools.iter().any(|(pool, _)| pool.wait_idle_timeout(LONG_PATIENCE).is_err()) {
            bark(&world, case);
        }
        if accepted() == before {
            break;
        }
    }
    let discards = case.pools.iter().any(|options| options.when_full == WhenFull::DiscardOldest);
    let (tasks, ran) = (case.roots.iter().map(size).sum::<usize>(), world.ran.load(Ordering::Relaxed));
    assert!(if discards { ran <= tasks } else { ran == tasks }, "{ran} of {tasks} tasks ran");
    for (pool, _) in &world.pools {
        assert_eq!(pool.stats().panicked, 0);
    }
}

fn bark(world: &World, case: &Case) -> ! {
    // Past the test harness, which would keep it to itself; a refused write changes nothing any more.
    let mut out = io::stderr();
    for (pool, share) in &world.pools {
        let _ = writeln!(out, "{:?}\n{:?}", pool.stats(), share.stats());
    }
    let _ = writeln!(out, "hangs: {case:#?}");
    abort();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 200 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn pool_f1_a_random_graph_of_tasks_ends_or_says_so(case in cases()) {
        run_case(&case);
    }
}

/// One case that nobody has to be lucky for: three pools of one worker, in a ring.
#[test]
fn pool_f1_a_ring_of_pools_ends() {
    for queue in [Some(0), Some(1), None] {
        let pools = vec![PoolOptions { workers: 1, queue, when_full: WhenFull::Block }; 3];
        let mut plan = Plan::new();
        for number in (0..9).rev() {
            plan = vec![Step::Spawn(number, plan, Then::JoinNow)];
        }
        run_case(&Case { pools, roots: vec![plan; 3] });
    }
}
