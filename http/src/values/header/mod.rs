//! Header fields to read, and what their values say: lists, parameters, qualities, ranges, dates, entity tags.
//!
//! The idea: values are bytes as they came, and these functions read them in place, without a copy and without
//! memory of their own. Fields that may stand on several lines are given as the iterator that
//! [`Headers::get_all`](crate::Headers::get_all) returns; a single value as an array of one.
//!
//! The rule: every input has an answer. What is malformed is left out or is an error, never a panic.

mod accept;
mod accept_encoding;
mod accept_language;
mod content_range;
mod date;
mod etag;
mod list;
mod params;
mod precondition;
mod quality;
mod range;
mod text;
mod trace_parent;

pub use super::headers::{FieldIter, Fields};
pub use accept::Accept;
pub use accept_encoding::AcceptEncoding;
pub use accept_language::AcceptLanguage;
pub use content_range::ContentRange;
pub(crate) use date::date_text;
pub use date::{format_http_date, parse_http_date};
pub use etag::{EntityTag, EntityTagList};
pub use list::has_token;
#[cfg(feature = "ws")]
pub(crate) use list::trim_start;
pub use params::Params;
#[cfg(feature = "ws")]
pub(crate) use params::{split_token, split_value};
pub use precondition::{Precondition, Validators};
pub use quality::{Quality, Weighted};
pub use range::{ByteRange, ByteRanges, RangeError, RangeSpec};
pub use trace_parent::{TraceParent, TraceParentError};
