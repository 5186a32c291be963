//! What comes before the first request of a connection that is encrypted: its two ends agree on how.
//!
//! The idea: receiving and sending are the turn's business as ever, and cost nothing. What is to be reckoned in
//! between, the signature above all, may take as long as many requests, so it is handed over as a handler is that
//! blocks (`engine/reckoning.rs`): that is learned in the same way, apart for the part in which our key signs and for
//! the rest. Whoever does it waits for no handler.
//!
//! The rule: whatever trickles in, the deadline is that of a first request.

use super::{CodeAhead, Host, Turn, TurnEnd};
use crate::engine::dispatch::predict::RouteHash;
use crate::engine::shard::clock::{Awaits, first_deadline};
use crate::engine::shard::conn::Conn;
use crate::proto::append_refusal;
use crate::serve::runner::UserCode;
use crate::serve::service::Service;
use crate::tls::{HandshakeFailure, TlsLayer};
use std::mem;
use std::sync::atomic::Ordering;

/// The answer to a request that came as it is.
const PLAIN: &str = "This port speaks HTTPS, and the request came by plain HTTP: use https:// instead.\n";

/// Counts a connection that is closed because its handshake was not over in time, and tells the log.
#[cold]
pub(super) fn refuse_late(conn: &Conn, service: &Service) {
    refuse(&HandshakeFailure::Late, conn, service);
}

/// Counts a connection that was not encrypted, and tells the log.
#[cold]
fn refuse(why: &HandshakeFailure, conn: &Conn, service: &Service) {
    service.counters.refuse_handshake();
    let level = if service.settings.logging.all_errors { log::Level::Warn } else { log::Level::Debug };
    let info = conn.info();
    let (id, peer) = (info.id(), info.peer_text());
    log::log!(target: "anthill_http::refused", level, "closed a connection from {peer}: {why} (connection {id})");
}

/// Whose part of a handshake is next: that in which our key signs, or the rest.
pub(crate) fn handshake_route(layer: &TlsLayer) -> RouteHash {
    if layer.has_begun() { RouteHash::HANDSHAKE_END } else { RouteHash::HANDSHAKE }
}

impl<H: Host> Turn<'_, H> {
    /// Has the two ends of the connection agree. `None`: they have, or will not, and what is to be done is up to the
    /// exchange.
    #[cold]
    pub(super) fn bring_handshake(&mut self) -> Option<TurnEnd<H::HandOver>> {
        let transport = self.conn.sock.transport.clone();
        let Some(layer) = TlsLayer::of(&*transport) else {
            self.conn.course.awaits_handshake = false;
            return None;
        };
        loop {
            let input = self.work.ctx.request.input_mut();
            let fed = layer.feed(input.unread());
            input.clear();
            if let Err(failure) = fed {
                return self.handshake_failed(&failure);
            }
            if layer.is_due() {
                if mem::take(&mut self.conn.course.is_turned_away) {
                    return self.nobody_came();
                }
                if let Some(hand_over) = self.host.hands_over(handshake_route(layer), CodeAhead::Handshake) {
                    return Some(TurnEnd::HandOver(hand_over));
                }
                self.host.run_user_code(UserCode::Hook, || layer.reckon());
                self.work.time_has_passed();
            }
            match layer.outcome() {
                Some(Ok(())) => return self.hands_are_shaken(layer),
                Some(Err(failure)) => return self.handshake_failed(&failure),
                None => {}
            }
            match self.conn.push() {
                Ok(true) => {}
                // The deadline is none of output: however slowly a peer takes it, there is one.
                Ok(false) => return self.park(Awaits::Input),
                Err(error) => return Some(self.broken(&error)),
            }
            match self.bring_first_bytes() {
                Ok(true) => {}
                Ok(false) => return Some(self.peer_has_left(layer)),
                Err(end) => return Some(end),
            }
        }
    }

    /// The connection ends, because nobody came in time to reckon for it.
    fn nobody_came(&mut self) -> Option<TurnEnd<H::HandOver>> {
        if self.host.is_stopping() {
            return Some(TurnEnd::Close);
        }
        if self.conn.clock.deadline() <= self.work.moment.millis {
            return self.handshake_failed(&HandshakeFailure::Late);
        }
        self.handshake_failed(&HandshakeFailure::Unattended)
    }

    /// The connection is encrypted: what comes is a request, or what the protocol that was agreed on begins with.
    fn hands_are_shaken(&mut self, layer: &TlsLayer) -> Option<TurnEnd<H::HandOver>> {
        let Self { engine, conn, work, host, .. } = self;
        let service = &engine.service;
        (conn.course.awaits_handshake, conn.course.has_agreed) = (false, true);
        // Something of ours may be on its way, and something of the peer's be here that nobody reports.
        conn.holds_back = true;
        if !mem::replace(&mut conn.sock.readable, true) {
            layer.is_drained_below();
        }
        let now = work.moment.millis;
        conn.clock.begin_anew(now, first_deadline(now, &service.settings.timeouts));
        let info = conn.sock.transport.tls_info();
        work.ctx.set_tls(info);
        let counters = &service.counters.handshakes;
        let counter =
            if info.is_some_and(|info| info.is_resumed()) { &counters.resumed } else { &counters.full };
        counter.fetch_add(1, Ordering::Relaxed);
        host.serves(RouteHash::default());
        let taker = layer.taker()?;
        if conn.exchange.gives_away_at_once(Box::new(move |conn| taker(conn)), service) {
            return None;
        }
        log::warn!("closed a connection: as many are taken over as `max_hijacked_conns` allows");
        service.counters.workers.turned_away.fetch_add(1, Ordering::Relaxed);
        conn.exchange.ends_with_refusal();
        None
    }

    /// The connection ends. The peer is told why as far as it understands that.
    fn handshake_failed(&mut self, failure: &HandshakeFailure) -> Option<TurnEnd<H::HandOver>> {
        refuse(failure, self.conn, &self.engine.service);
        if matches!(failure, HandshakeFailure::PlainHttp) {
            let defaults = self.work.default_fields.at(self.work.moment.unix_seconds);
            append_refusal(self.work.output.buffer_mut(), 400, PLAIN, false, &defaults);
        }
        self.conn.course.awaits_handshake = false;
        self.conn.is_cut = true;
        self.conn.exchange.ends_with_refusal();
        None
    }

    /// The peer has ended before anything was agreed on. Whoever looks whether the port is open says nothing at all.
    fn peer_has_left(&mut self, layer: &TlsLayer) -> TurnEnd<H::HandOver> {
        if layer.has_heard() {
            refuse(&HandshakeFailure::Ended, self.conn, &self.engine.service);
        }
        TurnEnd::Close
    }
}
