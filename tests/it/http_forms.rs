//! Forms and multipart bodies: rows `FRM-01`, `FRM-02`, `FRM-04` and `FRM-05`.
//!
//! The idea: bodies are spelt out byte by byte where a client's spelling matters, and made by the writer where any
//! content must survive. The rule: what a body means does not depend on the reads it comes in, so readers here give
//! whole bodies, single bytes, and everything between.

use std::cell::Cell;
use std::io::{self, BufRead, Read, Write};
use std::rc::Rc;

use anthill_http::form::{Error, Form, FormType, Limit};
use anthill_http::multipart::{self, Boundary, Malformed, Multipart, MultipartWriter};
use anthill_http::{Headers, RequestCtx};
use anthill_tests::client::{Client, get};
use anthill_tests::forms::{MULTIPART, SMALL_FORM, URLENCODED, content, noise};
use anthill_tests::server::Running;
use proptest::prelude::*;

/// A form as browsers send it: a value, a value without text, two files of one field, a file that was not chosen.
const BROWSER_FORM: &str = "--sep\r\n\
    Content-Disposition: form-data; name=\"title\"\r\n\r\n\
    red ants\r\n\
    --sep\r\n\
    Content-Disposition: form-data; name=\"empty\"\r\n\r\n\
    \r\n\
    --sep\r\n\
    Content-Disposition: form-data; name=\"title\"\r\n\r\n\
    größe & 100%\r\n\
    --sep\r\n\
    Content-Disposition: form-data; name=\"photo\"; filename=\"a ant.txt\"\r\n\
    Content-Type: text/plain\r\n\r\n\
    line one\r\n--\r\nline two\r\n\r\n\
    --sep\r\n\
    Content-Disposition: form-data; name=\"photo\"; filename=\"b%22.bin\"\r\n\
    Content-Type: application/octet-stream\r\n\
    x-Odd-case: kept\r\n\r\n\
    \r\n\
    --sep\r\n\
    Content-Disposition: form-data; name=\"none\"; filename=\"\"\r\n\
    Content-Type: application/octet-stream\r\n\r\n\
    \r\n\
    --sep--\r\n";

/// Gives at most so many bytes per read.
struct Trickle<R> {
    source: R,
    bytes_max: usize,
}

impl<R: Read> Read for Trickle<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = out.len().min(self.bytes_max);
        self.source.read(&mut out[..length])
    }
}

fn trickle<R: Read>(source: R, bytes_max: usize) -> Trickle<R> {
    Trickle { source, bytes_max }
}

