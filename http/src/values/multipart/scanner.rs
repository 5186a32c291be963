//! The parser itself: bytes in, events out; it reads nothing.
//!
//! The idea: every delimiter is looked for as CR LF, two hyphens, boundary. That holds for the first one too when
//! a CR LF is put in front of the body, and for one right behind a head when the CR LF of the blank line is left
//! where it is. So one search finds all of them, and a body is this:
//!
//! ```text
//! Preamble --needle--> Delimiter --CR LF--> Head --blank line--> ContentStart --> Content --needle--> Delimiter
//!                          `--"--", CR LF or the end--> Epilogue
//! ```
//!
//! The rules: what is decided depends on the bytes alone and never on how they were cut into reads. A search
//! never looks at a byte twice, except at the few that may be the start of a delimiter. Once refused, always
//! refused.

use super::Boundary;
use super::error::{Cause, Limit, Malformed};
use super::head::PartHead;
use super::limits::{BUFFER_BYTES, Limits, PADDING_BYTES_MAX, READ_BYTES_MIN};
use crate::wire::input::Input;
use memchr::memmem::Finder;

/// What comes next; see the module's text.
#[derive(Debug)]
pub(super) struct Scanner {
    input: Input,
    needle: Finder<'static>,
    limits: Limits,
    state: ScanState,
    /// How many unread bytes are known to be content (or preamble) and were not consumed yet.
    ready: usize,
    parts: usize,
    part_bytes: u64,
    received: u64,
    has_ended: bool,
    head: PartHead,
}

#[derive(Clone, Copy, Debug)]
enum ScanState {
    /// Before the first delimiter.
    Preamble,
    /// Behind a delimiter, in its line, which may end a part.
    Delimiter {
        ends_part: bool,
    },
    /// At the CR LF in front of a head, whose end is not among the first `searched` bytes.
    Head {
        searched: usize,
    },
    /// At the CR LF that ended the head, which may also be the start of a delimiter.
    ContentStart,
    Content,
    /// Behind the closing delimiter.
    Epilogue,
    Refused(Cause),
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScanEvent {
    /// Nothing yet: fill [`Scanner::space`], or say that there is no more.
    NeedInput,
    /// A part begins; its head is [`Scanner::head`].
    PartStart,
    /// [`Scanner::content`] has bytes.
    Content,
    /// The part is complete: the line of the delimiter behind it was seen to its end.
    PartEnd,
    /// The body is complete, and all of it was received.
    End,
}

/// What a state makes of the unread bytes.
enum Scanned {
    /// Another state can go on.
    Moved,
    /// More bytes are needed.
    Starved,
    Found(ScanEvent),
}

impl Scanner {
    pub(super) fn new(boundary: &Boundary, limits: Limits) -> Self {
        let needle = format!("\r\n--{}", boundary.as_str());
        let mut input = Input::with_capacity(BUFFER_BYTES);
        input.receive(b"\r\n");
        let state = match limits.check() {
            Ok(()) => ScanState::Preamble,
            Err(fault) => ScanState::Refused(Cause::BadOption(fault)),
        };
        Self {
            input,
            needle: Finder::new(needle.as_bytes()).into_owned(),
            limits,
            state,
            ready: 0,
            parts: 0,
            part_bytes: 0,
            received: 0,
            has_ended: false,
            head: PartHead::default(),
        }
    }

    /// Goes on to the next event. Content that was not consumed is announced again.
    pub(super) fn step(&mut self) -> Result<ScanEvent, Cause> {
        loop {
            let outcome = match self.state {
                ScanState::Preamble => self.preamble(),
                ScanState::Delimiter { ends_part } => self.delimiter(ends_part),
                ScanState::Head { searched } => self.head_end(searched),
                ScanState::ContentStart => self.content_start(),
                ScanState::Content => self.look_for_content(),
                ScanState::Epilogue => self.epilogue(),
                ScanState::Refused(refusal) => Err(refusal),
            };
            match outcome {
                Ok(Scanned::Moved) => {}
                Ok(Scanned::Found(event)) => return Ok(event),
                Ok(Scanned::Starved) if !self.has_ended => return Ok(ScanEvent::NeedInput),
                Ok(Scanned::Starved) => self.state = ScanState::Refused(Malformed::Truncated.into()),
                Err(refusal) => {
                    self.state = ScanState::Refused(refusal);
                    return Err(refusal);
                }
            }
        }
    }

