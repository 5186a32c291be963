//! What a case expects of a request or of a response, each on one line.
//!
//! The rule: what a line does not say is not ignored but has the usual value (a body is empty, there are no trailers,
//! the host is `h`), except where there is no usual value.

use super::client::Received;
use super::text;
use crate::client::Reply;
use crate::exchange::Seen;

/// What the handler should see.
#[derive(Debug, Default)]
pub(super) struct RequestLine {
    method: String,
    target: Vec<u8>,
    host: Vec<u8>,
    version: Vec<u8>,
    path: Option<Vec<u8>>,
    query: Option<Vec<u8>>,
    body: Vec<u8>,
    fields: Fields,
    trailers: Vec<(String, Vec<u8>)>,
}

/// What the peer should be sent.
#[derive(Debug, Default)]
pub(super) struct ResponseLine {
    status: u16,
    body: Option<Vec<u8>>,
    fields: Fields,
    trailers: Vec<(String, Vec<u8>)>,
}

/// Which fields should be there and which should not.
#[derive(Debug, Default)]
struct Fields {
    present: Vec<(String, Vec<u8>)>,
    absent: Vec<String>,
}

impl RequestLine {
    /// A GET request for `target` in which everything is as usual.
    pub(super) fn get(target: &str) -> Self {
        RequestLine {
            method: "GET".to_owned(),
            target: target.as_bytes().to_vec(),
            host: b"h".to_vec(),
            version: b"1.1".to_vec(),
            ..RequestLine::default()
        }
    }

    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(format!("{line:?} lacks a method or a target"));
        };
        let mut request = RequestLine::get("");
        request.method = method.to_owned();
        request.target = text::bytes(target)?;
        for word in words {
            if let Some(trailer) = word.strip_prefix('~') {
                request.trailers.push(name_and_value(trailer)?);
            } else if !request.fields.take(word)? {
                let (what, value) = word.split_once('=').ok_or_else(|| unknown(word))?;
                let value = text::bytes(value)?;
                match what {
                    "host" => request.host = value,
                    "version" => request.version = value,
                    "path" => request.path = Some(value),
                    "query" => request.query = Some(value),
                    "body" => request.body = value,
                    _ => return Err(unknown(word)),
                }
            }
        }
        Ok(request)
    }

    pub(super) fn mismatch(&self, seen: &Seen) -> Option<String> {
        let bytes = |what: &str, expected: &[u8], seen: &[u8]| {
            (expected != seen)
                .then(|| format!("the {what} is {:?} instead of {:?}", lossy(seen), lossy(expected)))
        };
        bytes("method", self.method.as_bytes(), seen.method.as_bytes())
            .or_else(|| bytes("target", &self.target, &seen.target))
            .or_else(|| bytes("host", &self.host, &seen.host))
            .or_else(|| bytes("version", &self.version, seen.version.as_bytes()))
            .or_else(|| bytes("path", self.path.as_deref()?, seen.path.as_bytes()))
            .or_else(|| bytes("query", self.query.as_deref()?, &seen.query))
            .or_else(|| bytes("body", &self.body, &seen.body))
            .or_else(|| (self.trailers != seen.trailers).then(|| "the trailers are others".to_owned()))
            .or_else(|| {
                let fields = seen.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
                self.fields.mismatch(&fields.collect::<Vec<_>>())
            })
    }
}

impl ResponseLine {
    /// A response with that status, whatever else is in it.
    pub(super) fn of_status(status: u16) -> Self {
        ResponseLine { status, ..ResponseLine::default() }
    }

    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let status = words.next().and_then(|word| word.parse().ok());
        let mut response = ResponseLine::of_status(status.ok_or_else(|| format!("{line:?} lacks a status"))?);
        for word in words {
            if let Some(trailer) = word.strip_prefix('~') {
                response.trailers.push(name_and_value(trailer)?);
            } else if !response.fields.take(word)? {
                let body = word.strip_prefix("body=").ok_or_else(|| unknown(word))?;
                response.body = Some(text::bytes(body)?);
            }
        }
        Ok(response)
    }

    pub(super) fn mismatch(&self, reply: &Reply) -> Option<String> {
        if reply.status != self.status {
            return Some(format!("a response has the status {} instead of {}", reply.status, self.status));
        }
        if self.body.as_ref().is_some_and(|body| *body != reply.body) {
            return Some(format!("the body of a response is {:?}", lossy(&reply.body)));
        }
        let fields = reply.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        self.fields.mismatch(&fields.collect::<Vec<_>>())
    }

    /// The same for a response that a client saw, of which everything is known.
    pub(super) fn mismatch_received(&self, found: &Received) -> Option<String> {
        if found.status != self.status {
            return Some(format!("a response has the status {} instead of {}", found.status, self.status));
        }
        if self.body.as_deref().unwrap_or_default() != found.body {
            return Some(format!("the body of a response is {:?}", lossy(&found.body)));
        }
        if self.trailers != found.trailers {
            return Some("the trailers are others".to_owned());
        }
        let fields = found.fields.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        self.fields.mismatch(&fields.collect::<Vec<_>>())
    }
}

impl Fields {
    /// Takes `+Name:value` and `-Name`; says whether it was one of them.
    fn take(&mut self, word: &str) -> Result<bool, String> {
        if let Some(present) = word.strip_prefix('+') {
            self.present.push(name_and_value(present)?);
        } else if let Some(absent) = word.strip_prefix('-') {
            self.absent.push(absent.to_owned());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// All values of each name that is mentioned count, in order.
    fn mismatch(&self, fields: &[(&str, &[u8])]) -> Option<String> {
        let found = |name: &str| -> Vec<&[u8]> {
            let named = fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
            named.map(|(_, value)| *value).collect()
        };
        let names = self.present.iter().map(|(name, _)| name).chain(&self.absent);
        names.into_iter().find_map(|name| {
            let wanted = self.present.iter().filter(|(present, _)| present.eq_ignore_ascii_case(name));
            let wanted: Vec<&[u8]> = wanted.map(|(_, value)| value.as_slice()).collect();
            let found = found(name);
            let shown = |values: &[&[u8]]| values.iter().map(|value| lossy(value)).collect::<Vec<_>>();
            (found != wanted).then(|| {
                format!("the values of {name} are {:?} instead of {:?}", shown(&found), shown(&wanted))
            })
        })
    }
}

fn name_and_value(word: &str) -> Result<(String, Vec<u8>), String> {
    let (name, value) = word.split_once(':').ok_or_else(|| format!("{word:?} lacks a colon"))?;
    Ok((name.to_owned(), text::bytes(value)?))
}

fn unknown(word: &str) -> String {
    format!("{word:?} means nothing here")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_mean_nothing_are_errors() {
        for line in
            ["", "GET", "GET /\\q", "GET / x", "GET / what=x", "GET / +A", "GET / ~A", "GET / body=\\q"]
        {
            assert!(RequestLine::parse(line).is_err(), "{line:?}");
        }
        for line in ["", "x", "200 x", "200 host=x", "200 +A"] {
            assert!(ResponseLine::parse(line).is_err(), "{line:?}");
        }
    }
}
