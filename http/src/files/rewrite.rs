//! Which path is looked for when another one is asked for.
//!
//! The rule: what is left of a path is the end of it, byte for byte, so it needs no second look. What a function of the
//! user's gives does.

use super::names::BadPath;
use crate::ctx::RequestCtx;
use crate::util::authority;
use crate::util::path::normalize_bytes_into;
use std::borrow::Cow;
use std::fmt;

/// A function of the user's.
pub(super) type OwnRewrite = Box<dyn Fn(&RequestCtx) -> String + Send + Sync>;

#[derive(Default)]
pub(super) enum PathRewrite {
    #[default]
    None,
    /// So many names at the front are left out.
    Segments(usize),
    /// This at the front is left out; nothing else is there.
    Prefix(Box<[u8]>),
    /// The host is the first name, in front of what is left without so many names.
    VirtualHosts(usize),
    Own(OwnRewrite),
}

/// The folder of requests that name no host which could be a folder's name.
const INVALID_HOST: &[u8] = b"/invalid-host";

impl PathRewrite {
    /// The path that is looked for. Empty or with a slash at the front, unless it is the user's.
    pub(super) fn apply<'a>(&self, ctx: &'a RequestCtx) -> Result<Cow<'a, [u8]>, BadPath> {
        let path = decoded(ctx);
        match self {
            Self::None => Ok(path),
            Self::Segments(count) => Ok(cut(path, |path| without_segments(path, *count))),
            Self::Prefix(prefix) => match without_prefix(&path, prefix).map(<[u8]>::len) {
                Some(left) => Ok(cut(path, |path| &path[path.len() - left..])),
                None => Err(BadPath::Nothing),
            },
            Self::VirtualHosts(count) => {
                let mut full = host_folder(ctx.host());
                full.extend_from_slice(without_segments(&path, *count));
                Ok(full.into())
            }
            Self::Own(rewrite) => Ok(rewrite(ctx).into_bytes().into()),
        }
    }

    /// Whether the paths are somebody else's making.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }
}

/// The path of a request as bytes, decoded and normalised. That of [`RequestCtx::path`] is text, in which bytes that
/// are none cannot be told from their escapes.
pub(super) fn decoded(ctx: &RequestCtx) -> Cow<'_, [u8]> {
    let path = ctx.path().as_bytes();
    if memchr::memchr(b'%', path).is_none() {
        return Cow::Borrowed(path);
    }
    let mut bytes = Vec::with_capacity(path.len());
    normalize_bytes_into(&mut bytes, ctx.request.raw_path());
    Cow::Owned(bytes)
}

fn cut<'a>(path: Cow<'a, [u8]>, rest: impl Fn(&[u8]) -> &[u8]) -> Cow<'a, [u8]> {
    match path {
        Cow::Borrowed(path) => Cow::Borrowed(rest(path)),
        Cow::Owned(path) => Cow::Owned(rest(&path).to_vec()),
    }
}

/// What of `/a/b/c` is left without its first names: `/c` without two, nothing without three or more.
fn without_segments(path: &[u8], count: usize) -> &[u8] {
    let mut rest = path;
    for _ in 0..count {
        let Some(after) = rest.get(1..) else { break };
        rest = memchr::memchr(b'/', after).map_or(&[], |slash| &after[slash..]);
    }
    rest
}

/// `prefix` ends where a name of the path ends.
fn without_prefix<'a>(path: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(prefix.strip_suffix(b"/").unwrap_or(prefix))?;
    matches!(rest.first(), None | Some(b'/')).then_some(rest)
}

/// `/` and the host, without its port, in lower case.
fn host_folder(host: &[u8]) -> Vec<u8> {
    let host = authority::split_port(host).map_or(&b""[..], |(host, _)| host);
    let host = host.strip_suffix(b".").unwrap_or(host);
    let is_name = host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(byte));
    if host.is_empty() || host.starts_with(b".") || !is_name {
        return INVALID_HOST.to_vec();
    }
    let mut folder = Vec::with_capacity(host.len() + 64);
    folder.push(b'/');
    folder.extend(host.iter().map(u8::to_ascii_lowercase));
    folder
}

impl fmt::Debug for PathRewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Segments(_) => "Segments",
            Self::Prefix(_) => "Prefix",
            Self::VirtualHosts(_) => "VirtualHosts",
            Self::Own(_) => "Own",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::request::Request;

    #[test]
    fn names_are_stripped() {
        for (path, count, expected) in [
            ("/foo/bar/baz", 0, "/foo/bar/baz"),
            ("/foo/bar/baz", 1, "/bar/baz"),
            ("/foo/bar/baz", 2, "/baz"),
            ("/foo/bar/baz", 3, ""),
            ("/foo/bar/baz", 4, ""),
            ("/foo/", 1, "/"),
            ("/foo", 1, ""),
            ("/", 0, "/"),
            ("/", 1, ""),
        ] {
            let stripped = without_segments(path.as_bytes(), count);
            assert_eq!(String::from_utf8_lossy(stripped), expected, "{path} {count}");
        }
    }

    #[test]
    fn prefixes_end_where_names_end() {
        for (path, prefix, expected) in [
            ("/static/a", "/static", Some("/a")),
            ("/static/a", "/static/", Some("/a")),
            ("/static", "/static", Some("")),
            ("/static/", "/static", Some("/")),
            ("/staticky", "/static", None),
            ("/a/static/b", "/static", None),
            ("/", "/static", None),
            ("/a", "/", Some("/a")),
        ] {
            let rest = without_prefix(path.as_bytes(), prefix.as_bytes());
            assert_eq!(rest.map(String::from_utf8_lossy).as_deref(), expected, "{path} {prefix}");
        }
    }

    #[test]
    fn hosts_are_folders() {
        for (host, expected) in [
            ("example.org", "/example.org"),
            ("EXAMPLE.org:8080", "/example.org"),
            ("example.org.", "/example.org"),
            ("[::1]:80", "/[::1]"),
            ("", "/invalid-host"),
            ("..", "/invalid-host"),
            (".git", "/invalid-host"),
            ("a/../b", "/invalid-host"),
            ("a\\b", "/invalid-host"),
        ] {
            assert_eq!(String::from_utf8_lossy(&host_folder(host.as_bytes())), expected, "{host}");
        }
    }

    #[test]
    fn paths_are_bytes() {
        for (target, expected) in [
            ("/a%20b", &b"/a b"[..]),
            ("/%ff", b"/\xff"),
            ("/%25ff", b"/%ff"),
            ("/%2561", b"/%61"),
            ("/a?%00", b"/a"),
        ] {
            let ctx = RequestCtx::for_request(Request::new("GET", target).expect("a request"), None);
            assert_eq!(&*decoded(&ctx), expected, "{target}");
        }
    }
}
