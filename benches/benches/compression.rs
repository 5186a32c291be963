//! What does it cost to compress a body beside the bare coder?
//!
//! gzip, brotli and zstd at the levels for content that is made for one request, of 4 KB and 64 KB of JSON, and of 64
//! KB that do not become shorter. `bare` is the same crate at the same level, its coder kept from body to body where
//! the crate can do that (brotli's cannot); `fresh` is what the crate's documentation has, a coder for each body;
//! `ours` is our helper, `ours_wrapped` the wrapper around a handler, and `plain` that handler without it, whose cost
//! is none of the compression's.
//!
//! The last table is the first body of a process, in a process of its own: the coder is made then.

use anthill_benches::allocations::Counting;
use anthill_benches::bodies;
use anthill_benches::cpu::CpuTime;
use anthill_benches::micro::{self, Question, Spent};
use anthill_benches::pools::{measure_if_asked, run_apart};
use anthill_benches::report::{self, Table, median};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use anthill_http::body::{CompressionLevel, ContentCoding};
use anthill_http::{CompressPolicy, Handler, Request, RequestCtx, compress};
use brotli::enc::StandardAlloc;
use brotli::enc::backward_references::BrotliEncoderParams;
use brotli::enc::encode::{
    BrotliEncoderDestroyInstance, BrotliEncoderOperation, BrotliEncoderParameter, BrotliEncoderStateStruct,
};
use flate2::{Compress, Compression, Crc, FlushCompress};
use std::io::{Read, Write as _};
use zstd::bulk::Compressor;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CODINGS: [ContentCoding; 3] = [ContentCoding::Gzip, ContentCoding::Brotli, ContentCoding::Zstd];

/// The levels that ours have when nothing is said.
const GZIP_LEVEL: u32 = 6;
const BROTLI_LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;

const KIB: usize = 1024;

/// What is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    Text(usize),
    Noise(usize),
}

const BODIES: [Body; 3] = [Body::Text(4 * KIB), Body::Text(64 * KIB), Body::Noise(64 * KIB)];

/// Something that compresses the same body again and again, and tells how long it has become.
type Operation = Box<dyn FnMut() -> u64>;

const CONTESTANTS: [&str; 5] = ["bare", "fresh", "ours", "ours_wrapped", "plain"];

/// Those whose first body is looked at.
const FIRST: [&str; 3] = ["bare", "ours", "ours_wrapped"];

fn main() {
    measure_if_asked(first_bodies);
    let settings = Settings::from_command_line();
    let packages = ["flate2", "zlib-rs", "brotli", "zstd"];
    report::headline("What does it cost to compress a body?", &packages, settings.quick);
    for case in settings.choose_cases(&["steady", "first"], |name| name) {
        match case {
            "steady" => steady(&settings),
            _ => first(&settings),
        }
    }
}

fn steady(settings: &Settings) {
    let cases: Vec<_> = CODINGS.iter().flat_map(|&coding| BODIES.map(|body| (coding, body))).collect();
    let mut questions: Vec<Question> = cases
        .iter()
        .map(|&(coding, body)| {
            let packed = checked(coding, body);
            let question = Question::new(format!("{}, {}", coding.name(), body.name()), packed);
            CONTESTANTS.iter().fold(question, |question, &name| match operation(name, coding, body, packed) {
                Some(operation) => question.with(name, operation),
                None => question,
            })
        })
        .collect();
    let rounds = micro::play(settings, &mut questions);
    for ((question, rounds), (_, body)) in questions.iter().zip(&rounds).zip(&cases) {
        print(question.title(), rounds, body.bytes().len());
    }
}

fn print(title: &str, rounds: &Rounds<Spent>, bytes: usize) {
    let nanos = |run: &Spent| run.nanos;
    let mut table =
        Table::new(&[title, "us", "spread", "MB/s", "allocations", ": bare", "less plain : bare"]);
    let of = |name| rounds.contestants().find(|&(_, known)| known == name).map(|(place, _)| rounds.of(place));
    for (contestant, name) in rounds.contestants() {
        let time = rounds.median(contestant, nanos);
        let less_plain = of("plain").zip(of("bare")).filter(|_| name == "ours_wrapped");
        table.row(vec![
            name.to_owned(),
            format!("{:.1}", time / 1e3),
            format!("{:.0} %", rounds.spread(contestant, nanos)),
            format!("{:.0}", bytes as f64 * 1e3 / time),
            format!("{:.1}", rounds.median(contestant, |run| run.allocations)),
            rounds.ratio_to("bare", contestant, nanos),
            less_plain.map_or("-".to_owned(), |(plain, bare)| {
                let all = [rounds.of(contestant), plain, bare];
                let ratio = micro::across(&all, |nanos| (nanos[0] - nanos[1]) / nanos[2]);
                format!("{ratio:.3}")
            }),
        ]);
    }
    report::say("");
    table.print();
}

