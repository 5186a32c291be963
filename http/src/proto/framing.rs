//! The single place that decides how long a body is: of requests and of responses, received and sent.
//!
//! The idea: every smuggling attack makes two parsers disagree about where a message ends. So the decision is taken
//! once, from all the facts that bear on it, and whatever could be read in two ways is an error. [`request_in`] and
//! [`response_in`] are the eight rules of RFC 9112 section 6.3 for what was received; [`request_out`] and
//! [`response_out`] keep to them in what is sent.
//!
//! The rule: nothing outside this file looks at `Content-Length` or `Transfer-Encoding` to find the end of a
//! body.

use super::close::CloseReason;
use super::error::ProtoError;
use crate::values::version::Version;

/// How the end of a received body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body; the next byte belongs to the next message.
    None,
    /// Exactly so many bytes, at least one.
    Length(u64),
    /// Chunks, up to the one of size zero and the trailers behind it.
    Chunked,
    /// Whatever comes before the peer ends the connection. Only responses can end so.
    UntilClose,
}

/// How the end of a body that is sent is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// So many bytes are left of the announced length.
    Length(u64),
    Chunked,
    /// By the end of the connection. Only responses can end so.
    Close,
}

/// The fields of a head that bear on its framing, collected one by one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FramingFields {
    content_length: Option<u64>,
    is_chunked: bool,
}

impl FramingFields {
    /// Takes note of a `Content-Length` field.
    ///
    /// Rule 5 allows a list of equal values to be read as one; like fasthttp we refuse even that, because what
    /// produces it is broken already.
    // PAR-12.
    pub(crate) fn content_length(&mut self, value: &[u8]) -> Result<(), ProtoError> {
        if self.content_length.is_some() {
            return Err(ProtoError::DuplicateContentLength);
        }
        self.content_length = Some(parse_content_length(value)?);
        Ok(())
    }

    /// Takes note of a `Transfer-Encoding` field.
    pub(crate) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), ProtoError> {
        // No list, no second line, no other coding: we could not decode it anyway (`PAR-13`). So the half of rule 4
        // that lets a response whose last coding is another one last until the connection ends never applies.
        if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(ProtoError::BadTransferEncoding);
        }
        self.is_chunked = true;
        Ok(())
    }

    /// Refuses what an HTTP/1.0 message cannot say. Section 6.1: "A server or client that receives an HTTP/1.0 message
    /// containing a Transfer-Encoding header field MUST treat the message as if the framing is faulty".
    // PAR-14.
    #[inline]
    fn check(self, version: Version) -> Result<(), ProtoError> {
        if self.is_chunked && version != Version::Http11 {
            return Err(ProtoError::TransferEncodingOnHttp10);
        }
        Ok(())
    }

    /// Rules 3 to 6, which requests and responses have in common. `None`: the fields do not say where the body ends.
    #[inline]
    fn announced(self) -> Option<(Framing, Option<CloseReason>)> {
        match (self.is_chunked, self.content_length) {
            // 3. "If a message is received with both a Transfer-Encoding and a Content-Length header field,
            //    the Transfer-Encoding overrides the Content-Length." And in section 6.1: "Regardless, the
            //    server MUST close the connection after responding to such a request to avoid the potential
            //    attacks" (`PAR-15`).
            (true, Some(_)) => Some((Framing::Chunked, Some(CloseReason::AmbiguousLength))),
            // 4. "If a Transfer-Encoding header field is present and the chunked transfer coding [...] is the
            //    final encoding, the message body length is determined by reading and decoding the chunked
            //    data until the transfer coding indicates the data is complete." Anything else than chunked
            //    was refused above.
            (true, None) => Some((Framing::Chunked, None)),
            // 5. An invalid Content-Length was refused above.
            // 6. "If a valid Content-Length header field is present without Transfer-Encoding, its decimal
            //    value defines the expected message body length in octets."
            (false, Some(0)) => Some((Framing::None, None)),
            (false, Some(length)) => Some((Framing::Length(length), None)),
            (false, None) => None,
        }
    }

    /// Whether the fields announce a body of at least one byte.
    fn announces_body(self) -> bool {
        self.is_chunked || self.content_length.is_some_and(|length| length > 0)
    }
}

