//! One thread that watches what is idle, for all clients of the process.
//!
//! The idea: it sleeps in a poller. A connection that has been idle for a moment is registered there, so that its end,
//! or a word that nobody asked for, is seen when it comes, and the connection closed at once; one that is idle only
//! between two requests in a row is not, and costs nothing. The same thread closes what got old.
//!
//! The rules: there is such a thread only while something is idle, now and then at least; it ends when nothing has been
//! for a while. It keeps no client alive. Whoever puts a connection aside wakes it only when it sleeps for longer than
//! that moment, which it does not while connections are put aside. A panic on it, of whatever takes its messages, ends
//! neither it nor the watch.

use crate::util::panic;
use mio::event::Event;
use mio::{Events, Poll, Registry, Token, Waker};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// How long a connection must have been idle to be watched.
pub(crate) const MOMENT: Duration = Duration::from_millis(50);

/// The shortest pause between two looks at all that is idle. When a server goes with many connections, they are
/// reported one after the other, and closed by one look or two.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long nothing must have been idle for the watch to end. Connections in use may all be at the moment of a look.
const LINGER: Duration = Duration::from_secs(1);

/// What the poller reports when somebody woke the thread. Connections have smaller numbers.
const WOKEN: Token = Token(usize::MAX);

/// The watch that is kept now.
static WATCH: Mutex<Option<IdleVigil>> = Mutex::new(None);

/// Whether the thread sleeps for long, so that it must be woken for what it does not know of.
static SLEEPS_LONG: AtomicBool = AtomicBool::new(false);

/// Whether something was put aside since the last look.
static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// Connections of which some may be idle.
pub(crate) trait WatchIdle: Send + Sync {
    /// Looks at all that is idle: closes what got old, and of what was reported that which is of no use; has watched
    /// what has been idle for a moment.
    fn look_at_idle(&self, look: &mut Look<'_>);

    /// Whether anything is idle. If not, nobody watches any more.
    fn needs_watch(&self) -> bool;
}

/// The thread, as whoever needs it knows it.
struct IdleVigil {
    waker: Waker,
    stocks: Vec<Weak<dyn WatchIdle>>,
}

/// That a connection is watched.
#[derive(Debug)]
pub(crate) struct IdleRegistration {
    pub(crate) token: Token,
    pub(crate) registry: Arc<Registry>,
}

/// What a look at all that is idle goes by.
pub(crate) struct Look<'a> {
    pub(crate) now: Instant,
    /// Of which something was reported.
    pub(crate) reported: &'a HashSet<Token>,
    registry: &'a Arc<Registry>,
    /// The next moment at which something has to be done if nothing is reported.
    next: Option<Instant>,
}

impl Look<'_> {
    /// A place in the poller for a connection.
    pub(crate) fn watch(&self) -> IdleRegistration {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let token = Token(NEXT.fetch_add(1, Ordering::Relaxed) % WOKEN.0);
        IdleRegistration { token, registry: self.registry.clone() }
    }

    /// Something has to be done then, if that is a moment at all.
    pub(crate) fn not_later_than(&mut self, moment: Option<Instant>) {
        if let Some(moment) = moment {
            self.next = Some(self.next.map_or(moment, |next| next.min(moment)));
        }
    }
}

/// Has the idle connections of `stock` watched from now on.
///
/// # Errors
/// When there is no poller or no thread to be had. They are looked at when they are to be used, then, and not before.
pub(crate) fn add(stock: Weak<dyn WatchIdle>) -> io::Result<()> {
    let mut watch = WATCH.lock();
    if let Some(watch) = &mut *watch {
        watch.stocks.push(stock);
        return watch.waker.wake();
    }
    let poll = Poll::new()?;
    let registry = Arc::new(poll.registry().try_clone()?);
    let waker = Waker::new(&registry, WOKEN)?;
    // It takes the lock first of all.
    let thread = std::thread::Builder::new().name("anthill-client-idle".to_owned());
    thread.spawn(move || keep_watch(poll, &registry))?;
    *watch = Some(IdleVigil { waker, stocks: vec![stock] });
    Ok(())
}

/// Says that a connection was put aside.
#[inline]
pub(crate) fn tell() {
    // Looked at first, or all threads would have to have it for themselves.
    if !IS_TOLD.load(Ordering::Relaxed) {
        IS_TOLD.store(true, Ordering::Relaxed);
    }
    // Either this sees that the thread sleeps, or the thread sees the connection before it does; see `keep_watch`.
    fence(Ordering::SeqCst);
    if SLEEPS_LONG.load(Ordering::Relaxed) {
        wake();
    }
}

/// Has the thread look again.
pub(crate) fn wake() {
    SLEEPS_LONG.store(false, Ordering::Relaxed);
    let woken = WATCH.lock().as_ref().map(|watch| watch.waker.wake());
    // Not under the lock, which whoever takes the message may need.
    if let Some(Err(error)) = woken {
        log::warn!("the watch over idle connections could not be woken: {error}");
    }
}

