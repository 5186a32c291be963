//! Pages about folders.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anthill_http::files::{FileSystem, Files, FolderEntry, FolderList, FsNode};
use anthill_tests::client::Reply;

use crate::tree::{Tree, ask, once, served};

fn assert_is_html(reply: &Reply) {
    assert_eq!(reply.status, 200);
    assert_eq!(reply.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.field("Vary"), Some("Accept"));
    assert!(reply.field("Content-Security-Policy").unwrap().starts_with("default-src 'none'; "));
}

#[test]
fn fs_04_a_folder_is_listed() {
    let tree = Tree::new(&[
        ("b.txt", &[b'x'; 1536][..]),
        ("a&<b>\"'.txt", b"nasty"),
        ("z/inner.html", b""),
        (".hidden", b""),
        ("\u{e4} b#?%", b""),
    ]);
    tree.age("b.txt", Duration::from_secs(1_000_000));
    let running = tree.served(|files| files.listing(true));
    let mut client = running.client();
    for target in ["/", "//", "/z/..", "/."] {
        let reply = client.get(target);
        if target == "/." {
            // A last dot stays one, as in fasthttp, and is hidden.
            assert_eq!(reply.status, 404);
            continue;
        }
        assert_is_html(&reply);
        let page = reply.text();
        assert!(
            page.contains("<a href=\"./b.txt\">b.txt</a></th><td><data value=\"1536\">1.5 KiB</data>"),
            "{page}"
        );
        assert!(
            page.contains("<a href=\"./a%26%3Cb%3E%22%27.txt\">a&amp;&lt;b&gt;&#34;&#39;.txt</a>"),
            "{page}"
        );
        assert!(page.contains("<a href=\"./%C3%A4%20b%23%3F%25\"><bdi>\u{e4} b#?%</bdi></a>"));
        assert!(page.contains("<a href=\"./z/\">z/</a>"));
        assert!(page.contains("<time datetime=\"20"));
        assert!(!page.contains(".hidden") && !page.contains("href=\"../\""));
        // Folders first, then by name.
        let place = |what: &str| page.find(what).unwrap();
        assert!(place("./z/") < place("./a%26") && place("./a%26") < place("./b.txt"));
    }
    let inner = client.get("/z/");
    assert!(
        inner.text().contains("href=\"../\"") && inner.text().contains("<h1>Index of <bdi>/z/</bdi></h1>")
    );
    let redirect = client.get("/z");
    assert_eq!((redirect.status, redirect.field("Location")), (302, Some("/z/")));
    let head = ask(&mut client, "HEAD", "/", &[]);
    assert_eq!(head.field("Content-Length").unwrap(), client.get("/").body.len().to_string());
    // Each link leads to what it names.
    for (target, text) in [("/a%26%3Cb%3E%22%27.txt", "nasty"), ("/%C3%A4%20b%23%3F%25", "")] {
        assert_eq!(client.get(target).text(), text);
    }
    // An index comes first.
    tree.write("index.html", "index");
    assert_eq!(client.get("/").text(), "index");
}

#[test]
fn fs_04_programs_get_json() {
    let tree = Tree::new(&[("b\"\\.txt", b"12345"), ("a/x", b"")]);
    let running = tree.served(|files| files.listing(true));
    let reply = once(&running, "/", &["Accept: application/json"]);
    assert_eq!((reply.status, reply.field("Content-Type")), (200, Some("application/json")));
    let list: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(list[0]["name"], "a");
    assert_eq!((list[0]["type"].as_str(), list[0]["href"].as_str()), (Some("directory"), Some("./a/")));
    assert_eq!(list[1]["name"], "b\"\\.txt");
    assert_eq!((list[1]["type"].as_str(), list[1]["size"].as_u64()), (Some("file"), Some(5)));
    assert!(list[1]["mtime"].as_str().unwrap().ends_with('Z') && list.as_array().unwrap().len() == 2);
    for accept in ["*/*", "text/html, application/json;q=0.9", "application/json;q=0.5, text/*", "image/png"]
    {
        assert_is_html(&once(&running, "/", &[&format!("Accept: {accept}")]));
    }
}

