//! Connections whose deadline has passed: one more look whether what they wait for has come; then they are given up.

#[cfg(feature = "tls-no-provider")]
use super::handshake;
use super::{Host, Turn, TurnEnd, abandon, leave, open, proxied, serve};
use crate::engine::Engine;
use crate::engine::shard::clock::Awaits;
use crate::engine::shard::conn::Conn;
use crate::engine::shard::deadlines::Millis;
use crate::proto::ProtoError;
use crate::serve::proxied::{NotNamed, refuse};
use crate::serve::service::Service;
use crate::serve::workspace::Workspace;
use std::sync::atomic::Ordering;

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
    if may_be_given_up(conn, now, &engine.service) {
        return serve_overdue(engine, conn, work, host);
    }
    TurnEnd::Park
}

/// Whether the time of a connection is over at `now`, and its peer is to blame.
fn may_be_given_up(conn: &mut Conn, now: Millis, service: &Service) -> bool {
    // For these two it is time for the driver to go on.
    conn.next_deadline(now, service) <= now && !matches!(conn.awaits, Awaits::FirstPart | Awaits::Source)
}

/// How a turn ends at `now` that would end by parking the connection: it is given up instead, if its time is over.
fn end_overdue<H: Host>(
    engine: &Engine,
    conn: &mut Conn,
    work: &mut Workspace,
    host: &mut H,
    now: Millis,
) -> TurnEnd<H::HandOver> {
    if !may_be_given_up(conn, now, &engine.service) {
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

#[cfg(test)]
mod tests {
    use super::super::scene::{Itself, serve_to_first_part, with_bytes, with_connection};
    use super::*;
    use crate::config::options::ServerBuilder;
    use crate::engine::shard::deadlines::NEVER;
    use std::io::{Read, Write};

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
}
