//! The books of a consumer: which deliveries are in the pool, and which the source has still to be told of.
//!
//! All of it is under one lock, and nothing of the user's or the source's is called with it. The feeder waits here for
//! room, the settler for something to tell. Each delivery is on exactly one page: in the pool (with the ticket of its
//! [`Fetched`]), among the settlements, in the settler's hand, or counted as settled.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use super::job::{Delivery, Receipt};
use super::stats::ConsumerStats;
use crate::sync::{Arc, Condvar, Instant, Mutex, MutexGuard};

pub(super) struct Ledger {
    books: Mutex<Books>,
    /// For the feeder: there may be room, or the end has come.
    room: Condvar,
    /// For the settler: there is something to tell, or the end has come.
    work: Condvar,
    /// For those who wait for the end.
    end: Condvar,
    limits: FlightLimits,
}

/// How much may be in the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlightLimits {
    /// The most deliveries.
    pub(super) max_in_flight: usize,
    /// With fewer than so many some worker has nothing to do.
    pub(super) workers: usize,
}

struct Books {
    /// The leases of what is in the pool, by ticket.
    held: HashMap<u64, Held>,
    next_ticket: u64,
    settlements: Vec<Settlement>,
    stats: ConsumerStats,
    stopping: bool,
    feeder_waits: bool,
    settler_waits: bool,
    feeder_ended: bool,
    settler_ended: bool,
}

struct Held {
    receipt: Receipt,
    leased: Instant,
}

/// What the source has to be told of one delivery.
pub(super) struct Settlement {
    pub(super) receipt: Receipt,
    pub(super) verdict: Verdict,
}

