//! What handshakes take to be reckoned, on workers of the pool, when it is long or may be.
//!
//! How many are at it, and what waits for them, is decided in `dispatch/reckoners.rs`; here is what they do, and what
//! becomes of a connection that waits in vain: its shard closes it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::engine::dispatch::predict::FAST;
use crate::engine::dispatch::queue::Lane;
use crate::engine::dispatch::reckoners::{AfterPiece, Left, Reckoners};
use crate::engine::dispatch::self_timing::Run;
use crate::engine::helper::{next_piece, serve_handed_over};
use crate::engine::shard::clock::Awaits;
use crate::engine::shard::conn::Conn;
use crate::engine::shard::deadlines::NEVER;
use crate::engine::turn;
use crate::tls::TlsLayer;
use crate::util::thread::{ThreadNumber, ThreadUse};

/// What a handshake takes to be reckoned by a key of any length in use, on a busy machine: where it is not known
/// whether a thread sleeps, one that is at it for longer does.
const COMPUTES_MOST: Duration = Duration::from_millis(50);

/// What most of them take: whoever is at one for less than that is not asked whether it sleeps.
const COMPUTES_SOME: Duration = Duration::from_micros(500);

/// Those of an engine, with what is known of their threads.
pub(crate) type EngineReckoners = Reckoners<Unshaken, Option<ThreadNumber>>;

/// A connection that is out for its handshake, and the number of its shard.
pub(crate) struct Unshaken {
    pub(crate) shard: usize,
    pub(crate) conn: Box<Conn>,
}

/// Has a worker reckon for a connection that is out.
pub(crate) fn hand_over(engine: &Arc<Engine>, shard: usize, conn: Box<Conn>) {
    let until = give_up_at(engine, &conn);
    // Whoever is in the middle of it comes before those who have only said hello, however many.
    let goes_first = TlsLayer::of(&*conn.sock.transport).is_some_and(TlsLayer::has_begun);
    match engine.reckoners.hand_over(Unshaken { shard, conn }, until, goes_first) {
        Left::MustCall(first) => {
            if let Err(refused) = engine.call_reckoner(first) {
                engine.reckoners.call_failed(None);
                if let Some(unbegun) = refused.into_payload().into_unbegun() {
                    // Its driver decides anew.
                    give_back(engine, unbegun.work);
                }
            }
        }
        // The monitor sees to it that it does not wait for ever.
        Left::Waits => engine.monitor.alarm.rouse(),
        Left::Refused(unshaken) => turn_away(engine, unshaken),
    }
}

/// When a connection is not worth it any more, as time since the engine started.
fn give_up_at(engine: &Engine, conn: &Conn) -> Duration {
    let deadline = conn.clock.deadline();
    let deadline = if deadline == NEVER { Duration::MAX } else { Duration::from_millis(deadline) };
    let limit = engine.service.settings.threads.max_wait;
    limit.map_or(deadline, |limit| deadline.min(engine.clock.elapsed().saturating_add(limit)))
}

/// Reckons for one connection after the other as long as some wait, and leaves the rest to their shards.
pub(crate) fn reckon(engine: &Arc<Engine>, first: Unshaken) {
    let mut piece = engine.reckoners.arrive(ThreadNumber::of_this(), engine.clock.elapsed());
    let mut unshaken = first;
    loop {
        if let Some(layer) = TlsLayer::of(&*unshaken.conn.sock.transport) {
            let route = turn::handshake_route(layer);
            // What the thread used for others before says nothing of this one.
            let (before, begun) = (ThreadUse::now(), Instant::now());
            layer.reckon();
            engine.dispatch.predictor.ran(route, held_up(before, begun.elapsed()));
        }
        go_on(engine, unshaken);
        (piece, unshaken) = match engine.reckoners.next(piece, engine.clock.elapsed()) {
            AfterPiece::Another(piece, unshaken) => (piece, unshaken),
            AfterPiece::Nothing => return,
            AfterPiece::Helps => {
                let next = next_piece(engine, Lane::Handlers);
                return serve_handed_over(engine, next);
            }
        };
    }
}

/// For how long what took so long would have held up a driver, by a driver's own measure: computing that is not long
/// does not, and to wait for a CPU is nobody's fault. `before`: what the thread had used when it began.
fn held_up(before: Option<ThreadUse>, took: Duration) -> Duration {
    if took < FAST || Run::of(before, ThreadUse::now(), took) == Run::Quick { Duration::ZERO } else { took }
}

/// What becomes of a connection that was reckoned for. Its shard has nothing to do with one that waits for its peer
/// again.
fn go_on(engine: &Engine, Unshaken { shard: index, mut conn }: Unshaken) {
    let shard = &engine.shards[index];
    let goes_on = TlsLayer::of(&*conn.sock.transport).is_some_and(|layer| layer.outcome().is_none());
    if goes_on && !conn.sock.readable && matches!(conn.push(), Ok(true)) {
        conn.awaits = Awaits::Input;
        if let Err(conn) = shard.park(conn, engine.clock.millis(), &engine.service) {
            shard.queue(conn);
        }
    } else {
        shard.queue(conn);
    }
}

/// Sees to what waits: lends those at work who sleep, and gives up what has waited for too long.
pub(crate) fn look(engine: &Engine) {
    let reckoners = &engine.reckoners;
    let Some(at_work) = reckoners.at_work() else { return };
    let now = engine.clock.elapsed();
    for stint in at_work {
        if now.saturating_sub(stint.since) < COMPUTES_SOME {
            continue;
        }
        let sleeps = match stint.thread.and_then(ThreadNumber::is_asleep) {
            Some(is_asleep) => is_asleep,
            None => now.saturating_sub(stint.since) > COMPUTES_MOST,
        };
        if sleeps {
            // Once all may block who may, what waits goes on waiting.
            let _ = engine.dispatch.queue.enlist(|| reckoners.lend(stint.piece));
        }
    }
    while let Some(unshaken) = reckoners.take_expired(now) {
        turn_away(engine, unshaken);
    }
    while engine.is_stopping() {
        let Some(unshaken) = reckoners.take_waiting() else { return };
        turn_away(engine, unshaken);
    }
}

/// Has the shard close a connection for which nobody came in time.
fn turn_away(engine: &Engine, Unshaken { shard, mut conn }: Unshaken) {
    conn.course.is_turned_away = true;
    engine.shards[shard].give_back(conn);
}

/// Has its driver decide anew what becomes of a connection.
pub(crate) fn give_back(engine: &Engine, Unshaken { shard, conn }: Unshaken) {
    engine.shards[shard].queue(conn);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::hint::spin_loop;
    use std::thread;

    fn measured(work: impl Fn()) -> Duration {
        let (before, begun) = (ThreadUse::now(), Instant::now());
        work();
        held_up(before, begun.elapsed())
    }

    /// A key of the usual kind signs in less than half a millisecond, and a machine with more work than cores takes its
    /// time.
    #[test]
    fn tls_01_what_computes_for_a_moment_holds_nobody_up_and_what_sleeps_does() {
        let computes = |micros: u64| {
            let begun = ThreadUse::now().expect("this system counts").cpu;
            while ThreadUse::now().expect("this system counts").cpu - begun < Duration::from_micros(micros) {
                spin_loop();
            }
        };
        assert_eq!(measured(|| computes(200)), Duration::ZERO);
        assert!(measured(|| computes(2_000)) >= Duration::from_millis(2));
        let nap = Duration::from_millis(2);
        assert!(measured(|| thread::sleep(nap)) >= nap);
    }
}
