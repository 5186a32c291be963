//! Compressed copies that are made.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use anthill_http::body::{CompressionLevel, ContentDecoder};
use anthill_http::files::{EmbeddedFiles, FileTags, Files};
use anthill_tests::client::{Client, Reply};
use anthill_tests::processes::apart_without_privileges;
use anthill_tests::{background, eventually, logs};

use crate::tree::{Tree, ask, once, served, settle};

const FASTEST: CompressionLevel = CompressionLevel::Fastest;

/// Text of about so many bytes, which compresses well and is not the same everywhere.
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

/// The names in a folder, hidden ones with them.
fn names(folder: impl AsRef<std::path::Path>) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn copies_are_made_for_clients_that_want_them_and_used_again() {
    let plain = text(50_000);
    let tree = Tree::new(&[("d/a.css", &plain)]);
    tree.age("d/a.css", Duration::from_secs(100));
    fs::set_permissions(tree.at("d/a.css"), fs::Permissions::from_mode(0o640)).unwrap();
    let running = tree.served(|files| files.compress(FASTEST));
    let mut client = running.client();
    // Who does not want one has none made.
    let reply = client.get("/d/a.css");
    assert_eq!((reply.field("Vary"), reply.field("Content-Encoding")), (Some("Accept-Encoding"), None));
    assert_eq!(names(tree.at("d")), ["a.css"]);
    for (codings, expected, name) in [
        ("gzip", "gzip", "a.css.anthill.gz"),
        ("gzip, zstd", "zstd", "a.css.anthill.zst"),
        ("gzip, zstd, br", "br", "a.css.anthill.br"),
        ("br;q=0.5, gzip", "gzip", "a.css.anthill.gz"),
        ("*", "br", "a.css.anthill.br"),
    ] {
        let reply = accepting(&mut client, "/d/a.css", codings);
        assert_eq!(unpacked(&reply), (Some(expected), plain.clone()), "{codings}");
        assert!(reply.body.len() < plain.len() * 3 / 4, "{codings}");
        assert_eq!(reply.field("Content-Type"), Some("text/css; charset=utf-8"));
        assert_eq!(fs::read(tree.at("d").join(name)).unwrap(), reply.body, "{codings}");
    }
    let made = ["a.css", "a.css.anthill.br", "a.css.anthill.gz", "a.css.anthill.zst"];
    assert_eq!(names(tree.at("d")), made);
    let of = |name: &str| fs::metadata(tree.at("d").join(name)).unwrap();
    let inodes: Vec<u64> = made.iter().map(|name| of(name).ino()).collect();
    for name in made {
        assert_eq!(of(name).modified().unwrap(), of("a.css").modified().unwrap(), "{name}");
        assert_eq!(of(name).permissions().mode() & 0o777, 0o640, "{name}");
    }
    // Another life of the program finds them.
    let again = tree.served(|files| files.compress(FASTEST));
    for codings in ["br", "zstd", "gzip"] {
        let reply = accepting(&mut again.client(), "/d/a.css", codings);
        assert_eq!(unpacked(&reply), (Some(codings), plain.clone()));
        let tag = format!("If-None-Match: {}", reply.field("ETag").unwrap());
        let known =
            ask(&mut again.client(), "GET", "/d/a.css", &[&format!("Accept-Encoding: {codings}"), &tag]);
        assert_eq!(known.status, 304);
    }
    assert_eq!(made.iter().map(|name| of(name).ino()).collect::<Vec<_>>(), inodes);
    assert_eq!(accepting(&mut client, "/d/a.css", "identity").body, plain);
}

/// By the time of the file, or where that is the same by the time of its last change.
#[test]
fn copies_of_another_version_are_made_anew() {
    let tree = Tree::new(&[("a.txt", &text(5000))]);
    tree.age("a.txt", Duration::from_secs(1000));
    let time = fs::metadata(tree.at("a.txt")).unwrap().modified().unwrap();
    for duration in [Duration::ZERO, Duration::from_secs(3600)] {
        let running =
            tree.served(|files| files.compress(FASTEST).cache_duration(duration).etag(FileTags::None));
        let mut client = running.client();
        for (length, modified) in [
            (5000, time),
            (6000, time + Duration::from_secs(10)),
            // An older one is put back, of the same length as the newer one.
            (6000, time),
            // One that tells by nothing but its content.
            (6000, time),
            (7000, SystemTime::now()),
        ] {
            let mut content = text(length);
            content.reverse();
            content.extend_from_slice(&fs::metadata(tree.at("a.txt")).unwrap().ino().to_be_bytes());
            tree.write("a.txt", &content);
            File::options().write(true).open(tree.at("a.txt")).unwrap().set_modified(modified).unwrap();
            settle();
            let reply = accepting(&mut client, "/a.txt", "gzip");
            assert_eq!(unpacked(&reply), (Some("gzip"), content), "{length} {modified:?}");
        }
    }
    // What changes all the while is never sent with the bytes of before.
    let running = tree.served(|files| files.compress(FASTEST));
    let mut client = running.client();
    for round in 0..200 {
        let content = [text(4000), format!("{round:04}").into_bytes()].concat();
        fs::write(tree.at("a.txt"), &content).unwrap();
        assert_eq!(unpacked(&accepting(&mut client, "/a.txt", "gzip")).1, content, "{round}");
    }
}

