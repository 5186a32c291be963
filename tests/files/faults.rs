//! What happens to files while they are sent.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;

use anthill_tests::client::get;
use anthill_tests::files::assert_same_bytes;

use crate::tree::{Tree, ask, once};

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
        File::options().write(true).open(tree.at("large.bin")).unwrap().set_len(1000).unwrap();
        client.send(get("/large.bin"));
        while let Ok(count @ 1..) = client.stream().read(&mut room) {
            received += count;
            // The next response must not land in what was promised.
            assert!(memchr(&room[..count]).is_none(), "{range:?}");
        }
        assert!((received as u64) < LENGTH, "{range:?}");
        // Who asks now gets what is there now.
        assert_eq!(once(&running, "/large.bin", &[]).body.len(), 1000);
    }
}

/// Where a head begins within zeros.
fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.windows(9).skip(9).position(|bytes| bytes == b"HTTP/1.1 ")
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

#[test]
fn thousands_of_slow_downloads_share_one_descriptor() {
    let tree = tree();
    let running = tree.served(|files| files);
    let clients: Vec<_> = (0..500)
        .map(|_| {
            let mut client = running.client();
            client.send(get("/large.bin"));
            assert_eq!(client.response_to_head().status, 200);
            client
        })
        .collect();
    let open = fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter(|link| fs::read_link(link.path()).is_ok_and(|target| target == tree.at("large.bin")))
        .count();
    assert_eq!(open, 1);
    // And nobody else waits for them.
    tree.write("small", "small");
    assert_eq!(once(&running, "/small", &[]).text(), "small");
    drop(clients);
}
