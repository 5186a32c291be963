//! Decodes a body of any framing, in place and however it is cut.
//!
//! The rule: positions are those of the slice that was given; what [`chunked`](super::chunked) says of raw and decoded
//! bytes holds for the other bodies as well, which are their own decoded form.

use super::chunked::{ChunkedDecoder, Decoded};
use super::error::ProtoError;
use super::framing::Framing;
use crate::wire::input::Input;
use std::ops::Range;

/// Where a decoder is within a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyDecoder {
    /// So many bytes are missing.
    Length(u64),
    Chunked(ChunkedDecoder),
    /// So many bytes have come, and whatever comes before the peer ends the connection belongs to the body.
    UntilClose(u64),
}

/// How much of a body has arrived, as positions in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Where the decoded bytes end.
    pub(crate) body_end: usize,
    /// Where the message ends, once `trailers` are there.
    pub(crate) end: usize,
    /// The trailer section, once the body is complete.
    pub(crate) trailers: Option<Range<usize>>,
}

impl BodyDecoder {
    /// At the front of a body; `None` when there is none.
    pub(crate) fn new(framing: Framing) -> Option<Self> {
        match framing {
            Framing::None => None,
            Framing::Length(length) => Some(Self::Length(length)),
            Framing::Chunked => Some(Self::Chunked(ChunkedDecoder::new())),
            Framing::UntilClose => Some(Self::UntilClose(0)),
        }
    }

    /// Decodes as much of `raw` as possible. `body_max` bounds the whole body in bytes.
    ///
    /// Only a chunked body can have a trailer section that is not empty.
    pub(crate) fn decode(&mut self, raw: &mut [u8], body_max: Option<u64>) -> Result<Decoded, ProtoError> {
        match self {
            Self::Length(missing) => {
                let taken = usize::try_from(*missing).map_or(raw.len(), |missing| missing.min(raw.len()));
                *missing -= taken as u64;
                let trailers = (*missing == 0).then_some(taken..taken);
                Ok(Decoded { written: taken, read: taken, trailers })
            }
            Self::Chunked(decoder) => decoder.decode(raw, body_max),
            Self::UntilClose(taken) => {
                *taken = taken.saturating_add(raw.len() as u64);
                if body_max.is_some_and(|max| *taken > max) {
                    return Err(ProtoError::BodyTooLarge);
                }
                Ok(Decoded { written: raw.len(), read: raw.len(), trailers: None })
            }
        }
    }

    /// Decodes as much as has arrived of a body whose raw bytes begin at `start` in `input`. What is left over of them
    /// follows the decoded bytes directly, unless the body is complete.
    pub(crate) fn decode_in(
        &mut self,
        input: &mut Input,
        start: usize,
        body_max: Option<u64>,
    ) -> Result<Arrival, ProtoError> {
        let raw = input.unread_mut().get_mut(start..).unwrap_or_default();
        let found = self.decode(raw, body_max)?;
        let (body_end, read) = (start + found.written, start + found.read);
        if found.trailers.is_none() {
            input.cut(body_end, read);
        }
        let trailers = found.trailers.map(|section| start + section.start..start + section.end);
        Ok(Arrival { body_end, end: read, trailers })
    }

    /// How many bytes are missing; `None` when only the peer knows.
    pub(crate) fn missing(&self) -> Option<u64> {
        match self {
            Self::Length(missing) => Some(*missing),
            Self::Chunked(_) | Self::UntilClose(_) => None,
        }
    }

    /// Whether the end of the peer's stream is the end of the body.
    pub(crate) fn ends_with_the_stream(&self) -> bool {
        matches!(self, Self::UntilClose(_))
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

    #[test]
    fn a_body_until_the_end_takes_everything() {
        let mut decoder = BodyDecoder::new(Framing::UntilClose).expect("a body");
        assert!(decoder.ends_with_the_stream());
        let found = decoder.decode(&mut b"abc".to_vec(), Some(5));
        assert_eq!(found, Ok(Decoded { written: 3, read: 3, trailers: None }));
        assert_eq!(decoder.missing(), None);
        assert!(decoder.decode(&mut b"de".to_vec(), Some(5)).is_ok());
        assert_eq!(decoder.decode(&mut b"f".to_vec(), Some(5)), Err(ProtoError::BodyTooLarge));
    }
}
