//! What was found of a message, as spans into the buffer that it arrived in.
//!
//! The idea: a parser copies nothing. It says where the parts are, counted from the first unread byte of the
//! connection's [`Input`], which is passed along wherever bytes are wanted; so the same value serves whoever owns the
//! buffer, and moving the unread bytes within their buffer changes nothing.
//!
//! ```text
//! input   [ head | body, decoded | raw bytes ]
//!                 body.start      body.end = raw
//! ```
//!
//! The rule: positions are valid from the moment a session says that a message is there until it is told that the
//! message is finished. Before and after that, every part is empty.

use super::body::BodyDecoder;
use super::error::ProtoError;
use super::request_head::RequestParts;
use super::trailer;
use crate::values::headers::{Field, Fields};
use crate::wire::input::Input;
use crate::wire::output::KEPT_BYTES_MAX;
use std::ops::Range;

/// A message that was found; `H` is what its head said: [`RequestParts`] or
/// [`ResponseParts`](super::response_head::ResponseParts).
#[derive(Debug, Default)]
pub(crate) struct Received<H = RequestParts> {
    pub(crate) head: H,
    /// The header fields.
    pub(crate) fields: Vec<Field>,
    /// The trailer fields; their spans count from the front of `trailer_section`.
    pub(crate) trailers: Vec<Field>,
    pub(crate) trailer_section: Range<usize>,
    /// The part of the body that is in the input, decoded. It begins where the head ends.
    pub(crate) body: Range<usize>,
    /// What of the body is not in the input yet.
    pub(crate) rest: Rest,
    /// Where the raw bytes of `rest` begin; once there is no rest, where the message ends.
    pub(crate) raw: usize,
    /// Which message of which session this is; the default while it is none.
    pub(crate) stamp: Stamp,
}

/// What is outstanding of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    #[default]
    None,
    /// This is; `awaits_continue`: the peer waits to be asked for it.
    Missing { decoder: BodyDecoder, awaits_continue: bool },
    /// It cannot be had. Why, knows whoever read from the connection.
    Failed,
}

/// Says which message of which session a [`Received`] is. Handlers can exchange the request object that it is in; its
/// stamp goes with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) session: u64,
    pub(crate) message: u64,
}

/// Places for more fields than this many are given back by [`Received::clear`].
const KEPT_FIELDS_MAX: usize = KEPT_BYTES_MAX / size_of::<Field>();

impl<H: Copy + Default> Received<H> {
    /// Fills in what is known once the head is: what it said, where the body is, where the message ends, and which one
    /// it is.
    #[inline(always)]
    pub(crate) fn complete(&mut self, head: H, body: Range<usize>, end: usize, stamp: Stamp) {
        self.head = head;
        self.body = body;
        self.raw = end;
        self.stamp = stamp;
    }

    /// Says what of the body has not arrived. Its raw bytes follow those that are there.
    pub(crate) fn expect_rest(&mut self, decoder: BodyDecoder, awaits_continue: bool) {
        self.rest = Rest::Missing { decoder, awaits_continue };
        self.raw = self.body.end;
    }

    /// The header fields, in `input`.
    pub(crate) fn header_fields<'a>(&'a self, input: &'a Input) -> Fields<'a> {
        Fields::new(input.unread(), &self.fields)
    }

    /// The trailer fields, in `input`.
    pub(crate) fn trailer_fields<'a>(&'a self, input: &'a Input) -> Fields<'a> {
        let section = input.unread().get(self.trailer_section.clone());
        Fields::new(section.unwrap_or_default(), &self.trailers)
    }

    /// Makes the fields in `section` (positions in the input) the trailer fields.
    ///
    /// # Errors
    /// When one of them is malformed, or must not be a trailer.
    #[inline]
    pub(crate) fn parse_trailers(&mut self, input: &Input, section: Range<usize>) -> Result<(), ProtoError> {
        if section.is_empty() {
            return Ok(());
        }
        self.trailer_section = section.clone();
        trailer::parse(input.unread().get(section).unwrap_or_default(), &mut self.trailers)
    }

    /// Decodes what has arrived of the rest, behind what was decoded before.
    ///
    /// # Errors
    /// Why the raw bytes are no body; the rest has failed with it.
    pub(crate) fn decode_rest(&mut self, input: &mut Input) -> Result<(), ProtoError> {
        let Rest::Missing { decoder, .. } = &mut self.rest else { return Ok(()) };
        let arrived = match decoder.decode_in(input, self.body.end, None) {
            Ok(arrived) => arrived,
            Err(error) => {
                self.rest = Rest::Failed;
                return Err(error);
            }
        };
        self.body.end = arrived.body_end;
        let Some(trailers) = arrived.trailers else {
            self.raw = arrived.body_end;
            return Ok(());
        };
        self.raw = arrived.end;
        self.rest = Rest::None;
        self.parse_trailers(input, trailers).inspect_err(|_| self.rest = Rest::Failed)
    }

    /// Cuts what was decoded out of the buffer, so that the buffer need not grow for what is outstanding.
    pub(crate) fn drop_decoded(&mut self, input: &mut Input) {
        input.cut(self.body.start, self.body.end);
        self.body.end = self.body.start;
        self.raw = self.body.end;
    }

    /// Whether there is nothing to forget.
    #[inline]
    pub(crate) fn is_clear(&self) -> bool {
        // Whatever else there is comes with a stamp.
        self.stamp == Stamp::default() && self.fields.is_empty() && self.trailers.is_empty()
    }

    /// Forgets the message, but not memory that is worth keeping.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if !self.is_clear() {
            self.clear_all();
        }
    }

    fn clear_all(&mut self) {
        self.head = H::default();
        self.fields.clear();
        self.trailers.clear();
        if self.fields.capacity() > KEPT_FIELDS_MAX {
            self.fields = Vec::new();
        }
        self.trailer_section = 0..0;
        self.body = 0..0;
        self.rest = Rest::None;
        self.raw = 0;
        self.stamp = Stamp::default();
    }
}
