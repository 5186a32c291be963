//! What a server wrote, taken apart by the letter.
//!
//! The rule: nothing is forgiven. A line ends with CR LF, a length is there once, a chunk is as long as it says; so
//! whatever a handler smuggles into a response becomes something that is none, or a response too many.

use std::fmt;

use super::plan::shown;
use super::reference::is_token;

/// A response.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) reason: Vec<u8>,
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<(String, Vec<u8>)>,
    /// Whether all of it was written.
    pub(super) is_whole: bool,
}

impl Reply {
    /// The value of the field called `name`, if it is there.
    pub(super) fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }

    /// Whether it says that the connection ends.
    pub(super) fn closes(&self) -> bool {
        let options = self.field("Connection").unwrap_or_default();
        options.split(|byte| *byte == b',').any(|option| option.trim_ascii() == b"close")
    }

    /// Whether another one answers the request. A handler's own 1xx is the answer; the connection ends with it.
    pub(super) fn is_interim(&self) -> bool {
        self.status < 200 && self.field("Connection").is_none()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.reason.escape_ascii())?;
        for (name, value) in self.fields.iter().chain(&self.trailers) {
            write!(f, ", {name}: {}", value.escape_ascii())?;
        }
        write!(f, ", {} is whole: {}", shown(&self.body), self.is_whole)
    }
}

/// The responses in `written`, to requests with these methods in order, and then to others.
pub(super) fn split(written: &[u8], methods: &[Vec<u8>]) -> Result<Vec<Reply>, String> {
    let mut replies = Vec::new();
    let mut methods = methods.iter();
    let mut method = methods.next();
    let mut rest = written;
    while !rest.is_empty() {
        let (reply, after) = read(rest, method.map_or(&b""[..], |method| method))
            .map_err(|problem| format!("{problem} in {}", rest.escape_ascii()))?;
        if !reply.is_interim() {
            method = methods.next();
        }
        rest = after;
        replies.push(reply);
    }
    Ok(replies)
}

fn read<'a>(bytes: &'a [u8], method: &[u8]) -> Result<(Reply, &'a [u8]), String> {
    let Some((lines, rest)) = head(bytes)? else {
        let (status, reason) = (0, Vec::new());
        let cut_off = Reply {
            status,
            reason,
            fields: Vec::new(),
            body: Vec::new(),
            trailers: Vec::new(),
            is_whole: false,
        };
        return Ok((cut_off, &[]));
    };
    let (line, fields) = lines.split_first().ok_or("no status line")?;
    let status_and_reason = line.strip_prefix(b"HTTP/1.1 ").ok_or("no status line")?;
    let (digits, reason) = status_and_reason.split_at_checked(3).ok_or("no status")?;
    let reason = reason.strip_prefix(b" ").ok_or("no reason")?;
    if !digits.iter().all(u8::is_ascii_digit) || !is_text(reason) {
        return Err("a malformed status line".to_owned());
    }
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    let fields = fields.iter().map(|line| field(line)).collect::<Result<Vec<_>, _>>()?;
    let mut reply = Reply {
        status,
        reason: reason.to_vec(),
        fields,
        body: Vec::new(),
        trailers: Vec::new(),
        is_whole: true,
    };
    for once in
        ["Content-Length", "Transfer-Encoding", "Connection", "Date", "Content-Type", "Server", "Trailer"]
    {
        let count = reply.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(once)).count();
        if count > 1 {
            return Err(format!("{once} {count} times"));
        }
    }
    let length = match reply.field("Content-Length") {
        None => None,
        Some(digits) => {
            let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
            Some(number.filter(|_| digits.iter().all(u8::is_ascii_digit)).ok_or("a malformed length")?)
        }
    };
    let is_chunked = match reply.field("Transfer-Encoding") {
        None => false,
        Some(b"chunked") => true,
        Some(_) => return Err("an unknown coding".to_owned()),
    };
    let has_no_body = status < 200
        || matches!(status, 204 | 304)
        || method == b"HEAD"
        || (method == b"CONNECT" && status < 300);
    let rest = match (is_chunked, length) {
        (true, Some(_)) => return Err("framed twice".to_owned()),
        _ if has_no_body => rest,
        (true, None) => read_chunks(rest, &mut reply)?,
        (false, Some(length)) => {
            let there = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
            reply.is_whole = there as u64 == length;
            let (body, rest) = rest.split_at(there);
            reply.body = body.to_vec();
            rest
        }
        (false, None) => {
            if !reply.closes() {
                return Err("a body without an end".to_owned());
            }
            reply.body = rest.to_vec();
            &[]
        }
    };
    Ok((reply, rest))
}

