//! The WebSocket codec beside `tungstenite`, and beside a reader that is as plain as can be: generated traffic, right
//! and wrong, in generated fragments and cuts.

use anthill_http::websocket::{
    CloseFrame, Incoming, Message, MessageDecoder, MessageEncoder, MessageLimits, Role,
};
use anthill_tests::websocket::plain::{self, Rules};
use anthill_tests::websocket::{Frame, bytes_of, decode};
use proptest::prelude::*;
use std::io::{self, Cursor, Read, Write};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::{Role as OtherRole, WebSocket};

const LIMITS: MessageLimits = MessageLimits { frame: 4 * 1024 * 1024, message: 4 * 1024 * 1024, ratio: None };

/// What a peer has sent, and then its end; what is written is kept.
struct Wire {
    input: Cursor<Vec<u8>>,
    written: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.input.read(out)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `tungstenite` finds in `bytes`, and whether something was wrong.
fn found_by_tungstenite(role: OtherRole, bytes: &[u8]) -> (Vec<Incoming>, bool) {
    use tungstenite::{Error, Message as Theirs};
    let wire = Wire { input: Cursor::new(bytes.to_vec()), written: Vec::new() };
    let mut socket = WebSocket::from_raw_socket(wire, role, None);
    let mut found = Vec::new();
    loop {
        found.push(match socket.read() {
            Ok(Theirs::Text(text)) => Incoming::Message(Message::from(text.as_str())),
            Ok(Theirs::Binary(bytes)) => Incoming::Message(Message::from(&bytes[..])),
            Ok(Theirs::Ping(bytes)) => Incoming::Ping(bytes[..].try_into().expect("short")),
            Ok(Theirs::Pong(bytes)) => Incoming::Pong(bytes[..].try_into().expect("short")),
            Ok(Theirs::Close(frame)) => {
                // So it answers codes that must not be sent.
                let is_fault =
                    frame.as_ref().is_some_and(|frame| frame.reason.as_str() == "Protocol violation");
                if !is_fault {
                    let frame =
                        frame.map(|frame| CloseFrame::new(u16::from(frame.code), frame.reason.as_str()));
                    found.push(Incoming::Close(frame));
                }
                return (found, is_fault);
            }
            Ok(Theirs::Frame(_)) => unreachable!("never given by a read"),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => return (found, false),
            Err(_) => return (found, true),
        });
    }
}

/// Messages in fragments with control frames between, as a client sends them.
fn traffic() -> impl Strategy<Value = Vec<Frame>> {
    let control = || {
        proptest::option::weighted(
            0.3,
            (prop_oneof![Just(0x89_u8), Just(0x8a)], proptest::collection::vec(any::<u8>(), 0..12))
                .prop_map(|(first, payload)| Frame::new(first, payload)),
        )
    };
    let text = prop_oneof![
        4 => "\\PC{0,40}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 1..6),
        1 => Just(b"\xce\xba\xed\xa0\x80".to_vec()),
        1 => Just("x".repeat(70_000).into_bytes()),
    ];
    let payload = prop_oneof![
        text.prop_map(|bytes| (1_u8, bytes)),
        proptest::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| (2_u8, bytes)),
    ];
    let cuts = proptest::collection::vec((0..60_usize, control()), 0..4);
    let message = (payload, cuts, any::<[u8; 4]>()).prop_map(|((opcode, bytes), cuts, key)| {
        let mut frames = Vec::new();
        let (mut rest, mut first) = (&bytes[..], opcode);
        for (cut, control) in cuts {
            let (piece, others) = rest.split_at(cut.min(rest.len()));
            frames.push(Frame { key: Some(key), ..Frame::new(first, piece) });
            frames.extend(control);
            (rest, first) = (others, 0);
        }
        frames.push(Frame { key: Some(key), ..Frame::new(0x80 | first, rest) });
        frames
    });
    // The other one does not know 1014.
    let close = proptest::option::weighted(
        0.3,
        (prop_oneof![900..1014_u16, 1015..1020_u16, 2990..3010_u16, 4990..5010_u16], "\\PC{0,20}").prop_map(
            |(code, reason)| Frame::new(0x88, [&code.to_be_bytes()[..], reason.as_bytes()].concat()),
        ),
    );
    (proptest::collection::vec(message, 0..5), close)
        .prop_map(|(messages, close)| messages.into_iter().flatten().chain(close).collect())
}

