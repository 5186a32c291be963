//! A small file that is open already is served without an allocation.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anthill_http::files::Files;
use anthill_http::{Handler, Request, RequestCtx};
use anthill_tests::eventually;

use crate::Meter;
use crate::http::assert_no_allocations;

#[test]
fn no_allocation_per_small_file_that_is_open() {
    static METER: Meter = AtomicUsize::new(0);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    std::fs::write(folder.path().join("assets/page.html"), "x".repeat(1024)).unwrap();
    std::fs::write(folder.path().join("assets/page.html.gz"), "y".repeat(1000)).unwrap();
    // What has changed within a tick of the clock is not kept open.
    std::thread::sleep(Duration::from_millis(40));
    let files = Files::builder(folder.path())
        .strip_prefix("/static")
        .cache_control("*.html", "no-cache")
        .nosniff(true)
        .compressed_copies()
        .cache_duration(Duration::from_secs(3600))
        .build()
        .unwrap();
    let request = "GET /static/assets/page.html HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip, br\r\n\
                   If-None-Match: \"another\"\r\n\r\n";
    assert_no_allocations(&METER, request, 1, move |ctx| files.handle(ctx));
}

/// Also where copies are made: of one that is there, and for a client whose copy cannot be had for now.
#[test]
fn fs_09_no_allocation_per_small_file_with_copies_that_are_made() {
    static THERE: Meter = AtomicUsize::new(0);
    static WAITING: Meter = AtomicUsize::new(0);
    for (meter, codings, is_there) in [(&THERE, "gzip", true), (&WAITING, "br", false)] {
        let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("page.html"), "x".repeat(1024)).unwrap();
        let put_in = copies.path().join("root");
        std::fs::create_dir(&put_in).unwrap();
        std::thread::sleep(Duration::from_millis(40));
        let files = Files::builder(folder.path())
            .compress(1)
            .compress_root(&put_in)
            .compress_min_age(Duration::ZERO)
            .cache_duration(Duration::from_secs(3600))
            .build()
            .unwrap();
        if !is_there {
            // Nowhere to put it: what cannot be made is asked for again and again.
            std::fs::remove_dir(&put_in).unwrap();
        }
        let answer = || {
            let mut request = Request::new("GET", "/page.html").unwrap();
            request.set_header("Accept-Encoding", codings);
            let mut ctx = RequestCtx::for_request(request, None);
            files.handle(&mut ctx);
            ctx.response.content_encoding_str().map(str::to_owned)
        };
        if is_there {
            eventually("the copy is there", || answer().as_deref() == Some(codings));
        }
        let request: &'static str = match is_there {
            true => "GET /page.html HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n\r\n",
            false => "GET /page.html HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br\r\n\r\n",
        };
        assert_no_allocations(meter, request, 1, move |ctx| files.handle(ctx));
    }
}
