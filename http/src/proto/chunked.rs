//! Decodes a chunked body in place, however it is cut.
//!
//! The idea: removing framing only makes a body shorter, so the decoded bytes fit where the raw ones are. The
//! decoder is given the raw bytes that follow what it has decoded before, and moves data down to their front:
//!
//! ```text
//! before   [ head | decoded before | 5\r\nhello\r\n3\r\nabc\r\n ]
//! after    [ head | decoded before | helloabc | gap             ]
//! ```
//!
//! Whoever owns the buffer then closes the gap, or leaves it when the body is complete.
//!
//! It is strict where leniency has led to request smuggling: 1 to 15 hex digits; then only spaces
//! and tabs, or extensions by their grammar ([`ExtensionPlace`]) that start directly behind the size; every line ends
//! with CRLF, and so does every chunk.
//!
//! The rule: the state between two calls is a few words. All bytes that were offered have been used, except
//! those of a trailer section that is not complete.

use super::chunk_extension::ExtensionPlace;
use super::error::ProtoError;
use super::limits::{CHUNK_EXTENSION_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX, TRAILER_BYTES_MAX};
use super::lines;
use crate::util::percent::hex_value;
use std::ops::Range;

/// Where the decoder is within a body; see the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkedDecoder {
    state: State,
    /// Bytes of the body so far, those of the chunk under way included.
    announced: u64,
    /// Bytes of extensions and of white space behind sizes so far.
    extension_bytes: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the digits of a size.
    Size { digits: u8, size: u64 },
    /// In the white space behind a size.
    SizeSpace(u64),
    /// In the extensions behind a size.
    Extension(u64, ExtensionPlace),
    /// Behind the carriage return of a size line.
    SizeEnd(u64),
    /// In the data of a chunk; so many bytes are missing.
    Data(u64),
    /// Behind the data of a chunk.
    DataReturn,
    /// Behind the carriage return that follows the data.
    DataEnd,
    /// Behind the last chunk; so many bytes of the trailer section have been searched for its end.
    Trailers { scanned: u32 },
}

/// What one call achieved, in bytes of the slice it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Body bytes, moved to the front of the slice.
    pub(crate) written: usize,
    /// Raw bytes that are used up. Never fewer than `written`.
    pub(crate) read: usize,
    /// The trailer section with its blank line, once the body is complete; `read` ends behind it.
    pub(crate) trailers: Option<Range<usize>>,
}

impl ChunkedDecoder {
    /// At the front of a body.
    pub(crate) fn new() -> Self {
        Self { state: START, announced: 0, extension_bytes: 0 }
    }

    /// Decodes as much of `raw` as possible; see [`Decoded`]. `body_max` bounds the whole body in bytes.
    ///
    /// `raw` must start where the `read` of the last call ended, and be longer than what that left over, or
    /// there is nothing to do.
    pub(crate) fn decode(&mut self, raw: &mut [u8], body_max: Option<u64>) -> Result<Decoded, ProtoError> {
        let (mut read, mut written) = (0, 0);
        while read < raw.len() {
            match self.state {
                State::Data(missing) => {
                    let available = raw.len() - read;
                    let length = usize::try_from(missing).map_or(available, |missing| missing.min(available));
                    raw.copy_within(read..read + length, written);
                    read += length;
                    written += length;
                    let missing = missing - length as u64;
                    self.state = if missing == 0 { State::DataReturn } else { State::Data(missing) };
                }
                State::Trailers { scanned } => {
                    let section = &raw[read..];
                    let visible = &section[..section.len().min(TRAILER_BYTES_MAX)];
                    let found =
                        lines::find_end(visible, scanned as usize).map_err(|_| ProtoError::BadTrailer)?;
                    if let Some(length) = found {
                        let trailers = read..read + length;
                        return Ok(Decoded { written, read: trailers.end, trailers: Some(trailers) });
                    }
                    if section.len() >= TRAILER_BYTES_MAX {
                        return Err(ProtoError::TrailersTooLarge);
                    }
                    // Bounded by the line above, so the cast keeps the value.
                    self.state = State::Trailers { scanned: section.len() as u32 };
                    break;
                }
                _ => {
                    self.state = self.framing_byte(raw[read], body_max)?;
                    read += 1;
                }
            }
        }
        debug_assert!(written <= read && read <= raw.len());
        Ok(Decoded { written, read, trailers: None })
    }

