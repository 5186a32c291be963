//! What a connection of a test sends, and in which pieces.

use super::{SHOWN_BYTES_MAX, TestConn};
use crate::testing::failing::fail;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Sending.
impl TestConn {
    /// Sends these bytes. What a server that has closed the connection does not take is lost, as on a socket.
    ///
    /// # Panics
    /// When the server takes nothing in time.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.sent.extend_from_slice(bytes);
        let surplus = self.sent.len().saturating_sub(SHOWN_BYTES_MAX);
        self.sent.drain(..surplus);
        match (&self.stream).write_all(bytes) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.fail(format_args!("the server takes nothing: {error}"))
            }
            _ => self,
        }
    }

    /// Sends these bytes in pieces of these sizes, the last of which is that of all others: `[1]` is byte by byte. Each
    /// is sent when the server has read the one before, and has nothing more to do about it.
    ///
    /// A size of 0 sends nothing, and is passed over.
    ///
    /// ```
    /// use anthill_http::testing::TestServer;
    ///
    /// let server = TestServer::new(|ctx| ctx.set_body("whole"));
    /// let request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    /// // Torn into two at each place.
    /// for place in 1..request.len() {
    ///     let mut conn = server.connect();
    ///     conn.send_torn(request, [place, request.len()]);
    ///     conn.read_response().assert_text("whole");
    /// }
    /// ```
    ///
    /// # Panics
    /// When the server takes nothing in time, or all sizes are 0.
    #[track_caller]
    pub fn send_torn(
        &mut self,
        bytes: impl AsRef<[u8]>,
        sizes: impl IntoIterator<Item = usize>,
    ) -> &mut Self {
        self.send_pieces(bytes.as_ref(), sizes, |_| {})
    }

    /// Sends these bytes in pieces of `size`, and moves the server's [clock](crate::testing::TestServer::clock) ahead
    /// by `every` behind each: a client that trickles, whatever time that takes it, in no time.
    ///
    /// # Panics
    /// When the server has no clock for tests or takes nothing in time, or `size` is 0.
    #[track_caller]
    pub fn send_slowly(&mut self, bytes: impl AsRef<[u8]>, size: usize, every: Duration) -> &mut Self {
        let Some(watch) = self.line.watch.clone() else {
            fail(format_args!("the server has no clock for tests; give it one by ServerBuilder::clock"))
        };
        self.send_pieces(bytes.as_ref(), [size], |_| watch.clock.advance(every))
    }

    #[track_caller]
    fn send_pieces(
        &mut self,
        mut bytes: &[u8],
        sizes: impl IntoIterator<Item = usize>,
        behind_each: impl Fn(&Self),
    ) -> &mut Self {
        let mut sizes = sizes.into_iter().filter(|size| *size > 0);
        let mut size = None;
        while !bytes.is_empty() {
            size = sizes.next().or(size);
            let Some(size) = size else { fail(format_args!("there is no size of pieces that is not 0")) };
            let (piece, rest) = bytes.split_at(size.min(bytes.len()));
            self.send(piece);
            if !self.stream.wait_taken(Instant::now() + self.waits_for) {
                self.fail(format_args!("the server reads nothing for {:?}", self.waits_for));
            }
            self.line.settle();
            behind_each(self);
            bytes = rest;
        }
        self
    }
}
