//! How many requests were answered, by method and by class of status.

use std::fmt;

/// Methods that are told apart; the last stands for all others.
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "other"];
/// Classes of statuses: the first digit, or 0 for statuses of no class.
const CLASSES: usize = 6;

/// How many kinds there are.
pub(crate) const KINDS: usize = METHODS.len() * CLASSES;

/// The kind of an answer to the request that begins with these bytes.
#[inline]
pub(crate) fn kind_of(request: &[u8], status: u16) -> usize {
    let method = match request {
        [b'G', b'E', b'T', b' ', ..] => 0,
        _ => other_method(request),
    };
    let class = match status / 100 {
        class @ 1..=5 => class,
        _ => 0,
    };
    method * CLASSES + class as usize
}

fn other_method(request: &[u8]) -> usize {
    let is = |method: &&str| {
        request.strip_prefix(method.as_bytes()).is_some_and(|rest| rest.first() == Some(&b' '))
    };
    METHODS.iter().position(is).unwrap_or(METHODS.len() - 1)
}

/// How many requests were answered, by method and by class of status; those that were refused before they reached a
/// handler are in [`Rejections`](crate::Rejections) instead.
///
/// ```
/// let server = anthill_http::Server::new(|ctx| ctx.not_found())?;
/// let responses = server.stats().responses;
/// assert_eq!((responses.total(), responses.of_class(4), responses.of("GET", 4)), (0, 0, 0));
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResponseCounts([u64; KINDS]);

impl ResponseCounts {
    pub(crate) fn new(counts: [u64; KINDS]) -> Self {
        Self(counts)
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Those whose status begins with this digit; 0 for statuses below 100 and from 600 on.
    pub fn of_class(&self, class: u8) -> u64 {
        self.iter().filter(|(_, found, _)| *found == class).map(|(.., count)| count).sum()
    }

    /// Those to requests of this method; `other` for all that are not `GET`, `HEAD`, `POST`, `PUT`, `DELETE`, `PATCH`,
    /// `OPTIONS`, `CONNECT` and `TRACE`.
    pub fn of_method(&self, method: &str) -> u64 {
        self.iter().filter(|(found, ..)| *found == method).map(|(.., count)| count).sum()
    }

    /// Those of a method and a class.
    pub fn of(&self, method: &str, class: u8) -> u64 {
        let mut both = self.iter().filter(|(found, digit, _)| *found == method && *digit == class);
        both.next().map_or(0, |(.., count)| count)
    }

    /// Method, class and count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u8, u64)> + '_ {
        self.0
            .iter()
            .enumerate()
            .map(|(kind, count)| (METHODS[kind / CLASSES], (kind % CLASSES) as u8, *count))
    }
}

impl Default for ResponseCounts {
    fn default() -> Self {
        Self([0; KINDS])
    }
}

/// What there are any of.
impl fmt::Debug for ResponseCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = self.iter().filter(|(.., count)| *count > 0);
        f.debug_map()
            .entries(some.map(|(method, class, count)| (format!("{method} {class}xx"), count)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_and_class_has_its_place() {
        for (index, method) in METHODS.iter().enumerate() {
            let request = format!("{method} / HTTP/1.1\r\n");
            for (status, class) in [(100, 1), (204, 2), (599, 5), (99, 0), (600, 0), (999, 0)] {
                assert_eq!(kind_of(request.as_bytes(), status), index * CLASSES + class, "{method} {status}");
            }
        }
        for other in ["GETX / ", "get / ", "G", "", "PROPFIND / "] {
            assert_eq!(kind_of(other.as_bytes(), 200), KINDS - CLASSES + 2, "{other}");
        }
    }
}
