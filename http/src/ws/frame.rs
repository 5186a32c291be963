//! Headers of frames.
//!
//! ```text
//! byte 0   FIN (1) RSV1 (1) RSV2 (1) RSV3 (1) opcode (4)
//! byte 1   MASK (1) length (7); 126: 2 more bytes of it, 127: 8 more
//! then     the key, 4 bytes, if masked
//! ```
//!
//! The idea: a header is read anew from its first byte until it is all there, and each byte is judged as soon as it is
//! looked at, so that one that cannot become valid is refused before the rest of it comes.
//!
//! Source: RFC 6455 section 5.2; RSV1 means *packed* (RFC 7692 section 6).

use super::control::CONTROL_BYTES_MAX;
use super::error::CodecError;

/// On which side of a connection we are. Frames of clients are masked, those of servers are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We serve: what comes is masked.
    Server,
    /// We asked: what we send is masked.
    Client,
}

impl Role {
    /// The peer's.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// Bytes of a header at most.
pub(super) const HEADER_BYTES_MAX: usize = 14;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASK: u8 = 0x80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(number: u8) -> Result<Self, CodecError> {
        Ok(match number {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            other => return Err(CodecError::Opcode(other)),
        })
    }

    fn number(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    pub(super) is_packed: bool,
    /// Below 2^63.
    pub(super) length: u64,
    pub(super) key: Option<[u8; 4]>,
}

/// What is judged by the header alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderRules {
    /// Our own role.
    pub(super) role: Role,
    /// Compression was agreed on.
    pub(super) allows_packed: bool,
}

impl HeaderRules {
    /// The header at the start of `bytes`, and its length. `None`: it is not all there.
    pub(super) fn read(self, bytes: &[u8]) -> Result<Option<(FrameHeader, usize)>, CodecError> {
        let [first, rest @ ..] = bytes else { return Ok(None) };
        let opcode = Opcode::of(first & 0x0f)?;
        let (is_final, is_packed) = (first & FIN != 0, first & RSV1 != 0);
        let begins_message = matches!(opcode, Opcode::Text | Opcode::Binary);
        if first & RSV2_AND_3 != 0 || is_packed && !(self.allows_packed && begins_message) {
            return Err(CodecError::ReservedBit);
        }
        if opcode.is_control() && !is_final {
            return Err(CodecError::ControlFragmented);
        }

        let [second, rest @ ..] = rest else { return Ok(None) };
        let is_masked = second & MASK != 0;
        match self.role {
            Role::Server if !is_masked => return Err(CodecError::NotMasked),
            Role::Client if is_masked => return Err(CodecError::Masked),
            _ => {}
        }
        let short = second & !MASK;
        if opcode.is_control() && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(CodecError::ControlLength);
        }
        let Some((length, rest)) = read_length(short, rest)? else { return Ok(None) };
        let (key, rest) = match rest.split_first_chunk() {
            _ if !is_masked => (None, rest),
            Some((key, rest)) => (Some(*key), rest),
            None => return Ok(None),
        };
        let header = FrameHeader { opcode, is_final, is_packed, length, key };
        Ok(Some((header, bytes.len() - rest.len())))
    }
}

