//! Undoing content codings: a body as it was before it was compressed.
//!
//! The idea: a reader over a reader, for each coding one. What is compressed passes through, and nothing is collected.
//!
//! The rules: a coding that is not known is said before a byte is read. What is compressed must end where it says,
//! with nothing behind it. How much comes out is bounded ([`bounds`](super::bounds)), since a kilobyte may become a
//! megabyte. That something comes out is seen to as well, or blocks and members without content would be read for as
//! long as a peer sends them.

use super::bounds::{DecodeLimit, DecodedBounds};
#[cfg(feature = "br")]
use super::brotli_decoder::BrotliDecoder;
use super::undecodable::{Undecodable, broken, cut_off, undecodable};
#[cfg(feature = "zstd")]
use super::zstd_decoder::ZstdDecoder;
use crate::util::token;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

/// Reads a body without its content coding.
///
/// What comes out of a coding is bounded, in bytes and for each encoded byte; see
/// [`max_decoded_bytes`](Self::max_decoded_bytes) and [`max_ratio`](Self::max_ratio).
///
/// ```
/// use anthill_http::body::{CodingError, ContentDecoder};
/// use std::io::Read;
///
/// // "a" in zlib's format.
/// let encoded: &[u8] = &[0x78, 0x9c, 0x4b, 0x04, 0x00, 0x00, 0x62, 0x00, 0x62];
/// let mut text = String::new();
/// ContentDecoder::new("deflate", encoded)?.read_to_string(&mut text)?;
/// assert_eq!(text, "a");
/// assert_eq!(ContentDecoder::new("compress", encoded).err(), Some(CodingError));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The body of a request, as it comes:
///
/// ```
/// use anthill_http::RequestCtx;
/// use anthill_http::body::ContentDecoder;
/// use std::io::Read;
///
/// fn import(ctx: &mut RequestCtx) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///     let coding = ctx.request.content_encoding().unwrap_or_default().to_vec();
///     let mut content = Vec::new();
///     // One more than it may be, to see whether it is; errors are answered 413, 415, 400.
///     ContentDecoder::new(coding, ctx.body_reader())?.take(1_000_001).read_to_end(&mut content)?;
///     match content.len() {
///         ..=1_000_000 => ctx.set_body(format!("{} bytes", content.len())),
///         _ => ctx.error("a megabyte at most", 413),
///     }
///     Ok(())
/// }
/// let mut request = anthill_http::Request::new("PUT", "/")?;
/// request.set_content_encoding("deflate");
/// request.set_body([0x78, 0x9c, 0x4b, 0x04, 0x00, 0x00, 0x62, 0x00, 0x62]);
/// let mut ctx = RequestCtx::for_request(request, None);
/// import(&mut ctx).unwrap();
/// assert_eq!(ctx.response.body(), b"1 bytes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Reading fails with the reader's own errors, and with `InvalidData` when the content is not in this coding, is cut
/// off, has something behind its end, or is padded with more than compression ever needs: 256 KiB, and 16 bytes for
/// each byte that came out; or, with a [`DecodeLimit`] inside, when it exceeds a bound.
pub struct ContentDecoder<R> {
    decoding: Decoding<R>,
    bounds: DecodedBounds,
}

enum Decoding<R> {
    Identity(R),
    // Boxed: their state is large, and most bodies have no coding.
    Coded(Box<Coded<R>>),
}

/// What undoes one coding, and in it what undoes those that were applied after that.
enum Coded<R> {
    Gzip(MultiGzDecoder<Encoded<R>>),
    Deflate(ZlibDecoder<Encoded<R>>),
    #[cfg(feature = "br")]
    Brotli(BrotliDecoder<Encoded<R>>),
    #[cfg(feature = "zstd")]
    Zstd(ZstdDecoder<Encoded<R>>),
}

/// Where encoded bytes come from.
type Encoded<R> = BufReader<EncodedReader<Decoding<R>>>;

/// The codings that can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Gzip,
    Deflate,
    #[cfg(feature = "br")]
    Brotli,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// Codings that one body may have. More than one is rare, and each takes memory.
const CODINGS_MAX: usize = 3;

/// A content coding that cannot be undone; 415 is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodingError;

