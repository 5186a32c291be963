//! A response that a handler prepares.
//!
//! The idea: status, fields and body are kept apart until the protocol core writes them, so they can be set
//! in any order and the last word counts (row `CTX-06`).
//!
//! The rule: nothing a handler puts in here can break the message framing. Length and connection handling are
//! decided when the response is written, from the body that is really there.

use crate::headers::Headers;
use crate::output::recycle;
use crate::util::token;

/// A response in preparation: status, header fields, body. Starts as an empty `200 OK`.
///
/// ```
/// let mut response = anthill_http::Response::new();
/// response.set_status(404);
/// response.set_content_type("text/plain");
/// response.set_body("nothing here");
/// assert_eq!((response.status(), response.body()), (404, &b"nothing here"[..]));
/// ```
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    reason: Vec<u8>,
    headers: Headers,
    body: Vec<u8>,
    closes: bool,
}

impl Response {
    /// An empty response with status 200.
    pub fn new() -> Self {
        Self { status: 200, reason: Vec::new(), headers: Headers::new(), body: Vec::new(), closes: false }
    }

    /// The status code that will be sent.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Sets the status code and forgets a reason that was set before.
    ///
    /// 0 means 200, as in fasthttp. Any other number that is not of three digits (below 100 or above 999)
    /// cannot be sent and is a mistake of the handler: it becomes 500.
    pub fn set_status(&mut self, status: u16) {
        self.status = match status {
            0 => 200,
            100..=999 => status,
            _ => 500,
        };
        self.reason.clear();
    }

    /// Replaces the standard reason phrase of the current status (row `HDR-11`). Control bytes become spaces;
    /// an empty reason means the standard one.
    pub fn set_reason(&mut self, reason: impl AsRef<[u8]>) {
        self.reason.clear();
        token::append_one_line(&mut self.reason, reason.as_ref());
    }

    /// The header fields set so far. Those that are added when the response is written (`Date`,
    /// `Content-Length` and so on) are not among them.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The header fields, to edit. See [`Response::set_header`] for the ones that are decided elsewhere.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.headers
    }

    /// Makes `value` the only value of the header field `name`.
    ///
    /// `Content-Length` and `Transfer-Encoding` are ignored when the response is written, because its real
    /// body decides (row `HDR-06`); only the answer to a `HEAD` request with no body may name a length.
    /// `Connection: close` has the effect of [`Response::set_close`]; of other options only `Upgrade` is
    /// sent.
    pub fn set_header(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.headers.set(name, value);
    }

    /// Adds a header field, keeping others with the same name.
    pub fn append_header(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.headers.append(name, value);
    }

    /// Sets the `Content-Type`. Without one, a response with a body is sent as `text/plain; charset=utf-8`.
    pub fn set_content_type(&mut self, content_type: impl AsRef<[u8]>) {
        self.headers.set("Content-Type", content_type);
    }

    /// Replaces the body by a copy of `body`, in memory that is used again for later responses.
    pub fn set_body(&mut self, body: impl AsRef<[u8]>) {
        self.body.clear();
        self.body.extend_from_slice(body.as_ref());
    }

    /// Replaces the body without copying. Worth it for bodies above 16 KiB; smaller ones are copied once when
    /// the response is written.
    pub fn set_body_vec(&mut self, body: Vec<u8>) {
        self.body = body;
    }

    /// Adds a copy of `part` to the end of the body.
    pub fn append_body(&mut self, part: impl AsRef<[u8]>) {
        self.body.extend_from_slice(part.as_ref());
    }

    /// The body set so far.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body, to edit.
    pub fn body_mut(&mut self) -> &mut Vec<u8> {
        &mut self.body
    }

    /// Asks for the connection to be closed after this response (row `CON-05`).
    pub fn set_close(&mut self) {
        self.closes = true;
    }

    /// Whether [`Response::set_close`] was called.
    pub fn close(&self) -> bool {
        self.closes
    }

    /// Back to an empty `200 OK`. Memory is kept for the next response up to 64 KiB per buffer.
    pub fn clear(&mut self) {
        self.status = 200;
        self.reason.clear();
        self.headers.clear();
        recycle(&mut self.body);
        self.closes = false;
    }

    /// The reason phrase that was set; empty when the standard one is to be sent.
    pub(crate) fn reason(&self) -> &[u8] {
        &self.reason
    }
}

impl Default for Response {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_of_three_digits_are_kept() {
        let mut response = Response::new();
        for (given, kept) in [(0, 200), (1, 500), (99, 500), (100, 100), (204, 204), (999, 999), (1000, 500)]
        {
            response.set_status(given);
            assert_eq!(response.status(), kept, "{given}");
        }
    }

    #[test]
    fn the_last_word_counts() {
        let mut response = Response::new();
        response.set_body("first");
        response.set_body_vec(b"second".to_vec());
        response.append_body(" and more");
        response.body_mut().push(b'!');
        assert_eq!(response.body(), b"second and more!");
        response.set_reason("Odd\r\nX: y");
        assert_eq!(response.reason(), b"Odd  X: y");
        response.set_status(404);
        assert_eq!(response.reason(), b"", "a reason belongs to the status it was set for");
    }

    #[test]
    fn clearing_leaves_nothing_behind() {
        let mut response = Response::new();
        response.set_status(500);
        response.set_reason("x");
        response.set_header("a", "b");
        response.set_body("body");
        response.set_close();
        response.clear();
        assert_eq!(response.status(), 200);
        assert_eq!(response.reason(), b"");
        assert!(response.headers().is_empty());
        assert_eq!(response.body(), b"");
        assert!(!response.close());
    }
}
