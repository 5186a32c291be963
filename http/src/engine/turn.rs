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

#[cfg(feature = "tls-no-provider")]
mod handshake;
mod proxied;
#[cfg(feature = "ws")]
mod socket;

#[cfg(feature = "tls-no-provider")]
pub(crate) use handshake::handshake_route;

use crate::ctx::ConnInfo;
use crate::engine::Engine;
use crate::engine::dispatch::predict::{Judgement, Route};
use crate::engine::shard::clock::Awaits;
use crate::engine::shard::conn::Conn;
use crate::engine::shard::deadlines::Millis;
use crate::proto::ProtoError;
use crate::serve::error::Error;
use crate::serve::exchange::{BATCH_BYTES, LINGER_BYTES, Piece, Step};
use crate::serve::proxied::{NotNamed, refuse};
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
/// Pieces of a streamed response sent in one turn before other connections get theirs.
const PIECES_PER_TURN: usize = 16;

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
    /// None: what a handshake takes to be reckoned, which may be long and ends by itself.
    #[cfg(feature = "tls-no-provider")]
    Handshake,
}

/// Who takes the turn.
pub(crate) trait Host: Runner {
    /// Evidence of a hand-over; without a value where there is none.
    type HandOver;

    /// The user's code that runs from now on is that of this route, unless told otherwise.
    fn serves(&mut self, route: Route);

