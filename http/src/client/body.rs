//! What a request is sent with: bytes that are there, or a reader that gives them as they are sent.

use crate::values::headers::Headers;
use crate::wire::output::KEPT_BYTES_MAX;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// What the framing of a chunk takes at most.
pub(crate) const FRAMING_BYTES_MAX: usize = 64;

/// What is taken from a body at once: as much as the output keeps room for, with its framing.
pub(crate) const PIECE_BYTES: usize = KEPT_BYTES_MAX - FRAMING_BYTES_MAX;

/// The body of a request that is read while it is sent.
///
/// A reader can be sent but once, so a call of which something was sent is never repeated. One that can be made anew
/// ([`repeatable`](Self::repeatable)), and a file, can.
///
/// What the reader gives first is read before a connection is taken for the call, so one that takes long to begin, or
/// fails at once, holds none up; unless the body waits to be asked for
/// ([`expect_continue`](super::PreparedCall::expect_continue)), and the reader with it. Nobody can interrupt a reader:
/// while it blocks no limit of the call ends it and no token calls it off; both are looked at when it has returned.
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
    source: BodyReaders<'a>,
    length: Option<u64>,
    trailers: Option<TrailersMaker<'a>>,
    /// The reader that is being sent.
    begun: Option<BegunBody>,
}

/// What is known of a reader that was begun with.
struct BegunBody {
    /// What was read last is in front.
    room: Vec<u8>,
    count: usize,
    /// Whether anything was read, be it the end.
    is_read: bool,
    /// Whether nobody has taken what was read first.
    is_fresh: bool,
}

