//! One request to a handler and its response, as a task of whatever runtime polls them.
//!
//! The idea: the client's end of a connection in memory, driven by polling. What the handler has not taken yet waits in
//! the connection, which holds so much and no more; so the body of a request is asked for as fast as the handler reads,
//! and the handler writes as fast as the response is polled.
//!
//! The rules: whoever polls last is woken when the other end has done something. What is dropped has left: the handler
//! is told so, as of any client. A response that broke off is an error, never a short one.

use super::kept_server::KeptServer;
use super::request_pieces::{NextPiece, RequestPieces};
use super::shared_fields::is_of_connection;
use crate::proto::client::{ClientSession, ResponseProgress};
use crate::proto::limits::HeadDecision;
use crate::proto::response_head::ResponseParts;
use crate::proto::{FIELDS_CEILING, HEAD_BYTES_CEILING, Limits, ProtoError, Received, Rest};
use crate::values::headers::Fields;
use crate::values::status;
use crate::wire::in_memory::InMemoryTransport;
use crate::wire::input::Input;
use crate::wire::output::Output;
use crate::wire::transport::Transport;
use crate::wire::wake::{Waker as ConnWaker, Wakes};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};

/// The smallest read that is worth it.
const READ_BYTES_MIN: usize = 4 * 1024;

/// Unsent bytes of a request beyond which no more of its body is asked for.
const UNSENT_BYTES: usize = 16 * 1024;

/// Whatever a handler of one's own answers is taken.
const LIMITS: Limits = Limits {
    head_bytes_max: HEAD_BYTES_CEILING,
    fields_max: FIELDS_CEILING,
    body_bytes_max: None,
    streams_bodies: true,
    head_decision: HeadDecision::Never,
};

/// The task that is to be polled when the other end has done something.
#[derive(Default)]
struct TaskToWake(Mutex<Option<Waker>>);

impl TaskToWake {
    fn set(&self, task: &Context<'_>) {
        let mut kept = self.0.lock();
        if !kept.as_ref().is_some_and(|waker| waker.will_wake(task.waker())) {
            let before = kept.replace(task.waker().clone());
            drop(kept);
            drop(before);
        }
    }
}

