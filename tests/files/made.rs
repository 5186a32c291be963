//! Compressed copies that are made.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anthill_http::Handler;
use anthill_http::body::{CompressionLevel, ContentDecoder};
use anthill_http::files::{EmbeddedFiles, FileTags, Files, FilesBuilder};
use anthill_tests::client::{Client, Reply};
use anthill_tests::processes::{
    ADDRESS, apart_with_descriptors, apart_with_mounts, apart_without_privileges, mount, serve_apart, signal,
};
use anthill_tests::server::{Running, plain, skip};
use anthill_tests::{background, eventually, logs};

use crate::tree::{Tree, ask, once, served, settle};

const FASTEST: CompressionLevel = CompressionLevel::Fastest;

/// Text of so many bytes, which compresses well and is not the same everywhere.
fn text(length: usize) -> Vec<u8> {
    let lines = (0_u32..)
        .flat_map(|line| format!("line {line} of {}\n", line.wrapping_mul(2_654_435_761)).into_bytes());
    lines.take(length).collect()
}

/// Bytes of which nothing is saved.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// What a reply brings once its coding is undone, and the coding.
fn unpacked(reply: &Reply) -> (Option<&str>, Vec<u8>) {
    let coding = reply.field("Content-Encoding");
    let mut bytes = Vec::new();
    ContentDecoder::new(coding.unwrap_or(""), &reply.body[..]).unwrap().read_to_end(&mut bytes).unwrap();
    (coding, bytes)
}

fn accepting(client: &mut Client, target: &str, codings: &str) -> Reply {
    let reply = ask(client, "GET", target, &[&format!("Accept-Encoding: {codings}")]);
    assert_eq!(reply.status, 200, "{target} {codings}");
    reply
}

/// Asks until a copy in that coding is sent.
fn awaited(client: &mut Client, target: &str, codings: &str, coding: &str) -> Reply {
    let mut found = None;
    eventually("the copy is sent", || {
        let reply = accepting(client, target, codings);
        let is_packed = reply.field("Content-Encoding") == Some(coding);
        found = Some(reply);
        is_packed
    });
    found.unwrap()
}

fn folder(copies: &Tree) -> PathBuf {
    copies.at(".anthill-copies")
}

/// The copies that lie there, or would: what is in their folder.
fn made(copies: &Tree) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder(copies)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Where the copy of a file lies.
fn place(copies: &Tree, file: &Path, suffix: &str) -> PathBuf {
    let of = fs::metadata(file).unwrap();
    folder(copies).join(format!(".anthill-copies.{:x}-{:x}.{suffix}", of.dev(), of.ino()))
}

fn served_with(tree: &Tree, copies: &Tree, change: impl FnOnce(FilesBuilder) -> FilesBuilder) -> Running {
    tree.served(|files| {
        change(files.compress(FASTEST).compress_root(copies.root()).compress_min_age(Duration::ZERO))
    })
}

