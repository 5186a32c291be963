//! Forms that handlers take out of their requests: rows `FRM-01` to `FRM-05` through a server.
//!
//! The idea: bodies that are there and bodies that are streamed, plain and compressed, whole and by parts. The rule:
//! what cannot be read is told by its status, and nothing holds more than its bounds.

use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anthill_http::body::ContentDecoder;
use anthill_http::form::{self, Error, Limit};
use anthill_http::multipart::{self, Boundary, Malformed, MultipartWriter};
use anthill_http::{Request, RequestCtx, Server, StatusError};
use anthill_tests::client::{Client, SOCKET_LIMIT, get};
use anthill_tests::forms::{MULTIPART, URLENCODED, post_message, posted, text};
use anthill_tests::server::Running;
use anthill_tests::{LONG_PATIENCE, background, eventually};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

#[test]
fn what_was_read_of_a_form_is_forgotten_with_the_request() {
    let mut ctx = posted("/", URLENCODED, "a=1");
    assert_eq!(text(ctx.form_value("a")).as_deref(), Some("1"));
    ctx.request.set_body("a=2&b=3");
    assert_eq!(text(ctx.form_value("a")).as_deref(), Some("2"));
    assert_eq!(ctx.post_args().expect("a form").len(), 2);
    ctx.request.set_content_type("text/plain");
    assert_eq!(text(ctx.form_value("a")), None);
    assert!(matches!(ctx.post_args(), Err(Error::NotAForm)));
    ctx.request = posted("/", URLENCODED, "a=4").request;
    assert_eq!(text(ctx.form_value("a")).as_deref(), Some("4"));

    let running = Running::with(Server::builder().shards(1), |ctx| {
        let value = ctx.form_value("a").map(|value| value.into_owned());
        ctx.set_body(value.unwrap_or_else(|| b"none".to_vec()));
    });
    let mut client = running.client();
    for (body, expected) in [("a=1", "1"), ("b=1", "none"), ("a=2", "2")] {
        client.send(post_message("/", URLENCODED, "", body.as_bytes()));
        assert_eq!(client.response().text(), expected);
    }
}

/// A small form with a value and a file of so many bytes.
fn form_with_file(bytes: usize) -> Vec<u8> {
    let mut writer = MultipartWriter::new(Vec::new(), &Boundary::new("sep").expect("a boundary"));
    writer.field("title", "red ants").expect("a vector");
    let content: Vec<u8> = (0..bytes).map(|index| (index * index / 7) as u8).collect();
    writer.file("photo", "ant.bin", "image/x", &content[..]).expect("a vector");
    writer.finish().expect("a vector")
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("a vector");
    encoder.finish().expect("a vector")
}

fn deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("a vector");
    encoder.finish().expect("a vector")
}

/// Answers with what the form has, or why there is none: by `form`, `form_file` and the parts, as the path says.
fn describe(ctx: &mut RequestCtx) {
    let limit = ctx.query_arg("limit").and_then(|text| String::from_utf8_lossy(&text).parse().ok());
    let options = form::Options::new().max_memory_bytes(1000).max_body_bytes(limit.unwrap_or(u64::MAX));
    let described = match ctx.path() {
        "/form" => ctx.form_with(&options).map(|form| {
            let title = form.values().get_str("title").unwrap_or_default();
            let file = form.file("photo").map_or(0, form::FormFile::len);
            format!("{title} {file}")
        }),
        "/file" => ctx.form_file("photo").map(|file| file.len()).map(|length| {
            let title = ctx.form_value("title").map(|title| String::from_utf8_lossy(&title).into_owned());
            format!("{} {length} of {}", title.unwrap_or_default(), ctx.body().len())
        }),
        "/args" => ctx.post_args().map(ToString::to_string),
        _ => parts(ctx, limit.unwrap_or(u64::MAX)),
    };
    match described {
        Ok(described) => ctx.set_body(described),
        Err(error) => ctx.error(format!("{error:?}"), error.status()),
    }
}

fn parts(ctx: &mut RequestCtx, limit: u64) -> Result<String, Error> {
    let mut described = String::new();
    let mut parts = ctx.multipart(multipart::Limits::new().max_body_bytes(limit))?;
    while let Some(mut part) = parts.next_part()? {
        let length = part.read_to_vec(1_000_000)?.len();
        described += &format!("{}={length};", part.name().unwrap_or_default());
    }
    Ok(described)
}

