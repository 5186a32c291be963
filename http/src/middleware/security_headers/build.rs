//! What is said of the fields, and what cannot be meant.

use super::policy::{SecurityHeaders, SecurityHeadersBuilder, YEAR};
use super::rules::{CarefulFields, HSTS};
use crate::config::error::BuildError;
use crate::util::token;
use crate::values::headers::ReadyFields;
use std::sync::Arc;
use std::time::Duration;

impl SecurityHeadersBuilder {
    /// Sets `Content-Security-Policy`. It replaces what is said there of frames: say `frame-ancestors` in it.
    pub fn content_security_policy(self, policy: impl Into<String>) -> Self {
        self.field("Content-Security-Policy", policy)
    }

    /// Sets a field, one of the usual ones or another.
    pub fn field(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        let mut without = self.without(&name);
        without.fields.push((name, value.into()));
        without
    }

    /// Leaves a field out.
    pub fn without(mut self, name: impl AsRef<str>) -> Self {
        self.fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name.as_ref()));
        if name.as_ref().eq_ignore_ascii_case(HSTS) {
            self.hsts = None;
        }
        self
    }

    /// For how long browsers are to come by HTTPS alone, which cannot be taken back before; zero has them forget it.
    /// Default: a year.
    pub fn hsts(mut self, max_age: Duration) -> Self {
        self.hsts = Some(max_age);
        self
    }

    /// Whether that is said of all hosts below this one as well. Default: no.
    pub fn hsts_subdomains(mut self, included: bool) -> Self {
        self.hsts_subdomains = included;
        self
    }

    /// Whether this host may be put on the lists that browsers bring along. Default: no.
    pub fn hsts_preload(mut self, allowed: bool) -> Self {
        self.hsts_preload = allowed;
        self
    }

    /// Makes it a policy.
    ///
    /// # Errors
    /// When a name is none that a field may have, when a value is more than a line, and when preloading is allowed
    /// without what the lists ask for: a year at least, with subdomains.
    pub fn build(self) -> Result<SecurityHeaders, BuildError> {
        let is_sound = |(name, value): &&(String, String)| {
            token::is_token(name.as_bytes()) && !value.bytes().any(token::is_control)
        };
        if let Some((name, value)) = self.fields.iter().find(|field| !is_sound(field)) {
            return Err(BuildError::new(
                "field",
                format!("has {name:?}: {value:?}, which is no line of a response"),
            ));
        }
        if self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(HSTS)) {
            return Err(BuildError::new("field", "has Strict-Transport-Security, which is said by hsts"));
        }
        let is_on_lists = self.hsts_subdomains && self.hsts.is_some_and(|age| age >= YEAR);
        if self.hsts_preload && !is_on_lists {
            return Err(BuildError::new(
                "hsts_preload",
                "needs hsts of a year at least, and hsts_subdomains",
            ));
        }
        Ok(SecurityHeaders(Arc::new(self.ready())))
    }

    /// The fields as they are added.
    pub(super) fn ready(&self) -> CarefulFields {
        let fields =
            || self.fields.iter().fold(ReadyFields::new(), |ready, (name, value)| ready.with(name, value));
        let over_https = self.hsts.map(|age| {
            let mut value = format!("max-age={}", age.as_secs());
            value.push_str(if self.hsts_subdomains { "; includeSubDomains" } else { "" });
            value.push_str(if self.hsts_preload { "; preload" } else { "" });
            fields().with(HSTS, value)
        });
        CarefulFields { always: fields(), over_https }
    }
}
