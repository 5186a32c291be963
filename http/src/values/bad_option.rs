//! Options that cannot be meant.
//!
//! The rule: what is found wrong is told before a byte is read, with the option's name and what helps.

use std::fmt;

/// An option that makes no sense by itself or beside another. Its text names the option and what helps.
///
/// ```
/// use anthill_http::form::{Error, Form};
///
/// let options = Form::options().max_body_bytes(1_000_000).max_file_bytes(2_000_000);
/// let Err(Error::BadOption(fault)) = options.read("application/x-www-form-urlencoded", &b"a=1"[..]) else { panic!() };
/// assert_eq!(fault.option(), "max_file_bytes");
/// assert_eq!(fault.to_string(), "max_file_bytes is more than max_body_bytes allows; lower it or raise that");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BadOption {
    option: &'static str,
    problem: &'static str,
}

impl BadOption {
    /// The option's name.
    pub fn option(&self) -> &'static str {
        self.option
    }

    /// Refuses a part's bound that the bound of the whole makes void.
    pub(crate) fn check_part(option: &'static str, part: Option<u64>, body: u64) -> Result<(), Self> {
        let problem = "is more than max_body_bytes allows; lower it or raise that";
        if part.is_some_and(|part| part > body) { Err(Self { option, problem }) } else { Ok(()) }
    }

    /// Refuses bounds of zero, which nothing keeps to.
    pub(crate) fn check_zero(bounds: &[(&'static str, u64)]) -> Result<(), Self> {
        match bounds.iter().find(|(_, bound)| *bound == 0) {
            Some(&(option, _)) => Err(Self { option, problem: "must be at least 1" }),
            None => Ok(()),
        }
    }

    /// Refuses a ratio of zero.
    pub(crate) fn check_ratio(ratio: Option<u32>) -> Result<(), Self> {
        let problem = "must be at least 1, or None for no limit";
        if ratio == Some(0) { Err(Self { option: "max_ratio", problem }) } else { Ok(()) }
    }
}

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.option, self.problem)
    }
}

impl std::error::Error for BadOption {}
