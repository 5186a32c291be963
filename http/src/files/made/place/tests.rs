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
        self.plain_of(10_000)
    }

    fn plain_of(&self, length: usize) -> (Content, FileVersion, File) {
        use std::io::Write;
        let mut file = tempfile::tempfile_in(self.root.path()).expect("a file");
        file.write_all(&b"some text ".repeat(length / 10 + 1)[..length]).expect("room");
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

fn whole(folder: &CopyFolder, version: &FileVersion) -> Option<WholeCopy> {
    folder.verified(version, CODING).expect("a folder")
}

fn found(folder: &CopyFolder, version: &FileVersion, known: &WholeCopy) -> Option<Content> {
    folder.find(version, CODING, known).expect("a folder")
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
        assert!(whole(&folder, &version).is_none());
        new.take_name(&version, CODING).expect("a name");
        let known = whole(&folder, &version).expect("it is there");
        let copy = found(&folder, &version, &known).expect("it is there");
        assert!(copy.len() > 0 && copy.len() < plain.len() / 2);
        // In the place of another.
        bench.written(way(&folder), &plain, version).take_name(&version, CODING).expect("a name");
        assert_eq!(bench.names(), [name_of(&version, CODING)]);
        assert!(found(&folder, &version, &known).is_none(), "it is another one");
        for other in [
            FileVersion { changed: version.changed + 1, ..version },
            FileVersion { modified: version.modified - 1, ..version },
            FileVersion { size: version.size + 1, ..version },
        ] {
            assert!(whole(&folder, &other).is_none(), "{other:?}");
        }
        folder.remove_of(&version);
        assert!(bench.names().is_empty());
    }
}

/// What is written to while it is read is not taken for what it was, nor for what it is, and that is seen at once.
#[test]
fn of_a_file_that_changes_meanwhile_there_is_no_copy() {
    const PIECES: usize = 16;
    let bench = Bench::new();
    let folder = bench.folder();
    let (mut plain, mut version, file) = bench.plain_of(PIECES * 64 * 1024);
    for change in [0, 1, PIECES - 1, PIECES] {
        let new = NewCopy::new(&folder).expect("a file");
        let mut pieces = 0;
        let packed = pack(&plain, (version, CODING), CompressionLevel::Fastest, new.file(), || {
            if pieces == change {
                // As programs do that keep the time of a file.
                file.set_modified(plain.modified().expect("a time")).expect("ours");
            }
            pieces += 1;
            true
        });
        assert!(matches!(packed, Ok(Packed::Changed)), "{change}");
        assert_eq!(pieces, change + 1);
        while FileVersion::of_now(&plain).is_none() {
            std::thread::sleep(Duration::from_millis(5));
            plain = Content::from_file(file.try_clone().expect("a file")).expect("a file");
        }
        version = FileVersion::of(&plain).expect("it is settled");
    }
    let new = NewCopy::new(&folder).expect("a file");
    for stop in [0, PIECES] {
        let mut pieces = 0;
        let packed = pack(&plain, (version, CODING), CompressionLevel::Fastest, new.file(), || {
            pieces += 1;
            pieces <= stop
        });
        assert!(matches!(packed, Ok(Packed::Stopped)), "{stop}");
    }
    drop(new);
    assert!(bench.names().is_empty());
}

fn version_of(inode: u64) -> FileVersion {
    FileVersion { device: 1, inode, size: 1, modified: 1, changed: 1 }
}

/// Puts there what takes 4096 bytes, and was not used for so many seconds.
fn put(folder: &CopyFolder, inode: u64, age: u64) -> String {
    let version = version_of(inode);
    let new = NewCopy::named(folder).expect("a file");
    new.file().set_len(4096).expect("room");
    let then = SystemTime::now() - Duration::from_secs(age);
    new.file().set_times(FileTimes::new().set_modified(then).set_accessed(then)).expect("times");
    new.take_name(&version, CODING).expect("a name");
    name_of(&version, CODING)
}

