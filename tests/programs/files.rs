//! The examples of files: a site, an application of one page, downloads, files in the program; and the testbed's.

use std::fs;

use anthill_tests::client::Client;
use anthill_tests::eventually;
use anthill_tests::examples::Example;

fn get(example: &Example, target: &str, fields: &str) -> anthill_tests::client::Reply {
    Client::connect(example.address()).exchange(format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"))
}

/// A folder with a small site in it.
fn site() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("docs")).unwrap();
    for (name, content) in [
        ("index.html", "<p>site"),
        ("site.css", "p {}"),
        ("site.css.gz", "packed"),
        ("app.3f2a9c1b.js", "1"),
        ("docs/a.txt", "0123456789"),
    ] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let root = folder.path().to_str().unwrap().to_owned();
    (folder, root)
}

#[test]
fn a_site_is_a_folder() {
    let (folder, root) = site();
    let text = "text that compresses ".repeat(500);
    fs::write(folder.path().join("long.txt"), &text).unwrap();
    let copies = tempfile::tempdir().unwrap();
    let path = copies.path().to_str().unwrap();
    let example = Example::start("static-site", &[("ROOT", &root), ("COPIES", path)]);
    let index = get(&example, "/", "");
    assert_eq!((index.text(), index.field("Cache-Control")), ("<p>site", Some("no-cache")));
    assert!(get(&example, "/app.3f2a9c1b.js", "").field("Cache-Control").unwrap().contains("immutable"));
    let packed = get(&example, "/site.css", "Accept-Encoding: gzip\r\n");
    assert_eq!((packed.text(), packed.field("Content-Encoding")), ("packed", Some("gzip")));
    eventually("a copy is made", || {
        let made = get(&example, "/long.txt", "Accept-Encoding: gzip\r\n");
        made.field("Content-Encoding") == Some("gzip") && made.body.len() < text.len() / 10
    });
    assert!(get(&example, "/docs/", "").text().contains("./a.txt"));
    let missing = get(&example, "/missing", "");
    assert!(missing.status == 404 && missing.text().contains("no such page"));
    example.end();
    let ended = Example::launch("static-site", &[], &[("ROOT", "/no/such/folder")]).outcome();
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr, "static-site: root: /no/such/folder does not exist\n");
}

#[test]
fn an_application_of_one_page_has_many_paths() {
    let example = Example::start("spa", &[]);
    for target in ["/", "/users/7", "/deep/er/"] {
        let reply = get(&example, target, "");
        assert!(reply.status == 200 && reply.text().contains("<title>app</title>"), "{target}");
        assert_eq!(reply.field("Cache-Control"), Some("no-cache"));
    }
    assert!(get(&example, "/app.3f2a9c1b.js", "").text().contains("location.pathname"));
    assert_eq!(get(&example, "/gone.js", "").status, 404);
    assert!(get(&example, "/api/time", "").text().starts_with("{\"unix\": 1"));
    assert_eq!(get(&example, "/api/none", "").status, 404);
    example.end();
}

#[test]
fn downloads_are_resumed() {
    let (_folder, root) = site();
    let example = Example::start("downloads", &[("ROOT", &root)]);
    let whole = get(&example, "/report", "");
    let name = "attachment; filename=\"Jahresbericht f_r alle.csv\"; filename*=UTF-8''Jahresbericht%20f%C3%BCr%20alle.csv";
    assert_eq!(whole.field("Content-Disposition"), Some(name));
    let rest = get(&example, "/report", "Range: bytes=100-\r\nIf-Range: \"report-1\"\r\n");
    assert_eq!((rest.status, &rest.body[..]), (206, &whole.body[100..]));
    let file = get(&example, "/files/docs/a.txt", "Range: bytes=5-\r\n");
    assert_eq!((file.status, file.text()), (206, "56789"));
    assert_eq!(file.field("Content-Disposition"), Some("attachment; filename=\"a.txt\""));
    assert_eq!(get(&example, "/latest", "").status, 200);
    example.end();
}

#[test]
fn files_in_the_program_are_served() {
    let example = Example::start("embedded", &[]);
    assert!(get(&example, "/", "").text().starts_with("//! A program"));
    let css = get(&example, "/css/site.css", "");
    assert_eq!(css.field("Content-Type"), Some("text/css; charset=utf-8"));
    let known = get(&example, "/css/site.css", &format!("If-None-Match: {}\r\n", css.field("ETag").unwrap()));
    assert_eq!(known.status, 304);
    assert!(get(&example, "/licence.txt", "").text().contains("MIT"));
    example.end();
}

