//! Cookies by the sites that they are for.
//!
//! The idea: whose a host is says its site, the domain below the public suffix under which it is. A request looks at
//! the cookies of its site, and at no others; so nobody has a say in, or takes the room of, what is not his own.

use super::host_addr::without_brackets;
use crate::values::cookie::Cookie;
use crate::values::uri::Uri;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

/// The most for one site, and altogether (RFC 6265bis section 6.1 asks for 50 and 3000 at least).
const OF_SITE_MAX: usize = 180;
const ALL_MAX: usize = 3000;

/// The most of name and value together (RFC 6265bis section 5.7), of a path, and of an attribute that is looked at
/// (section 5.6).
const BYTES_MAX: usize = 4096;
const ATTRIBUTE_BYTES_MAX: usize = 1024;

/// The longest host (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 255;

/// The longest that anything lasts (RFC 6265bis section 5.5).
const LASTS_MAX: Duration = Duration::from_secs(400 * 24 * 3600);

/// How names begin that promise something (RFC 6265bis section 4.1.3; `Http` where its successor has it).
const PROMISES: &[&str] = &["__Secure-", "__Host-", "__Http-", "__Host-Http-"];

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
    by_site: HashMap<String, Vec<StoredCookie>>,
    count: usize,
    /// Counts what is done.
    clock: u64,
}

/// A host as cookies name it: in lower case, and without the dot behind a name that is whole, which makes no other host
/// of it. `None`: it is not one that they can name.
fn canonical_host(host: &[u8]) -> Option<String> {
    let host = without_brackets(std::str::from_utf8(host).ok()?);
    let host = host.strip_suffix('.').unwrap_or(host);
    let can_be = host.is_ascii() && host.len() <= HOST_BYTES_MAX && !host.split('.').any(str::is_empty);
    can_be.then(|| host.to_ascii_lowercase())
}

/// Whether a host is an address, however it is written: what looks like a number at its end is one to whoever resolves
/// it (`127.1`, `0x7f.1`). There is no domain above it.
fn is_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_number = match last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")) {
        Some(digits) => digits.bytes().all(|digit| digit.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|digit| digit.is_ascii_digit()),
    };
    is_number || host.contains(':')
}

