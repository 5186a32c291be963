//! Files of forms: in memory or on disk, read, saved, and kept under a name of their own; row `FRM-03`.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::thread;

use anthill_http::form::{Error, Form};
use anthill_http::multipart::{Boundary, MultipartWriter};
use anthill_tests::forms::{MULTIPART, SMALL_FORM, content, noise};
use anthill_tests::server::skip;

/// A form with one small and one large file.
fn two_files(large: &[u8]) -> Vec<u8> {
    let boundary = Boundary::new("sep").expect("a boundary");
    let mut writer = MultipartWriter::new(Vec::new(), &boundary);
    writer.file("small", "s.bin", "application/octet-stream", &b"small"[..]).expect("a vector");
    writer.file("large", "l.bin", "application/octet-stream", large).expect("a vector");
    writer.finish().expect("a vector")
}

/// A form with so many files of that content.
fn files(count: usize, content: &[u8]) -> Vec<u8> {
    let boundary = Boundary::new("sep").expect("a boundary");
    let mut writer = MultipartWriter::new(Vec::new(), &boundary);
    for number in 0..count {
        let content = [content, &[number as u8]].concat();
        writer
            .file(&number.to_string(), "f.bin", "application/octet-stream", &content[..])
            .expect("a vector");
    }
    writer.finish().expect("a vector")
}

/// Whether temporary files there are without a name from the beginning, so that they can get one.
#[cfg(target_os = "linux")]
fn has_unnamed_files(folder: &std::path::Path) -> bool {
    use std::os::fd::AsRawFd;
    let file = tempfile::tempfile_in(folder).expect("a file");
    let link = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("a link");
    link.to_string_lossy().contains("/#")
}

#[test]
#[cfg(target_os = "linux")]
fn frm_03_a_file_with_a_temporary_file_to_itself_is_persisted_without_a_copy() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().expect("a folder");
    if !has_unnamed_files(folder.path()) {
        return skip("temporary files have names here");
    }
    let content = noise(100_000);
    // How many files there are, how many may have a temporary file of their own, and which of them have one to
    // themselves.
    for (count, own_files, alone) in [
        (1, 0, &[true][..]),
        (2, 0, &[false, false]),
        (4, 2, &[true, true, false, false]),
        (3, 2, &[true, true, true]),
        (2, 9, &[true, true]),
    ] {
        let options = Form::options().max_memory_bytes(0).temp_dir(folder.path()).own_files(own_files);
        let form = options.read(MULTIPART, &files(count, &content)[..]).expect("a form");
        for (number, is_alone) in alone.iter().enumerate() {
            let (expected, file) =
                ([&content[..], &[number as u8]].concat(), form.file(&number.to_string()).expect("a file"));
            let paths = ["one", "other"]
                .map(|name| folder.path().join(format!("{count}-{own_files}-{number}-{name}")));
            let inodes = paths.clone().map(|path| {
                assert_eq!(file.persist(&path).expect("a place for it"), expected.len() as u64);
                assert_eq!(std::fs::read(&path).expect("a file"), expected);
                std::fs::metadata(&path).expect("a file").ino()
            });
            let what = format!("file {number} of {count}, {own_files} of their own");
            assert_ne!(inodes[0], inodes[1], "{what}: two names of one file");
            // What has the first name is the content itself, what has the second is a copy.
            std::fs::write(&paths[0], vec![b'.'; expected.len()]).expect("a file");
            let mut content = Vec::new();
            file.reader().read_to_end(&mut content).expect("the content");
            assert_eq!(content != expected, *is_alone, "{what}");
            assert_eq!(std::fs::read(&paths[1]).expect("a file"), expected, "{what}");
            // Nothing is overwritten, whatever lies there.
            std::fs::write(&paths[1], "other").expect("a file");
            let refused = file.persist(&paths[1]).expect_err("it is there");
            assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read(&paths[1]).expect("a file"), b"other");
        }
        drop(form);
        let first = std::fs::read(folder.path().join(format!("{count}-{own_files}-0-one"))).expect("a file");
        assert_eq!(first.len(), content.len() + 1, "it is there when the form is gone");
    }
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 2 * (1 + 2 + 4 + 3 + 2), "nothing but what was persisted");
}

