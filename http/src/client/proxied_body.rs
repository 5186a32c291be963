//! The bodies that a proxy passes on: that of a request as it is sent, that of a response as it is read, and both at
//! once.
//!
//! The idea: an upstream that answers while it reads (it transforms what it is given) is sent the rest of the request
//! while its response passes, by one thread which does whatever can be done without waiting, and waits for the client
//! in short lulls when there is nothing.
//!
//! The rules: nobody's request is cut off because its response has begun, or has ended: the client is told the end of
//! that at once, since it may wait for it before it sends on. What breaks off on one side breaks off on the other; and
//! a response is passed on whole of which the upstream itself has said where it ends.

use super::arriving::ArrivingBody;
use super::body::PIECE_BYTES;
use super::departures::DepartureWatch;
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::passing::{TrailerRules, response_trailers};
use super::response::ClientResponse;
use crate::message::request::BodyReader;
use crate::message::response::{BodyWriter, Pull};
use crate::proto::append_trailers;
use crate::values::headers::Headers;
use crate::wire::transport::Transport;
use parking_lot::Mutex;
use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;
use std::time::Duration;

/// How long a client is waited for that sends nothing, before the upstream is looked at again. The longer it has sent
/// nothing, the longer.
#[derive(Clone, Copy, Debug)]
struct Lull(Duration);

const LULL_MIN: Duration = Duration::from_millis(1);
const LULL_MAX: Duration = Duration::from_millis(64);

impl Lull {
    fn note(&mut self, has_moved: bool) {
        self.0 = if has_moved { LULL_MIN } else { (self.0 * 2).min(LULL_MAX) };
    }
}

/// The body of the client, which leaves its trailers behind. Its reads say when nothing has come (`WouldBlock`), so
/// that whoever sends it sees an upstream that has answered. The first one waits for longest: what comes by then leaves
/// with the head, and whoever sends nothing is sent on without.
pub(super) struct ClientBody<'a> {
    body: BodyReader<'a>,
    trailers: Arc<Mutex<Headers>>,
    lull: Lull,
}

impl<'a> ClientBody<'a> {
    pub(super) fn new(body: BodyReader<'a>, trailers: Arc<Mutex<Headers>>) -> Self {
        Self { body, trailers, lull: Lull(LULL_MAX) }
    }

    pub(super) fn remaining(&self) -> Option<u64> {
        self.body.remaining()
    }
}

impl Read for ClientBody<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read_within(self.lull.0, into);
        self.lull.note(read.is_ok());
        let count = read?;
        if count == 0 {
            self.trailers.lock().copy_from(self.body.trailers());
        }
        Ok(count)
    }
}

/// The body of a response. Its client is watched until it was sent, or is given up.
pub(super) struct UpstreamBody {
    pub(super) response: ClientResponse,
    pub(super) length: Option<u64>,
    pub(super) watch: Option<DepartureWatch>,
}

impl Pull for UpstreamBody {
    fn size(&self) -> Option<u64> {
        self.length
    }

    fn pull(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        let window = self.response.fill_buf()?;
        let next = window.get(..most).unwrap_or(window);
        piece.clear();
        piece.extend_from_slice(next);
        let count = next.len();
        self.response.consume(count);
        Ok(())
    }

    fn append_trailers(&mut self, lines: &mut Vec<u8>) {
        append_trailers(lines, trailers_of(&self.response).fields());
    }

    fn see_client(&mut self, client: &dyn Fn() -> Option<Arc<dyn Transport>>) {
        if let Some(watch) = &self.watch {
            watch.see_client(client);
        }
    }
}

fn trailers_of(response: &ClientResponse) -> Headers {
    response_trailers(response.headers(), response.trailers())
}

/// Whence the rest of a request comes.
pub(super) enum RequestRest {
    /// From the client, as it sends it.
    Client,
    /// It was there as a whole.
    Kept { bytes: Vec<u8>, at: usize, trailers: Headers },
}

/// Both bodies on their way; see the module's text.
pub(super) struct BothBodies {
    pub(super) response: ClientResponse,
    pub(super) rest: RequestRest,
    pub(super) rules: TrailerRules,
    pub(super) watch: Option<DepartureWatch>,
}

impl BothBodies {
    /// Writes the response while the rest of the request is read.
    pub(super) fn write_to(mut self, out: &mut BodyWriter<'_>) -> io::Result<()> {
        if let Some(watch) = &self.watch {
            watch.see_client(|| out.client());
        }
        Ok(self.pass(out)?)
    }

