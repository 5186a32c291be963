//! Compressed messages that cost far more than they are: others get their turn between two pieces of them, and what
//! becomes nothing is refused.

use std::io::Write;
use std::net::TcpStream;

use anthill_http::RequestCtx;
use anthill_http::websocket::{
    CodecError, DeflateOptions, Incoming, Message, MessageDecoder, MessageLimits, Role, WebSocketHandler,
    WebSocketOptions, WebSocketResult, WebSocketSender,
};
use anthill_tests::server::{Running, plain};
use anthill_tests::sockets::SocketClient;
use anthill_tests::websocket::{Frame, agreed, decode, decode_in_every_cut};

const PACKED: u8 = 0xc2;
const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
const FLUSH: [u8; 5] = [0, 0, 0, 0xff, 0xff];

/// So many bytes of blocks with nothing in them, of the kind that takes longest: ten bits each, with codes of its own.
fn nothing(length: usize) -> Vec<u8> {
    // From the lowest bit on: not the last one; fixed codes; the end of the block, which has seven bits.
    let block = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let bits: Vec<u8> = block.iter().copied().cycle().take(length.next_multiple_of(5) * 8).collect();
    bits.chunks(8).map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

fn decoder() -> MessageDecoder {
    let options = DeflateOptions { min_size: 0, ..DeflateOptions::default() };
    let params = agreed(options, "permessage-deflate");
    MessageDecoder::new(Role::Server, MessageLimits::default(), Some(&params))
}

#[test]
fn what_becomes_nothing_is_refused() {
    let refused = (vec![], Some(CodecError::Barren));
    assert_eq!(decode(&mut decoder(), &Frame::new(PACKED, nothing(66_000)).bytes(), &[0]), refused);
    let flushes = FLUSH.repeat(14_000);
    assert_eq!(decode_in_every_cut(decoder, &Frame::new(PACKED, &flushes).bytes()), refused);
    assert_eq!(CodecError::Barren.close_code().as_u16(), 1009);
    // In fragments, the last of which is empty.
    let mut fragments = Frame::new(0x42, &flushes[..33_000]).bytes();
    fragments.extend(Frame::new(0x00, &flushes[..33_000]).bytes());
    fragments.extend(Frame::new(0x80, []).bytes());
    assert_eq!(decode_in_every_cut(decoder, &fragments), refused);
}

#[test]
fn what_becomes_little_is_a_message_in_every_cut() {
    let becomes = |text: &[u8]| (vec![Incoming::Message(Message::from(text.to_vec()))], None);
    // A sender that flushes behind each byte, and one that begins with nothing.
    let flushed: Vec<u8> =
        b"anthill".iter().flat_map(|byte| [&[0, 1, 0, 0xfe, 0xff, *byte], &FLUSH[..]].concat()).collect();
    let flushed = [&flushed[..], &[0]].concat();
    assert_eq!(decode_in_every_cut(decoder, &Frame::new(PACKED, &flushed).bytes()), becomes(b"anthill"));
    for flushes in [0, 90, 101, 102, 103, 204, 205, 6_553, 6_554, 8_000] {
        let late = [&FLUSH.repeat(flushes)[..], &[0, 1, 0, 0xfe, 0xff, b'!', 0]].concat();
        let whole = Frame::new(PACKED, &late).bytes();
        assert_eq!(decode_in_every_cut(decoder, &whole), becomes(b"!"), "{flushes}");
        // Behind an empty frame, and with something said between.
        let mut fragments = Frame::new(0x42, &late).bytes();
        fragments.extend(Frame::new(0x8a, b"pong").bytes());
        fragments.extend(Frame::new(0x80, []).bytes());
        fragments.extend(Frame::new(0x8a, b"pong").bytes());
        let (found, fault) = decode_in_every_cut(decoder, &fragments);
        assert!(
            matches!(&found[..], [Incoming::Pong(_), Incoming::Message(message), Incoming::Pong(_)]
            if message.as_bytes() == b"!"),
            "{flushes}: {found:?} {fault:?}"
        );
    }
}

struct Counts;

impl WebSocketHandler for Counts {
    fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
        Ok(socket.send(message.len().to_string())?)
    }
}

#[test]
fn whoever_sends_nothing_at_great_cost_is_closed_and_others_are_served() {
    let options =
        WebSocketOptions::builder().compression(DeflateOptions::default()).build().expect("options");
    let running = Running::with(plain().shards(1), move |ctx: &mut RequestCtx| match ctx.path() {
        "/told" => {
            ctx.upgrade_websocket_handler(&options, Counts);
        }
        "/loop" => {
            ctx.upgrade_websocket(&options, |mut socket| {
                while let Some(message) = socket.read()? {
                    socket.send(message.len().to_string())?;
                }
                Ok(())
            });
        }
        _ => ctx.set_body("served"),
    });
    let open = |way| {
        let stream = TcpStream::connect(running.address()).expect("the server accepts");
        SocketClient::over(stream, way, OFFER)
    };
    let ways = ["/told", "/loop"];
    let mut costly: Vec<_> = ways.iter().flat_map(|way| [open(way), open(way)]).collect();
    // The first is a message by itself, of many pieces.
    let allowed = Frame::new(PACKED, [&nothing(4_000)[..], &[0]].concat()).bytes();
    let refused = Frame::new(PACKED, FLUSH.repeat(14_000)).bytes();
    for client in &mut costly {
        client.send_raw(&allowed);
    }
    let mut others = running.client();
    for client in &mut costly {
        assert_eq!(others.get("/").text(), "served");
        assert_eq!(client.hear(), "0");
        client.stream().write_all(&refused).expect("the server reads");
    }
    for client in &mut costly {
        assert_eq!(others.get("/").text(), "served");
        assert_eq!(client.close_code(), 1009);
    }
}
