//! Whether an attempt is followed by another, and when.
//!
//! The rules: a body that cannot be had again is never sent again. Without a hook only that is repeated which cannot
//! have been acted on twice. A pause that time does not allow is not begun: what there is then is the outcome.

use super::error::{ClientError, ClientErrorKind};
use super::response::ClientResponse;
use crate::message::request::Request;
use crate::values::header::parse_http_date;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, SystemTime};

/// What a client does about attempts that failed.
pub(crate) struct RetryPolicy {
    /// At least 1.
    pub(crate) attempts_max: u32,
    /// Responses that count as failures.
    pub(crate) statuses: Vec<u16>,
    /// The pause behind the first attempt, and the longest; each is twice as long as the one before.
    pub(crate) backoff: (Duration, Duration),
    /// The longest that a server may ask us to wait.
    pub(crate) retry_after_max: Duration,
    pub(crate) hook: Option<RetryHook>,
}

type RetryHook = Box<dyn Fn(&FailedAttempt<'_>) -> bool + Send + Sync>;

/// An attempt that failed: what a hook decides by whether there is another.
///
/// ```
/// use anthill_http::client::{ClientErrorKind, HostClient};
///
/// let client = HostClient::builder("backend.test:80")
///     // As by default, and when the server could not be reached at all.
///     .retry_if(|failed| {
///         let kind = failed.error().map(|error| error.kind());
///         failed.is_safe() && matches!(kind, Some(ClientErrorKind::ConnectionClosed | ClientErrorKind::Connect))
///     })
///     .build()?;
/// # Ok::<(), anthill_http::client::ClientError>(())
/// ```
pub struct FailedAttempt<'a> {
    pub(crate) request: &'a Request,
    pub(crate) number: u32,
    pub(crate) outcome: Result<&'a ClientResponse, &'a ClientError>,
    pub(crate) is_safe: bool,
    /// Whether its connection had served requests before.
    pub(crate) was_reused: bool,
}

impl<'a> FailedAttempt<'a> {
    /// The request.
    pub fn request(&self) -> &'a Request {
        self.request
    }

    /// Which attempt it was; the first is 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Why it failed, with the [address](ClientError::addr) of the server if it came to that; `None`: there was a
    /// [`response`](Self::response).
    pub fn error(&self) -> Option<&'a ClientError> {
        self.outcome.err()
    }

    /// The response, whose status is one of [`retry_statuses`](super::ClientBuilder::retry_statuses).
    pub fn response(&self) -> Option<&'a ClientResponse> {
        self.outcome.ok()
    }

    /// Whether another attempt can do no harm: the method is idempotent (RFC 9110 section 9.2.2) and not one byte of a
    /// response broke off, or nothing of the request was sent, or the server had said before that it acts on no more
    /// than those before it (of a [`PipelineClient`](super::PipelineClient); RFC 9112 section 9.6).
    pub fn is_safe(&self) -> bool {
        self.is_safe
    }
}

/// Whether a request of this method can be acted on twice as well as once (RFC 9110 section 9.2.2).
pub(crate) fn is_idempotent(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "PUT" | "DELETE" | "OPTIONS" | "TRACE")
}

impl RetryPolicy {
    /// How long to wait before the next attempt; `None`: there is none.
    pub(crate) fn pause_after(&self, failed: &FailedAttempt<'_>) -> Option<Duration> {
        if failed.number >= self.attempts_max {
            return None;
        }
        let is_wanted = match (&self.hook, failed.outcome) {
            (Some(hook), _) => hook(failed),
            (None, Ok(_)) => failed.is_safe,
            (None, Err(error)) => failed.is_safe && error.kind() == ClientErrorKind::ConnectionClosed,
        };
        if !is_wanted {
            return None;
        }
        match failed.outcome.ok().and_then(|response| response.header("Retry-After")).and_then(retry_after) {
            Some(asked) if asked > self.retry_after_max => None,
            Some(asked) => Some(asked.max(self.backoff(failed))),
            None => Some(self.backoff(failed)),
        }
    }

