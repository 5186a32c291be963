//! The corpus: files of protocol cases that people write, and how a case is tried.
//!
//! A file is a list of cases. Lines that begin with `#` and empty lines mean nothing. A case begins with its title:
//!
//! ```text
//! case: a length that is not a number
//! rows: PAR-11
//! why: RFC 9112 6.3 rule 5; parsers that stop at the first odd byte read another length
//! input:
//! > POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n
//! > hello
//! each:
//! > +5
//! > 5 5
//! refused: 400 BadContentLength
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `case` | the title; needed, and only once per file |
//! | `why` | the RFC section, or whatever else decides it; needed |
//! | `rows` | the parity rows that it shows, with commas between them |
//! | `matrix` | the name under which `http/STRICTNESS.md` has it |
//! | `server` | options: `get_only`, `disable_keepalive`, `unlimited_request_body_size`, and with `=` and a number `max_request_body_size`, `max_requests_per_conn`, `read_buffer_size` (here 2048 if not said; it is the limit of a head as well) |
//! | `input` | what the peer sends: on the same line, or on lines below that begin with `> ` |
//! | `each` | the case is tried once for each of the lines below: `{}` in other lines means that line, `{1}`, `{2}` its parts, which have `\|\|` between them and no spaces around them |
//! | `then` | what the peer does after the input: `closes` (if not said) or `keeps silent` |
//! | `request` | what the handler sees; one line for each request, none if it sees none |
//! | `response` | what is sent; if not said, 200 for each request |
//! | `ends` | how it ends: `peer` (if not said), `close`, `silence` |
//! | `refused` | instead of `ends`: the status code and the `ProtoError` |
//! | `alone` | `yes`: no other requests are tried before and behind it |
//!
//! A case with `sent` is about a client instead: `input` is what a server sends.
//!
//! | key | meaning |
//! |---|---|
//! | `sent` | the method of the request that is answered, then any of `close` (it says `Connection: close`), `upgrade` (it asks for another protocol), `unsent` (its body is still being sent) |
//! | `client` | limits: `head_bytes=`, `fields=`, `body_bytes=` and a number |
//! | `response` | what is received, interim responses included; if not said, none |
//! | `ends` | `stays` (if not said): another request can be sent; `silence`; or the reason why not, as the library calls it |
//! | `refused` | instead of `ends`: the `ProtoError` |
//! | `left` | what is left to another protocol |
//!
//! `input`, `each`, `then`, `alone` and `{stop}` are as above; `~Name:value` in a `response` line is a trailer field.
//!
//! In an input and in all other values `\r`, `\n`, `\t`, `\0`, `\\`, `\{`, `\}` and `\x1F` are what they are elsewhere,
//! `{ab*100}` is `ab` a hundred times, and in an input `{wait}` is where the peer waits for a response and `{stop}`
//! where the server must have made up its mind. Line ends are never implied.
//!
//! A `request` line is `METHOD target`, then any of `host=` (if not said, `h`), `version=` (`1.1`), `body=` (empty),
//! `path=`, `query=`, `+Name:value` (a header field), `-Name` (no such field), `~Name:value` (a trailer field; all of
//! them must be named). A `response` line is the status code, then any of `body=`, `+Name:value`, `-Name`. Spaces
//! within a value are written `\x20`.
//!
//! The rule: what a case says is checked in more ways than it says. It is cut everywhere
//! ([`Bench::same_however_cut`](crate::exchange::Bench::same_however_cut)); a flawless request before it is served
//! first and changes nothing; a flawless request behind it is served when the connection stays and is not when it ends.

mod client;
mod expect;
mod format;
mod server;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use crate::exchange::Bench;
use crate::wire::Then;
use anthill_http::ServerBuilder;
use client::ClientTrial;
use server::ServerTrial;

