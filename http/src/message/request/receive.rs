//! How a request is received: the session finds it in the connection's buffer, and the request is made readable.
//!
//! The idea: the protocol core knows bytes and spans ([`Received`](crate::proto::Received)). What a request has
//! besides, the normal form of its path, what was changed, how far the body was read, begins and ends here with what
//! was found.

use super::{KeptForm, Request};
use crate::proto::{CloseReason, Defaults, Limits, Progress, ProtoError, ServerSession, Stamp, salvage};
use crate::util::path;
use crate::wire::output::{KEPT_BYTES_MAX, Output};

/// Receiving.
impl Request {
    /// Parses the request at the front of `bytes`, with the default limits, and says how many bytes it takes up.
    /// `None`: it is not complete.
    ///
    /// ```
    /// let bytes = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b";
    /// let (request, length) = anthill_http::Request::parse(bytes)?.expect("a complete request");
    /// assert_eq!((request.path(), &bytes[length..]), ("/a", &b"GET /b"[..]));
    /// # Ok::<(), anthill_http::ProtoError>(())
    /// ```
    ///
    /// # Errors
    /// Why the bytes are no request, as a server would judge them.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtoError> {
        let mut request = Self::empty();
        request.input.receive(bytes);
        let progress =
            request.advance(&mut ServerSession::new(0), &mut Output::default(), &Limits::default())?;
        let length = bytes.len() - request.input.unread().len() + request.found.raw;
        Ok((progress == Progress::Ready).then_some((request, length)))
    }

    /// Lets `session` look for a request in the input; see [`ServerSession::advance`].
    ///
    /// # Errors
    /// As from the session.
    #[inline]
    pub(crate) fn advance(
        &mut self,
        session: &mut ServerSession,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        let before = self.found.stamp;
        let progress = session.advance(&mut self.input, &mut self.found, out, limits)?;
        if self.found.stamp != before {
            self.adopt();
        }
        Ok(progress)
    }

    /// Lets the request whose head was decided on go on; see [`ServerSession::accept_body`]. What was changed meanwhile
    /// is forgotten.
    ///
    /// # Errors
    /// As from the session.
    pub(crate) fn accept_body(
        &mut self,
        session: &mut ServerSession,
        out: &mut Output,
        limits: &Limits,
    ) -> Result<Progress, ProtoError> {
        let progress = session.accept_body(&mut self.input, &mut self.found, out, limits)?;
        self.adopt();
        Ok(progress)
    }

    /// Takes the request that was answered out of the input; see [`ServerSession::finish`].
    #[inline]
    pub(crate) fn finish(&mut self, session: &mut ServerSession) -> Option<CloseReason> {
        let close = session.finish(&mut self.input, &mut self.found);
        self.clear();
        close
    }

    /// Refuses what is in the input; see [`ServerSession::refuse`].
    pub(crate) fn refuse(
        &self,
        session: &mut ServerSession,
        error: ProtoError,
        out: &mut Output,
        defaults: &Defaults<'_>,
    ) -> usize {
        session.refuse(error, &self.input, out, defaults)
    }

    /// Makes readable what can be read of a head that was refused, which is at the front of the input; at most
    /// `head_bytes` are looked at. It is served to nobody.
    #[cold]
    pub(crate) fn salvage(&mut self, head_bytes: usize) {
        self.clear();
        let unread = self.input.unread();
        let head = &unread[..unread.len().min(head_bytes)];
        self.found.head = salvage(head, &mut self.found.fields);
        let end = memchr::memmem::find(head, b"\r\n\r\n").map_or(head.len(), |blank_line| blank_line + 4);
        self.found.body = end..end;
        self.found.stamp = Stamp { session: 0, message: u64::MAX };
        self.adopt();
    }

    /// The head as it was received, as a request of its own: without the body.
    pub(crate) fn copy_head_to(&self, copy: &mut Self) {
        copy.clear();
        copy.input.clear();
        let unread = self.input.unread();
        let end = self.found.body.start.min(unread.len());
        copy.input.receive(&unread[..end]);
        copy.found.head = self.found.head;
        copy.found.fields.clone_from(&self.found.fields);
        copy.found.stamp = self.found.stamp;
        copy.found.body = end..end;
        copy.adopt();
    }

    /// Begins anew with what was found.
    #[inline]
    fn adopt(&mut self) {
        self.forget_own();
        let head = &self.found.head;
        if !head.path_is_plain && !self.found.is_clear() {
            path::normalize_into(&mut self.path, head.path.within(self.input.unread()));
        }
    }

    /// Gives up memory that is kept for other requests.
    pub(crate) fn fit(&mut self) {
        self.found.fields.shrink_to_fit();
        self.found.trailers.shrink_to_fit();
        self.path.shrink_to_fit();
    }

    /// Forgets the request but neither the unread input nor memory that is worth keeping.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.found.clear();
        self.forget_own();
        if self.path.capacity() > KEPT_BYTES_MAX {
            self.path = String::new();
        } else {
            self.path.clear();
        }
    }

    /// Forgets what is not part of what was found.
    #[inline]
    fn forget_own(&mut self) {
        self.cursor = 0;
        self.passed = 0;
        self.failure = None;
        self.edits = None;
        self.form = KeptForm::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &str) -> Result<Request, ProtoError> {
        Ok(Request::parse(head.as_bytes())?.expect("a whole head").0)
    }

    #[test]
    fn targets() {
        for (line, host, path, query) in [
            ("GET /", "h", "/", ""),
            ("GET /a%20b/../c?x=1&y", "h", "/c", "x=1&y"),
            ("GET /a?b?c#d?e", "h", "/a", "b?c"),
            ("GET /a#b?c", "h", "/a", ""),
            ("GET /?", "h", "/", ""),
            ("GET //h/x", "h", "/h/x", ""),
            ("OPTIONS *", "h", "/*", ""),
            ("GET http://other:8080/x?y", "other:8080", "/x", "y"),
            ("GET http://other", "other", "/", ""),
            ("GET HTTPS://other?y", "other", "/", "y"),
            ("GET http://other#y", "other", "/", ""),
            ("GET http://[::1]:80/x", "[::1]:80", "/x", ""),
            ("CONNECT other:443", "other:443", "/", ""),
            ("GET /\u{e4}", "h", "/\u{e4}", ""),
        ] {
            let request = request(&format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n")).expect(line);
            assert_eq!(request.host(), host.as_bytes(), "{line}");
            assert_eq!(request.path(), path, "{line}");
            assert_eq!(request.query(), query.as_bytes(), "{line}");
            assert_eq!(request.request_uri(), line.split_once(' ').expect("a target").1.as_bytes(), "{line}");
        }
    }

    #[test]
    fn refused_targets() {
        use ProtoError::*;
        for (line, error) in [
            ("GET x", BadTarget),
            ("GET x/y", BadTarget),
            ("GET ?x", BadTarget),
            ("GET **", BadTarget),
            ("GET *x", BadTarget),
            ("GET /a\u{1}b", BadTarget),
            ("GET /a\u{7f}b", BadTarget),
            ("GET /a\tb", BadSpacing),
            ("GET ://h/x", BadTarget),
            ("GET 1http://h/x", BadTarget),
            ("GET ht_tp://h/x", BadTarget),
            ("GET x?a://h", BadTarget),
            ("GET http:///x", BadHost),
            ("GET http://a\\b/x", BadHost),
            ("GET http://u@h/x", BadHost),
            ("GET http://h:x/", BadHost),
            ("CONNECT /x", BadTarget),
            ("CONNECT h", BadTarget),
            ("CONNECT http://h:1/", BadTarget),
        ] {
            let result = request(&format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n"));
            assert_eq!(result.err(), Some(error), "{line:?}");
        }
    }
}