impl Wakes for TaskToWake {
    fn wake(&self, _: usize) {
        let waker = self.0.lock().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The request and its response; see the module's text.
pub(super) struct HandlerCall {
    conn: InMemoryTransport,
    task: Arc<TaskToWake>,
    session: ClientSession,
    input: Input,
    found: Received<ResponseParts>,
    out: Output,
    /// What is left of the request's body.
    body: Option<RequestPieces>,
    /// The body is asked for by a 100.
    awaits_continue: bool,
    /// How much of what is decoded of the response's body was given.
    given: usize,
    /// Keeps the server as long as it answers.
    _server: Arc<KeptServer>,
}

impl HandlerCall {
    /// On `conn`, of which nothing was used; of the request `out` is to be sent, and then `body`.
    pub(super) fn new(
        conn: InMemoryTransport,
        session: ClientSession,
        out: Output,
        body: Option<RequestPieces>,
        awaits_continue: bool,
        server: Arc<KeptServer>,
    ) -> Self {
        let task = Arc::new(TaskToWake::default());
        let whom = Arc::downgrade(&task);
        let whom: Weak<dyn Wakes> = whom;
        conn.set_waker(Some(ConnWaker::new(whom, 0)));
        Self {
            conn,
            task,
            session,
            input: Input::default(),
            found: Received::default(),
            out,
            body,
            awaits_continue,
            given: 0,
            _server: server,
        }
    }

    /// Sends what can be sent now.
    fn send(&mut self, task: &mut Context<'_>) {
        loop {
            let has_room = self.flush();
            let Some(body) = self.body.as_mut().filter(|_| !self.awaits_continue) else {
                if self.out.is_empty() && self.body.is_none() {
                    self.session.request_sent();
                }
                return;
            };
            if !has_room && self.out.len() >= UNSENT_BYTES {
                return;
            }
            match body.poll_next(task, &mut self.out) {
                Poll::Pending => {
                    self.flush();
                    return;
                }
                Poll::Ready(NextPiece::Some) => {}
                Poll::Ready(NextPiece::End) => self.body = None,
                Poll::Ready(NextPiece::Failed) => {
                    // What was sent ends in the middle, which whoever reads it sees.
                    self.body = None;
                    self.out.clear();
                    if let Err(error) = self.conn.shutdown_write() {
                        log::debug!("a request for a handler could not be cut off: {error}");
                    }
                }
            }
        }
    }

    /// Writes what there is room for. False: not all of it.
    fn flush(&mut self) -> bool {
        while !self.out.is_empty() {
            match self.conn.write(self.out.slices()) {
                Ok(count) => self.out.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => {
                    // Nobody reads it any more; what was answered counts.
                    self.out.clear();
                    self.body = None;
                }
            }
        }
        true
    }

    /// Reads what has come. `Ok(false)`: that was the end.
    fn receive(&mut self) -> Poll<io::Result<bool>> {
        match self.conn.read(self.input.space(READ_BYTES_MIN)) {
            Ok(arrived) => {
                self.input.filled(arrived.count);
                Poll::Ready(Ok(arrived.count > 0))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// The head of the response.
    fn poll_head(&mut self, task: &mut Context<'_>) -> Poll<Result<(), ProtoError>> {
        self.task.set(task);
        self.send(task);
        loop {
            match self.session.advance(&mut self.input, &mut self.found, &LIMITS)? {
                ResponseProgress::Ready => return Poll::Ready(Ok(())),
                ResponseProgress::Interim { status } => {
                    if status == 100 {
                        self.awaits_continue = false;
                        self.send(task);
                    }
                }
                ResponseProgress::NeedInput => match ready!(self.receive()) {
                    Ok(true) => {}
                    Ok(false) | Err(_) => {
                        self.session.input_closed(&mut self.input, &mut self.found, &LIMITS)?;
                        return Poll::Ready(Ok(()));
                    }
                },
            }
        }
    }

    /// What was decoded of the body and not given.
    fn window(&self) -> &[u8] {
        let body = &self.found.body;
        self.input.unread().get(body.start + self.given..body.end).unwrap_or_default()
    }

    /// The next piece of the body. `None`: that was all.
    fn poll_piece(&mut self, task: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        self.task.set(task);
        self.send(task);
        loop {
            let window = self.window();
            if !window.is_empty() {
                let piece = Bytes::copy_from_slice(window);
                self.given += piece.len();
                return Poll::Ready(Some(Ok(piece)));
            }
            match self.found.rest {
                Rest::None => return Poll::Ready(None),
                Rest::Failed => return Poll::Ready(Some(Err(broken_off()))),
                Rest::Missing { .. } => {}
            }
            self.found.drop_decoded(&mut self.input);
            self.given = 0;
            let has_come = ready!(self.receive()).unwrap_or(false);
            let brought = match has_come {
                true => self.found.decode_rest(&mut self.input),
                false => self.session.input_closed(&mut self.input, &mut self.found, &LIMITS).map(drop),
            };
            if brought.is_err() {
                self.found.rest = Rest::Failed;
            }
        }
    }

    /// How long the rest of the body is, if that is known.
    fn remaining(&self) -> Option<u64> {
        let here = self.window().len() as u64;
        match &self.found.rest {
            Rest::None => Some(here),
            Rest::Missing { decoder, .. } => decoder.missing().map(|missing| missing.saturating_add(here)),
            Rest::Failed => None,
        }
    }

    fn trailers(&self) -> Fields<'_> {
        self.found.trailer_fields(&self.input)
    }
}

fn broken_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the response of the handler broke off")
}

/// The body of a handler's response; of a [`HandlerService`](super::HandlerService).
///
/// Its frames are what the handler has sent, as it flushes them; then come trailers, if there are any. Dropped before
/// its end, it is a client that has left: what writes the body fails, and a handler that still works can
/// [see it](crate::RequestCtx::is_cancelled).
///
/// # Errors
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) when the response broke off: the source of its body failed, or the
/// server ended.
pub struct HandlerBody {
    state: BodyState,
}

enum BodyState {
    /// It arrives.
    Arriving(Box<HandlerCall>),
    /// It is these bytes.
    Here(Bytes),
    /// It is left out, and nobody has said how long it would be.
    Untold,
}

impl HandlerBody {
    fn here(text: &'static str) -> Self {
        Self { state: BodyState::Here(Bytes::from_static(text.as_bytes())) }
    }
}

impl Body for HandlerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let ended = match &mut self.state {
            BodyState::Untold => return Poll::Ready(None),
            BodyState::Here(bytes) if bytes.is_empty() => return Poll::Ready(None),
            BodyState::Here(bytes) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            BodyState::Arriving(call) => match ready!(call.poll_piece(task)) {
                Some(Ok(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Some(Err(error)) => Some(Err(error)),
                // Those that the crate cannot express mean nothing to who reads them by it.
                None => HeaderMap::try_from(call.trailers())
                    .ok()
                    .filter(|fields| !fields.is_empty())
                    .map(|fields| Ok(Frame::trailers(fields))),
            },
        };
        // The connection ends with it.
        self.state = BodyState::Here(Bytes::new());
        Poll::Ready(ended)
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            BodyState::Untold => true,
            BodyState::Here(bytes) => bytes.is_empty(),
            BodyState::Arriving(call) => call.remaining() == Some(0) && call.trailers().is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let size = match &self.state {
            BodyState::Untold => None,
            BodyState::Here(bytes) => Some(bytes.len() as u64),
            // Whoever sends it by its length has no place for what follows it.
            BodyState::Arriving(call) => call.remaining().filter(|_| call.trailers().is_empty()),
        };
        size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Debug for HandlerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerBody").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}

/// The response of a handler, once its head is there; of a [`HandlerService`](super::HandlerService).
///
/// Dropped before, it is a client that has left.
#[must_use = "the handler is called when this is polled"]
pub struct HandlerFuture {
    state: FutureState,
}

enum FutureState {
    Calling(Box<HandlerCall>),
    /// It is answered without having been called.
    Refused(u16),
    /// The response was given.
    Over,
}

impl HandlerFuture {
    pub(super) fn calling(call: HandlerCall) -> Self {
        Self { state: FutureState::Calling(Box::new(call)) }
    }

    pub(super) fn refused(status: u16) -> Self {
        Self { state: FutureState::Refused(status) }
    }
}

impl Future for HandlerFuture {
    type Output = Result<Response<HandlerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        if let FutureState::Calling(call) = &mut self.state {
            let found = ready!(call.poll_head(task));
            let state = std::mem::replace(&mut self.state, FutureState::Over);
            let FutureState::Calling(call) = state else { return Poll::Pending };
            let response = found.ok().and_then(|()| response(call));
            return Poll::Ready(Ok(response.unwrap_or_else(|| {
                // Why, the server has logged.
                log::debug!("a handler gave no response that can be passed on; answered 500");
                refusal(500)
            })));
        }
        match std::mem::replace(&mut self.state, FutureState::Over) {
            FutureState::Refused(status) => Poll::Ready(Ok(refusal(status))),
            FutureState::Calling(_) | FutureState::Over => Poll::Pending,
        }
    }
}

impl fmt::Debug for HandlerFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerFuture").finish_non_exhaustive()
    }
}

/// The response whose head is there. `None`: it cannot be expressed.
fn response(mut call: Box<HandlerCall>) -> Option<Response<HandlerBody>> {
    // What has come with the head.
    if call.found.decode_rest(&mut call.input).is_err() {
        call.found.rest = Rest::Failed;
    }
    if call.found.head.status == 101 {
        log::error!(
            "a handler has taken the connection of its request over, of which it has none here; answered 501"
        );
        return Some(refusal(501));
    }
    let status = StatusCode::from_u16(call.found.head.status).ok()?;
    let mut fields = HeaderMap::new();
    for (name, value) in call.found.header_fields(&call.input) {
        if !is_of_connection(name) {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            fields.try_append(name, HeaderValue::from_bytes(value).ok()?).ok()?;
        }
    }
    let is_whole = call.remaining() == Some(0) && call.trailers().is_empty();
    let is_told = fields.contains_key(http::header::CONTENT_LENGTH) || matches!(status.as_u16(), 204 | 304);
    let state = match is_whole {
        true if is_told => BodyState::Here(Bytes::new()),
        true => BodyState::Untold,
        false => BodyState::Arriving(call),
    };
    let mut response = Response::new(HandlerBody { state });
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    Some(response)
}

/// An answer in the place of the handler's.
fn refusal(status: u16) -> Response<HandlerBody> {
    let mut response = Response::new(HandlerBody::here(status::reason(status)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, text);
    response
}
