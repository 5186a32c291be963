//! Making compressed copies of files.
//!
//! The idea: a copy is made when a client first wants one, written beside the file or in another folder, and found
//! there by all later requests, also those of the next life of the program. It has the time of its file, and was
//! changed after it, by which it is told from that of another version; and a name that no other tool gives, so that
//! nobody else's copy is overwritten.
//!
//! The rules: what fails, or is not worth it, costs the client nothing but that the file is sent as it is. One thread
//! makes a copy; others that want the same one meanwhile get the file as it is.

use super::content::Content;
use super::file_system::{FileSystem, FsNode};
use crate::values::coding::{CompressionLevel, ContentCoding, ContentEncoder};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Files of fewer bytes are sent as they are: with the fields of a coding there is little to be had.
const LEAST_BYTES: u64 = 256;

/// Larger files are sent as they are: to compress them takes a client's patience.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// So much of a file is tried first.
const SAMPLE_BYTES: usize = 16 * 1024;

/// What is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What there is of a copy.
pub(super) enum CopyState {
    There(Content),
    /// It can be made.
    Missing,
    /// The file is sent as it is.
    Never,
}

/// Makes copies; see the module's text.
#[derive(Debug)]
pub(super) struct CopyMaker {
    level: CompressionLevel,
    /// The paths of those that are being made.
    making: Mutex<HashSet<Vec<u8>>>,
    has_complained: AtomicBool,
}

impl CopyMaker {
    /// What it makes, the smallest first.
    pub(super) const CODINGS: &'static [ContentCoding] = &[
        #[cfg(feature = "br")]
        ContentCoding::Brotli,
        #[cfg(feature = "zstd")]
        ContentCoding::Zstd,
        #[cfg(feature = "gzip")]
        ContentCoding::Gzip,
    ];

    pub(super) fn new(level: CompressionLevel) -> Self {
        Self { level, making: Mutex::default(), has_complained: AtomicBool::new(false) }
    }

    /// Looks for the copy of `plain`, which is at `path`.
    pub(super) fn find(
        &self,
        store: &dyn FileSystem,
        path: &[u8],
        plain: &Content,
        coding: ContentCoding,
    ) -> CopyState {
        if !(LEAST_BYTES..=MOST_BYTES).contains(&plain.len()) || !plain.is_file() {
            return CopyState::Never;
        }
        match store.open(&copy_path(path, coding)) {
            Ok(FsNode::File(copy)) if is_of_version(&copy, plain) => CopyState::There(copy),
            _ => CopyState::Missing,
        }
    }

    /// Makes it. `is_beside`: it lies where the file does, so that its folder is there.
    pub(super) fn make(
        &self,
        store: &dyn FileSystem,
        path: &[u8],
        plain: &Content,
        coding: ContentCoding,
        is_beside: bool,
    ) -> CopyState {
        // Of one that changes once more within this tick of the clock the copy would have the same time.
        if !plain.is_settled() {
            return CopyState::Missing;
        }
        let path = copy_path(path, coding);
        let Some(_claim) = Claim::new(&self.making, &path) else { return CopyState::Missing };
        let made = match is_compressible(plain, coding) {
            Ok(true) => self.put(store, &path, plain, coding, is_beside),
            other => other,
        };
        match made {
            Ok(true) => match store.open(&path) {
                Ok(FsNode::File(copy)) if is_of_version(&copy, plain) => CopyState::There(copy),
                _ => CopyState::Never,
            },
            Ok(false) => CopyState::Never,
            Err(error) => {
                self.complain(&path, &error);
                CopyState::Never
            }
        }
    }

    /// False: it is not worth it, or the file has changed meanwhile.
    fn put(
        &self,
        store: &dyn FileSystem,
        path: &[u8],
        plain: &Content,
        coding: ContentCoding,
        is_beside: bool,
    ) -> io::Result<bool> {
        let modified = plain.modified().unwrap_or(UNIX_EPOCH);
        store.put(path, !is_beside, &mut |file: &File| {
            self.pack(plain, file, coding)?;
            if !is_worth_it(file.metadata()?.len(), plain.len()) || !plain.is_unchanged() {
                return Ok(false);
            }
            plain.give_rights_to(file)?;
            file.set_modified(modified)?;
            Ok(true)
        })
    }

    fn pack(&self, plain: &Content, file: &File, coding: ContentCoding) -> io::Result<()> {
        let mut packed = ContentEncoder::new(file, coding, self.level)?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut offset = 0;
        loop {
            let count = plain.read_to(&mut piece, offset)?;
            if count == 0 {
                break;
            }
            packed.write_all(&piece[..count])?;
            offset += count as u64;
            // It grows meanwhile, and is not what it was.
            if offset > plain.len() {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        packed.finish()?;
        Ok(())
    }

    /// Once, for a folder that may not be written to is the same trouble with each file.
    fn complain(&self, path: &[u8], error: &io::Error) {
        if !self.has_complained.swap(true, Ordering::Relaxed) {
            let path = String::from_utf8_lossy(path);
            log::warn!(
                target: "anthill_http::files",
                "the compressed copy {path:?} cannot be made, so the file is sent as it is; \
                 nothing is said of others: {error}"
            );
        }
    }
}

/// The right to make a copy, while it is there.
struct Claim<'a> {
    making: &'a Mutex<HashSet<Vec<u8>>>,
    path: &'a [u8],
}