/// One case of the corpus, ready to be tried.
#[derive(Debug)]
pub struct Case {
    /// Where it is written and which one it is.
    pub label: String,
    /// The parity rows it shows.
    pub rows: Vec<String>,
    /// Its name in the document about strictness.
    pub matrix: Option<String>,
    trial: Trial,
}

/// What is tried.
#[derive(Debug)]
enum Trial {
    /// What a server makes of what a client sends.
    Server(Box<ServerTrial>),
    /// What a client makes of what a server sends.
    Client(Box<ClientTrial>),
}

/// Where the corpus is.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// The folders of the corpus, sorted.
///
/// # Panics
/// When the corpus cannot be read, or has a file that belongs to no area.
#[track_caller]
pub fn areas() -> Vec<String> {
    let mut areas = Vec::new();
    for path in entries(&folder()) {
        assert!(path.is_dir(), "{} belongs to no area: put it into a folder", path.display());
        areas.push(name_of(&path));
    }
    areas
}

/// The cases of an area, one for each line of an `each`.
///
/// # Panics
/// When a file is not as it should be; says where and why.
#[track_caller]
pub fn cases(area: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for path in entries(&folder().join(area)) {
        let file = format!("{area}/{}", name_of(&path));
        assert!(file.ends_with(".txt"), "{file}: a file of cases ends with .txt");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        cases.extend(format::parse(&file, &text).unwrap_or_else(|problem| panic!("{problem}")));
    }
    cases
}

impl Case {
    /// What a client sends, if it is that to a server without options, and it waits for nothing meanwhile.
    pub fn input(&self) -> Option<&[u8]> {
        match &self.trial {
            Trial::Server(trial) if trial.server.is_empty() && trial.script.waits.is_empty() => {
                Some(&trial.script.bytes)
            }
            Trial::Server(_) | Trial::Client(_) => None,
        }
    }

    /// Tries a case about a server on a bench that is made with its options, behind a proxy for example; `None`: it is
    /// about a client.
    pub fn check_on(&self, make: impl FnOnce(ServerBuilder) -> Bench) -> Option<Result<(), String>> {
        let Trial::Server(trial) = &self.trial else { return None };
        let checked = trial.check_on(make(trial.options()));
        Some(checked.map_err(|problem| format!("{}: {problem}", self.label)))
    }

    /// Tries the case in all ways.
    ///
    /// # Errors
    /// What came of it instead.
    pub fn check(&self) -> Result<(), String> {
        match &self.trial {
            Trial::Server(trial) => trial.check(),
            Trial::Client(trial) => trial.check(),
        }
        .map_err(|problem| format!("tests/corpus/{}: {problem}", self.label))
    }
}

fn then(value: &str) -> Result<Then, String> {
    match value {
        "closes" => Ok(Then::Closes),
        "keeps silent" => Ok(Then::KeepsSilent),
        other => Err(format!("a peer that {other:?} then: say `closes` or `keeps silent`")),
    }
}

