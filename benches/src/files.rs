//! A folder with files to serve, and how to have the system forget what is in them.

use crate::chance::Chance;
use crate::load::{Asking, Exchange};
use rustix::fs::{Advice, fadvise, syncfs};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::fs::{self, File, Permissions};
use std::io::{self, IoSliceMut, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// What files are cut out of.
const TEXT_BYTES: usize = 2 * 1024 * 1024;

/// The largest file.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A prime, so that files of neighbouring numbers begin at different places.
const STEP: usize = 4099;

/// When all files were written, by what the system is told: long ago, so that nobody takes them for unfinished.
const WRITTEN: &str = "Mon, 01 Jan 2024 00:00:00 GMT";
const WRITTEN_SECONDS: u64 = 1_704_067_200;

/// The file that tells whether the others are forgotten; nobody asks for it.
const WITNESS: &str = "witness.txt";

/// A folder; it is removed when this is dropped.
#[derive(Debug)]
pub struct Folder {
    place: TempDir,
    text: &'static [u8],
}

impl Folder {
    /// An empty one that everybody may read.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn new() -> io::Result<Self> {
        let place = tempfile::tempdir()?;
        fs::set_permissions(place.path(), Permissions::from_mode(0o755))?;
        let mut chance = Chance::new(0);
        let text: Vec<u8> = (0..TEXT_BYTES).map(|_| b'a' + chance.below(26) as u8).collect();
        // For the rest of the program: exchanges refer to it.
        Ok(Self { place, text: text.leak() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// Adds so many files of so many bytes, each with another text; whole files are asked for. They are on the disk
    /// when this returns.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn add(&self, count: usize, bytes: usize) -> io::Result<Vec<Exchange>> {
        debug_assert!(bytes <= FILE_BYTES_MAX);
        let added = (0..count)
            .map(|number| {
                let begin = number * STEP % (TEXT_BYTES - FILE_BYTES_MAX);
                let body = &self.text[begin..begin + bytes];
                let target: &str = format!("/{bytes}-{number}.txt").leak();
                self.write(&target[1..], body)?;
                Ok(Exchange { target, body, asking: Asking::Whole, weight: 1 })
            })
            .collect();
        self.bring_to_disk()?;
        added
    }

    /// Adds one file of that name with that content; the whole of it is asked for.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_body(&self, name: &str, body: Vec<u8>) -> io::Result<Exchange> {
        let (target, body): (&str, &[u8]) = (format!("/{name}").leak(), body.leak());
        self.write(name, body)?;
        Ok(Exchange { target, body, asking: Asking::Whole, weight: 1 })
    }

    fn write(&self, name: &str, body: &[u8]) -> io::Result<()> {
        let mut file = File::create(self.path().join(name))?;
        file.write_all(body)?;
        file.set_modified(written())
    }

    /// What is not on the disk yet is not forgotten either.
    fn bring_to_disk(&self) -> io::Result<()> {
        Ok(syncfs(File::open(self.path())?)?)
    }

    /// Has the system forget what is in the files that are asked for. False: it does not, as where files are in memory
    /// alone.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub fn forget(&self, asked: &[Exchange]) -> io::Result<bool> {
        self.write(WITNESS, b"?")?;
        self.bring_to_disk()?;
        for name in asked.iter().map(|exchange| &exchange.target[1..]).chain([WITNESS]) {
            fadvise(File::open(self.path().join(name))?, 0, None, Advice::DontNeed)?;
        }
        let mut room = [0];
        let witness = File::open(self.path().join(WITNESS))?;
        // A look at a file has the system read it, so it is not one of those that are asked for.
        match preadv2(witness, &mut [IoSliceMut::new(&mut room)], 0, ReadWriteFlags::NOWAIT) {
            Err(Errno::AGAIN) => Ok(true),
            Ok(_) | Err(Errno::OPNOTSUPP) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// To ask only for what is newer than all files.
#[must_use]
pub const fn since_written() -> Asking {
    Asking::Since(WRITTEN)
}

fn written() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(WRITTEN_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_is_asked_for() {
        let folder = Folder::new().unwrap();
        let asked = folder.add(3, 1000).unwrap();
        assert_eq!(asked.len(), 3);
        for exchange in &asked {
            let file = folder.path().join(&exchange.target[1..]);
            assert_eq!(fs::read(&file).unwrap(), exchange.body);
            let modified = fs::metadata(file).unwrap().modified().unwrap();
            assert_eq!(httpdate::fmt_http_date(modified), WRITTEN);
        }
        assert_ne!(asked[0].body, asked[1].body);
        folder.forget(&asked).unwrap();
    }
}
