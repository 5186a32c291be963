//! Assertions: what they let pass, and what they say when they fail.

use crate::{assert_in_order, failure};
use anthill_http::Cookie;
use anthill_http::testing::{SnapshotRules, TestServer};
use serde_json::json;
use std::panic::Location;
use std::sync::{Arc, Mutex};

fn server() -> TestServer {
    TestServer::new(|ctx| match ctx.path() {
        "/json" => ctx.success("application/json", r#"{"name": "ann", "legs": [1, 2]}"#),
        "/moved" => ctx.redirect("/json", 308),
        "/binary" => ctx.success("application/octet-stream", [0, 159, 146, 150]),
        "/long" => ctx.set_body("long ".repeat(100_000)),
        "/login" => {
            ctx.response.set_cookie(&Cookie::new("sid", "hush"));
            ctx.response.set_header("X-Auth-Token", "hush");
            ctx.set_body("welcome");
        }
        "/twice" => {
            ctx.response.append_header("X-Twice", "a");
            ctx.response.append_header("X-Twice", "b");
        }
        "/unchanged" => {
            ctx.response.set_header("Location", "/json");
            ctx.set_status_code(304);
        }
        "/panic" => panic!("no ink left"),
        _ => ctx.not_found(),
    })
}

#[test]
fn what_holds_passes_and_can_be_chained() {
    let server = server();
    server
        .get("/json")
        .send()
        .assert_status(200)
        .assert_success()
        .assert_header("content-type", "application/json")
        .assert_header_contains("Content-Type", "json")
        .assert_no_header("X-Other")
        .assert_body_contains("ann")
        .assert_json(&json!({"legs": [1, 2], "name": "ann"}));
    server.get("/moved").send().assert_redirect_to("/json");
    server.get("/login").send().assert_cookie("sid", "hush").assert_text("welcome").assert_body(b"welcome");
    server.get("/binary").send().assert_body([0, 159, 146, 150]);
    server.head("/json").send().assert_status(200).assert_header("Content-Length", "31").assert_body("");
}

#[test]
fn each_fails_and_shows_the_whole_exchange() {
    let server = server();
    let asked = |path: &str| server.post(path).header("X-Asked", "yes").body("what for?").send();
    let exchange = [
        "> POST /json HTTP/1.1\n",
        "> X-Asked: yes\n",
        "> what for?\n",
        "< HTTP/1.1 200 OK\n",
        "< {\"name\": \"ann\"",
    ];
    type Failing<'a> = Box<dyn Fn() -> u16 + 'a>;
    let fails: [(&str, Failing<'_>); 11] = [
        (
            "expected status 404 (Not Found), found 200 (OK)",
            Box::new(|| asked("/json").assert_status(404).status_code()),
        ),
        (
            "expected the header field X: y, found none",
            Box::new(|| asked("/json").assert_header("X", "y").status_code()),
        ),
        (
            "expected the header field Content-Type: a, found application/json",
            Box::new(|| asked("/json").assert_header("Content-Type", "a").status_code()),
        ),
        (
            "expected a header field Content-Type with \"xml\" in it, found others",
            Box::new(|| asked("/json").assert_header_contains("Content-Type", "xml").status_code()),
        ),
        (
            "expected no header field Content-Type, found application/json",
            Box::new(|| asked("/json").assert_no_header("Content-Type").status_code()),
        ),
        ("- other\n+ {\"name\"", Box::new(|| asked("/json").assert_text("other").status_code())),
        ("they are the same up to byte 1", Box::new(|| asked("/json").assert_body("{x").status_code())),
        (
            "expected a body with \"bob\" in it",
            Box::new(|| asked("/json").assert_body_contains("bob").status_code()),
        ),
        (
            "at $.legs[1]: expected 3, found 2",
            Box::new(|| asked("/json").assert_json(&json!({"legs": [1, 3], "name": "ann"})).status_code()),
        ),
        (
            "expected a redirect to /x, found status 200",
            Box::new(|| asked("/json").assert_redirect_to("/x").status_code()),
        ),
        (
            "expected a cookie sid, found none",
            Box::new(|| asked("/json").assert_cookie("sid", "x").status_code()),
        ),
    ];
    for (expected, fail) in fails {
        let message = failure(fail);
        assert_in_order(&message, &[&[expected][..], &exchange[..]].concat());
    }
    let message = failure(|| asked("/panic").assert_success().status_code());
    assert_in_order(&message, &["found 500", "> POST /panic", "< HTTP/1.1 500", "no ink left"]);
    assert!(message.contains("assertions.rs:"), "the place of the panic is told: {message}");
    let message = failure(|| asked("/moved").assert_redirect_to("/x").status_code());
    assert_in_order(&message, &["expected a redirect to /x, found one to /json", "< Location: /json"]);
    let message = failure(|| asked("/moved").assert_success().status_code());
    assert_in_order(&message, &["expected a success, found 308", "< Location: /json"]);
    let message = failure(|| asked("/unchanged").assert_redirect_to("/json").status_code());
    assert_in_order(&message, &["expected a redirect to /json, found status 304", "< HTTP/1.1 304"]);
    let message = failure(|| asked("/twice").assert_header("X-Twice", "a").status_code());
    assert_in_order(&message, &["expected the header field X-Twice: a, found a and b", "< X-Twice: b"]);
    let message = failure(|| asked("/none").json::<u32>());
    assert_in_order(&message, &["not the JSON of u32", "< HTTP/1.1 404", "< 404 Page not found"]);
}

#[test]
fn the_place_of_a_failure_is_the_callers() {
    let place = Arc::new(Mutex::new(String::new()));
    let noted = place.clone();
    let next = std::panic::take_hook();
    let own = std::thread::current().id();
    // It stays: other tests run meanwhile, of whose panics somebody else wants to know.
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == own {
            *noted.lock().expect("a place") = info.location().map(Location::to_string).unwrap_or_default();
        } else {
            next(info);
        }
    }));
    let server = server();
    let _ = failure(|| server.get("/json").send().assert_status(1).status_code());
    let line = line!() - 1;
    let place = place.lock().expect("a place").clone();
    assert!(place.contains(&format!("assertions.rs:{line}:")), "{place}, not line {line}");
}

