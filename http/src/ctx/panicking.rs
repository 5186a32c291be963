//! What becomes of a panic in a handler: a response, as an error does.
//!
//! The rule: on a server a panic ends in the innermost closure that it passes, so whoever wraps that sees the response
//! that will be sent. Without a server it passes, because there it is a test that has failed.

use super::RequestCtx;
use crate::util::panic::{self, Panicked};
use std::fmt;
use std::sync::Arc;

/// A panic in a handler, for a [`panic_handler`](crate::ServerBuilder::panic_handler).
#[derive(Debug)]
pub struct HandlerPanic(Panicked);

impl HandlerPanic {
    /// What `panic!` was given; `None` when that is no text.
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Where it happened, as `file:line:column`; `None` when it is not known: for panics of
    /// [`resume_unwind`](std::panic::resume_unwind), and when the process's panic hook was replaced after the first
    /// server was made.
    pub fn location(&self) -> Option<&str> {
        self.0.location.as_deref()
    }
}

/// As in the line that the server logs: `panicked at src/main.rs:7:13 on anthill-2: message`.
impl fmt::Display for HandlerPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the client is told.
const TEXT: &str = "Internal Server Error";

type AnswerPanic = dyn Fn(&mut RequestCtx, &HandlerPanic) + Send + Sync;

/// Answers in the place of handlers that panic.
#[derive(Clone)]
pub(crate) struct PanicHandler(pub(crate) Arc<AnswerPanic>);

impl fmt::Debug for PanicHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PanicHandler")
    }
}

impl RequestCtx {
    /// Runs a part of what answers the request. On a server a panic in it becomes the response.
    #[inline]
    pub(crate) fn contain(&mut self, code: impl FnOnce(&mut Self)) {
        if self.options.is_none() {
            return code(self);
        }
        if let Err(panicked) = panic::call(|| code(self)) {
            self.answer_panic(panicked);
        }
    }

    /// Starts the response over as that to a handler that has panicked, and logs what the client is not told.
    pub(crate) fn answer_panic(&mut self, panicked: Panicked) {
        self.answer_panic_of("handler", panicked);
    }

    /// The same for other parts of what answers the request, by their name in the log.
    #[cold]
    pub(crate) fn answer_panic_of(&mut self, what: &str, panicked: Panicked) {
        self.has_panicked = true;
        // What it was to be told before is told no more.
        drop(self.user_values.take_hijack());
        let (id, called, peer) = (self.id(), self.called(), self.remote_addr());
        log::error!(
            target: "anthill_http::handler",
            "the {what} of {called} {panicked} (request #{id:016x} from {peer})"
        );
        self.note(format_args!("the {what} of {called} {panicked}"));
        self.answer_plainly(TEXT.as_bytes(), 500);
        let panicked = HandlerPanic(panicked);
        self.report_panic(TEXT, &panicked);
        let handler = self.options.as_deref().and_then(|options| options.panic_handler.clone());
        if let Some(PanicHandler(answer)) = handler {
            if let Err(second) = panic::call(|| answer(self, &panicked)) {
                log::error!(target: "anthill_http::handler", "the panic handler {second}; answered a plain 500");
                self.answer_plainly(TEXT.as_bytes(), 500);
                self.report_panic(TEXT, &panicked);
            }
        }
        self.note_panic(panicked);
    }
}
