//! Random graphs of tasks that spawn, call, map, retry, join, wait for groups and scopes, cancel, stop and restart, on
//! pools of every size, queue and policy.
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
use std::time::{Duration, Instant};

use anthill_pool::{
    Backoff, CallPool, PoolStats, SubPool, SubmitError, TaskError, TaskHandle, TaskPool, WhenFull, WorkerPool,
};
use anthill_tests::{LONG_PATIENCE, comes_true};
use proptest::prelude::*;

/// What a task does, one after the other.
type Plan = Vec<Step>;

#[derive(Clone, Debug)]
enum Step {
    Spawn(usize, Plan, Then),
    /// The same as a call of a pool of its own, with workers that have a state; prepared before it is submitted, or
    /// not.
    Call(usize, Plan, Then, bool),
    /// The same, after a first attempt that fails.
    Retry(usize, Plan, Then),
    /// The same, a moment later.
    SpawnAfter(usize, Plan, Then),
    Group(usize, Vec<Plan>, Patience),
    Scope(usize, Vec<Plan>),
    /// A scope whose tasks are joined one by one.
    ScopeHandles(usize, Vec<Plan>),
    Map(usize, Vec<Plan>, InOrder),
    /// A task of a share of one, joined at once; of the pool itself on workers of another one.
    Share(usize, Plan),
    /// Joins one of the published tasks, which may be waiting for this one.
    JoinPublished(usize),
    CancelPublished(usize),
    /// Stops a pool, and drops what it hands back if it does; it is opened again then.
    Stop(usize, bool),
    Yield,
}

/// How long a group is waited for.
#[derive(Clone, Copy, Debug)]
enum Patience {
    Endless,
    /// A moment at a time.
    Again,
    /// A moment, and then never mind.
    Once,
}

#[derive(Clone, Copy, Debug)]
enum InOrder {
    Yes,
    No,
    /// And the item of this number fails.
    UpTo(usize),
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
    pools: Vec<Pools>,
    published: Mutex<Vec<Handle>>,
    ran: AtomicUsize,
}

/// Of the same options.
struct Pools {
    tasks: TaskPool,
    share: SubPool,
    calls: CallPool<(Arc<World>, Plan), ()>,
}

/// The handle of a task, however it came to be.
enum Handle {
    Plain(TaskHandle<()>),
    Retry(TaskHandle<Result<(), ()>>),
}

fn plans() -> impl Strategy<Value = Plan> {
    let leaf = prop_oneof![
        2 => Just(Step::Yield),
        3 => (0..8usize).prop_map(Step::JoinPublished),
    ];
    let plan = prop::collection::vec(leaf, 0..3);
    plan.prop_recursive(5, 48, 4, |inner| prop::collection::vec(steps(inner), 1..4))
}

fn steps(inner: BoxedStrategy<Plan>) -> impl Strategy<Value = Step> {
    let then =
        prop_oneof![Just(Then::JoinNow), Just(Then::JoinLast), Just(Then::JoinShortly), Just(Then::Publish)];
    let patience =
        prop_oneof![3 => Just(Patience::Endless), 1 => Just(Patience::Again), 1 => Just(Patience::Once)];
    let order = prop_oneof![Just(InOrder::Yes), Just(InOrder::No), (0..3usize).prop_map(InOrder::UpTo)];
    let pool = 0..3usize;
    let few = || prop::collection::vec(inner.clone(), 0..4);
    let one = || (pool.clone(), inner.clone(), then.clone());
    prop_oneof![
        12 => one().prop_map(|(pool, plan, then)| Step::Spawn(pool, plan, then)),
        4 => (one(), any::<bool>()).prop_map(|((pool, plan, then), prepared)| Step::Call(pool, plan, then, prepared)),
        2 => one().prop_map(|(pool, plan, then)| Step::Retry(pool, plan, then)),
        1 => one().prop_map(|(pool, plan, then)| Step::SpawnAfter(pool, plan, then)),
        4 => (pool.clone(), few(), patience).prop_map(|(pool, plans, patience)| Step::Group(pool, plans, patience)),
        3 => (pool.clone(), few()).prop_map(|(pool, plans)| Step::Scope(pool, plans)),
        2 => (pool.clone(), few()).prop_map(|(pool, plans)| Step::ScopeHandles(pool, plans)),
        4 => (pool.clone(), few(), order).prop_map(|(pool, plans, order)| Step::Map(pool, plans, order)),
        2 => (pool.clone(), inner.clone()).prop_map(|(pool, plan)| Step::Share(pool, plan)),
        2 => (0..8usize).prop_map(Step::JoinPublished),
        1 => (0..8usize).prop_map(Step::CancelPublished),
        1 => (pool, any::<bool>()).prop_map(|(pool, now)| Step::Stop(pool, now)),
    ]
}

