//! What the pool's workers do for the engine: drive a shard, take one over, or serve connections that were handed over.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::engine::dispatch::predict::Route;
use crate::engine::shard::conn::Conn;
use crate::engine::shard::deadlines::{Millis, NEVER};
use crate::engine::shard::lease::{Sighting, Term};
use crate::engine::shard::{Found, Shard};
use crate::engine::turn::{self, Host, Outcome};
use crate::engine::{DeskGuard, Engine};
use crate::message::request::Request;

/// A job for a worker of the engine's pool.
pub(crate) enum Work {
    /// Drive the shard of this number from the start.
    Drive(Arc<Engine>, usize, Term),
    /// Take over the shard of this number, if its driver is still where it was seen.
    TakeOver(Arc<Engine>, usize, Sighting),
    /// Serve the connections that were handed over.
    PickUp(Arc<Engine>),
}

/// A connection handed over, with the desk that holds its request, or at which its response is under way.
pub(crate) struct HandedOver {
    shard: usize,
    conn: Box<Conn>,
    desk: DeskGuard,
}

impl Work {
    /// Does it; returns when the worker is free again.
    pub(crate) fn run(self) {
        let engine = match self {
            Work::Drive(engine, shard, term) => {
                drive(&engine, shard, term);
                engine
            }
            Work::TakeOver(engine, shard, sighting) => {
                let route = engine.shards[shard].announced();
                if let Some(term) = engine.shards[shard].lease.take_over(sighting) {
                    engine.dispatch.predictor.surprised(route);
                    engine.counters.revoked_leases.fetch_add(1, Ordering::Relaxed);
                    drive(&engine, shard, term);
                }
                engine
            }
            Work::PickUp(engine) => {
                engine.dispatch.queue.arrive();
                pick_up(&engine, None);
                engine
            }
        };
        // Whatever brought this worker here, it is warm: before it parks it looks for what would need another.
        if let Some(first) = engine.dispatch.queue.join_and_take() {
            pick_up(&engine, Some(first));
        }
    }
}

/// A thread that drives a shard, as the host of its turns.
struct Driver<'a> {
    engine: &'a Engine,
    shard: &'a Shard,
    /// `None` once the lease was taken over.
    term: Option<Term>,
    /// False while no worker can be had: then handlers run here, wherever they belong.
    may_hand_over: bool,
}

impl Host for Driver<'_> {
    fn hands_over(&mut self, request: &Request) -> bool {
        if self.term.is_none() {
            // No shard is held up any more.
            return false;
        }
        let route = Route::of(request.method(), request.target());
        self.shard.announce(route);
        // Whoever reads a body as it arrives waits for the client.
        self.may_hand_over && (!request.is_body_complete() || self.engine.dispatch.predictor.blocks(route))
    }

    fn hands_over_stream(&mut self, route: Route) -> bool {
        if self.term.is_none() {
            return false;
        }
        // Else whoever was served here last would be blamed for a source that blocks.
        self.shard.announce(route);
        self.may_hand_over && self.engine.dispatch.predictor.blocks(route)
    }

    fn visit(&mut self, run: impl FnOnce()) {
        match self.term.take() {
            Some(term) => {
                let visit = self.shard.lease.enter(term);
                self.engine.monitor.alarm.rouse();
                run();
                self.term = self.shard.lease.leave(visit);
            }
            None => run(),
        }
    }
}

/// Drives a shard until the lease is taken over or the shard has ended.
fn drive(engine: &Arc<Engine>, index: usize, term: Term) {
    let shard = &engine.shards[index];
    let mut desk = engine.desk();
    let mut driver = Driver { engine, shard, term: Some(term), may_hand_over: true };
    let mut now = engine.now();
    desk.tell_time();
    while driver.term.is_some() {
        let (conn, outcome) = match shard.find(now) {
            Found::Connection(mut conn) => {
                let outcome = turn::serve(engine, &mut conn, &mut desk, &mut driver);
                (conn, outcome)
            }
            Found::Overdue(mut conn) => {
                let outcome = turn::time_out(engine, &mut conn, &mut desk, &mut driver);
                (conn, outcome)
            }
            Found::Others => {
                shard.wait(Some(Duration::ZERO));
                now = engine.now();
                desk.tell_time();
                continue;
            }
            Found::Nothing(until) => {
                if engine.is_stopping() && shard.end_if_empty() {
                    // The term ends with the shard.
                    engine.driver_ended();
                    return;
                }
                shard.wait(timeout(now, until));
                now = engine.now();
                desk.tell_time();
                continue;
            }
        };
        if driver.term.is_none() {
            // The handler took its time, so the clock has moved on.
            now = engine.now();
        }
        if outcome != Outcome::HandOver {
            settle(engine, shard, conn, outcome, now);
            continue;
        }
        let handed = HandedOver { shard: index, conn, desk: std::mem::replace(&mut desk, engine.desk()) };
        desk.unix_seconds = handed.desk.unix_seconds;
        if !hand_over(engine, handed) {
            while let Some(abandoned) = engine.dispatch.queue.take_unattended() {
                serve_abandoned(&mut driver, abandoned);
            }
        }
    }
}