/// Several threads at once: to different paths each has a file of its own, and to the same one of them succeeds.
#[test]
fn frm_03_whoever_persists_at_once_has_a_file_of_their_own() {
    const THREADS: usize = 4;
    let folder = tempfile::tempdir().expect("a folder");
    let content = noise(20_000);
    let expected = [&content[..], &[0]].concat();
    for round in 0..200 {
        let options = Form::options().max_memory_bytes(0).temp_dir(folder.path()).own_files(1);
        let form = options.read(MULTIPART, &files(1, &content)[..]).expect("a form");
        let file = form.file("0").expect("a file");
        let is_same = round % 2 == 1;
        let path =
            |thread: usize| folder.path().join(format!("{round}-{}", if is_same { 0 } else { thread }));
        let ready = std::sync::Barrier::new(THREADS);
        let persisted: Vec<_> = thread::scope(|scope| {
            let (ready, path) = (&ready, &path);
            let threads = (0..THREADS).map(|number| {
                scope.spawn(move || {
                    ready.wait();
                    file.persist(path(number)).map_err(|error| error.kind())
                })
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let length = expected.len() as u64;
        if is_same {
            let refused = Err(std::io::ErrorKind::AlreadyExists);
            assert_eq!(persisted.iter().filter(|one| **one == Ok(length)).count(), 1, "{persisted:?}");
            assert_eq!(persisted.iter().filter(|one| **one == refused).count(), THREADS - 1, "{persisted:?}");
            assert_eq!(fs::read(path(0)).expect("a file"), expected);
            continue;
        }
        assert!(persisted.iter().all(|one| *one == Ok(length)), "{persisted:?}");
        // What becomes of one is not seen in another.
        for number in 0..THREADS {
            fs::write(path(number), number.to_string()).expect("a file");
        }
        for number in 0..THREADS {
            assert_eq!(fs::read(path(number)).expect("a file"), number.to_string().as_bytes());
        }
    }
}

#[test]
fn frm_03_what_cannot_be_linked_is_copied_and_what_cannot_be_copied_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let content = noise(100_000);
    let read = |memory_bytes: usize| {
        let options = Form::options().max_memory_bytes(memory_bytes).temp_dir(folder.path()).own_files(1);
        options.read(MULTIPART, &files(1, &content)[..]).expect("a form")
    };
    let expected = [&content[..], &[0]].concat();
    let path = folder.path().join("in-memory");
    read(1 << 20).file("0").expect("a file").persist(&path).expect("a place for it");
    assert_eq!(std::fs::read(&path).expect("a file"), expected);
    // Mostly another file system.
    if let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") {
        let path = elsewhere.path().join("copied");
        read(0).file("0").expect("a file").persist(&path).expect("a place for it");
        assert_eq!(std::fs::read(&path).expect("a file"), expected);
    }
    for memory_bytes in [0, 1 << 20] {
        let form = read(memory_bytes);
        let nowhere = folder.path().join("no-such-folder/file");
        let refused = form.file("0").expect("a file").persist(&nowhere).expect_err("no such folder");
        assert_eq!(refused.kind(), std::io::ErrorKind::NotFound);
        let refused = form.file("0").expect("a file").persist(folder.path()).expect_err("a folder");
        assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

/// Root may write anywhere, so this runs as somebody else.
#[test]
#[cfg(target_os = "linux")]
fn frm_03_where_nothing_may_be_written_persisting_says_so() {
    const NAME: &str = "http_form_files::frm_03_where_nothing_may_be_written_persisting_says_so";
    let is_run = anthill_tests::processes::apart_without_privileges(NAME, || {
        for memory_bytes in [0, 1 << 20] {
            let options = Form::options().max_memory_bytes(memory_bytes);
            let form = options.read(MULTIPART, &files(1, b"content")[..]).expect("a form");
            let refused =
                form.file("0").expect("a file").persist("/anthill-may-not").expect_err("no permission");
            assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied, "{refused}");
        }
    });
    if !is_run {
        skip("this process cannot become another user");
    }
}

#[test]
fn frm_03_large_files_go_to_disk_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let large = noise(100_000);
    let body = two_files(&large);
    let options = Form::options().max_memory_bytes(1000).temp_dir(folder.path());
    let form = options.read(MULTIPART, &body[..]).expect("a form");
    assert_eq!(form.file("small").expect("a file").bytes(), Some(&b"small"[..]));
    let file = form.file("large").expect("a file");
    assert_eq!((file.bytes(), file.len()), (None, 100_000), "it is on disk");
    assert_eq!(content(file), large);
    let names = |folder: &std::path::Path| fs::read_dir(folder).expect("a folder").count();
    if cfg!(unix) {
        assert_eq!(names(folder.path()), 0, "without a name while it is there");
    }
    drop(form);
    assert_eq!(names(folder.path()), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn frm_03_many_files_on_disk_take_one_descriptor() {
    let boundary = Boundary::new("sep").expect("a boundary");
    let mut writer = MultipartWriter::new(Vec::new(), &boundary);
    for index in 0..1000 {
        writer.file("f", "f", "text/plain", index.to_string().as_bytes()).expect("a vector");
    }
    let body = writer.finish().expect("a vector");
    let folder = tempfile::tempdir().expect("a folder");
    let form = Form::options()
        .max_memory_bytes(0)
        .temp_dir(folder.path())
        .read(MULTIPART, &body[..])
        .expect("a form");
    let is_ours = |entry: &fs::DirEntry| {
        fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(folder.path()))
    };
    let open = fs::read_dir("/proc/self/fd").expect("descriptors").flatten().filter(is_ours).count();
    assert_eq!(open, 1);
    for (index, file) in form.files().iter().enumerate() {
        assert_eq!(file.bytes(), None);
        assert_eq!(content(file), index.to_string().as_bytes());
    }
}

#[test]
fn frm_03_saving_gives_equal_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let large = noise(200_001);
    let form = Form::options().max_memory_bytes(64).read(MULTIPART, &two_files(&large)[..]).expect("a form");
    let path = folder.path().join("saved");
    for (name, expected) in [("large", &large[..]), ("small", b"small")] {
        let file = form.file(name).expect("a file");
        assert_eq!(file.save_to(&path).expect("saved"), expected.len() as u64);
        assert_eq!(fs::read(&path).expect("a file"), expected, "what was there is replaced");
    }
    assert!(form.file("small").expect("a file").save_to(folder.path().join("no/such/folder")).is_err());
}

#[test]
fn frm_03_a_missing_file_is_a_typed_error() {
    let form = Form::read(MULTIPART, SMALL_FORM.as_bytes()).expect("a form");
    let error = form.file("a").expect_err("a value is not a file");
    assert!(matches!(&error, Error::MissingFile(name) if name == "a"));
    assert!(error.to_string().contains("\"a\""));
    assert_eq!(form.files_of("nothing").count(), 0);
}

#[test]
fn frm_03_readers_of_a_file_do_not_disturb_each_other() {
    let large = noise(50_000);
    let form = Form::options().max_memory_bytes(0).read(MULTIPART, &two_files(&large)[..]).expect("a form");
    let file = form.file("large").expect("a file");
    assert_eq!(form.file("small").expect("a file").bytes(), None, "no memory was allowed");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(content(file), large));
        }
    });
    let mut reader = file.reader();
    let mut piece = [0; 10];
    assert_eq!(reader.seek(SeekFrom::End(-10)).expect("a position"), 49_990);
    reader.read_exact(&mut piece).expect("ten bytes");
    assert_eq!(piece, large[49_990..]);
    assert_eq!(reader.seek(SeekFrom::Current(-20)).expect("a position"), 49_980);
    assert_eq!(reader.seek(SeekFrom::Start(60_000)).expect("beyond the end"), 60_000);
    assert_eq!(reader.read(&mut piece).expect("nothing"), 0);
    assert!(reader.seek(SeekFrom::Current(-60_001)).is_err());
    assert!(reader.seek(SeekFrom::Start(u64::MAX)).is_err());
}

#[test]
fn frm_03_a_folder_that_is_not_there_is_said_to_be() {
    let options = Form::options().max_memory_bytes(0).temp_dir("/no/such/folder");
    let error = options.read(MULTIPART, SMALL_FORM.as_bytes()).expect_err("no folder");
    assert!(matches!(error, Error::Store(_)), "{error:?}");
}