fn keep_watch(mut poll: Poll, registry: &Arc<Registry>) {
    let mut events = Events::with_capacity(256);
    let mut round = WatchRound { reported: HashSet::new(), told: Instant::now() };
    loop {
        let Some(mut pause) = look(registry, &mut round) else { return };
        if pause > MOMENT {
            SLEEPS_LONG.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            // What was put aside before that was seen has told nobody.
            let Some(again) = look(registry, &mut round) else { return };
            pause = again;
            SLEEPS_LONG.store(pause > MOMENT, Ordering::Relaxed);
        }
        let mut polled = poll.poll(&mut events, Some(pause));
        SLEEPS_LONG.store(false, Ordering::Relaxed);
        if !events.is_empty() {
            round.reported.extend(events.iter().map(Event::token));
            std::thread::sleep(PAUSE_MIN);
            polled = poll.poll(&mut events, Some(Duration::ZERO));
        }
        match polled {
            Ok(()) => round.reported.extend(events.iter().map(Event::token)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let said = "idle connections are looked at from time to time only";
                let _ = panic::call(|| log::error!("{said}: {error}"));
                std::thread::sleep(MOMENT);
            }
        }
    }
}

/// What the watch knows from one look to the next.
struct WatchRound {
    reported: HashSet<Token>,
    /// When something was idle, or had been put aside.
    told: Instant,
}

/// Looks at all that is idle, and says for how long there is nothing to do then. `None`: the watch has ended.
fn look(registry: &Arc<Registry>, round: &mut WatchRound) -> Option<Duration> {
    let is_told = IS_TOLD.swap(false, Ordering::Relaxed);
    let looked = panic::call(|| look_at_all(registry, &mut round.reported));
    let now = Instant::now();
    let next = match looked {
        Ok(AllIdle::Until(next)) => Some(next),
        // What panics is a logger, and may again.
        Err(_) => Some(now + MOMENT),
        Ok(AllIdle::Nothing) => None,
        Ok(AllIdle::Nobody) => return end_unless_needed(),
    };
    if is_told || next.is_some() {
        round.told = now;
    }
    match next {
        None if now.saturating_duration_since(round.told) >= LINGER => end_unless_needed(),
        // While connections are used, those that are idle at a look say little of the next moment.
        Some(next) if !is_told => Some(next.saturating_duration_since(now).clamp(PAUSE_MIN, PAUSE_MAX)),
        Some(next) => Some(next.saturating_duration_since(now).clamp(PAUSE_MIN, MOMENT)),
        None => Some(MOMENT),
    }
}

/// What a look has found.
enum AllIdle {
    /// Something is idle, and then there is something to do.
    Until(Instant),
    Nothing,
    /// There are no clients.
    Nobody,
}

/// Looks at all that is idle, and forgets what was reported.
fn look_at_all(registry: &Arc<Registry>, reported: &mut HashSet<Token>) -> AllIdle {
    let mut stocks = Vec::new();
    if let Some(watch) = &mut *WATCH.lock() {
        watch.stocks.retain(|stock| stock.strong_count() > 0);
        stocks.extend(watch.stocks.iter().filter_map(Weak::upgrade));
    }
    let mut look = Look { now: Instant::now(), reported, registry, next: None };
    for stock in &stocks {
        stock.look_at_idle(&mut look);
    }
    let next = look.next;
    reported.clear();
    match next {
        Some(next) => AllIdle::Until(next),
        None if stocks.is_empty() => AllIdle::Nobody,
        None => AllIdle::Nothing,
    }
}

/// Ends the watch if nothing is idle. Under its lock, so that whoever puts something aside finds it, or begins another.
fn end_unless_needed() -> Option<Duration> {
    // Let go behind the lock, which the end of a stock takes.
    let mut looked_at = Vec::new();
    let mut watch = WATCH.lock();
    if let Some(watch) = &mut *watch {
        watch.stocks.retain(|stock| {
            let stock = stock.upgrade();
            let is_needed = stock.as_ref().is_some_and(|stock| stock.needs_watch());
            looked_at.extend(stock);
            is_needed
        });
        if !watch.stocks.is_empty() {
            return Some(PAUSE_MIN);
        }
    }
    *watch = None;
    SLEEPS_LONG.store(false, Ordering::Relaxed);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first look at it panics, as whatever takes messages may.
    struct PanicsOnce(AtomicUsize);

    impl WatchIdle for PanicsOnce {
        fn look_at_idle(&self, look: &mut Look<'_>) {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "on purpose");
            look.not_later_than(Some(look.now));
        }

        fn needs_watch(&self) -> bool {
            true
        }
    }

    fn wait_until(mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it does not come");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn the_watch_outlives_a_panic_and_ends_with_what_it_watches() {
        let stock = Arc::new(PanicsOnce(AtomicUsize::new(0)));
        let watched: Arc<dyn WatchIdle> = stock.clone();
        add(Arc::downgrade(&watched)).expect("a poller and a thread");
        wait_until(|| stock.0.load(Ordering::SeqCst) >= 3);
        drop((stock, watched));
        // Other tests of this process may have something idle for a while.
        wait_until(|| {
            wake();
            WATCH.lock().is_none()
        });
    }
}
