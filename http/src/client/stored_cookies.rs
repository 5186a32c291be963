//! Cookies by the domains that they are for.
//!
//! The idea: a request looks at its host and at each domain above it, and not at what there is for others.

use crate::values::cookie::Cookie;
use crate::values::uri::Uri;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// The most for one domain, and altogether (RFC 6265bis section 6.1 asks for 50 and 3000 at least).
const OF_DOMAIN_MAX: usize = 100;
const ALL_MAX: usize = 3000;

/// The most of name and value together (RFC 6265bis section 5.7).
const BYTES_MAX: usize = 4096;

/// The longest that anything lasts (RFC 6265bis section 5.5).
const LASTS_MAX: Duration = Duration::from_secs(400 * 24 * 3600);

/// A cookie, and for whom it is.
#[derive(Clone)]
pub(crate) struct StoredCookie {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// In lower case, without a dot in front.
    domain: String,
    /// The hosts below that are not meant.
    host_only: bool,
    path: Vec<u8>,
    secure: bool,
    http_only: bool,
    /// `None`: it lasts for a session.
    pub(crate) expires: Option<SystemTime>,
    /// Which were there before it.
    created: u64,
    used: u64,
}

/// All of them.
#[derive(Default)]
pub(crate) struct StoredCookies {
    by_domain: HashMap<String, Vec<StoredCookie>>,
    count: usize,
    /// Counts what is done.
    clock: u64,
}

/// The host of a URL as cookies name it. `None`: it is not one that they can name.
fn host_of(uri: &Uri) -> Option<String> {
    let host = std::str::from_utf8(uri.hostname()).ok()?;
    (!host.is_empty() && host.is_ascii()).then(|| host.to_ascii_lowercase())
}

fn is_address(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok()
}

/// The path of a URL, as a request for it has it.
fn path_of(uri: &Uri) -> &[u8] {
    match uri.path_original() {
        path @ [b'/', ..] => path,
        _ => b"/",
    }
}

/// RFC 6265bis section 5.1.4.
fn default_path(uri: &Uri) -> &[u8] {
    let path = path_of(uri);
    match memchr::memrchr(b'/', path) {
        Some(at) if at > 0 => path.get(..at).unwrap_or_default(),
        _ => b"/",
    }
}

fn path_matches(path: &[u8], of_cookie: &[u8]) -> bool {
    match path.strip_prefix(of_cookie) {
        Some([] | [b'/', ..]) => true,
        Some(_) => of_cookie.ends_with(b"/"),
        None => false,
    }
}

fn domain_matches(host: &str, domain: &str) -> bool {
    match host.strip_suffix(domain) {
        Some("") => true,
        Some(above) => above.ends_with('.') && !is_address(host),
        None => false,
    }
}

/// Whether strangers live under a domain. Where nobody has said so of a domain of the highest level, it is one such.
fn is_public_suffix(domain: &str) -> bool {
    psl::suffix(domain.as_bytes()).is_none_or(|suffix| suffix.as_bytes() == domain.as_bytes())
}