/// Those that were not used for longest leave; what is in use stays, whatever is wanted.
#[test]
fn room_is_made_by_what_was_not_used_for_longest() {
    let bench = Bench::new();
    let folder = bench.folder();
    let put = |inode: u64, age: u64| put(&folder, inode, age);
    let names: Vec<String> = (1..=8).map(|number| put(number, 10_000 - number)).collect();
    let recent = put(9, 60);
    let others = bench.root.path().join(OF_MADE_COPIES).join("not ours");
    std::fs::write(&others, vec![0; 100_000]).expect("a file");
    let room = CopyRoom::new(10 * 4096);
    assert!(!room.is_beyond(10 * 4096) && room.is_beyond(10 * 4096 + 1));
    room.take(&folder, 4096).expect("a folder").expect("just that").keep();
    assert_eq!(bench.names().len(), 10);
    put(10, 60);
    // One more makes room for some.
    assert!(room.take(&folder, 1).expect("a folder").is_some());
    let left = bench.names();
    assert!(!left.contains(&names[0]) && left.contains(&names[7]) && left.contains(&recent), "{left:?}");
    assert!(left.len() < 11 && left.contains(&"not ours".to_owned()));
    // All of it cannot be had.
    assert!(CopyRoom::new(10 * 4096).take(&folder, 10 * 4096).expect("a folder").is_none());
    assert_eq!(bench.names(), [&*recent, &*name_of(&version_of(10), CODING), "not ours"]);
}

/// Another process may use the folder as well.
#[test]
fn what_others_have_put_there_is_counted_after_a_while() {
    for (after, expected) in [(Duration::ZERO, false), (Duration::from_secs(3600), true)] {
        let bench = Bench::new();
        let folder = bench.folder();
        let room = CopyRoom::counting_after(10 * 4096, after);
        assert!(room.take(&folder, 10 * 4096).expect("a folder").is_some());
        for number in 1..=9 {
            put(&folder, number, 1);
        }
        assert_eq!(room.take(&folder, 2 * 4096).expect("a folder").is_some(), expected, "{after:?}");
        assert!(room.take(&folder, 4096).expect("a folder").is_some());
    }
}

/// Whether it is counted meanwhile or not: a copy that has no name yet is not seen.
#[test]
fn room_that_is_taken_is_nobody_elses_until_it_is_given_back() {
    for after in [Duration::ZERO, Duration::from_secs(3600)] {
        let bench = Bench::new();
        let folder = bench.folder();
        let room = CopyRoom::counting_after(10 * 4096, after);
        let take = |blocks: u64| room.take(&folder, blocks * 4096).expect("a folder");
        let reserved = take(6).expect("it is empty");
        assert!(take(5).is_none(), "{after:?}");
        let other = take(4).expect("there is as much");
        drop(reserved);
        assert!(take(7).is_none() && take(6).is_some(), "{after:?}");
        // What is put there is seen there, or counted.
        put(&folder, 1, 1);
        put(&folder, 2, 1);
        put(&folder, 3, 1);
        put(&folder, 4, 1);
        other.keep();
        assert!(take(7).is_none() && take(6).is_some(), "{after:?}");
    }
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
    assert!(CopyRoom::new(8192).take(&folder, 1).expect("a folder").is_some());
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
    for is_sent in [false, true] {
        let bench = Bench::new();
        let folder = bench.folder();
        let (plain, version, _) = bench.plain();
        let new = bench.written(NewCopy::new(&folder).expect("a file"), &plain, version);
        let then = SystemTime::now() - Duration::from_secs(3000);
        let file = new.file().try_clone().expect("a file");
        file.set_times(FileTimes::new().set_modified(then)).expect("times");
        new.take_name(&version, CODING).expect("a name");
        let known = whole(&folder, &version).expect("it is there");
        // To read it may have counted; to send it has to.
        file.set_times(FileTimes::new().set_accessed(then)).expect("times");
        if is_sent {
            assert!(found(&folder, &version, &known).is_some());
        }
        let has_room = CopyRoom::new(2 * 4096).take(&folder, 2 * 4096).expect("a folder").is_some();
        assert_eq!(has_room, !is_sent);
        assert_eq!(found(&folder, &version, &known).is_some(), is_sent, "the one that is known");
    }
}
