//! Ways out of the root, none of which leads anywhere; and what must not be opened.

use std::fs;

use anthill_tests::server::{Running, skip};

use crate::tree::{Tree, once};

fn tree() -> Tree {
    let tree = Tree::new(&[
        ("index.html", b"index"),
        ("a/in", b"inside"),
        (".hidden", b"hidden"),
        (".git/config", b"hidden"),
        ("a/.env", b"hidden"),
        (".well-known/acme", b"token"),
    ]);
    fs::write(tree.outside().join("secret"), "secret").unwrap();
    fs::create_dir(tree.outside().join("rootlike")).unwrap();
    fs::write(tree.outside().join("rootlike/secret"), "secret").unwrap();
    tree
}

#[test]
fn fs_05_no_form_of_a_path_leads_out() {
    let tree = tree();
    let running = tree.served(|files| files.listing(true));
    let mut client = running.client();
    let ups = [
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "..%00",
        "%2e%2e%00",
        "%252e%252e",
        "..;",
        "%c0%ae%c0%ae",
        "\u{ff0e}\u{ff0e}",
        "..%5c",
        "..\\",
        "....",
        "...",
        "..%2f..",
        "%2e%2e%2f%2e%2e",
        "..%2F",
        "/..",
        "./..",
        "a/..",
        "a/../..",
        "a%2f..%2f..",
        "%2f..",
        "..%ff",
        "..%0a",
        "~/..",
        "C:",
        "C:%5c..",
        "%5c%5c..",
        "a/%2e%2e/%2e%2e",
    ];
    for up in ups {
        for below in ["secret", "rootlike/secret", "root/../secret", "../secret", "etc/passwd"] {
            for slash in ["/", "%2f", "%5c", "\\", "//"] {
                let target = format!("/{up}{slash}{below}");
                client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
                let reply = client.response();
                assert!(matches!(reply.status, 400 | 404), "{target}: {reply:?}");
                assert!(!String::from_utf8_lossy(&reply.body).contains("secret\n"), "{target}");
                if reply.closes() {
                    client = running.client();
                }
            }
        }
    }
    // Names are literal whatever is in them, and dots that lead back in lead back in.
    assert_eq!(client.get("/a/../a/in").text(), "inside");
    assert_eq!(client.get("/../../a/in").text(), "inside");
    assert_eq!(client.get("/a%2fin").text(), "inside");
}

#[test]
fn fs_05_a_nul_is_a_bad_request() {
    let tree = tree();
    let running = tree.served(|files| files);
    let mut client = running.client();
    for target in ["/a/in%00", "/%00", "/a/in%00.html", "/a%00/in"] {
        assert_eq!(client.get(target).status, 400, "{target}");
    }
}

#[test]
fn fs_05_a_rewritten_path_is_checked_as_well() {
    let tree = tree();
    let target = |path: &'static str| tree.served(move |files| files.path_rewrite(move |_| path.to_owned()));
    for path in ["/../secret", "..", "/a/../../secret", "/a/..", "../root/a/in"] {
        assert_eq!(once(&target(path), "/", &[]).status, 500, "{path}");
    }
    for path in ["//a/in", "/a//in", "/./a/in", "/%61/in", ".git/config", "/a/in/"] {
        assert_eq!(once(&target(path), "/", &[]).status, 404, "{path}");
    }
    assert_eq!(once(&target("/a/in\0"), "/", &[]).status, 400);
    assert_eq!(once(&target("/a/in"), "/whatever", &[]).text(), "inside");
    assert_eq!(once(&target("a/in"), "/whatever/", &[]).text(), "inside");
    // A folder is led to its slash by the path that was asked for.
    let folder = tree.served(|files| files.path_rewrite(|_| String::new()));
    assert_eq!(once(&folder, "/x/", &[]).text(), "index");
    assert_eq!(once(&folder, "/x", &[]).field("Location"), Some("/x/"));
}

#[test]
fn fs_05_links_lead_nowhere_outside() {
    let tree = tree();
    let outside = tree.outside().to_owned();
    tree.link(tree.at("a/in"), "absolute");
    tree.link("a/in", "relative");
    tree.link("a", "folder");
    tree.link(tree.at("a"), "absolute-folder");
    tree.link("../secret", "out");
    tree.link(outside.join("secret"), "absolute-out");
    tree.link(outside.join("rootlike"), "like");
    tree.link("/", "slash");
    tree.link("../../secret", "a/index.html");
    fs::create_dir(tree.at("b")).unwrap();
    tree.link(outside.join("secret"), "b/index.html");
    let running = tree.served(|files| files);
    let mut client = running.client();
    for target in ["/absolute", "/relative", "/folder/in", "/absolute-folder/in"] {
        let reply = client.get(target);
        assert_eq!((reply.status, reply.text()), (200, "inside"), "{target}");
    }
    for target in
        ["/out", "/absolute-out", "/like/secret", "/like/", "/like", "/slash/etc/passwd", "/a/index.html"]
    {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    // Nor does an index, or a list.
    for target in ["/a/", "/b/"] {
        assert_eq!(client.get(target).status, 403, "{target}");
    }
    let listing = once(&tree.served(|files| files.listing(true).index_names([""; 0])), "/", &[]);
    assert!(listing.text().contains("absolute-folder") && !listing.text().contains("absolute-out"));
    assert!(!listing.text().contains("slash") && !listing.text().contains("like"));
}

fn hidden_names(running: &Running) -> Vec<u16> {
    let mut client = running.client();
    ["/.hidden", "/.git/config", "/a/.env", "/.git", "/.git/"]
        .iter()
        .map(|target| client.get(target).status)
        .collect()
}

#[test]
fn hidden_names_are_served_when_asked_for() {
    let tree = tree();
    let running = tree.served(|files| files.listing(true));
    assert_eq!(hidden_names(&running), [404; 5]);
    assert_eq!(once(&running, "/.well-known/acme", &[]).text(), "token");
    let running = tree.served(|files| files.listing(true).hidden_files(true));
    assert_eq!(hidden_names(&running), [200, 200, 200, 302, 200]);
}

#[test]
fn what_is_no_file_is_neither_opened_nor_waited_for() {
    let tree = tree();
    let made = std::process::Command::new("mkfifo").arg(tree.at("fifo")).status().unwrap();
    assert!(made.success());
    drop(std::os::unix::net::UnixListener::bind(tree.at("socket")).unwrap());
    tree.link("/dev/zero", "device");
    // One that is there itself, where one may be made.
    let is_made = std::process::Command::new("mknod").arg(tree.at("zero")).args(["c", "1", "5"]).status();
    if !is_made.is_ok_and(|status| status.success()) {
        skip("a part: no device can be made here");
    }
    tree.link("fifo", "to-fifo");
    let running = tree.served(|files| files.index_names(["fifo"]));
    let mut client = running.client();
    for _ in 0..2 {
        for target in ["/fifo", "/socket", "/device", "/zero", "/to-fifo", "/fifo/", "/zero/x"] {
            assert_eq!(client.get(target).status, 404, "{target}");
        }
        // Behind a file the root is open, and they are looked at in another way.
        assert_eq!(client.get("/a/in").text(), "inside");
    }
    assert_eq!(client.get("/").status, 403);
    // Nobody has opened the pipe: one who would write to it still finds no reader.
    let writing = rustix::fs::open(
        tree.at("fifo"),
        rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK,
        rustix::fs::Mode::empty(),
    );
    assert_eq!(writing.err(), Some(rustix::io::Errno::NXIO));
}