/// CPU time in microseconds of the first body and of the second, in processes of their own.
fn first(settings: &Settings) {
    let rounds = settings.rounds_or(15);
    let mut table = Table::new(&["the first body", "", "us", "the second, us", "first : bare's first"]);
    for coding in CODINGS {
        for (place, body) in BODIES.into_iter().enumerate().filter(|(_, body)| matches!(body, Body::Text(_)))
        {
            let mut runs: Vec<Vec<[f64; 2]>> = FIRST.iter().map(|_| Vec::new()).collect();
            for _ in 0..rounds {
                for (name, runs) in FIRST.iter().zip(&mut runs) {
                    let asked = format!("{name}-{}", coding.name());
                    runs.push(run_apart(&asked, &[place as u64]));
                }
            }
            for (name, of_this) in FIRST.iter().zip(&runs) {
                let ratios = of_this.iter().zip(&runs[0]).map(|(mine, bare)| mine[0] / bare[0]);
                table.row(vec![
                    format!("{}, {}", coding.name(), body.name()),
                    (*name).to_owned(),
                    format!("{:.0}", median(of_this.iter().map(|run| run[0]))),
                    format!("{:.0}", median(of_this.iter().map(|run| run[1]))),
                    format!("{:.2}", median(ratios)),
                ]);
            }
        }
    }
    report::say("");
    table.print();
}

/// Answers [`first`], in a process of its own.
fn first_bodies(asked: &str, numbers: &[u64]) -> Option<Vec<f64>> {
    let (name, coding) = asked.rsplit_once('-')?;
    let coding = CODINGS.into_iter().find(|known| known.name() == coding)?;
    let body = *BODIES.get(usize::try_from(*numbers.first()?).ok()?)?;
    let mut operation = operation(name, coding, body, 0)?;
    let mut spent = || {
        let before = CpuTime::of_this_process();
        let packed = operation();
        let took = CpuTime::of_this_process() - before;
        (packed, report::micros(took.total()))
    };
    let ((first, first_took), (second, second_took)) = (spent(), spent());
    assert!(first == second && first > 0, "{first} bytes and then {second}");
    Some(vec![first_took, second_took])
}

impl Body {
    fn name(self) -> String {
        match self {
            Self::Text(bytes) => format!("{} KB", bytes / KIB),
            Self::Noise(bytes) => format!("{} KB of noise", bytes / KIB),
        }
    }

    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Noise(bytes) => bodies::noise(bytes),
            Self::Text(bytes) => bodies::json(bytes),
        }
    }
}

/// How long a body becomes; what becomes of it is read by the coders' own decoders.
fn checked(coding: ContentCoding, body: Body) -> u64 {
    let (bytes, mut packed, mut unpacked) = (body.bytes(), Vec::new(), Vec::new());
    coding.append_encoded(&mut packed, &bytes, CompressionLevel::Default).expect("a coder that works");
    let read = match coding {
        ContentCoding::Gzip => flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked),
        ContentCoding::Brotli => brotli::Decompressor::new(&packed[..], 4096).read_to_end(&mut unpacked),
        _ => zstd::stream::copy_decode(&packed[..], &mut unpacked).map(|()| unpacked.len()),
    };
    read.expect("something that can be decoded");
    assert!(unpacked == bytes, "{} gives something else back", coding.name());
    packed.len() as u64
}

fn operation(name: &str, coding: ContentCoding, body: Body, packed: u64) -> Option<Operation> {
    let bytes = body.bytes();
    Some(match (name, coding) {
        ("ours", _) => ours(coding, bytes),
        ("ours_wrapped", _) => {
            let handler = compress(json(bytes.clone()), CompressPolicy::new().codings([coding]));
            handled(handler, coding, move |length| match body {
                // It is sent as it was.
                Body::Noise(bytes) => {
                    assert_eq!(length, bytes);
                    packed
                }
                Body::Text(_) => length as u64,
            })
        }
        ("plain", _) => {
            let expected = bytes.len();
            handled(json(bytes), coding, move |length| {
                assert_eq!(length, expected);
                packed
            })
        }
        ("bare", ContentCoding::Gzip) => bare_gzip(bytes),
        ("bare", ContentCoding::Brotli) => bare_brotli(bytes),
        ("bare", ContentCoding::Zstd) => bare_zstd(bytes),
        ("fresh", ContentCoding::Gzip) => Box::new(move || {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
            encoder.write_all(&bytes).expect("a vector takes everything");
            encoder.finish().expect("a vector takes everything").len() as u64
        }),
        ("fresh", ContentCoding::Brotli) => fresh_brotli(bytes),
        ("fresh", ContentCoding::Zstd) => {
            Box::new(move || zstd::bulk::compress(&bytes, ZSTD_LEVEL).expect("memory for one").len() as u64)
        }
        _ => return None,
    })
}

