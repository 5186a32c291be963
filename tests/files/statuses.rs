//! Content with another status than 200, and errors that are answered in the place of content.

use anthill_http::RequestCtx;
use anthill_http::files::Content;
use anthill_tests::server::{Running, plain};

use crate::tree::{Tree, ask, once};

/// What is asked of the text of a 404 is answered with all of it, and a 404.
#[test]
fn fs_02_a_hook_that_sends_a_file_leaves_its_status() {
    let tree = Tree::new(&[("a", b"a"), ("404.html", b"<p>nothing is here")]);
    let page = tree.at("404.html");
    let running = tree.served(|files| files.not_found(move |ctx: &mut RequestCtx| ctx.send_file(&page)));
    let mut client = running.client();
    let tag = client.get("/404.html").field("ETag").unwrap().to_owned();
    for field in [
        "X: 1",
        "Range: bytes=0-1",
        "Range: bytes=0-1,10-11",
        "Range: bytes=9999-",
        "If-None-Match: *",
        &format!("If-None-Match: {tag}"),
        "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
        "If-Match: \"x\"",
        "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
    ] {
        let reply = ask(&mut client, "GET", "/missing", &[field]);
        assert_eq!((reply.status, reply.text()), (404, "<p>nothing is here"), "{field}");
        assert_eq!(reply.field("Content-Type"), Some("text/html; charset=utf-8"));
        for name in ["ETag", "Last-Modified", "Accept-Ranges", "Content-Range"] {
            assert_eq!(reply.field(name), None, "{field}");
        }
        let head = ask(&mut client, "HEAD", "/missing", &[field]);
        assert_eq!((head.status, head.field("Content-Length")), (404, Some("18")), "{field}");
    }
    // The page by its own name is a file like others.
    assert_eq!(ask(&mut client, "GET", "/404.html", &["Range: bytes=0-1"]).status, 206);
}

#[test]
fn fs_08_errors_keep_what_is_not_about_the_content() {
    let running = Running::with(plain(), |ctx: &mut RequestCtx| {
        let response = &mut ctx.response;
        response.set_header("Access-Control-Allow-Origin", "*");
        response.set_header("Strict-Transport-Security", "max-age=1");
        response.append_header("Vary", "Accept-Encoding");
        for (name, value) in [
            ("Cache-Control", "public, max-age=31536000, immutable"),
            ("Content-Disposition", "attachment"),
            ("Content-Encoding", "x-ours"),
        ] {
            response.set_header(name, value);
        }
        ctx.set_content_type("image/png");
        ctx.serve_content(&Content::from_static(b"0123456789").etag("\"v1\""));
    });
    for (fields, status) in [
        (&["Range: bytes=10-"][..], 416),
        (&["If-Match: \"v2\""], 412),
        (&["If-Match: \"v2\"", "Range: bytes=10-"], 412),
    ] {
        let reply = once(&running, "/", fields);
        assert_eq!(reply.status, status, "{fields:?}");
        assert_eq!(reply.field("Access-Control-Allow-Origin"), Some("*"), "{fields:?}");
        assert_eq!(reply.field("Strict-Transport-Security"), Some("max-age=1"));
        assert_eq!(reply.field("Vary"), Some("Accept-Encoding"));
        assert_eq!(reply.field("Content-Type"), Some("text/plain; charset=utf-8"));
        for name in ["Cache-Control", "Content-Disposition", "Content-Encoding", "ETag", "Accept-Ranges"] {
            assert_eq!(reply.field(name), None, "{fields:?}");
        }
        let range = (status == 416).then_some("bytes */10");
        assert_eq!(reply.field("Content-Range"), range, "{fields:?}");
    }
    assert_eq!(once(&running, "/", &[]).field("Cache-Control"), Some("public, max-age=31536000, immutable"));
}
