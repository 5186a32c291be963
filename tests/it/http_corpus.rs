//! The corpus of protocol cases (`tests/corpus`), replayed in memory with every cut, and the document about strictness
//! (`http/STRICTNESS.md`) held against it.
//!
//! The idea: a new protocol test is a few lines in a file; this one only knows the folders. The rule: a test tries
//! all cases of its folder before it fails, and names each one that does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anthill_tests::corpus;

/// One test for each folder of the corpus.
macro_rules! areas {
    ($($area:ident)*) => {
        const AREAS: &[&str] = &[$(stringify!($area)),*];

        $(
            #[test]
            fn $area() {
                check(stringify!($area));
            }
        )*
    };
}

areas! {
    chunks
    client_connections
    client_framing
    client_heads
    connections
    encodings
    expectations
    fields
    hosts
    lengths
    limits
    line_ends
    pipelines
    request_lines
    smuggling
    targets
    trailers
}

/// How many failures are shown in full.
const SHOWN: usize = 10;

#[track_caller]
fn check(area: &str) {
    let cases = corpus::cases(area);
    assert!(!cases.is_empty(), "tests/corpus/{area} has no cases");
    let failures: Vec<String> = cases.iter().filter_map(|case| case.check().err()).collect();
    let shown = &failures[..failures.len().min(SHOWN)];
    assert!(failures.is_empty(), "{} of {} failed\n\n{}", failures.len(), cases.len(), shown.join("\n\n"));
}

fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_folder_has_a_test() {
    assert_eq!(corpus::areas(), AREAS);
}

#[test]
fn cases_name_rows_that_exist() {
    let parity = document("PARITY.md");
    let rows: BTreeSet<&str> = parity
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next())
        .map(|id| id.trim_end_matches('*'))
        .collect();
    for case in AREAS.iter().flat_map(|area| corpus::cases(area)) {
        for row in &case.rows {
            assert!(rows.contains(row.as_str()), "{} names {row}, which PARITY.md does not have", case.label);
        }
    }
}

/// The last column of each table row is the case's name and, for people, the file it is in.
#[test]
fn the_document_about_strictness_and_the_corpus_say_the_same() {
    let mut in_corpus: BTreeMap<String, String> = BTreeMap::new();
    for area in AREAS {
        for case in corpus::cases(area) {
            let Some(name) = case.matrix else { continue };
            let file = case.label.split(".txt").next().unwrap_or_default().to_owned();
            let earlier = in_corpus.insert(name.clone(), file.clone());
            assert!(earlier.is_none_or(|earlier| earlier == file), "{name} is in two files");
        }
    }
    let text = document("http/STRICTNESS.md");
    let mut in_document = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Form ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [form, what, why, case] = cells[..] else { panic!("four columns are wanted in {line}") };
        assert!(![form, what, why].contains(&""), "a column is empty in {line}");
        let (name, file) = case.split_once(' ').unwrap_or_else(|| panic!("no case in {line}"));
        let file = file.trim_matches(['(', ')']).trim_end_matches(".txt");
        let earlier = in_document.insert(name.trim_matches('`').to_owned(), file.to_owned());
        assert!(earlier.is_none(), "{name} is there twice");
    }
    assert!(in_document.len() > 60, "only {} rows were found", in_document.len());
    for (name, file) in &in_document {
        assert_eq!(in_corpus.get(name), Some(file), "{name} of the document in the corpus");
    }
    let missing: Vec<_> = in_corpus.keys().filter(|name| !in_document.contains_key(*name)).collect();
    assert!(missing.is_empty(), "cases marked `matrix` that the document lacks: {missing:?}");
}
