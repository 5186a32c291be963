//! The WebSocket codec: what it holds in memory, what it writes, and that both ends understand each other.

use anthill_http::websocket::{
    CloseFrame, CodecError, ControlTooLong, DeflateOptions, Incoming, Message, MessageDecoder,
    MessageEncoder, MessageKind, MessageLimits, Role, SharedMessage,
};
use anthill_tests::websocket::{Frame, agreed, bytes_of, decode};
use proptest::prelude::*;
use std::sync::Arc;

fn server() -> MessageDecoder {
    MessageDecoder::new(Role::Server, MessageLimits::default(), None)
}

#[test]
fn between_messages_nothing_is_held() {
    let mut decoder = server();
    assert!(decoder.is_idle() && decoder.held_bytes() == 0);
    for first in [0x81, 0x82, 0x89] {
        let bytes = Frame::new(first, [b'x'; 100]).bytes();
        let (start, end) = bytes.split_at(bytes.len() - 1);
        for byte in start {
            decode(&mut decoder, &[*byte], &[0]);
            assert!(!decoder.is_idle());
        }
        assert_eq!(decode(&mut decoder, end, &[0]).0.len(), 1);
        assert!(decoder.is_idle() && !decoder.is_mid_message() && decoder.held_bytes() == 0);
    }
    decode(&mut decoder, &Frame::new(1, "").bytes(), &[0]);
    assert!(decoder.is_mid_message() && !decoder.is_idle(), "a message may begin without a byte");
}

/// What a peer announces costs nothing, and what it sends in the smallest pieces costs what it has sent.
#[test]
fn memory_is_bounded_by_what_has_come() {
    let mut decoder = server();
    let announced = Frame::new(2, vec![0; 4 * 1024 * 1024]).bytes();
    decode(&mut decoder, &announced[..14 + 10], &[0]);
    assert!(decoder.held_bytes() <= 32, "{}", decoder.held_bytes());

    let mut decoder = server();
    let tiny = [bytes_of(&[Frame::new(1, "x")]), Frame::new(0, "x").bytes().repeat(100_000)].concat();
    decode(&mut decoder, &tiny, &[0]);
    assert!((100_000..=2 * 100_001).contains(&decoder.held_bytes()), "{}", decoder.held_bytes());
    let empty = Frame::new(0, "").bytes().repeat(100_000);
    let before = decoder.held_bytes();
    assert_eq!(decode(&mut decoder, &empty, &[0]), (vec![], None));
    assert_eq!(decoder.held_bytes(), before);

    // Never more than the limit, although memory grows by doubling.
    let limits = MessageLimits { message: 70_000, ..MessageLimits::default() };
    for first in [1, 2] {
        let mut decoder = MessageDecoder::new(Role::Server, limits, None);
        decode(&mut decoder, &Frame::new(first, vec![b'x'; 69_999]).bytes(), &[1000]);
        assert!((69_999..=70_000).contains(&decoder.held_bytes()), "{}", decoder.held_bytes());
    }
}

#[test]
fn behind_a_fault_nothing_is_held() {
    let mut decoder = server();
    decode(&mut decoder, &Frame::new(2, vec![0; 10_000]).bytes(), &[0]);
    assert!(decoder.held_bytes() >= 10_000);
    assert_eq!(decode(&mut decoder, &Frame::new(0x83, "").bytes(), &[0]).1, Some(CodecError::Opcode(3)));
    assert_eq!(decoder.held_bytes(), 0);

    let mut decoder = server();
    let frames = [Frame::new(2, vec![0; 10_000]), Frame::new(0x88, "")];
    assert_eq!(decode(&mut decoder, &bytes_of(&frames), &[0]), (vec![Incoming::Close(None)], None));
    assert_eq!((decoder.held_bytes(), decoder.is_idle()), (0, true));
}

#[test]
fn memory_can_be_used_again() {
    let mut decoder = server();
    let bytes = Frame::new(0x81, [b'x'; 1000]).bytes();
    let (found, _) = decode(&mut decoder, &bytes, &[0]);
    let Some(Incoming::Message(message)) = found.into_iter().next() else { panic!("no message") };
    let place = message.as_bytes().as_ptr();
    decoder.recycle(message);
    assert!(decoder.held_bytes() >= 1000 && decoder.is_idle());
    let (found, _) = decode(&mut decoder, &Frame::new(0x82, [0xff; 999]).bytes(), &[0]);
    let Some(Incoming::Message(message)) = found.into_iter().next() else { panic!("no message") };
    assert_eq!((message.as_bytes().as_ptr(), message.len()), (place, 999));
    decoder.recycle(message);
    decoder.release();
    assert_eq!(decoder.held_bytes(), 0);
}

