//! Files in the program behave as files of a folder do.

use std::collections::HashSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use anthill_http::files::{Content, EmbeddedFiles, FileSystem, Files, FolderList, FsNode};
use anthill_tests::client::Reply;
use include_dir::{Dir, include_dir};

use crate::tree::{Tree, ask, served};

/// Names and contents.
static FILES: [(&str, &[u8]); 8] = [
    ("index.html", b"<p>root"),
    ("a.txt", b"0123456789"),
    ("a.txt.gz", b"packed"),
    ("d/index.html", b"<p>d"),
    ("d/e/f", b"<!doctype html>"),
    ("no-index/x.png", b"\x89PNG"),
    (".hidden", b"hidden"),
    ("empty", b""),
];

/// What the compiler finds in a folder.
static WALKED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fuzz/corpus/negotiation");

/// A tag, as a build script would make it of the bytes.
fn tag_of(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    format!("\"{:x}\"", hasher.finish())
}

/// What a reply says, but for what is not the same of two file systems.
fn comparable(reply: &Reply) -> String {
    let mut fields: Vec<String> = reply
        .fields
        .iter()
        .filter(|(name, _)| !["etag", "last-modified", "content-type"].contains(&&*name.to_ascii_lowercase()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let kind = reply.field("Content-Type").unwrap_or_default();
    let (kind, boundary) = kind.split_once(" boundary=").unwrap_or((kind, "\0"));
    fields.push(kind.to_owned());
    fields.push(reply.field("ETag").is_some().to_string());
    let body = String::from_utf8_lossy(&reply.body).replace(boundary, "boundary");
    format!("{} {fields:?}\n{body}", reply.status)
}

#[test]
fn fs_11_embedded_files_behave_the_same() {
    let tree = Tree::new(&FILES);
    let time = SystemTime::now() - Duration::from_secs(1000);
    for (path, _) in FILES {
        tree.age(path, Duration::from_secs(1000));
    }
    let on_disk = tree.served(|files| files.compressed_copies());
    let embedded = EmbeddedFiles::new(FILES).last_modified(time);
    let embedded = served(Files::over(embedded).compressed_copies());
    let (mut one, mut other) = (on_disk.client(), embedded.client());
    let targets = [
        "/",
        "/index.html",
        "/a.txt",
        "/d",
        "/d/",
        "/d/e",
        "/d/e/",
        "/d/e/f",
        "/no-index/",
        "/no-index/x.png",
        "/no-index",
        "/.hidden",
        "/empty",
        "/missing",
        "/a.txt/",
        "/../a.txt",
        "/a%00",
        "/d/../a.txt",
        "//d//e/f",
    ];
    let fields: [&[&str]; 10] = [
        &[],
        &["Range: bytes=0-1"],
        &["Range: bytes=-1"],
        &["Range: bytes=0-0,-1"],
        &["Range: bytes=99-"],
        &["Range: lines=1"],
        &["If-None-Match: *"],
        &["If-Match: \"x\""],
        &["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"],
        &["Accept-Encoding: gzip"],
    ];
    for target in targets {
        for method in ["GET", "HEAD", "OPTIONS"] {
            for fields in fields {
                let (one, other) =
                    (ask(&mut one, method, target, fields), ask(&mut other, method, target, fields));
                assert_eq!(comparable(&one), comparable(&other), "{method} {target} {fields:?}");
                let told = |reply: &Reply| reply.field("Last-Modified").is_some();
                assert_eq!(told(&one), told(&other), "{method} {target} {fields:?}");
            }
        }
    }
    // Ranges that are far apart, and tags that are the same in every process.
    let big: Vec<u8> = (0..100_000_u32).map(|at| (at % 253) as u8).collect();
    tree.write("big", &big);
    let twice: Vec<_> =
        (0..2).map(|_| served(Files::over(EmbeddedFiles::default().file("/big", big.clone())))).collect();
    let range = ["Range: bytes=0-9,50000-70000,-10"];
    let on_disk = ask(&mut one, "GET", "/big", &range);
    let tags: Vec<String> = twice
        .iter()
        .map(|running| {
            let reply = ask(&mut running.client(), "GET", "/big", &range);
            assert_eq!(comparable(&reply), comparable(&on_disk));
            let single = ask(&mut running.client(), "GET", "/big", &["Range: bytes=5-40000"]);
            assert!(single.status == 206 && single.body == big[5..=40_000]);
            reply.field("ETag").unwrap().to_owned()
        })
        .collect();
    assert_eq!(tags[0], tags[1]);
}

#[test]
fn fs_11_embedded_files_are_listed() {
    let files = EmbeddedFiles::new(FILES);
    let running = served(Files::over(files).listing(true).index_names([""; 0]));
    let mut client = running.client();
    let page = client.get("/");
    for name in ["./a.txt\"", "./d/\"", "./no-index/\"", "./index.html\""] {
        assert!(page.text().contains(name), "{name}: {}", page.text());
    }
    assert!(!page.text().contains(".hidden"));
    assert!(client.get("/d/").text().contains("./e/\""));
    assert_eq!(client.get("/x/").status, 404);
}

#[test]
fn fs_11_a_whole_folder_is_part_of_the_program() {
    let found = || WALKED.files().map(|file| (file.path().to_str().expect("text"), file.contents()));
    let walked = served(Files::over(EmbeddedFiles::new(found())));
    let tagged = found().map(|(path, content)| (path, content, tag_of(content)));
    let tagged = served(Files::over(EmbeddedFiles::with_tags(tagged)));
    let (mut walked, mut tagged) = (walked.client(), tagged.client());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/negotiation");
    let mut tags = HashSet::new();
    for file in fs::read_dir(&folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let content = fs::read(folder.join(&name)).unwrap();
        let target = format!("/{name}");
        assert!(walked.get(&target).body == content, "{name}");
        let reply = tagged.get(&target);
        assert!(reply.body == content, "{name}");
        let tag = tag_of(&content);
        assert_eq!(reply.field("ETag"), Some(&*tag), "{name}");
        assert_eq!(ask(&mut tagged, "GET", &target, &[&format!("If-None-Match: {tag}")]).status, 304);
        tags.insert(tag);
    }
    assert!(tags.len() > 5 && tags.len() == WALKED.files().count(), "{}", tags.len());
    // What was meant as a tag and is none is told before anything is served.
    let error = Files::over(EmbeddedFiles::with_tags([("a", &b""[..], "v1")])).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"root: the tag "v1" of "a" is none: one has quotes of its own, as "\"v1\"""#
    );
}

/// Counts how often it is asked, and fails as it is told.
struct Counted {
    opened: Arc<AtomicUsize>,
    file: PathBuf,
}

impl FileSystem for Counted {
    fn open(&self, path: &[u8]) -> io::Result<FsNode> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        match path {
            b"denied" => Err(io::ErrorKind::PermissionDenied.into()),
            b"broken" => Err(io::Error::other("the disk is on fire")),
            b"crowded" => Err(io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error())),
            b"panics" => panic!("in the file system"),
            b"file" => Ok(FsNode::File(Content::from_static(b"content"))),
            b"opened" => Ok(FsNode::File(Content::from_file(File::open(&self.file)?)?)),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, _: &[u8], _: usize) -> io::Result<FolderList> {
        Ok(FolderList::default())
    }
}

