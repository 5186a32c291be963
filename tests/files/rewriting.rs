//! Paths that are looked for instead of others.

use anthill_tests::client::Client;

use crate::tree::{Tree, ask, once};

fn with_host(client: &mut Client, target: &str, host: &str) -> (u16, String) {
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let reply = client.response();
    (reply.status, String::from_utf8_lossy(&reply.body).into_owned())
}

#[test]
fn fs_13_hosts_have_folders() {
    let tree = Tree::new(&[
        ("example.org/a", b"org"),
        ("example.com/a", b"com"),
        ("[::1]/a", b"six"),
        ("invalid-host/a", b"nobody"),
        ("secret", b"secret"),
    ]);
    let running = tree.served(|files| files.virtual_hosts(0));
    let mut client = running.client();
    for (host, expected) in [
        ("example.org", "org"),
        ("EXAMPLE.ORG:8080", "org"),
        ("example.org.", "org"),
        ("example.com", "com"),
        ("[::1]:80", "six"),
        ("..", "nobody"),
        (".", "nobody"),
        (".git", "nobody"),
    ] {
        assert_eq!(with_host(&mut client, "/a", host), (200, expected.to_owned()), "{host}");
    }
    assert_eq!(with_host(&mut client, "/a", "elsewhere").0, 404);
    assert_eq!(with_host(&mut client, "/../secret", "example.org").0, 404);
    // Where the folder is, not where the file is, is where it leads.
    client.send("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert_eq!(client.response().status, 403);
    let running = tree.served(|files| files.virtual_hosts(1));
    assert_eq!(with_host(&mut running.client(), "/static/a", "example.org"), (200, "org".to_owned()));
}

#[test]
fn fs_13_names_at_the_front_are_left_out() {
    let tree = Tree::new(&[("c", b"c"), ("b/c", b"bc"), ("index.html", b"index"), ("d/index.html", b"d")]);
    for (count, target, status, text) in [
        (0, "/c", 200, "c"),
        (1, "/a/c", 200, "c"),
        (1, "/a/b/c", 200, "bc"),
        (2, "/a/b/c", 200, "c"),
        (1, "/a/", 200, "index"),
        (1, "/", 200, "index"),
        (3, "/a/", 200, "index"),
        (1, "/c", 302, ""),
        (1, "/a/b/../c", 200, "c"),
        (1, "/a//c", 200, "c"),
        (1, "/../a/c", 200, "c"),
        (1, "/a/x", 404, "Cannot open requested path"),
    ] {
        let reply = once(&tree.served(|files| files.strip_segments(count)), target, &[]);
        assert_eq!((reply.status, reply.text()), (status, text), "{count} {target}");
    }
    let running = tree.served(|files| files.strip_segments(1));
    // One server, whichever comes first.
    let mut client = running.client();
    for (target, status) in
        [("/", 200), ("/c", 302), ("/", 200), ("/a/", 200), ("/a", 302), ("/a/d/", 200), ("/a/d", 302)]
    {
        assert_eq!(client.get(target).status, status, "{target}");
    }
    let reply = once(&running, "/a/d?x", &[]);
    assert_eq!((reply.status, reply.field("Location")), (302, Some("/a/d/?x")));
    assert_eq!(once(&running, "/a", &[]).field("Location"), Some("/a/"));
}

#[test]
fn fs_13_a_prefix_is_left_out() {
    let tree = Tree::new(&[("c", b"c"), ("index.html", b"index"), ("ky/c", b"ky")]);
    let running = tree.served(|files| files.strip_prefix("/static"));
    let mut client = running.client();
    for (target, status, text) in [
        ("/static/c", 200, "c"),
        ("/static/", 200, "index"),
        ("/%73tatic/c", 200, "c"),
        ("/c", 404, "Cannot open requested path"),
        ("/staticky/c", 404, "Cannot open requested path"),
        ("/x/static/c", 404, "Cannot open requested path"),
        ("/static/../c", 404, "Cannot open requested path"),
    ] {
        let reply = ask(&mut client, "GET", target, &[]);
        assert_eq!((reply.status, reply.text()), (status, text), "{target}");
    }
    assert_eq!(client.get("/static").field("Location"), Some("/static/"));
}

/// The same whether the index is kept already or not.
#[test]
fn fs_13_a_folder_without_its_slash_is_redirected_though_its_index_is_kept() {
    let tree = Tree::new(&[("docs/index.html", b"docs"), ("f", b"f")]);
    let running = tree.served(|files| {
        files
            .path_rewrite(|ctx| format!("{}/", ctx.path().trim_end_matches('/')))
            .cache_duration(std::time::Duration::from_secs(3600))
    });
    let mut client = running.client();
    for _ in 0..2 {
        let reply = client.get("/docs");
        assert_eq!((reply.status, reply.field("Location")), (302, Some("/docs/")));
        assert_eq!(client.get("/docs/").text(), "docs");
        assert_eq!(client.get("/f").status, 404);
    }
}
