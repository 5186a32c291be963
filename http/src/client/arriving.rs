//! A body that arrives while it is read, or that has arrived and is kept.
//!
//! The rules: the connection is given back at the moment at which the body was read to its end, and closed when the
//! body is dropped before. A body that broke off is an error, never a short body; and an error stays.

use super::conn::{Allowed, ClientSocket};
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::exchange::UnsentBody;
use super::patience::{CallPatience, WaitingHere};
use super::stock::Leased;
#[cfg(feature = "ws")]
use crate::proto::CloseReason;
use crate::proto::{Limits, Rest, append_trailers};
use crate::values::headers::Headers;
use std::io::{self, BufRead, Read};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What is read at most of a body that nobody wants.
const PASSED_BYTES_MAX: u64 = 16 * 1024;

/// How long that may take.
const PASSED_OVER_WITHIN: Duration = Duration::from_millis(10);

/// The body; see the module's text.
pub(crate) struct ArrivingBody {
    /// As long as not all of it was read.
    arriving: Option<Arriving>,
    /// All of it, if it had arrived before anybody could read it.
    kept: Vec<u8>,
    /// The most bytes that it may have, if nothing of it arrives any more.
    kept_max: Option<u64>,
    /// The connection, when another protocol follows on it.
    #[cfg(feature = "ws")]
    upgraded: Option<Box<UpgradedConn>>,
    /// How much of what is decoded was read.
    cursor: usize,
    /// Bytes of the body that were decoded before those that are in the connection's buffer.
    passed: u64,
    failed: Option<ClientErrorKind>,
    trailers: Headers,
    remote: SocketAddr,
}

/// A connection on which another protocol follows.
#[cfg(feature = "ws")]
pub(crate) struct UpgradedConn {
    pub(crate) leased: Leased,
    /// How long the server may take nothing, as was said for it.
    pub(crate) write_limit: Option<Duration>,
}

/// Where a body arrives.
struct Arriving {
    // Let go first, so that nobody who calls off touches the connection of another call.
    arrival: BodyArrival,
    leased: Leased,
}

/// What the arrival of a response goes by.
pub(crate) struct BodyArrival {
    pub(crate) limits: Limits,
    /// The most bytes of a body.
    pub(crate) max: Option<u64>,
    /// The most bytes that may come out of a content coding for each one that came.
    pub(crate) ratio_max: Option<u32>,
    pub(crate) allowed: Allowed,
    pub(crate) patience: CallPatience,
    pub(crate) here: WaitingHere,
    /// What of the request is sent meanwhile.
    pub(crate) unsent: Option<UnsentBody>,
}

impl ArrivingBody {
    /// The body of the response whose head is in the connection.
    pub(crate) fn new(leased: Leased, arrival: BodyArrival) -> Self {
        let mut body = Self {
            kept: Vec::new(),
            kept_max: None,
            #[cfg(feature = "ws")]
            upgraded: None,
            cursor: 0,
            passed: 0,
            failed: None,
            trailers: Headers::new(),
            remote: leased.conn.remote,
            arriving: Some(Arriving { arrival, leased }),
        };
        // What is too large is so for whoever reads it, however much of it came with the head.
        if body.check_size().is_ok() && body.window().is_empty() {
            body.settle();
        }
        body
    }

    /// That of the response that is whole in the connection's input, and may have `max` bytes.
    pub(crate) fn whole(conn: &ClientSocket, max: Option<u64>) -> Self {
        let mut trailers = Headers::new();
        trailers.copy_from(conn.found.trailer_fields(&conn.input));
        let kept = conn.input.unread().get(conn.found.body.clone()).unwrap_or_default().to_vec();
        Self {
            arriving: None,
            kept,
            kept_max: max,
            #[cfg(feature = "ws")]
            upgraded: None,
            cursor: 0,
            passed: 0,
            failed: None,
            trailers,
            remote: conn.remote,
        }
    }

    /// The fields behind it, once it was read to its end.
    pub(crate) fn trailers(&self) -> &Headers {
        &self.trailers
    }

