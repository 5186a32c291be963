//! What a thread needs to serve connections, whichever they are: a request context and buffers. Kept in a pool, so
//! serving allocates nothing in the long run, and idle connections own nothing.

use std::time::SystemTime;

use crate::config::settings::Settings;
use crate::ctx::RequestCtx;
use crate::engine::shard::conn::Conn;
use crate::proto::DefaultLines;
use crate::util::date;
use crate::wire::input::Input;
use crate::wire::output::Output;

/// A read buffer that grew beyond this many times its first size is not kept.
const KEPT_GROWTH: usize = 4;

/// A place to serve connections at.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) ctx: RequestCtx,
    pub(crate) output: Output,
    pub(crate) lines: DefaultLines,
    /// When the desk last looked at the clock: the time of requests, and of `Date`.
    pub(crate) now: SystemTime,
    pub(crate) unix_seconds: u64,
    /// True while `ctx` holds a complete request that was not answered yet.
    pub(crate) holds_request: bool,
    buffer_size: usize,
    /// The desk's own buffer, while that of a connection with much left over lies here.
    spare_input: Option<Input>,
}

impl Desk {
    pub(crate) fn new(settings: &Settings) -> Self {
        Desk {
            ctx: RequestCtx::default(),
            output: Output::default(),
            lines: settings.default_lines(),
            now: SystemTime::UNIX_EPOCH,
            unix_seconds: 0,
            holds_request: false,
            buffer_size: settings.read_buffer_size,
            spare_input: None,
        }
    }

    /// Reads the clock.
    pub(crate) fn tell_time(&mut self) {
        self.now = SystemTime::now();
        self.unix_seconds = date::whole_seconds(self.now);
    }

    /// Puts the connection's left-over bytes on the desk.
    pub(crate) fn open(&mut self, conn: &mut Conn) {
        self.ctx.set_conn(&conn.info);
        let input = self.ctx.request.input_mut();
        if conn.input.unread().len() > self.buffer_size / 2 {
            self.spare_input = Some(std::mem::replace(input, std::mem::take(&mut conn.input)));
        } else {
            if input.capacity() == 0 {
                *input = self.spare_input.take().unwrap_or_else(|| Input::with_capacity(self.buffer_size));
            }
            if !conn.input.is_empty() {
                input.receive(std::mem::take(&mut conn.input).unread());
            }
        }
        if !conn.output.is_empty() {
            std::mem::swap(&mut self.output, &mut conn.output);
        }
    }

    /// Leaves with the connection what it still needs: few left-over bytes in a buffer of their size, many in the
    /// buffer that they are in.
    pub(crate) fn close(&mut self, conn: &mut Conn) {
        let input = self.ctx.request.input_mut();
        if input.unread().len() > self.buffer_size / 2 {
            conn.input = std::mem::take(input);
        } else if !input.is_empty() {
            let mut rest = Input::with_capacity(input.unread().len());
            rest.receive(input.unread());
            conn.input = rest;
        }
        if self.output.is_empty() {
            self.output.clear();
        } else {
            std::mem::swap(&mut self.output, &mut conn.output);
        }
        self.tidy_up();
    }

    /// Forgets a connection that is closed.
    pub(crate) fn wipe(&mut self) {
        self.ctx.reset();
        self.output.clear();
        self.tidy_up();
    }

    /// Makes the desk ready for the next connection.
    fn tidy_up(&mut self) {
        let input = self.ctx.request.input_mut();
        input.clear();
        if input.capacity() > KEPT_GROWTH * self.buffer_size {
            *input = Input::default();
        }
        if let Some(own) = self.spare_input.take() {
            *input = own;
        }
    }
}
