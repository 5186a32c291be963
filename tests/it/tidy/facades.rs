//! Who may name the primitives of threads and locks, so that models can put others in their place.

use super::files::{code, sources};

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

/// Files of the engine that models compile on their own.
const MODELLED: [&str; 3] = ["alarm.rs", "lease.rs", "slots.rs"];

#[test]
fn the_modelled_parts_of_the_engine_stand_on_their_facade_alone() {
    let files = sources("http/src/engine");
    for name in MODELLED {
        let mut named = files.iter().filter(|(path, _)| path.ends_with(&format!("/{name}")));
        let (Some((path, text)), None) = (named.next(), named.next()) else {
            panic!("{name} is not in the engine, or twice")
        };
        let code = code(text).replace("crate::engine::sync", "");
        for word in ["std::sync", "std::thread", "std::time", "parking_lot", "crate::", "mio"] {
            assert!(!code.contains(word), "{path} names {word}");
        }
    }
}
