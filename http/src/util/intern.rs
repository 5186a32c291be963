//! Texts that are kept until the process ends, each of them once.
//!
//! The rule: only for what a program says itself, of which there is a bounded number, however often it says it.

use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::LazyLock;

static TEXTS: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);

/// The same text, to be kept.
pub(crate) fn intern(text: &str) -> &'static str {
    let mut texts = TEXTS.lock();
    if let Some(known) = texts.get(text) {
        return known;
    }
    let kept: &'static str = Box::leak(text.into());
    texts.insert(kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once() {
        let (one, other) = (intern(&"kept".repeat(2)), intern("keptkept"));
        assert!(std::ptr::eq(one, other) && one == "keptkept");
        assert_ne!(intern("kept"), one);
    }
}
