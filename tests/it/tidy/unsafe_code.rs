//! Where the rules of safe Rust may be opted out of.

use super::files::sources;
use super::tokens::tokens;

/// Files that may opt out of the rules of safe Rust, each because it was measured to be needed (ARCHITECTURE.md), and a
/// counting allocator, which cannot be written without.
const MAY_BE_UNSAFE: [&str; 5] = [
    "benches/src/allocations.rs",
    "pool/src/objects/slot.rs",
    "pool/src/tasks/scope/erase.rs",
    "pool/src/tasks/stored_closure.rs",
    "tests/alloc/main.rs",
];

#[test]
fn unsafe_code_is_where_it_is_measured_to_be_needed() {
    for folder in ["pool", "http", "tests", "loom-tests", "benches"] {
        for (path, text) in sources(folder) {
            if MAY_BE_UNSAFE.contains(&path.as_str()) {
                continue;
            }
            let found = tokens(&text).iter().any(|token| token.text == "unsafe");
            assert!(!found, "{path} opts out of the rules of safe Rust: is that measured to be needed?");
        }
    }
}
