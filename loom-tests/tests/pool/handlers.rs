//! Handlers of the scenes: they hold payloads back, let one wait for another, or count.

use std::ops::RangeBounds;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::ledger::Payload;
use crate::support::Gate;

/// Holds the payloads of these numbers at `gate` before they run.
pub(crate) fn held_at(
    gate: &loom::sync::Arc<Gate>,
    numbers: impl RangeBounds<usize> + Send + Sync + 'static,
) -> impl Fn(Payload) + Send + Sync + 'static {
    let gate = gate.clone();
    move |payload| {
        if numbers.contains(&payload.number) {
            gate.pass();
        }
        payload.run();
    }
}

/// Holds payload number `waiter` until number `opener` is run: two workers are needed, or the right order.
pub(crate) fn one_waits_for(waiter: usize, opener: usize) -> impl Fn(Payload) + Send + Sync + 'static {
    all_wait_for(waiter..=waiter, opener)
}

/// Holds the payloads of these numbers until number `opener` is run.
pub(crate) fn all_wait_for(
    waiters: impl RangeBounds<usize> + Send + Sync + 'static,
    opener: usize,
) -> impl Fn(Payload) + Send + Sync + 'static {
    let gate = Gate::closed();
    move |payload| {
        if waiters.contains(&payload.number) {
            gate.pass();
        } else if payload.number == opener {
            gate.open();
        }
        payload.run();
    }
}

/// Counts how many payloads of the numbers from `first` on run at a time; a failed assertion inside of a handler would
/// be contained, so the most there were is told by the second result.
pub(crate) fn counting(first: usize) -> (impl Fn(Payload) + Send + Sync + 'static, impl Fn() -> usize) {
    use loom::sync::atomic::AtomicUsize as Visible;
    let now = loom::sync::Arc::new(Visible::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let seen = most.clone();
    let handler = move |payload: Payload| {
        let counts = payload.number >= first;
        if counts {
            // Loom may switch threads between the two: so that runs can overlap.
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::Relaxed);
            now.fetch_sub(1, Ordering::SeqCst);
        }
        payload.run();
    };
    (handler, move || seen.load(Ordering::Relaxed))
}

/// Is held by every thread of its pool; how many hold it still is told by the second result.
pub(crate) fn held_by_threads() -> (impl Fn(Payload) + Send + Sync + 'static, impl Fn() -> usize) {
    let alive = Arc::new(());
    let held = alive.clone();
    let handler = move |payload: Payload| {
        let _held = &held;
        payload.run();
    };
    (handler, move || Arc::strong_count(&alive) - 1)
}

/// `handler`, and in which order payloads began.
pub(crate) fn in_order(
    handler: impl Fn(Payload) + Send + Sync + 'static,
) -> (impl Fn(Payload) + Send + Sync + 'static, impl Fn() -> Vec<usize>) {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let order = begun.clone();
    let noting = move |payload: Payload| {
        begun.lock().unwrap().push(payload.number);
        handler(payload);
    };
    (noting, move || order.lock().unwrap().clone())
}
