//! The single place that decides how long a body is, for requests and for responses.
//!
//! The idea: every request smuggling attack makes two parsers disagree about where a message ends. So the
//! decision is taken once, from all the fields that bear on it, and whatever could be read in two ways is an
//! error.
//!
//! The rule: nothing outside this file looks at `Content-Length` or `Transfer-Encoding` to find the end of a
//! body.

use super::error::ProtoError;
use crate::values::version::Version;

/// How the end of a request's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is no body; the next byte belongs to the next request.
    None,
    /// Exactly so many bytes, at least one.
    Length(u64),
    /// Chunks, up to the one of size zero and the trailers behind it.
    Chunked,
}

/// The fields of a request head that bear on its framing, collected one by one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FramingFields {
    content_length: Option<u64>,
    is_chunked: bool,
}

impl FramingFields {
    /// Takes note of a `Content-Length` field.
    ///
    /// RFC 9112 section 6.3 rule 5 allows a list of equal values to be read as one; like fasthttp we refuse
    /// even that (`PAR-12`), because what produces it is broken already.
    pub(crate) fn content_length(&mut self, value: &[u8]) -> Result<(), ProtoError> {
        if self.content_length.is_some() {
            return Err(ProtoError::DuplicateContentLength);
        }
        self.content_length = Some(parse_content_length(value)?);
        Ok(())
    }

    /// Takes note of a `Transfer-Encoding` field.
    pub(crate) fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), ProtoError> {
        // No list, no second line, no other coding: we could not decode it anyway (`PAR-13`).
        if self.is_chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(ProtoError::BadTransferEncoding);
        }
        self.is_chunked = true;
        Ok(())
    }

    /// The framing of the request, and whether the connection has to end after it.
    ///
    /// The numbers are those of the rules in RFC 9112 section 6.3; 1 and 2 speak of responses.
    pub(crate) fn decide(&self, version: Version) -> Result<(Framing, bool), ProtoError> {
        // Section 6.1: "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding
        // header field MUST treat the message as if the framing is faulty" (`PAR-14`).
        if self.is_chunked && version != Version::Http11 {
            return Err(ProtoError::TransferEncodingOnHttp10);
        }
        match (self.is_chunked, self.content_length) {
            // 3. "If a message is received with both a Transfer-Encoding and a Content-Length header field,
            //    the Transfer-Encoding overrides the Content-Length." And in section 6.1: "Regardless, the
            //    server MUST close the connection after responding to such a request to avoid the potential
            //    attacks" (`PAR-15`).
            (true, Some(_)) => Ok((Framing::Chunked, true)),
            // 4. "If a Transfer-Encoding header field is present and the chunked transfer coding [...] is the
            //    final encoding, the message body length is determined by reading and decoding the chunked
            //    data until the transfer coding indicates the data is complete." Anything else than chunked
            //    was refused above.
            (true, None) => Ok((Framing::Chunked, false)),
            // 5. An invalid Content-Length was refused above.
            // 6. "If a valid Content-Length header field is present without Transfer-Encoding, its decimal
            //    value defines the expected message body length in octets."
            (false, Some(0)) => Ok((Framing::None, false)),
            (false, Some(length)) => Ok((Framing::Length(length), false)),
            // 7. "If this is a request message and none of the above are true, then the message body length
            //    is zero" (`BDY-03`). 8 speaks of responses.
            (false, None) => Ok((Framing::None, false)),
        }
    }
}

/// What a response sends after its head, and what its head says about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResponseFraming {
    /// Whether the body is sent.
    pub(crate) sends_body: bool,
    /// Whether a body of zero bytes takes the place of the one that was set.
    pub(crate) forces_empty: bool,
    /// Whether the length is announced.
    pub(crate) announces_length: bool,
    /// Whether the body is sent in chunks.
    pub(crate) chunked: bool,
    /// Whether the end of the connection marks the end of the body.
    pub(crate) closes: bool,
    /// Whether the client will take whatever follows for something that is not HTTP.
    pub(crate) ends_http: bool,
}