/// The whole length whose first seven bits are `short`, and what follows it.
fn read_length(short: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, CodecError> {
    let (length, rest, least) = match short {
        126 => match rest.split_first_chunk() {
            Some((bytes, rest)) => (u64::from(u16::from_be_bytes(*bytes)), rest, 126),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((bytes, rest)) => (u64::from_be_bytes(*bytes), rest, 1 << 16),
            // "the most significant bit MUST be 0"
            None if rest.first().is_some_and(|&byte| byte >= 0x80) => return Err(CodecError::LengthForm),
            None => return Ok(None),
        },
        short => (u64::from(short), rest, 0),
    };
    if length < least || length >> 63 != 0 {
        return Err(CodecError::LengthForm);
    }
    Ok(Some((length, rest)))
}

impl FrameHeader {
    /// A whole message, or a control frame, that is not packed.
    pub(super) fn whole(opcode: Opcode, length: usize) -> Self {
        Self { opcode, is_final: true, is_packed: false, length: length as u64, key: None }
    }

    /// Appends the header.
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        let mask = bit(self.key.is_some(), MASK);
        out.push(bit(self.is_final, FIN) | bit(self.is_packed, RSV1) | self.opcode.number());
        match self.length {
            length @ 0..=125 => out.push(mask | length as u8),
            length @ 126..=0xffff => {
                out.push(mask | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                out.push(mask | 127);
                out.extend_from_slice(&length.to_be_bytes());
            }
        }
        out.extend_from_slice(self.key.as_ref().map_or(&[], |key| &key[..]));
    }

    /// Puts the header in front of what begins at `start` of `out`.
    pub(super) fn put_in_front(&self, start: usize, out: &mut Vec<u8>) {
        let end = out.len();
        self.append_to(out);
        let length = out.len() - end;
        out[start..].rotate_right(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SERVER: HeaderRules = HeaderRules { role: Role::Server, allows_packed: false };
    const CLIENT: HeaderRules = HeaderRules { role: Role::Client, allows_packed: false };

    fn opcodes() -> impl Strategy<Value = Opcode> {
        use Opcode::{Binary, Close, Continuation, Ping, Pong, Text};
        prop_oneof![Just(Continuation), Just(Text), Just(Binary), Just(Close), Just(Ping), Just(Pong)]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_when_it_is_all_there(
            opcode in opcodes(),
            is_final: bool,
            is_packed: bool,
            length in prop_oneof![0..200_u64, 65_000..66_000_u64, 0..1_u64 << 63],
            key: Option<[u8; 4]>,
        ) {
            let is_data = !opcode.is_control();
            let header = FrameHeader {
                opcode,
                is_final: is_final || !is_data,
                is_packed: is_packed && matches!(opcode, Opcode::Text | Opcode::Binary),
                length: if is_data { length } else { length % 126 },
                key,
            };
            let role = if key.is_some() { Role::Server } else { Role::Client };
            let rules = HeaderRules { role, allows_packed: true };
            let mut bytes = Vec::new();
            header.append_to(&mut bytes);
            prop_assert!(bytes.len() <= HEADER_BYTES_MAX);
            for end in 0..bytes.len() {
                prop_assert_eq!(rules.read(&bytes[..end]), Ok(None));
            }
            let length = bytes.len();
            bytes.push(0);
            prop_assert_eq!(rules.read(&bytes), Ok(Some((header, length))));
        }

        /// Two bytes decide about everything but the form of a length, so nothing that follows changes a refusal.
        #[test]
        fn a_refusal_stays(bytes in proptest::collection::vec(any::<u8>(), 0..16), allows_packed: bool) {
            for role in [Role::Server, Role::Client] {
                let rules = HeaderRules { role, allows_packed };
                let first = (0..=bytes.len()).map(|end| rules.read(&bytes[..end])).find(|found| *found != Ok(None));
                prop_assert_eq!(first.unwrap_or(Ok(None)), rules.read(&bytes));
            }
        }
    }

    #[test]
    fn refusals_come_with_the_byte_that_shows_them() {
        for (rules, bytes, error) in [
            (SERVER, &[0x83][..], CodecError::Opcode(3)),
            (SERVER, &[0x8f], CodecError::Opcode(15)),
            (SERVER, &[0xc1], CodecError::ReservedBit),
            (SERVER, &[0xa1], CodecError::ReservedBit),
            (SERVER, &[0x91], CodecError::ReservedBit),
            (SERVER, &[0x09], CodecError::ControlFragmented),
            (SERVER, &[0x81, 0x05], CodecError::NotMasked),
            (CLIENT, &[0x81, 0x85], CodecError::Masked),
            (SERVER, &[0x88, 0xfe], CodecError::ControlLength),
            (SERVER, &[0x8a, 0xff], CodecError::ControlLength),
            (CLIENT, &[0x82, 126, 0, 125], CodecError::LengthForm),
            (CLIENT, &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], CodecError::LengthForm),
            (CLIENT, &[0x82, 127, 0x80], CodecError::LengthForm),
        ] {
            let (_, before) = bytes.split_last().expect("not empty");
            assert_eq!(rules.read(before), Ok(None), "{before:x?}");
            assert_eq!(rules.read(bytes), Err(error), "{bytes:x?}");
        }
        assert_eq!(SERVER.read(&[]), Ok(None));
    }

    #[test]
    fn only_the_start_of_a_message_is_marked_as_packed() {
        let rules = HeaderRules { allows_packed: true, ..CLIENT };
        for (first, is_allowed) in
            [(0xc1, true), (0x42, true), (0x40, false), (0xc0, false), (0xc9, false), (0xc8, false)]
        {
            assert_eq!(rules.read(&[first, 0]).is_ok(), is_allowed, "{first:x}");
        }
    }
}
