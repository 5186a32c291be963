//! What the threads of a shard share under its one lock: where each connection is, which are to be served next, whose
//! deadline comes up, and whether the driver sleeps.
//!
//! *Finding nothing to serve* and *going to sleep* are one step under the lock, and so is *bringing something* and
//! *looking whether the driver sleeps*; so nobody brings something to a driver that then sleeps past it. Waking itself
//! happens outside: the methods say whether it has to. The first that brings something to a sleeping driver wakes it,
//! others need not, because `asleep` is taken back in the same step.
//!
//! A table knows no poller and no socket: what it must know of a connection is in [`Member`].

use std::collections::VecDeque;

use crate::engine::dispatch::queue::Ticket;
use crate::engine::shard::deadlines::{Deadlines, Millis, NEVER};
use crate::engine::shard::idle::{Idle, Idlers, Longest};
use crate::engine::shard::slots::{Readiness, Slots, Token};
use crate::engine::sync::{Mutex, lock};

/// Turns before the poller is asked again.
const TURNS_PER_PASS: usize = 64;
/// So many of the connections that were woken, or given back, are served in one pass whatever else there is. However
/// many were, others are heard in between.
const RESUMED_PER_PASS_MIN: usize = 8;
/// So many of those whose time is up are taken at once, for the same reason.
const OVERDUE_AT_ONCE: usize = 64;
/// Entries that are looked at under the lock at once to find the longest idle connection: some microseconds.
const ENTRIES_PER_LOOK: usize = 64;

/// Slots that are looked at under the lock at once to count the idle connections.
const SLOTS_PER_LOOK: usize = 256;

/// How many connections are idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdleCounts {
    /// Between two requests.
    pub(crate) resting: usize,
    /// Without having sent anything.
    pub(crate) fresh: usize,
}

/// What a table must know of a connection that it holds.
pub(crate) trait Member {
    fn token(&self) -> Token;
    /// When it is given up, as long as it is parked.
    fn deadline(&self) -> Millis;
    /// Since when it has been idle, if it is; as long as it is parked.
    fn idle(&self) -> Option<Idle>;
    /// Takes over what the poller reported.
    fn note(&mut self, readiness: Readiness);
}

/// The connections of a shard.
pub(crate) struct Table<C> {
    state: Mutex<TableState<C>>,
}

struct TableState<C> {
    slots: Slots<C>,
    to_serve: VecDeque<ToServe<C>>,
    /// Connections that are out, and of which many may come at one moment: they were woken, or given back by whoever
    /// was to serve them. They get into the queue a few at a time.
    resumed: VecDeque<C>,
    /// Tickets of those that wait for a worker, and of whose peers no poller has told that they will send nothing more.
    left: Vec<Ticket>,
    /// How many of `to_serve` come before the poller is asked again, so that those who always have more to do do not
    /// keep others from being heard.
    this_pass: usize,
    deadlines: Deadlines,
    idlers: Idlers,
    /// The driver waits for the poller, or is about to, and nobody has woken it yet.
    asleep: bool,
    /// The driver is gone for good; nothing can be added.
    ended: bool,
    /// What time it was when the driver found nothing last.
    #[cfg(feature = "testing")]
    rested_at: Millis,
}

/// A connection that is out, in the queue of those to be served.
enum ToServe<C> {
    Ready(C),
    Overdue(C),
}

/// What the driver found when it looked for a connection to serve.
pub(crate) enum Next<C> {
    Connection(C),
    /// One whose deadline has passed: what it waited for may have come while nobody looked, else it is to be given up.
    Overdue(C),
    /// Some, but the poller must be asked first whether others are ready.
    AskPoller,
    /// Nothing: wait for the poller, at most until then.
    Nothing(Millis),
}

impl<C: Member> Table<C> {
    pub(crate) fn new() -> Self {
        Table {
            state: Mutex::new(TableState {
                slots: Slots::new(),
                to_serve: VecDeque::new(),
                resumed: VecDeque::new(),
                left: Vec::new(),
                this_pass: 0,
                deadlines: Deadlines::default(),
                idlers: Idlers::default(),
                asleep: false,
                ended: false,
                #[cfg(feature = "testing")]
                rested_at: 0,
            }),
        }
    }

