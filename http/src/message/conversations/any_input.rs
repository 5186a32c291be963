//! Whatever arrives, and however: nothing panics, and the outcome does not depend on how it is cut.

use super::*;
use proptest::prelude::*;

/// Pieces of messages that, put together at random, come close to being requests.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    const FRAGMENTS: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\n",
        b"POST /a%20b/../c?x=1 HTTP/1.1\r\n",
        b"GET http://h/x HTTP/1.0\r\n",
        b"Host: h\r\n",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Expect: 100-continue\r\n",
        b"\r\n",
        b"\n",
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"abc",
        b"A: b\r\n",
        b"\0",
        b" ",
    ];
    let fragment = prop_oneof![
        20 => proptest::sample::select(FRAGMENTS).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 1..8),
    ];
    proptest::collection::vec(fragment, 0..14).prop_map(|fragments| fragments.concat())
}

/// Requests in which up to three bytes are put in, taken out or replaced.
fn damaged_heads() -> impl Strategy<Value = Vec<u8>> {
    const HEADS: &[&str] = &[
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /a?b HTTP/1.1\r\nHost: h\r\nA:\r\nB: c \r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
        "GET http://h/x HTTP/1.2\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n",
        "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
    ];
    let byte = proptest::sample::select(&b"\r\n \t:;,/?#\0\x7f\x80\xffaA0Hg12.@["[..]);
    let damage =
        proptest::collection::vec((any::<proptest::sample::Index>(), 0..2usize, 0..2usize, byte), 0..4);
    (proptest::sample::select(HEADS), damage).prop_map(|(head, damage)| {
        let mut message = head.as_bytes().to_vec();
        for (at, taken, put, byte) in damage {
            let at = at.index(message.len());
            message.splice(at..at + taken, std::iter::repeat_n(byte, put));
        }
        message
    })
}

/// Whether a head is left to the way that takes all that are right: it has a version that there is not, a target beyond
/// ASCII, a tab, or more white space around a value than the space before it.
fn is_unusual(head: &[u8]) -> bool {
    let mut lines = head.split(|&byte| byte == b'\r');
    let line = lines.next().unwrap_or_default();
    let has_padding = |line: &[u8]| line.ends_with(b" ") || line.windows(3).any(|at| at == b":  ");
    !line.ends_with(b" HTTP/1.1") && !line.ends_with(b" HTTP/1.0")
        || !line.is_ascii()
        || head.contains(&b'\t')
        || lines.any(has_padding)
}

proptest! {
    #[test]
    fn anything_has_one_outcome(message in fragments(), size in 1..40usize) {
        let server = ServerSide::default();
        let whole = server.converse([&message[..]]);
        prop_assert_eq!(server.converse(message.chunks(size)), whole.clone());
        prop_assert_eq!(server.converse(message.chunks(1)), whole);
    }

    #[test]
    fn a_head_in_one_piece_is_judged_like_one_in_many(
        message in damaged_heads(),
        head_bytes_max in prop_oneof![Just(1024usize), 1..160usize],
        fields_max in prop_oneof![Just(16usize), 0..5usize],
    ) {
        let limits = Limits { head_bytes_max, fields_max, ..Limits::DEFAULT };
        let server = ServerSide { limits, ..ServerSide::default() };
        prop_assert_eq!(server.converse([&message[..]]), server.converse(message.chunks(1)));
        // And in itself: the one pass takes what the others take, and finds the same in it.
        // The session has taken empty lines away before.
        let first = message.iter().position(|&byte| token::is_token_byte(byte)).unwrap_or_default();
        let message = &message[first..];
        let (mut fields, mut same) = (Vec::new(), Vec::new());
        let front = request_head::parse_front(message, &mut fields, &limits);
        if let Some((length, parsed)) = front {
            prop_assert_eq!(lines::find_end(message, 0), Ok(Some(length)));
            let others = request_head::parse(&message[..length], &mut same, &limits);
            prop_assert_eq!(format!("{others:?} {same:?}"), format!("{:?} {fields:?}", Ok::<_, ProtoError>(parsed)));
        } else if let Ok(Some(length)) = lines::find_end(message, 0) {
            let others = request_head::parse(&message[..length], &mut same, &limits);
            // Of this head: what is behind it may be another request.
            prop_assert!(others.is_err() || is_unusual(&message[..length]), "only one way takes it: {others:?}");
        }
    }

    #[test]
    fn random_bytes_end_a_conversation(message in proptest::collection::vec(any::<u8>(), 0..200)) {
        let small = Limits { head_bytes_max: 64, fields_max: 2, body_bytes_max: Some(16), ..Limits::DEFAULT };
        let server = ServerSide { limits: small, ..ServerSide::default() };
        let whole = server.converse([&message[..]]);
        prop_assert_eq!(server.converse(message.chunks(1)), whole);
    }

    #[test]
    fn a_request_survives_any_move_of_its_input(before in 0..50usize, spare in 0..50usize) {
        let message = post("Content-Length: 3\r\nX: y\r\n", "abc");
        let mut input = Input::with_capacity(before + message.len() + spare);
        input.receive(&b"x".repeat(before));
        input.receive(message.as_bytes());
        input.consume(before);
        let mut request = Request::empty();
        *request.input_mut() = input;
        let progress = request.advance(&mut ServerSession::new(1), &mut Output::default(), &Limits::default());
        prop_assert_eq!(progress, Ok(Progress::Ready));
        request.input_mut().space(spare + 1);
        prop_assert_eq!((request.method(), request.path(), request.body()), ("POST", "/", &b"abc"[..]));
        prop_assert_eq!(request.header("x"), Some(&b"y"[..]));
    }
}