fn text(form: &Form, name: &str) -> Vec<String> {
    form.values().get_all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[test]
fn frm_01_only_its_whole_type_makes_a_form() {
    for urlencoded in [
        URLENCODED,
        "application/x-www-form-urlencoded; charset=UTF-8",
        "APPLICATION/X-WWW-FORM-URLENCODED ;charset",
    ] {
        let form = Form::read(urlencoded, &b"a=1&b=x+y&a=%32&flag"[..]).expect(urlencoded);
        assert_eq!(text(&form, "a"), ["1", "2"]);
        assert_eq!(text(&form, "b"), ["x y"]);
        assert_eq!(text(&form, "flag"), [""]);
        assert!(form.files().is_empty());
    }
    for other in [
        "",
        "text/plain",
        "application/json",
        "application/x-www-form-urlencodedx",
        "application/x-www-form-urlencode",
        "application/x-www-form-urlencoded, text/plain",
        "multipart/mixed; boundary=sep",
        "multipart/form-datax; boundary=sep",
    ] {
        let error = Form::read(other, &b"a=1"[..]).expect_err(other);
        assert!(matches!(error, Error::NotAForm), "{other:?}: {error:?}");
    }
}

#[test]
fn frm_01_an_urlencoded_form_keeps_its_bounds() {
    let options = Form::options().max_fields(3).max_field_bytes(11);
    let read =
        |body: &str| options.read(URLENCODED, trickle(body.as_bytes(), 1)).map(|form| form.values().len());
    assert!(matches!(read("a=1&b=2&c=3"), Ok(3)));
    assert!(matches!(read("a&b&c&d"), Err(Error::TooLarge(Limit::Fields))));
    assert!(matches!(read("a&&b&&c&&"), Ok(3)), "empty pairs are none");
    assert!(matches!(read("a=1&b=2&c=34"), Err(Error::TooLarge(Limit::FieldBytes))));
    assert!(matches!(read(""), Ok(0)));
}

#[test]
fn frm_02_values_files_names_and_types() {
    for bytes_max in [1, 2, 7, 4096] {
        let form = Form::read(MULTIPART, trickle(BROWSER_FORM.as_bytes(), bytes_max)).expect("a form");
        assert_eq!(text(&form, "title"), ["red ants", "größe & 100%"]);
        assert_eq!(text(&form, "empty"), [""]);
        assert_eq!(text(&form, "none"), [""], "a file that was not chosen is a value");
        assert!(form.file("none").is_err());
        assert_eq!(form.values().len(), 4);
        let files: Vec<_> = form.files_of("photo").collect();
        assert_eq!(files.len(), 2);
        assert_eq!((files[0].file_name(), files[0].content_type()), ("a ant.txt", Some("text/plain")));
        assert_eq!(content(files[0]), b"line one\r\n--\r\nline two\r\n");
        assert_eq!(files[0].len(), 24);
        assert_eq!(files[1].file_name(), "b%22.bin", "names are not decoded");
        assert_eq!(files[1].headers().get_str("X-Odd-Case"), Some("kept"));
        assert!(files[1].is_empty());
    }
}

#[test]
fn frm_02_a_form_that_is_written_again_is_the_same() {
    let form = Form::read(MULTIPART, BROWSER_FORM.as_bytes()).expect("a form");
    let boundary = Boundary::new("sep").expect("a boundary");
    let mut written = Vec::new();
    form.write_to(&mut written, &boundary).expect("a vector takes all");
    // Values come first; the file that was not chosen has become a value.
    let files_start =
        BROWSER_FORM.find("--sep\r\nContent-Disposition: form-data; name=\"photo\"").expect("files");
    let none_start =
        BROWSER_FORM.find("--sep\r\nContent-Disposition: form-data; name=\"none\"").expect("none");
    let none = "--sep\r\nContent-Disposition: form-data; name=\"none\"\r\n\r\n\r\n";
    let expected =
        [&BROWSER_FORM[..files_start], none, &BROWSER_FORM[files_start..none_start], "--sep--\r\n"];
    assert_eq!(String::from_utf8_lossy(&written), expected.concat());

    let mut again = Vec::new();
    Form::read(MULTIPART, &written[..]).expect("a form").write_to(&mut again, &boundary).expect("a vector");
    assert_eq!(again, written);
}

#[test]
fn frm_02_the_boundary_is_taken_as_it_may_be_sent() {
    for content_type in [
        "multipart/form-data; boundary=sep",
        "Multipart/Form-Data;Boundary=\"sep\"",
        "multipart/form-data; charset=utf-8; boundary=sep; x=y",
    ] {
        assert!(Form::read(content_type, BROWSER_FORM.as_bytes()).is_ok(), "{content_type:?}");
    }
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"se\rp\"",
        "multipart/form-data; boundary=se p",
        "multipart/form-data; boundary=sep, text/plain",
        "multipart/form-data; boundary=sep; boundary=other",
    ] {
        let error = FormType::of(content_type).expect_err(content_type);
        assert!(matches!(error, Error::Boundary(_)), "{content_type:?}: {error:?}");
    }
}

/// Answers with the values, the files' lengths, and the length of the body that was received.
fn describe(ctx: &mut RequestCtx) {
    let content_type = ctx.request.header("Content-Type").unwrap_or_default();
    let described = match Form::read(content_type, ctx.request.body()) {
        Ok(form) => {
            let files: Vec<_> =
                form.files().iter().map(|file| format!("{}={}", file.name(), file.len())).collect();
            format!("{} {} {}", form.values(), files.join("&"), ctx.request.body().len())
        }
        Err(error) => format!("{error:?}"),
    };
    ctx.set_body(described);
}

#[test]
fn frm_02_what_follows_the_closing_delimiter_is_the_body_s_and_what_follows_the_body_is_not() {
    let server = Running::new(describe);
    let epilogue = format!("GET /epilogue HTTP/1.1\r\nHost: h\r\n\r\n{}", "x".repeat(8192));
    let body = format!("{SMALL_FORM}{epilogue}");
    let mut client = Client::connect(server.address());
    let request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {MULTIPART}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    client.send(request + &get("/next"));
    assert_eq!(client.response().text(), format!("a=1 f=5 {}", body.len()));
    assert_eq!(client.response().text(), "NotAForm", "the next request is the one behind the body");
}

