//! Links, pipes and exchanged names, by both ways to open.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A root with files and links in it, and a folder beside it.
fn tree() -> tempfile::TempDir {
    let outside = tempfile::tempdir().expect("a folder");
    let root = outside.path().join("root");
    let at = |path: &str| root.join(path);
    fs::create_dir_all(at("a/b")).expect("a folder");
    fs::create_dir(outside.path().join("rooted")).expect("a folder");
    for path in ["top", "a/in", "a/b/deep"] {
        fs::write(at(path), path).expect("a file");
    }
    fs::write(outside.path().join("secret"), "secret").expect("a file");
    fs::write(outside.path().join("rooted/secret"), "secret").expect("a file");
    let link = |target: &Path, name: &str| symlink(target, at(name)).expect("a link");
    link(Path::new("a/in"), "to-file");
    link(Path::new("../top"), "a/up");
    link(Path::new("a"), "to-folder");
    link(&at("a/in"), "absolute");
    link(&at("a"), "absolute-folder");
    link(Path::new("absolute"), "to-absolute");
    link(Path::new("../root/top"), "out-and-in");
    link(Path::new("../secret"), "out");
    link(&outside.path().join("secret"), "absolute-out");
    link(&outside.path().join("rooted/secret"), "beside");
    link(outside.path(), "folder-out");
    link(Path::new("loop"), "loop");
    link(Path::new("nothing"), "dangling");
    link(Path::new("/proc/self/root"), "magic");
    let made = std::process::Command::new("mkfifo").arg(at("fifo")).status().expect("mkfifo is there");
    assert!(made.success());
    drop(std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket"));
    link(Path::new("/dev/zero"), "device");
    outside
}

fn content(folder: &Folder, path: &str) -> Option<String> {
    match folder.open(path.as_bytes()) {
        Ok(FsNode::File(content)) => {
            Some(String::from_utf8(content.beginning(100).expect("readable")).expect("text"))
        }
        Ok(FsNode::Folder) => Some("a folder".to_owned()),
        Err(_) => None,
    }
}

/// Both ways to open say the same.
fn ways(root: &Path) -> [Folder; 2] {
    let folder = Folder::new(root);
    [folder.clone(), Folder { walks: true, ..folder }]
}

#[test]
fn links_are_followed_inside_of_the_root_alone() {
    let outside = tree();
    for folder in ways(&outside.path().join("root")) {
        for (path, expected) in [
            ("top", Some("top")),
            ("a/b/deep", Some("a/b/deep")),
            ("", Some("a folder")),
            ("a/b", Some("a folder")),
            ("to-file", Some("a/in")),
            ("a/up", Some("top")),
            ("to-folder/b/deep", Some("a/b/deep")),
            ("absolute", Some("a/in")),
            ("absolute-folder/in", Some("a/in")),
            ("absolute-folder", Some("a folder")),
            ("to-absolute", Some("a/in")),
            ("out-and-in", Some("top")),
            ("out", None),
            ("absolute-out", None),
            ("beside", None),
            ("folder-out", None),
            ("folder-out/secret", None),
            ("loop", None),
            ("dangling", None),
            ("magic/etc/passwd", None),
            ("nothing", None),
            ("top/below", None),
            ("fifo", None),
            ("socket", None),
            ("device", None),
            (&"x".repeat(300), None),
        ] {
            assert_eq!(content(&folder, path).as_deref(), expected, "{path}, {folder:?}");
        }
    }
    let all = Folder::new(outside.path().join("root")).links_out(true);
    assert_eq!(content(&all, "out").as_deref(), Some("secret"));
    assert_eq!(content(&all, "folder-out/secret").as_deref(), Some("secret"));
    assert_eq!((content(&all, "fifo"), content(&all, "device")), (None, None));
}

/// Whoever may make links in the folder, or knows of some, must not learn by the answers what is outside.
#[test]
fn whatever_links_lead_to_outside_is_missing_in_one_way() {
    let outside = tree();
    let root = outside.path().join("root");
    let at = |path: &str| outside.path().join(path);
    symlink("loop", at("loop")).expect("a link");
    fs::create_dir(at("folder")).expect("a folder");
    let long = "x".repeat(300);
    for (number, target) in [
        "secret",
        "nothing",
        "secret/below",
        "loop",
        "loop/below",
        &long,
        "folder",
        "folder/x",
        "root/../secret",
    ]
    .into_iter()
    .enumerate()
    {
        symlink(at(target), root.join(format!("absolute-{number}"))).expect("a link");
        symlink(Path::new("..").join(target), root.join(format!("relative-{number}"))).expect("a link");
        for folder in ways(&root) {
            for name in ["absolute", "relative"] {
                for path in [format!("{name}-{number}"), format!("{name}-{number}/below")] {
                    let error = folder.open(path.as_bytes()).expect_err("missing");
                    let said = (error.kind(), error.raw_os_error());
                    assert_eq!(said, (std::io::ErrorKind::NotFound, None), "{path} to {target}, {folder:?}");
                }
            }
        }
    }
}

/// What the handler never asks for, and somebody may who calls a folder himself.
#[test]
fn paths_that_are_not_as_they_should_be_are_missing() {
    let outside = tree();
    let root = outside.path().join("root");
    let absolute = root.join("top").to_str().expect("text").to_owned();
    for folder in ways(&root).into_iter().chain([Folder::new(&root).links_out(true)]) {
        for path in [&*absolute, "/top", "../secret", "a/../top", "./top", "a//in", "top/", "/"] {
            assert_eq!(content(&folder, path), None, "{path}, {folder:?}");
            assert!(folder.list(path.as_bytes(), usize::MAX).is_err(), "{path}, {folder:?}");
        }
    }
}

#[test]
fn a_list_has_what_can_be_opened() {
    let outside = tree();
    for folder in ways(&outside.path().join("root")) {
        let mut names: Vec<String> = folder
            .list(b"", usize::MAX)
            .expect("a list")
            .entries
            .into_iter()
            .map(|entry| {
                format!("{}{}", String::from_utf8_lossy(&entry.name), if entry.is_folder { "/" } else { "" })
            })
            .collect();
        names.sort();
        let expected = [
            "a/",
            "absolute",
            "absolute-folder/",
            "out-and-in",
            "to-absolute",
            "to-file",
            "to-folder/",
            "top",
        ];
        assert_eq!(names, expected);
        assert!(folder.list(b"top", usize::MAX).is_err() && folder.list(b"folder-out", usize::MAX).is_err());
    }
}

#[test]
fn a_root_that_is_a_link_is_the_folder_it_leads_to_by_then() {
    let outside = tree();
    let (one, other, current) =
        (outside.path().join("root"), outside.path().join("rooted"), outside.path().join("current"));
    symlink(&one, &current).expect("a link");
    for folder in ways(&current) {
        assert_eq!(content(&folder, "absolute").as_deref(), Some("a/in"));
        fs::remove_file(&current).expect("gone");
        symlink(&other, &current).expect("a link");
        assert_eq!(content(&folder, "secret").as_deref(), Some("secret"));
        assert_eq!(content(&folder, "top"), None);
        fs::remove_file(&current).expect("gone");
        symlink(&one, &current).expect("a link");
    }
}

/// While somebody exchanges a folder for a link that leads out, again and again, nothing outside is ever opened.
#[test]
fn nothing_is_opened_by_exchanging_names() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let outside = tree();
    let root = outside.path().join("root");
    fs::create_dir(root.join("x")).expect("a folder");
    fs::write(root.join("x/secret"), "harmless").expect("a file");
    symlink(outside.path(), root.join("y")).expect("a link");
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::Relaxed) {
                for (from, to) in [("x", "z"), ("y", "x"), ("x", "y"), ("z", "x")] {
                    fs::rename(root.join(from), root.join(to)).expect("renamed");
                }
            }
        });
        for folder in ways(&root) {
            for _ in 0..3000 {
                let found = content(&folder, "x/secret");
                if found.as_deref().is_some_and(|found| found != "harmless") {
                    ends.store(true, Ordering::Relaxed);
                    panic!("{found:?} by {folder:?}");
                }
            }
        }
        ends.store(true, Ordering::Relaxed);
    });
}

