//! Clients and programs of others: what is compressed here is read there, and the other way round.

use std::io::Write;
use std::process::{Command, Stdio};

use anthill_http::body::{CompressionLevel, ContentCoding};
use anthill_http::{CompressPolicy, Handler, RequestCtx};
use anthill_tests::server::skip;

use crate::support::{noise, running, text};

/// What `program` makes of `input`; `None`: it is not there, or cannot do that.
fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        skip(&format!("{program} is not there"));
        return None;
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("an end");
    writer.join().expect("a writer");
    if !output.status.success() {
        skip(&format!("{program} {arguments:?} cannot do that: {}", output.status));
        return None;
    }
    Some(output.stdout)
}

const UNPACKERS: [(ContentCoding, &str, &[&str]); 7] = [
    (ContentCoding::Gzip, "gzip", &["-dc"]),
    (
        ContentCoding::Gzip,
        "python3",
        &["-c", "import sys,gzip; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))"],
    ),
    (
        ContentCoding::Deflate,
        "python3",
        &["-c", "import sys,zlib; sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))"],
    ),
    (ContentCoding::Zstd, "zstd", &["-dc"]),
    (
        ContentCoding::Gzip,
        "node",
        &["-e", "process.stdout.write(require('zlib').gunzipSync(require('fs').readFileSync(0)))"],
    ),
    (
        ContentCoding::Brotli,
        "node",
        &["-e", "process.stdout.write(require('zlib').brotliDecompressSync(require('fs').readFileSync(0)))"],
    ),
    (ContentCoding::Brotli, "brotli", &["-dc"]),
];

#[test]
fn cmp_01_programs_of_others_read_what_is_packed_here() {
    // A program begun is what takes time here.
    let cases =
        [(text(100_000), 1), (text(100_000), 4), (text(100_000), 9), (noise(5_000), 4), (Vec::new(), 4)];
    for (coding, program, arguments) in UNPACKERS {
        for (plain, level) in &cases {
            let mut packed = Vec::new();
            coding.append_encoded(&mut packed, plain, *level).expect("memory for a coder");
            let Some(found) = piped(program, arguments, &packed) else { break };
            assert!(found == *plain, "{program} of {coding:?} {level}: {} bytes", found.len());
        }
    }
}

const PACKERS: [(ContentCoding, &str, &[&str]); 7] = [
    (ContentCoding::Gzip, "gzip", &["-9c"]),
    (
        ContentCoding::Gzip,
        "python3",
        &["-c", "import sys,gzip; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read()))"],
    ),
    (
        ContentCoding::Deflate,
        "python3",
        &["-c", "import sys,zlib; sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read()))"],
    ),
    (ContentCoding::Zstd, "zstd", &["-19c"]),
    (ContentCoding::Zstd, "zstd", &["-1c"]),
    (
        ContentCoding::Brotli,
        "node",
        &["-e", "process.stdout.write(require('zlib').brotliCompressSync(require('fs').readFileSync(0)))"],
    ),
    (ContentCoding::Brotli, "brotli", &["-9c"]),
];

#[test]
fn cmp_06_what_programs_of_others_pack_is_read_here() {
    for (coding, program, arguments) in PACKERS {
        for plain in [text(400_000), noise(5_000), Vec::new()] {
            let Some(packed) = piped(program, arguments, &plain) else { continue };
            let mut found = Vec::new();
            coding.append_decoded(&mut found, &packed, None).expect("what they packed");
            assert!(found == plain, "{program} of {coding:?}");
        }
    }
}

#[test]
fn cmp_02_curl_gets_what_it_asks_for() {
    fn page(ctx: &mut RequestCtx) {
        match ctx.path() {
            "/large" => ctx.response.set_body_vec(text(1_000_000)),
            "/reader" => ctx.response.set_body_reader(std::io::Cursor::new(text(100_000))),
            _ => ctx.set_body(text(20_000)),
        }
    }
    for coding in [ContentCoding::Gzip, ContentCoding::Deflate, ContentCoding::Brotli, ContentCoding::Zstd] {
        let policy = CompressPolicy::new().codings([coding]).level(coding, CompressionLevel::Default);
        let running = running(policy, page);
        for (target, length) in [("/", 20_000), ("/large", 1_000_000), ("/reader", 100_000)] {
            let url = format!("http://{}{target}", running.address());
            let shown = ["-sS", "--compressed", "-D", "/dev/stderr", &url];
            let Some(found) = piped("curl", &shown, b"") else { return };
            assert!(found == text(length), "{coding:?} {target}: {} bytes", found.len());
            let head = ["-sS", "--compressed", "-o", "-", "-w", "%header{content-encoding}", "-I", &url];
            let Some(told) = piped("curl", &head, b"") else { return };
            let told = String::from_utf8(told).expect("text");
            let accepted = told.contains(coding.name());
            assert!(accepted || coding == ContentCoding::Zstd || coding == ContentCoding::Brotli, "{told}");
        }
    }
    // The handler by itself, as curl gets it without asking.
    let mut ctx = RequestCtx::default();
    page.handle(&mut ctx);
    assert_eq!(ctx.response.body(), text(20_000));
}
