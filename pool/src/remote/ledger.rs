//! The books of a consumer: which deliveries are in the pool, and which the source has still to be told of.
//!
//! All of it is under one lock, and nothing of the user's or the source's is called with it. The feeder waits here for
//! room, the settler for something to tell. Each delivery is on exactly one page: in the pool (with a ticket among the
//! leases), among the settlements, in the settler's hand, or counted as settled.
//!
//! The settler is not woken for each settlement: to tell one costs the source nearly as much as to tell a hundred.

use std::time::Duration;

use super::job::{Delivery, Receipt};
use super::leases::{Due, LeaseTicket, Leases};
use super::stats::ConsumerStats;
use crate::sync::{Condvar, Instant, Mutex, MutexGuard};

/// How many settlements are told without waiting for more of them, if the room is large.
const MANY: usize = 256;
/// For how long the first settlement waits for others, while there are jobs that may end meanwhile.
const LINGER: Duration = Duration::from_millis(1);

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
    /// Of what is in the pool.
    leases: Leases,
    settlements: Vec<Settlement>,
    stats: ConsumerStats,
    /// When nothing more was to be fetched for the first time.
    stats_at_stop: Option<ConsumerStats>,
    feeder_waits: bool,
    settler_waits: SettlerWaits,
    /// The settler is to try again without resting first.
    roused: bool,
    feeder_ended: bool,
    settler_ended: bool,
}