    /// The connection, when another protocol follows on it.
    #[cfg(feature = "ws")]
    pub(crate) fn take_upgraded(&mut self) -> Option<UpgradedConn> {
        self.upgraded.take().map(|upgraded| *upgraded)
    }

    /// The most bytes that it may have.
    pub(crate) fn max(&self) -> Option<u64> {
        self.arriving.as_ref().map_or(self.kept_max, |arriving| arriving.arrival.max)
    }

    /// Whether all of it was read.
    pub(crate) fn is_read(&self) -> bool {
        self.arriving.is_none() && self.window().is_empty()
    }

    /// How many bytes are left to read; `None`: only the server knows.
    pub(crate) fn remaining(&self) -> Option<u64> {
        let here = self.window().len() as u64;
        let Some(arriving) = &self.arriving else { return self.failed.is_none().then_some(here) };
        match &arriving.leased.conn.found.rest {
            Rest::None => Some(here),
            Rest::Missing { decoder, .. } => decoder.missing().map(|missing| missing.saturating_add(here)),
            Rest::Failed => None,
        }
    }

    /// Receives until something is in the window, or the body has ended.
    pub(crate) fn fill(&mut self) -> Result<(), ClientError> {
        while self.window().is_empty() {
            if let Some(kind) = self.failed {
                return Err(ClientError::new(kind).at(self.remote));
            }
            if self.is_here() {
                self.settle();
                return Ok(());
            }
            if let Err(error) = self.receive() {
                return Err(self.break_off(error));
            }
            self.check_size()?;
        }
        Ok(())
    }

    /// What was decoded and not read.
    pub(crate) fn window(&self) -> &[u8] {
        let Some(Arriving { leased, .. }) = &self.arriving else {
            return self.kept.get(self.cursor..).unwrap_or_default();
        };
        let body = &leased.conn.found.body;
        leased.conn.input.unread().get(body.start + self.cursor..body.end).unwrap_or_default()
    }

    /// Says that so much of the window was read.
    pub(crate) fn advance(&mut self, count: usize) {
        self.cursor += count.min(self.window().len());
        if self.window().is_empty() {
            self.settle();
        }
    }

    /// Nothing more is to be had of the connection, which is closed.
    pub(crate) fn fail(&mut self, kind: ClientErrorKind) -> ClientError {
        self.arriving = None;
        self.kept = Vec::new();
        self.failed = Some(kind);
        ClientError::new(kind).at(self.remote)
    }

    /// Requires that the body is not larger than allowed, as far as that is known.
    fn check_size(&mut self) -> Result<(), ClientError> {
        let Some(Arriving { arrival: BodyArrival { max: Some(max), .. }, leased }) = &self.arriving else {
            return Ok(());
        };
        let found = &leased.conn.found;
        let missing = match &found.rest {
            Rest::Missing { decoder, .. } => decoder.missing().unwrap_or(0),
            Rest::None | Rest::Failed => 0,
        };
        let size = self.passed.saturating_add(found.body.len() as u64).saturating_add(missing);
        if size > *max { Err(self.fail(ClientErrorKind::TooLarge)) } else { Ok(()) }
    }

    /// The connection has failed, or was ended by whoever called off.
    fn break_off(&mut self, error: ClientError) -> ClientError {
        let is_cancelled =
            self.arriving.as_ref().is_some_and(|arriving| arriving.arrival.patience.is_cancelled());
        if is_cancelled {
            return self.fail(ClientErrorKind::Cancelled);
        }
        self.fail(error.kind());
        error
    }

    /// Whether all of it has arrived, or nothing is awaited any more.
    pub(crate) fn is_here(&self) -> bool {
        self.arriving.as_ref().is_none_or(|arriving| arriving.leased.conn.is_body_here())
    }

    fn receive(&mut self) -> Result<(), ClientError> {
        let Some(Arriving { arrival, leased }) = &mut self.arriving else { return Ok(()) };
        self.passed += leased.conn.found.body.len() as u64;
        self.cursor = 0;
        leased.conn.receive_body(&arrival.limits, &arrival.allowed)?;
        self.check_end()
    }

