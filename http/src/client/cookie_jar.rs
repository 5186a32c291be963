//! Cookies that a client keeps, and which of them a request gets.
//!
//! The rules (RFC 6265bis sections 5.7 and 5.8): a cookie goes back to the host that has set it, or to the hosts of a
//! domain that the host belongs to, and never to those of a public suffix, under which strangers live, nor to those of
//! another site. What is meant for encrypted connections is neither set nor replaced, nor sent, over others. There are
//! not more of them than a bound, for each site and for all, so that nobody takes the room of the others.

use super::stored_cookies::{StoredCookie, StoredCookies};
use crate::values::cookie::Cookie;
use crate::values::headers::Fields;
use crate::values::uri::Uri;
use parking_lot::Mutex;
use std::fmt;
use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::SystemTime;

/// The longest line that is read of a text. What is written is shorter.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// Cookies that were set by servers, for later requests. A clone is the same jar.
///
/// [`ClientBuilder::cookie_jar`](super::ClientBuilder::cookie_jar) gives one to a client, and several clients may have
/// the same. It holds 180 cookies for a site, which is a domain right below a public suffix with all hosts in it, and
/// 3000 altogether, of 4096 bytes each; of more, those go first that have expired, then those that are not `Secure`,
/// then those that were not used for longest. What `SameSite` and `Partitioned` say is about pages of browsers, and is
/// not looked at: a request, and where redirects lead it, has no page that it comes from.
///
/// ```
/// use anthill_http::Server;
/// use anthill_http::client::{Client, CookieJar};
///
/// let running = Server::new(|ctx| match ctx.path() {
///     "/login" => {
///         ctx.response.set_cookie(&anthill_http::Cookie::new("sid", "42"));
///         ctx.redirect("/me", 303);
///     }
///     _ => {
///         let sid = ctx.request.cookie("sid").unwrap_or(b"nobody").to_vec();
///         ctx.set_body(sid);
///     }
/// })?
/// .start("127.0.0.1:0")?;
/// let jar = CookieJar::new();
/// let client = Client::builder().cookie_jar(jar.clone()).build()?;
/// let url = format!("http://{}", running.local_addr());
/// assert_eq!(client.get(format!("{url}/me")).send()?.text()?, "nobody");
/// assert_eq!(client.post(format!("{url}/login")).send()?.text()?, "42");
/// assert_eq!(jar.len(), 1);
///
/// // It outlives the program as a text.
/// let mut kept = Vec::new();
/// jar.save(&mut kept)?;
/// let again = CookieJar::new();
/// assert_eq!(again.load(&kept[..])?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct CookieJar {
    cookies: Arc<Mutex<StoredCookies>>,
}

