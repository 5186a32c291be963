//! What a peer has sent, read frame by frame from the whole of it.
//!
//! The idea: this is who the library's decoder is compared with. It knows the whole input and is in no hurry. The rule:
//! where two things are wrong with one message, either code will do, because the RFC does not say which is looked for
//! first.

use super::inflate::inflate;
use std::mem;

use anthill_http::websocket::{CloseFrame, Incoming, Message};

/// What is expected.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Frames must be masked.
    pub are_masked: bool,
    /// Compression was agreed on.
    pub may_be_packed: bool,
    /// A packed message may refer to those before it; otherwise each stands by itself.
    pub refers_back: bool,
    /// Bytes of a data frame.
    pub frame_max: u64,
    /// Bytes of a message.
    pub message_max: usize,
}

/// What was found, and the codes that may tell what was wrong: none if nothing was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What is complete.
    pub incoming: Vec<Incoming>,
    /// Codes of the fault.
    pub codes: Vec<u16>,
    /// Of a packed message that may refer to others more has come than is judged here: it is not complete.
    pub is_beyond: bool,
}

/// Reads all of `input`. Packed messages are judged when they are complete, so the input must be smaller than what a
/// decoder gathers (32 KiB).
pub fn read(rules: Rules, input: &[u8]) -> Reading {
    let mut reader =
        Reader { rules, found: Reading::default(), message: None, packed: Vec::new(), unpacked: 0 };
    let mut rest = input;
    while let Some(after) = reader.frame(rest) {
        rest = after;
    }
    let is_under_way = reader.message.is_some_and(|begun| begun.is_packed);
    reader.found.is_beyond |= rules.refers_back && is_under_way;
    reader.found
}

struct Reader {
    rules: Rules,
    found: Reading,
    message: Option<Begun>,
    /// What messages may refer to, as it was sent, and how many bytes that has become.
    packed: Vec<u8>,
    unpacked: usize,
}

struct Begun {
    is_text: bool,
    is_packed: bool,
    bytes: Vec<u8>,
    announced: u64,
}

