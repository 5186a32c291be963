//! Driving a shard: waiting for reports, serving what is ready, running what does not block.
//!
//! The rule: a driver waits for nothing but its poller. What may block, or waits for a client, is handed over; what may
//! turn out to block runs here only as long as another worker could take the shard over ([`Driver::may_run`]).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::engine::dispatch::Dispatch;
#[cfg(feature = "tls-no-provider")]
use crate::engine::dispatch::handshake_time::HandshakeTime;
use crate::engine::dispatch::predict::{Doubt, Judgement, RouteHash};
use crate::engine::dispatch::queue::{Lane, Ticket};
use crate::engine::dispatch::self_timing::{Run, SelfTiming};
use crate::engine::placing::{self, HandedConn, HandedOver};
#[cfg(feature = "tls-no-provider")]
use crate::engine::reckoning;
use crate::engine::shard::conn::Conn;
use crate::engine::shard::deadlines::{Millis, NEVER};
use crate::engine::shard::lease::Term;
use crate::engine::shard::{Next, Shard};
use crate::engine::turn::{self, CodeAhead, Host};
use crate::engine::{Engine, PooledWorkspace};
use crate::serve::runner::{Runner, UserCode};
#[cfg(feature = "ws")]
use crate::sockets::LoopPlace;

/// A peer that ends its sending so soon after its request has half-closed the connection and waits for the answer;
/// later, it is gone.
const HALF_CLOSE: Duration = Duration::from_millis(50);

/// How driving a shard has ended.
pub(crate) enum DriveEnd {
    /// The shard has ended.
    Shard,
    /// Somebody else drives it: the worker is an active helper now, done with a piece of this lane.
    Overtaken(Lane),
}

/// A thread that drives a shard, as the host of its turns.
struct Driver<'a> {
    engine: &'a Arc<Engine>,
    shard: &'a Shard,
    /// `None` once the lease was taken over.
    term: Option<Term>,
    /// Whose code runs next.
    route: RouteHash,
    /// Nothing was known of it when that was asked.
    is_new: bool,
    timing: SelfTiming,
    #[cfg(feature = "tls-no-provider")]
    handshakes: HandshakeTime,
    /// What runs next is a part of a handshake, which was to begin then.
    #[cfg(feature = "tls-no-provider")]
    reckons_since: Option<Instant>,
    /// Somebody was held up: others are to be heard first.
    is_late: bool,
    /// Which budget what runs here is in, once somebody else drives.
    lane: Lane,
}

/// Evidence that a driver hands a connection over.
enum ByDriver {
    /// To whoever takes from this lane.
    Lane(Lane),
    /// To whoever reckons for handshakes.
    #[cfg(feature = "tls-no-provider")]
    Reckoners,
}

impl ByDriver {
    fn hand_over(self, engine: &Arc<Engine>, shard: usize, conn: Box<Conn>) {
        match self {
            Self::Lane(lane) => placing::hand_over(engine, shard, conn, lane),
            #[cfg(feature = "tls-no-provider")]
            Self::Reckoners => reckoning::hand_over(engine, shard, conn),
        }
    }
}

impl<'a> Driver<'a> {
    /// Whoever drives that shard from now on.
    fn new(engine: &'a Arc<Engine>, shard: &'a Shard, term: Term) -> Self {
        Driver {
            engine,
            shard,
            term: Some(term),
            route: RouteHash::default(),
            is_new: false,
            timing: SelfTiming::new(),
            #[cfg(feature = "tls-no-provider")]
            handshakes: HandshakeTime::new(Instant::now()),
            #[cfg(feature = "tls-no-provider")]
            reckons_since: None,
            is_late: false,
            lane: Lane::Handlers,
        }
    }
}

