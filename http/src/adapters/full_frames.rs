//! Frames of a body that have something in them.
//!
//! The rule: a body that gives empty frames without end never keeps whoever polls it.

use bytes::Buf;
use http_body::{Body, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// So many empty frames are passed over before it is looked whether there is something else to do.
const EMPTY_FRAMES_MAX: usize = 32;

/// What comes of asking a body for a frame.
type PolledFrame<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// The next frame of `body` that has something in it. Behind many that have not it is pending, and woken at once.
pub(super) fn poll_full<B: Body>(mut body: Pin<&mut B>, task: &mut Context<'_>) -> PolledFrame<B> {
    for _ in 0..EMPTY_FRAMES_MAX {
        match ready!(body.as_mut().poll_frame(task)) {
            Some(Ok(frame)) if is_empty(&frame) => {}
            other => return Poll::Ready(other),
        }
    }
    task.waker().wake_by_ref();
    Poll::Pending
}

fn is_empty<D: Buf>(frame: &Frame<D>) -> bool {
    match frame.data_ref() {
        Some(data) => !data.has_remaining(),
        None => frame.trailers_ref().is_some_and(http::HeaderMap::is_empty),
    }
}