#[test]
fn frm_02_a_chunked_form_is_a_form() {
    let server = Running::new(describe);
    let mut client = Client::connect(server.address());
    let mut request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {MULTIPART}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    for piece in SMALL_FORM.as_bytes().chunks(7) {
        request += &format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
    }
    client.send(request + "0\r\n\r\n" + &get("/next"));
    assert_eq!(client.response().text(), format!("a=1 f=5 {}", SMALL_FORM.len()));
    assert_eq!(client.response().text(), "NotAForm");
}

#[test]
fn frm_02_what_is_cut_off_is_an_error_wherever_it_is_cut() {
    let whole = SMALL_FORM.trim_end().len();
    for end in 0..whole {
        let error = Form::read(MULTIPART, &SMALL_FORM.as_bytes()[..end]).expect_err("half a form");
        assert!(matches!(error, Error::Malformed(Malformed::Truncated)), "{end}: {error:?}");
    }
    assert!(Form::read(MULTIPART, &SMALL_FORM.as_bytes()[..whole]).is_ok(), "the last line need not end");
}

#[test]
fn frm_02_ambiguous_bodies_are_refused() {
    let part = |head: &str| format!("--sep\r\n{head}\r\n\r\nx\r\n--sep--");
    for (body, cause) in [
        (part("Content-Disposition: form-data; name=a; name=b"), Malformed::Disposition),
        (part("Content-Disposition: form-data; name=\"a"), Malformed::Disposition),
        (
            part("Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b"),
            Malformed::Disposition,
        ),
        (part("Content-Disposition : form-data; name=a"), Malformed::Head),
        (part("Content-Disposition: form-data; name=a\nX: y"), Malformed::Head),
        (part("no field"), Malformed::Head),
        (SMALL_FORM.replace("12345", "1\r\n--separator\r\n5"), Malformed::Delimiter),
        (SMALL_FORM.replace("12345", "1\r\n--sep--x\r\n5"), Malformed::Delimiter),
        (SMALL_FORM.replace("12345", "1\r\n--sep-- --sep\r\n5"), Malformed::Delimiter),
        (SMALL_FORM.replacen("\r\n\r\n", "\r\n--sep: x\r\n\r\n", 1), Malformed::Delimiter),
        (SMALL_FORM.replace("\r\n", "\n"), Malformed::Delimiter),
        ("not multipart".to_owned(), Malformed::Truncated),
    ] {
        let error = Form::read(MULTIPART, body.as_bytes()).expect_err(&body);
        assert!(matches!(error, Error::Malformed(found) if found == cause), "{body:?}: {error:?}");
    }
    for unnamed in ["X: y", "Content-Disposition: form-data", "Content-Disposition: attachment; name=a"] {
        let error = Form::read(MULTIPART, part(unnamed).as_bytes()).expect_err(unnamed);
        assert!(matches!(error, Error::UnnamedPart), "{unnamed:?}: {error:?}");
    }
}

/// What cannot be confused is read, however it is written; `http/STRICTNESS.md` has the list.
#[test]
fn frm_02_one_odd_parameter_does_not_cost_the_form() {
    for (sent, expected) in [
        ("filename*=iso-8859-1''%A3%20rates", "\u{a3} rates"),
        ("filename*=utf-8'en'%E2%82%AC", "\u{20ac}"),
        ("filename*=broken", ""),
        ("filename*=broken; filename=plain", "plain"),
        ("filename=two words.txt", "two words.txt"),
        ("filename = \"b.txt\"", "b.txt"),
        ("filename=\"c.txt\" ; x=; y = z w", "c.txt"),
    ] {
        let body = SMALL_FORM.replace("filename=f", sent);
        for content_type in
            [MULTIPART, "multipart/form-data; charset=; boundary=sep", "multipart/form-data; boundary = sep"]
        {
            let form = Form::read(content_type, body.as_bytes()).expect(sent);
            assert_eq!((form.values().len(), form.files().len()), (1, 1), "{sent:?}");
            assert_eq!(form.file("f").expect("a file").file_name(), expected, "{sent:?}");
        }
    }
    // A form's field for a file of which none was chosen.
    for sent in ["filename=", "filename=\"\"", "filename*="] {
        let body = SMALL_FORM.replace("filename=f", sent);
        let form = Form::read(MULTIPART, body.as_bytes()).expect(sent);
        assert_eq!((form.values().len(), form.files().len()), (2, 0), "{sent:?}");
    }
    for bad in [
        "filename",
        "filename=a; filename=b",
        "filename=\"a",
        "filename=\"a\"b",
        "filename=a\"b\"",
        "file name=a",
        "=a",
    ] {
        let body = SMALL_FORM.replace("filename=f", bad);
        let error = Form::read(MULTIPART, body.as_bytes()).expect_err(bad);
        assert!(matches!(error, Error::Malformed(Malformed::Disposition)), "{bad:?}: {error:?}");
    }
}

