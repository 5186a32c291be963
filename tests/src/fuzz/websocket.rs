//! Frames of WebSockets, against a reader that is as plain as can be.
//!
//! The idea: what a peer sends is the input; who it is, what was agreed on, the limits and the cuts are choices. Whole,
//! byte by byte and in the chosen cuts the library must find the same, and what the plain reader finds; and hold no
//! more memory than has come.

use anthill_http::websocket::{DeflateOptions, DeflateParams, MessageDecoder, MessageLimits, Role};
use std::sync::LazyLock;

use super::plan::{Plan, shown};
use crate::websocket::plain::{self, Rules};
use crate::websocket::{agreed, decode};

/// So many bytes are read at most: fewer than a decoder gathers, so a packed message is judged when it is complete.
const INPUT_MAX: usize = 16 * 1024;

static ALONE: LazyLock<DeflateParams> = LazyLock::new(|| {
    agreed(DeflateOptions { min_size: 0, ..DeflateOptions::default() }, "permessage-deflate")
});

/// Messages may refer to those before them.
static TOGETHER: LazyLock<DeflateParams> = LazyLock::new(|| {
    let keeps = DeflateOptions { server_context_takeover: true, client_context_takeover: true, min_size: 0 };
    agreed(keeps, "permessage-deflate")
});

pub(super) fn check(data: &[u8]) {
    let (mut plan, input) = Plan::split(data);
    let input = &input[..input.len().min(INPUT_MAX)];
    let is_client = plan.is_yes();
    let may_be_packed = plan.is_yes();
    let limits = MessageLimits {
        frame: [1 << 22, 200, 20][plan.below(3)],
        message: [1 << 22, 300, 10][plan.below(3)],
        ratio: None,
    };
    let sizes: Vec<usize> = plan.bytes(9).iter().map(|&size| size.into()).collect();
    let refers_back = plan.is_yes();
    let role = if is_client { Role::Client } else { Role::Server };
    let new = || {
        MessageDecoder::new(
            role,
            limits,
            may_be_packed.then(|| if refers_back { &*TOGETHER } else { &*ALONE }),
        )
    };

    let mut decoder = new();
    let found = decode(&mut decoder, input, &[0]);
    for sizes in [&[1][..], &sizes] {
        let cut = decode(&mut new(), input, sizes);
        assert!(cut == found, "in pieces of {sizes:?}: {cut:?}, and whole: {found:?}");
    }
    assert!(decoder.held_bytes() <= 2 * input.len() + 16, "{} bytes are held", decoder.held_bytes());
    assert!(refers_back || !decoder.holds_coder(), "a coder for {} bytes", input.len());

    let rules = Rules {
        are_masked: !is_client,
        may_be_packed,
        refers_back,
        frame_max: limits.frame,
        message_max: limits.message,
    };
    let expected = plain::read(rules, input);
    let (incoming, error) = found;
    if expected.is_beyond {
        // What is unpacked as it comes may show a fault before it is complete.
        let common = incoming.len().min(expected.incoming.len());
        assert_eq!(incoming[..common], expected.incoming[..common], "{error:?}: {}", shown(input));
        return;
    }
    let code = error.map(|error| error.close_code().as_u16());
    let is_expected = code.map_or(expected.codes.is_empty(), |code| expected.codes.contains(&code));
    assert!(
        incoming == expected.incoming && is_expected,
        "{incoming:?} {error:?}, where it is {expected:?}: {}",
        shown(input)
    );
}
