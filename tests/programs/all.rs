//! What holds for every example.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::{env, fs};

use anthill_tests::client::Client;
use anthill_tests::examples::Example;

/// Those that listen at `ADDRESS`.
const LISTENING: [&str; 25] = [
    "access-log",
    "axum-inside",
    "basic-auth",
    "behind-proxy",
    "compressed-json",
    "downloads",
    "embedded",
    "error-pages",
    "events",
    "graceful",
    "hello",
    "hijack",
    "json-api",
    "metrics",
    "middleware",
    "proxy",
    "router",
    "sessions",
    "spa",
    "static-site",
    "timeout",
    "tower-outside",
    "uploads",
    "websocket-chat",
    "websocket-echo",
];
/// Those that do not, because they are clients or for another reason, or write a file besides, or are given their
/// sockets or certificates, the two that outside suites drive, and the one with tests in it, which is compiled for them
/// alone (`tests/testing` runs them).
const OTHERS: [&str; 17] = [
    "client-certificate",
    "clientbed",
    "download",
    "get",
    "https",
    "https-reload",
    "parallel-fetch",
    "post-json",
    "retry",
    "secure-echo",
    "state",
    "systemd-socket",
    "testbed",
    "tested-app",
    "todo",
    "unix-socket",
    "upload",
];
/// Those for outside suites; what they have to do is as long as it is.
const BEDS: [&str; 2] = ["clientbed", "testbed"];

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is in the folder of examples: its name, where it is there, and what it says. One that has a folder to itself is
/// a whole service, and as long as it is.
fn examples() -> Vec<(String, String, String)> {
    let entries = fs::read_dir(folder().join("../http/examples")).expect("examples");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let named = paths.map(|path| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let place = if path.is_dir() { format!("{name}/main.rs") } else { format!("{name}.rs") };
        let text = fs::read_to_string(path.with_file_name(&place)).expect("an example");
        (name, place, text)
    });
    named.collect()
}

#[test]
fn each_is_short_says_how_it_is_run_and_is_in_the_list() {
    let page = fs::read_to_string(folder().join("../http/README.md")).expect("the front page");
    let mut found = BTreeSet::new();
    for (name, place, text) in examples() {
        if !BEDS.contains(&&*name) {
            let lines = text.lines().count();
            assert!(lines <= 60 || place.contains('/'), "{name} has {lines} lines");
            let command = format!("cargo run --release --example {name}`");
            let head: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
            assert!(head.join(" ").contains(&command), "{name} does not say how it is run: {command}");
            assert!(page.contains(&format!("(examples/{place})")), "http/README.md does not name {name}");
        }
        found.insert(name);
    }
    let driven: BTreeSet<String> = LISTENING.iter().chain(&OTHERS).map(|name| (*name).to_owned()).collect();
    let undriven: Vec<_> = found.symmetric_difference(&driven).collect();
    assert!(undriven.is_empty(), "no test drives, or there is no such example: {undriven:?}");
}

#[test]
fn each_says_in_words_why_it_cannot_listen() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it listens").to_string();
    for name in LISTENING {
        let ended = Example::launch(name, &[], &[("ADDRESS", &address)]).outcome();
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{name}: {ended:?}");
        let expected = format!("{name}: cannot listen on {address}: ");
        assert!(ended.stderr.starts_with(&expected), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains("; another program listens there; stop it or choose another port\n"));
        assert_eq!(ended.stderr.lines().count(), 1, "{name}: {}", ended.stderr);
    }
}

#[test]
fn hello_answers_until_it_is_told_to_end() {
    for signal in ["TERM", "INT"] {
        let hello = Example::start("hello", &[]);
        let mut client = Client::connect(hello.address());
        assert_eq!(client.get("/").text(), "Hello, World!\n");
        assert_eq!(client.get("/anything?else").text(), "Hello, World!\n");
        hello.signal(signal);
        client.expect_end();
        let ended = hello.outcome();
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    }
}

#[test]
fn hello_listens_on_all_addresses_of_a_name() {
    let hello = Example::start("hello", &[("ADDRESS", "localhost:0")]);
    // At least one of them, and whatever it says that it listens on answers.
    let printed = hello.stdout();
    let addresses: Vec<_> =
        printed.lines().filter_map(|line| line.strip_prefix("listening on http://")).collect();
    assert!(!addresses.is_empty(), "{printed}");
    for address in addresses {
        let mut client = Client::connect(address.parse().expect("an address"));
        assert_eq!(client.get("/").text(), "Hello, World!\n", "{address}");
    }
    hello.end();
}
