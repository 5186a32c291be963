//! What a thread needs to serve connections, whichever they are: a request context and buffers. Kept in a pool, so
//! serving allocates nothing in the long run, and idle connections own nothing.

use crate::ctx::{ConnFacts, RequestCtx};
use crate::message::request::Request;
use crate::observe::notice::NoticeRoom;
use crate::proto::DefaultFields;
use crate::serve::in_flight::Attendant;
use crate::serve::moment::{Clock, Moment};
use crate::serve::service::Service;
use crate::serve::tally::RequestTally;
use crate::wire::input::Input;
use crate::wire::output::Output;
use std::num::NonZeroU64;

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
    /// What is counted here.
    pub(crate) tally: RequestTally,
    /// What is handled here.
    pub(crate) attendant: Attendant,
    /// For what is told of it.
    pub(crate) room: NoticeRoom,
    /// Since when the request is here that is answered, by the clock that only goes forward: as the moment has it in
    /// milliseconds, and in nanoseconds, if those are to be known.
    began: (u64, Option<NonZeroU64>),
    /// Since when the next request has waited for a worker, in nanoseconds.
    pub(crate) waits_since: Option<u64>,
    /// The size of a read buffer to begin with, in bytes.
    buffer_size: usize,
    own: OwnMemory,
}

/// What is a workspace's own, while a connection's is in its place.
#[derive(Debug, Default)]
struct OwnMemory {
    /// The buffer, while that of a connection with much left over is in use.
    input: Option<Input>,
    /// The request, while one that was held is in use.
    request: Option<Box<Request>>,
}

/// What takes so many milliseconds is seen by the coarse clock: two of its ticks.
const LONG: u64 = 8;

/// What a connection that is not being served has left over: mostly nothing, and then it takes no room.
#[derive(Debug, Default)]
pub(crate) struct Pending(Option<Box<LeftOver>>);

/// Bytes received and not used, bytes to be sent.
#[derive(Debug, Default)]
struct LeftOver {
    input: Input,
    output: Output,
    /// A request that was found and not answered yet, together with its bytes.
    held: Option<Box<Request>>,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// That of a connection of which so much was received.
    #[cfg(test)]
    pub(crate) fn received(bytes: &[u8]) -> Self {
        let mut left = LeftOver::default();
        left.input.receive(bytes);
        Self(Some(Box::new(left)))
    }

    /// The bytes that were received and not used, but for those of a request that was found.
    pub(crate) fn unread(&self) -> &[u8] {
        self.0.as_deref().map_or(&[], |left| left.input.unread())
    }

    /// Whether all that was to be sent has been sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.0.as_deref().is_none_or(|left| left.output.is_empty())
    }
}

impl Workspace {
    /// A place where times are those of the service's clock.
    pub(crate) fn new(service: &Service) -> Self {
        let settings = &service.settings;
        let mut ctx = RequestCtx::default();
        ctx.set_stop_signal(&service.stop);
        Self {
            ctx,
            output: Output::default(),
            moment: Moment::UNREAD,
            clock: service.clock.clone(),
            default_fields: settings.default_fields(),
            tally: service.tallies.begin(),
            attendant: service.places.begin(),
            room: NoticeRoom::default(),
            began: (0, None),
            waits_since: None,
            buffer_size: settings.read_buffer_size,
            own: OwnMemory::default(),
        }
    }

    /// The request here is about to be answered.
    #[inline]
    pub(crate) fn begin_answer(&mut self) {
        let is_timed = self.tally.is_due();
        self.began = (self.moment.millis, if is_timed { Some(self.look_at_clock()) } else { None });
    }

    /// Its handler is about to run.
    #[inline]
    pub(crate) fn begin_handler(&mut self) {
        let request = &self.ctx.request;
        let now = self.moment.millis.wrapping_mul(1_000_000);
        self.attendant.begin(now, request.input().unread(), request.target_end());
    }

    #[cold]
    fn look_at_clock(&mut self) -> NonZeroU64 {
        let since = self.waits_since.take().unwrap_or_else(|| self.clock.nanos());
        NonZeroU64::new(since).unwrap_or(NonZeroU64::MIN)
    }

    /// The request here was answered.
    #[inline(always)]
    pub(crate) fn count_answer(&mut self) {
        if self.began == (self.moment.millis, None) {
            self.tally.answered(self.ctx.request.input().unread(), self.ctx.response.status_code());
        } else {
            self.count_timed_answer();
        }
    }

