//! Folders: what is served for which path, what is not there, roots, methods.

use std::fs;
use std::sync::Arc;
use std::thread;

use anthill_http::files::{Files, Folder};
use anthill_http::{Request, RequestCtx};
use anthill_tests::client::Client;
use anthill_tests::server::{Running, plain};

use crate::tree::{Tree, ask, once, served};

#[test]
fn fs_01_a_folder_is_served_to_the_byte() {
    let files: Vec<(String, Vec<u8>)> = (0..10_u32)
        .map(|number| {
            let name = format!("f{number}{}", ["", ".txt", ".css", ".png"][number as usize % 4]);
            // From nothing to more than is copied at once, none of it alike.
            let size = number.pow(2) * 9_000;
            (name, (0..size).map(|at| (at * 31 + number * 7 + at / 251) as u8).collect())
        })
        .collect();
    let tree = Tree::new(&[]);
    for (name, content) in &files {
        tree.write(name, content);
    }
    let running = tree.served(|files| files);
    let (address, files) = (running.address(), Arc::new(files));
    let threads: Vec<_> = (0..10)
        .map(|first| {
            let files = files.clone();
            thread::spawn(move || {
                let mut client = Client::connect(address);
                for round in 0..30 {
                    let (name, content) = &files[(first + round) % files.len()];
                    let reply = client.get(&format!("/{name}"));
                    assert_eq!((reply.status, reply.body == *content), (200, true), "{name}");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let kind = |name: &str| once(&running, name, &[]).field("Content-Type").unwrap().to_owned();
    assert_eq!(kind("/f1.txt"), "text/plain; charset=utf-8");
    assert_eq!(kind("/f2.css"), "text/css; charset=utf-8");
    assert_eq!(kind("/f3.png"), "image/png");
    tree.write("page", "<!DOCTYPE html><p>");
    tree.write("image", b"\x89PNG\r\n\x1a\n");
    tree.write("bytes", b"\0\x01\x02");
    assert_eq!(kind("/page"), "text/html; charset=utf-8");
    assert_eq!(kind("/image"), "image/png");
    assert_eq!(kind("/bytes"), "application/octet-stream");
}

#[test]
fn fs_01_one_file_by_its_path() {
    let tree = Tree::new(&[("a b#?%61.txt", b"0123456789"), ("folder/x", b"")]);
    let (path, folder) = (tree.at("a b#?%61.txt"), tree.at("folder"));
    let running = Running::with(plain(), move |ctx: &mut RequestCtx| match ctx.path() {
        "/file" => ctx.send_file(&path),
        "/typed" => {
            ctx.set_content_type("a/b");
            ctx.send_file(&path);
        }
        "/folder" => ctx.send_file(&folder),
        "/device" => ctx.send_file("/dev/zero"),
        _ => ctx.send_file("no/such/file"),
    });
    let mut client = running.client();
    let whole = client.get("/file");
    assert_eq!((whole.status, whole.text()), (200, "0123456789"));
    assert_eq!(whole.field("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(client.get("/typed").field("Content-Type"), Some("a/b"));
    let part = ask(&mut client, "GET", "/file", &["Range: bytes=2-4"]);
    assert_eq!((part.status, part.text()), (206, "234"));
    let tag = format!("If-None-Match: {}", whole.field("ETag").unwrap());
    assert_eq!(ask(&mut client, "GET", "/file", &[&tag]).status, 304);
    // What somebody posts is answered with the file as well; a range has no meaning then.
    client.send("POST /file HTTP/1.1\r\nHost: h\r\nRange: bytes=2-4\r\nContent-Length: 0\r\n\r\n");
    let posted = client.response();
    assert_eq!((posted.status, posted.text()), (200, "0123456789"));
    for target in ["/folder", "/device", "/missing"] {
        assert_eq!(client.get(target).status, 404, "{target}");
    }
}

#[test]
fn fs_02_what_is_not_there_is_404() {
    let tree = Tree::new(&[("a", b"")]);
    let reply = once(&tree.served(|files| files), "/b", &[]);
    assert_eq!((reply.status, reply.text()), (404, "Cannot open requested path"));
    assert_eq!(reply.field("Content-Type"), Some("text/plain; charset=utf-8"));

    let hook = |ctx: &mut RequestCtx| {
        assert_eq!(ctx.response.status_code(), 404);
        let text = format!("{} is not here", ctx.path());
        ctx.success("text/html", text);
    };
    let running = tree.served(|files| files.not_found(hook));
    let reply = once(&running, "/b/c", &[]);
    assert_eq!((reply.status, reply.text()), (404, "/b/c is not here"));
    assert_eq!(once(&running, "/a", &[]).status, 200);
    // It may answer as it likes.
    let running = tree.served(|files| files.not_found(|ctx: &mut RequestCtx| ctx.redirect("/a", 302)));
    assert_eq!(once(&running, "/b", &[]).status, 302);
}

#[test]
fn fs_02_an_application_of_one_page_falls_back_to_it() {
    let tree = Tree::new(&[("index.html", b"<app>"), ("app.js", b"1")]);
    let running = tree.served(|files| files.fallback("index.html"));
    let mut client = running.client();
    for target in ["/", "/users/7", "/users/7/", "/index.html"] {
        let reply = client.get(target);
        assert_eq!((reply.status, reply.text()), (200, "<app>"), "{target}");
        assert_eq!(reply.field("Content-Type"), Some("text/html; charset=utf-8"));
    }
    assert_eq!(client.get("/app.js").text(), "1");
    assert_eq!(client.get("/gone.js").status, 404);
    assert_eq!(client.get("/.env").status, 404);
}

/// With the slash that paths of requests begin with it is the same file, whatever else may be opened.
#[test]
fn fs_02_a_fallback_is_a_file_of_the_root() {
    let tree = Tree::new(&[("app/page", b"<app>"), ("d/x", b"x")]);
    for leads_out in [false, true] {
        let folder = || Folder::new(tree.root()).links_out(leads_out);
        for path in ["app/page", "/app/page"] {
            let running = served(Files::over(folder()).fallback(path));
            for _ in 0..2 {
                assert_eq!(once(&running, "/users/7", &[]).text(), "<app>", "{path} {leads_out}");
            }
        }
        // A file of the system that has this very path is another one.
        let outside = tree.outside().join("outside");
        fs::write(&outside, "outside").unwrap();
        let running = served(Files::over(folder()).fallback(outside.to_str().unwrap()));
        assert_eq!(once(&running, "/users/7", &[]).status, 404, "{leads_out}");
        // A folder is none, with an index or without.
        for path in ["d", "app"] {
            let running = served(Files::over(folder()).fallback(path).index_names(["page"]));
            assert_eq!(once(&running, "/users/7", &[]).status, 404, "{path} {leads_out}");
            assert_eq!(once(&running, "/users/7/", &[]).status, 404, "{path} {leads_out}");
        }
    }
}

#[test]
fn fs_03_folders_have_an_index_or_are_forbidden() {
    let tree = Tree::new(&[
        ("d/index.html", b"index"),
        ("e/other", b""),
        ("f/home.htm", b"home"),
        ("g/index.html/x", b""),
    ]);
    let running = tree.served(|files| files);
    let mut client = running.client();
    let reply = client.get("/d");
    assert_eq!((reply.status, reply.field("Location")), (302, Some("/d/")));
    assert_eq!(client.get("/d?a=b&c=%2f").field("Location"), Some("/d/?a=b&c=%2f"));
    let index = client.get("/d/");
    assert_eq!((index.status, index.text()), (200, "index"));
    assert_eq!(index.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(client.get("/d/index.html").text(), "index");
    for target in ["/", "/e/", "/f/", "/g/"] {
        let reply = client.get(target);
        assert_eq!((reply.status, reply.text()), (403, "Directory index is forbidden"), "{target}");
    }
    // A file is no folder.
    assert_eq!(client.get("/d/index.html/").status, 404);
    assert_eq!(client.get("/d/index.html/x").status, 404);

    let running = tree.served(|files| files.index_names(["home.htm", "index.html"]).redirect_status(308));
    assert_eq!(once(&running, "/f/", &[]).text(), "home");
    assert_eq!(once(&running, "/d/", &[]).text(), "index");
    assert_eq!(once(&running, "/d", &[]).status, 308);
    let running = tree.served(|files| files.index_names([""; 0]));
    assert_eq!(once(&running, "/d/", &[]).status, 403);
}

#[test]
fn fs_03_a_redirect_stays_on_its_host() {
    let tree =
        Tree::new(&[("d/x", b""), ("evil.com/x", b""), ("\\evil.com/x", b""), ("a b#c/\u{e4}/x", b"")]);
    let running = tree.served(|files| files);
    let mut client = running.client();
    for (target, expected) in [
        ("//evil.com", "/evil.com/"),
        ("//evil.com/%2e%2e/d", "/d/"),
        ("/%2fevil.com", "/evil.com/"),
        ("/%5cevil.com", "/%5Cevil.com/"),
        ("/..%2F%5cevil.com", "/%5Cevil.com/"),
        ("/d/..%2F%5cevil.com%2F%3f%2F..%2F..", "/%5Cevil.com/"),
        ("/a%20b%23c", "/a%20b%23c/"),
        ("/a%20b%23c/%C3%A4", "/a%20b%23c/%C3%A4/"),
    ] {
        let reply = client.get(target);
        let is_there = matches!(reply.status, 302 | 403);
        assert!(is_there, "{target}: {reply:?}");
        if let Some(location) = reply.field("Location") {
            assert_eq!(location, expected, "{target}");
            assert!(!location.starts_with("//") && !location.starts_with("/\\"));
        }
    }
}

#[test]
fn fs_12_roots_in_any_spelling() {
    let tree = Tree::new(&[("a/b", b"inside")]);
    fs::write(tree.outside().join("secret"), "secret").unwrap();
    fs::create_dir(tree.outside().join("root2")).unwrap();
    fs::write(tree.outside().join("root2/secret"), "secret").unwrap();
    let root = tree.root();
    let current = std::env::current_dir().unwrap();
    let up: String = current.components().skip(1).map(|_| "../").collect();
    let relative = format!("{up}{}", root.display().to_string().trim_start_matches('/'));
    for root in [
        root.display().to_string(),
        format!("{}/", root.display()),
        format!("{}/./a/../", root.display()),
        relative,
    ] {
        let running = served(Files::builder(&root));
        let mut client = running.client();
        assert_eq!(client.get("/a/b").text(), "inside", "{root}");
        for target in ["/../secret", "/%2e%2e/secret", "/../root2/secret", "/secret", "/..%2froot2/secret"] {
            assert_eq!(client.get(target).status, 404, "{root} {target}");
        }
    }
}

#[test]
fn fs_12_names_are_literal() {
    let names = ["a b", "a#b", "%61", "a?b", "a+b", "\u{e4}", "a\\b", "a:b", "a&b;c", "~", "a\nb", "a..b"];
    let tree = Tree::new(&[]);
    for name in names {
        tree.write(name, name);
    }
    let not_text = std::os::unix::ffi::OsStrExt::from_bytes(b"not\xfftext");
    fs::write(tree.root().join::<&std::ffi::OsStr>(not_text), "not text").unwrap();
    let running = tree.served(|files| files);
    let mut client = running.client();
    for name in names {
        let target: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let reply = client.get(&format!("/{target}"));
        assert_eq!((reply.status, reply.text()), (200, name), "{name:?}");
    }
    assert_eq!(client.get("/not%fftext").text(), "not text");
    assert_eq!(client.get("/not%25FFtext").status, 404);
    // Unescaped they mean something else: a query, an escape.
    assert_eq!(client.get("/a?b").status, 404);
    assert_eq!(client.get("/%61").status, 404);
    assert_eq!(client.get("/%2561").text(), "%61");
}

#[test]
fn fs_14_other_methods_are_not_allowed() {
    let tree = Tree::new(&[("a", b"a")]);
    let running = tree.served(|files| files);
    let mut client = running.client();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "get"] {
        for target in ["/a", "/b", "/"] {
            client.send(format!("{method} {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"));
            let reply = client.response();
            assert_eq!((reply.status, reply.field("Allow")), (405, Some("GET, HEAD")), "{method} {target}");
        }
    }
    let head = ask(&mut client, "HEAD", "/a", &[]);
    assert_eq!((head.status, head.field("Content-Length")), (200, Some("1")));
    assert_eq!(client.get("/a").text(), "a");
}

#[test]
fn what_may_not_be_read_is_forbidden() {
    use anthill_tests::processes::apart_without_privileges;
    use std::os::unix::fs::PermissionsExt;
    let name = "folders::what_may_not_be_read_is_forbidden";
    let is_run = apart_without_privileges(name, || {
        let tree = Tree::new(&[("a", b"a"), ("d/x", b"x")]);
        for path in ["a", "d"] {
            fs::set_permissions(tree.at(path), fs::Permissions::from_mode(0o0)).unwrap();
        }
        let running = tree.served(|files| files);
        let mut client = running.client();
        for target in ["/a", "/d/x", "/d/"] {
            assert_eq!(client.get(target).status, 403, "{target}");
        }
        let error = Files::builder(tree.at("d")).build().unwrap_err().to_string();
        fs::set_permissions(tree.at("d"), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(error.starts_with("root: ") && error.contains("cannot be read"), "{error}");
    });
    if !is_run {
        anthill_tests::server::skip("this process cannot become another user");
    }
}

#[test]
fn what_cannot_be_served_is_said_when_the_handler_is_built() {
    let tree = Tree::new(&[("file", b"")]);
    let ours = || Files::builder(tree.root());
    let missing = tree.at("missing");
    for (builder, option, problem) in [
        (Files::builder(&missing), "root", "does not exist"),
        (Files::builder(tree.at("file")), "root", "is no folder"),
        (Files::builder(""), "root", "is empty"),
        (ours().index_names(["a", ""]), "index_names", "\"\" is no name"),
        (ours().index_names([".."]), "index_names", "\"..\" is no name"),
        (ours().fallback("../x"), "fallback", "\"../x\" is no path"),
        (ours().fallback("app/"), "fallback", "\"app/\" is no path"),
        (ours().fallback("/"), "fallback", "\"/\" is no path"),
        (ours().fallback(""), "fallback", "\"\" is no path"),
        (ours().strip_prefix("static"), "strip_prefix", "does not begin with a slash"),
        (ours().cache_control("*", "a\r\nb"), "cache_control", "is no value"),
        (ours().media_type("x", ""), "media_type", "is no value"),
        (ours().charset(Some("\n")), "charset", "is no value"),
        (ours().redirect_status(200), "redirect_status", "200 is not"),
        (ours().max_open_files(0), "max_open_files", "at least 1"),
        (ours().copies_in(tree.root()), "copies_in", "no copies are served"),
        (ours().compress(1), "compress", "says not where"),
        (ours().compress_root(tree.root()), "compress_root", "no copies are made"),
        (ours().compress(1).compress_root(&missing), "compress_root", "does not exist"),
        (ours().compress(1).compress_root(tree.at("file")), "compress_root", "is no folder"),
        (
            ours().compress(1).compress_root(tree.root()).compress_max_bytes(0),
            "compress_max_bytes",
            "at least 1",
        ),
        (ours().compressed_copies().copies_in(&missing), "copies_in", "does not exist"),
        (ours().copy_suffix("gzip", ""), "copy_suffix", "is no end of a name"),
        (ours().copy_suffix("gzip", "/../x"), "copy_suffix", "is no end of a name"),
        (ours().copy_suffix("a b", ".x"), "copy_suffix", "is no content coding"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.option(), option);
        assert!(error.to_string().contains(problem), "{error}");
    }
    ours().max_open_files(0).cache_duration(std::time::Duration::ZERO).build().unwrap();
    // Without a server it answers as well.
    let files = ours().build().unwrap();
    let mut ctx = RequestCtx::for_request(Request::new("GET", "/file").unwrap(), None);
    anthill_http::Handler::handle(&files, &mut ctx);
    assert_eq!(ctx.response.status_code(), 200);
}
