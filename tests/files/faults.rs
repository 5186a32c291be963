//! What happens to files while they are sent.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anthill_http::Server;
use anthill_http::files::Files;
use anthill_tests::client::{Client, get};
use anthill_tests::files::assert_same_bytes;
use anthill_tests::processes::{ADDRESS, serve_apart};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::tree::{Tree, ask, once, settle};

const LENGTH: u64 = 40 << 20;

/// A large file, nearly all of it holes.
fn tree() -> Tree {
    let tree = Tree::new(&[]);
    let file = File::create(tree.at("large.bin")).unwrap();
    file.set_len(LENGTH).unwrap();
    for place in [0, 1_000_000, LENGTH / 2, LENGTH - 5] {
        file.write_all_at(b"mark!", place).unwrap();
    }
    tree
}

#[test]
fn a_file_that_is_cut_ends_its_connection() {
    let tree = tree();
    let running = tree.served(|files| files);
    for range in ["", "Range: bytes=1-\r\n", "Range: bytes=0-9,1000-\r\n"] {
        File::options().write(true).open(tree.at("large.bin")).unwrap().set_len(LENGTH).unwrap();
        let mut client = running.client();
        client.send(format!("GET /large.bin HTTP/1.1\r\nHost: h\r\n{range}\r\n"));
        let mut room = vec![0; 1 << 16];
        let mut received = client.stream().read(&mut room).unwrap();
        // What was read last ends with this much of a head at most.
        let mut seam = Vec::new();
        File::options().write(true).open(tree.at("large.bin")).unwrap().set_len(1000).unwrap();
        client.send(get("/large.bin"));
        while let Ok(count @ 1..) = client.stream().read(&mut room) {
            received += count;
            // The next response must not land in what was promised, wherever reads end.
            seam.extend_from_slice(&room[..count]);
            assert!(head_in(&seam).is_none(), "{range:?}");
            seam.drain(..seam.len().saturating_sub(HEAD.len() - 1));
        }
        assert!((received as u64) < LENGTH, "{range:?}");
        // Who asks now gets what is there now.
        assert_eq!(once(&running, "/large.bin", &[]).body.len(), 1000);
    }
}

/// What a head begins with.
const HEAD: &[u8] = b"HTTP/1.1 ";

/// Where a head begins.
fn head_in(bytes: &[u8]) -> Option<usize> {
    bytes.windows(HEAD.len()).position(|bytes| bytes == HEAD)
}

#[test]
fn a_file_that_is_replaced_deleted_or_closed_up_is_sent_as_it_was() {
    use std::os::unix::fs::PermissionsExt;
    type Change = fn(&Tree);
    let changes: [Change; 3] = [
        |tree| tree.write("large.bin", "short"),
        |tree| fs::remove_file(tree.at("large.bin")).unwrap(),
        |tree| fs::set_permissions(tree.at("large.bin"), fs::Permissions::from_mode(0o0)).unwrap(),
    ];
    for change in changes {
        let tree = tree();
        let copy = File::open(tree.at("large.bin")).unwrap();
        let running = tree.served(|files| files);
        let mut client = running.client();
        client.send(get("/large.bin"));
        let head = client.response_to_head();
        assert_eq!(head.field("Content-Length").unwrap(), LENGTH.to_string());
        change(&tree);
        let mut rest = client.bytes(1000);
        rest.clear();
        while rest.len() < LENGTH as usize - 1000 {
            rest.extend(client.bytes((LENGTH as usize - 1000 - rest.len()).min(1 << 20)));
        }
        assert_same_bytes(&rest[..], &copy, 1000, LENGTH - 1000);
    }
}

#[test]
fn a_file_that_grows_is_sent_up_to_what_was_promised() {
    let tree = tree();
    let running = tree.served(|files| files);
    let mut client = running.client();
    client.send(get("/large.bin"));
    let head = client.response_to_head();
    assert_eq!(head.field("Content-Length").unwrap(), LENGTH.to_string());
    File::options().write(true).open(tree.at("large.bin")).unwrap().set_len(2 * LENGTH).unwrap();
    let mut left = LENGTH as usize;
    while left > 0 {
        left -= client.bytes(left.min(1 << 20)).len();
    }
    let next = ask(&mut client, "HEAD", "/large.bin", &[]);
    assert_eq!(next.field("Content-Length").unwrap(), (2 * LENGTH).to_string());
}

#[test]
fn a_sparse_file_of_gigabytes_has_ends() {
    let tree = Tree::new(&[]);
    let length = (5_u64 << 30) + 3;
    let file = File::create(tree.at("huge.bin")).unwrap();
    if file.set_len(length).is_err() {
        return anthill_tests::server::skip("the file system has no room for a file of 5 GiB with holes");
    }
    file.write_all_at(b"end", length - 3).unwrap();
    let running = tree.served(|files| files);
    let mut client = running.client();
    let head = ask(&mut client, "HEAD", "/huge.bin", &[]);
    assert_eq!(head.field("Content-Length").unwrap(), length.to_string());
    let end = ask(&mut client, "GET", "/huge.bin", &["Range: bytes=-3"]);
    assert_eq!((end.status, end.text()), (206, "end"));
    assert_eq!(end.field("Content-Range").unwrap(), format!("bytes {}-{}/{length}", length - 3, length - 1));
    let parts = ask(&mut client, "GET", "/huge.bin", &["Range: bytes=0-0,4294967296-4294967297,-3"]);
    assert_eq!(parts.status, 206);
    assert!(parts.body.windows(3).any(|bytes| bytes == b"end"));
}

