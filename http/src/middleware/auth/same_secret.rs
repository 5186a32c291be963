//! Comparing secrets in a time that tells nothing about them.
//!
//! The idea: whoever is refused sooner the sooner his guess differs finds a secret byte by byte. So all of what was
//! given is looked at, whatever was found before.

use std::hint::black_box;

/// Whether `given`, what a client has sent, is the secret `expected`. The time that takes depends on the length of
/// `given` alone: neither on where the two differ nor on how long the secret is.
///
/// For passwords and tokens that a program knows. Those of many users are better kept as slow hashes (argon2, scrypt),
/// whose crates compare by themselves.
///
/// ```
/// use anthill_http::middleware::same_secret;
/// assert!(same_secret("open sesame", "open sesame"));
/// assert!(!same_secret("open sesamE", "open sesame"));
/// assert!(!same_secret("", "open sesame"));
/// // Both are looked at, so that it does not show which of them was wrong.
/// let _ = same_secret("ann", "ann") & same_secret("guess", "open sesame");
/// ```
pub fn same_secret(given: impl AsRef<[u8]>, expected: impl AsRef<[u8]>) -> bool {
    let (given, expected) = (given.as_ref(), expected.as_ref());
    let mut difference = given.len() ^ expected.len();
    for (index, &byte) in given.iter().enumerate() {
        // Beyond its end the secret is begun anew; that the lengths differ is known already.
        let other = expected.get(index % expected.len().max(1)).copied().unwrap_or(0);
        difference = black_box(difference | usize::from(byte ^ other));
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_texts_are_the_same() {
        let texts = ["", "a", "b", "aa", "ab", "ba", "aaa", "abab", "\0", "a\0", "ä"];
        for given in texts {
            for expected in texts {
                assert_eq!(same_secret(given, expected), given == expected, "{given:?} {expected:?}");
            }
        }
        let long = "x".repeat(300);
        for index in 0..300 {
            let mut other = long.clone().into_bytes();
            other[index] ^= 0x80;
            assert!(!same_secret(&other, &long), "{index}");
        }
    }
}
