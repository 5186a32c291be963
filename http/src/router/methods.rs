//! Methods, and which of them a path answers.
//!
//! The rule: methods are tokens and case-sensitive (RFC 9110 9.1), so `get` is another one than `GET`.

use crate::util::token::is_token;
use std::fmt;

/// The methods that have a number, in the order in which `Allow` has them.
pub(super) const KNOWN: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
pub(super) const GET: usize = 0;
pub(super) const HEAD: usize = 1;
const OPTIONS: usize = 6;
pub(super) const CONNECT: usize = 8;

/// A method, as it is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MethodKey<'a> {
    Known(usize),
    Other(&'a [u8]),
}

impl<'a> MethodKey<'a> {
    #[inline]
    pub(super) fn of(method: &'a [u8]) -> Self {
        match method {
            b"GET" => Self::Known(GET),
            b"HEAD" => Self::Known(HEAD),
            b"POST" => Self::Known(2),
            b"PUT" => Self::Known(3),
            b"PATCH" => Self::Known(4),
            b"DELETE" => Self::Known(5),
            b"OPTIONS" => Self::Known(OPTIONS),
            b"TRACE" => Self::Known(7),
            b"CONNECT" => Self::Known(CONNECT),
            other => Self::Other(other),
        }
    }

    pub(super) fn is_options(self) -> bool {
        self == Self::Known(OPTIONS)
    }

    pub(super) fn is_connect(self) -> bool {
        self == Self::Known(CONNECT)
    }
}

/// The methods of a route.
#[derive(Clone, Debug)]
pub(super) enum RouteMethods {
    /// All but `CONNECT`, whose clients would take an answer for a tunnel.
    Any,
    These(Vec<String>),
}

impl RouteMethods {
    /// # Errors
    /// What is wrong with the list, in words.
    pub(super) fn parse(list: &str) -> Result<Self, String> {
        let mut methods = Vec::new();
        for method in list.split(',').map(str::trim) {
            if !is_token(method.as_bytes()) {
                return Err(format!("{method:?} is no method"));
            }
            if KNOWN.contains(&&*method.to_ascii_uppercase()) && !KNOWN.contains(&method) {
                return Err(format!("{method:?} is no method; {:?} is one", method.to_ascii_uppercase()));
            }
            if methods.iter().any(|known| known == method) {
                return Err(format!("{method:?} is there twice"));
            }
            methods.push(method.to_owned());
        }
        Ok(Self::These(methods))
    }
}

impl RouteMethods {
    /// All that are answered.
    pub(super) fn all(&self) -> Vec<&str> {
        match self {
            Self::Any => KNOWN.into_iter().filter(|method| *method != KNOWN[CONNECT]).collect(),
            Self::These(methods) => {
                let head = methods.iter().any(|method| method == KNOWN[GET]).then_some(KNOWN[HEAD]);
                methods.iter().map(String::as_str).chain(head).collect()
            }
        }
    }

    /// Those that have no number.
    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        let these = match self {
            Self::Any => &[][..],
            Self::These(methods) => methods,
        };
        these.iter().map(String::as_str).filter(|method| !KNOWN.contains(method))
    }

    pub(super) fn have_connect(&self) -> bool {
        matches!(self, Self::These(methods) if methods.iter().any(|method| method == KNOWN[CONNECT]))
    }
}

impl fmt::Display for RouteMethods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any method"),
            Self::These(methods) => f.write_str(&methods.join(", ")),
        }
    }
}

/// Writes the value of an `Allow` with these methods, with those that have a number first, in the order of these.
pub(super) fn write_allow<'a>(out: &mut String, methods: impl Iterator<Item = &'a str>) {
    let mut others: Vec<&str> = Vec::new();
    let mut known = [false; KNOWN.len()];
    for method in methods {
        match KNOWN.iter().position(|name| *name == method) {
            Some(index) => known[index] = true,
            None if !others.contains(&method) => others.push(method),
            None => {}
        }
    }
    known[OPTIONS] = true;
    out.clear();
    let known = KNOWN.iter().zip(known).filter(|(_, is_allowed)| *is_allowed);
    for name in known.map(|(name, _)| *name).chain(others) {
        if !out.is_empty() {
            out.push_str(", ");
        }
        out.push_str(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_methods_are_their_places() {
        for (index, name) in KNOWN.iter().enumerate() {
            assert_eq!(MethodKey::of(name.as_bytes()), MethodKey::Known(index));
        }
        assert_eq!(MethodKey::of(b"get"), MethodKey::Other(b"get"));
    }

    #[test]
    fn methods_that_are_allowed_are_told_once_each() {
        let mut text = "left over".to_owned();
        write_allow(&mut text, ["LINK", "POST", "GET", "LINK", "POST", "ACL"].into_iter());
        assert_eq!(text, "GET, POST, OPTIONS, LINK, ACL");
        write_allow(&mut text, [].into_iter());
        assert_eq!(text, "OPTIONS");
    }

    #[test]
    fn lists_that_are_none_are_refused() {
        assert_eq!(RouteMethods::parse("PUT, LINK").unwrap().to_string(), "PUT, LINK");
        for bad in ["", "GET,", "G T", "get", "GET POST", "GET, GET"] {
            assert!(RouteMethods::parse(bad).is_err(), "{bad:?}");
        }
    }
}
