//! Where a connection goes after a turn: back to its slot, to the end of its shard's queue, to a worker, or away.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::engine::dispatch::queue::Lane;
use crate::engine::shard::Shard;
use crate::engine::shard::conn::Conn;
use crate::engine::shard::deadlines::Millis;
use crate::engine::turn::TurnEnd;
use crate::engine::{Engine, balance};
#[cfg(feature = "ws")]
use crate::sockets::{LoopPlace, LoopStart};

/// What was handed over.
pub(crate) enum HandedOver {
    /// A connection.
    Connection(HandedConn),
    /// A loop that owns its WebSocket; whoever takes it is with a client as long as that goes on.
    #[cfg(feature = "ws")]
    Loop(Box<LoopStart>),
}

/// A connection that was handed over.
pub(crate) struct HandedConn {
    pub(crate) shard: usize,
    pub(crate) conn: Box<Conn>,
    /// Since when, in nanoseconds of the engine's clock.
    pub(crate) since: u64,
}

/// Puts a connection where it belongs after a turn that ended at `now`, but for one that is to be handed over.
pub(crate) fn place<H>(
    engine: &Arc<Engine>,
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
        TurnEnd::Close => engine.close(shard, conn),
        TurnEnd::GiveAway => engine.give_away(shard, conn),
        #[cfg(feature = "ws")]
        TurnEnd::StartLoop => start_loop(engine, shard, conn),
        TurnEnd::HandOver(evidence) => return Some((evidence, conn)),
    }
    None
}

/// Leaves a connection for a worker, and wakes one if need be. When as many wait as may, its peer is told so instead,
/// unless its response has begun. When no worker can be had, it is left to the monitor to call one.
pub(crate) fn hand_over(engine: &Arc<Engine>, index: usize, conn: Box<Conn>, lane: Lane) {
    let (shard, token) = (&engine.shards[index], conn.token);
    // A peer that has ended its sending by now has half-closed the connection: that it did so is no news later.
    let may_leave = !conn.sock.has_half_closed();
    // What was said on a WebSocket is told, whether its client has gone meanwhile or not.
    #[cfg(feature = "ws")]
    let may_leave = may_leave && !conn.exchange.has_socket();
    // Who is told that no thread can be had: nobody whose response has begun, or is over.
    let is_begun = conn.exchange.is_answering() || conn.exchange.are_news_handed_over();
    #[cfg(feature = "ws")]
    let is_begun = is_begun || conn.exchange.has_socket();
    let handed = HandedOver::Connection(HandedConn { shard: index, conn, since: engine.clock.nanos() });
    let now = engine.clock.elapsed();
    let queue = &engine.dispatch.queue;
    let waiting =
        if is_begun { Ok(queue.hand_on(lane, handed, now)) } else { queue.hand_over(lane, handed, now) };
    match waiting {
        Ok(waiting) => {
            engine.service.counters.workers.dispatched.fetch_add(1, Ordering::Relaxed);
            if may_leave {
                shard.note_ticket(token, waiting.ticket);
            }
            engine.monitor.alarm.rouse();
            if waiting.must_wake {
                // Without one: the monitor calls again.
                let _ = engine.call_helpers(1);
            }
        }
        Err(refused) => {
            if let Some(HandedConn { mut conn, .. }) = refused.into_conn() {
                conn.course.is_turned_away = true;
                shard.queue(conn);
            }
        }
    }
}

/// A worker for a loop, which is promised before anybody is told that there will be one. `None`: there are as many with
/// clients as may be.
#[cfg(feature = "ws")]
pub(crate) fn promise_place(engine: &Arc<Engine>) -> Option<LoopPlace> {
    let of = Arc::downgrade(engine);
    let gives_back = move || {
        if let Some(engine) = of.upgrade() {
            engine.dispatch.queue.promise_ended();
        }
    };
    engine.dispatch.queue.promise().then(|| LoopPlace::new(gives_back))
}

/// Leaves the loop of a WebSocket, which a place was promised to, for a worker, and lets its connection go on.
#[cfg(feature = "ws")]
pub(crate) fn start_loop(engine: &Arc<Engine>, shard: &Shard, mut conn: Box<Conn>) {
    let start = conn.exchange.socket().and_then(|socket| socket.take_start());
    shard.queue(conn);
    let Some(start) = start else { return };
    let must_wake = engine.dispatch.queue.hand_on_promised(HandedOver::Loop(start), engine.clock.elapsed());
    engine.service.counters.workers.dispatched.fetch_add(1, Ordering::Relaxed);
    engine.monitor.alarm.rouse();
    if must_wake {
        // Without one: the monitor calls again.
        let _ = engine.call_helpers(1);
    }
}

impl HandedOver {
    /// The connection, if it is one.
    pub(crate) fn into_conn(self) -> Option<HandedConn> {
        match self {
            Self::Connection(handed) => Some(handed),
            #[cfg(feature = "ws")]
            Self::Loop(_) => None,
        }
    }
}

/// Has the shard tell the peer that no worker could be had in time, or cut off a response that has begun; it may be one
/// of many that have waited since the same moment.
pub(crate) fn turn_away(engine: &Engine, expired: HandedOver) {
    match expired {
        HandedOver::Connection(HandedConn { shard, mut conn, .. }) => {
            conn.course.is_turned_away = true;
            engine.shards[shard].give_back(conn);
        }
        #[cfg(feature = "ws")]
        HandedOver::Loop(mut start) => {
            start.give_up();
            // What it is made of is the user's.
            engine.dispatch.leftovers.leave(start);
        }
    }
}
