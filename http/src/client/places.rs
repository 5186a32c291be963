//! Which connections there are to a host, which of them are idle, and who waits for one.
//!
//! The idea: a *place* is the right to have one connection open. Whoever got one has an idle connection with it, or the
//! right to make one; whoever gives it back gives the connection as well, or nothing. All is decided under one lock.
//! Nothing is connected, read from or closed under it, and nothing of the user's runs.
//!
//! The rules: no more places are out than `max_open` allows. Whoever waits is served in the order of arrival, and
//! nobody who comes later goes before. Whether a waiter was served is answered by one question, "is my grant there?",
//! so a grant and the end of the wait cannot both win. A place is free once its connection is closed; until then it is
//! waited for also by those who would not wait, since no call uses it, and it takes but a moment.

use super::patience::CallPatience;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::thread::Thread;
use std::time::Instant;

/// The places of one host; `C` is a connection.
#[derive(Debug)]
pub(crate) struct HostPlaces<C> {
    max_open: usize,
    max_idle: usize,
    order: ReuseOrder,
    state: Mutex<PlacesState<C>>,
}

/// Which idle connection is taken first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReuseOrder {
    /// The one that was used last. Few connections are kept warm, and the others get old and are closed. The default.
    #[default]
    Lifo,
    /// The one that has been idle for longest. All connections get the same work.
    Fifo,
}

#[derive(Debug)]
struct PlacesState<C> {
    /// Places that are out, and idle connections.
    open: usize,
    /// Those of them whose connections serve no call any more, and are being closed.
    closing: usize,
    /// The one that has been idle for longest first.
    idle: VecDeque<IdleConn<C>>,
    waiting: VecDeque<PlaceWaiter>,
    granted: HashMap<u64, Grant<C>>,
    next_ticket: u64,
    /// Whether somebody looks after what is idle.
    is_watched: bool,
}

/// A connection that nobody uses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IdleConn<C> {
    pub(crate) conn: C,
    pub(crate) since: Instant,
}

#[derive(Debug)]
struct PlaceWaiter {
    ticket: u64,
    thread: Thread,
}

/// What comes with a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Grant<C> {
    /// A connection that was idle.
    Idle(C),
    /// The right to make one.
    New,
}

/// What became of a connection that was given back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PutAside<C> {
    /// Somebody waited for it.
    Taken,
    /// Enough are idle already. It is to be closed, outside of the lock, and then that to be said
    /// ([`HostPlaces::closed`]).
    Excess(C),
    /// It is idle. Unless it is said to be watched, whoever gave it back has to see to that.
    Idle { was_watched: bool },
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlace;

impl<C> HostPlaces<C> {
    pub(crate) fn new(max_open: usize, max_idle: usize, order: ReuseOrder) -> Self {
        let state = PlacesState {
            open: 0,
            closing: 0,
            idle: VecDeque::new(),
            waiting: VecDeque::new(),
            granted: HashMap::new(),
            next_ticket: 0,
            is_watched: false,
        };
        Self { max_open, max_idle, order, state: Mutex::new(state) }
    }

    /// A place, waiting for one that others use for as long as `in_line` has patience, and for the end of a connection
    /// that nobody uses as long as `call` has, which is longer.
    pub(crate) fn take(&self, in_line: &CallPatience, call: &CallPatience) -> Result<Grant<C>, NoPlace> {
        let (ticket, patience) = {
            let mut state = self.state.lock();
            // Whoever waits was here before.
            if state.waiting.is_empty() {
                if let Some(conn) = state.take_idle(self.order) {
                    return Ok(Grant::Idle(conn));
                }
                if state.open < self.max_open {
                    state.open += 1;
                    return Ok(Grant::New);
                }
            }
            let is_soon_free = state.waiting.len() < state.closing;
            let patience = if is_soon_free { call } else { in_line };
            if patience.is_over() {
                return Err(NoPlace);
            }
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            state.waiting.push_back(PlaceWaiter { ticket, thread: std::thread::current() });
            (ticket, patience)
        };
        let granted = patience.park_until(|| self.state.lock().granted.remove(&ticket));
        granted.map_or_else(|| self.give_up(ticket), Ok)
    }

    /// Ends a wait, unless it was served in the last moment.
    fn give_up(&self, ticket: u64) -> Result<Grant<C>, NoPlace> {
        let mut state = self.state.lock();
        state.waiting.retain(|waiting| waiting.ticket != ticket);
        state.granted.remove(&ticket).ok_or(NoPlace)
    }

