//! The example of an API in JSON, as its users use it.

use anthill_tests::client::{Client, Reply};
use anthill_tests::examples::Example;

fn json(method: &str, target: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// The problem that is answered.
#[track_caller]
fn problem(reply: &Reply) -> (u16, serde_json::Value) {
    assert_eq!(reply.field("Content-Type"), Some("application/problem+json"), "{reply:?}");
    let problem: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(problem["status"], reply.status, "{problem}");
    (reply.status, problem)
}

#[test]
fn ants_are_added_found_and_removed_and_every_error_is_json() {
    let api = Example::start("json-api", &[]);
    let mut client = Client::connect(api.address());
    let added = client.exchange(json("POST", "/ants", r#"{"name": "Anna", "legs": 6}"#));
    assert_eq!((added.status, added.field("Location")), (201, Some("/ants/1")));
    assert_eq!(
        (added.field("Content-Type"), added.text()),
        (Some("application/json"), r#"{"name":"Anna","legs":6}"#)
    );
    client.exchange(json("POST", "/ants", r#"{"name": "Bert", "legs": 6}"#));
    let listed = client.get("/ants");
    assert_eq!(listed.text(), r#"{"1":{"name":"Anna","legs":6},"2":{"name":"Bert","legs":6}}"#);
    assert_eq!(client.get("/ants?name=Bert").text(), r#"{"2":{"name":"Bert","legs":6}}"#);
    assert_eq!(client.exchange("DELETE /ants/1 HTTP/1.1\r\nHost: h\r\n\r\n").status, 204);
    assert_eq!(client.get("/ants?name=Anna").text(), "{}");

    let (status, wrong) = problem(&client.exchange(json("POST", "/ants", r#"{"name": "Fly", "legs": 8}"#)));
    assert_eq!((status, wrong["errors"][0]["pointer"].as_str()), (422, Some("#/legs")));
    let (status, wrong) = problem(&client.exchange(json("POST", "/ants", r#"{"name": 7}"#)));
    assert_eq!((status, wrong["errors"][0]["pointer"].as_str()), (422, Some("#/name")));
    assert_eq!(problem(&client.exchange(json("POST", "/ants", "{"))).0, 400);
    assert_eq!(problem(&client.exchange("DELETE /ants/x HTTP/1.1\r\nHost: h\r\n\r\n")).0, 400);
    assert_eq!(problem(&client.exchange("DELETE /ants/1 HTTP/1.1\r\nHost: h\r\n\r\n")).0, 404);
    assert_eq!(problem(&client.get("/none")).0, 404);
    let not_allowed = client.exchange("PUT /ants HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(
        (problem(&not_allowed).0, not_allowed.field("Allow")),
        (405, Some("GET, HEAD, POST, OPTIONS"))
    );
    let refused = client.exchange("GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    assert_eq!(problem(&refused).0, 400);
    api.end();
}
