//! Compression of WebSocket messages: what is agreed on is kept, what comes out is bounded, and nobody sees another's
//! data.

use anthill_http::websocket::{
    CodecError, DeflateOptions, DeflateParams, Incoming, Message, MessageDecoder, MessageEncoder,
    MessageKind, MessageLimits, Role,
};
use anthill_tests::websocket::inflate::inflate;
use anthill_tests::websocket::{Frame, agreed, bytes_of, decode, decode_in_every_cut};
use flate2::write::DeflateEncoder;
use flate2::{Compress, Compression, FlushCompress};
use std::io::Write;

const ALWAYS: DeflateOptions =
    DeflateOptions { server_context_takeover: false, client_context_takeover: false, min_size: 0 };
const KEEPING: DeflateOptions =
    DeflateOptions { server_context_takeover: true, client_context_takeover: true, min_size: 0 };
const PACKED_TEXT: u8 = 0xc1;
const PACKED_BINARY: u8 = 0xc2;
const FLUSH_END: &[u8] = &[0, 0, 0xff, 0xff];

fn params(offer: &str) -> DeflateParams {
    agreed(ALWAYS, offer)
}

fn server(limits: MessageLimits) -> MessageDecoder {
    MessageDecoder::new(Role::Server, limits, Some(&params("permessage-deflate")))
}

/// `bytes` as a client packs them.
fn packed(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() * 2 + 64);
    let mut coder = Compress::new(Compression::new(level), false);
    coder.compress_vec(bytes, &mut out, FlushCompress::Sync).expect("packed");
    assert_eq!(coder.total_in(), bytes.len() as u64);
    out.truncate(out.len() - FLUSH_END.len());
    out
}

/// Bytes in which nothing repeats itself.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// The payload of a frame of a server, and whether it is packed.
fn payload(frame: &[u8]) -> (bool, &[u8]) {
    let start = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    (frame[0] & 0x40 != 0, &frame[start..])
}

fn message_of(text: &str) -> (Vec<Incoming>, Option<CodecError>) {
    (vec![Incoming::Message(Message::from(text))], None)
}

#[test]
fn examples_of_the_rfc() {
    let found = |frames: &[Frame]| {
        let bytes = bytes_of(frames);
        decode_in_every_cut(|| server(MessageLimits::default()), &bytes)
    };
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    assert_eq!(found(&[Frame::new(PACKED_TEXT, hello)]), message_of("Hello"));
    assert_eq!(found(&[Frame::new(0x41, &hello[..3]), Frame::new(0x80, &hello[3..])]), message_of("Hello"));
    let stored = b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
    assert_eq!(found(&[Frame::new(PACKED_TEXT, stored)]), message_of("Hello"), "a block without compression");
    let last = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
    assert_eq!(
        found(&[Frame::new(PACKED_TEXT, last)]),
        message_of("Hello"),
        "a last block, and an empty one"
    );
    assert_eq!(found(&[Frame::new(PACKED_TEXT, &last[..7])]), message_of("Hello"), "a last block alone");
    let two = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
    assert_eq!(found(&[Frame::new(PACKED_TEXT, two)]), message_of("Hello"), "two blocks");
    assert_eq!(found(&[Frame::new(PACKED_TEXT, [0])]), message_of(""));
    assert_eq!(found(&[Frame::new(PACKED_TEXT, "")]), message_of(""));
    assert_eq!(found(&[Frame::new(0x81, "Hello")]), message_of("Hello"), "it need not be packed");
}

