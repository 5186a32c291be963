//! Compressed copies that lie beside files.

use std::time::Duration;

use anthill_http::files::FileTags;
use anthill_tests::client::Reply;

use crate::tree::{Tree, ask, once};

/// A file and its copies, of which only the names have anything to do with compression.
fn tree() -> Tree {
    let tree = Tree::new(&[
        ("a.css", b"plain content"),
        ("a.css.gz", b"gzipped"),
        ("a.css.br", b"brotli!"),
        ("a.css.zst", b"zstandard"),
        ("b.css", b"plain"),
        ("b.css.gz", b"b gzipped"),
    ]);
    for path in ["a.css", "a.css.gz", "a.css.br", "a.css.zst"] {
        tree.age(path, Duration::from_secs(100));
    }
    tree
}

fn coding(reply: &Reply) -> (&str, Option<&str>) {
    assert_eq!(reply.status, 200);
    assert_eq!(reply.field("Content-Type"), Some("text/css; charset=utf-8"));
    assert_eq!(reply.field("Vary"), Some("Accept-Encoding"));
    (reply.text(), reply.field("Content-Encoding"))
}

#[test]
fn copies_are_sent_to_clients_that_take_them() {
    let tree = tree();
    let running = tree.served(|files| files.compressed_copies());
    let mut client = running.client();
    for (accepted, body, expected) in [
        ("gzip, deflate, br, zstd", "brotli!", Some("br")),
        ("gzip, zstd", "zstandard", Some("zstd")),
        ("gzip", "gzipped", Some("gzip")),
        ("x-gzip", "gzipped", Some("gzip")),
        ("GZIP;q=1, br;q=0.5", "gzipped", Some("gzip")),
        ("br;q=0, *", "zstandard", Some("zstd")),
        ("*", "brotli!", Some("br")),
        ("gzip;q=0", "plain content", None),
        ("identity, gzip;q=0.1", "plain content", None),
        ("deflate", "plain content", None),
        ("identity;q=0", "plain content", None),
        ("", "plain content", None),
    ] {
        let reply = ask(&mut client, "GET", "/a.css", &[&format!("Accept-Encoding: {accepted}")]);
        assert_eq!(coding(&reply), (body, expected), "{accepted:?}");
    }
    assert_eq!(coding(&client.get("/a.css")), ("plain content", None));
    let lines = ask(&mut client, "GET", "/a.css", &["Accept-Encoding: br;q=0", "Accept-Encoding: gzip"]);
    assert_eq!(coding(&lines), ("gzipped", Some("gzip")));
    let one = ask(&mut client, "GET", "/b.css", &["Accept-Encoding: br, gzip"]);
    assert_eq!(coding(&one), ("b gzipped", Some("gzip")));
    // A copy by its own name is a file like others, and one without copies is not negotiated.
    let own = ask(&mut client, "GET", "/a.css.gz", &["Accept-Encoding: gzip"]);
    assert_eq!(
        (own.field("Content-Type"), own.field("Content-Encoding"), own.field("Vary")),
        (Some("application/gzip"), None, None)
    );
    // Without the option they are not looked for.
    let reply = once(&tree.served(|files| files), "/a.css", &["Accept-Encoding: br, gzip"]);
    assert_eq!(
        (reply.text(), reply.field("Content-Encoding"), reply.field("Vary")),
        ("plain content", None, None)
    );
}

#[test]
fn copies_have_tags_and_ranges_of_their_own() {
    let tree = tree();
    let running = tree.served(|files| files.compressed_copies());
    let mut client = running.client();
    let tag = |reply: &Reply| reply.field("ETag").unwrap().to_owned();
    let plain = client.get("/a.css");
    let mut tags = vec![tag(&plain)];
    for (accepted, last) in [("br", "-br\""), ("zstd", "-zstd\""), ("gzip", "-gzip\"")] {
        let accept = format!("Accept-Encoding: {accepted}");
        let reply = ask(&mut client, "GET", "/a.css", &[&accept]);
        let own = tag(&reply);
        assert!(own.ends_with(last) && !tags.contains(&own), "{own}");
        assert_eq!(reply.field("Last-Modified"), plain.field("Last-Modified"));
        let known = ask(&mut client, "GET", "/a.css", &[&accept, &format!("If-None-Match: {own}")]);
        assert_eq!((known.status, known.field("Vary")), (304, Some("Accept-Encoding")));
        assert_eq!((known.field("ETag"), known.field("Content-Encoding")), (Some(&*own), None));
        // The other one's tag is not this one's.
        let other = ask(&mut client, "GET", "/a.css", &[&accept, &format!("If-None-Match: {}", tags[0])]);
        assert_eq!(other.status, 200);
        let part = ask(&mut client, "GET", "/a.css", &[&accept, "Range: bytes=1-3"]);
        assert_eq!((part.status, part.field("Content-Encoding")), (206, Some(accepted)));
        assert_eq!(part.body, reply.body[1..4]);
        let length = reply.body.len();
        assert_eq!(part.field("Content-Range").unwrap(), format!("bytes 1-3/{length}"));
        let mixed = format!("If-Range: {}", tags[0]);
        assert_eq!(ask(&mut client, "GET", "/a.css", &[&accept, "Range: bytes=1-3", &mixed]).status, 200);
        let head = ask(&mut client, "HEAD", "/a.css", &[&accept]);
        assert_eq!(head.field("Content-Length").unwrap(), length.to_string());
        tags.push(own);
    }
}