#[test]
fn copies_that_are_not_worth_it_are_not_made() {
    let archive = noise(100_000);
    // Its beginning promises more than it keeps.
    let mixed = [text(20_000), noise(2_000_000)].concat();
    let large = text((8 << 20) + 1);
    let tree = Tree::new(&[
        ("small.txt", &text(255)),
        ("archive.bin", &archive),
        ("mixed.bin", &mixed),
        ("large.txt", &large),
        ("enough.txt", &text(300)),
    ]);
    let before = names(tree.root());
    let running = tree.served(|files| files.compress(FASTEST));
    let mut client = running.client();
    for _ in 0..2 {
        for (target, content) in [
            ("/small.txt", &text(255)),
            ("/archive.bin", &archive),
            ("/mixed.bin", &mixed),
            ("/large.txt", &large),
        ] {
            let reply = accepting(&mut client, target, "br, zstd, gzip");
            assert_eq!(reply.field("Content-Encoding"), None, "{target}");
            assert!(reply.body == *content, "{target}");
        }
    }
    // Nothing is left of the attempts.
    assert_eq!(names(tree.root()), before);
    let reply = accepting(&mut client, "/enough.txt", "gzip");
    assert_eq!(unpacked(&reply), (Some("gzip"), text(300)));
}

#[test]
fn copies_are_made_in_a_folder_of_their_own() {
    let tree = Tree::new(&[("d/e/a.txt", &text(5000)), ("b.txt", &text(5000))]);
    let copies = Tree::new(&[]);
    let running = tree.served(|files| files.compress(FASTEST).copies_in(copies.root()).listing(true));
    let mut client = running.client();
    assert_eq!(unpacked(&accepting(&mut client, "/d/e/a.txt", "zstd")), (Some("zstd"), text(5000)));
    assert_eq!(unpacked(&accepting(&mut client, "/b.txt", "br")), (Some("br"), text(5000)));
    assert_eq!(names(copies.root()), ["b.txt.anthill.br", "d"]);
    assert_eq!(names(copies.at("d/e")), ["a.txt.anthill.zst"]);
    assert_eq!(names(tree.at("d/e")), ["a.txt"]);
    // One that is lost is made again.
    fs::remove_dir_all(copies.at("d")).unwrap();
    assert_eq!(unpacked(&accepting(&mut client, "/d/e/a.txt", "zstd")), (Some("zstd"), text(5000)));
    // Beside the files they are not listed.
    let running = tree.served(|files| files.compress(FASTEST).listing(true));
    accepting(&mut running.client(), "/d/e/a.txt", "gzip");
    assert_eq!(names(tree.at("d/e")), ["a.txt", "a.txt.anthill.gz"]);
    let page = running.client().get("/d/e/");
    assert!(page.text().contains("a.txt") && !page.text().contains("anthill"), "{}", page.text());
}

