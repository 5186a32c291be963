//! How long a handler has, and whether anybody still waits for what it does; and the answer that stands in for its own.

use super::RequestCtx;
use super::attempt::{Attempt, OnLoan};
use super::server_time::ServerDue;
use crate::message::response::{IntoStatus, Response};
use crate::wire::transport::Transport;
use std::sync::Arc;
#[cfg(feature = "client")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Until when a handler may take, as it sees it itself.
pub(crate) struct Deadline {
    due: ServerDue,
    /// The client was answered without it.
    is_given_up: AtomicBool,
    /// Where the client is, if the handler was called on a connection, for as long as that waits for it. Nothing of a
    /// connection may be anywhere else when it goes on: it may be closed, or given away.
    client: OnLoan<Arc<dyn Transport>>,
    /// That of whoever waits for the whole of it.
    outer: Option<Arc<Deadline>>,
}

impl Deadline {
    /// When it is; by the clock of a test, as far as that was moved until now.
    pub(super) fn at(&self) -> Instant {
        self.due.at()
    }

    /// What the handler comes back with by then. `None`: it is given up.
    pub(super) fn wait_for<T>(&self, attempt: &Attempt<T>) -> Option<T> {
        #[cfg(feature = "testing")]
        if self.due.is_of_test() {
            return attempt.wait_looking(|| self.due.has_come());
        }
        attempt.wait(Some(self.at()))
    }

    pub(super) fn outer(&self) -> Option<Arc<Deadline>> {
        self.outer.clone()
    }

    /// Nobody waits for the handler any more, and it has not come in time.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Release);
    }

    /// The connection goes on.
    pub(super) fn let_go(&self) {
        self.client.let_go();
    }

    fn is_past(&self) -> bool {
        self.is_given_up.load(Ordering::Acquire)
            || self.due.has_come()
            || self.outer.as_deref().is_some_and(Deadline::is_past)
    }

    fn client_has_ended(&self) -> bool {
        // What the connection does when it has gone on is about another request.
        self.client.look(|client| client.peer_has_ended()) == Some(true)
            || self.outer.as_deref().is_some_and(Deadline::client_has_ended)
    }
}

/// Whether anybody still waits for a response, for whoever asks that on another thread while it is made and sent.
#[cfg(feature = "client")]
pub(crate) struct ClientSight {
    client: OnLoan<Arc<dyn Transport>>,
    /// The same for a handler that was lent nothing, once its response is sent.
    later: OnceLock<OnLoan<Arc<dyn Transport>>>,
    deadline: Option<Arc<Deadline>>,
}

#[cfg(feature = "client")]
impl ClientSight {
    /// Whether the client has ended its sending, or is gone.
    pub(crate) fn has_client_ended(&self) -> bool {
        let has_ended = |client: &Arc<dyn Transport>| client.peer_has_ended();
        self.client.look(has_ended) == Some(true)
            || self.later.get().is_some_and(|later| later.look(has_ended) == Some(true))
            || self.deadline.as_deref().is_some_and(Deadline::client_has_ended)
    }

    /// Whether it is too late for a handler that has not returned.
    pub(crate) fn is_past_deadline(&self) -> bool {
        self.deadline.as_deref().is_some_and(Deadline::is_past)
    }

    /// Lets it be seen where it is, if that was not to be seen.
    pub(crate) fn lend(&self, client: impl FnOnce() -> Option<Arc<dyn Transport>>) {
        if self.client.look(|_| ()).is_none() {
            self.later.get_or_init(|| OnLoan::new(client()));
        }
    }

    /// The response was sent, or is not sent any more.
    pub(crate) fn let_go(&self) {
        self.client.let_go();
        if let Some(later) = self.later.get() {
            later.let_go();
        }
    }
}

#[cfg(feature = "client")]
impl RequestCtx {
    /// Lets others see whether anybody waits, until they let go, which must be before the response is at its end.
    pub(crate) fn sight_of_client(&self) -> ClientSight {
        ClientSight {
            client: OnLoan::new(self.lent.share()),
            later: OnceLock::new(),
            deadline: self.user_values.deadline().cloned(),
        }
    }
}