#[test]
fn frm_02_a_file_name_that_names_no_file_is_a_file_s_all_the_same() {
    for file_name in ["..", ".", "dir/"] {
        let body = SMALL_FORM.replace("filename=f", &format!("filename=\"{file_name}\""));
        let form = Form::read(MULTIPART, body.as_bytes()).expect("a form");
        assert_eq!((form.values().len(), form.files().len()), (1, 1), "{file_name:?}");
        assert_eq!(form.file("f").expect("a file").file_name(), "", "{file_name:?}");
        let boundary = Boundary::new("sep").expect("a boundary");
        let mut multipart = Multipart::new(body.as_bytes(), &boundary);
        multipart.next_part().expect("a body").expect("a part");
        let part = multipart.next_part().expect("a body").expect("a part");
        assert_eq!((part.is_file(), part.file_name()), (true, Some("")), "{file_name:?}");
    }
}

#[test]
fn frm_04_one_byte_below_the_size_is_too_large() {
    let length = SMALL_FORM.len();
    for bytes_max in [1, usize::MAX] {
        for (content_type, body, limit) in
            [(MULTIPART, SMALL_FORM, Limit::Body), (URLENCODED, "a=1&b=2", Limit::Body)]
        {
            let read = |limit: usize| {
                let options = Form::options().max_body_bytes(limit as u64);
                options.read(content_type, trickle(body.as_bytes(), bytes_max))
            };
            assert!(read(body.len()).is_ok());
            for below in [body.len() - 1, 1] {
                let error = read(below).expect_err("too large");
                assert!(matches!(error, Error::TooLarge(found) if found == limit), "{below}: {error:?}");
                assert!(error.is_too_large());
            }
        }
    }
    // What follows the closing delimiter counts.
    let padded = format!("{SMALL_FORM}{}", "x".repeat(100_000));
    let error = Form::options().max_body_bytes(length as u64 + 99_999).read(MULTIPART, padded.as_bytes());
    assert!(matches!(error, Err(Error::TooLarge(Limit::Body))));
}

/// Nobody may read from it.
struct Untouched;

impl Read for Untouched {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("the body was read");
    }
}

