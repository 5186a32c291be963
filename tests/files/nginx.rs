//! The same requests to nginx and to us, where nginx does what RFC 9110 says: statuses, fields and bytes are the same,
//! but for what a tag is made of, boundaries, and the pages of errors.
//!
//! Left out is where it does otherwise: parts of a `HEAD` (206), ranges that cannot be read (416), `Allow` (none),
//! paths above the root (400).
//!
//! Where nginx is not installed this is skipped, and says so: `apt-get install nginx`.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use anthill_tests::client::{Client, Reply};
use anthill_tests::eventually;
use anthill_tests::processes::nginx_temporary;
use anthill_tests::server::skip;

use crate::tree::{Tree, ask};

/// One that runs; killed with this.
struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves `root`; `None` where there is none.
fn nginx(folder: &Path, root: &Path) -> Option<Nginx> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (name, root, temporary) = (folder.display(), root.display(), nginx_temporary(folder));
    let text = format!(
        "daemon off; master_process off; pid {name}/pid; error_log {name}/errors;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            {temporary}
            types {{ text/html html; text/css css; image/png png; application/json json; text/plain txt; }}
            default_type application/octet-stream;
            keepalive_requests 10000;
            if_modified_since before;
            gzip_static on;
            gzip_vary on;
            server {{
                listen 127.0.0.1:{port};
                absolute_redirect off;
                root {root};
                location /sub/ {{ autoindex off; }}
            }}
        }}"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&file).arg("-p").arg(folder).arg("-e").arg(folder.join("errors"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.spawn() else {
        skip("there is no nginx here");
        return None;
    };
    let mut nginx = Nginx { child, address: (Ipv4Addr::LOCALHOST, port).into() };
    eventually("nginx listens", || {
        let ended = nginx.child.try_wait().unwrap();
        assert_eq!(
            ended,
            None,
            "nginx has ended: {}",
            std::fs::read_to_string(folder.join("errors")).unwrap_or_default()
        );
        TcpStream::connect(nginx.address).is_ok()
    });
    Some(nginx)
}

/// What is compared of a reply.
fn comparable(method: &str, reply: &Reply) -> String {
    let mut said = vec![reply.status.to_string()];
    let is_error = reply.status >= 400;
    let kind = reply.field("Content-Type").unwrap_or_default().to_owned();
    let is_parted = kind.starts_with("multipart/byteranges");
    for name in ["Last-Modified", "Content-Range", "Location", "Content-Encoding", "Vary"] {
        if let Some(value) = reply.field(name).filter(|_| !is_error || name == "Content-Range") {
            said.push(format!("{name}: {value}"));
        }
    }
    if is_error || reply.status == 301 {
        return said.join("\n");
    }
    // Who was sent a part knows, and it does not say so then; nor of copies, of which it sends no parts.
    if reply.status == 200 && reply.field("Content-Encoding").is_none() {
        said.push(format!("{:?}", reply.field("Accept-Ranges")));
    }
    said.push(format!("tag: {:?}", reply.field("ETag").map(|tag| tag.starts_with('"'))));
    if is_parted {
        let (_, boundary) = kind.split_once("boundary=").unwrap();
        said.push(String::from_utf8_lossy(&reply.body).replace(boundary, "boundary"));
    } else {
        said.push(format!("{kind}, {:?}", reply.field("Content-Length")));
        if method != "HEAD" {
            said.push(String::from_utf8_lossy(&reply.body).into_owned());
        }
    }
    said.join("\n")
}

const TARGETS: [&str; 17] = [
    "/",
    "/index.html",
    "/a.txt",
    "/a.css",
    "/big.bin",
    "/empty.txt",
    "/sub",
    "/sub?x=1",
    "/sub/",
    "/sub/b.json",
    "/sub/../a.txt",
    "//sub//b.json",
    "/%61.txt",
    "/a.txt?query",
    "/missing",
    "/a.txt/",
    "/bare/",
];

