//! `PARITY.md` says what the tests show.

use std::collections::BTreeSet;
use std::fs;

use super::files::{root, sources};

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

#[test]
fn the_sums_of_parity_are_those_of_its_rows() {
    let text = fs::read_to_string(root().join("PARITY.md")).expect("PARITY.md");
    let (pools, http) = text.split_once("\n## HTTP: ").expect("rows of the pools, then those of HTTP");
    let sum = |part: &str| {
        let states = ["| done |", "| open |"].map(|state| part.matches(state).count());
        format!("{} of {}", states[0], states[0] + states[1])
    };
    let said = format!("Done: {} rows of the pools, {} rows of HTTP.", sum(pools), sum(http));
    assert!(text.contains(&said), "PARITY.md does not say {said:?}");
}