impl<R: Read> ContentDecoder<R> {
    /// Reads from `reader`, whose content has the codings that the value of a `Content-Encoding` field says: `gzip` (or
    /// `x-gzip`), `deflate`, with the features of these names `br` and `zstd`, in any case; up to three, in the order
    /// in which they were applied; or none (`identity`, or empty).
    ///
    /// # Errors
    /// [`CodingError`] for all others, and for more.
    pub fn new(content_encoding: impl AsRef<[u8]>, reader: R) -> Result<Self, CodingError> {
        // What was applied last is undone first.
        let last_first = Known::all_in(content_encoding.as_ref())?.into_iter().rev().flatten();
        let decoding = last_first.fold(Decoding::Identity(reader), Decoding::of);
        Ok(Self { decoding, bounds: DecodedBounds::new() })
    }

    /// How many bytes may come out of a coding. Default: 32 MiB; `None`: no limit, for content that is not kept in
    /// memory. A body without a coding has no such limit here: nothing makes it grow. Where it is streamed
    /// ([`stream_request_body`](crate::ServerBuilder::stream_request_body)) nothing else bounds it: take what you
    /// collect out of [`Read::take`].
    ///
    /// ```
    /// use anthill_http::body::ContentDecoder;
    /// // For a reader that writes to disk what comes.
    /// let decoder = ContentDecoder::new("gzip", std::io::empty())?.max_decoded_bytes(10 * 1024 * 1024 * 1024);
    /// # assert_eq!(format!("{decoder:?}"), "ContentDecoder(gzip)");
    /// # Ok::<(), anthill_http::body::CodingError>(())
    /// ```
    // FRM-04.
    pub fn max_decoded_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.bounds.bytes_max = bytes.into();
        self
    }

    /// The reader with the encoded bytes.
    #[cfg(feature = "client")]
    pub(crate) fn get_ref(&self) -> &R {
        self.decoding.reader()
    }

    /// The same, for whoever looks whether there are any before the first read. From then on it is not to be read from.
    #[cfg(feature = "client")]
    pub(crate) fn get_mut(&mut self) -> &mut R {
        self.decoding.reader_mut()
    }

    /// How many bytes may come out for each encoded byte that was used, at any time once 1 MiB has come out. Default:
    /// 200, where text comes to 20; `None`: no limit. Of several codings the bytes that were read count.
    pub fn max_ratio(mut self, ratio: impl Into<Option<u32>>) -> Self {
        self.bounds.ratio_max = ratio.into();
        self
    }
}

impl<R: Read> Read for ContentDecoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(encoded) = self.decoding.used() else { return self.decoding.read(out) };
        // What was too much stays so.
        self.bounds.count(0, encoded).map_err(too_large)?;
        let decoded = self.decoding.read(out)?;
        let encoded = self.decoding.used().unwrap_or(encoded);
        self.bounds.count(decoded, encoded).map_err(too_large)?;
        Ok(decoded)
    }
}

/// Whether all codings that the value of a `Content-Encoding` field says can be undone, if it says any.
pub(crate) fn check_codings(content_encoding: &[u8]) -> Result<(), CodingError> {
    Known::all_in(content_encoding).map(drop)
}

/// Whether the value of a `Content-Encoding` field says codings, and all of them can be undone.
#[cfg(feature = "client")]
pub(crate) fn can_undo(content_encoding: &[u8]) -> bool {
    Known::all_in(content_encoding).is_ok_and(|codings| codings[0].is_some())
}

impl Known {
    /// Those that a list names, in its order.
    fn all_in(list: &[u8]) -> Result<[Option<Self>; CODINGS_MAX], CodingError> {
        let mut codings = [None; CODINGS_MAX];
        let mut places = codings.iter_mut();
        for coding in token::list(list).filter(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            *places.next().ok_or(CodingError)? = Some(Self::from_name(coding).ok_or(CodingError)?);
        }
        Ok(codings)
    }

    fn from_name(name: &[u8]) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match () {
            () if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            () if is("deflate") => Some(Self::Deflate),
            #[cfg(feature = "br")]
            () if is("br") => Some(Self::Brotli),
            #[cfg(feature = "zstd")]
            () if is("zstd") => Some(Self::Zstd),
            () => None,
        }
    }
}

