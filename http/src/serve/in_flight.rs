//! Which requests are being handled, since when and by whom: for a look from outside, and for a word in the log about
//! those that take too long.
//!
//! The idea: each place where requests are served says when a handler begins, by a store, and which request it is for,
//! by a line that is written anew only when it is another one than before. Whoever looks reads all places.
//!
//! The rule: a place says what it is about to do before it says since when, so a look that finds the same beginning
//! before and behind the line has the line of that request, but for one that came between; and then it is an old one
//! that is missed, not a young one that is blamed.

use crate::observe::in_flight::RequestInFlight;
use crate::util::thread::ThreadNumber;
use parking_lot::Mutex;
use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// So much is kept of a request's line: its method and the beginning of its target.
const LINE_BYTES: usize = 128;
/// Lines that are no longer than this are told apart by the front of the head, which they are in.
const FRONT_BYTES: usize = 32;

/// All places.
#[derive(Default)]
pub(crate) struct Places {
    all: Mutex<Vec<Arc<Place>>>,
}

/// One place where requests are served.
#[derive(Default)]
struct Place {
    /// When the handler that runs here began, in nanoseconds, which are never zero; zero while none runs.
    since: AtomicU64,
    what: Mutex<What>,
}

#[derive(Clone, Default)]
struct What {
    line: Vec<u8>,
    worker: Arc<Worker>,
    /// The beginning of the handler that was told of as blocked.
    told: u64,
}

/// A thread.
#[derive(Debug, Default)]
pub(crate) struct Worker {
    pub(crate) name: String,
    /// Its number with the system, where that can be had.
    pub(crate) number: Option<ThreadNumber>,
}

/// A place, as whoever serves there has it.
pub(crate) struct Attendant {
    place: Arc<Place>,
    all: Arc<Places>,
    /// The line that is there to be seen.
    line: [u8; LINE_BYTES],
    length: usize,
    /// What the head begins with that has it: to know a short line again by few instructions.
    front: [u8; FRONT_BYTES],
    /// How much of it is the line; more than any line has when that is longer.
    front_length: usize,
}

/// A handler that was found to run for long.
pub(crate) struct Blocked {
    pub(crate) request: RequestInFlight,
    pub(crate) worker: Arc<Worker>,
}

impl Places {
    /// A place for whoever serves.
    pub(crate) fn begin(self: &Arc<Self>) -> Attendant {
        let place: Arc<Place> = Arc::default();
        self.all.lock().push(place.clone());
        Attendant {
            place,
            all: self.clone(),
            line: [0; LINE_BYTES],
            length: 0,
            front: [0; FRONT_BYTES],
            front_length: usize::MAX,
        }
    }

    /// Whether a handler runs anywhere.
    pub(crate) fn is_any(&self) -> bool {
        self.all.lock().iter().any(|place| place.since.load(Ordering::Relaxed) != 0)
    }

    /// What is being handled at `now`, the oldest first.
    pub(crate) fn all(&self, now: u64) -> Vec<RequestInFlight> {
        let places = self.all.lock();
        let mut found: Vec<_> = places.iter().filter_map(|place| Some(place.look(now)?.0.request)).collect();
        found.sort_by_key(|request| std::cmp::Reverse(request.age()));
        found
    }

    /// The handlers that have run for so long at `now`, each the first time that it is found; so many at most.
    pub(crate) fn find_blocked(&self, now: u64, limit: Duration, most: usize) -> Vec<Blocked> {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let places = self.all.lock();
        let long = places.iter().filter(|place| {
            let since = place.since.load(Ordering::Relaxed);
            since != 0 && now.saturating_sub(since) >= limit && place.what.lock().told != since
        });
        long.filter_map(|place| {
            let (blocked, since) = place.look(now)?;
            let is_new = std::mem::replace(&mut place.what.lock().told, since) != since;
            is_new.then_some(blocked)
        })
        .take(most)
        .collect()
    }
}

impl Place {
    fn look(&self, now: u64) -> Option<(Blocked, u64)> {
        let since = self.since.load(Ordering::Acquire);
        let What { line, worker, .. } = self.what.lock().clone();
        if since == 0 || self.since.load(Ordering::Acquire) != since {
            return None;
        }
        let age = Duration::from_nanos(now.saturating_sub(since));
        let request = RequestInFlight::new(&line, age, worker.name.clone());
        Some((Blocked { request, worker }, since))
    }
}

impl Attendant {
    /// The thread that calls serves here from now on.
    pub(crate) fn is_here(&self) {
        self.place.what.lock().worker = this_worker();
    }

