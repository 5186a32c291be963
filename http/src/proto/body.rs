//! Decodes a body of either framing, in place and however it is cut.
//!
//! The rule: positions are those of the slice that was given; what [`chunked`](super::chunked) says of raw and decoded
//! bytes holds for bodies of a known length as well, which are their own decoded form.

use super::chunked::{ChunkedDecoder, Decoded};
use super::error::ProtoError;
use super::framing::Framing;

/// Where a decoder is within a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyDecoder {
    /// So many bytes are missing.
    Length(u64),
    Chunked(ChunkedDecoder),
}

impl BodyDecoder {
    /// At the front of a body; `None` when there is none.
    pub(crate) fn new(framing: Framing) -> Option<Self> {
        match framing {
            Framing::None => None,
            Framing::Length(length) => Some(Self::Length(length)),
            Framing::Chunked => Some(Self::Chunked(ChunkedDecoder::new())),
        }
    }

    /// Decodes as much of `raw` as possible. `body_max` bounds the whole body in bytes.
    ///
    /// The trailer section of a body of known length is empty.
    pub(crate) fn decode(&mut self, raw: &mut [u8], body_max: Option<u64>) -> Result<Decoded, ProtoError> {
        match self {
            Self::Length(missing) => {
                let taken = usize::try_from(*missing).map_or(raw.len(), |missing| missing.min(raw.len()));
                *missing -= taken as u64;
                let trailers = (*missing == 0).then_some(taken..taken);
                Ok(Decoded { written: taken, read: taken, trailers })
            }
            Self::Chunked(decoder) => decoder.decode(raw, body_max),
        }
    }

    /// How many bytes are missing; `None` when only the peer knows.
    pub(crate) fn missing(&self) -> Option<u64> {
        match self {
            Self::Length(missing) => Some(*missing),
            Self::Chunked(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_length_is_counted_down() {
        let mut decoder = BodyDecoder::new(Framing::Length(5)).expect("a body");
        let found = decoder.decode(&mut b"ab".to_vec(), Some(0)).expect("the length was judged before");
        assert_eq!(found, Decoded { written: 2, read: 2, trailers: None });
        assert_eq!(decoder.missing(), Some(3));
        let found = decoder.decode(&mut b"cdeGET /".to_vec(), None).expect("a body");
        assert_eq!(found, Decoded { written: 3, read: 3, trailers: Some(3..3) });
        assert_eq!(BodyDecoder::new(Framing::None), None);
        assert_eq!(BodyDecoder::new(Framing::Chunked).expect("a body").missing(), None);
    }
}