/// The framing of a received request, and why the connection has to end after it. The numbers are those of the rules in
/// RFC 9112 section 6.3; 1, 2 and 8 speak of responses.
///
/// # Errors
/// When the fields can be read in two ways.
#[inline]
pub(crate) fn request_in(
    fields: FramingFields,
    version: Version,
) -> Result<(Framing, Option<CloseReason>), ProtoError> {
    fields.check(version)?;
    // 7. "If this is a request message and none of the above are true, then the message body length is zero"
    //    (`BDY-03`).
    Ok(fields.announced().unwrap_or((Framing::None, None)))
}

/// The framing of a received response with `status` to a request with `method`, and why the connection cannot be used
/// for another request after it. The numbers are those of the rules in RFC 9112 section 6.3; 7 speaks of requests.
///
/// # Errors
/// When the fields can be read in two ways.
pub(crate) fn response_in(
    fields: FramingFields,
    version: Version,
    status: u16,
    method: &[u8],
) -> Result<(Framing, Option<CloseReason>), ProtoError> {
    fields.check(version)?;
    let ambiguous = |is_ambiguous: bool| is_ambiguous.then_some(CloseReason::AmbiguousLength);
    let both = fields.is_chunked && fields.content_length.is_some();
    Ok(match status {
        // 2. "Any 2xx (Successful) response to a CONNECT request implies that the connection will become a tunnel
        //    immediately after the empty line that concludes the header fields. A client MUST ignore any Content-Length
        //    or Transfer-Encoding header fields received in such a message."
        200..=299 if method == b"CONNECT" => (Framing::None, Some(CloseReason::Upgrade)),
        // RFC 9110 section 15.2.2: another protocol begins behind the empty line.
        101 => (Framing::None, Some(CloseReason::Upgrade)),
        // 1. "Any response to a HEAD request and any response with a 1xx (Informational), 204 (No Content), or 304 (Not
        //    Modified) status code is always terminated by the first empty line after the header fields, regardless of
        //    the header fields present in the message". A 1xx or a 204 must not announce a body (section 6.1, RFC 9110
        //    section 8.6); whoever does may send it.
        100..=199 | 204 => (Framing::None, ambiguous(fields.announces_body())),
        304 => (Framing::None, ambiguous(both)),
        _ if method == b"HEAD" => (Framing::None, ambiguous(both)),
        // 8. "Otherwise, this is a response message without a declared message body length, so the message body length
        //    is determined by the number of octets received prior to the server closing the connection."
        _ => fields.announced().unwrap_or((Framing::UntilClose, Some(CloseReason::CloseDelimited))),
    })
}

/// What a response sends after its head, and what its head says about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseFraming {
    /// How the body that is sent ends; `None`: none is sent.
    pub(crate) ending: Option<Ending>,
    /// Whether a body of zero bytes takes the place of the one that was set.
    pub(crate) forces_empty: bool,
    /// Whether the length is announced.
    pub(crate) announces_length: bool,
    /// Whether chunks are announced.
    pub(crate) chunked: bool,
    /// Why nothing can follow on the connection, if that lies in the framing.
    pub(crate) close: Option<CloseReason>,
}

