//! Credentials from a `.netrc`, the file in which curl, ftp and git look for them.
//!
//! The form (as curl reads it): words, separated by blanks and line ends; quotes around a word may contain blanks, and
//! backslashes within them escape. `machine NAME` or `default`, then `login NAME`, `password WORD`, `account WORD`;
//! `macdef` goes up to an empty line, and `#` where a word may begin up to the end of its line.

use super::basic::basic_credentials;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most that is read of a file.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Users and passwords by hosts, from a file like `~/.netrc`. A clone is the same.
///
/// [`ClientBuilder::netrc`](super::ClientBuilder::netrc) gives it to a client, which authorises requests by it
/// (RFC 7617) that do not authorise themselves and whose URL has no user. The port and the scheme do not count. Only
/// the host that the call is for is told something, and not another one to which a redirect leads: whoever redirects
/// would choose who is told what. Who may read the file is not looked at.
///
/// ```
/// use anthill_http::Server;
/// use anthill_http::client::{Client, Netrc};
///
/// let running = Server::new(|ctx| {
///     let said = ctx.header("Authorization").unwrap_or(b"nothing").to_vec();
///     ctx.set_body(said);
/// })?
/// .start("127.0.0.1:0")?;
/// let netrc = Netrc::parse("machine 127.0.0.1 login ann password secret");
/// let client = Client::builder().netrc(netrc).build()?;
/// let mut response = client.get(format!("http://{}/", running.local_addr())).send()?;
/// assert_eq!(response.text()?, "Basic YW5uOnNlY3JldA==");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Netrc {
    entries: Arc<[NetrcEntry]>,
}

struct NetrcEntry {
    /// `None`: whoever has none of his own.
    host: Option<String>,
    login: String,
    password: String,
}

impl Netrc {
    /// What the file of the user says: that which the variable `NETRC` names, or `.netrc` in the folder `HOME`, or
    /// `_netrc` in `USERPROFILE` on Windows. Without a file nothing is known.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn of_user() -> io::Result<Self> {
        let of_home = |variable: &str, name: &str| {
            std::env::var_os(variable)
                .filter(|home| !home.is_empty())
                .map(|home| PathBuf::from(home).join(name))
        };
        let named = std::env::var_os("NETRC").filter(|path| !path.is_empty()).map(PathBuf::from);
        let places = [named, of_home("HOME", ".netrc"), of_home("USERPROFILE", "_netrc")];
        for place in places.into_iter().flatten() {
            match Self::file(place) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                read => return read,
            }
        }
        Ok(Self::default())
    }

    /// What that file says.
    ///
    /// # Errors
    /// When it cannot be read; `InvalidData` when it is larger than 1 MiB, so it is something else.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut text = Vec::new();
        fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            let why = "a file of users and passwords is not larger than 1 MiB";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Self::parse(String::from_utf8_lossy(&text)))
    }

    /// What that text says. Words that mean nothing are passed.
    #[must_use]
    pub fn parse(text: impl AsRef<str>) -> Self {
        let mut entries: Vec<NetrcEntry> = Vec::new();
        let mut words = Words { rest: text.as_ref() };
        let entry = |host| NetrcEntry { host, login: String::new(), password: String::new() };
        while let Some(word) = words.next() {
            match &*word {
                "machine" => entries.extend(words.next().map(|host| entry(Some(host)))),
                "default" => entries.push(entry(None)),
                "macdef" => words.pass_macro(),
                "login" | "password" | "account" => {
                    let (Some(said), Some(entry)) = (words.next(), entries.last_mut()) else { continue };
                    match &*word {
                        "login" => entry.login = said,
                        "password" => entry.password = said,
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        Self { entries: entries.into() }
    }

    /// What a request to that host says in `Authorization`.
    pub(crate) fn credentials(&self, host: &[u8]) -> Option<String> {
        let is_of_host = |entry: &&NetrcEntry| {
            entry.host.as_ref().is_some_and(|known| known.as_bytes().eq_ignore_ascii_case(host))
        };
        let of_host = self.entries.iter().find(is_of_host);
        let entry = of_host.or_else(|| self.entries.iter().find(|entry| entry.host.is_none()))?;
        // A user with a colon cannot be told from his password.
        let can_be_told = !entry.login.is_empty() && !entry.login.contains(':');
        can_be_told.then(|| basic_credentials(entry.login.as_bytes(), entry.password.as_bytes()))
    }
}

/// Takes a text apart.
struct Words<'a> {
    rest: &'a str,
}

impl Words<'_> {
    /// Passes what a macro consists of: all up to an empty line.
    fn pass_macro(&mut self) {
        let end =
            ["\n\n", "\n\r\n"].iter().filter_map(|end| self.rest.find(end).map(|at| at + end.len())).min();
        self.rest = self.rest.get(end.unwrap_or(self.rest.len())..).unwrap_or_default();
    }
}

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with('#') {
                break;
            }
            self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
        let mut word = String::new();
        let mut letters = self.rest.char_indices();
        let is_quoted = self.rest.starts_with('"');
        if is_quoted {
            letters.next();
        }
        let mut end = self.rest.len();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' if is_quoted => {
                    end = at + 1;
                    break;
                }
                '\\' if is_quoted => match letters.next().map(|(_, letter)| letter) {
                    Some('n') => word.push('\n'),
                    Some('r') => word.push('\r'),
                    Some('t') => word.push('\t'),
                    Some(letter) => word.push(letter),
                    None => {}
                },
                letter if !is_quoted && letter.is_whitespace() => {
                    end = at;
                    break;
                }
                letter => word.push(letter),
            }
        }
        let is_any = !self.rest.is_empty();
        self.rest = self.rest.get(end..).unwrap_or_default();
        is_any.then_some(word)
    }
}

