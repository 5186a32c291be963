//! What the pool's workers do for the engine: drive a shard, take one over, or serve connections that were handed over.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::engine::balance;
use crate::engine::dispatch::predict::Route;
use crate::engine::shard::conn::Conn;
use crate::engine::shard::deadlines::{Millis, NEVER};
use crate::engine::shard::lease::{Sighting, Term};
use crate::engine::shard::{Next, Shard};
use crate::engine::turn::{self, Host, TurnEnd};
use crate::engine::{Engine, PooledWorkspace};
use crate::serve::runner::Runner;

/// A job for a worker of the engine's pool.
pub(crate) enum Job {
    /// Drive the shard of this number from the start.
    Drive(Arc<Engine>, usize, Term),
    /// Take over the shard of this number, if its driver is still where it was seen.
    TakeOver(Arc<Engine>, usize, Sighting),
    /// Serve the connections that were handed over.
    ServeHandedOver(Arc<Engine>),
    /// Whatever keeps a worker busy.
    #[cfg(test)]
    Run(Box<dyn FnOnce() + Send>),
}

/// A connection handed over, with the workspace that holds its request, or in which its response is under way.
pub(crate) struct HandedOver {
    shard: usize,
    conn: Box<Conn>,
    work: PooledWorkspace,
}

impl Job {
    /// Does it; returns when the worker is free again.
    pub(crate) fn run(self) {
        let engine = match self {
            Job::Drive(engine, shard, term) => {
                drive(&engine, shard, term);
                engine
            }
            Job::TakeOver(engine, shard, sighting) => {
                let route = engine.shards[shard].announced();
                if let Some(term) = engine.shards[shard].lease.take_over(sighting) {
                    engine.dispatch.predictor.surprised(route);
                    engine.service.counters.revoked_leases.fetch_add(1, Ordering::Relaxed);
                    drive(&engine, shard, term);
                }
                engine
            }
            Job::ServeHandedOver(engine) => {
                engine.dispatch.queue.arrive();
                serve_handed_over(&engine, None);
                engine
            }
            #[cfg(test)]
            Job::Run(code) => return code(),
        };
        // Whatever brought this worker here, it is warm: before it parks it looks for what would need another.
        if let Some(first) = engine.dispatch.queue.join_and_take() {
            serve_handed_over(&engine, Some(first));
        }
    }
}

/// A thread that drives a shard, as the host of its turns.
struct Driver<'a> {
    engine: &'a Arc<Engine>,
    shard: &'a Shard,
    /// `None` once the lease was taken over.
    term: Option<Term>,
}

/// Evidence that a driver hands a connection over.
struct ByDriver;

impl Runner for Driver<'_> {
    fn run_user_code(&mut self, code: impl FnOnce()) {
        match self.term.take() {
            Some(term) => {
                let inside = self.shard.lease.enter(term);
                self.engine.monitor.alarm.rouse();
                code();
                self.term = self.shard.lease.leave(inside);
            }
            None => code(),
        }
    }

    fn is_stopping(&self) -> bool {
        self.engine.is_stopping()
    }
}

impl Host for Driver<'_> {
    type HandOver = ByDriver;

    fn hands_over(&mut self, route: Route, is_whole: bool) -> Option<ByDriver> {
        // Without the lease no shard is held up any more.
        self.term.as_ref()?;
        self.shard.announce(route);
        // Whoever reads a body as it arrives waits for the client.
        (!is_whole || self.engine.dispatch.predictor.blocks(route)).then_some(ByDriver)
    }

    fn hands_over_stream(&mut self, route: Route) -> Option<ByDriver> {
        self.term.as_ref()?;
        // Else whoever was served here last would be blamed for a source that blocks.
        self.shard.announce(route);
        self.engine.dispatch.predictor.blocks(route).then_some(ByDriver)
    }
}

/// A driver for which no worker can be had: handlers run here, wherever they belong.
struct Alone<'a, 'd>(&'a mut Driver<'d>);

impl Runner for Alone<'_, '_> {
    fn run_user_code(&mut self, code: impl FnOnce()) {
        self.0.run_user_code(code);
    }

    fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }
}

impl Host for Alone<'_, '_> {
    type HandOver = Infallible;

    fn hands_over(&mut self, route: Route, _: bool) -> Option<Infallible> {
        self.hands_over_stream(route)
    }

    fn hands_over_stream(&mut self, route: Route) -> Option<Infallible> {
        if self.0.term.is_some() {
            self.0.shard.announce(route);
        }
        None
    }
}

/// Drives a shard until the lease is taken over or the shard has ended.
fn drive(engine: &Arc<Engine>, index: usize, term: Term) {
    let shard = &engine.shards[index];
    let mut work = engine.workspace();
    let mut driver = Driver { engine, shard, term: Some(term) };
    work.moment = engine.clock.now();
    while driver.term.is_some() {
        let (conn, end) = match shard.find(work.moment.millis) {
            Next::Connection(mut conn) => {
                let end = turn::serve(engine, &mut conn, &mut work, &mut driver);
                (conn, end)
            }
            Next::Overdue(mut conn) => {
                let end = turn::serve_overdue(engine, &mut conn, &mut work, &mut driver);
                (conn, end)
            }
            Next::AskPoller => {
                shard.wait(Some(Duration::ZERO));
                work.moment = engine.clock.now();
                continue;
            }
            Next::Nothing(until) => {
                if engine.is_stopping() && shard.end_if_empty() {
                    // The term ends with the shard.
                    engine.driver_ended();
                    return;
                }
                shard.wait(timeout(work.moment.millis, until));
                work.moment = engine.clock.now();
                continue;
            }
        };
        if driver.term.is_none() {
            // The handler took its time, so the clocks have moved on.
            work.moment = engine.clock.now();
        }
        if let Some((ByDriver, conn)) = settle(engine, shard, conn, end, work.moment.millis) {
            let mut fresh = engine.workspace();
            fresh.moment = work.moment;
            let handed = HandedOver { shard: index, conn, work: std::mem::replace(&mut work, fresh) };
            if hand_over(&mut driver, handed) {
                work.moment = engine.clock.now();
            }
        }
    }
}