    /// Passes both on to their ends.
    ///
    /// # Errors
    /// Of kind `RequestBody` what the client's is; `Cancelled` when it takes nothing more.
    fn pass(&mut self, client: &mut BodyWriter<'_>) -> Result<(), ClientError> {
        let mut room = vec![0; PIECE_BYTES];
        let mut lull = Lull(LULL_MIN);
        let is_framed = self.body().is_some_and(|body| !body.ends_with_the_stream());
        while let Some(unsent) = self.body().and_then(|body| body.unsent()) {
            let mut has_moved = self.pass_arrived(client)?;
            if !is_framed && self.body().is_some_and(|body| body.is_here()) {
                // Whoever is told of the end of the request by that of its connection says so of a part as well.
                return Err(ClientError::new(ClientErrorKind::ConnectionClosed));
            }
            self.end_if_whole(client)?;
            let is_sent = match self.body().map_or(Ok(true), ArrivingBody::send_now) {
                Ok(is_sent) => is_sent,
                // It has said nothing for too long either.
                Err(error) if error.kind() == ClientErrorKind::Timeout(ClientPhase::Body) => {
                    return Err(error);
                }
                Err(error) => return self.pass_last(client, is_framed, error),
            };
            if is_sent && unsent.is_ended {
                if let Some(body) = self.body() {
                    body.request_sent();
                }
                break;
            }
            if is_sent {
                let within = if has_moved { Duration::ZERO } else { lull.0 };
                has_moved |= self.take_piece(client, unsent.left(), &mut room, within)?;
            } else if !has_moved {
                if let Some(body) = self.body() {
                    body.wait_for_either(true, lull.0)?;
                }
            }
            lull.note(has_moved);
        }
        self.pass_rest(client)?;
        self.end_if_whole(client)
    }

    /// Tells the client the end of the response, if all of it was given to it, and that was not done.
    fn end_if_whole(&mut self, client: &mut BodyWriter<'_>) -> Result<(), ClientError> {
        if client.is_ended() || !self.body().is_some_and(|body| body.is_whole()) {
            return Ok(());
        }
        for (name, value) in trailers_of(&self.response).iter() {
            client.append_trailer(name, value);
        }
        client.end_body().map_err(client_is_gone)
    }

    /// The upstream takes nothing more of the request: its response counts if it says itself where that ends.
    fn pass_last(
        &mut self,
        client: &mut BodyWriter<'_>,
        is_framed: bool,
        error: ClientError,
    ) -> Result<(), ClientError> {
        if let Some(body) = self.body() {
            body.stop_sending();
        }
        self.pass_rest(client)?;
        if is_framed { self.end_if_whole(client) } else { Err(error) }
    }

    fn pass_rest(&mut self, client: &mut BodyWriter<'_>) -> Result<(), ClientError> {
        loop {
            let piece = self.response.fill()?;
            if piece.is_empty() {
                return Ok(());
            }
            give(client, piece).map_err(client_is_gone)?;
            let count = piece.len();
            self.response.consume(count);
        }
    }

    /// What of the response is there. False: nothing was.
    fn pass_arrived(&mut self, client: &mut BodyWriter<'_>) -> Result<bool, ClientError> {
        let piece = self.response.arrived();
        let count = piece.len();
        if count > 0 {
            give(client, piece).map_err(client_is_gone)?;
            self.response.consume(count);
        }
        let has_come = self.body().map_or(Ok(false), ArrivingBody::fill_now)?;
        Ok(has_come || count > 0)
    }

    /// Puts the next piece of the request into what is sent; waits so long for it. False: there was none.
    fn take_piece(
        &mut self,
        client: &mut BodyWriter<'_>,
        left: Option<u64>,
        room: &mut [u8],
        within: Duration,
    ) -> Result<bool, ClientError> {
        let failed = |error| ClientError::because(ClientErrorKind::RequestBody, error);
        let most = left
            .map_or(room.len(), |left| usize::try_from(left).map_or(room.len(), |left| left.min(room.len())));
        let room = &mut room[..most];
        let (count, trailers) = match &mut self.rest {
            RequestRest::Kept { bytes, at, trailers } => {
                let count = bytes.get(*at..).unwrap_or_default().read(room).map_err(failed)?;
                *at += count;
                (count, if count == 0 { std::mem::take(trailers) } else { Headers::new() })
            }
            RequestRest::Client => {
                let mut body = client.body_reader();
                match body.read_within(within, room) {
                    Ok(0) => (0, self.rules.passed(body.trailers())),
                    Ok(count) => (count, Headers::new()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(error) => return Err(failed(error)),
                }
            }
        };
        if count == 0 && left.is_some() {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        if let Some(body) = self.body() {
            body.append_piece(&room[..count], &trailers);
        }
        Ok(true)
    }

    /// `None`: it has failed, which reading reports.
    fn body(&mut self) -> Option<&mut ArrivingBody> {
        self.response.body_as_sent()
    }
}

/// Gives the client a piece of the response.
fn give(client: &mut BodyWriter<'_>, piece: &[u8]) -> io::Result<()> {
    client.write_all(piece)?;
    // More of it may be long in coming.
    client.flush()
}

fn client_is_gone(error: io::Error) -> ClientError {
    ClientError::because(ClientErrorKind::Cancelled, error)
}