impl Driver<'_> {
    /// Whether what probably does not block may run here. When it does all the same, the driver is overtaken and
    /// becomes a helper beyond all that were planned, of which there are only so many.
    fn may_run(&self, is_known: bool) -> bool {
        let (drivers, reserve) = (self.engine.shards.len(), &self.engine.reserve);
        // Each driver may be about to run what is not known; then there still is a place for what is.
        let (needed, is_covered) = match is_known {
            true => (1, reserve.standing() >= drivers),
            false => (1 + drivers, reserve.is_complete()),
        };
        is_covered && self.engine.dispatch.queue.spare() >= needed
    }

    /// Goes over to the budget for clients. False: that is used up.
    fn wait_for_clients(&mut self) -> bool {
        let may_wait = self.engine.dispatch.queue.change_to_clients();
        if may_wait {
            self.lane = Lane::Clients;
        }
        may_wait
    }

    /// Nothing waits for a client any more. If somebody else drives by now, that is told with the piece.
    fn is_done_with_client(&mut self) {
        if self.term.is_some() && self.lane == Lane::Clients {
            self.lane = Lane::Handlers;
            self.engine.dispatch.queue.change_back();
        }
    }

    /// What was run was timed, and the driver drives still.
    fn learn(&mut self, run: Run) {
        let predictor = &self.engine.dispatch.predictor;
        match run {
            Run::Quick => predictor.proved(self.route),
            Run::Blocked | Run::Computed => {
                self.is_late = true;
                // While all helpers are busy a route would not be cleared of it, and perhaps something else had the
                // CPU: then being overtaken alone counts.
                let is_fast = predictor.judge(self.route) == Judgement::Fast;
                if !is_fast || self.engine.dispatch.queue.has_room() {
                    predictor.surprised(self.route);
                }
            }
        }
    }
}

impl Runner for Driver<'_> {
    fn run_user_code(&mut self, what: UserCode, code: impl FnOnce()) {
        let Some(term) = self.term.take() else { return code() };
        self.shard.announce(self.route);
        if self.shard.take_suspicion() {
            self.timing.look_closely();
        }
        let inside = self.shard.lease.enter(term);
        self.engine.monitor.alarm.rouse();
        let begun = self.timing.begins(self.is_new && what != UserCode::Cleanup);
        code();
        let run = begun.map(|begun| self.timing.ended(begun));
        #[cfg(feature = "tls-no-provider")]
        if let Some(begun) = self.reckons_since.take() {
            self.handshakes.spent(self.route, begun, begun.elapsed());
        }
        self.term = self.shard.lease.leave(inside);
        if self.term.is_none() {
            // Whoever has taken over has marked what was asleep then. What computed then may have slept before or
            // since.
            let predictor = &self.engine.dispatch.predictor;
            let is_slow = matches!(run, Some(Run::Blocked | Run::Computed));
            if is_slow && predictor.judge(self.route) != Judgement::Blocks {
                predictor.surprised(self.route);
            }
            return;
        }
        if what == UserCode::Body {
            self.is_done_with_client();
        }
        if let Some(run) = run {
            self.learn(run);
        }
    }

    fn forget(&mut self, what: impl Send + 'static) {
        if self.term.is_some() && !self.may_run(false) {
            // Who has this dropped need not know that there is nobody for it just now.
            self.engine.dispatch.leftovers.leave(Box::new(what));
        } else {
            self.run_user_code(UserCode::Cleanup, move || drop(what));
        }
    }

    fn may_wait_for_client(&mut self) -> bool {
        self.lane == Lane::Clients || self.wait_for_clients()
    }

    #[cfg(feature = "ws")]
    fn promises_loop(&mut self) -> Option<LoopPlace> {
        placing::promise_place(self.engine)
    }

    fn is_stopping(&self) -> bool {
        self.engine.is_stopping()
    }
}