/// The domain all of whose hosts are of the same owner, as far as that is known; where there is none, the host.
fn site_of(host: &str) -> &str {
    if is_address(host) { host } else { psl::domain_str(host).unwrap_or(host) }
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
        let host = canonical_host(uri.hostname())?;
        let named = match cookie.domain().map(|domain| domain.strip_prefix(b".").unwrap_or(domain)) {
            None | Some([]) => String::new(),
            Some(domain) => canonical_host(domain)?,
        };
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
            // Above the site of the host there may be those of others, though it is no public suffix itself.
            domain if site_of(domain) != site_of(&host) => return None,
            _ => (named, false),
        };
        let path = cookie.path().filter(|path| path.len() <= ATTRIBUTE_BYTES_MAX);
        let path = path.unwrap_or_else(|| default_path(uri)).to_vec();
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

    /// Whether it is of a size and a form that is kept, and is what its name promises (RFC 6265bis section 4.1.3).
    fn keeps_promises(&self, has_root_path: bool) -> bool {
        let promises = |prefix: &str| starts_with(&self.name, prefix);
        let hides = |prefix: &str| self.name.is_empty() && starts_with(&self.value, prefix);
        let is_secure = self.secure || !PROMISES.iter().any(|prefix| promises(prefix));
        let is_of_host = self.host_only && has_root_path || !promises("__Host-");
        let is_of_http = self.http_only || !promises("__Http-") && !promises("__Host-Http-");
        let is_small = self.name.len() + self.value.len() <= BYTES_MAX && self.path.len() <= BYTES_MAX;
        // A line of text has no place for these.
        let is_text =
            [&self.name, &self.value, &self.path].iter().all(|part| !part.iter().any(u8::is_ascii_control));
        let is_hidden = PROMISES.iter().any(|prefix| hides(prefix));
        is_small && is_text && is_secure && is_of_host && is_of_http && !is_hidden
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
        let domain = canonical_host(domain.strip_prefix(b".").unwrap_or(domain))?;
        let host_only = !below.eq_ignore_ascii_case(b"TRUE") || is_address(&domain);
        // Whatever a server cannot set is none.
        let read = Cookie::parse([name, b"=", value].concat()).ok()?;
        let is_same = read.name() == name && read.value() == value && !value.contains(&b';');
        if !is_same || !host_only && is_public_suffix(&domain) {
            return None;
        }
        let seconds = match expires {
            // As some write one of a session.
            [] => 0,
            digits => std::str::from_utf8(digits).ok()?.parse::<u64>().ok()?,
        };
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        let cookie = Self {
            name: name.to_vec(),
            value: value.to_vec(),
            domain,
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
        let mut all: Vec<&StoredCookie> = self.by_site.values().flatten().collect();
        all.sort_by_key(|cookie| cookie.created);
        all.into_iter()
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&StoredCookie) -> bool) {
        self.by_site.retain(|_, cookies| {
            cookies.retain(&mut keep);
            !cookies.is_empty()
        });
        self.count = self.by_site.values().map(Vec::len).sum();
    }

    /// How many sites have some.
    #[cfg(test)]
    pub(crate) fn sites(&self) -> usize {
        self.by_site.len()
    }

    /// Removes those of a site, and says whether there were some.
    #[cfg(test)]
    pub(crate) fn remove_site(&mut self, site: &str) -> bool {
        let before = self.count;
        self.retain_of(site, |_| false);
        self.count < before
    }

    /// The same of a site.
    fn retain_of(&mut self, site: &str, keep: impl FnMut(&StoredCookie) -> bool) {
        let Some(cookies) = self.by_site.get_mut(site) else { return };
        let before = cookies.len();
        cookies.retain(keep);
        self.count -= before - cookies.len();
        if cookies.is_empty() {
            self.by_site.remove(site);
        }
    }

    /// Adds a cookie, in the place of one that is for the same. `is_secure`: nobody else can have set it. False: it may
    /// not be set, or has expired.
    pub(crate) fn insert(&mut self, mut cookie: StoredCookie, is_secure: bool, now: SystemTime) -> bool {
        if !is_secure && (cookie.secure || self.shadows_secure(&cookie, now)) {
            return false;
        }
        self.clock += 1;
        (cookie.created, cookie.used) = (self.clock, self.clock);
        let site = site_of(&cookie.domain).to_owned();
        let cookies = self.by_site.entry(site.clone()).or_default();
        let place = cookies.iter().position(|known| {
            known.name == cookie.name
                && known.domain == cookie.domain
                && known.path == cookie.path
                && known.host_only == cookie.host_only
        });
        if let Some(known) = place.map(|place| cookies.remove(place)) {
            cookie.created = known.created;
            self.count -= 1;
        }
        let is_kept = !cookie.has_expired(now);
        if is_kept {
            cookies.push(cookie);
            self.count += 1;
        }
        self.make_room(&site, now);
        is_kept
    }

    /// Whether a cookie would stand before, or in the place of, one that was set where only its host can (RFC 6265bis
    /// section 5.7 step 9). Those of other sites never meet it.
    fn shadows_secure(&self, cookie: &StoredCookie, now: SystemTime) -> bool {
        self.by_site.get(site_of(&cookie.domain)).into_iter().flatten().any(|known| {
            known.secure
                && !known.has_expired(now)
                && known.name == cookie.name
                && (domain_matches(&known.domain, &cookie.domain)
                    || domain_matches(&cookie.domain, &known.domain))
                && path_matches(&cookie.path, &known.path)
        })
    }

    fn make_room(&mut self, site: &str, now: SystemTime) {
        let is_over = |cookies: Option<&Vec<StoredCookie>>| {
            cookies.is_some_and(|cookies| cookies.is_empty() || cookies.len() > OF_SITE_MAX)
        };
        if is_over(self.by_site.get(site)) {
            self.retain_of(site, |cookie| !cookie.has_expired(now));
        }
        if let Some(cookies) = self.by_site.get_mut(site) {
            while cookies.len() > OF_SITE_MAX {
                let least = (0..cookies.len()).min_by_key(|&at| cookies[at].worth());
                cookies.remove(least.unwrap_or_default());
                self.count -= 1;
            }
        }
        if self.count > ALL_MAX {
            self.retain(|cookie| !cookie.has_expired(now));
        }
        if self.count > ALL_MAX {
            let mut worths: Vec<_> = self.by_site.values().flatten().map(StoredCookie::worth).collect();
            worths.sort_unstable();
            let least = worths.get(self.count - ALL_MAX).copied();
            self.retain(|cookie| least.is_none_or(|least| cookie.worth() >= least));
        }
    }

    /// What a request for `uri` gets, in its order (RFC 6265bis section 5.8.3).
    pub(crate) fn matching(&mut self, uri: &Uri, is_secure: bool, now: SystemTime) -> Vec<&StoredCookie> {
        let Some(host) = canonical_host(uri.hostname()) else { return Vec::new() };
        let (site, path) = (site_of(&host), path_of(uri));
        self.clock += 1;
        let clock = self.clock;
        self.retain_of(site, |cookie| !cookie.has_expired(now));
        let is_meant = |cookie: &StoredCookie| {
            (cookie.domain == host || !cookie.host_only && domain_matches(&host, &cookie.domain))
                && (is_secure || !cookie.secure)
                && path_matches(path, &cookie.path)
        };
        let of_site = self.by_site.get_mut(site).into_iter().flatten();
        let meant = of_site.filter(|cookie| is_meant(cookie)).map(|cookie| {
            cookie.used = clock;
            &*cookie
        });
        let mut found: Vec<&StoredCookie> = meant.collect();
        found.sort_by_key(|cookie| (std::cmp::Reverse(cookie.path.len()), cookie.created));
        found
    }
}
