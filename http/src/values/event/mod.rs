//! Events in the format `text/event-stream` (WHATWG HTML, "Server-sent events").
//!
//! The idea: an event is its lines, in the order in which they were set, and a blank one behind them.
//!
//! The rule: no text can become another line than the one it was given for. What may have several lines (data,
//! comments) is split; what must have one (`id`, `event`) is refused when it has more.

mod error;

pub use error::EventError;

use std::sync::Arc;
use std::time::Duration;

/// One event of a stream, to be sent to whoever listens.
///
/// ```
/// use anthill_http::events::Event;
/// use std::time::Duration;
/// let event = Event::data("first line\nsecond line").event("chat").id("7").retry(Duration::from_secs(5));
/// assert_eq!(
///     event.encode()?[..],
///     *b"data: first line\ndata: second line\nevent: chat\nid: 7\nretry: 5000\n\n"
/// );
/// # Ok::<(), anthill_http::events::EventError>(())
/// ```
///
/// Text of strangers can be given to every part of it. Data and comments may have line breaks of all kinds; the
/// client gets `\n` for each. An `id` or `event` with a line break is an error when the event is sent, so that nobody
/// can forge a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "an event does nothing until it is sent"]
pub struct Event {
    lines: String,
    /// The first field that was given what it cannot have.
    unfit: Option<&'static str>,
}

impl Event {
    /// An event without anything. One without data reaches no listener; its `id` and `retry` count.
    pub fn new() -> Self {
        Self::default()
    }

    /// An event with these data, which may be empty and may have several lines.
    pub fn data(text: impl AsRef<str>) -> Self {
        Self::new().add_data(text)
    }

    /// A comment, which clients skip. Good for keeping a connection busy.
    pub fn comment(text: impl AsRef<str>) -> Self {
        Self::new().add_comment(text)
    }

    /// Adds a line of data, or several, behind those that are there.
    pub fn add_data(self, text: impl AsRef<str>) -> Self {
        self.add_lines("data: ", text.as_ref())
    }

    /// Adds a comment of one or several lines.
    pub fn add_comment(self, text: impl AsRef<str>) -> Self {
        self.add_lines(": ", text.as_ref())
    }

    /// What kind of event it is, the name that listeners are added for; `message` when not set. Without line breaks.
    pub fn event(self, name: impl AsRef<str>) -> Self {
        self.set("event", name.as_ref(), &['\r', '\n'])
    }

    /// The number or name by which a client that lost its connection says what it had last, in `Last-Event-ID`; see
    /// [`RequestCtx::last_event_id`](crate::RequestCtx::last_event_id). Without line breaks and zero bytes.
    pub fn id(self, id: impl AsRef<str>) -> Self {
        self.set("id", id.as_ref(), &['\r', '\n', '\0'])
    }

    /// How long a client should wait before it connects again, to the millisecond.
    pub fn retry(mut self, wait: Duration) -> Self {
        self.add_line("retry: ", &wait.as_millis().to_string());
        self
    }

    /// The event as it is sent.
    ///
    /// # Errors
    /// [`EventError::Field`] when `event` or `id` were given what they cannot have.
    pub fn encode(&self) -> Result<Arc<[u8]>, EventError> {
        if let Some(name) = self.unfit {
            return Err(EventError::Field(name));
        }
        let mut bytes = Vec::with_capacity(self.lines.len() + 1);
        bytes.extend_from_slice(self.lines.as_bytes());
        bytes.push(b'\n');
        Ok(bytes.into())
    }

    fn set(mut self, name: &'static str, value: &str, unfit: &[char]) -> Self {
        if value.contains(unfit) {
            self.unfit = self.unfit.or(Some(name));
            return self;
        }
        self.lines.push_str(name);
        self.add_line(": ", value);
        self
    }

    fn add_lines(mut self, prefix: &str, text: &str) -> Self {
        let mut rest = text;
        while let Some(end) = rest.find(['\r', '\n']) {
            self.add_line(prefix, &rest[..end]);
            let is_pair = rest[end..].starts_with("\r\n");
            rest = &rest[end + 1 + usize::from(is_pair)..];
        }
        self.add_line(prefix, rest);
        self
    }

