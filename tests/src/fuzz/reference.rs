//! Requests as plainly as they can be read: the whole input at once, and every rule as the RFC has it.
//!
//! The idea: this is who the server is compared with. It reads more than the server takes, because it knows neither
//! limits nor the finer points of targets and hosts, and it has no reason to be fast. The rule: where it cannot tell
//! the end of a request for certain, it stops, and no server may go on.

/// A request that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) fields: Vec<(&'a [u8], &'a [u8])>,
    pub(super) is_chunked: bool,
    /// What its `Content-Length` says.
    pub(super) length: Option<u64>,
    pub(super) body: Body<'a>,
}

/// A body that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Body<'a> {
    /// Its bytes, as far as it is well-formed.
    pub(super) bytes: Vec<u8>,
    pub(super) trailers: Vec<(&'a [u8], &'a [u8])>,
    pub(super) state: State,
    /// How many bytes of the input it takes up, if it is complete.
    pub(super) length: usize,
    /// How many bytes it says that it has, as far as it can be read.
    pub(super) announced: u64,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Complete,
    /// The input ends first.
    CutOff,
    /// It is not a chunked body from here on.
    Malformed,
    /// The chunks are complete, and what follows is no trailer section.
    BadTrailers,
}

impl Request<'_> {
    /// The value of the only field called `name`.
    pub(super) fn has_field(&self, name: &str) -> bool {
        self.fields.iter().any(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// The requests in `input`, up to the first whose end is not certain, which is included if its head is well-formed.
pub(super) fn requests(input: &[u8]) -> Vec<Request<'_>> {
    let mut found = Vec::new();
    let mut rest = input;
    loop {
        while let [b'\r', b'\n', after @ ..] | [b'\n', after @ ..] = rest {
            rest = after;
        }
        let Some((request, after)) = request(rest) else { return found };
        let is_last = request.body.state != State::Complete;
        found.push(request);
        if is_last {
            return found;
        }
        rest = after;
    }
}

/// Reads a chunked body.
pub(super) fn chunks(input: &[u8]) -> Body<'_> {
    let mut bytes = Vec::new();
    let mut rest = input;
    let mut extension_bytes = 0;
    let mut announced: u64 = 0;
    let ended = |bytes: &mut Vec<u8>, announced, state| Body {
        bytes: std::mem::take(bytes),
        state,
        announced,
        ..Body::default()
    };
    loop {
        let (size, after) = match chunk_line(rest, &mut extension_bytes) {
            Ok(Some(found)) => found,
            Ok(None) => return ended(&mut bytes, announced, State::CutOff),
            Err(()) => return ended(&mut bytes, announced, State::Malformed),
        };
        rest = after;
        if size == 0 {
            break;
        }
        announced = announced.saturating_add(size);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let Some((data, after)) = rest.split_at_checked(size) else {
            bytes.extend_from_slice(rest);
            return ended(&mut bytes, announced, State::CutOff);
        };
        bytes.extend_from_slice(data);
        rest = match after {
            [b'\r', b'\n', after @ ..] => after,
            [] | [b'\r'] => return ended(&mut bytes, announced, State::CutOff),
            _ => return ended(&mut bytes, announced, State::Malformed),
        };
    }
    match lines(rest) {
        Lines::CutOff => ended(&mut bytes, announced, State::CutOff),
        Lines::Malformed => ended(&mut bytes, announced, State::BadTrailers),
        Lines::Complete(lines, after) => match lines.into_iter().map(field).collect::<Option<Vec<_>>>() {
            None => ended(&mut bytes, announced, State::BadTrailers),
            Some(trailers) => {
                let length = input.len() - after.len();
                Body { bytes, trailers, state: State::Complete, length, announced }
            }
        },
    }
}

/// White space and extensions that a server puts up with in one body, in bytes.
const EXTENSION_BYTES_MAX: usize = 8 * 1024;

fn request(input: &[u8]) -> Option<(Request<'_>, &[u8])> {
    let Lines::Complete(lines, rest) = lines(input) else { return None };
    let (line, fields) = lines.split_first()?;
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !is_token(method) || target.is_empty() || !version.starts_with(b"HTTP/1.") {
        return None;
    }
    let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|line| field(line)).collect::<Option<_>>()?;
    let values = |name: &str| -> Vec<&[u8]> {
        let named = fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| *value).collect()
    };
    let length = match values("content-length")[..] {
        [] => None,
        [digits] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            Some(std::str::from_utf8(digits).ok()?.parse::<u64>().ok()?)
        }
        _ => return None,
    };
    let is_chunked = match values("transfer-encoding")[..] {
        [] => false,
        [coding] if coding.eq_ignore_ascii_case(b"chunked") && version == b"HTTP/1.1" => true,
        _ => return None,
    };
    let body = if is_chunked { chunks(rest) } else { counted(rest, length.unwrap_or(0)) };
    let behind = &rest[body.length..];
    Some((Request { method, target, fields, is_chunked, length, body }, behind))
}

fn counted(input: &[u8], length: u64) -> Body<'static> {
    let whole = usize::try_from(length).ok().and_then(|length| input.get(..length));
    let state = if whole.is_some() { State::Complete } else { State::CutOff };
    let bytes = whole.unwrap_or(input).to_vec();
    Body { length: whole.map_or(0, <[u8]>::len), bytes, trailers: Vec::new(), state, announced: length }
}

