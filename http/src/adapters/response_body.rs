//! The body of a service's response, on its way to the client.
//!
//! The idea: what is there at once is sent as bytes. Whatever else comes is asked for frame by frame: from a source
//! that the server pulls, or, while the service still reads the request's body, by a function that writes, because that
//! has the connection in both directions.
//!
//! The rule: a frame is sent when it comes, and the head when the first frame is not there at once. A body that fails
//! behind the head ends the connection.

use super::full_frames::poll_full;
use super::request_body::OpenLane;
use super::service_failure::{EnterFn, entered};
use super::shared_fields::BoxError;
use super::thread_signal::{ClientEnd, Departed, ThreadSignal, drive};
use crate::message::response::{BodyWriter, Pull};
use crate::proto::append_trailers;
use crate::util::panic::Contained;
use crate::values::headers::Headers;
use crate::wire::transport::Transport;
use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame};
use std::future::poll_fn;
use std::io::{self, ErrorKind, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// A body is bytes if it is there at once and has not more.
const WHOLE_BYTES_MAX: usize = 64 * 1024;

/// What is there at once of a body.
#[derive(Debug, Default)]
pub(super) struct ReadyFrames {
    pub(super) bytes: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
    /// There is no more.
    pub(super) is_whole: bool,
    /// What comes next is not there yet.
    pub(super) is_waiting: bool,
}

impl ReadyFrames {
    /// Takes what is there. Whoever is asked for more tells `signal`.
    pub(super) fn of<B>(body: &mut Pin<Box<B>>, signal: &Arc<ThreadSignal>) -> Result<Self, BoxError>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let waker = Waker::from(signal.clone());
        let mut task = Context::from_waker(&waker);
        let mut begun = Self::default();
        while begun.bytes.len() < WHOLE_BYTES_MAX {
            match poll_full(body.as_mut(), &mut task) {
                Poll::Ready(Some(Ok(frame))) => {
                    begun.is_whole = take(frame, &mut begun.bytes, &mut begun.trailers);
                    if begun.is_whole {
                        break;
                    }
                }
                Poll::Ready(Some(Err(error))) => return Err(error.into()),
                Poll::Ready(None) => {
                    begun.is_whole = true;
                    break;
                }
                Poll::Pending => {
                    begun.is_waiting = true;
                    break;
                }
            }
        }
        Ok(begun)
    }
}

/// Appends what is in a frame. True: it is the last, as trailers are.
fn take<D: Buf>(frame: Frame<D>, bytes: &mut Vec<u8>, trailers: &mut Option<HeaderMap>) -> bool {
    match frame.into_data() {
        Ok(mut data) => {
            while data.has_remaining() {
                let chunk = data.chunk();
                bytes.extend_from_slice(chunk);
                let count = chunk.len();
                data.advance(count);
            }
            false
        }
        Err(frame) => {
            *trailers = frame.into_trailers().ok();
            true
        }
    }
}

/// What it takes to wait for a body.
#[derive(Clone)]
pub(super) struct BodyWait {
    pub(super) signal: Arc<ThreadSignal>,
    pub(super) enter: Option<Arc<EnterFn>>,
    pub(super) ignores_aborts: bool,
}

impl BodyWait {
    /// The next frame; `None`: there is none.
    fn frame<B>(
        &self,
        body: &mut Pin<Box<B>>,
        client: &mut impl ClientEnd,
    ) -> io::Result<Option<Frame<B::Data>>>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let brought = entered(self.enter.as_deref(), || {
            drive(pin!(poll_fn(|task| poll_full(body.as_mut(), task))), &self.signal, client)
        });
        match brought.map_err(io::Error::other)? {
            Ok(frame) => frame.transpose().map_err(io::Error::other),
            Err(Departed) => {
                let reason = "the client has left, and the rest of the response was not waited for";
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, reason))
            }
        }
    }
}

/// Where the response goes to.
struct WatchedEnd {
    client: Option<Arc<dyn Transport>>,
    ignores_aborts: bool,
}

impl ClientEnd for WatchedEnd {
    fn attend(&mut self, _: bool) -> bool {
        false
    }

