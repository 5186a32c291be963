//! Every bound of the multipart parser on one page.

use crate::values::bad_option::BadOption;
use crate::values::coding::{CodingError, ContentDecoder, DECODED_BYTES_DEFAULT, RATIO_DEFAULT};
use std::io::Read;

/// Bounds on what a multipart body may make grow.
///
/// The defaults fit forms whose parts are held in memory. An upload that passes through may be longer when it is said
/// to:
///
/// ```
/// use anthill_http::multipart::Limits;
/// const GIB: u64 = 1024 * 1024 * 1024;
/// let limits = Limits::new().max_body_bytes(10 * GIB).max_part_bytes(10 * GIB);
/// # let _ = limits;
/// ```
///
/// Reading fails with [`Error::BadOption`](super::Error::BadOption) at its start when a limit is zero, or more than
/// another allows. What happens beyond a limit:
///
/// ```
/// use anthill_http::multipart::{Boundary, Error, Limit, Limits, Multipart};
///
/// let boundary = Boundary::new("b")?;
/// let body = &b"--b\r\n\r\n12345\r\n--b--"[..];
/// let mut multipart = Multipart::with_limits(body, &boundary, Limits::new().max_part_bytes(4));
/// let mut part = multipart.next_part()?.expect("a part");
/// let error = part.read_to_vec(100).unwrap_err();
/// assert!(matches!(error, Error::TooLarge(Limit::Part)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    pub(super) parts_max: usize,
    pub(super) head_bytes_max: usize,
    /// `None`: the default.
    part_bytes_max: Option<u64>,
    pub(super) body_bytes_max: u64,
    ratio_max: Option<u32>,
}

impl Limits {
    /// The defaults: 1000 parts, 16 KiB per head, 32 MiB for a part and for the whole body, decoded if it is encoded,
    /// and 200 decoded bytes for an encoded one.
    pub fn new() -> Self {
        Self {
            parts_max: 1000,
            head_bytes_max: 16 * 1024,
            part_bytes_max: None,
            body_bytes_max: DECODED_BYTES_DEFAULT,
            ratio_max: Some(RATIO_DEFAULT),
        }
    }

    /// How many parts a body may have. Default: 1000.
    pub fn max_parts(mut self, parts: usize) -> Self {
        self.parts_max = parts;
        self
    }

    /// How many bytes the head of a part may have, all its lines with their ends. Default: 16 KiB. This much is
    /// buffered. Never more than 16 MiB, and never more than 64 fields.
    pub fn max_head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes_max = bytes.min(HEAD_BYTES_CEILING);
        self
    }

    /// How many bytes the content of a part may have. Default: 32 MiB; `None`: no limit but that of the body.
    ///
    /// A longer part is handed out up to the limit and then fails.
    // FRM-04.
    pub fn max_part_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.part_bytes_max = Some(bytes.into().unwrap_or(u64::MAX));
        self
    }

    /// How many bytes the body may have altogether, delimiters and what follows the last one included. Where the body
    /// is decoded on the way, these are the decoded bytes. Default: 32 MiB; `None`: no limit but that of the reader.
    // FRM-04.
    pub fn max_body_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.body_bytes_max = bytes.into().unwrap_or(u64::MAX);
        self
    }

    /// How many bytes may come out for each byte of a body that [`RequestCtx::multipart`](crate::RequestCtx::multipart)
    /// decodes, at any time once 1 MiB has come out. Default: 200; `None`: no limit. See
    /// [`ContentDecoder::max_ratio`](crate::body::ContentDecoder::max_ratio).
    // FRM-04.
    pub fn max_ratio(mut self, ratio: impl Into<Option<u32>>) -> Self {
        self.ratio_max = ratio.into();
        self
    }

    pub(super) fn part_bytes_max(&self) -> u64 {
        self.part_bytes_max.unwrap_or(DECODED_BYTES_DEFAULT)
    }

    /// Whether these can be meant.
    pub(super) fn check(&self) -> Result<(), BadOption> {
        BadOption::check_zero(&[
            ("max_parts", self.parts_max as u64),
            ("max_head_bytes", self.head_bytes_max as u64),
            ("max_part_bytes", self.part_bytes_max()),
            ("max_body_bytes", self.body_bytes_max),
        ])?;
        BadOption::check_ratio(self.ratio_max)?;
        let chosen = self.part_bytes_max.filter(|&bytes| bytes != u64::MAX);
        BadOption::check_part("max_part_bytes", chosen, self.body_bytes_max)
    }

    /// A decoder of what comes from `reader` that is bounded by these limits. The bytes are counted where the parts are
    /// read.
    pub(crate) fn decoder<R: Read>(
        &self,
        codings: impl AsRef<[u8]>,
        reader: R,
    ) -> Result<ContentDecoder<R>, CodingError> {
        Ok(ContentDecoder::new(codings, reader)?.max_decoded_bytes(None).max_ratio(self.ratio_max))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// The largest bound on a head; positions in header fields are kept in 32 bits.
const HEAD_BYTES_CEILING: usize = 16 * 1024 * 1024;

/// Fields of one head. A part has two or three; each one costs more memory than it may cost bytes.
pub(super) const HEAD_FIELDS_MAX: usize = 64;

/// Spaces and tabs between a delimiter and the end of its line. Nobody sends them any more.
pub(super) const PADDING_BYTES_MAX: usize = 256;

/// The buffer that a body passes through. Large enough that reading from a socket is worth the system call.
pub(super) const BUFFER_BYTES: usize = 32 * 1024;

/// The smallest read; less room than this and the buffer is tidied up.
pub(super) const READ_BYTES_MIN: usize = 8 * 1024;
