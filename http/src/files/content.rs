//! Content that can be asked for as a whole and in parts, and the one routine that answers with it.
//!
//! Source: RFC 9110 sections 8.8 (validators), 13 (preconditions), 14 (ranges), 15.3.7 (206), 15.5.17 (416).
//!
//! The rule: whatever is said about the content (its length, its tag, its parts) is said of the very descriptor or
//! bytes that are sent.

use super::stamp::{FileKind, NodeStamp};
use crate::ctx::RequestCtx;
use crate::message::response::{BodyPart, SharedBytes, WholeContent};
use crate::util::file::read_at;
use crate::values::header::{ByteRange, ByteRanges, ContentRange, RangeError, Validators};
use crate::values::multipart::Boundary;
use std::fs::File;
use std::io;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Content up to this many bytes is copied into the response; the rest of a file goes from the file.
const SMALL_BYTES: u64 = 16 * 1024;

/// Ranges with no more between them are sent as one: a part's own lines are about as long.
const GAP_BYTES: u64 = 100;

/// A file or bytes to answer with, with what tells one version of it from another: a tag (`ETag`) and a time
/// (`Last-Modified`). To answer with [`RequestCtx::serve_content`].
///
/// A copy shares the file or the bytes.
///
/// ```
/// use anthill_http::files::Content;
/// let page = Content::from_static(b"<p>hello").etag(r#""v1""#);
/// assert_eq!((page.len(), page.tag()), (8, Some(r#""v1""#)));
/// ```
#[derive(Clone, Debug)]
// What is served may well be empty, but nobody asks it that.
#[allow(clippy::len_without_is_empty)]
pub struct Content {
    whole: WholeContent,
    length: u64,
    tag: Option<Arc<str>>,
    modified: Option<SystemTime>,
    /// Whether all that has this time at its address may be one version. Not where there are copies, of the same time
    /// and other bytes.
    tells_by_time: bool,
    /// What was known of the file when it was opened.
    stamp: Option<NodeStamp>,
    /// The root it was found below, which whoever looks for another file there need not open then.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    _root: Option<Arc<OwnedFd>>,
}

impl Content {
    /// The whole of an open file. Its tag is a strong one, of what the file system knows: its last change in
    /// nanoseconds, its size and its number. That of a file which has changed just now, and so may once more without
    /// another time, is a weak one, and never the same again.
    ///
    /// # Errors
    /// Those of the system, and `InvalidInput` for what is no regular file.
    pub fn from_file(file: File) -> io::Result<Self> {
        let stamp = NodeStamp::of(&file)?;
        if stamp.kind != FileKind::Regular {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no regular file"));
        }
        Ok(Self::of_file(file, stamp))
    }

    /// The same of one of which is known that it is regular.
    pub(super) fn of_file(file: File, stamp: NodeStamp) -> Self {
        let NodeStamp { modified, size, inode, .. } = stamp;
        let tag = match unsettled_mark(&stamp) {
            Some(mark) => format!("W/\"{modified:x}-{size:x}-{inode:x}-{mark:x}\""),
            None => format!("\"{modified:x}-{size:x}-{inode:x}\""),
        };
        Self {
            whole: WholeContent::File(Arc::new(file)),
            length: size,
            tag: Some(tag.into()),
            modified: Some(stamp.time()),
            tells_by_time: true,
            stamp: Some(stamp),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            _root: None,
        }
    }

