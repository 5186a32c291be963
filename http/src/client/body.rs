//! What a request is sent with: bytes that are there, or a reader that gives them as they are sent.

use crate::values::headers::Headers;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::marker::PhantomData;

/// The body of a request that is read while it is sent.
///
/// A reader can be sent but once, so a call that has begun with it is never repeated. One that can be made anew
/// ([`repeatable`](Self::repeatable)), and a file, can.
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
}

/// Where a body comes from.
enum BodyReaders<'a> {
    /// `None`: it was begun with.
    Once(Option<AnyReader<'a>>),
    Again(Box<dyn MakeReader + 'a>),
}

/// Makes readers, each from the beginning.
trait MakeReader {
    fn make(&mut self) -> io::Result<AnyReader<'_>>;
}

/// A function that makes readers of the type `R`.
struct ReaderMaker<F, R>(F, PhantomData<R>);

impl<R: Read, F: FnMut() -> io::Result<R>> MakeReader for ReaderMaker<F, R> {
    fn make(&mut self) -> io::Result<AnyReader<'_>> {
        Ok(Box::new((self.0)()?))
    }
}

type AnyReader<'a> = Box<dyn Read + 'a>;

type TrailersMaker<'a> = Box<dyn FnMut() -> Headers + 'a>;

impl<'a> SendBody<'a> {
    /// All that `reader` gives until it ends. It goes in chunks, which takes a server that speaks HTTP/1.1.
    pub fn new(reader: impl Read + 'a) -> Self {
        Self::of(BodyReaders::Once(Some(Box::new(reader))), None)
    }

    /// The next `length` bytes of `reader`; more is not asked for, and less is an error
    /// ([`RequestBody`](super::ClientErrorKind::RequestBody)).
    pub fn sized(reader: impl Read + 'a, length: u64) -> Self {
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
    pub fn repeatable<R: Read + 'a>(length: Option<u64>, make: impl FnMut() -> io::Result<R> + 'a) -> Self {
        Self::of(BodyReaders::Again(Box::new(ReaderMaker(make, PhantomData))), length)
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
        Self { source, length, trailers: None }
    }

    /// Sends what `make` gives behind the body, when it has been read to its end: a checksum, for example. Names that
    /// must not be trailers (RFC 9110 section 6.5.1) are left out; and so are all behind a body whose length is known,
    /// which has no place for them. A field `Trailer` of the request announces them.
    pub fn trailers(mut self, make: impl FnMut() -> Headers + 'a) -> Self {
        self.trailers = Some(Box::new(make));
        self
    }

    /// The length, if it is known.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether it can be sent, again if it was begun with.
    pub(crate) fn can_begin(&self) -> bool {
        !matches!(self.source, BodyReaders::Once(None))
    }

    /// Begins at its beginning.
    pub(crate) fn begin(&mut self) -> io::Result<BodyPieces<'_>> {
        let reader = match &mut self.source {
            BodyReaders::Once(reader) => reader
                .take()
                .ok_or_else(|| io::Error::other("it was sent before, and cannot be sent again"))?,
            BodyReaders::Again(maker) => maker.make()?,
        };
        Ok(BodyPieces { reader })
    }

    /// What is to be sent behind it.
    pub(crate) fn make_trailers(&mut self) -> Option<Headers> {
        self.trailers.as_mut().map(|make| make())
    }
}

/// A body that is being read.
pub(crate) struct BodyPieces<'a> {
    reader: AnyReader<'a>,
}

impl BodyPieces<'_> {
    /// Reads the next piece into `room`, whose length bounds it; 0: that was all.
    pub(crate) fn next(&mut self, room: &mut [u8], left: Option<u64>) -> io::Result<usize> {
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
