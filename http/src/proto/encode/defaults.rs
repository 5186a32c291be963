//! The fields that a server adds to each response which does not set them itself.
//!
//! The idea: they change once a second at most, so they are kept as the lines that go onto the wire.

use super::append_field;
use crate::util::date::HttpDate;

/// The default fields of one moment, as complete lines or nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Defaults<'a> {
    pub(crate) server_line: &'a [u8],
    pub(crate) date_line: &'a [u8],
    /// Whether a body without a `Content-Type` is called `text/plain; charset=utf-8`.
    pub(crate) content_type: bool,
}

/// Keeps the default fields from moment to moment.
#[derive(Debug)]
pub(crate) struct DefaultFields {
    server_line: Vec<u8>,
    /// `None` to send none.
    date: Option<HttpDate>,
    date_line: Vec<u8>,
    seconds: u64,
    content_type: bool,
}

impl DefaultFields {
    /// The values are written as they are; they come from the server's own options.
    pub(crate) fn new(server: Option<&[u8]>, has_date: bool, content_type: bool) -> Self {
        let mut server_line = Vec::new();
        if let Some(server) = server {
            append_field(&mut server_line, b"Server", server);
        }
        let date = has_date.then(HttpDate::new);
        let mut fields = Self { server_line, date, date_line: Vec::new(), seconds: 0, content_type };
        fields.render(0);
        fields
    }

    /// The fields for a moment in seconds since the Unix epoch.
    #[inline]
    pub(crate) fn at(&mut self, seconds: u64) -> Defaults<'_> {
        if seconds != self.seconds {
            self.render(seconds);
        }
        Defaults {
            server_line: &self.server_line,
            date_line: &self.date_line,
            content_type: self.content_type,
        }
    }

    #[cold]
    fn render(&mut self, seconds: u64) {
        self.seconds = seconds;
        if let Some(date) = &mut self.date {
            self.date_line.clear();
            append_field(&mut self.date_line, b"Date", date.at(seconds));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_rendered_anew_each_second() {
        let mut fields = DefaultFields::new(Some(b"anthill"), true, true);
        assert_eq!(fields.at(0).server_line, b"Server: anthill\r\n");
        assert_eq!(fields.at(0).date_line, b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
        assert_eq!(fields.at(784_111_777).date_line, b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        let mut none = DefaultFields::new(None, false, false);
        let defaults = none.at(784_111_777);
        assert_eq!(
            (defaults.server_line, defaults.date_line, defaults.content_type),
            (&b""[..], &b""[..], false)
        );
    }
}