    /// Exchanges a place whose idle connection was of no use: for another idle one, if there is one.
    pub(crate) fn exchange(&self) -> Grant<C> {
        let mut state = self.state.lock();
        match state.take_idle(self.order) {
            Some(conn) => {
                // Two places were out for one caller; those who wait get the other.
                state.free_place();
                Grant::Idle(conn)
            }
            None => Grant::New,
        }
    }

    /// Gives a place back with its connection, which goes to whoever waits longest. Of a host of which none may be idle
    /// no connection goes from one to the other.
    pub(crate) fn put(&self, conn: C) -> PutAside<C> {
        self.put_aside(IdleConn { conn, since: Instant::now() }, &mut self.state.lock())
    }

    /// Gives back one that was taken out ([`HostPlaces::remove_idle`]), and is to go on as if it had not been.
    pub(crate) fn put_back(&self, idle: IdleConn<C>) -> PutAside<C> {
        let mut state = self.state.lock();
        state.closing = state.closing.saturating_sub(1);
        self.put_aside(idle, &mut state)
    }

    fn put_aside(&self, idle: IdleConn<C>, state: &mut PlacesState<C>) -> PutAside<C> {
        if self.max_idle > 0 {
            if let Some(waiting) = state.waiting.pop_front() {
                state.grant(&waiting, Grant::Idle(idle.conn));
                return PutAside::Taken;
            }
        }
        if state.idle.len() >= self.max_idle {
            state.closing += 1;
            return PutAside::Excess(idle.conn);
        }
        let place = state.idle.partition_point(|other| other.since <= idle.since);
        state.idle.insert(place, idle);
        PutAside::Idle { was_watched: std::mem::replace(&mut state.is_watched, true) }
    }

    /// Says that the connection of a place serves no call any more, and is going to be closed.
    pub(crate) fn begin_close(&self) {
        self.state.lock().closing += 1;
    }

    /// Says that such a connection is closed.
    pub(crate) fn closed(&self) {
        let mut state = self.state.lock();
        state.closing = state.closing.saturating_sub(1);
        state.free_place();
    }

    /// Says that nobody looks after what is idle if nothing is, or if `anyway`. True: somebody still does.
    pub(crate) fn end_watch(&self, anyway: bool) -> bool {
        let mut state = self.state.lock();
        if anyway || state.idle.is_empty() {
            state.is_watched = false;
        }
        state.is_watched
    }

    /// Whether somebody looks after what is idle.
    pub(crate) fn is_watched(&self) -> bool {
        self.state.lock().is_watched
    }

    /// Gives a place back without a connection.
    pub(crate) fn free(&self) {
        self.state.lock().free_place();
    }

    /// Takes those idle connections out of which `is_removed` says so, the one first that has been idle for longest. It
    /// is told also how many are idle for no longer than this, which is among them. They are to be closed, and then
    /// that to be said ([`HostPlaces::closed`]), or put back.
    pub(crate) fn remove_idle(
        &self,
        mut is_removed: impl FnMut(&mut IdleConn<C>, usize) -> bool,
    ) -> Vec<IdleConn<C>> {
        let mut removed = Vec::new();
        let mut state = self.state.lock();
        for younger in (1..=state.idle.len()).rev() {
            let Some(mut idle) = state.idle.pop_front() else { break };
            if is_removed(&mut idle, younger) {
                removed.push(idle);
            } else {
                state.idle.push_back(idle);
            }
        }
        state.closing += removed.len();
        removed
    }

    /// How many connections there are, those being made included, how many of them are idle, and how many callers wait.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let state = self.state.lock();
        (state.open, state.idle.len(), state.waiting.len())
    }
}

impl<C> PlacesState<C> {
    fn take_idle(&mut self, order: ReuseOrder) -> Option<C> {
        let idle = match order {
            ReuseOrder::Lifo => self.idle.pop_back(),
            ReuseOrder::Fifo => self.idle.pop_front(),
        };
        idle.map(|idle| idle.conn)
    }

    /// One place less is used; whoever waits longest has it.
    fn free_place(&mut self) {
        match self.waiting.pop_front() {
            Some(waiting) => self.grant(&waiting, Grant::New),
            None => self.open = self.open.saturating_sub(1),
        }
    }