/// Whoever may make links in the folder has nothing written, and nothing sent, that lies elsewhere.
#[test]
fn copies_are_not_made_through_links() {
    let tree = Tree::new(&[("a.txt", &text(5000)), ("real/b.txt", &text(5000))]);
    let secret = tree.outside().join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::create_dir(tree.outside().join("elsewhere")).unwrap();
    tree.link(&secret, "a.txt.anthill.gz");
    tree.link("real", "linked");
    let running = tree.served(|files| files.compress(FASTEST));
    let mut client = running.client();
    // The link is replaced, not what it leads to.
    assert_eq!(unpacked(&accepting(&mut client, "/a.txt", "gzip")), (Some("gzip"), text(5000)));
    assert_eq!(fs::read(&secret).unwrap(), b"secret");
    assert!(!fs::symlink_metadata(tree.at("a.txt.anthill.gz")).unwrap().is_symlink());
    // On the way none is followed.
    let reply = accepting(&mut client, "/linked/b.txt", "gzip");
    assert_eq!(unpacked(&reply), (None, text(5000)));
    assert_eq!(names(tree.at("real")), ["b.txt"]);
    let copies = Tree::new(&[]);
    copies.link(tree.outside().join("elsewhere"), "real");
    let running = tree.served(|files| files.compress(FASTEST).copies_in(copies.root()));
    assert_eq!(unpacked(&accepting(&mut running.client(), "/real/b.txt", "gzip")), (None, text(5000)));
    assert!(names(tree.outside().join("elsewhere")).is_empty());
    // A folder that has the name stays.
    fs::create_dir(tree.at("a.txt.anthill.br")).unwrap();
    fs::write(tree.at("a.txt.anthill.br/x"), "x").unwrap();
    let running = tree.served(|files| files.compress(FASTEST));
    assert_eq!(unpacked(&accepting(&mut running.client(), "/a.txt", "br")), (None, text(5000)));
    assert_eq!(names(tree.at("a.txt.anthill.br")), ["x"]);
    assert!(names(tree.root()).iter().all(|name| !name.starts_with('.')), "nothing is left");
}

#[test]
fn a_folder_that_may_not_be_written_to_is_served_and_that_is_said_once() {
    const NAME: &str = "packed::a_folder_that_may_not_be_written_to_is_served_and_that_is_said_once";
    let is_run = apart_without_privileges(NAME, || {
        logs::collect();
        let tree = Tree::new(&[("a.txt", &text(5000)), ("b.txt", &text(5000))]);
        fs::set_permissions(tree.root(), fs::Permissions::from_mode(0o555)).unwrap();
        let running = tree.served(|files| files.compress(FASTEST).cache_duration(Duration::ZERO));
        let mut client = running.client();
        for target in ["/a.txt", "/b.txt", "/a.txt"] {
            assert_eq!(unpacked(&accepting(&mut client, target, "br, gzip")), (None, text(5000)), "{target}");
        }
        assert_eq!(logs::with("anthill_http::files", "cannot be made").len(), 1);
        fs::set_permissions(tree.root(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(names(tree.root()), ["a.txt", "b.txt"]);
    });
    if !is_run {
        anthill_tests::server::skip("this process cannot become another user");
    }
}

/// All at once: each gets the file, in whichever form, and in the end there is one copy.
#[test]
fn a_copy_is_made_once_for_many_clients() {
    let plain = text(1_000_000);
    let tree = Tree::new(&[("a.txt", &plain)]);
    let running = tree.served(|files| files.compress(CompressionLevel::Default));
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
    for codings in ["br", "zstd", "gzip"] {
        eventually("the copy is sent", || {
            unpacked(&once(&running, "/a.txt", &[&format!("Accept-Encoding: {codings}")])).0 == Some(codings)
        });
    }
    let made = ["a.txt", "a.txt.anthill.br", "a.txt.anthill.gz", "a.txt.anthill.zst"];
    assert_eq!(names(tree.root()), made);
}

#[test]
fn copies_that_are_there_come_before_those_that_are_made() {
    let tree = Tree::new(&[("a.txt", &text(5000)), ("a.txt.gz", b"by hand")]);
    let running = tree.served(|files| files.compressed_copies().compress(FASTEST));
    let mut client = running.client();
    let reply = accepting(&mut client, "/a.txt", "gzip");
    assert_eq!((reply.field("Content-Encoding"), reply.text()), (Some("gzip"), "by hand"));
    assert_eq!(unpacked(&accepting(&mut client, "/a.txt", "gzip, br")), (Some("br"), text(5000)));
    assert_eq!(fs::read(tree.at("a.txt.gz")).unwrap(), b"by hand");
    assert_eq!(names(tree.root()), ["a.txt", "a.txt.anthill.br", "a.txt.gz"]);
}

#[test]
fn what_is_no_folder_needs_one_for_copies() {
    let embedded = || Files::over(EmbeddedFiles::default().file("/a.txt", text(5000)));
    let error = embedded().compress(FASTEST).build().unwrap_err();
    assert_eq!(error.option(), "compress");
    // What is no file is not compressed, for nothing tells one version of it from another.
    let copies = Tree::new(&[]);
    let running = served(embedded().compress(FASTEST).copies_in(copies.root()));
    assert_eq!(unpacked(&once(&running, "/a.txt", &["Accept-Encoding: gzip"])), (None, text(5000)));
    assert!(names(copies.root()).is_empty());
}