#[test]
fn secrets_are_in_no_message_unless_somebody_wants_them() {
    let server = server();
    let client = server.client().bearer_auth("hush").header("Cookie", "a=hush");
    let message = failure(|| client.get("/login").send().assert_status(1).status_code());
    assert!(!message.contains("hush"), "{message}");
    assert_in_order(&message, &["> Authorization: Bearer ***", "> Cookie: a=***"]);
    assert_in_order(&message, &["< X-Auth-Token: ***"]);
    assert_in_order(&message, &["< Set-Cookie: sid=***"]);
    let message = failure(|| client.get("/login").send().assert_cookie("sid", "other").status_code());
    assert!(!message.contains("hush"), "{message}");
    let message =
        failure(|| client.get("/login").send().assert_header("X-Auth-Token", "other").status_code());
    assert!(!message.contains("hush"), "{message}");
    assert!(!format!("{client:?} {:?}", client.get("/").header("X", "hush")).contains("hush"));
    let shows = client.show_secrets(true);
    let message = failure(|| shows.get("/login").send().assert_status(1).status_code());
    assert_in_order(&message, &["> Authorization: Bearer hush", "> Cookie: a=hush"]);
}

#[test]
fn messages_are_bounded_whatever_bodies_are() {
    let server = server();
    let message = failure(|| server.get("/long").send().assert_status(1).status_code());
    assert!(message.len() < 10_000 && message.contains("... (500000 bytes in all)"), "{}", message.len());
    let message = failure(|| server.get("/long").send().assert_text("short").status_code());
    assert!(message.len() < 10_000, "{}", message.len());
    let message = failure(|| server.get("/binary").send().assert_status(1).status_code());
    assert_in_order(&message, &["< 000000  00 9f 92 96", "(4 bytes, which are no text)"]);
}

