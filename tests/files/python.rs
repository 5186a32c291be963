//! The same requests to Python's `http.server` and to us, where it does what RFC 9110 says. It knows neither tags nor
//! ranges, so what is compared is what it has: the whole, its fields, `HEAD`, dates, folders, and what is missing.
//!
//! Left out is where it does otherwise: other methods (501), and folders without an index, of which it makes a page.
//!
//! Where there is no Python 3.7 this is skipped, and says so.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anthill_tests::client::{Client, Reply};
use anthill_tests::server::skip;

use crate::tree::{Tree, ask};

const PROGRAM: &str = "
import functools, http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *args): pass
handler = functools.partial(Handler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
print(server.server_address[1], flush=True)
server.serve_forever()";

/// One that runs; killed with this.
struct Python(Child);

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves `root`; `None` where there is none.
fn python(root: &Path) -> Option<(Python, SocketAddr)> {
    let mut command = Command::new("python3");
    command.args(["-c", PROGRAM]).arg(root).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let stdout = child.stdout.take()?;
    let python = Python(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).ok()?;
    let port = line.trim().parse().ok()?;
    Some((python, SocketAddr::from(([127, 0, 0, 1], port))))
}

/// What is compared of a reply. Pages of errors are everybody's own.
fn comparable(reply: &Reply) -> String {
    let mut said = vec![reply.status.to_string()];
    let names: &[&str] = match reply.status {
        200 => &["Content-Type", "Content-Length", "Last-Modified"],
        301 => &["Location"],
        _ => &[],
    };
    said.extend(names.iter().map(|name| format!("{name}: {:?}", reply.field(name))));
    if reply.status == 200 {
        said.push(String::from_utf8_lossy(&reply.body).into_owned());
    }
    said.join("\n")
}

#[test]
fn python_and_we_say_the_same() {
    let big: Vec<u8> = (0..200_000_u32).map(|at| b'a' + (at % 23) as u8).collect();
    let files: [(&str, &[u8]); 6] = [
        ("index.html", b"<!DOCTYPE html><p>index"),
        ("a.txt", b"0123456789"),
        ("sub/index.html", b"<p>sub"),
        ("sub/b.json", b"{\"a\": 1}"),
        ("big.bin", &big),
        ("empty.css", b""),
    ];
    let tree = Tree::new(&files);
    for (path, _) in files {
        tree.age(path, Duration::from_secs(100_000));
    }
    let Some((_python, address)) = python(&tree.root()) else { return skip("there is no Python here") };
    let running = tree.served(|files| files.charset(None).sniff(false).redirect_status(301));
    let targets = [
        "/",
        "/index.html",
        "/a.txt",
        "/%61.txt?query",
        "/sub",
        "/sub/",
        "/sub/b.json",
        "/sub/../a.txt",
        "/big.bin",
        "/empty.css",
        "/missing",
        "/sub/missing/",
        "/a.txt/",
    ];
    let mut compared = 0;
    for target in targets {
        let whole = running.client().get(target);
        let date = whole.field("Last-Modified").unwrap_or("Sun, 06 Nov 1994 08:49:37 GMT");
        for fields in [
            None,
            Some(format!("If-Modified-Since: {date}")),
            Some("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
            Some("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT".to_owned()),
            Some("If-Modified-Since: yesterday".to_owned()),
            Some(format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {date}")),
        ] {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            for method in ["GET", "HEAD"] {
                // Not one connection for all: what it has decided to end, it does not say.
                let said = [address, running.address()]
                    .map(|address| comparable(&ask(&mut Client::connect(address), method, target, &fields)));
                assert_eq!(said[0], said[1], "{method} {target} {fields:?}: left Python, right ours");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, targets.len() * 12);
}