impl Host for Driver<'_> {
    type HandOver = ByDriver;

    fn serves(&mut self, route: RouteHash) {
        self.route = route;
    }

    fn hands_over(&mut self, route: RouteHash, ahead: CodeAhead) -> Option<ByDriver> {
        self.route = if ahead == CodeAhead::Hook { route.of_hook() } else { route };
        #[cfg(feature = "tls-no-provider")]
        if ahead == CodeAhead::Handshake {
            let judgement = self.engine.dispatch.predictor.judge(self.route);
            self.is_new = judgement == Judgement::Unknown;
            let now = Instant::now();
            let stays = self.term.is_none()
                || match judgement {
                    // It is not left to nobody. In this order, so that nobody's excuse is lost.
                    Judgement::Blocks => self.may_run(false) && self.engine.reckoners.take_shortness(),
                    // Also while nothing is known of it, which may be for long: others may have its place in what is
                    // remembered.
                    Judgement::Fast | Judgement::Unknown => {
                        // Nor is this left to nobody, when the system gives no thread.
                        self.may_run(!self.is_new)
                            && (self.handshakes.allows(self.route, now)
                                || self.engine.reckoners.take_shortness())
                    }
                };
            self.reckons_since = stays.then_some(now);
            return (!stays).then_some(ByDriver::Reckoners);
        }
        if self.term.is_none() {
            // Without the lease no shard is held up any more; but clients have a budget.
            let waits = ahead == CodeAhead::Reader && !self.may_wait_for_client();
            return waits.then_some(ByDriver::Lane(Lane::Clients));
        }
        if ahead == CodeAhead::Reader {
            // Whoever reads a body as it arrives waits for the client.
            return Some(ByDriver::Lane(Lane::Clients));
        }
        let Dispatch { predictor, queue, .. } = &self.engine.dispatch;
        let judgement = predictor.judge(self.route);
        self.is_new = judgement == Judgement::Unknown;
        let stays = match judgement {
            // What may be fast all the same does not wait for those who may block for ever.
            Judgement::Blocks if queue.has_room() => false,
            Judgement::Blocks => match predictor.doubt(self.route) {
                Doubt::None => false,
                Doubt::Some => self.may_run(false),
                // What was slow may be so again: those in reserve beyond one for each driver are for what is fast.
                Doubt::Great => self.engine.reserve.is_complete() && self.may_run(true),
            },
            Judgement::Fast => self.may_run(true),
            Judgement::Unknown => self.may_run(false),
        };
        (!stays).then_some(ByDriver::Lane(Lane::Handlers))
    }
}

/// Drives a shard until the lease is taken over or the shard has ended.
pub(crate) fn drive(engine: &Arc<Engine>, index: usize, term: Term) -> DriveEnd {
    let shard = &engine.shards[index];
    let mut work = engine.workspace();
    (work.tally.times_all, work.waits_since) = (false, None);
    work.attendant.is_here();
    shard.is_driven_here();
    let mut driver = Driver::new(engine, shard, term);
    work.moment = engine.clock.now();
    while driver.term.is_some() {
        let (conn, end) = match shard.find(work.moment.millis) {
            Next::Connection(conn) if goes_unread(engine, &conn) => {
                placing::hand_over(engine, index, conn, Lane::Handlers);
                continue;
            }
            Next::Connection(mut conn) => {
                let end = turn::serve(engine, &mut conn, &mut work, &mut driver);
                (conn, end)
            }
            Next::Overdue(mut conn) => {
                let end = turn::serve_overdue(engine, &mut conn, &mut work, &mut driver);
                (conn, end)
            }
            Next::AskPoller => {
                driver.ask_poller(Some(Duration::ZERO), &mut work);
                continue;
            }
            Next::Nothing(until) => {
                if driver.rest(until, &mut work) {
                    // The term ends with the shard.
                    engine.driver_ended();
                    return DriveEnd::Shard;
                }
                continue;
            }
        };
        // Also of a writer that was not run after all.
        driver.is_done_with_client();
        if std::mem::take(&mut driver.is_late) {
            shard.end_pass();
            work.moment = engine.clock.now();
        } else if driver.term.is_none() {
            // The handler took its time, so the clocks have moved on.
            work.moment = engine.clock.now();
        }
        if let Some((by, conn)) = placing::place(engine, shard, conn, end, work.moment.millis) {
            by.hand_over(engine, index, conn);
        }
    }
    DriveEnd::Overtaken(driver.lane)
}

