//! The corpus through Go's fasthttp and through this server: row `QUA-02`.
//!
//! The idea: what fasthttp makes of each input was recorded once from the real one (`tests/differential/recorder.go`
//! says how), so the comparison needs no Go. The rule: where the two differ the case is in
//! `tests/differential/differences.txt`, with the kind of the difference and its reason; one that is not there fails
//! the test, and so does one that is there and has gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anthill_http::Server;
use anthill_tests::corpus;
use anthill_tests::wire::{Script, Wire};

/// Behind each input, to see whether the connection stays.
const BEHIND: &str = "GET /behind HTTP/1.1\r\nHost: h\r\n\r\n";

/// What a server made of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answers {
    /// The requests that the handler saw, with `|` between them.
    seen: String,
    /// The status codes, with spaces between them.
    statuses: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("differential")
}

/// As the recorder has it.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        if (b'!'..=b'~').contains(&byte) && byte != b'\\' && byte != b'|' {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The number by which an input that has changed is known (FNV-1a).
fn mark(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Labels, which say which input it was, and inputs.
fn inputs() -> Vec<(String, Vec<u8>)> {
    let areas = corpus::areas();
    let cases = areas.iter().filter(|area| !area.starts_with("client_")).flat_map(|area| corpus::cases(area));
    cases
        .filter_map(|case| {
            let input = [case.input()?, BEHIND.as_bytes()].concat();
            let (file, rest) = case.label.split_once(": line ")?;
            let (_, rest) = rest.split_once(": ")?;
            Some((format!("{file} {rest} @{:08x}", mark(&input)), input))
        })
        .collect()
}

/// What this server makes of it.
fn ours(input: &[u8]) -> Answers {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = seen.clone();
    let server = Server::builder().read_buffer_size(2048).name(None).build(move |ctx| {
        let target = ctx.request.request_uri();
        let parts = [ctx.method().as_bytes(), target, ctx.request.host(), ctx.body()].map(escaped);
        record.lock().expect("nobody panics").push(parts.join(" "));
    });
    let (wire, view) = Wire::new(Script::new(input));
    let _ = server.expect("valid options").serve_conn(wire);
    let written = String::from_utf8_lossy(&view.written()).into_owned();
    let statuses =
        written.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).filter(|code| !code.starts_with('1'));
    let statuses = statuses.collect::<Vec<_>>().join(" ");
    let seen = seen.lock().expect("nobody panics").join("|");
    Answers { seen, statuses }
}

/// How many requests were handled.
fn handled(answers: &Answers) -> usize {
    answers.seen.split('|').filter(|request| !request.is_empty()).count()
}

/// In which way ours differs; `None`: in none.
fn difference(ours: &Answers, theirs: &Answers) -> Option<&'static str> {
    if ours == theirs {
        return None;
    }
    Some(if theirs.statuses.contains("panic") {
        "panic"
    } else if handled(ours) < handled(theirs) {
        "stricter"
    } else if handled(ours) > handled(theirs) {
        "laxer"
    } else if ours.seen == theirs.seen {
        "status"
    } else {
        "reading"
    })
}

/// The case of a label, without the number of its line and its mark.
fn title(label: &str) -> &str {
    let end = ["\" [", "\" @"].iter().filter_map(|end| label.find(end)).min();
    end.map_or(label, |end| &label[..=end])
}

/// What fasthttp made of each input.
fn recorded() -> BTreeMap<String, Answers> {
    let text = fs::read_to_string(folder().join("fasthttp.txt")).expect("the record");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split('\t').collect();
            let [label, seen, statuses] = parts[..] else { panic!("three columns are wanted in {line}") };
            (label.to_owned(), Answers { seen: seen.to_owned(), statuses: statuses.to_owned() })
        })
        .collect()
}

#[test]
fn qua_02_only_the_known_differences_to_fasthttp_appear() {
    let inputs = inputs();
    assert!(inputs.len() > 500, "only {} inputs", inputs.len());
    if std::env::var_os("UPDATE_DIFFERENTIAL").is_some() {
        let lines = inputs.iter().map(|(label, input)| {
            let input: String = input.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            format!("{label}\t{input}\n")
        });
        fs::write(folder().join("inputs.txt"), lines.collect::<String>()).expect("a place for it");
    }
    let recorded = recorded();
    let mut found: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut compared = 0;
    for (label, input) in &inputs {
        let Some(theirs) = recorded.get(label) else { continue };
        compared += 1;
        let ours = ours(input);
        if let Some(kind) = difference(&ours, theirs) {
            let example = format!("{label}: ours {ours:?}, fasthttp's {theirs:?}");
            found.entry((kind.to_owned(), title(label).to_owned())).or_insert(example);
        }
    }
    // Those that were added since are compared once they are recorded.
    assert!(compared * 20 > inputs.len() * 19, "{compared} of {} inputs were recorded", inputs.len());
    let text = fs::read_to_string(folder().join("differences.txt")).expect("the list");
    let mut known = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let parts: Vec<&str> = line.split('\t').collect();
        let [kind, title, reason] = parts[..] else { panic!("three columns are wanted in {line}") };
        assert!(reason.len() > 8, "no reason in {line}");
        assert!(known.insert((kind.to_owned(), title.to_owned())), "{line} is there twice");
    }
    let unknown: Vec<_> = found.iter().filter(|(difference, _)| !known.contains(*difference)).collect();
    if std::env::var_os("UPDATE_DIFFERENTIAL").is_some() {
        let lines = unknown.iter().map(|((kind, title), example)| format!("{kind}\t{title}\t{example}\n"));
        fs::write(folder().join("unknown.txt"), lines.collect::<String>()).expect("a place for it");
    }
    assert!(unknown.is_empty(), "{} differences are not in the list:\n{unknown:#?}", unknown.len());
    let gone: Vec<_> = known.iter().filter(|difference| !found.contains_key(*difference)).collect();
    assert!(gone.is_empty(), "these differences are in the list and gone: {gone:#?}");
}