/// The same with something wrong, mostly.
fn broken_traffic() -> impl Strategy<Value = Vec<Frame>> {
    let fault = (any::<prop::sample::Index>(), 0..6_u8, any::<u8>());
    (traffic(), proptest::collection::vec(fault, 0..3)).prop_map(|(mut frames, faults)| {
        for (place, kind, byte) in faults {
            if frames.is_empty() {
                break;
            }
            let place = place.index(frames.len());
            let frame = &mut frames[place];
            match kind {
                0 => frame.first = byte,
                1 => frame.first ^= 0x80,
                2 => frame.key = None,
                3 => frame.payload = vec![byte; 126],
                4 => frame.payload = vec![byte],
                _ => drop(frames.remove(place)),
            }
        }
        frames
    })
}

fn compare(bytes: &[u8], sizes: &[usize]) -> Result<(), TestCaseError> {
    let mut decoder = MessageDecoder::new(Role::Server, LIMITS, None);
    let (found, error) = decode(&mut decoder, bytes, sizes);
    let (expected, is_fault) = found_by_tungstenite(OtherRole::Server, bytes);
    prop_assert_eq!(&found, &expected);
    prop_assert_eq!(error.is_some(), is_fault, "{:?}", error);

    let rules = Rules {
        are_masked: true,
        may_be_packed: false,
        refers_back: false,
        frame_max: LIMITS.frame,
        message_max: LIMITS.message,
    };
    let plain = plain::read(rules, bytes);
    prop_assert_eq!(&found, &plain.incoming);
    let code = error.map(|error| error.close_code().as_u16());
    prop_assert!(
        code.map_or(plain.codes.is_empty(), |code| plain.codes.contains(&code)),
        "{:?} {:?}",
        error,
        plain.codes
    );
    Ok(())
}

proptest! {
    #[test]
    fn traffic_is_read_as_others_read_it(frames in traffic(), sizes in proptest::collection::vec(1..200_usize, 1..5)) {
        compare(&bytes_of(&frames), &sizes)?;
    }

    #[test]
    fn faults_are_found_where_others_find_them(
        frames in broken_traffic(),
        sizes in proptest::collection::vec(1..200_usize, 1..5),
    ) {
        compare(&bytes_of(&frames), &sizes)?;
    }

    #[test]
    fn any_bytes_have_a_reading(bytes in proptest::collection::vec(any::<u8>(), 0..60), size in 1..8_usize) {
        let mut decoder = MessageDecoder::new(Role::Server, LIMITS, None);
        let found = decode(&mut decoder, &bytes, &[size]);
        prop_assert_eq!(found, decode(&mut MessageDecoder::new(Role::Server, LIMITS, None), &bytes, &[0]));
    }

    /// What we write, as either role, `tungstenite` reads; and what it writes, we read.
    #[test]
    fn each_reads_what_the_other_writes(
        messages in proptest::collection::vec(
            prop_oneof![
                "\\PC{0,60}".prop_map(Message::Text),
                proptest::collection::vec(any::<u8>(), 0..140).prop_map(Message::Binary),
                (65_530..65_540_usize).prop_map(|length| Message::Binary(vec![7; length])),
            ],
            0..5,
        ),
        is_server: bool,
        size in 1..5000_usize,
    ) {
        let (ours, theirs) =
            if is_server { (Role::Server, OtherRole::Client) } else { (Role::Client, OtherRole::Server) };
        let mut encoder = MessageEncoder::new(ours, None);
        let mut out = Vec::new();
        for message in &messages {
            encoder.message(message.kind(), message.as_bytes(), &mut out);
        }
        encoder.ping(b"ping", &mut out).expect("short");
        encoder.close(Some(&CloseFrame::new(1001, "bye")), &mut out);
        let mut expected: Vec<Incoming> = messages.iter().cloned().map(Incoming::Message).collect();
        let last = Incoming::Close(Some(CloseFrame::new(1001, "bye")));
        expected.extend([Incoming::Ping(b"ping"[..].try_into().expect("short")), last]);
        prop_assert_eq!(found_by_tungstenite(theirs, &out), (expected, false));

        let wire = Wire { input: Cursor::new(Vec::new()), written: Vec::new() };
        let mut socket = WebSocket::from_raw_socket(wire, theirs, None);
        for message in &messages {
            let message = match message {
                Message::Text(text) => tungstenite::Message::text(text.clone()),
                Message::Binary(bytes) => tungstenite::Message::binary(bytes.clone()),
            };
            socket.send(message).expect("a vector");
        }
        let expected = messages.into_iter().map(Incoming::Message).collect();
        let mut decoder = MessageDecoder::new(ours, LIMITS, None);
        prop_assert_eq!(decode(&mut decoder, &socket.get_ref().written, &[size]), (expected, None));
    }
}