/// The sizes of group 12, both ways, with texts that pack well and hardly.
#[test]
fn messages_of_many_sizes() {
    let params = params("permessage-deflate; client_max_window_bits");
    for size in [16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072] {
        let json: String = (0..)
            .map(|number| format!("{{\"id\": {number}, \"name\": \"n{}\"}},", number * 7))
            .take(size / 8)
            .collect();
        let noise = noise(size);
        for (kind, bytes) in
            [(MessageKind::Text, &json.as_bytes()[..size.min(json.len())]), (MessageKind::Binary, &noise)]
        {
            for (role, peer) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
                let mut out = Vec::new();
                MessageEncoder::new(role, Some(&params)).message(kind, bytes, &mut out);
                if kind == MessageKind::Text && size > 100 {
                    assert!(out[0] & 0x40 != 0 && out.len() < bytes.len() / 2, "{size}: {}", out.len());
                } else if kind == MessageKind::Binary {
                    assert!(out[0] & 0x40 == 0, "what becomes no shorter is sent as it is");
                }
                for sizes in [&[0][..], &[1000], &[1]] {
                    let mut decoder = MessageDecoder::new(peer, MessageLimits::default(), Some(&params));
                    let (found, error) = decode(&mut decoder, &out, sizes);
                    let [Incoming::Message(message)] = &found[..] else { panic!("{size}: {error:?}") };
                    assert!(message.as_bytes() == bytes && message.kind() == kind, "{size}");
                    assert!(!decoder.holds_coder() && decoder.held_bytes() == 0);
                }
            }
        }
    }
}

/// A smaller window is kept to the byte, and each message by itself, whoever had the coder before.
#[test]
fn windows_are_kept() {
    let text: Vec<u8> =
        (0..20_000_u32).flat_map(|number| (number / 3 % 977).to_string().into_bytes()).collect();
    for bits in 8..=15 {
        let params = params(&format!("permessage-deflate; server_max_window_bits={bits}"));
        let mut encoder = MessageEncoder::new(Role::Server, Some(&params));
        let mut farthest = 0;
        for length in [1, 255, 256, 257, 1000, 40_000, text.len()] {
            for start in [0, 100, 7] {
                let bytes = &text[start.min(text.len() - length)..][..length];
                let mut out = Vec::new();
                encoder.message(MessageKind::Binary, bytes, &mut out);
                let (is_packed, payload) = payload(&out);
                if !is_packed {
                    assert!(payload == bytes && length < 400, "{length}");
                    continue;
                }
                let found = inflate(&[payload, FLUSH_END].concat());
                assert!(
                    found.bytes == bytes && found.is_whole && found.ended == 0,
                    "{length} with {bits} bits"
                );
                farthest = farthest.max(found.farthest);
            }
        }
        assert!(farthest <= 1 << bits, "{farthest} with {bits} bits");
        assert!(farthest > 128, "{farthest} with {bits} bits: hardly anything was referred to");
    }
}

