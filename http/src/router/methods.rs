//! Methods, and which of them a path answers.
//!
//! The rule: methods are tokens and case-sensitive (RFC 9110 9.1), so `get` is another one than `GET`.

use crate::util::token::is_token;
use std::fmt;
use std::ops::Range;

/// The methods that have a number, in the order in which `Allow` has them.
const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
const GET: usize = 0;
const HEAD: usize = 1;
const OPTIONS: usize = 6;
const CONNECT: usize = 8;
/// No route.
const NONE: u32 = u32::MAX;
/// Every route.
pub(super) const ALL: Range<u32> = 0..NONE;

/// A method, as it is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MethodKey<'a> {
    Known(usize),
    Other(&'a str),
}

impl<'a> MethodKey<'a> {
    #[inline]
    pub(super) fn of(method: &'a str) -> Self {
        match method {
            "GET" => Self::Known(GET),
            "HEAD" => Self::Known(HEAD),
            "POST" => Self::Known(2),
            "PUT" => Self::Known(3),
            "PATCH" => Self::Known(4),
            "DELETE" => Self::Known(5),
            "OPTIONS" => Self::Known(OPTIONS),
            "TRACE" => Self::Known(7),
            "CONNECT" => Self::Known(CONNECT),
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
            methods.push(method.to_owned());
        }
        Ok(Self::These(methods))
    }
}

impl RouteMethods {
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

/// What answers at one pattern, by method: numbers of routes.
#[derive(Debug)]
pub(super) struct Endpoint {
    known: [u32; KNOWN.len()],
    others: Vec<(String, u32)>,
    any: u32,
}

impl Default for Endpoint {
    fn default() -> Self {
        Self { known: [NONE; KNOWN.len()], others: Vec::new(), any: NONE }
    }
}

impl Endpoint {
    /// The route for a method.
    #[inline]
    pub(super) fn route(&self, method: MethodKey<'_>) -> Option<u32> {
        let own = match method {
            MethodKey::Known(index) => self.known[index % KNOWN.len()],
            MethodKey::Other(name) => self.other(name),
        };
        if own != NONE {
            return Some(own);
        }
        let instead = match method {
            MethodKey::Known(CONNECT) => NONE,
            MethodKey::Known(HEAD) if self.known[GET] != NONE => self.known[GET],
            _ => self.any,
        };
        (instead != NONE).then_some(instead)
    }

    fn other(&self, name: &str) -> u32 {
        self.others.iter().find(|(known, _)| known == name).map_or(NONE, |(_, route)| *route)
    }

    /// Adds a route. Those that are there already for the same methods are given back, with the method.
    pub(super) fn add(&mut self, methods: &RouteMethods, route: u32) -> Vec<(String, u32)> {
        let RouteMethods::These(methods) = methods else {
            let before = std::mem::replace(&mut self.any, route);
            return if before == NONE { Vec::new() } else { vec![("any method".to_owned(), before)] };
        };
        let mut conflicts = Vec::new();
        for method in methods {
            let place = match MethodKey::of(method) {
                MethodKey::Known(index) => &mut self.known[index],
                MethodKey::Other(_) => {
                    let known = self.others.iter().position(|(known, _)| known == method);
                    let at = known.unwrap_or(self.others.len());
                    if known.is_none() {
                        self.others.push((method.clone(), NONE));
                    }
                    &mut self.others[at].1
                }
            };
            match *place {
                NONE => *place = route,
                before => conflicts.push((method.clone(), before)),
            }
        }
        conflicts
    }

    /// Any of its routes.
    pub(super) fn first(&self) -> Option<u32> {
        self.first_of(&ALL)
    }

    /// Any of its routes that is one of these.
    pub(super) fn first_of(&self, routes: &Range<u32>) -> Option<u32> {
        let others = self.others.iter().map(|(_, route)| *route);
        self.known.iter().copied().chain(others).chain([self.any]).find(|route| routes.contains(route))
    }
}

/// The methods that are answered somewhere.
#[derive(Debug, Default)]
pub(super) struct AllowedMethods<'a> {
    known: [bool; KNOWN.len()],
    others: Vec<&'a str>,
}

