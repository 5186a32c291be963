//! The response to what is not served: a request that is none, or a connection too many.

use super::{DEFAULT_TYPE_LINE, Defaults, append_length};
use crate::values::status;

/// Appends a response with `text` for its body, after which the connection ends; without its body for a HEAD.
pub(crate) fn append_refusal(
    buffer: &mut Vec<u8>,
    status: u16,
    text: &str,
    is_head: bool,
    defaults: &Defaults<'_>,
) {
    status::append_line(buffer, status, b"");
    buffer.extend_from_slice(defaults.server_line());
    buffer.extend_from_slice(defaults.date_line());
    if !text.is_empty() {
        buffer.extend_from_slice(DEFAULT_TYPE_LINE);
    }
    append_length(buffer, text.len() as u64);
    buffer.extend_from_slice(b"Connection: close\r\n\r\n");
    if !is_head {
        buffer.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ProtoError;
    use crate::proto::error::refusal_text;

    #[test]
    fn refusals_say_why() {
        let refusal = |error: ProtoError, is_head| {
            let mut sent = Vec::new();
            let status = error.status();
            append_refusal(&mut sent, status, refusal_text(status), is_head, &Defaults::none(false));
            String::from_utf8(sent).expect("a response of text")
        };
        for (error, status, text) in [
            (ProtoError::Syntax, "400 Bad Request", "Error when parsing request"),
            (ProtoError::HeadTooLarge, "431 Request Header Fields Too Large", "Too big request header"),
            (ProtoError::TooManyFields, "431 Request Header Fields Too Large", "Too big request header"),
            (ProtoError::BodyTooLarge, "413 Request Entity Too Large", "Request body too large"),
            (ProtoError::Timeout, "408 Request Timeout", "Request timeout"),
            (ProtoError::UnsupportedVersion, "505 HTTP Version Not Supported", "HTTP version not supported"),
        ] {
            let expected = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n",
                text.len()
            );
            assert_eq!(refusal(error, false), format!("{expected}{text}"));
            assert_eq!(refusal(error, true), expected);
        }
        let expected = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        assert_eq!(refusal(ProtoError::ExpectationFailed, false), expected);
    }
}