#[test]
fn options_that_cannot_be_meant_are_refused_before_a_byte_is_read() {
    let options = Form::options;
    let beyond = "is more than max_body_bytes allows; lower it or raise that";
    let (zero, no_ratio) = ("must be at least 1", "must be at least 1, or None for no limit");
    for (options, option, problem) in [
        (options().max_fields(0), "max_fields", zero),
        (options().max_field_bytes(0), "max_field_bytes", zero),
        (options().max_file_bytes(0), "max_file_bytes", zero),
        (options().max_body_bytes(0), "max_body_bytes", zero),
        (options().max_ratio(0), "max_ratio", no_ratio),
        (options().max_body_bytes(10).max_file_bytes(11), "max_file_bytes", beyond),
        (options().max_file_bytes(33 * 1024 * 1024), "max_file_bytes", beyond),
    ] {
        for kind in [MULTIPART, URLENCODED] {
            let error = options.read(kind, Untouched).expect_err("they cannot be meant");
            let Error::BadOption(fault) = &error else { panic!("{error:?}") };
            assert_eq!((fault.option(), fault.to_string()), (option, format!("{option} {problem}")));
            assert_eq!(error.status(), 500, "it is not the client's fault");
        }
    }
    let limits = multipart::Limits::new;
    for (limits, option, problem) in [
        (limits().max_parts(0), "max_parts", zero),
        (limits().max_head_bytes(0), "max_head_bytes", zero),
        (limits().max_part_bytes(0), "max_part_bytes", zero),
        (limits().max_body_bytes(0), "max_body_bytes", zero),
        (limits().max_ratio(0), "max_ratio", no_ratio),
        (limits().max_part_bytes(33 * 1024 * 1024), "max_part_bytes", beyond),
        (limits().max_body_bytes(10).max_part_bytes(11), "max_part_bytes", beyond),
    ] {
        let boundary = Boundary::new("sep").expect("a boundary");
        let mut multipart = Multipart::with_limits(Untouched, &boundary, limits);
        for _ in 0..2 {
            let error = multipart.next_part().map(drop).expect_err("they cannot be meant");
            let multipart::Error::BadOption(fault) = &error else { panic!("{error:?}") };
            assert_eq!((fault.option(), fault.to_string()), (option, format!("{option} {problem}")));
            assert_eq!(error.status(), 500);
        }
    }
    // What does not contradict itself: a smaller body than the default part, and no bound for parts and files.
    for options in [options().max_body_bytes(1000), options().max_file_bytes(None).max_memory_bytes(0)] {
        assert!(options.read(MULTIPART, SMALL_FORM.as_bytes()).is_ok());
    }
    for limits in [limits().max_body_bytes(1000), limits().max_part_bytes(None).max_ratio(1)] {
        let boundary = Boundary::new("sep").expect("a boundary");
        assert!(Multipart::with_limits(SMALL_FORM.as_bytes(), &boundary, limits).next_part().is_ok());
    }
}

#[test]
fn frm_04_every_other_bound_is_met_to_the_byte() {
    let read =
        |options: anthill_http::form::Options| options.read(MULTIPART, SMALL_FORM.as_bytes()).map(drop);
    assert!(read(Form::options().max_file_bytes(5)).is_ok());
    assert!(matches!(read(Form::options().max_file_bytes(4)), Err(Error::TooLarge(Limit::FileBytes))));
    assert!(read(Form::options().max_fields(2)).is_ok());
    assert!(matches!(read(Form::options().max_fields(1)), Err(Error::TooLarge(Limit::Fields))));
    // Two heads, name and value each, and the value.
    let disposition = "Content-Disposition".len();
    let field_bytes =
        2 * disposition + "form-data; name=a".len() + "form-data; name=f; filename=f".len() + "1".len();
    assert!(read(Form::options().max_field_bytes(field_bytes)).is_ok());
    for below in [field_bytes - 1, disposition + "form-data; name=a".len(), 10, 1] {
        let error = read(Form::options().max_field_bytes(below));
        assert!(matches!(error, Err(Error::TooLarge(Limit::FieldBytes))), "{below}: {error:?}");
    }
    let long_head = SMALL_FORM.replacen("name=a", &format!("name={}", "a".repeat(20_000)), 1);
    let error = Form::read(MULTIPART, long_head.as_bytes());
    assert!(matches!(error, Err(Error::TooLarge(Limit::Head))));
}

/// An upload that is made while it is read and counts what it gives.
struct Upload {
    block: Rc<Vec<u8>>,
    before: io::Cursor<Vec<u8>>,
    content_length: u64,
    position: u64,
    after: io::Cursor<Vec<u8>>,
    given: Rc<Cell<u64>>,
    largest_read: Rc<Cell<usize>>,
}

impl Read for Upload {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.largest_read.set(self.largest_read.get().max(out.len()));
        let mut count = self.before.read(out)?;
        if count == 0 {
            let start = (self.position % self.block.len() as u64) as usize;
            let left = self.content_length - self.position;
            let piece = &self.block[start..];
            count = piece.len().min(out.len()).min(left.try_into().unwrap_or(usize::MAX));
            out[..count].copy_from_slice(&piece[..count]);
            self.position += count as u64;
        }
        if count == 0 {
            count = self.after.read(out)?;
        }
        self.given.set(self.given.get() + count as u64);
        Ok(count)
    }
}