    /// The same, which holds the descriptor of its root.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn below(self, root: Option<Arc<OwnedFd>>) -> Self {
        Self { _root: root, ..self }
    }

    /// The first `length` bytes of it, which has more.
    #[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
    pub(super) fn shortened(self, length: u64) -> Self {
        Self { length, ..self }
    }

    /// Bytes, without tag and time.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::of_bytes(SharedBytes::Counted(bytes.into()))
    }

    /// Bytes that live as long as the program, without tag and time.
    pub fn from_static(bytes: &'static [u8]) -> Self {
        Self::of_bytes(SharedBytes::Static(bytes))
    }

    fn of_bytes(bytes: SharedBytes) -> Self {
        let length = bytes.as_ref().len() as u64;
        let whole = WholeContent::Bytes(bytes);
        Self {
            whole,
            length,
            tag: None,
            modified: None,
            tells_by_time: true,
            stamp: None,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            _root: None,
        }
    }

    /// Gives it this entity tag, with its quotes: `"v1"`, or `W/"v1"`. One that is none is sent and never matches.
    pub fn etag(self, tag: impl Into<Arc<str>>) -> Self {
        Self { tag: Some(tag.into()), ..self }
    }

    /// Takes its tag away.
    pub fn without_etag(self) -> Self {
        Self { tag: None, ..self }
    }

    /// Says when it last changed.
    pub fn last_modified(self, time: SystemTime) -> Self {
        Self { modified: Some(time), ..self }
    }

    /// Says that others have the same time at the same address. Then no part is asked for by it.
    pub(super) fn with_time_of_others(self) -> Self {
        Self { tells_by_time: false, ..self }
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// The entity tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// When it last changed.
    pub fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// What the system knew of the file.
    pub(super) fn stamp(&self) -> Option<&NodeStamp> {
        self.stamp.as_ref()
    }

    /// Whether it is of a file each further change of which will be noticed.
    pub(super) fn is_settled(&self) -> bool {
        self.stamp.is_some_and(|stamp| stamp.is_settled)
    }

    /// Whether it holds a descriptor.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.whole, WholeContent::File(_))
    }

    /// Whether it is of a file, which is still as it was: neither written to, nor renamed over, nor deleted.
    pub(super) fn is_unchanged(&self) -> bool {
        match (&self.whole, &self.stamp) {
            (WholeContent::File(file), Some(stamp)) => {
                NodeStamp::of(file).is_ok_and(|now| now.is_same(stamp))
            }
            _ => false,
        }
    }

    /// The file that it is of.
    #[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
    pub(super) fn file(&self) -> Option<&File> {
        match &self.whole {
            WholeContent::File(file) => Some(file),
            WholeContent::Bytes(_) => None,
        }
    }

    /// Whether it is of a file that has no name any more.
    #[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
    pub(super) fn is_deleted(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        match &self.whole {
            WholeContent::File(file) => file.metadata().is_ok_and(|metadata| metadata.nlink() == 0),
            WholeContent::Bytes(_) => false,
        }
    }

    /// Its first bytes, `most` at most.
    pub(super) fn beginning(&self, most: usize) -> io::Result<Vec<u8>> {
        let mut start = vec![0; usize::try_from(self.length).map_or(most, |length| length.min(most))];
        let count = self.read_to(&mut start, 0)?;
        start.truncate(count);
        Ok(start)
    }

    /// Reads from `offset` on until the room is full or nothing is left.
    pub(super) fn read_to(&self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        match &self.whole {
            WholeContent::Bytes(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let rest = bytes.as_ref().get(start..).unwrap_or_default();
                let count = rest.len().min(room.len());
                room[..count].copy_from_slice(&rest[..count]);
                Ok(count)
            }
            WholeContent::File(file) => {
                let mut filled = 0;
                while filled < room.len() {
                    match read_at(file, &mut room[filled..], offset.saturating_add(filled as u64))? {
                        0 => break,
                        count => filled += count,
                    }
                }
                Ok(filled)
            }
        }
    }
}

/// Answering with content.
impl RequestCtx {
    /// Answers with `content`, or with what the request says of it: 304 or 412 by its preconditions, 206 with the parts
    /// that it asks for, 416 when there are no such parts (Go's `http.ServeContent`).
    ///
    /// Fields that were set before stay, above all `Content-Type`. `ETag`, `Last-Modified` and `Accept-Ranges` are set.
    /// A time that lies ahead of the request's is not told, but the request's. With 412 and 416, whose body is a text
    /// of their own, those fields go that are about the content, such as `Content-Encoding` and `Cache-Control`.
    ///
    /// - Where another status than 200 was set before, it stays: the whole content is the body, whatever the request
    ///   says, and no validators are told.
    /// - Preconditions are judged in the order of RFC 9110 section 13.2.2, as by
    ///   [`precondition_met`](Self::precondition_met).
    /// - Ranges count with `GET` alone, beside an `If-Range` that is met or none; what is no well-formed range of bytes
    ///   counts for nothing, and so do more than 32 at once. Those that overlap, or are less than 100 bytes apart, are
    ///   sent as one, so never more than the content has. Several that are left are sent as `multipart/byteranges`.
    /// - Up to 16 KiB are copied into the response. More of a file does not pass through the process where the system
    ///   can do that.
    /// - A file that is shorter by then than it was when it was opened ends the connection.
    ///
    /// ```
    /// use anthill_http::files::Content;
    /// use anthill_http::{Request, RequestCtx};
    ///
    /// let song = Content::from_static(b"la la la").etag(r#""take 1""#);
    /// let mut request = Request::new("GET", "/")?;
    /// request.set_header("Range", "bytes=3-4");
    /// let mut ctx = RequestCtx::for_request(request, None);
    /// ctx.set_content_type("audio/ogg");
    /// ctx.serve_content(&song);
    /// assert_eq!((ctx.response.status_code(), ctx.response.header_str("content-range")), (206, Some("bytes 3-4/8")));
    /// assert_eq!((ctx.response.body(), ctx.response.header_str("etag")), (&b""[..], Some(r#""take 1""#)));
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn serve_content(&mut self, content: &Content) {
        // Preconditions and ranges are about what a 200 would bring (RFC 9110 13.2.1, 14.2): the text of a 404 must not
        // make a 206 or a 304 of it.
        if self.response.status_code() != 200 {
            return self.fill_from(content, 0, content.length);
        }
        let mut validators = Validators::new();
        if let Some(tag) = content.tag() {
            self.response.set_header("ETag", tag);
            validators = validators.etag(tag);
        }
        let mut of_parts = validators;
        if let Some(modified) = content.modified {
            let now = self.time();
            let modified = modified.min(now);
            self.response.set_last_modified(modified);
            validators = validators.last_modified(modified);
            // A second that is not over yet tells one version from no other (RFC 9110 8.8.2.2).
            let is_over = now.duration_since(modified).is_ok_and(|age| age >= Duration::from_secs(1));
            if is_over && content.tells_by_time {
                of_parts = of_parts.last_modified(modified);
            }
        }
        self.response.set_header("Accept-Ranges", "bytes");
        if !self.precondition_met(&validators) {
            if self.response.status_code() == 304 {
                // They are about a body that is not there.
                for name in ["Content-Type", "Content-Encoding", "Content-Disposition", "Accept-Ranges"] {
                    self.response.headers_mut().remove(name);
                }
            }
            return;
        }
        let ranges = self.request.byte_ranges_of(&of_parts, content.length);
        match ranges.map(|ranges| ranges.map(merged)) {
            Some(Ok(ranges)) => self.serve_parts(content, &ranges),
            Some(Err(RangeError::Unsatisfiable)) => {
                self.refuse_content("Range Not Satisfiable", 416);
                self.response.set_content_range(ContentRange::Unsatisfied { length: content.length });
            }
            // What cannot be read says nothing.
            Some(Err(_)) | None => self.fill_from(content, 0, content.length),
        }
    }

