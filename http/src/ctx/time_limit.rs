//! Handlers that are waited for only so long.
//!
//! The idea: as in fasthttp, the handler runs on a thread of its own with a context of its own, a copy of the request;
//! whoever serves the connection waits for it. When it does not come in time the connection goes on without it.
//!
//! The rules: a handler has nothing of the connection but while that waits for it, and is done or given up, never both
//! (`attempt.rs`, which models check). What a handler returns behind its deadline is not used.

use super::attempt::Attempt;
use super::deadline::Deadline;
use super::{Handler, RequestCtx};
use crate::message::response::{IntoStatus, Response};
use crate::util::panic;
use crate::values::status;
use anthill_pool::{TaskPool, WorkerPool};
use std::borrow::Cow;
use std::mem;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const DEFAULT_SLOTS: usize = 1024;
/// No connection has this number.
const NOBODY: u64 = u64::MAX;
const DEFAULT_MESSAGE: &str = "The server did not answer in time";

/// How long a handler is waited for, and what its client is told when it takes longer; for [`timeout`] and
/// [`handler_timeout`](crate::ServerBuilder::handler_timeout). A [`Duration`] is one with the defaults.
///
/// ```
/// use anthill_http::TimeLimit;
/// use std::time::Duration;
/// // As fasthttp does.
/// let limit = TimeLimit::new(Duration::from_secs(2)).status(408).busy_status(429).message("too slow");
/// assert_ne!(limit, TimeLimit::from(Duration::from_secs(2)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeLimit {
    pub(crate) limit: Duration,
    status: u16,
    message: Cow<'static, str>,
    busy_status: u16,
    slots: usize,
}

impl TimeLimit {
    /// A limit of so long; zero: none.
    pub fn new(limit: Duration) -> Self {
        let message = Cow::Borrowed(DEFAULT_MESSAGE);
        Self { limit, status: 503, message, busy_status: 503, slots: DEFAULT_SLOTS }
    }

    /// The status when the handler takes longer; 503 when not set (fasthttp: 408, which says that the client was slow).
    pub fn status(mut self, status: impl IntoStatus) -> Self {
        self.status = status.into_status();
        self
    }

    /// The text then.
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// The status when all slots are taken; 503 when not set (fasthttp: 429, which says that the client asks too
    /// often).
    pub fn busy_status(mut self, status: impl IntoStatus) -> Self {
        self.busy_status = status.into_status();
        self
    }

    /// How many handlers may run at once, those included that nobody waits for any more; 1024 when not set. Requests
    /// beyond that are answered at once. With 0 all are.
    pub fn slots(mut self, handlers: usize) -> Self {
        self.slots = handlers;
        self
    }
}

impl From<Duration> for TimeLimit {
    fn from(limit: Duration) -> Self {
        Self::new(limit)
    }
}

/// Waits for `handler` for so long, and answers the request without it when it takes longer (fasthttp's
/// `TimeoutHandler`): 503, or what the [`TimeLimit`] says. The connection goes on with its next request.
///
/// The handler is not ended: it runs on, on its thread, and what it does to its context is seen by nobody. It can look
/// at its [`deadline`](RequestCtx::deadline), and ask whether it [is cancelled](RequestCtx::is_cancelled). As long as
/// it runs it holds one of the limit's [slots](TimeLimit::slots).
///
/// It is given a copy of the request with all of its body: a body that is streamed is read before, in time of its own.
/// What it changes in the request, others do not see. It has no connection, so early hints are not sent. What it puts
/// into the response is sent as always, when it comes in time. A panic is answered 500.
///
/// Each such request takes two threads, one that runs the handler and one that waits for it. So limit what may hang,
/// not what is quick.
///
/// ```
/// use anthill_http::{Handler, RequestCtx, TimeLimit, timeout};
/// use std::time::Duration;
///
/// let slow = |ctx: &mut RequestCtx| {
///     while !ctx.is_cancelled() {
///         std::thread::sleep(Duration::from_millis(1));
///     }
///     ctx.set_body("nobody reads this");
/// };
/// let handler = timeout(slow, TimeLimit::new(Duration::from_millis(5)).message("try again later"));
/// let mut ctx = RequestCtx::default();
/// handler.handle(&mut ctx);
/// assert_eq!((ctx.response.status_code(), ctx.response.body()), (503, &b"try again later"[..]));
/// ```
// TMO-07, TMO-08.
pub fn timeout(handler: impl Handler, limit: impl Into<TimeLimit>) -> impl Handler {
    TimedHandler { handler: Arc::new(handler), limit: limit.into(), threads: TimedThreads::default() }
}

struct TimedHandler<H> {
    handler: Arc<H>,
    limit: TimeLimit,
    threads: TimedThreads,
}

impl<H: Handler> Handler for TimedHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        self.threads.run(&self.handler, self.limit.limit, &self.limit, ctx);
    }
}

/// What became of handlers with a limit, on one server.
#[derive(Debug, Default)]
pub(crate) struct TimedCounters {
    pub(crate) late: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// Panics of those that nobody waited for any more.
    pub(crate) panicked_late: AtomicU64,
}

/// The threads of handlers with a limit.
#[derive(Default)]
pub(crate) struct TimedThreads {
    taken: Arc<AtomicUsize>,
    /// Made for the first of them. Without a bound of its own: that is the slots'.
    pool: OnceLock<Option<TaskPool>>,
}

/// A place for one handler.
struct TimedSlot(Arc<AtomicUsize>);

