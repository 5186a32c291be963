//! One worker's life: receive, run, contain panics, take the next payload or go idle, leave when told.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::core::Next;
use crate::handoff::{Order, Seat, next_order};
use crate::pool::Shared;
use crate::sync::channel::{Receiver, Sender};
use crate::sync::{Arc, Condvar, thread_local};

thread_local! {
    /// Identity of the pool whose worker this thread is; 0 on every other thread.
    // loom's macro takes no `const` block.
    #[allow(clippy::missing_const_for_thread_local)]
    static WORKS_FOR: Cell<usize> = Cell::new(0);
}

/// True when the calling thread is a worker of this pool.
pub(crate) fn works_for<T>(shared: &Arc<Shared<T>>) -> bool {
    WORKS_FOR.with(Cell::get) == shared.identity()
}

/// The body of worker number `index`, whose orders go to `place` and come out of `orders`.
pub(crate) fn live<T>(
    shared: &Arc<Shared<T>>,
    index: usize,
    place: Sender<Order<T>>,
    orders: &Receiver<Order<T>>,
) {
    WORKS_FOR.with(|pool| pool.set(shared.identity()));
    let threads = &shared.settings.threads;
    run_hook(threads.on_start.as_deref(), index);
    let mut rings: Vec<Arc<Condvar>> = Vec::new();
    // The first order is sent by the thread that made this one, before anybody knows the seat. It cannot fail to come:
    // this worker holds a sender of its own channel.
    let mut order = orders.recv().unwrap_or(Order::Leave);
    let seat = Seat::here(place);
    while let Order::Run(payload) = order {
        if !run_until_idle(shared, payload, &seat, &mut rings) {
            break;
        }
        order = next_order(orders);
    }
    run_hook(threads.on_stop.as_deref(), index);
}

/// Runs `payload` and every further one that waits. True: the worker is on the ready stack. False: it has left.
fn run_until_idle<T>(shared: &Shared<T>, payload: T, seat: &Seat<T>, rings: &mut Vec<Arc<Condvar>>) -> bool {
    let mut payload = payload;
    loop {
        let panicked = run(shared, payload);
        let mut core = shared.core.lock();
        let next = core.after_payload(seat, panicked, rings);
        let watched = core.watchers > 0;
        drop(core);
        for bell in rings.drain(..) {
            bell.notify_one();
        }
        match next {
            Next::Run(following) => payload = following,
            Next::Idle | Next::Leave => {
                if watched {
                    shared.events.notify_all();
                }
                return matches!(next, Next::Idle);
            }
        }
    }
}

/// Runs one payload; true when it panicked.
fn run<T>(shared: &Shared<T>, payload: T) -> bool {
    match catch_unwind(AssertUnwindSafe(|| (shared.handler)(payload))) {
        Ok(()) => false,
        Err(value) => {
            report(shared, value);
            true
        }
    }
}

/// Gives a panic's value to the handler. Neither a handler that panics nor a value whose drop does harms the worker.
fn report<T>(shared: &Shared<T>, value: Box<dyn Any + Send>) {
    let contained = catch_unwind(AssertUnwindSafe(|| match &shared.settings.on_panic {
        Some(handler) => handler(value),
        None => drop(value),
    }));
    if let Err(second) = contained {
        // Dropping the second value could panic again, without end.
        std::mem::forget(second);
    }
}

fn run_hook(hook: Option<&(dyn Fn(usize) + Send + Sync)>, index: usize) {
    let Some(hook) = hook else { return };
    if let Err(value) = catch_unwind(AssertUnwindSafe(|| hook(index))) {
        std::mem::forget(value);
    }
}