fn pool_options() -> impl Strategy<Value = PoolOptions> {
    let queue = prop_oneof![3 => Just(Some(0)), 2 => Just(Some(1)), 2 => Just(Some(4)), 1 => Just(None)];
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
    1 + plan.iter().flat_map(Step::plans).map(size).sum::<usize>()
}

/// True when every task of a plan is sure to run.
fn is_exact(plan: &Plan) -> bool {
    let may_skip = |step: &Step| {
        matches!(step, Step::CancelPublished(_) | Step::Stop(..) | Step::Map(_, _, InOrder::UpTo(_)))
    };
    plan.iter().all(|step| !may_skip(step) && step.plans().all(is_exact))
}

impl Step {
    fn plans(&self) -> impl Iterator<Item = &Plan> {
        let plans = match self {
            Step::Spawn(_, plan, _)
            | Step::Call(_, plan, ..)
            | Step::Retry(_, plan, _)
            | Step::SpawnAfter(_, plan, _)
            | Step::Share(_, plan) => std::slice::from_ref(plan),
            Step::Group(_, plans, _)
            | Step::Scope(_, plans)
            | Step::ScopeHandles(_, plans)
            | Step::Map(_, plans, _) => plans.as_slice(),
            Step::JoinPublished(_) | Step::CancelPublished(_) | Step::Stop(..) | Step::Yield => &[],
        };
        plans.iter()
    }
}

impl World {
    fn of(case: &Case) -> Arc<World> {
        let pools = case.pools.iter().map(Pools::of).collect();
        Arc::new(World { pools, published: Mutex::default(), ran: AtomicUsize::new(0) })
    }

    fn pools(&self, number: usize) -> &Pools {
        &self.pools[number % self.pools.len()]
    }

    fn tasks(&self, number: usize) -> &TaskPool {
        &self.pools(number).tasks
    }

    fn publish(&self, handle: Handle) {
        self.published.lock().unwrap().push(handle);
    }

    fn take_published(&self, number: usize) -> Option<Handle> {
        let mut published = self.published.lock().unwrap();
        let count = published.len();
        (count > 0).then(|| published.swap_remove(number % count))
    }

    fn join(&self, handle: Handle) {
        match handle {
            Handle::Plain(handle) => self.join_with(handle, Handle::Plain),
            Handle::Retry(handle) => self.join_with(handle, Handle::Retry),
        }
    }

    fn join_with<R: Send + 'static>(&self, handle: TaskHandle<R>, wrap: fn(TaskHandle<R>) -> Handle) {
        match handle.join() {
            Ok(_) | Err(TaskError::Lost | TaskError::Cancelled) => {}
            Err(TaskError::Panicked(panic)) => panic.resume(),
            Err(refused) => self.publish(wrap(TaskHandle::from_refused(refused).expect("it comes back"))),
        }
    }

    fn join_shortly(&self, handle: Handle) {
        let moment = Duration::from_millis(1);
        let rest = match handle {
            Handle::Plain(handle) => {
                handle.join_timeout(moment).map(|ended| ended.err()).map_err(Handle::Plain)
            }
            Handle::Retry(handle) => {
                handle.join_timeout(moment).map(|ended| ended.err()).map_err(Handle::Retry)
            }
        };
        match rest {
            Ok(Some(TaskError::Panicked(panic))) => panic.resume(),
            Ok(_) => {}
            Err(handle) => self.publish(handle),
        }
    }
}

impl Pools {
    fn of(options: &PoolOptions) -> Pools {
        let tasks = WorkerPool::builder().max_workers(options.workers).queue_capacity(options.queue);
        let tasks = tasks.when_full(options.when_full).build_tasks().unwrap();
        // Callers have no state.
        let when_full =
            if options.when_full == WhenFull::RunOnCaller { WhenFull::Block } else { options.when_full };
        let calls = WorkerPool::builder().max_workers(options.workers).queue_capacity(options.queue);
        let calls = calls.when_full(when_full).build_calls_with_state(
            |_| Ok::<_, io::Error>(()),
            |(): &mut (), (world, plan): (Arc<World>, Plan)| run(&world, plan),
        );
        Pools { share: tasks.sub_pool(1), tasks, calls: calls.unwrap() }
    }
}