#[test]
fn fs_04_copies_are_not_listed() {
    let tree = Tree::new(&[("a.css", b""), ("a.css.gz", b""), ("a.css.br", b""), ("lone.gz", b"")]);
    let page = once(&tree.served(|files| files.listing(true).compressed_copies()), "/", &[]);
    assert!(page.text().contains("./a.css\"") && page.text().contains("./lone.gz"));
    assert!(!page.text().contains("a.css.gz") && !page.text().contains("a.css.br"));
    let page = once(&tree.served(|files| files.listing(true)), "/", &[]);
    assert!(page.text().contains("a.css.gz"));
}

#[test]
fn fs_04_a_folder_of_many_names() {
    let tree = Tree::new(&[]);
    // Names are what counts, and cheaper to have than files; a file has 65,000 at most.
    for file in ["a", "b"] {
        std::fs::write(tree.at(file), "").unwrap();
        for number in 1..50_000 {
            std::fs::hard_link(tree.at(file), tree.at(&format!("{file}{number}"))).unwrap();
        }
    }
    let running = tree.served(|files| files.listing(true));
    let page = once(&running, "/", &[]);
    assert_eq!(page.text().matches("<tr><th scope=\"row\">").count(), 100_000);
    assert!(page.text().contains("<a href=\"./b49999\">b49999</a>"));
    assert!(!page.text().contains("more in this folder"));
    let list = once(&running, "/", &["Accept: application/json"]);
    assert_eq!(list.text().matches("{\"name\":").count(), 100_000);
    // One more than are told.
    std::fs::write(tree.at("c"), "").unwrap();
    let page = once(&running, "/", &[]);
    assert_eq!(page.text().matches("<tr><th scope=\"row\">").count(), 100_000);
    assert!(page.text().contains("<p>There is more in this folder; only 100000 entries were read."));
}

/// Whatever is in the folder, also hidden: no more is looked at.
#[test]
fn fs_04_a_listing_is_bounded_and_says_so() {
    let names: Vec<String> = (0..20).map(|number| format!("{number}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b""[..])).collect();
    let tree = Tree::new(&files);
    let check = |most: usize, shown: std::ops::RangeInclusive<usize>, is_all: bool| {
        let running = tree.served(|files| files.listing(true).max_listed(most));
        let page = once(&running, "/", &[]);
        let rows = page.text().matches("<tr><th scope=\"row\">").count();
        assert!(shown.contains(&rows), "{most} {rows}");
        assert_eq!(page.text().contains("more in this folder"), !is_all, "{most}");
        let list = once(&running, "/", &["Accept: application/json"]);
        let list: serde_json::Value = serde_json::from_slice(&list.body).unwrap();
        let list = list.as_array().unwrap();
        assert_eq!(list.last().unwrap()["type"], if is_all { "file" } else { "more" }, "{most}");
        assert_eq!(list.len(), rows + usize::from(!is_all));
    };
    check(19, 19..=19, false);
    check(20, 20..=20, true);
    tree.write(".a", "");
    tree.write(".b", "");
    // Which two are not read nobody knows.
    check(20, 18..=20, false);
    check(22, 20..=20, true);
    let error = Files::builder(tree.root()).max_listed(0).build().unwrap_err();
    assert_eq!(error.to_string(), "max_listed: must be at least 1");
}

/// Nor is more asked for than is told, of whatever file system.
#[test]
fn fs_04_a_file_system_is_asked_for_no_more_than_is_told() {
    struct Endless(Arc<AtomicUsize>);
    impl FileSystem for Endless {
        fn open(&self, path: &[u8]) -> io::Result<FsNode> {
            if path.is_empty() { Ok(FsNode::Folder) } else { Err(io::ErrorKind::NotFound.into()) }
        }

        fn list(&self, _: &[u8], most: usize) -> io::Result<FolderList> {
            self.0.store(most, Ordering::SeqCst);
            // One that does not keep to it.
            let names = (0..most + 5).map(|number| number.to_string().into_bytes());
            let entry = |name| FolderEntry { name, is_folder: false, size: 0, modified: None };
            Ok(FolderList { entries: names.map(entry).collect(), is_cut: false })
        }
    }
    let most = Arc::new(AtomicUsize::new(0));
    let running = served(Files::over(Endless(most.clone())).listing(true).max_listed(10));
    let page = once(&running, "/", &[]);
    assert_eq!(page.text().matches("<tr><th scope=\"row\">").count(), 10);
    assert_eq!(most.load(Ordering::SeqCst), 10);
}