    /// Asked before the user's code runs for `route`: `Some` hands the connection over to a worker instead.
    fn hands_over(&mut self, route: Route, ahead: CodeAhead) -> Option<Self::HandOver>;
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

/// Serves a connection whose deadline has passed: what it waited for may have come while nobody looked. If not, it is
/// given up.
pub(crate) fn serve_overdue<H: Host>(
    engine: &Engine,
    conn: &mut Conn,
    work: &mut Workspace,
    host: &mut H,
) -> TurnEnd<H::HandOver> {
    conn.sock.readable = true;
    conn.course.is_read_ahead |= conn.awaits == Awaits::FirstPart;
    if conn.awaits == Awaits::Source {
        if let Some(live) = conn.exchange.live() {
            live.beat();
        }
    }
    let end = serve(engine, conn, work, host);
    match end {
        // A handler may have run, so the clock has moved on.
        TurnEnd::Park => end_overdue(engine, conn, work, host, engine.clock.millis()),
        _ => end,
    }
}

/// How a turn ends at `now` that would end by parking the connection, of a host that may have been kept from it for
/// long: if its time is over, there is one more look whether what it waits for has come.
pub(crate) fn look_again<H: Host>(
    engine: &Engine,
    conn: &mut Conn,
    work: &mut Workspace,
    host: &mut H,
    now: Millis,
) -> TurnEnd<H::HandOver> {
    let is_due = conn.next_deadline(now, &engine.service) <= now;
    // For these nobody is given up, and the driver goes on with them.
    if is_due && !matches!(conn.awaits, Awaits::FirstPart | Awaits::Source) {
        return serve_overdue(engine, conn, work, host);
    }
    TurnEnd::Park
}

/// How a turn ends at `now` that would end by parking the connection: it is given up instead, if its time is over.
fn end_overdue<H: Host>(
    engine: &Engine,
    conn: &mut Conn,
    work: &mut Workspace,
    host: &mut H,
    now: Millis,
) -> TurnEnd<H::HandOver> {
    if conn.next_deadline(now, &engine.service) > now {
        return TurnEnd::Park;
    }
    if matches!(conn.awaits, Awaits::FirstPart | Awaits::Source) {
        // Nobody is given up for that: it is time for the driver to go on.
        return TurnEnd::Park;
    }
    if proxied::awaits_header(conn) {
        refuse(NotNamed::Late, &conn.facts.into(), &engine.service);
        return abandon(engine, conn, work, host);
    }
    #[cfg(feature = "tls-no-provider")]
    if conn.must_shake_hands() {
        handshake::refuse_late(conn, &engine.service);
        return abandon(engine, conn, work, host);
    }
    #[cfg(feature = "ws")]
    if conn.awaits == Awaits::Socket {
        return TurnEnd::Park;
    }
    if conn.awaits == Awaits::Output {
        engine.service.counters.slow.readers.fetch_add(1, Ordering::Relaxed);
    }
    #[cfg(feature = "ws")]
    if conn.exchange.cut_socket_off() {
        // Whoever is told of its end may block, as ever.
        return serve(engine, conn, work, host);
    }
    if conn.awaits != Awaits::Input || conn.exchange.ends_in_silence(&engine.service) {
        return abandon(engine, conn, work, host);
    }
    open(conn, work);
    conn.exchange.refuse(ProtoError::Timeout, work, &engine.service);
    let end = Turn { engine, conn, work, host, reads: 0, answers: 0 }.take();
    leave(engine, conn, work, host, end)
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
        if let Some(hand_over) = self.host.hands_over(Route::NOTICES, CodeAhead::Hook) {
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
        if let Some(hand_over) = self.host.hands_over(Route::REFUSED, CodeAhead::Hook) {
            return Some(self.hand_over(hand_over));
        }
        if let Some(end) = self.send_before(Route::REFUSED.of_hook()) {
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
    fn note_route(&mut self) -> Route {
        let request = &self.work.ctx.request;
        self.conn.course.route =
            self.engine.dispatch.predictor.route(request.method_bytes(), request.request_uri());
        self.conn.course.route
    }

    fn turn_away(&mut self) -> Option<TurnEnd<H::HandOver>> {
        self.conn.course.is_turned_away = false;
        self.conn.course.is_read_ahead = false;
        self.conn.exchange.turn_away(self.work, &self.engine.service, self.host);
        None
    }

    /// Answers that are ready must not wait for the user's code that comes next, which may block.
    fn send_before(&mut self, route: Route) -> Option<TurnEnd<H::HandOver>> {
        let may_block = || self.engine.dispatch.predictor.judge(route) != Judgement::Fast;
        let is_over =
            !self.work.output.is_empty() && may_block() && self.conn.send(&mut self.work.output).is_err();
        is_over.then_some(TurnEnd::Close)
    }

    /// Earlier responses do not wait for the worker.
    fn hand_over(&mut self, hand_over: H::HandOver) -> TurnEnd<H::HandOver> {
        match self.conn.send(&mut self.work.output) {
            Ok(_) => TurnEnd::HandOver(hand_over),
            Err(error) => self.broken(&error),
        }
    }

    /// Sends pieces of a streamed response until it is complete or has to wait. Each piece is sent before the next is
    /// asked for.
    fn stream(&mut self) -> Option<TurnEnd<H::HandOver>> {
        // What is live does not block, whatever the handler did that began it.
        let may_block = self.conn.exchange.live().is_none();
        let hand_over =
            if may_block { self.host.hands_over(self.conn.course.route, CodeAhead::Body) } else { None };
        if let Some(hand_over) = hand_over {
            return Some(TurnEnd::HandOver(hand_over));
        }
        for _ in 0..PIECES_PER_TURN {
            if self.conn.exchange.live().is_some_and(|live| live.has_failed()) {
                log::debug!("a client was cut off that took its events too slowly");
                return Some(TurnEnd::Close);
            }
            if self.conn.exchange.sends_first() {
                if let Some(end) = self.send() {
                    return Some(end);
                }
            }
            let Conn { exchange, sock, token, .. } = &mut *self.conn;
            let waker = || self.engine.shards[sock.shard as usize].waker(*token);
            match exchange.next_piece(self.work, &self.engine.service, &*sock.transport, &waker, self.host) {
                Ok(Piece::InOutput) => {}
                Ok(Piece::Sent(count)) => self.conn.clock.progressed(count),
                Ok(Piece::Blocked) => return self.park(Awaits::Output),
                Ok(Piece::Waiting) => {
                    if let Some(end) = self.look_at_peer() {
                        return Some(end);
                    }
                }
                Ok(Piece::None) => {
                    self.conn.awaits = Awaits::Input;
                    return None;
                }
                Err(error) => return Some(self.broke_off(&error)),
            }
        }
        self.send().or(Some(TurnEnd::Yield))
    }

    /// The response waits for its source: looks whether the peer is still there, then waits for either. `None`: the
    /// peer will send nothing more, and may be gone; what it is sent next will tell.
    fn look_at_peer(&mut self) -> Option<TurnEnd<H::HandOver>> {
        let Conn { exchange, sock, .. } = &mut *self.conn;
        let input = self.work.ctx.request.input_mut();
        let mut has_ended = false;
        // Requests behind this one wait with the system, but for the first of their bytes.
        while sock.readable && !has_ended && input.unread().len() < READ_ROOM {
            match sock.read(input.space(READ_ROOM)) {
                Ok(Some(count)) => {
                    input.filled(count);
                    has_ended = count == 0;
                }
                Ok(None) => {}
                Err(error) => return Some(self.broken(&error)),
            }
        }
        // Where there was more to read, or nothing ever will be, reading does not tell.
        if sock.readable && sock.transport.is_broken() {
            return Some(TurnEnd::Close);
        }
        if has_ended && exchange.probe_peer() {
            return None;
        }
        self.park(Awaits::Source)
    }

    /// Sends everything, then reads once, or ends the turn.
    fn bring_input(&mut self) -> Option<TurnEnd<H::HandOver>> {
        if let Some(end) = self.send() {
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

    /// Everything was sent: closes, unless something is to be told first.
    fn close_without_news(&mut self) -> Option<TurnEnd<H::HandOver>> {
        (!self.conn.exchange.has_news()).then(|| self.send_and_close())
    }

    /// Sends the rest; then closes, or lingers if the peer has sent something that nobody will read: closing at once
    /// would then reset the connection, and with it whatever the peer has not received yet.
    fn send_and_close(&mut self) -> TurnEnd<H::HandOver> {
        if let Some(end) = self.send() {
            return end;
        }
        let conn = &mut *self.conn;
        let input = self.work.ctx.request.input_mut();
        if conn.awaits != Awaits::LingerEnd {
            if !conn.exchange.may_be_sending(input) {
                // What there was has been read, and there will be no more.
                if !conn.sock.readable && conn.exchange.peer_is_done() {
                    return TurnEnd::Close;
                }
                match conn.sock.read(input.space(READ_ROOM)) {
                    Ok(Some(1..)) => {}
                    Ok(_) | Err(_) => return TurnEnd::Close,
                }
            }
            match conn.sock.transport.shutdown_write() {
                Ok(()) => conn.awaits = Awaits::LingerEnd,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    conn.awaits = Awaits::Output;
                    return TurnEnd::Park;
                }
                Err(_) => return TurnEnd::Close,
            }
        }
        input.clear();
        while conn.sock.readable && conn.lingered < LINGER_BYTES {
            match conn.sock.read(input.space(READ_ROOM)) {
                Ok(Some(count @ 1..)) => {
                    let count = u32::try_from(count).unwrap_or(u32::MAX);
                    conn.lingered = conn.lingered.saturating_add(count);
                }
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => return TurnEnd::Close,
            }
        }
        if conn.sock.readable { TurnEnd::Close } else { TurnEnd::Park }
    }

    /// Sends what can be sent now. `None`: that was all of it.
    fn send(&mut self) -> Option<TurnEnd<H::HandOver>> {
        match self.conn.send(&mut self.work.output) {
            Ok(true) => None,
            Ok(false) => self.park(Awaits::Output),
            Err(error) => Some(self.broken(&error)),
        }
    }

    /// A response cannot be completed.
    fn broke_off(&mut self, error: &Error) -> TurnEnd<H::HandOver> {
        // What was collected before is the client's.
        let _ = self.conn.send(&mut self.work.output);
        self.conn.is_cut = true;
        if self.engine.service.settings.logging.all_errors {
            return self.broken(error);
        }
        log::debug!("a response broke off: {error}");
        TurnEnd::Close
    }

    /// The connection cannot be used any more. That is mostly the client's doing, and nobody's concern.
    fn broken(&self, error: &dyn std::error::Error) -> TurnEnd<H::HandOver> {
        if self.engine.service.settings.logging.all_errors {
            let info = ConnInfo::from(self.conn.facts);
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            log::warn!(
                target: "anthill_http::connection",
                "the connection {} from {} to {} broke: {error}{cause}",
                info.id(), info.peer_text(), info.local_text(),
            );
        }
        TurnEnd::Close
    }

    fn park(&mut self, awaits: Awaits) -> Option<TurnEnd<H::HandOver>> {
        self.conn.awaits = awaits;
        Some(TurnEnd::Park)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::ServerBuilder;
    use crate::ctx::RequestCtx;
    use crate::engine::shard::clock::{ConnClock, first_deadline};
    use crate::engine::shard::deadlines::NEVER;
    use crate::engine::shard::{Next, Shard};
    use crate::engine::socket::Socket;
    use crate::serve::service::Service;
    use crate::wire::transport::{ReadCount, Transport};
    use std::io::{self, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    /// Runs everything itself.
    struct Itself;

    impl Runner for Itself {
        fn run_user_code(&mut self, _: UserCode, code: impl FnOnce()) {
            code();
        }

        fn may_wait_for_client(&mut self) -> bool {
            true
        }

        fn is_stopping(&self) -> bool {
            false
        }
    }

    impl Host for Itself {
        type HandOver = ();

        fn serves(&mut self, _: Route) {}

        fn hands_over(&mut self, _: Route, _: CodeAhead) -> Option<()> {
            None
        }
    }

    /// A peer that always sends a little more.
    struct Endless;

    impl Transport for Endless {
        fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
            room[0] = b'x';
            Ok(ReadCount { count: 1, is_drained: false })
        }

        fn write(&self, [first, second]: [&[u8]; 2]) -> io::Result<usize> {
            Ok(first.len() + second.len())
        }

        fn shut_down(&self) {}
    }

    /// A peer that says something at once, and then nothing.
    struct Says {
        what: &'static [u8],
        reads: AtomicUsize,
    }

    impl Transport for Says {
        fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
            if self.reads.fetch_add(1, Ordering::Relaxed) > 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            room[..self.what.len()].copy_from_slice(self.what);
            Ok(ReadCount { count: self.what.len(), is_drained: true })
        }

        fn write(&self, [first, second]: [&[u8]; 2]) -> io::Result<usize> {
            Ok(first.len() + second.len())
        }

        fn shut_down(&self) {}
    }

    const UPLOAD: &[u8] = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n";

    /// Calls `check` with a connection that is out, whose peer has sent the head of an upload, and with the peer.
    fn with_connection(check: impl FnOnce(&Engine, &mut Conn, &mut Workspace, TcpStream)) {
        let options = ServerBuilder::default().shards(1).stream_request_body(true).body_read_ahead(1 << 20);
        with_options(options, check);
    }

    fn with_options(
        options: ServerBuilder,
        check: impl FnOnce(&Engine, &mut Conn, &mut Workspace, TcpStream),
    ) {
        with_bytes(options, UPLOAD, check);
    }

    /// The same when that is what the peer has sent.
    fn with_bytes(
        options: ServerBuilder,
        sent: &[u8],
        check: impl FnOnce(&Engine, &mut Conn, &mut Workspace, TcpStream),
    ) {
        let settings = options.resolve().expect("options that go together");
        let engine = Engine::start(Arc::new(Service::new(settings, Box::new(|_: &mut RequestCtx| {}))));
        let engine = engine.expect("threads and pollers");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut peer = TcpStream::connect(listener.local_addr().expect("it listens")).expect("it listens");
        let socket = listener.accept().expect("the peer is there").0;
        socket.set_nonblocking(true).expect("an option of every socket");
        let socket = Arc::new(Socket::Tcp(mio::net::TcpStream::from_std(socket)));
        peer.write_all(sent).expect("a peer");
        // Another shard than the engine's: its driver is the test.
        let (shard, _term) = Shard::new(0).expect("a poller");
        let shard = Arc::new(shard);
        let clock = ConnClock::new(0, first_deadline(0, &engine.service.settings.timeouts));
        shard.add(socket, ConnInfo::default(), clock).expect("it is taken in");
        let mut conn = loop {
            match shard.find(0) {
                Next::Connection(conn) => break conn,
                _ => shard.wait(None, &mut Vec::new()),
            }
        };
        check(&engine, &mut conn, &mut engine.workspace(), peer);
        engine.stop();
        assert!(engine.wait_ended(None));
    }

    /// Serves the connection until it waits for more of its first part.
    fn serve_to_first_part(engine: &Engine, conn: &mut Conn, work: &mut Workspace) {
        while conn.awaits != Awaits::FirstPart {
            conn.sock.readable = true;
            let end = serve(engine, conn, work, &mut Itself);
            assert!(matches!(end, TurnEnd::Park | TurnEnd::Yield), "{end:?}");
        }
    }

    #[test]
    fn a_first_part_that_is_late_is_no_reason_to_give_up() {
        with_connection(|engine, conn, work, mut peer| {
            serve_to_first_part(engine, conn, work);
            let due = conn.next_deadline(5, &engine.service);
            assert_ne!(due, NEVER);
            // Whoever was kept from running for so long may be a worker, too.
            assert_eq!(end_overdue(engine, conn, work, &mut Itself, due + 1000), TurnEnd::Park);
            let _ = serve_overdue(engine, conn, work, &mut Itself);
            let mut answer = [0; 17];
            peer.read_exact(&mut answer).expect("the answer");
            assert_eq!(&answer, b"HTTP/1.1 200 OK\r\n");
        });
    }

    /// Whoever is late to look finds what came in time.
    #[test]
    fn a_request_that_came_while_nobody_looked_is_served_and_not_given_up() {
        let options = || ServerBuilder::default().shards(1);
        // Nothing was there before, or a part of a head, of a body, of a second request.
        for (first, rest) in [
            ("", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
            ("GET / HT", "TP/1.1\r\nHost: h\r\n\r\n"),
            ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbo", "dy"),
        ] {
            for is_helper in [false, true] {
                let options = options().answer_silent_conns(true).read_buffer_size(1024);
                with_bytes(options, first.as_bytes(), |engine, conn, work, mut peer| {
                    conn.sock.readable = true;
                    assert_eq!(serve(engine, conn, work, &mut Itself), TurnEnd::Park);
                    let due = conn.next_deadline(0, &engine.service);
                    assert_ne!(due, NEVER);
                    peer.write_all(rest.as_bytes()).expect("a peer");
                    let end = if is_helper {
                        look_again(engine, conn, work, &mut Itself, due)
                    } else {
                        serve_overdue(engine, conn, work, &mut Itself)
                    };
                    assert_eq!(end, TurnEnd::Park);
                    let mut answer = [0; 17];
                    peer.read_exact(&mut answer).expect("the answer");
                    assert_eq!(&answer, b"HTTP/1.1 200 OK\r\n");
                    assert_eq!(engine.service.counters.rejections().timed_out, 0);
                });
            }
        }
    }

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
    fn whoever_has_said_that_nothing_follows_is_not_read_from_again() {
        const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        const OF_OLD: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
        const NOT_LAST: &[u8] = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
        const FOLLOWED: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /";
        for (what, keeps, end, reads) in [
            (LAST, true, TurnEnd::Close, 1),
            (OF_OLD, true, TurnEnd::Close, 1),
            // It is we who end this one, so there may be more.
            (NOT_LAST, false, TurnEnd::Close, 2),
            // Something is there that closing would answer by a reset.
            (FOLLOWED, true, TurnEnd::Park, 1),
        ] {
            with_options(
                ServerBuilder::default().shards(1).keep_alive(keeps),
                |engine, conn, work, _peer| {
                    let says = Arc::new(Says { what, reads: AtomicUsize::new(0) });
                    conn.sock.transport = says.clone();
                    assert_eq!(serve(engine, conn, work, &mut Itself), end);
                    assert_eq!(
                        says.reads.load(Ordering::Relaxed),
                        reads,
                        "{}",
                        String::from_utf8_lossy(what)
                    );
                },
            );
        }
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
