//! The connections to a host as callers have them: leased for an exchange, idle in between, closed when they get old.
//!
//! The idea: a lease is a connection with its place. Dropping it closes the connection and then frees the place; so
//! whatever goes wrong, also a panic, nothing is left. Only [`Leased::give_back`] keeps the connection.
//!
//! The rule: what is idle is watched ([`watcher`](super::watcher)), and looked at once more before it is used.

use super::conn::ClientSocket;
use super::patience::CallPatience;
use super::places::{Grant, HostPlaces, IdleConn, NoPlace, PutAside};
use super::watcher::{self, Look, MOMENT, WatchIdle};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// All connections to a host; see the module's text.
#[derive(Debug)]
pub(crate) struct Stock {
    places: HostPlaces<Box<ClientSocket>>,
    ages: ConnAges,
}

/// How old connections may get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnAges {
    /// Without being used; they are not used any more then.
    pub(crate) idle: Duration,
    /// So many are kept that are older than that.
    pub(crate) kept: usize,
    /// Since they were made; they are not used any more then, either.
    pub(crate) whole: Option<Duration>,
    /// The most requests that one serves.
    pub(crate) requests: Option<u64>,
}

/// A connection that is being closed; its place is free then, whatever happens.
struct ClosingConn<'a> {
    conn: Box<ClientSocket>,
    place: ClosingPlace<'a>,
}

/// The place of that.
struct ClosingPlace<'a>(Option<&'a HostPlaces<Box<ClientSocket>>>);

/// A connection for one exchange.
#[derive(Debug)]
pub(crate) struct Leased {
    // Closed before the place is free.
    pub(crate) conn: Box<ClientSocket>,
    place: HeldPlace,
}

/// The right to have a connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct HeldPlace {
    stock: Arc<Stock>,
    is_held: bool,
}

/// What there is for a caller.
pub(crate) enum Leave {
    /// A connection that is not known to be of no use.
    Use(Leased),
    /// One may be made.
    Make(HeldPlace),
}

impl Stock {
    pub(crate) fn new(places: HostPlaces<Box<ClientSocket>>, ages: ConnAges) -> Arc<Self> {
        Arc::new(Self { places, ages })
    }

    /// A connection, or the right to make one, waiting for those of others as long as `in_line` has patience; and never
    /// longer than `call` has, whose patience is longer.
    pub(crate) fn take(
        self: &Arc<Self>,
        in_line: &CallPatience,
        call: &CallPatience,
    ) -> Result<Leave, NoPlace> {
        let mut grant = self.places.take(in_line, call)?;
        loop {
            let place = HeldPlace { stock: self.clone(), is_held: true };
            let mut conn = match grant {
                Grant::New => return Ok(Leave::Make(place)),
                Grant::Idle(conn) => conn,
            };
            conn.unwatch();
            if !self.is_old(&conn) && conn.is_quiet() {
                return Ok(Leave::Use(Leased { conn, place }));
            }
            drop(conn);
            place.keep();
            grant = self.places.exchange();
        }
    }

    /// Closes all idle connections.
    pub(crate) fn close_idle(&self) {
        drop(self.remove(|_, _| true));
    }

    /// Takes idle connections out; dropped they are closed, one by one.
    fn remove(
        &self,
        is_removed: impl FnMut(&mut IdleConn<Box<ClientSocket>>, usize) -> bool,
    ) -> Vec<(ClosingConn<'_>, Instant)> {
        let removed = self.places.remove_idle(is_removed).into_iter();
        removed.map(|idle| (self.closing(idle.conn), idle.since)).collect()
    }

    fn closing(&self, conn: Box<ClientSocket>) -> ClosingConn<'_> {
        ClosingConn { conn, place: ClosingPlace(Some(&self.places)) }
    }

    /// How many connections there are, those being made included, how many of them are idle, and how many callers wait.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        self.places.counts()
    }

    /// When a connection that is idle gets old; `None`: it does not. Those that are kept have no age of that kind.
    fn end_of(&self, conn: &ClientSocket, is_kept: bool) -> Option<Instant> {
        let ConnAges { idle, whole, .. } = self.ages;
        let of_idle = conn.times.idle.checked_add(idle).filter(|_| !is_kept);
        let of_whole = whole.and_then(|whole| conn.times.opened.checked_add(whole));
        [of_idle, of_whole].into_iter().flatten().min()
    }

    /// Whether it is not to be used again. Where some are kept it may be one of them; the watch closes the others.
    fn is_old(&self, conn: &ClientSocket) -> bool {
        self.ages.requests.is_some_and(|most| conn.requests >= most)
            || self.end_of(conn, self.ages.kept > 0).is_some_and(|end| end <= Instant::now())
    }

    fn put(self: &Arc<Self>, mut conn: Box<ClientSocket>) {
        conn.times.idle = Instant::now();
        if self.is_old(&conn) {
            self.places.begin_close();
            return drop(self.closing(conn));
        }
        match self.places.put(conn) {
            PutAside::Taken => {}
            PutAside::Excess(conn) => drop(self.closing(conn)),
            PutAside::Idle { was_watched: true } => watcher::tell(),
            PutAside::Idle { was_watched: false } => {
                if let Err(error) = watcher::add(Arc::downgrade(self) as _) {
                    // They are looked at when they are to be used.
                    log::warn!("idle connections are not closed in time: {error}");
                    self.places.end_watch(true);
                }
            }
        }
    }
}

