//! How a response is sent: its head by the session, and behind it a body that is there.
//!
//! The rule: the length that the head announces is that of the body which is really there, whatever the handler said.

use super::Response;
use crate::message::request::Request;
use crate::proto::{Defaults, Ending, Reply, ResponseHead, ServerSession};
use crate::wire::output::Output;

impl Response {
    /// Appends the head of the response to `request`, with the body if that is plain bytes, and says what else is to
    /// follow and why the connection ends, if it does; see [`ServerSession::respond`]. A big body is moved out of the
    /// response.
    pub(crate) fn respond(
        &mut self,
        session: &mut ServerSession,
        request: &Request,
        out: &mut Output,
        defaults: &Defaults<'_>,
        close: bool,
    ) -> Reply {
        self.copy_small_body();
        let reply = session.respond(request.found(), &self.head(), out, defaults, close);
        self.move_body_to(out, reply.ending);
        reply
    }

    /// Appends the body if it is in the buffer and is to be sent.
    #[inline]
    fn move_body_to(&mut self, out: &mut Output, ending: Option<Ending>) {
        if ending.is_some() {
            if let Some(body) = self.buffered_body() {
                out.append_body_vec(body);
            }
        }
    }

    /// What the head of the response is made of.
    pub(super) fn head(&self) -> ResponseHead<'_> {
        ResponseHead {
            status: self.status_code(),
            reason: self.reason(),
            fields: self.headers(),
            length: self.content_length(),
            may_read_on: self.has_writer(),
            reads_on_bodiless: self.writes_bodiless(),
            is_passed_on: self.is_passed_on,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::DefaultFields;
    use crate::proto::encode::{ConnectionField, append_response_head};
    use crate::proto::framing::response_out;
    use crate::values::version::Version;
    use crate::wire::output::MOVED_BODY_BYTES_MIN;

    const BARE: Defaults<'static> = Defaults::none(true);

    fn encode(method: &str, defaults: &Defaults<'_>, prepare: impl FnOnce(&mut Response)) -> String {
        let mut prepared = Response::new();
        prepare(&mut prepared);
        let connection = ConnectionField { upgrade: true, ..ConnectionField::default() };
        prepared.copy_small_body();
        let (status, length) = (prepared.status_code(), prepared.content_length());
        let framing = response_out(method.as_bytes(), Version::Http11, status, length);
        let mut out = Output::default();
        append_response_head(out.buffer_mut(), &prepared.head(), framing, connection, defaults);
        prepared.move_body_to(&mut out, framing.ending);
        String::from_utf8(out.to_vec()).expect("a response of text")
    }

    fn check(prepare: impl FnOnce(&mut Response), expected: &str) {
        assert_eq!(encode("GET", &BARE, prepare), expected.replace('\n', "\r\n"));
    }

    #[test]
    fn a_body_has_a_length_and_a_type() {
        check(|_| {}, "HTTP/1.1 200 OK\nContent-Length: 0\n\n");
        check(
            |response| response.set_body("hello"),
            "HTTP/1.1 200 OK\nContent-Type: text/plain; charset=utf-8\nContent-Length: 5\n\nhello",
        );
        check(
            |response| response.set_content_type("text/html"),
            "HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 0\n\n",
        );
        let untyped = Defaults::none(false);
        let sent = encode("GET", &untyped, |response| response.set_body("hello"));
        assert_eq!(sent, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    }

    #[test]
    fn server_and_date_are_defaults() {
        let mut fields = DefaultFields::new(Some(b"anthill"), true, true);
        let defaults = fields.at(784_111_777);
        assert_eq!(
            encode("GET", &defaults, |_| {}),
            "HTTP/1.1 200 OK\r\nServer: anthill\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let own = encode("GET", &defaults, |response| {
            response.set_header("date", "today");
            response.set_header("server", "mine");
        });
        assert_eq!(own, "HTTP/1.1 200 OK\r\nServer: mine\r\nDate: today\r\nContent-Length: 0\r\n\r\n");
    }

    #[test]
    fn fields_come_in_a_fixed_order() {
        check(
            |response| {
                response.append_header("set-cookie", "a=b");
                response.append_header("x-one", "1");
                response.set_header("content-encoding", "gzip");
                response.append_header("set-cookie", "c=d");
                response.append_header("x-one", "2");
                response.set_content_type("a/b");
            },
            "HTTP/1.1 200 OK\nContent-Type: a/b\nContent-Encoding: gzip\nContent-Length: 0\n\
             X-One: 1\nX-One: 2\nSet-Cookie: a=b\nSet-Cookie: c=d\n\n",
        );
    }

    #[test]
    fn framing_cannot_be_forged() {
        check(
            |response| {
                response.set_header("content-length", "99");
                response.set_header("transfer-encoding", "chunked");
                response.set_header("connection", "keep-alive, Content-Length");
                response.set_header("x", "y\r\nContent-Length: 3");
                response.set_reason("OK\r\nContent-Length: 3");
            },
            "HTTP/1.1 200 OK  Content-Length: 3\nContent-Length: 0\nX: y  Content-Length: 3\n\n",
        );
    }

    #[test]
    fn connection_wishes_are_understood() {
        check(
            |response| response.set_header("connection", "TE, Close"),
            "HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close\n\n",
        );
        check(
            |response| {
                response.set_status_code(101);
                response.set_header("connection", "upgrade");
                response.set_header("upgrade", "websocket");
            },
            "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\n\n",
        );
    }

    #[test]
    fn some_statuses_have_no_body() {
        for status in [100, 204, 304] {
            let sent = encode("GET", &BARE, |response| {
                response.set_status_code(status);
                response.set_body("body");
            });
            assert!(sent.starts_with(&format!("HTTP/1.1 {status} ")), "{sent}");
            assert!(sent.ends_with("\r\n\r\n"), "{sent}");
            assert_eq!(sent.lines().count(), 2, "no other field: {sent}");
        }
        check(
            |response| {
                response.set_status_code(205);
                response.set_body("body");
            },
            "HTTP/1.1 205 Reset Content\nContent-Length: 0\n\n",
        );
        check(
            |response| {
                response.set_status_code(304);
                response.set_content_type("a/b");
            },
            "HTTP/1.1 304 Not Modified\nContent-Type: a/b\n\n",
        );
    }

    #[test]
    fn head_has_the_fields_of_get() {
        let prepare = |response: &mut Response| response.set_body("twenty-four bytes, sure.");
        let get = encode("GET", &BARE, prepare);
        let head = encode("HEAD", &BARE, prepare);
        assert_eq!(get.strip_suffix("twenty-four bytes, sure."), Some(head.as_str()));
        assert!(head.contains("Content-Length: 24\r\n"));

        let named = encode("HEAD", &BARE, |response| response.set_header("content-length", "1000"));
        assert!(named.contains("Content-Length: 1000\r\n"));
        let forged = encode("HEAD", &BARE, |response| response.set_header("content-length", "1 2"));
        assert!(forged.contains("Content-Length: 0\r\n"));
    }

    #[test]
    fn a_big_body_is_sent_whole() {
        let body = "b".repeat(MOVED_BODY_BYTES_MIN + 1);
        let sent = encode("GET", &BARE, |response| response.set_body(&body));
        assert!(sent.ends_with(&format!("Content-Length: {}\r\n\r\n{body}", body.len())));
    }
}
