//! What a request is sent with: bytes that are there, or a reader that gives them as they are sent.

use std::fmt;
use std::io::{self, Read};

/// The body of a request that is read while it is sent.
///
/// It can be sent but once, so a call that has begun with it is never repeated.
///
/// ```
/// use anthill_http::client::SendBody;
/// // The length is known, and announced.
/// let sized = SendBody::sized(&b"four"[..], 4);
/// assert_eq!(sized.length(), Some(4));
/// // Nobody knows it before the reader ends, so it goes in chunks.
/// assert_eq!(SendBody::new(std::io::empty()).length(), None);
/// ```
pub struct SendBody<'a> {
    reader: Box<dyn Read + 'a>,
    length: Option<u64>,
}

impl<'a> SendBody<'a> {
    /// All that `reader` gives until it ends. It goes in chunks, which takes a server that speaks HTTP/1.1.
    pub fn new(reader: impl Read + 'a) -> Self {
        Self { reader: Box::new(reader), length: None }
    }

    /// The next `length` bytes of `reader`; more is not asked for, and less is an error
    /// ([`RequestBody`](super::ClientErrorKind::RequestBody)).
    pub fn sized(reader: impl Read + 'a, length: u64) -> Self {
        Self { reader: Box::new(reader), length: Some(length) }
    }

    /// All of `file`, from its beginning on or from where it was read to.
    ///
    /// # Errors
    /// When its size or its position cannot be had.
    pub fn file(mut file: std::fs::File) -> io::Result<SendBody<'static>> {
        let position = io::Seek::stream_position(&mut file)?;
        let length = file.metadata()?.len().saturating_sub(position);
        Ok(SendBody { reader: Box::new(file), length: Some(length) })
    }

    /// The length, if it is known.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Reads the next piece into `room`, whose length bounds it; 0: that was all.
    pub(crate) fn next_piece(&mut self, room: &mut [u8], left: Option<u64>) -> io::Result<usize> {
        let most =
            left.map_or(room.len(), |left| usize::try_from(left).unwrap_or(usize::MAX).min(room.len()));
        if most == 0 {
            return Ok(0);
        }
        loop {
            match self.reader.read(&mut room[..most]) {
                Ok(0) if left.is_some() => {
                    let error = "it ended before the length that was announced";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
                }
                Ok(count) if count <= most => return Ok(count),
                Ok(_) => return Err(io::Error::other("it claims to have read more than there was room for")),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Debug for SendBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBody").field("length", &self.length).finish_non_exhaustive()
    }
}
