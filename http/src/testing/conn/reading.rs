//! What a connection of a test reads: responses, bytes, the end.

use super::{SHOWN_BYTES_MAX, TestConn};
use crate::message::request::Request;
use crate::proto::Limits;
use crate::proto::client::{ClientSession, ResponseProgress};
use crate::proto::received::Received;
use crate::proto::response_head::ResponseParts;
use crate::testing::exchange::{SeenHead, printable};
use crate::testing::failing::fail;
use crate::testing::response::{SentRequest, TestResponse};
use crate::values::headers::Headers;
use crate::wire::input::Input;
use crate::wire::output::Output;

/// Reading.
impl TestConn {
    /// Reads a response to a request that is not HEAD; interim ones (1xx, but for 101) are passed over. What comes
    /// behind it stays, for the next.
    ///
    /// # Panics
    /// When there is none in time, or what comes is none.
    #[track_caller]
    pub fn read_response(&mut self) -> TestResponse {
        self.read_response_to("GET")
    }

    /// Reads a response to a request with that method: to HEAD it has no body, and behind 2xx to CONNECT another
    /// protocol begins.
    ///
    /// # Panics
    /// As [`read_response`](Self::read_response); and when it is no method.
    #[track_caller]
    pub fn read_response_to(&mut self, method: &str) -> TestResponse {
        let target = if method == "CONNECT" { "h:1" } else { "/" };
        let mut session = ClientSession::new(0);
        let begun = Request::new(method, target).map_err(|error| error.to_string()).and_then(|request| {
            let head = request.head_to_send(Some(0));
            let begun = session.begin(&head, &Input::default(), &mut Output::default());
            begun.map_err(|error| error.to_string())
        });
        if let Err(error) = begun {
            fail(format_args!("{method} cannot be asked: {error}"));
        }
        session.request_sent();
        let mut found = Received::<ResponseParts>::default();
        loop {
            match session.advance(&mut self.input, &mut found, &Limits::WIDEST) {
                Ok(ResponseProgress::Interim { .. }) => continue,
                Ok(ResponseProgress::Ready) => break,
                Ok(ResponseProgress::NeedInput) => {}
                Err(error) => self.fail(format_args!("what comes is no response: {error}")),
            }
            match self.receive() {
                Ok(0) => match session.input_closed(&mut self.input, &mut found, &Limits::WIDEST) {
                    Ok(_) => break,
                    Err(error) => self.fail(format_args!("there is no whole response: {error}")),
                },
                Ok(_) => {}
                Err(error) => self.fail(format_args!("there is no whole response: {error}")),
            }
        }
        let response = self.response(&found);
        session.finish(&mut self.input, &mut found);
        response
    }

    fn response(&self, found: &Received<ResponseParts>) -> TestResponse {
        let mut headers = Headers::new();
        headers.set_names_normalizing(false);
        headers.copy_from(found.header_fields(&self.input));
        let head = SeenHead {
            version: found.head.version,
            status: found.head.status,
            reason: found.head.reason.within(self.input.unread()).to_vec(),
            headers,
        };
        let body = self.input.unread().get(found.body.clone()).unwrap_or_default().to_vec();
        let mut trailers = Headers::new();
        trailers.copy_from(found.trailer_fields(&self.input));
        let sent = SentRequest {
            shown: Some(self.shown()),
            line: Some(self.line.clone()),
            ..SentRequest::nothing()
        };
        TestResponse::whole(sent, head, Ok(body)).with_trailers(trailers)
    }

    /// Reads as far as these bytes, and gives what came up to their end; for interim responses, and what is no HTTP.
    ///
    /// # Panics
    /// When they do not come in time.
    #[track_caller]
    pub fn read_until(&mut self, end: impl AsRef<[u8]>) -> Vec<u8> {
        let end = end.as_ref();
        loop {
            let unread = self.input.unread();
            if let Some(at) = memchr::memmem::find(unread, end) {
                let read = unread[..at + end.len()].to_vec();
                self.input.consume(read.len());
                return read;
            }
            if !matches!(self.receive(), Ok(1..)) {
                let wanted = printable(end);
                self.fail(format_args!("{wanted:?} does not come"));
            }
        }
    }

    /// Reads until the server closes the connection.
    ///
    /// # Panics
    /// When it does not in time.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        loop {
            match self.receive() {
                Ok(0) => {
                    let read = self.input.unread().to_vec();
                    self.input.clear();
                    return read;
                }
                Ok(_) => {}
                Err(error) => self.fail(format_args!("the server does not close the connection: {error}")),
            }
        }
    }

    /// The server closes the connection, and nothing comes before that which was not read.
    ///
    /// # Panics
    /// When it does not in time, or something comes.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        let left = self.read_to_end();
        if !left.is_empty() {
            let (count, shown) = (left.len(), printable(&left[..left.len().min(SHOWN_BYTES_MAX)]));
            self.fail(format_args!("expected the end of the connection, found {count} bytes: {shown}"));
        }
    }
}
