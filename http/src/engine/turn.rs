//! One turn of one connection: read, parse, run the handler, write, until there is nothing to do or it would block.
//!
//! A turn knows no shard and no lease. Around each handler it asks its [`Host`], so that the same code serves on a
//! driver, which may lose its lease meanwhile, and on a worker that a connection was handed to.
//!
//! A read that returns less than it had room for has drained the socket (the poller is edge-triggered and will report
//! the next byte), so a small request costs one read and one write. Responses to pipelined requests are collected and
//! sent before the turn would wait for more input.

use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;

use crate::config::request_config::RequestConfig;
use crate::ctx::RequestCtx;
use crate::engine::Engine;
use crate::engine::desk::Desk;
use crate::engine::dispatch::predict::Route;
use crate::engine::shard::conn::{Awaits, Conn, Stage};
use crate::engine::shard::deadlines::NEVER;
use crate::message::request::Request;
use crate::message::response::Stream;
use crate::proto::{Progress, ProtoError};
use crate::serve::body_out;
use crate::serve::error::Error;
use crate::serve::user_code;
use crate::wire::transport::Line;

/// Reads in one turn before other connections get theirs.
const READS_PER_TURN: usize = 16;
/// Requests answered in one turn before other connections get theirs.
const REQUESTS_PER_TURN: usize = 32;
/// Room asked for each read, and most that is used of it.
const READ_ROOM: usize = 4096;
const READ_MOST: usize = 64 * 1024;
/// Unsent bytes at which no further pipelined request is answered before they are sent.
const OUTPUT_MARK: usize = 64 * 1024;
/// Pieces of a streamed response sent in one turn before other connections get theirs.
const PIECES_PER_TURN: usize = 16;
/// Bytes of a refused request that are thrown away at most before the connection is closed on the peer.
const LINGER_BYTES: usize = 1024 * 1024;

