//! A line for each request that is over, in the forms that tools read.

use super::completed::CompletedRequest;
use super::escape::append_quoted;
use crate::util::{date, json};
use crate::values::version::Version;
use parking_lot::Mutex;
use std::fmt;
use std::io::{self, Write};
use std::time::SystemTime;

/// An access log: a line for each request that is over, for [`access_log`](crate::ServerBuilder::access_log).
///
/// ```
/// use anthill_http::{AccessLog, Server};
/// let server = Server::builder()
///     .access_log(AccessLog::combined(std::io::stdout()))
///     .build(|ctx| ctx.set_body("served"))?;
/// # let _ = server;
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
///
/// The forms:
///
/// ```text
/// common    192.0.2.1 - - [29/Nov/2026:20:18:30 +0000] "GET /a?b HTTP/1.1" 200 1234
/// combined  192.0.2.1 - - [29/Nov/2026:20:18:30 +0000] "GET /a?b HTTP/1.1" 200 1234 "http://referer/" "agent/1.0"
/// json      {"time":"2026-11-29T20:18:30.123Z","remote_addr":"192.0.2.1","remote_port":50000,"method":"GET", ...}
/// ```
///
/// The number behind the status is that of the body's bytes, `-` for none. A JSON line has `time`, `remote_addr`,
/// `remote_port` (both null when there is no address), `method`, `target`, `version`, `host`, `route` (null, or what a
/// router or a handler has called it), `request_id` (null, or that of
/// [`middleware::request_id`](crate::middleware::request_id())), `status`, `bytes_received`, `bytes_sent`,
/// `waited_us`, `handled_us`, `sent_us`, `outcome`, `referer`, `user_agent`, `conn` and `request` (the numbers of the
/// connection, and on it). What clients have sent is escaped, so that a line is a line and a field a field; times are
/// those of UTC.
///
/// A line is written and flushed at once, from the thread that served the request or another; `out` may block. That it
/// cannot be written is told to the `log` crate, once.
pub struct AccessLog {
    form: AccessLogForm,
    sink: Sink,
}

/// The form of an [`AccessLog`]; see there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessLogForm {
    /// The Common Log Format.
    Common,
    /// That of Apache and nginx which has the referring page and the client's name besides.
    Combined,
    /// A JSON object on each line.
    Json,
}

enum Sink {
    Writer(Mutex<Out>),
    /// The `log` crate.
    Log,
}

struct Out {
    writer: Box<dyn Write + Send>,
    line: String,
    has_failed: bool,
}

impl AccessLog {
    /// In the Common Log Format, to `out`.
    pub fn common(out: impl Write + Send + 'static) -> Self {
        Self::to(AccessLogForm::Common, out)
    }

    /// In Apache's and nginx's `combined` form, to `out`.
    pub fn combined(out: impl Write + Send + 'static) -> Self {
        Self::to(AccessLogForm::Combined, out)
    }

    /// A JSON object for each request, to `out`.
    pub fn json(out: impl Write + Send + 'static) -> Self {
        Self::to(AccessLogForm::Json, out)
    }

    /// The lines of that form to the `log` crate, at level `Info`, with the target `anthill_http::access`.
    pub fn to_log(form: AccessLogForm) -> Self {
        Self { form, sink: Sink::Log }
    }

    fn to(form: AccessLogForm, out: impl Write + Send + 'static) -> Self {
        let out = Out { writer: Box::new(out), line: String::new(), has_failed: false };
        Self { form, sink: Sink::Writer(Mutex::new(out)) }
    }

    /// Writes the line of a request.
    pub fn write(&self, completed: &CompletedRequest) {
        match &self.sink {
            Sink::Log => {
                if log::log_enabled!(target: "anthill_http::access", log::Level::Info) {
                    log::info!(target: "anthill_http::access", "{}", AccessLogLine(self.form, completed));
                }
            }
            Sink::Writer(out) => {
                let Out { writer, line, has_failed } = &mut *out.lock();
                line.clear();
                // Writing to a string cannot fail.
                let _ = self.form.append(line, completed);
                line.push('\n');
                let written = writer.write_all(line.as_bytes()).and_then(|()| writer.flush());
                note(written, has_failed);
            }
        }
    }
}

/// A disk that is full is so for every line.
fn note(written: io::Result<()>, has_failed: &mut bool) {
    match written {
        Ok(()) => *has_failed = false,
        Err(error) if !*has_failed => {
            *has_failed = true;
            log::error!("the access log cannot be written: {error}");
        }
        Err(_) => {}
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("form", &self.form).finish_non_exhaustive()
    }
}