#[test]
fn roots_that_are_none() {
    let outside = tree();
    let file = outside.path().join("secret");
    for (root, expected) in [
        (Path::new(""), "is empty"),
        (Path::new("no/such/folder"), "does not exist"),
        (&*file, "is no folder"),
    ] {
        let problem = Folder::new(root).check().expect_err("no root").to_string();
        assert!(problem.contains(expected), "{problem}");
    }
}

/// What is not served takes as long to be looked at.
#[test]
fn a_list_is_bounded_by_what_is_looked_at() {
    let outside = tempfile::tempdir().expect("a folder");
    for number in 0..20 {
        let link = outside.path().join(number.to_string());
        std::os::unix::fs::symlink("nowhere", link).expect("a link");
    }
    for folder in ways(outside.path()) {
        for (most, is_cut) in [(0, true), (5, true), (19, true), (20, false)] {
            let list = folder.list(b"", most).expect("a list");
            assert_eq!((list.entries.len(), list.is_cut), (0, is_cut), "{most}");
        }
    }
}

/// How many descriptors of the folder `root` itself this process has.
#[cfg(target_os = "linux")]
fn open_roots(root: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
    links.filter(|link| fs::read_link(link.path()).is_ok_and(|target| target == *root)).count()
}

/// While somebody has a file of it; whichever other files there are, and however one comes to them.
#[cfg(target_os = "linux")]
#[test]
fn a_root_is_open_once_for_all_its_files() {
    let outside = tree();
    let root = outside.path().join("root");
    let folder = Folder::new(&root);
    assert_eq!(open_roots(&root), 0);
    let open = |path: &str| folder.open(path.as_bytes());
    for _ in 0..3 {
        let paths = ["top", "a/in", "to-file", "a/up", "absolute", "top", "a/b/deep", "absolute-folder/in"];
        let mut held: Vec<_> = paths.iter().map(|path| open(path).expect("a file")).collect();
        assert!(matches!(open("a"), Ok(FsNode::Folder)) && open("fifo").is_err() && open("out").is_err());
        assert_eq!(open_roots(&root), 1);
        // Which of them has it does not matter, unless none has.
        while let Some(last) = held.pop() {
            assert_eq!(open_roots(&root), 1);
            drop(last);
        }
        assert_eq!(open_roots(&root), 0);
    }
    // Nor does a copy of the folder open one of its own.
    let (one, other) = (open("top").expect("a file"), folder.clone().open(b"a/in").expect("a file"));
    assert_eq!(open_roots(&root), 1);
    drop((one, other));
    assert_eq!(open_roots(&root), 0);
}

