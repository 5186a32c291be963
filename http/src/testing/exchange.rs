//! An exchange as a person reads it in the message of a test that failed.
//!
//! The rules: whatever was sent, the text is bounded, has no control characters, and does not say secrets: messages of
//! tests end up in logs that others read.

use crate::client::ClientResponse;
use crate::message::request::Request;
use crate::values::headers::Headers;
use crate::values::status;
use crate::values::version::Version;
use std::borrow::Cow;
use std::fmt::Write;

/// So much of a body is shown as text.
const TEXT_BYTES_MAX: usize = 4096;

/// So much of one that is no text.
const HEX_BYTES_MAX: usize = 256;

/// The head of a response.
#[derive(Clone, Debug)]
pub(super) struct SeenHead {
    pub(super) version: Version,
    pub(super) status: u16,
    pub(super) reason: Vec<u8>,
    pub(super) headers: Headers,
}

impl SeenHead {
    /// That of a response as a client has it.
    pub(super) fn of(response: &ClientResponse) -> Self {
        let mut headers = Headers::new();
        headers.set_names_normalizing(false);
        headers.copy_from(response.headers());
        Self {
            version: response.version(),
            status: response.status_code(),
            reason: response.reason().to_vec(),
            headers,
        }
    }
}

/// A request that was answered, and not for the last time.
#[derive(Clone, Debug)]
pub(super) struct TestExchange {
    pub(super) request: Request,
    pub(super) head: SeenHead,
}

/// As in a message.
pub(super) fn version_name(version: Version) -> &'static str {
    match version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    }
}

/// Fields whose values are secrets, wholly or in parts.
const SECRETS: &[&str] = &["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// What is in the names of fields whose values are secrets.
const SECRET_WORDS: &[&str] = &["token", "secret", "api-key", "apikey", "password"];

/// The value of a field, without what is secret in it.
pub(super) fn without_secrets<'a>(name: &str, value: &'a [u8]) -> Cow<'a, [u8]> {
    let name = name.to_ascii_lowercase();
    let hidden = |bytes: &[u8]| format!("*** ({} bytes)", bytes.len()).into_bytes();
    if !SECRETS.contains(&&*name) {
        let is_secret = SECRET_WORDS.iter().any(|word| name.contains(word));
        return if is_secret { hidden(value).into() } else { value.into() };
    }
    let pair = |pair: &[u8]| match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => [&pair[..=at], b"***"].concat(),
        None => b"***".to_vec(),
    };
    match &*name {
        "cookie" => {
            let pairs: Vec<_> = value.split(|byte| *byte == b';').map(pair).collect();
            pairs.join(&b';').into()
        }
        "set-cookie" => {
            let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
            [&*pair(&value[..end]), &value[end..]].concat().into()
        }
        _ => match value.iter().position(|byte| *byte == b' ') {
            Some(at) => [&value[..=at], &*hidden(&value[at + 1..])].concat().into(),
            None => hidden(value).into(),
        },
    }
}

/// Writes exchanges.
pub(super) struct Scribe {
    pub(super) text: String,
    pub(super) shows_secrets: bool,
}

impl Scribe {
    pub(super) fn new(shows_secrets: bool) -> Self {
        Self { text: String::new(), shows_secrets }
    }

