//! A response as a text that is the same each time.

use super::SnapshotRules;
use crate::testing::exchange::{as_text, printable, version_name};
use crate::testing::response::{TestResponse, is_date};
use crate::util::crc32c::Crc32c;
use crate::values::status;
use std::fmt::Write;

/// Names of fields whose values are other ones in each run.
const IDS: &[&str] = &["x-request-id", "request-id", "x-correlation-id", "x-trace-id", "traceparent"];

/// The shortest value that is looked for in a body.
const ID_BYTES_MIN: usize = 8;

/// Snapshots. The form is: the status line; the header fields by their names, in lower case; an empty line; the body,
/// with `\n` for each end of a line, or its size and a checksum where it is no text.
impl TestResponse {
    /// The response as a text that is the same each time; see [`SnapshotRules`].
    ///
    /// ```
    /// use anthill_http::testing::TestServer;
    ///
    /// let server = TestServer::new(|ctx| ctx.success("text/plain", "six legs"));
    /// assert_eq!(
    ///     server.get("/").send().snapshot(),
    ///     "HTTP/1.1 200 OK\ncontent-length: 8\ncontent-type: text/plain\ndate: [date]\nserver: anthill\n\nsix legs\n"
    /// );
    /// ```
    ///
    /// # Panics
    /// When the body cannot be had.
    #[track_caller]
    pub fn snapshot(&self) -> String {
        self.snapshot_by(&SnapshotRules::new())
    }

    /// As [`snapshot`](Self::snapshot), by further rules.
    ///
    /// # Panics
    /// When the body cannot be had.
    #[track_caller]
    pub fn snapshot_by(&self, rules: &SnapshotRules) -> String {
        let head = &self.head;
        let mut text = format!("{} {} ", version_name(head.version), head.status);
        match head.reason.is_empty() {
            true => text.push_str(status::reason(head.status)),
            false => text.push_str(&printable(&head.reason)),
        }
        text.push('\n');
        let boundary = self.header("Content-Type").and_then(boundary_of).unwrap_or_default();
        let (mut lines, mut ids) = (Vec::new(), Vec::new());
        for (name, value) in head.headers.iter() {
            let name = name.to_ascii_lowercase();
            if rules.left_out.contains(&name) {
                continue;
            }
            let value = match &*name {
                name if rules.hidden.iter().any(|hidden| hidden == name) => format!("[{name}]"),
                name if IDS.contains(&name) => {
                    ids.push(printable(value));
                    "[id]".to_owned()
                }
                "set-cookie" => cookie_without_value(value),
                _ if is_date(value) => "[date]".to_owned(),
                _ => printable(value),
            };
            lines.push(format!("{name}: {value}\n"));
        }
        lines.sort();
        text.extend(lines);
        let body = self.body();
        if !body.is_empty() {
            text.push('\n');
            add_body(&mut text, body);
            for id in ids.iter().filter(|id| id.len() >= ID_BYTES_MIN) {
                text = text.replace(id, "[id]");
            }
        }
        if !boundary.is_empty() {
            text = text.replace(&boundary, "[boundary]");
        }
        for (found, with) in rules.replaced.iter().filter(|(found, _)| !found.is_empty()) {
            text = text.replace(found, with);
        }
        text
    }
}

fn add_body(text: &mut String, body: &[u8]) {
    let is_text = std::str::from_utf8(body).ok().filter(|_| as_text(body).is_some());
    match is_text {
        Some(body) => text.push_str(&body.replace("\r\n", "\n")),
        None => {
            let sum = Crc32c::new().update(body).value();
            let _ = write!(text, "[{} bytes, crc32c {sum:08x}]", body.len());
        }
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
}

/// A field `Set-Cookie` without what is different each time.
fn cookie_without_value(field: &[u8]) -> String {
    let text = printable(field);
    let mut parts = text.split(';');
    let pair = parts.next().unwrap_or_default();
    let mut shown = match pair.split_once('=') {
        Some((name, "")) => format!("{name}="),
        Some((name, _)) => format!("{name}=[value]"),
        None => "[value]".to_owned(),
    };
    for part in parts {
        shown.push(';');
        match part.split_once('=') {
            Some((name, value)) if is_date(value.trim().as_bytes()) => {
                let _ = write!(shown, "{name}=[date]");
            }
            _ => shown.push_str(part),
        }
    }
    shown
}

/// The boundary that a media type says.
fn boundary_of(content_type: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(content_type).ok()?;
    let (kind, params) = text.split_once(';')?;
    if !kind.trim().get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/")) {
        return None;
    }
    params.split(';').find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_different_each_time_is_not_there() {
        for (field, shown) in [
            (
                "a=b; Path=/; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Secure",
                "a=[value]; Path=/; Expires=[date]; Secure",
            ),
            ("a=; Max-Age=0", "a=; Max-Age=0"),
            ("a", "[value]"),
        ] {
            assert_eq!(cookie_without_value(field.as_bytes()), shown);
        }
        for (kind, boundary) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("Multipart/byteranges; x=y; BOUNDARY=\"a b\"", Some("a b")),
            ("text/plain; boundary=abc", None),
            ("multipart/mixed", None),
        ] {
            assert_eq!(boundary_of(kind.as_bytes()).as_deref(), boundary, "{kind}");
        }
    }
}