    /// Room for the next read: as much as the limit of the body allows, and after that one byte more, to see
    /// whether there is one.
    pub(super) fn space(&mut self) -> &mut [u8] {
        let allowed = self.limits.body_bytes_max.saturating_sub(self.received).max(1);
        let space = self.input.space(READ_BYTES_MIN);
        let length = usize::try_from(allowed).map_or(space.len(), |allowed| allowed.min(space.len()));
        &mut space[..length]
    }

    /// Says that the first `count` bytes of [`Scanner::space`] were received; with 0 the body has ended.
    pub(super) fn filled(&mut self, count: usize) {
        self.input.filled(count);
        self.received += count as u64;
        self.has_ended |= count == 0;
        if self.received > self.limits.body_bytes_max {
            self.state = ScanState::Refused(Limit::Body.into());
        }
    }

    pub(super) fn head(&self) -> &PartHead {
        &self.head
    }

    /// Takes the head out; the part has an empty one from now on.
    pub(super) fn take_head(&mut self) -> PartHead {
        std::mem::take(&mut self.head)
    }

    /// Bytes of the part after [`ScanEvent::Content`], not all that it has.
    pub(super) fn content(&self) -> &[u8] {
        self.input.unread().get(..self.ready).unwrap_or_default()
    }

    /// Drops the first `count` bytes of [`Scanner::content`].
    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.ready);
        self.input.consume(count);
        self.ready -= count;
        self.part_bytes = self.part_bytes.saturating_add(count as u64);
    }

    fn preamble(&mut self) -> Result<Scanned, Cause> {
        let (clear, found) = self.clear_bytes();
        self.input.consume(clear);
        Ok(if found { self.pass_needle(false) } else { Scanned::Starved })
    }

    fn delimiter(&mut self, ends_part: bool) -> Result<Scanned, Cause> {
        let line = self.input.unread();
        let closing = line.strip_prefix(b"--");
        let line = closing.unwrap_or(line);
        let padding = line.iter().take_while(|&&byte| byte == b' ' || byte == b'\t').count();
        self.state = match &line[padding..] {
            _ if padding > PADDING_BYTES_MAX => return Err(Malformed::Delimiter.into()),
            // The body may end without the end of its last line.
            [] | [b'\r'] if closing.is_some() && self.has_ended => ScanState::Epilogue,
            [] | [b'\r'] => return Ok(Scanned::Starved),
            [b'-'] if closing.is_none() && padding == 0 => return Ok(Scanned::Starved),
            [b'\r', b'\n', ..] if closing.is_some() => ScanState::Epilogue,
            [b'\r', b'\n', ..] => {
                self.input.consume(padding);
                ScanState::Head { searched: 0 }
            }
            _ => return Err(Malformed::Delimiter.into()),
        };
        Ok(if ends_part { Scanned::Found(ScanEvent::PartEnd) } else { Scanned::Moved })
    }

    fn head_end(&mut self, searched: usize) -> Result<Scanned, Cause> {
        let unread = self.input.unread();
        let found = memchr::memmem::find(&unread[searched..], b"\r\n\r\n").map(|at| searched + at);
        let bytes_max = self.limits.head_bytes_max;
        if self.parts >= self.limits.parts_max {
            return Err(Limit::Parts.into());
        }
        match found {
            // As many bytes in front of the blank line's CR LF, shifted by the CR LF of the delimiter.
            Some(end) if end <= bytes_max => {
                let head = &unread[..end];
                // A line that starts with the delimiter, although it has a colon further on.
                if self.needle.find(head).is_some() {
                    return Err(Malformed::Delimiter.into());
                }
                self.head.parse(head)?;
                self.input.consume(end + 2);
                self.parts += 1;
                self.part_bytes = 0;
                self.state = ScanState::ContentStart;
                Ok(Scanned::Found(ScanEvent::PartStart))
            }
            None if unread.len() < bytes_max.saturating_add(4) => {
                self.state = ScanState::Head { searched: unread.len().saturating_sub(3) };
                Ok(Scanned::Starved)
            }
            _ => Err(Limit::Head.into()),
        }
    }

    fn content_start(&mut self) -> Result<Scanned, Cause> {
        let unread = self.input.unread();
        let needle = self.needle.needle();
        if unread.starts_with(needle) {
            return Ok(self.pass_needle(true));
        }
        if needle.starts_with(unread) {
            return Ok(Scanned::Starved);
        }
        self.input.consume(2);
        self.state = ScanState::Content;
        Ok(Scanned::Moved)
    }

    fn look_for_content(&mut self) -> Result<Scanned, Cause> {
        if self.ready > 0 {
            return Ok(Scanned::Found(ScanEvent::Content));
        }
        let (clear, found) = self.clear_bytes();
        if clear == 0 {
            return Ok(if found { self.pass_needle(true) } else { Scanned::Starved });
        }
        let allowed = self.limits.part_bytes_max().saturating_sub(self.part_bytes);
        self.ready = usize::try_from(allowed).map_or(clear, |allowed| allowed.min(clear));
        if self.ready == 0 { Err(Limit::Part.into()) } else { Ok(Scanned::Found(ScanEvent::Content)) }
    }

    fn epilogue(&mut self) -> Result<Scanned, Cause> {
        self.input.clear();
        Ok(if self.has_ended { Scanned::Found(ScanEvent::End) } else { Scanned::Starved })
    }

    /// How many of the unread bytes are in front of a delimiter, and whether there is a whole one behind them.
    fn clear_bytes(&self) -> (usize, bool) {
        let unread = self.input.unread();
        if let Some(at) = self.needle.find(unread) {
            return (at, true);
        }
        // The only CR of the needle is its first byte, so only the last CR can be the start of one.
        let needle = self.needle.needle();
        let tail = unread.len().saturating_sub(needle.len() - 1);
        match memchr::memrchr(b'\r', &unread[tail..]) {
            Some(at) if needle.starts_with(&unread[tail + at..]) => (tail + at, false),
            _ => (unread.len(), false),
        }
    }

    /// Goes behind the delimiter at the front.
    fn pass_needle(&mut self, ends_part: bool) -> Scanned {
        self.input.consume(self.needle.needle().len());
        self.state = ScanState::Delimiter { ends_part };
        Scanned::Moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a body is made of, in words: each part's name and content, and how it ended.
    fn events(body: &[u8], cuts: impl Iterator<Item = usize>, limits: &Limits) -> (Vec<String>, String) {
        let mut scanner = Scanner::new(&Boundary::new("b").expect("a boundary"), limits.clone());
        let mut cuts = cuts.map(|cut| cut.max(1));
        let mut rest = body;
        let mut found = Vec::new();
        let mut content = Vec::new();
        loop {
            match scanner.step() {
                Ok(ScanEvent::NeedInput) => {
                    let space = scanner.space();
                    let count = rest.len().min(space.len()).min(cuts.next().unwrap_or(usize::MAX));
                    space[..count].copy_from_slice(&rest[..count]);
                    scanner.filled(count);
                    rest = &rest[count..];
                }
                Ok(ScanEvent::PartStart) => found.push(format!("{:?}", scanner.head().name())),
                Ok(ScanEvent::Content) => {
                    let count = scanner.content().len().min(3);
                    content.extend_from_slice(&scanner.content()[..count]);
                    scanner.consume(count);
                }
                Ok(ScanEvent::PartEnd) => {
                    found.push(content.escape_ascii().to_string());
                    content.clear();
                }
                Ok(ScanEvent::End) => {
                    assert_eq!(scanner.step(), Ok(ScanEvent::End));
                    return (found, "end".to_owned());
                }
                Err(refusal) => {
                    assert_eq!(scanner.step(), Err(refusal), "a refusal is final");
                    found.push(content.escape_ascii().to_string());
                    return (found, format!("{refusal:?}"));
                }
            }
        }
    }

    /// The events of a body, which are the same for every way to cut it in two, and byte by byte.
    fn events_of(body: &[u8], limits: &Limits) -> (Vec<String>, String) {
        let whole = events(body, std::iter::empty(), limits);
        assert_eq!(whole, events(body, std::iter::repeat(1), limits), "byte by byte");
        for cut in 1..body.len() {
            assert_eq!(whole, events(body, std::iter::once(cut), limits), "cut at {cut}");
        }
        whole
    }

    #[track_caller]
    fn check(body: &str, expected: &[&str], end: &str) {
        let (found, ended) = events_of(body.as_bytes(), &Limits::new());
        assert_eq!(
            (found.iter().map(String::as_str).collect::<Vec<_>>(), ended.as_str()),
            (expected.to_vec(), end)
        );
    }

    #[test]
    fn bodies() {
        check("--b\r\n\r\nx\r\n--b--\r\n", &["None", "x"], "end");
        check("--b\r\n\r\nx\r\n--b--", &["None", "x"], "end");
        check("--b--", &[], "end");
        check("--b--\r\nanything\r\n--b\r\nat all", &[], "end");
        check("--b--\t \r\n", &[], "end");
        check("--b--\r", &[], "end");
        check("\r\n--b--", &[], "end");
        check("preamble --b\r\n-\r\n--b\t \r\n\r\nx--b --c\r\n--b--", &["None", "x--b --c"], "end");
        check(
            "--b\r\nContent-Disposition: form-data; name=one\r\n\r\n1\r\n--b\r\nX: y\r\n\r\n\r\n2\r\n\r\n--b--",
            &["Some(\"one\")", "1", "None", "\\r\\n2\\r\\n"],
            "end",
        );
    }

    #[test]
    fn contents_that_look_like_delimiters() {
        for content in ["\r", "\n", "\r\n", "\r\n-", "\r\n--", "x--b--", "\r\r\n--", "\r\n\r\n--a", "\n--b\n"]
        {
            let body = format!("--b\r\nA: b\r\n\r\n{content}x\r\n--b--");
            check(&body, &["None", &format!("{content}x").as_bytes().escape_ascii().to_string()], "end");
        }
    }

    #[test]
    fn empty_parts() {
        // The blank line may be the delimiter's own (RFC 2046: the body of a part is optional).
        check("--b\r\nA: b\r\n\r\n--b--", &["None", ""], "end");
        check("--b\r\nA: b\r\n\r\n\r\n--b--", &["None", ""], "end");
        check("--b\r\n\r\n--b\r\n\r\n\r\n--b--", &["None", "", "None", ""], "end");
    }

    #[test]
    fn malformed_bodies() {
        check("", &[""], "Malformed(Truncated)");
        check("no delimiter at all", &[""], "Malformed(Truncated)");
        check("x--b--", &[""], "Malformed(Truncated)");
        check("--b", &[""], "Malformed(Truncated)");
        check("--b-", &[""], "Malformed(Truncated)");
        check("--b\r\nA: b\r\n", &[""], "Malformed(Truncated)");
        check("--b\r\n\r\n\r", &["None", ""], "Malformed(Truncated)");
        check("--b\r\n\r\nx\r\n--", &["None", "x"], "Malformed(Truncated)");
        check("--b\r\n\r\nx\r\n--b", &["None", "x"], "Malformed(Truncated)");
        check("--b\r\n\r\nx\r\n--b\r\n", &["None", "x", ""], "Malformed(Truncated)");
        check("--bb\r\n", &[""], "Malformed(Delimiter)");
        check("--b\r\n--b: x\r\n\r\n\r\n--b--", &[""], "Malformed(Delimiter)");
        check("--b\r\nA: b\r\n--bb: x\r\n\r\n\r\n--b--", &[""], "Malformed(Delimiter)");
        check("--b\n\n", &[""], "Malformed(Delimiter)");
        check("--b-x", &[""], "Malformed(Delimiter)");
        check("--b x\r\n", &[""], "Malformed(Delimiter)");
        check("--b\rx", &[""], "Malformed(Delimiter)");
        check("--b\r\n\r\nx\r\n--bc\r\n--b--", &["None", "x"], "Malformed(Delimiter)");
        check("--b\r\n--b--\r\n\r\n", &[""], "Malformed(Delimiter)");
        for closing in ["--b--x", "--b---", "--b-- x\r\n", "--b--\n", "--b--\rx", "--b --"] {
            check(closing, &[""], "Malformed(Delimiter)");
            check(&format!("--b\r\n\r\nx\r\n{closing}"), &["None", "x"], "Malformed(Delimiter)");
        }
        check(&format!("--b--{}", " ".repeat(256)), &[], "end");
        check(&format!("--b--{}", " ".repeat(257)), &[""], "Malformed(Delimiter)");
        check("--b\r\nContent-Disposition: x y\r\n\r\n", &[""], "Malformed(Disposition)");
        check(&format!("--b{}\r\n\r\n\r\n--b--", " ".repeat(256)), &["None", ""], "end");
        check(&format!("--b{}\r\n\r\n\r\n--b--", " ".repeat(257)), &[""], "Malformed(Delimiter)");
    }

    #[test]
    fn limits_are_met_to_the_byte() {
        let body = b"--b\r\nA: b\r\n\r\n12345\r\n--b\r\n\r\n\r\n--b-- ";
        let end = |limits: Limits| events_of(body, &limits).1;
        assert_eq!(end(Limits::new().max_parts(2)), "end");
        assert_eq!(end(Limits::new().max_parts(1)), "TooLarge(Parts)");
        // The line of the head and the blank line's share of it: "A: b" with its CR LF.
        assert_eq!(end(Limits::new().max_head_bytes(6)), "end");
        assert_eq!(end(Limits::new().max_head_bytes(5)), "TooLarge(Head)");
        assert_eq!(end(Limits::new().max_part_bytes(5)), "end");
        assert_eq!(end(Limits::new().max_body_bytes(body.len() as u64)), "end");
        assert_eq!(end(Limits::new().max_body_bytes(body.len() as u64 - 1)), "TooLarge(Body)");
        assert_eq!(end(Limits::new().max_body_bytes(1)), "TooLarge(Body)");
        let (found, end) = events_of(body, &Limits::new().max_part_bytes(4));
        assert_eq!((found.last().map(String::as_str), end.as_str()), (Some("1234"), "TooLarge(Part)"));
    }

    #[test]
    fn an_endless_head_is_refused_before_it_is_stored() {
        let mut scanner = Scanner::new(&Boundary::new("b").expect("a boundary"), Limits::new());
        let mut fed = 0;
        let mut prefix = &b"--b\r\nA: "[..];
        let refusal = loop {
            match scanner.step() {
                Ok(ScanEvent::NeedInput) => {
                    let space = scanner.space();
                    space.fill(b'x');
                    space[..prefix.len()].copy_from_slice(prefix);
                    prefix = b"";
                    let count = space.len();
                    scanner.filled(count);
                    fed += count;
                }
                Ok(event) => panic!("{event:?}"),
                Err(refusal) => break refusal,
            }
        };
        assert_eq!(refusal, Cause::TooLarge(Limit::Head));
        assert!(fed <= BUFFER_BYTES && scanner.input.capacity() <= BUFFER_BYTES, "{fed} bytes were taken");
    }

    /// Bytes that are often parts of delimiters and heads.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            3 => Just(b"\r\n--b".to_vec()),
            2 => Just(b"--".to_vec()),
            3 => Just(b"\r\n".to_vec()),
            2 => Just(b"\r\nA: b\r\n\r\n".to_vec()),
            1 => Just(b"\r\nContent-Disposition: form-data; name=a\r\n\r\n".to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 1..4),
            1 => Just(b"x".to_vec()),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_reads_give_the_same(
            body in pieces(),
            cuts in proptest::collection::vec(1usize..9, 0..40),
            part_max in 1u64..9,
        ) {
            for limits in [Limits::new(), Limits::new().max_part_bytes(part_max).max_head_bytes(8).max_parts(2)] {
                let whole = events(&body, std::iter::empty(), &limits);
                prop_assert_eq!(&whole, &events(&body, cuts.iter().copied(), &limits));
                prop_assert_eq!(&whole, &events(&body, std::iter::repeat(1), &limits));
            }
        }
    }
}
