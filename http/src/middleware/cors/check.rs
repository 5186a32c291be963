//! What cannot be meant of a policy, or is never seen by a browser.

use super::policy::{Cors, CorsBuilder};
use super::rules::{CorsLines, CorsNames, CorsRules, Origins};
use crate::config::error::BuildError;
use crate::util::token;
use std::sync::Arc;

impl CorsBuilder {
    /// Makes it a policy.
    ///
    /// # Errors
    /// When no origin is named, when one is not written as browsers write it, when credentials are allowed to every
    /// page, and when a method or a field cannot be one.
    pub fn build(self) -> Result<Cors, BuildError> {
        let rules = &self.0;
        match &rules.origins {
            Origins::Any if rules.credentials => {
                let problem =
                    "cannot be allowed to any origin: any page could act for its visitors; name the origins";
                return Err(BuildError::new("credentials", problem));
            }
            Origins::Listed(list) if list.is_empty() => {
                return Err(BuildError::new(
                    "origins",
                    "must be named: by origins, origins_if or any_origin",
                ));
            }
            Origins::Listed(list) => list.iter().try_for_each(|origin| check_origin(origin))?,
            Origins::Any | Origins::Judged(_) => {}
        }
        check_names("methods", &rules.methods)?;
        check_names("headers", &rules.headers)?;
        if !rules.exposed.is_empty() && !token::list(rules.exposed.as_bytes()).all(token::is_token) {
            return Err(BuildError::new(
                "expose",
                format!("has a name that no field has, in {:?}", rules.exposed),
            ));
        }
        let lines = CorsLines::of(rules);
        Ok(Cors(Arc::new(CorsRules { lines, ..self.0 })))
    }
}

fn check_names(option: &'static str, allowed: &CorsNames) -> Result<(), BuildError> {
    let CorsNames::Listed(list) = allowed else { return Ok(()) };
    match list.iter().find(|name| !token::is_token(name.as_bytes()) || *name == "*") {
        Some(name) => {
            Err(BuildError::new(option, format!("has {name:?}, which is no name; name each of them")))
        }
        None => Ok(()),
    }
}

/// Refuses what no browser sends.
fn check_origin(origin: &str) -> Result<(), BuildError> {
    let wrong = |hint: &str| Err(BuildError::new("origins", format!("has {origin:?}: {hint}")));
    if origin == "*" {
        return wrong("say any_origin");
    }
    if origin == "null" {
        return wrong("any page can have that origin; if it is meant, say origins_if");
    }
    let Some((scheme, host)) =
        origin.split_once("://").filter(|(scheme, host)| !scheme.is_empty() && !host.is_empty())
    else {
        return wrong("an origin is a scheme and a host, such as https://app.example");
    };
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-+_[]:".contains(&byte);
    if !scheme.bytes().chain(host.bytes()).all(is_plain) {
        return wrong(
            "browsers write it in lower case, with xn-- for other letters and without a path or a slash",
        );
    }
    if scheme == "http" && host.ends_with(":80") || scheme == "https" && host.ends_with(":443") {
        return wrong("browsers leave the usual port out");
    }
    Ok(())
}
