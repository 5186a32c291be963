//! Content codings, both ways: a body as it was before it was compressed, and compressed.
//!
//! The files: undoing codings (`decoder`), how much may come out of one (`bounds`), what `flate2` does not bring
//! (`brotli_decoder`, `zstd_decoder`), what they fail with (`undecodable`); codings by their names (`kinds`), how hard
//! they try (`level`), encoders without input or output (`encoder`), as a writer (`writer`), and on bytes (`bytes`).
//!
//! The rule: coders are large; they lie in pools of the process, and whoever compresses has one for as long as it
//! takes.
//!
//! Source: RFC 9110 section 8.4.1, RFC 1950 (`deflate`), RFC 1952 (`gzip`, of one or several members), RFC 7932 (`br`),
//! RFC 8878 and 9659 (`zstd`).

mod bounds;
#[cfg(feature = "br")]
mod brotli_decoder;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
mod bytes;
mod decoder;
#[cfg(any(feature = "gzip", feature = "ws"))]
pub(crate) mod deflaters;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
pub(crate) mod encoder;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
mod kinds;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
mod level;
mod undecodable;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
mod writer;
#[cfg(feature = "zstd")]
mod zstd_decoder;

pub use bounds::DecodeLimit;
#[cfg(feature = "ws")]
pub(crate) use bounds::DecodedBounds;
pub(crate) use bounds::{DECODED_BYTES_DEFAULT, RATIO_DEFAULT};
#[cfg(feature = "client")]
pub(crate) use decoder::can_undo;
pub(crate) use decoder::check_codings;
pub(crate) use decoder::uncompressed;
pub use decoder::{CodingError, ContentDecoder};
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
pub use kinds::ContentCoding;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
pub use level::CompressionLevel;
pub(crate) use undecodable::Undecodable;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
pub use writer::ContentEncoder;
