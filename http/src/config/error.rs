//! What is wrong with an option.

use std::borrow::Cow;
use std::fmt;

/// An option that cannot be met; what [`ServerBuilder::build`](crate::ServerBuilder::build) refuses to build a server
/// of.
///
/// Its text names the option and what helps.
///
/// ```
/// use anthill_http::Server;
/// let error = Server::builder().max_workers(0).build(|_| {}).unwrap_err();
/// assert_eq!(error.option(), "max_workers");
/// assert_eq!(error.to_string(), "max_workers must be at least 1");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BuildError {
    option: &'static str,
    problem: Cow<'static, str>,
}

impl BuildError {
    pub(crate) fn new(option: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { option, problem: problem.into() }
    }

    /// The option's name.
    pub fn option(&self) -> &'static str {
        self.option
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.option, self.problem)
    }
}

/// As its text, which is what is shown when `main` returns it.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BuildError {}

pub(super) fn at_least_one(option: &'static str, value: usize) -> Result<(), BuildError> {
    if value == 0 { Err(BuildError::new(option, "must be at least 1")) } else { Ok(()) }
}
