//! The folder that copies lie in: one of this process's user, which nobody else may enter.
//!
//! The idea: a copy is named after the number of its file, so there is one of each coding, whatever paths lead to the
//! file, and that of an older version is replaced. It is written without a name, and takes it in one step; where no
//! file can be without one, under a name that nobody looks for.
//!
//! The rules: no link is followed to the folder or in it. A folder that is another user's, or open to others, is not
//! used: what they put there would be sent.

use super::super::content::Content;
use super::super::names::OF_MADE_COPIES;
use super::super::stamp::{FileKind, NodeStamp, nanos_of};
use super::packing::CODINGS;
use super::seal::{SEAL_BYTES, verify};
use super::verdicts::WholeCopy;
use super::version::FileVersion;
use crate::values::coding::ContentCoding;
use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, fstat, futimens, mkdirat, open,
    openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::DIRECTORY);

/// What is written to, whose nobody but this user may read.
const WRITE: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC);
const OURS: Mode = Mode::RUSR.union(Mode::WUSR);

/// How the names begin of files that are not whole yet.
const NEW: &str = "new-";

/// How long the use of a copy is not noted again.
const USE_NOTED_AFTER: Duration = Duration::from_secs(150);

/// How many names are tried for what nobody asks for.
const ATTEMPTS: usize = 8;

/// The folder, open.
pub(super) struct CopyFolder(OwnedFd);

/// What lies in it.
pub(super) struct CopyEntry {
    name: Vec<u8>,
    pub(super) bytes: u64,
    /// When it was last written to or read, as far as the file system keeps that; since 1970, in nanoseconds.
    pub(super) used: i128,
    /// Whether it is not whole yet, and perhaps never will be.
    pub(super) is_new: bool,
}

impl CopyFolder {
    /// That below `root`; `None` if there is none.
    pub(super) fn open(root: &Path) -> io::Result<Option<Self>> {
        let root = open(root, FOLDER, Mode::empty())?;
        match openat(&root, OF_MADE_COPIES, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(folder) => Self::accept(folder).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same, which is made if there is none.
    pub(super) fn make(root: &Path) -> io::Result<Self> {
        if let Some(folder) = Self::open(root)? {
            return Ok(folder);
        }
        let parent = open(root, FOLDER, Mode::empty())?;
        match mkdirat(&parent, OF_MADE_COPIES, Mode::RWXU) {
            // Somebody else makes it as well.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Self::open(root)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn accept(folder: OwnedFd) -> io::Result<Self> {
        let stat = fstat(&folder)?;
        let is_open = Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO);
        if is_open || stat.st_uid != rustix::process::geteuid().as_raw() {
            let problem = format!("{OF_MADE_COPIES} there is not this user's alone; its mode has to be 700");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, problem));
        }
        Ok(Self(folder))
    }

    /// The copy of that version in `coding`, and what it is known by from now on. Reads all of it. What cannot be read
    /// is no copy, and replaced by one. Fails when nothing can be said about it.
    pub(super) fn verified(
        &self,
        version: &FileVersion,
        coding: ContentCoding,
    ) -> io::Result<Option<WholeCopy>> {
        let Some((file, stamp, _)) = self.open_copy(version, coding)? else { return Ok(None) };
        let found = verify(&Content::of_file(file, stamp), version, coding).ok().flatten();
        let NodeStamp { inode, size, modified, .. } = stamp;
        Ok(found.map(|(_, checksum)| WholeCopy { inode, size, modified, checksum }))
    }

    /// The same copy, without reading it; `None`: it is not there any more, or another one is. Fails when nothing can
    /// be said about it.
    pub(super) fn find(
        &self,
        version: &FileVersion,
        coding: ContentCoding,
        known: &WholeCopy,
    ) -> io::Result<Option<Content>> {
        let Some((file, stamp, used)) = self.open_copy(version, coding)? else { return Ok(None) };
        let is_known = (stamp.inode, stamp.size, stamp.modified) == (known.inode, known.size, known.modified);
        let Some(length) = stamp.size.checked_sub(SEAL_BYTES).filter(|_| is_known) else { return Ok(None) };
        note_use(&file, used);
        Ok(Some(Content::of_file(file, stamp).shortened(length)))
    }

    /// With what is known of it, and when it was used. `None`: there is nothing, or what a copy takes the place of. (A
    /// folder it cannot.)
    fn open_copy(
        &self,
        version: &FileVersion,
        coding: ContentCoding,
    ) -> io::Result<Option<(File, NodeStamp, i128)>> {
        const READ: OFlags =
            OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);
        let file = match openat(&self.0, name_of(version, coding), READ, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(error) if is_of_process(&error.into()) => return Err(error.into()),
            Err(_) => return Ok(None),
        };
        let stat = fstat(&file)?;
        let stamp = NodeStamp::from_stat(&stat);
        match stamp.kind {
            FileKind::Regular => {
                let used = last_use(&stat, &stamp);
                Ok(Some((file, stamp, used)))
            }
            FileKind::Folder => Err(Errno::ISDIR.into()),
            FileKind::Other => Ok(None),
        }
    }

    /// Takes out the copies of a file, of whichever version.
    pub(super) fn remove_of(&self, version: &FileVersion) {
        for &coding in CODINGS {
            // What is not there, or stays, is of a file that is gone; it leaves when room is needed.
            let _ = unlinkat(&self.0, name_of(version, coding), AtFlags::empty());
        }
    }

    /// All that this module has put there, or would.
    pub(super) fn entries(&self) -> io::Result<Vec<CopyEntry>> {
        let mut entries = Vec::new();
        for found in Dir::read_from(&self.0)? {
            let found = found?;
            let name = found.file_name().to_bytes();
            let Some(rest) = name.strip_prefix(OF_MADE_COPIES.as_bytes()) else { continue };
            let Ok(stat) = statat(&self.0, found.file_name(), AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let stamp = NodeStamp::from_stat(&stat);
            entries.push(CopyEntry {
                name: name.to_vec(),
                bytes: bytes_on_disk(stamp.size),
                used: last_use(&stat, &stamp),
                is_new: rest.strip_prefix(b".").is_some_and(|rest| rest.starts_with(NEW.as_bytes())),
            });
        }
        Ok(entries)
    }

    /// Takes out what lies there. False: it stays.
    pub(super) fn remove(&self, entry: &CopyEntry) -> bool {
        unlinkat(&self.0, &*entry.name, AtFlags::empty()).is_ok()
    }
}

