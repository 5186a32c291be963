//! The codings on bytes and as writers, at all levels.

use std::io::{self, Read, Write};
use std::thread;

use anthill_http::body::{CompressionLevel, ContentCoding, ContentDecoder, ContentEncoder};
use anthill_tests::within;
use proptest::prelude::*;

use crate::support::{CODINGS, noise, text, unpack};

/// What fasthttp's own tests take, and what else is hard: nothing, a byte, what does not become shorter, what is longer
/// than any buffer.
fn corpus() -> Vec<Vec<u8>> {
    vec![
        Vec::new(),
        b"a".to_vec(),
        b"foobar".to_vec(),
        vec![0; 100_000],
        text(2),
        text(5_000),
        text(300_000),
        noise(1_000),
        noise(150_000),
        [noise(70_000), text(70_000)].concat(),
    ]
}

/// The levels of fasthttp and ours, and what lies around them.
fn levels() -> impl Iterator<Item = CompressionLevel> {
    let named = [CompressionLevel::Fastest, CompressionLevel::Default, CompressionLevel::Best];
    (-3..=20).map(CompressionLevel::Exact).chain(named)
}

fn packed(coding: ContentCoding, plain: &[u8], level: CompressionLevel) -> Vec<u8> {
    let mut packed = b"before".to_vec();
    coding.append_encoded(&mut packed, plain, level).expect("memory for a coder");
    packed.split_off(6)
}

#[test]
fn cmp_01_every_level_comes_back() {
    within("all levels", || {
        let some = [text(3_000), noise(500), Vec::new()];
        for coding in CODINGS {
            for level in levels() {
                for plain in &some {
                    let packed = packed(coding, plain, level);
                    assert_eq!(&unpack(coding.name(), &packed), plain, "{coding:?} {level:?}");
                    let mut unpacked = b"before".to_vec();
                    coding.append_decoded(&mut unpacked, &packed, None).expect("what was packed");
                    assert_eq!(unpacked[6..], plain[..], "{coding:?} {level:?}");
                }
            }
        }
    });
}

#[test]
fn cmp_01_a_bad_level_is_the_default() {
    let plain = text(40_000);
    for coding in CODINGS {
        let usual = packed(coding, &plain, CompressionLevel::Default);
        for level in [i32::MIN, -3, -2, -1, 100, 257, i32::MAX] {
            assert_eq!(packed(coding, &plain, level.into()), usual, "{coding:?} {level}");
        }
        let best = packed(coding, &plain, CompressionLevel::Best).len();
        let fastest = packed(coding, &plain, CompressionLevel::Fastest).len();
        assert!(best < fastest && fastest < plain.len() / 2, "{coding:?}: {best} {fastest}");
    }
}

#[test]
fn cmp_01_ten_threads_at_once_have_coders_of_their_own() {
    within("ten threads", || {
        thread::scope(|scope| {
            for number in 0..10 {
                scope.spawn(move || {
                    for (place, plain) in corpus().iter().enumerate() {
                        let coding = CODINGS[(number + place) % 4];
                        let level = CompressionLevel::Exact((number % 5) as i32);
                        let packed = packed(coding, plain, level);
                        assert_eq!(&unpack(coding.name(), &packed), plain, "{coding:?} {}", plain.len());
                    }
                });
            }
        });
    });
}

#[test]
fn cmp_01_a_writer_compresses_whatever_the_pieces() {
    for coding in CODINGS {
        for plain in corpus() {
            for piece in [7, 1_000, 100_000] {
                if plain.len() / piece > 3_000 {
                    continue;
                }
                let mut encoder =
                    ContentEncoder::new(Vec::new(), coding, CompressionLevel::Default).expect("a coder");
                for (number, bytes) in plain.chunks(piece).enumerate() {
                    encoder.write_all(bytes).expect("a vector");
                    if number % 3 == 1 {
                        encoder.flush().expect("a vector");
                    }
                }
                let packed = encoder.finish().expect("a vector");
                assert_eq!(unpack(coding.name(), &packed), plain, "{coding:?} {} {piece}", plain.len());
            }
        }
    }
}

#[test]
fn cmp_01_a_flush_brings_all_that_was_written() {
    for coding in CODINGS {
        let mut encoder =
            ContentEncoder::new(Vec::new(), coding, CompressionLevel::Default).expect("a coder");
        let mut sent = Vec::new();
        for piece in [&b"first"[..], b"", b"second, which is longer", &text(100_000), b"last"] {
            encoder.write_all(piece).expect("a vector");
            encoder.flush().expect("a vector");
            sent.extend_from_slice(piece);
            // A decoder has all of it, though there is no end yet.
            let mut decoder = ContentDecoder::new(coding.name(), &encoder.get_ref()[..]).expect("a coding");
            let mut found = vec![0; sent.len()];
            decoder.read_exact(&mut found).expect("all that was flushed");
            assert_eq!(found, sent, "{coding:?}");
            let error = decoder.read(&mut [0]).expect_err("there is no end");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{coding:?}");
        }
        assert_eq!(unpack(coding.name(), &encoder.finish().expect("a vector")), sent);
    }
}

#[test]
fn cmp_01_the_writers_errors_are_the_writers() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for coding in CODINGS {
        let mut encoder = ContentEncoder::new(Full, coding, 1).expect("a coder");
        assert_eq!(
            encoder.write_all(&noise(1_000_000)).map_err(|error| error.kind()),
            Err(io::ErrorKind::StorageFull)
        );
        let encoder = ContentEncoder::new(Full, coding, 1).expect("a coder");
        assert_eq!(encoder.finish().err().map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
    }
}

#[test]
fn cmp_01_a_brotli_window_follows_the_content() {
    // The first bits of a stream name the window: RFC 7932 section 9.1.
    let window = |packed: &[u8]| match (packed[0] & 1, packed[0] >> 1 & 7, packed[0] >> 4 & 7) {
        (0, _, _) => 16,
        (_, 0, 0) => 17,
        (_, 0, _) => panic!("a window below 16 bits"),
        (_, more, _) => 17 + more,
    };
    for (bytes, bits) in [(1_000, 16), (65_536, 16), (65_537, 17), (1_000_000, 20), (5_000_000, 22)] {
        let packed = packed(ContentCoding::Brotli, &vec![b'x'; bytes], CompressionLevel::Default);
        assert_eq!(window(&packed), bits, "{bytes}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn cmp_01_any_content_comes_back(
        pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), 0..40_usize, any::<bool>()), 0..8),
        level in -2..12_i32,
    ) {
        for coding in CODINGS {
            let mut plain = Vec::new();
            let mut encoder = ContentEncoder::new(Vec::new(), coding, level).expect("a coder");
            for (bytes, times, flushes) in &pieces {
                let piece = bytes.repeat(*times);
                encoder.write_all(&piece).expect("a vector");
                if *flushes {
                    encoder.flush().expect("a vector");
                }
                plain.extend(piece);
            }
            let written = encoder.finish().expect("a vector");
            prop_assert_eq!(&unpack(coding.name(), &written), &plain);
            prop_assert_eq!(&unpack(coding.name(), &packed(coding, &plain, level.into())), &plain);
        }
    }
}
