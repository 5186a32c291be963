//! The body of a request, of whatever type, as it is sent on to a handler.
//!
//! The rule: a body that fails, or has another length than it said, is cut off, so that nobody takes a part for the
//! whole.

use super::full_frames::poll_full;
use super::shared_fields::BoxError;
use crate::proto::{Ending, append_chunk_end, append_chunk_start, append_last_chunk, append_trailers};
use crate::values::headers::Headers;
use crate::wire::output::Output;
use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Gives the frames of a body.
trait FrameStream: Send {
    /// Appends what is in the next frame. `None`: there is none.
    fn poll_next(
        &mut self,
        task: &mut Context<'_>,
        piece: &mut Vec<u8>,
        trailers: &mut HeaderMap,
    ) -> Poll<Option<Result<(), BoxError>>>;
}

struct BodyFrames<B> {
    body: Pin<Box<B>>,
    /// Trailers have come, and nothing comes behind them.
    is_over: bool,
}

impl<B> FrameStream for BodyFrames<B>
where
    B: Body + Send,
    B::Error: Into<BoxError>,
{
    fn poll_next(
        &mut self,
        task: &mut Context<'_>,
        piece: &mut Vec<u8>,
        trailers: &mut HeaderMap,
    ) -> Poll<Option<Result<(), BoxError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let frame = match ready!(poll_full(self.body.as_mut(), task)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => frame,
        };
        match frame.into_data() {
            Ok(mut data) => {
                while data.has_remaining() {
                    let chunk = data.chunk();
                    piece.extend_from_slice(chunk);
                    let count = chunk.len();
                    data.advance(count);
                }
            }
            Err(frame) => {
                *trailers = Frame::into_trailers(frame).unwrap_or_default();
                self.is_over = true;
            }
        }
        Poll::Ready(Some(Ok(())))
    }
}

/// What is left to be sent of a body.
pub(super) struct RequestPieces {
    frames: Box<dyn FrameStream>,
    ending: Ending,
    trailers: HeaderMap,
    piece: Vec<u8>,
}

/// What came of asking for the next piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextPiece {
    /// Something was appended.
    Some,
    /// The end was.
    End,
    /// The body cannot be sent to its end.
    Failed,
}

impl RequestPieces {
    /// The body, which ends so.
    pub(super) fn new<B>(body: B, ending: Ending) -> Self
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let frames = Box::new(BodyFrames { body: Box::pin(body), is_over: false });
        Self { frames, ending, trailers: HeaderMap::new(), piece: Vec::new() }
    }

    /// Appends the next piece to `out`.
    pub(super) fn poll_next(&mut self, task: &mut Context<'_>, out: &mut Output) -> Poll<NextPiece> {
        if self.ending == Ending::Length(0) {
            return Poll::Ready(NextPiece::End);
        }
        match ready!(self.frames.poll_next(task, &mut self.piece, &mut self.trailers)) {
            Some(Err(error)) => {
                log::debug!("the body of a request for a handler failed: {error}");
                return Poll::Ready(NextPiece::Failed);
            }
            Some(Ok(())) => {}
            None => return Poll::Ready(self.end(out)),
        }
        let count = self.piece.len();
        match &mut self.ending {
            _ if count == 0 => {}
            Ending::Length(left) => match left.checked_sub(count as u64) {
                Some(rest) => {
                    *left = rest;
                    out.append_body_vec(&mut self.piece);
                }
                None => return Poll::Ready(NextPiece::Failed),
            },
            Ending::Chunked | Ending::Close => {
                append_chunk_start(out.buffer_mut(), count);
                out.append_body_vec(&mut self.piece);
                append_chunk_end(out.buffer_mut());
            }
        }
        Poll::Ready(if self.ending == Ending::Length(0) { NextPiece::End } else { NextPiece::Some })
    }

    fn end(&self, out: &mut Output) -> NextPiece {
        match self.ending {
            Ending::Length(0) => NextPiece::End,
            Ending::Length(_) => NextPiece::Failed,
            Ending::Chunked | Ending::Close => {
                let mut lines = Vec::new();
                append_trailers(&mut lines, Headers::from(&self.trailers).fields());
                append_last_chunk(out.buffer_mut(), &lines);
                NextPiece::End
            }
        }
    }
}