impl<R: Read> Decoding<R> {
    /// What gives what `encoded` gives without that coding. Nothing is read for that.
    fn of(encoded: Self, coding: Known) -> Self {
        let source = source(encoded);
        let mut coded = match coding {
            Known::Gzip => Coded::Gzip(MultiGzDecoder::new(source)),
            Known::Deflate => Coded::Deflate(ZlibDecoder::new(source)),
            #[cfg(feature = "br")]
            Known::Brotli => Coded::Brotli(BrotliDecoder::new(source)),
            #[cfg(feature = "zstd")]
            Known::Zstd => Coded::Zstd(ZstdDecoder::new(source)),
        };
        coded.source_mut().get_mut().is_open = true;
        Self::Coded(Box::new(coded))
    }
}

impl<R> Decoding<R> {
    #[cfg(feature = "client")]
    fn reader(&self) -> &R {
        match self {
            Self::Identity(reader) => reader,
            Self::Coded(coded) => coded.source().get_ref().reader.reader(),
        }
    }

    #[cfg(feature = "client")]
    fn reader_mut(&mut self) -> &mut R {
        match self {
            Self::Identity(reader) => reader,
            Self::Coded(coded) => coded.source_mut().get_mut().reader.reader_mut(),
        }
    }

    /// How many encoded bytes were used of those that were read; `None` where there is no coding.
    fn used(&self) -> Option<u64> {
        let Self::Coded(coded) = self else { return None };
        let source = coded.source();
        let inner = source.get_ref();
        Some(inner.reader.used().unwrap_or_else(|| inner.given - source.buffer().len() as u64))
    }
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Identity(reader) => reader.read(out),
            Self::Coded(coded) => match coded.decode(out) {
                Ok(0) if !out.is_empty() => match coded.source_mut().fill_buf()? {
                    [] => Ok(0),
                    _ => Err(undecodable("something follows the end of the compressed content")),
                },
                Ok(count) => {
                    coded.source_mut().get_mut().allow_for(count);
                    Ok(count)
                }
                Err(error) => Err(blame(error, coded.source())),
            },
        }
    }
}

impl<R> Coded<R> {
    fn source(&self) -> &Encoded<R> {
        match self {
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Deflate(decoder) => decoder.get_ref(),
            #[cfg(feature = "br")]
            Self::Brotli(decoder) => decoder.get_ref(),
            #[cfg(feature = "zstd")]
            Self::Zstd(decoder) => decoder.get_ref(),
        }
    }

    fn source_mut(&mut self) -> &mut Encoded<R> {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflate(decoder) => decoder.get_mut(),
            #[cfg(feature = "br")]
            Self::Brotli(decoder) => decoder.get_mut(),
            #[cfg(feature = "zstd")]
            Self::Zstd(decoder) => decoder.get_mut(),
        }
    }
}

impl<R: Read> Coded<R> {
    fn decode(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(out),
            Self::Deflate(decoder) => decoder.read(out),
            #[cfg(feature = "br")]
            Self::Brotli(decoder) => decoder.read(out),
            #[cfg(feature = "zstd")]
            Self::Zstd(decoder) => decoder.read(out),
        }
    }
}

impl<R> fmt::Debug for ContentDecoder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentDecoder(")?;
        self.decoding.write_names(f)?;
        f.write_str(")")
    }
}

impl<R> Decoding<R> {
    /// In the order in which the codings were applied.
    fn write_names(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Coded(coded) = self else { return f.write_str("identity") };
        f.write_str(match **coded {
            Coded::Gzip(_) => "gzip",
            Coded::Deflate(_) => "deflate",
            #[cfg(feature = "br")]
            Coded::Brotli(_) => "br",
            #[cfg(feature = "zstd")]
            Coded::Zstd(_) => "zstd",
        })?;
        match &coded.source().get_ref().reader {
            Self::Identity(_) => Ok(()),
            inner => {
                f.write_str(", ")?;
                inner.write_names(f)
            }
        }
    }
}

impl fmt::Display for CodingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (cfg!(feature = "br"), cfg!(feature = "zstd")) {
            (true, true) => "the content coding is not supported: send gzip, deflate, br, zstd or none",
            (true, false) => "the content coding is not supported: send gzip, deflate, br or none",
            (false, true) => "the content coding is not supported: send gzip, deflate, zstd or none",
            (false, false) => "the content coding is not supported: send gzip, deflate or none",
        })
    }
}

impl std::error::Error for CodingError {}

impl From<CodingError> for io::Error {
    fn from(error: CodingError) -> Self {
        Self::new(io::ErrorKind::Unsupported, error)
    }
}