    fn backoff(&self, failed: &FailedAttempt<'_>) -> Duration {
        // That an old connection was closed says nothing of how the server is.
        if failed.was_reused && failed.outcome.is_err() {
            return Duration::ZERO;
        }
        let (first, most) = self.backoff;
        let doublings = failed.number.saturating_sub(1).min(31);
        let pause = first.saturating_mul(1 << doublings).min(most);
        // All who failed together are not to come back together.
        pause / 2 + pause.mul_f64(fraction() / 2.0)
    }
}

/// What `Retry-After` says: seconds, or a date (RFC 9110 section 10.2.3).
fn retry_after(value: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is long as well.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let at = parse_http_date(value)?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

/// From 0 to 1, by chance.
fn fraction() -> f64 {
    // The hash of nothing under keys of its own, which come from the system's source of randomness.
    let word = RandomState::new().build_hasher().finish();
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

/// Without fields and target, which may be secret.
impl fmt::Debug for FailedAttempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailedAttempt")
            .field("method", &self.request.method())
            .field("number", &self.number)
            .field("status", &self.response().map(ClientResponse::status_code))
            .field("error", &self.error())
            .field("is_safe", &self.is_safe)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("attempts_max", &self.attempts_max)
            .field("statuses", &self.statuses)
            .field("backoff", &self.backoff)
            .field("retry_after_max", &self.retry_after_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy {
            attempts_max: 5,
            statuses: Vec::new(),
            backoff: (Duration::from_millis(100), Duration::from_millis(300)),
            retry_after_max: Duration::from_secs(60),
            hook: None,
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_are_not_all_alike() {
        let error = ClientError::new(ClientErrorKind::ConnectionClosed);
        let request = Request::new("GET", "/").expect("a request");
        let failed = |number, was_reused| FailedAttempt {
            request: &request,
            number,
            outcome: Err(&error),
            is_safe: true,
            was_reused,
        };
        let mut pauses = Vec::new();
        for (number, most) in [(1, 100), (2, 200), (3, 300), (4, 300)] {
            let pause = policy().pause_after(&failed(number, false)).expect("it is safe");
            let most = Duration::from_millis(most);
            assert!(pause >= most / 2 && pause <= most, "{pause:?} behind attempt {number}");
            pauses.push(pause);
        }
        assert_ne!(pauses[2], pauses[3], "by chance, once in 2^53 runs");
        assert_eq!(policy().pause_after(&failed(5, false)), None);
        assert_eq!(policy().pause_after(&failed(1, true)), Some(Duration::ZERO));
        let unsafe_one = FailedAttempt { is_safe: false, ..failed(1, false) };
        assert_eq!(policy().pause_after(&unsafe_one), None);
        let willing = RetryPolicy { hook: Some(Box::new(|failed| failed.number() == 1)), ..policy() };
        assert!(willing.pause_after(&unsafe_one).is_some());
        assert_eq!(willing.pause_after(&failed(2, false)), None);
    }

    #[test]
    fn what_is_printed_of_a_failed_attempt_has_no_secrets() {
        let error = ClientError::new(ClientErrorKind::ConnectionClosed);
        let mut request = Request::new("GET", "/?key=secret").expect("a request");
        request.set_header("Authorization", "Bearer secret");
        let (outcome, is_safe, was_reused) = (Err(&error), true, false);
        let failed = FailedAttempt { request: &request, number: 2, outcome, is_safe, was_reused };
        let printed = format!("{failed:?}");
        assert!(printed.contains("GET") && !printed.contains("secret"), "{printed}");
    }

    #[test]
    fn how_long_a_server_asks_to_wait() {
        assert_eq!(retry_after(b"120"), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(b"99999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(retry_after(b"Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        for none in [&b""[..], b"-1", b"+5", b"soon", b"1.5"] {
            assert_eq!(retry_after(none), None);
        }
    }
}
