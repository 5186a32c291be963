//! A response as a text that is the same each time, and what it is compared with.

use super::exchange::{as_text, printable, version_name};
use super::failing::fail;
use super::response::{TestResponse, is_date};
use crate::util::crc32c::Crc32c;
use crate::values::status;
use std::borrow::Cow;
use std::env;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The variable that has snapshots written.
const VARIABLE: &str = "ANTHILL_SNAPSHOTS";

/// Names of fields whose values are other ones in each run.
const IDS: &[&str] = &["x-request-id", "request-id", "x-correlation-id", "x-trace-id", "traceparent"];

/// The shortest value that is looked for in a body.
const ID_BYTES_MIN: usize = 8;

/// What is different each time, and is not to be in a snapshot.
///
/// Without being told: values that are dates, wherever they stand in the head (`[date]`); those of `X-Request-Id`,
/// `Request-Id`, `X-Correlation-Id`, `X-Trace-Id` and `traceparent`, also in the body (`[id]`); those of cookies
/// (`[value]`); the boundary of a body in parts (`[boundary]`).
///
/// ```
/// use anthill_http::testing::{SnapshotRules, TestServer};
///
/// let server = TestServer::new(|ctx| {
///     ctx.response.set_header("X-Took", "17us");
///     ctx.set_body("order 8731 is on its way");
/// });
/// let rules = SnapshotRules::new().hide("X-Took").leave_out("Server").replace("8731", "[order]");
/// let snapshot = server.get("/").send().snapshot_by(&rules);
/// assert!(snapshot.contains("\nx-took: [x-took]\n") && snapshot.ends_with("\n\norder [order] is on its way\n"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "rules do nothing until a snapshot is made by them"]
pub struct SnapshotRules {
    hidden: Vec<String>,
    left_out: Vec<String>,
    replaced: Vec<(String, String)>,
}

impl SnapshotRules {
    /// No further rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the name of the header field stand in the place of its value.
    pub fn hide(mut self, name: &str) -> Self {
        self.hidden.push(name.to_ascii_lowercase());
        self
    }

    /// Leaves the header field out.
    pub fn leave_out(mut self, name: &str) -> Self {
        self.left_out.push(name.to_ascii_lowercase());
        self
    }

    /// Puts `with` in the place of each `text`, in the head and in the body.
    pub fn replace(mut self, text: impl Into<String>, with: impl Into<String>) -> Self {
        self.replaced.push((text.into(), with.into()));
        self
    }
}

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

    /// The [`snapshot`](Self::snapshot) is what the file at `path` has; a path that is not absolute begins at the
    /// package's folder (`CARGO_MANIFEST_DIR`). With `ANTHILL_SNAPSHOTS=write` in the environment the file is written,
    /// with its folders, if it is not the same, and the test goes on.
    ///
    /// # Panics
    /// When the file is not there, or has something else; the message says what, and how to write it.
    #[track_caller]
    pub fn assert_snapshot(&self, path: impl AsRef<Path>) -> &Self {
        self.assert_snapshot_by(&SnapshotRules::new(), path)
    }

    /// As [`assert_snapshot`](Self::assert_snapshot), by further rules.
    ///
    /// # Panics
    /// As that.
    #[track_caller]
    pub fn assert_snapshot_by(&self, rules: &SnapshotRules, path: impl AsRef<Path>) -> &Self {
        let snapshot = self.snapshot_by(rules);
        let path = match env::var_os("CARGO_MANIFEST_DIR") {
            Some(package) => PathBuf::from(package).join(path),
            None => path.as_ref().to_owned(),
        };
        let writes = env::var_os(VARIABLE).is_some_and(|value| value == "write");
        if let Err(why) = compare_with_file(&snapshot, &path, writes) {
            self.fail(format_args!("{why}"));
        }
        self
    }

    /// The [`snapshot`](Self::snapshot) is this text. The indentation that all its lines share does not count, nor do
    /// blanks and empty lines at its beginning and end, so that it can stand where the code does.
    ///
    /// ```
    /// use anthill_http::testing::TestServer;
    ///
    /// let server = TestServer::new(|ctx| ctx.not_found());
    /// server.get("/").send().assert_snapshot_inline(
    ///     "
    ///     HTTP/1.1 404 Not Found
    ///     content-length: 18
    ///     content-type: text/plain; charset=utf-8
    ///     date: [date]
    ///     server: anthill
    ///
    ///     404 Page not found
    ///     ",
    /// );
    /// ```
    ///
    /// # Panics
    /// When it is another one; the message has the text that was found, to be put in its place.
    #[track_caller]
    pub fn assert_snapshot_inline(&self, expected: &str) -> &Self {
        self.assert_snapshot_inline_by(&SnapshotRules::new(), expected)
    }

    /// As [`assert_snapshot_inline`](Self::assert_snapshot_inline), by further rules.
    ///
    /// # Panics
    /// As that.
    #[track_caller]
    pub fn assert_snapshot_inline_by(&self, rules: &SnapshotRules, expected: &str) -> &Self {
        let snapshot = self.snapshot_by(rules);
        let (expected, found) = (without_indentation(expected), without_indentation(&snapshot));
        if expected != found {
            let differences = line_differences(&expected, &found);
            fail(format_args!(
                "the response is another one than the snapshot (- expected, + found):\n{differences}\n\
                 if it is as it should be, put this in the place of the text:\n\n{snapshot}"
            ));
        }
        self
    }
}

