//! The codings that content can be given, by their names.

use crate::util::token;

/// A content coding that this program can produce, which is up to its features: `gzip` has [`Gzip`](Self::Gzip) and
/// [`Deflate`](Self::Deflate), `br` and `zstd` have one each.
///
/// ```
/// # #[cfg(feature = "gzip")] {
/// use anthill_http::body::ContentCoding;
/// assert_eq!((ContentCoding::Gzip.name(), ContentCoding::from_name("X-GZIP")), ("gzip", Some(ContentCoding::Gzip)));
/// assert_eq!(ContentCoding::from_name("compress"), None);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentCoding {
    /// `gzip` (RFC 1952): what every client takes.
    #[cfg(feature = "gzip")]
    Gzip,
    /// `deflate`, which is zlib's format (RFC 1950), whatever its name says.
    #[cfg(feature = "gzip")]
    Deflate,
    /// `br` (RFC 7932): the smallest text; browsers take it over HTTPS only.
    #[cfg(feature = "br")]
    Brotli,
    /// `zstd` (RFC 8878), of which no window is larger than 8 MiB (RFC 9659): the quickest.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl ContentCoding {
    /// All of them, in the order in which fasthttp prefers them.
    pub const ALL: &'static [Self] = &[
        #[cfg(feature = "br")]
        Self::Brotli,
        #[cfg(feature = "gzip")]
        Self::Gzip,
        #[cfg(feature = "gzip")]
        Self::Deflate,
        #[cfg(feature = "zstd")]
        Self::Zstd,
    ];

    /// As `Content-Encoding` and `Accept-Encoding` name it.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => "gzip",
            #[cfg(feature = "gzip")]
            Self::Deflate => "deflate",
            #[cfg(feature = "br")]
            Self::Brotli => "br",
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
        }
    }

    /// The coding of that name, in any case; `x-gzip` is `gzip`.
    pub fn from_name(name: impl AsRef<[u8]>) -> Option<Self> {
        let name = token::trim(name.as_ref());
        let name = if name.eq_ignore_ascii_case(b"x-gzip") { b"gzip" } else { name };
        Self::ALL.iter().copied().find(|coding| name.eq_ignore_ascii_case(coding.name().as_bytes()))
    }
}

impl AsRef<str> for ContentCoding {
    fn as_ref(&self) -> &str {
        self.name()
    }
}
