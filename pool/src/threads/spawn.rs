//! Making threads, for workers and the cleaner.

use std::io;

use super::cleaner;
use super::shared::{Shared, notify_each};
use super::worker::{self, Start};
use crate::config::WorkerThread;
use crate::core::{Core, Item, Order, Reservation};
use crate::panic;
use crate::sync::{Arc, MutexGuard, channel, thread};

/// Makes a thread for the slot that was reserved, and sends it its first order: to run `item`, or to search for work.
/// When it cannot be made, the slot is given back, and the item returned.
pub(crate) fn start_worker<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    item: Option<Item<T>>,
    reservation: Reservation,
) -> Result<(), (Option<Item<T>>, io::Error)> {
    let (place, orders) = channel::one_place();
    let (made, was_made) = if shared.handler.has_state() {
        let (made, was_made) = channel::one_place();
        (Some(made), Some(was_made))
    } else {
        (None, None)
    };
    let options = &shared.settings.threads;
    let start = Start { reservation, place: place.clone(), orders, made };
    let body = {
        let shared = shared.clone();
        Box::new(move || worker::live(&shared, start))
    };
    let name = format!("{}-{}", options.name, reservation.index);
    let new = WorkerThread { name, stack_size: options.stack_size, body };
    let thread = make_thread("making a worker's thread", || match &options.spawner {
        Some(spawner) => spawner(new),
        None => new.spawn(),
    });
    let thread = match thread {
        Ok(thread) => thread,
        Err(error) => return Err((give_up(shared, item, reservation, None), error)),
    };
    if let Some(was_made) = was_made {
        let error = match was_made.recv() {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(io::Error::other(error)),
            Err(_) => Some(dropped_thread()),
        };
        if let Some(error) = error {
            return Err((give_up(shared, item, reservation, Some(thread)), error));
        }
    }
    let order = match item {
        Some(item) => Order::Run(item),
        None => Order::Search,
    };
    // Sent in the same critical section in which the worker begins to count as surely alive: before it, nobody may rely on
    // a worker that may not come; and the worker must not check in while it still counts as one that may not.
    let mut core = shared.core.lock();
    if let Err(unsent) = place.try_send(order).map_err(channel::unsent) {
        drop(core);
        let item = match unsent {
            Order::Run(item) => Some(item),
            _ => None,
        };
        return Err((give_up(shared, item, reservation, Some(thread)), dropped_thread()));
    }
    core.spawn_succeeded(reservation, thread);
    let core = ensure_cleaner(shared, core);
    shared.core.unlock_and_notify(core);
    // The cleaner sleeps without a limit while no worker is to go.
    shared.cleaner_condvar.notify_one();
    Ok(())
}

fn dropped_thread() -> io::Error {
    io::Error::other("the custom spawner dropped the worker's thread instead of running it")
}

/// Gives back the slot of a worker that did not come to be, and what it was to run.
fn give_up<T>(
    shared: &Shared<T>,
    item: Option<Item<T>>,
    reservation: Reservation,
    thread: Option<thread::JoinHandle<()>>,
) -> Option<Item<T>> {
    give_slot_back(shared, shared.core.lock(), reservation, thread);
    item
}

fn give_slot_back<T>(
    shared: &Shared<T>,
    mut core: MutexGuard<'_, Core<T>>,
    reservation: Reservation,
    thread: Option<thread::JoinHandle<()>>,
) {
    let (to_notify, broadcasts) = core.spawn_failed(reservation, thread);
    shared.core.unlock_and_notify(core);
    notify_each(to_notify);
    panic::drop_each_quietly(broadcasts);
}

/// True when a worker for which a slot was reserved has still something to do; its slot is given back otherwise.
pub(crate) fn is_still_wanted<T>(shared: &Shared<T>, reservation: Reservation) -> bool {
    // One critical section: whoever submits before it sees a worker coming, whoever submits after it sees a free slot.
    let core = shared.core.lock();
    if core.has_work_for_more() {
        return true;
    }
    give_slot_back(shared, core, reservation, None);
    false
}

/// Makes a thread; a panic on the way is an error like any other.
fn make_thread(
    what: &str,
    make: impl FnOnce() -> io::Result<thread::JoinHandle<()>>,
) -> io::Result<thread::JoinHandle<()>> {
    panic::contain(make).unwrap_or_else(|| Err(io::Error::other(format!("{what} panicked"))))
}

/// Makes the cleaner's thread if the pool wants one and has none. Without it nothing expires until the next worker is
/// made, which tries again.
pub(crate) fn ensure_cleaner<'a, T: Send + 'static>(
    shared: &'a Arc<Shared<T>>,
    core: MutexGuard<'a, Core<T>>,
) -> MutexGuard<'a, Core<T>> {
    make_cleaner(shared, core).0
}

/// Makes the cleaner's thread if the pool wants one and has none; what the system said if it was refused.
pub(crate) fn make_cleaner<'a, T: Send + 'static>(
    shared: &'a Arc<Shared<T>>,
    mut core: MutexGuard<'a, Core<T>>,
) -> (MutexGuard<'a, Core<T>>, Option<io::Error>) {
    let limit = shared.settings.max_idle;
    // Whoever moves a manual clock does the cleaner's work.
    if shared.settings.clock.is_manual() {
        return (core, None);
    }
    let Some(joining) = core.begin_cleaner(limit.is_some()) else { return (core, None) };
    drop(core);
    let body = {
        let shared = shared.clone();
        move || cleaner::live(&shared, limit)
    };
    let name = format!("{}-cleaner", shared.settings.threads.name);
    let made = make_thread("making the cleaner's thread", || thread::Builder::new().name(name).spawn(body));
    let mut core = shared.core.lock();
    match made {
        Ok(thread) => {
            core.cleaner_was_made(joining, Some(thread));
            (core, None)
        }
        Err(error) => {
            core.cleaner_was_made(joining, None);
            (core, Some(error))
        }
    }
}