/// Sends `message` in one piece and in many, to servers that wait for bodies and servers that stream them.
#[track_caller]
fn described(message: &[u8]) -> Vec<(u16, String)> {
    let mut replies = Vec::new();
    for streams in [false, true] {
        let options = Server::builder().max_request_body_size(100_000);
        let running =
            Running::with(if streams { options.stream_request_body(true) } else { options }, describe);
        for piece in [usize::MAX, 1000] {
            let mut client = running.client();
            for bytes in message.chunks(piece) {
                client.send(bytes);
            }
            client.send(get("/next"));
            let reply = client.response();
            replies.push((reply.status, reply.text().to_owned()));
            if !reply.closes() {
                assert_eq!(client.response().status, 415, "the request behind it is seen");
            }
        }
    }
    replies
}

#[track_caller]
fn assert_described(message: &[u8], status: u16, expected: &str) {
    for (found, text) in described(message) {
        assert_eq!((found, text.as_str()), (status, expected));
    }
}

#[test]
fn frm_01_arguments_of_a_post() {
    assert_described(&post_message("/args", URLENCODED, "", b"a=1&b=%41+&a=2"), 200, "a=1&b=A+&a=2");
    let charset = format!("{URLENCODED}; charset=utf-8");
    assert_described(&post_message("/args", &charset, "", b"a"), 200, "a");
    assert_described(&post_message("/args", "text/plain", "", b"a=1"), 415, "NotAForm");
    assert_described(&post_message("/args", MULTIPART, "", &form_with_file(1)), 415, "NotAForm");
    assert_described(
        &post_message("/args", "application/x-www-form-urlencodedx", "", b"a=1"),
        415,
        "NotAForm",
    );
}

#[test]
fn frm_02_forms_through_a_server() {
    let body = form_with_file(20_000);
    let length = body.len();
    assert_described(&post_message("/form", MULTIPART, "", &body), 200, "red ants 20000");
    assert_described(
        &post_message("/file", MULTIPART, "", &body),
        200,
        &format!("red ants 20000 of {length}"),
    );
    assert_described(&post_message("/parts", MULTIPART, "", &body), 200, "title=8;photo=20000;");
    let mut chunked = format!(
        "POST /form HTTP/1.1\r\nHost: h\r\nContent-Type: {MULTIPART}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for piece in body.chunks(777) {
        chunked.extend(format!("{:x}\r\n", piece.len()).bytes());
        chunked.extend([piece, b"\r\n"].concat());
    }
    chunked.extend(b"0\r\n\r\n");
    assert_described(&chunked, 200, "red ants 20000");
    // Of what follows the form in the same body, nothing is left over for the next request.
    let epilogue = [&body[..], get("/epilogue").as_bytes(), &[b'x'; 8192]].concat();
    for target in ["/form", "/parts"] {
        let (_, text) = &described(&post_message(target, MULTIPART, "", &epilogue))[0];
        let replies = described(&post_message(target, MULTIPART, "", &epilogue));
        assert!(replies.iter().all(|reply| *reply == (200, text.clone())), "{replies:?}");
    }
}

#[test]
fn frm_02_compressed_forms_are_read_like_plain_ones() {
    let body = form_with_file(20_000);
    for (coding, encoded) in [
        ("gzip", gzip(&body)),
        ("X-GZIP", gzip(&body)),
        ("deflate", deflate(&body)),
        ("identity", body.clone()),
        ("gzip", [gzip(&body[..100]), gzip(&body[100..])].concat()),
    ] {
        let field = format!("Content-Encoding: {coding}\r\n");
        let message = |target: &str| post_message(target, MULTIPART, &field, &encoded);
        assert_described(&message("/form"), 200, "red ants 20000");
        assert_described(&message("/parts"), 200, "title=8;photo=20000;");
        assert_described(&message("/file"), 200, &format!("red ants 20000 of {}", encoded.len()));
    }
    let message = post_message("/args", URLENCODED, "Content-Encoding: gzip\r\n", &gzip(b"a=1&b=2"));
    assert_described(&message, 200, "a=1&b=2");
    for fields in [
        "Content-Encoding: compress\r\n",
        "Content-Encoding: gzip, compress\r\n",
        "Content-Encoding: gzip\r\nContent-Encoding: lzma\r\n",
        "Content-Encoding: ?\r\n",
    ] {
        for target in ["/form", "/parts", "/file"] {
            assert_described(&post_message(target, MULTIPART, fields, &body), 415, "UnsupportedCoding");
        }
    }
    let broken = [
        ("gzip", body.clone()),
        ("gzip", gzip(&body)[..100].to_vec()),
        ("gzip", [gzip(&body), b"x".to_vec()].concat()),
        ("deflate", gzip(&body)),
        ("deflate", [deflate(&body), b"x".to_vec()].concat()),
        ("gzip", Vec::new()),
    ];
    for (coding, encoded) in broken {
        let field = format!("Content-Encoding: {coding}\r\n");
        for target in ["/form", "/parts", "/file"] {
            for (status, text) in described(&post_message(target, MULTIPART, &field, &encoded)) {
                assert!(
                    status == 400 && text.starts_with("Undecodable"),
                    "{coding} {target}: {status} {text}"
                );
            }
        }
    }
}