fn timeout(now: Millis, until: Millis) -> Option<Duration> {
    // One more millisecond, because `now` was rounded down.
    (until != NEVER).then(|| Duration::from_millis(until.saturating_sub(now).saturating_add(1)))
}

/// Puts a connection where it belongs after a turn on a driver.
fn settle(engine: &Engine, shard: &Shard, conn: Box<Conn>, outcome: Outcome, now: Millis) {
    match outcome {
        Outcome::Park => {
            if let Err(conn) = shard.park(conn, now, &engine.settings) {
                shard.queue(conn);
            }
        }
        Outcome::Yield | Outcome::HandOver => shard.queue(conn),
        Outcome::Close => close(engine, shard, conn),
    }
}

fn close(engine: &Engine, shard: &Shard, conn: Box<Conn>) {
    let counted_address = conn.counted_address;
    shard.close(conn);
    engine.admission.leave(counted_address);
}

/// Leaves a connection for the next free worker, and wakes one if need be. False: none could be had, so it may be that
/// nobody will come for it.
fn hand_over(engine: &Arc<Engine>, handed: HandedOver) -> bool {
    engine.counters.dispatched.fetch_add(1, Ordering::Relaxed);
    let must_wake = engine.dispatch.queue.hand_over(handed, engine.elapsed());
    engine.monitor.alarm.rouse();
    if !must_wake || engine.pool.try_submit(Work::PickUp(engine.clone())).is_ok() {
        return true;
    }
    engine.dispatch.queue.call_failed(1);
    false
}

/// The driver runs a handler that probably blocks. It holds the lease meanwhile, so a worker that comes free can take
/// the shard over.
fn serve_abandoned(driver: &mut Driver<'_>, abandoned: HandedOver) {
    let HandedOver { shard, mut conn, mut desk } = abandoned;
    driver.may_hand_over = false;
    let outcome = turn::serve(driver.engine, &mut conn, &mut desk, driver);
    driver.may_hand_over = true;
    settle(driver.engine, &driver.engine.shards[shard], conn, outcome, driver.engine.now());
}

/// Serves connections that were handed over until there are none. The caller counts as active.
fn pick_up(engine: &Arc<Engine>, first: Option<HandedOver>) {
    let mut next = first.or_else(|| engine.dispatch.queue.take_or_leave());
    while let Some(handed) = next {
        let elapsed = serve_handed(engine, handed);
        engine.dispatch.queue.note_service(elapsed);
        next = engine.dispatch.queue.take_or_leave();
    }
}

/// A worker that may block, as the host of turns.
struct Helper;

impl Host for Helper {
    fn hands_over(&mut self, _: &Request) -> bool {
        false
    }

    fn hands_over_stream(&mut self, _: Route) -> bool {
        false
    }

    fn visit(&mut self, run: impl FnOnce()) {
        run();
    }
}

/// Serves one connection until it can be parked; says how long that took.
fn serve_handed(engine: &Arc<Engine>, handed: HandedOver) -> Duration {
    let HandedOver { shard: index, mut conn, mut desk } = handed;
    let shard = &engine.shards[index];
    let route = match desk.holds_request {
        true => Route::of(desk.ctx.request.method(), desk.ctx.request.target()),
        false => conn.route,
    };
    let begin = Instant::now();
    loop {
        desk.tell_time();
        let outcome = turn::serve(engine, &mut conn, &mut desk, &mut Helper);
        match outcome {
            Outcome::Park => match shard.park(conn, engine.now(), &engine.settings) {
                Ok(()) => break,
                Err(again) => conn = again,
            },
            Outcome::Yield | Outcome::HandOver => {
                shard.queue(conn);
                break;
            }
            Outcome::Close => {
                close(engine, shard, conn);
                break;
            }
        }
    }
    let elapsed = begin.elapsed();
    engine.dispatch.predictor.ran(route, elapsed);
    elapsed
}