    /// The state after one byte of framing.
    fn framing_byte(&mut self, byte: u8, body_max: Option<u64>) -> Result<State, ProtoError> {
        match (self.state, byte) {
            (State::Size { digits, size }, _) if byte.is_ascii_hexdigit() => {
                if digits == CHUNK_SIZE_DIGITS_MAX {
                    return Err(ProtoError::BadChunk);
                }
                Ok(State::Size { digits: digits + 1, size: size << 4 | u64::from(hex_value(byte)) })
            }
            (State::Size { digits: 1.., size } | State::SizeSpace(size), b'\r') => Ok(State::SizeEnd(size)),
            (State::Size { digits: 1.., size } | State::SizeSpace(size), b' ' | b'\t') => {
                self.pay_for_extension()?;
                Ok(State::SizeSpace(size))
            }
            (State::Size { digits: 1.., size }, b';') => {
                self.pay_for_extension()?;
                Ok(State::Extension(size, ExtensionPlace::Semicolon))
            }
            (State::Extension(size, place), b'\r') if place.may_end() => Ok(State::SizeEnd(size)),
            (State::Extension(size, place), _) => {
                self.pay_for_extension()?;
                let place = place.after(byte).ok_or(ProtoError::BadChunk)?;
                Ok(State::Extension(size, place))
            }
            (State::SizeEnd(0), b'\n') => Ok(State::Trailers { scanned: 0 }),
            (State::SizeEnd(size), b'\n') => {
                // Before any byte of the chunk is taken (`LIM-06`).
                self.announced = self.announced.saturating_add(size);
                if body_max.is_some_and(|max| self.announced > max) {
                    return Err(ProtoError::BodyTooLarge);
                }
                Ok(State::Data(size))
            }
            (State::DataReturn, b'\r') => Ok(State::DataEnd),
            (State::DataEnd, b'\n') => Ok(START),
            _ => Err(ProtoError::BadChunk),
        }
    }

    fn pay_for_extension(&mut self) -> Result<(), ProtoError> {
        if self.extension_bytes == CHUNK_EXTENSION_BYTES_MAX {
            return Err(ProtoError::BadChunk);
        }
        self.extension_bytes += 1;
        Ok(())
    }
}