#[test]
fn fs_11_what_a_file_system_says_decides_the_status() {
    let opened = Arc::new(AtomicUsize::new(0));
    let tree = Tree::new(&[("opened", b"opened")]);
    let counted = Counted { opened: opened.clone(), file: tree.at("opened") };
    let running = served(Files::over(counted).cache_duration(Duration::from_secs(3600)));
    let mut client = running.client();
    assert_eq!(client.get("/file").text(), "content");
    assert_eq!(client.get("/file").text(), "content");
    // What could have changed without anybody's notice is asked for again.
    assert_eq!(opened.load(Ordering::SeqCst), 2);
    assert_eq!((client.get("/opened").text(), client.get("/opened").text()), ("opened", "opened"));
    assert_eq!(opened.load(Ordering::SeqCst), 3, "a file is kept");
    for (target, status) in
        [("/missing", 404), ("/denied", 403), ("/broken", 500), ("/crowded", 503), ("/panics", 500)]
    {
        let reply = client.get(target);
        assert_eq!(reply.status, status, "{target}");
        assert!(!reply.text().contains("fire"));
        assert_eq!(reply.field("Retry-After"), (status == 503).then_some("1"));
    }
}

/// Bytes that are others each time, under any name.
struct Changing(AtomicUsize);

impl FileSystem for Changing {
    fn open(&self, _: &[u8]) -> io::Result<FsNode> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        Ok(FsNode::File(Content::from_bytes(number.to_string().into_bytes())))
    }

    fn list(&self, _: &[u8], _: usize) -> io::Result<FolderList> {
        Ok(FolderList::default())
    }
}

#[test]
fn fs_11_bytes_are_those_of_now() {
    let changing = Changing(AtomicUsize::new(0));
    let running = served(Files::over(changing).cache_duration(Duration::from_secs(3600)));
    let mut client = running.client();
    for expected in 0..5 {
        assert_eq!(client.get("/same").text(), expected.to_string());
    }
}
