//! Who may name the primitives of threads and locks, so that models can put others in their place.

use std::fs;

use super::files::{code, root, sources};

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
    for name in ["lease", "alarm", "slots"] {
        let path = format!("http/src/engine/{name}.rs");
        let text = fs::read_to_string(root().join(&path)).expect("a file of the engine");
        let code = code(&text);
        for word in ["std::sync", "std::thread", "std::time", "parking_lot", "crate::", "mio"] {
            assert!(!code.contains(word), "{path} names {word}");
        }
    }
}
