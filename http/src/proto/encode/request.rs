//! The head of a request.
//!
//! The order on the wire is fixed: request line, `Host`, the other fields as they were added, the framing.

use super::{CHUNKED_LINE, Kind, append_field, append_length, append_trailer_names, classify, is_announced};
use crate::proto::error::ProtoError;
use crate::proto::framing::{Ending, request_out};
use crate::values::headers::Fields;
use crate::values::version::Version;

/// A request's head to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) target: &'a [u8],
    pub(crate) version: Version,
    pub(crate) host: &'a [u8],
    pub(crate) fields: Fields<'a>,
    /// How long the body is; `None`: nobody knows, so it goes in chunks.
    pub(crate) length: Option<u64>,
}

/// Appends the head of a request, with its empty line, and says how the body that is to follow ends; `None`: none
/// follows.
///
/// # Errors
/// When there is no way to say where the body ends; then nothing is appended.
pub(crate) fn append_request_head(
    buffer: &mut Vec<u8>,
    head: &RequestHead<'_>,
) -> Result<Option<Ending>, ProtoError> {
    let ending = request_out(head.method, head.version, head.length)?;
    buffer.extend_from_slice(head.method);
    buffer.push(b' ');
    buffer.extend_from_slice(head.target);
    buffer.extend_from_slice(match head.version {
        Version::Http10 => b" HTTP/1.0\r\n",
        Version::Http11 => b" HTTP/1.1\r\n",
    });
    if !head.host.is_empty() || head.version == Version::Http11 {
        append_field(buffer, b"Host", head.host);
    }
    let has_trailers = ending == Some(Ending::Chunked) && head.fields.contains("Trailer");
    for (name, value) in head.fields.pairs() {
        let is_ours = match classify(name) {
            Kind::ContentLength | Kind::TransferEncoding | Kind::Trailer => true,
            Kind::Other => {
                name.eq_ignore_ascii_case(b"host") || has_trailers && is_announced(head.fields, name)
            }
            _ => false,
        };
        if !is_ours {
            append_field(buffer, name, value);
        }
    }
    match ending {
        Some(Ending::Length(length)) => append_length(buffer, length),
        Some(Ending::Chunked) => {
            buffer.extend_from_slice(CHUNKED_LINE);
            if has_trailers {
                append_trailer_names(buffer, head.fields);
            }
        }
        Some(Ending::Close) | None => {}
    }
    buffer.extend_from_slice(b"\r\n");
    Ok(ending)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::headers::Headers;

    fn encode(method: &str, length: Option<u64>, fields: &[(&str, &str)]) -> (String, Option<Ending>) {
        let headers: Headers = fields.iter().copied().collect();
        let head = RequestHead {
            method: method.as_bytes(),
            target: b"/a",
            version: Version::Http11,
            host: b"h",
            fields: headers.fields(),
            length,
        };
        let mut sent = Vec::new();
        let ending = append_request_head(&mut sent, &head).expect("a body whose end can be marked");
        (String::from_utf8(sent).expect("a request of text").replace("\r\n", "\n"), ending)
    }

    #[test]
    fn a_body_has_a_length_or_chunks() {
        assert_eq!(encode("GET", Some(0), &[]), ("GET /a HTTP/1.1\nHost: h\n\n".to_owned(), None));
        assert_eq!(
            encode("POST", Some(0), &[]),
            ("POST /a HTTP/1.1\nHost: h\nContent-Length: 0\n\n".to_owned(), Some(Ending::Length(0)))
        );
        assert_eq!(
            encode("GET", Some(3), &[("content-length", "7"), ("x", "y")]),
            ("GET /a HTTP/1.1\nHost: h\nX: y\nContent-Length: 3\n\n".to_owned(), Some(Ending::Length(3)))
        );
        assert_eq!(
            encode("PUT", None, &[("content-length", "7"), ("transfer-encoding", "gzip")]),
            ("PUT /a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n".to_owned(), Some(Ending::Chunked))
        );
    }

    #[test]
    fn trailers_go_behind_chunks_and_nowhere_else() {
        let fields = [("trailer", "Sum, Host"), ("sum", "1"), ("host", "other"), ("y", "z")];
        assert_eq!(
            encode("PUT", None, &fields).0,
            "PUT /a HTTP/1.1\nHost: h\nY: z\nTransfer-Encoding: chunked\nTrailer: Sum\n\n"
        );
        assert_eq!(
            encode("PUT", Some(1), &fields).0,
            "PUT /a HTTP/1.1\nHost: h\nSum: 1\nY: z\nContent-Length: 1\n\n"
        );
    }

    #[test]
    fn a_body_without_an_end_is_not_begun() {
        let head = RequestHead {
            method: b"PUT",
            target: b"/",
            version: Version::Http10,
            host: b"",
            fields: Fields::new(b"", &[]),
            length: None,
        };
        let mut sent = Vec::new();
        let found = append_request_head(&mut sent, &head);
        assert_eq!((found, sent), (Err(ProtoError::TransferEncodingOnHttp10), Vec::new()));
    }
}
