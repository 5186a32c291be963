//! One turn of one connection: bytes in, bytes out, until there is nothing to do or it would block.
//!
//! A turn knows no shard and no lease, and nothing of HTTP: what is to be done says the connection's [`Exchange`]. Who
//! runs the user's code says its [`Host`], so that the same turn is taken by a driver, which may lose its lease
//! meanwhile, and by a worker that a connection was handed to.
//!
//! A small request costs one read and one write. Responses to pipelined requests are collected and sent before the turn
//! would wait for more input.
//!
//! [`Exchange`]: crate::serve::exchange::Exchange

mod closing;
#[cfg(feature = "tls-no-provider")]
mod handshake;
mod overdue;
mod proxied;
#[cfg(test)]
mod scene;
#[cfg(feature = "ws")]
mod socket;
mod streaming;

#[cfg(feature = "tls-no-provider")]
pub(crate) use handshake::handshake_route;
pub(crate) use overdue::{look_again, serve_overdue};

use crate::engine::Engine;
use crate::engine::dispatch::predict::{Judgement, RouteHash};
use crate::engine::shard::clock::Awaits;
use crate::engine::shard::conn::Conn;
use crate::proto::ProtoError;
use crate::serve::exchange::{BATCH_BYTES, Step};
use crate::serve::runner::{Runner, UserCode};
use crate::serve::workspace::Workspace;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;

/// Reads in one turn before other connections get theirs.
const READS_PER_TURN: usize = 16;
/// Requests answered in one turn before other connections get theirs.
const REQUESTS_PER_TURN: usize = 32;
/// Room asked for each read.
const READ_ROOM: usize = 4096;

/// Which of the user's code is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeAhead {
    /// A hook that decides on a head, or answers what is refused.
    Hook,
    /// The handler, for a request that is there.
    Handler,
    /// The handler, for a request whose body has not arrived: it will wait for the client.
    Reader,
    /// What produces the body of a streamed response.
    Body,
    /// What a handshake takes to be reckoned, which may be long, and runs what of the user's code it needs.
    #[cfg(feature = "tls-no-provider")]
    Handshake,
}

/// Who takes the turn.
pub(crate) trait Host: Runner {
    /// Evidence of a hand-over; without a value where there is none.
    type HandOver;

    /// The user's code that runs from now on is that of this route, unless told otherwise.
    fn serves(&mut self, route: RouteHash);

    /// Asked before the user's code runs for `route`: `Some` hands the connection over to a worker instead.
    fn hands_over(&mut self, route: RouteHash, ahead: CodeAhead) -> Option<Self::HandOver>;
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnEnd<H> {
    /// To be parked until the poller reports or time is up.
    Park,
    /// To be served again after the others.
    Yield,
    /// It goes to a worker: a request is left with it, or a streamed response is on its way.
    HandOver(H),
    /// It goes to a function of the user's, and everything was sent.
    GiveAway,
    /// The loop that is to own its WebSocket is to be begun, and the connection goes on.
    #[cfg(feature = "ws")]
    StartLoop,
    /// The connection is over.
    Close,
}

/// Serves a connection for one turn.
pub(crate) fn serve<H: Host>(
    engine: &Engine,
    conn: &mut Conn,
    work: &mut Workspace,
    host: &mut H,
) -> TurnEnd<H::HandOver> {
    host.serves(conn.course.route);
    conn.clock.wait_ended(work.moment.millis);
    open(conn, work);
    let end = Turn { engine, conn, work, host, reads: 0, answers: 0 }.take();
    leave(engine, conn, work, host, end)
}

/// Brings a connection in, with what it has left over.
#[inline]
fn open(conn: &mut Conn, work: &mut Workspace) {
    work.open(&conn.facts, &mut conn.pending);
    #[cfg(feature = "tls-no-provider")]
    if conn.facts.is_tls() {
        work.ctx.set_tls(conn.sock.transport.tls_info());
    }
}

/// Gives up a connection, and what is left with it.
pub(crate) fn abandon<H: Host>(
    engine: &Engine,
    conn: &mut Conn,
    work: &mut Workspace,
    host: &mut H,
) -> TurnEnd<H::HandOver> {
    host.serves(conn.course.route);
    open(conn, work);
    leave(engine, conn, work, host, TurnEnd::Close)
}

/// Empties the workspace into the connection, as far as that goes on here.
fn leave<H: Host>(
    engine: &Engine,
    conn: &mut Conn,
    work: &mut Workspace,
    host: &mut H,
    end: TurnEnd<H::HandOver>,
) -> TurnEnd<H::HandOver> {
    match &end {
        TurnEnd::Park | TurnEnd::Yield | TurnEnd::HandOver(_) | TurnEnd::GiveAway => {
            if conn.exchange.holds_request() {
                work.hold(&mut conn.pending);
            } else {
                conn.course.is_turned_away = false;
                work.close(&mut conn.pending);
            }
        }
        #[cfg(feature = "ws")]
        TurnEnd::StartLoop => work.close(&mut conn.pending),
        TurnEnd::Close => {
            conn.is_cut |= conn.holds_back || !work.output.is_empty() || conn.exchange.is_answering();
            conn.exchange.cut_off(work, &engine.service);
            conn.exchange.forget_response(host);
            if work.ctx.holds_users_values() {
                host.run_user_code(UserCode::Cleanup, || work.wipe());
                work.time_has_passed();
            } else {
                work.wipe();
            }
        }
    }
    end
}

/// A turn that is being taken.
struct Turn<'a, H> {
    engine: &'a Engine,
    conn: &'a mut Conn,
    work: &'a mut Workspace,
    host: &'a mut H,
    reads: usize,
    answers: usize,
}

