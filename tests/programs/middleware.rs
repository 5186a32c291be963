//! The example of what is put around handlers.

use anthill_tests::client::Client;
use anthill_tests::examples::Example;

#[test]
fn pages_and_the_interface_have_what_is_around_them() {
    let example = Example::start("middleware", &[]);
    let mut client = Client::connect(example.address());
    let page = client.get("/");
    assert_eq!((page.text(), page.field("X-Frame-Options")), ("<h1>Hello</h1>", Some("SAMEORIGIN")));
    let tag = page.field("ETag").expect("a tag");
    let same = client.exchange(format!("GET / HTTP/1.1\r\nHost: h\r\nIf-None-Match: {tag}\r\n\r\n"));
    assert_eq!(same.status, 304);
    assert_eq!(client.get("/none").status, 404);
    let failed = client.exchange("GET /api/fail HTTP/1.1\r\nHost: h\r\nOrigin: https://app.example\r\n\r\n");
    let id = failed.field("X-Request-Id").expect("an id").to_owned();
    assert_eq!(failed.text(), format!("{{\"status\":500,\"request\":\"{id}\"}}"));
    assert_eq!(failed.field("Access-Control-Allow-Origin"), Some("https://app.example"));
    assert_eq!(client.get("/api/none").field("Content-Type"), Some("application/json"));
    let statuses: Vec<u16> = (0..9).map(|_| client.get("/api/report").status).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 200, 429], "two of ten were used before");
    let refused = client.exchange("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(refused.status, 400);
    assert!(refused.field("X-Request-Id").is_some() && refused.field("X-Frame-Options").is_some());
    let log = example.end();
    assert!(log.contains(&format!("\"request_id\":\"{id}\"")), "{log}");
}
