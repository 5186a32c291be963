//! The example of routes: tasks.

use anthill_tests::client::{Client, post};
use anthill_tests::examples::Example;

#[test]
fn tasks_are_added_and_shown() {
    let example = Example::start("router", &[]);
    let mut client = Client::connect(example.address());
    for (text, url) in [("buy milk", "/tasks/1"), ("drink it", "/tasks/2")] {
        let added = client.exchange(post("/tasks", text));
        assert_eq!((added.status, added.field("Location")), (303, Some(url)));
        assert_eq!(client.get(url).text(), text);
    }
    let moved = client.get("/tasks/1/");
    assert_eq!((moved.status, moved.field("Location")), (308, Some("/tasks/1")));
    assert_eq!((client.get("/tasks/3").status, client.get("/tasks/three").status), (404, 400));
    let refused = client.exchange("PUT /tasks/1 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((refused.status, refused.field("Allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert_eq!(client.get("/admin/count").status, 401);
    let counted =
        client.exchange("GET /admin/count HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ants\r\n\r\n");
    assert_eq!(counted.text(), "2");
    let mut large = Client::connect(example.address());
    assert_eq!(large.exchange(post("/tasks", &"x".repeat(1025))).status, 413);
    example.end();
}
