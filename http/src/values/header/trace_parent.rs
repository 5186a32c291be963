//! The field `traceparent`: of which trace a request is a part.

use std::fmt;
use std::str::FromStr;

/// What a `traceparent` says (W3C Trace Context, section 3.2): of which trace a request is a part, and which part of it
/// has sent it.
///
/// ```
/// use anthill_http::header::TraceParent;
/// let parent: TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// assert_eq!(parent.trace_id(), 0x4bf92f3577b34da6a3ce929d0e0e4736);
/// assert_eq!((parent.parent_id(), parent.is_sampled()), (0x00f067aa0ba902b7, true));
/// assert_eq!(parent.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
/// # Ok::<(), anthill_http::header::TraceParentError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace_id: u128,
    parent_id: u64,
    flags: u8,
}

/// A `traceparent` that is none. Whoever gets one goes on as if there was no such field, and begins a trace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParentError;

impl fmt::Display for TraceParentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no `traceparent`; it is 00-, 32 digits, -, 16 digits, -, 2 digits, of 0 to 9 and a to f")
    }
}

impl std::error::Error for TraceParentError {}

/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

impl TraceParent {
    /// Reads the value of the field.
    ///
    /// # Errors
    /// [`TraceParentError`]: it has other digits than `0` to `9` and `a` to `f`, or more or fewer of them; a trace or a
    /// parent that is all zeros; the version `ff`; or, with version `00`, something behind the flags. Of later versions
    /// what follows the flags behind a `-` is passed over, as the specification asks for.
    pub fn parse(value: &[u8]) -> Result<Self, TraceParentError> {
        Self::read(value).ok_or(TraceParentError)
    }

    fn read(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_at_checked(55)?;
        let dashes = [2, 35, 52].map(|at| head.get(at) == Some(&b'-'));
        let version = number(head.get(..2)?)?;
        let is_end = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => matches!(rest, [] | [b'-', ..]),
        };
        let trace_id = number(head.get(3..35)?)?;
        let parent_id = u64::try_from(number(head.get(36..52)?)?).ok()?;
        let flags = u8::try_from(number(head.get(53..55)?)?).ok()?;
        let is_valid = dashes == [true; 3] && is_end && trace_id != 0 && parent_id != 0;
        is_valid.then_some(Self { trace_id, parent_id, flags })
    }

    /// The trace.
    pub fn trace_id(&self) -> u128 {
        self.trace_id
    }

    /// The part of it that has sent the request.
    pub fn parent_id(&self) -> u64 {
        self.parent_id
    }

    /// The flags, those included that nobody knows yet.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// Whether whoever has sent it may have recorded the trace.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// Digits of `0` to `9` and `a` to `f`, at most 32 of them.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |number, &byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// As version `00` has it.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.parent_id, self.flags)
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(value: &str) -> Result<Self, TraceParentError> {
        Self::parse(value.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    #[test]
    fn what_the_specification_takes() {
        for (value, flags) in [
            (format!("00-{TRACE}-{PARENT}-00"), 0),
            (format!("00-{TRACE}-{PARENT}-01"), 1),
            (format!("00-{TRACE}-{PARENT}-ff"), 0xff),
            (format!("01-{TRACE}-{PARENT}-01"), 1),
            (format!("cc-{TRACE}-{PARENT}-01-what-the-future-brings"), 1),
            (format!("fe-{TRACE}-{PARENT}-01-"), 1),
        ] {
            let parsed = TraceParent::parse(value.as_bytes()).expect(&value);
            assert_eq!((parsed.flags(), parsed.is_sampled()), (flags, flags & 1 == 1), "{value}");
            assert_eq!(parsed.to_string(), format!("00-{TRACE}-{PARENT}-{flags:02x}"));
        }
    }

    #[test]
    fn what_it_does_not() {
        let zeros = "0".repeat(32);
        for value in [
            String::new(),
            format!("00-{TRACE}-{PARENT}-0"),
            format!("00-{TRACE}-{PARENT}-011"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("01-{TRACE}-{PARENT}-01more"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{PARENT}-01", TRACE.to_ascii_uppercase()),
            format!("0x-{TRACE}-{PARENT}-01"),
            format!("00_{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}_{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}_01"),
            format!(" 00-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-+1"),
            format!("00-{}-{PARENT}-01", &TRACE[1..]),
        ] {
            assert_eq!(TraceParent::parse(value.as_bytes()), Err(TraceParentError), "{value}");
        }
    }
}