/// Reads an upload of that length through a part, compares its bytes, and asserts that never more than a small
/// buffer of it was under way.
#[track_caller]
fn passes_in_constant_memory(content_length: u64) {
    let mut block = noise(256 * 1024 + 1);
    // Things that are almost delimiters, also across the block's ends.
    for (index, almost) in ["\r\n--se", "\r\n--", "\r\r\n", "--sep", "\r\n--seq"].into_iter().enumerate() {
        let start = index * 50_001;
        block[start..start + almost.len()].copy_from_slice(almost.as_bytes());
    }
    block.extend_from_slice(b"\r\n--s");
    let block = Rc::new(block);
    let head = "--sep\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n";
    let (given, largest_read) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let upload = Upload {
        block: block.clone(),
        before: io::Cursor::new(head.into()),
        content_length,
        position: 0,
        after: io::Cursor::new(b"\r\n--sep--\r\n".to_vec()),
        given: given.clone(),
        largest_read: largest_read.clone(),
    };
    let boundary = Boundary::from_content_type(MULTIPART).expect("a boundary");
    let limits = multipart::Limits::new().max_body_bytes(None).max_part_bytes(None);
    let mut multipart = Multipart::with_limits(upload, &boundary, limits);
    let mut part = multipart.next_part().expect("a body").expect("a part");
    let mut received = 0;
    let mut most_under_way = 0;
    loop {
        let piece = part.fill_buf().expect("content");
        if piece.is_empty() {
            break;
        }
        most_under_way = most_under_way.max(given.get() - head.len() as u64 - received);
        let mut rest = piece;
        while !rest.is_empty() {
            let start = (received % block.len() as u64) as usize;
            let count = rest.len().min(block.len() - start);
            assert!(rest[..count] == block[start..start + count], "the bytes behind {received} are wrong");
            received += count as u64;
            rest = &rest[count..];
        }
        let count = piece.len();
        part.consume(count);
    }
    assert_eq!(received, content_length);
    assert!(multipart.next_part().expect("a body").is_none());
    assert!(most_under_way <= 64 * 1024, "{most_under_way} bytes were held");
    assert!(largest_read.get() <= 64 * 1024, "{} bytes of room were offered", largest_read.get());
}

#[test]
fn frm_05_an_upload_passes_in_constant_memory() {
    passes_in_constant_memory(64 * 1024 * 1024 + 12_345);
}

#[test]
#[ignore = "takes some seconds: run it with --ignored"]
fn frm_05_an_upload_of_a_gibibyte_passes_in_constant_memory() {
    passes_in_constant_memory(1024 * 1024 * 1024);
}

#[test]
fn frm_05_parts_may_be_left_half_read() {
    let boundary = Boundary::new("sep").expect("a boundary");
    for bytes_max in [1, 3, usize::MAX] {
        let mut multipart = Multipart::new(trickle(BROWSER_FORM.as_bytes(), bytes_max), &boundary);
        let mut starts = Vec::new();
        while let Some(mut part) = multipart.next_part().expect("a body") {
            let mut start = [0; 3];
            let count = part.read(&mut start).expect("content");
            starts.push((part.name().map(str::to_owned), count > 0));
        }
        let names: Vec<_> = starts.iter().map(|(name, _)| name.as_deref().unwrap_or_default()).collect();
        assert_eq!(names, ["title", "empty", "title", "photo", "photo", "none"]);
        let with_content: Vec<_> = starts.iter().map(|(_, has_content)| *has_content).collect();
        assert_eq!(with_content, [true, false, true, true, false, false]);
        assert!(multipart.next_part().expect("still complete").is_none());
    }
}

#[test]
fn frm_05_a_part_that_is_read_through_stays_at_its_end() {
    let boundary = Boundary::new("sep").expect("a boundary");
    let mut multipart = Multipart::new(SMALL_FORM.as_bytes(), &boundary);
    let mut part = multipart.next_part().expect("a body").expect("a part");
    assert_eq!(part.read_to_vec(1).expect("one byte"), b"1");
    for _ in 0..3 {
        assert_eq!(part.read(&mut [0; 8]).expect("the end"), 0);
        assert_eq!(part.read_to_vec(0).expect("the end"), b"");
    }
    let mut part = multipart.next_part().expect("a body").expect("a part");
    assert_eq!((part.file_name(), part.is_file()), (Some("f"), true));
    let error = part.read_to_vec(4).expect_err("five bytes");
    assert!(matches!(error, multipart::Error::TooLarge(multipart::Limit::Part)));
    assert!(multipart.next_part().expect("the rest is skipped").is_none());
}