#[track_caller]
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    entries.sort();
    entries
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A case that is written well, except for what the test is about.
    fn check(lines: &str) -> Result<(), String> {
        let cases = format::parse("t.txt", &format!("case: t\nwhy: t\n{lines}\n"))?;
        cases.iter().try_for_each(Case::check)
    }

    const GET: &str = r"input: GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

    #[test]
    fn what_is_as_expected_passes() {
        for expected in [
            "request: GET /a",
            "request: GET /a host=h version=1.1 path=/a query= body= +Host:h -A\nresponse: 200\nends: peer",
            "server: max_requests_per_conn=1\nalone: yes\nrequest: GET /a\nends: close",
            "then: keeps silent\nrequest: GET /a\nends: silence",
        ] {
            assert_eq!(check(&format!("{GET}\n{expected}")), Ok(()));
        }
        let each = "input: {1}\\r\\n\\r\\n\neach:\n> x || 400 MissingTarget\n> GET / HTTP/2.0 || 505 UnsupportedVersion";
        assert_eq!(check(&format!("{each}\nrefused: {{2}}")), Ok(()));
    }

    #[test]
    fn what_is_not_as_expected_fails() {
        for unexpected in [
            "",
            "request: GET /b",
            "request: HEAD /a",
            "request: GET /a host=x",
            "request: GET /a version=1.0",
            "request: GET /a body=x",
            "request: GET /a path=/",
            "request: GET /a query=x",
            "request: GET /a +Host:x",
            "request: GET /a +A:",
            "request: GET /a -Host",
            "request: GET /a ~A:b",
            "request: GET /a\nrequest: GET /a",
            "request: GET /a\nresponse: 404",
            "request: GET /a\nresponse: 200 body=x",
            "request: GET /a\nresponse: 200 +Connection:close",
            "request: GET /a\nresponse: 200 -Content-Length",
            "request: GET /a\nresponse: 100\nresponse: 200",
            "request: GET /a\nends: close",
            "request: GET /a\nends: silence",
            "request: GET /a\nrefused: 400 Syntax",
            "refused: 400 Syntax",
        ] {
            assert!(check(&format!("{GET}\n{unexpected}")).is_err(), "{unexpected:?} was not noticed");
        }
        for (input, refused) in [(r"x\r\n\r\n", "413 MissingTarget"), (r"x\r\n\r\n", "400 BadHost")] {
            assert!(check(&format!("input: {input}\nrefused: {refused}")).is_err(), "{refused}");
        }
    }

    const ANSWER: &str = r"sent: GET
input: HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nok";

    #[test]
    fn a_response_that_is_as_expected_passes_and_no_other() {
        for expected in
            ["response: 200 body=ok", "response: 200 body=ok +A:b -B\nends: stays\nthen: keeps silent"]
        {
            assert_eq!(check(&format!("{ANSWER}\n{expected}")), Ok(()));
        }
        for unexpected in [
            "",
            "response: 200",
            "response: 201 body=ok",
            "response: 200 body=o",
            "response: 200 body=ok +A:c",
            "response: 200 body=ok -A",
            "response: 200 body=ok ~A:b",
            "response: 200 body=ok\nresponse: 200 body=ok",
            "response: 200 body=ok\nends: PeerAsked",
            "response: 200 body=ok\nleft: x",
            "response: 200 body=ok\nrefused: Syntax",
            "refused: Syntax",
        ] {
            assert!(check(&format!("{ANSWER}\n{unexpected}")).is_err(), "{unexpected:?} was not noticed");
        }
        let late = r"sent: GET
input: HTTP/1.1 200 OK{stop}\nA: b\r\n\r\n
refused: BareLineFeed";
        assert!(check(late).is_err_and(|problem| problem.contains("made up its mind")));
        assert_eq!(check(&late.replace(r"{stop}\n", r"\n{stop}")), Ok(()));
    }

    #[test]
    fn what_is_read_behind_the_stop_is_noticed() {
        assert_eq!(
            check(r"input: x y{stop}\n\r\n").err().as_deref(),
            Some("t.txt: line 1: there is nothing expected")
        );
        assert_eq!(
            check("input: GET / HTTP/1.1\\n{stop}Host: h\\r\\n\\r\\n\nrefused: 400 BareLineFeed"),
            Ok(())
        );
        let late = check("input: GET / HTTP/1.1{stop}\\nHost: h\\r\\n\\r\\n\nrefused: 400 BareLineFeed");
        assert!(late.is_err_and(|problem| problem.contains("bytes were read, not 14")));
    }

    #[test]
    fn a_request_behind_the_case_counts() {
        // A carriage return alone is nothing, until something comes behind it.
        let lonely = r"input: GET /a HTTP/1.1\r\nHost: h\r\n\r\n\r";
        assert!(check(&format!("{lonely}\nrequest: GET /a")).is_err());
        assert_eq!(check(&format!("{lonely}\nrequest: GET /a\nalone: yes")), Ok(()));
    }
}
