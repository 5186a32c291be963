//! What a policy comes to.

use std::fmt;
use std::time::Duration;

/// Everything that was said.
#[derive(Debug)]
pub(super) struct CorsRules {
    pub(super) origins: Origins,
    pub(super) credentials: bool,
    pub(super) methods: CorsNames,
    pub(super) headers: CorsNames,
    /// As a list in one line.
    pub(super) exposed: String,
    pub(super) max_age: Option<Duration>,
    pub(super) private_network: bool,
}

/// Who may read.
pub(super) enum Origins {
    Any,
    Listed(Vec<String>),
    Judged(Box<dyn Fn(&str) -> bool + Send + Sync>),
}

/// What may be sent.
#[derive(Debug)]
pub(super) enum CorsNames {
    Any,
    Listed(Vec<String>),
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("Any"),
            Self::Listed(list) => f.debug_list().entries(list).finish(),
            Self::Judged(_) => f.write_str("Judged"),
        }
    }
}
