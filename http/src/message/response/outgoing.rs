//! A body on its way: pieces of its source, framed, one after the other.
//!
//! The idea: the response's head is written before its body is known. Whoever drives the connection asks for one piece at
//! a time and sends it; a peer that does not take it is waited for like any other, without a thread.
//!
//! The rule: a source that does not keep the promised size, or fails, ends the connection in the middle of the message,
//! because the peer can learn of it in no other way.

use super::body::Source;
use crate::proto::{Ending, append_chunk_end, append_chunk_start, append_last_chunk};
use crate::util::file::read_at;
use crate::wire::output::Output;
use crate::wire::transport::Wire;
use std::io::{self, Read};

/// A body under way; see the module's text.
#[derive(Debug)]
pub(crate) struct Outgoing {
    source: Source,
    ending: Ending,
    /// How many bytes were taken from the source.
    taken: u64,
    /// Trailer lines, for a chunked body.
    trailers: Vec<u8>,
    piece: Vec<u8>,
    is_done: bool,
}

/// The most that is taken from a source at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The most that is sent of a file at once, so that others get their turn.
const FILE_BYTES: usize = 1024 * 1024;

impl Outgoing {
    pub(crate) fn new(source: Source, ending: Ending, trailers: Vec<u8>) -> Self {
        let is_done = ending == Ending::Length(0);
        Self { source, ending, taken: 0, trailers, piece: Vec::new(), is_done }
    }

    /// Whether nothing is left to send but what the output holds.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether the next piece can go straight from a file to the connection.
    pub(crate) fn is_file(&self) -> bool {
        matches!((&self.source, self.ending), (Source::File { .. }, Ending::Length(_)))
    }

    /// Sends the next piece of a file without copying it. `None`: the transport cannot.
    pub(crate) fn send_file(&mut self, wire: &mut dyn Wire) -> Option<io::Result<()>> {
        let (Source::File { file, offset, .. }, Ending::Length(left)) = (&self.source, self.ending) else {
            return None;
        };
        let count = usize::try_from(left).map_or(FILE_BYTES, |left| left.min(FILE_BYTES));
        let sent = match wire.send_file(file, offset.saturating_add(self.taken), count)? {
            Ok(0) => return Some(Err(ended_early(left))),
            Ok(sent) => sent as u64,
            Err(error) => return Some(Err(error)),
        };
        self.taken += sent;
        self.ending = Ending::Length(left.saturating_sub(sent));
        self.is_done = left <= sent;
        Some(Ok(()))
    }

    /// Appends the next piece to `out`, which should be sent before the next is asked for. May run the user's code, and
    /// block with it.
    pub(crate) fn fill(&mut self, out: &mut Output) -> io::Result<()> {
        let most = match self.ending {
            Ending::Length(left) => usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES)),
            Ending::Chunked | Ending::Close => PIECE_BYTES,
        };
        self.piece.clear();
        let count = match &mut self.source {
            Source::Shared(bytes) => {
                let from = usize::try_from(self.taken).unwrap_or(usize::MAX);
                let rest = bytes.as_ref().get(from..).unwrap_or_default();
                self.piece.extend_from_slice(&rest[..rest.len().min(most)]);
                self.piece.len()
            }
            Source::Reader { reader, .. } => {
                self.piece.resize(most, 0);
                reader.as_mut().map_or(Ok(0), |reader| read(reader, &mut self.piece))?
            }
            Source::File { file, offset, .. } => {
                self.piece.resize(most, 0);
                read_at(file, &mut self.piece, offset.saturating_add(self.taken))?
            }
            Source::None | Source::Writer(_) => 0,
        };
        self.piece.truncate(count);
        self.taken += count as u64;
        match &mut self.ending {
            Ending::Length(left) if count == 0 => return Err(ended_early(*left)),
            Ending::Length(left) => {
                *left = left.saturating_sub(count as u64);
                self.is_done = *left == 0;
                out.append_body_vec(&mut self.piece);
            }
            Ending::Chunked if count == 0 => {
                self.is_done = true;
                append_last_chunk(out.buffer_mut(), &self.trailers);
            }
            Ending::Chunked => {
                append_chunk_start(out.buffer_mut(), count);
                out.append_body_vec(&mut self.piece);
                append_chunk_end(out.buffer_mut());
            }
            Ending::Close if count == 0 => self.is_done = true,
            Ending::Close => out.append_body_vec(&mut self.piece),
        }
        Ok(())
    }
}

fn ended_early(left: u64) -> io::Error {
    let reason = format!("the response's body ended {left} bytes before the length that was announced");
    io::Error::new(io::ErrorKind::UnexpectedEof, reason)
}

fn read(reader: &mut Box<dyn Read + Send>, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(piece) {
            // A reader that claims more than it was given must not become our panic.
            Ok(count) => return Ok(count.min(piece.len())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Not to be taken for the connection's own.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let reason = "the response's body source would block; give a blocking one";
                return Err(io::Error::other(reason));
            }
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::response::body::Shared;
    use crate::util::panic::Contained;

    fn sent(source: Source, ending: Ending, trailers: &str) -> io::Result<Vec<u8>> {
        let mut outgoing = Outgoing::new(source, ending, trailers.into());
        let mut out = Output::default();
        while !outgoing.is_done() {
            outgoing.fill(&mut out)?;
        }
        Ok(out.to_vec())
    }

    /// A reader that gives one piece at a time.
    struct Pieces(Vec<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() { Ok(0) } else { self.0.remove(0).read(into) }
        }
    }

    fn reader(pieces: &[&'static [u8]], size: Option<u64>) -> Source {
        Source::Reader { reader: Contained::new(Box::new(Pieces(pieces.to_vec()))), size }
    }

    #[test]
    fn pieces_become_chunks() {
        let found = sent(reader(&[b"first", b"second"], None), Ending::Chunked, "A: b\r\n").expect("a body");
        assert_eq!(found, b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\nA: b\r\n\r\n");
        assert_eq!(sent(reader(&[], None), Ending::Chunked, "").expect("a body"), b"0\r\n\r\n");
        assert_eq!(sent(reader(&[b"a", b"b"], None), Ending::Close, "").expect("a body"), b"ab");
    }

    #[test]
    fn the_announced_length_is_kept() {
        let found = sent(reader(&[b"abc", b"defgh"], Some(5)), Ending::Length(5), "").expect("a body");
        assert_eq!(found, b"abcde");
        assert_eq!(sent(reader(&[], Some(0)), Ending::Length(0), "").expect("a body"), b"");
        let error = sent(reader(&[b"abc"], Some(5)), Ending::Length(5), "").expect_err("a short source");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().contains("2 bytes"), "{error}");
    }

    #[test]
    fn shared_bytes_of_any_size() {
        let bytes = vec![7; 3 * PIECE_BYTES + 5];
        let source = Source::Shared(Shared::Counted(bytes.clone().into()));
        assert_eq!(sent(source, Ending::Length(bytes.len() as u64), "").expect("a body"), bytes);
    }
}