#[test]
fn fs_09_copies_are_made_once_and_sent_to_all_who_want_them() {
    let plain = text(50_000);
    let (tree, copies) = (Tree::new(&[("d/a.css", &plain)]), Tree::new(&[]));
    tree.age("d/a.css", Duration::from_secs(100));
    let running = served_with(&tree, &copies, |files| files);
    let mut client = running.client();
    // Who does not want one has none made, and is told that others may get something else.
    let whole = client.get("/d/a.css");
    assert_eq!((whole.field("Vary"), whole.field("Content-Encoding")), (Some("Accept-Encoding"), None));
    let mut tags = vec![whole.field("ETag").unwrap().to_owned()];
    for (codings, expected, suffix) in [
        ("gzip", "gzip", "gz"),
        ("gzip, zstd", "zstd", "zst"),
        ("gzip, zstd, br", "br", "br"),
        ("br;q=0.5, gzip", "gzip", "gz"),
        ("*", "br", "br"),
    ] {
        let reply = awaited(&mut client, "/d/a.css", codings, expected);
        assert_eq!(unpacked(&reply), (Some(expected), plain.clone()), "{codings}");
        assert!(reply.body.len() < plain.len() * 3 / 4, "{codings}");
        assert_eq!(reply.field("Content-Type"), Some("text/css; charset=utf-8"));
        assert_eq!(reply.field("Last-Modified"), whole.field("Last-Modified"));
        assert_eq!(reply.field("Vary"), Some("Accept-Encoding"));
        assert!(fs::read(place(&copies, &tree.at("d/a.css"), suffix)).unwrap().starts_with(&reply.body));
        let tag = reply.field("ETag").unwrap().to_owned();
        let accept = format!("Accept-Encoding: {codings}");
        let part =
            ask(&mut client, "GET", "/d/a.css", &[&accept, "Range: bytes=-5", &format!("If-Range: {tag}")]);
        assert_eq!((part.status, &part.body[..]), (206, &reply.body[reply.body.len() - 5..]), "{codings}");
        let known = ask(&mut client, "GET", "/d/a.css", &[&accept, &format!("If-None-Match: {tag}")]);
        assert_eq!((known.status, known.field("Vary")), (304, Some("Accept-Encoding")));
        tags.push(tag);
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "{tags:?}");
    let there = made(&copies);
    assert_eq!(there.len(), 3, "{there:?}");
    assert_eq!(fs::metadata(folder(&copies)).unwrap().permissions().mode() & 0o777, 0o700);
    let inodes = || made(&copies).iter().map(|path| fs::metadata(path).unwrap().ino()).collect::<Vec<_>>();
    for path in &there {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
    }
    // Another life of the program finds them.
    let before = inodes();
    let again = served_with(&tree, &copies, |files| files);
    for codings in ["br", "zstd", "gzip"] {
        // It is read by whoever makes them first, and not while a client waits.
        assert!(accepting(&mut again.client(), "/d/a.css", codings).field("Content-Encoding").is_none());
        let reply = awaited(&mut again.client(), "/d/a.css", codings, codings);
        assert_eq!(unpacked(&reply), (Some(codings), plain.clone()));
        assert!(tags.contains(&reply.field("ETag").unwrap().to_owned()), "the same bytes have the same tag");
    }
    assert_eq!(inodes(), before);
    assert_eq!(accepting(&mut client, "/d/a.css", "identity").body, plain);
    // Nothing else was put anywhere.
    assert_eq!(fs::read_dir(tree.at("d")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(copies.root()).unwrap().count(), 1);
}

/// Whatever is done to a file: written in place and given its former time, exchanged for one of the same size and time,
/// put back.
#[test]
fn fs_09_nothing_of_another_version_is_sent() {
    let (tree, copies) = (Tree::new(&[("a.txt", &text(4000))]), Tree::new(&[]));
    let time = SystemTime::now() - Duration::from_secs(1000);
    let version = |number: usize| [text(4000), format!("{number:04}").into_bytes()].concat();
    for (tags, duration) in [(FileTags::None, Duration::ZERO), (FileTags::Strong, Duration::from_secs(3600))]
    {
        let running = served_with(&tree, &copies, |files| files.cache_duration(duration).etag(tags));
        let mut client = running.client();
        for number in 0..12 {
            if number % 3 == 0 {
                tree.write("a.txt", version(number));
            }
            let file = File::options().write(true).open(tree.at("a.txt")).unwrap();
            file.write_all_at(&version(number), 0).unwrap();
            file.set_modified(time).unwrap();
            drop(file);
            let now = unpacked(&accepting(&mut client, "/a.txt", "gzip")).1;
            assert!(now == version(number), "{number}, at once");
            let packed = awaited(&mut client, "/a.txt", "gzip", "gzip");
            assert!(unpacked(&packed).1 == version(number), "{number}");
        }
    }
    // More often than the clock ticks.
    let running = served_with(&tree, &copies, |files| files.cache_duration(Duration::from_secs(3600)));
    let mut client = running.client();
    for number in 0..200 {
        fs::write(tree.at("a.txt"), version(number)).unwrap();
        let reply = accepting(&mut client, "/a.txt", "gzip");
        assert!(unpacked(&reply).1 == version(number), "{number}");
        if number % 50 == 0 {
            awaited(&mut client, "/a.txt", "gzip", "gzip");
        }
    }
    // Releases whose files have one size and one time, and a root that is a link to one of them.
    let releases = Tree::new(&[("1/a.txt", &version(1)), ("2/a.txt", &version(2))]);
    let link = |number: usize| {
        let next = releases.outside().join("next");
        std::os::unix::fs::symlink(releases.at(&number.to_string()), &next).unwrap();
        fs::rename(next, releases.outside().join("current")).unwrap();
    };
    for number in 1..=2 {
        let file = File::options().write(true).open(releases.at(&format!("{number}/a.txt"))).unwrap();
        file.set_modified(time).unwrap();
    }
    link(1);
    settle();
    let builder = Files::builder(releases.outside().join("current")).cache_duration(Duration::ZERO);
    let running =
        served(builder.compress(FASTEST).compress_root(copies.root()).compress_min_age(Duration::ZERO));
    let mut client = running.client();
    for number in [1, 2, 1, 2, 1] {
        link(number);
        assert!(
            unpacked(&accepting(&mut client, "/a.txt", "gzip")).1 == version(number),
            "{number}, at once"
        );
        assert!(unpacked(&awaited(&mut client, "/a.txt", "gzip", "gzip")).1 == version(number), "{number}");
    }
}

/// Each gets one version as a whole, none that was over when it asked.
#[test]
fn fs_09_many_clients_get_what_is_there_while_it_changes() {
    let version = |number: usize| [format!("{number:06} ").into_bytes(), text(20_000)].concat();
    let (tree, copies) = (Arc::new(Tree::new(&[("a.txt", &version(0))])), Tree::new(&[]));
    let running = served_with(&tree, &copies, |files| files);
    let address = running.address();
    let (published, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let (published, is_over) = (published.clone(), is_over.clone());
            background(move || {
                let mut client = Client::connect(address);
                while !is_over.load(Ordering::SeqCst) {
                    let least = published.load(Ordering::SeqCst);
                    let codings = ["br", "zstd", "gzip", "identity"][number];
                    let (_, bytes) = unpacked(&accepting(&mut client, "/a.txt", codings));
                    let found: usize = std::str::from_utf8(&bytes[..6]).unwrap().parse().unwrap();
                    assert!(bytes == version(found) && found >= least, "{found} {least} {codings}");
                }
            })
        })
        .collect();
    let mut client = running.client();
    for number in 1..=25 {
        tree.write("a.txt", version(number));
        published.store(number, Ordering::SeqCst);
        // Now and then it is left alone until there is a copy.
        if number % 5 == 0 {
            let coding = ["br", "zstd", "gzip"][number / 5 % 3];
            assert!(unpacked(&awaited(&mut client, "/a.txt", coding, coding)).1 == version(number));
        } else {
            std::thread::sleep(Duration::from_millis(number as u64 % 4 * 15));
        }
    }
    is_over.store(true, Ordering::SeqCst);
    for client in clients {
        client.outcome("a client");
    }
}

