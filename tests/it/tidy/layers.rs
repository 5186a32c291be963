//! Knowledge flows one way: the modules of a library are floors, and a floor names only those below it.
//!
//! Unit tests and documentation may name anything. What no text shows is not seen: a method of a value that was made
//! elsewhere.

use std::collections::BTreeSet;
use std::fs;

use super::files::{root, sources};
use super::findings;
use super::library::{Library, Step, in_circles};

/// The floors of each library, the lowest first. `lib.rs` stands on all of them.
pub(super) const FLOORS: [(&str, &[&str]); 2] = [("pool", POOL), ("http", HTTP)];
const POOL: &[&str] = &[
    "sync",
    "panic",
    "error",
    "backoff",
    "telemetry",
    "cancel",
    "stats",
    "times",
    "watched",
    "waits",
    "config",
    "core",
    "threads",
    "pool",
    "tasks",
    "global",
    "multi",
    "objects",
    "buffers",
    "prometheus",
    "recorder",
    "remote",
];
const HTTP: &[&str] = &[
    "util",
    "stop",
    "wire",
    "values",
    "proto",
    "ws",
    "sockets",
    "message",
    "ctx",
    "files",
    "tls",
    "observe",
    "config",
    "router",
    "middleware",
    "serve",
    "engine",
    "client",
    "server",
    "adapters",
    "testing",
    "guide",
    "unstable",
];

/// The source of a library.
pub(super) fn library(name: &str) -> Library {
    let folder = format!("{name}/src/");
    let files = sources(&folder);
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.trim_start_matches(&folder), text.as_str())).collect();
    Library::new(&format!("anthill_{name}"), &files)
}

/// How steps are called in a list, and where they are.
fn named<'a>(library: &str, steps: impl IntoIterator<Item = &'a Step>) -> Vec<(String, String)> {
    steps
        .into_iter()
        .map(|step| {
            (format!("{library}: {} -> {}", step.from, step.to), format!("{library}/src/{}", step.place))
        })
        .collect()
}

#[test]
fn every_module_has_its_floor_and_every_path_can_be_followed() {
    for (name, floors) in FLOORS {
        let library = library(name);
        let listed: BTreeSet<&str> = floors.iter().copied().collect();
        assert_eq!(library.floors(), listed, "the modules of {name}, and those on its floors");
        assert_eq!(listed.len(), floors.len(), "a module of {name} has two floors");
        assert!(library.complaints.is_empty(), "in {name}:\n{}", library.complaints.join("\n"));
    }
}

#[test]
fn no_floor_names_one_above() {
    let mut found = Vec::new();
    for (name, floors) in FLOORS {
        found.extend(named(name, &library(name).steps_up(floors)));
    }
    findings::none("a floor names one that is not below it", &found);
}

#[test]
fn no_circle_in_any_folder() {
    let mut found = Vec::new();
    for (name, _) in FLOORS {
        let steps = library(name).steps_of_neighbours();
        found.extend(named(name, in_circles(&steps)));
    }
    findings::none("neighbours name one another in a circle", &found);
}

/// The blocks ` ```text pool/src` and ` ```text http/src` of `ARCHITECTURE.md` have a line for each floor, the lowest
/// first: `name.rs` or `name/`, and what is on it. What is indented continues the line before.
#[test]
fn the_architecture_has_the_same_floors() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    for (name, floors) in FLOORS {
        let start = format!("\n```text {name}/src\n");
        let (_, block) = text.split_once(&start).unwrap_or_else(|| panic!("no block {start:?}"));
        let (block, _) = block.split_once("\n```").expect("the block ends");
        let told: Vec<&str> = block
            .lines()
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split(' ').next().expect("a name"))
            .collect();
        let expected: Vec<String> = floors
            .iter()
            .map(|floor| {
                let is_folder = root().join(format!("{name}/src/{floor}")).is_dir();
                format!("{floor}{}", if is_folder { "/" } else { ".rs" })
            })
            .collect();
        assert_eq!(told, expected, "ARCHITECTURE.md, {name}/src");
    }
}
