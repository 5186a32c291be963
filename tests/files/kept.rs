//! Files that stay open: how soon a change is seen, how many they are, how they are let go of.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anthill_http::Handler;
use anthill_http::files::{FileTags, Files};
use anthill_tests::client::Client;
use anthill_tests::eventually;
use anthill_tests::processes::apart_with_descriptors;
use anthill_tests::server::{Running, plain};

use crate::tree::{Tree, ask, once, settle};

/// How many descriptors of files below `root` this process has, those of deleted ones included; of the root itself
/// there is one while there are others.
fn open_below(root: &Path) -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
    let (roots, below): (Vec<_>, Vec<_>) =
        targets.filter(|target| target.starts_with(root)).partition(|target| target == root);
    assert!(roots.len() <= 1, "{roots:?} {below:?}");
    below.len()
}

#[test]
fn fs_10_changes_of_a_file_are_seen_at_once() {
    let tree = Tree::new(&[("f", b"first"), ("d/index.html", b"index")]);
    let running = tree.served(|files| files.cache_duration(Duration::from_secs(3600)));
    let mut client = running.client();
    let get = |client: &mut Client| client.get("/f").text().to_owned();
    assert_eq!(get(&mut client), "first");
    // Exchanged, written to, made longer and shorter, deleted, there again.
    tree.write("f", "second");
    assert_eq!(get(&mut client), "second");
    fs::write(tree.at("f"), "third!").unwrap();
    assert_eq!(get(&mut client), "third!");
    File::options().append(true).open(tree.at("f")).unwrap().set_len(3).unwrap();
    assert_eq!(get(&mut client), "thi");
    fs::remove_file(tree.at("f")).unwrap();
    assert_eq!(client.get("/f").status, 404);
    tree.write("f", "again");
    assert_eq!(get(&mut client), "again");
    assert_eq!(client.get("/d/").text(), "index");
    tree.write("d/index.html", "newer");
    assert_eq!(client.get("/d/").text(), "newer");
}

#[test]
fn fs_10_what_leads_to_a_file_is_seen_in_time() {
    let tree = Tree::new(&[("one", b"one"), ("two", b"two")]);
    tree.link("one", "current");
    let running = tree.served(|files| files.cache_duration(Duration::from_millis(100)));
    assert_eq!(once(&running, "/current", &[]).text(), "one");
    fs::remove_file(tree.at("current")).unwrap();
    tree.link("two", "current");
    eventually("the link's new target is served", || once(&running, "/current", &[]).text() == "two");
    // Without keeping anything, at once.
    let running = tree.served(|files| files.cache_duration(Duration::ZERO));
    for target in ["one", "two", "one"] {
        fs::remove_file(tree.at("current")).unwrap();
        tree.link(target, "current");
        assert_eq!(once(&running, "/current", &[]).text(), target);
    }
}

#[test]
fn fs_10_files_are_closed_when_nobody_asks() {
    let tree = Tree::new(&[]);
    for number in 0..50 {
        tree.write(&format!("f{number}"), "x".repeat(number));
    }
    let root = tree.root();
    let running = tree.served(|files| files.cache_duration(Duration::from_secs(2)));
    let mut client = running.client();
    for number in 0..50 {
        assert_eq!(client.get(&format!("/f{number}")).status, 200);
    }
    assert!(open_below(&root) > 0, "they are kept");
    for number in 0..25 {
        fs::remove_file(tree.at(&format!("f{number}"))).unwrap();
    }
    eventually("all files are closed", || open_below(&root) == 0);
    // And with the handler.
    let running = tree.served(|files| files.cache_duration(Duration::from_secs(3600)));
    assert_eq!(once(&running, "/f30", &[]).status, 200);
    assert_eq!(open_below(&root), 1);
    drop(running);
    eventually("the handler's files are closed", || open_below(&root) == 0);
}

#[test]
fn fs_10_descriptors_are_bounded() {
    let tree = Tree::new(&[]);
    for number in 0..100 {
        tree.write(&format!("f{number}"), number.to_string());
    }
    let root = tree.root();
    let running = tree.served(|files| files.max_open_files(10).cache_duration(Duration::from_secs(3600)));
    let mut client = running.client();
    for round in 0..3 {
        for number in 0..100 {
            assert_eq!(client.get(&format!("/f{number}")).text(), number.to_string(), "{round}");
        }
    }
    assert_eq!(open_below(&root), 10);
}

