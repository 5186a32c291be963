//! Making workers.

use std::io;

use super::birth::{Birth, Newborn, settle_failure};
use super::made::{dropped_thread, give_slot_back, make_thread, watch_over};
use super::shared::Shared;
use super::worker::{self, Start};
use crate::config::WorkerThread;
use crate::core::{Item, Order, Reservation};
use crate::error::BirthError;
use crate::sync::{Arc, channel, thread};

/// Makes a thread for the slot that was reserved, and sends it its first order: to run `item`, or to search for work.
/// When it cannot be made, the slot is given back, and the item returned. Not for workers that have a state.
pub(crate) fn start_worker<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    item: Option<Item<T>>,
    reservation: Reservation,
) -> Result<(), (Option<Item<T>>, io::Error)> {
    let (place, orders) = channel::one_place();
    let start = Start { reservation, place: place.clone(), orders, newborn: None };
    let thread = match make_worker_thread(shared, start) {
        Ok(thread) => thread,
        Err(error) => return Err((give_up(shared, item, reservation, None), error)),
    };
    let order = match item {
        Some(item) => Order::Run(item),
        None => Order::Search,
    };
    // Sent in the same critical section in which the worker begins to count as surely alive: before it, nobody may rely
    // on a worker that may not come; and the worker must not check in while it still counts as one that may not.
    let mut core = shared.core.lock();
    if let Err(unsent) = place.try_send(order).map_err(channel::unsent) {
        drop(core);
        let item = match unsent {
            Order::Run(item) => Some(item),
            _ => None,
        };
        return Err((give_up(shared, item, reservation, Some(thread)), dropped_thread()));
    }
    core.spawn_succeeded(reservation, Some(thread));
    watch_over(shared, core);
    Ok(())
}

/// Makes a thread for the slot that was reserved, whose worker comes searching once it has made its state. Does not
/// wait for that: the worker settles its birth itself, and gives its slot back if it does not come to be.
pub(crate) fn begin_worker<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    reservation: Reservation,
) -> Arc<Birth> {
    let (place, orders) = channel::one_place();
    let (newborn, birth) = Newborn::new(shared.clone(), reservation);
    // A statement of its own: the lock must be free again while the thread is made.
    let joining = shared.core.lock().begin_thread();
    let thread = make_worker_thread(shared, Start { reservation, place, orders, newborn: Some(newborn) });
    let (thread, error) = match thread {
        Ok(thread) => (Some(thread), None),
        Err(error) => (None, Some(BirthError::Thread(error))),
    };
    let mut core = shared.core.lock();
    core.thread_was_made(joining, thread);
    match error {
        Some(error) => settle_failure(shared, core, reservation, &birth, error),
        None => shared.core.unlock_and_notify(core),
    }
    birth
}

/// Begins to make a worker that comes searching, and waits for none that has a state.
pub(crate) fn start_searching<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    reservation: Reservation,
) -> Result<Option<Arc<Birth>>, io::Error> {
    if shared.handler.has_state() {
        return Ok(Some(begin_worker(shared, reservation)));
    }
    start_worker(shared, None, reservation).map(|()| None).map_err(|(_, error)| error)
}

fn make_worker_thread<T: Send + 'static>(
    shared: &Arc<Shared<T>>,
    start: Start<T>,
) -> io::Result<thread::JoinHandle<()>> {
    let options = &shared.settings.threads;
    let name = format!("{}-{}", options.name, start.reservation.index);
    let body = {
        let shared = shared.clone();
        Box::new(move || worker::live(&shared, start))
    };
    let new = WorkerThread { name, stack_size: options.stack_size, body };
    make_thread("making a worker's thread", || match &options.spawner {
        Some(spawner) => spawner(new),
        None => new.spawn(),
    })
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
