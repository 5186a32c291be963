//! What a WebSocket peer may and may not do, case by case, after the groups of the Autobahn test suite (1 to 7, 9, 10),
//! in every cut; compression (12, 13) is in `http_ws_deflate`.

use anthill_http::websocket::{
    CloseCode, CloseFrame, CodecError, ControlPayload, Incoming, Message, MessageDecoder, MessageEncoder,
    MessageLimits, Role,
};
use anthill_tests::websocket::{Frame, bytes_of, decode, decode_in_every_cut};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const END: u8 = 0x80;

fn server() -> MessageDecoder {
    MessageDecoder::new(Role::Server, MessageLimits::default(), None)
}

/// What a server finds in frames, in every cut.
fn found(frames: &[Frame]) -> (Vec<Incoming>, Option<CodecError>) {
    decode_in_every_cut(server, &bytes_of(frames))
}

fn text(text: &str) -> Incoming {
    Incoming::Message(Message::from(text))
}

fn binary(bytes: &[u8]) -> Incoming {
    Incoming::Message(Message::from(bytes))
}

fn carried(bytes: &[u8]) -> ControlPayload {
    bytes.try_into().expect("125 at most")
}

#[test]
fn messages_of_every_form_of_length() {
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537] {
        let bytes: Vec<u8> = (0..length).map(|place| (place * 7) as u8).collect();
        assert_eq!(found(&[Frame::new(BINARY, &bytes)]), (vec![binary(&bytes)], None), "{length}");
        let stars = "*".repeat(length);
        assert_eq!(found(&[Frame::new(TEXT, &stars)]), (vec![text(&stars)], None), "{length}");
    }
}

#[test]
fn pings_and_pongs() {
    let longest = [0xfe; 125];
    assert_eq!(found(&[Frame::new(PING, "")]), (vec![Incoming::Ping(carried(b""))], None));
    assert_eq!(
        found(&[Frame::new(PING, longest), Frame::new(PONG, "unasked"), Frame::new(TEXT, "on")]),
        (vec![Incoming::Ping(carried(&longest)), Incoming::Pong(carried(b"unasked")), text("on")], None)
    );
    let many: Vec<Frame> = (0..10_u8).map(|number| Frame::new(PING, [number])).collect();
    let expected = (0..10_u8).map(|number| Incoming::Ping(carried(&[number]))).collect();
    assert_eq!(found(&many), (expected, None));
    for first in [PING, PONG, CLOSE] {
        let frames = [Frame::new(TEXT, "before"), Frame::new(first, [0xfe; 126])];
        assert_eq!(found(&frames), (vec![text("before")], Some(CodecError::ControlLength)));
    }
}

#[test]
fn reserved_bits_and_opcodes() {
    for rsv in 1..8_u8 {
        for first in [TEXT, BINARY, PING, PONG, CLOSE] {
            let frames = [Frame::new(TEXT, "before"), Frame::new(first | rsv << 4, "x")];
            assert_eq!(
                found(&frames),
                (vec![text("before")], Some(CodecError::ReservedBit)),
                "{rsv} {first:x}"
            );
        }
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        for first in [opcode, 0x80 | opcode] {
            let frames = [Frame::new(TEXT, "before"), Frame::new(first, ""), Frame::new(PING, "")];
            assert_eq!(found(&frames), (vec![text("before")], Some(CodecError::Opcode(opcode))));
        }
    }
}