/// Fails before each read that gives something, in turn with these kinds.
struct Moody<'a> {
    rest: &'a [u8],
    moods: std::iter::Cycle<std::vec::IntoIter<Option<io::ErrorKind>>>,
}

impl Read for Moody<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.moods.next().flatten() {
            Some(kind) => Err(kind.into()),
            None => {
                let length = out.len().min(5);
                self.rest.read(&mut out[..length])
            }
        }
    }
}

#[test]
fn frm_05_a_reader_that_failed_for_now_may_be_read_on() {
    let moods = vec![Some(io::ErrorKind::Interrupted), Some(io::ErrorKind::TimedOut), None];
    let reader = Moody { rest: SMALL_FORM.as_bytes(), moods: moods.into_iter().cycle() };
    let boundary = Boundary::new("sep").expect("a boundary");
    let mut multipart = Multipart::new(reader, &boundary);
    let mut names = String::new();
    let mut contents = Vec::new();
    'parts: loop {
        let mut part = loop {
            match multipart.next_part() {
                Ok(Some(part)) => break part,
                Ok(None) => break 'parts,
                Err(multipart::Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {}
                Err(error) => panic!("{error:?}"),
            }
        };
        names += part.name().expect("a name");
        loop {
            let mut piece = [0; 2];
            match part.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => contents.extend_from_slice(&piece[..count]),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
            }
        }
    }
    assert_eq!((names.as_str(), &contents[..]), ("af", &b"112345"[..]));
}

#[test]
fn frm_05_reading_to_the_end_keeps_what_was_read_before_a_failure() {
    let body = SMALL_FORM.replace("12345", "1234567890");
    let moods = vec![Some(io::ErrorKind::TimedOut), None];
    let reader = Moody { rest: body.as_bytes(), moods: moods.into_iter().cycle() };
    let boundary = Boundary::new("sep").expect("a boundary");
    let mut multipart = Multipart::new(reader, &boundary);
    let mut contents = Vec::new();
    let mut failures = 0;
    'parts: loop {
        let mut part = loop {
            match multipart.next_part() {
                Ok(Some(part)) => break part,
                Ok(None) => break 'parts,
                Err(error) => assert!(matches!(error, multipart::Error::Io(_)), "{error:?}"),
            }
        };
        while let Err(error) = part.read_to_end(&mut contents) {
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            failures += 1;
        }
    }
    assert_eq!(contents, b"11234567890");
    assert!(failures > 1, "{failures}");
}

#[test]
fn frm_05_reading_a_broken_part_says_why() {
    let body = SMALL_FORM.replace("--sep--", "--sepp");
    let boundary = Boundary::new("sep").expect("a boundary");
    let mut multipart = Multipart::new(body.as_bytes(), &boundary);
    multipart.next_part().expect("a body").expect("a part");
    let mut part = multipart.next_part().expect("a body").expect("a part");
    let mut received = Vec::new();
    let error = part.read_to_end(&mut received).expect_err("no end");
    assert_eq!((error.kind(), &received[..]), (io::ErrorKind::InvalidData, &b"12345"[..]));
    let error = multipart::Error::from(error);
    assert!(matches!(error, multipart::Error::Malformed(Malformed::Delimiter)), "{error:?}");
    for _ in 0..2 {
        let error = multipart.next_part().map(drop).expect_err("for good");
        assert!(matches!(error, multipart::Error::Malformed(Malformed::Delimiter)), "{error:?}");
    }
}

/// A name, the content, and a file name if it is a file.
type Field = (String, Vec<u8>, Option<String>);

fn fields() -> impl Strategy<Value = Vec<Field>> {
    let content = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        "(\r\n|-|--se|\r|x){0,12}".prop_map(String::into_bytes),
    ];
    let file_name = proptest::option::of("[a-z \"%;=.ü]{0,8}[a-z]");
    proptest::collection::vec(("[ -~ü\r\n]{0,8}", content, file_name), 0..6)
}

