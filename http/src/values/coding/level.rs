//! How hard a coding tries.

use super::ContentCoding;
use std::ops::RangeInclusive;

/// How much time is given for how little content.
///
/// ```
/// use anthill_http::body::CompressionLevel;
/// assert_eq!(CompressionLevel::from(9), CompressionLevel::Exact(9));
/// assert_eq!(CompressionLevel::default(), CompressionLevel::Default);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CompressionLevel {
    /// The least time that still compresses: 1 of each coding.
    Fastest,
    /// For content that is made for one request: 6 of gzip and deflate, 4 of brotli, 3 of zstd.
    #[default]
    Default,
    /// For content that is compressed once and sent often: 9 of gzip and deflate, 11 of brotli, 19 of zstd. Of a
    /// megabyte of text that is a second and more.
    Best,
    /// A coding's own number: 0 (nothing is compressed) to 9 of gzip and deflate, 0 to 11 of brotli, 1 to 19 of zstd.
    /// Any other is [`Default`](Self::Default).
    Exact(i32),
}

impl CompressionLevel {
    /// The coding's own number.
    pub(super) fn of(self, coding: ContentCoding) -> u8 {
        let (known, default) = range(coding);
        match self {
            Self::Fastest => 1,
            Self::Default => default,
            Self::Best => *known.end(),
            Self::Exact(level) => {
                u8::try_from(level).ok().filter(|level| known.contains(level)).unwrap_or(default)
            }
        }
    }
}

impl From<i32> for CompressionLevel {
    fn from(level: i32) -> Self {
        Self::Exact(level)
    }
}

/// The levels of a coding, and which is meant when none is said.
fn range(coding: ContentCoding) -> (RangeInclusive<u8>, u8) {
    match coding {
        #[cfg(feature = "gzip")]
        ContentCoding::Gzip | ContentCoding::Deflate => (0..=9, 6),
        #[cfg(feature = "br")]
        ContentCoding::Brotli => (0..=11, 4),
        // Those above have windows that clients refuse.
        #[cfg(feature = "zstd")]
        ContentCoding::Zstd => (1..=19, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmp_01_a_level_that_a_coding_has_not_is_its_default() {
        for &coding in ContentCoding::ALL {
            let (known, default) = range(coding);
            for level in i32::from(*known.start())..=i32::from(*known.end()) {
                assert_eq!(i32::from(CompressionLevel::Exact(level).of(coding)), level, "{coding:?}");
            }
            for level in [i32::MIN, -2, -1, i32::from(*known.end()) + 1, 256 + 1, i32::MAX] {
                assert_eq!(CompressionLevel::from(level).of(coding), default, "{coding:?} {level}");
            }
            assert_eq!(CompressionLevel::Default.of(coding), default);
            assert_eq!(CompressionLevel::Best.of(coding), *known.end());
            assert!(known.contains(&CompressionLevel::Fastest.of(coding)));
        }
    }
}