    fn serve_parts(&mut self, content: &Content, ranges: &[ByteRange]) {
        self.response.set_status_code(206);
        let length = Some(content.length);
        if let [range] = ranges {
            self.response.set_content_range(ContentRange::Part { range: *range, length });
            return self.fill_from(content, range.first(), range.len());
        }
        let boundary = Boundary::random();
        let kind = self.response.content_type().unwrap_or(b"application/octet-stream");
        let kind = [b"Content-Type: ", kind, b"\r\n"].concat();
        let mut parts = Vec::with_capacity(ranges.len() + 1);
        for range in ranges {
            let mut text = Vec::with_capacity(kind.len() + 128);
            // In front of the first one, too (RFC 9110 15.3.7.2): zsync asks without end when that is missing.
            text.extend_from_slice(b"\r\n--");
            text.extend_from_slice(boundary.as_str().as_bytes());
            text.extend_from_slice(b"\r\n");
            text.extend_from_slice(&kind);
            text.extend_from_slice(b"Content-Range: ");
            text.extend_from_slice(ContentRange::Part { range: *range, length }.to_string().as_bytes());
            text.extend_from_slice(b"\r\n\r\n");
            parts.push(BodyPart::new(text, range.first(), range.len()));
        }
        let end = format!("\r\n--{}--\r\n", boundary.as_str());
        parts.push(BodyPart::new(end.into_bytes(), 0, 0));
        self.response.set_content_type(format!("multipart/byteranges; boundary={}", boundary.as_str()));
        self.response.set_body_parts(&content.whole, parts);
    }

    /// Makes `size` bytes from `offset` the body.
    fn fill_from(&mut self, content: &Content, offset: u64, size: u64) {
        let is_small = size <= SMALL_BYTES && content.is_file() && !self.request.is_head();
        if is_small && self.copy_from(content, offset, size as usize) {
            return;
        }
        // What could not be read, or was not there, is noticed again by whoever sends it.
        self.response.set_body_part(&content.whole, offset, size);
    }

    fn copy_from(&mut self, content: &Content, offset: u64, size: usize) -> bool {
        let body = self.response.body_mut();
        body.clear();
        body.resize(size, 0);
        content.read_to(body, offset).is_ok_and(|count| count == size)
    }
}

/// The ranges, those as one that overlap or nearly meet, at the place of the first of them.
fn merged(ranges: ByteRanges<'_>) -> Vec<ByteRange> {
    let mut kept: Vec<ByteRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        let mut range = range;
        let mut place = None;
        // One that grows may meet others that it did not meet before.
        while let Some(other) = kept.iter().position(|other| nearly_meet(*other, range)) {
            let other_range = kept.remove(other);
            range = hull(range, other_range);
            place = Some(place.map_or(other, |place: usize| place.min(other)));
        }
        kept.insert(place.unwrap_or(kept.len()), range);
    }
    kept
}