#[test]
fn what_cannot_be_sent_is_said() {
    let server = server();
    for (message, wanted) in [
        (failure(|| server.get("no path").send()), "invalid request target"),
        (failure(|| server.request("B D", "/").send()), "invalid method"),
        (failure(|| server.get("/").header("a b", "c").send()), "\"a b\" has an invalid name"),
        (failure(|| server.get("/").header("a", "b\r\nc: d").send()), "control characters"),
        (failure(|| server.get("/").basic_auth("a:b", "c").send()), "a colon"),
        (failure(|| server.get("/").bearer_auth("a b").send()), "a bearer token"),
        (failure(|| server.get("/").host("a b").send()), "invalid host"),
        (failure(|| server.get("/").json(&std::collections::BTreeMap::from([((), ())])).send()), "no JSON"),
    ] {
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
    assert!(server.get("no path").try_send().is_err());
}

#[test]
fn snapshots_are_the_same_each_time() {
    let server = TestServer::new(|ctx| {
        let number = ctx.conn_request_num();
        let mut cookie = Cookie::new("sid", format!("{number}-{:x}", ctx.id()));
        cookie.set_expires(ctx.time());
        ctx.response.set_cookie(&cookie);
        let id = format!("id-{:016x}", ctx.id());
        ctx.response.set_header("X-Request-Id", &id);
        ctx.response.set_header("X-Number", number.to_string());
        ctx.set_body(format!("request {id}\r\nnumber {number}"));
    });
    let rules =
        SnapshotRules::new().hide("X-Number").replace("number 1", "number N").replace("number 2", "number N");
    let first = server.get("/").send().snapshot_by(&rules);
    server.clock().advance(std::time::Duration::from_secs(5));
    assert_eq!(server.get("/").send().snapshot_by(&rules), first);
    server.get("/").send().assert_snapshot_inline_by(
        &rules.replace("number 3", "number N"),
        "
            HTTP/1.1 200 OK
            content-length: 37
            content-type: text/plain; charset=utf-8
            date: [date]
            server: anthill
            set-cookie: sid=[value]; expires=[date]
            x-number: [x-number]
            x-request-id: [id]

            request [id]
            number N
        ",
    );
    let binary = TestServer::new(|ctx| ctx.set_body([0, 1, 2])).get("/").send().snapshot();
    assert!(binary.contains("\n\n[3 bytes, crc32c ") && binary.ends_with("]\n"), "{binary}");
    let parts = TestServer::new(|ctx| {
        ctx.success("multipart/mixed; boundary=x7x7", "--x7x7\r\n\r\na\r\n--x7x7--\r\n")
    });
    let parts = parts.get("/").send().snapshot();
    assert!(
        parts.contains("boundary=[boundary]") && parts.ends_with("\n--[boundary]\n\na\n--[boundary]--\n"),
        "{parts}"
    );
}

#[test]
fn a_snapshot_that_is_another_one_says_how_to_write_it() {
    let server = server();
    let message =
        failure(|| server.get("/json").send().assert_snapshot_inline("HTTP/1.1 200 OK").status_code());
    assert_in_order(
        &message,
        &["- expected, + found", "+ content-length: 31", "put this in the place of the text", "HTTP"],
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("below").join("json.txt");
    let message = failure(|| server.get("/json").send().assert_snapshot(&path).status_code());
    assert_in_order(&message, &["there is no snapshot", "ANTHILL_SNAPSHOTS=write", "> GET /json"]);
    std::fs::create_dir(folder.path().join("below")).expect("a folder");
    let kept = server.get("/json").send().snapshot();
    std::fs::write(&path, kept.replace('\n', "\r\n")).expect("a file");
    server.get("/json").send().assert_snapshot(&path);
    std::fs::write(&path, kept.replace("ann", "bob")).expect("a file");
    let message = failure(|| server.get("/json").send().assert_snapshot(&path).status_code());
    assert_in_order(&message, &["- {\"name\": \"bob\"", "+ {\"name\": \"ann\"", "ANTHILL_SNAPSHOTS=write"]);
    assert_eq!(
        std::fs::read_to_string(&path).expect("a file"),
        kept.replace("ann", "bob"),
        "nothing was written"
    );
}

/// In a process of its own, because it is about the environment.
#[test]
fn snapshots_are_written_when_the_environment_says_so() {
    const FOLDER: &str = "ANTHILL_TESTS_SNAPSHOTS_IN";
    if let Some(folder) = std::env::var_os(FOLDER) {
        server().get("/json").send().assert_snapshot(std::path::Path::new(&folder).join("a/b.txt"));
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let program = std::env::current_exe().expect("this program");
    let run = |writes: bool| {
        let mut command = std::process::Command::new(&program);
        command.args(["--exact", "assertions::snapshots_are_written_when_the_environment_says_so"]);
        command.env(FOLDER, folder.path()).env_remove("ANTHILL_SNAPSHOTS");
        if writes {
            command.env("ANTHILL_SNAPSHOTS", "write");
        }
        command.output().expect("it runs").status.success()
    };
    assert!(!run(false), "there is none");
    assert!(run(true), "it is written");
    assert!(run(false), "it is there");
    let written = std::fs::read_to_string(folder.path().join("a/b.txt")).expect("a file");
    assert_eq!(written, server().get("/json").send().snapshot());
}