/// Longer than what is counted in 31 bits, and than the system sends at once.
#[test]
fn a_sparse_file_of_two_gigabytes_is_sent_whole() {
    let tree = Tree::new(&[]);
    let length = (2_u64 << 30) + 5;
    let file = File::create(tree.at("huge.bin")).unwrap();
    if file.set_len(length).is_err() {
        return anthill_tests::server::skip("the file system has no room for a file of 2 GiB with holes");
    }
    for place in [0, (1 << 31) - 2, length - 3] {
        file.write_all_at(b"end", place).unwrap();
    }
    let copy = File::open(tree.at("huge.bin")).unwrap();
    let running = tree.served(|files| files);
    for (first, range) in [(0, String::new()), (1 << 30, format!("Range: bytes={}-\r\n", 1 << 30))] {
        let mut client = running.client();
        client.send(format!("GET /huge.bin HTTP/1.1\r\nHost: h\r\n{range}\r\n"));
        let head = client.response_to_head();
        assert_eq!(head.field("Content-Length").unwrap(), (length - first).to_string());
        let mut at = first;
        while at < length {
            let piece = client.bytes((length - at).min(1 << 20) as usize);
            assert_same_bytes(&piece[..], &copy, at, piece.len() as u64);
            at += piece.len() as u64;
        }
        assert_eq!(ask(&mut client, "HEAD", "/huge.bin", &[]).status, 200, "the connection goes on");
    }
}

/// A lease of another process, as file servers have them for their clients' caches.
#[test]
fn a_file_that_another_process_holds_is_to_be_asked_for_later() {
    const HOLDER: &str = "
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
sys.stdin.readline()
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
print('free', flush=True)
sys.stdin.readline()
";
    let tree = Tree::new(&[("f", b"content"), ("other", b"other")]);
    let mut python = Command::new("python3");
    python.args(["-c", HOLDER]).arg(tree.at("f")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut holder) = python.stderr(Stdio::null()).spawn() else {
        return anthill_tests::server::skip("there is no Python here");
    };
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    if !matches!(lines.next(), Some(Ok(line)) if line == "held") {
        return anthill_tests::server::skip("there are no leases here");
    }
    let running = tree.served(|files| files);
    let mut client = running.client();
    let reply = client.get("/f");
    assert_eq!((reply.status, reply.field("Retry-After")), (503, Some("1")));
    assert_eq!(client.get("/other").text(), "other");
    writeln!(holder.stdin.as_mut().unwrap()).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "free");
    assert_eq!(client.get("/f").text(), "content");
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
}

/// Where the server of the test below finds its files.
const ROOT: &str = "ANTHILL_TESTS_ROOT";

/// However slow this machine is.
const LONG: Duration = Duration::from_secs(3600);

/// Serves until it is killed.
fn serve_root() -> i32 {
    let files = Files::builder(env::var_os(ROOT).expect("a folder")).cache_duration(LONG);
    let files = files.build().expect("a handler");
    // So that the system needs no gigabytes for what nobody reads.
    let server = Server::builder().send_buffer(32_768).write_timeout(LONG);
    let server = server.build_handler(files).expect("valid options");
    server.listen_and_serve(env::var(ADDRESS).expect("an address").as_str()).map_or(1, |()| 0)
}

/// Of the clients none reads more than the beginning, and the server is a process of its own.
#[test]
fn fs_10_ten_thousand_slow_downloads_share_one_descriptor() {
    const NAME: &str = "faults::fs_10_ten_thousand_slow_downloads_share_one_descriptor";
    const CLIENTS: usize = 10_000;
    const DESCRIPTORS: u64 = 11_000;
    if env::var_os(ROOT).is_some() {
        serve_apart(NAME, "", &[&serve_root], 0);
    }
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < DESCRIPTORS) {
        return anthill_tests::server::skip("a process may not have 11,000 descriptors here");
    }
    if limit.current.is_some_and(|current| current < DESCRIPTORS) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), ..limit }).unwrap();
    }
    let tree = tree();
    let before = format!("env {ROOT}={}", tree.root().display());
    let program = serve_apart(NAME, &before, &[&serve_root], 0);
    settle();
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut client = Client::connect(program.address());
            client.send(get("/large.bin"));
            assert_eq!(client.response_to_head().status, 200, "{number}");
            client
        })
        .collect();
    let large = tree.at("large.bin");
    let links: Vec<_> = fs::read_dir(format!("/proc/{}/fd", program.id())).unwrap().flatten().collect();
    let leads_to = |link: &fs::DirEntry| fs::read_link(link.path()).is_ok_and(|target| target == large);
    assert!(links.len() > CLIENTS, "all are there: {}", links.len());
    assert_eq!(links.iter().filter(|link| leads_to(link)).count(), 1);
    // Nobody else waits for them.
    tree.write("small", "small");
    assert_eq!(Client::connect(program.address()).get("/small").text(), "small");
    // They go on, each where it is, and who wants to reaches the end.
    for client in &mut clients {
        assert!(client.bytes(1000).starts_with(b"mark!\0\0\0"));
    }
    let copy = File::open(&large).unwrap();
    let last = clients.last_mut().unwrap();
    let mut at = 1000;
    while at < LENGTH {
        let piece = last.bytes((LENGTH - at).min(1 << 20) as usize);
        assert_same_bytes(&piece[..], &copy, at, piece.len() as u64);
        at += piece.len() as u64;
    }
}