#[test]
fn frm_02_what_is_malformed_is_a_400() {
    let body = form_with_file(20_000);
    for (body, expected) in [
        (&body[..body.len() - 30], format!("Malformed({:?})", Malformed::Truncated)),
        (&b"--sep\r\nno field\r\n\r\n--sep--\r\n"[..], format!("Malformed({:?})", Malformed::Head)),
        (&b""[..], format!("Malformed({:?})", Malformed::Truncated)),
    ] {
        for target in ["/form", "/parts", "/file"] {
            assert_described(&post_message(target, MULTIPART, "", body), 400, &expected);
        }
    }
    assert_described(&post_message("/form", "multipart/form-data", "", &body), 400, "Boundary(Missing)");
    assert_described(&post_message("/parts", "multipart/form-data", "", &body), 400, "Boundary(Missing)");
    assert_described(&post_message("/form", "multipart/mixed; boundary=sep", "", &body), 415, "NotAForm");
    assert_described(&post_message("/form", "text/plain", "", &body), 415, "NotAForm");
}

#[test]
fn frm_03_nothing_is_parsed_before_it_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    let body = form_with_file(50_000);
    let expected = body.clone();
    let running = Running::new(move |ctx| {
        assert_eq!(ctx.body(), expected, "the body is there as it was sent");
        for _ in 0..2 {
            let options = form::Options::new().max_memory_bytes(0).temp_dir(&path);
            let form = ctx.form_with(&options).expect("a form");
            let file = form.file("photo").expect("a file");
            assert_eq!((file.len(), file.bytes()), (50_000, None), "it is on disk");
            let saved = path.join("saved");
            assert_eq!(file.save_to(&saved).expect("a place for it"), 50_000);
            let content = std::fs::read(&saved).expect("a file");
            std::fs::remove_file(&saved).expect("it can go");
            let mut held = Vec::new();
            ctx.form_file("photo").expect("a file").reader().read_to_end(&mut held).expect("a file");
            assert_eq!(content, held);
            assert!(matches!(ctx.form_file("other"), Err(Error::MissingFile(name)) if name == "other"));
        }
        assert_eq!(ctx.body(), expected, "and it stays");
        ctx.set_body("fine");
    });
    let mut client = running.client();
    for _ in 0..2 {
        client.send(post_message("/", MULTIPART, "", &body));
        assert_eq!(client.response().text(), "fine");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing is left on disk");
}

#[test]
fn frm_04_one_byte_below_the_size_is_too_large() {
    let body = form_with_file(20_000);
    let too_large = format!("TooLarge({:?})", Limit::Body);
    for (field, encoded) in [
        ("", body.clone()),
        ("Content-Encoding: gzip\r\n", gzip(&body)),
        ("Content-Encoding: deflate\r\n", deflate(&body)),
    ] {
        for (target, fits) in [("/form", "red ants 20000"), ("/parts", "title=8;photo=20000;")] {
            let message =
                |limit: usize| post_message(&format!("{target}?limit={limit}"), MULTIPART, field, &encoded);
            assert_described(&message(body.len()), 200, fits);
            assert_described(&message(body.len() - 1), 413, &too_large);
        }
    }
    let message = |limit: usize| {
        post_message(
            &format!("/form?limit={limit}"),
            URLENCODED,
            "Content-Encoding: gzip\r\n",
            &gzip(b"title=x"),
        )
    };
    assert_described(&message(7), 200, "x 0");
    assert_described(&message(6), 413, &too_large);
}

#[test]
fn frm_04_what_is_waited_for_is_held_to_the_server_s_limit() {
    let body = form_with_file(120_000);
    let replies = described(&post_message("/file", MULTIPART, "", &body));
    let refused = (413, "Request body too large".to_owned());
    assert_eq!(replies[..2], [refused.clone(), refused], "before the handler is called");
    let found = (413, format!("TooLarge({:?})", Limit::Body));
    assert_eq!(replies[2..], [found.clone(), found], "by the handler");
    // Read as it comes, the form has its own limits alone.
    let replies = described(&post_message("/form", MULTIPART, "", &body));
    assert!(replies[2..].iter().all(|reply| *reply == (200, "red ants 120000".to_owned())), "{replies:?}");
}