enum Lines<'a> {
    /// The lines up to an empty one, and what is behind that.
    Complete(Vec<&'a [u8]>, &'a [u8]),
    CutOff,
    Malformed,
}

fn lines(input: &[u8]) -> Lines<'_> {
    let mut found = Vec::new();
    let mut rest = input;
    loop {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Lines::CutOff };
        let Some(line) = rest[..end].strip_suffix(b"\r") else { return Lines::Malformed };
        rest = &rest[end + 1..];
        if line.is_empty() {
            return Lines::Complete(found, rest);
        }
        found.push(line);
    }
}

/// Name and value of a field line.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let is_text = |byte: &u8| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f);
    (is_token(name) && line[colon + 1..].iter().all(is_text)).then_some((name, value))
}

/// The line before a chunk: 1 to 15 hex digits, then white space or extensions, whose bytes are added to
/// `extension_bytes`. Gives the size.
fn chunk_line<'a>(input: &'a [u8], extension_bytes: &mut usize) -> Result<Option<(u64, &'a [u8])>, ()> {
    let digits = input.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = input.split_at(digits);
    if digits.len() > 15 || (digits.is_empty() && !rest.is_empty()) {
        return Err(());
    }
    let behind = if rest.first() == Some(&b';') { behind_extensions(rest)? } else { behind_space(rest) };
    *extension_bytes += rest.len() - behind.len();
    if *extension_bytes > EXTENSION_BYTES_MAX {
        return Err(());
    }
    match behind {
        [b'\r', b'\n', after @ ..] => {
            let size = std::str::from_utf8(digits).map_err(drop)?;
            Ok(Some((u64::from_str_radix(size, 16).map_err(drop)?, after)))
        }
        [] | [b'\r'] => Ok(None),
        _ => Err(()),
    }
}

/// What is left behind `*( ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] BWS )`; nothing if the input ends
/// within that. White space at the end is left, since no line may end with it.
fn behind_extensions(input: &[u8]) -> Result<&[u8], ()> {
    let mut rest = input;
    loop {
        let named = behind_token(behind_space(&rest[1..]))?;
        let valued = match behind_space(named) {
            [b'=', value @ ..] => match behind_space(value) {
                [b'"', quoted @ ..] => behind_quotes(quoted)?,
                value => behind_token(value)?,
            },
            _ => named,
        };
        rest = match behind_space(valued) {
            next @ ([] | [b';', ..]) => next,
            _ => return Ok(valued),
        };
        if rest.is_empty() {
            return Ok(rest);
        }
    }
}

fn behind_space(input: &[u8]) -> &[u8] {
    &input[input.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()..]
}

fn behind_token(input: &[u8]) -> Result<&[u8], ()> {
    let length = (0..input.len()).take_while(|&at| is_token(&input[at..=at])).count();
    if length == 0 && !input.is_empty() { Err(()) } else { Ok(&input[length..]) }
}

/// What is left behind the closing quote.
fn behind_quotes(input: &[u8]) -> Result<&[u8], ()> {
    let mut bytes = input.iter();
    while let Some(byte) = bytes.next() {
        let text = match byte {
            b'"' => return Ok(bytes.as_slice()),
            b'\\' => bytes.next().unwrap_or(&b' '),
            _ => byte,
        };
        if text.is_ascii_control() && *text != b'\t' {
            return Err(());
        }
    }
    Ok(&[])
}

pub(super) fn is_token(text: &[u8]) -> bool {
    let is_token_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_token_byte)
}

/// `text` with each escape of two hex digits replaced by its byte.
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let input = b"\r\nPOST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nx: \ty \r\n\r\nPUT /c HTTP/1.1\r\n\
            Transfer-Encoding: chunked\r\n\r\n2;x\r\nde\r\n0\r\nA: b\r\n\r\nPUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nfg";
        let found = requests(input);
        let bodies: Vec<_> =
            found.iter().map(|request| (&request.body.bytes[..], request.body.state)).collect();
        let expected = [
            (&b"abc"[..], State::Complete),
            (b"", State::Complete),
            (b"de", State::Complete),
            (b"fg", State::CutOff),
        ];
        assert_eq!(bodies, expected);
        assert_eq!(found[1].fields, [(&b"x"[..], &b"y"[..])]);
        assert_eq!(found[2].body.trailers, [(&b"A"[..], &b"b"[..])]);
    }

    #[test]
    fn nothing_is_read_beyond_doubt() {
        for input in [
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\n\r\n",
            "GET / HTTP/1.1\r\na b: c\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\na",
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ] {
            assert_eq!(requests(input.as_bytes()), [], "{input:?}");
        }
        for (input, state) in [
            ("1\r\na\r\n0\r\n", State::CutOff),
            ("1\r\nab", State::Malformed),
            ("x", State::Malformed),
            ("1;a=\"\r\nx\r\n0\r\n\r\n", State::Malformed),
            ("1;a=\"\\\"\r\nx\r\n0\r\n\r\n", State::Malformed),
            ("1;\r\n", State::Malformed),
            ("1;a \r\n", State::Malformed),
            ("1;a=b c\r\n", State::Malformed),
            ("1;a=\"\\", State::CutOff),
            ("1; a\t=\"\\\\\" ;b\r\nx\r\n0;c\r\n\r\n", State::Complete),
            ("0\r\na\n", State::BadTrailers),
            ("0\r\na b:\r\n\r\n", State::BadTrailers),
        ] {
            assert_eq!(chunks(input.as_bytes()).state, state, "{input:?}");
        }
    }
}