impl Reader {
    /// Reads a frame, and returns what follows. `None`: there is no more, or something is wrong.
    fn frame<'a>(&mut self, input: &'a [u8]) -> Option<&'a [u8]> {
        let first = *input.first()?;
        let (is_final, rsv, opcode) = (first & 0x80 != 0, first >> 4 & 7, first & 15);
        let is_control = opcode >= 8;
        if !matches!(opcode, 0..=2 | 8..=10) || is_control && !is_final {
            return self.fault(1002);
        }
        let packs = rsv == 4 && self.rules.may_be_packed && matches!(opcode, 1 | 2);
        if rsv != 0 && !packs {
            return self.fault(1002);
        }
        let second = *input.get(1)?;
        if (second & 0x80 != 0) != self.rules.are_masked || is_control && second & 0x7f > 125 {
            return self.fault(1002);
        }
        let (length, header) = self.length(input, second & 0x7f)?;
        let (key, header) = match self.rules.are_masked {
            false => ([0; 4], header),
            true => (<[u8; 4]>::try_from(input.get(header..header + 4)?).expect("four"), header + 4),
        };
        if !is_control {
            self.data_frame(opcode, packs, length)?;
        }
        let all = &input[header..];
        let is_complete = all.len() as u64 >= length;
        let here = if is_complete { length as usize } else { all.len() };
        let payload: Vec<u8> =
            all[..here].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        if is_control {
            return if is_complete { self.control(opcode, payload).map(|()| &all[here..]) } else { None };
        }
        self.payload(&payload, is_complete && is_final)?;
        is_complete.then_some(&all[here..])
    }

    /// The length, and where it ends.
    fn length(&mut self, input: &[u8], short: u8) -> Option<(u64, usize)> {
        let bytes = match short {
            126 => 2,
            127 => 8,
            short => return Some((short.into(), 2)),
        };
        if bytes == 8 && input.get(2).is_some_and(|byte| byte & 0x80 != 0) {
            return self.fault(1002);
        }
        let digits = input.get(2..2 + bytes)?;
        let length = digits.iter().fold(0, |length: u64, &byte| length << 8 | u64::from(byte));
        let least = if bytes == 2 { 126 } else { 65536 };
        if length < least { self.fault(1002) } else { Some((length, 2 + bytes)) }
    }

    /// A data frame begins.
    fn data_frame(&mut self, opcode: u8, is_packed: bool, length: u64) -> Option<()> {
        if length > self.rules.frame_max {
            // It may stand where it must not as well.
            if (opcode == 0) != self.message.is_some() {
                self.found.codes.push(1002);
            }
            return self.fault(1009);
        }
        if (opcode == 0) != self.message.is_some() {
            return self.fault(1002);
        }
        let is_text = opcode == 1;
        let begun = self.message.get_or_insert(Begun { is_text, is_packed, bytes: Vec::new(), announced: 0 });
        begun.announced += length;
        let most = self.rules.message_max as u64;
        let most = if begun.is_packed { 2 * most + 1024 } else { most };
        if begun.announced > most { self.fault(1009) } else { Some(()) }
    }

    /// Bytes of a message.
    fn payload(&mut self, bytes: &[u8], ends: bool) -> Option<()> {
        let begun = self.message.as_mut().expect("it has begun");
        begun.bytes.extend(bytes);
        if !begun.is_packed && begun.is_text && !is_start_of_text(&begun.bytes) {
            return self.fault(1007);
        }
        if !ends {
            return Some(());
        }
        let Begun { is_text, is_packed, bytes, .. } = self.message.take().expect("it has begun");
        let bytes = if is_packed { self.unpack(bytes, is_text)? } else { bytes };
        let message = match is_text {
            false => Message::Binary(bytes),
            true => match String::from_utf8(bytes) {
                Ok(text) => Message::Text(text),
                Err(_) => return self.fault(1007),
            },
        };
        self.found.incoming.push(Incoming::Message(message));
        Some(())
    }

    fn unpack(&mut self, packed: Vec<u8>, is_text: bool) -> Option<Vec<u8>> {
        if packed.is_empty() {
            return Some(packed);
        }
        let mut packed = [&mem::take(&mut self.packed)[..], &packed].concat();
        // Behind a stream that has ended nothing has to follow.
        let mut found = inflate(&packed);
        if found.end != Some(packed.len()) {
            packed.extend([0, 0, 0xff, 0xff]);
            found = inflate(&packed);
        }
        found.bytes.drain(..self.unpacked.min(found.bytes.len()));
        if self.rules.refers_back {
            self.unpacked += found.bytes.len();
            self.packed = packed;
        }
        let is_too_large = found.bytes.len() > self.rules.message_max;
        let is_no_text = is_text && !is_start_of_text(&found.bytes);
        if is_too_large {
            self.found.codes.push(1009);
        }
        if is_no_text || !found.is_whole {
            self.found.codes.push(1007);
        }
        self.found.codes.is_empty().then_some(found.bytes)
    }

    fn control(&mut self, opcode: u8, payload: Vec<u8>) -> Option<()> {
        let carried = payload[..].try_into().expect("125 at most");
        match opcode {
            9 => self.found.incoming.push(Incoming::Ping(carried)),
            10 => self.found.incoming.push(Incoming::Pong(carried)),
            _ => return self.close(&payload),
        }
        Some(())
    }

    fn close(&mut self, payload: &[u8]) -> Option<()> {
        let frame = match payload {
            [] => None,
            [_] => return self.fault(1002),
            [high, low, reason @ ..] => {
                let code = u16::from(*high) << 8 | u16::from(*low);
                let is_good = (1000..1015).contains(&code) && !(1004..1007).contains(&code);
                if !is_good && !(3000..5000).contains(&code) {
                    return self.fault(1002);
                }
                let Ok(reason) = std::str::from_utf8(reason) else { return self.fault(1007) };
                Some(CloseFrame::new(code, reason))
            }
        };
        self.found.incoming.push(Incoming::Close(frame));
        None
    }

    fn fault<T>(&mut self, code: u16) -> Option<T> {
        self.found.codes.push(code);
        None
    }
}

/// Whether `bytes` is UTF-8, or can become it.
fn is_start_of_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).err().is_none_or(|error| error.error_len().is_none())
}