/// Decides what a response with `status` and a body of `length` bytes (`None`: nobody knows) sends to a request with
/// `method` and `version`.
pub(crate) fn response_out(
    method: &[u8],
    version: Version,
    status: u16,
    length: Option<u64>,
) -> ResponseFraming {
    let none = ResponseFraming {
        ending: None,
        forces_empty: true,
        announces_length: false,
        chunked: false,
        close: None,
    };
    // RFC 9112 section 6.3: a length if there is one; chunks to those who know them; else up to the end (`RSP-05`,
    // `RSP-06`).
    let whole = match length {
        Some(length) => ResponseFraming {
            ending: Some(Ending::Length(length)),
            forces_empty: false,
            announces_length: true,
            ..none
        },
        None if version == Version::Http11 => {
            ResponseFraming { ending: Some(Ending::Chunked), forces_empty: false, chunked: true, ..none }
        }
        None => ResponseFraming {
            ending: Some(Ending::Close),
            forces_empty: false,
            close: Some(CloseReason::CloseDelimited),
            ..none
        },
    };
    match status {
        // RFC 9110 section 9.3.6: after a 2xx to CONNECT the connection is a tunnel and has no message
        // framing.
        200..=299 if method == b"CONNECT" => ResponseFraming { close: Some(CloseReason::Upgrade), ..none },
        // RFC 9110 section 8.6: no Content-Length in 1xx and 204. A 304 may have one, but only that of the
        // 200 that was not sent, which nobody knows here (`RSP-03`).
        204 | 304 => none,
        // RFC 9110 section 15.2: a 1xx is not the answer, another one has to follow, and after a 101 there is no
        // more HTTP. A handler's response is all there is, so whatever came next would be taken for the wrong
        // request's.
        100..=199 => ResponseFraming { close: Some(CloseReason::Upgrade), ..none },
        // RFC 9110 section 15.3.6: a 205 has no content, which has to be said with a length of zero.
        205 => ResponseFraming { announces_length: true, ..none },
        // RFC 9110 section 9.3.2: the header fields of the GET, without the content (`RSP-02`).
        _ if method == b"HEAD" => ResponseFraming { ending: None, close: None, ..whole },
        _ => whole,
    }
}

/// Decides how a request with `method` and `version` sends a body of `length` bytes (`None`: nobody knows, so chunks).
/// `Ok(None)`: it sends none and says nothing about it.
///
/// # Errors
/// [`ProtoError::TransferEncodingOnHttp10`] for a body of unknown length in a request of HTTP/1.0, whose end could not
/// be marked: a request cannot end with the connection.
pub(crate) fn request_out(
    method: &[u8],
    version: Version,
    length: Option<u64>,
) -> Result<Option<Ending>, ProtoError> {
    match length {
        // RFC 9110 section 8.6: a length when there is content, or when the method leads one to expect some.
        Some(0) if !matches!(method, b"POST" | b"PUT" | b"PATCH") => Ok(None),
        Some(length) => Ok(Some(Ending::Length(length))),
        // RFC 9112 section 6.1: "A client MUST NOT send a request containing Transfer-Encoding unless it knows the
        // server will handle HTTP/1.1 requests (or later minor revisions)".
        None if version == Version::Http11 => Ok(Some(Ending::Chunked)),
        None => Err(ProtoError::TransferEncodingOnHttp10),
    }
}