/// `body` without the codings in `lines`, the values of its `Content-Encoding` fields; at most `max` bytes, if there is
/// one.
pub(crate) fn uncompressed<'a>(
    lines: impl Iterator<Item = &'a [u8]>,
    body: &'a [u8],
    max: Option<u64>,
) -> io::Result<Cow<'a, [u8]>> {
    let codings = lines.collect::<Vec<_>>().join(&b","[..]);
    let mut decoder = ContentDecoder::new(codings, body)?.max_decoded_bytes(max);
    if let Decoding::Identity(body) = decoder.decoding {
        return Ok(Cow::Borrowed(body));
    }
    let mut content = Vec::new();
    decoder.read_to_end(&mut content)?;
    Ok(Cow::Owned(content))
}

/// Remembers whether it was the reader that failed, how much was read, and how much may be before something comes out.
struct EncodedReader<R> {
    reader: R,
    /// Whether anything is to be read: one of the decoders would begin when it is made, which may take long.
    is_open: bool,
    has_failed: bool,
    given: u64,
    allowed: u64,
}

impl<R> EncodedReader<R> {
    /// Lets more be read for the `decoded` bytes that came out.
    fn allow_for(&mut self, decoded: usize) {
        self.allowed = self.allowed.saturating_add((decoded as u64).saturating_mul(ENCODED_PER_DECODED_MAX));
    }
}

impl<R: Read> Read for EncodedReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.is_open {
            // That decoder asks again when it is read from.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = usize::try_from(self.allowed).map_or(out.len(), |allowed| allowed.min(out.len()));
        let found = match most {
            0 if !out.is_empty() => Err(undecodable("the compressed content is hardly anything but padding")),
            _ => self.reader.read(&mut out[..most]),
        };
        self.has_failed = found.is_err();
        // A reader of the user's may claim more than there was room for.
        let count = found.as_ref().map_or(0, |&count| count.min(most)) as u64;
        self.given = self.given.saturating_add(count);
        self.allowed -= self.allowed.min(count);
        found
    }
}

/// A flush behind every byte makes some eight of it.
const ENCODED_PER_DECODED_MAX: u64 = 16;

/// What may be read before anything came out: a file name, and what is read ahead; or a block of zstd, which has up to
/// 128 KiB (RFC 8878 section 3.1.1.2.4) and gives nothing before all of it is there.
const PADDING_BYTES_MAX: u64 = 256 * 1024;

/// As much is read at once as is worth the system call.
const SOURCE_BYTES: usize = 16 * 1024;

fn source<R: Read>(reader: Decoding<R>) -> Encoded<R> {
    BufReader::with_capacity(
        SOURCE_BYTES,
        EncodedReader { reader, is_open: false, has_failed: false, given: 0, allowed: PADDING_BYTES_MAX },
    )
}

/// The reader's own error as it is; the decoder's as one that can be told from it.
fn blame<R>(error: io::Error, source: &Encoded<R>) -> io::Error {
    if source.get_ref().has_failed || Undecodable::is_in(&error) {
        return error;
    }
    match error.kind() {
        io::ErrorKind::OutOfMemory => error,
        io::ErrorKind::UnexpectedEof => cut_off(),
        _ => broken(),
    }
}

