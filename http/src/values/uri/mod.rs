//! URIs as a client writes them and as a server receives them.
//!
//! The idea: the parts are kept as they were written, each in memory of its own that is used again, and the path in a
//! second form that can be compared with routes. Whatever is printed is put together from the parts, so that it is
//! right whichever of them has been changed.
//!
//! The rule: what fails changes nothing, and what is printed is one line without spaces that reads back to the same
//! host, path, arguments and fragment (RFC 3986).

mod error;
mod parse;

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;

pub use error::UriError;

use crate::util::byte_set::{ByteSet, alphanumerics_and, visible_but};
use crate::util::cut::cut;
use crate::util::text::text;
use crate::util::{path, percent};
use crate::values::args::Args;
use crate::wire::output::{KEPT_BYTES_MAX, recycle};
use parse::{Authority, Parts, Slashes, append_host, check_host, check_scheme, number, split};

/// What stands as it is in a path that has been normalised (fasthttp's choice).
static PATH: ByteSet = alphanumerics_and(b"-._~$&+,/:;=@");
/// What stands as it is in the parts that are sent as they were written. Only what would end them is escaped.
static RAW_PATH: ByteSet = visible_but(b"?#");
static QUERY: ByteSet = visible_but(b"#");
static FRAGMENT: ByteSet = visible_but(b"");

/// A URI: scheme, host, path, query and fragment, to read, change, resolve against and print.
///
/// The parts are bytes where a peer may send any bytes. Reading one into an old `Uri` with [`Uri::assign`] uses its
/// memory again.
///
/// ```
/// use anthill_http::Uri;
///
/// let mut uri = Uri::parse("HTTP://Example.com:8080/caf%C3%A9/../a%20b?x=1#top")?;
/// assert_eq!((uri.scheme(), uri.host(), uri.port()), ("http", &b"example.com:8080"[..], Some(8080)));
/// assert_eq!((uri.path(), uri.path_original()), ("/a b", &b"/caf%C3%A9/../a%20b"[..]));
/// assert_eq!((uri.query(), uri.fragment()), (&b"x=1"[..], &b"top"[..]));
///
/// uri.update("c?y=2")?;
/// uri.query_args_mut().append("z", "a&b");
/// assert_eq!(uri.to_string(), "http://example.com:8080/c?y=2&z=a%26b");
/// assert_eq!(uri.request_uri(), b"/c?y=2&z=a%26b");
/// # Ok::<(), anthill_http::uri::UriError>(())
/// ```
#[derive(Default)]
pub struct Uri {
    /// Lower case; empty for the default.
    scheme: String,
    /// As written, without the `@`; empty when there is none.
    userinfo: Vec<u8>,
    /// Lower case and decoded, with the port.
    host: Vec<u8>,
    /// As written.
    path: Vec<u8>,
    path_is_plain: bool,
    /// The normal form of `path`, unless that is plain or empty.
    normal: Vec<u8>,
    /// The text of `normal` when that is not UTF-8.
    normal_text: String,
    query: Vec<u8>,
    fragment: Vec<u8>,
    /// The arguments of `query`, once they have been asked for.
    args: Args,
    args_are_current: bool,
    sends_path_as_written: bool,
}

impl Uri {
    /// A URI without a host, with the path `/`. It owns no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `text` apart: `http://host/path?query#fragment`, `//host/path`, `/path`, `path`, `?query`, …
    ///
    /// The scheme is `http` when there is none, and the host is empty when there is none. The path, the query and the
    /// fragment may be any bytes but control bytes.
    ///
    /// # Errors
    /// Control bytes, a scheme that is none or has no `//` behind it, a host, port or user information with bytes that
    /// cannot stand there, and `http` or `https` with an empty host between the slashes (RFC 9110 section 4.2).
    ///
    /// ```
    /// use anthill_http::uri::UriError;
    /// use anthill_http::Uri;
    ///
    /// assert_eq!(Uri::parse("//h:80")?.host(), b"h:80");
    /// assert_eq!(Uri::parse("http://h\\@evil/").unwrap_err(), UriError::Userinfo);
    /// assert_eq!(Uri::parse("mailto:a@b").unwrap_err(), UriError::Scheme);
    /// # Ok::<(), UriError>(())
    /// ```
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, UriError> {
        let mut uri = Self::new();
        uri.assign(text)?;
        Ok(uri)
    }

