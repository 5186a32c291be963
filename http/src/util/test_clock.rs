//! A clock that tests move ahead, and who has to look at it again then.
//!
//! The rule: whoever has moved it finds the same as if the time had passed while nothing else happened: before it is
//! moved what is under way comes to rest, and behind that what is due is done.

use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};

/// How long a move waits at most for what is under way, before it and behind it; threads may have to be made for it.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

/// How long it waits for handlers, and for what else takes its own time. One that has taken longer waits for something.
const HANDLED_WITHIN: Duration = Duration::from_millis(50);

/// How often it is looked whether all is at rest.
const LOOKED_EVERY: Duration = Duration::from_micros(50);

/// A clock for tests: it goes as time does, and can be moved ahead (feature `testing`). A clone is the same clock.
///
/// A [`TestServer`](crate::testing::TestServer) has one; a server that is built otherwise is given one by
/// [`ServerBuilder::clock`](crate::ServerBuilder::clock), and several may have the same. By it the server's timeouts
/// pass: for heads, bodies, idle connections, responses that are not taken, handlers
/// ([`handler_timeout`](crate::ServerBuilder::handler_timeout), [`timeout`](crate::timeout())), what waits for a thread
/// ([`max_wait`](crate::ServerBuilder::max_wait)) or for a place
/// ([`concurrency_limit`](crate::middleware::concurrency_limit())), heartbeats of event streams, pings of WebSockets.
/// By it sessions and signed cookies run out, and what a [`rate_limit`](crate::middleware::rate_limit()) grants comes
/// back. It is what [`RequestCtx::time`](crate::RequestCtx::time), [`deadline`](crate::RequestCtx::deadline) and the
/// field `Date` say.
///
/// It does not stand still as [`anthill_pool::ManualClock`] does: a server waits for milliseconds here and there, and
/// would wait for ever. So what is due in an hour is due only when somebody moves the clock, unless the test takes as
/// long.
///
/// What it does not move: a handler that sleeps or asks the system for the time, or waits for more of a body that is
/// streamed; a function that writes one, and waits for its client; limits that are given to calls
/// ([`shutdown`](crate::Server::shutdown), [`StopSignal::wait`](crate::StopSignal::wait)), connections that were
/// taken over, the functions that own a WebSocket, the client (but for the cookies that a
/// [`TestClient`](crate::testing::TestClient) keeps), and files.
///
/// ```
/// use anthill_http::testing::TestServer;
/// use std::time::Duration;
///
/// let server = TestServer::new(|ctx| ctx.set_body("here"));
/// let mut conn = server.connect();
/// conn.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
/// conn.read_response().assert_text("here");
/// // The default idle_timeout.
/// server.clock().advance(Duration::from_secs(74));
/// assert!(!conn.is_closed());
/// server.clock().advance(Duration::from_secs(2));
/// assert!(conn.is_closed());
/// ```
#[derive(Clone, Default)]
pub struct TestClock {
    hands: Arc<ClockHands>,
}

#[derive(Default)]
struct ClockHands {
    /// How far it is ahead of the system's, in nanoseconds.
    ahead: AtomicU64,
    followers: Mutex<Vec<Weak<dyn FollowsClock>>>,
    /// One move at a time.
    moving: Mutex<()>,
}

/// Something that does things when they are due.
pub(crate) trait FollowsClock: Send + Sync {
    /// Whether what was due by then, as the clock has it, was done, and how much is under way that takes its own time.
    fn rests(&self, by: Option<Instant>) -> (bool, usize);

    /// The clock was moved: what is due now is to be done.
    fn look_again(&self);
}