#[test]
fn fs_09_copies_that_are_not_worth_it_are_not_made() {
    let archive = noise(100_000);
    // Its beginning promises more than it keeps.
    let mixed = [text(20_000), noise(2_000_000)].concat();
    let large = text((8 << 20) + 1);
    let (tree, copies) = (
        Tree::new(&[
            ("small.txt", &text(255)),
            ("archive.bin", &archive),
            ("mixed.bin", &mixed),
            ("large.txt", &large),
            ("enough.txt", &text(300)),
        ]),
        Tree::new(&[]),
    );
    let running = served_with(&tree, &copies, |files| files);
    let mut client = running.client();
    let contents = [
        ("/small.txt", &text(255)),
        ("/archive.bin", &archive),
        ("/mixed.bin", &mixed),
        ("/large.txt", &large),
    ];
    for (target, content) in contents {
        let reply = accepting(&mut client, target, "gzip");
        assert_eq!(reply.field("Content-Encoding"), None, "{target}");
        assert!(reply.body == *content, "{target}");
    }
    let reply = awaited(&mut client, "/enough.txt", "gzip", "gzip");
    assert_eq!(unpacked(&reply), (Some("gzip"), text(300)));
    for (target, content) in contents {
        let reply = accepting(&mut client, target, "gzip");
        assert!(reply.field("Content-Encoding").is_none() && reply.body == *content, "{target}");
    }
    assert_eq!(made(&copies), [place(&copies, &tree.at("enough.txt"), "gz")]);
}