    /// The URI of a request for `target` at `host`, as from a `Host` field.
    ///
    /// An absolute target has its own host, which wins (RFC 9112 section 3.2.2). Two slashes at the beginning of
    /// another one belong to its path. The `host:port` of a `CONNECT` is not a target in this sense.
    ///
    /// # Errors
    /// Those of [`Uri::parse`]. `host` is looked at when it is needed; user information in it is an error.
    ///
    /// ```
    /// let uri = anthill_http::Uri::parse_with_host("H", "//a?b")?;
    /// assert_eq!((uri.host(), uri.path(), uri.path_original()), (&b"h"[..], "/a", &b"//a"[..]));
    /// # Ok::<(), anthill_http::uri::UriError>(())
    /// ```
    pub fn parse_with_host(host: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Result<Self, UriError> {
        let mut uri = Self::new();
        uri.assign_with_host(host, target)?;
        Ok(uri)
    }

    /// Replaces all parts by those of `text`, in the memory there is; see [`Uri::parse`].
    ///
    /// # Errors
    /// Those of [`Uri::parse`]; nothing has changed then.
    #[doc(alias = "Parse")]
    pub fn assign(&mut self, text: impl AsRef<[u8]>) -> Result<(), UriError> {
        let parts = split(text.as_ref(), Slashes::Authority)?;
        check_empty_host(parts.scheme, parts.authority)?;
        self.replace(&parts, &[]);
        Ok(())
    }

    /// Replaces all parts, in the memory there is; see [`Uri::parse_with_host`].
    ///
    /// # Errors
    /// Those of [`Uri::parse_with_host`]; nothing has changed then.
    pub fn assign_with_host(
        &mut self,
        host: impl AsRef<[u8]>,
        target: impl AsRef<[u8]>,
    ) -> Result<(), UriError> {
        let parts = split(target.as_ref(), Slashes::Path)?;
        let host = host.as_ref();
        if parts.authority.is_none() {
            check_host(host)?;
        }
        check_empty_host(parts.scheme, parts.authority)?;
        self.replace(&parts, host);
        Ok(())
    }

    /// Resolves `reference`, for example from a `Location` field, against this URI (RFC 3986 section 5.2).
    ///
    /// It may be absolute, begin with the host (`//host/path`) or the path, be relative (`../x`), or be only a query or
    /// a fragment. An empty one changes nothing.
    ///
    /// # Errors
    /// Those of [`Uri::parse`]; nothing has changed then.
    ///
    /// ```
    /// let mut uri = anthill_http::Uri::parse("https://h/a/b?c#d")?;
    /// for (reference, expected) in [
    ///     ("../x", "https://h/x"),
    ///     ("?y=1", "https://h/x?y=1"),
    ///     ("#z", "https://h/x?y=1#z"),
    ///     ("//other/", "https://other/"),
    ///     ("http://h/", "http://h/"),
    /// ] {
    ///     uri.update(reference)?;
    ///     assert_eq!(uri.to_string(), expected);
    /// }
    /// # Ok::<(), anthill_http::uri::UriError>(())
    /// ```
    pub fn update(&mut self, reference: impl AsRef<[u8]>) -> Result<(), UriError> {
        let reference = reference.as_ref();
        let parts = split(reference, Slashes::Authority)?;
        let scheme = parts.scheme.filter(|scheme| !scheme.is_empty());
        check_empty_host(scheme.or(Some(self.scheme.as_bytes())), parts.authority)?;
        if reference.is_empty() {
            return Ok(());
        }
        if let Some(scheme) = scheme {
            self.store_scheme(scheme);
        }
        if let Some(authority) = parts.authority {
            self.store_authority(authority);
        }
        if parts.authority.is_some() || !parts.path.is_empty() {
            self.resolve_path(parts.path, parts.authority.is_some());
            self.set_query(parts.query.unwrap_or_default());
        } else if let Some(query) = parts.query {
            self.set_query(query);
        }
        self.set_fragment(parts.fragment.unwrap_or_default());
        Ok(())
    }

    /// The scheme in lower case; `http` when none was given.
    pub fn scheme(&self) -> &str {
        if self.scheme.is_empty() { "http" } else { &self.scheme }
    }

    /// The host with the port if one was given, in lower case; empty when there is none.
    ///
    /// It is decoded: `%E4%B8%96` is three bytes, and an IPv6 zone stands behind a single percent sign.
    ///
    /// ```
    /// let uri = anthill_http::Uri::parse("http://[FE80::1%25en0]:80/")?;
    /// assert_eq!((uri.host(), uri.hostname(), uri.port()), (&b"[fe80::1%en0]:80"[..], &b"fe80::1%en0"[..], Some(80)));
    /// # Ok::<(), anthill_http::uri::UriError>(())
    /// ```
    pub fn host(&self) -> &[u8] {
        &self.host
    }

    /// As [`host`](Self::host), if it is UTF-8.
    pub fn host_str(&self) -> Option<&str> {
        std::str::from_utf8(self.host()).ok()
    }

    /// The host without the port and without the brackets of an IPv6 address.
    pub fn hostname(&self) -> &[u8] {
        match self.host.strip_prefix(b"[") {
            Some(literal) => cut(literal, b']').0,
            None => cut(&self.host, b':').0,
        }
    }

    /// As [`hostname`](Self::hostname), if it is UTF-8.
    pub fn hostname_str(&self) -> Option<&str> {
        std::str::from_utf8(self.hostname()).ok()
    }

    /// The port, if one was given.
    pub fn port(&self) -> Option<u16> {
        let behind_the_name = match self.host.first() {
            Some(b'[') => cut(&self.host, b']').1?,
            _ => &self.host,
        };
        number(cut(behind_the_name, b':').1?)
    }

    /// What is before the `@` of the authority, as written; empty when there is none.
    ///
    /// User information is never printed with the URI.
    pub fn userinfo(&self) -> &[u8] {
        &self.userinfo
    }

    /// As [`userinfo`](Self::userinfo), if it is UTF-8.
    pub fn userinfo_str(&self) -> Option<&str> {
        std::str::from_utf8(self.userinfo()).ok()
    }

    /// The user, decoded; empty when there is none.
    ///
    /// ```
    /// let uri = anthill_http::Uri::parse("http://me:p%40ss:w@h/")?;
    /// assert_eq!((uri.username().as_ref(), uri.password().as_ref()), (&b"me"[..], &b"p@ss:w"[..]));
    /// assert_eq!(uri.to_string(), "http://h/");
    /// # Ok::<(), anthill_http::uri::UriError>(())
    /// ```
    pub fn username(&self) -> Cow<'_, [u8]> {
        decoded(cut(&self.userinfo, b':').0)
    }

