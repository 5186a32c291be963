//! URIs: rows `URI-01` to `URI-03`.
//!
//! The oracles: the `url` crate for resolving and for the host that is found, printing and reading back for the rest.

use anthill_http::Uri;
use anthill_http::uri::UriError;
use proptest::prelude::*;

fn parse(text: impl AsRef<[u8]>) -> Uri {
    let text = text.as_ref();
    Uri::parse(text).unwrap_or_else(|error| panic!("{:?}: {error}", String::from_utf8_lossy(text)))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Full text, host, path, path as written, query, fragment.
type Expected<'a> = [&'a str; 6];

#[track_caller]
fn check(uri: &Uri, expected: Expected<'_>) {
    let full = uri.to_string();
    let found = [
        &full,
        text(uri.host()),
        uri.path(),
        text(uri.path_original()),
        text(uri.query()),
        text(uri.fragment()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn uri_01_targets_with_a_host() {
    #[track_caller]
    fn forms(host: &str, target: &str, expected: Expected<'_>) {
        let mut uri = Uri::parse("ftp://user@left/o%20ver?from=an#other").unwrap();
        uri.query_args();
        uri.assign_with_host(host, target).unwrap();
        check(&uri, expected);
        assert_eq!(uri.query_args().to_bytes().is_empty(), uri.query().is_empty());
        assert_eq!(uri, Uri::parse_with_host(host, target).unwrap());
    }
    forms("h.example", "word", ["http://h.example/word", "h.example", "/word", "word", "", ""]);
    forms("h.example", "", ["http://h.example/", "h.example", "/", "", "", ""]);
    forms("h.example", "/p?q", ["http://h.example/p?q", "h.example", "/p", "/p", "q", ""]);
    forms("h:81", "/p.q.r?s=t#u", ["http://h:81/p.q.r?s=t#u", "h:81", "/p.q.r", "/p.q.r", "s=t", "u"]);
    forms("h", "/p#q?r=s#t", ["http://h/p#q?r=s#t", "h", "/p", "/p", "", "q?r=s#t"]);
    forms("h", "?q=/", ["http://h/?q=/", "h", "/", "", "q=/", ""]);
    forms("h", "#f", ["http://h/#f", "h", "/", "", "", "f"]);
    forms(
        "h",
        "/A%20+%20%C3%B6?q=%20%20&r#s%20",
        ["http://h/A%20+%20%C3%B6?q=%20%20&r#s%20", "h", "/A + ö", "/A%20+%20%C3%B6", "q=%20%20&r", "s%20"],
    );
    forms("Ho.ST", "/aB?Cd#Ef", ["http://ho.st/aB?Cd#Ef", "ho.st", "/aB", "/aB", "Cd", "Ef"]);
    forms("h", "http://other/p?q#f", ["http://other/p?q#f", "other", "/p", "/p", "q", "f"]);
    forms(
        "h",
        "HTTPS://OTHER:1/a%20b?q#f",
        ["https://other:1/a%20b?q#f", "other:1", "/a b", "/a%20b", "q", "f"],
    );
    forms("h", "http://other", ["http://other/", "other", "/", "", "", ""]);
    forms(
        "h",
        "/p?to=http://other/",
        ["http://h/p?to=http://other/", "h", "/p", "/p", "to=http://other/", ""],
    );
    forms(
        "h",
        "/p/http://other/",
        ["http://h/p/http:/other/", "h", "/p/http:/other/", "/p/http://other/", "", ""],
    );
    forms("h", "//two/slashes", ["http://h/two/slashes", "h", "/two/slashes", "//two/slashes", "", ""]);
    forms("", "//two/slashes", ["http:///two/slashes", "", "/two/slashes", "//two/slashes", "", ""]);
    forms("[::1]:80", "/", ["http://[::1]:80/", "[::1]:80", "/", "/", "", ""]);
    forms("h", "*", ["http://h", "h", "/*", "*", "", ""]);
}

#[test]
fn uri_01_whole_uris_are_split_into_their_parts() {
    for (uri, scheme, expected) in [
        ("http://h.example/p?q#f", "http", ["http://h.example/p?q#f", "h.example", "/p", "/p", "q", "f"]),
        ("HtTp://h/", "http", ["http://h/", "h", "/", "/", "", ""]),
        ("://h/p", "http", ["http://h/p", "h", "/p", "/p", "", ""]),
        ("//h/p", "http", ["http://h/p", "h", "/p", "/p", "", ""]),
        ("//h//p", "http", ["http://h/p", "h", "/p", "//p", "", ""]),
        ("fTp://h", "ftp", ["ftp://h/", "h", "/", "", "", ""]),
        ("hTTPs://h:", "https", ["https://h:/", "h:", "/", "", "", ""]),
        ("a+b-c.1://h/", "a+b-c.1", ["a+b-c.1://h/", "h", "/", "/", "", ""]),
        ("http://h?q=1/2/3", "http", ["http://h/?q=1/2/3", "h", "/", "", "q=1/2/3", ""]),
        ("http://h?1/2@3:4", "http", ["http://h/?1/2@3:4", "h", "/", "", "1/2@3:4", ""]),
        ("http://h#f@other", "http", ["http://h/#f@other", "h", "/", "", "", "f@other"]),
        ("http://u@other@h/", "http", ["http://h/", "h", "/", "/", "", ""]),
        ("http://[fe80::1%25en0]/", "http", ["http://[fe80::1%25en0]/", "[fe80::1%en0]", "/", "/", "", ""]),
        (
            "http://[FE80::1%25En0]:80/",
            "http",
            ["http://[fe80::1%25en0]:80/", "[fe80::1%en0]:80", "/", "/", "", ""],
        ),
        ("http://日本.example/p", "http", ["http://日本.example/p", "日本.example", "/p", "/p", "", ""]),
        ("http://%e6%97%a5.example/", "http", ["http://日.example/", "日.example", "/", "/", "", ""]),
        ("file:///etc/passwd", "file", ["file:///etc/passwd", "", "/etc/passwd", "/etc/passwd", "", ""]),
        ("/p:q@r", "http", ["http:///p:q@r", "", "/p:q@r", "/p:q@r", "", ""]),
    ] {
        let parsed = parse(uri);
        assert_eq!(parsed.scheme(), scheme, "{uri:?}");
        check(&parsed, expected);
        assert_eq!(uri.parse::<Uri>().unwrap(), parsed);
    }
    // Not UTF-8: kept as it is in bytes, an escape in text.
    let uri = parse("//%AA/%BB?\u{80}");
    assert_eq!((uri.host(), uri.path()), (&b"\xaa"[..], "/%BB"));
    assert_eq!(uri.to_bytes(), b"http://\xaa/%BB?\xc2\x80");
    assert_eq!(uri.to_string(), "http://%AA/%BB?\u{80}");
}

#[test]
fn uri_01_hosts_in_pieces() {
    for (uri, hostname, port) in [
        ("http://h/", "h", None),
        ("http://h:/", "h", None),
        ("http://h:0/", "h", Some(0)),
        ("http://1.2.3.4:65535/", "1.2.3.4", Some(65535)),
        ("http://h:00000000000000000000080/", "h", Some(80)),
        ("http://[::1]/", "::1", None),
        ("http://[::1]:8080/", "::1", Some(8080)),
        ("http://[::ffff:1.2.3.4%25eth0.1]:1/", "::ffff:1.2.3.4%eth0.1", Some(1)),
        ("/p", "", None),
    ] {
        let uri = parse(uri);
        assert_eq!((text(uri.hostname()), uri.port()), (hostname, port), "{uri:?}");
    }
}

#[test]
fn uri_01_user_and_password() {
    for (userinfo, user, password) in [
        ("u", "u", ""),
        ("u:", "u", ""),
        (":p", "", "p"),
        ("u:p:q", "u", "p:q"),
        ("u:p@q", "u", "p@q"),
        ("a%40b:c%3Ad%", "a@b", "c:d%"),
        ("!$&'()*+,;=", "!$&'()*+,;=", ""),
    ] {
        let mut uri = parse(format!("http://{userinfo}@h/p"));
        let parts = |uri: &Uri| (uri.username().into_owned(), uri.password().into_owned());
        assert_eq!(uri.userinfo(), userinfo.as_bytes());
        assert_eq!(parts(&uri), (user.into(), password.into()), "{userinfo:?}");
        assert_eq!((uri.to_string().as_str(), uri.host()), ("http://h/p", &b"h"[..]));
        assert_eq!(format!("{uri:?}"), r#"Uri("http://h/p")"#, "no password in logs");
        uri.set_username(b"new:\r\n@/");
        uri.set_password(b"\0#?");
        assert_eq!(parts(&uri), (b"new:\r\n@/".to_vec(), b"\0#?".to_vec()));
        assert_eq!(uri.userinfo(), b"new%3A%0D%0A%40%2F:%00%23%3F");
        uri.set_password("");
        assert_eq!(uri.userinfo(), b"new%3A%0D%0A%40%2F");
    }
}

#[test]
fn uri_01_a_reference_updates_the_uri_it_is_relative_to() {
    for (base, reference, expected) in [
        ("http://h/a/b?c#d", "https://other/p/q", "https://other/p/q"),
        ("http://h/a/b?c#d", "HTTPS://h/a/b?c#d", "https://h/a/b?c#d"),
        ("http://h/a/b?c#d", "", "http://h/a/b?c#d"),
        ("http://h/a/b?c#d", "/x/y?z#w", "http://h/x/y?z#w"),
        ("http://h/a/b?c#d", "/", "http://h/"),
        ("http://h/a/b.html?c#d", "e.html?f=1#g", "http://h/a/e.html?f=1#g"),
        ("http://h/a/b?c", "?d=1&e#f", "http://h/a/b?d=1&e#f"),
        ("http://h/a/b?c#d", "?e", "http://h/a/b?e"),
        ("http://h/a/b?c#d", "?", "http://h/a/b"),
        ("http://h/a?b", "~c/%20d=e,ф?г=ж", "http://h/~c/%20d=e,%D1%84?г=ж"),
        ("http://h/a/b", "/c#d", "http://h/c#d"),
        ("http://h/a/b", "c#d?e=f", "http://h/a/c#d?e=f"),
        ("http://h/a/b/c/d", "../e?f", "http://h/a/b/e?f"),
        ("http://h/a/b", "../../../c", "http://h/c"),
        ("http://h/a/b", "./c/.", "http://h/a/c/"),
        ("http://h/a/b", "..", "http://h/"),
        ("http://h/a?b#c", "#d", "http://h/a?b#d"),
        ("http://h/a?b#c", "#", "http://h/a?b"),
        ("https://h/a", "//other/b", "https://other/b"),
        ("http://h/a", "//other:8080/", "http://other:8080/"),
        ("ftp://h/a", "://other/b", "ftp://other/b"),
        ("file:///a/b", "///c", "file:///c"),
        ("http://h", "a", "http://h/a"),
        ("http://h/a/", "b", "http://h/a/b"),
        ("http://h/x", "a?u=http://other//p", "http://h/a?u=http://other//p"),
        ("http://h/a%2Fb", "c", "http://h/c"),
        ("http://h/*", "b/../c%2e%2e", "http://h/c.."),
    ] {
        let mut uri = parse(base);
        uri.query_args();
        uri.update(reference).unwrap_or_else(|error| panic!("{reference:?}: {error}"));
        assert_eq!(uri.to_string(), expected, "{base:?} and {reference:?}");
        assert_eq!(uri.query_args().to_bytes().is_empty(), uri.query().is_empty());
    }
    // User information belongs to its host.
    let mut uri = parse("http://u:p@h/");
    uri.update("/a").unwrap();
    assert_eq!(uri.userinfo(), b"u:p");
    uri.update("//h/a").unwrap();
    assert_eq!(uri.userinfo(), b"");
}

#[test]
fn uri_01_a_uri_is_built_from_its_parts() {
    #[track_caller]
    fn built(parts: [&str; 4], args: &[(&str, &str)], expected: &str) {
        let mut uri = Uri::new();
        let [scheme, host, path, fragment] = parts;
        uri.set_scheme(scheme).unwrap();
        uri.set_host(host).unwrap();
        uri.set_path(path);
        uri.query_args_mut().extend(args.iter().copied());
        uri.set_fragment(fragment);
        assert_eq!(uri.to_string(), expected);
        let mut written = Vec::new();
        uri.append_to(&mut written);
        assert_eq!((&written, &written), (&uri.to_bytes(), &expected.as_bytes().to_vec()));
        assert_eq!(parse(expected).to_bytes(), written);
        assert_eq!(uri.clone(), uri);
    }
    built(["", "h", "", ""], &[], "http://h/");
    built(["", "h", "/a/b", ""], &[], "http://h/a/b");
    built(["gOPHER", "H:70", "/a", ""], &[], "gopher://h:70/a");
    built(["https", "h", "/", "f"], &[], "https://h/#f");
    built(["", "h", "/ж1", "f/?#"], &[("a", "b"), ("c", "й")], "http://h/%D0%B61?a=b&c=%D0%B9#f/?#");
    built(["", "h", "a b", "c d"], &[("e f", "g&h")], "http://h/a%20b?e+f=g%26h#c%20d");
    let kept: String =
        ('!'..='~').filter(|c| c.is_ascii_alphanumeric() || "-._~$&+,/:;=@".contains(*c)).collect();
    let mut uri = Uri::new();
    uri.set_path(format!("/{}", kept.replace('/', "")));
    assert_eq!(text(&uri.request_uri()), format!("/{}", kept.replace('/', "")));
    uri.set_path("/!\"#%'()*<>?[\\]^`{|}\u{7f}");
    assert_eq!(text(&uri.request_uri()), "/%21%22%23%25%27%28%29%2A%3C%3E%3F%5B%5C%5D%5E%60%7B%7C%7D%7F");

    // Only a lone `*` is the asterisk form.
    uri.set_path("*");
    assert_eq!(text(&uri.request_uri()), "*");
    uri.set_query("q");
    assert_eq!(text(&uri.request_uri()), "/%2A?q");
    uri.clear();
    assert_eq!((uri.to_string().as_str(), uri.path()), ("http:///", "/"));
}

#[test]
fn uri_01_changed_arguments_are_the_query() {
    let mut uri = parse("http://h/?a=1&a=%32&b#f");
    assert_eq!(uri.query_args().get_all("a").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(uri.to_string(), "http://h/?a=1&a=%32&b#f", "reading changes nothing");
    drop(uri.query_args_mut());
    assert_eq!(uri.query(), b"a=1&a=%32&b", "nor does a look that could have changed something");
    uri.query_args_mut().append("c", "?#");
    assert_eq!(uri.query(), b"a=1&a=2&b&c=%3F%23");
    assert_eq!(uri.query_args().get("c"), Some(&b"?#"[..]));
    uri.set_query("d=4&e=5");
    assert_eq!((uri.query_args().len(), uri.query_args().get_uint("e")), (2, Ok(5)));
    uri.query_args_mut().append("f", "6");
    uri.set_query("last=word");
    assert_eq!(uri.to_string(), "http://h/?last=word#f");
    let mut copy = uri.clone();
    copy.query_args_mut().set("last", "one");
    assert_eq!((uri.query(), copy.query()), (&b"last=word"[..], &b"last=one"[..]));
    uri.assign("http://h/").unwrap();
    assert!(uri.query_args().is_empty());
}

#[test]
fn uri_01_copies_are_like_what_was_copied() {
    for text in ["https://u:p@h:1/a%20b/c?d=1&e#f", "//h/%FF%20b?e", "//h//a%2Fb/./c", "/plain", "h", ""] {
        for normalizing in [true, false] {
            let mut uri = parse(text);
            uri.set_path_normalizing(normalizing);
            let mut used = parse("ftp://left@over/x%FE%20?y=z#w");
            used.query_args();
            used.set_path_normalizing(!normalizing);
            used.clone_from(&uri);
            for mut copy in [used, uri.clone()] {
                assert_eq!(copy, uri);
                assert_eq!((copy.path(), copy.to_bytes()), (uri.path(), uri.to_bytes()), "{text:?}");
                assert_eq!(copy.query_args(), uri.query_args(), "{text:?}");
            }
        }
    }
}

#[test]
fn uri_01_equal_is_what_was_written_alike() {
    let uri = parse("http://u@h/p?q#f");
    assert_eq!(uri, parse("HTTP://u@H/p?q#f"));
    for other in [
        "https://u@h/p?q#f",
        "http://U@h/p?q#f",
        "http://u@g/p?q#f",
        "http://u@h/%70?q#f",
        "http://u@h/p?r#f",
        "http://u@h/p?q#g",
    ] {
        assert_ne!(uri, parse(other), "{other:?}");
    }
}

#[test]
fn uri_01_last_path_segments() {
    for (path, segment) in [
        ("", ""),
        ("/", ""),
        ("/a/b/", ""),
        ("/a.js", "a.js"),
        ("/a/b/c.html", "c.html"),
        ("/a/b%2Fc", "c"),
        ("d", "d"),
    ] {
        let mut uri = Uri::new();
        uri.set_path(path);
        assert_eq!(uri.last_path_segment(), segment, "{path:?}");
    }
}

#[test]
fn uri_02_paths_are_made_normal() {
    for (path, expected) in [
        ("/a//b", "/a/b"),
        ("/a///b/", "/a/b/"),
        ("/a//b///c////", "/a/b/c/"),
        ("/a%2fb%2F%2f", "/a/b/"),
        ("/a/..", "/"),
        ("/a/b/../", "/a/"),
        ("/a/b/c/../../d", "/a/d"),
        ("/a/b/../c/d/../e/..", "/a/c/"),
        ("/a/../../../b", "/b"),
        ("/../../..", "/"),
        ("/../../../", "/"),
        ("/a%2Fb%2F%2E.%2Fc", "/a/c"),
        ("/a////..//b", "/b"),
        ("/a/..b/c/..", "/a/..b/"),
        ("/a/./b/././c/./d", "/a/b/c/d"),
        ("./a/", "/a/"),
        ("./../.././../a/b/../../.././", "/"),
        ("./a/./.././../b/./c", "/b/c"),
        ("/a/.", "/a/."),
        ("/a%252Fb", "/a%2Fb"),
        ("/a%2", "/a%2"),
        ("/%E2%82%AC/%E2%82", "/€/%E2%82"),
        ("/a\\..\\b", "/a\\..\\b"),
    ] {
        let uri = Uri::parse_with_host("h", path).unwrap();
        assert_eq!((uri.path(), text(uri.path_original())), (expected, path), "{path:?}");
        let again = Uri::parse_with_host("h", uri.request_uri()).unwrap();
        assert_eq!(again.path(), expected, "{path:?} once printed");
    }
}

#[test]
fn uri_02_paths_as_they_were_written() {
    for path in ["/a%2Fb%2F%2E.%2Fc", "/a//b/./c/..", "//a", "/é", "/a!'()*\"<>[\\]^`{|}"] {
        let mut uri = Uri::parse_with_host("h", format!("{path}?q#f")).unwrap();
        uri.set_path_normalizing(false);
        assert_eq!(text(&uri.request_uri()), format!("{path}?q"));
        assert_eq!(uri.to_string(), format!("http://h{path}?q#f"));
        assert_eq!(
            uri.path(),
            Uri::parse_with_host("h", path).unwrap().path(),
            "what routes see is the same"
        );
        uri.assign_with_host("h", "/b//c").unwrap();
        assert_eq!(text(&uri.request_uri()), "/b//c", "the choice outlives the parts");
        uri.set_path_normalizing(true);
        assert_eq!(text(&uri.request_uri()), "/b/c");
    }
    // What would end the path or the line is escaped even so.
    let mut uri = Uri::new();
    uri.set_path_normalizing(false);
    uri.set_path("a b?c#d\r\n\x7f%20");
    assert_eq!(text(&uri.request_uri()), "/a%20b%3Fc%23d%0D%0A%7F%20");
    uri.clear();
    uri.set_path("a//b");
    assert_eq!(text(&uri.request_uri()), "/a/b", "clearing restores the default");
}

#[test]
fn uri_03_what_is_refused() {
    use UriError::{ControlByte, Host, Ipv6, Port, Scheme, Userinfo};
    for (uri, error) in [
        ("http://h/\r\nX: y", ControlByte),
        ("//h\r\n\r\nGET x", ControlByte),
        ("/\0", ControlByte),
        ("/?\t", ControlByte),
        ("/#\x7f", ControlByte),
        ("\x1fhttp://h/", ControlByte),
        ("1http://h/", Scheme),
        ("ht tp://h/", Scheme),
        ("ht_tp://h/", Scheme),
        ("é://h/", Scheme),
        ("javascript:alert(1)", Scheme),
        ("http:h/p", Scheme),
        ("http:/h/p", Scheme),
        ("h.example:80/p", Scheme),
        ("http://a b@h/", Userinfo),
        ("http://a\\@h/", Userinfo),
        ("http://<a>:b@h/", Userinfo),
        ("http://é@h/", Userinfo),
        ("http://[a]@h/", Userinfo),
        ("http:///p", Host),
        ("https://?q", Host),
        ("//", Host),
        ("///p", Host),
        ("http://u@/", Host),
        ("file://u@/", Host),
        ("http://:80/", Host),
        ("http://a b/", Host),
        ("http://h\\p/", Host),
        ("http://h\\@other", Userinfo),
        ("http://h%41/", Host),
        ("http://h%2e/", Host),
        ("http://h%/", Host),
        ("http://h%4/", Host),
        ("http://<h>/", Host),
        ("http://h\"/", Host),
        ("http://a^b|c/", Host),
        ("http://[::1/", Ipv6),
        ("http://::1]/", Ipv6),
        ("http://[]/", Ipv6),
        ("http://[::g]/", Ipv6),
        ("http://[1::2::3]/", Ipv6),
        ("http://[12345::]/", Ipv6),
        ("http://[1.2.3.4]/", Ipv6),
        ("http://[::1.2.3.256]/", Ipv6),
        ("http://[h]/", Ipv6),
        ("http://[fe80::1%en0]/", Ipv6),
        ("http://[fe80::1%25]/", Ipv6),
        ("http://[fe80::1%25a b]/", Ipv6),
        ("http://[::1]x/", Ipv6),
        ("http://1.2.3.4[::1]/", Ipv6),
        ("http://h[1.2.3.4]/", Ipv6),
        ("http://h:80[::1]/", Ipv6),
        ("http://h:p/", Port),
        ("http://h:-1/", Port),
        ("http://h:+1/", Port),
        ("http://h:1:2/", Port),
        ("http://::1/", Port),
        ("http://h:65536/", Port),
        ("http://h:99999999999999999999/", Port),
        ("http://[::1]:x/", Port),
    ] {
        assert_eq!(Uri::parse(uri), Err(error), "{uri:?}");
        let mut old = parse("https://u@old:1/p?q#f");
        let before = old.clone();
        assert_eq!(old.assign(uri), Err(error));
        assert_eq!(old.update(uri), Err(error), "{uri:?}");
        assert_eq!(old, before, "what fails changes nothing");
        // With a host, two slashes alone do not begin another one.
        let with_host = old.assign_with_host("h", uri);
        assert_eq!(with_host.is_ok(), uri.starts_with("//") && error != ControlByte, "{uri:?}");
        assert!(error.to_string().starts_with("the uri"));
    }
    for (host, error) in [
        ("u@h", Host),
        ("a b", Host),
        ("h/p", Host),
        ("h?", Host),
        ("h#", Host),
        ("h\\", Host),
        ("h\n", ControlByte),
        (":80", Host),
        ("h:80:", Port),
        ("[::1", Ipv6),
        ("h%41", Host),
    ] {
        let mut uri = parse("http://old/");
        assert_eq!(uri.set_host(host), Err(error), "{host:?}");
        assert_eq!(uri.assign_with_host(host, "/p"), Err(error), "{host:?}");
        assert_eq!(uri.to_string(), "http://old/");
        assert_eq!(uri.assign_with_host(host, "http://h/p"), Ok(()), "not needed");
    }
    for scheme in ["1a", "a b", "a:", "é", "a/", " "] {
        assert_eq!(Uri::new().set_scheme(scheme), Err(Scheme));
    }
    let mut uri = parse("dav://h/");
    uri.set_scheme("").unwrap();
    assert_eq!(uri.scheme(), "http");
}

/// Whatever is set, nothing but the part it was set for shows it (`HDR-05`).
#[test]
fn uri_03_parts_cannot_forge_others() {
    for evil in ["a\r\nX-Evil: 1", "a b", "a?b", "a#b", "//evil/", "\0", "a@evil", "..", "é"] {
        let mut uri = parse("http://h/");
        uri.set_path(evil);
        uri.set_query(evil);
        uri.set_fragment(evil);
        uri.set_username(evil);
        uri.set_password(evil);
        for normalizing in [true, false] {
            uri.set_path_normalizing(normalizing);
            let printed = uri.to_bytes();
            assert!(printed.iter().all(|&byte| byte > b' ' && byte != 0x7f), "{evil:?}: {uri}");
            let again = parse(&printed);
            assert_eq!((again.host(), again.path()), (&b"h"[..], uri.path()), "{evil:?}");
            let fragment: Vec<u8> = percent_encoding::percent_decode(again.fragment()).collect();
            assert_eq!(fragment, evil.as_bytes());
            let query: Vec<u8> = percent_encoding::percent_decode(again.query()).collect();
            assert_eq!(query, evil.as_bytes());
        }
    }
}

/// Texts that look like URIs, with all that is special in them.
fn uri_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[a-zA-Z0-9.]{1,3}",
        "[:/?#@\\[\\]%&=+ \\\\*~é]",
        prop::sample::select(vec![
            "http://",
            "://",
            "//",
            "%2e",
            "%41",
            "%ff",
            "[::1]",
            "[::1%25a]",
            "..",
            ":80",
            "h"
        ])
        .prop_map(str::to_owned),
    ];
    prop_oneof![
        4 => prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..32),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn uri_01_what_is_printed_reads_back_at_every_cut(text in uri_like(), normalizing in any::<bool>()) {
        let mut uri = Uri::new();
        for end in 0..=text.len() {
            if uri.assign_with_host("h", &text[..end]).is_err() {
                continue;
            }
            uri.set_path_normalizing(normalizing);
            let printed = uri.to_bytes();
            prop_assert!(printed.iter().all(|&byte| byte > b' ' && byte != 0x7f));
            // Without a host there is nothing before the path, and `*` is no path.
            if uri.host().is_empty() || uri.request_uri() == b"*" {
                continue;
            }
            let mut again = parse(&printed);
            again.set_path_normalizing(normalizing);
            prop_assert_eq!(again.to_bytes(), printed);
            prop_assert_eq!((again.scheme(), again.host()), (uri.scheme(), uri.host()));
            prop_assert_eq!(again.path(), uri.path());
            prop_assert!(again.path().starts_with('/') && again.path().split('/').all(|segment| segment != ".."));
            prop_assert_eq!(again.query_args(), uri.query_args());
            prop_assert_eq!(uri.hostname().is_empty(), uri.host().is_empty());
        }
    }

    /// Where this and a browser both find a host, it is the same one: no reader is led elsewhere.
    #[test]
    fn uri_03_the_host_is_the_one_that_others_find(text in uri_like(), prefix in "(http|https|HTTP)://(u:p@)?") {
        let text = format!("{prefix}{}", String::from_utf8_lossy(&text));
        if let (Ok(ours), Ok(theirs)) = (Uri::parse(&text), url::Url::parse(&text)) {
            // Numbers and names beyond ASCII get another spelling there.
            if let Some(url::Host::Domain(name)) = theirs.host()
                && ours.host().is_ascii()
            {
                prop_assert_eq!(std::str::from_utf8(ours.hostname()).unwrap(), name, "{}", text);
            }
            prop_assert_eq!(ours.scheme(), theirs.scheme());
            let default = if ours.scheme() == "http" { 80 } else { 443 };
            prop_assert_eq!(ours.port().unwrap_or(default), theirs.port_or_known_default().unwrap(), "{}", text);
        }
    }

    /// Relative references as in RFC 3986 section 5.4, against the URL standard's reading of them.
    #[test]
    fn uri_01_references_are_resolved_as_others_do(
        base in "/?([a-c.]{0,3}/){0,4}[a-c.]{0,2}(\\?[a-c/?]{0,2})?",
        references in prop::collection::vec(
            "(//o/|/)?(([a-c]|\\.|\\.\\.|%2e|\\.%2E|%2F|cc:|)/){0,6}[a-c.;=]{0,3}(\\?[a-c./?:]{0,3})?(#[a-c./?#]{0,3})?",
            1..4,
        ),
    ) {
        let base = format!("http://h/{}", base.trim_start_matches('/'));
        let mut ours = parse(&base);
        ours.update(&base).unwrap();
        ours.set_path_normalizing(false);
        let mut theirs = url::Url::parse(&base).unwrap();
        for reference in references {
            // Hosts may be empty and paths without a slash where the scheme is not one of the web's.
            prop_assume!(!reference.starts_with("cc://"));
            match ours.update(&reference) {
                Err(error) => {
                    // A colon before a slash ends a scheme; a host is not empty and has no escapes of ASCII.
                    let host = reference.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next().unwrap());
                    let expected = match error {
                        UriError::Scheme => reference.starts_with("cc:"),
                        UriError::Host => host.is_some_and(|host| host.is_empty() || host.contains('%')),
                        _ => false,
                    };
                    prop_assert!(expected, "{:?}: {}", reference, error);
                    continue;
                }
                Ok(()) => theirs = theirs.join(&reference).unwrap(),
            }
            let expected = (
                theirs.host_str().unwrap(),
                theirs.path(),
                theirs.query().unwrap_or_default(),
                theirs.fragment().unwrap_or_default(),
            );
            if !reference.is_empty() {
                let found = (
                    text(ours.hostname()),
                    if ours.path_original().is_empty() { "/" } else { text(ours.path_original()) },
                    text(ours.query()),
                    text(ours.fragment()),
                );
                prop_assert_eq!(found, expected, "{} and {:?}", base, reference);
            }
        }
    }
}
