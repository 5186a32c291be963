//! One request to a handler and its response, as whatever runtime polls them has them under way.
//!
//! The idea: the client's end of a connection in memory, driven by polling. What the handler has not taken yet waits in
//! the connection, which holds so much and no more; so the body of a request is asked for as fast as the handler reads,
//! and the handler writes as fast as the response is polled.
//!
//! The rules: whoever polls last is woken when the other end has done something. What is dropped has left: the handler
//! is told so, as of any client. A response that broke off is an error, never a short one.

use super::kept_server::KeptServer;
use super::request_pieces::{NextPiece, RequestPieces};
use crate::proto::client::{ClientSession, ResponseProgress};
use crate::proto::response_head::ResponseParts;
use crate::proto::{Limits, ProtoError, Received, Rest};
use crate::values::headers::Fields;
use crate::wire::in_memory::InMemoryTransport;
use crate::wire::input::Input;
use crate::wire::output::Output;
use crate::wire::transport::Transport;
use crate::wire::wake::{Waker as ConnWaker, Wakes};
use bytes::Bytes;
use parking_lot::Mutex;
use std::io;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};

/// The smallest read that is worth it.
const READ_BYTES_MIN: usize = 4 * 1024;

/// Unsent bytes of a request beyond which no more of its body is asked for.
const UNSENT_BYTES: usize = 16 * 1024;

/// So many pieces of a request's body are sent before somebody else has his turn on the thread.
const PIECES_MAX: usize = 64;

/// As they come: bodies need not be there.
const LIMITS: Limits = Limits { streams_bodies: true, ..Limits::WIDEST };

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
    /// Kept as long as it answers.
    server: Arc<KeptServer>,
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
            server,
        }
    }

    /// Sends what can be sent now.
    fn send(&mut self, task: &mut Context<'_>) {
        for _ in 0..PIECES_MAX {
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
        // There may be more, for a handler that takes it as fast as it comes.
        task.waker().wake_by_ref();
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
    pub(super) fn poll_head(&mut self, task: &mut Context<'_>) -> Poll<Result<(), ProtoError>> {
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

    /// Whether the server answers nobody any more who has no answer yet.
    pub(super) fn is_shut_down(&self) -> bool {
        self.server.is_stopping()
    }

    /// The status, once the head is there.
    pub(super) fn status(&self) -> u16 {
        self.found.head.status
    }

    /// The header fields, once the head is there.
    pub(super) fn header_fields(&self) -> Fields<'_> {
        self.found.header_fields(&self.input)
    }

    /// Decodes what has come of the body with the head.
    pub(super) fn decode_begun(&mut self) {
        if self.found.decode_rest(&mut self.input).is_err() {
            self.found.rest = Rest::Failed;
        }
    }

    /// What was decoded of the body and not given.
    fn window(&self) -> &[u8] {
        let body = &self.found.body;
        self.input.unread().get(body.start + self.given..body.end).unwrap_or_default()
    }

    /// The next piece of the body. `None`: that was all.
    pub(super) fn poll_piece(&mut self, task: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
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
    pub(super) fn remaining(&self) -> Option<u64> {
        let here = self.window().len() as u64;
        match &self.found.rest {
            Rest::None => Some(here),
            Rest::Missing { decoder, .. } => decoder.missing().map(|missing| missing.saturating_add(here)),
            Rest::Failed => None,
        }
    }

    pub(super) fn trailers(&self) -> Fields<'_> {
        self.found.trailer_fields(&self.input)
    }
}

fn broken_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the response of the handler broke off")
}