impl Driver<'_> {
    /// There is nothing to serve. True: the shard has ended.
    fn rest(&mut self, until: Millis, work: &mut PooledWorkspace) -> bool {
        if self.take_leftovers() {
            work.moment = self.engine.clock.now();
            return false;
        }
        if self.engine.is_stopping() && self.shard.end_if_empty() {
            return true;
        }
        self.timing.pass_ends(Instant::now());
        self.ask_poller(timeout(work.moment.millis, until), work);
        false
    }

    /// Asks the poller, and gives up what waits for a worker and whose client has gone meanwhile.
    fn ask_poller(&mut self, timeout: Option<Duration>, work: &mut PooledWorkspace) {
        let mut left = Vec::new();
        let polls = timeout == Some(Duration::ZERO);
        self.shard.wait(timeout, &mut left);
        let now = Instant::now();
        work.moment = self.engine.clock.at(now);
        if polls {
            self.timing.pass_ends(now);
        }
        self.timing.pass_begins(now);
        for ticket in left {
            self.withdraw(ticket, work);
        }
        self.take_leftovers();
    }

    /// Drops what was left to whoever may. True: there was something.
    fn take_leftovers(&mut self) -> bool {
        let mut were_any = false;
        let leftovers = &self.engine.dispatch.leftovers;
        while self.term.is_some() && !leftovers.are_none() && self.may_run(false) {
            let Some(leftover) = leftovers.take() else { break };
            were_any = true;
            // Whosever it is.
            self.route = RouteHash::default();
            self.forget(leftover);
        }
        were_any
    }

    fn withdraw(&mut self, ticket: Ticket, work: &mut PooledWorkspace) {
        let engine = self.engine;
        let withdrawn = engine.dispatch.queue.withdraw(ticket, engine.clock.elapsed(), HALF_CLOSE);
        if let Some(HandedConn { shard, mut conn, .. }) = withdrawn.and_then(HandedOver::into_conn) {
            // Of a request that was answered only its observers were to be told.
            if !conn.exchange.are_news_handed_over() {
                engine.service.counters.workers.abandoned.fetch_add(1, Ordering::Relaxed);
            }
            let _ = turn::abandon(engine, &mut conn, work, self);
            engine.close(&engine.shards[shard], conn);
        }
    }
}

/// Whether the next request of a connection that has sent something is left to a helper to be read: it will probably
/// block, and a helper will soon be there.
fn goes_unread(engine: &Engine, conn: &Conn) -> bool {
    engine.dispatch.predictor.judge(conn.course.route) == Judgement::Blocks
        && conn.is_at_next_request()
        && engine.dispatch.queue.has_room()
}

fn timeout(now: Millis, until: Millis) -> Option<Duration> {
    // One more millisecond, because `now` was rounded down.
    (until != NEVER).then(|| Duration::from_millis(until.saturating_sub(now).saturating_add(1)))
}

#[cfg(all(test, feature = "tls-no-provider"))]
mod tests {
    use super::*;
    use crate::config::options::ServerBuilder;
    use crate::serve::service::Service;

    fn with_driver(check: impl FnOnce(&mut Driver<'_>)) {
        let settings = ServerBuilder::default().shards(1).resolve().expect("the defaults");
        let engine =
            Engine::start(Arc::new(Service::new(settings, Box::new(|_: &mut crate::RequestCtx| {}))));
        let engine = engine.expect("threads and pollers");
        // Another shard than the engine's: its driver is the test.
        let (shard, term) = Shard::new(0).expect("a poller");
        check(&mut Driver::new(&engine, &shard, term));
        engine.stop();
        assert!(engine.wait_ended(None));
    }

    /// How many parts of handshakes stay here within 200 ms, each of which takes one.
    fn reckoned(driver: &mut Driver<'_>) -> u32 {
        let computes = || {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(1) {
                std::hint::spin_loop();
            }
        };
        let (begun, mut count) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_millis(200) {
            if driver.hands_over(RouteHash::HANDSHAKE, CodeAhead::Handshake).is_none() {
                driver.run_user_code(UserCode::Hook, computes);
                count += 1;
            }
        }
        count
    }

    /// Where others have taken all places in what is remembered, nothing is ever known of it.
    fn forget_handshakes(driver: &Driver<'_>) {
        let predictor = &driver.engine.dispatch.predictor;
        (0..200_000).for_each(|number| predictor.proved(predictor.numbered(b"GET", number)));
    }

    #[test]
    fn tls_01_hellos_have_an_eighth_of_a_drivers_time_whatever_is_known_of_them() {
        for is_known in [true, false] {
            with_driver(|driver| {
                if !is_known {
                    forget_handshakes(driver);
                }
                let predictor = &driver.engine.dispatch.predictor;
                predictor.proved(RouteHash::HANDSHAKE);
                let expected = if is_known { Judgement::Fast } else { Judgement::Unknown };
                assert_eq!(predictor.judge(RouteHash::HANDSHAKE), expected);
                let count = reckoned(driver);
                assert!((1..=26).contains(&count), "{count}, known: {is_known}");
            });
        }
    }
}