/// Who runs the turn.
pub(crate) trait Host {
    /// Asked when a request is complete: true hands the connection over to a worker instead of running the handler.
    fn hands_over(&mut self, request: &Request) -> bool;
    /// Asked before a streamed response goes on: true hands the connection over to a worker, because what produces the
    /// body probably blocks.
    fn hands_over_stream(&mut self, route: Route) -> bool;
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
    /// The desk is for a worker: it holds a request, or a streamed response is on its way.
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
    let requests = conn.session.requests();
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
            // Something has begun only now: another request, or the body of one that was decided on by its head.
            let has_begun = !is_idle && conn.request_began == NEVER;
            if conn.session.requests() > requests || has_begun {
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
        if conn.outgoing.is_some() {
            if host.hands_over_stream(conn.route) {
                return Outcome::HandOver;
            }
            match stream_response(conn, desk, host) {
                Pieces::Sent => end_if_stopping(engine, conn),
                Pieces::Paused(outcome) => return outcome,
            }
        }
        if conn.stage != Stage::Serving {
            return send_and_close(conn, desk);
        }
        if desk.holds_request {
            desk.holds_request = false;
            answers += 1;
            if let Err(error) = answer(engine, conn, desk, host) {
                log::debug!("a response broke off: {error}");
                return Outcome::Close;
            }
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
        match advance(engine, conn, desk, host) {
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
            // It was refused, and the answer is in the output.
            Ok(Progress::Head { .. }) => continue,
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
            if engine.is_stopping() && conn.session.is_draining() {
                // Its response was sent, and nobody wants what is missing.
                conn.stage = Stage::Refusing;
                continue;
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

/// Looks for the next request. [`Progress::Head`]: one was refused by its head, and told so.
fn advance(
    engine: &Engine,
    conn: &mut Conn,
    desk: &mut Desk,
    host: &mut impl Host,
) -> Result<Progress, ProtoError> {
    let settings = &engine.settings;
    let ctx = &mut desk.ctx;
    let (was_idle, was_draining) = (conn.session.is_idle(), conn.session.is_draining());
    let progress = conn.session.advance(&mut ctx.request, &mut desk.output, &conn.limits(settings))?;
    if was_idle && !conn.session.is_idle() || was_draining && !conn.session.is_draining() {
        // What follows is another request, which has its own time.
        conn.request_began = NEVER;
    }
    let Progress::Head { expects } = progress else { return Ok(progress) };
    ctx.begin(conn.session.requests(), desk.now);
    let mut config = RequestConfig::new();
    let mut verdict = Ok(true);
    host.visit(|| {
        let (hooks, limits) = (settings.head_hooks(), &settings.limits);
        verdict = user_code::judge(hooks, expects, &conn.session, ctx, limits, &mut config);
    });
    conn.configure(config);
    if verdict? {
        // Its time limit begins now.
        conn.request_began = NEVER;
        return conn.session.welcome(&mut ctx.request, &mut desk.output, &conn.limits(settings));
    }
    let defaults = desk.lines.at(desk.unix_seconds);
    conn.session.respond(&ctx.request, &mut ctx.response, &mut desk.output, &defaults, true);
    conn.session.finish(&mut ctx.request);
    ctx.end();
    conn.stage = Stage::Refusing;
    Ok(progress)
}

/// Runs the handler on the request on the desk, and adds its response to the output.
///
/// # Errors
/// When the response cannot be completed, so that the connection has to end.
fn answer(engine: &Engine, conn: &mut Conn, desk: &mut Desk, host: &mut impl Host) -> Result<(), Error> {
    let settings = &engine.settings;
    let streams = !desk.ctx.is_body_complete();
    desk.ctx.begin(conn.session.requests(), desk.now);
    let line = Line {
        wire: conn.wire.take(),
        owner: conn.session.id(),
        read_limit: conn.read_timeout(settings),
        write_limit: conn.write_timeout(settings),
        is_answering: false,
    };
    desk.ctx.lend(line, conn.limits(settings).body_bytes_max, &settings.ctx);
    let answered = answer_on_wire(engine, conn, desk, host, streams);
    conn.wire = desk.ctx.line.wire.take();
    if conn.wire.is_none() {
        log::error!("a handler kept its context; its connection is closed without an answer");
    }
    // The handler may have read to the end of what is there, and of that the poller has told long ago.
    conn.readable |= streams;
    let keeps = answered?;
    if !conn.session.finish(&mut desk.ctx.request) {
        // The rest of the request may still be on its way.
        conn.stage = Stage::Refusing;
    } else if !keeps {
        end(conn);
    } else {
        end_if_stopping(engine, conn);
    }
    if conn.outgoing.is_some() {
        conn.kept = desk.ctx.take_user_values();
    }
    desk.ctx.end();
    Ok(())
}

/// The connection ends with the response that is on its way.
fn end(conn: &mut Conn) {
    // What is missing of a request that was answered early may still come.
    conn.stage = if conn.session.is_draining() { Stage::Refusing } else { Stage::Closing };
}

/// The same when the server is stopping: what is behind the request is not begun.
fn end_if_stopping(engine: &Engine, conn: &mut Conn) {
    if engine.is_stopping() && conn.stage == Stage::Serving {
        end(conn);
    }
}

/// The same as [`answer`], while the context has the transport. False: the connection ends with the response.
fn answer_on_wire(
    engine: &Engine,
    conn: &mut Conn,
    desk: &mut Desk,
    host: &mut impl Host,
    streams: bool,
) -> Result<bool, Error> {
    let settings = &engine.settings;
    let ctx = &mut desk.ctx;
    if settings.get_only && !(ctx.is_get() || ctx.is_head()) {
        user_code::refuse_method(ctx);
    } else {
        let mut flushed = Ok(());
        host.visit(|| {
            // The client may wait for what was answered before it sends on.
            if streams {
                flushed = ctx.line.send(&mut desk.output);
            }
            if flushed.is_ok() {
                run_handler(engine, ctx);
                ctx.line.keep_only_of(conn.session.id());
            }
        });
        flushed?;
    }
    let force_close = !settings.keep_alive
        || conn.session.requests() >= settings.max_requests_per_conn
        || (engine.is_stopping() && settings.close_on_shutdown);
    let defaults = desk.lines.at(desk.unix_seconds);
    let reply =
        conn.session.respond(&ctx.request, &mut ctx.response, &mut desk.output, &defaults, force_close);
    match ctx.response.take_stream(reply.ending) {
        None => {}
        Some(Stream::Pieces(outgoing)) => {
            conn.sends_head_first = ctx.response.flushes_head() || outgoing.is_file();
            conn.outgoing = Some(Box::new(outgoing));
            conn.route = Route::of(ctx.request.method(), ctx.request.target());
        }
        Some(stream) => {
            let mut written = Ok(());
            let out = &mut desk.output;
            host.visit(|| written = body_out::write_body(ctx, out, stream));
            written?;
        }
    }
    Ok(reply.stays)
}

/// How far a streamed response came.
enum Pieces {
    /// What is left of it is in the output.
    Sent,
    /// The turn ends so.
    Paused(Outcome),
}

/// Sends pieces of a streamed response until it is complete or has to wait. Each piece is sent before the next is asked
/// for.
fn stream_response(conn: &mut Conn, desk: &mut Desk, host: &mut impl Host) -> Pieces {
    let mut pieces = 0;
    loop {
        if conn.sends_head_first {
            match send(conn, desk) {
                Ok(true) => {}
                Ok(false) => return Pieces::Paused(park(conn, Awaits::Writable)),
                Err(_) => return Pieces::Paused(Outcome::Close),
            }
        }
        conn.sends_head_first = true;
        let Some(outgoing) = conn.outgoing.as_deref_mut().filter(|outgoing| !outgoing.is_done()) else {
            conn.outgoing = None;
            conn.kept.clear();
            conn.awaits = Awaits::Request;
            return Pieces::Sent;
        };
        if pieces == PIECES_PER_TURN {
            return Pieces::Paused(Outcome::Yield);
        }
        pieces += 1;
        let mut direct = None;
        if let Some(wire) = conn.wire.as_deref_mut().filter(|_| outgoing.is_file()) {
            // The disk may have to be waited for.
            host.visit(|| direct = outgoing.send_file(wire));
        }
        match direct {
            Some(Ok(())) => conn.write_deadline = NEVER,
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => {
                return Pieces::Paused(park(conn, Awaits::Writable));
            }
            Some(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
            Some(Err(error)) => {
                log::debug!("sending a file broke off: {error}");
                return Pieces::Paused(Outcome::Close);
            }
            None => {
                let mut filled = Ok(());
                host.visit(|| filled = body_out::next_piece(outgoing, &mut desk.output));
                if let Err(error) = filled {
                    log::debug!("a response broke off: {error}");
                    // What was collected before the failure is the client's.
                    let _ = send(conn, desk);
                    return Pieces::Paused(Outcome::Close);
                }
            }
        }
    }
}

fn run_handler(engine: &Engine, ctx: &mut RequestCtx) {
    if user_code::run(&**engine.handler, ctx) == user_code::Outcome::Panicked {
        engine.counters.panics.fetch_add(1, Ordering::Relaxed);
    }
}

/// Answers what cannot be served, and gives up on the rest of the input.
fn refuse(engine: &Engine, conn: &mut Conn, desk: &mut Desk, error: ProtoError) {
    let defaults = desk.lines.at(desk.unix_seconds);
    if conn.session.refuse(error, &desk.ctx.request, &mut desk.output, &defaults) {
        engine.counters.refuse(error);
    }
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
        if conn.wire.as_deref_mut().is_none_or(|wire| wire.shutdown_write().is_err()) {
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
        match conn.wire.as_deref_mut().ok_or(ErrorKind::NotConnected)?.read(room) {
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
        let wire = conn.wire.as_deref_mut().ok_or(ErrorKind::NotConnected)?;
        match wire.write(desk.output.slices()) {
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
