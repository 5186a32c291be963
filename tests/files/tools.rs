//! What people download with: resumed, only when newer, only when another version, compressed.
//!
//! Where a program is not installed its test is skipped, and says so.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anthill_tests::server::skip;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::tree::Tree;

/// What a program prints; `None`: there is none.
fn run(program: &str, arguments: &[&str], folder: &Path) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_remove("http_proxy").stdin(Stdio::null());
    let Ok(ended) = command.output() else {
        skip(&format!("there is no {program} here"));
        return None;
    };
    assert!(ended.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    Some(ended.stdout)
}

fn content() -> Vec<u8> {
    (0..3_000_000_u32).map(|at| (at % 253) as u8).collect()
}

#[test]
fn curl_resumes_and_asks_only_for_what_is_new() {
    let tree = Tree::new(&[("f.bin", &content())]);
    tree.age("f.bin", std::time::Duration::from_secs(100));
    let running = tree.served(|files| files);
    let url = format!("http://{}/f.bin", running.address());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("f.bin"), &content()[..1_000_000]).unwrap();
    let curl = |arguments: &[&str]| {
        run("curl", &[&["-sS", "--fail", "--noproxy", "*"], arguments].concat(), folder.path())
    };
    if curl(&["-C", "-", "-o", "f.bin", &url]).is_none() {
        return;
    }
    assert!(fs::read(at("f.bin")).unwrap() == content());
    let code = |arguments: &[&str]| {
        let all = [&["-o", "again", "-w", "%{http_code}"], arguments, &[&*url]].concat();
        String::from_utf8(curl(&all).unwrap()).unwrap()
    };
    assert_eq!(code(&["-R"]), "200");
    assert_eq!(code(&["-z", "again"]), "304");
    assert_eq!(code(&["-z", "Sun, 06 Nov 1994 08:49:37 GMT"]), "200");
    assert_eq!(code(&["--etag-save", "tag"]), "200");
    assert_eq!(code(&["--etag-compare", "tag"]), "304");
    tree.write("f.bin", "another version");
    assert_eq!(code(&["--etag-compare", "tag"]), "200");
    assert_eq!(fs::read(at("again")).unwrap(), b"another version");
}

#[test]
fn curl_takes_what_is_compressed() {
    let text = "The quick brown fox jumps over the lazy dog. ".repeat(1000);
    let mut coder = GzEncoder::new(Vec::new(), Compression::default());
    coder.write_all(text.as_bytes()).unwrap();
    let tree = Tree::new(&[("a.txt", text.as_bytes()), ("a.txt.gz", &coder.finish().unwrap())]);
    let running = tree.served(|files| files.compressed_copies());
    let url = format!("http://{}/a.txt", running.address());
    let arguments = ["-sS", "--noproxy", "*", "--compressed", "-w", "\n%{size_download}", &url];
    let Some(printed) = run("curl", &arguments, tree.outside()) else { return };
    let printed = String::from_utf8(printed).unwrap();
    let (body, size) = printed.rsplit_once('\n').unwrap();
    assert!(body == text && size.parse::<usize>().unwrap() < text.len() / 10, "{size}");
}

#[test]
fn wget_continues() {
    let tree = Tree::new(&[("f.bin", &content())]);
    let running = tree.served(|files| files);
    let url = format!("http://{}/f.bin", running.address());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.bin");
    fs::write(&path, &content()[..2_999_999]).unwrap();
    let Some(_) = run("wget", &["-q", "--no-proxy", "-c", &url], folder.path()) else { return };
    assert!(fs::read(&path).unwrap() == content());
    // With all of it there, nothing more is fetched, and that is no failure.
    run("wget", &["-q", "--no-proxy", "-c", &url], folder.path()).unwrap();
    assert!(fs::read(&path).unwrap() == content());
}

#[test]
fn rclone_copies_a_folder_by_its_listings() {
    let files: [(&str, &[u8]); 3] =
        [("f.bin", &content()), ("sub/a b&c.txt", b"0123456789"), ("sub/deep/\u{e9}", b"x")];
    let tree = Tree::new(&files);
    let running = tree.served(|files| files.listing(true));
    let url = format!("http://{}/", running.address());
    let folder = tempfile::tempdir().unwrap();
    let rclone = |arguments: &[&str]| {
        // Of no settings but these.
        run("rclone", &[&["--config", "", "--http-url", &url], arguments].concat(), folder.path())
    };
    if rclone(&["copy", ":http:", "copy"]).is_none() {
        return;
    }
    for (path, content) in files {
        assert!(fs::read(folder.path().join("copy").join(path)).unwrap() == content, "{path}");
    }
    // Sizes and times are those of the files: nothing is left to be done, which it would say is not allowed.
    rclone(&["copy", ":http:", "copy", "--immutable"]).unwrap();
    rclone(&["check", "--one-way", "--download", "copy", ":http:"]).unwrap();
    let part = rclone(&["cat", "--offset", "3", "--count", "4", ":http:sub/a b&c.txt"]).unwrap();
    assert_eq!(part, b"3456");
}

#[test]
fn zsync_fetches_what_differs_alone() {
    // Nothing in it is there twice, so that of each gap something has to be asked for, of all in one request.
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let new: Vec<u8> = noise.take(3_000_000).collect();
    let mut old = new.clone();
    old[1_000..1_010].fill(b'x');
    old.drain(700_000..750_000);
    old[2_000_000..2_000_100].fill(b'x');
    old.truncate(2_800_000);
    let tree = Tree::new(&[("f.bin", &new)]);
    if run("zsyncmake", &["-u", "f.bin", "-o", "f.bin.zsync", "f.bin"], &tree.root()).is_none() {
        return;
    }
    let running = tree.served(|files| files);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("old"), old).unwrap();
    let url = format!("http://{}/f.bin.zsync", running.address());
    let mut zsync = Command::new("zsync");
    zsync.args(["-q", "-i", "old", "-o", "new", &url]).current_dir(folder.path()).env_remove("http_proxy");
    let Ok(mut child) = zsync.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
        return skip("there is no zsync here");
    };
    // Of an answer that it does not understand it asks for ever.
    let has_ended = anthill_tests::comes_true(|| child.try_wait().unwrap().is_some());
    let _ = child.kill();
    assert!(has_ended && child.wait().unwrap().success());
    assert!(fs::read(folder.path().join("new")).unwrap() == new);
}
