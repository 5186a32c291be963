//! A server's answer to a request, without a socket: for tests.
//!
//! The idea: the request is written, served as any other connection is, and the answer read as a client reads it. So
//! nothing is left out, and nothing is there twice.

use super::Server;
use crate::message::request::Request;
use crate::message::response::Response;
use crate::proto::client::{ClientSession, ResponseProgress};
use crate::proto::received::Received;
use crate::proto::response_head::ResponseParts;
use crate::proto::{Limits, ProtoError};
use crate::serve::error::Error;
use crate::wire::input::Input;
use crate::wire::output::Output;
use parking_lot::Mutex;
use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;

/// The server's end of a connection on which all was sent that will be.
struct CalledConn {
    request: Cursor<Vec<u8>>,
    response: Arc<Mutex<Vec<u8>>>,
}

impl Read for CalledConn {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.request.read(room)
    }
}

impl Write for CalledConn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.response.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Server {
    /// Answers `request` without a socket, for tests of whole responses: limits, hooks, panics, default fields and
    /// observers are as for any client, and it is counted. The body of the response is there as bytes, whatever brought
    /// it: a file, a reader, a function. So a stream without an end never returns.
    ///
    /// A request without a host is sent to `localhost`. What the response says about its own framing
    /// (`Content-Length`, `Transfer-Encoding`) is as it was sent; trailers are behind the other fields.
    ///
    /// To test one handler without a server there is [`RequestCtx::for_request`](crate::RequestCtx::for_request).
    ///
    /// ```
    /// use anthill_http::{Request, Server};
    /// use std::io::Write;
    ///
    /// let server = Server::builder().max_request_body_size(5).build(|ctx| match ctx.path() {
    ///     "/" => ctx.response.set_body_writer(|out| out.write_all(b"written")),
    ///     _ => panic!("there is nothing else"),
    /// })?;
    /// let response = server.call(&Request::new("GET", "/")?)?;
    /// assert_eq!((response.status_code(), response.body()), (200, &b"written"[..]));
    /// assert_eq!(response.header_str("server"), Some("anthill"));
    ///
    /// assert_eq!(server.call(&Request::new("GET", "/else")?)?.status_code(), 500);
    ///
    /// let mut request = Request::new("PUT", "/")?;
    /// request.set_body("too long");
    /// assert_eq!(server.call(&request)?.status_code(), 413);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the response broke off, the request cannot be sent, or the server is shutting down.
    pub fn call(&self, request: &Request) -> Result<Response, Error> {
        let mut sent = request.clone();
        if sent.host().is_empty() {
            sent.set_host("localhost").map_err(io::Error::other)?;
        }
        let (mut session, mut input, mut head) = (ClientSession::new(0), Input::default(), Output::default());
        session.begin(&sent.head_to_send(Some(sent.body().len() as u64)), &input, &mut head)?;
        session.request_sent();
        let mut bytes = head.slices().concat();
        bytes.extend_from_slice(sent.body());
        let response = Arc::new(Mutex::new(Vec::new()));
        let served = self.serve_conn(CalledConn { request: Cursor::new(bytes), response: response.clone() });
        let received = std::mem::take(&mut *response.lock());
        input.receive(&received);
        // What is refused is an error of the connection, and answered.
        read_response(&mut session, &mut input).map_err(|error| served.err().unwrap_or(error.into()))
    }
}

fn read_response(session: &mut ClientSession, input: &mut Input) -> Result<Response, ProtoError> {
    let mut found = Received::<ResponseParts>::default();
    loop {
        match session.advance(input, &mut found, &Limits::WIDEST)? {
            ResponseProgress::Interim { .. } => {}
            ResponseProgress::Ready => break,
            ResponseProgress::NeedInput => {
                session.input_closed(input, &mut found, &Limits::WIDEST)?;
                break;
            }
        }
    }
    let mut response = Response::new();
    response.headers_mut().set_names_normalizing(false);
    response.set_status_code(found.head.status);
    response.set_reason(found.head.reason.within(input.unread()));
    for (name, value) in found.header_fields(input).iter().chain(found.trailer_fields(input).iter()) {
        response.append_header(name, value);
    }
    response.set_body(input.unread().get(found.body.clone()).unwrap_or_default());
    Ok(response)
}