#[test]
fn fragments_with_control_frames_between() {
    for first in [1, 2] {
        let whole =
            |bytes: &[u8]| if first == 1 { text(std::str::from_utf8(bytes).unwrap()) } else { binary(bytes) };
        assert_eq!(
            found(&[
                Frame::new(first, "one "),
                Frame::new(PING, "1"),
                Frame::new(0, ""),
                Frame::new(PONG, ""),
                Frame::new(0, "two "),
                Frame::new(PING, "2"),
                Frame::new(END, "three"),
                Frame::new(END | first, "next"),
            ]),
            (
                vec![
                    Incoming::Ping(carried(b"1")),
                    Incoming::Pong(carried(b"")),
                    Incoming::Ping(carried(b"2")),
                    whole(b"one two three"),
                    whole(b"next"),
                ],
                None
            )
        );
    }
    assert_eq!(found(&[Frame::new(1, ""), Frame::new(0, ""), Frame::new(END, "")]), (vec![text("")], None));
    assert_eq!(
        found(&[Frame::new(1, "never to"), Frame::new(CLOSE, ""), Frame::new(END, "end")]),
        (vec![Incoming::Close(None)], None)
    );
}

#[test]
fn fragments_that_are_none() {
    for first in [PING & 0x7f, PONG & 0x7f, CLOSE & 0x7f] {
        assert_eq!(
            found(&[Frame::new(first, "x"), Frame::new(END, "y")]),
            (vec![], Some(CodecError::ControlFragmented))
        );
    }
    for first in [0, END] {
        assert_eq!(
            found(&[Frame::new(first, "of what?"), Frame::new(TEXT, "x")]),
            (vec![], Some(CodecError::Continuation))
        );
        let frames = [Frame::new(1, "a"), Frame::new(END, "b"), Frame::new(first, "c")];
        assert_eq!(found(&frames), (vec![text("ab")], Some(CodecError::Continuation)));
    }
    for second in [1, 2, TEXT, BINARY] {
        assert_eq!(
            found(&[Frame::new(1, "a"), Frame::new(second, "b"), Frame::new(END, "c")]),
            (vec![], Some(CodecError::Interleaved))
        );
    }
}

#[test]
fn masks_are_the_clients() {
    let masked = Frame::new(TEXT, "x");
    let unmasked = masked.clone().unmasked();
    let client = || MessageDecoder::new(Role::Client, MessageLimits::default(), None);
    assert_eq!(decode_in_every_cut(server, &unmasked.bytes()), (vec![], Some(CodecError::NotMasked)));
    assert_eq!(decode_in_every_cut(client, &masked.bytes()), (vec![], Some(CodecError::Masked)));
    assert_eq!(decode_in_every_cut(client, &unmasked.bytes()), (vec![text("x")], None));
    let zeros = Frame { key: Some([0; 4]), ..masked };
    assert_eq!(decode_in_every_cut(server, &zeros.bytes()), (vec![text("x")], None));
}

