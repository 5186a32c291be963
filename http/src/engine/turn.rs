//! One turn of one connection: read, parse, run the handler, write, until there is nothing to do or it would block.
//!
//! A turn knows no shard and no lease. Around each handler it asks its [`Host`], so that the same code serves on a
//! driver, which may lose its lease meanwhile, and on a worker that a connection was handed to.
//!
//! A read that returns less than it had room for has drained the socket (the poller is edge-triggered and will report
//! the next byte), so a small request costs one read and one write. Responses to pipelined requests are collected and
//! sent before the turn would wait for more input.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::atomic::Ordering;

use crate::ctx::RequestCtx;
use crate::engine::Engine;
use crate::engine::conn::{Awaits, Conn, Stage};
use crate::engine::deadlines::NEVER;
use crate::engine::desk::Desk;
use crate::handler;
use crate::proto::{Progress, ProtoError, ResponseDefaults};
use crate::request::Request;
use crate::server::options::Settings;
use crate::util::date::HttpDate;

/// Reads in one turn before other connections get theirs.
const READS_PER_TURN: usize = 16;
/// Requests answered in one turn before other connections get theirs.
const REQUESTS_PER_TURN: usize = 32;
/// Room asked for each read, and most that is used of it.
const READ_ROOM: usize = 4096;
const READ_MOST: usize = 64 * 1024;
/// Unsent bytes at which no further pipelined request is answered before they are sent.
const OUTPUT_MARK: usize = 64 * 1024;
/// Bytes of a refused request that are thrown away at most before the connection is closed on the peer.
const LINGER_BYTES: usize = 1024 * 1024;

/// Who runs the turn.
pub(crate) trait Host {
    /// Asked when a request is complete: true hands the connection over to a worker instead of running the handler.
    fn hands_over(&mut self, request: &Request) -> bool;
    /// Runs the handler.
    fn visit(&mut self, run: impl FnOnce());
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// To be parked until the poller reports or time is up.
    Park,
    /// To be served again after the others.
    Yield,
    /// The desk holds a request for a worker.
    HandOver,
    /// Over.
    Close,
}

/// Serves `conn` for one turn.
pub(crate) fn serve(engine: &Engine, conn: &mut Conn, desk: &mut Desk, host: &mut impl Host) -> Outcome {
    if !desk.holds_request {
        desk.open(conn);
    }
    let outcome = take_turn(engine, conn, desk, host);
    match outcome {
        Outcome::Park | Outcome::Yield => desk.close(conn),
        Outcome::HandOver => {}
        Outcome::Close => desk.wipe(),
    }
    outcome
}

/// Serves a connection whose deadline has passed: what it waited for may have come while nobody looked. If not, it is
/// given up.
pub(crate) fn time_out(engine: &Engine, conn: &mut Conn, desk: &mut Desk, host: &mut impl Host) -> Outcome {
    let (requests, was_idle) = (conn.session.requests(), conn.session.is_idle());
    conn.readable = true;
    let outcome = serve(engine, conn, desk, host);
    if outcome != Outcome::Park {
        return outcome;
    }
    match conn.awaits {
        Awaits::LingerEnd => Outcome::Close,
        Awaits::Writable if conn.write_deadline != NEVER => Outcome::Close,
        Awaits::Writable => Outcome::Park,
        Awaits::Request => {
            let is_idle = conn.session.is_idle();
            if conn.session.requests() > requests || was_idle && !is_idle {
                return Outcome::Park;
            }
            if is_idle && requests > 0 {
                return Outcome::Close;
            }
            desk.open(conn);
            refuse(engine, conn, desk, ProtoError::Timeout);
            let outcome = send_and_close(conn, desk);
            if outcome == Outcome::Close {
                desk.wipe()
            } else {
                desk.close(conn)
            }
            outcome
        }
    }
}

fn take_turn(engine: &Engine, conn: &mut Conn, desk: &mut Desk, host: &mut impl Host) -> Outcome {
    let (mut reads, mut answers) = (0, 0);
    loop {
        if conn.stage != Stage::Serving {
            return send_and_close(conn, desk);
        }
        if desk.holds_request {
            desk.holds_request = false;
            answers += 1;
            answer(engine, conn, desk, host);
            continue;
        }
        // A peer that does not take its responses gets no further ones, however many requests are here already.
        if conn.awaits == Awaits::Writable || desk.output.len() >= OUTPUT_MARK || answers == REQUESTS_PER_TURN
        {
            match send(conn, desk) {
                Ok(true) => conn.awaits = Awaits::Request,
                Ok(false) => return park(conn, Awaits::Writable),
                Err(_) => return Outcome::Close,
            }
            if answers == REQUESTS_PER_TURN {
                return Outcome::Yield;
            }
        }
        match conn.session.advance(&mut desk.ctx.request, &mut desk.output, &engine.settings.limits) {
            Ok(Progress::Ready) => {
                conn.request_began = NEVER;
                desk.holds_request = true;
                if host.hands_over(&desk.ctx.request) {
                    // Earlier responses must not wait for a handler that blocks.
                    return match send(conn, desk) {
                        Ok(_) => Outcome::HandOver,
                        Err(_) => lose(desk),
                    };
                }
                continue;
            }
            Ok(Progress::NeedInput) => {}
            Err(error) => {
                refuse(engine, conn, desk, error);
                continue;
            }
        }
        match send(conn, desk) {
            Ok(true) => {}
            Ok(false) => return park(conn, Awaits::Writable),
            Err(_) => return Outcome::Close,
        }
        if !conn.readable {
            if engine.is_stopping() && conn.session.is_idle() {
                return Outcome::Close;
            }
            return park(conn, Awaits::Request);
        }
        if reads == READS_PER_TURN {
            return Outcome::Yield;
        }
        reads += 1;
        match read(conn, desk.ctx.request.input_mut().space(READ_ROOM)) {
            Ok(Some(0)) => match conn.session.input_closed(&desk.ctx.request) {
                Ok(()) => return Outcome::Close,
                Err(error) => refuse(engine, conn, desk, error),
            },
            Ok(Some(count)) => desk.ctx.request.input_mut().filled(count),
            Ok(None) => {}
            Err(_) => return Outcome::Close,
        }
    }
}

