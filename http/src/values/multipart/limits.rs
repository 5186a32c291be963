//! Every bound of the multipart parser on one page.

/// Bounds on what a multipart body may make grow.
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
    pub(super) part_bytes_max: u64,
    pub(super) body_bytes_max: u64,
}

impl Limits {
    /// The defaults: 1000 parts, 16 KiB per head, content and body as long as the reader gives.
    pub fn new() -> Self {
        Self {
            parts_max: 1000,
            head_bytes_max: 16 * 1024,
            part_bytes_max: u64::MAX,
            body_bytes_max: u64::MAX,
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

    /// How many bytes the content of a part may have. Default: no limit but that of the body.
    ///
    /// A longer part is handed out up to the limit and then fails.
    pub fn max_part_bytes(mut self, bytes: u64) -> Self {
        self.part_bytes_max = bytes;
        self
    }

    /// How many bytes the body may have altogether, delimiters and what follows the last one included. Default: no
    /// limit but that of the reader; a server limits its request bodies anyway.
    // FRM-04.
    pub fn max_body_bytes(mut self, bytes: u64) -> Self {
        self.body_bytes_max = bytes;
        self
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