    /// Requires that it is the server that has ended the stream, if it has ended, and not whoever has called off: that
    /// is no end of a body.
    fn check_end(&self) -> Result<(), ClientError> {
        let Some(Arriving { arrival, leased }) = &self.arriving else { return Ok(()) };
        match leased.conn.is_at_end() && arrival.patience.is_cancelled() {
            true => Err(ClientError::new(ClientErrorKind::Cancelled)),
            false => Ok(()),
        }
    }

    /// Whether all of it has come and was read, whatever is left of the request.
    pub(crate) fn is_whole(&self) -> bool {
        self.failed.is_none() && self.is_here() && self.window().is_empty()
    }

    /// The body was read to its end, if all of it is here: takes what followed it, and gives the connection back,
    /// unless something of the request is still to be sent on it.
    fn settle(&mut self) {
        if !self.is_here() {
            return;
        }
        if let Some(Arriving { leased, .. }) = &self.arriving {
            self.trailers.copy_from(leased.conn.found.trailer_fields(&leased.conn.input));
        }
        if self.unsent().is_none() {
            self.end();
        }
    }

    /// Ends the exchange: the connection goes back if all of the body has come and another request can be sent on it.
    fn end(&mut self) {
        let Some(Arriving { arrival, mut leased }) = self.arriving.take() else { return };
        let BodyArrival { patience, here, .. } = arrival;
        #[cfg(feature = "ws")]
        let write_limit = arrival.allowed.write;
        // Whoever calls off from here on leaves the connection alone; whoever did before has shut it down.
        drop(here);
        if !leased.conn.is_body_here() {
            return;
        }
        match leased.conn.finish() {
            _ if patience.is_cancelled() => {}
            None => leased.give_back(),
            #[cfg(feature = "ws")]
            Some(CloseReason::Upgrade) => {
                self.upgraded = Some(Box::new(UpgradedConn { leased, write_limit }));
            }
            Some(_) => {}
        }
    }

    /// Whether only the end of the connection says where it ends.
    pub(crate) fn ends_with_the_stream(&self) -> bool {
        let Some(Arriving { leased, .. }) = &self.arriving else { return false };
        matches!(leased.conn.found.rest, Rest::Missing { decoder, .. } if decoder.ends_with_the_stream())
    }

    /// Whether it is whole, and something stands behind it, which was found already.
    pub(crate) fn has_trailers(&self) -> bool {
        let Some(Arriving { leased, .. }) = &self.arriving else { return !self.trailers.is_empty() };
        leased.conn.is_body_here() && !leased.conn.found.trailers.is_empty()
    }

    /// Why it cannot be read, if that is known before it was.
    pub(crate) fn failure(&self) -> Option<ClientError> {
        if let Some(kind) = self.failed {
            return Some(ClientError::new(kind).at(self.remote));
        }
        let conn = &self.arriving.as_ref()?.leased.conn;
        conn.passed.broken.map(|error| conn.refused(error))
    }

    /// Reads what is left, if that is little and comes at once: it is less than another connection costs.
    pub(crate) fn pass_over(&mut self) {
        if self.ends_with_the_stream() {
            return;
        }
        let Some(Arriving { arrival, .. }) = &mut self.arriving else { return };
        arrival.allowed.until = arrival.allowed.until.or_after(Some(PASSED_OVER_WITHIN));
        let mut left = PASSED_BYTES_MAX;
        while !self.is_read() && self.remaining().is_none_or(|remaining| remaining <= left) {
            if self.fill().is_err() {
                return;
            }
            let count = self.window().len();
            left = left.saturating_sub(count as u64);
            self.advance(count);
            if left == 0 {
                return;
            }
        }
    }
}

/// Sending what is left of the request meanwhile.
impl ArrivingBody {
    /// What is left to be sent; `None`: nothing is, or can be.
    pub(crate) fn unsent(&self) -> Option<UnsentBody> {
        self.arriving.as_ref()?.arrival.unsent
    }

