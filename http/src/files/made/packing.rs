//! Making the bytes of a copy: what is worth it, and the coding itself.

use super::super::content::Content;
use super::seal::SealedWriter;
use super::version::FileVersion;
use crate::values::coding::encoder::{Encoder, Extent};
use crate::values::coding::{CompressionLevel, ContentCoding};
use std::fs::File;
use std::io::{self, Write};
use std::ops::RangeInclusive;

/// What copies are made in, the smallest first.
pub(super) const CODINGS: &[ContentCoding] = &[
    #[cfg(feature = "br")]
    ContentCoding::Brotli,
    #[cfg(feature = "zstd")]
    ContentCoding::Zstd,
    #[cfg(feature = "gzip")]
    ContentCoding::Gzip,
];

/// Of smaller files there is little to be had, with the fields of a coding; larger ones take a core for long.
pub(super) const SIZES: RangeInclusive<u64> = 256..=8 * 1024 * 1024;

/// So much of a file is tried first.
const SAMPLE_BYTES: usize = 16 * 1024;

/// What is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What has become of a copy that was to be made.
pub(super) enum Packed {
    /// It is written, and sealed.
    Whole,
    /// It is hardly smaller.
    NotWorthIt,
    /// The file is not what it was.
    Changed,
    /// Nobody wants it any more.
    Stopped,
}

/// What fails.
pub(super) enum PackError {
    /// The file, or the coder.
    File(io::Error),
    /// Where the copy is put.
    Place(io::Error),
}

/// Whether the beginning of a file becomes smaller. What is compressed already (pictures, archives) does not, in
/// whichever coding, and that is found out without writing anything.
pub(super) fn is_compressible(plain: &Content) -> io::Result<bool> {
    let sample = plain.beginning(SAMPLE_BYTES)?;
    let mut packed = Vec::new();
    // The same for all, so that it does not depend on who asks first.
    let coding = CODINGS[CODINGS.len() - 1];
    coding.append_encoded(&mut packed, &sample, CompressionLevel::Fastest)?;
    Ok(is_worth_it(packed.len() as u64, sample.len() as u64))
}

/// Writes the copy in `coding` of that version of `plain` to `file`, as long as it `goes_on`, which is asked for each
/// piece, and in the end.
pub(super) fn pack(
    plain: &Content,
    (version, coding): (FileVersion, ContentCoding),
    level: CompressionLevel,
    file: &File,
    mut goes_on: impl FnMut() -> bool,
) -> Result<Packed, PackError> {
    let length = usize::try_from(version.size).unwrap_or(usize::MAX);
    let mut encoder = Encoder::new(coding, level, Extent::Whole(length)).map_err(PackError::File)?;
    let mut writer = SealedWriter::new(file, version, coding);
    let (mut piece, mut packed, mut offset) = (vec![0; PIECE_BYTES], Vec::new(), 0);
    while offset < version.size {
        if !goes_on() {
            return Ok(Packed::Stopped);
        }
        // Seen at once, not when all of it was done in vain.
        if FileVersion::of_now(plain) != Some(version) {
            return Ok(Packed::Changed);
        }
        let most = (version.size - offset).min(PIECE_BYTES as u64) as usize;
        let count = plain.read_to(&mut piece[..most], offset).map_err(PackError::File)?;
        if count == 0 {
            return Ok(Packed::Changed);
        }
        encoder.encode(&piece[..count], &mut packed).map_err(PackError::File)?;
        offset += count as u64;
        if packed.len() >= PIECE_BYTES {
            writer.write_all(&packed).map_err(PackError::Place)?;
            packed.clear();
        }
    }
    encoder.finish(&mut packed).map_err(PackError::File)?;
    writer.write_all(&packed).map_err(PackError::Place)?;
    if !goes_on() {
        return Ok(Packed::Stopped);
    }
    if !is_worth_it(writer.length(), version.size) {
        return Ok(Packed::NotWorthIt);
    }
    // Whatever was written to it while it was read, it is another version by now.
    if FileVersion::of_now(plain) != Some(version) {
        return Ok(Packed::Changed);
    }
    writer.seal().map_err(PackError::Place)?;
    Ok(Packed::Whole)
}

/// Whether a twentieth at least is saved.
fn is_worth_it(packed: u64, plain: u64) -> bool {
    packed.saturating_add(plain / 20) <= plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_saves_little_is_not_worth_it() {
        for (packed, plain, expected) in
            [(0, 256, true), (244, 256, true), (245, 256, false), (300, 256, false), (u64::MAX, 300, false)]
        {
            assert_eq!(is_worth_it(packed, plain), expected, "{packed} {plain}");
        }
    }
}
