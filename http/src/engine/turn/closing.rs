//! How a connection ends in a turn: when everything was sent, or when it cannot be used any more.

use super::{Host, READ_ROOM, READS_PER_TURN, Turn, TurnEnd};
use crate::ctx::ConnInfo;
use crate::engine::shard::clock::Awaits;
use crate::serve::error::Error;
use crate::serve::exchange::LINGER_BYTES;
use std::io::ErrorKind;

impl<H: Host> Turn<'_, H> {
    /// Everything was sent: closes, unless something is to be told first.
    pub(super) fn close_without_news(&mut self) -> Option<TurnEnd<H::HandOver>> {
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
            if self.reads == READS_PER_TURN {
                // However fast the peer sends, others get their turns, and its time passes.
                let now = self.work.moment.millis;
                let is_over = conn.next_deadline(now, &self.engine.service) <= now;
                return if is_over { TurnEnd::Close } else { TurnEnd::Yield };
            }
            self.reads += 1;
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

    /// A response cannot be completed.
    pub(super) fn broke_off(&mut self, error: &Error) -> TurnEnd<H::HandOver> {
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
    pub(super) fn broken(&self, error: &dyn std::error::Error) -> TurnEnd<H::HandOver> {
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
}

#[cfg(test)]
mod tests {
    use super::super::scene::{Deaf, Endless, Itself, Says, with_bytes, with_options};
    use super::super::serve;
    use super::*;
    use crate::config::options::ServerBuilder;
    use crate::serve::exchange::LINGER;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

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
    fn who_sends_on_behind_the_end_takes_no_whole_turn_and_has_its_time() {
        with_bytes(ServerBuilder::default().shards(1), b"", |engine, conn, work, _peer| {
            let what = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /";
            conn.sock.transport = Arc::new(Says { what, reads: AtomicUsize::new(0) });
            conn.sock.readable = true;
            assert_eq!(serve(engine, conn, work, &mut Itself), TurnEnd::Park);
            assert_eq!(conn.awaits, Awaits::LingerEnd);
            conn.sock.transport = Arc::new(Endless);
            conn.sock.readable = true;
            for _ in 0..100 {
                assert_eq!(serve(engine, conn, work, &mut Itself), TurnEnd::Yield);
            }
            work.moment.millis += 2 * LINGER.as_millis() as u64;
            assert_eq!(serve(engine, conn, work, &mut Itself), TurnEnd::Close);
        });
    }

    #[test]
    fn who_takes_nothing_is_counted_also_when_the_system_gives_up_first() {
        with_bytes(ServerBuilder::default().shards(1), b"", |engine, conn, work, _peer| {
            conn.sock.transport = Arc::new(Deaf);
            conn.sock.readable = true;
            assert_eq!(serve(engine, conn, work, &mut Itself), TurnEnd::Close);
            assert_eq!(engine.service.counters.slow.readers.load(Ordering::Relaxed), 1);
        });
    }
}
