//! Reading a stream of events as it comes (WHATWG HTML, "Server-sent events").

use super::response::TestResponse;
use std::fmt;
use std::io::{self, BufRead};
use std::time::Duration;

/// So long a line may be.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Events of a response, one at a time, as they come; made by [`TestResponse::events`].
///
/// It is an iterator, which waits for the next event and ends with the stream. Comments, and events without data, are
/// passed over, as a browser does; an `id` stays for the events behind it. When the client's
/// [time](super::TestClient::timeout) is up, or the stream breaks off in the middle, the test fails.
///
/// ```
/// use anthill_http::events::{Event, event_channel};
/// use anthill_http::testing::TestServer;
/// use std::sync::Mutex;
///
/// let kept = std::sync::Arc::new(Mutex::new(None));
/// let keeps = kept.clone();
/// let server = TestServer::new(move |ctx| {
///     let (sender, stream) = event_channel();
///     *keeps.lock().unwrap() = Some(sender);
///     ctx.set_event_stream(stream);
/// });
/// let mut response = server.get("/events").send();
/// let mut events = response.events();
/// let sender = kept.lock().unwrap().take().unwrap();
/// sender.send(Event::data("one").event("count").id("7"))?;
/// let event = events.next().unwrap();
/// assert_eq!((event.name(), event.data(), event.id()), ("count", "one", Some("7")));
/// drop(sender);
/// assert!(events.next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventReader<'a> {
    response: &'a mut TestResponse,
    id: Option<String>,
}

/// An event that has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedEvent {
    name: String,
    data: String,
    id: Option<String>,
    retry: Option<Duration>,
}

impl ReceivedEvent {
    /// What it is called; `message` when it does not say.
    pub fn name(&self) -> &str {
        if self.name.is_empty() { "message" } else { &self.name }
    }

    /// Its data; of several lines with `\n` between them.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The last `id` that the stream has said.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How long a client is to wait before it connects again, if the event says so.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The data as the value that their JSON says (feature `json`).
    ///
    /// # Panics
    /// When they are no JSON, or say something else than `T`.
    #[cfg(feature = "json")]
    #[track_caller]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        match serde_json::from_str(&self.data) {
            Ok(value) => value,
            Err(error) => {
                super::failing::fail(format_args!("the data are not that JSON: {error}\n{}", self.data))
            }
        }
    }
}

/// Events.
impl TestResponse {
    /// The events of a stream (`text/event-stream`), one at a time, as they come; see [`EventReader`]. What they have
    /// taken is no part of [`body`](Self::body) any more.
    ///
    /// # Panics
    /// When the response is no such stream.
    #[track_caller]
    pub fn events(&mut self) -> EventReader<'_> {
        let kind = self.header_str("Content-Type").unwrap_or_default();
        if !kind.starts_with("text/event-stream") {
            self.fail(format_args!("the response is no stream of events, but {kind:?}"));
        }
        EventReader::new(self)
    }
}

impl<'a> EventReader<'a> {
    pub(super) fn new(response: &'a mut TestResponse) -> Self {
        Self { response, id: None }
    }
}

impl Iterator for EventReader<'_> {
    type Item = ReceivedEvent;

    /// # Panics
    /// When time is up, or the stream breaks off.
    #[track_caller]
    fn next(&mut self) -> Option<ReceivedEvent> {
        let next = next_event(&mut *self.response.source(), &mut self.id);
        match next {
            Ok(event) => event,
            Err(error) => self.response.fail(format_args!("the next event cannot be had: {error}")),
        }
    }
}

/// The next event; `None`: the stream has ended.
fn next_event(source: &mut dyn BufRead, last_id: &mut Option<String>) -> io::Result<Option<ReceivedEvent>> {
    let (mut event, mut has_data) = (ReceivedEvent::default(), false);
    while let Some(line) = next_line(source)? {
        if line.is_empty() {
            if has_data {
                event.id.clone_from(last_id);
                return Ok(Some(event));
            }
            event.name.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut has_data, true) {
                    event.data.push('\n');
                }
                event.data.push_str(value);
            }
            "event" => value.clone_into(&mut event.name),
            "id" if !value.contains('\0') => *last_id = Some(value.to_owned()),
            "retry" => event.retry = value.parse().ok().map(Duration::from_millis),
            _ => {}
        }
    }
    // What no empty line has ended is no event.
    Ok(None)
}

/// The next line without its end; `None`: there is none.
fn next_line(source: &mut dyn BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let part = source.fill_buf()?;
        if part.is_empty() {
            return Ok((!line.is_empty()).then(|| text(line)));
        }
        let end = memchr::memchr(b'\n', part);
        let count = end.map_or(part.len(), |end| end + 1);
        line.extend_from_slice(&part[..count]);
        source.consume(count);
        if end.is_some() {
            return Ok(Some(text(line)));
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
        }
    }
}

fn text(mut line: Vec<u8>) -> String {
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8_lossy(&line).into_owned()
}

impl fmt::Debug for EventReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReader").field("response", &self.response).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &str) -> Vec<(String, String, Option<String>)> {
        let (mut source, mut id, mut found) = (stream.as_bytes(), None, Vec::new());
        while let Some(event) = next_event(&mut source, &mut id).expect("it is in memory") {
            found.push((event.name().to_owned(), event.data, event.id));
        }
        found
    }

    #[test]
    fn events_are_what_a_browser_makes_of_them() {
        let own =
            |name: &str, data: &str, id: Option<&str>| (name.into(), data.into(), id.map(str::to_owned));
        let stream = ": hello\n\ndata: a\r\ndata:b\nid: 1\n\nevent: none\n\ndata\n\nevent: x\ndata: {\n\ndata: cut off";
        let expected =
            [own("message", "a\nb", Some("1")), own("message", "", Some("1")), own("x", "{", Some("1"))];
        assert_eq!(events(stream), expected);
        let mut id = None;
        let event =
            next_event(&mut &b"retry: 50\ndata: x\n\n"[..], &mut id).expect("in memory").expect("one");
        assert_eq!(event.retry(), Some(Duration::from_millis(50)));
        let endless = "x".repeat(2 * LINE_BYTES_MAX);
        assert!(next_event(&mut endless.as_bytes(), &mut id).is_err());
    }
}