    /// As [`username`](Self::username), if it is UTF-8.
    pub fn username_str(&self) -> Option<Cow<'_, str>> {
        text(self.username())
    }

    /// The password, decoded; empty when there is none.
    pub fn password(&self) -> Cow<'_, [u8]> {
        decoded(cut(&self.userinfo, b':').1.unwrap_or_default())
    }

    /// As [`password`](Self::password), if it is UTF-8.
    pub fn password_str(&self) -> Option<Cow<'_, str>> {
        text(self.password())
    }

    /// The path, ready to be compared with routes: escapes decoded once, then doubled slashes and dot segments removed.
    ///
    /// Always starts with a slash and never has a `..` segment. What would not be UTF-8 after decoding stays an escape
    /// (`%FF`).
    pub fn path(&self) -> &str {
        std::str::from_utf8(self.normal_path()).unwrap_or(&self.normal_text)
    }

    /// The path as it was written. Once [`Uri::update`] has replaced it, it has no dot segments.
    pub fn path_original(&self) -> &[u8] {
        &self.path
    }

    /// As [`path_original`](Self::path_original), if it is UTF-8.
    pub fn path_original_str(&self) -> Option<&str> {
        std::str::from_utf8(self.path_original()).ok()
    }

    /// What follows the last slash of [`Uri::path`]: `c.html` of `/a/b/c.html`, and nothing of `/a/`.
    pub fn last_path_segment(&self) -> &str {
        self.path().rsplit('/').next().unwrap_or_default()
    }

    /// The query as written: what follows the first `?`, up to the `#`. Empty when there is none.
    #[doc(alias = "QueryString")]
    pub fn query(&self) -> &[u8] {
        &self.query
    }

    /// As [`query`](Self::query), if it is UTF-8.
    pub fn query_str(&self) -> Option<&str> {
        std::str::from_utf8(self.query()).ok()
    }

    /// The arguments of the query. They are parsed when they are first asked for.
    pub fn query_args(&mut self) -> &Args {
        if !self.args_are_current {
            self.args.assign(&self.query);
            self.args_are_current = true;
        }
        &self.args
    }

    /// The arguments of the query, to be changed. When what this returns is dropped, the query is made anew from them
    /// if they were touched.
    ///
    /// ```
    /// let mut uri = anthill_http::Uri::parse("http://h/?a=%31&b=2")?;
    /// uri.query_args_mut().remove("b");
    /// assert_eq!(uri.query(), b"a=1");
    /// uri.query_args_mut().clear();
    /// assert_eq!(uri.to_string(), "http://h/");
    /// # Ok::<(), anthill_http::uri::UriError>(())
    /// ```
    pub fn query_args_mut(&mut self) -> QueryArgsMut<'_> {
        self.query_args();
        // Until the guard has written them back, in case it never does.
        self.args_are_current = false;
        QueryArgsMut { uri: self, are_changed: false }
    }

    /// What follows the first `#`, as written. Empty when there is none.
    #[doc(alias = "Hash")]
    pub fn fragment(&self) -> &[u8] {
        &self.fragment
    }

    /// As [`fragment`](Self::fragment), if it is UTF-8.
    pub fn fragment_str(&self) -> Option<&str> {
        std::str::from_utf8(self.fragment()).ok()
    }

    /// Replaces the scheme; an empty one is `http`.
    ///
    /// # Errors
    /// When it is not a letter followed by letters, digits, `+`, `-` and `.`.
    pub fn set_scheme(&mut self, scheme: &str) -> Result<(), UriError> {
        if !scheme.is_empty() {
            check_scheme(scheme.as_bytes())?;
        }
        self.store_scheme(scheme.as_bytes());
        Ok(())
    }

    /// Replaces the host, which may be followed by a colon and a port and may be empty. It is given as in a URI: in
    /// brackets when it is an IPv6 address, with `%25` before a zone.
    ///
    /// # Errors
    /// When it is not a host; nothing has changed then.
    pub fn set_host(&mut self, host: impl AsRef<[u8]>) -> Result<(), UriError> {
        let host = host.as_ref();
        check_host(host)?;
        self.store_host(host);
        Ok(())
    }

    /// Replaces the user. What cannot stand in one is escaped.
    pub fn set_username(&mut self, username: impl AsRef<[u8]>) {
        let password = self.password().into_owned();
        self.store_userinfo(username.as_ref(), &password);
    }

    /// Replaces the password; an empty one is none. What cannot stand in one is escaped.
    pub fn set_password(&mut self, password: impl AsRef<[u8]>) {
        let username = self.username().into_owned();
        self.store_userinfo(&username, password.as_ref());
    }

    /// Replaces the path, which may have escapes. What would end it is escaped when it is printed.
    ///
    /// ```
    /// let mut uri = anthill_http::Uri::parse("http://h/a?b")?;
    /// uri.set_path("/what?/c%20d/../é");
    /// assert_eq!((uri.path(), uri.to_string().as_str()), ("/what?/é", "http://h/what%3F/%C3%A9?b"));
    /// # Ok::<(), anthill_http::uri::UriError>(())
    /// ```
    pub fn set_path(&mut self, path: impl AsRef<[u8]>) {
        replace(&mut self.path, path.as_ref());
        self.path_has_changed();
    }

    /// Replaces the query, which is given without `?` and escaped where its arguments need it. Spaces, control bytes
    /// and `#` are escaped when it is printed.
    #[doc(alias = "SetQueryString")]
    pub fn set_query(&mut self, query: impl AsRef<[u8]>) {
        replace(&mut self.query, query.as_ref());
        self.args_are_current = false;
    }

    /// Replaces the fragment, which is given without `#`. Spaces and control bytes are escaped when it is printed.
    #[doc(alias = "SetHash")]
    pub fn set_fragment(&mut self, fragment: impl AsRef<[u8]>) {
        replace(&mut self.fragment, fragment.as_ref());
    }

    /// Whether the path is printed in its normal form, which is the default, or as it was written, as a
    /// proxy may want. [`Uri::path`] is the same either way.
    ///
    /// ```
    /// let mut uri = anthill_http::Uri::parse("http://h/a%2Fb//c")?;
    /// assert_eq!(uri.request_uri(), b"/a/b/c");
    /// uri.set_path_normalizing(false);
    /// assert_eq!(uri.request_uri(), b"/a%2Fb//c");
    /// # Ok::<(), anthill_http::uri::UriError>(())
    /// ```
    // URI-02.
    #[doc(alias = "DisablePathNormalizing")]
    pub fn set_path_normalizing(&mut self, normalizing: bool) {
        self.sends_path_as_written = !normalizing;
    }

    /// Makes it what [`Uri::new`] returns, but keeps memory up to 64 KiB per part.
    #[doc(alias = "Reset")]
    pub fn clear(&mut self) {
        self.replace(&Parts::default(), &[]);
        for part in [
            &mut self.userinfo,
            &mut self.host,
            &mut self.path,
            &mut self.normal,
            &mut self.query,
            &mut self.fragment,
        ] {
            recycle(part);
        }
        for text in [&mut self.scheme, &mut self.normal_text] {
            if text.capacity() > KEPT_BYTES_MAX {
                *text = String::new();
            }
        }
        self.args.clear();
        self.sends_path_as_written = false;
    }

    /// Appends the whole URI without user information: `scheme://host/path?query#fragment`.
    ///
    /// Bytes beyond ASCII are escaped in a normalised path and stay as they are elsewhere. For the path `*` without a
    /// query there is no path (RFC 9110 section 7.1).
    #[doc(alias = "AppendBytes")]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.scheme().as_bytes());
        out.extend_from_slice(b"://");
        for &byte in &self.host {
            out.push(byte);
            if byte == b'%' {
                // Only a zone's percent sign is left of the escapes in a host.
                out.extend_from_slice(b"25");
            }
        }
        if !self.is_asterisk() {
            self.append_request_uri_to(out);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            percent::append_encoded(out, &self.fragment, &FRAGMENT);
        }
    }

    /// The whole URI without user information; see [`Uri::append_to`].
    #[doc(alias = "FullURI")]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.append_to(&mut out);
        out
    }

    /// Appends what a client sends in the request line: the path and the query. `*` alone stays what it is.
    fn append_request_uri_to(&self, out: &mut Vec<u8>) {
        if self.is_asterisk() {
            out.push(b'*');
            return;
        }
        if self.sends_path_as_written {
            if self.path.first() != Some(&b'/') {
                out.push(b'/');
            }
            percent::append_encoded(out, &self.path, &RAW_PATH);
        } else {
            percent::append_encoded(out, self.normal_path(), &PATH);
        }
        if !self.query.is_empty() {
            out.push(b'?');
            percent::append_encoded(out, &self.query, &QUERY);
        }
    }

    /// What a client sends in the request line: the path and the query. `*` alone stays what it is.
    pub fn request_uri(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.append_request_uri_to(&mut out);
        out
    }

    /// Whether the target is the whole server, as in `OPTIONS *`.
    fn is_asterisk(&self) -> bool {
        self.path == b"*" && self.query.is_empty()
    }

    fn normal_path(&self) -> &[u8] {
        match (self.path_is_plain, self.path.is_empty()) {
            (true, _) => &self.path,
            (false, true) => b"/",
            (false, false) => &self.normal,
        }
    }

    /// Takes over checked parts, with `host` for the host if they have none.
    fn replace(&mut self, parts: &Parts<'_>, host: &[u8]) {
        self.store_scheme(parts.scheme.unwrap_or_default());
        self.store_authority(parts.authority.unwrap_or(Authority { userinfo: &[], host }));
        self.set_path(parts.path);
        self.set_query(parts.query.unwrap_or_default());
        self.set_fragment(parts.fragment.unwrap_or_default());
    }

    fn store_scheme(&mut self, scheme: &[u8]) {
        self.scheme.clear();
        self.scheme.extend(scheme.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
    }

    fn store_authority(&mut self, authority: Authority<'_>) {
        replace(&mut self.userinfo, authority.userinfo);
        self.store_host(authority.host);
    }

    fn store_host(&mut self, host: &[u8]) {
        self.host.clear();
        append_host(&mut self.host, host);
    }

    fn store_userinfo(&mut self, username: &[u8], password: &[u8]) {
        self.userinfo.clear();
        percent::append_encoded(&mut self.userinfo, username, &percent::UNRESERVED);
        if !password.is_empty() {
            self.userinfo.push(b':');
            percent::append_encoded(&mut self.userinfo, password, &percent::UNRESERVED);
        }
    }

    /// Makes `path`, which belongs to a reference, the path; RFC 3986 section 5.2.
    fn resolve_path(&mut self, path: &[u8], has_authority: bool) {
        if has_authority || path.starts_with(b"/") {
            self.path.clear();
        } else {
            if self.path.first() != Some(&b'/') {
                self.path.insert(0, b'/');
            }
            let folder_end = memchr::memrchr(b'/', &self.path).map_or(0, |slash| slash + 1);
            self.path.truncate(folder_end);
        }
        self.path.extend_from_slice(path);
        path::remove_dot_segments(&mut self.path);
        self.path_has_changed();
    }

    fn path_has_changed(&mut self) {
        self.path_is_plain = path::is_plain(&self.path);
        if self.path_is_plain || self.path.is_empty() {
            return;
        }
        path::normalize_bytes_into(&mut self.normal, &self.path);
        if let Cow::Owned(text) = percent::text_of(&self.normal) {
            self.normal_text = text;
        }
    }
}