fn starts_with(name: &[u8], prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

impl StoredCookie {
    /// What becomes of a cookie that the server of `uri` has set. `None`: it may not set it.
    pub(crate) fn of(uri: &Uri, cookie: &Cookie, now: SystemTime) -> Option<Self> {
        let host = host_of(uri)?;
        let named = cookie.domain().map(|domain| domain.strip_prefix(b".").unwrap_or(domain));
        let named = std::str::from_utf8(named.unwrap_or_default()).ok()?.to_ascii_lowercase();
        let expires = match (cookie.max_age(), cookie.expires()) {
            (Some(age), _) => Some(now + age.min(LASTS_MAX)),
            (None, Some(at)) => Some(at.min(now + LASTS_MAX)),
            (None, None) => None,
        };
        let (domain, host_only) = match &*named {
            "" => (host, true),
            // Whoever is a public suffix himself, or an address, may have cookies of his own.
            domain if domain == host && (is_public_suffix(domain) || is_address(domain)) => (host, true),
            domain if !domain_matches(&host, domain) || is_public_suffix(domain) => return None,
            _ => (named, false),
        };
        let path = cookie.path().unwrap_or_else(|| default_path(uri)).to_vec();
        let stored = Self {
            name: cookie.name().to_vec(),
            value: cookie.value().to_vec(),
            domain,
            host_only,
            path,
            secure: cookie.secure(),
            http_only: cookie.http_only(),
            expires,
            created: 0,
            used: 0,
        };
        stored.keeps_promises(cookie.path() == Some(b"/")).then_some(stored)
    }

    /// Whether it is of a size that is kept, and is what its name promises (RFC 6265bis section 4.1.3).
    fn keeps_promises(&self, has_root_path: bool) -> bool {
        let promises = |prefix| starts_with(&self.name, prefix);
        let hides = |prefix| self.name.is_empty() && starts_with(&self.value, prefix);
        let is_secure = self.secure || !promises("__Secure-") && !promises("__Host-");
        let is_of_host = self.host_only && has_root_path || !promises("__Host-");
        let is_small = self.name.len() + self.value.len() <= BYTES_MAX && self.path.len() <= BYTES_MAX;
        is_small && is_secure && is_of_host && !hides("__Secure-") && !hides("__Host-")
    }

    /// As a request says it.
    pub(crate) fn pair(&self) -> Vec<u8> {
        match &*self.name {
            [] => self.value.clone(),
            name => [name, b"=", &self.value].concat(),
        }
    }

    fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// Which goes first when there are too many.
    fn worth(&self) -> (bool, u64) {
        (self.secure, self.used)
    }

    /// As a line of `cookies.txt`.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        let since_epoch = self.expires.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let truth = |is_true| if is_true { "TRUE" } else { "FALSE" };
        let mut line = Vec::new();
        line.extend_from_slice(if self.http_only { b"#HttpOnly_" } else { b"" });
        line.extend_from_slice(if self.host_only { b"" } else { b"." });
        line.extend_from_slice(format!("{}\t{}\t", self.domain, truth(!self.host_only)).as_bytes());
        line.extend_from_slice(&self.path);
        let seconds = since_epoch.map_or(0, |time| time.as_secs());
        line.extend_from_slice(format!("\t{}\t{seconds}\t", truth(self.secure)).as_bytes());
        line.extend_from_slice(&self.name);
        line.push(b'\t');
        line.extend_from_slice(&self.value);
        line
    }

    /// Reads such a line. `None`: it is none, or nobody may set that.
    pub(crate) fn from_line(line: &[u8], now: SystemTime) -> Option<Self> {
        let (line, http_only) = match line.strip_prefix(b"#HttpOnly_") {
            Some(rest) => (rest, true),
            None if line.starts_with(b"#") => return None,
            None => (line, false),
        };
        let parts: Vec<&[u8]> = line.split(|byte| *byte == b'\t').collect();
        let &[domain, below, path, secure, expires, name, value] = &parts[..] else { return None };
        let host_only = !below.eq_ignore_ascii_case(b"TRUE");
        let domain = std::str::from_utf8(domain.strip_prefix(b".").unwrap_or(domain)).ok()?;
        // Whatever a server cannot set is none.
        let read = Cookie::parse([name, b"=", value].concat()).ok()?;
        let is_same = read.name() == name && read.value() == value && !value.contains(&b';');
        if !is_same || domain.is_empty() || !domain.is_ascii() || !host_only && is_public_suffix(domain) {
            return None;
        }
        let seconds = std::str::from_utf8(expires).ok()?.parse::<u64>().ok()?;
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        let cookie = Self {
            name: name.to_vec(),
            value: value.to_vec(),
            domain: domain.to_ascii_lowercase(),
            host_only,
            path: if path.starts_with(b"/") { path.to_vec() } else { b"/".to_vec() },
            secure: secure.eq_ignore_ascii_case(b"TRUE"),
            http_only,
            expires: (seconds > 0).then(|| at.min(now + LASTS_MAX)),
            created: 0,
            used: 0,
        };
        let has_root_path = cookie.path == b"/";
        cookie.keeps_promises(has_root_path).then_some(cookie)
    }
}