/// What the settler sleeps for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SettlerWaits {
    /// It does not, or rests.
    No,
    ForOne,
    /// It has one, and waits for others.
    ForMany,
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
            leases: Leases::default(),
            settlements: Vec::new(),
            stats: ConsumerStats::default(),
            stats_at_stop: None,
            feeder_waits: false,
            settler_waits: SettlerWaits::No,
            roused: false,
            feeder_ended: false,
            settler_ended: false,
        };
        let (room, work, end) = (Condvar::new(), Condvar::new(), Condvar::new());
        Ledger { books: Mutex::new(books), room, work, end, limits }
    }

    pub(super) fn stats(&self) -> ConsumerStats {
        self.books.lock().stats
    }

    /// The figures now, and when it was stopped.
    pub(super) fn stats_since_stop(&self) -> (ConsumerStats, Option<ConsumerStats>) {
        let books = self.books.lock();
        (books.stats, books.stats_at_stop)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.books.lock().is_stopping()
    }

    /// Nothing more is to be fetched; what is to be told is told as soon as can be.
    pub(super) fn stop(&self) {
        let mut books = self.books.lock();
        let stats = books.stats;
        books.stats_at_stop.get_or_insert(stats);
        books.roused = true;
        drop(books);
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
        while !books.is_stopping() && !late {
            (books, late) = wait(&self.room, books, deadline);
        }
    }

    /// Waits until fetching is worth while; says how many there is room for. None when nothing more is to be fetched.
    pub(super) fn await_room(&self) -> Option<usize> {
        let mut books = self.books.lock();
        books.feeder_waits = true;
        loop {
            if books.is_stopping() {
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
    pub(super) fn take_in(&self, deliveries: &[Delivery], leased: Instant) -> Vec<LeaseTicket> {
        let mut books = self.books.lock();
        books.stats.fetched += deliveries.len() as u64;
        books.stats.running += deliveries.len();
        deliveries.iter().map(|delivery| books.leases.note(delivery.receipt.clone(), leased)).collect()
    }

    /// The handler of this one is about to begin.
    pub(super) fn begin(&self, ticket: LeaseTicket) {
        self.books.lock().leases.begin(ticket);
    }

    /// What was taken in with this ticket has ended.
    pub(super) fn settle(&self, ticket: LeaseTicket, verdict: Verdict, run: RunEnd) {
        let mut books = self.books.lock();
        let receipt = books.leases.end(ticket);
        books.settlements.push(Settlement { receipt, verdict });
        let stats = &mut books.stats;
        stats.running -= 1;
        stats.unsettled += 1;
        stats.succeeded += u64::from(run == RunEnd::Succeeded);
        stats.failed += u64::from(matches!(run, RunEnd::Failed | RunEnd::Panicked));
        stats.panicked += u64::from(run == RunEnd::Panicked);
        let wakes_feeder = self.wants_feeder(&mut books);
        let wakes_settler = match books.settler_waits {
            SettlerWaits::No => false,
            SettlerWaits::ForOne => true,
            SettlerWaits::ForMany => self.is_worth_telling(&books),
        };
        if wakes_settler {
            books.settler_waits = SettlerWaits::No;
        }
        drop(books);
        if wakes_feeder {
            self.room.notify_all();
        }
        if wakes_settler {
            self.work.notify_all();
        }
    }

    /// True when there are many settlements, or no more can come soon.
    fn is_worth_telling(&self, books: &Books) -> bool {
        books.settlements.len() >= self.limits.many() || books.stats.running == 0 || books.is_stopping()
    }

    /// For the settler: waits until there is something to tell, or `until`. None when everything was told and nothing
    /// can follow.
    pub(super) fn await_settlements(&self, until: Option<Instant>) -> Option<Vec<Settlement>> {
        let mut books = self.books.lock();
        let mut late = false;
        let mut lingers_until = None;
        loop {
            let has_some = !books.settlements.is_empty();
            if late || (has_some && self.is_worth_telling(&books)) {
                return Some(std::mem::take(&mut books.settlements));
            }
            let wakes_at = if has_some {
                books.settler_waits = SettlerWaits::ForMany;
                let linger = *lingers_until.get_or_insert_with(|| Instant::now().checked_add(LINGER));
                linger.map(|linger| until.map_or(linger, |until| until.min(linger)))
            } else if books.is_stopping() && books.feeder_ended && books.stats.running == 0 {
                return None;
            } else {
                books.settler_waits = SettlerWaits::ForOne;
                until
            };
            (books, late) = wait(&self.work, books, wakes_at);
            books.settler_waits = SettlerWaits::No;
        }
    }

    /// Rests before the next try to tell, or tries at once if it was roused since the last rest.
    pub(super) fn rest_settling(&self, limit: Duration) {
        let deadline = Instant::now().checked_add(limit);
        let mut books = self.books.lock();
        let mut late = false;
        while !books.roused && !late {
            (books, late) = wait(&self.work, books, deadline);
        }
        books.roused = false;
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

    /// Gives up on this, which could not be told.
    pub(super) fn abandon(&self, untold: Vec<Settlement>) {
        let mut books = self.books.lock();
        books.stats.unsettled -= untold.len();
        books.stats.abandoned += untold.len() as u64;
    }

    /// The leases of what is in the pool that began at `before` or earlier; they count as begun `now`.
    pub(super) fn renew(&self, before: Instant, now: Instant) -> Due {
        self.books.lock().leases.renew(before, now)
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

impl Books {
    fn is_stopping(&self) -> bool {
        self.stats_at_stop.is_some()
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
    /// How many settlements are worth telling: few enough that what waits to be told never takes the room of what could
    /// be fetched.
    fn many(&self) -> usize {
        (self.max_in_flight / 4).clamp(1, MANY)
    }

    /// How many to fetch, if a call to the source pays: when a worker has nothing to do, or half of the room is free.
    /// Those that have ended and are not settled have as much room again, so that what a killed process leaves to be
    /// run twice is bounded.
    fn room_beside(&self, stats: &ConsumerStats) -> Option<usize> {
        let FlightLimits { max_in_flight, workers } = *self;
        let pays = stats.running < workers || stats.running <= max_in_flight / 2;
        let unsettled = max_in_flight.saturating_mul(2).saturating_sub(stats.running + stats.unsettled);
        let room = max_in_flight.saturating_sub(stats.running).min(unsettled);
        (pays && room > 0).then_some(room)
    }
}