/// Neither by its name, nor by a link, nor under another name; also where everything else is shown.
#[test]
fn fs_09_copies_are_neither_served_nor_listed() {
    let tree = Tree::new(&[("a.txt", &text(5000)), ("sub/b.txt", &text(6000))]);
    let running = tree.served(|files| {
        files
            .compress(FASTEST)
            .compress_root(tree.root())
            .compress_min_age(Duration::ZERO)
            .listing(true)
            .hidden_files(true)
    });
    let mut client = running.client();
    awaited(&mut client, "/a.txt", "gzip", "gzip");
    awaited(&mut client, "/sub/b.txt", "gzip", "gzip");
    let copy = place(&tree, &tree.at("a.txt"), "gz");
    let name = copy.file_name().unwrap().to_str().unwrap().to_owned();
    tree.link(".anthill-copies", "linked");
    tree.link(&copy, "direct.txt");
    fs::copy(&copy, tree.at("taken.txt")).unwrap();
    fs::create_dir(tree.at("elsewhere")).unwrap();
    fs::copy(&copy, tree.at("elsewhere").join(&name)).unwrap();
    settle();
    for target in [
        "/.anthill-copies",
        "/.anthill-copies/",
        "/.Anthill-Copies/",
        &format!("/.anthill-copies/{name}"),
        &format!("/%2eanthill-copies/{name}"),
        &format!("/linked/{name}"),
        &format!("/elsewhere/{name}"),
        "/direct.txt",
        "/taken.txt",
    ] {
        for _ in 0..2 {
            let reply = ask(&mut client, "GET", target, &["Accept-Encoding: gzip"]);
            assert_eq!(reply.status, 404, "{target}");
        }
    }
    for target in ["/", "/linked/", "/elsewhere/"] {
        let page = client.get(target);
        assert!(page.status == 200 && !page.text().contains("anthill"), "{target} {}", page.text());
    }
    // Nor are there copies of copies.
    assert_eq!(made(&tree).len(), 2);
    // By handlers that make none they are not served either.
    let others = tree.served(|files| files.listing(true).hidden_files(true));
    for target in ["/.anthill-copies/", &*format!("/.anthill-copies/{name}"), &*format!("/linked/{name}")] {
        assert_eq!(once(&others, target, &[]).status, 404, "{target}");
    }
    assert!(!once(&others, "/", &[]).text().contains("anthill"));
}

/// However many paths lead to a file, it has one copy in each coding.
#[test]
fn fs_09_other_paths_to_a_file_make_no_other_copies() {
    let (tree, copies) = (Tree::new(&[("d/a.txt", &text(5000))]), Tree::new(&[]));
    tree.link(".", "loop");
    tree.link("d/a.txt", "b.txt");
    tree.link(copies.root(), "copies");
    fs::hard_link(tree.at("d/a.txt"), tree.at("c.txt")).unwrap();
    let running = served_with(&tree, &copies, |files| files.strip_segments(1));
    let mut client = running.client();
    for target in ["/x/d/a.txt", "/y/b.txt", "/c.txt/c.txt", "/x/loop/loop/loop/d/a.txt", "/x/loop/b.txt"] {
        let reply = awaited(&mut client, target, "gzip", "gzip");
        assert_eq!(unpacked(&reply).1, text(5000), "{target}");
    }
    assert_eq!(made(&copies).len(), 1);
    assert_eq!(fs::read_dir(copies.root()).unwrap().count(), 1);
}