/// How long there is.
impl RequestCtx {
    /// Until when the response has to be there, if there is a limit ([`handler_timeout`], [`timeout`]): the client is
    /// answered without this handler then. For what it waits for itself, such as a database: give it the
    /// [`time_left`](Self::time_left).
    ///
    /// [`handler_timeout`]: crate::ServerBuilder::handler_timeout
    /// [`timeout`]: crate::timeout()
    ///
    /// ```
    /// use anthill_http::{Handler, RequestCtx, timeout};
    /// use std::time::Duration;
    /// let handler = timeout(
    ///     |ctx: &mut RequestCtx| {
    ///         let left = ctx.time_left().expect("there is a limit");
    ///         assert!(left <= Duration::from_secs(5));
    ///     },
    ///     Duration::from_secs(5),
    /// );
    /// let mut ctx = RequestCtx::default();
    /// handler.handle(&mut ctx);
    /// assert_eq!((ctx.response.status_code(), ctx.deadline()), (200, None));
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.user_values.deadline().map(|deadline| deadline.at())
    }

    /// How long it is until the [`deadline`](Self::deadline); zero behind it, `None` when there is none.
    pub fn time_left(&self) -> Option<Duration> {
        self.deadline().map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether nobody waits for this response any more: the [`deadline`](Self::deadline) has passed, or the client is
    /// gone, as far as [`client_disconnected`](Self::client_disconnected) can tell. Costs a system call.
    ///
    /// ```
    /// use std::time::Duration;
    /// fn report(ctx: &mut anthill_http::RequestCtx) {
    ///     for _part in 0..1000 {
    ///         if ctx.is_cancelled() {
    ///             return;
    ///         }
    ///         std::thread::sleep(Duration::from_millis(1)); // or work
    ///     }
    /// }
    /// # let _: fn(&mut anthill_http::RequestCtx) = report;
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.user_values.deadline().is_some_and(|deadline| deadline.is_past()) || self.client_has_ended()
    }

    /// Whether the client has ended its sending, or is gone.
    pub(super) fn client_has_ended(&self) -> bool {
        self.lent.peer_has_ended()
            || self.user_values.deadline().is_some_and(|deadline| deadline.client_has_ended())
    }

    /// Makes it so late in `limit`, or earlier, when whoever waits for the whole does not wait for so long. `None`:
    /// that is beyond all time.
    pub(super) fn deadline_in(&self, limit: Duration) -> Option<Arc<Deadline>> {
        let outer = self.user_values.deadline().cloned();
        let due = self.due_in(limit)?.or_before(outer.as_deref().map(|outer| &outer.due));
        let client = OnLoan::new(self.lent.share());
        Some(Arc::new(Deadline { due, is_given_up: AtomicBool::new(false), client, outer }))
    }
}

/// An answer in the place of the handler's.
impl RequestCtx {
    /// Answers 503 with `message`, whatever is put into the response from now on: for a handler that has given up
    /// waiting, in the middle of those that go on (fasthttp's `TimeoutError`, which answers 408). Called again, the
    /// last one counts.
    ///
    /// It is put into the place of the response when the outermost handler has returned, so wrappers see the one that
    /// is not sent. A handler that panics is answered 500 all the same.
    ///
    /// ```
    /// use anthill_http::Server;
    /// let server = Server::new(|ctx| {
    ///     ctx.timeout_error("the stock cannot be asked for now");
    ///     ctx.set_body("this is not sent");
    /// })?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    // TMO-10.
    pub fn timeout_error(&mut self, message: impl AsRef<[u8]>) {
        self.timeout_error_with_code(message, 503);
    }

    /// As [`timeout_error`](Self::timeout_error), with another status.
    pub fn timeout_error_with_code(&mut self, message: impl AsRef<[u8]>, status: impl IntoStatus) {
        let mut response = Response::new();
        let message = message.as_ref();
        response.set_status_code(status);
        response.set_content_type("text/plain; charset=utf-8");
        response.set_body(message);
        self.report_stand_in(&mut response, message);
        self.timeout_error_with_response(response);
    }

    /// As [`timeout_error`](Self::timeout_error), with a response of one's own.
    pub fn timeout_error_with_response(&mut self, response: Response) {
        self.user_values.set_stand_in(response);
    }

    /// The outermost handler has returned: puts what is to stand in the place of its response there.
    #[inline]
    pub(crate) fn settle_stand_in(&mut self) {
        if self.user_values.has_stand_in() {
            self.take_over_stand_in();
        }
    }

    /// Nothing is put in the response's place any more.
    #[cfg(feature = "sessions")]
    pub(crate) fn drop_stand_in(&mut self) {
        drop(self.user_values.take_stand_in());
    }

    #[cold]
    fn take_over_stand_in(&mut self) {
        if let Some(stand_in) = self.user_values.take_stand_in() {
            if !self.has_panicked {
                drop(self.user_values.take_hijack());
                self.response = *stand_in;
                self.stand_again();
            }
        }
    }
}
