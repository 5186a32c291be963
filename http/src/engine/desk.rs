//! What a thread needs to serve connections, whichever they are: a request context and buffers. Kept in a pool, so
//! serving allocates nothing in the long run, and idle connections own nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::ctx::RequestCtx;
use crate::engine::conn::Conn;
use crate::input::Input;
use crate::output::Output;
use crate::util::date::HttpDate;

/// Read buffers a desk keeps for when it gave one away with a half-read request.
const SPARE_INPUTS: usize = 8;
/// A read buffer that grew beyond this many times its first size is not kept.
const KEPT_GROWTH: usize = 4;

/// A place to serve connections at.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) ctx: RequestCtx,
    pub(crate) output: Output,
    pub(crate) date: HttpDate,
    /// The moment used for `Date`, seconds since 1970.
    pub(crate) unix_seconds: u64,
    /// True while `ctx` holds a complete request that was not answered yet.
    pub(crate) holds_request: bool,
    buffer_size: usize,
    spare_inputs: Vec<Input>,
}

impl Desk {
    pub(crate) fn new(buffer_size: usize) -> Self {
        Desk {
            ctx: RequestCtx::default(),
            output: Output::default(),
            date: HttpDate::new(),
            unix_seconds: 0,
            holds_request: false,
            buffer_size,
            spare_inputs: Vec::new(),
        }
    }

    /// Reads the clock for `Date`.
    pub(crate) fn tell_time(&mut self) {
        self.unix_seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    }

    /// Takes the connection's left-over bytes on the desk, or an empty buffer when there are none.
    pub(crate) fn open(&mut self, conn: &mut Conn) {
        self.ctx.set_conn(&conn.info);
        if conn.input.capacity() > 0 {
            let idle = std::mem::replace(self.ctx.request.input_mut(), std::mem::take(&mut conn.input));
            self.keep(idle);
        } else if self.ctx.request.input_mut().capacity() == 0 {
            let fresh = self.spare_inputs.pop().unwrap_or_else(|| Input::with_capacity(self.buffer_size));
            *self.ctx.request.input_mut() = fresh;
        }
        if !conn.output.is_empty() {
            std::mem::swap(&mut self.output, &mut conn.output);
        }
    }

    /// Leaves with the connection what it still needs.
    pub(crate) fn close(&mut self, conn: &mut Conn) {
        let input = self.ctx.request.input_mut();
        if input.is_empty() {
            input.clear();
            if input.capacity() > KEPT_GROWTH * self.buffer_size {
                *input = Input::default();
            }
        } else {
            conn.input = std::mem::take(input);
        }
        if self.output.is_empty() {
            self.output.clear();
        } else {
            std::mem::swap(&mut self.output, &mut conn.output);
        }
    }

    /// Forgets a connection that is closed.
    pub(crate) fn wipe(&mut self) {
        self.ctx.request.input_mut().clear();
        self.output.clear();
    }

    fn keep(&mut self, mut input: Input) {
        let keeps = 1..=KEPT_GROWTH * self.buffer_size;
        if keeps.contains(&input.capacity()) && self.spare_inputs.len() < SPARE_INPUTS {
            input.clear();
            self.spare_inputs.push(input);
        }
    }
}
