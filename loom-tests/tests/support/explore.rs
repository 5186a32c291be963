//! How a model is run: its scene in every interleaving, and how many those were.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many times loom may take the processor from a thread that could go on, where all interleavings are too many.
#[derive(Clone, Copy)]
pub(crate) enum Preemptions {
    Any,
    AtMost(usize),
}

/// Runs `scene` in every interleaving (within `preemptions`).
pub(crate) fn explore(name: &str, preemptions: Preemptions, scene: impl Fn() + Send + Sync + 'static) {
    let explored = Arc::new(AtomicUsize::new(0));
    let mut model = loom::model::Builder::new();
    model.max_branches = 10_000;
    if let Preemptions::AtMost(bound) = preemptions {
        model.preemption_bound = Some(bound);
    }
    let counter = explored.clone();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        model.check(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            scene();
        });
    }));
    if let Err(value) = outcome {
        if value.downcast_ref() == Some(&PLANNED) {
            // It was raised without a message.
            let _ = writeln!(std::io::stderr(), "{name}: the planned panic was not contained");
        }
        resume_unwind(value);
    }
    let explored = explored.load(Ordering::Relaxed);
    // Past the test harness's own lock on its output; a refused write is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{name}: {explored} interleavings");
    assert!(explored > 1, "{name} explored a single interleaving, so it checks no race");
}

/// What planned panics are raised with.
const PLANNED: &str = "planned panic";

/// Unwinds without the noise of the panic hook.
pub(crate) fn planned_panic() -> ! {
    resume_unwind(Box::new(PLANNED))
}
