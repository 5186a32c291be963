//! What readers of the documentation are spared: the numbers of rows and cases that only tests and `PARITY.md` know.

use std::collections::BTreeSet;
use std::fs;

use super::files::{is_test_file, root, sources};
use super::findings;
use super::layers::FLOORS;

/// The letters before the numbers of rows: `LIM` of `LIM-05`.
fn areas() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("PARITY.md")).expect("PARITY.md");
    let ids = text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once('-'));
    ids.map(|(area, _)| area.to_owned())
        .filter(|area| area.bytes().all(|byte| byte.is_ascii_uppercase()))
        .collect()
}

/// Whether a line of documentation names a row (`LIM-05`) or a case of the corpus (`L04`).
fn names_a_row(line: &str, areas: &BTreeSet<String>) -> bool {
    let is_number =
        |text: &str| (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).any(|word| {
        let is_row =
            word.split_once('-').is_some_and(|(area, number)| areas.contains(area) && is_number(number));
        is_row || word.strip_prefix('L').is_some_and(is_number)
    })
}

#[test]
fn documentation_has_no_numbers_of_rows() {
    let areas = areas();
    assert!(areas.len() > 20, "{areas:?}");
    let mut found = Vec::new();
    for (library, _) in FLOORS {
        for (path, text) in sources(&format!("{library}/src")) {
            let docs = (1..).zip(text.lines()).filter(|(_, line)| {
                ["///", "//!"].iter().any(|mark| line.trim_start().starts_with(mark))
                    || line.contains("#[doc")
            });
            let named = docs.filter(|(_, line)| !is_test_file(&path) && names_a_row(line, &areas));
            found.extend(named.map(|(number, _)| (library.to_owned(), format!("{path}:{number}"))));
        }
        // Pages that are modules of the documentation, and the registry's front page.
        for entry in fs::read_dir(root().join(library)).expect("the library's folder") {
            let path = entry.expect("a readable entry").path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).expect("a readable page");
                for (number, line) in (1..).zip(text.lines()) {
                    assert!(!names_a_row(line, &areas), "{}:{number} names a row", path.display());
                }
            }
        }
    }
    findings::none("documentation that names rows", &found);
}

#[test]
fn rows_are_told_from_other_words() {
    let areas = BTreeSet::from(["LIM".to_owned(), "POOL".to_owned()]);
    for line in [
        "/// Answered 503 (`LIM-01`).",
        "//! Row POOL-112",
        "/// (L04)",
        "#[doc = \"LIM-07\"]",
        "/// `POOL-99`.",
    ] {
        assert!(names_a_row(line, &areas), "{line}");
    }
    for line in [
        "/// UTF-16, RFC-91, IPV-04",
        "/// LIM-",
        "/// LIM-5 of L1, XL04",
        "/// SLIM-05",
        "/// L10n, `LIM_05`",
        "/// a LIM-05b",
    ] {
        assert!(!names_a_row(line, &areas), "{line}");
    }
}