fn nearly_meet(one: ByteRange, other: ByteRange) -> bool {
    let reach = |range: ByteRange| range.last().saturating_add(GAP_BYTES);
    one.first() <= reach(other) && other.first() <= reach(one)
}

fn hull(one: ByteRange, other: ByteRange) -> ByteRange {
    ByteRange::new(one.first().min(other.first()), one.last().max(other.last())).unwrap_or(one)
}

/// Which tags files have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileTags {
    /// Strong ones, of the time of the last change in nanoseconds, the size and the number (inode) of the file. A file
    /// that was copied to another machine has another one there. While the last change is less than 20 ms ago (2 s
    /// where times have no fractions), weak ones that are never the same again.
    #[default]
    Strong,
    /// Weak ones, of time and size alone: the same on all machines that have the file with its time. Clients then ask
    /// for parts by the date, if at all.
    Weak,
    /// None at all.
    None,
}

impl FileTags {
    /// The content with its tag as it is to be.
    pub(super) fn apply(self, content: Content) -> Content {
        match self {
            Self::Strong => content,
            Self::None => content.without_etag(),
            Self::Weak => match weak_tag(&content) {
                Some(tag) => content.etag(tag),
                None => content,
            },
        }
    }
}

/// What tells the tag of a file that has changed just now from all others; `None`: its times do.
fn unsettled_mark(stamp: &NodeStamp) -> Option<u64> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // Also from those of this program when it is started again.
    let mark = || {
        let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        (start.as_nanos() as u64).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed))
    };
    (!stamp.is_settled).then(mark)
}

fn weak_tag(content: &Content) -> Option<String> {
    match content.stamp() {
        // What was made of the file is never the same again, and is to stay so.
        Some(stamp) if !stamp.is_settled => content.tag().map(str::to_owned),
        Some(stamp) => Some(format!("W/\"{:x}-{:x}\"", stamp.modified, stamp.size)),
        None => content.tag().map(|tag| format!("W/{}", tag.trim_start_matches("W/"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn merge(value: &str, length: u64) -> Vec<(u64, u64)> {
        let ranges = ByteRanges::parse(value.as_bytes(), length).expect("ranges");
        merged(ranges).into_iter().map(|range| (range.first(), range.last())).collect()
    }

    #[test]
    fn ranges_that_nearly_meet_are_one() {
        for (asked, expected) in [
            ("bytes=0-9", vec![(0, 9)]),
            ("bytes=0-9,5-20", vec![(0, 20)]),
            ("bytes=0-9,10-20", vec![(0, 20)]),
            ("bytes=0-9,109-120", vec![(0, 120)]),
            ("bytes=0-9,110-120", vec![(0, 9), (110, 120)]),
            ("bytes=5000-5009,0-9", vec![(5000, 5009), (0, 9)]),
            ("bytes=5000-5009,0-9,5005-5020", vec![(5000, 5020), (0, 9)]),
            ("bytes=0-9,5000-5009,200-4950", vec![(0, 9), (200, 5009)]),
            ("bytes=0-,0-,0-", vec![(0, 9999)]),
            ("bytes=-1,0-0", vec![(9999, 9999), (0, 0)]),
        ] {
            assert_eq!(merge(asked, 10_000), expected, "{asked}");
        }
    }

    #[test]
    fn weak_tags_are_of_time_and_size_or_of_the_tag_that_was_given() {
        assert_eq!(weak_tag(&Content::from_static(b"").etag("\"x\"")).as_deref(), Some("W/\"x\""));
        assert_eq!(weak_tag(&Content::from_static(b"").etag("W/\"x\"")).as_deref(), Some("W/\"x\""));
        assert_eq!(weak_tag(&Content::from_static(b"")), None);
    }

    proptest! {
        /// What is sent has every byte that was asked for, once, and few others.
        #[test]
        fn merged_ranges_cover_what_was_asked(
            asked in proptest::collection::vec((0_u64..3000, 0_u64..400), 1..32)
        ) {
            let list: Vec<String> = asked.iter().map(|(first, more)| format!("{first}-{}", first + more)).collect();
            let value = format!("bytes={}", list.join(","));
            let found = merge(&value, 4000);
            for (first, more) in asked {
                prop_assert!(found.iter().any(|(from, to)| *from <= first && first + more <= *to));
            }
            for (index, one) in found.iter().enumerate() {
                for other in &found[index + 1..] {
                    prop_assert!(one.1 + GAP_BYTES < other.0 || other.1 + GAP_BYTES < one.0, "{found:?}");
                }
            }
        }
    }
}