fn too_large(limit: DecodeLimit) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use std::io::Write;

    /// `text` in both codings.
    fn encoded(text: &[u8]) -> [(&'static str, Vec<u8>); 2] {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text).expect("a vector");
        let mut deflate = ZlibEncoder::new(Vec::new(), Compression::best());
        deflate.write_all(text).expect("a vector");
        [("gzip", gzip.finish().expect("a vector")), ("deflate", deflate.finish().expect("a vector"))]
    }

    fn decoded(coding: &str, bytes: impl Read) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        ContentDecoder::new(coding, bytes).expect("a known coding").read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn names_of_codings() {
        let [(_, gzip), (_, deflate)] = encoded(b"text");
        for (coding, bytes) in [
            ("", &b"text"[..]),
            ("Identity", b"text"),
            ("GZip", &gzip),
            ("x-gzip", &gzip),
            ("identity, gzip", &gzip),
            (" Deflate ,", &deflate),
        ] {
            assert_eq!(decoded(coding, bytes).expect(coding), b"text", "{coding:?}");
        }
        for coding in ["compress", "gzip, brotli", "gzip;q=1", "gzip deflate", "*", "gzip, gzip, gzip, gzip"]
        {
            assert_eq!(ContentDecoder::new(coding, &gzip[..]).err(), Some(CodingError), "{coding:?}");
        }
    }

    #[test]
    fn whatever_is_not_whole_is_an_error() {
        for (coding, bytes) in encoded(&b"some text ".repeat(50)) {
            for end in 0..bytes.len() {
                let error = decoded(coding, &bytes[..end]).expect_err("half of it");
                assert!(Undecodable::is_in(&error), "{coding} {end}: {error:?}");
            }
            let followed = [&bytes[..], b"x"].concat();
            assert!(Undecodable::is_in(&decoded(coding, &followed[..]).expect_err("more than it")));
            let mut broken = bytes.clone();
            *broken.last_mut().expect("not empty") ^= 1;
            assert!(Undecodable::is_in(&decoded(coding, &broken[..]).expect_err("a wrong sum")));
        }
        let [(_, gzip), _] = encoded(b"text");
        assert_eq!(decoded("gzip", &gzip.repeat(2)[..]).expect("two members"), b"texttext");
    }

    /// Gives a start and then the same bytes without end; counts them.
    struct Endless<'a> {
        bytes: std::iter::Chain<std::slice::Iter<'a, u8>, std::iter::Cycle<std::slice::Iter<'a, u8>>>,
        count: u64,
    }

    impl Read for &mut Endless<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            out.iter_mut().zip(&mut self.bytes).for_each(|(place, byte)| *place = *byte);
            self.count += out.len() as u64;
            assert!(self.count < 1024 * 1024, "nobody wants to read this");
            Ok(out.len())
        }
    }

    #[test]
    fn frm_04_what_never_becomes_anything_is_not_read_without_end() {
        let [(_, empty_member), _] = encoded(b"");
        // A stored block of no bytes that is not the last.
        let empty_block = [0, 0, 0, 0xff, 0xff];
        for (coding, start, repeated) in
            [("gzip", &[][..], &empty_member[..]), ("deflate", &[0x78, 0x9c], &empty_block)]
        {
            let mut endless = Endless { bytes: start.iter().chain(repeated.iter().cycle()), count: 0 };
            let error = decoded(coding, &mut endless).expect_err("no end");
            assert!(Undecodable::is_in(&error), "{coding}: {error:?}");
            assert!(endless.count <= PADDING_BYTES_MAX, "{coding}: {}", endless.count);
        }
    }

    /// Zeros in both codings, so many MiB.
    fn zeros(mib: usize) -> [(&'static str, Vec<u8>); 2] {
        encoded(&vec![0; mib * 1024 * 1024])
    }

    /// Reads by pieces of `room` bytes: how many came out, and the bound that ended it.
    fn come_out(mut decoder: ContentDecoder<impl Read>, room: usize) -> (usize, Option<DecodeLimit>) {
        let mut place = vec![0; room];
        let mut count = 0;
        loop {
            match decoder.read(&mut place) {
                Ok(0) => return (count, None),
                Ok(more) => count += more,
                Err(error) => {
                    let limit = DecodeLimit::of(&error).expect("nothing else is wrong with it");
                    let again = decoder.read(&mut place).map_err(|error| DecodeLimit::of(&error));
                    assert_eq!(again, Err(Some(limit)), "it stays");
                    return (count, Some(limit));
                }
            }
        }
    }

    #[test]
    fn engine_f9_a_bomb_is_noticed_by_its_ratio() {
        let free = 1024 * 1024;
        for (coding, bytes) in zeros(3) {
            for (room, slack) in [(1000, 1000), (64 * 1024, 64 * 1024)] {
                for piece in [1, 100, usize::MAX] {
                    let reader = || Pieces { bytes: &bytes, piece };
                    let decoder = || ContentDecoder::new(coding, reader()).expect("a known coding");
                    let (count, limit) = come_out(decoder(), room);
                    assert_eq!(limit, Some(DecodeLimit::Ratio), "{coding} {room} {piece}");
                    assert!(
                        count > free - slack && count <= free + slack,
                        "{coding} {room} {piece}: {count}"
                    );
                    assert_eq!(come_out(decoder().max_ratio(None), room), (3 * free, None));
                    assert_eq!(come_out(decoder().max_ratio(1100), room), (3 * free, None));
                }
            }
        }
        for (coding, bytes) in zeros(1) {
            let decoder = ContentDecoder::new(coding, &bytes[..]).expect("a known coding");
            assert_eq!(come_out(decoder, 5000), (free, None), "a little is free");
        }
        let text: Vec<u8> =
            (0..300_000).flat_map(|line: u32| format!("{line} a line\n").into_bytes()).collect();
        for (coding, bytes) in encoded(&text) {
            let decoder = ContentDecoder::new(coding, &bytes[..]).expect("a known coding");
            assert_eq!(come_out(decoder, 5000), (text.len(), None), "text is no bomb");
        }
    }

    #[test]
    fn engine_f9_what_comes_out_is_bounded() {
        for (coding, bytes) in encoded(b"some text") {
            let decoder = || ContentDecoder::new(coding, &bytes[..]).expect("a known coding");
            for room in [1, 9, 100] {
                assert_eq!(come_out(decoder().max_decoded_bytes(9), room), (9, None));
                let (count, limit) = come_out(decoder().max_decoded_bytes(8), room);
                assert_eq!((count <= 8, limit), (true, Some(DecodeLimit::Bytes)));
            }
        }
        let [(_, mib), _] = zeros(1);
        let (members, whole) = (mib.repeat(33), 33 * 1024 * 1024);
        let decoder = || ContentDecoder::new("gzip", &members[..]).expect("a known coding").max_ratio(None);
        let (count, limit) = come_out(decoder(), 64 * 1024);
        assert_eq!((count, limit), (32 * 1024 * 1024, Some(DecodeLimit::Bytes)), "by default");
        assert_eq!(come_out(decoder().max_decoded_bytes(None), 64 * 1024), (whole, None));
        let plain = vec![0; whole];
        let decoder = ContentDecoder::new("", &plain[..]).expect("none").max_decoded_bytes(1);
        assert_eq!(come_out(decoder, 64 * 1024), (plain.len(), None), "nothing was decoded");
    }

    /// Gives its bytes in pieces.
    struct Pieces<'a> {
        bytes: &'a [u8],
        piece: usize,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let room = self.piece.min(out.len());
            self.bytes.read(&mut out[..room])
        }
    }

    /// Whoever makes a decoder may not be ready to wait.
    #[test]
    fn nothing_is_read_before_the_first_read() {
        struct NotYet(std::rc::Rc<std::cell::Cell<bool>>, io::Cursor<Vec<u8>>);
        impl Read for NotYet {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                assert!(self.0.get(), "nobody has asked for anything");
                self.1.read(out)
            }
        }
        let [(_, gzip), (_, deflate)] = encoded(b"text");
        let mut twice = GzEncoder::new(Vec::new(), Compression::best());
        twice.write_all(&gzip).expect("a vector");
        let twice = twice.finish().expect("a vector");
        for (coding, bytes) in [("gzip", gzip), ("deflate", deflate), ("gzip, gzip", twice)] {
            let is_asked = std::rc::Rc::default();
            let source = NotYet(std::rc::Rc::clone(&is_asked), io::Cursor::new(bytes));
            let mut decoder = ContentDecoder::new(coding, source).expect("a known coding");
            is_asked.set(true);
            let mut text = String::new();
            decoder.read_to_string(&mut text).expect("content");
            assert_eq!(text, "text", "{coding}");
        }
    }

    #[test]
    fn a_flush_behind_every_byte_is_not_padding() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        for byte in 0..250_000_u32 {
            encoder.write_all(&[byte as u8]).expect("a vector");
            encoder.flush().expect("a vector");
        }
        let bytes = encoder.finish().expect("a vector");
        assert!(bytes.len() as u64 > 5 * PADDING_BYTES_MAX, "{}", bytes.len());
        assert_eq!(decoded("gzip", &bytes[..]).expect("content").len(), 250_000);
    }

    /// Gives its bytes one by one, and fails for good behind them.
    struct Broken(Vec<u8>);

    impl Read for Broken {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            out[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn the_readers_errors_are_the_readers() {
        for (coding, bytes) in encoded(b"text").into_iter().chain([("", b"text".to_vec())]) {
            for length in 0..=bytes.len() {
                let error = decoded(coding, Broken(bytes[..length].to_vec())).expect_err("a broken reader");
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{coding} {length}");
            }
        }
    }
}