    /// A place for a new connection, which counts as out until it is added or released. `None`: the driver is gone.
    pub(crate) fn reserve(&self) -> Option<Token> {
        let mut state = lock(&self.state);
        (!state.ended).then(|| state.slots.reserve())
    }

    /// Parks a new connection at its reserved place, or queues it if something was reported already. True: wake the
    /// driver.
    #[must_use]
    pub(crate) fn add(&self, connection: C) -> bool {
        let (token, deadline) = (connection.token(), connection.deadline());
        let mut state = lock(&self.state);
        let mut wakes = state.deadlines.set(token, deadline);
        state.note_idle(&connection);
        if let Err((mut connection, readiness)) = state.slots.park(token, connection, true) {
            connection.note(readiness);
            state.to_serve.push_back(ToServe::Ready(connection));
            wakes = true;
        }
        state.must_wake(wakes)
    }

    /// Parks a connection after a turn. `Ok(true)`: wake the driver. `Err`: something was reported meanwhile, or the
    /// shard is stopping and the connection idle; serve it again.
    pub(crate) fn park(&self, connection: C, is_idle: bool) -> Result<bool, C> {
        let (token, deadline) = (connection.token(), connection.deadline());
        let mut state = lock(&self.state);
        state.note_idle(&connection);
        match state.slots.park(token, connection, is_idle) {
            Ok(()) => {
                let wakes = deadline != NEVER && state.deadlines.set(token, deadline);
                Ok(state.must_wake(wakes))
            }
            Err((mut connection, readiness)) => {
                connection.note(readiness);
                Err(connection)
            }
        }
    }

    /// How many of the connections rest between two requests, and how many have sent nothing yet. The lock is not kept
    /// for longer than a look takes, so what comes and goes meanwhile may be missed.
    pub(crate) fn count_idle(&self) -> IdleCounts {
        let mut counts = IdleCounts::default();
        let mut begin = 0;
        loop {
            let state = lock(&self.state);
            for index in begin..begin + SLOTS_PER_LOOK {
                match state.slots.parked(index).and_then(Member::idle) {
                    Some(Idle::Resting(_)) => counts.resting += 1,
                    Some(Idle::Fresh(_)) => counts.fresh += 1,
                    None => {}
                }
            }
            begin += SLOTS_PER_LOOK;
            if begin >= state.slots.count() {
                return counts;
            }
        }
    }

    /// Since when the longest idle of the parked connections has been so.
    pub(crate) fn longest_idle(&self) -> Option<Idle> {
        self.with_longest_idle(|_, _, idle| idle)
    }

    /// Takes the longest idle of the parked connections out.
    pub(crate) fn take_longest_idle(&self) -> Option<C> {
        self.with_longest_idle(|state, token, _| state.slots.take(token)).flatten()
    }

    fn with_longest_idle<R>(&self, found: impl FnOnce(&mut TableState<C>, Token, Idle) -> R) -> Option<R> {
        loop {
            // The lock is not kept for longer than a look takes, however many there have to be.
            let mut state = lock(&self.state);
            let TableState { idlers, slots, .. } = &mut *state;
            match idlers.longest(ENTRIES_PER_LOOK, |index| slots.parked(index)?.idle()) {
                Longest::Found(index, idle) => {
                    let token = slots.parked(index)?.token();
                    return Some(found(&mut state, token, idle));
                }
                Longest::LookAgain => {}
                Longest::Nobody => return None,
            }
        }
    }

    /// Puts a connection that is out at the end of the queue. True: wake the driver.
    #[must_use]
    pub(crate) fn queue(&self, connection: C) -> bool {
        let mut state = lock(&self.state);
        state.to_serve.push_back(ToServe::Ready(connection));
        state.must_wake(true)
    }

    /// Gives back a connection that is out, to be served behind the others, together with any number of its kind. True:
    /// wake the driver.
    #[must_use]
    pub(crate) fn give_back(&self, connection: C) -> bool {
        let mut state = lock(&self.state);
        state.resumed.push_back(connection);
        state.must_wake(true)
    }

    /// Ends a connection that is out, and that the caller closes. True: wake the driver.
    #[must_use]
    pub(crate) fn end(&self, connection: &mut C) -> bool {
        let mut state = lock(&self.state);
        state.release(connection.token())
    }

