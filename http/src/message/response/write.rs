//! A response as the bytes of a message, without a connection.
//!
//! The rule: the same function writes the head as for a connection, so the two cannot differ.

use super::Response;
use crate::proto::append_plain_response_head;
use std::io::{self, Write};

impl Response {
    /// Writes the response as it answers a `GET`, in the order of the wire, without the `Server` and the
    /// `Date` that a server adds.
    ///
    /// ```
    /// let mut response = anthill_http::Response::new();
    /// response.set_header("x-limit", "10");
    /// response.set_body("hello");
    /// let mut sent = Vec::new();
    /// response.write_to(&mut sent)?;
    /// assert_eq!(
    ///     String::from_utf8(sent).unwrap(),
    ///     "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\
    ///      Content-Length: 5\r\nX-Limit: 10\r\n\r\nhello"
    /// );
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of `out`, and `InvalidData` when the body is a stream, which can be sent but once;
    /// [`read_body`](Self::read_body) makes bytes of it.
    // HDR-08.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        if self.is_body_stream() {
            let reason = "the body is a stream; call read_body before the response is written";
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let mut head = Vec::new();
        let sends_body = append_plain_response_head(&mut head, &self.head());
        out.write_all(&head)?;
        if sends_body { out.write_all(self.body()) } else { Ok(()) }
    }
}
