//! The example of compressed JSON, and the testbed's route.

use std::io::Read;

use anthill_tests::client::{Client, Reply};
use anthill_tests::examples::Example;
use flate2::read::GzDecoder;

fn asked(client: &mut Client, target: &str, lines: &str) -> Reply {
    client.exchange(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{lines}\r\n"))
}

fn unpacked(reply: &Reply) -> String {
    let mut text = String::new();
    GzDecoder::new(&reply.body[..]).read_to_string(&mut text).expect("gzip");
    text
}

#[test]
fn compressed_json_is_small_and_the_same() {
    let json = Example::start("compressed-json", &[]);
    let mut client = Client::connect(json.address());
    let plain = asked(&mut client, "/cities", "");
    let packed = asked(&mut client, "/cities", "Accept-Encoding: gzip\r\n");
    assert_eq!((packed.status, packed.field("Content-Encoding")), (200, Some("gzip")));
    assert!(packed.body.len() * 5 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
    assert_eq!(unpacked(&packed), plain.text());
    assert_eq!((plain.field("ETag"), packed.field("ETag")), (Some("\"cities-1\""), Some("W/\"cities-1\"")));

    let feed = asked(&mut client, "/feed", "Accept-Encoding: gzip\r\n");
    assert_eq!(feed.field("Content-Encoding"), Some("gzip"));
    assert_eq!(unpacked(&feed).lines().last(), Some("{\"number\":5}"));

    let form = asked(&mut client, "/form?said=x", "Accept-Encoding: gzip\r\n");
    assert_eq!(form.field("Content-Encoding"), None);
    assert!(form.text().contains("\"said\":\"x\""));
    assert_eq!(asked(&mut client, "/other", "Accept-Encoding: gzip\r\n").status, 404);
    json.end();
}

#[test]
fn the_testbed_compresses_what_is_asked_for() {
    let testbed = Example::launch("testbed", &["--addr", "127.0.0.1:0"], &[]).listening();
    let mut client = Client::connect(testbed.address());
    let line = "The quick brown fox jumps over the lazy dog. 0123456789\n";
    let plain = asked(&mut client, "/gzip", "");
    assert_eq!((plain.body.len(), plain.field("Vary")), (10_000, Some("Accept-Encoding")));
    assert!(plain.text().starts_with(line));
    let packed =
        asked(&mut client, "/gzip?n=500&etag=%22a%22&vary=Origin&type=text/css", "Accept-Encoding: gzip\r\n");
    assert_eq!(unpacked(&packed), line.repeat(9)[..500]);
    assert_eq!(
        (packed.field("ETag"), packed.field("Vary")),
        (Some("W/\"a\""), Some("Origin, Accept-Encoding"))
    );
    for query in
        ["ce=x-own", "cc=no-transform", "cr=bytes%200-9999/20000", "status=206", "type=image/png", "n=199"]
    {
        let found = asked(&mut client, &format!("/gzip?{query}"), "Accept-Encoding: gzip\r\n");
        assert_ne!(found.field("Content-Encoding"), Some("gzip"), "{query}");
        assert!(found.text().starts_with(line), "{query}");
    }
    let stream = asked(&mut client, "/gzip?n=60&stream=3&ms=1", "Accept-Encoding: gzip\r\n");
    assert_eq!(unpacked(&stream), format!("{line}The ").repeat(3));
    testbed.end();
}