/// Whoever may put something where copies lie has nothing written and nothing sent that is not a copy.
#[test]
fn fs_09_what_is_planted_is_neither_followed_nor_sent() {
    let tree = Tree::new(&[("a.txt", &text(5000)), ("b.txt", &text(5000)), ("c.txt", &text(5000))]);
    let secret = tree.outside().join("secret");
    fs::write(&secret, "secret").unwrap();
    let copies = Tree::new(&[]);
    fs::create_dir(folder(&copies)).unwrap();
    fs::set_permissions(folder(&copies), fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&secret, place(&copies, &tree.at("a.txt"), "gz")).unwrap();
    fs::write(
        place(&copies, &tree.at("b.txt"), "gz"),
        "no copy at all, but as long as one would have to be at least",
    )
    .unwrap();
    fs::create_dir(place(&copies, &tree.at("c.txt"), "gz")).unwrap();
    let running = served_with(&tree, &copies, |files| files);
    let mut client = running.client();
    // A folder stays, and keeps no others from their copies.
    for _ in 0..3 {
        assert_eq!(unpacked(&accepting(&mut client, "/c.txt", "gzip")), (None, text(5000)));
        settle();
    }
    // Links and files are replaced.
    for target in ["a.txt", "b.txt"] {
        let reply = awaited(&mut client, &format!("/{target}"), "gzip", "gzip");
        assert_eq!(unpacked(&reply).1, text(5000), "{target}");
        assert!(fs::symlink_metadata(place(&copies, &tree.at(target), "gz")).unwrap().is_file());
    }
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert_eq!(unpacked(&accepting(&mut client, "/c.txt", "gzip")), (None, text(5000)));
    // The folder itself: a link, one that is open to others.
    let elsewhere = tree.outside().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let (linked, open) = (Tree::new(&[]), Tree::new(&[]));
    std::os::unix::fs::symlink(&elsewhere, folder(&linked)).unwrap();
    fs::create_dir(folder(&open)).unwrap();
    fs::set_permissions(folder(&open), fs::Permissions::from_mode(0o770)).unwrap();
    for copies in [&linked, &open] {
        let running = served_with(&tree, copies, |files| files);
        for _ in 0..3 {
            assert_eq!(unpacked(&accepting(&mut running.client(), "/a.txt", "gzip")), (None, text(5000)));
            settle();
        }
        assert!(made(copies).is_empty());
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

/// Does something to a file of that length.
type Spoiling<'a> = &'a dyn Fn(&File, u64);

#[test]
fn fs_09_copies_that_are_cut_or_spoilt_are_made_again() {
    let (tree, copies) = (Tree::new(&[("a.txt", &text(9000))]), Tree::new(&[]));
    let spoil: [Spoiling<'_>; 4] = [
        &|file, length| file.set_len(length - 1).unwrap(),
        &|file, length| file.set_len(length / 2).unwrap(),
        &|file, _| file.write_all_at(b"?", 40).unwrap(),
        // What a disk without power has of it: its length, and nothing in it.
        &|file, length| file.write_all_at(&vec![0; length as usize], 0).unwrap(),
    ];
    for (number, spoil) in spoil.iter().enumerate() {
        let running = served_with(&tree, &copies, |files| files);
        let reply = awaited(&mut running.client(), "/a.txt", "br", "br");
        assert_eq!(unpacked(&reply).1, text(9000), "{number}");
        drop(running);
        let path = place(&copies, &tree.at("a.txt"), "br");
        let file = File::options().write(true).open(&path).unwrap();
        spoil(&file, fs::metadata(&path).unwrap().len());
        // None at all, until it is there again.
        let running = served_with(&tree, &copies, |files| files);
        assert_eq!(
            unpacked(&accepting(&mut running.client(), "/a.txt", "br")),
            (None, text(9000)),
            "{number}"
        );
        let reply = awaited(&mut running.client(), "/a.txt", "br", "br");
        assert_eq!(unpacked(&reply).1, text(9000), "{number}");
    }
    assert_eq!(made(&copies).len(), 1);
}

#[test]
fn fs_09_copies_go_with_their_files() {
    let (tree, copies) = (Tree::new(&[("a.txt", &text(5000)), ("b.txt", &text(5000))]), Tree::new(&[]));
    let running = served_with(&tree, &copies, |files| files);
    let mut client = running.client();
    for target in ["/a.txt", "/b.txt"] {
        for coding in ["br", "gzip"] {
            awaited(&mut client, target, coding, coding);
        }
    }
    assert_eq!(made(&copies).len(), 4);
    eventually("it is kept open", || {
        let _ = accepting(&mut client, "/a.txt", "gzip");
        let links = fs::read_dir("/proc/self/fd").unwrap().flatten();
        links.filter(|link| fs::read_link(link.path()).is_ok_and(|path| path == tree.at("a.txt"))).count()
            == 1
    });
    tree.write("a.txt", text(6000));
    settle();
    let reply = awaited(&mut client, "/a.txt", "gzip", "gzip");
    assert_eq!(unpacked(&reply).1, text(6000));
    fs::remove_file(tree.at("b.txt")).unwrap();
    assert_eq!(client.get("/b.txt").status, 404);
    eventually("there is one of the new file alone", || {
        made(&copies) == [place(&copies, &tree.at("a.txt"), "gz")]
    });
}

#[test]
fn fs_09_a_folder_that_may_not_be_written_to_is_tolerated_and_that_is_said_once() {
    const NAME: &str = "made::fs_09_a_folder_that_may_not_be_written_to_is_tolerated_and_that_is_said_once";
    let is_run = apart_without_privileges(NAME, || {
        logs::collect();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let (tree, copies) = (Tree::new(&[("a.txt", &text(5000)), ("b.txt", &text(5000))]), Tree::new(&[]));
        mode(&copies.root(), 0o555);
        let running = served_with(&tree, &copies, |files| files.cache_duration(Duration::ZERO));
        let mut client = running.client();
        let said = || logs::with("anthill_http::files", "compressed copies cannot be kept below").len();
        for target in ["/a.txt", "/b.txt", "/a.txt", "/a.txt"] {
            let reply = accepting(&mut client, target, "br, gzip");
            assert_eq!(unpacked(&reply), (None, text(5000)), "{target}");
            eventually("it is said", || said() > 0);
        }
        assert_eq!(said(), 1);
        mode(&copies.root(), 0o755);
        assert!(made(&copies).is_empty());
        // Who may not read a file any more does not read a copy of it.
        let copies = Tree::new(&[]);
        let running = served_with(&tree, &copies, |files| files);
        let mut client = running.client();
        awaited(&mut client, "/a.txt", "gzip", "gzip");
        mode(&tree.at("a.txt"), 0o000);
        let reply = ask(&mut client, "GET", "/a.txt", &["Accept-Encoding: gzip"]);
        assert_eq!(reply.status, 403);
    });
    if !is_run {
        skip("this process cannot become another user");
    }
}

/// The process dies while it makes a copy: nothing of that is left, and nothing of it is ever sent.
#[test]
fn fs_09_of_a_copy_whose_maker_was_killed_nothing_is_left() {
    const NAME: &str = "made::fs_09_of_a_copy_whose_maker_was_killed_nothing_is_left";
    const ROOT: &str = "ANTHILL_TESTS_ROOT";
    let large = text(1 << 20);
    let program = || {
        let root = PathBuf::from(std::env::var_os(ROOT).unwrap());
        let files = Files::builder(root.join("files"))
            .compress(CompressionLevel::Best)
            .compress_root(root.join("copies"))
            .compress_min_age(Duration::ZERO)
            .build()
            .unwrap();
        let options = plain().build_handler(files).unwrap();
        options.listen_and_serve(std::env::var(ADDRESS).unwrap().as_str()).unwrap();
        0
    };
    if std::env::var_os(ROOT).is_some() {
        serve_apart(NAME, "", &[&program], 0);
    }
    let tree = Tree::new(&[("files/a.txt", &large)]);
    fs::create_dir(tree.at("copies")).unwrap();
    let before = format!("env {ROOT}={}", tree.root().display());
    let serving = serve_apart(NAME, &before, &[&program], 0);
    let mut client = Client::connect(serving.address());
    assert!(accepting(&mut client, "/a.txt", "br").body == large);
    eventually("a copy is being made", || {
        let below = tree.at("copies/.anthill-copies");
        let links = fs::read_dir(format!("/proc/{}/fd", serving.id())).unwrap().flatten();
        links
            .filter_map(|link| fs::read_link(link.path()).ok())
            .any(|path| path.starts_with(&below) && path != below)
    });
    signal(serving.id(), "KILL");
    assert_eq!(serving.outcome().0, None, "it was killed");
    let left = || fs::read_dir(tree.at("copies/.anthill-copies")).unwrap().count();
    assert_eq!(left(), 0);
    let files = Files::builder(tree.at("files")).compress(FASTEST).compress_root(tree.at("copies"));
    let files = files.compress_min_age(Duration::ZERO).build().unwrap();
    let running = Running::with(plain(), move |ctx| files.handle(ctx));
    let mut client = running.client();
    let reply = accepting(&mut client, "/a.txt", "br");
    assert!(reply.field("Content-Encoding").is_none() && reply.body == large);
    assert!(unpacked(&awaited(&mut client, "/a.txt", "br", "br")).1 == large);
    assert_eq!(left(), 1);
}

/// All at once: each gets the file, in whichever form, and in the end there is one copy in each coding.
#[test]
fn fs_09_a_copy_is_made_once_for_many_clients() {
    let plain = text(300_000);
    let (tree, copies) = (Tree::new(&[("a.txt", &plain)]), Tree::new(&[]));
    let running = served_with(&tree, &copies, |files| files);
    let address = running.address();
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let plain = plain.clone();
            background(move || {
                let mut client = Client::connect(address);
                for _ in 0..5 {
                    let codings = ["br", "zstd", "gzip", "identity"][number % 4];
                    let reply = accepting(&mut client, "/a.txt", codings);
                    let (coding, content) = unpacked(&reply);
                    assert!(coding.is_none_or(|coding| coding == codings) && content == plain, "{codings}");
                }
            })
        })
        .collect();
    for client in clients {
        client.outcome("a client");
    }
    for coding in ["br", "zstd", "gzip"] {
        awaited(&mut running.client(), "/a.txt", coding, coding);
    }
    assert_eq!(made(&copies).len(), 3);
}