/// The arguments of a [`Uri`]'s query while they are changed; see [`Uri::query_args_mut`].
#[derive(Debug)]
pub struct QueryArgsMut<'a> {
    uri: &'a mut Uri,
    are_changed: bool,
}

impl Deref for QueryArgsMut<'_> {
    type Target = Args;

    fn deref(&self) -> &Args {
        &self.uri.args
    }
}

impl DerefMut for QueryArgsMut<'_> {
    fn deref_mut(&mut self) -> &mut Args {
        self.are_changed = true;
        &mut self.uri.args
    }
}

impl Drop for QueryArgsMut<'_> {
    fn drop(&mut self) {
        if self.are_changed {
            self.uri.query.clear();
            self.uri.args.append_to(&mut self.uri.query);
        }
        self.uri.args_are_current = true;
    }
}

impl Clone for Uri {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        copy.clone_from(self);
        copy
    }

    /// Copies into the memory there is.
    fn clone_from(&mut self, source: &Self) {
        self.scheme.clone_from(&source.scheme);
        self.userinfo.clone_from(&source.userinfo);
        self.host.clone_from(&source.host);
        self.path.clone_from(&source.path);
        self.path_is_plain = source.path_is_plain;
        self.normal.clone_from(&source.normal);
        self.normal_text.clone_from(&source.normal_text);
        self.query.clone_from(&source.query);
        self.fragment.clone_from(&source.fragment);
        self.args_are_current = false;
        self.sends_path_as_written = source.sends_path_as_written;
    }
}

