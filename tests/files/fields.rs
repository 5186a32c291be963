//! What is said about files: types, how long clients keep them, what is saved.

use anthill_http::RequestCtx;
use anthill_tests::server::{Running, plain};

use crate::tree::{Tree, once};

#[test]
fn types_by_option() {
    let tree = Tree::new(&[
        ("a.md", b"# a"),
        ("a.conf", b"a"),
        ("page", b"<!DOCTYPE html>"),
        ("a.thing", b"GIF89a"),
        ("A.HTML", b""),
    ]);
    let kind = |running: &Running, target: &str| {
        once(running, target, &[]).field("Content-Type").unwrap().to_owned()
    };
    let running = tree.served(|files| files);
    for (target, expected) in [
        ("/a.md", "text/markdown; charset=utf-8"),
        ("/a.conf", "text/plain; charset=utf-8"),
        ("/page", "text/html; charset=utf-8"),
        ("/a.thing", "image/gif"),
        ("/A.HTML", "text/html; charset=utf-8"),
    ] {
        assert_eq!(kind(&running, target), expected, "{target}");
    }
    assert_eq!(once(&running, "/page", &[]).field("X-Content-Type-Options"), None);
    let running = tree.served(|files| {
        let files =
            files.media_type("md", "text/x-md").media_type(".thing", "a/thing").charset(Some("iso-8859-1"));
        files.sniff(false).nosniff(true)
    });
    for (target, expected) in [
        ("/a.md", "text/x-md; charset=iso-8859-1"),
        ("/page", "application/octet-stream"),
        ("/a.thing", "a/thing"),
    ] {
        assert_eq!(kind(&running, target), expected, "{target}");
    }
    assert_eq!(once(&running, "/page", &[]).field("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(kind(&tree.served(|files| files.charset(None)), "/a.md"), "text/markdown");
}

#[test]
fn types_by_a_function() {
    let tree = Tree::new(&[
        ("a.one", b"a"),
        ("a.HTML", b"a"),
        ("a.css", b"a"),
        ("a.bad", b"GIF89a"),
        ("bare", b"a"),
    ]);
    let running = tree.served(|files| {
        files.media_type("one", "text/first").sniff(false).media_types_by(|extension| match extension {
            "one" => Some("text/second".to_owned()),
            "HTML" => Some("text/own".to_owned()),
            "bad" => Some("a/b\r\nX-Evil: 1".to_owned()),
            _ => None,
        })
    });
    for (target, expected) in [
        ("/a.one", "text/first; charset=utf-8"),
        ("/a.HTML", "text/own; charset=utf-8"),
        ("/a.css", "text/css; charset=utf-8"),
        ("/a.bad", "application/octet-stream"),
        ("/bare", "application/octet-stream"),
    ] {
        let reply = once(&running, target, &[]);
        assert_eq!((reply.field("Content-Type"), reply.field("X-Evil")), (Some(expected), None), "{target}");
    }
}

#[test]
fn how_long_files_are_kept_by_clients() {
    let tree = Tree::new(&[
        ("index.html", b""),
        ("assets/app.3f2a9c1b.js", b""),
        ("assets/logo.png", b""),
        ("other/logo.png", b""),
    ]);
    let running = tree.served(|files| {
        files
            .cache_control("*.html", "no-cache")
            .cache_control("/assets/*.png", "max-age=60")
            .cache_control("*.png", "max-age=1")
            .immutable_names(true)
    });
    for (target, expected) in [
        ("/index.html", Some("no-cache")),
        ("/", Some("no-cache")),
        ("/assets/app.3f2a9c1b.js", Some("public, max-age=31536000, immutable")),
        ("/assets/logo.png", Some("max-age=60")),
        ("/other/logo.png", Some("max-age=1")),
        ("/missing.png", None),
    ] {
        let reply = once(&running, target, &[]);
        assert_eq!(reply.field("Cache-Control"), expected, "{target}");
        if reply.status == 200 {
            // Who has it is told again for how long (RFC 9110 15.4.5).
            let known =
                once(&running, target, &[&format!("If-None-Match: {}", reply.field("ETag").unwrap())]);
            assert_eq!((known.status, known.field("Cache-Control")), (304, expected));
        }
    }
}

#[test]
fn downloads_have_names() {
    let tree =
        Tree::new(&[("files/r\u{e9}sum\u{e9} \"1\".pdf", b"%PDF-"), ("files/a.txt", b"a"), ("a.txt", b"a")]);
    let running = tree.served(|files| files.attachments("/files/*"));
    let disposition =
        |target: &str| once(&running, target, &[]).field("Content-Disposition").map(str::to_owned);
    assert_eq!(disposition("/files/a.txt").as_deref(), Some("attachment; filename=\"a.txt\""));
    assert_eq!(disposition("/a.txt"), None);
    let long = "attachment; filename=\"r_sum_ _1_.pdf\"; filename*=UTF-8''r%C3%A9sum%C3%A9%20%221%22.pdf";
    assert_eq!(disposition("/files/r%C3%A9sum%C3%A9%20%221%22.pdf").as_deref(), Some(long));

    let path = tree.at("a.txt");
    let running = Running::with(plain(), move |ctx: &mut RequestCtx| {
        ctx.response.set_attachment("invoice 7.txt");
        ctx.send_file(&path);
    });
    let part = once(&running, "/", &["Range: bytes=0-0"]);
    assert_eq!(
        (part.status, part.field("Content-Disposition")),
        (206, Some("attachment; filename=\"invoice 7.txt\""))
    );
}
