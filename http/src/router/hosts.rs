//! Hosts that have routes of their own.
//!
//! The rule: hosts are compared without case and without their ports, and one that is named comes before those that a
//! pattern stands for.

use super::pattern::check_name;
use crate::ctx::{UrlPart, is_label};
use crate::util::authority;
use crate::util::intern::intern;

/// What stands for hosts: a name, or a parameter in the place of its first label: `{tenant}.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostPattern {
    /// What the first label is called, if it is a parameter.
    pub(super) label: Option<&'static str>,
    /// The host, or what is behind its first label, the dot included; in lower case.
    text: String,
}

impl HostPattern {
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let (label, text) = match pattern.strip_prefix('{') {
            Some(rest) => {
                let (name, rest) = rest.split_once('}').ok_or("a `{` has no `}`")?;
                check_name(name)?;
                if !rest.starts_with('.') {
                    return Err("a parameter takes all of the first label: `{name}.example.org`".to_owned());
                }
                (Some(intern(name)), rest)
            }
            None => (None, pattern),
        };
        let name = if label.is_some() { &text[1..] } else { text };
        if name.contains(['{', '}', '*']) {
            return Err("a host is a name, or `{name}` and what is behind its first label".to_owned());
        }
        match authority::split_port(name.as_bytes()) {
            Ok((host, None))
                if !matches!(host, b"" | b".") && name.is_ascii() && authority::is_valid(host) => {}
            Ok((_, Some(_))) => return Err("the port is no part of it; it is looked at without".to_owned()),
            _ => return Err("it is no host".to_owned()),
        }
        Ok(Self { label, text: text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase() })
    }

    /// What URLs of routes with it begin with.
    pub(super) fn url_parts(&self) -> Vec<UrlPart> {
        let text = |text: &str| UrlPart::Text(text.to_owned());
        match self.label {
            Some(label) => vec![text("//"), UrlPart::Label(label), text(&self.text)],
            None => vec![text("//"), text(&self.text)],
        }
    }
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.label {
            Some(label) => write!(f, "{{{label}}}{}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// All that have routes of their own, each with a number.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// Those that are named, in order.
    named: Vec<(String, usize)>,
    /// What is behind first labels, the longest first.
    behind: Vec<(String, usize)>,
}

/// The host of a request: its number, and its first label where that is a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundHost<'a> {
    pub(super) number: usize,
    pub(super) label: Option<&'a str>,
}

impl Hosts {
    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.behind.is_empty()
    }

    /// The number of a host, which is `number` if it has none yet.
    pub(super) fn get_or_insert(&mut self, pattern: &HostPattern, number: usize) -> usize {
        let list = if pattern.label.is_some() { &mut self.behind } else { &mut self.named };
        if let Some((_, known)) = list.iter().find(|(text, _)| *text == pattern.text) {
            return *known;
        }
        let rank = |text: &str| if pattern.label.is_some() { usize::MAX - text.len() } else { 0 };
        let at = list.partition_point(|(text, _)| (rank(text), text) < (rank(&pattern.text), &pattern.text));
        list.insert(at, (pattern.text.clone(), number));
        number
    }

    /// The host of this authority, if it has routes of its own.
    pub(super) fn find<'a>(&self, authority: &'a [u8]) -> Option<FoundHost<'a>> {
        let (host, _) = authority::split_port(authority).ok()?;
        let host = std::str::from_utf8(host).ok()?;
        // A name with a last dot is the same one.
        let host = host.strip_suffix('.').unwrap_or(host);
        let compare = |known: &str| {
            let (known, host) = (known.bytes(), host.bytes().map(|byte| byte.to_ascii_lowercase()));
            known.cmp(host)
        };
        if let Ok(at) = self.named.binary_search_by(|(known, _)| compare(known)) {
            return self.named.get(at).map(|(_, number)| FoundHost { number: *number, label: None });
        }
        self.behind.iter().find_map(|(behind, number)| {
            let at = host.len().checked_sub(behind.len())?;
            let (label, rest) = host.split_at_checked(at)?;
            let is_it = is_label(label) && rest.eq_ignore_ascii_case(behind);
            is_it.then_some(FoundHost { number: *number, label: Some(label) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found() {
        let mut hosts = Hosts::default();
        let names =
            ["example.org", "API.example.org", "[::1]", "{tenant}.example.org", "{x}.eu.example.org", "a.b"];
        for (number, name) in names.iter().enumerate() {
            let pattern = HostPattern::parse(name).unwrap_or_else(|problem| panic!("{name}: {problem}"));
            assert_eq!(hosts.get_or_insert(&pattern, number), number);
            assert_eq!(hosts.get_or_insert(&pattern, 99), number);
        }
        for (authority, number, label) in [
            ("example.org", 0, None),
            ("EXAMPLE.org.:8080", 0, None),
            ("api.Example.org:1", 1, None),
            ("[::1]:80", 2, None),
            ("Shop.Example.org", 3, Some("Shop")),
            ("shop.eu.example.org", 4, Some("shop")),
            ("a.b", 5, None),
        ] {
            assert_eq!(hosts.find(authority.as_bytes()), Some(FoundHost { number, label }), "{authority}");
        }
        for authority in [
            "",
            "org",
            "example.com",
            "a.b.example.org",
            ".example.org",
            "xexample.org",
            "a",
            "[::2]",
            "\u{e4}",
        ] {
            assert_eq!(hosts.find(authority.as_bytes()), None, "{authority}");
        }
    }

    #[test]
    fn what_is_no_host_says_why() {
        for (pattern, words) in [
            ("", "no host"),
            (".", "no host"),
            ("a/b", "no host"),
            ("example.org:80", "port"),
            ("{t}.example.org:80", "port"),
            ("{t}", "first label"),
            ("{t}x.org", "first label"),
            ("{t.org", "no `}`"),
            ("a.{t}.org", "is a name"),
            ("*.example.org", "is a name"),
            ("{}.org", "no name"),
            ("b\u{fc}cher.example", "no host"),
        ] {
            let problem = HostPattern::parse(pattern).expect_err(pattern);
            assert!(problem.contains(words), "{pattern}: {problem}");
        }
    }
}