impl TestClock {
    /// A clock that shows the time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves it ahead. When this returns, what is due by then was done, as if the time had passed while nothing else
    /// happened: connections whose time is up are closed. (A response to one of them, or to a handler that has taken
    /// too long, may still be on its way.)
    ///
    /// Before it moves it waits until the servers have served what was sent to them so far. Handlers, and functions
    /// that write bodies, are waited for for 50 ms of the system's time; of those that take longer it is as if they had
    /// taken all the time that the clock was moved.
    ///
    /// # Panics
    /// When the clock would be ahead by more than 500 years.
    pub fn advance(&self, by: Duration) {
        let hands = &*self.hands;
        let _one = hands.moving.lock();
        self.settle();
        let nanos = u64::try_from(by.as_nanos()).ok();
        let ahead = nanos.and_then(|nanos| hands.ahead.load(Ordering::SeqCst).checked_add(nanos));
        assert!(ahead.is_some_and(|ahead| ahead < u64::MAX / 2), "the clock would be ahead by {by:?} more");
        hands.ahead.store(ahead.unwrap_or(0), Ordering::SeqCst);
        let now = self.now();
        // Whoever came while it was waited is among them; whoever comes from here on sees what the clock shows now.
        let followers = self.followers();
        followers.iter().for_each(|follower| follower.look_again());
        settle(&followers, Some(now));
    }

    /// How far it was moved ahead so far.
    pub fn ahead(&self) -> Duration {
        Duration::from_nanos(self.hands.ahead.load(Ordering::SeqCst))
    }

    /// What it shows, as a time that only goes forward: the system's, and by how much it is ahead.
    pub fn now(&self) -> Instant {
        Instant::now() + self.ahead()
    }

    /// What it shows, as a time of day.
    pub fn time(&self) -> SystemTime {
        SystemTime::now() + self.ahead()
    }

    /// Waits until what was sent to the servers so far was served, as far as no handler is waited for.
    pub(crate) fn settle(&self) {
        settle(&self.followers(), None);
    }

    fn followers(&self) -> Vec<Arc<dyn FollowsClock>> {
        self.hands.followers.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Has `follower` told when it is moved.
    pub(crate) fn tell(&self, follower: Weak<dyn FollowsClock>) {
        let mut followers = self.hands.followers.lock();
        followers.retain(|follower| follower.strong_count() > 0);
        followers.push(follower);
    }
}

/// Waits until all are at rest, and have done what was due by then; but not for longer than is reasonable.
fn settle(followers: &[Arc<dyn FollowsClock>], by: Option<Instant>) {
    let begun = Instant::now();
    loop {
        let all = followers.iter().map(|follower| follower.rests(by));
        let (rest, running) = all.fold((true, 0), |sum, one| (sum.0 && one.0, sum.1 + one.1));
        let waited = begun.elapsed();
        if rest && (running == 0 || waited >= HANDLED_WITHIN) || waited >= SETTLED_WITHIN {
            return;
        }
        std::thread::sleep(LOOKED_EVERY);
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClock").field("ahead", &self.ahead()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how often it looked, and has another one follow when it is asked whether it rests.
    #[derive(Default)]
    struct Follower {
        looked: AtomicU64,
        brings: Mutex<Option<(TestClock, Weak<dyn FollowsClock>)>>,
    }

    impl FollowsClock for Follower {
        fn rests(&self, _: Option<Instant>) -> (bool, usize) {
            if let Some((clock, other)) = self.brings.lock().take() {
                clock.tell(other);
            }
            (true, 0)
        }

        fn look_again(&self) {
            self.looked.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn whoever_comes_while_a_move_waits_is_told_of_it() {
        let clock = TestClock::new();
        let (first, late) = (Arc::new(Follower::default()), Arc::new(Follower::default()));
        let weak: Weak<dyn FollowsClock> = Arc::downgrade(&(late.clone() as Arc<dyn FollowsClock>));
        *first.brings.lock() = Some((clock.clone(), weak));
        clock.tell(Arc::downgrade(&(first.clone() as Arc<dyn FollowsClock>)));
        clock.advance(Duration::from_secs(60));
        assert_eq!([&first, &late].map(|one| one.looked.load(Ordering::SeqCst)), [1, 1]);
    }
}