#[test]
fn contexts_are_kept_where_that_was_agreed_on() {
    let text = "what was said once is short the second time: 0123456789 abcdefghijklmnopqrstuvwxyz";
    for (role, peer) in [(Role::Server, Role::Client), (Role::Client, Role::Server)] {
        let both = agreed(KEEPING, "permessage-deflate");
        let alone =
            agreed(KEEPING, "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
        let [with, without] = [&both, &alone].map(|params| {
            let mut encoder = MessageEncoder::new(role, Some(params));
            let mut decoder = MessageDecoder::new(peer, MessageLimits::default(), Some(params));
            let mut lengths = Vec::new();
            for _ in 0..5 {
                let mut out = Vec::new();
                encoder.message(MessageKind::Text, text.as_bytes(), &mut out);
                lengths.push(out.len());
                assert_eq!(decode(&mut decoder, &out, &[5]), message_of(text));
                let mut out = Vec::new();
                encoder.message(MessageKind::Binary, b"", &mut out);
                assert_eq!(decode(&mut decoder, &out, &[0]).0.len(), 1, "an empty message between");
            }
            assert_eq!(decoder.holds_coder(), params == &both);
            lengths
        });
        assert!(with[1] < with[0] / 3, "{with:?}");
        assert!(without.iter().all(|length| *length == without[0]), "{without:?}");
    }
}

/// However much was said before, and by blocks of each kind: what may be referred to ends nowhere but where a window
/// does.
#[test]
fn what_was_said_before_is_known_whatever_blocks_it_was_in() {
    let params = agreed(KEEPING, "permessage-deflate");
    let mut coder = Compress::new(Compression::new(6), false);
    let mut decoder = MessageDecoder::new(Role::Server, MessageLimits::default(), Some(&params));
    let noise = noise(40_000);
    for round in 0..20 {
        for bytes in [&noise[..], b"", &noise[8_000 + round..], b"short", &noise[39_000..]] {
            let mut out = Vec::with_capacity(bytes.len() * 2 + 64);
            coder.compress_vec(bytes, &mut out, FlushCompress::Sync).expect("packed");
            // One flush behind the other is nothing.
            match out.len().checked_sub(FLUSH_END.len()) {
                Some(length) => out.truncate(length),
                None => out.push(0),
            }
            let (found, error) = decode(&mut decoder, &Frame::new(PACKED_BINARY, &out).bytes(), &[700]);
            assert!(found == [Incoming::Message(Message::from(bytes.to_vec()))], "{round}: {error:?}");
        }
    }
}

#[test]
fn what_is_short_is_sent_as_it_is() {
    let params = agreed(DeflateOptions { min_size: 100, ..ALWAYS }, "permessage-deflate");
    let mut encoder = MessageEncoder::new(Role::Server, Some(&params));
    for (length, is_packed) in [(0, false), (99, false), (100, true)] {
        let mut out = Vec::new();
        encoder.message(MessageKind::Text, &vec![b'x'; length], &mut out);
        assert_eq!(payload(&out).0, is_packed, "{length}");
    }
}

/// Bombs are noticed by what comes out, before it is kept.
#[test]
fn what_comes_out_is_bounded() {
    let zeros = packed(&vec![0; 3 * 1024 * 1024], 9);
    assert!(zeros.len() < 4000);
    let bomb = Frame::new(PACKED_BINARY, &zeros).bytes();
    for (message, ratio, expected) in [
        (4 * 1024 * 1024, Some(200), Some(CodecError::Ratio)),
        (1024 * 1024, None, Some(CodecError::MessageTooLarge)),
        (1000, Some(200), Some(CodecError::MessageTooLarge)),
        (3 * 1024 * 1024 - 1, None, Some(CodecError::MessageTooLarge)),
        (3 * 1024 * 1024, None, None),
    ] {
        let limits = MessageLimits { message, ratio, ..MessageLimits::default() };
        for sizes in [&[0][..], &[100], &[1]] {
            let mut decoder = server(limits);
            let (found, error) = decode(&mut decoder, &bomb, sizes);
            assert_eq!(
                (found.len(), error),
                (usize::from(expected.is_none()), expected),
                "{message} {ratio:?}"
            );
            assert!(!decoder.holds_coder() && decoder.held_bytes() == 0);
        }
    }
    // The limit of a message is met to the byte, in fragments as well.
    let limits = MessageLimits { message: 5, ..MessageLimits::default() };
    for (text, fits) in [("Hello", true), ("Hello!", false)] {
        let whole = packed(text.as_bytes(), 6);
        let frames = [Frame::new(0x41, &whole[..2]), Frame::new(0x80, &whole[2..])];
        let (_, error) = decode(&mut server(limits), &bytes_of(&frames), &[0]);
        assert_eq!(error, (!fits).then_some(CodecError::MessageTooLarge), "{text}");
    }
}

/// Packed data that become nothing cannot go on for ever, nor cost more than they are.
#[test]
fn what_never_becomes_anything_is_not_read_without_end() {
    let limits = MessageLimits { message: 10_000, ..MessageLimits::default() };
    let empty_blocks = [0, 0, 0, 0xff, 0xff].repeat(1000);
    let mut decoder = server(limits);
    let mut bytes = Frame::new(0x42, &empty_blocks).bytes();
    for _ in 0..10 {
        bytes.extend(Frame::new(0, &empty_blocks).bytes());
    }
    assert_eq!(decode(&mut decoder, &bytes, &[0]), (vec![], Some(CodecError::MessageTooLarge)));

    // Streams that end at once: each makes the decoder begin anew.
    let ended = [3, 0].repeat(10_000);
    let found = decode(&mut server(limits), &Frame::new(PACKED_BINARY, &ended).bytes(), &[0]);
    assert_eq!(found, (vec![Incoming::Message(Message::Binary(Vec::new()))], None));
}

/// A decoder is larger than most messages: a client that begins messages does not get one for a byte.
#[test]
fn a_coder_is_taken_for_as_much_as_it_is_large() {
    let noise = noise(200_000);
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&noise).expect("a vector");
    encoder.flush().expect("a vector");
    let whole = encoder.get_ref()[..encoder.get_ref().len() - 4].to_vec();
    let bytes = Frame::new(PACKED_BINARY, &whole).bytes();
    let mut decoder = server(MessageLimits::default());
    let mut rest = &bytes[..];
    let mut took_at = None;
    while rest.len() > 1 {
        let (piece, others) = rest.split_at(100.min(rest.len() - 1));
        rest = others;
        decode(&mut decoder, piece, &[0]);
        let come = bytes.len() - rest.len();
        assert!(decoder.held_bytes() <= 2 * come, "{} of {come}", decoder.held_bytes());
        if decoder.holds_coder() && took_at.is_none() {
            took_at = Some(come);
        }
    }
    assert!(took_at.is_some_and(|come| (32 * 1024..40_000).contains(&come)), "{took_at:?}");
    let (found, _) = decode(&mut decoder, rest, &[0]);
    assert!(found == [Incoming::Message(Message::from(&noise[..]))]);
    assert!(!decoder.holds_coder() && decoder.held_bytes() == 0);
}

