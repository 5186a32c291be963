//! Pages about folders.

use std::time::Duration;

use anthill_tests::client::Reply;

use crate::tree::{Tree, ask, once};

fn assert_is_html(reply: &Reply) {
    assert_eq!(reply.status, 200);
    assert_eq!(reply.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.field("Vary"), Some("Accept"));
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
            page.contains("<a href=\"./b.txt\">b.txt</a></td><td><data value=\"1536\">1.5 KiB</data>"),
            "{page}"
        );
        assert!(
            page.contains("<a href=\"./a%26%3Cb%3E%22%27.txt\">a&amp;&lt;b&gt;&#34;&#39;.txt</a>"),
            "{page}"
        );
        assert!(page.contains("<a href=\"./%C3%A4%20b%23%3F%25\">\u{e4} b#?%</a>"));
        assert!(page.contains("<a href=\"./z/\">z/</a>"));
        assert!(page.contains("<time datetime=\"20"));
        assert!(!page.contains(".hidden") && !page.contains("href=\"../\""));
        // Folders first, then by name.
        let place = |what: &str| page.find(what).unwrap();
        assert!(place("./z/") < place("./a%26") && place("./a%26") < place("./b.txt"));
    }
    let inner = client.get("/z/");
    assert!(inner.text().contains("href=\"../\"") && inner.text().contains("<h1>Index of /z/</h1>"));
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
    assert_eq!(list[0]["type"], "directory");
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
    assert_eq!(page.text().matches("<tr><td>").count(), 100_000);
    assert!(page.text().contains("<a href=\"./b49999\">b49999</a>"));
    let list = once(&running, "/", &["Accept: application/json"]);
    assert_eq!(list.text().matches("{\"name\":").count(), 100_000);
}