/// Whether that is the trouble of one copy, or of the moment, and others may be put into the same folder.
pub(super) fn is_of_one(error: &io::Error) -> bool {
    let of_one = [Errno::ISDIR, Errno::FBIG];
    is_of_process(error) || Errno::from_io_error(error).is_some_and(|error| of_one.contains(&error))
}

/// Whether it says nothing about what was to be opened: too much is open.
pub(super) fn is_of_process(error: &io::Error) -> bool {
    let of_process = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|error| of_process.contains(&error))
}

// The fields have other types on other systems.
#[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
fn last_use(stat: &rustix::fs::Stat, stamp: &NodeStamp) -> i128 {
    let read = stat.st_atime as i128 * 1_000_000_000 + stat.st_atime_nsec as i128;
    stamp.modified.max(read)
}

/// Notes that a copy is used, unless that was noted lately. Most file systems do so once a day, if at all.
fn note_use(file: &File, used: i128) {
    let age = nanos_of(SystemTime::now()) - used;
    if age >= USE_NOTED_AFTER.as_nanos() as i128 {
        let time = |nanos| Timespec { tv_sec: 0, tv_nsec: nanos };
        let times = Timestamps { last_access: time(UTIME_NOW), last_modification: time(UTIME_OMIT) };
        // If it cannot be, the copy is made again some time.
        let _ = futimens(file, &times);
    }
}

/// What a file of this length takes, about.
pub(super) fn bytes_on_disk(length: u64) -> u64 {
    const BLOCK: u64 = 4096;
    length.div_ceil(BLOCK).saturating_mul(BLOCK)
}

fn name_of(version: &FileVersion, coding: ContentCoding) -> String {
    let suffix = match coding {
        #[cfg(feature = "br")]
        ContentCoding::Brotli => "br",
        #[cfg(feature = "zstd")]
        ContentCoding::Zstd => "zst",
        #[cfg(feature = "gzip")]
        ContentCoding::Gzip => "gz",
        #[cfg(feature = "gzip")]
        ContentCoding::Deflate => "zz",
    };
    format!("{OF_MADE_COPIES}.{:x}-{:x}.{suffix}", version.device, version.inode)
}

/// A copy that is written. It is gone with this unless it was given its name.
pub(super) struct NewCopy<'a> {
    folder: &'a CopyFolder,
    file: File,
    /// `None`: it has no name.
    name: Option<String>,
}

impl<'a> NewCopy<'a> {
    pub(super) fn new(folder: &'a CopyFolder) -> io::Result<Self> {
        match Self::unnamed(folder) {
            Some(new) => Ok(new),
            None => Self::named(folder),
        }
    }

    /// One of which nothing is left if this process is killed.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn unnamed(folder: &'a CopyFolder) -> Option<Self> {
        // By which it is given its name.
        if !Path::new("/proc/self/fd").exists() {
            return None;
        }
        let file = openat(&folder.0, ".", WRITE | OFlags::TMPFILE, OURS).ok()?;
        Some(Self { folder, file: file.into(), name: None })
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn unnamed(_folder: &'a CopyFolder) -> Option<Self> {
        None
    }

    fn named(folder: &'a CopyFolder) -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Nobody else's, whatever lies there: neither a file nor a link.
        let flags = WRITE | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let mut attempts = 0;
        loop {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let name = format!("{OF_MADE_COPIES}.{NEW}{process:x}-{:x}-{count:x}", now.as_nanos());
            match openat(&folder.0, &*name, flags, OURS) {
                Ok(file) => return Ok(Self { folder, file: file.into(), name: Some(name) }),
                Err(Errno::EXIST) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Gives it the name it is found by. What had the name is gone then: a link itself, not what it leads to.
    pub(super) fn take_name(mut self, version: &FileVersion, coding: ContentCoding) -> io::Result<()> {
        let name = name_of(version, coding);
        match self.name.take() {
            None => self.link(&name),
            Some(old) => match renameat(&self.folder.0, &*old, &self.folder.0, &*name) {
                Ok(()) => Ok(()),
                Err(error) => {
                    self.name = Some(old);
                    Err(error.into())
                }
            },
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn link(&self, name: &str) -> io::Result<()> {
        use crate::util::file::link_unnamed_in;
        let mut attempts = 0;
        loop {
            match link_unnamed_in(&self.folder.0, &self.file, name) {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(io::Error::other("a file without a name cannot be given one")),
                Err(error) if attempts == ATTEMPTS => return Err(error),
                // That of another version, of which nothing is sent any more; or of this one, by another process.
                Err(_) => unlinkat(&self.folder.0, name, AtFlags::empty()).or_else(|error| match error {
                    Errno::NOENT => Ok(()),
                    error => Err(error),
                })?,
            }
            attempts += 1;
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn link(&self, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Drop for NewCopy<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // If it stays, it is taken out later, by its age.
            let _ = unlinkat(&self.folder.0, &**name, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests;
