//! Copies as they lie in their folder.

use super::super::packing::{Packed, pack};
use super::super::room::CopyRoom;
use super::*;
use crate::values::coding::{CompressionLevel, ContentCoding};
use std::fs::FileTimes;
use std::time::Duration;

const CODING: ContentCoding = CODINGS[0];

/// A folder for copies, and files of some text.
struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a folder") }
    }

    fn folder(&self) -> CopyFolder {
        CopyFolder::make(self.root.path()).expect("a folder of our own")
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.path().join(OF_MADE_COPIES)).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().expect("text")).collect();
        names.sort();
        names
    }

    /// A file of which each change from now on shows.
    fn plain(&self) -> (Content, FileVersion, File) {
        use std::io::Write;
        let mut file = tempfile::tempfile_in(self.root.path()).expect("a file");
        file.write_all(&b"some text ".repeat(1000)).expect("room");
        loop {
            let content = Content::from_file(file.try_clone().expect("a file")).expect("a file");
            if let Some(version) = FileVersion::of(&content) {
                return (content, version, file);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A copy that is written and has no name yet.
    fn written<'a>(&self, new: NewCopy<'a>, plain: &Content, version: FileVersion) -> NewCopy<'a> {
        let packed = pack(plain, (version, CODING), CompressionLevel::Fastest, new.file(), || true);
        assert!(matches!(packed, Ok(Packed::Whole)));
        new
    }
}