    /// Gives back the place of a connection that was never added. True: wake the driver.
    #[must_use]
    pub(crate) fn release(&self, token: Token) -> bool {
        lock(&self.state).release(token)
    }

    /// The next connection to serve: first those reported, then those overdue. With `Nothing` the driver counts as
    /// asleep until it reports again.
    pub(crate) fn find(&self, now: Millis) -> Next<C> {
        let mut state = lock(&self.state);
        if state.this_pass == 0 {
            state.queue_overdue(now);
            if !state.to_serve.is_empty() || !state.resumed.is_empty() || !state.left.is_empty() {
                return Next::AskPoller;
            }
        }
        match state.to_serve.pop_front() {
            Some(next) => {
                state.this_pass -= 1;
                match next {
                    ToServe::Ready(connection) => Next::Connection(connection),
                    ToServe::Overdue(connection) => Next::Overdue(connection),
                }
            }
            None => {
                debug_assert_eq!(state.this_pass, 0, "a pass is part of the queue");
                state.asleep = true;
                #[cfg(feature = "testing")]
                {
                    state.rested_at = now;
                }
                Next::Nothing(state.deadlines.next().unwrap_or(NEVER))
            }
        }
    }

    /// The driver is up, and this is what the poller reported: queues what is ready, and begins a pass. The tickets of
    /// those that wait for a worker, and whose peer will send nothing more, are added to `left`.
    pub(crate) fn report(&self, reports: impl Iterator<Item = (Token, Readiness)>, left: &mut Vec<Ticket>) {
        let mut state = lock(&self.state);
        state.asleep = false;
        for (token, readiness) in reports {
            if let Some(mut connection) = state.slots.report(token, readiness) {
                connection.note(readiness);
                state.to_serve.push_back(ToServe::Ready(connection));
            } else if readiness.read_closed {
                left.extend(state.slots.ticket(token));
            }
        }
        left.append(&mut state.left);
        let TableState { resumed, to_serve, .. } = &mut *state;
        let room = TURNS_PER_PASS.saturating_sub(to_serve.len()).max(RESUMED_PER_PASS_MIN);
        let count = resumed.len().min(room);
        to_serve.extend(resumed.drain(..count).map(ToServe::Ready));
        state.this_pass = state.to_serve.len().min(TURNS_PER_PASS);
    }

    /// Has the driver ask the poller before it serves anything else.
    pub(crate) fn end_pass(&self) {
        lock(&self.state).this_pass = 0;
    }

    /// A connection that is out waits for a worker.
    pub(crate) fn note_ticket(&self, token: Token, ticket: Ticket) {
        lock(&self.state).slots.note_ticket(token, ticket);
    }

    /// The connection of `token` is to be served, if there still is one: there is something to be sent on it, or
    /// something has changed at its transport, of which no poller tells. If it is parked it is taken; if it is out,
    /// whoever parks it learns of it. True: wake the driver.
    #[must_use]
    pub(crate) fn resume(&self, token: Token) -> bool {
        // Whether its peer takes more or there is more to be taken is the same to a response under way.
        self.resume_by(token, Readiness { writable: true, ..Readiness::default() })
    }

    /// The same, when its peer has ended its sending, of which no poller tells; one that waits for a worker has left
    /// then, as one has of which a poller says so.
    #[must_use]
    pub(crate) fn resume_ended(&self, token: Token) -> bool {
        self.resume_by(token, Readiness { writable: true, read_closed: true, ..Readiness::default() })
    }

    fn resume_by(&self, token: Token, readiness: Readiness) -> bool {
        let mut state = lock(&self.state);
        if let Some(mut connection) = state.slots.report(token, readiness) {
            connection.note(readiness);
            state.resumed.push_back(connection);
            return state.must_wake(true);
        }
        let left = if readiness.read_closed { state.slots.ticket(token) } else { None };
        state.left.extend(left);
        state.must_wake(left.is_some())
    }

    /// Queues every parked connection, and has none parked from now on that is idle: for the beginning of a shutdown.
    /// The driver is to be woken if the answer is true.
    #[must_use]
    pub(crate) fn stop(&self) -> bool {
        let mut state = lock(&self.state);
        for mut connection in state.slots.stop() {
            // A request may have come that the poller was not asked about yet.
            connection.note(Readiness { readable: true, ..Readiness::default() });
            state.to_serve.push_back(ToServe::Ready(connection));
        }
        state.must_wake(true)
    }