#[test]
fn fs_09_copies_that_somebody_put_there_come_before_those_that_are_made() {
    let (tree, copies) = (Tree::new(&[("a.txt", &text(5000)), ("a.txt.gz", b"by hand")]), Tree::new(&[]));
    let running = served_with(&tree, &copies, |files| files.compressed_copies());
    let mut client = running.client();
    let reply = accepting(&mut client, "/a.txt", "gzip");
    assert_eq!((reply.field("Content-Encoding"), reply.text()), (Some("gzip"), "by hand"));
    // Until there is what is liked better, what is there is sent.
    let reply = accepting(&mut client, "/a.txt", "gzip, br");
    assert!(
        reply.field("Content-Encoding").is_some_and(|coding| coding != "gzip") || reply.text() == "by hand"
    );
    assert_eq!(unpacked(&awaited(&mut client, "/a.txt", "gzip, br", "br")).1, text(5000));
    assert_eq!(fs::read(tree.at("a.txt.gz")).unwrap(), b"by hand");
    assert_eq!(made(&copies).len(), 1);
    // One that is older than its file is none.
    tree.age("a.txt.gz", Duration::from_secs(100));
    assert_eq!(unpacked(&awaited(&mut client, "/a.txt", "gzip", "gzip")).1, text(5000));
}

