//! The response of a handler, once its head is there, and what is answered in its place.

use super::handler_body::HandlerBody;
use super::handler_call::HandlerCall;
use super::shared_fields::is_of_connection;
use crate::values::status;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

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
            // A server that has been shut down gives no response to what nobody came to, nor to what takes too long.
            let status = if found.is_err() && call.is_shut_down() { 503 } else { 500 };
            let response = found.ok().and_then(|()| response(call));
            return Poll::Ready(Ok(response.unwrap_or_else(|| {
                // Why, the server has logged.
                log::debug!("a handler gave no response that can be passed on; answered {status}");
                refusal(status)
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
    call.decode_begun();
    let status = StatusCode::from_u16(call.status()).ok()?;
    let mut fields = HeaderMap::new();
    for (name, value) in call.header_fields() {
        if !is_of_connection(name) {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            fields.try_append(name, HeaderValue::from_bytes(value).ok()?).ok()?;
        }
    }
    let is_told = fields.contains_key(http::header::CONTENT_LENGTH) || matches!(status.as_u16(), 204 | 304);
    let mut response = Response::new(HandlerBody::of(call, is_told));
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