impl CookieJar {
    /// A jar with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps `cookie` as if the server of `uri` had set it. False: that server may not, or it was set to expire.
    ///
    /// ```
    /// use anthill_http::client::CookieJar;
    /// use anthill_http::{Cookie, Uri};
    ///
    /// let jar = CookieJar::new();
    /// let uri = Uri::parse("http://shop.example.co.uk/cart/list")?;
    /// assert!(jar.set(&uri, &Cookie::parse("a=1; Domain=example.co.uk; Path=/")?));
    /// assert!(!jar.set(&uri, &Cookie::parse("b=2; Domain=co.uk")?));
    /// assert!(!jar.set(&uri, &Cookie::parse("c=3; Secure")?));
    /// assert_eq!(jar.header(&Uri::parse("https://www.example.co.uk/")?).as_deref(), Some(&b"a=1"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set(&self, uri: &Uri, cookie: &Cookie) -> bool {
        self.set_at(uri, cookie, SystemTime::now())
    }

    fn set_at(&self, uri: &Uri, cookie: &Cookie, now: SystemTime) -> bool {
        match StoredCookie::of(uri, cookie, now) {
            Some(cookie) => self.cookies.lock().insert(cookie, is_secure(uri), now),
            None => false,
        }
    }

    /// What a request for `uri` says in its field `Cookie`; `None`: nothing.
    pub fn header(&self, uri: &Uri) -> Option<Vec<u8>> {
        self.header_at(uri, SystemTime::now())
    }

    /// As [`header`](Self::header), at that time.
    pub(crate) fn header_at(&self, uri: &Uri, now: SystemTime) -> Option<Vec<u8>> {
        let mut cookies = self.cookies.lock();
        let found = cookies.matching(uri, is_secure(uri), now);
        let pairs: Vec<Vec<u8>> = found.iter().map(|cookie| cookie.pair()).collect();
        (!pairs.is_empty()).then(|| pairs.join(&b"; "[..]))
    }

    /// The value of the cookie `name` that a request for `uri` has, the first if there are several.
    pub fn get(&self, uri: &Uri, name: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        self.get_at(uri, name.as_ref(), SystemTime::now())
    }

    /// As [`get`](Self::get), at that time.
    pub(crate) fn get_at(&self, uri: &Uri, name: &[u8], now: SystemTime) -> Option<Vec<u8>> {
        let mut cookies = self.cookies.lock();
        let found = cookies.matching(uri, is_secure(uri), now);
        found.into_iter().find(|cookie| cookie.name == name).map(|cookie| cookie.value.clone())
    }

    /// How many cookies there are, those included that have expired since they were looked at last.
    pub fn len(&self) -> usize {
        self.cookies.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all.
    pub fn clear(&self) {
        self.cookies.lock().retain(|_| false);
    }

    /// Removes those that last for a session, as the end of a browser does: without `Expires` and `Max-Age`.
    pub fn clear_session_cookies(&self) {
        self.cookies.lock().retain(|cookie| cookie.expires.is_some());
    }

    /// Writes all of them as lines of text, in the form of Netscape's `cookies.txt` that curl and others read and
    /// write; cookies of a session have the time 0 there. They are secrets: give the file to nobody else.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn save(&self, mut out: impl Write) -> io::Result<()> {
        let lines: Vec<Vec<u8>> = self.cookies.lock().iter().map(StoredCookie::to_line).collect();
        out.write_all(b"# Netscape HTTP Cookie File\n")?;
        for line in lines {
            out.write_all(&line)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Adds what [`save`](Self::save) has written, or another program in that form, and says how many there were. What
    /// has expired, and lines that are no cookies or are longer than 16 KiB, are passed.
    ///
    /// # Errors
    /// Those of `input`, whose cookies up to there were added.
    pub fn load(&self, mut input: impl BufRead) -> io::Result<usize> {
        let now = SystemTime::now();
        let (mut count, mut line) = (0, Vec::new());
        while read_line(&mut input, &mut line)? {
            if line.len() > LINE_BYTES_MAX {
                continue;
            }
            if let Some(cookie) = StoredCookie::from_line(line.strip_suffix(b"\r").unwrap_or(&line), now) {
                count += usize::from(self.cookies.lock().insert(cookie, true, now));
            }
        }
        Ok(count)
    }

    /// What a request for `uri` says that has `own` cookies of its user's: these, and those in the jar of other names.
    /// `None`: there are none in the jar.
    pub(crate) fn header_beside(&self, uri: &Uri, own: &[&[u8]], now: SystemTime) -> Option<Vec<u8>> {
        let own = own.join(&b"; "[..]);
        let names: Vec<&[u8]> = own
            .split(|byte| *byte == b';')
            .map(|pair| pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii())
            .collect();
        let mut cookies = self.cookies.lock();
        let found = cookies.matching(uri, is_secure(uri), now);
        let others = found.iter().filter(|cookie| !names.contains(&&cookie.name[..]));
        let mut pairs: Vec<Vec<u8>> = others.map(|cookie| cookie.pair()).collect();
        if pairs.is_empty() {
            return None;
        }
        if !own.trim_ascii().is_empty() {
            pairs.insert(0, own.clone());
        }
        Some(pairs.join(&b"; "[..]))
    }

    /// Keeps what a response to a request for `uri` sets.
    pub(crate) fn take(&self, uri: &Uri, fields: Fields<'_>, now: SystemTime) {
        for field in fields.get_all("Set-Cookie") {
            // What cannot be read is no cookie (RFC 6265bis section 5.6).
            if let Ok(cookie) = Cookie::parse(field) {
                self.set_at(uri, &cookie, now);
            }
        }
    }
}

/// Reads the next line, without its end; of one that is longer than a line may be only so much is kept that it can be
/// seen. False: there was none.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut has_begun = false;
    loop {
        let here = match input.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            filled => filled?,
        };
        if here.is_empty() {
            return Ok(has_begun);
        }
        has_begun = true;
        let end = memchr::memchr(b'\n', here);
        let part = here.get(..end.unwrap_or(here.len())).unwrap_or_default();
        let kept = part.len().min((LINE_BYTES_MAX + 1).saturating_sub(line.len()));
        line.extend_from_slice(part.get(..kept).unwrap_or_default());
        let used = end.map_or(here.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Whether nobody between us and the host of `uri` can read or set what is exchanged.
fn is_secure(uri: &Uri) -> bool {
    matches!(uri.scheme(), "https" | "wss")
}

/// Without names and values, which are secrets.
impl fmt::Debug for CookieJar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieJar").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn uri(text: &str) -> Uri {
        let mut uri = Uri::parse(text).expect("a URL");
        uri.set_path_normalizing(false);
        uri
    }

    fn set(jar: &CookieJar, url: &str, field: &str) -> bool {
        jar.set(&uri(url), &Cookie::parse(field).expect("a cookie"))
    }

    fn header(jar: &CookieJar, url: &str) -> String {
        String::from_utf8(jar.header(&uri(url)).unwrap_or_default()).expect("text")
    }

    #[test]
    fn who_may_set_a_cookie_for_whom_and_who_gets_it() {
        for (url, field, is_taken, there, elsewhere) in [
            // Without a domain it is the host's alone.
            (
                "http://a.example.com/",
                "x=1",
                true,
                &["http://a.example.com:8080/y"][..],
                &["http://b.a.example.com/", "http://example.com/"][..],
            ),
            (
                "http://a.example.com/",
                "x=1; Domain=example.com",
                true,
                &["http://example.com/", "https://b.example.com/"],
                &["http://notexample.com/", "http://example.com.evil.test/"],
            ),
            ("http://a.example.com/", "x=1; Domain=.EXAMPLE.com", true, &["http://c.example.com/"], &[]),
            (
                "http://A.example.com/",
                "x=1; Domain=a.example.com",
                true,
                &["http://a.example.com/", "http://b.a.example.com/"],
                &["http://example.com/"],
            ),
            ("http://a.example.com/", "x=1; Domain=b.example.com", false, &[], &["http://b.example.com/"]),
            ("http://a.example.com/", "x=1; Domain=b.a.example.com", false, &[], &[]),
            // Under a public suffix strangers live.
            ("http://a.example.com/", "x=1; Domain=com", false, &[], &["http://other.com/"]),
            ("http://a.example.co.uk/", "x=1; Domain=co.uk", false, &[], &["http://b.co.uk/"]),
            ("http://me.github.io/", "x=1; Domain=github.io", false, &[], &["http://you.github.io/"]),
            (
                "http://github.io/",
                "x=1; Domain=github.io",
                true,
                &["http://github.io/"],
                &["http://you.github.io/"],
            ),
            ("http://a.test/", "x=1; Domain=test", false, &[], &["http://b.test/"]),
            (
                "http://localhost/",
                "x=1; Domain=localhost",
                true,
                &["http://localhost/"],
                &["http://a.localhost/"],
            ),
            // An address has no domain above it.
            (
                "http://127.0.0.1/",
                "x=1; Domain=127.0.0.1",
                true,
                &["http://127.0.0.1:9/"],
                &["http://1.127.0.0.1/"],
            ),
            ("http://127.0.0.1/", "x=1; Domain=0.0.1", false, &[], &["http://9.0.0.1/"]),
            ("http://127.0.0.1./", "x=1; Domain=0.0.1.", false, &[], &["http://9.0.0.1./"]),
            ("http://127.0.1/", "x=1; Domain=0.1", false, &[], &["http://10.0.1/"]),
            ("http://0x7f.0.0x1/", "x=1; Domain=0.0x1", false, &[], &["http://9.0.0x1/"]),
            ("http://[::1]/", "x=1", true, &["http://[::1]:80/"], &["http://[::2]/"]),
            ("http://[::1]/", "x=1; Domain=[::1]", true, &["http://[::1]:80/"], &["http://[::2]/"]),
            // A name that is whole is the same with its dot and without.
            (
                "http://a.example.com./",
                "x=1; Domain=EXAMPLE.com.",
                true,
                &["http://b.example.com/", "http://example.com./"],
                &["http://other.com./"],
            ),
            ("http://a.example.com./", "x=1; Domain=com.", false, &[], &["http://other.com./"]),
            ("http://a.example.com./", "x=1; Domain=com", false, &[], &["http://other.com./"]),
            ("http://a.example.com/", "x=1; Domain=com.", false, &[], &["http://other.com/"]),
            ("http://a.example.com/", "x=1; Domain=..example.com", false, &[], &[]),
            ("http://a.example.com/", "x=1; Domain=example.com..", false, &[], &[]),
            (
                "http://a.example.com/",
                "x=1; Domain=",
                true,
                &["http://a.example.com/"],
                &["http://example.com/"],
            ),
            (
                "http://a.example.com/",
                "x=1; Domain=.",
                true,
                &["http://a.example.com/"],
                &["http://example.com/"],
            ),
            // Names of other scripts, as they are resolved.
            (
                "http://a.xn--bcher-kva.de/",
                "x=1; Domain=XN--bcher-kva.DE",
                true,
                &["http://xn--bcher-kva.de/"],
                &["http://bcher-kva.de/"],
            ),
            (
                "http://a.xn--55qx5d.cn/",
                "x=1; Domain=xn--55qx5d.cn",
                false,
                &[],
                &["http://b.xn--55qx5d.cn/"],
            ),
            ("http://a.xn--bcher-kva.de/", "x=1; Domain=b\u{fc}cher.de", false, &[], &[]),
            // It is no public suffix, but under it there is one: other sites are no affair of this.
            (
                "http://mine.s3.amazonaws.com/",
                "x=1; Domain=amazonaws.com",
                false,
                &[],
                &["http://yours.s3.amazonaws.com/", "http://amazonaws.com/"],
            ),
            (
                "http://amazonaws.com/",
                "x=1; Domain=amazonaws.com",
                true,
                &["http://www.amazonaws.com/"],
                &["http://yours.s3.amazonaws.com/"],
            ),
        ] {
            let jar = CookieJar::new();
            assert_eq!(set(&jar, url, field), is_taken, "{url} {field}");
            for url in there {
                assert_eq!(header(&jar, url), "x=1", "{field} for {url}");
            }
            for url in elsewhere {
                assert_eq!(header(&jar, url), "", "{field} for {url}");
            }
        }
    }

    #[test]
    fn paths() {
        let long_path = &*format!("x=1; Path=/{}", "p".repeat(1024));
        for (url, field, there, elsewhere) in [
            ("http://h/a/b?c/d", "x=1", &["/a", "/a/", "/a/c"][..], &["/", "/ab", "/b"][..]),
            ("http://h/a", "x=1", &["/", "/b"], &[]),
            ("http://h", "x=1", &["/"], &[]),
            ("http://h/a/b", "x=1; Path=/", &["/", "/c"], &[]),
            ("http://h/a/b", "x=1; Path=/c", &["/c", "/c/d", "/c?e"], &["/a/b", "/cd"]),
            ("http://h/a/b", "x=1; Path=/c/", &["/c/", "/c/d"], &["/c"]),
            ("http://h/a/b", "x=1; Path=relative", &["/a/c"], &["/"]),
            ("http://h/a/b", "x=1; Path=/c; Path=/d", &["/d"], &["/c"]),
            // What is longer than an attribute may be is none.
            ("http://h/a/b", long_path, &["/a/c"], &["/"]),
        ] {
            let jar = CookieJar::new();
            assert!(set(&jar, url, field), "{url} {field}");
            there.iter().for_each(|path| {
                assert_eq!(header(&jar, &format!("http://h{path}")), "x=1", "{field} {path}")
            });
            elsewhere
                .iter()
                .for_each(|path| assert_eq!(header(&jar, &format!("http://h{path}")), "", "{field} {path}"));
        }
        let jar = CookieJar::new();
        for field in ["a=1; Path=/", "b=2; Path=/x/y", "c=3; Path=/x", "d=4; Path=/x/y"] {
            assert!(set(&jar, "http://h/", field));
        }
        assert_eq!(
            header(&jar, "http://h/x/y"),
            "b=2; d=4; c=3; a=1",
            "the longest path first, then the oldest"
        );
        assert!(set(&jar, "http://h/", "a=5; Path=/"));
        assert_eq!((header(&jar, "http://h/"), jar.len()), ("a=5".to_owned(), 4));
    }

    #[test]
    fn what_is_secure_stays_so() {
        let jar = CookieJar::new();
        assert!(!set(&jar, "http://h.test/", "x=1; Secure"));
        assert!(set(&jar, "https://h.test/", "x=1; Secure; Path=/login"));
        assert_eq!([header(&jar, "http://h.test/login"), header(&jar, "https://h.test/login")], ["", "x=1"]);
        // It is not shadowed, nor replaced, from where others may write.
        assert!(!set(&jar, "http://h.test/", "x=2; Path=/login/en"));
        assert!(!set(&jar, "http://sub.h.test/", "x=2; Domain=h.test; Path=/login"));
        assert!(!set(&jar, "http://h.test/", "x=; Path=/login; Max-Age=0"));
        assert!(set(&jar, "http://h.test/", "x=2; Path=/"));
        assert_eq!(header(&jar, "https://h.test/login"), "x=1; x=2");
        for (url, field, is_taken) in [
            ("https://h.test/", "__Secure-a=1; Secure", true),
            ("https://h.test/", "__Secure-a=1", false),
            ("https://h.test/", "__SECURE-a=1", false),
            ("https://h.test/", "__Host-a=1; Secure; Path=/", true),
            ("https://h.test/", "__Host-a=1; Secure", false),
            ("https://h.test/", "__Host-a=1; Path=/", false),
            ("https://h.test/", "__Host-a=1; Secure; Path=/; Domain=h.test", false),
            ("https://h.test/", "=__Host-a=1; Secure; Path=/", false),
            ("https://h.test/", "__hOsT-a=1; Secure; Path=/x", false),
            ("https://h.test/a", "__host-a=1; Secure", false),
            ("http://h.test/", "__Secure-a=1; Secure", false),
            ("https://h.test/", "__Http-a=1; Secure; HttpOnly", true),
            ("https://h.test/", "__http-a=1; Secure", false),
            ("https://h.test/", "__Http-a=1; HttpOnly", false),
            ("https://h.test/", "__Host-Http-a=1; Secure; HttpOnly; Path=/", true),
            ("https://h.test/", "__Host-Http-a=1; Secure; Path=/", false),
            ("https://h.test/", "__Host-Http-a=1; Secure; HttpOnly; Path=/; Domain=h.test", false),
            ("https://h.test/", "__secure-a; Secure", false),
        ] {
            assert_eq!(set(&CookieJar::new(), url, field), is_taken, "{field}");
        }
    }

    #[test]
    fn what_expires_and_what_is_too_much() {
        let jar = CookieJar::new();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let at = |seconds| now + Duration::from_secs(seconds);
        let home = uri("http://h/");
        let put = |field| jar.set_at(&home, &Cookie::parse(field).expect("a cookie"), now);
        assert!(put("a=1; Max-Age=10") && put("b=2") && put("c=3; Max-Age=99999999999"));
        let shown = |when| String::from_utf8(jar.header_at(&home, when).unwrap_or_default()).expect("text");
        assert_eq!(shown(at(9)), "a=1; b=2; c=3");
        assert_eq!(shown(at(10)), "b=2; c=3");
        assert_eq!(shown(at(401 * 24 * 3600)), "b=2", "nothing lasts for longer than 400 days");
        assert!(!put("b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"));
        assert_eq!(shown(now), "", "it is removed so");
        assert!(!put(&*format!("big={}", "x".repeat(4094)).leak()));
        assert!(put("x=1; Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT"), "the age counts");
        assert!(put("x=1; Max-Age=soon; Max-Age=5") && !put("x=; Max-Age=-1"));
        for number in 0..230 {
            assert!(put(&*format!("n{number}=x").leak()));
            assert!(jar.header_at(&home, now).is_some());
        }
        assert_eq!(jar.len(), 180);
        assert!(!shown(now).contains("n49=") && shown(now).contains("n50="));
        // What has expired goes before whatever is still used.
        assert!(put("n229=x; Max-Age=1"));
        assert!(jar.set_at(&home, &Cookie::parse("late=x").expect("a cookie"), at(2)));
        assert!(shown(at(2)).contains("n50=") && !shown(at(2)).contains("n229="), "{}", shown(at(2)));
        for number in 0..4000 {
            let home = uri(&format!("http://h{number}.test/"));
            assert!(jar.set_at(&home, &Cookie::new("a", "b"), now));
        }
        assert_eq!(jar.len(), 3000);
        jar.clear();
        assert!(jar.is_empty() && format!("{jar:?}").contains("len: 0"));
    }

    #[test]
    fn a_site_has_room_of_its_own_however_many_hosts_it_has() {
        let jar = CookieJar::new();
        assert!(set(&jar, "http://shop.example.com/", "kept=1"));
        for number in 0..5000 {
            assert!(set(&jar, &format!("http://h{number}.evil.example/"), "a=1"));
            assert!(set(&jar, "http://evil.example/", &format!("b{number}=1; Domain=evil.example")));
        }
        assert_eq!((jar.len(), header(&jar, "http://shop.example.com/").as_str()), (181, "kept=1"));
        // Those that are Secure are the last to go, and what was looked for and has expired leaves nothing.
        assert!(set(&jar, "https://evil.example/", "safe=1; Secure"));
        for number in 0..500 {
            assert!(set(&jar, &format!("http://g{number}.evil.example/"), "a=1"));
        }
        assert!(header(&jar, "https://evil.example/").contains("safe=1"));
        let now = SystemTime::now();
        for number in 0..10 {
            let home = uri(&format!("http://s{number}.test/"));
            assert!(jar.set_at(&home, &Cookie::parse("a=1; Max-Age=1").expect("a cookie"), now));
            assert_eq!(jar.header_at(&home, now + Duration::from_secs(2)), None);
        }
        assert_eq!((jar.len(), jar.cookies.lock().sites()), (181, 2));
    }

    #[test]
    fn an_expired_cookie_shadows_nothing() {
        let (jar, now) = (CookieJar::new(), SystemTime::now());
        let put = |url: &str, field: &str, seconds| {
            let cookie = Cookie::parse(field).expect("a cookie");
            jar.set_at(&uri(url), &cookie, now + Duration::from_secs(seconds))
        };
        assert!(put("https://h.test/", "x=1; Secure; Max-Age=10", 0));
        assert!(!put("http://h.test/", "x=2", 9) && put("http://h.test/", "x=2", 10));
    }

    #[test]
    fn it_outlives_the_program_as_others_write_it() {
        let jar = CookieJar::new();
        let text = b"# Netscape HTTP Cookie File\r\n\n# a comment\n\
            .example.com\tTRUE\t/\tFALSE\t4102444800\ta\t1\n\
            #HttpOnly_www.example.com\tFALSE\t/x\tTRUE\t0\tsession\ts;e\n\
            #HttpOnly_www.example.com\tFALSE\t/x\tTRUE\t0\tsession\tsecret\n\
            old.test\tFALSE\t/\tFALSE\t1\ta\t1\n\
            .com\tTRUE\t/\tFALSE\t4102444800\ta\t1\n\
            127.0.0.1\tTRUE\t/\tFALSE\t4102444800\ta\tof an address\n\
            dot.test.\tFALSE\t/\tFALSE\t\ta\tof a session\n\
            s3.amazonaws.com\tTRUE\t/\tFALSE\t4102444800\ta\t1\n\
            a..test\tFALSE\t/\tFALSE\t4102444800\ta\t1\n\
            h.test\tFALSE\t/\tFALSE\t4102444800\t__Host-a\t1\n\
            h.test\tFALSE\t/\tFALSE\t-1\ta\t1\n\
            h.test\tFALSE\t/\tFALSE\t99999999999999999999\ta\t1\n\
            h.test\tFALSE\t/\x01\tFALSE\t4102444800\ta\t1\n\
            h.test\tFALSE\t/\tFALSE\t4102444800\ta\tb\tc\n\
            nonsense\n\t\t\t\t\t\t\n";
        let endless = "x".repeat(10_000_000);
        let all =
            [&text[..], endless.as_bytes(), b"\n#HttpOnly_last.test\tFALSE\t/\tFALSE\t0\ta\tno end"].concat();
        assert_eq!(jar.load(&all[..]).expect("a text"), 5);
        assert_eq!(header(&jar, "http://127.0.0.1/"), "a=of an address");
        assert_eq!(header(&jar, "http://dot.test/"), "a=of a session");
        assert_eq!(header(&jar, "http://last.test/"), "a=no end");
        ["127.0.0.1", "dot.test", "last.test"].iter().for_each(|host| {
            assert!(jar.cookies.lock().remove_site(host));
        });
        assert_eq!(header(&jar, "https://www.example.com/x"), "session=secret; a=1");
        assert_eq!(header(&jar, "http://example.com/"), "a=1");
        let mut saved = Vec::new();
        jar.save(&mut saved).expect("memory");
        let again = CookieJar::new();
        assert_eq!(again.load(&saved[..]).expect("a text"), 2);
        let mut twice = Vec::new();
        again.save(&mut twice).expect("memory");
        assert_eq!(saved.escape_ascii().to_string(), twice.escape_ascii().to_string());
        assert!(saved.starts_with(b"# Netscape HTTP Cookie File\n"));
        again.clear_session_cookies();
        assert_eq!(header(&again, "https://www.example.com/x"), "a=1");
    }

    #[test]
    fn the_users_own_come_first_and_count() {
        let jar = CookieJar::new();
        assert!(set(&jar, "http://h/", "a=1") && set(&jar, "http://h/", "b=2"));
        let beside = |own: &[&[u8]]| {
            jar.header_beside(&uri("http://h/"), own, SystemTime::now())
                .map(|line| line.escape_ascii().to_string())
        };
        assert_eq!(beside(&[]).as_deref(), Some("a=1; b=2"));
        assert_eq!(beside(&[b"b=own"]).as_deref(), Some("b=own; a=1"));
        assert_eq!(beside(&[b"c=3", b"d=4"]).as_deref(), Some("c=3; d=4; a=1; b=2"));
        assert_eq!(beside(&[b"a=x; b=y"]), None);
    }
}