#[test]
fn copies_that_are_older_are_left_alone() {
    let tree = tree();
    tree.age("a.css.br", Duration::from_secs(102));
    tree.age("a.css.zst", Duration::from_millis(100_500));
    let running = tree.served(|files| files.compressed_copies());
    let accept = "Accept-Encoding: br, zstd;q=0.9, gzip;q=0.8";
    // Half a second is within what tools cut off.
    assert_eq!(coding(&once(&running, "/a.css", &[accept])), ("zstandard", Some("zstd")));
    tree.write("a.css", "newer content");
    let newer = once(&running, "/a.css", &[accept]);
    assert_eq!((newer.text(), newer.field("Content-Encoding")), ("newer content", None));
}

#[test]
fn copies_outside_are_not_followed() {
    let tree = Tree::new(&[("a.css", b"plain"), ("b.css", b"plain")]);
    std::fs::write(tree.outside().join("secret"), "secret").unwrap();
    tree.link("../secret", "a.css.br");
    tree.link(tree.outside().join("secret"), "a.css.gz");
    std::process::Command::new("mkfifo").arg(tree.at("b.css.gz")).status().unwrap();
    std::fs::create_dir(tree.at("b.css.br")).unwrap();
    let running = tree.served(|files| files.compressed_copies());
    for target in ["/a.css", "/b.css"] {
        let reply = once(&running, target, &["Accept-Encoding: br, gzip"]);
        assert_eq!(
            (reply.status, reply.text(), reply.field("Content-Encoding")),
            (200, "plain", None),
            "{target}"
        );
    }
}

#[test]
fn copies_may_lie_elsewhere_under_names_of_their_own() {
    let tree = Tree::new(&[("d/a.css", b"plain")]);
    let copies =
        Tree::new(&[("d/a.css.packed", b"gzipped"), ("d/a.css.gz", b"not this"), ("d/only.css.packed", b"")]);
    let running = tree.served(|files| files.copy_suffix("gzip", ".packed").copies_in(copies.root()));
    assert_eq!(coding(&once(&running, "/d/a.css", &["Accept-Encoding: gzip"])), ("gzipped", Some("gzip")));
    assert_eq!(once(&running, "/d/a.css.packed", &[]).status, 404);
    assert_eq!(once(&running, "/d/only.css", &["Accept-Encoding: gzip"]).status, 404);
}

#[test]
fn copies_that_come_and_go_are_seen() {
    let tree = tree();
    let running = tree.served(|files| files.compressed_copies().cache_duration(Duration::from_millis(50)));
    let accept = &["Accept-Encoding: br"][..];
    assert_eq!(coding(&once(&running, "/a.css", accept)).1, Some("br"));
    std::fs::remove_file(tree.at("a.css.br")).unwrap();
    // What is deleted is missed at once.
    assert_eq!(coding(&once(&running, "/a.css", accept)), ("plain content", None));
    tree.write("a.css.br", "new copy");
    anthill_tests::eventually("the new copy is sent", || {
        once(&running, "/a.css", accept).text() == "new copy"
    });
}

/// All of them have the same date, so a date does not say of which of them a client has a part.
#[test]
fn parts_of_different_copies_are_not_put_together_by_date() {
    for tags in [FileTags::Strong, FileTags::Weak, FileTags::None] {
        let tree = tree();
        let running = tree.served(|files| files.compressed_copies().etag(tags));
        let mut client = running.client();
        let date = client.get("/a.css").field("Last-Modified").unwrap().to_owned();
        let fields = ["Range: bytes=1-3", &format!("If-Range: {date}")];
        for accepted in ["br", "zstd", "gzip", "identity"] {
            let accept = format!("Accept-Encoding: {accepted}");
            let reply = ask(&mut client, "GET", "/a.css", &[&accept, fields[0], fields[1]]);
            assert_eq!(reply.status, 200, "{accepted} {tags:?}");
            // Who wants a part of whatever there is gets it.
            assert_eq!(ask(&mut client, "GET", "/a.css", &[&accept, fields[0]]).status, 206);
        }
        // Nor when what the client has a part of is not there any more.
        for copy in ["a.css.br", "a.css.zst", "a.css.gz"] {
            std::fs::remove_file(tree.at(copy)).unwrap();
        }
        assert_eq!(ask(&mut client, "GET", "/a.css", &fields).status, 200, "{tags:?}");
        // Without copies a date tells.
        let running = tree.served(|files| files.etag(tags));
        assert_eq!(ask(&mut running.client(), "GET", "/a.css", &fields).status, 206, "{tags:?}");
    }
}
