//! The head of a request.
//!
//! The order on the wire is fixed: request line, `Host`, defaults of what is not among the fields, the other fields as
//! they were added, the expectation, the framing.

use super::{CHUNKED_LINE, append_field, append_length, append_trailer_names, is_announced};
use crate::proto::error::ProtoError;
use crate::proto::framing::{Ending, request_out};
use crate::values::headers::{FieldKind, Fields};
use crate::values::version::Version;

/// The one expectation that there is (RFC 9110 section 10.1.1).
const CONTINUE_EXPECTED: &[u8] = b"100-continue";

/// Whether a value of `Expect` asks for an interim response before the body.
pub(crate) fn is_continue(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(CONTINUE_EXPECTED)
}

/// A request's head to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) target: &'a [u8],
    pub(crate) version: Version,
    pub(crate) host: &'a [u8],
    /// Fields that there are if `fields` has none of the name.
    pub(crate) defaults: Fields<'a>,
    pub(crate) fields: Fields<'a>,
    /// Whether the server is to ask for the body. It is not when there is none (RFC 9110 section 10.1.1).
    pub(crate) expects_continue: bool,
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
    for (name, value) in head.defaults.iter().filter(|(name, _)| !head.fields.contains(name)) {
        append_field(buffer, name.as_bytes(), value);
    }
    let expects = head.expects_continue && !matches!(ending, None | Some(Ending::Length(0)));
    let has_trailers = ending == Some(Ending::Chunked) && head.fields.contains("Trailer");
    for (name, value) in head.fields.pairs() {
        let is_ours = match FieldKind::of(name) {
            FieldKind::ContentLength | FieldKind::TransferEncoding | FieldKind::Trailer => true,
            FieldKind::Other => {
                name.eq_ignore_ascii_case(b"host")
                    || !expects && name.eq_ignore_ascii_case(b"expect") && is_continue(value)
                    || has_trailers && is_announced(head.fields, name)
            }
            _ => false,
        };
        if !is_ours {
            append_field(buffer, name, value);
        }
    }
    if expects && !head.fields.get_all("Expect").any(is_continue) {
        append_field(buffer, b"Expect", CONTINUE_EXPECTED);
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
            defaults: Fields::new(b"", &[]),
            fields: headers.fields(),
            expects_continue: false,
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
    fn what_the_client_says_of_itself_and_what_it_expects() {
        let sent = |agent: Option<&str>, expects_continue, length, fields: &[(&str, &str)]| {
            let headers: Headers = fields.iter().copied().collect();
            let defaults: Headers = agent.map(|agent| ("User-Agent", agent)).into_iter().collect();
            let head = RequestHead {
                method: b"PUT",
                target: b"/",
                version: Version::Http11,
                host: b"h",
                defaults: defaults.fields(),
                fields: headers.fields(),
                expects_continue,
                length: Some(length),
            };
            let mut sent = Vec::new();
            append_request_head(&mut sent, &head).expect("a length");
            let sent = String::from_utf8(sent).expect("a request of text").replace("\r\n", "\n");
            sent.trim_start_matches("PUT / HTTP/1.1\nHost: h\n").to_owned()
        };
        assert_eq!(sent(Some("ant"), false, 0, &[]), "User-Agent: ant\nContent-Length: 0\n\n");
        assert_eq!(
            sent(Some("ant"), false, 0, &[("user-agent", "x")]),
            "User-Agent: x\nContent-Length: 0\n\n"
        );
        assert_eq!(sent(None, true, 1, &[("a", "b")]), "A: b\nExpect: 100-continue\nContent-Length: 1\n\n");
        let own = [("expect", "100-Continue"), ("expect", "other")];
        assert_eq!(sent(None, true, 0, &own), "Expect: other\nContent-Length: 0\n\n", "there is no body");
        assert_eq!(sent(None, false, 1, &own), "Expect: other\nContent-Length: 1\n\n");
        let both = "Expect: 100-Continue\nExpect: other\nContent-Length: 1\n\n";
        assert_eq!(sent(None, true, 1, &own), both);
    }

    #[test]
    fn a_body_without_an_end_is_not_begun() {
        let head = RequestHead {
            method: b"PUT",
            target: b"/",
            version: Version::Http10,
            host: b"",
            defaults: Fields::new(b"", &[]),
            fields: Fields::new(b"", &[]),
            expects_continue: false,
            length: None,
        };
        let mut sent = Vec::new();
        let found = append_request_head(&mut sent, &head);
        assert_eq!((found, sent), (Err(ProtoError::TransferEncodingOnHttp10), Vec::new()));
    }
}