fn read_chunks<'a>(bytes: &'a [u8], reply: &mut Reply) -> Result<&'a [u8], String> {
    let mut rest = bytes;
    loop {
        let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
            reply.is_whole = false;
            return Ok(&[]);
        };
        let size = std::str::from_utf8(&rest[..end]).ok().filter(|size| !size.starts_with('+'));
        let size =
            size.and_then(|size| usize::from_str_radix(size, 16).ok()).ok_or("a malformed chunk size")?;
        rest = &rest[end + 2..];
        if size == 0 {
            break;
        }
        if rest.len() < size + 2 {
            reply.body.extend_from_slice(&rest[..rest.len().min(size)]);
            reply.is_whole = false;
            return Ok(&[]);
        }
        reply.body.extend_from_slice(&rest[..size]);
        rest = rest[size..].strip_prefix(b"\r\n").ok_or("a chunk without its end")?;
    }
    let Some((lines, rest)) = head(rest)? else {
        reply.is_whole = false;
        return Ok(&[]);
    };
    reply.trailers = lines.into_iter().map(field).collect::<Result<_, _>>()?;
    Ok(rest)
}

/// The lines up to an empty one, and what is behind that; `None` when there is no empty one.
#[allow(clippy::type_complexity)]
fn head(bytes: &[u8]) -> Result<Option<(Vec<&[u8]>, &[u8])>, String> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    loop {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line = rest[..end].strip_suffix(b"\r").ok_or("a line feed alone")?;
        rest = &rest[end + 1..];
        if line.is_empty() {
            return Ok(Some((lines, rest)));
        }
        lines.push(line);
    }
}

fn field(line: &[u8]) -> Result<(String, Vec<u8>), String> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or("a field without a colon")?;
    let (name, value) =
        (&line[..colon], line[colon + 1..].strip_prefix(b" ").ok_or("a field without a space")?);
    if !is_token(name) || !is_text(value) {
        return Err("a malformed field".to_owned());
    }
    Ok((String::from_utf8_lossy(name).into_owned(), value.to_vec()))
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(written: &str, methods: &[&str]) -> Result<Vec<(String, bool)>, String> {
        let methods: Vec<Vec<u8>> = methods.iter().map(|method| method.as_bytes().to_vec()).collect();
        let replies = split(written.as_bytes(), &methods)?;
        Ok(replies
            .into_iter()
            .map(|reply| (String::from_utf8_lossy(&reply.body).into_owned(), reply.is_whole))
            .collect())
    }

    #[test]
    fn every_framing() {
        let written = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab\
            HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No\r\n\r\n\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ncd\r\n0\r\nA: b\r\n\r\n\
            HTTP/1.1 200 \r\nConnection: close\r\n\r\nrest";
        let found = bodies(written, &["GET", "HEAD", "PUT"]).unwrap();
        let expected = ["", "ab", "", "", "cd", "rest"].map(|body| (body.to_owned(), true));
        assert_eq!(found, expected);
    }

    #[test]
    fn what_breaks_off_and_what_is_none() {
        for written in [
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        ] {
            assert!(!bodies(written, &[]).unwrap()[0].1, "{written:?}");
        }
        for written in [
            "HTTP/1.1 200 OK\r\n\r\nab",
            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nX: y\r\n\r\n",
        ] {
            assert!(bodies(written, &[]).is_err(), "{written:?}");
        }
    }
}
