//! How memory for what arrives grows.
//!
//! The idea: it doubles, so that many small pieces are not copied again and again, but never beyond what is allowed.

/// How much more to reserve, exactly, for `more` bytes behind `length` ones in a buffer of `capacity`, of which there
/// will never be more than `most`. `None`: there is room.
pub(super) fn growth(length: usize, capacity: usize, more: usize, most: usize) -> Option<usize> {
    let needed = length.saturating_add(more);
    (needed > capacity).then(|| needed.max(capacity.saturating_mul(2).min(most)) - length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_what_is_allowed() {
        assert_eq!(growth(0, 0, 10, 100), Some(10));
        assert_eq!(growth(10, 10, 1, 100), Some(10));
        assert_eq!(growth(10, 20, 10, 100), None);
        assert_eq!(growth(60, 60, 1, 100), Some(40));
        assert_eq!(
            growth(100, 100, 1, 100),
            Some(1),
            "asked for more than is allowed, it is not what refuses"
        );
        assert_eq!(growth(0, 0, 0, 0), None);
    }
}
