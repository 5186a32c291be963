//! Serving connections that were handed over: a worker that may block.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::engine::balance;
use crate::engine::dispatch::predict::{Doubt, FAST, RouteHash};
use crate::engine::dispatch::queue::Lane;
use crate::engine::placing::{self, HandedConn, HandedOver};
use crate::engine::turn::{self, CodeAhead, Host, TurnEnd};
use crate::serve::runner::{Runner, UserCode};
use crate::serve::workspace::Workspace;
#[cfg(feature = "ws")]
use crate::sockets::LoopPlace;
use crate::util::thread::ThreadUse;

/// A worker that may block, as the host of turns.
struct Helper<'a> {
    engine: &'a Arc<Engine>,
    /// Whose code runs next.
    route: RouteHash,
    /// Whether it waits for the client on purpose, so that its time says nothing about the route.
    waits_for_client: bool,
    lane: Lane,
}

/// Whether others had the CPU for so much of a run that took so long that it says nothing about its route.
fn was_kept_waiting(before: ThreadUse, took: Duration) -> bool {
    ThreadUse::now().is_some_and(|now| !before.slept_since(now, took) && before.ran_since(now, took) < FAST)
}

/// Evidence that a helper hands a connection over, because there are as many with clients as may be.
struct ToClients;

impl Runner for Helper<'_> {
    fn run_user_code(&mut self, what: UserCode, code: impl FnOnce()) {
        if what == UserCode::Cleanup {
            return code();
        }
        // Whatever it is, it may block for long, and somebody has to notice.
        self.engine.monitor.alarm.rouse();
        let predictor = &self.engine.dispatch.predictor;
        // Of what is known to block it need not be known how.
        let before = if predictor.doubt(self.route) == Doubt::None { None } else { ThreadUse::now() };
        let begun = Instant::now();
        code();
        let took = begun.elapsed();
        if self.waits_for_client
            || took >= FAST && before.is_some_and(|before| was_kept_waiting(before, took))
        {
            return;
        }
        predictor.ran(self.route, took);
    }

    fn may_wait_for_client(&mut self) -> bool {
        if self.lane == Lane::Handlers && self.engine.dispatch.queue.change_to_clients() {
            self.lane = Lane::Clients;
        }
        self.waits_for_client = true;
        self.lane == Lane::Clients
    }

    #[cfg(feature = "ws")]
    fn promises_loop(&mut self) -> Option<LoopPlace> {
        placing::promise_place(self.engine)
    }

    fn is_stopping(&self) -> bool {
        self.engine.is_stopping()
    }
}

impl Host for Helper<'_> {
    type HandOver = ToClients;

    fn serves(&mut self, route: RouteHash) {
        self.route = route;
        self.waits_for_client = false;
    }

    fn hands_over(&mut self, route: RouteHash, ahead: CodeAhead) -> Option<ToClients> {
        self.route = if ahead == CodeAhead::Hook { route.of_hook() } else { route };
        self.waits_for_client = false;
        (ahead == CodeAhead::Reader && !self.may_wait_for_client()).then_some(ToClients)
    }
}

/// Serves connections that were handed over until there are none for this worker, which counts as active.
pub(crate) fn serve_handed_over(engine: &Arc<Engine>, first: Option<(Lane, HandedOver)>) {
    let Some(mut next) = first else { return };
    let mut work = engine.workspace();
    work.tally.times_all = true;
    work.attendant.is_here();
    loop {
        let (lane, handed) = next;
        let begun = Instant::now();
        let lane = serve(engine, &mut work, lane, handed);
        if lane == Lane::Handlers {
            engine.dispatch.queue.note_service(begun.elapsed());
        }
        match next_piece(engine, lane) {
            Some(piece) => next = piece,
            None => return,
        }
    }
}

/// What an active worker takes up that is done with a piece of `lane`.
pub(crate) fn next_piece(engine: &Engine, lane: Lane) -> Option<(Lane, HandedOver)> {
    while let Some(leftover) = engine.dispatch.leftovers.take() {
        drop(leftover);
    }
    engine.dispatch.queue.take_next(lane)
}

/// Serves one connection until it can be parked; says which lane that turned out to belong to.
fn serve(engine: &Arc<Engine>, work: &mut Workspace, lane: Lane, handed: HandedOver) -> Lane {
    #[cfg(feature = "ws")]
    let handed = match handed {
        HandedOver::Loop(start) => {
            start.run();
            return lane;
        }
        connection => connection,
    };
    let Some(HandedConn { shard: index, mut conn, since }) = handed.into_conn() else { return lane };
    let shard = &engine.shards[index];
    let mut helper = Helper { engine, route: conn.course.route, waits_for_client: false, lane };
    // A request is as old as its wait for a worker.
    work.waits_since = Some(since);
    loop {
        work.moment = engine.clock.now();
        let mut end = turn::serve(engine, &mut conn, work, &mut helper);
        // The handler may have blocked, so the clock has moved on.
        let now = engine.clock.millis();
        if matches!(end, TurnEnd::Park) {
            end = turn::look_again(engine, &mut conn, work, &mut helper, now);
        }
        match end {
            TurnEnd::Park => match balance::park(engine, shard, conn, now) {
                Ok(()) => break,
                Err(again) => conn = again,
            },
            TurnEnd::Yield => {
                shard.queue(conn);
                break;
            }
            TurnEnd::Close => {
                engine.close(shard, conn);
                break;
            }
            TurnEnd::GiveAway => {
                engine.give_away(shard, conn);
                break;
            }
            #[cfg(feature = "ws")]
            TurnEnd::StartLoop => {
                placing::start_loop(engine, shard, conn);
                break;
            }
            TurnEnd::HandOver(ToClients) => {
                placing::hand_over(engine, index, conn, Lane::Clients);
                break;
            }
        }
    }
    helper.lane
}
