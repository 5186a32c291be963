//! Paths: decoded once, without a way above the root, and the same wherever one is read.

use anthill_http::{Cookie, Request, Uri};

use super::plan::{Plan, fields};
use super::reference::unescaped;

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let [raw, base] = fields::<2>(input);
    let slash = if plan.is_yes() { &b""[..] } else { b"/" };
    let raw = [slash, raw].concat();
    let normal = normal(&raw);

    let mut uri = Uri::new();
    uri.set_path(base);
    uri.set_path(&raw);
    judge(uri.path(), &normal, &raw);
    let printed = uri.request_uri();
    assert!(printed.iter().all(u8::is_ascii_graphic), "{}", printed.escape_ascii());
    let again = Uri::parse_with_host("h", &printed).expect("what was printed");
    assert_eq!(again.path(), uri.path(), "{}", printed.escape_ascii());

    // The same path in a request, if it can stand there.
    let end = raw.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(raw.len());
    let mut message = b"GET ".to_vec();
    message.extend_from_slice(&raw);
    message.extend_from_slice(b" HTTP/1.1\r\nHost: h\r\n\r\n");
    if let Ok(Some((request, length))) = Request::parse(&message)
        && length == message.len()
        && raw.starts_with(b"/")
    {
        judge(request.path(), &self::normal(&raw[..end]), &raw);
        let uri = Uri::parse_with_host("h", request.request_uri()).expect("the target of a request");
        assert_eq!((uri.path(), uri.query()), (request.path(), request.query()));
    }

    // What a cookie's path keeps is escapes, so only its segments can be judged.
    let mut cookie = Cookie::new("a", "b");
    cookie.set_path(&raw);
    let path = cookie.path().unwrap_or(b"/");
    assert!(path.starts_with(b"/"), "{}", path.escape_ascii());
    assert!(path.split(|byte| *byte == b'/').all(|segment| segment != b".."), "{}", path.escape_ascii());

    // A reference never leads above the root either.
    if let Ok(mut uri) = Uri::parse_with_host("h", base)
        && uri.update(&raw).is_ok()
    {
        let path = uri.path();
        assert!(path.starts_with('/') && path.split('/').all(|segment| segment != ".."), "{path:?}");
    }
}

fn judge(path: &str, normal: &[u8], raw: &[u8]) {
    let raw = raw.escape_ascii();
    assert!(path.starts_with('/') && !path.contains("//"), "{path:?} of {raw}");
    assert!(path.split('/').all(|segment| segment != ".."), "{path:?} of {raw}");
    match std::str::from_utf8(normal) {
        Ok(normal) => assert_eq!(path, normal, "of {raw}"),
        // Bytes that are no text stay escapes; without those, it is the same.
        Err(_) => {
            let text: Vec<u8> = normal.iter().copied().filter(u8::is_ascii).collect();
            let kept: Vec<u8> =
                path.bytes().filter(u8::is_ascii).filter(|byte| text.contains(byte)).collect();
            assert!(kept.len() >= text.len(), "{path:?} of {raw}");
        }
    }
}

/// Escapes decoded once, then empty and dot segments removed; the segments are kept in a list, so that there is nothing
/// above the first one.
fn normal(raw: &[u8]) -> Vec<u8> {
    let decoded = unescaped(raw);
    let path = decoded.strip_prefix(b"/").unwrap_or(&decoded);
    let mut kept: Vec<&[u8]> = Vec::new();
    let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let (last, folders) = segments.split_last().expect("at least one segment");
    for segment in folders {
        match *segment {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    let mut out = Vec::new();
    let last = match *last {
        b".." => {
            kept.pop();
            &b""[..]
        }
        // fasthttp lets a dot at the end be.
        name => name,
    };
    for segment in kept.into_iter().chain([last]) {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    out
}