    /// Takes what has come, without waiting. False: nothing has, or there was something before.
    pub(crate) fn fill_now(&mut self) -> Result<bool, ClientError> {
        if let Some(kind) = self.failed {
            return Err(ClientError::new(kind).at(self.remote));
        }
        if !self.window().is_empty() || self.is_here() {
            return Ok(false);
        }
        let Some(Arriving { arrival, leased }) = &mut self.arriving else { return Ok(false) };
        if arrival.allowed.until.is_over() {
            let late = leased.conn.late(ClientPhase::Body);
            return Err(self.break_off(late));
        }
        self.passed += leased.conn.found.body.len() as u64;
        self.cursor = 0;
        let has_come =
            leased.conn.receive_body_now(&arrival.limits).map_err(|error| self.break_off(error))?;
        self.check_end().map_err(|error| self.break_off(error))?;
        if let Some(Arriving { arrival: BodyArrival { unsent: Some(unsent), .. }, .. }) = &mut self.arriving {
            unsent.heard = if has_come { Some(Instant::now()) } else { unsent.heard };
        }
        self.check_size()?;
        if self.window().is_empty() {
            self.settle();
        }
        Ok(has_come)
    }

    /// Sends what is in the output of the request, without waiting. True: that was all of it.
    pub(crate) fn send_now(&mut self) -> Result<bool, ClientError> {
        let Some(Arriving { arrival: BodyArrival { unsent: Some(unsent), allowed, .. }, leased }) =
            &mut self.arriving
        else {
            return Ok(true);
        };
        loop {
            match leased.conn.write_some() {
                Ok(true) => unsent.stalled = None,
                Ok(false) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let stalled = *unsent.stalled.get_or_insert_with(Instant::now);
                    // While it takes nothing its silence is its own: it waits for nothing of ours.
                    let silent = unsent.heard.map_or(stalled, |heard| heard.max(stalled));
                    let is_over = |since: Instant, limit: Option<Duration>| {
                        limit.is_some_and(|limit| since.elapsed() >= limit)
                    };
                    return match (is_over(stalled, allowed.write), is_over(silent, allowed.read)) {
                        (true, _) => Err(leased.conn.late(ClientPhase::Send)),
                        (_, true) if !leased.conn.is_body_here() => Err(leased.conn.late(ClientPhase::Body)),
                        _ => Ok(false),
                    };
                }
                Err(error) => return Err(leased.conn.lost(error)),
            }
        }
    }

    /// Puts the next piece of the request's body into its output; an empty one is its end, with these behind it.
    pub(crate) fn append_piece(&mut self, piece: &[u8], trailers: &Headers) {
        let Some(Arriving { arrival: BodyArrival { unsent: Some(unsent), .. }, leased }) = &mut self.arriving
        else {
            return;
        };
        if unsent.is_end(piece) {
            let mut lines = Vec::new();
            append_trailers(&mut lines, trailers.fields());
            unsent.append_end(&mut leased.conn.out, &lines);
        } else {
            unsent.append(&mut leased.conn.out, piece);
        }
    }

    /// Waits for so long at most for something to come, and, if something `is_sending`, for room for that.
    pub(crate) fn wait_for_either(&mut self, is_sending: bool, limit: Duration) -> Result<(), ClientError> {
        let Some(Arriving { leased, .. }) = &self.arriving else { return Ok(()) };
        leased.conn.wait_for_either(is_sending, limit).map_err(|error| self.break_off(error))
    }

    /// All of the request has left.
    pub(crate) fn request_sent(&mut self) {
        if let Some(Arriving { leased, .. }) = &mut self.arriving {
            leased.conn.session.request_sent();
        }
        self.stop_sending();
    }

    /// No more of the request is sent.
    pub(crate) fn stop_sending(&mut self) {
        if let Some(Arriving { arrival, .. }) = &mut self.arriving {
            arrival.unsent = None;
        }
        if self.window().is_empty() {
            self.settle();
        }
    }
}

impl Drop for ArrivingBody {
    fn drop(&mut self) {
        self.end();
    }
}

impl Read for ArrivingBody {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for ArrivingBody {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.fill()?;
        Ok(self.window())
    }

    fn consume(&mut self, count: usize) {
        self.advance(count);
    }
}
