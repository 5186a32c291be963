//! A small file that is open already is served without an allocation.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anthill_http::Handler;
use anthill_http::files::Files;

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