fn timeout(now: Millis, until: Millis) -> Option<Duration> {
    // One more millisecond, because `now` was rounded down.
    (until != NEVER).then(|| Duration::from_millis(until.saturating_sub(now).saturating_add(1)))
}

/// Puts a connection where it belongs after a turn that ended at `now`, but for one that is to be handed over.
fn settle<H>(
    engine: &Engine,
    shard: &Shard,
    conn: Box<Conn>,
    end: TurnEnd<H>,
    now: Millis,
) -> Option<(H, Box<Conn>)> {
    match end {
        TurnEnd::Park => {
            if let Err(conn) = balance::park(engine, shard, conn, now) {
                shard.queue(conn);
            }
        }
        TurnEnd::Yield => shard.queue(conn),
        TurnEnd::Close => close(engine, shard, conn),
        TurnEnd::HandOver(evidence) => return Some((evidence, conn)),
    }
    None
}

fn close(engine: &Engine, shard: &Shard, conn: Box<Conn>) {
    let counted_address = conn.counted_address;
    shard.close(conn);
    engine.admission.leave(counted_address);
}

/// Leaves a connection for the next free worker, and wakes one if need be. When none can be had, so that it may be that
/// nobody would come for it, the driver serves what was left: true, and the clocks have moved on.
fn hand_over(driver: &mut Driver<'_>, handed: HandedOver) -> bool {
    let engine = driver.engine;
    engine.service.counters.dispatched.fetch_add(1, Ordering::Relaxed);
    let must_wake = engine.dispatch.queue.hand_over(handed, engine.clock.elapsed());
    engine.monitor.alarm.rouse();
    if !must_wake || engine.pool.try_submit(Job::ServeHandedOver(engine.clone())).is_ok() {
        return false;
    }
    engine.dispatch.queue.call_failed(1);
    while let Some(abandoned) = engine.dispatch.queue.take_unattended() {
        serve_abandoned(driver, abandoned);
    }
    true
}

/// The driver runs a handler that probably blocks. It holds the lease meanwhile, so a worker that comes free can take
/// the shard over.
fn serve_abandoned(driver: &mut Driver<'_>, abandoned: HandedOver) {
    let HandedOver { shard, mut conn, mut work } = abandoned;
    let engine = driver.engine;
    let end = turn::resume(engine, &mut conn, &mut work, &mut Alone(driver));
    let None = settle(engine, &engine.shards[shard], conn, end, engine.clock.millis());
}

/// Serves connections that were handed over until there are none. The caller counts as active.
fn serve_handed_over(engine: &Arc<Engine>, first: Option<HandedOver>) {
    let mut next = first.or_else(|| engine.dispatch.queue.take_or_leave());
    while let Some(handed) = next {
        let elapsed = serve_handed(engine, handed);
        engine.dispatch.queue.note_service(elapsed);
        next = engine.dispatch.queue.take_or_leave();
    }
}

/// A worker that may block, as the host of turns.
struct Helper<'a>(&'a Engine);

impl Runner for Helper<'_> {
    fn run_user_code(&mut self, code: impl FnOnce()) {
        code();
    }

    fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }
}

impl Host for Helper<'_> {
    type HandOver = Infallible;

    fn hands_over(&mut self, _: Route, _: bool) -> Option<Infallible> {
        None
    }

    fn hands_over_stream(&mut self, _: Route) -> Option<Infallible> {
        None
    }
}

/// Serves one connection until it can be parked; says how long that took.
fn serve_handed(engine: &Arc<Engine>, handed: HandedOver) -> Duration {
    let HandedOver { shard: index, mut conn, mut work } = handed;
    let (shard, route) = (&engine.shards[index], conn.route);
    let mut helper = Helper(engine);
    let begin = Instant::now();
    work.moment = engine.clock.now();
    let mut end = turn::resume(engine, &mut conn, &mut work, &mut helper);
    loop {
        match end {
            TurnEnd::Park => {
                // The handler may have blocked, so the clock has moved on.
                match balance::park(engine, shard, conn, engine.clock.millis()) {
                    Ok(()) => break,
                    Err(again) => conn = again,
                }
            }
            TurnEnd::Yield => {
                shard.queue(conn);
                break;
            }
            TurnEnd::Close => {
                close(engine, shard, conn);
                break;
            }
        }
        work.moment = engine.clock.now();
        end = turn::serve(engine, &mut conn, &mut work, &mut helper);
    }
    let elapsed = begin.elapsed();
    engine.dispatch.predictor.ran(route, elapsed);
    elapsed
}