/// How long nobody looks at connections that do not get old, unless something is reported.
const LONG: Duration = Duration::from_secs(3600);

impl WatchIdle for Stock {
    fn look_at_idle(&self, look: &mut Look<'_>) {
        let mut failure = None;
        // Those of which something was reported, and those that are to be watched from now on: of what came with the
        // last response nobody reports anything.
        let is_looked_at = |idle: &IdleConn<Box<ClientSocket>>| {
            idle.conn.is_reported(look.reported)
                || idle.since + MOMENT <= look.now && !idle.conn.was_watched()
        };
        for (mut closing, since) in self.remove(|idle, _| is_looked_at(idle)) {
            // It may have been a word that is none to us.
            if closing.conn.is_quiet() {
                failure = closing.conn.watch(look).err().or(failure.take());
                closing.put_back(since);
            }
        }
        let old = self.remove(|IdleConn { conn, since }, younger| {
            let end = self.end_of(conn, younger <= self.ages.kept);
            if end.is_some_and(|end| end <= look.now) {
                return true;
            }
            if !conn.was_watched() {
                look.not_later_than(Some(*since + MOMENT));
            }
            // Somebody is idle, so there is a next time.
            look.not_later_than(end.or_else(|| look.now.checked_add(LONG)));
            false
        });
        drop(old);
        if let Some(error) = failure {
            log::debug!("an idle connection is not watched: {error}");
        }
    }

    fn needs_watch(&self) -> bool {
        self.places.end_watch(false)
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        if self.places.is_watched() {
            watcher::wake();
        }
    }
}

impl ClosingConn<'_> {
    /// It is not closed, but idle as before.
    fn put_back(self, since: Instant) {
        let Self { conn, mut place } = self;
        let Some(places) = place.0.take() else { return };
        if let PutAside::Excess(conn) = places.put_back(IdleConn { conn, since }) {
            drop(ClosingConn { conn, place: ClosingPlace(Some(places)) });
        }
    }
}

impl Drop for ClosingPlace<'_> {
    fn drop(&mut self) {
        if let Some(places) = self.0 {
            places.closed();
        }
    }
}

impl HeldPlace {
    /// Makes a lease of it.
    pub(crate) fn with(self, conn: Box<ClientSocket>) -> Leased {
        Leased { conn, place: self }
    }

    /// Somebody else gives it back.
    fn keep(mut self) {
        self.is_held = false;
    }
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        if self.is_held {
            self.stock.places.free();
        }
    }
}

impl Leased {
    /// Closes the connection, and keeps the right to have one.
    pub(crate) fn close(self) -> HeldPlace {
        let Self { conn, place } = self;
        drop(conn);
        place
    }

    /// Lets the next caller have the connection.
    pub(crate) fn give_back(self) {
        let Self { conn, mut place } = self;
        place.is_held = false;
        place.stock.put(conn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::conn::{ConnWay, NewSocket};
    use crate::client::dial::{Candidates, Race};
    use crate::client::names::AskedAddrs;
    use crate::client::places::ReuseOrder;

    #[test]
    fn what_got_old_while_nobody_watched_is_not_used() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it listens");
        let (short, long) = (Duration::from_millis(5), Duration::from_secs(3600));
        for (idle, whole, is_used) in [(long, None, true), (short, None, false), (long, Some(short), false)] {
            let ages = ConnAges { idle, kept: 0, whole, requests: None };
            let stock = Stock::new(HostPlaces::new(1, 1, ReuseOrder::Lifo), ages);
            let patience = CallPatience::default();
            let asks = &mut [(0, Candidates::Addrs(AskedAddrs::Known(vec![addr])))].into_iter();
            let dialled = Race::new(asks, None).connect(&patience).expect("it listens");
            let (transport, way) =
                (Arc::new(dialled.socket), ConnWay { local: None, via: None, is_tunnel: false });
            let conn = ClientSocket::new(NewSocket { transport, remote: addr, way });
            let Ok(Leave::Make(place)) = stock.take(&patience, &patience) else {
                panic!("there is none yet")
            };
            place.keep();
            // Past whoever would have it watched.
            assert!(matches!(stock.places.put(Box::new(conn)), PutAside::Idle { .. }));
            std::thread::sleep(Duration::from_millis(10));
            let leave = stock.take(&patience, &patience).expect("a place");
            assert_eq!(matches!(leave, Leave::Use(_)), is_used, "{ages:?}");
            drop(leave);
            assert_eq!(stock.counts(), (0, 0, 0));
        }
    }
}
