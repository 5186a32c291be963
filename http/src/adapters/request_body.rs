//! The body of a request as a service reads it: frame by frame, when it wants the next one.
//!
//! The idea: what has arrived with the request is one frame. What has not is read by the thread of the handler, which
//! has the connection, whenever the service asks; one frame is under way at most, so a client that sends faster than
//! the service reads is slowed down by the network.
//!
//! The rule: a body that was cut off, or whose request is over, is an error, never a short body.

use super::thread_signal::ThreadSignal;
use crate::ctx::RequestCtx;
use crate::message::request::BodyReader;
use crate::values::headers::Fields;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The most bytes of a frame.
const FRAME_BYTES: usize = 64 * 1024;

/// How long a client is waited for that sends nothing, before it is looked whether the service has something else to
/// do. The longer it has sent nothing, the longer.
const LULL_MIN: Duration = Duration::from_millis(1);
const LULL_MAX: Duration = Duration::from_millis(16);

/// The body of a request, as a [`TowerService`](super::TowerService) gives it to its service.
///
/// It may go to any task or thread. What had not arrived when the handler was called is read while it is asked for, by
/// the handler's thread; that ends with the response, and reading it then is an error
/// ([`ConnectionAborted`](io::ErrorKind::ConnectionAborted)). Other errors are those of
/// [`BodyReader`](crate::body::BodyReader).
pub struct RequestBody {
    from: BodyFrom,
}

enum BodyFrom {
    Whole { bytes: Bytes, trailers: Option<HeaderMap> },
    Arriving(Arc<BodyLane>),
}

/// The way from the connection to whoever reads the body.
pub(super) struct BodyLane {
    state: Mutex<LaneState>,
    /// The thread that has the connection.
    signal: Arc<ThreadSignal>,
}

struct LaneState {
    next: Option<io::Result<Frame<Bytes>>>,
    /// Whoever waits for it.
    waker: Option<Waker>,
    is_wanted: bool,
    /// Nothing comes behind `next`.
    is_over: bool,
    has_reader: bool,
    /// How many bytes are still to come, if that is known.
    left: Option<u64>,
}

impl RequestBody {
    /// The body of the request in `ctx`; and where the rest of it is to be put, if it has not arrived.
    pub(super) fn of(ctx: &mut RequestCtx, signal: &Arc<ThreadSignal>) -> (Self, Option<OpenLane>) {
        if ctx.request.is_body_complete() {
            let trailers = trailers_of(ctx.request.trailers());
            let from = BodyFrom::Whole { bytes: Bytes::copy_from_slice(ctx.request.body()), trailers };
            return (Self { from }, None);
        }
        let state = LaneState {
            next: None,
            waker: None,
            is_wanted: false,
            is_over: false,
            has_reader: true,
            left: ctx.body_reader().remaining(),
        };
        let lane = Arc::new(BodyLane { state: Mutex::new(state), signal: signal.clone() });
        let open = OpenLane { lane: lane.clone(), room: Vec::new(), lull: LULL_MIN };
        (Self { from: BodyFrom::Arriving(lane) }, Some(open))
    }
}

/// Those that the crate `http` can express; the others mean nothing to who reads them by it.
fn trailers_of(fields: Fields<'_>) -> Option<HeaderMap> {
    if fields.is_empty() { None } else { HeaderMap::try_from(fields).ok() }
}

impl BodyLane {
    fn put(&self, next: Option<io::Result<Frame<Bytes>>>, is_over: bool) {
        let mut state = self.state.lock();
        state.next = next;
        state.is_over = is_over;
        state.is_wanted = false;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, task: &Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut state = self.state.lock();
        if let Some(next) = state.next.take() {
            let count = next.as_ref().ok().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
            state.left = state.left.map(|left| left.saturating_sub(count));
            return Poll::Ready(Some(next));
        }
        if state.is_over {
            return Poll::Ready(None);
        }
        let before = state.waker.replace(task.waker().clone());
        let is_new = !std::mem::replace(&mut state.is_wanted, true);
        drop(state);
        drop(before);
        if is_new {
            self.signal.nudge();
        }
        Poll::Pending
    }
}

/// A lane that the thread which has the connection puts frames into. It ends with this.
pub(super) struct OpenLane {
    lane: Arc<BodyLane>,
    room: Vec<u8>,
    lull: Duration,
}

impl OpenLane {
    /// Whether somebody may still read the body.
    pub(super) fn has_reader(&self) -> bool {
        let state = self.lane.state.lock();
        state.has_reader && !state.is_over
    }

    /// Reads a frame, if one is wanted. False: none is.
    pub(super) fn attend(&mut self, body: &mut BodyReader<'_>, in_haste: bool) -> bool {
        if !self.lane.state.lock().is_wanted {
            return false;
        }
        self.room.resize(FRAME_BYTES, 0);
        let lull = if in_haste { Duration::ZERO } else { self.lull };
        match body.read_within(lull, &mut self.room) {
            Ok(0) => {
                self.lane.put(trailers_of(body.trailers()).map(|fields| Ok(Frame::trailers(fields))), true)
            }
            Ok(count) => {
                let data = Bytes::copy_from_slice(self.room.get(..count).unwrap_or_default());
                let is_last = body.remaining() == Some(0) && body.trailers().is_empty();
                self.lane.put(Some(Ok(Frame::data(data))), is_last);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.lull = (self.lull * 2).min(LULL_MAX);
                return true;
            }
            Err(error) => self.lane.put(Some(Err(error)), true),
        }
        self.lull = LULL_MIN;
        true
    }
}

impl Drop for OpenLane {
    fn drop(&mut self) {
        let is_over = self.lane.state.lock().is_over;
        if !is_over {
            let reason = "the request is over, and its body was not read to the end before";
            let error = io::Error::new(io::ErrorKind::ConnectionAborted, reason);
            self.lane.put(Some(Err(error)), true);
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let BodyFrom::Arriving(lane) = &self.from {
            let mut state = lane.state.lock();
            state.has_reader = false;
            state.is_wanted = false;
            let unread = (state.next.take(), state.waker.take());
            drop(state);
            drop(unread);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.from {
            BodyFrom::Whole { bytes, trailers } if bytes.is_empty() => {
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            BodyFrom::Whole { bytes, .. } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            BodyFrom::Arriving(lane) => lane.poll(task),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.from {
            BodyFrom::Whole { bytes, trailers } => bytes.is_empty() && trailers.is_none(),
            BodyFrom::Arriving(lane) => {
                let state = lane.state.lock();
                state.next.is_none() && (state.is_over || state.left == Some(0))
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            BodyFrom::Whole { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            BodyFrom::Arriving(lane) => {
                lane.state.lock().left.map_or_else(SizeHint::default, SizeHint::with_exact)
            }
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}