/// What a link leads to is seen when the file that was found by it is opened anew.
#[cfg(unix)]
#[test]
fn the_testbed_keeps_files_open_for_as_long_as_it_is_told() {
    for (millis, expected) in [("0", "new"), ("3600000", "old")] {
        let (folder, root) = site();
        let link = |to: &str| {
            let next = folder.path().join("next");
            std::os::unix::fs::symlink(to, &next).unwrap();
            fs::rename(next, folder.path().join("link.txt")).unwrap();
        };
        for name in ["old", "new"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        link("old");
        // What has changed just now is not kept.
        std::thread::sleep(std::time::Duration::from_millis(50));
        let options = ["--addr", "127.0.0.1:0", "--root", &root, "--file-cache-ms", millis];
        let testbed = Example::launch("testbed", &options, &[]).listening();
        assert_eq!(get(&testbed, "/files/link.txt", "").text(), "old");
        link("new");
        assert_eq!(get(&testbed, "/files/link.txt", "").text(), expected, "{millis}");
        testbed.end();
    }
    let ended = Example::launch("testbed", &["--file-cache-ms", "soon"], &[]).outcome();
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.stderr, "testbed: --file-cache-ms needs a number, not \"soon\"\n");
}

#[test]
fn the_testbed_serves_a_folder_three_times() {
    let (_folder, root) = site();
    let testbed = Example::launch("testbed", &["--addr", "127.0.0.1:0", "--root", &root], &[]).listening();
    assert_eq!(get(&testbed, "/files/", "").text(), "<p>site");
    assert_eq!(get(&testbed, "/files/docs/", "").status, 403);
    assert!(get(&testbed, "/browse/docs/", "").text().contains("./a.txt"));
    assert_eq!(get(&testbed, "/pre/site.css", "Accept-Encoding: gzip\r\n").text(), "packed");
    assert_eq!(get(&testbed, "/files/site.css", "Accept-Encoding: gzip\r\n").text(), "p {}");
    assert_eq!(get(&testbed, "/files/docs/a.txt", "Range: bytes=-1\r\n").text(), "9");
    let redirect = get(&testbed, "/files/docs", "");
    assert_eq!((redirect.status, redirect.field("Location")), (302, Some("/files/docs/")));
    let mut client = Client::connect(testbed.address());
    client.send("HEAD /files/docs/a.txt HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response_to_head().field("Content-Length"), Some("10"));
    client.send("DELETE /files/docs/a.txt HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response().status, 405);
    testbed.end();
    let ended = Example::launch("testbed", &["--root", "/no/such/folder"], &[]).outcome();
    assert_eq!((ended.code, &*ended.stderr), (Some(1), "testbed: root: /no/such/folder does not exist\n"));
}

#[test]
fn what_is_uploaded_by_a_form_is_sent_in_any_parts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uploads").to_str().unwrap().to_owned();
    let example = Example::start("uploads", &[("FOLDER", &path)]);
    let content: String = ('a'..='z').cycle().take(9 << 20).collect();
    let post = |file_name: &str, content: &str| {
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\r\n{content}\r\n--b--\r\n"
        );
        let length = body.len();
        let kind = "multipart/form-data; boundary=b";
        let head =
            format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
        Client::connect(example.address()).exchange(head + &body)
    };
    let created = post("../../photo.JPG", &content);
    assert_eq!((created.status, created.text()), (201, &*format!("{} bytes\n", content.len())));
    let place = created.field("Location").unwrap().to_owned();
    assert!(place.starts_with("/files/") && place.ends_with(".JPG") && !place.contains(".."), "{place}");
    let part = get(&example, &place, "Range: bytes=26-51\r\n");
    assert_eq!((part.status, part.text()), (206, "abcdefghijklmnopqrstuvwxyz"));
    assert_eq!(get(&example, &place, "").text(), content);
    // A page of somebody's is saved, and does not run as ours.
    let page = post("x.html", "<script>").field("Location").unwrap().to_owned();
    let page = get(&example, &page, "");
    assert!(page.field("Content-Disposition").unwrap().starts_with("attachment"), "{page:?}");
    assert_eq!(page.field("X-Content-Type-Options"), Some("nosniff"));
    assert!(post("x.<script>", "1").field("Location").unwrap().ends_with(".bin"));
    // Nothing lies outside of the folder, and nothing in it that was not finished.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 3);
    let wrong = Client::connect(example.address()).exchange(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 7\r\n\r\n--b--\r\n",
    );
    assert_eq!(wrong.status, 400, "{wrong:?}");
    example.end();
}