/// Of a root that is held, when another one has its name, or one of its files another content.
#[test]
fn a_root_that_is_held_is_not_served_when_it_is_another_one() {
    let outside = tree();
    let (root, old) = (outside.path().join("root"), outside.path().join("old"));
    for folder in ways(&root) {
        let held = folder.open(b"top").expect("a file");
        fs::rename(&root, &old).expect("renamed");
        for path in ["top", "a/in", ""] {
            assert_eq!(content(&folder, path), None, "{path}: nothing has that name");
        }
        fs::create_dir(&root).expect("a folder");
        fs::write(root.join("top"), "new").expect("a file");
        // The very file that is in the old one, too, and one that is of another kind there.
        fs::create_dir(root.join("a")).expect("a folder");
        fs::hard_link(old.join("a/in"), root.join("a/in")).expect("a link");
        fs::write(root.join("fifo"), "no pipe").expect("a file");
        fs::create_dir(root.join("to-file")).expect("a folder");
        for (path, expected) in [
            ("top", Some("new")),
            ("a/in", Some("a/in")),
            ("fifo", Some("no pipe")),
            ("to-file", Some("a folder")),
            ("a/b/deep", None),
            ("absolute", None),
        ] {
            assert_eq!(content(&folder, path).as_deref(), expected, "{path}");
        }
        fs::write(root.join("next"), "1").expect("a file");
        fs::rename(root.join("next"), root.join("top")).expect("renamed");
        assert_eq!(content(&folder, "top").as_deref(), Some("1"));
        drop(held);
        assert_eq!(content(&folder, "top").as_deref(), Some("1"));
        fs::remove_dir_all(&root).expect("gone");
        fs::rename(&old, &root).expect("renamed");
        assert_eq!(content(&folder, "top").as_deref(), Some("top"));
    }
}