impl<'a> AllowedMethods<'a> {
    /// Those of an endpoint are, too, as far as they are answered by these routes.
    pub(super) fn add(&mut self, endpoint: &'a Endpoint, routes: &Range<u32>) {
        if endpoint.first_of(routes).is_none() {
            return;
        }
        for (index, (is_allowed, route)) in self.known.iter_mut().zip(endpoint.known).enumerate() {
            *is_allowed |= routes.contains(&route) || (routes.contains(&endpoint.any) && index != CONNECT);
        }
        self.known[HEAD] |= self.known[GET];
        self.known[OPTIONS] = true;
        for (name, route) in &endpoint.others {
            if routes.contains(route) && !self.others.contains(&name.as_str()) {
                self.others.push(name);
            }
        }
    }

    /// The value of an `Allow`.
    pub(super) fn write(&self, out: &mut String) {
        out.clear();
        let known = KNOWN.iter().zip(self.known).filter(|(_, is_allowed)| *is_allowed);
        for name in known.map(|(name, _)| *name).chain(self.others.iter().copied()) {
            if !out.is_empty() {
                out.push_str(", ");
            }
            out.push_str(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(routes: &[(&str, u32)]) -> Endpoint {
        let mut endpoint = Endpoint::default();
        for (methods, route) in routes {
            let methods =
                if *methods == "any" { RouteMethods::Any } else { RouteMethods::parse(methods).unwrap() };
            assert_eq!(endpoint.add(&methods, *route), [], "{methods}");
        }
        endpoint
    }

    #[test]
    fn the_numbers_of_methods_are_their_places() {
        for (index, name) in KNOWN.iter().enumerate() {
            assert_eq!(MethodKey::of(name), MethodKey::Known(index));
        }
        assert_eq!(MethodKey::of("get"), MethodKey::Other("get"));
    }

    #[test]
    fn what_answers_a_method() {
        let some = endpoint(&[("GET", 1), ("POST, LINK", 2), ("any", 3)]);
        for (method, route) in
            [("GET", 1), ("HEAD", 1), ("POST", 2), ("LINK", 2), ("PUT", 3), ("UNLINK", 3), ("OPTIONS", 3)]
        {
            assert_eq!(some.route(MethodKey::of(method)), Some(route), "{method}");
        }
        assert_eq!(some.route(MethodKey::of("CONNECT")), None);
        let own_head = endpoint(&[("GET", 1), ("HEAD", 2), ("CONNECT", 4)]);
        assert_eq!(own_head.route(MethodKey::of("HEAD")), Some(2));
        assert_eq!(own_head.route(MethodKey::of("CONNECT")), Some(4));
        assert_eq!(own_head.route(MethodKey::of("PUT")), None);
        let head_alone = endpoint(&[("any", 3)]);
        assert_eq!(head_alone.route(MethodKey::of("HEAD")), Some(3));
    }

    #[test]
    fn what_is_allowed() {
        let text = |endpoints: &[&Endpoint]| {
            let (mut allowed, mut text) = (AllowedMethods::default(), "left over".to_owned());
            endpoints.iter().for_each(|endpoint| allowed.add(endpoint, &ALL));
            allowed.write(&mut text);
            text
        };
        let (get, post) = (endpoint(&[("GET", 1)]), endpoint(&[("LINK, POST", 2)]));
        assert_eq!(text(&[&get]), "GET, HEAD, OPTIONS");
        assert_eq!(text(&[&post, &get, &post]), "GET, HEAD, POST, OPTIONS, LINK");
        assert_eq!(text(&[&endpoint(&[("any", 1)])]), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE");
        assert_eq!(text(&[&endpoint(&[("CONNECT", 1)])]), "OPTIONS, CONNECT");
    }

    #[test]
    fn one_method_has_one_route() {
        let mut endpoint = endpoint(&[("GET, LINK", 1), ("any", 2)]);
        let mut add = |methods: &str, route| endpoint.add(&RouteMethods::parse(methods).unwrap(), route);
        assert_eq!(add("PUT, GET, LINK", 3), [("GET".to_owned(), 1), ("LINK".to_owned(), 1)]);
        assert_eq!(endpoint.add(&RouteMethods::Any, 4), [("any method".to_owned(), 2)]);
        for bad in ["", "GET,", "G T", "get", "GET POST"] {
            assert!(RouteMethods::parse(bad).is_err(), "{bad:?}");
        }
    }
}
