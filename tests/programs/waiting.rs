//! Examples of handlers that wait: for something that may hang, and for a database.

use std::fs;

use anthill_tests::client::{Client, get, post};
use anthill_tests::examples::Example;

#[test]
fn timeout_answers_in_time_and_does_not_wait_at_its_end() {
    let timeout = Example::start("timeout", &[]);
    let mut client = Client::connect(timeout.address());
    // On the same connection, which goes on.
    let late = client.get("/hangs");
    assert_eq!((late.status, late.text()), (503, "try again later\n"));
    assert_eq!(client.get("/").text(), "at once\n");
    assert_eq!(client.get("/report?parts=3").text(), "a report of 3 parts\n");
    let given_up = client.get("/report?parts=300");
    assert_eq!(given_up.status, 503);
    assert!(given_up.text().starts_with("no time for more than "), "{given_up:?}");

    // Its handler would still run for seconds.
    let mut hanging = Client::connect(timeout.address());
    hanging.send(get("/hangs"));
    assert_eq!(hanging.response().status, 503);
    timeout.end();
}

#[test]
fn state_is_kept_in_the_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("notes.db");
    let variables = [("DATABASE", database.to_str().expect("text"))];
    let state = Example::start("state", &variables);
    let mut client = Client::connect(state.address());
    let created = client.exchange(post("/notes", "buy milk"));
    assert_eq!((created.status, created.field("Location")), (303, Some("/notes/1")));
    assert_eq!(client.get("/notes/1").text(), "buy milk");
    // Many at once: each has its number.
    let mut clients: Vec<_> = (0..8).map(|_| Client::connect(state.address())).collect();
    clients.iter_mut().for_each(|client| client.send(post("/notes", "no'; DROP TABLE notes; --")));
    let mut places: Vec<_> = clients
        .iter_mut()
        .map(|client| client.response().field("Location").expect("a place").to_owned())
        .collect();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), 8);
    for target in ["/notes/99", "/notes/x", "/elsewhere", "/notes/"] {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
    assert_eq!(
        client.exchange(&b"POST /notes HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n\xff"[..]).status,
        400
    );
    state.end();

    let again = Example::start("state", &variables);
    let listed = Client::connect(again.address()).get("/notes");
    assert_eq!(listed.text().lines().count(), 9);
    assert!(listed.text().starts_with("1: buy milk\n2: no'; DROP TABLE notes; --\n"), "{listed:?}");
    again.end();

    fs::write(&database, "no database").expect("a file");
    let refused = Example::launch("state", &[], &variables).outcome();
    assert_eq!((refused.code, &*refused.stderr), (Some(1), "state: file is not a database\n"), "{refused:?}");
}