impl AccessLogForm {
    fn append(self, line: &mut impl fmt::Write, completed: &CompletedRequest) -> fmt::Result {
        match self {
            Self::Common => append_common(line, completed),
            Self::Combined => append_combined(line, completed),
            Self::Json => append_json_object(line, completed),
        }
    }
}

/// The line of a request, without its end.
struct AccessLogLine<'a>(AccessLogForm, &'a CompletedRequest);

impl fmt::Display for AccessLogLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(form, completed) = *self;
        form.append(f, completed)
    }
}

fn append_common(line: &mut impl fmt::Write, completed: &CompletedRequest) -> fmt::Result {
    match completed.remote_addr() {
        Some(address) => write!(line, "{}", address.ip().to_canonical())?,
        None => line.write_char('-')?,
    }
    line.write_str(" - - [")?;
    append_clf_time(line, completed.time())?;
    line.write_str("] \"")?;
    let request = completed.request();
    if request.method().is_empty() {
        line.write_char('-')?;
    } else {
        append_quoted(line, request.method().as_bytes())?;
        line.write_char(' ')?;
        append_quoted(line, request.request_uri())?;
        write!(line, " {}", version(request.version()))?;
    }
    write!(line, "\" {} ", completed.status())?;
    match completed.body_bytes_sent() {
        0 => line.write_char('-'),
        count => write!(line, "{count}"),
    }
}

fn append_combined(line: &mut impl fmt::Write, completed: &CompletedRequest) -> fmt::Result {
    append_common(line, completed)?;
    for name in ["Referer", "User-Agent"] {
        line.write_str(" \"")?;
        append_quoted(line, completed.request().header(name).unwrap_or(b"-"))?;
        line.write_char('"')?;
    }
    Ok(())
}

fn append_json_object(line: &mut impl fmt::Write, completed: &CompletedRequest) -> fmt::Result {
    let request = completed.request();
    line.write_str("{\"time\":\"")?;
    append_rfc3339(line, completed.time())?;
    line.write_char('"')?;
    match completed.remote_addr() {
        Some(address) => {
            let ip = address.ip().to_canonical();
            write!(line, ",\"remote_addr\":\"{ip}\",\"remote_port\":{}", address.port())?;
        }
        None => line.write_str(",\"remote_addr\":null,\"remote_port\":null")?,
    }
    let texts = [
        ("method", Some(request.method().as_bytes())),
        ("target", Some(request.request_uri())),
        ("version", Some(version(request.version()).as_bytes())),
        ("host", Some(request.host())),
        ("route", completed.route().map(str::as_bytes)),
        ("request_id", completed.request_id().map(str::as_bytes)),
        ("referer", request.header("Referer")),
        ("user_agent", request.header("User-Agent")),
    ];
    for (name, value) in texts {
        write!(line, ",\"{name}\":")?;
        match value {
            Some(value) => json::append_string(line, value)?,
            None => line.write_str("null")?,
        }
    }
    line.write_str(",\"outcome\":")?;
    json::append_string_of(line, completed.outcome())?;
    let numbers = [
        ("status", u128::from(completed.status())),
        ("bytes_received", u128::from(completed.bytes_received())),
        ("bytes_sent", u128::from(completed.bytes_sent())),
        ("waited_us", completed.waited().as_micros()),
        ("handled_us", completed.handled().as_micros()),
        ("sent_us", completed.sent().as_micros()),
        ("conn", u128::from(completed.conn().id())),
        ("request", u128::from(completed.conn().request_number())),
    ];
    for (name, value) in numbers {
        write!(line, ",\"{name}\":{value}")?;
    }
    line.write_char('}')
}

fn version(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    }
}

/// `29/Nov/2026:20:18:30 +0000`.
fn append_clf_time(line: &mut impl fmt::Write, time: SystemTime) -> fmt::Result {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (civil, _) = date::civil(time);
    let month = MONTHS[usize::from(civil.month - 1) % 12];
    let (year, day, hour, minute, second) = (civil.year, civil.day, civil.hour, civil.minute, civil.second);
    write!(line, "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// `2026-11-29T20:18:30.123Z`.
fn append_rfc3339(line: &mut impl fmt::Write, time: SystemTime) -> fmt::Result {
    let (civil, millis) = date::civil(time);
    let (year, month, day) = (civil.year, civil.month, civil.day);
    let (hour, minute, second) = (civil.hour, civil.minute, civil.second);
    write!(line, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}