#[test]
fn what_is_not_packed_as_agreed() {
    let limits = MessageLimits::default();
    let good = packed(&b"some text, and some text more, and some more text".repeat(5), 6);
    for (what, payload) in [
        ("an unknown block", b"\x07".to_vec()),
        ("a stored block with a wrong check", b"\x00\x05\x00\x00\x00Hello\x00".to_vec()),
        ("cut off", good[..good.len() - 5].to_vec()),
        ("cut off where what is missing becomes codes", good[..1].to_vec()),
        ("cut off within a stored block", b"\x00\x10\x00\xef\xffHello".to_vec()),
        ("a reference to before the message", b"\xf2\x00\x11\x00\x00".to_vec()),
        ("with what a flush ends with", [&good[..], FLUSH_END, b"\x05"].concat()),
        ("behind the end of a stream", b"\x03\x00\x07".to_vec()),
    ] {
        // Also where the next one could go on with it.
        for params in [params("permessage-deflate"), agreed(KEEPING, "permessage-deflate")] {
            let bytes = Frame::new(PACKED_BINARY, &payload).bytes();
            let new = || MessageDecoder::new(Role::Server, limits, Some(&params));
            let found = decode_in_every_cut(new, &bytes);
            assert_eq!(found, (vec![], Some(CodecError::Compression)), "{what}: {params:?}");
        }
    }
    // UTF-8 is looked for in what comes out.
    let no_text = packed(b"text \xff", 6);
    let found = decode_in_every_cut(|| server(limits), &Frame::new(PACKED_TEXT, &no_text).bytes());
    assert_eq!(found, (vec![], Some(CodecError::Utf8)));
    // The mark stands on the first frame of a message alone.
    let frames = [Frame::new(0x41, &good[..5]), Frame::new(0xc0, &good[5..])];
    let found = decode_in_every_cut(|| server(limits), &bytes_of(&frames));
    assert_eq!(found, (vec![], Some(CodecError::ReservedBit)));
}

/// Coders go from one connection to another one.
#[test]
fn nobody_sees_what_another_one_has_sent() {
    let secret = b"the secret of somebody else, ".repeat(100);
    for _ in 0..50 {
        let mut decoder = server(MessageLimits::default());
        let whole = Frame::new(PACKED_BINARY, packed(&secret, 6)).bytes();
        assert_eq!(decode(&mut decoder, &whole, &[0]).0.len(), 1);
        // One that leaves its message in the middle.
        let mut decoder = server(MessageLimits::default());
        decode(&mut decoder, &whole[..whole.len() - 3], &[0]);
        drop(decoder);
        // Ten bytes from a hundred and one back: a fixed block with a reference at its start.
        for payload in [&b"\xf2\x00\x11\x00\x00"[..], b"\x83\x31\x00", b"\x03\x7f\xff\x0f\x00"] {
            let (found, _) = decode(
                &mut server(MessageLimits::default()),
                &Frame::new(PACKED_BINARY, payload).bytes(),
                &[0],
            );
            let shares =
                |bytes: &[u8]| secret.windows(3).any(|part| bytes.windows(3).any(|window| window == part));
            let leaked = found.iter().any(|incoming| match incoming {
                Incoming::Message(message) => shares(message.as_bytes()),
                _ => false,
            });
            assert!(!leaked, "{found:?}");
        }
    }
}
