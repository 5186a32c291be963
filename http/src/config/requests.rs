//! How large requests may be, and when their handlers begin.

use crate::config::error::{BuildError, at_least_one};
use crate::config::options::ServerBuilder;
use crate::proto::{FIELDS_CEILING, HEAD_BYTES_CEILING, Limits};

const SMALLEST_READ_BUFFER: usize = 256;
/// More than anybody keeps of a body that is to be streamed.
const READ_AHEAD_CEILING: usize = 1 << 30;

/// Requests.
impl ServerBuilder {
    /// Size of the buffer that requests are read into, in bytes, and the limit of a request's line and header fields
    /// together; 16 KiB when not set. Larger heads are answered 431, or 414 or 501 when the first line alone is too
    /// long. From 256 bytes to 16 MiB.
    // LIM-04.
    pub fn read_buffer_size(mut self, bytes: usize) -> Self {
        self.limits.head_bytes_max = bytes;
        self
    }

    /// How many header fields a request may have, 128 when not set; more are answered 431. From 1 to 65536.
    ///
    /// Each head with more than 128 fields costs one allocation while it is read.
    ///
    /// ```
    /// let server = anthill_http::Server::builder().max_header_fields(32).build(|ctx| ctx.set_body("few"))?;
    /// # let _ = server;
    /// # Ok::<(), anthill_http::BuildError>(())
    /// ```
    pub fn max_header_fields(mut self, fields: usize) -> Self {
        self.limits.fields_max = fields;
        self
    }

    /// The largest request body, in bytes, 4 MiB when not set. Larger ones are answered 413, by `Content-Length` before
    /// anything of the body is read. With `None` bodies of any size are kept in memory. At least 1; for paths that take
    /// no body there is [`RequestConfig::max_request_body_size`](crate::RequestConfig::max_request_body_size), which
    /// may be zero.
    // LIM-05, LIM-06, LIM-07.
    #[doc(alias = "unlimited_request_body_size")]
    pub fn max_request_body_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.limits.body_bytes_max = bytes.into();
        self
    }

    /// Says whether handlers are called when the body of their request has not arrived as a whole, to read the rest as
    /// it comes ([`body_reader`](crate::RequestCtx::body_reader)) or to wait for it
    /// ([`read_body`](crate::RequestCtx::read_body)); no when not set.
    ///
    /// A first part ([`body_read_ahead`](Self::body_read_ahead)) is received before that, without a thread.
    ///
    /// [`max_request_body_size`](Self::max_request_body_size) then bounds what `read_body` collects, not what a reader
    /// may read. A client that sends nothing for as long as [`read_timeout`](Self::read_timeout), or less than
    /// [`min_body_rate`](Self::min_body_rate) asks for, ends the reading with an error. What a handler leaves unread is
    /// thrown away, up to 256 KiB; a connection with more than that is closed.
    // STR-02, STR-04.
    pub fn stream_request_body(mut self, streams: bool) -> Self {
        self.limits.streams_bodies = streams;
        self
    }

    /// How much of a streamed body is received before the handler is called, in bytes; 64 KiB when not set. With `None`
    /// (or zero) the handler is called at the head. At most 1 GiB. So much of each may be in memory, whatever
    /// [`max_request_body_size`](Self::max_request_body_size) says, and what came with the head is there in any case.
    /// [`RequestCtx::body`](crate::RequestCtx::body) has it.
    ///
    /// A handler that waits for its client occupies a thread, of which there are only so many
    /// ([`max_streaming_workers`](Self::max_streaming_workers)); one whose body is there does not. Nobody waits longer
    /// than 25 ms for this part: a client that sends less may be waiting for an answer before it goes on. One that
    /// waits to be asked for its body (`Expect: 100-continue`) is asked when the handler reads.
    pub fn body_read_ahead(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.read_ahead = bytes.into().unwrap_or(0);
        self
    }

    /// Says whether everything but GET and HEAD is answered 405 and its connection closed; no when not set.
    // SRV-14.
    pub fn get_only(mut self, only: bool) -> Self {
        self.get_only = only;
        self
    }

    pub(super) fn check_requests(&self) -> Result<(), BuildError> {
        let Limits { head_bytes_max, fields_max, body_bytes_max, .. } = self.limits;
        if body_bytes_max == Some(0) {
            let problem =
                "must be at least 1, or None for no limit; to refuse bodies, let header_received do so";
            return Err(BuildError::new("max_request_body_size", problem));
        }
        at_least_one("max_header_fields", fields_max)?;
        if fields_max > FIELDS_CEILING {
            let problem = format!("of {fields_max} is too high; choose at most {FIELDS_CEILING}");
            return Err(BuildError::new("max_header_fields", problem));
        }
        if self.read_ahead > READ_AHEAD_CEILING {
            let problem = format!(
                "of {} bytes is no part of a body; choose at most {READ_AHEAD_CEILING}",
                self.read_ahead
            );
            return Err(BuildError::new("body_read_ahead", problem));
        }
        if !(SMALLEST_READ_BUFFER..=HEAD_BYTES_CEILING).contains(&head_bytes_max) {
            let problem = format!(
                "of {head_bytes_max} bytes is out of bounds; choose {SMALLEST_READ_BUFFER} to {HEAD_BYTES_CEILING}"
            );
            return Err(BuildError::new("read_buffer_size", problem));
        }
        Ok(())
    }
}
