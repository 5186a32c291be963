//! The fuzzing client of the Autobahn test suite against the WebSocket of the testbed: every case it has, none of them
//! less than strict.
//!
//! It is a program of its own for Python 2.7 (`pip install autobahntestsuite`), found as `wstest` in the path, or where
//! the variable `ANTHILL_WSTEST` says. Where it is not, these tests are skipped, and say so.
//!
//! The rule: what runs by default takes seconds. That is all cases but those that wait for seconds by themselves, and
//! some of those that send megabytes, or thousands of messages; all 517 are a test to be asked for. Most of the time is
//! the client's own: it masks, packs and compares in Python.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anthill_tests::examples::Example;
use anthill_tests::server::skip;

/// Far above what all cases take together, without optimisation on a busy machine.
const LIMIT: Duration = Duration::from_secs(3 * 3600);

/// The largest message of the suite.
const LARGEST: &str = "16777216";

/// Lets the client play `cases` but those in `without`; there are `count`.
fn play(cases: &[&str], without: &[&str], count: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let program = env::var("ANTHILL_WSTEST").unwrap_or_else(|_| "wstest".to_owned());
    if Command::new(&program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return skip("there is no wstest, the program of the Autobahn test suite");
    }
    let testbed =
        Example::launch("testbed", &["--addr", "127.0.0.1:0", "--ws-max-message", LARGEST], &[]).listening();
    let specification = serde_json::json!({
        "outdir": folder.path().join("reports"),
        "servers": [{ "agent": "anthill", "url": format!("ws://{}/ws", testbed.address()) }],
        "cases": cases,
        "exclude-cases": without,
        "exclude-agent-cases": {},
    });
    let place = folder.path().join("specification.json");
    fs::write(&place, specification.to_string()).expect("a file");
    run(&program, &place, folder.path());

    let report = File::open(folder.path().join("reports/index.json")).expect("a report");
    let mut report: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_reader(report).expect("a report");
    let outcomes = report.remove("anthill").expect("the outcomes of the only server");
    assert_eq!(outcomes.len(), count, "the cases that were played");
    let is_strict = |outcome: &serde_json::Value| {
        ["behavior", "behaviorClose"]
            .iter()
            .all(|part| matches!(outcome[*part].as_str(), Some("OK" | "INFORMATIONAL")))
    };
    let others: Vec<_> = outcomes.iter().filter(|(_, outcome)| !is_strict(outcome)).collect();
    assert!(others.is_empty(), "{} of {count}: {others:#?}", others.len());
    testbed.end();
}

/// Runs the client to its end.
fn run(program: &str, specification: &Path, folder: &Path) {
    let log = File::create(folder.join("log")).expect("a file");
    let mut client = Command::new(program)
        .args(["-m", "fuzzingclient", "-s"])
        .arg(specification)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file"))
        .stderr(log)
        .spawn()
        .expect("the client");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = client.try_wait().expect("our child") {
            break Some(status);
        }
        if started.elapsed() > LIMIT {
            let _ = client.kill();
            let _ = client.wait();
            break None;
        }
        thread::sleep(Duration::from_millis(50));
    };
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let last: Vec<&str> = log.lines().rev().take(20).collect();
    assert!(status.is_some_and(|status| status.success()), "{status:?}: {last:#?}");
}

#[test]
fn autobahn_finds_nothing_in_what_it_plays_fast() {
    let fast = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"];
    // Large messages and such in fragments; a thousand compressed ones.
    let samples = ["9.1.1", "9.2.1", "9.5.5", "9.7.1", "12.1.1", "12.5.2", "13.3.1"];
    let cases = [&fast[..], &samples].concat();
    // They wait: the client itself does, between two halves of a message.
    let slow = ["5.19", "5.20", "6.4.*"];
    play(&cases, &slow, 247 - 6 + samples.len());
}

#[test]
#[ignore = "takes minutes, and longer without optimisation: make the testbed with --release, and call this so, too"]
fn autobahn_finds_nothing_in_any_case() {
    play(&["*"], &[], 517);
}