    /// Whether the driver found nothing to do at `by` or later, and how many connections are out.
    #[cfg(feature = "testing")]
    pub(crate) fn rests_since(&self, by: Millis) -> (bool, usize) {
        let state = lock(&self.state);
        let queued = state.to_serve.len() + state.resumed.len() + state.left.len();
        let parked = (0..state.slots.count()).filter(|index| state.slots.parked(*index).is_some()).count();
        let rests = state.ended || state.asleep && state.rested_at >= by && queued == 0;
        (rests, state.slots.len() - parked)
    }

    /// Ends the shard if it has no connection left; true when it has ended, so that nothing can be added any more.
    pub(crate) fn end_if_empty(&self) -> bool {
        let mut state = lock(&self.state);
        state.ended |= state.slots.len() == 0;
        state.ended
    }
}

impl<C: Member> TableState<C> {
    /// Whether whoever brought something (`wakes`) has to wake the driver for it.
    fn must_wake(&mut self, wakes: bool) -> bool {
        wakes && std::mem::take(&mut self.asleep)
    }

    /// Files a connection that is about to be parked.
    fn note_idle(&mut self, connection: &C) {
        if let Some(idle) = connection.idle() {
            self.idlers.note(connection.token().index(), idle);
        }
    }

    fn release(&mut self, token: Token) -> bool {
        self.deadlines.forget(token);
        self.idlers.forget(token.index());
        self.slots.release(token);
        let connections = self.slots.len();
        self.deadlines.prune(connections);
        self.idlers.prune(connections);
        // Whoever waits for the last connection of a shutdown sleeps in the poller.
        self.must_wake(connections == 0)
    }

