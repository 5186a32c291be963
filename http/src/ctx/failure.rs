//! What a handler has failed with, for wrappers that answer in its place.
//!
//! The rule: nobody is told who has not asked, so that a text is made of an error only where it is read.

use super::{HandlerPanic, RequestCtx, StatusError};

/// What the last handler that failed has failed with.
#[derive(Debug, Default)]
pub(crate) struct HandlerFailure {
    /// Somebody wants to know.
    is_wanted: bool,
    /// The status that it was answered with.
    status: u16,
    pub(crate) error: Option<String>,
    pub(crate) panic: Option<HandlerPanic>,
}

impl HandlerFailure {
    pub(super) fn clear(&mut self) {
        if self.is_wanted {
            *self = Self::default();
        }
    }
}

impl RequestCtx {
    /// What handlers fail with is noted from now on.
    pub(crate) fn want_failure(&mut self) {
        self.user_values.failure_mut().is_wanted = true;
    }

    /// What the handler has failed with whose answer the response is; to be given back.
    pub(crate) fn take_failure(&mut self) -> HandlerFailure {
        let status = self.response.status_code();
        match self.user_values.failure() {
            Some(noted) if noted.is_wanted && noted.status == status => {
                std::mem::take(self.user_values.failure_mut())
            }
            _ => HandlerFailure::default(),
        }
    }

    /// Gives it back, for whoever is around.
    pub(crate) fn give_back_failure(&mut self, failure: HandlerFailure) {
        if failure.is_wanted {
            *self.user_values.failure_mut() = failure;
        }
    }

    fn wants_failure(&self) -> bool {
        self.user_values.failure().is_some_and(|failure| failure.is_wanted)
    }

    pub(super) fn note_error(&mut self, status: u16, error: &dyn StatusError) {
        if self.wants_failure() {
            let error = Some(error.to_string());
            *self.user_values.failure_mut() = HandlerFailure { is_wanted: true, status, error, panic: None };
        }
    }

    /// The response says what it was answered with.
    pub(super) fn note_panic(&mut self, panic: HandlerPanic) {
        if self.wants_failure() {
            let status = self.response.status_code();
            *self.user_values.failure_mut() =
                HandlerFailure { is_wanted: true, status, error: None, panic: Some(panic) };
        }
    }
}
