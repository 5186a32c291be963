//! What every file must have, and what the promised compiler does not know.

use super::files::{code, sources};

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

/// What several tests use is in `tests/src`, where it is looked for.
#[test]
fn no_file_of_tests_takes_from_another() {
    for (path, text) in sources("tests/it") {
        // These only speak of it.
        let takes = !path.starts_with("tests/it/tidy/") && code(&text).contains("crate::");
        assert!(!takes, "{path} takes something from another file of tests");
    }
}