impl<'a> Claim<'a> {
    fn new(making: &'a Mutex<HashSet<Vec<u8>>>, path: &'a [u8]) -> Option<Self> {
        // Not made to be thrown away: that would be the end of another's.
        making.lock().insert(path.to_vec()).then(|| Self { making, path })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.making.lock().remove(self.path);
    }
}

/// The end of the name of copies that are made.
pub(super) fn suffix(coding: ContentCoding) -> &'static str {
    match coding {
        #[cfg(feature = "br")]
        ContentCoding::Brotli => ".anthill.br",
        #[cfg(feature = "zstd")]
        ContentCoding::Zstd => ".anthill.zst",
        #[cfg(feature = "gzip")]
        ContentCoding::Gzip => ".anthill.gz",
        #[cfg(feature = "gzip")]
        ContentCoding::Deflate => ".anthill.zz",
    }
}

fn copy_path(path: &[u8], coding: ContentCoding) -> Vec<u8> {
    [path, suffix(coding).as_bytes()].concat()
}

/// Whether the beginning of a file becomes smaller. What is compressed already (images, archives) does not, and that is
/// found out without writing anything.
fn is_compressible(plain: &Content, coding: ContentCoding) -> io::Result<bool> {
    let sample = plain.beginning(SAMPLE_BYTES)?;
    let mut packed = ContentEncoder::new(Vec::new(), coding, CompressionLevel::Fastest)?;
    packed.write_all(&sample)?;
    Ok(is_worth_it(packed.finish()?.len() as u64, sample.len() as u64))
}

/// Whether an eighth at least is saved.
fn is_worth_it(packed: u64, plain: u64) -> bool {
    packed.saturating_add(plain / 8) <= plain
}

/// Whether a copy was made of just this version: it has its time, as far as its file system keeps it, and the file was
/// left alone since. (Some builds give all files one time.)
fn is_of_version(copy: &Content, plain: &Content) -> bool {
    if let (Some(copy), Some(plain)) = (copy.stamp(), plain.stamp()) {
        if plain.is_changed_after(copy) {
            return false;
        }
    }
    let (Some(copy), Some(plain)) = (copy.modified(), plain.modified()) else { return false };
    let has_fraction =
        |time: SystemTime| time.duration_since(UNIX_EPOCH).is_ok_and(|since| since.subsec_nanos() != 0);
    let kept = if has_fraction(copy) { Duration::from_micros(1) } else { Duration::from_secs(2) };
    plain.duration_since(copy).is_ok_and(|missing| missing < kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_of_the_version_whose_time_they_have() {
        let at =
            |nanos: u64| Content::from_static(b"").last_modified(UNIX_EPOCH + Duration::from_nanos(nanos));
        const SECOND: u64 = 1_000_000_000;
        for (copy, plain, expected) in [
            (9 * SECOND + 5, 9 * SECOND + 5, true),
            // A file system that keeps hundreds of nanoseconds.
            (9 * SECOND + 500, 9 * SECOND + 567, true),
            // Seconds, or every other of them.
            (9 * SECOND, 9 * SECOND + 999_999_999, true),
            (8 * SECOND, 9 * SECOND + 999_999_999, true),
            (8 * SECOND, 10 * SECOND, false),
            (9 * SECOND + 5, 9 * SECOND + 2000, false),
            // One that is newer is of another version as well: the file was put back.
            (9 * SECOND + 6, 9 * SECOND + 5, false),
            (10 * SECOND, 9 * SECOND, false),
        ] {
            assert_eq!(is_of_version(&at(copy), &at(plain)), expected, "{copy} {plain}");
        }
        assert!(!is_of_version(&Content::from_static(b""), &at(5)));
    }

    #[test]
    fn what_saves_little_is_not_worth_it() {
        for (packed, plain, expected) in
            [(0, 256, true), (224, 256, true), (225, 256, false), (300, 256, false)]
        {
            assert_eq!(is_worth_it(packed, plain), expected, "{packed} {plain}");
        }
    }
}
