//! Validators and ranges of files (RFC 9110 13 and 14).

use std::time::{Duration, SystemTime};

use anthill_http::files::FileTags;
use anthill_http::header;
use anthill_tests::client::Reply;

use crate::tree::{Tree, ask, once};

const LENGTH: usize = 40_000;

fn content() -> Vec<u8> {
    (0..LENGTH).map(|at| (at % 251) as u8).collect()
}

/// A file that changed a while ago.
fn tree() -> Tree {
    let tree = Tree::new(&[("f.bin", &content()), ("empty", b"")]);
    tree.age("f.bin", Duration::from_secs(1000));
    tree.age("empty", Duration::from_secs(1000));
    tree
}

#[test]
fn fs_06_conditional_requests_and_heads() {
    let tree = tree();
    let running = tree.served(|files| files);
    let mut client = running.client();
    let whole = client.get("/f.bin");
    assert_eq!((whole.status, whole.body == content()), (200, true));
    let changed = whole.field("Last-Modified").unwrap().to_owned();
    let time = header::parse_http_date(changed.as_bytes()).unwrap();
    let age = SystemTime::now().duration_since(time).unwrap();
    assert!((1000..1100).contains(&age.as_secs()));

    let head = ask(&mut client, "HEAD", "/f.bin", &[]);
    assert_eq!((head.status, head.field("Content-Length")), (200, Some("40000")));
    assert_eq!(head.fields, whole.fields);

    let earlier = header::format_http_date(time - Duration::from_secs(1));
    let later = header::format_http_date(time + Duration::from_secs(1));
    for method in ["GET", "HEAD"] {
        for (date, status) in [(&changed, 304), (&later, 304), (&earlier, 200)] {
            let field = format!("If-Modified-Since: {date}");
            let reply = ask(&mut client, method, "/f.bin", &[&field]);
            assert_eq!(reply.status, status, "{method} {field}");
            if status == 304 {
                assert_eq!(reply.field("ETag"), whole.field("ETag"));
                assert_eq!(reply.field("Last-Modified"), whole.field("Last-Modified"));
                assert!(["Content-Type", "Accept-Ranges"].iter().all(|name| reply.field(name).is_none()));
            }
        }
    }
}

#[test]
fn fs_06_a_time_ahead_is_not_told() {
    let tree = Tree::new(&[("f", b"f")]);
    let ahead = SystemTime::now() + Duration::from_secs(86_400);
    std::fs::File::options().write(true).open(tree.at("f")).unwrap().set_modified(ahead).unwrap();
    let reply = once(&tree.served(|files| files), "/f", &[]);
    let told = header::parse_http_date(reply.field("Last-Modified").unwrap().as_bytes()).unwrap();
    assert!(told <= SystemTime::now());
}

#[test]
fn fs_07_single_ranges() {
    let tree = tree();
    let running = tree.served(|files| files);
    let mut client = running.client();
    let content = content();
    let last = LENGTH - 1;
    for (range, first, end) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-499", 0, 499),
        ("bytes=500-20000", 500, 20_000),
        ("bytes=500-", 500, last),
        ("bytes=-1", last, last),
        ("bytes=-500", LENGTH - 500, last),
        ("bytes=-99999", 0, last),
        ("bytes=39999-99999999999999999999999", last, last),
        ("bytes=0-9223372036854775807", 0, last),
        ("bytes=1-18446744073709551615", 1, last),
        ("bytes=-9223372036854775808", 0, last),
        ("bytes=-18446744073709551615", 0, last),
        ("bytes=-18446744073709551616", 0, last),
        ("BYTES= 7-8 ,", 7, 8),
    ] {
        let reply = ask(&mut client, "GET", "/f.bin", &[&format!("Range: {range}")]);
        assert_eq!(reply.status, 206, "{range}");
        let expected = format!("bytes {first}-{end}/{LENGTH}");
        assert_eq!(reply.field("Content-Range"), Some(&*expected), "{range}");
        assert!(reply.body == content[first..=end], "{range}");
        // A HEAD is answered as a GET without it (RFC 9110 14.2).
        let head = ask(&mut client, "HEAD", "/f.bin", &[&format!("Range: {range}")]);
        assert_eq!((head.status, head.field("Content-Length")), (200, Some("40000")));
    }
    for range in ["bytes=40000-", "bytes=99999-100000", "bytes=-0", "bytes=40000-40001,50000-"] {
        let reply = ask(&mut client, "GET", "/f.bin", &[&format!("Range: {range}")]);
        assert_eq!((reply.status, reply.field("Content-Range")), (416, Some("bytes */40000")), "{range}");
        let reply = ask(&mut client, "GET", "/empty", &[&format!("Range: {range}")]);
        assert_eq!((reply.status, reply.field("Content-Range")), (416, Some("bytes */0")), "{range}");
    }
    // What is no range of bytes says nothing (RFC 9110 14.2).
    for range in
        ["bytes=", "bytes", "bytes=a-b", "bytes=2-1", "bytes=-", "lines=0-1", "0-1", "bytes=1-2,x", "=1-2"]
    {
        let reply = ask(&mut client, "GET", "/f.bin", &[&format!("Range: {range}")]);
        assert_eq!((reply.status, reply.body.len()), (200, LENGTH), "{range}");
    }
    let two = ask(&mut client, "GET", "/f.bin", &["Range: bytes=0-1", "Range: bytes=5-6"]);
    assert_eq!((two.status, two.body.len()), (200, LENGTH));
}

