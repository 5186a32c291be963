//! The part of a turn in which WebSocket is spoken.

use super::{Host, READ_ROOM, READS_PER_TURN, Turn, TurnEnd};
use crate::engine::dispatch::predict::RouteHash;
use crate::engine::shard::clock::Awaits;
use crate::engine::shard::conn::Conn;
use crate::engine::turn::CodeAhead;
use crate::sockets::{BeforeParking, SocketSession, SocketStep};
use std::time::{Duration, Instant};

/// Messages told, and other steps, in one turn before other connections get theirs.
const STEPS_PER_TURN: usize = 64;
/// For how long messages are unpacked in one turn before other connections get theirs.
const TOIL_PER_TURN: Duration = Duration::from_millis(1);

impl<H: Host> Turn<'_, H> {
    /// Goes on with the session of a WebSocket. `None`: it is over, and what is in the output is to be sent.
    pub(super) fn socket(&mut self) -> Option<TurnEnd<H::HandOver>> {
        let end = self.go_on_with_socket();
        // However it goes on, and if it never comes to rest.
        if let Some(socket) = self.conn.exchange.socket() {
            socket.count();
        }
        end
    }

    fn go_on_with_socket(&mut self) -> Option<TurnEnd<H::HandOver>> {
        if self.conn.exchange.socket().is_some_and(|socket| socket.has_start()) {
            // The client is told before.
            return Some(match self.send_now() {
                Ok(_) => TurnEnd::StartLoop,
                Err(end) => end,
            });
        }
        // Since when what comes is unpacked.
        let mut toils_since = None;
        for _ in 0..STEPS_PER_TURN {
            let end = match self.conn.exchange.next_of_socket(self.work, self.host) {
                SocketStep::Run => self.run_socket(),
                SocketStep::Send => self.send(),
                SocketStep::Read => self.bring_frames(true),
                SocketStep::Wait => self.bring_frames(false),
                SocketStep::GoOn => None,
                SocketStep::Over { is_cut: true, .. } => Some(TurnEnd::Close),
                SocketStep::Over { .. } => return None,
            };
            if end.is_some() {
                return end;
            }
            let has_toiled = self.conn.exchange.socket().is_some_and(SocketSession::has_toiled);
            if has_toiled && toils_since.get_or_insert_with(Instant::now).elapsed() >= TOIL_PER_TURN {
                break;
            }
        }
        self.send().or(Some(TurnEnd::Yield))
    }

    /// Runs what is to be told of, or hands the connection over to a worker that will.
    fn run_socket(&mut self) -> Option<TurnEnd<H::HandOver>> {
        if std::mem::take(&mut self.conn.course.is_turned_away) {
            if let Some(socket) = self.conn.exchange.socket() {
                socket.turn_away();
            }
            return None;
        }
        let route = self.conn.course.route;
        if let Some(hand_over) = self.host.hands_over(route, CodeAhead::Handler) {
            return Some(self.hand_over(hand_over));
        }
        if let Some(end) = self.send_before(route) {
            return Some(end);
        }
        self.conn.exchange.run_socket(self.work, self.host);
        None
    }

    /// Sends everything, then reads once if that is wanted, or ends the turn.
    fn bring_frames(&mut self, reads: bool) -> Option<TurnEnd<H::HandOver>> {
        if let Some(end) = self.send() {
            return Some(end);
        }
        let now = self.work.moment.millis;
        let Conn { exchange, sock, token, .. } = &mut *self.conn;
        let socket = exchange.socket()?;
        if reads && sock.readable {
            if self.reads == READS_PER_TURN {
                return Some(TurnEnd::Yield);
            }
            self.reads += 1;
            let input = self.work.ctx.request.input_mut();
            match sock.read(input.space(READ_ROOM)) {
                Ok(Some(0)) => socket.cut_off(),
                Ok(Some(count)) => {
                    input.filled(count);
                    socket.heard(now);
                }
                Ok(None) => socket.heard_nothing(now),
                Err(error) => {
                    socket.cut_off();
                    let _: TurnEnd<H::HandOver> = self.broken(&error);
                }
            }
            return None;
        }
        socket.be_told_by(|| self.engine.shards[sock.shard as usize].waker(*token));
        if socket.look() {
            return None;
        }
        match socket.before_parking(&mut self.work.output, now) {
            BeforeParking::Nothing => self.park(Awaits::Socket),
            BeforeParking::Read => {
                // What the poller knows may not have been asked for yet.
                sock.readable = true;
                None
            }
            BeforeParking::GoOn => None,
        }
    }
}

impl RouteHash {
    /// That of what comes on WebSockets which its requests have opened.
    pub(crate) fn of_socket(self) -> Self {
        const SOCKETS: u64 = 0x7765_6273_6f63_6b65;
        Self::from_number(self.to_number() ^ SOCKETS)
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Itself, with_handler};
    use super::super::serve;
    use super::*;
    use crate::config::options::ServerBuilder;
    use crate::ctx::RequestCtx;
    use crate::sockets::{WebSocketHandler, WebSocketOptions, WebSocketResult, WebSocketSender};
    use crate::ws::{DeflateOptions, Message};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counts(Arc<AtomicUsize>);

    impl WebSocketHandler for Counts {
        fn on_message(&mut self, _: &WebSocketSender, _: Message) -> WebSocketResult {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[test]
    fn what_takes_long_to_unpack_is_gone_on_with_in_later_turns() {
        // Empty blocks of ten bits each, which take some microseconds; and behind the last the beginning of another.
        let block = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let bits: Vec<u8> = block.into_iter().cycle().take(8 * 2000).collect();
        let mut payload: Vec<u8> =
            bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit)).collect();
        payload.push(0);
        let mut sent = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n\xc2\xfe"
            .to_vec();
        sent.extend((payload.len() as u16).to_be_bytes());
        // A mask that changes nothing.
        sent.extend([0; 4]);
        sent.extend(payload);

        let told = Arc::new(AtomicUsize::new(0));
        let counts = told.clone();
        let options =
            WebSocketOptions::builder().compression(DeflateOptions::default()).build().expect("options");
        let handler = move |ctx: &mut RequestCtx| {
            ctx.upgrade_websocket_handler(&options, Counts(counts.clone()));
        };
        with_handler(ServerBuilder::default().shards(1), handler, &sent, |engine, conn, work, _peer| {
            let mut yields = 0;
            while told.load(Ordering::Relaxed) == 0 {
                conn.sock.readable = true;
                yields += usize::from(serve(engine, conn, work, &mut Itself) == TurnEnd::Yield);
            }
            assert!(yields >= 2, "a turn has taken all of it");
        });
    }
}