    /// A handler begins, at `now`, for the request with this head, of which so many bytes are the line.
    #[inline]
    pub(crate) fn begin(&mut self, now: u64, head: &[u8], length: usize) {
        if length != self.front_length || head.first_chunk() != Some(&self.front) {
            self.compare(head, length);
        }
        self.place.since.store(now.max(1), Ordering::Release);
    }

    #[inline(never)]
    fn compare(&mut self, head: &[u8], length: usize) {
        let line = head.get(..length.min(LINE_BYTES)).unwrap_or(head);
        if self.line.get(..self.length) != Some(line) {
            self.publish(line);
        }
        self.front = head.first_chunk().copied().unwrap_or_default();
        self.front_length = if length <= FRONT_BYTES { length } else { usize::MAX };
    }

    #[cold]
    fn publish(&mut self, line: &[u8]) {
        self.line[..line.len()].copy_from_slice(line);
        self.length = line.len();
        let mut what = self.place.what.lock();
        what.line.clear();
        what.line.extend_from_slice(line);
    }

    /// It is over.
    #[inline]
    pub(crate) fn end(&self) {
        self.place.since.store(0, Ordering::Release);
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        self.all.all.lock().retain(|place| !Arc::ptr_eq(place, &self.place));
    }
}

impl fmt::Debug for Attendant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attendant")
    }
}

fn this_worker() -> Arc<Worker> {
    thread_local! {
        static WORKER: OnceCell<Arc<Worker>> = const { OnceCell::new() };
    }
    let make = || {
        let name = std::thread::current().name().unwrap_or("a thread without a name").to_owned();
        Arc::new(Worker { name, number: ThreadNumber::of_this() })
    };
    WORKER.try_with(|worker| worker.get_or_init(make).clone()).unwrap_or_else(|_| make())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn begin(place: &mut Attendant, second: u64, line: &str) {
        place.begin(
            second * SECOND,
            format!("{line} HTTP/1.1\r\nHost: of a server\r\n\r\n").as_bytes(),
            line.len(),
        );
    }

    #[test]
    fn a_line_is_seen_whatever_its_length_and_whatever_ran_before() {
        let places = Arc::new(Places::default());
        let mut place = places.begin();
        let long = format!("GET /{}", "a".repeat(LINE_BYTES));
        let lines = [
            "GET /",
            "GET /a",
            "GET /a",
            "GET /a HTTP/1.1",
            "PUT /a",
            &long[..32],
            &long[..33],
            &long[..34],
            &long,
        ];
        for line in lines.iter().chain(lines.iter().rev()) {
            begin(&mut place, 1, line);
            let shown = place.place.what.lock().line.clone();
            assert_eq!(String::from_utf8_lossy(&shown), line[..line.len().min(LINE_BYTES)]);
        }
        // No more than the line was received, or nobody knows where it ends.
        for head in ["GET /", "", "PUT /"] {
            place.begin(1, head.as_bytes(), 5);
            assert_eq!(place.place.what.lock().line, head.as_bytes());
        }
    }

    #[test]
    fn what_runs_is_seen_the_oldest_first_and_blamed_once() {
        let places = Arc::new(Places::default());
        let (mut young, mut old, idle) = (places.begin(), places.begin(), places.begin());
        for place in [&young, &old, &idle] {
            place.is_here();
        }
        begin(&mut young, 5, "GET /young?secret");
        begin(&mut old, 2, "PUT /old");
        let seen = |now| {
            let all = places.all(now);
            all.iter().map(|request| format!("{} {}", request.method(), request.path())).collect::<Vec<_>>()
        };
        assert_eq!(seen(6 * SECOND), ["PUT /old", "GET /young"]);
        let limit = Duration::from_secs(3);
        let blocked = |now| places.find_blocked(now, limit, 9).len();
        assert_eq!([5, 6, 8, 9].map(|second| blocked(second * SECOND)), [1, 0, 1, 0]);
        assert!(places.is_any());
        old.end();
        assert_eq!(seen(9 * SECOND), ["GET /young"]);
        begin(&mut old, 9, "PUT /old");
        assert_eq!(blocked(12 * SECOND), 1, "another one");
        drop((young, old));
        assert!(!places.is_any() && seen(13 * SECOND).is_empty());
        drop(idle);
        assert!(places.all.lock().is_empty());
    }

    #[test]
    fn no_more_are_found_at_once_than_were_asked_for() {
        let places = Arc::new(Places::default());
        let mut all = [(); 5].map(|()| places.begin());
        for place in &mut all {
            begin(place, 1, "GET /");
        }
        let found = [(); 4].map(|()| places.find_blocked(9 * SECOND, Duration::from_secs(3), 2).len());
        assert_eq!(found, [2, 2, 1, 0]);
    }
}
