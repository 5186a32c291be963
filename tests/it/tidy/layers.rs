//! Knowledge flows one way: the modules of a library are floors, and a floor names only those below it.
//!
//! Unit tests and documentation may name anything. What no text shows is not seen: a method of a value that was made
//! elsewhere.

use std::collections::BTreeSet;
use std::fs;

use super::files::{root, sources};
use super::library::{Library, Step, in_circles};

/// The floors of each library, the lowest first. `lib.rs` stands on all of them.
const FLOORS: [(&str, &[&str]); 2] = [("pool", POOL), ("http", HTTP)];
const POOL: &[&str] = &[
    "sync",
    "cancel",
    "clock",
    "stats",
    "times",
    "error",
    "lane",
    "queue",
    "line",
    "ready",
    "hand",
    "handoff",
    "handler",
    "options",
    "affinity",
    "core",
    "shared",
    "cleaner",
    "worker",
    "threads",
    "submit",
    "pool",
    "submission",
    "tasks",
    "multi",
    "global",
    "objects",
];
const HTTP: &[&str] =
    &["util", "wire", "values", "proto", "message", "ctx", "config", "serve", "engine", "server"];

/// Who still names what is not below it: library, who, whom. The list only shrinks, and ends empty.
const ALLOWED_UP: &[(&str, &str, &str)] = &[
    ("pool", "cleaner", "threads"),
    ("pool", "options", "affinity"),
    ("pool", "options", "pool"),
    ("pool", "pool", "submission"),
    ("http", "proto", "message"),
];

/// Which steps between neighbours in a folder still close a circle: library, from, to. The list only shrinks, and ends
/// empty.
const ALLOWED_ROUND: &[(&str, &str, &str)] =
    &[("http", "message::response::body", "message::response::writer")];

fn library(name: &str) -> Library {
    let folder = format!("{name}/src/");
    let files = sources(&folder);
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.trim_start_matches(&folder), text.as_str())).collect();
    Library::new(&format!("anthill_{name}"), &files)
}

/// Checks that what was found is what is still allowed, and nothing less.
fn check(what: &str, name: &str, found: &[Step], allowed: &[(&str, &str, &str)]) {
    let is_allowed = |step: &&Step| allowed.contains(&(name, &step.from, &step.to));
    let refused: Vec<String> = found
        .iter()
        .filter(|step| !is_allowed(step))
        .map(|step| format!("{} -> {}   {name}/src/{}", step.from, step.to, step.place))
        .collect();
    assert!(refused.is_empty(), "{what} in {name}:\n{}", refused.join("\n"));
    let mended: Vec<_> = allowed
        .iter()
        .filter(|(library, from, to)| {
            *library == name && !found.iter().any(|step| step.from == *from && step.to == *to)
        })
        .collect();
    assert!(mended.is_empty(), "no longer needed, strike it off the list: {mended:?}");
}

#[test]
fn every_module_has_its_floor_and_every_path_can_be_followed() {
    for (library, ..) in ALLOWED_UP.iter().chain(ALLOWED_ROUND) {
        assert!(FLOORS.iter().any(|(name, _)| name == library), "no library is called {library}");
    }
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
    for (name, floors) in FLOORS {
        check("steps up", name, &library(name).steps_up(floors), ALLOWED_UP);
    }
}

#[test]
fn no_circle_in_any_folder() {
    for (name, _) in FLOORS {
        let steps = library(name).steps_of_neighbours();
        let (allowed, mut kept): (Vec<_>, Vec<_>) =
            steps.into_iter().partition(|step| ALLOWED_ROUND.contains(&(name, &step.from, &step.to)));
        let refused: Vec<Step> = in_circles(&kept).into_iter().cloned().collect();
        check("circles", name, &refused, &[]);
        // What is allowed must still close a circle.
        kept.extend(allowed.iter().cloned());
        let round: Vec<Step> = in_circles(&kept).into_iter().cloned().collect();
        let needed: Vec<Step> = allowed.into_iter().filter(|step| round.contains(step)).collect();
        check("circles", name, &needed, ALLOWED_ROUND);
    }
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
