//! Every bound of the protocol core on one page.
//!
//! The rule: whatever a peer can make grow has a bound here. Their relations are checked when this is
//! compiled.

/// Bounds that users may change, and what decides how they are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes from the first byte of a message, empty lines before it included, to the blank line that ends
    /// the head. Default 16 KiB; above, 431. Values above [`HEAD_BYTES_CEILING`] mean that
    /// ceiling.
    // LIM-04.
    pub(crate) head_bytes_max: usize,
    /// Header fields of one message. Default 128; above, 431.
    pub(crate) fields_max: usize,
    /// Bytes of a body, with chunked framing removed. Default 4 MiB; above, 413. `None`: no limit.
    /// With `streams_bodies` it bounds only what is collected.
    // LIM-07, STR-02.
    pub(crate) body_bytes_max: Option<u64>,
    /// Whether a request is ready as soon as its head is there.
    pub(crate) streams_bodies: bool,
    /// Which requests somebody has to decide on when only their head is there.
    pub(crate) head_decision: HeadDecision,
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Limits {
    /// The defaults.
    pub(crate) const DEFAULT: Self = Self {
        head_bytes_max: HEAD_BYTES_DEFAULT,
        fields_max: FIELDS_DEFAULT,
        body_bytes_max: Some(BODY_BYTES_DEFAULT),
        streams_bodies: false,
        head_decision: HeadDecision::Never,
    };

    /// Those by which somebody takes whatever a server of one's own answers.
    pub(crate) const WIDEST: Self = Self {
        head_bytes_max: HEAD_BYTES_CEILING,
        fields_max: FIELDS_CEILING,
        body_bytes_max: None,
        ..Self::DEFAULT
    };

    /// The head bound that is applied.
    pub(crate) fn head_bytes(&self) -> usize {
        self.head_bytes_max.min(HEAD_BYTES_CEILING)
    }

    /// How many fields the first look at a head has room for.
    pub(crate) fn fields_on_stack(&self) -> usize {
        self.fields_max.min(FIELDS_ON_STACK)
    }

    /// Whether a body of `bytes` bytes is allowed.
    pub(crate) fn allows_body(&self, bytes: u64) -> bool {
        self.body_bytes_max.is_none_or(|max| bytes <= max)
    }
}

/// Which requests [`Progress::Head`](super::Progress::Head) tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadDecision {
    Never,
    /// Those whose clients wait to be asked for the body.
    Expecting,
    Always,
}

/// The head bound unless configured otherwise.
pub(crate) const HEAD_BYTES_DEFAULT: usize = 16 * 1024;

/// The largest head bound; positions in a head are kept in 32 bits.
pub(crate) const HEAD_BYTES_CEILING: usize = 16 * 1024 * 1024;

/// The bound on header fields unless configured otherwise.
pub(crate) const FIELDS_DEFAULT: usize = 128;

/// The largest number of header fields that can be chosen: more than an honest head of the largest size has.
pub(crate) const FIELDS_CEILING: usize = 64 * 1024;

/// For so many header fields there is room on the stack while a head is parsed. More cost an allocation.
pub(crate) const FIELDS_ON_STACK: usize = 128;

/// The body bound unless configured otherwise; fasthttp's.
pub(crate) const BODY_BYTES_DEFAULT: u64 = 4 * 1024 * 1024;

/// Hex digits of a chunk size. 15 digits cannot overflow 64 bits.
// BDY-05.
pub(crate) const CHUNK_SIZE_DIGITS_MAX: u8 = 15;

/// Bytes of white space behind the size on one chunk line, and of chunk extensions in one whole body. They
/// carry nothing, so a peer that sends many is only keeping us busy.
pub(crate) const CHUNK_EXTENSION_BYTES_MAX: u16 = 8 * 1024;

/// Bytes of the trailer section, its final blank line included.
pub(crate) const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Bytes of a body that nobody has read, with its framing, that are thrown away at most so that the connection can go
/// on. As in Go's net/http; beyond it a new connection is cheaper.
// STR-04.
pub(crate) const UNREAD_BODY_BYTES_MAX: u64 = 256 * 1024;

/// Interim (1xx) responses to one request. Each is bounded like any head; a server that sends more is only keeping a
/// client busy.
pub(crate) const INTERIM_RESPONSES_MAX: u8 = 16;

/// Trailer fields of one message.
pub(crate) const TRAILER_FIELDS_MAX: usize = 32;

const _: () = {
    assert!(HEAD_BYTES_DEFAULT <= HEAD_BYTES_CEILING);
    // Spans must be able to address a head, and a head plus its trailers plus slack.
    assert!(HEAD_BYTES_CEILING + TRAILER_BYTES_MAX < u32::MAX as usize / 2);
    assert!(CHUNK_SIZE_DIGITS_MAX as u32 * 4 < u64::BITS);
    assert!(FIELDS_DEFAULT <= FIELDS_ON_STACK);
};