fn run(world: &Arc<World>, plan: Plan) {
    world.ran.fetch_add(1, Ordering::Relaxed);
    let mut last = Vec::new();
    for step in plan {
        match step {
            Step::Spawn(number, plan, then) => keep(world, begin(world, number, plan), then, &mut last),
            Step::Call(number, plan, then, prepared) => {
                keep(world, call(world, number, plan, prepared), then, &mut last);
            }
            Step::Retry(number, plan, then) => keep(world, retry(world, number, plan), then, &mut last),
            Step::SpawnAfter(number, plan, then) => {
                let inside = world.clone();
                let closure = move || run(&inside, plan);
                let spawned = world.tasks(number).spawn_after(Duration::from_micros(300), closure);
                let handle = spawned.map_err(|refusal| refusal.into_payload().run()).ok();
                keep(world, handle.map(Handle::Plain), then, &mut last);
            }
            Step::Group(number, plans, patience) => run_group(world, number, plans, patience),
            Step::Scope(number, plans) => world.tasks(number).scope(|scope| {
                for plan in plans {
                    scope.execute(|| run(world, plan));
                }
            }),
            Step::ScopeHandles(number, plans) => world.tasks(number).scope(|scope| {
                let handles: Vec<_> =
                    plans.into_iter().map(|plan| scope.spawn(|| run(world, plan))).collect();
                // One that is refused is waited for by the scope.
                handles.into_iter().for_each(|handle| drop(handle.join()));
            }),
            Step::Map(number, plans, order) => run_map(world, number, plans, order),
            Step::Share(number, plan) => run_in_share(world, number, plan),
            Step::JoinPublished(number) => {
                if let Some(handle) = world.take_published(number) {
                    world.join(handle);
                }
            }
            Step::CancelPublished(number) => match world.take_published(number) {
                Some(Handle::Plain(handle)) => drop(handle.cancel()),
                Some(Handle::Retry(handle)) => drop(handle.canceller().cancel()),
                None => {}
            },
            Step::Stop(number, now) => stop(world, number, now),
            Step::Yield => thread::yield_now(),
        }
    }
    last.into_iter().for_each(|handle| world.join(handle));
}

/// What becomes of a handle; there is none of what was run in place.
fn keep(world: &World, handle: Option<Handle>, then: Then, last: &mut Vec<Handle>) {
    let Some(handle) = handle else { return };
    match then {
        Then::JoinNow => world.join(handle),
        Then::JoinLast => last.push(handle),
        Then::JoinShortly => world.join_shortly(handle),
        Then::Publish => world.publish(handle),
    }
}

fn begin(world: &Arc<World>, number: usize, plan: Plan) -> Option<Handle> {
    let inside = world.clone();
    let spawned = world.tasks(number).spawn(move || run(&inside, plan));
    spawned.map_err(|refusal| refusal.into_payload().run()).map(Handle::Plain).ok()
}

fn call(world: &Arc<World>, number: usize, plan: Plan, prepared: bool) -> Option<Handle> {
    let pool = &world.pools(number).calls;
    let answered = if prepared {
        let (call, answer) = pool.prepare_call((world.clone(), plan));
        let refused = pool.submit(call).map_err(SubmitError::into_payload);
        // In place, and the handle has the answer.
        let _ = refused.map_err(|call| call.run(|(world, plan)| run(&world, plan)));
        Ok(answer)
    } else {
        pool.call((world.clone(), plan)).map_err(SubmitError::into_payload)
    };
    answered.map_err(|(world, plan)| run(&world, plan)).map(Handle::Plain).ok()
}

fn retry(world: &Arc<World>, number: usize, plan: Plan) -> Option<Handle> {
    let (inside, mut attempts) = (world.clone(), 0);
    let closure = move || {
        attempts += 1;
        if attempts == 1 {
            return Err(());
        }
        run(&inside, plan.clone());
        Ok(())
    };
    let begun = world.tasks(number).retry(Backoff::constant(Duration::from_micros(300)), closure);
    match begun {
        Ok(handle) => Some(Handle::Retry(handle)),
        Err(refusal) => {
            let mut closure = refusal.into_payload();
            while closure().is_err() {}
            None
        }
    }
}

