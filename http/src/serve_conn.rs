//! The blocking driver: serves one connection on the calling thread, over anything that reads and writes.
//!
//! The idea: the simplest loop around the protocol core. Read, advance, call the handler, respond; write only when no
//! complete pipelined request is left, so that a batch of requests is answered by one write (`CON-06`), and always
//! before waiting for input (`CON-07`).
//!
//! The rule: once a response has announced that the connection ends, nothing more is read or served (`CON-09`).

use crate::ctx::RequestCtx;
use crate::error::Error;
use crate::handler::{self, Handler};
use crate::output::Output;
use crate::proto::{Limits, Progress, ProtoError, ResponseDefaults, Session};
use crate::util::date::HttpDate;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a blocking connection has to know of the server's options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockingOptions<'a> {
    pub(crate) limits: Limits,
    /// The `Server` field; `None` to send none.
    pub(crate) server: Option<&'a [u8]>,
    /// Whether responses have a `Date`.
    pub(crate) date: bool,
    /// Whether a body without a type is called plain text.
    pub(crate) content_type: bool,
    /// Whether a connection may serve more than one request.
    pub(crate) keep_alive: bool,
    /// How many requests a connection may serve; `None`: any number.
    pub(crate) requests_max: Option<u64>,
    /// The smallest read worth a system call, in bytes; also the size of the first buffer.
    pub(crate) read_bytes: usize,
}

/// Serves `stream` until one of the two sides ends the connection. `ctx` is used for all its requests and says which
/// connection it is; its buffers may be warm.
///
/// # Errors
/// Why the connection ended, unless it ended well: the peer closed it between two requests, it stayed silent there
/// for longer than the stream's own timeout, or a response announced its end. A peer that sent something else than a
/// request has been told so, as far as it still listens.
pub(crate) fn serve_blocking<S: Read + Write>(
    stream: &mut S,
    ctx: &mut RequestCtx,
    options: &BlockingOptions<'_>,
    handler: &Handler<'_>,
) -> Result<(), Error> {
    let mut connection = Connection {
        stream,
        options,
        session: Session::new(),
        out: Output::default(),
        date: HttpDate::new(),
    };
    let served = connection.serve(ctx, handler);
    if let Err(error) = &served {
        if let Some(error) = error.proto() {
            connection.refuse(error);
        }
    }
    ctx.reset();
    ctx.request.input_mut().clear();
    served
}

/// Responses collected before they are written although more requests are waiting, in bytes.
const BATCH_BYTES_MAX: usize = 64 * 1024;

struct Connection<'a, S> {
    stream: &'a mut S,
    options: &'a BlockingOptions<'a>,
    session: Session,
    out: Output,
    date: HttpDate,
}

impl<S: Read + Write> Connection<'_, S> {
    fn serve(&mut self, ctx: &mut RequestCtx, handler: &Handler<'_>) -> Result<(), Error> {
        loop {
            match self.session.advance(&mut ctx.request, &mut self.out, &self.options.limits)? {
                Progress::Ready => {
                    let stays = self.answer(ctx, handler);
                    if !stays {
                        return Ok(self.flush()?);
                    }
                    if self.out.len() >= BATCH_BYTES_MAX {
                        self.flush()?;
                    }
                }
                Progress::NeedInput => {
                    self.flush()?;
                    if !self.receive(ctx)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Runs the handler and appends its response. False: the connection ends with it.
    fn answer(&mut self, ctx: &mut RequestCtx, handler: &Handler<'_>) -> bool {
        ctx.set_request_number(self.session.requests());
        handler::run(handler, ctx);
        let quota_used = self.options.requests_max.is_some_and(|max| self.session.requests() >= max);
        let force_close = !self.options.keep_alive || quota_used;
        let defaults = defaults(self.options, &mut self.date);
        let stays =
            self.session.respond(&ctx.request, &mut ctx.response, &mut self.out, &defaults, force_close);
        self.session.finish(&mut ctx.request);
        ctx.reset();
        stays
    }

    /// Reads once. False: the peer has ended the connection, or stayed silent too long, between two requests.
    fn receive(&mut self, ctx: &mut RequestCtx) -> Result<bool, Error> {
        loop {
            let space = ctx.request.input_mut().space(self.options.read_bytes);
            match self.stream.read(space) {
                Ok(0) => {
                    self.session.input_closed(&ctx.request)?;
                    return Ok(false);
                }
                Ok(count) => {
                    ctx.request.input_mut().filled(count);
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let is_timeout = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
                    return match (is_timeout, self.session.is_idle()) {
                        (true, true) => Ok(false),
                        (true, false) => Err(ProtoError::Timeout.into()),
                        (false, _) => Err(error.into()),
                    };
                }
            }
        }
    }

    /// Writes everything that has been collected.
    fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        while !self.out.is_empty() {
            let [first, second] = self.out.slices();
            match self.stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.out.advance(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.stream.flush()
    }

    /// Tells the peer why the connection ends. It ends anyway, so that this cannot be told is no further error.
    fn refuse(&mut self, error: ProtoError) {
        let defaults = defaults(self.options, &mut self.date);
        self.session.refuse(error, &mut self.out, &defaults);
        if let Err(error) = self.flush() {
            log::debug!("a refusal could not be delivered: {error}");
        }
    }
}

fn defaults<'a>(options: &BlockingOptions<'a>, date: &'a mut HttpDate) -> ResponseDefaults<'a> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    ResponseDefaults {
        server: options.server,
        date: if options.date { Some(date.at(now)) } else { None },
        content_type: options.content_type,
    }
}