/// Lines of fields; `{tag}` and `{date}` stand for those of the whole, `{earlier}` and `{later}` for dates around it.
const FIELDS: [&[&str]; 24] = [
    &[],
    &["Accept-Encoding: gzip"],
    &["If-None-Match: {tag}"],
    &["If-None-Match: W/{tag}"],
    &["If-None-Match: \"x\", {tag}"],
    &["If-None-Match: \"x\""],
    &["If-None-Match: *"],
    &["If-Modified-Since: {date}"],
    &["If-Modified-Since: {earlier}"],
    &["If-Modified-Since: {later}"],
    &["If-Match: {tag}"],
    &["If-Match: \"x\""],
    &["If-Match: *"],
    &["If-Unmodified-Since: {earlier}"],
    &["If-Unmodified-Since: {later}"],
    &["Range: bytes=0-0"],
    &["Range: bytes=1-3"],
    &["Range: bytes=2-"],
    &["Range: bytes=-2"],
    &["Range: bytes=0-99999999"],
    &["Range: bytes=99999999-"],
    &["Range: bytes=0-1,5000-5001"],
    &["Range: bytes=1-2", "If-Range: {tag}"],
    &["Range: bytes=1-2", "If-Range: {earlier}"],
];

#[test]
fn nginx_and_we_say_the_same() {
    let big: Vec<u8> = (0..200_000_u32).map(|at| b'a' + (at % 23) as u8).collect();
    let files: [(&str, &[u8]); 8] = [
        ("index.html", b"<!DOCTYPE html><p>index"),
        ("a.txt", b"0123456789"),
        ("a.css", b"p { color: teal }"),
        ("a.css.gz", b"packed"),
        ("big.bin", &big),
        ("empty.txt", b""),
        ("sub/b.json", b"{\"a\": 1}"),
        ("bare/x", b""),
    ];
    let tree = Tree::new(&files);
    // One time for all, for it tells the time of a copy and not of its file.
    let changed = SystemTime::now() - Duration::from_secs(100_000);
    for (path, _) in files {
        File::options().write(true).open(tree.at(path)).unwrap().set_modified(changed).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let Some(nginx) = nginx(folder.path(), &tree.root()) else { return };
    let running = tree.served(|files| {
        files
            .charset(None)
            .sniff(false)
            .redirect_status(301)
            .copy_suffix("gzip", ".gz")
            .cache_duration(Duration::ZERO)
    });
    let (mut theirs, mut ours) = (Client::connect(nginx.address), running.client());
    let mut compared = 0;
    for target in TARGETS {
        let wholes = [&mut theirs, &mut ours].map(|client| client.get(target));
        for fields in FIELDS {
            for method in ["GET", "HEAD"] {
                let has_range = fields.iter().any(|field| field.starts_with("Range"));
                // No byte of nothing can be had, which it does not say of the end of nothing.
                let is_of_nothing = target == "/empty.txt" && has_range;
                if method == "HEAD" && has_range || is_of_nothing {
                    continue;
                }
                let said = [(&mut theirs, &wholes[0]), (&mut ours, &wholes[1])].map(|(client, whole)| {
                    let fields: Vec<String> = fields.iter().map(|field| filled(field, whole)).collect();
                    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                    let reply = ask(client, method, target, &fields);
                    assert!(!reply.closes(), "{method} {target} {fields:?} ends the connection");
                    comparable(method, &reply)
                });
                // It ends the connection then without having said so.
                if said[0].starts_with("412") {
                    theirs = Client::connect(nginx.address);
                }
                assert_eq!(said[0], said[1], "{method} {target} {fields:?}: left nginx, right ours");
                compared += 1;
            }
        }
    }
    assert!(compared > 500, "only {compared}");
}

fn filled(field: &str, whole: &Reply) -> String {
    let date = whole.field("Last-Modified").unwrap_or("Sun, 06 Nov 1994 08:49:37 GMT");
    field
        .replace("{tag}", whole.field("ETag").unwrap_or("\"none\""))
        .replace("{date}", date)
        .replace("{earlier}", "Sun, 06 Nov 1994 08:49:37 GMT")
        .replace("{later}", "Fri, 01 Jan 2100 00:00:00 GMT")
}
