//! The pool against a small model of it: random operations, and after each one both must look the same.
//!
//! Row 101. The model is the pool without threads: one state, changed by one operation after the other. Payloads run
//! for as long as the test says and end as it says, so that the real pool comes to rest after each operation; then its
//! counters, which payload started on which worker, and what became of blocked submitters are compared. The rule: the
//! model says what the documentation says, and knows nothing of how the pool does it.
//!
//! Where two workers could do the same thing in either order, an operation is cut so that only one does: the cap is
//! raised for one more worker at a time, and workers are prestarted, or given a duty, while nothing else goes on.
//!
//! A thousand cases; `PROPTEST_CASES` asks for another number.

use std::env;

use anthill_pool::Priority;
use anthill_tests::quiet_panics;
use proptest::prelude::*;

mod model;
mod trial;

use trial::Trial;

#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Submit,
    TrySubmit,
    SubmitTimeout,
    SubmitUrgency(Priority),
    /// As `Submit`, until a `Cancel`.
    SubmitCancellable,
    Cancel,
    /// So many at once, without waiting.
    TrySubmitMany(usize),
    /// Ends one of the running payloads.
    Finish(usize),
    Panic(usize),
    /// From now on the system refuses new threads, or does so no more.
    RefuseThreads(bool),
    CloneHandle,
    DropHandle,
    WaitIdle,
    Wait,
    Stop,
    StopNow,
    Restart,
    SetMaxWorkers(usize),
    /// One worker more.
    Prestart,
    Broadcast,
    /// Time passes.
    Tick(u32),
}

pub(super) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        8 => Just(Operation::Submit),
        6 => Just(Operation::TrySubmit),
        3 => Just(Operation::SubmitTimeout),
        3 => prop_oneof![Just(Priority::Low), Just(Priority::High)].prop_map(Operation::SubmitUrgency),
        2 => Just(Operation::SubmitCancellable),
        1 => Just(Operation::Cancel),
        2 => (0..6_usize).prop_map(Operation::TrySubmitMany),
        10 => (0..8_usize).prop_map(Operation::Finish),
        3 => (0..8_usize).prop_map(Operation::Panic),
        1 => any::<bool>().prop_map(Operation::RefuseThreads),
        1 => Just(Operation::CloneHandle),
        1 => Just(Operation::DropHandle),
        1 => Just(Operation::WaitIdle),
        1 => Just(Operation::Wait),
        1 => Just(Operation::Stop),
        1 => Just(Operation::StopNow),
        3 => Just(Operation::Restart),
        4 => (0..5_usize).prop_map(Operation::SetMaxWorkers),
        2 => Just(Operation::Prestart),
        1 => Just(Operation::Broadcast),
        3 => (0..4_u32).prop_map(Operation::Tick),
    ];
    prop::collection::vec(operation, 1..40)
}

pub(super) fn limits() -> impl Strategy<Value = Limits> {
    let max_blocking = prop_oneof![Just(0_usize), Just(1), Just(2), Just(usize::MAX)];
    (1..=3_usize, 0..=2_usize, 0..=3_usize, max_blocking).prop_map(|(max, min, queue, max_blocking)| Limits {
        max_workers: max,
        min_workers: min.min(max),
        queue,
        max_blocking,
    })
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_workers: usize,
    pub(super) min_workers: usize,
    pub(super) queue: usize,
    pub(super) max_blocking: usize,
}

/// The last act of a case.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Stop,
    StopNow,
    DropHandles,
}

pub(super) fn ends() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Stop), Just(End::StopNow), Just(End::DropHandles)]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 1_000 },
        max_shrink_time: 60_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn pool_101_the_pool_behaves_like_its_model(limits in limits(), operations in operations(), end in ends()) {
        quiet_panics();
        let mut trial = Trial::new(limits);
        for operation in operations {
            trial.perform(operation)?;
            trial.compare()?;
        }
        trial.end(end)?;
    }
}