/// Compares the parts as they were written, except that the case of scheme and host makes no difference.
impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        self.scheme() == other.scheme()
            && self.userinfo == other.userinfo
            && self.host == other.host
            && self.path == other.path
            && self.query == other.query
            && self.fragment == other.fragment
    }
}

impl Eq for Uri {}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

/// The whole URI without user information, with what is not UTF-8 as escapes; see [`Uri::append_to`].
impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&percent::text_of(&self.to_bytes()))
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Passwords do not belong into logs.
        f.debug_tuple("Uri").field(&percent::text_of(&self.to_bytes())).finish()
    }
}

/// Whether an authority may be empty: not where readers would look for the host behind the next slash.
fn check_empty_host(scheme: Option<&[u8]>, authority: Option<Authority<'_>>) -> Result<(), UriError> {
    let scheme = scheme.unwrap_or_default();
    let is_http =
        scheme.is_empty() || scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    let is_empty = authority.is_some_and(|authority| authority.host.is_empty());
    if is_http && is_empty { Err(UriError::Host) } else { Ok(()) }
}

fn replace(part: &mut Vec<u8>, new: &[u8]) {
    part.clear();
    part.extend_from_slice(new);
}

fn decoded(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    percent::append_decoded(&mut out, raw);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigning_again_keeps_the_memory() {
        let text = "https://user@host.example/a%20b/c?d=e&f=%41#g";
        let memory = |uri: &Uri| {
            [&uri.userinfo, &uri.host, &uri.path, &uri.normal, &uri.query, &uri.fragment]
                .map(|part| part.as_ptr())
        };
        let mut uri = Uri::parse(text).unwrap();
        let args = uri.query_args().clone();
        let before = memory(&uri);
        uri.assign("http://h/x/../y%20").unwrap();
        uri.update("../z?q#f").unwrap();
        uri.clear();
        assert_eq!(uri, Uri::new());
        uri.assign(text).unwrap();
        uri.clone_from(&Uri::parse(text).unwrap());
        assert_eq!(memory(&uri), before);
        assert_eq!(*uri.query_args(), args);
    }

    #[test]
    fn one_big_uri_does_not_pin_its_memory() {
        let big = "x".repeat(KEPT_BYTES_MAX + 1);
        let mut uri = Uri::parse(format!("{big}://{big}@{big}/%FF%20{big}?{big}#{big}")).unwrap();
        uri.query_args();
        uri.clear();
        let texts = [&uri.scheme, &uri.normal_text].map(String::capacity);
        let bytes =
            [&uri.userinfo, &uri.host, &uri.path, &uri.normal, &uri.query, &uri.fragment].map(Vec::capacity);
        assert_eq!((texts, bytes), ([0; 2], [0; 6]));
        assert_eq!(uri.args, Args::new());
    }

    #[test]
    fn a_forgotten_guard_leaves_query_and_arguments_in_step() {
        let mut uri = Uri::parse("/?a=1").unwrap();
        let mut guard = uri.query_args_mut();
        guard.append("b", "2");
        std::mem::forget(guard);
        assert_eq!(uri.query(), b"a=1");
        assert_eq!(uri.query_args().to_string(), "a=1");
    }
}