/// Where a body comes from.
enum BodyReaders<'a> {
    /// `None`: it was begun with, and some of it has left.
    Once(Option<AnyReader<'a>>),
    Again(Box<dyn MakeReader + 'a>),
}

/// Makes readers, each from the beginning.
trait MakeReader: Send {
    fn make(&mut self) -> io::Result<()>;

    /// The one that was made last.
    fn made(&mut self) -> Option<&mut dyn Read>;
}

/// A function that makes readers, and the last of them.
struct ReaderMaker<F, R>(F, Option<R>);

impl<R: Read + Send, F: FnMut() -> io::Result<R> + Send> MakeReader for ReaderMaker<F, R> {
    fn make(&mut self) -> io::Result<()> {
        self.1 = Some((self.0)()?);
        Ok(())
    }

    fn made(&mut self) -> Option<&mut dyn Read> {
        self.1.as_mut().map(|reader| reader as &mut dyn Read)
    }
}

pub(crate) type AnyReader<'a> = Box<dyn Read + Send + 'a>;

type TrailersMaker<'a> = Box<dyn FnMut() -> Headers + Send + 'a>;

impl<'a> SendBody<'a> {
    /// All that `reader` gives until it ends. It goes in chunks, which takes a server that speaks HTTP/1.1.
    pub fn new(reader: impl Read + Send + 'a) -> Self {
        Self::of(BodyReaders::Once(Some(Box::new(reader))), None)
    }

    /// The next `length` bytes of `reader`; more is not asked for, and less is an error
    /// ([`RequestBody`](super::ClientErrorKind::RequestBody)).
    pub fn sized(reader: impl Read + Send + 'a, length: u64) -> Self {
        Self::of(BodyReaders::Once(Some(Box::new(reader))), Some(length))
    }

    /// What the readers give that `make` makes, each from the beginning: one for each time that the body is sent. So
    /// the request can be repeated, and follow a redirect, like one whose body is in memory.
    ///
    /// ```
    /// use anthill_http::client::SendBody;
    /// let text = String::from("again");
    /// let body = SendBody::repeatable(Some(5), || Ok(text.as_bytes()));
    /// assert_eq!(body.length(), Some(5));
    /// ```
    pub fn repeatable<R: Read + Send + 'a>(
        length: Option<u64>,
        make: impl FnMut() -> io::Result<R> + Send + 'a,
    ) -> Self {
        Self::of(BodyReaders::Again(Box::new(ReaderMaker(make, None))), length)
    }

    /// All of `file`, from its beginning on or from where it was read to. It can be repeated.
    ///
    /// # Errors
    /// When its size or its position cannot be had.
    pub fn file(mut file: File) -> io::Result<SendBody<'static>> {
        let position = file.stream_position()?;
        let length = file.metadata()?.len().saturating_sub(position);
        Ok(SendBody::repeatable(Some(length), move || {
            file.seek(SeekFrom::Start(position))?;
            file.try_clone()
        }))
    }

    fn of(source: BodyReaders<'a>, length: Option<u64>) -> Self {
        Self { source, length, trailers: None, begun: None }
    }

    /// Sends what `make` gives behind the body, when it has been read to its end: a checksum, for example. Names that
    /// must not be trailers (RFC 9110 section 6.5.1) are left out; and so are all behind a body whose length is known,
    /// which has no place for them. A field `Trailer` of the request announces them.
    pub fn trailers(mut self, make: impl FnMut() -> Headers + Send + 'a) -> Self {
        self.trailers = Some(Box::new(make));
        self
    }

    /// The length, if it is known.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether it can be sent, again if some of it was sent.
    pub(crate) fn can_begin(&self) -> bool {
        !matches!(self.source, BodyReaders::Once(None))
    }

    /// Reads what is to be sent first, from its beginning, unless that is there already. Of no length nothing is read.
    /// One that has nothing yet (`WouldBlock`) was begun, and is to be asked for its [pieces](Self::next_piece).
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        if self.begun.is_some() {
            return Ok(());
        }
        if let BodyReaders::Again(maker) = &mut self.source {
            maker.make()?;
        }
        self.begun =
            Some(BegunBody { room: vec![0; PIECE_BYTES], count: 0, is_read: false, is_fresh: false });
        let read = self.read(self.length);
        match &read {
            Ok(()) => self.rewind(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.end(),
        }
        read
    }

    /// The next piece, of at most `left` bytes; empty: that was all.
    pub(crate) fn next_piece(&mut self, left: Option<u64>) -> io::Result<&[u8]> {
        self.begin()?;
        let is_fresh = self.begun.as_mut().is_some_and(|begun| std::mem::take(&mut begun.is_fresh));
        if !is_fresh {
            self.read(left)?;
        }
        let piece = self.begun.as_ref().and_then(|begun| begun.room.get(..begun.count));
        Ok(piece.unwrap_or_default())
    }

    /// Reads the next piece; nothing: that was all.
    fn read(&mut self, left: Option<u64>) -> io::Result<()> {
        let reader: Option<&mut dyn Read> = match &mut self.source {
            BodyReaders::Once(Some(reader)) => Some(&mut **reader),
            BodyReaders::Once(None) => None,
            BodyReaders::Again(maker) => maker.made(),
        };
        let (Some(reader), Some(BegunBody { room, count, is_read, .. })) = (reader, &mut self.begun) else {
            return Err(io::Error::other("it was sent before, and cannot be sent again"));
        };
        let most =
            left.map_or(room.len(), |left| usize::try_from(left).unwrap_or(usize::MAX).min(room.len()));
        *count = 0;
        if most == 0 {
            *is_read = true;
            return Ok(());
        }
        loop {
            match reader.read(&mut room[..most]) {
                Ok(0) if left.is_some() => {
                    let error = "it ended before the length that was announced";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
                }
                Ok(read) if read <= most => {
                    (*count, *is_read) = (read, true);
                    return Ok(());
                }
                Ok(_) => return Err(io::Error::other("it claims to have read more than there was room for")),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Says that nothing of it has left: its first piece, if there was one, is to be had again.
    pub(crate) fn rewind(&mut self) {
        if let Some(begun) = &mut self.begun {
            begun.is_fresh = begun.is_read;
        }
    }

    /// Says that some of it, or all, has left.
    pub(crate) fn end(&mut self) {
        self.begun = None;
        if let BodyReaders::Once(reader) = &mut self.source {
            *reader = None;
        }
    }

    /// What is to be sent behind it.
    pub(crate) fn make_trailers(&mut self) -> Option<Headers> {
        self.trailers.as_mut().map(|make| make())
    }
}

impl fmt::Debug for SendBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBody").field("length", &self.length).finish_non_exhaustive()
    }
}
