//! Why there is no handler of files.

use std::borrow::Cow;
use std::fmt;

/// An option that cannot be met; what [`FilesBuilder::build`](super::FilesBuilder::build) refuses to build a handler
/// of.
///
/// Its text names the option and what is wrong.
///
/// ```
/// use anthill_http::files::Files;
/// let error = Files::builder("no/such/folder").build().unwrap_err();
/// assert_eq!(error.option(), "root");
/// assert!(error.to_string().ends_with("no/such/folder does not exist"));
/// let error = Files::builder(".").index_names(["a/b"]).build().unwrap_err();
/// assert_eq!(error.to_string(), "index_names: \"a/b\" is no name of a file");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct FilesError {
    option: &'static str,
    problem: Cow<'static, str>,
}

impl FilesError {
    pub(super) fn new(option: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { option, problem: problem.into() }
    }

    /// The option's name.
    pub fn option(&self) -> &'static str {
        self.option
    }
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.option, self.problem)
    }
}

/// As its text, which is what is shown when `main` returns it.
impl fmt::Debug for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for FilesError {}
