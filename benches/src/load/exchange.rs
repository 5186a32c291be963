//! What is asked, and the answer that is right.

use std::net::SocketAddr;

/// A kind of request, and its answer.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// Path and query to ask for.
    pub target: &'static str,
    /// What there is.
    pub body: &'static [u8],
    /// How it is asked for.
    pub asking: Asking,
    /// How often, in proportion to the weights of the others.
    pub weight: u32,
}

/// How something is asked for, and so what comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// All of it: 200.
    Whole,
    /// `HEAD`: 200, and nothing of the body.
    Head,
    /// Unless it was there on that date already: 304, and nothing of the body.
    Since(&'static str),
    /// From the first byte up to and with the last one: 206.
    Part(usize, usize),
    /// All of it in this content coding, and no other: 200.
    Coded(&'static str),
}

/// The head of an answer in a coding.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodedHead {
    pub(super) bytes: usize,
    /// Of the body; none: it comes in chunks.
    pub(super) length: Option<usize>,
}

impl Exchange {
    /// `GET`, answered by 200 with this body.
    #[must_use]
    pub const fn get(target: &'static str, body: &'static str) -> Self {
        Self { target, body: body.as_bytes(), asking: Asking::Whole, weight: 1 }
    }

    pub(super) fn request(&self, address: SocketAddr) -> Vec<u8> {
        let method = if self.asking == Asking::Head { "HEAD" } else { "GET" };
        let field = match self.asking {
            Asking::Whole | Asking::Head => String::new(),
            Asking::Since(date) => format!("If-Modified-Since: {date}\r\n"),
            Asking::Part(first, last) => format!("Range: bytes={first}-{last}\r\n"),
            Asking::Coded(coding) => format!("Accept-Encoding: {coding}\r\n"),
        };
        format!("{method} {} HTTP/1.1\r\nHost: {address}\r\n{field}\r\n", self.target).into_bytes()
    }

    /// Whether what comes is known only when it is there (see [`coded`](super::coded)).
    pub(super) fn is_coded(&self) -> bool {
        matches!(self.asking, Asking::Coded(_))
    }

    /// The head of an answer in a coding if it is complete and right; none if it is incomplete.
    pub(super) fn coded_head(&self, bytes: &[u8]) -> Result<Option<CodedHead>, String> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let head = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("the answer is not HTTP: {error}")),
        };
        if response.code != Some(200) {
            return Err(format!("the status is {:?} and not 200", response.code));
        }
        let field = |name: &str| {
            let field = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            field.and_then(|header| std::str::from_utf8(header.value).ok())
        };
        let found = field("content-encoding");
        if !matches!(self.asking, Asking::Coded(coding) if found == Some(coding)) {
            return Err(format!("the coding is {found:?}"));
        }
        let length = field("content-length").and_then(|length| length.parse().ok());
        if length.is_none() && field("transfer-encoding") != Some("chunked") {
            return Err("the body has no end".to_owned());
        }
        Ok(Some(CodedHead { bytes: head, length }))
    }

    /// What comes behind the answer's head.
    pub(super) fn content(&self) -> &'static [u8] {
        match self.asking {
            Asking::Whole | Asking::Coded(_) => self.body,
            Asking::Head | Asking::Since(_) => &[],
            Asking::Part(first, last) => &self.body[first..=last],
        }
    }

    /// The length of the answer's head if it is complete and right; none if it is incomplete.
    pub(super) fn head_length(&self, bytes: &[u8]) -> Result<Option<usize>, String> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        let head = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(format!("the answer is not HTTP: {error}")),
        };
        let status = match self.asking {
            Asking::Whole | Asking::Head | Asking::Coded(_) => 200,
            Asking::Since(_) => 304,
            Asking::Part(..) => 206,
        };
        if response.code != Some(status) {
            return Err(format!("the status is {:?} and not {status}", response.code));
        }
        let field = |name: &str| {
            let field = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            field.and_then(|header| std::str::from_utf8(header.value).ok())
        };
        let length = field("content-length").and_then(|length| length.parse::<usize>().ok());
        let is_right = match self.asking {
            // It may be left out where no body follows, and is that of the whole where it is not.
            Asking::Head | Asking::Since(_) => length.is_none_or(|length| length == self.body.len()),
            Asking::Whole | Asking::Coded(_) | Asking::Part(..) => length == Some(self.content().len()),
        };
        if !is_right {
            return Err(format!("the body's length is {length:?} and not {}", self.content().len()));
        }
        if let Asking::Part(first, last) = self.asking {
            let expected = format!("bytes {first}-{last}/{}", self.body.len());
            if field("content-range") != Some(&expected) {
                return Err(format!("the part is {:?} and not {expected}", field("content-range")));
            }
        }
        Ok(Some(head))
    }

    /// The length of the first answer if it is complete and right; none if it is incomplete.
    pub(super) fn answer_length(&self, bytes: &[u8]) -> Result<Option<usize>, String> {
        let Some(head) = self.head_length(bytes)? else { return Ok(None) };
        let end = head + self.content().len();
        match bytes.get(head..end) {
            None => Ok(None),
            Some(body) if body == self.content() => Ok(Some(end)),
            Some(body) => Err(wrong_body(body)),
        }
    }
}

/// That a body, or what there is of it, is another one.
pub(super) fn wrong_body(body: &[u8]) -> String {
    format!("the body is {:?}", String::from_utf8_lossy(&body[..body.len().min(200)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HI: Exchange = Exchange::get("/", "hi");

    #[test]
    fn right_answers_have_a_length() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 2\r\n\r\nhiHTTP/1.1 ";
        assert_eq!(HI.answer_length(answer), Ok(Some(40)));
        assert_eq!(HI.answer_length(&answer[..39]), Ok(None));
        assert_eq!(HI.answer_length(&answer[..20]), Ok(None));
    }

    #[test]
    fn wrong_answers_are_errors() {
        for wrong in [
            "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nhi",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi!",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nho",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            "hi\r\n\r\n",
        ] {
            assert!(HI.answer_length(wrong.as_bytes()).is_err(), "{wrong:?} was accepted");
        }
    }

    #[test]
    fn each_way_to_ask_has_its_answer() {
        let address = "127.0.0.1:80".parse().unwrap();
        let cases = [
            (Asking::Head, "HEAD / ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
            (Asking::Since("today"), "If-Modified-Since: today\r\n\r\n", "HTTP/1.1 304 X\r\n\r\n"),
            (
                Asking::Part(1, 1),
                "Range: bytes=1-1\r\n\r\n",
                "HTTP/1.1 206 X\r\nContent-Length: 1\r\nContent-Range: bytes 1-1/2\r\n\r\ni",
            ),
        ];
        for (asking, in_request, answer) in cases {
            let exchange = Exchange { asking, ..HI };
            let request = String::from_utf8(exchange.request(address)).unwrap();
            assert!(request.contains(in_request), "{request}");
            assert_eq!(exchange.answer_length(answer.as_bytes()), Ok(Some(answer.len())), "{asking:?}");
            let whole = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi!";
            assert!(exchange.answer_length(whole.as_bytes()).is_err(), "{asking:?}");
        }
        let other_part = "HTTP/1.1 206 X\r\nContent-Length: 1\r\nContent-Range: bytes 0-0/2\r\n\r\ni";
        let exchange = Exchange { asking: Asking::Part(1, 1), ..HI };
        assert!(exchange.answer_length(other_part.as_bytes()).is_err());
    }
}