    #[cold]
    fn count_timed_answer(&mut self) {
        let (request, status) = (self.ctx.request.input().unread(), self.ctx.response.status_code());
        let (millis, nanos) = self.began;
        let took = self.moment.millis.saturating_sub(millis);
        match nanos {
            // Before there was any moment there was no beginning.
            None if took < LONG || millis == 0 => self.tally.answered(request, status),
            None => self.tally.answered_in(request, status, took * 1_000_000, false),
            Some(nanos) => {
                let took = self.clock.nanos().saturating_sub(nanos.get());
                self.tally.answered_in(request, status, took, true);
            }
        }
    }

    /// Counts the bytes that came and went.
    #[inline]
    pub(crate) fn count_bytes(&mut self) {
        let received = self.ctx.request.input_mut().take_uncounted();
        let sent = self.output.take_uncounted() + self.ctx.lent.take_sent_ahead();
        self.tally.moved(received, sent);
    }

    /// Brings in the connection of these facts with what it has left over.
    pub(crate) fn open(&mut self, facts: &ConnFacts, pending: &mut Pending) {
        self.ctx.set_conn(facts);
        let mut left = pending.0.take();
        if let Some(left) = left.as_deref_mut() {
            if !left.output.is_empty() {
                std::mem::swap(&mut self.output, &mut left.output);
            }
            if let Some(mut held) = left.held.take() {
                std::mem::swap(&mut self.ctx.request, &mut *held);
                self.own.request = Some(held);
                return;
            }
        }
        let input = self.ctx.request.input_mut();
        match left {
            Some(left) if left.input.unread().len() > self.buffer_size / 2 => {
                self.own.input = Some(std::mem::replace(input, left.input));
            }
            left => {
                if input.capacity() == 0 {
                    *input = self.own.input.take().unwrap_or_else(|| Input::with_capacity(self.buffer_size));
                }
                if let Some(left) = left {
                    input.receive(left.input.unread());
                }
            }
        }
    }

    /// Leaves with the connection what it still needs: few left-over bytes in a buffer of their size, many in the
    /// buffer that they are in.
    pub(crate) fn close(&mut self, pending: &mut Pending) {
        self.count_bytes();
        if self.ctx.request.input().is_empty() && self.output.is_empty() {
            // As nearly always.
            return self.tidy_up();
        }
        let input = left_over(self.ctx.request.input_mut(), self.buffer_size);
        self.leave(pending, input, None);
    }

    /// As [`Workspace::close`], and leaves the request with the connection that was found and not answered yet.
    pub(crate) fn hold(&mut self, pending: &mut Pending) {
        self.count_bytes();
        let mut held = self.own.request.take().unwrap_or_else(|| Box::new(Request::empty()));
        std::mem::swap(&mut self.ctx.request, &mut *held);
        held.fit();
        let received = held.input_mut();
        let rest = left_over(received, self.buffer_size);
        // What is left is the buffer, without what it held; unless that was worth to be taken along.
        let buffer = std::mem::replace(received, rest);
        let own = self.ctx.request.input_mut();
        if own.capacity() == 0 {
            *own = buffer;
        }
        self.leave(pending, Input::default(), Some(held));
    }

    fn leave(&mut self, pending: &mut Pending, input: Input, held: Option<Box<Request>>) {
        let mut left = LeftOver { input, output: Output::default(), held };
        if !self.output.is_empty() {
            std::mem::swap(&mut self.output, &mut left.output);
        }
        pending.0 = Some(Box::new(left));
        self.tidy_up();
    }

    /// To be called when something has happened that may have taken long, the user's code for one, so that what was
    /// read of the clocks before is not used behind that.
    #[inline]
    pub(crate) fn time_has_passed(&mut self) {
        self.moment.refresh(&self.clock);
    }

    /// Forgets a connection that is over.
    pub(crate) fn wipe(&mut self) {
        self.count_bytes();
        self.ctx.reset();
        self.output.clear();
        self.tidy_up();
    }

    /// Ready for the next connection, without more memory than most need.
    fn tidy_up(&mut self) {
        self.ctx.lent.end();
        if let Some(mut own) = self.own.request.take() {
            std::mem::swap(&mut self.ctx.request, &mut *own);
        }
        let input = self.ctx.request.input_mut();
        input.clear();
        if input.capacity() > KEPT_GROWTH * self.buffer_size {
            *input = Input::default();
        }
        if let Some(own) = self.own.input.take() {
            *input = own;
        }
    }
}

/// What is unread of `input`: few bytes in a buffer of their size, many in the buffer that they are in, which is gone
/// from `input` then.
fn left_over(input: &mut Input, buffer_size: usize) -> Input {
    if input.unread().len() > buffer_size / 2 {
        return std::mem::take(input);
    }
    let mut rest = Input::default();
    if !input.is_empty() {
        rest = Input::with_capacity(input.unread().len());
        rest.receive(input.unread());
    }
    rest
}
