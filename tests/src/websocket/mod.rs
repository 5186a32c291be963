//! WebSocket as plainly as it can be written: frames by hand, what a peer makes of them, DEFLATE bit by bit.
//!
//! The rule: nothing in here shares code with the library. The library's types stand for what was found, no more.

pub mod inflate;
pub mod plain;

use anthill_http::websocket::{
    CodecError, DeflateOptions, DeflateParams, Handshake, HandshakeKey, HandshakeRequest, Incoming,
    MessageDecoder,
};
use anthill_http::{Headers, Version};

/// The mask of frames that are made here.
pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame, with whatever bits, right or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// FIN, RSV1 to RSV3 and the opcode, as they stand in the first byte.
    pub first: u8,
    /// The mask, if there is one.
    pub key: Option<[u8; 4]>,
    /// What it carries.
    pub payload: Vec<u8>,
    /// Bytes of the length: 0, 2 or 8 behind the second byte. `None`: as few as will do.
    pub length_bytes: Option<usize>,
}

impl Frame {
    /// A frame of a client.
    pub fn new(first: u8, payload: impl AsRef<[u8]>) -> Self {
        Frame { first, key: Some(KEY), payload: payload.as_ref().to_vec(), length_bytes: None }
    }

    /// The same of a server.
    pub fn unmasked(self) -> Self {
        Frame { key: None, ..self }
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let least = match self.payload.len() {
            0..=125 => 0,
            126..=65535 => 2,
            _ => 8,
        };
        let mut bytes = vec![self.first];
        let mask = if self.key.is_some() { 0x80 } else { 0 };
        let length = self.payload.len() as u64;
        match self.length_bytes.unwrap_or(least) {
            0 => bytes.push(mask | length as u8),
            2 => {
                bytes.push(mask | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        match self.key {
            None => bytes.extend(&self.payload),
            Some(key) => {
                bytes.extend(key);
                bytes.extend(self.payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
            }
        }
        bytes
    }
}

/// The bytes of several frames.
pub fn bytes_of(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::bytes).collect()
}

/// What was found, and what was wrong in the end.
pub type Found = (Vec<Incoming>, Option<CodecError>);

/// What `decoder` finds in `bytes`, which come in pieces of these sizes, over and over; 0 is all that is left.
///
/// # Panics
/// When the decoder does not keep to its own rules.
pub fn decode(decoder: &mut MessageDecoder, bytes: &[u8], sizes: &[usize]) -> Found {
    let mut found = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = match sizes.next() {
            None | Some(0) => rest.len(),
            Some(size) => (*size).min(rest.len()),
        };
        let (piece, others) = rest.split_at(size);
        rest = others;
        let mut piece = piece.to_vec();
        let mut unused = &mut piece[..];
        loop {
            match decoder.decode(unused) {
                Ok((used, Some(incoming))) => {
                    found.push(incoming);
                    unused = &mut unused[used..];
                }
                Ok((used, None)) => {
                    assert_eq!(used, unused.len(), "it asks for more before it has used what there is");
                    break;
                }
                Err(error) => {
                    assert_eq!(decoder.decode(&mut [0x81]), Err(error), "a fault is final");
                    assert_eq!(decoder.decode(&mut []), Err(error), "a fault is final");
                    return (found, Some(error));
                }
            }
        }
    }
    (found, None)
}

/// What decoders find in `bytes` whole, byte by byte, and cut in two at every place, or at as many as can be tried.
///
/// # Panics
/// When they find different things.
pub fn decode_in_every_cut(new: impl Fn() -> MessageDecoder, bytes: &[u8]) -> Found {
    let whole = decode(&mut new(), bytes, &[0]);
    let mut cuts: Vec<Vec<usize>> = vec![vec![1], vec![3], vec![7, 1, 64]];
    let step = (bytes.len() / 200).max(1);
    cuts.extend((1..bytes.len()).step_by(step).map(|cut| vec![cut, usize::MAX]));
    for sizes in cuts {
        let found = decode(&mut new(), bytes, &sizes);
        assert!(found == whole, "in pieces of {sizes:?}: {found:?}, and whole: {whole:?}");
    }
    whole
}

/// What a server with `options` and a client that offers `offer` agree on.
///
/// # Panics
/// When they do not.
pub fn agreed(options: DeflateOptions, offer: &str) -> DeflateParams {
    let key = HandshakeKey::random();
    let headers = Headers::from_iter([
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key.as_str()),
        ("Sec-WebSocket-Extensions", offer),
    ]);
    let request =
        HandshakeRequest { method: "GET", version: Version::Http11, host: b"h", headers: headers.fields() };
    let answer = Handshake::new().deflate(options).accept(&request).expect("a good request");
    assert!(key.is_answered_by(answer.accept.as_bytes()));
    answer.deflate.expect("they agree")
}
