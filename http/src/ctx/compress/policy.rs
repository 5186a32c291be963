//! What is said about the compression of responses.

use super::types::TypeList;
use crate::values::coding::{CompressionLevel, ContentCoding};

/// Which responses are compressed, and how; for [`compress`](crate::compress).
///
/// ```
/// # #[cfg(feature = "gzip")] {
/// use anthill_http::CompressPolicy;
/// use anthill_http::body::ContentCoding;
///
/// let policy = CompressPolicy::new()
///     .codings([ContentCoding::Gzip])
///     .level(ContentCoding::Gzip, 1)
///     .min_bytes(1024)
///     .types(["text/*", "application/json", "image/svg+xml"]);
/// # let _ = anthill_http::compress(|_: &mut anthill_http::RequestCtx| (), policy);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CompressPolicy {
    /// In order of preference.
    pub(super) codings: Vec<(ContentCoding, CompressionLevel)>,
    pub(super) min_bytes: u64,
    pub(super) types: TypeList,
    pub(super) tags: TagChange,
    pub(super) kept_bytes: usize,
    pub(super) compresses_events: bool,
    pub(super) streams_max: usize,
}

/// What becomes of the `ETag` of a response that is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TagChange {
    /// `"v1"` becomes `W/"v1"`: the same content in other bytes. Clients ask with it, and handlers that compare weakly,
    /// as is asked of them for `If-None-Match`, find it. `If-Match` and `If-Range` do not, so what is resumed begins
    /// anew.
    #[default]
    Weaken,
    /// `"v1"` becomes `"v1-gzip"`. In `If-None-Match` and `If-Match` the handler sees `"v1"` beside it. Tags of its own
    /// may end so; but of one resource there must not be both `"v1"` and `"v1-gzip"`, or the one is taken for the
    /// other.
    Suffix,
}

/// Smaller bodies fit into one packet with their head in any case.
const MIN_BYTES: u64 = 200;

/// At the usual levels their coders take some 100 MB (gzip) or 500 MB (br, zstd).
const STREAMS_MAX: usize = 256;

impl Default for CompressPolicy {
    fn default() -> Self {
        let codings = ContentCoding::ALL.iter().map(|coding| (*coding, CompressionLevel::Default)).collect();
        Self {
            codings,
            min_bytes: MIN_BYTES,
            types: TypeList::default(),
            tags: TagChange::default(),
            kept_bytes: 0,
            compresses_events: false,
            streams_max: STREAMS_MAX,
        }
    }
}

impl CompressPolicy {
    /// The defaults: every coding that there is, in the order br, gzip, deflate, zstd; from 200 bytes on; text, fonts,
    /// and whatever of `application/*` and `multipart/*` is neither an archive nor of an unknown kind; weak tags;
    /// nothing is kept; streams of events are left alone; 256 streams at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// The codings, in the order in which they are preferred where the client does not care; with their default levels.
    /// None: nothing is compressed.
    pub fn codings(mut self, codings: impl IntoIterator<Item = ContentCoding>) -> Self {
        self.codings.clear();
        for coding in codings {
            if !self.codings.iter().any(|(known, _)| *known == coding) {
                self.codings.push((coding, CompressionLevel::Default));
            }
        }
        self
    }

    /// How hard a coding tries; one that is not among the [codings](Self::codings) is added behind them. Default: what
    /// [`CompressionLevel::Default`] says.
    pub fn level(mut self, coding: ContentCoding, level: impl Into<CompressionLevel>) -> Self {
        let level = level.into();
        match self.codings.iter_mut().find(|(known, _)| *known == coding) {
            Some((_, of_coding)) => *of_coding = level,
            None => self.codings.push((coding, level)),
        }
        self
    }

    /// Bodies of fewer bytes are left alone, if their length is known. Default: 200.
    pub fn min_bytes(mut self, bytes: u64) -> Self {
        self.min_bytes = bytes;
        self
    }

    /// The types that are compressed: `text/html`, `text/*`, `*/*`, in any case, without parameters. They replace the
    /// defaults.
    pub fn types<T: AsRef<str>>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.types = TypeList::of(types);
        self
    }

    /// What becomes of entity tags. Default: [`TagChange::Weaken`].
    pub fn entity_tags(mut self, change: TagChange) -> Self {
        self.tags = change;
        self
    }

    /// How many bodies that are compressed as they are sent there may be at once, each of which holds its coder until
    /// its client has all of it, however slow that is. Further ones are sent as they are. Bodies of at most 64 KiB that
    /// are there as bytes, and streams of events, do not count. Default: 256.
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.streams_max = streams;
        self
    }

    /// Whether streams of events ([`events`](crate::events)) are compressed, which takes gzip or deflate. Each event is
    /// compressed for each of its subscribers, by the shard that sends it and not by a worker: that is worth it for few
    /// subscribers, and not for thousands. Default: they are left alone.
    ///
    /// ```
    /// # #[cfg(feature = "gzip")] {
    /// use anthill_http::events::EventHub;
    /// use anthill_http::{CompressPolicy, Handler, Request, RequestCtx, compress};
    ///
    /// let hub = EventHub::new();
    /// let reports = move |ctx: &mut RequestCtx| ctx.set_event_stream(hub.subscribe());
    /// let handler = compress(reports, CompressPolicy::new().event_streams(true));
    /// # let mut request = Request::new("GET", "/")?;
    /// # request.set_header("Accept-Encoding", "br, gzip");
    /// # let mut ctx = RequestCtx::for_request(request, None);
    /// # handler.handle(&mut ctx);
    /// # assert_eq!(ctx.response.content_encoding_str(), Some("gzip"));
    /// # }
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn event_streams(mut self, compressed: bool) -> Self {
        self.compresses_events = compressed;
        self
    }

    /// Keeps what has become of bodies that live as long as the program
    /// ([`set_body_static`](crate::Response::set_body_static)), up to so many bytes of it together, for as long as the
    /// handler is there. Each is compressed once for each coding then, so [`CompressionLevel::Best`] may be worth it:
    /// for the first client that takes it, one above 64 KiB as it is sent, which is kept when all of it was. Others get
    /// it compressed at [`CompressionLevel::Fastest`] meanwhile. What does not fit any more is compressed each time, at
    /// its level. Default: 0, nothing is kept.
    pub fn keep_static(mut self, bytes: usize) -> Self {
        self.kept_bytes = bytes;
        self
    }
}
