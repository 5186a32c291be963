//! From bytes to messages.
//!
//! The idea: a loop over *header* and *payload*. A header is read in place when all of it is there; otherwise its bytes
//! are kept, 14 at most. A payload is unmasked where it lies and then goes to where it belongs, piece by piece as it
//! comes: a control frame's to its 125 bytes, a message's to the message, through the decoder of compressed data if it
//! is packed.
//!
//! The rule: when a call returns, everything it says it has used is of no use to anybody any more.

use super::close::CloseFrame;
use super::control::ControlPayload;
use super::deflate::{DeflateParams, Unpacker};
use super::error::CodecError;
use super::frame::{FrameHeader, HEADER_BYTES_MAX, HeaderRules, Opcode, Role};
use super::limits::MessageLimits;
use super::mask;
use super::message::Message;
use super::room::growth;
use super::text::TextBuilder;
use std::mem;

/// What a peer has sent, as far as somebody has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message, whole.
    Message(Message),
    /// A ping: what it carries is to be sent back in a pong.
    Ping(ControlPayload),
    /// A pong, asked for or not.
    Pong(ControlPayload),
    /// A close frame. `None`: without a code. What follows is ignored.
    Close(Option<CloseFrame>),
}

/// Makes messages of bytes, however they are cut.
///
/// Between two messages it holds no memory of its own, unless a peer's messages may refer to earlier ones
/// ([`DeflateOptions::client_context_takeover`](super::DeflateOptions::client_context_takeover)).
///
/// ```
/// use anthill_http::websocket::{Incoming, Message, MessageDecoder, MessageLimits, Role};
///
/// // "Hello" in two fragments with a ping between, as a client would send it without a mask.
/// let mut bytes = *b"\x01\x03Hel\x89\x01?\x80\x02lo";
/// let mut decoder = MessageDecoder::new(Role::Client, MessageLimits::default(), None);
/// let mut found = Vec::new();
/// let mut rest = &mut bytes[..];
/// loop {
///     let (used, incoming) = decoder.decode(rest)?;
///     rest = &mut rest[used..];
///     match incoming {
///         Some(incoming) => found.push(incoming),
///         None => break,
///     }
/// }
/// assert!(matches!(&found[..], [Incoming::Ping(ping), Incoming::Message(hello)]
///     if **ping == *b"?" && *hello == Message::from("Hello")));
/// # Ok::<(), anthill_http::websocket::CodecError>(())
/// ```
#[derive(Debug)]
pub struct MessageDecoder {
    rules: HeaderRules,
    limits: MessageLimits,
    stage: DecoderStage,
    /// The message under way.
    message: Option<PartialMessage>,
    unpacker: Option<Unpacker>,
    /// The payload of the control frame under way.
    control: ControlPayload,
    /// Memory for the next message.
    spare: Vec<u8>,
    /// Whether anything was unpacked since that was asked last.
    has_unpacked: bool,
}

#[derive(Debug)]
enum DecoderStage {
    /// In a header, or before one.
    Header { bytes: [u8; HEADER_BYTES_MAX], length: usize },
    /// In a payload.
    Payload { opcode: Opcode, is_final: bool, key: Option<[u8; 4]>, missing: u64 },
    /// Behind one, of which something may not be unpacked yet.
    Taken { opcode: Opcode, is_final: bool },
    /// Behind a close frame.
    Closed,
    /// Behind a fault.
    Failed(CodecError),
}

impl DecoderStage {
    const START: Self = Self::Header { bytes: [0; HEADER_BYTES_MAX], length: 0 };
}

#[derive(Debug)]
struct PartialMessage {
    content: PartialContent,
    is_packed: bool,
    /// Bytes that its frames have announced.
    announced: u64,
}

#[derive(Debug)]
enum PartialContent {
    Text(TextBuilder),
    Binary(Vec<u8>),
}