impl Drop for TimedSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl TimedThreads {
    /// Has `handler` answer the request in `ctx` within that time; of `limit` is the rest. Zero: however long it takes.
    pub(crate) fn run<H>(&self, handler: &Arc<H>, within: Duration, limit: &TimeLimit, ctx: &mut RequestCtx)
    where
        H: Handler + ?Sized,
    {
        if within.is_zero() {
            return handler.handle(ctx);
        }
        if !ctx.request.is_body_complete() {
            if let Err(error) = ctx.read_body() {
                return ctx.answer_error(&error);
            }
        }
        let Some(deadline) = ctx.deadline_in(within) else { return handler.handle(ctx) };
        let Some(slot) = self.take_slot(limit.slots) else { return ctx.refuse_timed(limit) };
        let attempt = Arc::new(Attempt::new());
        let own = Box::new(ctx.detach(&deadline));
        if !self.start((attempt.clone(), deadline.clone()), handler.clone(), own, slot) {
            deadline.let_go();
            ctx.answer_late(&deadline);
            return ctx.refuse_timed(limit);
        }
        let done = deadline.wait_for(&attempt);
        if done.is_none() {
            deadline.give_up();
        }
        deadline.let_go();
        match done {
            Some(own) => ctx.attach(*own, &deadline),
            None => {
                ctx.answer_late(&deadline);
                ctx.count_timed(|counters| &counters.late);
                ctx.error(&*limit.message, limit.status);
            }
        }
    }

    /// Runs the handler elsewhere. False: there is no thread to be had.
    fn start<H>(
        &self,
        (attempt, deadline): (Arc<Attempt<Box<RequestCtx>>>, Arc<Deadline>),
        handler: Arc<H>,
        mut own: Box<RequestCtx>,
        slot: TimedSlot,
    ) -> bool
    where
        H: Handler + ?Sized,
    {
        let pool = self.pool.get_or_init(|| {
            let options = WorkerPool::builder().name("anthill-timed").max_workers(None);
            options.build_tasks().inspect_err(|error| log::error!("no handler can be timed: {error}")).ok()
        });
        let task = move || {
            if let Err(panicked) = panic::call(|| own.contain(|ctx| handler.handle(ctx))) {
                own.answer_panic(panicked);
            }
            // Whoever is answered finds it free.
            drop(slot);
            // One that comes too late may have seen that, and left its response half done. Whoever waits has the same
            // clock.
            let is_late = Instant::now() >= deadline.at();
            let unwanted = if is_late { Some(own) } else { attempt.finish(own).err() };
            // What nobody waits for is dropped here.
            if let Some(own) = unwanted.filter(|own| own.has_panicked) {
                own.count_timed(|counters| &counters.panicked_late);
            }
        };
        pool.as_ref().is_some_and(|pool| pool.try_execute(task).is_ok())
    }

    fn take_slot(&self, slots: usize) -> Option<TimedSlot> {
        let one_more = |taken: usize| (taken < slots).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok().then(|| TimedSlot(self.taken.clone()))
    }
}

/// Two contexts for one request.
impl RequestCtx {
    /// A context for a handler that this one's connection may go on without. The response so far and what was kept for
    /// the handler go along.
    fn detach(&mut self, deadline: &Arc<Deadline>) -> RequestCtx {
        #[cfg(feature = "http")]
        self.take_brought_extensions();
        let mut own = RequestCtx::for_request(self.request.clone(), self.remote_override);
        own.response = mem::take(&mut self.response);
        own.user_values = mem::take(&mut self.user_values);
        if let Some(id) = own.request_id() {
            // Where it is given up this one is still called so.
            self.set_request_id(id.as_bytes());
        }
        own.user_values.set_deadline(Some(deadline.clone()));
        own.conn.clone_from(&self.conn);
        own.body_max = self.body_max;
        own.options.clone_from(&self.options);
        own.routed.clone_from(&self.routed);
        own.time = self.time;
        own.stop.clone_from(&self.stop);
        own
    }

    /// Takes over what the handler made of its own context, if that is what it has left.
    fn attach(&mut self, own: RequestCtx, deadline: &Deadline) {
        if !own.user_values.deadline().is_some_and(|own| std::ptr::eq(&**own, deadline)) {
            return self.end_as_kept(&own);
        }
        self.response = own.response;
        self.user_values = own.user_values;
        self.user_values.set_deadline(deadline.outer());
        self.remote_override = own.remote_override;
        self.routed = own.routed;
        self.has_panicked = own.has_panicked;
    }

    /// The handler has kept its context: its connection ends as if it had been given that of the connection itself.
    fn end_as_kept(&mut self, left: &RequestCtx) {
        self.has_panicked = left.has_panicked;
        self.lent.lend_nothing(NOBODY);
        // Nor is this one what somebody else has given who waits for it.
        self.user_values.set_deadline(None);
    }

    /// The handler keeps what went along.
    fn answer_late(&mut self, deadline: &Deadline) {
        self.user_values.set_deadline(deadline.outer());
        self.response = Response::new();
        let keeps_names = self.options.as_deref().is_some_and(|options| options.keeps_header_names);
        self.response.headers_mut().set_names_normalizing(!keeps_names);
    }

    fn refuse_timed(&mut self, limit: &TimeLimit) {
        self.count_timed(|counters| &counters.refused);
        self.error(status::reason(limit.busy_status), limit.busy_status);
    }

    fn count_timed(&self, which: impl FnOnce(&TimedCounters) -> &AtomicU64) {
        if let Some(options) = self.options.as_deref() {
            which(&options.timed).fetch_add(1, Ordering::Relaxed);
        }
    }
}
