//! The connections to a host as callers have them: leased for an exchange, idle in between, closed when they get old.
//!
//! The idea: a lease is a connection with its place. Dropping it closes the connection and then frees the place; so
//! whatever goes wrong, also a panic, nothing is left. Only [`Leased::give_back`] keeps the connection.
//!
//! The rule: there is a thread only while there are idle connections, and it holds nothing but the means to be ended.

use super::conn::ClientSocket;
use super::places::{Grant, HostPlaces, NoPlace};
use super::until::Until;
use parking_lot::{Condvar, Mutex};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// All connections to a host; see the module's text.
#[derive(Debug)]
pub(crate) struct Stock {
    places: HostPlaces<Box<ClientSocket>>,
    ages: Ages,
    sweep: Arc<Sweep>,
}

/// How old connections may get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ages {
    /// Without being used.
    pub(crate) idle: Duration,
    /// Since they were made; they are not used any more then.
    pub(crate) whole: Option<Duration>,
}

/// What is said between the stock and the thread that closes what got old.
#[derive(Debug, Default)]
struct Sweep {
    state: Mutex<SweepState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct SweepState {
    is_running: bool,
    is_over: bool,
}

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
    pub(crate) fn new(places: HostPlaces<Box<ClientSocket>>, ages: Ages) -> Arc<Self> {
        Arc::new(Self { places, ages, sweep: Arc::default() })
    }

    /// A connection, or the right to make one, waiting for it until then at most.
    pub(crate) fn take(self: &Arc<Self>, until: Until) -> Result<Leave, NoPlace> {
        let mut grant = self.places.take(until)?;
        loop {
            let place = HeldPlace { stock: self.clone(), is_held: true };
            let conn = match grant {
                Grant::New => return Ok(Leave::Make(place)),
                Grant::Idle(conn) => conn,
            };
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
        drop(self.places.remove_idle(|_, _| true));
    }

    /// How many connections there are, those being made included, how many of them are idle, and how many callers wait.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let (open, idle) = self.places.counts();
        (open, idle, self.places.waiting())
    }

    fn is_old(&self, conn: &ClientSocket) -> bool {
        self.ages.whole.is_some_and(|most| conn.opened.elapsed() >= most)
    }

    fn put(self: &Arc<Self>, conn: Box<ClientSocket>) {
        if self.is_old(&conn) {
            drop(conn);
            return self.places.free();
        }
        let excess = self.places.put(conn);
        drop(excess);
        self.start_sweeping();
    }

    /// Closes what got old.
    fn close_old(&self) {
        let now = Instant::now();
        let ages = self.ages;
        drop(self.places.remove_idle(|conn, since| {
            let is_old = ages.whole.is_some_and(|most| now.saturating_duration_since(conn.opened) >= most);
            is_old || now.saturating_duration_since(since) >= ages.idle
        }));
    }

    fn start_sweeping(self: &Arc<Self>) {
        let mut state = self.sweep.state.lock();
        if state.is_running {
            return;
        }
        let nearest = self.ages.whole.map_or(self.ages.idle, |whole| whole.min(self.ages.idle));
        let pause = (nearest / 8).clamp(Duration::from_millis(5), Duration::from_secs(1));
        let (stock, sweep) = (Arc::downgrade(self), self.sweep.clone());
        let spawned = std::thread::Builder::new()
            .name("anthill-client-idle".to_owned())
            .spawn(move || sweep_until_empty(&stock, &sweep, pause));
        match spawned {
            Ok(_) => state.is_running = true,
            // They are closed when they are next looked at.
            Err(error) => {
                log::warn!("idle connections are not closed in time, for want of a thread: {error}")
            }
        }
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        self.sweep.state.lock().is_over = true;
        self.sweep.changed.notify_all();
    }
}

fn sweep_until_empty(stock: &Weak<Stock>, sweep: &Sweep, pause: Duration) {
    loop {
        {
            let mut state = sweep.state.lock();
            if !state.is_over {
                sweep.changed.wait_for(&mut state, pause);
            }
            if state.is_over {
                return;
            }
        }
        let Some(stock) = stock.upgrade() else { return };
        stock.close_old();
        // Under the lock under which a thread is asked for, so that no idle connection is left without one. It is let
        // go before the stock, whose end takes it.
        let mut state = sweep.state.lock();
        if stock.places.counts().1 == 0 {
            state.is_running = false;
            return;
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
    /// Lets the next caller have the connection.
    pub(crate) fn give_back(self) {
        let Self { conn, mut place } = self;
        place.is_held = false;
        place.stock.put(conn);
    }
}
