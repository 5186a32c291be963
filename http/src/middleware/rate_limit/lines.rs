//! What responses say of a limit.
//!
//! The idea: all that is the same for each response is made once.

use crate::values::headers::{Headers, ReadyName};

/// `RateLimit-Policy` and `RateLimit`, but for the numbers.
#[derive(Debug)]
pub(super) struct RateLines {
    policy_name: ReadyName,
    pub(super) policy: String,
    left_name: ReadyName,
    /// What stands before the number of requests that are left.
    left_start: String,
}

/// Digits of any number, twice, and what is between them.
const NUMBERS_BYTES_MAX: usize = 20 + ";t=".len() + 20;

impl RateLines {
    /// Of a policy with that name, which is of letters, digits, `-` and `_`: so many requests in so many seconds.
    pub(super) fn new(name: &str, requests: u64, seconds: u64) -> Self {
        Self {
            policy_name: ReadyName::spelled("RateLimit-Policy"),
            policy: format!("\"{name}\";q={requests};w={seconds}"),
            left_name: ReadyName::spelled("RateLimit"),
            left_start: format!("\"{name}\";r="),
        }
    }

    /// Says that so many requests are left, and in how many seconds there will be one more.
    pub(super) fn tell(&self, headers: &mut Headers, left: u64, more_in: u64) {
        let (policy, start) = (self.policy.as_bytes(), self.left_start.as_bytes());
        headers.append_ready(&self.policy_name, policy.len(), |line| line.extend_from_slice(policy));
        headers.append_ready(&self.left_name, start.len() + NUMBERS_BYTES_MAX, |line| {
            line.extend_from_slice(start);
            line.extend_from_slice(itoa::Buffer::new().format(left).as_bytes());
            line.extend_from_slice(b";t=");
            line.extend_from_slice(itoa::Buffer::new().format(more_in).as_bytes());
        });
    }
}