proptest! {
    #[test]
    fn frm_02_what_is_written_is_read(fields in fields(), bytes_max in 1usize..50) {
        let boundary = Boundary::random();
        let mut writer = MultipartWriter::new(Vec::new(), &boundary);
        for (name, content, file_name) in &fields {
            match file_name {
                None => writer.field(name, content).expect("a vector"),
                Some(file_name) => {
                    writer.file(name, file_name, "image/png", &content[..]).expect("a vector");
                }
            }
        }
        let body = writer.finish().expect("a vector");
        let form = Form::read(boundary.form_content_type(), trickle(&body[..], bytes_max)).expect("a form");
        let on_one_line = |name: &str| name.replace('\r', "%0D").replace('\n', "%0A");
        let (files, values): (Vec<_>, Vec<_>) = fields.iter().partition(|field| field.2.is_some());
        prop_assert_eq!(form.files().len(), files.len());
        for (file, (name, expected, file_name)) in form.files().iter().zip(files) {
            prop_assert_eq!(file.name(), on_one_line(name));
            prop_assert_eq!(Some(file.file_name()), file_name.as_deref());
            prop_assert_eq!(file.content_type(), Some("image/png"));
            prop_assert_eq!(&content(file), expected);
        }
        let found: Vec<_> =
            form.values().iter().map(|(name, value)| (name.to_vec(), value.unwrap_or_default().to_vec())).collect();
        let expected: Vec<_> =
            values.into_iter().map(|(name, value, _)| (on_one_line(name).into_bytes(), value.clone())).collect();
        prop_assert_eq!(found, expected);

        let mut again = Vec::new();
        form.write_to(&mut again, &boundary).expect("a vector");
        let form = Form::read(boundary.form_content_type(), &again[..]).expect("a form");
        let mut third = Vec::new();
        form.write_to(&mut third, &boundary).expect("a vector");
        prop_assert_eq!(third, again);
    }

    #[test]
    fn frm_02_no_bytes_make_it_panic(
        content_type in prop_oneof![Just(MULTIPART.to_owned()), Just(URLENCODED.to_owned()), "[ -~]{0,60}"],
        pieces in proptest::collection::vec(
            prop_oneof![
                Just(b"--sep".to_vec()),
                Just(b"\r\n".to_vec()),
                Just(b"\r\n\r\n".to_vec()),
                Just(b"--".to_vec()),
                Just(b"Content-Disposition: form-data; name=a; filename=".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..6),
            ],
            0..20,
        ),
        bytes_max in 1usize..9,
    ) {
        let body = pieces.concat();
        let options = Form::options().max_memory_bytes(64).max_field_bytes(200);
        let outcome = |bytes_max| match options.read(&content_type, trickle(&body[..], bytes_max)) {
            Ok(form) => {
                let files = form.files().iter().map(|file| (file.file_name().to_owned(), content(file)));
                let files: Vec<_> = files.collect();
                format!("{} {files:?}", form.values())
            }
            Err(error) => format!("{error:?}"),
        };
        prop_assert_eq!(outcome(bytes_max), outcome(usize::MAX));
    }
}

#[test]
fn a_part_with_any_head_is_written() {
    let boundary = Boundary::new("sep").expect("a boundary");
    let mut writer = MultipartWriter::new(Vec::new(), &boundary);
    let mut headers = Headers::new();
    headers.append("Content-Type", "application/json");
    headers.append("Content-Location", "/a\r\nX: injected");
    writer.part(&headers, &b"{}"[..]).expect("a vector");
    let body = writer.finish().expect("a vector");
    let mut multipart = Multipart::new(&body[..], &boundary);
    let mut part = multipart.next_part().expect("a body").expect("a part");
    assert_eq!((part.name(), part.file_name(), part.content_type()), (None, None, Some("application/json")));
    assert_eq!(part.headers().len(), 2);
    assert_eq!(part.read_to_vec(2).expect("two bytes"), b"{}");
}

#[test]
fn a_writer_that_fails_is_heard() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let boundary = Boundary::random();
    let form = Form::read(MULTIPART, SMALL_FORM.as_bytes()).expect("a form");
    assert_eq!(form.write_to(Full, &boundary).expect_err("full").kind(), io::ErrorKind::StorageFull);
    assert!(MultipartWriter::new(Full, &boundary).field("a", "b").is_err());
    assert!(MultipartWriter::new(Full, &boundary).finish().is_err());
}