/// In both ways that there are.
#[test]
fn a_copy_is_there_as_a_whole_or_not_at_all() {
    let bench = Bench::new();
    let folder = bench.folder();
    let (plain, version, _) = bench.plain();
    let ways: [fn(&CopyFolder) -> NewCopy<'_>; 2] =
        [|folder| NewCopy::new(folder).expect("a file"), |folder| NewCopy::named(folder).expect("a file")];
    for way in ways {
        // Given up, with something in it.
        drop(bench.written(way(&folder), &plain, version));
        assert!(bench.names().is_empty());
        let new = bench.written(way(&folder), &plain, version);
        assert!(folder.verified(&version, CODING).is_none());
        new.take_name(&version, CODING).expect("a name");
        let known = folder.verified(&version, CODING).expect("it is there");
        let copy = folder.find(&version, CODING, &known).expect("it is there");
        assert!(copy.len() > 0 && copy.len() < plain.len() / 2);
        // In the place of another.
        bench.written(way(&folder), &plain, version).take_name(&version, CODING).expect("a name");
        assert_eq!(bench.names(), [name_of(&version, CODING)]);
        assert!(folder.find(&version, CODING, &known).is_none(), "it is another one");
        for other in [
            FileVersion { changed: version.changed + 1, ..version },
            FileVersion { modified: version.modified - 1, ..version },
            FileVersion { size: version.size + 1, ..version },
        ] {
            assert!(folder.verified(&other, CODING).is_none(), "{other:?}");
        }
        folder.remove_of(&version);
        assert!(bench.names().is_empty());
    }
}

/// What is written to while it is read is not taken for what it was, nor for what it is.
#[test]
fn of_a_file_that_changes_meanwhile_there_is_no_copy() {
    let bench = Bench::new();
    let folder = bench.folder();
    let (plain, version, file) = bench.plain();
    let new = NewCopy::new(&folder).expect("a file");
    let packed = pack(&plain, (version, CODING), CompressionLevel::Fastest, new.file(), || {
        // As programs do that keep the time of a file.
        file.set_modified(plain.modified().expect("a time")).expect("ours");
        true
    });
    assert!(matches!(packed, Ok(Packed::Changed)));
    assert!(matches!(pack(&plain, (version, CODING), 1.into(), new.file(), || false), Ok(Packed::Stopped)));
    drop(new);
    assert!(bench.names().is_empty());
}

fn version_of(inode: u64) -> FileVersion {
    FileVersion { device: 1, inode, size: 1, modified: 1, changed: 1 }
}

/// Those that were not used for longest leave; what is in use stays, whatever is wanted.
#[test]
fn room_is_made_by_what_was_not_used_for_longest() {
    let bench = Bench::new();
    let folder = bench.folder();
    let put = |inode: u64, age: u64| {
        let version = version_of(inode);
        let new = NewCopy::named(&folder).expect("a file");
        new.file().set_len(4096).expect("room");
        let then = SystemTime::now() - Duration::from_secs(age);
        let times = FileTimes::new().set_modified(then).set_accessed(then);
        new.file().set_times(times).expect("times");
        new.take_name(&version, CODING).expect("a name");
        name_of(&version, CODING)
    };
    let names: Vec<String> = (1..=8).map(|number| put(number, 10_000 - number)).collect();
    let recent = put(9, 60);
    let others = bench.root.path().join(OF_MADE_COPIES).join("not ours");
    std::fs::write(&others, vec![0; 100_000]).expect("a file");
    let room = CopyRoom::new(10 * 4096);
    assert!(!room.is_beyond(10 * 4096) && room.is_beyond(10 * 4096 + 1));
    assert!(room.take(&folder, 4096).expect("a folder"), "just that");
    assert_eq!(bench.names().len(), 10);
    put(10, 60);
    // One more makes room for some.
    assert!(room.take(&folder, 1).expect("a folder"));
    let left = bench.names();
    assert!(!left.contains(&names[0]) && left.contains(&names[7]) && left.contains(&recent), "{left:?}");
    assert!(left.len() < 11 && left.contains(&"not ours".to_owned()));
    // All of it cannot be had.
    assert!(!CopyRoom::new(10 * 4096).take(&folder, 10 * 4096).expect("a folder"));
    assert_eq!(bench.names(), [&*recent, &*name_of(&version_of(10), CODING), "not ours"]);
}

/// Where files have to have a name from the start, one is left behind when its process is killed.
#[test]
fn what_was_left_behind_is_taken_out_when_it_is_old() {
    let bench = Bench::new();
    let folder = bench.folder();
    let new = NewCopy::named(&folder).expect("a file");
    let old = NewCopy::named(&folder).expect("a file");
    let then = SystemTime::now() - Duration::from_secs(2 * 3600);
    old.file().set_times(FileTimes::new().set_modified(then).set_accessed(then)).expect("times");
    std::mem::forget(old);
    assert_eq!(bench.names().len(), 2);
    CopyRoom::new(1000).count_once(&folder).expect("a folder");
    assert_eq!(bench.names().len(), 1, "who writes still goes on");
    drop(new);
    assert!(bench.names().is_empty());
}

#[test]
fn a_folder_that_others_may_enter_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let path = bench.root.path().join(OF_MADE_COPIES);
    assert!(CopyFolder::open(bench.root.path()).expect("a root").is_none());
    drop(bench.folder());
    for (mode, expected) in [(0o700, true), (0o770, false), (0o701, false), (0o740, false), (0o500, true)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("ours");
        assert_eq!(CopyFolder::open(bench.root.path()).is_ok(), expected, "{mode:o}");
    }
    std::fs::remove_dir(&path).expect("empty");
    std::os::unix::fs::symlink(bench.root.path(), &path).expect("a link");
    assert!(CopyFolder::open(bench.root.path()).is_err());
    assert!(CopyFolder::make(bench.root.path()).is_err());
}

/// However seldom the file system notes that it was read.
#[test]
fn what_is_sent_counts_as_used() {
    let bench = Bench::new();
    let folder = bench.folder();
    let (plain, version, _) = bench.plain();
    let new = bench.written(NewCopy::new(&folder).expect("a file"), &plain, version);
    let then = SystemTime::now() - Duration::from_secs(3000);
    new.file().set_times(FileTimes::new().set_modified(then).set_accessed(then)).expect("times");
    new.take_name(&version, CODING).expect("a name");
    let known = folder.verified(&version, CODING).expect("it is there");
    let room = || CopyRoom::new(2 * 4096).take(&folder, 2 * 4096).expect("a folder");
    assert!(folder.find(&version, CODING, &known).is_some());
    assert!(!room(), "it is in use");
    assert!(folder.find(&version, CODING, &known).is_some(), "it is still the one that is known");
}