#[test]
fn lengths_have_one_form() {
    for (length, length_bytes) in [(0, 2), (125, 2), (0, 8), (125, 8), (126, 8), (65_535, 8)] {
        let frame = Frame { length_bytes: Some(length_bytes), ..Frame::new(BINARY, vec![0; length]) };
        assert_eq!(found(&[frame]), (vec![], Some(CodecError::LengthForm)), "{length} in {length_bytes}");
    }
    let mut huge = Frame::new(BINARY, "").bytes();
    huge.splice(1..2, [0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(decode_in_every_cut(server, &huge), (vec![], Some(CodecError::LengthForm)));
}

/// Sequences that are UTF-8, and that are not, as in group 6.
#[test]
fn text_is_utf8() {
    let whole = [
        "Hello-µ@ßöäüàá-UTF-8!!",
        "κόσμε",
        "\u{0}\u{80}\u{800}\u{10000}",
        "\u{7f}\u{7ff}\u{ffff}\u{10ffff}",
        "\u{d7ff}\u{e000}\u{fffd}",
        "\u{fffe}\u{1fffe}\u{10fffe}",
        "",
    ];
    for good in whole {
        assert_eq!(found(&[Frame::new(TEXT, good)]), (vec![text(good)], None), "{good:?}");
        let bytes = good.as_bytes();
        let single: Vec<Frame> = [Frame::new(1, "")]
            .into_iter()
            .chain(bytes.iter().map(|byte| Frame::new(0, [*byte])))
            .chain([Frame::new(END, "")])
            .collect();
        assert_eq!(found(&single), (vec![text(good)], None), "{good:?} byte by byte");
    }
    let bad: &[&[u8]] = &[
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64",
        b"\x80",
        b"\xbf",
        b"\x80\xbf\x80\xbf",
        b"\xc0 \xc1 \xc2 ",
        b"\xe0 \xe1 ",
        b"\xf0 \xf1 ",
        b"\xfc ",
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xce",
        b"\xe1\xbd",
        b"\xf7\xbf\xbf\xbf",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
        b"\xfe\xfe\xff\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xed\xaf\xbf",
        b"\xed\xbf\xbf",
        b"\xed\xa0\x80\xed\xb0\x80",
        b"\xf4\x90\x80\x80",
    ];
    for bytes in bad {
        assert_eq!(found(&[Frame::new(TEXT, bytes)]), (vec![], Some(CodecError::Utf8)), "{bytes:x?}");
        assert_eq!(found(&[Frame::new(BINARY, bytes)]), (vec![binary(bytes)], None), "bytes may be anything");
        for cut in 0..=bytes.len() {
            let frames = [Frame::new(1, &bytes[..cut]), Frame::new(PING, ""), Frame::new(END, &bytes[cut..])];
            let (_, error) = found(&frames);
            assert_eq!(error, Some(CodecError::Utf8), "{bytes:x?} cut at {cut}");
        }
    }
}

#[test]
fn text_fails_at_the_byte_that_shows_it() {
    // The message and even the frame are far from their ends.
    let start = Frame::new(1, "κόσμε");
    let bad = Frame::new(0, [&b"\xf4\x90"[..], &[b'x'; 1000]].concat()).bytes();
    let header = bad.len() - 1002;
    for (taken, expected) in [(header + 1, None), (header + 2, Some(CodecError::Utf8))] {
        let bytes = [start.bytes(), bad[..taken].to_vec()].concat();
        for sizes in [0, 1] {
            assert_eq!(decode(&mut server(), &bytes, &[sizes]), (vec![], expected), "{taken}");
        }
    }
}

#[test]
fn close_frames() {
    let close = |payload: &[u8]| {
        found(&[Frame::new(CLOSE, payload), Frame::new(TEXT, "ignored"), Frame::new(0x83, "")])
    };
    assert_eq!(close(b""), (vec![Incoming::Close(None)], None));
    assert_eq!(close(b"\x03"), (vec![], Some(CodecError::CloseLength)));
    let long = "x".repeat(123);
    for (code, reason) in [(1000, ""), (1001, "Hello World!"), (1002, &long), (3999, "κόσμε"), (4999, "")]
    {
        let payload = [&u16::to_be_bytes(code)[..], reason.as_bytes()].concat();
        assert_eq!(close(&payload), (vec![Incoming::Close(Some(CloseFrame::new(code, reason)))], None));
    }
    assert_eq!(close(&[&b"\x03\xe8"[..], &[b'x'; 124]].concat()), (vec![], Some(CodecError::ControlLength)));
    assert_eq!(close(b"\x03\xe8\xce\xba\xe1\xbd"), (vec![], Some(CodecError::Utf8)));
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        assert_eq!(
            close(&u16::to_be_bytes(code)),
            (vec![], Some(CodecError::CloseCode(CloseCode::from(code))))
        );
    }
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 4000]) {
        let (incoming, error) = close(&u16::to_be_bytes(code));
        assert_eq!((incoming.len(), error), (1, None), "{code}");
    }
}