    fn has_left(&self) -> bool {
        !self.ignores_aborts && self.client.as_deref().is_some_and(Transport::peer_has_ended)
    }
}

/// A body as a source that is pulled.
pub(super) struct FrameSource<B> {
    body: Contained<Pin<Box<B>>>,
    wait: BodyWait,
    client: WatchedEnd,
    size: Option<u64>,
    /// What has come and was not pulled, from `at` on.
    here: Vec<u8>,
    at: usize,
    trailers: Option<HeaderMap>,
    is_over: bool,
}

impl<B> FrameSource<B> {
    /// The body of which that has come. `size`: how long it is, if that is known.
    pub(super) fn new(body: Pin<Box<B>>, begun: ReadyFrames, size: Option<u64>, wait: BodyWait) -> Self {
        let client = WatchedEnd { client: None, ignores_aborts: wait.ignores_aborts };
        Self {
            body: Contained::new(body),
            wait,
            client,
            // Trailers have a place only behind a body whose length nobody said.
            size: size.filter(|_| begun.trailers.is_none()),
            here: begun.bytes,
            at: 0,
            trailers: begun.trailers,
            is_over: begun.is_whole,
        }
    }
}

impl<B> Pull for FrameSource<B>
where
    B: Body + Send,
    B::Error: Into<BoxError>,
{
    fn size(&self) -> Option<u64> {
        self.size
    }

    fn pull(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        piece.clear();
        while self.at >= self.here.len() && !self.is_over {
            self.here.clear();
            self.at = 0;
            let Some(body) = self.body.as_mut() else { return Ok(()) };
            match self.wait.frame(body, &mut self.client)? {
                Some(frame) => self.is_over = take(frame, &mut self.here, &mut self.trailers),
                None => self.is_over = true,
            }
        }
        let rest = self.here.get(self.at..).unwrap_or_default();
        let next = rest.get(..most).unwrap_or(rest);
        piece.extend_from_slice(next);
        self.at += next.len();
        Ok(())
    }

    fn append_trailers(&mut self, lines: &mut Vec<u8>) {
        if let Some(trailers) = &self.trailers {
            append_trailers(lines, Headers::from(trailers).fields());
        }
    }

    fn see_client(&mut self, client: &dyn Fn() -> Option<Arc<dyn Transport>>) {
        self.client.client = client();
    }
}

/// The client in both directions, while its response is written.
struct WritingClient<'a, 'b> {
    out: &'a mut BodyWriter<'b>,
    watched: WatchedEnd,
    lane: &'a mut OpenLane,
}

impl ClientEnd for WritingClient<'_, '_> {
    fn attend(&mut self, in_haste: bool) -> bool {
        self.lane.attend(&mut self.out.body_reader(), in_haste)
    }

    fn has_left(&self) -> bool {
        self.watched.has_left()
    }
}

/// Writes a body, of which that has come, while what is left of the request is read through `lane`.
pub(super) fn write_frames<B>(
    out: &mut BodyWriter<'_>,
    mut body: Pin<Box<B>>,
    mut begun: ReadyFrames,
    size: Option<u64>,
    wait: &BodyWait,
    lane: &mut OpenLane,
) -> io::Result<()>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let mut piece = begun.bytes;
    let mut is_over = begun.is_whole;
    let mut left = size.unwrap_or(0);
    loop {
        left = left.saturating_sub(piece.len() as u64);
        if !piece.is_empty() {
            out.write_all(&piece)?;
            out.flush()?;
            piece.clear();
        }
        if is_over {
            break;
        }
        let watched = WatchedEnd { client: out.client(), ignores_aborts: wait.ignores_aborts };
        match wait.frame(&mut body, &mut WritingClient { out: &mut *out, watched, lane: &mut *lane })? {
            Some(frame) => is_over = take(frame, &mut piece, &mut begun.trailers),
            None => is_over = true,
        }
    }
    if left > 0 {
        return Err(io::Error::new(
            ErrorKind::UnexpectedEof,
            "the body has ended before the length that was said",
        ));
    }
    for (name, value) in begun.trailers.iter().flatten() {
        out.append_trailer(name, value);
    }
    Ok(())
}