fn run_group(world: &Arc<World>, number: usize, plans: Vec<Plan>, patience: Patience) {
    let mut group = world.tasks(number).group::<(), ()>();
    for plan in plans {
        let inside = world.clone();
        let spawned = group.spawn(move || {
            run(&inside, plan);
            Ok(())
        });
        let _ = spawned.map_err(|refusal| refusal.into_payload().run());
    }
    let limit = match patience {
        Patience::Endless => return drop(group.wait()),
        Patience::Again | Patience::Once => Duration::from_millis(1),
    };
    for _ in 0..if matches!(patience, Patience::Again) { 3 } else { 1 } {
        group = match group.wait_timeout(limit) {
            Ok(_) => return,
            Err(group) => group,
        };
    }
}

fn run_map(world: &Arc<World>, number: usize, plans: Vec<Plan>, order: InOrder) {
    let (pool, inside) = (world.tasks(number), world.clone());
    let item = move |plan| run(&inside, plan);
    match order {
        InOrder::Yes => pool.map(plans, item).for_each(drop),
        InOrder::No => pool.map_unordered(plans, item).for_each(drop),
        InOrder::UpTo(failing) => {
            let numbered = plans.into_iter().enumerate();
            let item = move |(number, plan)| {
                item(plan);
                if number == failing { Err(()) } else { Ok(()) }
            };
            pool.try_map(numbered, item).for_each(|outcome| outcome.unwrap_or_default());
        }
    }
}

/// Stops both pools and opens them again. What comes back is lost: on this stack it might wait for what lies below it,
/// and on a thread that is no worker for itself, which nobody would see.
fn stop(world: &World, number: usize, now: bool) {
    let pools = world.pools(number);
    if now {
        drop(pools.tasks.stop_now());
        drop(pools.calls.stop_now());
    } else {
        pools.tasks.stop();
        pools.calls.stop();
        thread::yield_now();
    }
    pools.tasks.restart();
    pools.calls.restart();
}

/// Whether a share's own limit keeps a task from being started is not seen from another pool, so workers of those use
/// the pool itself.
fn run_in_share(world: &Arc<World>, number: usize, plan: Plan) {
    let Pools { tasks: pool, share, .. } = world.pools(number);
    let inside = world.clone();
    let task = move || run(&inside, plan);
    let on_worker = |pools: &Pools| pools.tasks.is_worker() || pools.calls.is_worker();
    let spawned = match world.pools.iter().any(on_worker) && !pool.is_worker() {
        true => pool.spawn(task),
        false => share.spawn(task),
    };
    match spawned {
        Ok(handle) => world.join(Handle::Plain(handle)),
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
    wait_for_all(&world, case);
    let discards = case.pools.iter().any(|options| options.when_full == WhenFull::DiscardOldest);
    let is_exact = !discards && case.roots.iter().all(is_exact);
    let (tasks, ran) = (case.roots.iter().map(size).sum::<usize>(), || world.ran.load(Ordering::Relaxed));
    // What has paused may be between the timer and its pool.
    let as_expected = if is_exact { comes_true(|| ran() == tasks) } else { ran() <= tasks };
    assert!(as_expected, "{} of {tasks} tasks ran", ran());
    for pools in &world.pools {
        assert_eq!((pools.tasks.stats().panicked, pools.calls.stats().panicked), (0, 0));
    }
}

/// A task of one pool may still hand tasks to one that was idle before, and what pauses comes again.
fn wait_for_all(world: &World, case: &Case) {
    let sum = |figure: fn(&PoolStats) -> u64| {
        let of = |pools: &Pools| figure(&pools.tasks.stats()) + figure(&pools.calls.stats());
        world.pools.iter().map(of).sum::<u64>()
    };
    let deadline = Instant::now() + LONG_PATIENCE;
    loop {
        let before = sum(|stats| stats.accepted);
        for pools in &world.pools {
            let idle =
                [pools.tasks.wait_idle_timeout(LONG_PATIENCE), pools.calls.wait_idle_timeout(LONG_PATIENCE)];
            if idle.iter().any(Result::is_err) || Instant::now() > deadline {
                bark(world, case);
            }
        }
        if sum(|stats| stats.accepted) == before && sum(|stats| stats.scheduled as u64) == 0 {
            return;
        }
    }
}

fn bark(world: &World, case: &Case) -> ! {
    // Past the test harness, which would keep it to itself; a refused write changes nothing any more.
    let mut out = io::stderr();
    for pools in &world.pools {
        let of_calls = pools.calls.stats();
        let _ = writeln!(out, "{:?}\n{:?}\n{of_calls:?}", pools.tasks.stats(), pools.share.stats());
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
