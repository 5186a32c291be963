//! How far models are explored.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many times loom may take the processor from a thread that could go on, where all interleavings are too many.
#[derive(Clone, Copy)]
pub(crate) enum Preemptions {
    Any,
    AtMost(usize),
}

/// Runs `scene` in every interleaving (within `preemptions`); says how many there were.
#[track_caller]
pub(crate) fn explore(preemptions: Preemptions, scene: impl Fn() + Send + Sync + 'static) {
    let explored = Arc::new(AtomicUsize::new(0));
    let mut model = loom::model::Builder::new();
    model.max_branches = 10_000;
    if let Preemptions::AtMost(bound) = preemptions {
        model.preemption_bound = Some(bound);
    }
    let counter = explored.clone();
    model.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        scene();
    });
    let explored = explored.load(Ordering::Relaxed);
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a model");
    // Past the test harness's own lock on its output; a refused write is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{name}: {explored} interleavings");
    assert!(explored > 1, "{name} explored a single interleaving, so it checks no race");
}
