//! Paths and ranges of files: whatever a request names, the file system is asked for nothing outside; whatever it asks
//! of the content, it gets those bytes.
//!
//! The lines of the input are: the path behind the slash, and the values of `Range`, `If-Range`, `If-None-Match` and
//! `Accept-Encoding`, those that are there.

use std::io;

use anthill_http::files::{Content, FileSystem, Files, FolderList, FsNode};
use anthill_http::{Handler, Request, RequestCtx};

const LENGTH: usize = 1000;
const TAG: &str = "\"t\"";

fn content() -> [u8; LENGTH] {
    std::array::from_fn(|at| (at % 251) as u8)
}

/// Has everything, and looks at what it is asked for.
struct Everything;

impl FileSystem for Everything {
    fn open(&self, path: &[u8]) -> io::Result<FsNode> {
        assert!(!path.contains(&0) && path.first() != Some(&b'/'), "{path:?}");
        if path.is_empty() {
            return Ok(FsNode::Folder);
        }
        for (depth, name) in path.split(|&byte| byte == b'/').enumerate() {
            let is_known = depth == 0 && name == b".well-known";
            assert!(!name.is_empty() && (is_known || name[0] != b'.'), "{:?}", String::from_utf8_lossy(path));
        }
        Ok(FsNode::File(Content::from_bytes(content().to_vec()).etag(TAG)))
    }

    fn list(&self, _: &[u8], _: usize) -> io::Result<FolderList> {
        Ok(FolderList::default())
    }
}

pub(super) fn check(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let target = [b"/", lines.next().unwrap_or_default()].concat();
    let Ok(target) = String::from_utf8(target) else { return };
    let Ok(mut request) = Request::new("GET", &target) else { return };
    for (name, value) in ["Range", "If-Range", "If-None-Match", "Accept-Encoding"].into_iter().zip(lines) {
        if !value.is_empty() {
            request.set_header(name, value);
        }
    }
    let files = Files::over(Everything).compressed_copies().build().expect("options that go together");
    let range = request.header("Range").map(<[u8]>::to_vec);
    let mut ctx = RequestCtx::for_request(request, None);
    files.handle(&mut ctx);
    let status = ctx.response.status_code();
    let part = ctx.response.header_str("Content-Range").map(str::to_owned);
    let kind = ctx.response.header_str("Content-Type").unwrap_or_default().to_owned();
    ctx.response.read_body(1 << 20).expect("a body in memory");
    let body = ctx.response.body();
    match status {
        200 => assert_eq!(body, content()),
        206 => {
            let list = range.expect("nobody asked for parts");
            let found = match part {
                Some(part) => vec![(part, body.to_vec())],
                None => parts(&kind, body),
            };
            judge(&String::from_utf8_lossy(&list), &found);
        }
        304 => assert!(body.is_empty()),
        302 => {
            let location = ctx.response.header_str("Location").expect("somewhere to go");
            let second = location.as_bytes().get(1);
            assert!(
                location.starts_with('/') && second != Some(&b'/') && second != Some(&b'\\'),
                "{location}"
            );
        }
        416 => assert_eq!(part.as_deref(), Some("bytes */1000")),
        400 | 403 | 404 => {}
        other => panic!("{other} for {target:?}"),
    }
}

/// The parts of a multipart body: what `Content-Range` says, and the bytes.
fn parts(kind: &str, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("several parts");
    let delimiter = format!("\r\n--{boundary}");
    let body = [b"\r\n", body].concat();
    let find = |text: &[u8], mark: &str| text.windows(mark.len()).position(|bytes| bytes == mark.as_bytes());
    let mut rest = &body[delimiter.len()..];
    let mut parts = Vec::new();
    while rest != b"--\r\n" {
        let end = find(rest, &delimiter).expect("the end of a part");
        let head = find(rest, "\r\n\r\n").expect("the end of its fields");
        let fields = std::str::from_utf8(&rest[..head]).expect("fields of text");
        let range = fields.rsplit_once("Content-Range: ").expect("its range").1.to_owned();
        parts.push((range, rest[head + 4..end].to_vec()));
        rest = &rest[end + delimiter.len()..];
    }
    parts
}

/// Holds parts against what was asked for, read as plainly as can be.
fn judge(list: &str, found: &[(String, Vec<u8>)]) {
    let mut sent = [0; LENGTH];
    for (range, bytes) in found {
        let range =
            range.strip_prefix("bytes ").and_then(|range| range.strip_suffix("/1000")).expect("a range");
        let (first, last) = range.split_once('-').expect("two positions");
        let (first, last): (usize, usize) =
            (first.parse().expect("a number"), last.parse().expect("a number"));
        assert_eq!(*bytes, content()[first..=last]);
        sent[first..=last].iter_mut().for_each(|count| *count += 1);
    }
    assert!(sent.iter().all(|count| *count <= 1), "bytes are sent twice");
    let (_, specs) = list.split_once('=').expect("a unit");
    for spec in specs.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
        let (first, last) = spec.split_once('-').expect("a range");
        let number =
            |text: &str| text.parse::<u64>().map_or(usize::MAX, |number| number.min(1 << 40) as usize);
        let (first, last) = match (first, last) {
            ("", count) => (LENGTH.saturating_sub(number(count)), LENGTH - 1),
            (first, "") => (number(first), LENGTH - 1),
            (first, last) => (number(first), number(last).min(LENGTH - 1)),
        };
        for (place, count) in sent.iter().enumerate().take(last + 1).skip(first) {
            assert_eq!(*count, 1, "{place} was asked for by {spec}");
        }
    }
}