const START: State = State::Size { digits: 0, size: 0 };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Limits;
    use crate::util::token::is_token_byte;
    use proptest::prelude::*;

    const SMALL: Limits =
        Limits { head_bytes_max: 1024, fields_max: 16, body_bytes_max: Some(64), ..Limits::DEFAULT };

    /// What became of a body: its bytes, its trailer section and how many bytes followed it.
    type Outcome = Result<Option<(Vec<u8>, Vec<u8>, usize)>, ProtoError>;

    /// Decodes `message`, offered in pieces that end at `cuts` and at its end.
    fn decode(message: &[u8], cuts: &[usize], limits: &Limits) -> Outcome {
        let mut decoder = ChunkedDecoder::new();
        let (mut body, mut left, mut offered) = (Vec::new(), Vec::new(), 0);
        for end in cuts.iter().copied().chain([message.len()]) {
            let end = end.clamp(offered, message.len());
            left.extend_from_slice(&message[offered..end]);
            offered = end;
            let found = decoder.decode(&mut left, limits.body_bytes_max)?;
            body.extend_from_slice(&left[..found.written]);
            if let Some(trailers) = found.trailers {
                let following = left.len() - found.read + message.len() - offered;
                return Ok(Some((body, left[trailers].to_vec(), following)));
            }
            left.drain(..found.read);
        }
        Ok(None)
    }

    fn without_space(text: &[u8]) -> &[u8] {
        &text[text.iter().take_while(|&&byte| byte == b' ' || byte == b'\t').count()..]
    }

    fn without_token(text: &[u8]) -> Result<&[u8], ProtoError> {
        let length = text.iter().take_while(|&&byte| is_token_byte(byte)).count();
        if length == 0 && !text.is_empty() { Err(ProtoError::BadChunk) } else { Ok(&text[length..]) }
    }

    /// What follows the quoted string at the front, if that is complete.
    fn without_quoted(text: &[u8]) -> Result<Option<&[u8]>, ProtoError> {
        let mut rest = &text[1..];
        loop {
            let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
            rest = match rest {
                [] | [b'\\'] => return Ok(None),
                [b'"', after @ ..] => return Ok(Some(after)),
                [b'\\', escaped, after @ ..] if is_text(escaped) => after,
                [byte, after @ ..] if *byte != b'\\' && is_text(byte) => after,
                _ => return Err(ProtoError::BadChunk),
            }
        }
    }

    /// What follows the extensions at the front, or nothing if `text` ends within them.
    fn extensions_naively(text: &[u8]) -> Result<Option<&[u8]>, ProtoError> {
        let mut rest = text;
        while let [b';', after @ ..] = rest {
            rest = without_token(without_space(after))?;
            let mut padded = without_space(rest);
            if let [b'=', after @ ..] = padded {
                rest = match without_space(after) {
                    quoted @ [b'"', ..] => match without_quoted(quoted)? {
                        Some(after) => after,
                        None => return Ok(None),
                    },
                    token => without_token(token)?,
                };
                padded = without_space(rest);
            }
            rest = match padded {
                [] => return Ok(None),
                [b';', ..] => padded,
                _ => rest,
            };
        }
        Ok(Some(rest))
    }

    /// The same for one piece, written as plainly as possible.
    fn decode_naively(message: &[u8], limits: &Limits) -> Outcome {
        let mut rest = message;
        let mut body = Vec::new();
        let mut extension_bytes = 0;
        loop {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            if digits > 15 || (digits == 0 && !rest.is_empty()) {
                return Err(ProtoError::BadChunk);
            }
            let (size, after) = rest.split_at(digits);
            let behind = match after.first() {
                Some(b';') => extensions_naively(after)?,
                _ => Some(without_space(after)),
            };
            extension_bytes += after.len() - behind.map_or(0, <[u8]>::len);
            if extension_bytes > usize::from(CHUNK_EXTENSION_BYTES_MAX) {
                return Err(ProtoError::BadChunk);
            }
            rest = match behind.unwrap_or_default() {
                [b'\r', b'\n', rest @ ..] => rest,
                [] | [b'\r'] => return Ok(None),
                _ => return Err(ProtoError::BadChunk),
            };
            let size = std::str::from_utf8(size).expect("hex digits are text");
            let size = usize::from_str_radix(size, 16).expect("15 digits fit");
            if size == 0 {
                break;
            }
            if !limits.allows_body((body.len() + size) as u64) {
                return Err(ProtoError::BodyTooLarge);
            }
            let Some((data, after)) = rest.split_at_checked(size) else { return Ok(None) };
            body.extend_from_slice(data);
            rest = match after {
                [b'\r', b'\n', rest @ ..] => rest,
                [] | [b'\r'] => return Ok(None),
                _ => return Err(ProtoError::BadChunk),
            };
        }
        let mut length = 0;
        for line in rest.split_inclusive(|&byte| byte == b'\n') {
            length += line.len();
            match line {
                _ if length > TRAILER_BYTES_MAX => return Err(ProtoError::TrailersTooLarge),
                b"\r\n" => return Ok(Some((body, rest[..length].to_vec(), rest.len() - length))),
                [.., b'\r', b'\n'] => {}
                [.., b'\n'] => return Err(ProtoError::BadTrailer),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The outcome for `message`, which must be the same whole, naively, cut anywhere, and byte by byte.
    fn check(message: impl AsRef<[u8]>, limits: &Limits) -> Outcome {
        let message = message.as_ref();
        let whole = decode(message, &[], limits);
        assert_eq!(whole, decode_naively(message, limits), "naively");
        for cut in 0..message.len() {
            assert_eq!(decode(message, &[cut], limits), whole, "cut at {cut}");
        }
        let everywhere: Vec<usize> = (0..message.len()).collect();
        assert_eq!(decode(message, &everywhere, limits), whole, "byte by byte");
        whole
    }

    fn complete(body: &str, trailers: &str, following: usize) -> Outcome {
        Ok(Some((body.into(), trailers.into(), following)))
    }

    #[test]
    fn well_formed_bodies() {
        for (message, body, trailers, following) in [
            ("3\r\nabc\r\n5\r\n12345\r\n0\r\n\r\n", "abc12345", "\r\n", 0),
            ("0\r\n\r\n", "", "\r\n", 0),
            ("000\r\n\r\nGET /", "", "\r\n", 5),
            ("a\r\n0123456789\r\n0\r\n\r\n", "0123456789", "\r\n", 0),
            ("A \t\r\n0123456789\r\n00000000000000\r\n\r\n", "0123456789", "\r\n", 0),
            ("1;a=b;c=\"d e\"\r\nx\r\n0;last\r\n\r\n", "x", "\r\n", 0),
            ("1;a = \"\\\"\\\\\" ;b\r\nx\r\n0;c=\"\"\r\n\r\n", "x", "\r\n", 0),
            ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", "\r\n", 0),
            ("1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\nrest", "x", "A: b\r\nC: d\r\n\r\n", 4),
        ] {
            assert_eq!(check(message, &SMALL), complete(body, trailers, following), "{message:?}");
        }
    }

    #[test]
    fn malformed_bodies() {
        for message in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "\t1\r\n",
            ";a\r\n",
            "1 ;a\r\n",
            "1 1\r\n",
            "1\n",
            "1\rx",
            "1\r\r\n",
            "1;a\nx",
            "1;a\rx",
            "1;\0\r\n",
            "1;\x7f\r\n",
            "1;\r\n",
            "1;=a\r\n",
            "1;a=\r\n",
            "1;a \r\n",
            "1;a=b c\r\n",
            "1;a=\"\r\nx\r\n0\r\n\r\n",
            "1;a=\"\\\"\r\nx\r\n",
            "1;a=\"\\\r\n",
            "1;a=\"\n\"\r\n",
            "1;a=\"b\"\"\r\n",
            "1\r\nab\r\n",
            "1\r\na\n",
            "1\r\na\rb",
            "1\r\na0\r\n\r\n",
            "0000000000000000\r\n",
            "fffffffffffffffff\r\n",
        ] {
            assert_eq!(check(message, &SMALL), Err(ProtoError::BadChunk), "{message:?}");
        }
        for message in ["0\r\nA: b\n\r\n", "0\r\n\n"] {
            assert_eq!(check(message, &SMALL), Err(ProtoError::BadTrailer), "{message:?}");
        }
    }

    #[test]
    fn incomplete_bodies() {
        for message in [
            "",
            "1",
            "1;",
            "1;a",
            "1;a=",
            "1;a=\"",
            "1;a=\"\\",
            "1;a=\"\" ",
            "1\r",
            "1\r\n",
            "1\r\na",
            "1\r\na\r",
            "0\r\n",
            "0\r\n\r",
            "0\r\nA: b\r\n",
        ] {
            assert_eq!(check(message, &SMALL), Ok(None), "{message:?}");
        }
    }

    #[test]
    fn the_limit_counts_when_a_size_is_read() {
        let limits = Limits { body_bytes_max: Some(8), ..SMALL };
        assert_eq!(check("6\r\nabcdef\r\n3\r\n", &limits), Err(ProtoError::BodyTooLarge));
        assert_eq!(check("6\r\nabcdef\r\n2\r\nab\r\n0\r\n\r\n", &limits), complete("abcdefab", "\r\n", 0));
        assert_eq!(check("fffffffffffffff\r\n", &limits), Err(ProtoError::BodyTooLarge));
        let unlimited = Limits { body_bytes_max: None, ..SMALL };
        assert_eq!(decode(b"fffffffffffffff\r\nabc", &[], &unlimited), Ok(None));
    }

    #[test]
    fn extensions_and_trailers_are_bounded() {
        let max = usize::from(CHUNK_EXTENSION_BYTES_MAX);
        let message = |length: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(length - 1));
        assert_eq!(decode(message(max).as_bytes(), &[], &SMALL), complete("x", "\r\n", 0));
        assert_eq!(decode(message(max + 1).as_bytes(), &[], &SMALL), Err(ProtoError::BadChunk));
        let spread = "1;eeee\r\nx\r\n".repeat(max / 5 + 1);
        let unlimited = Limits { body_bytes_max: None, ..SMALL };
        assert_eq!(decode(spread.as_bytes(), &[], &unlimited), Err(ProtoError::BadChunk));

        let message = |length: usize| format!("0\r\nA: {}\r\n\r\n", "t".repeat(length - 7));
        let fits = message(TRAILER_BYTES_MAX);
        assert_eq!(decode(fits.as_bytes(), &[], &SMALL), complete("", &fits[3..], 0));
        for cuts in [&[][..], &[100, 5000]] {
            let too_long = message(TRAILER_BYTES_MAX + 1);
            assert_eq!(decode(too_long.as_bytes(), cuts, &SMALL), Err(ProtoError::TrailersTooLarge));
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..12),
            mut cuts in proptest::collection::vec(0..600usize, 0..12),
            following in 0..20usize,
        ) {
            let mut message = Vec::new();
            for chunk in &chunks {
                message.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                message.extend_from_slice(chunk);
                message.extend_from_slice(b"\r\n");
            }
            message.extend_from_slice(b"0\r\n\r\n");
            message.extend(std::iter::repeat_n(b'G', following));
            cuts.sort_unstable();
            let limits = Limits { body_bytes_max: None, ..SMALL };
            let expected = Ok(Some((chunks.concat(), b"\r\n".to_vec(), following)));
            prop_assert_eq!(decode(&message, &cuts, &limits), expected);
        }

        #[test]
        fn engine_f6_extensions_agree_with_the_naive_decoder(
            line in "[;][;= ab\t\"\\\\\r\n]{0,10}(\r\n)?",
            mut cuts in proptest::collection::vec(0..20usize, 0..6),
        ) {
            cuts.sort_unstable();
            let message = format!("1{line}x\r\n0{line}\r\n");
            let naive = decode_naively(message.as_bytes(), &SMALL);
            prop_assert_eq!(decode(message.as_bytes(), &cuts, &SMALL), naive);
        }

        #[test]
        fn agrees_with_the_naive_decoder(
            message in concat!(
                "([0-3a]{0,2}[ ;x]{0,2}(;[a= ]{0,3}(\"[b\\\\;]{0,3}\"?)?[ ;]?){0,2}",
                "\r?\n?[xX]{0,3}(\r\n)?){0,6}(0\r\n(A: b\r\n)?\r\n)?",
            ),
            mut cuts in proptest::collection::vec(0..60usize, 0..6),
        ) {
            cuts.sort_unstable();
            let naive = decode_naively(message.as_bytes(), &SMALL);
            prop_assert_eq!(decode(message.as_bytes(), &cuts, &SMALL), naive);
        }
    }
}
