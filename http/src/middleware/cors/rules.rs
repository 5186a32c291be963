//! What a policy comes to.

use crate::values::headers::ReadyFields;
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
    pub(super) lines: CorsLines,
}

/// What is ready to be told.
#[derive(Debug, Default)]
pub(super) struct CorsLines {
    /// The names in which the policy alone speaks.
    pub(super) names: ReadyFields,
    /// What is told to everybody where every page may read.
    pub(super) to_any: ReadyFields,
    /// That it depends on the origin.
    pub(super) vary: ReadyFields,
    /// What a page is told beside its origin.
    pub(super) to_allowed: ReadyFields,
}

impl CorsLines {
    pub(super) fn of(rules: &CorsRules) -> Self {
        let names = [ALLOW_ORIGIN, ALLOW_CREDENTIALS, EXPOSE];
        let exposing = |ready: ReadyFields| {
            if rules.exposed.is_empty() { ready } else { ready.with(EXPOSE, &rules.exposed) }
        };
        let to_allowed = ReadyFields::new();
        let to_allowed =
            if rules.credentials { to_allowed.with(ALLOW_CREDENTIALS, "true") } else { to_allowed };
        Self {
            names: names.iter().fold(ReadyFields::new(), |ready, name| ready.with(name, "")),
            to_any: exposing(ReadyFields::new().with(ALLOW_ORIGIN, "*")),
            vary: ReadyFields::new().with("Vary", "Origin"),
            to_allowed: exposing(to_allowed),
        }
    }
}

pub(super) const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
pub(super) const ALLOW_CREDENTIALS: &str = "Access-Control-Allow-Credentials";
const EXPOSE: &str = "Access-Control-Expose-Headers";

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