impl MessageDecoder {
    /// For what the peer of `role` sends. `deflate`: what was agreed on in the handshake.
    pub fn new(role: Role, limits: MessageLimits, deflate: Option<&DeflateParams>) -> Self {
        Self {
            rules: HeaderRules { role, allows_packed: deflate.is_some() },
            limits,
            stage: DecoderStage::START,
            message: None,
            unpacker: deflate.map(|params| Unpacker::new(params, role)),
            control: ControlPayload::default(),
            spare: Vec::new(),
            has_unpacked: false,
        }
    }

    /// Takes bytes, and returns how many were used and what is complete by them, if anything is. Call it again with the
    /// others until nothing is: then all of `input` was used.
    ///
    /// Nothing of `input` is needed afterwards. Its bytes are unmasked in place, so it is no longer what it was.
    ///
    /// # Errors
    /// What the peer did wrong; from then on always the same. To be answered by a close frame
    /// ([`CodecError::close_frame`]).
    pub fn decode(&mut self, input: &mut [u8]) -> Result<(usize, Option<Incoming>), CodecError> {
        let mut used = 0;
        loop {
            let (count, incoming) = self.decode_some(&mut input[used..])?;
            used += count;
            let is_all = used == input.len() && !self.is_behind();
            if incoming.is_some() || is_all {
                return Ok((used, incoming));
            }
        }
    }

    /// The same, but for as long as a small piece of packed data takes at most: `None` says only that nothing is
    /// complete yet. It is to be called again while there is input left, or the decoder [is behind](Self::is_behind).
    pub(crate) fn decode_some(&mut self, input: &mut [u8]) -> Result<(usize, Option<Incoming>), CodecError> {
        let found = self.advance(input);
        if let Err(error) = found {
            self.end(DecoderStage::Failed(error));
        }
        found
    }

    /// Whether it has taken what it has not unpacked yet.
    pub(crate) fn is_behind(&self) -> bool {
        self.unpacker.as_ref().is_some_and(Unpacker::is_behind)
    }

    /// Whether anything was unpacked since this was asked last.
    pub(crate) fn has_unpacked(&mut self) -> bool {
        mem::take(&mut self.has_unpacked)
    }

    /// Whether a message has begun and not ended.
    pub fn is_mid_message(&self) -> bool {
        self.message.is_some()
    }

    /// Whether nothing has begun: neither a message nor a frame.
    pub fn is_idle(&self) -> bool {
        let is_between_frames =
            matches!(self.stage, DecoderStage::Header { length: 0, .. } | DecoderStage::Closed);
        is_between_frames && self.message.is_none()
    }

    /// Bytes on the heap that belong to this decoder: those of the message under way, and spare ones. A coder of
    /// compressed data is not among them.
    pub fn held_bytes(&self) -> usize {
        let message = self.message.as_ref().map_or(0, |message| message.content.capacity());
        message + self.spare.capacity() + self.unpacker.as_ref().map_or(0, Unpacker::gathered_bytes)
    }

    /// Whether it holds a coder of compressed data (some 75 KB).
    pub fn holds_coder(&self) -> bool {
        self.unpacker.as_ref().is_some_and(Unpacker::holds_coder)
    }

    /// Takes the memory of a message that is no longer needed, for the next one.
    pub fn recycle(&mut self, message: Message) {
        let memory = message.into_bytes();
        if memory.capacity() > self.spare.capacity() {
            self.spare = memory;
        }
    }

    /// Gives back the memory that was [recycled](Self::recycle).
    pub fn release(&mut self) {
        self.spare = Vec::new();
    }