    /// Queues parked connections whose deadline has passed, a few at a time.
    fn queue_overdue(&mut self, now: Millis) {
        let mut left = OVERDUE_AT_ONCE;
        while left > 0 {
            let Some(token) = self.deadlines.take_due(now) else { return };
            // Gone, or out: then its deadline is set anew when it is parked.
            let Some(connection) = self.slots.take(token) else { continue };
            let due = connection.deadline();
            if due <= now {
                left -= 1;
                self.to_serve.push_back(ToServe::Overdue(connection));
            } else if let Err((connection, _)) = self.slots.park(token, connection, false) {
                debug_assert!(false, "nothing is reported under the lock");
                self.to_serve.push_back(ToServe::Ready(connection));
            } else if due != NEVER {
                self.deadlines.set(token, due);
            }
        }
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;
    use crate::engine::dispatch::queue::{Budget, HandOverQueue, Lane};
    use std::time::Duration;

    struct Conn {
        token: Token,
        deadline: Millis,
    }

    impl Member for Conn {
        fn token(&self) -> Token {
            self.token
        }

        fn deadline(&self) -> Millis {
            self.deadline
        }

        fn idle(&self) -> Option<Idle> {
            None
        }

        fn note(&mut self, _: Readiness) {}
    }

    /// A table with so many parked connections that have this deadline.
    fn parked(count: usize, deadline: Millis) -> (Table<Conn>, Vec<Token>) {
        let table = Table::new();
        let tokens = (0..count)
            .map(|_| {
                let token = table.reserve().expect("it has not ended");
                let _ = table.add(Conn { token, deadline });
                token
            })
            .collect();
        (table, tokens)
    }

    /// Serves and ends connections until the poller is to be asked, or there are none; says how many that were.
    fn pass(table: &Table<Conn>, now: Millis) -> usize {
        let mut served = 0;
        while let Next::Connection(mut conn) | Next::Overdue(mut conn) = table.find(now) {
            let _ = table.end(&mut conn);
            served += 1;
        }
        served
    }

    const READABLE: Readiness = Readiness { readable: true, writable: false, read_closed: false };

    #[test]
    fn however_many_are_woken_the_poller_is_asked_in_between() {
        let (table, tokens) = parked(1000, NEVER);
        assert!(matches!(table.find(0), Next::Nothing(NEVER)));
        let (last, woken) = tokens.split_last().expect("some");
        let wakes = woken.iter().filter(|token| table.resume(**token)).count();
        assert_eq!(wakes, 1, "the driver is woken once");
        assert!(!table.resume(woken[0]), "it is out");
        table.report(std::iter::empty(), &mut Vec::new());
        assert_eq!(pass(&table, 0), TURNS_PER_PASS);
        // Who is reported comes before those that are left.
        table.report([(*last, READABLE)].into_iter(), &mut Vec::new());
        let Next::Connection(first) = table.find(0) else { panic!("it is ready") };
        assert_eq!(first.token, *last);
        let mut served = TURNS_PER_PASS + pass(&table, 0);
        while !matches!(table.find(0), Next::Nothing(_)) {
            table.report(std::iter::empty(), &mut Vec::new());
            served += pass(&table, 0);
        }
        assert_eq!(served, woken.len());
    }

    #[test]
    fn however_many_are_given_back_whoever_is_reported_comes_first() {
        let (table, tokens) = parked(1000, NEVER);
        let (last, others) = tokens.split_last().expect("a thousand");
        table.report(others.iter().map(|token| (*token, READABLE)), &mut Vec::new());
        let mut out = Vec::new();
        while out.len() < others.len() {
            match table.find(0) {
                Next::Connection(conn) => out.push(conn),
                _ => table.report(std::iter::empty(), &mut Vec::new()),
            }
        }
        assert!(matches!(table.find(0), Next::Nothing(_)));
        let wakes = out.into_iter().map(|conn| table.give_back(conn)).filter(|wakes| *wakes);
        assert_eq!(wakes.count(), 1, "the first one");
        table.report([(*last, READABLE)].into_iter(), &mut Vec::new());
        let Next::Connection(first) = table.find(0) else { panic!("it is ready") };
        assert_eq!(first.token, *last);
        let mut served = pass(&table, 0);
        while !matches!(table.find(0), Next::Nothing(_)) {
            table.report(std::iter::empty(), &mut Vec::new());
            let now = pass(&table, 0);
            assert!(now <= TURNS_PER_PASS, "{now} at once");
            served += now;
        }
        assert_eq!(served, others.len());
    }

    /// Whoever is not polled tells of its end by itself; the driver neither sleeps past that nor hears it twice.
    #[test]
    fn who_has_ended_while_it_waits_for_a_worker_is_told_once() {
        let (table, tokens) = parked(3, NEVER);
        table.report([(tokens[0], READABLE), (tokens[1], READABLE)].into_iter(), &mut Vec::new());
        let Next::Connection(_waiting) = table.find(0) else { panic!("it is ready") };
        let Next::Connection(_served) = table.find(0) else { panic!("it is ready") };
        let budget = Budget { helpers: 0, handlers: 0, clients: 0, spares: 0, waiting: 1 };
        let ticket = HandOverQueue::new(budget).hand_on(Lane::Handlers, (), Duration::ZERO).ticket;
        table.note_ticket(tokens[0], ticket);
        assert!(!table.resume(tokens[0]) && !table.resume_ended(tokens[0]), "the driver is awake");
        assert!(!table.resume_ended(tokens[1]), "it waits for no worker");
        assert!(matches!(table.find(0), Next::AskPoller), "somebody has left");
        let mut left = Vec::new();
        table.report(std::iter::empty(), &mut left);
        assert_eq!(left, [ticket]);
        assert!(matches!(table.find(0), Next::Nothing(_)));
        assert!(table.resume_ended(tokens[0]), "the driver sleeps");
        table.report(std::iter::empty(), &mut left);
        assert_eq!(left, [ticket; 2]);
        // One that is parked is served.
        assert!(!table.resume_ended(tokens[2]), "the driver is awake");
        assert!(matches!(table.find(0), Next::AskPoller));
        table.report(std::iter::empty(), &mut left);
        let Next::Connection(ended) = table.find(0) else { panic!("its end is to be seen") };
        assert_eq!((ended.token, left.len()), (tokens[2], 2));
    }

    #[test]
    fn however_many_are_overdue_the_poller_is_asked_in_between() {
        let (table, _) = parked(1000, 5);
        let mut served = 0;
        while served < 1000 {
            let now = pass(&table, 9);
            assert!(now <= OVERDUE_AT_ONCE, "{now} at once");
            served += now;
            table.report(std::iter::empty(), &mut Vec::new());
        }
        assert!(matches!(table.find(9), Next::Nothing(NEVER)));
    }
}