#[derive(Debug)]
pub(super) enum Verdict {
    Done,
    /// Failed, and to be tried again; so many attempts were made.
    Retry {
        delay: Duration,
        attempts: u32,
    },
    Bury {
        reason: String,
        attempts: u32,
    },
    /// Was not run; so many attempts were made before.
    Return {
        attempts: u32,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunEnd {
    Succeeded,
    Failed,
    Panicked,
    /// There was none.
    NotRun,
}

impl Ledger {
    pub(super) fn new(limits: FlightLimits) -> Self {
        let books = Books {
            held: HashMap::new(),
            next_ticket: 0,
            settlements: Vec::new(),
            stats: ConsumerStats::default(),
            stopping: false,
            feeder_waits: false,
            settler_waits: false,
            feeder_ended: false,
            settler_ended: false,
        };
        let (room, work, end) = (Condvar::new(), Condvar::new(), Condvar::new());
        Ledger { books: Mutex::new(books), room, work, end, limits }
    }

    pub(super) fn stats(&self) -> ConsumerStats {
        self.books.lock().stats
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.books.lock().stopping
    }

    /// Nothing more is to be fetched.
    pub(super) fn stop(&self) {
        self.books.lock().stopping = true;
        self.room.notify_all();
        self.work.notify_all();
    }

    pub(super) fn note_error(&self) {
        self.books.lock().stats.errors += 1;
    }

    /// Rests for so long, or until the consumer is stopped.
    pub(super) fn rest(&self, limit: Duration) {
        let deadline = Instant::now().checked_add(limit);
        let mut books = self.books.lock();
        let mut late = false;
        while !books.stopping && !late {
            (books, late) = wait(&self.room, books, deadline);
        }
    }

    /// Waits until fetching is worth while; says how many there is room for. None when nothing more is to be fetched.
    pub(super) fn await_room(&self) -> Option<usize> {
        let mut books = self.books.lock();
        books.feeder_waits = true;
        loop {
            if books.stopping {
                return None;
            }
            if let Some(room) = self.limits.room_beside(&books.stats) {
                books.feeder_waits = false;
                return Some(room);
            }
            books = self.room.wait(books);
        }
    }

    /// Takes in what was fetched, whose leases began no later than `leased`.
    pub(super) fn take_in(self: &Arc<Self>, deliveries: Vec<Delivery>, leased: Instant) -> Vec<Fetched> {
        let mut books = self.books.lock();
        books.stats.fetched += deliveries.len() as u64;
        books.stats.running += deliveries.len();
        let taken = deliveries.into_iter().map(|delivery| {
            let ticket = books.next_ticket;
            books.next_ticket += 1;
            books.held.insert(ticket, Held { receipt: delivery.receipt.clone(), leased });
            Fetched { delivery, ticket, ledger: self.clone(), is_settled: false }
        });
        taken.collect()
    }

    fn settle(&self, ticket: u64, verdict: Verdict, run: RunEnd) {
        let mut books = self.books.lock();
        let held = books.held.remove(&ticket).expect("what is settled was taken in, and is settled once");
        books.settlements.push(Settlement { receipt: held.receipt, verdict });
        let stats = &mut books.stats;
        stats.running -= 1;
        stats.unsettled += 1;
        stats.succeeded += u64::from(run == RunEnd::Succeeded);
        stats.failed += u64::from(matches!(run, RunEnd::Failed | RunEnd::Panicked));
        stats.panicked += u64::from(run == RunEnd::Panicked);
        let wakes_feeder = self.wants_feeder(&mut books);
        let wakes_settler = std::mem::take(&mut books.settler_waits);
        drop(books);
        if wakes_feeder {
            self.room.notify_all();
        }
        if wakes_settler {
            self.work.notify_all();
        }
    }

    /// For the settler: waits until there is something to tell, or `until`. None when everything was told and nothing
    /// can follow.
    pub(super) fn await_settlements(&self, until: Option<Instant>) -> Option<Vec<Settlement>> {
        let mut books = self.books.lock();
        let mut late = false;
        loop {
            if !books.settlements.is_empty() || late {
                return Some(std::mem::take(&mut books.settlements));
            }
            if books.stopping && books.feeder_ended && books.stats.running == 0 {
                return None;
            }
            books.settler_waits = true;
            (books, late) = wait(&self.work, books, until);
            books.settler_waits = false;
        }
    }

    /// Rests before the next try to tell; the wish to stop does not end it.
    pub(super) fn rest_settling(&self, limit: Duration) {
        let deadline = Instant::now().checked_add(limit);
        let books = self.books.lock();
        // Not `settler_waits`, so that nothing wakes it but a stop; once is enough.
        drop(wait(&self.work, books, deadline));
    }

    /// What could not be told goes first the next time.
    pub(super) fn put_back(&self, mut untold: Vec<Settlement>) {
        let mut books = self.books.lock();
        untold.append(&mut books.settlements);
        books.settlements = untold;
    }

    /// So many of those that were to be told are settled.
    pub(super) fn record(&self, told: usize, count: impl FnOnce(&mut ConsumerStats)) {
        let mut books = self.books.lock();
        books.stats.unsettled -= told;
        count(&mut books.stats);
        let wakes_feeder = self.wants_feeder(&mut books);
        drop(books);
        if wakes_feeder {
            self.room.notify_all();
        }
    }

    /// True when the feeder sleeps and has to be woken.
    fn wants_feeder(&self, books: &mut Books) -> bool {
        let wakes = books.feeder_waits && self.limits.room_beside(&books.stats).is_some();
        books.feeder_waits &= !wakes;
        wakes
    }

    /// Gives up what could not be told.
    pub(super) fn abandon(&self) {
        let mut books = self.books.lock();
        let given_up = std::mem::take(&mut books.settlements).len();
        books.stats.unsettled -= given_up;
        books.stats.abandoned += given_up as u64;
    }

    /// The receipts of what is in the pool under leases that began at `before` or earlier; they count as begun `now`.
    pub(super) fn renew(&self, before: Instant, now: Instant) -> Vec<Receipt> {
        let mut books = self.books.lock();
        let due = books.held.values_mut().filter(|held| held.leased <= before);
        let due = due.map(|held| {
            held.leased = now;
            held.receipt.clone()
        });
        due.collect()
    }

    /// The feeder takes nothing in any more.
    pub(super) fn end_feeder(&self) {
        self.books.lock().feeder_ended = true;
        self.work.notify_all();
    }

    /// Nothing is told any more.
    pub(super) fn end_settler(&self) {
        self.books.lock().settler_ended = true;
        self.end.notify_all();
    }

    /// Waits until the settler has ended; false when the deadline passed.
    pub(super) fn await_end(&self, deadline: Option<Instant>) -> bool {
        let mut books = self.books.lock();
        let mut late = false;
        while !books.settler_ended && !late {
            (books, late) = wait(&self.end, books, deadline);
        }
        books.settler_ended
    }
}

fn wait<'a>(
    condvar: &Condvar,
    books: MutexGuard<'a, Books>,
    until: Option<Instant>,
) -> (MutexGuard<'a, Books>, bool) {
    match until {
        Some(until) => condvar.wait_until(books, until),
        None => (condvar.wait(books), false),
    }
}

impl FlightLimits {
    /// How many to fetch, if a call to the source pays: when a worker has nothing to do, or half of the room is free. Those
    /// that have ended and are not settled have as much room again, so that what a killed process leaves to be run twice
    /// is bounded.
    fn room_beside(&self, stats: &ConsumerStats) -> Option<usize> {
        let FlightLimits { max_in_flight, workers } = *self;
        let pays = stats.running < workers || stats.running <= max_in_flight / 2;
        let unsettled = max_in_flight.saturating_mul(2).saturating_sub(stats.running + stats.unsettled);
        let room = max_in_flight.saturating_sub(stats.running).min(unsettled);
        (pays && room > 0).then_some(room)
    }
}

/// A delivery on its way through the pool: what a [`Consumer`](super::Consumer)'s pool has for payloads. Nothing can be done
/// with it but dropping it, and then the job is given back; whatever a pool's policies do with it, no job is lost.
pub struct Fetched {
    pub(super) delivery: Delivery,
    ticket: u64,
    ledger: Arc<Ledger>,
    is_settled: bool,
}

impl Fetched {
    /// The run has ended, or there will be none.
    pub(super) fn settle(mut self, verdict: Verdict, run: RunEnd) {
        self.is_settled = true;
        self.ledger.settle(self.ticket, verdict, run);
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        if !self.is_settled {
            let attempts = self.delivery.attempt.saturating_sub(1);
            self.ledger.settle(self.ticket, Verdict::Return { attempts }, RunEnd::NotRun);
        }
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("id", &self.delivery.id).finish_non_exhaustive()
    }
}
