//! The corpus of the fuzzer, and mutations of it, through the entries that the fuzzer calls (row `PAR-17`).
//!
//! The idea: what was found once is not found anew, and a change that breaks something is noticed by `cargo test` and
//! not by the next hour of fuzzing. The rule: always the same inputs, so a failure can be repeated.

use std::fs;
use std::panic;

use anthill_tests::fuzz::{self, ENTRIES, Mutations};

/// Mutations that are tried for each entry.
const MUTATIONS: usize = 2000;

/// Limits on the corpus of an entry, so that it stays one that somebody can look through.
const FILES_MAX: usize = 150;
const BYTES_MAX: usize = 200 * 1024;

/// One test for each entry.
macro_rules! entries {
    ($($test:ident $entry:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($entry)),*];

        $(
            #[test]
            fn $test() {
                replay(stringify!($entry));
            }
        )*
    };
}

entries! {
    par_17_args args
    par_17_chunked chunked
    par_17_client client
    par_17_connection connection
    par_17_cookies cookies
    par_17_decoder decoder
    par_17_files files
    par_17_form form
    par_17_handshake handshake
    par_17_header_values header_values
    par_17_listing listing
    par_17_multipart multipart
    par_17_negotiation negotiation
    par_17_paths paths
    par_17_proxy_header proxy_header
    par_17_request request
    par_17_response response
    par_17_tls tls
    par_17_uri uri
    par_17_websocket websocket
}

#[test]
fn every_entry_is_replayed_and_has_a_target() {
    let names: Vec<&str> = ENTRIES.iter().map(|(name, _)| *name).collect();
    assert_eq!(TESTED, names);
    for name in names {
        let target = fuzz::corpus_of(name).join(format!("../../targets/{name}.rs"));
        let text =
            fs::read_to_string(&target).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
        assert!(text.contains(&format!("fuzz::run(\"{name}\", data)")), "{}", target.display());
    }
}

/// The files of an entry's corpus, in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = fuzz::corpus_of(name);
    let listed = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = listed.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    let files: Vec<_> = paths.iter().map(|path| fs::read(path).expect("a readable file")).collect();
    let bytes: usize = files.iter().map(Vec::len).sum();
    assert!(
        (5..=FILES_MAX).contains(&files.len()) && bytes <= BYTES_MAX,
        "{}: {bytes} bytes",
        folder.display()
    );
    files
}

fn replay(name: &str) {
    let files = corpus(name);
    let mutations = Mutations::new(&files, 17).take(MUTATIONS);
    for (number, input) in files.iter().cloned().chain(mutations).enumerate() {
        let outcome = panic::catch_unwind(|| fuzz::run(name, &input));
        assert!(outcome.is_ok(), "input {number} of {name} breaks a promise: b\"{}\"", input.escape_ascii());
    }
}
