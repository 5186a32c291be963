//! The part of a turn in which a response is sent piece by piece.

use super::{CodeAhead, Host, READ_ROOM, Turn, TurnEnd};
use crate::engine::shard::clock::Awaits;
use crate::engine::shard::conn::Conn;
use crate::serve::exchange::Piece;

/// Pieces of a streamed response sent in one turn before other connections get theirs.
const PIECES_PER_TURN: usize = 16;
/// The same of those that are computed for long, so that whether they are to be handed over is asked again soon.
const COMPUTED_PIECES_PER_TURN: usize = 2;

impl<H: Host> Turn<'_, H> {
    /// Sends pieces of a streamed response until it is complete or has to wait. Each piece is sent before the next is
    /// asked for.
    pub(super) fn stream(&mut self) -> Option<TurnEnd<H::HandOver>> {
        // What is live does not block, whatever the handler did that began it.
        let may_block = self.conn.exchange.live().is_none();
        let hand_over =
            if may_block { self.host.hands_over(self.conn.course.route, CodeAhead::Body) } else { None };
        if let Some(hand_over) = hand_over {
            return Some(TurnEnd::HandOver(hand_over));
        }
        let most = if self.conn.exchange.computes() { COMPUTED_PIECES_PER_TURN } else { PIECES_PER_TURN };
        for _ in 0..most {
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
}