/// Decides what a response with `status` and a body of `size` bytes (`None`: nobody knows) sends to a request with
/// `method` and `version`.
pub(crate) fn response_framing(
    method: &[u8],
    version: Version,
    status: u16,
    size: Option<u64>,
) -> ResponseFraming {
    let none = ResponseFraming {
        sends_body: false,
        forces_empty: true,
        announces_length: false,
        chunked: false,
        closes: false,
        ends_http: false,
    };
    // RFC 9112 section 6.3: a length if there is one; chunks to those who know them; else up to the end (`RSP-05`,
    // `RSP-06`).
    let chunked = size.is_none() && version == Version::Http11;
    let whole = ResponseFraming {
        sends_body: true,
        forces_empty: false,
        announces_length: size.is_some(),
        chunked,
        closes: size.is_none() && !chunked,
        ends_http: false,
    };
    match status {
        // RFC 9110 section 8.6: no Content-Length in 1xx and 204. A 304 may have one, but only that of the
        // 200 that was not sent, which nobody knows here (`RSP-03`).
        204 | 304 => none,
        // RFC 9110 section 15.2: a 1xx is not the answer, another one has to follow, and after a 101 there is no
        // more HTTP. A handler's response is all there is, so whatever came next would be taken for the wrong
        // request's.
        100..=199 => ResponseFraming { ends_http: true, ..none },
        // RFC 9110 section 15.3.6: a 205 has no content, which has to be said with a length of zero.
        205 => ResponseFraming { announces_length: true, ..none },
        // RFC 9110 section 9.3.6: after a 2xx to CONNECT the connection is a tunnel and has no message
        // framing.
        200..=299 if method == b"CONNECT" => ResponseFraming { ends_http: true, ..none },
        // RFC 9110 section 9.3.2: the header fields of the GET, without the content (`RSP-02`).
        _ if method == b"HEAD" => ResponseFraming { sends_body: false, closes: false, ..whole },
        _ => whole,
    }
}

/// The value of a `Content-Length` field: digits only, below 2^63 (`PAR-11`).
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

    fn decide(version: Version, lengths: &[&str], encodings: &[&str]) -> Result<(Framing, bool), ProtoError> {
        let mut fields = FramingFields::default();
        for length in lengths {
            fields.content_length(length.as_bytes())?;
        }
        for encoding in encodings {
            fields.transfer_encoding(encoding.as_bytes())?;
        }
        fields.decide(version)
    }

    #[test]
    fn request_framing() {
        use ProtoError::*;
        use Version::*;
        for (version, lengths, encodings, expected) in [
            (Http11, &[][..], &[][..], Ok((Framing::None, false))),
            (Http10, &["7"], &[], Ok((Framing::Length(7), false))),
            (Http11, &["0"], &[], Ok((Framing::None, false))),
            (Http11, &[], &["ChunKED"], Ok((Framing::Chunked, false))),
            (Http11, &["7"], &["chunked"], Ok((Framing::Chunked, true))),
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
            assert_eq!(
                decide(version, lengths, encodings),
                expected,
                "{version:?} {lengths:?} {encodings:?}"
            );
        }
    }

    #[test]
    fn responses_without_a_body() {
        let framing =
            |method: &str, status, size| response_framing(method.as_bytes(), Version::Http11, status, size);
        for status in [100, 101, 199, 204, 304] {
            for size in [Some(5), None] {
                let framing = framing("GET", status, size);
                assert!(!framing.sends_body && !framing.announces_length && framing.forces_empty, "{status}");
                assert!(!framing.chunked && !framing.closes, "{status}");
            }
        }
        let reset = framing("GET", 205, None);
        assert!(!reset.sends_body && reset.announces_length && reset.forces_empty && !reset.chunked);
        let head = framing("HEAD", 200, Some(0));
        assert!(!head.sends_body && head.announces_length && !head.forces_empty);
        assert!(framing("GET", 200, Some(0)).sends_body);
        assert!(framing("CONNECT", 200, Some(0)).ends_http);
        assert!(!framing("CONNECT", 404, Some(0)).ends_http);
    }

    #[test]
    fn responses_of_unknown_size() {
        let framing = |method: &str, version| {
            let found = response_framing(method.as_bytes(), version, 200, None);
            (found.sends_body, found.announces_length, found.chunked, found.closes)
        };
        assert_eq!(framing("GET", Version::Http11), (true, false, true, false));
        assert_eq!(framing("GET", Version::Http10), (true, false, false, true));
        assert_eq!(framing("HEAD", Version::Http11), (false, false, true, false));
        assert_eq!(framing("HEAD", Version::Http10), (false, false, false, false));
    }
}
