//! What stands behind the bytes of each copy: which version of which file they are, how many, and their checksum.
//!
//! The idea: a copy that was not written to its end, was cut, or is of another version has no seal that fits, and so is
//! not there. No order in which a disk writes has to be relied on.

use super::super::content::Content;
use super::version::FileVersion;
use crate::util::crc32c::Crc32c;
use crate::values::coding::ContentCoding;
use std::io::{self, Write};

/// What every seal ends with: a number by chance, and the number of this form.
const MARK: [u8; 16] = *b"\x8f\x1d\xe2\x9b\x03\xc7\x54\xfaanthill\x01";

/// Version, length, checksum, mark.
pub(super) const SEAL_BYTES: u64 = FileVersion::BYTES as u64 + 8 + 4 + MARK.len() as u64;

/// What is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Writes the bytes of a copy, and then its seal.
pub(super) struct SealedWriter<W> {
    writer: W,
    version: FileVersion,
    length: u64,
    sum: Crc32c,
}

impl<W: Write> SealedWriter<W> {
    pub(super) fn new(writer: W, version: FileVersion, coding: ContentCoding) -> Self {
        Self { writer, version, length: 0, sum: sum_of(coding) }
    }

    /// How many bytes the copy has so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn seal(mut self) -> io::Result<()> {
        self.writer.write_all(&seal(&self.version, self.length, self.sum.value()))
    }
}

impl<W: Write> Write for SealedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.writer.write(bytes)?;
        self.length += count as u64;
        self.sum = self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The checksum of a copy without bytes. The version is none of its matter: it is compared as it stands, and another
/// one may have the same bytes, and then the same tag.
fn sum_of(coding: ContentCoding) -> Crc32c {
    Crc32c::new().update(coding.name().as_bytes())
}

fn seal(version: &FileVersion, length: u64, sum: u32) -> Vec<u8> {
    [&version.to_bytes()[..], &length.to_le_bytes(), &sum.to_le_bytes(), &MARK].concat()
}

/// The length and the checksum of the copy in `file`, if it is one of that version in that coding, and whole.
pub(super) fn verify(
    file: &Content,
    version: &FileVersion,
    coding: ContentCoding,
) -> io::Result<Option<(u64, u32)>> {
    let Some(length) = file.len().checked_sub(SEAL_BYTES) else { return Ok(None) };
    let mut found = [0; SEAL_BYTES as usize];
    let count = file.read_to(&mut found, length)?;
    // Most of what does not fit is seen without reading all of it.
    if found[..count] == found[..] && !found.starts_with(&version.to_bytes()) {
        return Ok(None);
    }
    let (mut sum, mut piece, mut offset) = (sum_of(coding), vec![0; PIECE_BYTES], 0);
    while offset < length {
        let most = (length - offset).min(PIECE_BYTES as u64) as usize;
        let count = file.read_to(&mut piece[..most], offset)?;
        if count == 0 {
            return Ok(None);
        }
        sum = sum.update(&piece[..count]);
        offset += count as u64;
    }
    let sum = sum.value();
    Ok((found == *seal(version, length, sum)).then_some((length, sum)))
}

/// Whether a file is a copy, of whatever file of so many bytes at most. What is larger is not looked at.
pub(super) fn is_sealed(file: &Content, most_bytes: u64) -> io::Result<bool> {
    let end = file.len().checked_sub(MARK.len() as u64).filter(|end| *end <= most_bytes + SEAL_BYTES);
    let Some(end) = end else { return Ok(false) };
    let mut found = [0; MARK.len()];
    file.read_to(&mut found, end)?;
    Ok(found == MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODING: ContentCoding = ContentCoding::ALL[0];
    const VERSION: FileVersion = FileVersion { device: 1, inode: 2, size: 3, modified: -4, changed: 5 };

    fn sealed(bytes: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = SealedWriter::new(&mut file, VERSION, CODING);
        writer.write_all(bytes).expect("a vector");
        assert_eq!(writer.length(), bytes.len() as u64);
        writer.seal().expect("a vector");
        file
    }

    fn length(bytes: Vec<u8>, version: &FileVersion) -> Option<u64> {
        let file = Content::from_bytes(bytes);
        verify(&file, version, CODING).expect("bytes").map(|(length, _)| length)
    }

    #[test]
    fn a_seal_is_of_one_version_and_of_all_bytes() {
        for bytes in [&b""[..], b"bytes", &[7; 200_000]] {
            let whole = sealed(bytes);
            assert_eq!(length(whole.clone(), &VERSION), Some(bytes.len() as u64));
            assert!(is_sealed(&Content::from_bytes(whole.clone()), 1 << 20).expect("bytes"));
            for other in [
                FileVersion { device: 2, ..VERSION },
                FileVersion { inode: 3, ..VERSION },
                FileVersion { size: 4, ..VERSION },
                FileVersion { modified: 4, ..VERSION },
                FileVersion { changed: 6, ..VERSION },
            ] {
                assert_eq!(length(whole.clone(), &other), None, "{other:?}");
            }
        }
    }

    /// Cut anywhere, with something lost or put in between, with another byte anywhere.
    #[test]
    fn what_is_not_as_it_was_is_no_copy() {
        let whole = sealed(b"some bytes");
        for place in 0..whole.len() {
            assert_eq!(length(whole[..place].to_vec(), &VERSION), None, "{place}");
            let mut changed = whole.clone();
            changed[place] ^= 1;
            assert_eq!(length(changed, &VERSION), None, "{place}");
            let mut shorter = whole.clone();
            shorter.remove(place);
            assert_eq!(length(shorter, &VERSION), None, "{place}");
            let mut longer = whole.clone();
            longer.insert(place, 0);
            assert_eq!(length(longer, &VERSION), None, "{place}");
        }
        // One whose file was made longer on the disk before its bytes were there.
        assert_eq!(length(vec![0; whole.len()], &VERSION), None);
        for plain in [&b""[..], b"x", &[0; 500]] {
            assert!(!is_sealed(&Content::from_bytes(plain), 1 << 20).expect("bytes"));
        }
    }

    #[test]
    fn a_copy_in_one_coding_is_none_in_another() {
        let file = Content::from_bytes(sealed(b"some bytes"));
        for &coding in ContentCoding::ALL {
            let found = verify(&file, &VERSION, coding).expect("bytes");
            assert_eq!(found.is_some(), coding == CODING, "{coding:?}");
        }
    }
}