#[test]
fn fs_09_what_is_no_file_is_sent_as_it_is() {
    let copies = Tree::new(&[]);
    let embedded = EmbeddedFiles::default().file("/a.txt", text(5000));
    let running = served(Files::over(embedded).compress(FASTEST).compress_root(copies.root()));
    let reply = once(&running, "/a.txt", &["Accept-Encoding: gzip"]);
    assert_eq!((unpacked(&reply), reply.field("Vary")), ((None, text(5000)), None));
    assert!(made(&copies).is_empty());
}

/// A file that changes all the while has no copy, and keeps nobody else from one.
#[test]
fn fs_09_what_changes_all_the_while_keeps_nobody_from_a_copy() {
    let (tree, copies) = (Tree::new(&[("busy.txt", &text(5000)), ("a.txt", &text(5000))]), Tree::new(&[]));
    let running = served_with(&tree, &copies, |files| files.compress_min_age(Duration::from_secs(2)));
    let mut client = running.client();
    let mut number = 0;
    eventually("the other one's copy is sent", || {
        tree.write("busy.txt", [text(5000), format!("{number}").into_bytes()].concat());
        settle();
        let reply = accepting(&mut client, "/busy.txt", "gzip");
        assert!(reply.field("Content-Encoding").is_none() && reply.field("Vary").is_some());
        number += 1;
        accepting(&mut client, "/a.txt", "gzip").field("Content-Encoding").is_some()
    });
    assert_eq!(made(&copies), [place(&copies, &tree.at("a.txt"), "gz")]);
}

/// Descriptors are used up while copies are wanted: files are sent, and later ones have copies, at once.
#[test]
fn fs_09_too_many_open_files_are_no_trouble_of_the_folder() {
    const NAME: &str = "made::fs_09_too_many_open_files_are_no_trouble_of_the_folder";
    const MOST: usize = 128;
    apart_with_descriptors(NAME, MOST, || {
        logs::collect();
        let names: Vec<String> = (0..12).map(|number| format!("{number}.txt")).collect();
        let plain = text(5000);
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &plain[..])).collect();
        let (tree, copies) = (Tree::new(&files), Tree::new(&[]));
        let running = served_with(&tree, &copies, |files| files.cache_duration(Duration::ZERO));
        let mut client = running.client();
        awaited(&mut client, "/0.txt", "gzip", "gzip");
        for (left, name) in names.iter().enumerate().skip(1) {
            let mut others: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            others.truncate(others.len().saturating_sub(left));
            for target in [&format!("/{name}"), "/0.txt"] {
                let reply = ask(&mut client, "GET", target, &["Accept-Encoding: gzip"]);
                assert!(reply.status == 503 || unpacked(&reply).1 == plain, "{target} {}", reply.status);
            }
            settle();
            drop(others);
        }
        tree.write("last.txt", &plain);
        settle();
        assert_eq!(unpacked(&awaited(&mut client, "/last.txt", "gzip", "gzip")).1, plain);
        let said = logs::with("anthill_http::files", "");
        assert!(said.iter().any(|line| line.text.contains("no compressed copy of the file")), "{said:?}");
        assert!(!said.iter().any(|line| line.text.contains("cannot be kept")), "{said:?}");
    });
}

