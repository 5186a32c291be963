//! A body that arrives while it is read, or that has arrived and is kept.
//!
//! The rules: the connection is given back at the moment at which the body was read to its end, and closed when the
//! body is dropped before. A body that broke off is an error, never a short body; and an error stays.

use super::conn::{Allowed, ClientSocket};
use super::error::{ClientError, ClientErrorKind};
use super::patience::{CallPatience, WaitingHere};
use super::stock::Leased;
#[cfg(feature = "ws")]
use crate::proto::CloseReason;
use crate::proto::{Limits, Rest};
use crate::values::headers::Headers;
use std::io::{self, BufRead, Read};
use std::net::SocketAddr;
use std::time::Duration;

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
    upgraded: Option<Box<Leased>>,
    /// How much of what is decoded was read.
    cursor: usize,
    /// Bytes of the body that were decoded before those that are in the connection's buffer.
    passed: u64,
    failed: Option<ClientErrorKind>,
    trailers: Headers,
    remote: SocketAddr,
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
    pub(crate) fn take_upgraded(&mut self) -> Option<Leased> {
        self.upgraded.take().map(|leased| *leased)
    }

    /// Whether trailers are here, although perhaps not all before them was read.
    pub(crate) fn has_trailers(&self) -> bool {
        let are_behind = |arriving: &Arriving| {
            let conn = &arriving.leased.conn;
            conn.is_body_here() && !conn.found.trailer_fields(&conn.input).is_empty()
        };
        !self.trailers.is_empty() || self.arriving.as_ref().is_some_and(are_behind)
    }

    /// Why nothing more is to be had of it, if that is so.
    pub(crate) fn failure(&self) -> Option<ClientErrorKind> {
        self.failed
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
    fn is_here(&self) -> bool {
        self.arriving.as_ref().is_none_or(|arriving| arriving.leased.conn.is_body_here())
    }

    fn receive(&mut self) -> Result<(), ClientError> {
        let Some(Arriving { arrival, leased }) = &mut self.arriving else { return Ok(()) };
        self.passed += leased.conn.found.body.len() as u64;
        self.cursor = 0;
        leased.conn.receive_body(&arrival.limits, &arrival.allowed)
    }

    /// The body was read to its end, if all of it is here: takes what followed it, and gives the connection back.
    fn settle(&mut self) {
        if !self.is_here() {
            return;
        }
        if let Some(Arriving { leased, .. }) = &self.arriving {
            self.trailers.copy_from(leased.conn.found.trailer_fields(&leased.conn.input));
        }
        self.end();
    }

    /// Ends the exchange: the connection goes back if all of the body has come and another request can be sent on it.
    fn end(&mut self) {
        let Some(Arriving { arrival, mut leased }) = self.arriving.take() else { return };
        let BodyArrival { patience, here, .. } = arrival;
        // Whoever calls off from here on leaves the connection alone; whoever did before has shut it down.
        drop(here);
        if !leased.conn.is_body_here() {
            return;
        }
        match leased.conn.finish() {
            _ if patience.is_cancelled() => {}
            None => leased.give_back(),
            #[cfg(feature = "ws")]
            Some(CloseReason::Upgrade) => self.upgraded = Some(Box::new(leased)),
            Some(_) => {}
        }
    }

    /// Reads what is left, if that is little and comes at once: it is less than another connection costs.
    pub(crate) fn pass_over(&mut self) {
        let Some(Arriving { arrival, leased }) = &mut self.arriving else { return };
        if matches!(leased.conn.found.rest, Rest::Missing { decoder, .. } if decoder.ends_with_the_stream()) {
            return;
        }
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
