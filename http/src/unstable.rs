//! Not part of the public API (feature `unstable`): the client's half of the protocol core, for the tests that drive it
//! from outside until a client does. It may change or go in any release.

use crate::message::request::Request;
use crate::proto::client::{ClientSession, ResponseProgress};
use crate::proto::limits::{HeadDecision, Limits};
use crate::proto::received::{Received, Rest};
use crate::proto::response_head::ResponseParts;
use crate::proto::{Ending, ProtoError};
use crate::values::headers::Fields;
use crate::values::version::Version;
use crate::wire::input::Input;
use crate::wire::output::Output;

/// A client's end of a connection, without the connection: bytes go in and out by hand.
#[derive(Debug)]
pub struct ClientConn {
    session: ClientSession,
    input: Input,
    found: Received<ResponseParts>,
    limits: Limits,
}

/// What a client's end found in its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientProgress {
    /// Not enough yet.
    NeedInput,
    /// An interim response, until the next call.
    Interim,
    /// The head of the final response, and as much of its body as has arrived.
    Response,
}

/// What a client's end allows a server.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Bytes of a head.
    pub head_bytes: usize,
    /// Header fields.
    pub fields: usize,
    /// Bytes of a body, unless it streams.
    pub body_bytes: Option<u64>,
    /// Whether a response is there as soon as its head is.
    pub streams: bool,
}

impl Default for ClientLimits {
    fn default() -> Self {
        let Limits { head_bytes_max, fields_max, body_bytes_max, streams_bodies, .. } = Limits::DEFAULT;
        Self {
            head_bytes: head_bytes_max,
            fields: fields_max,
            body_bytes: body_bytes_max,
            streams: streams_bodies,
        }
    }
}

impl ClientConn {
    /// A fresh connection.
    pub fn new(limits: ClientLimits) -> Self {
        let limits = Limits {
            head_bytes_max: limits.head_bytes,
            fields_max: limits.fields,
            body_bytes_max: limits.body_bytes,
            streams_bodies: limits.streams,
            head_decision: HeadDecision::Never,
        };
        Self { session: ClientSession::new(1), input: Input::default(), found: Received::default(), limits }
    }

    /// Begins an exchange, and returns the head of the request. A `length` of `None` announces chunks.
    ///
    /// # Errors
    /// When the connection cannot be used, or the body cannot be framed.
    pub fn begin(&mut self, request: &Request, length: Option<u64>) -> Result<Vec<u8>, ProtoError> {
        let mut out = Output::default();
        let ending = self.session.begin(&request.head_to_send(length), &self.input, &mut out)?;
        if matches!(ending, None | Some(Ending::Length(0))) {
            // There is only the head, which whoever asks for it sends whole.
            self.session.request_sent();
        }
        Ok(out.slices().concat())
    }

    /// Says that the body of the request was sent.
    pub fn request_sent(&mut self) {
        self.session.request_sent();
    }

    /// Takes bytes from the server. What streams is decoded.
    ///
    /// # Errors
    /// When they are no part of the body that is under way.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), ProtoError> {
        self.input.receive(bytes);
        self.found.decode_rest(&mut self.input)
    }

    /// Looks for the response.
    ///
    /// # Errors
    /// Why there is none.
    pub fn advance(&mut self) -> Result<ClientProgress, ProtoError> {
        let progress = self.session.advance(&mut self.input, &mut self.found, &self.limits)?;
        self.found.decode_rest(&mut self.input)?;
        Ok(ClientProgress::from(progress))
    }

    /// The server has ended its side.
    ///
    /// # Errors
    /// When something is missing.
    pub fn input_closed(&mut self) -> Result<ClientProgress, ProtoError> {
        self.session.input_closed(&mut self.input, &mut self.found, &self.limits).map(ClientProgress::from)
    }

    /// Ends the exchange. Says why there can be no other one on the connection.
    pub fn finish(&mut self) -> Option<String> {
        self.session.finish(&mut self.input, &mut self.found).map(|reason| format!("{reason:?}"))
    }

    /// The status of the response that is there.
    pub fn status(&self) -> u16 {
        self.found.head.status
    }

    /// Its reason phrase.
    pub fn reason(&self) -> &[u8] {
        self.found.head.reason.within(self.input.unread())
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.found.head.version
    }

    /// Its header fields.
    pub fn headers(&self) -> Fields<'_> {
        self.found.header_fields(&self.input)
    }

    /// Its trailer fields.
    pub fn trailers(&self) -> Fields<'_> {
        self.found.trailer_fields(&self.input)
    }

    /// As much of its body as is there.
    pub fn body(&self) -> &[u8] {
        self.input.unread().get(self.found.body.clone()).unwrap_or_default()
    }

    /// Drops as much of its body as is there, while more is to come.
    pub fn drop_body(&mut self) {
        self.found.drop_decoded(&mut self.input);
    }

    /// Whether all of its body is there.
    pub fn is_body_complete(&self) -> bool {
        self.found.rest == Rest::None
    }

    /// What was received and not used.
    pub fn unread(&self) -> &[u8] {
        self.input.unread()
    }
}

impl From<ResponseProgress> for ClientProgress {
    fn from(progress: ResponseProgress) -> Self {
        match progress {
            ResponseProgress::NeedInput => Self::NeedInput,
            ResponseProgress::Interim { .. } => Self::Interim,
            ResponseProgress::Ready => Self::Response,
        }
    }
}