impl<H: Host> Turn<'_, H> {
    /// Takes the turn.
    fn take(&mut self) -> TurnEnd<H::HandOver> {
        if proxied::awaits_header(self.conn) {
            if let Some(end) = self.bring_proxy_header() {
                return end;
            }
        }
        #[cfg(feature = "tls-no-provider")]
        if self.conn.must_shake_hands() {
            if let Some(end) = self.bring_handshake() {
                return end;
            }
        }
        loop {
            if self.conn.exchange.takes_requests() && !self.conn.exchange.holds_request() {
                if let Some(end) = self.make_room() {
                    return end;
                }
            }
            let end = match self.conn.exchange.next(self.work, &self.engine.service) {
                Step::Tell => self.tell(),
                Step::NeedInput => self.bring_input(),
                Step::Head { awaits_continue } => self.decide(awaits_continue),
                Step::Request => self.answer(),
                Step::Streams => self.stream(),
                Step::GiveAway => self.send().or(Some(TurnEnd::GiveAway)),
                #[cfg(feature = "ws")]
                Step::Socket => self.socket(),
                Step::Refusing(error) => self.refuse(error),
                // Whatever is in the output goes out, and then the connection.
                Step::Refused(_) | Step::Ends => self.send().or_else(|| self.close_without_news()),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// A peer that does not take its responses gets no further ones, however many requests are here already.
    fn make_room(&mut self) -> Option<TurnEnd<H::HandOver>> {
        let is_due = self.answers == REQUESTS_PER_TURN;
        if self.conn.awaits == Awaits::Output || self.work.output.len() >= BATCH_BYTES || is_due {
            if let Some(end) = self.send() {
                return Some(end);
            }
            self.conn.awaits = Awaits::Input;
        }
        is_due.then_some(TurnEnd::Yield)
    }

    /// Has the hooks decide on a head, or hands the connection over to a worker that will.
    fn decide(&mut self, awaits_continue: bool) -> Option<TurnEnd<H::HandOver>> {
        let route = self.note_route();
        if self.conn.course.is_turned_away {
            return self.turn_away();
        }
        if let Some(hand_over) = self.host.hands_over(route, CodeAhead::Hook) {
            return Some(self.hand_over(hand_over));
        }
        if let Some(end) = self.send_before(route.of_hook()) {
            return Some(end);
        }
        // What that means is found out again.
        let _ = self.conn.exchange.decide(awaits_continue, self.work, &self.engine.service, self.host);
        None
    }

    /// Has observers told what is to be told, or hands the connection over to a worker that will.
    fn tell(&mut self) -> Option<TurnEnd<H::HandOver>> {
        let exchange = &mut self.conn.exchange;
        if self.conn.course.is_turned_away && exchange.are_news_handed_over() {
            // Nobody came to tell them in time: they go to whoever comes free, and the connection goes on.
            self.conn.course.is_turned_away = false;
            let news = exchange.take_news(&self.conn.facts.into(), &self.engine.service);
            self.host.forget(news);
            return None;
        }
        if let Some(hand_over) = self.host.hands_over(RouteHash::NOTICES, CodeAhead::Hook) {
            self.conn.exchange.hands_news_over();
            return Some(self.hand_over(hand_over));
        }
        self.conn.exchange.tell(self.work, &self.engine.service, self.host);
        None
    }

    /// Has the error handler answer what is no request, or hands the connection over to a worker that will.
    fn refuse(&mut self, error: ProtoError) -> Option<TurnEnd<H::HandOver>> {
        if std::mem::take(&mut self.conn.course.is_turned_away) {
            // There is nobody to run it.
            self.conn.exchange.refuse_plainly(error, self.work, &self.engine.service);
            return None;
        }
        if let Some(hand_over) = self.host.hands_over(RouteHash::REFUSED, CodeAhead::Hook) {
            return Some(self.hand_over(hand_over));
        }
        if let Some(end) = self.send_before(RouteHash::REFUSED.of_hook()) {
            return Some(end);
        }
        self.conn.exchange.refuse_by_handler(error, self.work, &self.engine.service, self.host);
        None
    }

    /// Runs the handler, or hands the connection over to a worker that will.
    fn answer(&mut self) -> Option<TurnEnd<H::HandOver>> {
        let route = if self.conn.exchange.is_decided() { self.conn.course.route } else { self.note_route() };
        if self.conn.course.is_turned_away {
            return self.turn_away();
        }
        if let Some(end) = self.read_ahead() {
            return Some(end);
        }
        let is_whole = self.work.ctx.request.is_body_complete();
        let ahead = if is_whole { CodeAhead::Handler } else { CodeAhead::Reader };
        if let Some(hand_over) = self.host.hands_over(route, ahead) {
            return Some(self.hand_over(hand_over));
        }
        if let Some(end) = self.send_before(route) {
            return Some(end);
        }
        self.answers += 1;
        self.conn.course.is_read_ahead = false;
        let Conn { exchange, sock, .. } = &mut *self.conn;
        let service = &*self.engine.service;
        let patience = exchange.patience(service);
        let answered = exchange.answer(self.work, service, &sock.transport, &patience, self.host);
        // The handler may have read to the end of what is there, and of that the poller has told long ago.
        sock.readable |= !is_whole;
        #[cfg(feature = "ws")]
        if exchange.has_socket() {
            // What is done there says nothing of how long it takes to open one.
            self.conn.course.route = route.of_socket();
        }
        answered.err().map(|error| self.broke_off(&error))
    }

    /// Brings the first part of a body that the handler reads as it arrives, so that most uploads need no thread to
    /// wait for them. `None`: there is enough of it, or it takes too long.
    fn read_ahead(&mut self) -> Option<TurnEnd<H::HandOver>> {
        let most = self.engine.service.settings.read_ahead;
        while self.work.ctx.request.lacks_body_below(most) && !self.conn.course.is_read_ahead {
            if !self.conn.sock.readable {
                // The client may wait for what was answered before it sends on.
                return self.send().or_else(|| self.park(Awaits::FirstPart));
            }
            if self.reads == READS_PER_TURN {
                return self.send().or(Some(TurnEnd::Yield));
            }
            self.reads += 1;
            match self.conn.sock.read(self.work.ctx.request.input_mut().space(READ_ROOM)) {
                // Whoever reads it will be told.
                Ok(Some(0)) => self.conn.course.is_read_ahead = true,
                Ok(Some(count)) => self.work.ctx.request.body_arrived(count),
                Ok(None) => {}
                Err(error) => return Some(self.broken(&error)),
            }
        }
        self.conn.awaits = Awaits::Input;
        None
    }

    /// The route of the request in the workspace.
    fn note_route(&mut self) -> RouteHash {
        let (ctx, predictor) = (&mut self.work.ctx, &self.engine.dispatch.predictor);
        let key = self.engine.service.settings.hooks.route_key(ctx);
        let method = ctx.request.method_bytes();
        self.conn.course.route = match key {
            Some(number) => predictor.numbered(method, number),
            None => predictor.route(method, ctx.request.request_uri()),
        };
        self.conn.course.route
    }

    fn turn_away(&mut self) -> Option<TurnEnd<H::HandOver>> {
        self.conn.course.is_turned_away = false;
        self.conn.course.is_read_ahead = false;
        self.conn.exchange.turn_away(self.work, &self.engine.service, self.host);
        None
    }

    /// Answers that are ready must not wait for the user's code that comes next, which may block.
    fn send_before(&mut self, route: RouteHash) -> Option<TurnEnd<H::HandOver>> {
        let may_block = || self.engine.dispatch.predictor.judge(route) != Judgement::Fast;
        if self.work.output.is_empty() || !may_block() {
            return None;
        }
        self.send_now().err()
    }

    /// Earlier responses do not wait for the worker.
    fn hand_over(&mut self, hand_over: H::HandOver) -> TurnEnd<H::HandOver> {
        match self.send_now() {
            Ok(_) => TurnEnd::HandOver(hand_over),
            Err(end) => end,
        }
    }

    /// Sends everything, then reads once, or ends the turn.
    fn bring_input(&mut self) -> Option<TurnEnd<H::HandOver>> {
        let has_agreed = std::mem::take(&mut self.conn.course.has_agreed);
        if let Some(end) = if has_agreed { None } else { self.send() } {
            return Some(end);
        }
        if self.conn.exchange.must_tell_before_waiting(&self.engine.service) {
            return None;
        }
        if !self.conn.sock.readable {
            let ends = self.conn.exchange.ends_instead_of_waiting(self.host);
            return if ends { None } else { self.park(Awaits::Input) };
        }
        if self.reads == READS_PER_TURN {
            return Some(TurnEnd::Yield);
        }
        self.reads += 1;
        match self.conn.sock.read(self.work.ctx.request.input_mut().space(READ_ROOM)) {
            Ok(Some(0)) => {
                let ended = self.conn.exchange.input_ended(self.work, &self.engine.service);
                ended.is_ok().then_some(TurnEnd::Close)
            }
            Ok(Some(count)) => {
                self.work.ctx.request.input_mut().filled(count);
                self.conn.clock.progressed(count);
                None
            }
            Ok(None) => None,
            Err(error) => Some(self.broken(&error)),
        }
    }

    /// Reads once, before there is any request. False: the peer will send nothing more. `Err`: how the turn ends.
    fn bring_first_bytes(&mut self) -> Result<bool, TurnEnd<H::HandOver>> {
        let Conn { exchange, sock, awaits, .. } = &mut *self.conn;
        if !sock.readable {
            *awaits = Awaits::Input;
            return Err(if exchange.ends_instead_of_waiting(self.host) {
                TurnEnd::Close
            } else {
                TurnEnd::Park
            });
        }
        if self.reads == READS_PER_TURN {
            return Err(TurnEnd::Yield);
        }
        self.reads += 1;
        let input = self.work.ctx.request.input_mut();
        match sock.read(input.space(READ_ROOM)) {
            Ok(Some(0)) => return Ok(false),
            Ok(Some(count)) => input.filled(count),
            Ok(None) => {}
            Err(error) => return Err(self.broken(&error)),
        }
        Ok(true)
    }

    /// Sends what can be sent now. `None`: that was all of it.
    fn send(&mut self) -> Option<TurnEnd<H::HandOver>> {
        match self.send_now() {
            Ok(true) => None,
            Ok(false) => self.park(Awaits::Output),
            Err(end) => Some(end),
        }
    }

    /// Sends what can be sent now; true when that was all of it. `Err`: how the turn ends.
    fn send_now(&mut self) -> Result<bool, TurnEnd<H::HandOver>> {
        self.conn.send(&mut self.work.output).map_err(|error| {
            if error.kind() == ErrorKind::TimedOut {
                // The system had the same limit for what it has not got rid of, and was faster.
                self.engine.service.counters.slow.readers.fetch_add(1, Ordering::Relaxed);
            }
            self.broken(&error)
        })
    }

    fn park(&mut self, awaits: Awaits) -> Option<TurnEnd<H::HandOver>> {
        self.conn.awaits = awaits;
        Some(TurnEnd::Park)
    }
}

#[cfg(test)]
mod tests {
    use super::scene::{Endless, Itself, serve_to_first_part, with_connection};
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_first_part_is_not_read_in_one_turn_however_fast_it_comes() {
        with_connection(|engine, conn, work, _peer| {
            serve_to_first_part(engine, conn, work);
            conn.sock.transport = Arc::new(Endless);
            conn.sock.readable = true;
            assert_eq!(serve(engine, conn, work, &mut Itself), TurnEnd::Yield);
        });
    }

    #[test]
    fn who_was_turned_away_has_the_first_part_of_the_next_body_read_ahead() {
        with_connection(|engine, conn, work, _peer| {
            serve_to_first_part(engine, conn, work);
            (conn.course.is_turned_away, conn.course.is_read_ahead) = (true, true);
            let _ = serve(engine, conn, work, &mut Itself);
            assert!(!conn.course.is_turned_away && !conn.course.is_read_ahead);
        });
    }
}
