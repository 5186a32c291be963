//! The fields that a server adds to each response which does not set them itself.
//!
//! The idea: they change once a second at most, so they are kept as the lines that go onto the wire, behind the status
//! line that nearly all responses have.

use super::append_field;
use crate::util::date::HttpDate;
use crate::values::status;

/// The default fields of one moment, as complete lines or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults<'a> {
    /// The status line of a 200, then the lines of `Server` and `Date`.
    lines: &'a [u8],
    /// Where that of `Date` begins.
    date_at: usize,
    /// Whether a body without a `Content-Type` is called `text/plain; charset=utf-8`.
    pub(crate) content_type: bool,
}

impl<'a> Defaults<'a> {
    /// No lines.
    pub(crate) const fn none(content_type: bool) -> Self {
        Self { lines: status::OK_LINE, date_at: status::OK_LINE.len(), content_type }
    }

    /// What a response of status 200 begins with that sets neither `Server` nor `Date`.
    pub(crate) fn start_of_ok(&self) -> &'a [u8] {
        self.lines
    }

    pub(crate) fn server_line(&self) -> &'a [u8] {
        self.lines.get(status::OK_LINE.len()..self.date_at).unwrap_or_default()
    }

    pub(crate) fn date_line(&self) -> &'a [u8] {
        self.lines.get(self.date_at..).unwrap_or_default()
    }
}

/// Keeps the default fields from moment to moment.
#[derive(Debug)]
pub(crate) struct DefaultFields {
    /// As in [`Defaults`].
    lines: Vec<u8>,
    date_at: usize,
    /// `None` to send none.
    date: Option<HttpDate>,
    seconds: u64,
    content_type: bool,
}

impl DefaultFields {
    /// The values are written as they are; they come from the server's own options.
    pub(crate) fn new(server: Option<&[u8]>, has_date: bool, content_type: bool) -> Self {
        let mut lines = status::OK_LINE.to_vec();
        if let Some(server) = server {
            append_field(&mut lines, b"Server", server);
        }
        let date = has_date.then(HttpDate::new);
        let mut fields = Self { date_at: lines.len(), lines, date, seconds: 0, content_type };
        fields.render(0);
        fields
    }

    /// The fields for a moment in seconds since the Unix epoch.
    #[inline]
    pub(crate) fn at(&mut self, seconds: u64) -> Defaults<'_> {
        if seconds != self.seconds {
            self.render(seconds);
        }
        Defaults { lines: &self.lines, date_at: self.date_at, content_type: self.content_type }
    }

    #[cold]
    fn render(&mut self, seconds: u64) {
        self.seconds = seconds;
        if let Some(date) = &mut self.date {
            self.lines.truncate(self.date_at);
            append_field(&mut self.lines, b"Date", date.at(seconds));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_rendered_anew_each_second() {
        let mut fields = DefaultFields::new(Some(b"anthill"), true, true);
        assert_eq!(fields.at(0).server_line(), b"Server: anthill\r\n");
        assert_eq!(fields.at(0).date_line(), b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n");
        assert_eq!(fields.at(784_111_777).date_line(), b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
        let mut none = DefaultFields::new(None, false, false);
        let defaults = none.at(784_111_777);
        assert_eq!(
            (defaults.server_line(), defaults.date_line(), defaults.content_type),
            (&b""[..], &b""[..], false)
        );
        for defaults in [defaults, Defaults::none(false)] {
            assert_eq!(defaults.start_of_ok(), b"HTTP/1.1 200 OK\r\n");
        }
        let start = "HTTP/1.1 200 OK\r\nServer: anthill\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        assert_eq!(fields.at(784_111_777).start_of_ok(), start.as_bytes());
    }
}
