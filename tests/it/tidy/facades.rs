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

/// Files of the engine that models compile on their own, below `http/src/engine`.
const MODELLED: [&str; 10] = [
    "alarm",
    "countdown",
    "dispatch/queue",
    "dispatch/reserve",
    "shard/deadlines",
    "shard/idle",
    "shard/lease",
    "shard/slots",
    "shard/table",
    "stopping",
];

#[test]
fn the_modelled_parts_of_the_engine_stand_on_their_facade_alone() {
    for name in MODELLED {
        let path = format!("http/src/engine/{name}.rs");
        let text = fs::read_to_string(root().join(&path)).expect("a file of the engine");
        let mut code = code(&text).replace("crate::engine::sync", "");
        for other in MODELLED {
            code = code.replace(&format!("crate::engine::{}", other.replace('/', "::")), "");
        }
        // A length of time is a number; what must not be named is a clock.
        let code = code.replace("use std::time::Duration;", "");
        for word in ["std::sync", "std::thread", "std::time", "parking_lot", "crate::", "mio"] {
            assert!(!code.contains(word), "{path} names {word}");
        }
    }
}

#[test]
fn what_is_modelled_of_time_limits_stands_on_its_facade() {
    let path = "http/src/ctx/attempt.rs";
    let text = fs::read_to_string(root().join(path)).expect("a file of contexts");
    // As of the engine: a length of time is a number.
    let code = code(&text).replace("crate::wire::sync", "").replace("use std::time::Duration;", "");
    for word in ["std::sync", "std::thread", "std::time", "parking_lot", "crate::", "mio"] {
        assert!(!code.contains(word), "{path} names {word}");
    }
}

#[test]
fn the_modelled_mailbox_stands_on_its_facade() {
    let path = "http/src/message/events/mailbox.rs";
    let text = fs::read_to_string(root().join(path)).expect("a file of messages");
    let code = code(&text).replace("crate::message::events::sync", "");
    // What counts owners of an event's bytes may be the real one, because no decision depends on it.
    let code = code.replace("use std::sync::Arc;", "");
    for word in ["std::sync", "std::thread", "std::time", "parking_lot", "crate::", "mio"] {
        assert!(!code.contains(word), "{path} names {word}");
    }
}