    fn line(&mut self, mark: char, line: &str) {
        self.text.push(mark);
        if !line.is_empty() {
            self.text.push(' ');
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    fn fields<'f>(&mut self, mark: char, fields: impl Iterator<Item = (&'f str, &'f [u8])>) {
        for (name, value) in fields {
            let value = if self.shows_secrets { value.into() } else { without_secrets(name, value) };
            self.line(mark, &format!("{name}: {}", printable(&value)));
        }
    }

    /// A request. Of one that was read while it was sent, its body is not there any more.
    pub(super) fn request(&mut self, request: &Request, is_streamed: bool) {
        let target = printable(request.request_uri());
        self.line('>', &format!("{} {target} {}", request.method(), version_name(request.version())));
        self.fields('>', request.headers().iter());
        match is_streamed {
            true => self.line('>', "(a body that was read while it was sent)"),
            false => self.body('>', request.body()),
        }
    }

    /// The head of a response.
    pub(super) fn head(&mut self, head: &SeenHead) {
        let reason = match head.reason.is_empty() {
            true => status::reason(head.status).into(),
            false => printable(&head.reason),
        };
        self.line('<', &format!("{} {} {reason}", version_name(head.version), head.status));
        self.fields('<', head.headers.iter());
    }

    /// A body, behind an empty line.
    pub(super) fn body(&mut self, mark: char, body: &[u8]) {
        if body.is_empty() {
            return;
        }
        self.line(mark, "");
        let Some(text) = as_text(body) else { return self.hex(mark, body) };
        for line in text.lines() {
            self.line(mark, &printable(line.as_bytes()));
        }
        if text.len() < body.len() {
            self.line(mark, &format!("... ({} bytes in all)", body.len()));
        }
    }

    fn hex(&mut self, mark: char, body: &[u8]) {
        for (row, bytes) in body.chunks(16).take(HEX_BYTES_MAX / 16).enumerate() {
            let mut line = format!("{:06x} ", row * 16);
            for byte in bytes {
                let _ = write!(line, " {byte:02x}");
            }
            let shown = bytes.iter().map(|byte| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            });
            let shown: String = shown.collect();
            self.line(mark, &format!("{line:<56} {shown}"));
        }
        self.line(mark, &format!("({} bytes, which are no text)", body.len()));
    }
}

/// The beginning of a body, if it is text.
pub(super) fn as_text(body: &[u8]) -> Option<&str> {
    let part = &body[..body.len().min(TEXT_BYTES_MAX)];
    let text = match std::str::from_utf8(part) {
        Ok(text) => text,
        // A character was cut in two.
        Err(error) if error.error_len().is_none() && part.len() < body.len() => {
            std::str::from_utf8(&part[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let is_plain = |char: char| !char.is_control() || matches!(char, '\t' | '\r' | '\n' | '\u{1b}');
    text.chars().all(is_plain).then_some(text)
}

/// Bytes as one line of text.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut line = String::with_capacity(bytes.len());
    for char in String::from_utf8_lossy(bytes).chars() {
        match char {
            '\t' => line.push(char),
            char if char.is_control() => line.extend(char.escape_debug()),
            char => line.push(char),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_and_what_is_said_beside_them_is() {
        for (name, value, shown) in [
            ("Authorization", "Bearer abcdef", "Bearer *** (6 bytes)"),
            ("Authorization", "abcdef", "*** (6 bytes)"),
            ("Proxy-Authorization", "Basic YTpi", "Basic *** (4 bytes)"),
            ("Cookie", "a=1; b=2", "a=***; b=***"),
            ("cookie", "nameless", "***"),
            ("Set-Cookie", "sid=abc; Path=/; HttpOnly", "sid=***; Path=/; HttpOnly"),
            ("Set-Cookie", "sid=abc", "sid=***"),
            ("X-CSRF-Token", "abc", "*** (3 bytes)"),
            ("X-Api-Key", "abc", "*** (3 bytes)"),
            ("X-Other", "abc", "abc"),
        ] {
            let masked = without_secrets(name, value.as_bytes());
            assert_eq!(String::from_utf8_lossy(&masked), shown, "{name}: {value}");
        }
    }

    #[test]
    fn whatever_a_body_is_its_text_is_bounded_and_plain() {
        let shown = |body: &[u8]| {
            let mut scribe = Scribe::new(false);
            scribe.body('<', body);
            scribe.text
        };
        assert_eq!(shown(b""), "");
        assert_eq!(shown("a\r\nß".as_bytes()), "<\n< a\n< ß\n");
        let hex = shown(b"\x00\xffab");
        assert!(hex.contains("00 ff 61 62") && hex.contains("..ab") && hex.contains("(4 bytes, "), "{hex}");
        // A character that the bound cuts in two is no reason to show no text.
        let long = shown("ß".repeat(TEXT_BYTES_MAX).as_bytes());
        assert!(
            long.contains("ß") && long.ends_with(&format!("... ({} bytes in all)\n", 2 * TEXT_BYTES_MAX))
        );
        let odd = format!("a{}", "ß".repeat(TEXT_BYTES_MAX));
        assert!(shown(odd.as_bytes()).contains("aß"));
        assert!(shown(&vec![7; 1 << 20]).len() < 4096);
        assert!(!shown("\u{1b}[31m".as_bytes()).contains('\u{1b}'));
    }
}
