//! The hand-off: an order from whoever unlinked a worker to that worker, through the worker's own channel.
//!
//! The channel carries the order, and the worker sleeps by parking its thread. A channel's own blocking receive spins and
//! yields for a while before it sleeps, which costs every worker that goes idle some microseconds and makes a sleeping
//! worker slower to wake (the scheduler takes a thread that yields for one that is busy).
//!
//! No order is slept over: the sender fills the place first and unparks then; the worker looks at the place first and
//! parks then, and an unpark that comes between the two makes the park return at once. A park that returns for another
//! reason only looks again.

use super::queue::Item;
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::thread;

/// What a worker is told. Leaving is an order of its own, so no payload has a second meaning.
#[derive(Debug)]
pub(crate) enum Order<T> {
    Run(Item<T>),
    /// Run it too, but first tell the core that you are awake: submitters hold back with waking workers until you do.
    Relay(Item<T>),
    /// Come to the core and ask: there may be something to do, or nothing.
    Search,
    /// Your slot is given back: end.
    Leave,
}

/// Where to reach a worker that sleeps. Whoever unlinked it from the ready stack gives it exactly one order.
#[derive(Debug)]
pub(crate) struct Seat<T> {
    place: Sender<Order<T>>,
    thread: thread::Thread,
}

impl<T> Clone for Seat<T> {
    fn clone(&self) -> Self {
        Seat { place: self.place.clone(), thread: self.thread.clone() }
    }
}

impl<T> Seat<T> {
    /// The seat of the calling thread, whose orders go to `place`.
    pub(crate) fn here(place: Sender<Order<T>>) -> Self {
        Seat { place, thread: thread::current() }
    }

    /// Gives the worker its order and wakes it. Its place is empty, because nobody else may send to it.
    pub(crate) fn give(&self, order: Order<T>) {
        let given = self.place.try_send(order).is_ok();
        debug_assert!(given, "only the one who unlinked a worker sends to it");
        self.thread.unpark();
    }
}

/// An order to be given, once unlocked, to a worker that was unlinked.
pub(crate) type Mail<T> = (Seat<T>, Order<T>);

/// Sleeps until there is an order. Only to be called by the thread that made the [`Seat`].
pub(crate) fn next_order<T>(orders: &Receiver<Order<T>>) -> Order<T> {
    loop {
        match channel::try_receive(orders) {
            Some(order) => return order,
            None => thread::park(),
        }
    }
}