/// Without users and passwords.
impl fmt::Debug for Netrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Netrc").field("entries", &self.entries.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_far_as_it_can_be_one() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let line = "machine a.test login ann password secret\n";
        io::Write::write_all(&mut file, line.as_bytes()).expect("room on the disk");
        let netrc = Netrc::file(file.path()).expect("it is small");
        assert_eq!(netrc.credentials(b"a.test"), Some(basic_credentials(b"ann", b"secret")));
        let comment = format!("#{}", "x".repeat(FILE_BYTES_MAX as usize));
        io::Write::write_all(&mut file, comment.as_bytes()).expect("room on the disk");
        let error = Netrc::file(file.path()).expect_err("it is large");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let error = Netrc::file(file.path().join("not there")).expect_err("it is no folder");
        assert_ne!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn entries_as_curl_reads_them() {
        let netrc = Netrc::parse(
            "# machine commented login no password no\n\
             machine a.test login ann password p#1\n\
             machine b.test\n\tlogin \"two words\" password \"q\\\"\\\\\\t\" account x\n\
             macdef init\nmachine macro.test login no password no\n\n\
             machine c.test password none machine d.test login only\n\
             machine e.test login a:b password c\n\
             default login anyone password at-all machine",
        );
        let said =
            |login: &str, password: &str| Some(basic_credentials(login.as_bytes(), password.as_bytes()));
        let of = |host: &str| netrc.credentials(host.as_bytes());
        assert_eq!(of("A.test"), said("ann", "p#1"));
        assert_eq!(of("b.test"), said("two words", "q\"\\\t"));
        assert_eq!(of("d.test"), said("only", ""));
        assert_eq!([of("c.test"), of("e.test")], [None, None], "they are known, and cannot be told");
        for other in ["macro.test", "commented", "sub.a.test", ""] {
            assert_eq!(of(other), said("anyone", "at-all"), "{other}");
        }
        assert!(!format!("{netrc:?}").contains("ann"));
        // Wherever it stands, it is for whoever has none of his own.
        let first = Netrc::parse("default login x password y machine a.test login ann password z");
        assert_eq!(first.credentials(b"a.test"), said("ann", "z"));
        assert_eq!(first.credentials(b"b.test"), said("x", "y"));
        // Of two for a host the first counts, and a macro without its end is one up to the end of the text.
        let twice = Netrc::parse(
            "machine a login x password 1\nmachine a login y password 2\nmacdef m\ndefault login z",
        );
        assert_eq!((twice.credentials(b"a"), twice.credentials(b"b")), (said("x", "1"), None));
        let quoted =
            Netrc::parse("machine \"a.test\" login \"#1\" password \"\" machine b.test login \"open");
        assert_eq!(
            (quoted.credentials(b"a.test"), quoted.credentials(b"b.test")),
            (said("#1", ""), said("open", ""))
        );
        for nothing in
            ["", "machine", "login x password y", "default", "machine a.test login", "macdef", "\"", "\\"]
        {
            assert_eq!(Netrc::parse(nothing).credentials(b"a.test"), None, "{nothing:?}");
        }
    }
}
