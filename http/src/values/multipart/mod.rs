//! Multipart bodies (RFC 2046 section 5.1, RFC 7578): a pull parser, and a writer for the other direction.
//!
//! The idea: the body is read from any [`Read`](std::io::Read) and handed out part by part, each part being a
//! reader of its own. Nothing is collected, so an upload of any size passes through a buffer of a few ten
//! kilobytes. Whoever wants a form in memory, large files in temporary files, uses
//! [`form`](crate::form), which stands on this.
//!
//! The rules: lines end with CR LF. A line that starts with the delimiter is the delimiter, or the body is
//! refused; it is never content, so that no two programs can see different parts in one body. A body without
//! its closing delimiter is an error. What comes before the first delimiter and after the line of the closing one
//! is ignored, up to the end of the reader, which has to end where the body ends. Everything a peer can make grow
//! has a bound in [`Limits`].
//!
//! ```
//! use anthill_http::multipart::{Boundary, Multipart};
//! use std::io::Read;
//!
//! let boundary = Boundary::from_content_type(b"multipart/form-data; boundary=sep")?;
//! let body = b"--sep\r\n\
//!     Content-Disposition: form-data; name=\"photo\"; filename=\"ant.jpg\"\r\n\
//!     Content-Type: image/jpeg\r\n\r\n\
//!     many bytes\r\n\
//!     --sep--\r\n";
//!
//! let mut multipart = Multipart::new(&body[..], &boundary);
//! while let Some(mut part) = multipart.next_part()? {
//!     assert_eq!((part.name(), part.file_name()), (Some("photo"), Some("ant.jpg")));
//!     assert_eq!(part.content_type(), Some("image/jpeg"));
//!     let mut content = String::new();
//!     part.read_to_string(&mut content)?;
//!     assert_eq!(content, "many bytes");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod boundary;
mod disposition;
mod error;
mod head;
mod limits;
mod params;
mod reader;
mod scanner;
mod writer;

pub use crate::values::bad_option::BadOption;
pub use boundary::{Boundary, BoundaryError};
pub use error::{Error, Limit, Malformed};
pub(crate) use head::PartHead;
pub use limits::Limits;
pub use reader::{Multipart, Part};
pub use writer::MultipartWriter;
