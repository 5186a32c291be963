//! The body of a handler's response, frame by frame.

use super::handler_call::HandlerCall;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

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
    /// These bytes.
    pub(super) fn here(text: &'static str) -> Self {
        Self { state: BodyState::Here(Bytes::from_static(text.as_bytes())) }
    }

    /// The rest of that response, whose head is there. `is_told`: the head says how long its body is, or that there is
    /// none.
    pub(super) fn of(call: Box<HandlerCall>, is_told: bool) -> Self {
        let is_whole = call.remaining() == Some(0) && call.trailers().is_empty();
        let state = match is_whole {
            true if is_told => BodyState::Here(Bytes::new()),
            true => BodyState::Untold,
            false => BodyState::Arriving(call),
        };
        Self { state }
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
