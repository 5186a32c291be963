//! The example of errors in the application's form.

use anthill_tests::client::{Client, Reply};
use anthill_tests::examples::Example;

fn page(status: u16, message: &str) -> String {
    format!("<!doctype html><title>{status}</title><h1>Sorry ({status})</h1><p>{message}\n")
}

#[track_caller]
fn assert_page(reply: &Reply, status: u16, message: &str) {
    assert_eq!((reply.status, reply.text()), (status, &*page(status, message)));
    assert_eq!(reply.field("Content-Type"), Some("text/html; charset=utf-8"));
}

#[test]
fn error_pages_are_the_applications_whoever_finds_the_error() {
    let pages = Example::start("error-pages", &[]);
    let mut client = Client::connect(pages.address());
    let fine = client.get("/");
    assert_eq!((fine.status, fine.text()), (200, "all is well\n"));
    // On one connection: errors of handlers do not end it.
    assert_page(&client.get("/missing"), 404, "There is no /missing here");
    assert_page(&client.get("/%3Cb%3E&amp;"), 404, "There is no /&lt;b&gt;&amp;amp; here");
    assert_page(&client.get("/teapot"), 418, "I am &lt;short&gt; and stout");
    assert_page(&client.get("/panic"), 500, "This is our fault. We have been told of it.");
    assert_eq!(client.get("/").status, 200);
    let refused = client.exchange("GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    assert_page(&refused, 400, "invalid host.");
    client.expect_end();
    let mut client = Client::connect(pages.address());
    let large = client.exchange(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(20_000)));
    assert_eq!((large.status, large.field("Content-Type")), (431, Some("text/html; charset=utf-8")));
    pages.end();
}