    fn grant(&mut self, waiting: &PlaceWaiter, grant: Grant<C>) {
        self.granted.insert(waiting.ticket, grant);
        waiting.thread.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::until::Until;
    use std::time::Duration;

    const NOW: Option<Duration> = Some(Duration::ZERO);

    fn places(max_open: usize) -> HostPlaces<u32> {
        HostPlaces::new(max_open, 2, ReuseOrder::Lifo)
    }

    const UNWATCHED: PutAside<u32> = PutAside::Idle { was_watched: false };

    fn put_all(places: &HostPlaces<u32>, conns: &[u32]) {
        for conn in conns {
            assert!(matches!(places.put(*conn), PutAside::Idle { .. }));
        }
    }

    fn now(places: &HostPlaces<u32>) -> Result<Grant<u32>, NoPlace> {
        places.take(&Until::after(NOW).into(), &CallPatience::default())
    }

    fn sometime(places: &HostPlaces<u32>) -> Grant<u32> {
        let patience = CallPatience::default();
        places.take(&patience, &patience).expect("there is no end to its patience")
    }

    fn removed(places: &HostPlaces<u32>, is_removed: impl Fn(u32) -> bool) -> Vec<u32> {
        places.remove_idle(|idle, _| is_removed(idle.conn)).into_iter().map(|idle| idle.conn).collect()
    }

    #[test]
    fn no_more_are_out_than_allowed() {
        let places = places(2);
        assert_eq!(now(&places), Ok(Grant::New));
        assert_eq!(now(&places), Ok(Grant::New));
        assert_eq!(now(&places), Err(NoPlace));
        places.free();
        assert_eq!(now(&places), Ok(Grant::New));
        assert_eq!(places.put(7), UNWATCHED);
        assert_eq!(places.counts(), (2, 1, 0));
        assert_eq!(now(&places), Ok(Grant::Idle(7)));
        assert_eq!(now(&places), Err(NoPlace));
    }

    #[test]
    fn which_idle_one_is_taken() {
        for (order, expected) in [(ReuseOrder::Lifo, [2, 1]), (ReuseOrder::Fifo, [1, 2])] {
            let places = HostPlaces::new(2, 2, order);
            assert_eq!([now(&places), now(&places)], [Ok(Grant::New), Ok(Grant::New)]);
            put_all(&places, &[1, 2]);
            assert_eq!([now(&places), now(&places)], expected.map(|conn| Ok(Grant::Idle(conn))));
        }
    }

    #[test]
    fn idle_ones_beyond_the_limit_come_back_to_be_closed() {
        let places = places(3);
        for _ in 0..3 {
            assert_eq!(now(&places), Ok(Grant::New));
        }
        put_all(&places, &[1, 2]);
        assert_eq!(places.put(3), PutAside::Excess(3));
        assert_eq!(places.counts(), (3, 2, 0), "it is not closed yet");
        places.closed();
        assert_eq!(places.counts(), (2, 2, 0));
    }

    #[test]
    fn where_none_may_be_idle_none_is_handed_on() {
        let places = HostPlaces::new(1, 0, ReuseOrder::Lifo);
        assert_eq!(now(&places), Ok(Grant::New));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| sometime(&places));
            while places.counts().2 == 0 {
                std::thread::yield_now();
            }
            assert_eq!(places.put(7), PutAside::Excess(7));
            places.closed();
            assert_eq!(waiting.join().expect("no panic"), Grant::New);
        });
    }

    #[test]
    fn a_useless_connection_is_exchanged_for_the_next() {
        let places = places(2);
        assert_eq!([now(&places), now(&places)], [Ok(Grant::New), Ok(Grant::New)]);
        put_all(&places, &[1, 2]);
        assert_eq!(now(&places), Ok(Grant::Idle(2)));
        assert_eq!(places.exchange(), Grant::Idle(1));
        assert_eq!(places.counts(), (1, 0, 0));
        assert_eq!(places.exchange(), Grant::New);
        assert_eq!(places.counts(), (1, 0, 0));
    }

    #[test]
    fn what_is_idle_is_watched_until_nothing_is() {
        let places = places(2);
        assert_eq!([now(&places), now(&places)], [Ok(Grant::New), Ok(Grant::New)]);
        assert_eq!([places.put(1), places.put(2)], [UNWATCHED, PutAside::Idle { was_watched: true }]);
        assert!(places.end_watch(false) && places.is_watched());
        assert_eq!(removed(&places, |_| true), [1, 2]);
        places.closed();
        assert!(!places.end_watch(false));
        assert_eq!(now(&places), Ok(Grant::New));
        assert_eq!(places.put(3), UNWATCHED);
        assert!(!places.end_watch(true));
    }

    #[test]
    fn removing_leaves_the_order_of_the_others() {
        let places = HostPlaces::new(3, 3, ReuseOrder::Fifo);
        for _ in 0..3 {
            assert_eq!(now(&places), Ok(Grant::New));
        }
        put_all(&places, &[1, 2, 3]);
        assert_eq!(removed(&places, |conn| conn == 2), [2]);
        assert_eq!(places.counts(), (3, 2, 0), "it is not closed yet");
        assert_eq!([now(&places), now(&places)], [Ok(Grant::Idle(1)), Ok(Grant::Idle(3))]);
        places.closed();
        assert_eq!(now(&places), Ok(Grant::New));
        assert_eq!(now(&places), Err(NoPlace));
    }

    #[test]
    fn what_is_put_back_goes_on_as_before() {
        let places = HostPlaces::new(3, 3, ReuseOrder::Fifo);
        for _ in 0..3 {
            assert_eq!(now(&places), Ok(Grant::New));
        }
        put_all(&places, &[1, 2, 3]);
        let mut younger = Vec::new();
        let mut out = places.remove_idle(|idle, count| {
            younger.push((idle.conn, count));
            idle.conn < 3
        });
        assert_eq!(younger, [(1, 3), (2, 2), (3, 1)]);
        out.reverse();
        for idle in out {
            assert_eq!(places.put_back(idle), PutAside::Idle { was_watched: true });
        }
        let taken = [now(&places), now(&places), now(&places)];
        assert_eq!(taken, [1, 2, 3].map(|conn| Ok(Grant::Idle(conn))));
        assert_eq!(now(&places), Err(NoPlace), "nothing is being closed any more");
    }

    /// Somebody closes old connections just when a call comes.
    #[test]
    fn the_end_of_what_nobody_uses_is_waited_for_by_all_and_what_is_used_is_not() {
        // In two at once, and above the limit of what may be idle.
        for max_idle in [2, 0] {
            let places = HostPlaces::new(2, max_idle, ReuseOrder::Lifo);
            assert_eq!([now(&places), now(&places)], [Ok(Grant::New), Ok(Grant::New)]);
            for conn in [1, 2] {
                let _ = places.put(conn);
            }
            assert_eq!(removed(&places, |_| true).len(), max_idle);
            std::thread::scope(|scope| {
                let calls = [scope.spawn(|| now(&places)), scope.spawn(|| now(&places))];
                while places.counts().2 < 2 {
                    assert!(calls.iter().all(|call| !call.is_finished()), "it does not wait");
                    std::thread::yield_now();
                }
                assert_eq!(now(&places), Err(NoPlace), "there are two, and two wait for them");
                places.closed();
                places.closed();
                for call in calls {
                    assert_eq!(call.join().expect("no panic"), Ok(Grant::New));
                }
            });
            // Their patience has an end, too.
            places.begin_close();
            let (here, call) =
                (Until::after(NOW).into(), Until::after(Some(Duration::from_millis(5))).into());
            assert_eq!(places.take(&here, &call), Err(NoPlace));
            places.closed();
            assert_eq!(places.counts(), (1, 0, 0));
        }
    }

    #[test]
    fn waiters_are_served_in_the_order_of_arrival_and_before_newcomers() {
        let places = places(1);
        assert_eq!(now(&places), Ok(Grant::New));
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (places, order) = (&places, &order);
                scope.spawn(move || {
                    let grant = sometime(places);
                    order.lock().push(number);
                    match grant {
                        Grant::Idle(conn) => drop(places.put(conn)),
                        Grant::New => drop(places.put(9)),
                    }
                });
                while places.counts().2 <= number {
                    std::thread::yield_now();
                }
            }
            // A newcomer without patience does not take what others wait for.
            assert_eq!(now(&places), Err(NoPlace));
            places.free();
        });
        assert_eq!(*order.lock(), [0, 1, 2, 3]);
        assert_eq!(places.counts(), (1, 1, 0));
    }

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        let places = places(1);
        assert_eq!(now(&places), Ok(Grant::New));
        let short = Until::after(Some(Duration::from_millis(5))).into();
        assert_eq!(places.take(&short, &short), Err(NoPlace));
        assert_eq!(places.counts(), (1, 0, 0));
        places.free();
        assert_eq!((places.counts(), places.state.lock().granted.len()), ((0, 0, 0), 0));
    }
}
