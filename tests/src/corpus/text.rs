//! Bytes written as text: escapes, repetitions and the two marks of an input.
//!
//! The rule: what is written is never guessed. An escape that does not exist is an error.

/// What a piece of text stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    /// Where `{wait}` was.
    pub(super) waits: Vec<usize>,
    /// Where `{stop}` was.
    pub(super) stop: Option<usize>,
}

/// The longest repetition in bytes; a slip of the finger should not fill the memory.
const REPEATED_BYTES_MAX: usize = 16 << 20;

/// Reads text that may have marks.
pub(super) fn with_marks(source: &str) -> Result<Text, String> {
    let mut text = Text::default();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let Some(inside) = rest.strip_prefix('{') else {
            let (byte_count, used) = plain(rest, &mut text.bytes)?;
            debug_assert!(byte_count > 0);
            rest = &rest[used.max(first.len_utf8())..];
            continue;
        };
        let end = inside.find('}').ok_or_else(|| format!("no end of {rest:?}: write \\{{ for a brace"))?;
        match &inside[..end] {
            "wait" => text.waits.push(text.bytes.len()),
            "stop" if text.stop.is_none() => text.stop = Some(text.bytes.len()),
            repetition => text.bytes.extend(repeated(repetition)?),
        }
        rest = &inside[end + 1..];
    }
    Ok(text)
}

/// Reads text without marks.
pub(super) fn bytes(source: &str) -> Result<Vec<u8>, String> {
    let text = with_marks(source)?;
    if text.waits.is_empty() && text.stop.is_none() {
        Ok(text.bytes)
    } else {
        Err(format!("marks belong into an input, not into {source:?}"))
    }
}

fn repeated(repetition: &str) -> Result<Vec<u8>, String> {
    let unknown =
        || format!("{{{repetition}}} means nothing: write {{text*100}}, {{wait}}, {{stop}} or \\{{");
    let (what, count) = repetition.rsplit_once('*').ok_or_else(unknown)?;
    let count: usize = count.parse().map_err(|_| unknown())?;
    let mut once = Vec::new();
    let mut rest = what;
    while !rest.is_empty() {
        let (_, used) = plain(rest, &mut once)?;
        rest = &rest[used..];
    }
    if once.is_empty() || once.len().saturating_mul(count) > REPEATED_BYTES_MAX {
        return Err(format!("{{{repetition}}} is nothing, or too much"));
    }
    Ok(once.repeat(count))
}

/// Reads one character or escape; returns how many bytes it stands for and how many it takes up.
fn plain(source: &str, out: &mut Vec<u8>) -> Result<(usize, usize), String> {
    let mut characters = source.chars();
    let first = characters.next().unwrap_or_default();
    if first != '\\' {
        let mut buffer = [0; 4];
        out.extend_from_slice(first.encode_utf8(&mut buffer).as_bytes());
        return Ok((first.len_utf8(), first.len_utf8()));
    }
    let byte = match characters.next() {
        Some('r') => b'\r',
        Some('n') => b'\n',
        Some('t') => b'\t',
        Some('0') => 0,
        Some(brace @ ('\\' | '{' | '}')) => brace as u8,
        Some('x') => {
            let digits = source.get(2..4).ok_or("\\x wants two digits")?;
            let byte =
                u8::from_str_radix(digits, 16).map_err(|_| format!("\\x{digits} has no hex digits"))?;
            out.push(byte);
            return Ok((1, 4));
        }
        Some(other) => return Err(format!("\\{other} is no escape")),
        None => return Err("a backslash at the end: write \\\\".to_owned()),
    };
    out.push(byte);
    Ok((1, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_repetitions() {
        for (source, expected) in [
            ("", &b""[..]),
            ("a b", b"a b"),
            (r"\r\n\t\0\\\{\}\x7f\xFf", b"\r\n\t\0\\{}\x7f\xff"),
            ("\u{e4}", "\u{e4}".as_bytes()),
            ("-{ab*3}-", b"-ababab-"),
            (r"{\r\n*2}", b"\r\n\r\n"),
            ("{**2}", b"**"),
            ("{a*0}", b""),
        ] {
            assert_eq!(bytes(source).as_deref(), Ok(expected), "{source:?}");
        }
    }

    #[test]
    fn marks() {
        let text = with_marks("ab{wait}c{wait}{stop}d").unwrap();
        assert_eq!(text, Text { bytes: b"abcd".to_vec(), waits: vec![2, 3], stop: Some(3) });
        assert!(bytes("a{wait}").is_err());
    }

    #[test]
    fn slips() {
        for slip in [
            r"\",
            r"\q",
            r"\x",
            r"\x1",
            r"\xg0",
            "{",
            "{a",
            "{}",
            "{a}",
            "{a*}",
            "{a*x}",
            "{*3}",
            "{stop}{stop}",
            "{a*99999999}",
        ] {
            assert!(with_marks(slip).is_err(), "{slip:?}");
        }
    }
}