#[test]
fn fs_10_without_descriptors_what_is_kept_makes_room() {
    apart_with_descriptors("kept::fs_10_without_descriptors_what_is_kept_makes_room", 100, || {
        let tree = Tree::new(&[]);
        for number in 0..200 {
            tree.write(&format!("f{number}"), number.to_string());
        }
        let running = tree.served(|files| files.cache_duration(Duration::from_secs(3600)));
        let mut client = running.client();
        for number in 0..200 {
            assert_eq!(client.get(&format!("/f{number}")).text(), number.to_string());
        }
        // None at all: that is said, and passes.
        let mut taken = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            taken.push(file);
        }
        let running = {
            taken.clear();
            tree.served(|files| files.cache_duration(Duration::ZERO))
        };
        let mut client = running.client();
        assert_eq!(client.get("/f1").status, 200);
        while let Ok(file) = File::open("/dev/null") {
            taken.push(file);
        }
        let reply = client.get("/f1");
        assert_eq!((reply.status, reply.field("Retry-After")), (503, Some("1")));
        taken.clear();
        assert_eq!(client.get("/f1").text(), "1");
    });
}

#[test]
fn fs_10_many_threads_and_changes() {
    let tree = Arc::new(Tree::new(&[]));
    for number in 0..20 {
        tree.write(&format!("f{number}"), format!("{number} {}", "x".repeat(number * 100)));
    }
    let running = tree.served(|files| files.max_open_files(8).cache_duration(Duration::from_millis(20)));
    let address = running.address();
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..4)
        .map(|first| {
            anthill_tests::background(move || {
                let mut client = Client::connect(address);
                for round in 0..500 {
                    let number = (first * 7 + round) % 20;
                    let reply = client.get(&format!("/f{number}"));
                    assert_eq!(reply.status, 200);
                    let text = reply.text();
                    // Always one version as a whole.
                    let version = text.split_once(' ').unwrap().1;
                    assert!(
                        version
                            .bytes()
                            .all(|byte| byte == version.as_bytes().first().copied().unwrap_or(b'x')),
                        "{text}"
                    );
                }
            })
        })
        .collect();
    let writer = {
        let (tree, stop) = (tree.clone(), stop.clone());
        anthill_tests::background(move || {
            let mut round = 0;
            while !stop.load(Ordering::SeqCst) {
                let number = round % 20;
                let letter = ["y", "z", "x"][round % 3];
                tree.write(&format!("f{number}"), format!("{number} {}", letter.repeat(number * 100)));
                round += 1;
            }
        })
    };
    for thread in threads {
        thread.outcome("a client");
    }
    stop.store(true, Ordering::SeqCst);
    writer.outcome("the writer");
}

#[test]
fn a_handler_is_shared_by_several() {
    let tree = Tree::new(&[("f", b"f")]);
    let files = Arc::new(Files::builder(tree.root()).build().unwrap());
    let (one, other) = (files.clone(), files);
    let one = Running::with(plain(), move |ctx| one.handle(ctx));
    let other = Running::with(plain(), move |ctx| other.handle(ctx));
    assert_eq!((once(&one, "/f", &[]).text(), once(&other, "/f", &[]).text()), ("f", "f"));
}

/// As often as the system's clock ticks a file cannot be told from what it is by then; so nobody is to be told that he
/// has it, and it is not kept.
#[test]
fn fs_10_a_file_that_changes_within_a_tick_of_the_clock() {
    let tree = Tree::new(&[("f", b"0000")]);
    for tags in [FileTags::Strong, FileTags::Weak] {
        let running = tree.served(|files| files.cache_duration(Duration::from_secs(3600)).etag(tags));
        let mut client = running.client();
        let mut known: Option<String> = None;
        for round in 0..1000 {
            // The same length, in the same file, and mostly of the same time.
            let content = format!("{round:04}");
            File::options().write(true).open(tree.at("f")).unwrap().write_all(content.as_bytes()).unwrap();
            let field = known.map_or("X: 1".to_owned(), |tag| format!("If-None-Match: {tag}"));
            let reply = ask(&mut client, "GET", "/f", &[&field]);
            assert_eq!((reply.status, reply.text()), (200, &*content), "{field} {tags:?}");
            known = reply.field("ETag").map(str::to_owned);
        }
        // Once that is over it is a file like others.
        settle();
        let whole = client.get("/f");
        let tag = whole.field("ETag").unwrap();
        assert_eq!(tag.starts_with('"'), tags == FileTags::Strong, "{tag}");
        assert_eq!(ask(&mut client, "GET", "/f", &[&format!("If-None-Match: {tag}")]).status, 304);
        eventually("it is kept", || open_below(&tree.root()) == 1);
    }
}