#[test]
fn frm_04_a_small_body_cannot_become_a_huge_form() {
    // 64 MiB of zeros in some 64 KiB.
    let head = b"--sep\r\nContent-Disposition: form-data; name=photo; filename=f\r\n\r\n";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(head).expect("a vector");
    for _ in 0..64 {
        encoder.write_all(&[0; 1024 * 1024]).expect("a vector");
    }
    encoder.write_all(b"\r\n--sep--\r\n").expect("a vector");
    let bomb = encoder.finish().expect("a vector");
    let mut request = Request::new("POST", "/").expect("a request");
    request.set_content_type(MULTIPART);
    request.set_content_encoding("gzip");
    request.set_body(&bomb);
    let mut ctx = RequestCtx::for_request(request, None);
    assert!(matches!(ctx.form_file("photo"), Err(Error::TooLarge(Limit::Ratio))), "{} bytes", bomb.len());
    let trusting = form::Options::new().max_ratio(None);
    assert!(matches!(ctx.form_with(&trusting), Err(Error::TooLarge(Limit::Body))));
    assert_eq!(ctx.form_value("photo"), None);
}

/// 400 MB of the letter `x` behind `start`, in some 650 KB: members of gzip one behind the other.
fn bomb(start: &[u8], end: &[u8]) -> Vec<u8> {
    let member = gzip(&vec![b'x'; 4_000_000]);
    let bomb = [gzip(start), member.repeat(100), gzip(end)].concat();
    assert!((350_000..700_000).contains(&bomb.len()), "{}", bomb.len());
    bomb
}

/// Takes the form in the way that the path says, by default limits.
fn take(ctx: &mut RequestCtx) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let codings = ctx.request.content_encoding().unwrap_or_default().to_vec();
    match ctx.path() {
        "/form" => drop(ctx.form_with(&form::Options::new())?),
        "/file" => drop(ctx.form_file("photo")?),
        "/args" => drop(ctx.post_args()?),
        "/value" => drop(ctx.form_value("photo").ok_or(Error::TooLarge(Limit::Ratio))?),
        "/decoder" => drop(ContentDecoder::new(codings, ctx.body_reader())?.read_to_end(&mut Vec::new())?),
        _ => {
            let mut parts = ctx.multipart(multipart::Limits::new())?;
            while let Some(mut part) = parts.next_part()? {
                part.read_to_end(&mut Vec::new())?;
            }
        }
    }
    Ok(())
}

#[test]
fn engine_f9_a_bomb_is_answered_413_whatever_it_is_read_as() {
    let (head, end) = (
        &b"--sep\r\nContent-Disposition: form-data; name=photo; filename=f\r\n\r\n"[..],
        &b"\r\n--sep--\r\n"[..],
    );
    let field = b"--sep\r\nContent-Disposition: form-data; name=photo\r\n\r\n";
    let (file, value, pairs) = (bomb(head, end), bomb(field, end), bomb(b"photo=", b""));
    let handled = |ctx: &mut RequestCtx| match take(ctx) {
        Ok(()) => ctx.set_body("it was taken"),
        Err(error) => ctx.error(error.to_string(), error.status()),
    };
    for streams in [false, true] {
        let running = Running::with(Server::builder().shards(1).stream_request_body(streams), handled);
        for (content_type, body, targets) in [
            (MULTIPART, &file, &["/form", "/file", "/value", "/parts", "/decoder"][..]),
            (MULTIPART, &value, &["/form", "/file", "/value", "/parts"]),
            (URLENCODED, &pairs, &["/form", "/args", "/value", "/decoder"]),
        ] {
            for target in targets {
                let message = post_message(target, content_type, "Content-Encoding: gzip\r\n", body);
                for piece in [usize::MAX, 1000] {
                    let mut client = running.client();
                    // What is refused is not read to its end.
                    let _ = message.chunks(piece).try_for_each(|bytes| client.try_send(bytes));
                    let reply = client.response();
                    assert_eq!(reply.status, 413, "{target} {content_type} {streams}: {}", reply.text());
                }
            }
        }
    }
}

