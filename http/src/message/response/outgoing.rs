//! A body on its way: pieces of its source, framed, one after the other.
//!
//! The idea: the response's head is written before its body is known. Whoever drives the connection asks for one piece
//! at a time and sends it; a peer that does not take it is waited for like any other, without a thread.
//!
//! The rule: a source that does not keep the promised size, or fails, ends the connection in the middle of the message,
//! because the peer can learn of it in no other way.

use super::source::{Live, Pull};
use crate::proto::{Ending, append_chunk_end, append_chunk_start, append_last_chunk};
use crate::wire::output::Output;
use crate::wire::transport::Transport;
use crate::wire::wake::Waker;
use std::io;
use std::sync::Arc;

/// A body under way; see the module's text.
#[derive(Debug)]
pub(crate) struct Outgoing {
    source: Box<dyn Pull>,
    ending: Ending,
    /// Trailer lines, for a chunked body.
    trailers: Vec<u8>,
    piece: Vec<u8>,
    /// How many pieces were taken from the source, around the end of the numbers and on.
    pieces: u32,
    is_probed: bool,
    is_done: bool,
}

/// The most that is taken from a source at once.
pub(super) const PIECE_BYTES: usize = 64 * 1024;

/// The most that is sent of a file at once, so that others get their turn.
const FILE_BYTES: usize = 1024 * 1024;

impl Outgoing {
    pub(crate) fn new(source: Box<dyn Pull>, ending: Ending, trailers: Vec<u8>) -> Self {
        let is_done = ending == Ending::Length(0);
        Self { source, ending, trailers, piece: Vec::new(), pieces: 0, is_probed: false, is_done }
    }

    /// Whether nothing is left to send but what the output holds.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// It is sent from here on to `client`.
    pub(crate) fn see_client(&mut self, client: &dyn Fn() -> Option<Arc<dyn Transport>>) {
        self.source.see_client(client);
    }

    /// The source, if it may have nothing for now.
    pub(crate) fn live(&mut self) -> Option<&mut dyn Live> {
        self.source.live()
    }

    /// Whether each piece is computed for long.
    pub(crate) fn computes(&self) -> bool {
        self.source.computes()
    }

    /// A number that is another one after each piece.
    pub(crate) fn pieces(&self) -> u32 {
        self.pieces
    }

    /// The peer will send nothing more, and may be gone. True, the first time: the next piece will tell, and is there.
    pub(crate) fn probe(&mut self) -> bool {
        if std::mem::replace(&mut self.is_probed, true) {
            return false;
        }
        self.live().map(|live| live.beat()).is_some()
    }

    /// Whether [`fill`](Self::fill) has something to append now. If not, the waker is used once when it has; until then
    /// no memory is kept.
    pub(crate) fn is_ready(&mut self, waker: &dyn Fn() -> Waker) -> bool {
        let is_ready = self.live().is_none_or(|live| live.is_ready(waker));
        if !is_ready {
            self.piece = Vec::new();
        }
        is_ready
    }

    /// Whether the next piece can go straight from a file to the connection.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.ending, Ending::Length(_)) && self.source.file().is_some()
    }

    /// Sends the next piece of a file without copying it, and says how many bytes that were. `None`: the transport
    /// cannot.
    pub(crate) fn send_file(&mut self, transport: &dyn Transport) -> Option<io::Result<usize>> {
        let (Some(next), Ending::Length(left)) = (self.source.file(), self.ending) else {
            return None;
        };
        let count = usize::try_from(left.min(next.count)).map_or(FILE_BYTES, |count| count.min(FILE_BYTES));
        let sent = match transport.send_file(next.file, next.offset, count)? {
            Ok(0) => return Some(Err(ended_early(left))),
            Ok(sent) => sent,
            Err(error) => return Some(Err(error)),
        };
        self.source.skip(sent as u64);
        self.ending = Ending::Length(left.saturating_sub(sent as u64));
        self.is_done = left <= sent as u64;
        Some(Ok(sent))
    }

    /// Appends the next piece to `out`, which should be sent before the next is asked for. May run the user's code, and
    /// block with it.
    pub(crate) fn fill(&mut self, out: &mut Output) -> io::Result<()> {
        let most = match self.ending {
            Ending::Length(left) => usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES)),
            Ending::Chunked | Ending::Close => PIECE_BYTES,
        };
        self.source.pull(&mut self.piece, most)?;
        self.pieces = self.pieces.wrapping_add(1);
        let count = self.piece.len();
        match &mut self.ending {
            Ending::Length(left) if count == 0 => return Err(ended_early(*left)),
            Ending::Length(left) => {
                *left = left.saturating_sub(count as u64);
                self.is_done = *left == 0;
                out.append_body_vec(&mut self.piece);
            }
            Ending::Chunked if count == 0 => {
                self.is_done = true;
                self.source.append_trailers(&mut self.trailers);
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

/// Replaces what is in `piece` by the next bytes of a source, of which so many are `left`, if that is known. False: it
/// was at its end.
pub(super) fn pull_next(
    source: &mut dyn Pull,
    left: &mut Option<u64>,
    piece: &mut Vec<u8>,
    most: usize,
) -> io::Result<bool> {
    let most = match *left {
        Some(0) => return Ok(false),
        Some(left) => usize::try_from(left).map_or(most, |left| left.min(most)),
        None => most,
    };
    source.pull(piece, most)?;
    match left {
        Some(left) if piece.is_empty() => return Err(ended_early(*left)),
        Some(left) => *left = left.saturating_sub(piece.len() as u64),
        None => {}
    }
    Ok(!piece.is_empty())
}

pub(super) fn ended_early(left: u64) -> io::Error {
    let reason = format!("the response's body ended {left} bytes before the length that was announced");
    io::Error::new(io::ErrorKind::UnexpectedEof, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::response::source::{ReaderSource, SharedBytes, SharedRest};
    use std::io::Read;

    fn sent(source: impl Pull + 'static, ending: Ending, trailers: &str) -> io::Result<Vec<u8>> {
        let mut outgoing = Outgoing::new(Box::new(source), ending, trailers.into());
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

    fn reader(pieces: &[&'static [u8]], size: Option<u64>) -> impl Pull {
        ReaderSource::new(Pieces(pieces.to_vec()), size)
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
        let source = SharedRest::new(SharedBytes::Counted(bytes.clone().into()));
        assert_eq!(sent(source, Ending::Length(bytes.len() as u64), "").expect("a body"), bytes);
    }

    /// Gives what another source gives, in capital letters and with a mark at the end.
    struct Loud {
        of: Box<dyn Pull>,
        is_marked: bool,
    }

    impl Pull for Loud {
        fn size(&self) -> Option<u64> {
            None
        }

        fn pull(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
            self.of.pull(piece, most)?;
            piece.make_ascii_uppercase();
            if piece.is_empty() && !std::mem::replace(&mut self.is_marked, true) {
                piece.push(b'!');
            }
            Ok(())
        }
    }

    #[test]
    fn a_source_can_stand_in_front_of_another() {
        let once = Loud { of: Box::new(reader(&[b"first", b"second"], Some(11))), is_marked: false };
        let twice = Loud { of: Box::new(once), is_marked: false };
        let found = sent(twice, Ending::Chunked, "").expect("a body");
        assert_eq!(found, b"5\r\nFIRST\r\n6\r\nSECOND\r\n1\r\n!\r\n1\r\n!\r\n0\r\n\r\n");
    }
}