/// The value of a `Content-Length` field: digits only, below 2^63.
// PAR-11.
pub(crate) fn parse_content_length(value: &[u8]) -> Result<u64, ProtoError> {
    let digits = |length: u64, &byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit).filter(|&length| length <= i64::MAX as u64)
    };
    let length = if value.is_empty() { None } else { value.iter().try_fold(0, digits) };
    length.ok_or(ProtoError::BadContentLength)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_length_syntax() {
        for (value, length) in [("0", 0), ("5", 5), ("005", 5), ("9223372036854775807", i64::MAX as u64)] {
            assert_eq!(parse_content_length(value.as_bytes()), Ok(length), "{value:?}");
        }
        for value in [
            "",
            "+5",
            "-1",
            "5,5",
            "5 5",
            "0x5",
            "9223372036854775808",
            "25000000000000000000",
            " 5",
            "5.0",
            "٥",
        ] {
            assert_eq!(
                parse_content_length(value.as_bytes()),
                Err(ProtoError::BadContentLength),
                "{value:?}"
            );
        }
    }

    fn fields(lengths: &[&str], encodings: &[&str]) -> Result<FramingFields, ProtoError> {
        let mut fields = FramingFields::default();
        for length in lengths {
            fields.content_length(length.as_bytes())?;
        }
        for encoding in encodings {
            fields.transfer_encoding(encoding.as_bytes())?;
        }
        Ok(fields)
    }

    #[test]
    fn request_framing() {
        use CloseReason::AmbiguousLength;
        use ProtoError::*;
        use Version::*;
        for (version, lengths, encodings, expected) in [
            (Http11, &[][..], &[][..], Ok((Framing::None, None))),
            (Http10, &["7"], &[], Ok((Framing::Length(7), None))),
            (Http11, &["0"], &[], Ok((Framing::None, None))),
            (Http11, &[], &["ChunKED"], Ok((Framing::Chunked, None))),
            (Http11, &["7"], &["chunked"], Ok((Framing::Chunked, Some(AmbiguousLength)))),
            (Http11, &["7", "7"], &[], Err(DuplicateContentLength)),
            (Http11, &["7", "8"], &["chunked"], Err(DuplicateContentLength)),
            (Http11, &["x"], &["chunked"], Err(BadContentLength)),
            (Http11, &[], &["chunked", "chunked"], Err(BadTransferEncoding)),
            (Http11, &[], &["gzip, chunked"], Err(BadTransferEncoding)),
            (Http11, &[], &["chunked, gzip"], Err(BadTransferEncoding)),
            (Http11, &[], &["identity"], Err(BadTransferEncoding)),
            (Http11, &[], &["chunked;q=1"], Err(BadTransferEncoding)),
            (Http11, &[], &[""], Err(BadTransferEncoding)),
            (Http10, &[], &["chunked"], Err(TransferEncodingOnHttp10)),
            (Http10, &["7"], &["chunked"], Err(TransferEncodingOnHttp10)),
        ] {
            let found = fields(lengths, encodings).and_then(|fields| request_in(fields, version));
            assert_eq!(found, expected, "{version:?} {lengths:?} {encodings:?}");
        }
    }

    #[test]
    fn received_responses() {
        use CloseReason::{AmbiguousLength, CloseDelimited, Upgrade};
        use Version::*;
        let until_close = (Framing::UntilClose, Some(CloseDelimited));
        for (method, version, status, lengths, encodings, expected) in [
            ("GET", Http11, 200, &["7"][..], &[][..], (Framing::Length(7), None)),
            ("GET", Http11, 200, &["0"], &[], (Framing::None, None)),
            ("GET", Http11, 200, &[], &["chunked"], (Framing::Chunked, None)),
            ("GET", Http11, 200, &["7"], &["chunked"], (Framing::Chunked, Some(AmbiguousLength))),
            ("GET", Http11, 200, &[], &[], until_close),
            ("GET", Http10, 200, &[], &[], until_close),
            ("POST", Http11, 205, &[], &[], until_close),
            ("CONNECT", Http11, 404, &[], &[], until_close),
            ("HEAD", Http11, 200, &["7"], &[], (Framing::None, None)),
            ("HEAD", Http11, 404, &[], &["chunked"], (Framing::None, None)),
            ("HEAD", Http11, 200, &["7"], &["chunked"], (Framing::None, Some(AmbiguousLength))),
            ("GET", Http11, 304, &["7"], &[], (Framing::None, None)),
            ("GET", Http11, 304, &[], &["chunked"], (Framing::None, None)),
            ("GET", Http11, 304, &["7"], &["chunked"], (Framing::None, Some(AmbiguousLength))),
            ("GET", Http11, 204, &[], &[], (Framing::None, None)),
            ("GET", Http11, 204, &["0"], &[], (Framing::None, None)),
            ("GET", Http11, 204, &["7"], &[], (Framing::None, Some(AmbiguousLength))),
            ("GET", Http11, 204, &[], &["chunked"], (Framing::None, Some(AmbiguousLength))),
            ("GET", Http11, 100, &[], &[], (Framing::None, None)),
            ("GET", Http11, 103, &["7"], &[], (Framing::None, Some(AmbiguousLength))),
            ("GET", Http11, 101, &["7"], &[], (Framing::None, Some(Upgrade))),
            ("CONNECT", Http11, 200, &["7"], &["chunked"], (Framing::None, Some(Upgrade))),
            ("CONNECT", Http11, 204, &[], &[], (Framing::None, Some(Upgrade))),
            ("CONNECT", Http11, 407, &["7"], &[], (Framing::Length(7), None)),
        ] {
            let fields = fields(lengths, encodings).expect("fields without a mistake");
            let found = response_in(fields, version, status, method.as_bytes());
            assert_eq!(found, Ok(expected), "{method} {version:?} {status} {lengths:?} {encodings:?}");
        }
        for status in [200, 204, 304] {
            let fields = fields(&[], &["chunked"]).expect("fields without a mistake");
            let found = response_in(fields, Http10, status, b"GET");
            assert_eq!(found, Err(ProtoError::TransferEncodingOnHttp10), "{status}");
        }
    }

    #[test]
    fn responses_without_a_body() {
        let framing =
            |method: &str, status, length| response_out(method.as_bytes(), Version::Http11, status, length);
        for status in [100, 101, 199, 204, 304] {
            for length in [Some(5), None] {
                let framing = framing("GET", status, length);
                let sends_body = framing.ending.is_some();
                assert!(!sends_body && !framing.announces_length && framing.forces_empty, "{status}");
                assert!(!framing.chunked, "{status}");
                let ends_http = (status < 200).then_some(CloseReason::Upgrade);
                assert_eq!(framing.close, ends_http, "{status}");
            }
        }
        let reset = framing("GET", 205, None);
        assert!(reset.ending.is_none() && reset.announces_length && reset.forces_empty && !reset.chunked);
        let head = framing("HEAD", 200, Some(0));
        assert!(head.ending.is_none() && head.announces_length && !head.forces_empty);
        assert_eq!(framing("GET", 200, Some(0)).ending, Some(Ending::Length(0)));
        assert_eq!(framing("CONNECT", 200, Some(0)).close, Some(CloseReason::Upgrade));
        assert_eq!(framing("CONNECT", 204, Some(0)).close, Some(CloseReason::Upgrade));
        assert_eq!(framing("CONNECT", 404, Some(0)).close, None);
    }

    #[test]
    fn responses_of_unknown_length() {
        let framing = |method: &str, version| {
            let found = response_out(method.as_bytes(), version, 200, None);
            (found.ending, found.announces_length, found.chunked, found.close)
        };
        let close = Some(CloseReason::CloseDelimited);
        assert_eq!(framing("GET", Version::Http11), (Some(Ending::Chunked), false, true, None));
        assert_eq!(framing("GET", Version::Http10), (Some(Ending::Close), false, false, close));
        assert_eq!(framing("HEAD", Version::Http11), (None, false, true, None));
        assert_eq!(framing("HEAD", Version::Http10), (None, false, false, None));
    }

    #[test]
    fn sent_requests() {
        use Version::{Http10, Http11};
        for (method, version, length, expected) in [
            ("GET", Http11, Some(0), Ok(None)),
            ("GET", Http10, Some(3), Ok(Some(Ending::Length(3)))),
            ("POST", Http11, Some(0), Ok(Some(Ending::Length(0)))),
            ("PUT", Http11, None, Ok(Some(Ending::Chunked))),
            ("GET", Http11, None, Ok(Some(Ending::Chunked))),
            ("PUT", Http10, None, Err(ProtoError::TransferEncodingOnHttp10)),
        ] {
            assert_eq!(request_out(method.as_bytes(), version, length), expected, "{method} {version:?}");
        }
    }
}