/// Compares, or writes.
fn compare_with_file(snapshot: &str, path: &Path, writes: bool) -> Result<(), String> {
    let kept = match fs::read_to_string(path) {
        // Where files are checked out with other ends of lines they mean the same.
        Ok(kept) => Some(kept.replace("\r\n", "\n")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("the snapshot {} cannot be read: {error}", path.display())),
    };
    if kept.as_deref() == Some(snapshot) {
        return Ok(());
    }
    if writes {
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, snapshot)
        };
        return write()
            .map_err(|error| format!("the snapshot {} cannot be written: {error}", path.display()));
    }
    let how = format!("if the response is as it should be, run the test again with {VARIABLE}=write");
    Err(match kept {
        None => format!("there is no snapshot {}; {how}", path.display()),
        Some(kept) => {
            let differences = line_differences(&kept, snapshot);
            let at = path.display();
            format!(
                "the response is another one than the snapshot {at} (- expected, + found):\n{differences}\n{how}"
            )
        }
    })
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

/// A text without the indentation that all its lines share, and without what is empty around it.
fn without_indentation(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let is_empty = |line: &&str| line.is_empty();
    let start = lines.iter().take_while(|line| is_empty(line)).count();
    let end = lines.len() - lines.iter().rev().take_while(|line| is_empty(line)).count();
    let lines = lines.get(start..end).unwrap_or_default();
    let blanks = |line: &&str| line.len() - line.trim_start().len();
    let shared = lines.iter().filter(|line| !line.is_empty()).map(blanks).min().unwrap_or(0);
    let cut: Vec<Cow<'_, str>> =
        lines.iter().map(|line| line.get(shared..).unwrap_or_default().into()).collect();
    cut.join("\n")
}

/// So many lines that are the same are shown beside those that are not.
const CONTEXT: usize = 2;

/// So much of a line is shown.
const LINE_CHARS_MAX: usize = 500;

/// So many lines that are not the same are shown of each text.
const SHOWN_MAX: usize = 40;

/// Where two texts differ: the lines between what they have in common at their beginning and at their end.
pub(super) fn line_differences(expected: &str, found: &str) -> String {
    let (expected, found): (Vec<&str>, Vec<&str>) =
        (expected.split('\n').collect(), found.split('\n').collect());
    let same = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let start = expected.iter().zip(&found).take_while(same).count();
    let rest = expected.len().min(found.len()) - start;
    let end = expected.iter().rev().zip(found.iter().rev()).take(rest).take_while(same).count();
    let mut text = String::new();
    let mut add = |mark: &str, lines: &[&str]| {
        for line in lines.iter().take(SHOWN_MAX) {
            let short: String = line.chars().take(LINE_CHARS_MAX).collect();
            let rest = if short.len() < line.len() { "..." } else { "" };
            let _ = writeln!(text, "{mark}{}{rest}", printable(short.as_bytes()));
        }
        if lines.len() > SHOWN_MAX {
            let _ = writeln!(text, "{mark}... ({} lines more)", lines.len() - SHOWN_MAX);
        }
    };
    add("  ", &expected[start.saturating_sub(CONTEXT)..start]);
    add("- ", &expected[start..expected.len() - end]);
    add("+ ", &found[start..found.len() - end]);
    add("  ", &found[found.len() - end..(found.len() - end + CONTEXT).min(found.len())]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_lines_differ() {
        assert_eq!(
            line_differences("a\nb\nc\nd\ne", "a\nb\nx\ny\nd\ne"),
            "  a\n  b\n- c\n+ x\n+ y\n  d\n  e\n"
        );
        assert_eq!(line_differences("a", "a\na"), "  a\n+ a\n");
        assert_eq!(line_differences("a\na", "a"), "  a\n- a\n");
        assert_eq!(line_differences("", "x"), "- \n+ x\n");
        let long = "x\n".repeat(1000);
        assert!(line_differences(&long, "").lines().count() < 50);
    }

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

    #[test]
    fn indentation_does_not_count() {
        assert_eq!(without_indentation("\n    a\n      b\n\n    c\n    "), "a\n  b\n\nc");
        assert_eq!(without_indentation("a\n b\n"), "a\n b");
        assert_eq!(without_indentation(" \n "), "");
    }
}
