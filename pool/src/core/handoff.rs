//! The hand-off: an order from whoever unlinked a worker to that worker, through the worker's own channel.
//!
//! The channel carries the order, and the worker sleeps by parking its thread. A channel's own blocking receive spins
//! and yields for a while before it sleeps, which costs every worker that goes idle some microseconds and makes a
//! sleeping worker slower to wake (the scheduler takes a thread that yields for one that is busy).
//!
//! No order is slept over: the sender fills the place first and unparks then; the worker looks at the place first and
//! parks then, and an unpark that comes between the two makes the park return at once. A park that returns for another
//! reason only looks again: it may be the unpark of an order that the worker found before it slept.

use std::time::Duration;

use super::queue::Item;
use crate::sync::channel::{self, Receiver, Sender};
use crate::sync::{Instant, spin_until, thread};

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

/// Where a worker gets its orders. Only to be used by the thread that made the [`Seat`].
///
/// Under a stream of payloads that are shorter than a wake-up takes, workers go idle every few payloads and get their
/// next order within microseconds. So a worker that has lately been without an order for so short a time looks out for
/// the next one for a moment before it sleeps: then neither it nor the submitter pays for a wake-up.
pub(crate) struct Inbox<T> {
    orders: Receiver<Order<T>>,
    /// How often it may still look out in vain.
    patience: u8,
}

/// For how long a worker looks out at a time: less than it takes to wake one.
const LOOK_OUT: Duration = Duration::from_micros(4);
/// Orders that take no longer than this to come, with a wake-up, may come within [`LOOK_OUT`] without one.
const SOON: Duration = Duration::from_micros(60);
/// How often a worker looks out in vain after an order that came soon.
const PATIENCE: u8 = 4;

impl<T> Inbox<T> {
    pub(crate) fn new(orders: Receiver<Order<T>>) -> Self {
        Inbox { orders, patience: 0 }
    }

    /// The next order; sleeps until there is one.
    pub(crate) fn next(&mut self) -> Order<T> {
        let idle_since = Instant::now();
        let order = self.look_out().unwrap_or_else(|| self.sleep());
        if Instant::now().saturating_duration_since(idle_since) <= SOON {
            self.patience = PATIENCE;
        }
        order
    }

    fn look_out(&mut self) -> Option<Order<T>> {
        self.patience = self.patience.checked_sub(1)?;
        spin_until(LOOK_OUT, || channel::try_receive(&self.orders))
    }

    fn sleep(&self) -> Order<T> {
        loop {
            match channel::try_receive(&self.orders) {
                Some(order) => return order,
                None => thread::park(),
            }
        }
    }
}