fn ours(coding: ContentCoding, bytes: Vec<u8>) -> Operation {
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        coding.append_encoded(&mut out, &bytes, CompressionLevel::Default).expect("a coder that works");
        out.len() as u64
    })
}

/// A handler that makes a body.
fn json(bytes: Vec<u8>) -> impl Handler {
    move |ctx: &mut RequestCtx| {
        ctx.set_content_type("application/json");
        ctx.set_body(&bytes);
    }
}

/// What a server does of it: a request is there, and the response is empty.
fn handled(handler: impl Handler, coding: ContentCoding, tell: impl Fn(usize) -> u64 + 'static) -> Operation {
    let mut request = Request::new("GET", "/").expect("a request");
    request.set_header("Accept-Encoding", coding.name());
    let mut ctx = RequestCtx::for_request(request, None);
    Box::new(move || {
        ctx.response.clear();
        handler.handle(&mut ctx);
        tell(ctx.response.body().len())
    })
}

fn bare_gzip(bytes: Vec<u8>) -> Operation {
    let (mut kept, mut out) = (None, Vec::new());
    Box::new(move || {
        let coder = kept.get_or_insert_with(|| Compress::new(Compression::new(GZIP_LEVEL), false));
        out.clear();
        // No name, no time, no system.
        out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
        // More than noise can become.
        out.reserve(bytes.len() + bytes.len() / 8 + 64);
        coder.compress_vec(&bytes, &mut out, FlushCompress::Finish).expect("deflate works");
        assert_eq!(coder.total_in(), bytes.len() as u64, "all of it at once");
        coder.reset();
        let mut sum = Crc::new();
        sum.update(&bytes);
        out.extend_from_slice(&sum.sum().to_le_bytes());
        out.extend_from_slice(&sum.amount().to_le_bytes());
        out.len() as u64
    })
}

/// The window that a body has use for, as ours have it.
fn brotli_window(bytes: &[u8]) -> u32 {
    (usize::BITS - bytes.len().saturating_sub(1).leading_zeros()).clamp(16, 22)
}

fn bare_brotli(bytes: Vec<u8>) -> Operation {
    let mut out = Vec::new();
    Box::new(move || {
        out.clear();
        let mut coder = BrotliEncoderStateStruct::new(StandardAlloc::default());
        coder.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_QUALITY, BROTLI_LEVEL);
        coder.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_LGWIN, brotli_window(&bytes));
        coder.set_parameter(BrotliEncoderParameter::BROTLI_PARAM_SIZE_HINT, bytes.len() as u32);
        let (mut left, mut used) = (bytes.len(), 0);
        while !coder.is_finished() {
            let has_worked = coder.compress_stream(
                BrotliEncoderOperation::BROTLI_OPERATION_FINISH,
                &mut left,
                &bytes,
                &mut used,
                &mut 0,
                &mut [],
                &mut 0,
                &mut None,
                &mut |_, _, _, _| (),
            );
            assert!(has_worked, "brotli works");
            while coder.has_more_output() {
                let mut count = 0;
                let memory = coder.take_output(&mut count);
                out.extend_from_slice(&memory[..count]);
            }
        }
        // Dropped without that, it complains.
        BrotliEncoderDestroyInstance(&mut coder);
        out.len() as u64
    })
}

fn fresh_brotli(bytes: Vec<u8>) -> Operation {
    let params = BrotliEncoderParams {
        quality: BROTLI_LEVEL as i32,
        lgwin: brotli_window(&bytes) as i32,
        size_hint: bytes.len(),
        ..Default::default()
    };
    Box::new(move || {
        let mut out = Vec::new();
        brotli::BrotliCompress(&mut &bytes[..], &mut out, &params).expect("a vector takes everything");
        out.len() as u64
    })
}

fn bare_zstd(bytes: Vec<u8>) -> Operation {
    let (mut kept, mut out) = (None, Vec::new());
    Box::new(move || {
        let coder = kept.get_or_insert_with(|| Compressor::new(ZSTD_LEVEL).expect("memory for one"));
        out.clear();
        out.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        coder.compress_to_buffer(&bytes, &mut out).expect("there is room");
        out.len() as u64
    })
}