#[test]
fn a_client_that_stops_in_its_form_is_a_408() {
    let options = Server::builder().stream_request_body(true).read_timeout(Duration::from_millis(200));
    let running = Running::with(options, describe);
    for target in ["/form", "/parts", "/file"] {
        let mut client = running.client();
        let message = post_message(target, MULTIPART, "", &form_with_file(50_000));
        client.send(&message[..30_000]);
        let reply = client.response();
        assert!(reply.status == 408 && reply.text().starts_with("Read"), "{target}: {reply:?}");
    }
}

/// Uploads so many bytes as one part over a socket to a handler that reads it piece by piece. Never more of it may be
/// under way than sockets hold: the server keeps nothing.
fn uploads_in_constant_memory(length: u64) {
    const BLOCK: usize = 64 * 1024;
    /// What the system's socket buffers may hold at both ends, and a margin.
    const UNDER_WAY_MAX: u64 = 32 * 1024 * 1024;
    let (received, most_under_way) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let sent = Arc::new(AtomicU64::new(0));
    let pauses = Arc::new(AtomicUsize::new(0));
    let handler = {
        let (received, most, sent, pauses) =
            (received.clone(), most_under_way.clone(), sent.clone(), pauses.clone());
        move |ctx: &mut RequestCtx| {
            let limits = multipart::Limits::new().max_body_bytes(None).max_part_bytes(None);
            let mut parts = ctx.multipart(limits).expect("a multipart body");
            let mut part = parts.next_part().expect("a body").expect("a part");
            let mut position = 0_u64;
            loop {
                let piece = part.fill_buf().expect("content");
                if piece.is_empty() {
                    break;
                }
                assert!(piece.len() <= BLOCK, "{} bytes are held at once", piece.len());
                let is_right = piece.iter().zip(position..).all(|(byte, at)| *byte == (at % 251) as u8);
                assert!(is_right, "wrong bytes behind {position}");
                position += piece.len() as u64;
                let count = piece.len();
                part.consume(count);
                received.store(position, Ordering::Relaxed);
                if pauses.load(Ordering::Relaxed) == 0 && position > length / 2 {
                    // The sender gets no further than the sockets let it.
                    pauses.store(1, Ordering::Relaxed);
                    let mut before = u64::MAX;
                    eventually("the sender is stuck", || {
                        std::thread::sleep(Duration::from_millis(50));
                        let now = sent.load(Ordering::Relaxed);
                        std::mem::replace(&mut before, now) == now
                    });
                }
                let under_way = sent.load(Ordering::Relaxed).saturating_sub(position);
                most.fetch_max(under_way, Ordering::Relaxed);
            }
            assert!(parts.next_part().expect("a body").is_none());
            ctx.set_body(position.to_string());
        }
    };
    let running = Running::with(Server::builder().stream_request_body(true), handler);
    let head = "--sep\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n";
    let tail = "\r\n--sep--\r\n";
    let total = length + (head.len() + tail.len()) as u64;
    let mut stream = TcpStream::connect(running.address()).expect("somebody listens there");
    stream.set_write_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
    stream.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
    let sending = background(move || {
        let start = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {MULTIPART}\r\nContent-Length: {total}\r\n\r\n{head}"
        );
        stream.write_all(start.as_bytes()).expect("a server that reads");
        // 251 is prime, so the pattern is nowhere like a delimiter, and a shifted block does not look like another.
        let pattern: Vec<u8> = (0..BLOCK + 251).map(|index| (index % 251) as u8).collect();
        let mut position = 0;
        while position < length {
            let count = (length - position).min(BLOCK as u64);
            let from = (position % 251) as usize;
            stream.write_all(&pattern[from..from + count as usize]).expect("a server that reads");
            position += count;
            sent.store(position, Ordering::Relaxed);
        }
        stream.write_all(tail.as_bytes()).expect("a server that reads");
        Client::over(stream).response()
    });
    let reply = sending.outcome_within(LONG_PATIENCE, "the upload");
    assert_eq!((reply.status, reply.text()), (200, length.to_string().as_str()));
    let most = most_under_way.load(Ordering::Relaxed);
    assert!(most < UNDER_WAY_MAX.min(length / 2), "{most} bytes were under way at once");
}

#[test]
fn frm_05_an_upload_passes_through_a_handler_in_constant_memory() {
    uploads_in_constant_memory(64 * 1024 * 1024);
}

#[test]
#[ignore = "takes some seconds: run it with --ignored"]
fn frm_05_an_upload_of_a_gibibyte_passes_through_a_handler_in_constant_memory() {
    uploads_in_constant_memory(1024 * 1024 * 1024);
}
