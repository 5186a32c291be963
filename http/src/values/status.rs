//! Status lines: the known codes, their reason phrases, and the bytes of their lines.
//!
//! The idea: the line of a known status is one constant, so writing it is one copy.
//!
//! Source: the IANA registry as fasthttp knows it (61 codes).

/// The status line that nearly all responses have.
pub(crate) const OK_LINE: &[u8] = b"HTTP/1.1 200 OK\r\n";

/// The reason phrase of an unknown code, as in fasthttp.
pub(crate) const UNKNOWN_REASON: &str = "Unknown Status Code";

macro_rules! known_statuses {
    ($($code:literal $reason:literal,)*) => {
        /// The complete status line of a known code, with its line end.
        pub(crate) fn known_line(status: u16) -> Option<&'static [u8]> {
            Some(match status {
                $($code => concat!("HTTP/1.1 ", $code, " ", $reason, "\r\n").as_bytes(),)*
                _ => return None,
            })
        }

        #[cfg(test)]
        const KNOWN: &[(u16, &str)] = &[$(($code, $reason),)*];
    };
}

known_statuses! {
    100 "Continue",
    101 "Switching Protocols",
    102 "Processing",
    103 "Early Hints",
    200 "OK",
    201 "Created",
    202 "Accepted",
    203 "Non-Authoritative Information",
    204 "No Content",
    205 "Reset Content",
    206 "Partial Content",
    207 "Multi-Status",
    208 "Already Reported",
    226 "IM Used",
    300 "Multiple Choices",
    301 "Moved Permanently",
    302 "Found",
    303 "See Other",
    304 "Not Modified",
    305 "Use Proxy",
    307 "Temporary Redirect",
    308 "Permanent Redirect",
    400 "Bad Request",
    401 "Unauthorized",
    402 "Payment Required",
    403 "Forbidden",
    404 "Not Found",
    405 "Method Not Allowed",
    406 "Not Acceptable",
    407 "Proxy Authentication Required",
    408 "Request Timeout",
    409 "Conflict",
    410 "Gone",
    411 "Length Required",
    412 "Precondition Failed",
    413 "Request Entity Too Large",
    414 "Request URI Too Long",
    415 "Unsupported Media Type",
    416 "Requested Range Not Satisfiable",
    417 "Expectation Failed",
    418 "I'm a teapot",
    421 "Misdirected Request",
    422 "Unprocessable Entity",
    423 "Locked",
    424 "Failed Dependency",
    426 "Upgrade Required",
    428 "Precondition Required",
    429 "Too Many Requests",
    431 "Request Header Fields Too Large",
    451 "Unavailable For Legal Reasons",
    500 "Internal Server Error",
    501 "Not Implemented",
    502 "Bad Gateway",
    503 "Service Unavailable",
    504 "Gateway Timeout",
    505 "HTTP Version Not Supported",
    506 "Variant Also Negotiates",
    507 "Insufficient Storage",
    508 "Loop Detected",
    510 "Not Extended",
    511 "Network Authentication Required",
}

/// What is answered where there is nothing of that name (fasthttp's text).
pub(crate) const NOT_FOUND_TEXT: &str = "404 Page not found";

/// What is answered where there is something, for other methods.
pub(crate) const METHOD_NOT_ALLOWED_TEXT: &str = "405 Method not allowed";

/// Whether `text` says more than `status` does.
pub(crate) fn is_telling(status: u16, text: &str) -> bool {
    !text.is_empty() && ![reason(status), NOT_FOUND_TEXT, METHOD_NOT_ALLOWED_TEXT].contains(&text)
}

/// The standard reason phrase of `status`.
pub(crate) fn reason(status: u16) -> &'static str {
    let phrase = known_line(status).and_then(|line| line.get(PREFIX_LENGTH..line.len() - "\r\n".len()));
    phrase.and_then(|phrase| std::str::from_utf8(phrase).ok()).unwrap_or(UNKNOWN_REASON)
}

/// Appends the status line of `status`, with `reason` in place of the standard phrase unless that is empty.
///
/// `status` has three digits; [`Response::set_status_code`](crate::Response::set_status_code) sees to that.
#[inline]
pub(crate) fn append_line(out: &mut Vec<u8>, status: u16, reason: &[u8]) {
    match known_line(status) {
        Some(line) if reason.is_empty() => out.extend_from_slice(line),
        Some(line) => append_with_reason(out, &line[..PREFIX_LENGTH], reason),
        None => {
            let mut prefix = *b"HTTP/1.1 000 ";
            for (digit, place) in prefix[9..12].iter_mut().zip([100, 10, 1]) {
                *digit = b'0' + (status / place % 10) as u8;
            }
            let reason = if reason.is_empty() { UNKNOWN_REASON.as_bytes() } else { reason };
            append_with_reason(out, &prefix, reason);
        }
    }
}

const PREFIX_LENGTH: usize = "HTTP/1.1 200 ".len();

#[cold]
fn append_with_reason(out: &mut Vec<u8>, prefix: &[u8], reason: &[u8]) {
    out.extend_from_slice(prefix);
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(status: u16, reason: &str) -> String {
        let mut out = Vec::new();
        append_line(&mut out, status, reason.as_bytes());
        String::from_utf8(out).expect("status lines are text")
    }

    #[test]
    fn known_codes_have_their_phrase() {
        assert_eq!(KNOWN.len(), 61);
        assert_eq!(known_line(200), Some(OK_LINE));
        for (status, reason) in KNOWN {
            assert_eq!(line(*status, ""), format!("HTTP/1.1 {status} {reason}\r\n"));
            assert_eq!(super::reason(*status), *reason);
        }
    }

    #[test]
    fn other_codes_and_phrases() {
        assert_eq!(line(512, ""), "HTTP/1.1 512 Unknown Status Code\r\n");
        assert_eq!(line(999, ""), "HTTP/1.1 999 Unknown Status Code\r\n");
        assert_eq!(line(456, "Foo"), "HTTP/1.1 456 Foo\r\n");
        assert_eq!(line(200, "Fine"), "HTTP/1.1 200 Fine\r\n");
    }
}