/// Runs the handler on the request on the desk, and adds its response to the output.
fn answer(engine: &Engine, conn: &mut Conn, desk: &mut Desk, host: &mut impl Host) {
    let ctx = &mut desk.ctx;
    ctx.set_request_number(conn.session.requests());
    if engine.settings.get_only && !(ctx.is_get() || ctx.is_head()) {
        handler::refuse_method(ctx);
    } else {
        host.visit(|| run_handler(engine, ctx));
    }
    let settings = &engine.settings;
    let stopping = engine.is_stopping();
    let force_close = !settings.keep_alive
        || conn.session.requests() >= settings.max_requests_per_conn
        || (stopping && settings.close_on_shutdown);
    let defaults = defaults(settings, &mut desk.date, desk.unix_seconds);
    let keep_alive =
        conn.session.respond(&ctx.request, &mut ctx.response, &mut desk.output, &defaults, force_close);
    conn.session.finish(&mut ctx.request);
    ctx.response.clear();
    if !keep_alive || stopping {
        conn.stage = Stage::Closing;
    }
}

/// What a response has unless the handler sets it.
fn defaults<'a>(settings: &'a Settings, date: &'a mut HttpDate, unix_seconds: u64) -> ResponseDefaults<'a> {
    ResponseDefaults {
        server: settings.name.as_deref(),
        date: settings.date.then(|| date.at(unix_seconds)),
        content_type: settings.content_type,
    }
}

fn run_handler(engine: &Engine, ctx: &mut RequestCtx) {
    if handler::run(&**engine.handler, ctx) == handler::Outcome::Panicked {
        engine.counters.panics.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers what cannot be served, and gives up on the rest of the input.
fn refuse(engine: &Engine, conn: &mut Conn, desk: &mut Desk, error: ProtoError) {
    engine.counters.refuse(error);
    let defaults = defaults(&engine.settings, &mut desk.date, desk.unix_seconds);
    conn.session.refuse(error, &mut desk.output, &defaults);
    desk.ctx.reset();
    desk.ctx.request.input_mut().clear();
    conn.stage = Stage::Refusing;
}

/// Sends the rest; then closes, or lingers if the peer has sent something that nobody will read: closing at once would
/// then reset the connection, and with it whatever the peer has not received yet.
fn send_and_close(conn: &mut Conn, desk: &mut Desk) -> Outcome {
    match send(conn, desk) {
        Ok(true) => {}
        Ok(false) => return park(conn, Awaits::Writable),
        Err(_) => return Outcome::Close,
    }
    let input = desk.ctx.request.input_mut();
    if conn.stage == Stage::Closing && input.is_empty() {
        match read(conn, input.space(READ_ROOM)) {
            Ok(Some(1..)) => {}
            Ok(_) | Err(_) => return Outcome::Close,
        }
    }
    if conn.stage != Stage::Lingering {
        conn.stage = Stage::Lingering;
        conn.deadline = NEVER;
        if conn.stream.shutdown_write().is_err() {
            return Outcome::Close;
        }
    }
    input.clear();
    while conn.readable && conn.drained < LINGER_BYTES {
        match read(conn, input.space(READ_ROOM)) {
            Ok(Some(count @ 1..)) => conn.drained += count,
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return Outcome::Close,
        }
    }
    if conn.readable { Outcome::Close } else { park(conn, Awaits::LingerEnd) }
}

fn park(conn: &mut Conn, awaits: Awaits) -> Outcome {
    conn.awaits = awaits;
    Outcome::Park
}

fn lose(desk: &mut Desk) -> Outcome {
    desk.holds_request = false;
    Outcome::Close
}

/// Reads once. `None`: nothing there now.
fn read(conn: &mut Conn, room: &mut [u8]) -> io::Result<Option<usize>> {
    // A buffer that a big body has made large would let one read bring in any number of requests.
    let most = room.len().min(READ_MOST);
    let room = &mut room[..most];
    loop {
        match conn.stream.read(room) {
            Ok(count) => {
                // The end of input was reported once already; it must be read up to without another report.
                conn.readable = count == room.len() || conn.read_closed;
                return Ok(Some(count));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                conn.readable = false;
                return Ok(None);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sends what can be sent now; true when all of it was.
fn send(conn: &mut Conn, desk: &mut Desk) -> io::Result<bool> {
    while !desk.output.is_empty() {
        let [first, second] = desk.output.slices();
        let sent = if second.is_empty() {
            conn.stream.write(first)
        } else {
            conn.stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)])
        };
        match sent {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                desk.output.advance(count);
                conn.write_deadline = NEVER;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    desk.output.clear();
    Ok(true)
}