    fn advance(&mut self, input: &mut [u8]) -> Result<(usize, Option<Incoming>), CodecError> {
        let mut used = 0;
        let mut has_unpacked = self.catch_up()?;
        loop {
            let rest = &mut input[used..];
            match &mut self.stage {
                DecoderStage::Failed(error) => return Err(*error),
                DecoderStage::Closed => return Ok((input.len(), None)),
                DecoderStage::Taken { opcode, is_final } => {
                    let (opcode, is_final) = (*opcode, *is_final);
                    if self.is_behind() {
                        return Ok((used, None));
                    }
                    self.stage = DecoderStage::START;
                    if is_final {
                        return Ok((used, self.end_frame(opcode)?));
                    }
                }
                // That was enough for once.
                _ if has_unpacked => return Ok((used, None)),
                DecoderStage::Header { bytes, length } => {
                    let (count, header) = read_header(self.rules, bytes, length, rest)?;
                    used += count;
                    match header {
                        Some(header) => self.begin_frame(&header)?,
                        None => return Ok((used, None)),
                    }
                }
                DecoderStage::Payload { opcode, is_final, key, missing } => {
                    let room = match (&self.unpacker, opcode.is_control()) {
                        (Some(unpacker), false) => unpacker.room().min(rest.len()),
                        _ => rest.len(),
                    };
                    let count = usize::try_from(*missing).map_or(room, |missing| missing.min(room));
                    let piece = &mut rest[..count];
                    *key = key.map(|key| mask::apply(key, piece));
                    *missing -= count as u64;
                    used += count;
                    let (opcode, is_final, is_complete) = (*opcode, *is_final, *missing == 0);
                    has_unpacked = self.take_payload(opcode, piece, is_final && is_complete)?;
                    if !is_complete {
                        return Ok((used, None));
                    }
                    self.stage = DecoderStage::Taken { opcode, is_final };
                }
            }
        }
    }

    /// Judges a header by what came before it.
    fn begin_frame(&mut self, header: &FrameHeader) -> Result<(), CodecError> {
        if header.length > self.limits.frame && !header.opcode.is_control() {
            return Err(CodecError::FrameTooLarge);
        }
        match (header.opcode, self.message.is_some()) {
            (Opcode::Continuation, false) => return Err(CodecError::Continuation),
            (Opcode::Text | Opcode::Binary, true) => return Err(CodecError::Interleaved),
            (Opcode::Text, false) => {
                let content = PartialContent::text(mem::take(&mut self.spare));
                self.begin_message(content, header.is_packed);
            }
            (Opcode::Binary, false) => {
                let content = PartialContent::binary(mem::take(&mut self.spare));
                self.begin_message(content, header.is_packed);
            }
            (Opcode::Continuation, true) => {}
            (Opcode::Ping | Opcode::Pong | Opcode::Close, _) => self.control.clear(),
        }
        if let (false, Some(message)) = (header.opcode.is_control(), &mut self.message) {
            message.announced = message.announced.saturating_add(header.length);
            if message.announced > message.announced_most(&self.limits) {
                return Err(CodecError::MessageTooLarge);
            }
        }
        self.stage = DecoderStage::Payload {
            opcode: header.opcode,
            is_final: header.is_final,
            key: header.key,
            missing: header.length,
        };
        Ok(())
    }

    fn begin_message(&mut self, content: PartialContent, is_packed: bool) {
        self.message = Some(PartialMessage { content, is_packed, announced: 0 });
        if let (true, Some(unpacker)) = (is_packed, &mut self.unpacker) {
            unpacker.begin(&self.limits);
        }
    }

    /// Takes a piece of a payload. `ends`: it is the last one of a control frame or of a message. True: something was
    /// unpacked.
    fn take_payload(&mut self, opcode: Opcode, piece: &[u8], ends: bool) -> Result<bool, CodecError> {
        if opcode.is_control() {
            self.control.push(piece);
            return Ok(false);
        }
        let Some(PartialMessage { content, is_packed, .. }) = &mut self.message else { return Ok(false) };
        let most = self.limits.message;
        match &mut self.unpacker {
            Some(unpacker) if *is_packed => {
                let has_unpacked =
                    unpacker.push(piece, ends, &mut |unpacked| content.push(unpacked, most))?;
                self.has_unpacked |= has_unpacked;
                Ok(has_unpacked)
            }
            _ => content.push(piece, most).map(|()| false),
        }
    }