/// On a disk of its own, of 64 KiB.
#[test]
fn fs_09_a_full_disk_is_tolerated_and_that_is_said_once() {
    const NAME: &str = "made::fs_09_a_full_disk_is_tolerated_and_that_is_said_once";
    let is_run = apart_with_mounts(NAME, || {
        logs::collect();
        let plain = text(400_000);
        let names = ["a.txt", "b.txt", "c.txt"];
        let (tree, copies) = (Tree::new(&names.map(|name| (name, &plain[..]))), Tree::new(&[]));
        tree.write("small.txt", text(1000));
        mount("tmpfs", &copies.root(), "size=64k");
        let running = served_with(&tree, &copies, |files| files);
        let mut client = running.client();
        let said = || logs::with("anthill_http::files", "compressed copies cannot be kept below");
        for name in names.into_iter().chain(names) {
            let reply = accepting(&mut client, &format!("/{name}"), "gzip");
            assert_eq!((reply.field("Content-Encoding"), reply.body == plain), (None, true), "{name}");
            eventually("it is said", || !said().is_empty());
        }
        let said = said();
        assert!(said.len() == 1 && said[0].text.contains("No space left"), "{said:?}");
        // Nothing that was begun is left, so there is room for another handler, which has not failed yet.
        assert!(made(&copies).is_empty());
        let others = served_with(&tree, &copies, |files| files);
        assert_eq!(unpacked(&awaited(&mut others.client(), "/small.txt", "gzip", "gzip")).1, text(1000));
    });
    if !is_run {
        skip("this process cannot have mounts of its own");
    }
}

/// Both make copies of the same files, which change now and then, and send what the other has made.
#[test]
fn fs_09_two_processes_share_a_folder() {
    const NAME: &str = "made::fs_09_two_processes_share_a_folder";
    const ROOT: &str = "ANTHILL_TESTS_SHARED_ROOT";
    let program = || {
        let root = PathBuf::from(std::env::var_os(ROOT).unwrap());
        let files = Files::builder(root.join("files"))
            .compress(FASTEST)
            .compress_root(root.join("copies"))
            .compress_min_age(Duration::ZERO)
            .build()
            .unwrap();
        let options = plain().build_handler(files).unwrap();
        options.listen_and_serve(std::env::var(ADDRESS).unwrap().as_str()).unwrap();
        0
    };
    if std::env::var_os(ROOT).is_some() {
        serve_apart(NAME, "", &[&program], 0);
    }
    let version =
        |name: &str, number: usize| [format!("{name} {number} ").into_bytes(), text(30_000)].concat();
    let names = ["a.txt", "b.txt", "c.txt"];
    let tree = Arc::new(Tree::new(&[]));
    fs::create_dir(tree.at("copies")).unwrap();
    let before = format!("env {ROOT}={}", tree.root().display());
    for name in names {
        tree.write(&format!("files/{name}"), version(name, 0));
    }
    settle();
    let both = [0, 1].map(|_| serve_apart(NAME, &before, &[&program], 0));
    for number in 0..4 {
        let clients = both.each_ref().map(|serving| {
            let address = serving.address();
            background(move || {
                let mut client = Client::connect(address);
                for (name, coding) in
                    names.iter().flat_map(|name| ["br", "zstd", "gzip"].map(|coding| (name, coding)))
                {
                    let reply = awaited(&mut client, &format!("/{name}"), coding, coding);
                    assert!(unpacked(&reply).1 == version(name, number), "{name} {coding} {number}");
                }
            })
        });
        for client in clients {
            client.outcome("a client");
        }
        let left = fs::read_dir(tree.at("copies/.anthill-copies")).unwrap().count();
        assert_eq!(left, 9, "one of each coding, and nothing besides");
        for name in names {
            tree.write(&format!("files/{name}"), version(name, number + 1));
        }
        settle();
    }
}
