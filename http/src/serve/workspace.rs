//! What a thread needs to serve connections, whichever they are: a request context and buffers. Kept in a pool, so
//! serving allocates nothing in the long run, and idle connections own nothing.

use crate::config::settings::Settings;
use crate::ctx::{ConnInfo, RequestCtx};
use crate::proto::DefaultFields;
use crate::serve::moment::{Clock, Moment};
use crate::wire::input::Input;
use crate::wire::output::Output;

/// A read buffer that grew beyond this many times its first size is not kept.
const KEPT_GROWTH: usize = 4;

/// A place to serve connections at, one after the other.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) ctx: RequestCtx,
    pub(crate) output: Output,
    /// When whoever serves here last read the clocks.
    pub(crate) moment: Moment,
    /// Where they are.
    pub(crate) clock: Clock,
    /// What responses have unless handlers set it.
    pub(crate) default_fields: DefaultFields,
    /// The size of a read buffer to begin with, in bytes.
    buffer_size: usize,
    /// The workspace's own buffer, while that of a connection with much left over lies here.
    spare_input: Option<Input>,
}

/// What a connection that is not being served has left over: bytes received and not used, bytes to be sent.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) input: Input,
    pub(crate) output: Output,
}

impl Workspace {
    /// A place where times are those of `clock`.
    pub(crate) fn new(settings: &Settings, clock: Clock) -> Self {
        Self {
            ctx: RequestCtx::default(),
            output: Output::default(),
            moment: Moment::UNREAD,
            clock,
            default_fields: settings.default_fields(),
            buffer_size: settings.read_buffer_size,
            spare_input: None,
        }
    }

    /// Brings in the connection `info` with what it has left over.
    pub(crate) fn open(&mut self, info: &ConnInfo, pending: &mut Pending) {
        self.ctx.set_conn(info);
        let input = self.ctx.request.input_mut();
        if pending.input.unread().len() > self.buffer_size / 2 {
            self.spare_input = Some(std::mem::replace(input, std::mem::take(&mut pending.input)));
        } else {
            if input.capacity() == 0 {
                *input = self.spare_input.take().unwrap_or_else(|| Input::with_capacity(self.buffer_size));
            }
            if !pending.input.is_empty() {
                input.receive(std::mem::take(&mut pending.input).unread());
            }
        }
        if !pending.output.is_empty() {
            std::mem::swap(&mut self.output, &mut pending.output);
        }
    }

    /// Leaves with the connection what it still needs: few left-over bytes in a buffer of their size, many in the
    /// buffer that they are in.
    pub(crate) fn close(&mut self, pending: &mut Pending) {
        let input = self.ctx.request.input_mut();
        if input.unread().len() > self.buffer_size / 2 {
            pending.input = std::mem::take(input);
        } else if !input.is_empty() {
            let mut rest = Input::with_capacity(input.unread().len());
            rest.receive(input.unread());
            pending.input = rest;
        }
        if self.output.is_empty() {
            self.output.clear();
        } else {
            std::mem::swap(&mut self.output, &mut pending.output);
        }
        self.tidy_up();
    }

    /// To be called when something has happened that may have taken long, the user's code for one, so that what was
    /// read of the clocks before is not used behind that.
    #[inline]
    pub(crate) fn time_has_passed(&mut self) {
        self.moment.refresh(self.clock);
    }

    /// Forgets a connection that is over.
    pub(crate) fn wipe(&mut self) {
        self.ctx.reset();
        self.output.clear();
        self.tidy_up();
    }

    /// Ready for the next connection, without more memory than most need.
    fn tidy_up(&mut self) {
        self.ctx.lent.end();
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