    fn add_line(&mut self, prefix: &str, text: &str) {
        self.lines.push_str(prefix);
        self.lines.push_str(text);
        self.lines.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a listener is given.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Heard {
        kind: String,
        data: String,
        id: String,
    }

    /// The algorithm of the standard, step by step ("Interpreting an event stream"), and the times to retry.
    fn interpret(stream: &str) -> (Vec<Heard>, Vec<u64>) {
        let (mut heard, mut retries) = (Vec::new(), Vec::new());
        let (mut kind, mut data, mut id) = (String::new(), String::new(), String::new());
        let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
        let mut lines: Vec<&str> = stream.split('\n').collect();
        // What is behind the last line break is no line yet.
        lines.pop();
        for line in lines {
            if line.is_empty() {
                let kind = std::mem::take(&mut kind);
                let mut data = std::mem::take(&mut data);
                if !data.is_empty() {
                    data.pop();
                    heard.push(Heard { kind, data, id: id.clone() });
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut kind),
                "data" => {
                    data.push_str(value);
                    data.push('\n');
                }
                "id" if !value.contains('\0') => value.clone_into(&mut id),
                "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                    retries.push(value.parse().expect("a number"));
                }
                _ => {}
            }
        }
        (heard, retries)
    }

    fn encoded(event: &Event) -> String {
        String::from_utf8(event.encode().expect("it fits").to_vec()).expect("text")
    }

    proptest! {
        #[test]
        fn a_client_hears_what_was_said(
            texts in proptest::collection::vec("[ab:\u{feff} \r\n\u{0}é]{0,12}", 1..4),
            comment in "[ab:\r\n]{0,8}",
            kind in "[a: \u{2028}]{0,4}",
            id in "[a: \u{85}]{0,4}",
        ) {
            let mut event = Event::new().event(&kind);
            for text in &texts {
                event = event.add_data(text).add_comment(&comment);
            }
            let (heard, retries) = interpret(&encoded(&event.id(&id)));
            let texts: Vec<String> =
                texts.iter().map(|text| text.replace("\r\n", "\n").replace('\r', "\n")).collect();
            let data = texts.join("\n");
            prop_assert_eq!((heard, retries), (vec![Heard { kind, data, id }], vec![]));
        }

        #[test]
        fn no_field_is_forged(text in "[ab\r\n\u{0}]{0,6}") {
            for (event, name) in [(Event::data("x").id(&text), "id"), (Event::data("x").event(&text), "event")] {
                let is_fit = !text.contains(['\r', '\n']) && (name == "event" || !text.contains('\0'));
                prop_assert_eq!(event.encode().is_ok(), is_fit);
                if !is_fit {
                    prop_assert_eq!(event.encode(), Err(EventError::Field(name)));
                    // It stays so, whatever else is set.
                    prop_assert_eq!(event.id("fine").event("fine").encode(), Err(EventError::Field(name)));
                }
            }
        }
    }

    #[test]
    fn the_forms_on_the_wire() {
        for (event, expected) in [
            (Event::data(""), "data: \n\n"),
            (Event::data("a\r\n\r\nb\rc\n"), "data: a\ndata: \ndata: b\ndata: c\ndata: \n\n"),
            (Event::data(" a").event("e").id("1"), "data:  a\nevent: e\nid: 1\n\n"),
            (Event::comment("so\nso"), ": so\n: so\n\n"),
            (Event::new().retry(Duration::from_micros(1_999)), "retry: 1\n\n"),
            (Event::new(), "\n"),
        ] {
            assert_eq!(encoded(&event), expected);
        }
        let (heard, retries) = interpret(&encoded(&Event::new().id("5").retry(Duration::from_secs(2))));
        assert_eq!((heard, retries), (vec![], vec![2000]), "nobody hears an event without data");
        assert_eq!(interpret(&encoded(&Event::data(""))).0, [Heard::default()], "empty data are data");
    }
}
