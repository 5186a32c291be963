//! Rules about the source itself: who may name what, and that `PARITY.md` says what the tests show.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder").to_path_buf()
}

/// Every Rust file below `folder`, with its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(folder), &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("readable source");
            (path.strip_prefix(&root).expect("below the root").display().to_string(), text)
        })
        .collect()
}

/// The text without comments and without unit tests, which may stand on std.
fn code(text: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_test = ["#[cfg(test)]", "#[cfg(all(test, not(anthill_loom)))]"].contains(&line.trim())
            && lines.peek().is_some_and(|next| next.trim_start().starts_with("mod "));
        if is_test {
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            let _ = lines
                .by_ref()
                .find(|line| *line == end || line.trim_end().ends_with(';') && line.contains("mod "));
        } else if !line.trim_start().starts_with("//") {
            kept.push(line);
        }
    }
    kept.join("\n")
}

#[test]
fn only_the_facade_names_the_primitives() {
    let forbidden = ["std::sync", "std::thread", "parking_lot", "crossbeam_channel", "loom::"];
    let mut checked = 0;
    for (path, text) in sources("pool/src") {
        if path.ends_with("pool/src/sync.rs") {
            continue;
        }
        checked += 1;
        for (number, line) in code(&text).lines().enumerate() {
            for word in forbidden {
                assert!(!line.contains(word), "{path}, line {} of its code, names {word}", number + 1);
            }
        }
    }
    assert!(checked >= 12, "only {checked} files were found");
}

#[test]
fn the_modelled_parts_of_the_engine_stand_on_their_facade_alone() {
    for name in ["shard/lease", "alarm", "shard/slots"] {
        let path = format!("http/src/engine/{name}.rs");
        let text = fs::read_to_string(root().join(&path)).expect("a file of the engine");
        let code = code(&text).replace("crate::engine::sync", "");
        for word in ["std::sync", "std::thread", "std::time", "parking_lot", "crate::", "mio"] {
            assert!(!code.contains(word), "{path} names {word}");
        }
    }
}

/// Knowledge flows one way: a layer names only those before it.
#[test]
fn the_layers_of_http_do_not_point_back() {
    let layers: [&[&str]; 10] = [
        &["util"],
        &["wire"],
        &["values"],
        &["proto"],
        &["message"],
        &["ctx"],
        &["config"],
        &["serve"],
        &["engine"],
        &["server", "unstable", "lib"],
    ];
    let layer_of = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    for (path, text) in sources("http/src") {
        let module =
            path.trim_start_matches("http/src/").split(['/', '.']).next().expect("a module").to_owned();
        let layer =
            layer_of(&module).unwrap_or_else(|| panic!("{path} belongs to no layer: add it to this test"));
        let code = code(&text);
        for used in code.split("crate::").skip(1) {
            let used = used.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
            if let Some(used_layer) = layer_of(used) {
                assert!(used_layer <= layer, "{path} names crate::{used}, which is above it");
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for folder in ["pool", "http", "tests", "loom-tests", "benches"] {
        for (path, text) in sources(folder) {
            assert!(text.starts_with("//!"), "{path} does not open with `//!`");
        }
    }
}

/// Let chains came with Rust 1.88, and no lint tells.
#[test]
fn the_libraries_use_no_newer_syntax_than_they_promise() {
    for folder in ["pool/src", "http/src"] {
        for (path, text) in sources(folder) {
            let chained =
                code(&text).lines().any(|line| line.contains("&& let ") || line.contains("|| let "));
            assert!(!chained, "{path} chains `let`s, which Rust 1.85 does not know");
        }
    }
}

/// Files that may opt out of the rules of safe Rust, each because it was measured to be needed (ARCHITECTURE.md), and a
/// counting allocator, which cannot be written without.
const MAY_BE_UNSAFE: [&str; 5] = [
    "benches/src/allocations.rs",
    "pool/src/objects/slot.rs",
    "pool/src/tasks/erase.rs",
    "pool/src/tasks/inline.rs",
    "tests/alloc/main.rs",
];

#[test]
fn unsafe_code_is_where_it_is_measured_to_be_needed() {
    for folder in ["pool", "http", "tests", "loom-tests", "benches"] {
        for (path, text) in sources(folder) {
            if MAY_BE_UNSAFE.contains(&path.as_str()) {
                continue;
            }
            let found = code(&text).lines().any(|line| {
                line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .any(|word| word == ["un", "safe"].concat())
            });
            assert!(!found, "{path} opts out of the rules of safe Rust: is that measured to be needed?");
        }
    }
}

/// Ids at the head of test names: `lim_05_…` shows `LIM-05`.
fn rows_shown() -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for (_, text) in sources("tests") {
        for name in text.split("fn ").skip(1) {
            let name = name.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
            let mut parts = name.splitn(3, '_');
            let (Some(area), Some(number), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let is_number =
                (2..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
            if is_number && area.bytes().all(|byte| byte.is_ascii_lowercase()) {
                rows.insert(format!("{}-{number}", area.to_uppercase()));
            }
        }
    }
    rows
}

#[test]
fn parity_says_what_the_tests_show() {
    let text = fs::read_to_string(root().join("PARITY.md")).expect("PARITY.md");
    let mut done = BTreeSet::new();
    let mut all = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let id = cells[1].trim_end_matches('*');
        if !id.contains('-') || id.starts_with('-') {
            continue;
        }
        assert!(all.insert(id.to_owned()), "{id} is there twice");
        match cells[4] {
            "done" => assert!(done.insert(id.to_owned())),
            "open" => {}
            other => panic!("{id} is {other:?}: say done or open"),
        }
    }
    assert!(all.len() > 300, "only {} rows were found", all.len());
    let shown = rows_shown();
    let unknown: Vec<_> = shown.difference(&all).collect();
    assert!(unknown.is_empty(), "tests are named after rows that PARITY.md does not have: {unknown:?}");
    let without_test: Vec<_> = done.difference(&shown).collect();
    assert!(without_test.is_empty(), "said to be done, but no test is named so: {without_test:?}");
    let unsaid: Vec<_> = shown.difference(&done).collect();
    assert!(unsaid.is_empty(), "shown by a test, but PARITY.md says open: {unsaid:?}");
}
