//! URLs made from the names of routes.
//!
//! The rule: what is made matches the pattern that it was made of, with the values that it was made with, or is not
//! made. (That another route, more particular, matches it too is up to the routes.)

use super::StatusError;
use crate::util::percent::{UNRESERVED, append_encoded};
use std::collections::HashMap;
use std::fmt;

/// What the route of a name looks like.
#[derive(Debug, Default)]
pub(crate) struct RouteUrls(HashMap<&'static str, Vec<UrlPart>>);

/// A part of a route, to be written one behind the other.
#[derive(Clone, Debug)]
pub(crate) enum UrlPart {
    /// As it stands in a URL.
    Text(String),
    /// The value of a parameter of a segment.
    Param(&'static str),
    /// That of the first label of a host.
    Label(&'static str),
    /// That of all that is left of a path.
    Rest(&'static str),
}

/// Why no URL was made; see [`RequestCtx::url_for`](crate::RequestCtx::url_for). Answered with 500, because it is a
/// mistake of the program's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// No route has this name.
    UnknownName(String),
    /// The route has a parameter of this name, for which there is no value.
    Missing(&'static str),
    /// The route has no parameter of this name.
    Unexpected(String),
    /// The value of this parameter cannot stand where it is to stand: it is empty, or has a segment that is, or one of
    /// dots, which leads elsewhere; it has a slash, and is not all that is left; or it is that of a host and has other
    /// characters than letters, digits, `-` and `_`.
    Impossible(&'static str),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName(name) => write!(f, "no route is called {name:?}"),
            Self::Missing(name) => write!(f, "there is no value for the parameter {name:?}"),
            Self::Unexpected(name) => write!(f, "the route has no parameter {name:?}"),
            Self::Impossible(name) => write!(f, "the value of the parameter {name:?} cannot stand in a URL"),
        }
    }
}

impl std::error::Error for UrlError {}

impl StatusError for UrlError {
    fn status(&self) -> u16 {
        500
    }
}

impl RouteUrls {
    /// Adds a name. False: it is there already.
    pub(crate) fn add(&mut self, name: &'static str, parts: Vec<UrlPart>) -> bool {
        if self.0.contains_key(name) {
            return false;
        }
        self.0.insert(name, parts).is_none()
    }

    pub(crate) fn make(&self, name: &str, values: &[(&str, &str)]) -> Result<String, UrlError> {
        let parts = self.0.get(name).ok_or_else(|| UrlError::UnknownName(name.to_owned()))?;
        let value_of = |wanted: &'static str| {
            let found = values.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| *value).ok_or(UrlError::Missing(wanted))
        };
        let mut url = Vec::new();
        for part in parts {
            match part {
                UrlPart::Text(text) => url.extend_from_slice(text.as_bytes()),
                // It would be a separator.
                UrlPart::Param(name) if value_of(name)?.contains('/') => {
                    return Err(UrlError::Impossible(name));
                }
                UrlPart::Param(name) => append_segment(&mut url, name, value_of(name)?)?,
                UrlPart::Label(name) => match value_of(name)? {
                    label if is_label(label) => url.extend_from_slice(label.as_bytes()),
                    _ => return Err(UrlError::Impossible(name)),
                },
                UrlPart::Rest(name) => {
                    let rest = value_of(name)?;
                    for (index, segment) in rest.split('/').enumerate() {
                        if index > 0 {
                            url.push(b'/');
                        }
                        // A last slash may be.
                        if segment.is_empty() && index > 0 && rest.len() > 1 && is_last(rest, index) {
                            continue;
                        }
                        append_segment(&mut url, name, segment)?;
                    }
                }
            }
        }
        let is_param = |given: &str| parts.iter().any(|part| part.name() == Some(given));
        if let Some((name, _)) = values.iter().find(|(name, _)| !is_param(name)) {
            return Err(UrlError::Unexpected((*name).to_owned()));
        }
        // What was appended is ASCII.
        Ok(String::from_utf8(url).unwrap_or_default())
    }
}

impl UrlPart {
    fn name(&self) -> Option<&'static str> {
        match self {
            Self::Text(_) => None,
            Self::Param(name) | Self::Label(name) | Self::Rest(name) => Some(name),
        }
    }
}

/// Whether a value may be the first label of a host.
pub(crate) fn is_label(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn is_last(rest: &str, index: usize) -> bool {
    rest.matches('/').count() == index
}

fn append_segment(url: &mut Vec<u8>, name: &'static str, value: &str) -> Result<(), UrlError> {
    // Paths have no such segments, and no route has such a value.
    if matches!(value, "" | "." | "..") {
        return Err(UrlError::Impossible(name));
    }
    append_encoded(url, value.as_bytes(), &UNRESERVED);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_lead_back_is_not_made() {
        let mut urls = RouteUrls::default();
        let text = |text: &str| UrlPart::Text(text.to_owned());
        assert!(
            urls.add("file", vec![text("/"), UrlPart::Param("user"), text("/f/"), UrlPart::Rest("path")])
        );
        assert!(!urls.add("file", Vec::new()), "it is there already");
        let make = |user: &str, path: &str| urls.make("file", &[("path", path), ("user", user)]);
        assert_eq!(make("a b?c", "x/y z/%").as_deref(), Ok("/a%20b%3Fc/f/x/y%20z/%25"));
        assert_eq!(make("a/b", "x"), Err(UrlError::Impossible("user")));
        assert_eq!(make("ä", "x/").as_deref(), Ok("/%C3%A4/f/x/"));
        for user in ["", ".", "..", "../x", "x/..", "./x", "x/./y", "/x", "x//y", "x/"] {
            assert_eq!(make(user, "x"), Err(UrlError::Impossible("user")));
        }
        for path in ["", "/", "/x", "x//y", "x/../y", ".", "x//"] {
            assert_eq!(make("u", path), Err(UrlError::Impossible("path")), "{path:?}");
        }
        assert_eq!(urls.make("file", &[("user", "u")]), Err(UrlError::Missing("path")));
        let label = vec![text("//"), UrlPart::Label("host"), text(".org/.a"), UrlPart::Param("x")];
        assert!(urls.add("host", label));
        let make = |host: &str, x: &str| urls.make("host", &[("host", host), ("x", x)]);
        assert_eq!(make("a-b", "...").as_deref(), Ok("//a-b.org/.a..."));
        for host in ["", "a.b", "a/b", "\u{e4}", "a:1", "a@b"] {
            assert_eq!(make(host, "x"), Err(UrlError::Impossible("host")), "{host}");
        }
        assert_eq!(make("a-b", "c/d"), Err(UrlError::Impossible("x")));
        for dots in [".", ".."] {
            assert_eq!(make("a-b", dots), Err(UrlError::Impossible("x")), "text beside it or not");
        }
        assert_eq!(urls.make("none", &[]), Err(UrlError::UnknownName("none".to_owned())));
        let more = [("user", "u"), ("path", "p"), ("page", "2")];
        assert_eq!(urls.make("file", &more), Err(UrlError::Unexpected("page".to_owned())));
    }
}