#[test]
fn every_fault_has_its_code() {
    for (error, code) in [
        (CodecError::NotMasked, 1002),
        (CodecError::ReservedBit, 1002),
        (CodecError::Opcode(3), 1002),
        (CodecError::LengthForm, 1002),
        (CodecError::ControlFragmented, 1002),
        (CodecError::Interleaved, 1002),
        (CodecError::CloseCode(CloseCode::ABNORMAL), 1002),
        (CodecError::Utf8, 1007),
        (CodecError::Compression, 1007),
        (CodecError::FrameTooLarge, 1009),
        (CodecError::MessageTooLarge, 1009),
        (CodecError::Ratio, 1009),
    ] {
        let mut out = Vec::new();
        MessageEncoder::new(Role::Client, None).close(Some(&error.close_frame()), &mut out);
        let (incoming, _) = decode_in_every_cut(server, &out);
        let [Incoming::Close(Some(frame))] = &incoming[..] else { panic!("{incoming:?}") };
        assert_eq!((frame.code, &frame.reason), (CloseCode::from(code), &error.to_string()));
    }
}

/// Group 9: large messages, in fragments of many sizes, and in pieces of many sizes.
#[test]
fn large_messages() {
    let bytes: Vec<u8> = (0..1024 * 1024_u32).map(|place| (place >> 8 ^ place) as u8).collect();
    let letters: String = "0123456789abcdéf".chars().cycle().take(1024 * 1024 - 65_536).collect();
    for fragment in [64, 1000, 65_536, 1 << 20] {
        let cut = |first: u8, bytes: &[u8]| {
            let pieces: Vec<&[u8]> = bytes.chunks(fragment).collect();
            let last = pieces.len() - 1;
            let mut all = Vec::new();
            for (number, piece) in pieces.iter().enumerate() {
                let opcode = if number == 0 { first } else { 0 };
                all.extend(Frame::new(opcode | if number == last { END } else { 0 }, piece).bytes());
            }
            all
        };
        for sizes in [&[0][..], &[4096], &[64], &[1, 100_000]] {
            let found = decode(&mut server(), &cut(2, &bytes), sizes);
            assert!(found == (vec![binary(&bytes)], None), "{fragment} {sizes:?}");
            let found = decode(&mut server(), &cut(1, letters.as_bytes()), sizes);
            assert!(found == (vec![text(&letters)], None), "{fragment} {sizes:?}");
        }
    }
}

#[test]
fn limits_are_met_to_the_byte() {
    let limits = MessageLimits { frame: 10, message: 15, ..MessageLimits::default() };
    let found = |frames: &[Frame]| {
        decode_in_every_cut(|| MessageDecoder::new(Role::Server, limits, None), &bytes_of(frames))
    };
    let ten = [7; 10];
    assert_eq!(found(&[Frame::new(BINARY, ten)]), (vec![binary(&ten)], None));
    let fits = [Frame::new(2, ten), Frame::new(END, [7; 5])];
    assert_eq!(found(&fits), (vec![binary(&[7; 15])], None));
    let too_long = [Frame::new(2, ten), Frame::new(END, [7; 6])];
    assert_eq!(found(&too_long), (vec![], Some(CodecError::MessageTooLarge)));
    assert_eq!(found(&[Frame::new(BINARY, [7; 11])]), (vec![], Some(CodecError::FrameTooLarge)));
    assert_eq!(found(&[Frame::new(PING, [7; 125])]), (vec![Incoming::Ping(carried(&[7; 125]))], None));

    // By the header alone, before a byte of it has come.
    let announced = &Frame::new(BINARY, [7; 11]).bytes()[..6];
    assert_eq!(
        decode(&mut MessageDecoder::new(Role::Server, limits, None), announced, &[0]).1,
        Some(CodecError::FrameTooLarge)
    );
    let endless: Vec<u8> = [&Frame::new(2, ten).bytes()[..], &Frame::new(0, [7; 6]).bytes()[..6]].concat();
    assert_eq!(
        decode(&mut MessageDecoder::new(Role::Server, limits, None), &endless, &[0]).1,
        Some(CodecError::MessageTooLarge)
    );
}