/// The parts of a multipart response: what their fields say, and their bytes.
fn parts(reply: &Reply) -> Vec<(String, Vec<u8>)> {
    let kind = reply.field("Content-Type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("several parts");
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = &reply.body[..];
    let mut parts = Vec::new();
    let find = |text: &[u8], mark: &str| {
        text.windows(mark.len()).position(|bytes| bytes == mark.as_bytes()).expect("the next mark")
    };
    assert_eq!(find(rest, &delimiter), 0);
    rest = &rest[delimiter.len()..];
    while rest != b"--\r\n" {
        let end = find(rest, &delimiter);
        let head = find(rest, "\r\n\r\n");
        let fields = String::from_utf8(rest[2..head].to_vec()).unwrap();
        parts.push((fields, rest[head + 4..end].to_vec()));
        rest = &rest[end + delimiter.len()..];
    }
    parts
}

#[test]
fn fs_08_several_ranges_are_sent_in_parts() {
    let tree = tree();
    let running = tree.served(|files| files);
    let mut client = running.client();
    let content = content();
    for (range, expected) in [
        ("bytes=0-9,1000-1009", &[(0, 9), (1000, 1009)][..]),
        ("bytes=39990-, 0-9, 20000-20001", &[(39_990, 39_999), (0, 9), (20_000, 20_001)]),
        ("bytes=0-9, 90000-, -1", &[(0, 9), (39_999, 39_999)]),
        ("bytes=0-9, 9223372036854775807-18446744073709551615, -1", &[(0, 9), (39_999, 39_999)]),
        ("bytes=0-19999,20500-39999", &[(0, 19_999), (20_500, 39_999)]),
    ] {
        let reply = ask(&mut client, "GET", "/f.bin", &[&format!("Range: {range}")]);
        assert_eq!((reply.status, reply.field("Content-Range")), (206, None), "{range}");
        let parts = parts(&reply);
        assert_eq!(parts.len(), expected.len(), "{range}");
        for ((fields, bytes), (first, last)) in parts.iter().zip(expected) {
            let kind = "Content-Type: application/octet-stream\r\n";
            assert_eq!(*fields, format!("{kind}Content-Range: bytes {first}-{last}/{LENGTH}"));
            assert!(*bytes == content[*first..=*last], "{range}");
        }
    }
    // Those that overlap or nearly meet are one.
    for range in ["bytes=0-9,5-19", "bytes=0-9,20-29", "bytes=0-,0-,0-,0-,0-", "bytes=10-19,0-12"] {
        let reply = ask(&mut client, "GET", "/f.bin", &[&format!("Range: {range}")]);
        assert_eq!(reply.status, 206);
        assert!(reply.field("Content-Range").is_some(), "{range}");
    }
    // However many are asked for, no more is sent than there is.
    for count in [32, 33, 5000] {
        let list: Vec<String> = (0..count).map(|at| format!("{}-", at % 20)).collect();
        let range = format!("Range: bytes={}", list.join(","));
        if range.len() < 15_000 {
            let reply = ask(&mut client, "GET", "/f.bin", &[&range]);
            assert!(reply.body.len() <= LENGTH && matches!(reply.status, 200 | 206), "{count}");
        }
    }
}

#[test]
fn fs_08_validators_in_the_order_of_the_standard() {
    let tree = tree();
    let running = tree.served(|files| files);
    let mut client = running.client();
    let whole = client.get("/f.bin");
    let (tag, changed) = (whole.field("ETag").unwrap().to_owned(), whole.field("Last-Modified").unwrap());
    assert!(tag.starts_with('"') && tag.len() > 10, "a strong tag: {tag}");
    let time = header::parse_http_date(changed.as_bytes()).unwrap();
    let earlier = header::format_http_date(time - Duration::from_secs(10));
    let later = header::format_http_date(time + Duration::from_secs(10));
    let cases: &[(&[String], u16)] = &[
        (&[format!("If-None-Match: {tag}")], 304),
        (&[format!("If-None-Match: W/{tag}")], 304),
        (&["If-None-Match: *".into()], 304),
        (&["If-None-Match: \"x\"".into(), format!("If-None-Match: {tag}")], 304),
        (&["If-None-Match: \"x\"".into(), format!("If-Modified-Since: {later}")], 200),
        (&[format!("If-Match: {tag}")], 200),
        (&["If-Match: \"x\"".into()], 412),
        (&[format!("If-Match: W/{tag}")], 412),
        (&[format!("If-Unmodified-Since: {earlier}")], 412),
        (&[format!("If-Unmodified-Since: {later}")], 200),
        (&[format!("If-Match: {tag}"), format!("If-Unmodified-Since: {earlier}")], 200),
        (&[format!("If-Match: {tag}"), format!("If-None-Match: {tag}")], 304),
        // Preconditions come before ranges, and If-Range says whether those count.
        (&[format!("If-None-Match: {tag}"), "Range: bytes=0-1".into()], 304),
        (&["If-Match: \"x\"".into(), "Range: bytes=99999-".into()], 412),
        (&["Range: bytes=0-1".into(), format!("If-Range: {tag}")], 206),
        (&["Range: bytes=0-1".into(), format!("If-Range: W/{tag}")], 200),
        (&["Range: bytes=0-1".into(), "If-Range: \"x\"".into()], 200),
        (&["Range: bytes=0-1".into(), format!("If-Range: {changed}")], 206),
        (&["Range: bytes=0-1".into(), format!("If-Range: {later}")], 200),
        (&["Range: bytes=0-1".into(), format!("If-Range: {earlier}")], 200),
        (&["Range: bytes=99999-".into(), "If-Range: \"x\"".into()], 200),
    ];
    for (fields, status) in cases {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let reply = ask(&mut client, "GET", "/f.bin", &fields);
        assert_eq!(reply.status, *status, "{fields:?}");
        if matches!(status, 200 | 206 | 304) {
            assert_eq!(reply.field("ETag"), Some(&*tag), "{fields:?}");
        }
    }
    let changes: [&str; 2] = ["f.bin", "f.bin"];
    let mut tags = vec![tag];
    for path in changes {
        tree.write(path, content());
        tags.push(once(&running, "/f.bin", &[]).field("ETag").unwrap().to_owned());
    }
    tags.dedup();
    assert_eq!(tags.len(), 3, "each version has a tag of its own, whatever its bytes are: {tags:?}");
}

#[test]
fn fs_08_a_date_of_this_second_is_no_strong_validator() {
    let tree = Tree::new(&[("f", b"0123456789")]);
    let running = tree.served(|files| files);
    let mut client = running.client();
    // The file was written just now, and could be so again within the second.
    let ahead = SystemTime::now() + Duration::from_secs(100);
    std::fs::File::options().write(true).open(tree.at("f")).unwrap().set_modified(ahead).unwrap();
    let told = client.get("/f").field("Last-Modified").unwrap().to_owned();
    let reply = ask(&mut client, "GET", "/f", &["Range: bytes=0-1", &format!("If-Range: {told}")]);
    assert_eq!(reply.status, 200);
}

#[test]
fn tags_by_option() {
    let tree = tree();
    for (tags, start) in
        [(FileTags::Strong, Some("\"")), (FileTags::Weak, Some("W/\"")), (FileTags::None, None)]
    {
        let running = tree.served(|files| files.etag(tags));
        let reply = once(&running, "/f.bin", &[]);
        let tag = reply.field("ETag");
        assert_eq!(tag.is_some(), start.is_some());
        assert!(start.is_none_or(|start| tag.unwrap().starts_with(start)), "{tag:?}");
        if let Some(tag) = tag {
            assert_eq!(once(&running, "/f.bin", &[&format!("If-None-Match: {tag}")]).status, 304);
        }
    }
    // A weak one is the same wherever the file is with its time.
    let weak = |tree: &Tree| {
        once(&tree.served(|files| files.etag(FileTags::Weak)), "/f.bin", &[])
            .field("ETag")
            .unwrap()
            .to_owned()
    };
    let other = Tree::new(&[("f.bin", &content())]);
    let time = std::fs::metadata(tree.at("f.bin")).unwrap().modified().unwrap();
    std::fs::File::options().write(true).open(other.at("f.bin")).unwrap().set_modified(time).unwrap();
    assert_eq!(weak(&tree), weak(&other));
}