impl StoredCookies {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// In the order in which they were set.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &StoredCookie> {
        let mut all: Vec<&StoredCookie> = self.by_domain.values().flatten().collect();
        all.sort_by_key(|cookie| cookie.created);
        all.into_iter()
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&StoredCookie) -> bool) {
        self.by_domain.retain(|_, cookies| {
            cookies.retain(&mut keep);
            !cookies.is_empty()
        });
        self.count = self.by_domain.values().map(Vec::len).sum();
    }

    /// Adds a cookie, in the place of one that is for the same. `is_secure`: nobody else can have set it. False: it may
    /// not be set, or has expired.
    pub(crate) fn insert(&mut self, mut cookie: StoredCookie, is_secure: bool, now: SystemTime) -> bool {
        if !is_secure && (cookie.secure || self.shadows_secure(&cookie)) {
            return false;
        }
        self.clock += 1;
        (cookie.created, cookie.used) = (self.clock, self.clock);
        let cookies = self.by_domain.entry(cookie.domain.clone()).or_default();
        let place = cookies.iter().position(|known| {
            known.name == cookie.name && known.path == cookie.path && known.host_only == cookie.host_only
        });
        if let Some(known) = place.map(|place| cookies.remove(place)) {
            cookie.created = known.created;
            self.count -= 1;
        }
        let is_kept = !cookie.has_expired(now);
        let domain = cookie.domain.clone();
        if is_kept {
            cookies.push(cookie);
            self.count += 1;
        }
        self.make_room(&domain, now);
        is_kept
    }

    /// Whether a cookie would stand before, or in the place of, one that was set where only its host can (RFC 6265bis
    /// section 5.7 step 9).
    fn shadows_secure(&self, cookie: &StoredCookie) -> bool {
        self.by_domain.values().flatten().any(|known| {
            known.secure
                && known.name == cookie.name
                && (domain_matches(&known.domain, &cookie.domain)
                    || domain_matches(&cookie.domain, &known.domain))
                && path_matches(&cookie.path, &known.path)
        })
    }

    fn make_room(&mut self, domain: &str, now: SystemTime) {
        if let Some(cookies) = self.by_domain.get_mut(domain) {
            while cookies.len() > OF_DOMAIN_MAX {
                let least = (0..cookies.len()).min_by_key(|&at| cookies[at].worth());
                cookies.remove(least.unwrap_or_default());
                self.count -= 1;
            }
            if cookies.is_empty() {
                self.by_domain.remove(domain);
            }
        }
        if self.count > ALL_MAX {
            self.retain(|cookie| !cookie.has_expired(now));
        }
        if self.count > ALL_MAX {
            let mut worths: Vec<_> = self.by_domain.values().flatten().map(StoredCookie::worth).collect();
            worths.sort_unstable();
            let least = worths.get(self.count - ALL_MAX).copied();
            self.retain(|cookie| least.is_none_or(|least| cookie.worth() >= least));
        }
    }

    /// What a request for `uri` gets, in its order (RFC 6265bis section 5.8.3).
    pub(crate) fn matching(&mut self, uri: &Uri, is_secure: bool, now: SystemTime) -> Vec<&StoredCookie> {
        let Some(host) = host_of(uri) else { return Vec::new() };
        self.clock += 1;
        let clock = self.clock;
        let path = path_of(uri);
        let mut domains: Vec<&str> = vec![&host];
        if !is_address(&host) {
            domains.extend(host.match_indices('.').filter_map(|(at, _)| host.get(at + 1..)));
        }
        let is_meant = |domain: &str, cookie: &StoredCookie| {
            (domain == host || !cookie.host_only)
                && (is_secure || !cookie.secure)
                && path_matches(path, &cookie.path)
        };
        for domain in &domains {
            let Some(cookies) = self.by_domain.get_mut(*domain) else { continue };
            let count = cookies.len();
            cookies.retain(|cookie| !cookie.has_expired(now));
            self.count -= count - cookies.len();
            let used = cookies.iter_mut().filter(|cookie| is_meant(domain, cookie));
            used.for_each(|cookie| cookie.used = clock);
        }
        let mut found: Vec<&StoredCookie> = Vec::new();
        for domain in &domains {
            let cookies = self.by_domain.get(*domain).into_iter().flatten();
            found.extend(cookies.filter(|cookie| is_meant(domain, cookie)));
        }
        found.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.created));
        found
    }
}