#[test]
fn what_is_sent_is_in_its_shortest_form() {
    let mut encoder = MessageEncoder::new(Role::Server, None);
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let payload = vec![b'x'; length];
        for (kind, first) in [(MessageKind::Text, 0x81), (MessageKind::Binary, 0x82)] {
            let mut out = b"before".to_vec();
            encoder.message(kind, &payload, &mut out);
            let expected = Frame::new(first, &payload).unmasked().bytes();
            assert!(out == [&b"before"[..], &expected].concat(), "{length}");
            assert!(
                encoder
                    .shared(&SharedMessage::new(kind, &payload))
                    .is_some_and(|shared| *shared == *expected)
            );
        }
    }
    let mut out = Vec::new();
    encoder.ping(b"?", &mut out).expect("short");
    encoder.pong(&[7; 125], &mut out).expect("short");
    encoder.close(None, &mut out);
    encoder.close(Some(&CloseFrame::new(1001, "bye")), &mut out);
    encoder.close(Some(&CloseFrame::new(1006, "never sent")), &mut out);
    let expected = [
        Frame::new(0x89, "?"),
        Frame::new(0x8a, [7; 125]),
        Frame::new(0x88, ""),
        Frame::new(0x88, b"\x03\xe9bye"),
        Frame::new(0x88, ""),
    ];
    let expected = expected.map(Frame::unmasked);
    assert_eq!(out, bytes_of(&expected));
    assert_eq!(encoder.ping(&[0; 126], &mut out), Err(ControlTooLong));
    assert_eq!(encoder.pong(&[0; 126], &mut out), Err(ControlTooLong));
    assert_eq!(out, bytes_of(&expected), "nothing was written");
}

#[test]
fn a_client_masks_each_frame_anew() {
    let mut encoder = MessageEncoder::new(Role::Client, None);
    let mut keys = std::collections::HashSet::new();
    let mut all = Vec::new();
    for _ in 0..1000 {
        let mut out = Vec::new();
        encoder.message(MessageKind::Binary, &[0; 8], &mut out);
        let key = out[2..6].to_vec();
        assert_eq!(out[6..], [&key[..], &key].concat());
        keys.insert(key);
        all.extend(out);
    }
    // Of 2^32 keys two are the same in 1,000 once in 8,600 times; five of them never.
    assert!(keys.len() > 995, "{}", keys.len());
    let (found, error) = decode(&mut server(), &all, &[0]);
    assert_eq!((found.len(), error), (1000, None));
    assert_eq!(encoder.shared(&SharedMessage::new(MessageKind::Text, b"x")), None);
}

#[test]
fn one_encoding_serves_all() {
    let text = "the same again and again, ".repeat(100);
    let message = SharedMessage::new(MessageKind::Text, text.as_bytes());
    let plain = MessageEncoder::new(Role::Server, None);
    let params = agreed(DeflateOptions::default(), "permessage-deflate");
    let small = agreed(DeflateOptions::default(), "permessage-deflate; server_max_window_bits=10");
    let context = agreed(
        DeflateOptions { server_context_takeover: true, ..DeflateOptions::default() },
        "permessage-deflate",
    );
    let of = |params| MessageEncoder::new(Role::Server, Some(params)).shared(&message).expect("a server");
    let bytes = plain.shared(&message).expect("a server");
    assert!(Arc::ptr_eq(&bytes, &plain.shared(&message.clone()).expect("a server")));
    assert!(Arc::ptr_eq(&of(&params), &of(&params)));
    assert!(of(&params).len() < text.len() / 10);
    assert!(Arc::ptr_eq(&of(&small), &bytes), "it refers further back than this one may see");
    assert!(Arc::ptr_eq(&of(&context), &bytes), "its receiver would know more than its encoder");
    for (bytes, params) in [(bytes, None), (of(&params), Some(&params))] {
        let mut decoder = MessageDecoder::new(Role::Client, MessageLimits::default(), params);
        let found = decode(&mut decoder, &bytes, &[0]);
        assert_eq!(found, (vec![Incoming::Message(Message::from(&*text))], None));
    }
}

proptest! {
    #[test]
    fn both_ends_understand_each_other(
        messages in proptest::collection::vec(
            prop_oneof![
                "\\PC{0,80}".prop_map(Message::Text),
                proptest::collection::vec(any::<u8>(), 0..300).prop_map(Message::Binary),
                ("[a-c]{1,3}", 0..3000_usize).prop_map(|(text, times)| Message::Text(text.repeat(times))),
            ],
            0..6,
        ),
        sizes in proptest::collection::vec(1..400_usize, 1..4),
        is_server: bool,
        server_context_takeover: bool,
        client_context_takeover: bool,
        offer in prop_oneof![
            Just(None),
            Just(Some("permessage-deflate".to_owned())),
            (8..16_u8).prop_map(|bits| Some(format!("permessage-deflate; server_max_window_bits={bits}"))),
        ],
        min_size in 0..200_usize,
    ) {
        let options = DeflateOptions { server_context_takeover, client_context_takeover, min_size };
        let params = offer.map(|offer| agreed(options, &offer));
        let (ours, peers) = if is_server { (Role::Server, Role::Client) } else { (Role::Client, Role::Server) };
        let mut encoder = MessageEncoder::new(ours, params.as_ref());
        let mut decoder = MessageDecoder::new(peers, MessageLimits::default(), params.as_ref());
        let mut out = Vec::new();
        let mut expected = Vec::new();
        for message in &messages {
            encoder.message(message.kind(), message.as_bytes(), &mut out);
            expected.push(Incoming::Message(message.clone()));
            if let Some(bytes) = encoder.shared(&SharedMessage::from(message)) {
                out.extend_from_slice(&bytes);
                expected.push(Incoming::Message(message.clone()));
            }
        }
        let keeps = if is_server { server_context_takeover } else { client_context_takeover };
        prop_assert_eq!(decode(&mut decoder, &out, &sizes), (expected, None));
        prop_assert!(decoder.is_idle());
        prop_assert!(keeps || !decoder.holds_coder() && decoder.held_bytes() == 0);
    }
}