    /// Unpacks some of what was taken and was not. False: there is no such thing.
    fn catch_up(&mut self) -> Result<bool, CodecError> {
        let (Some(unpacker), Some(message)) = (&mut self.unpacker, &mut self.message) else {
            return Ok(false);
        };
        let most = self.limits.message;
        let has_unpacked = unpacker.catch_up(&mut |unpacked| message.content.push(unpacked, most))?;
        self.has_unpacked |= has_unpacked;
        Ok(has_unpacked)
    }

    /// What is complete with the last frame of a message, or with a control frame.
    fn end_frame(&mut self, opcode: Opcode) -> Result<Option<Incoming>, CodecError> {
        Ok(match opcode {
            Opcode::Ping => Some(Incoming::Ping(self.control)),
            Opcode::Pong => Some(Incoming::Pong(self.control)),
            Opcode::Close => {
                let frame = CloseFrame::read(&self.control)?;
                self.end(DecoderStage::Closed);
                Some(Incoming::Close(frame))
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => match self.message.take() {
                Some(message) => Some(Incoming::Message(message.content.finish()?)),
                None => None,
            },
        })
    }

    /// Nothing more is to be made of what comes.
    fn end(&mut self, stage: DecoderStage) {
        self.stage = stage;
        self.message = None;
        self.unpacker = None;
        self.release();
    }
}

/// The next header: from `input` alone, or with the bytes of it that came before.
fn read_header(
    rules: HeaderRules,
    kept: &mut [u8; HEADER_BYTES_MAX],
    length: &mut usize,
    input: &[u8],
) -> Result<(usize, Option<FrameHeader>), CodecError> {
    if *length == 0 {
        if let Some((header, count)) = rules.read(input)? {
            return Ok((count, Some(header)));
        }
    }
    for (number, byte) in input.iter().enumerate() {
        kept[*length] = *byte;
        *length += 1;
        if let Some((header, _)) = rules.read(&kept[..*length])? {
            return Ok((number + 1, Some(header)));
        }
    }
    Ok((input.len(), None))
}

impl PartialMessage {
    /// Bytes that its frames may announce. Flushes make packed data longer than what they become, and data that are so
    /// much longer are no data.
    fn announced_most(&self, limits: &MessageLimits) -> u64 {
        let most = limits.message as u64;
        if self.is_packed { most.saturating_mul(2).saturating_add(1024) } else { most }
    }
}

impl PartialContent {
    /// Text in the memory of something else.
    fn text(mut memory: Vec<u8>) -> Self {
        memory.clear();
        // Of nothing a string can be made.
        Self::Text(TextBuilder::reusing(String::from_utf8(memory).unwrap_or_default()))
    }

    fn binary(mut memory: Vec<u8>) -> Self {
        memory.clear();
        Self::Binary(memory)
    }

    /// Appends bytes. `most`: how many there may be altogether, which was looked at before.
    fn push(&mut self, bytes: &[u8], most: usize) -> Result<(), CodecError> {
        match self {
            Self::Text(text) => text.push(bytes, most).map_err(|_| CodecError::Utf8),
            Self::Binary(binary) => {
                if let Some(more) = growth(binary.len(), binary.capacity(), bytes.len(), most) {
                    binary.reserve_exact(more);
                }
                binary.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<Message, CodecError> {
        match self {
            Self::Text(text) => text.finish().map(Message::Text).map_err(|_| CodecError::Utf8),
            Self::Binary(binary) => Ok(Message::Binary(binary)),
        }
    }

    fn capacity(&self) -> usize {
        match self {
            Self::Text(text) => text.capacity(),
            Self::Binary(binary) => binary.capacity(),
        }
    }
}
