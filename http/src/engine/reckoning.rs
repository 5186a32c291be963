//! What handshakes take to be reckoned, on workers of the pool, when it is long.
//!
//! The idea: that is computing, so there are as many at it as there are shards, and for more of them nothing would go
//! faster. They do not come out of the budget of those who may block, so a handshake waits for no handler; and when all
//! are at it, or there is no thread to be had, a driver goes on itself, because it comes to an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::engine::Engine;
use crate::engine::shard::conn::Conn;
use crate::engine::turn;
use crate::tls::TlsLayer;

/// How many more may begin to reckon.
#[derive(Debug)]
pub(crate) struct Reckoners(AtomicUsize);

impl Reckoners {
    pub(crate) fn new(count: usize) -> Self {
        Self(AtomicUsize::new(count))
    }

    /// Whether another one may begin, as far as can be seen.
    pub(crate) fn have_room(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Counts one in, if there is room.
    fn begin(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1)).is_ok()
    }

    fn end(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Has a worker reckon for a connection that is out; or the shard, when there is none.
pub(crate) fn hand_over(engine: &Arc<Engine>, index: usize, conn: Box<Conn>) {
    let conn = if engine.reckoners.begin() {
        let Err(conn) = engine.call_reckoner(index, conn) else { return };
        engine.reckoners.end();
        conn
    } else {
        conn
    };
    give_back(engine, index, conn, true);
}

/// Reckons, and leaves the rest to the shard.
pub(crate) fn reckon(engine: &Arc<Engine>, index: usize, conn: Box<Conn>) {
    if let Some(layer) = TlsLayer::of(&*conn.sock.transport) {
        let (route, begun) = (turn::handshake_route(layer), Instant::now());
        layer.reckon();
        engine.dispatch.predictor.ran(route, begun.elapsed());
    }
    engine.reckoners.end();
    give_back(engine, index, conn, false);
}

fn give_back(engine: &Engine, index: usize, mut conn: Box<Conn>, is_turned_away: bool) {
    conn.course.is_turned_away = is_turned_away;
    engine.shards[index].queue(conn);
}
