//! Serving files: folders as they are, single files, files in the program, content with parts.
//!
//! - A folder is served by [`Files`], a [`Handler`](crate::Handler) whose options are those of [`FilesBuilder`].
//! - One file by [`RequestCtx::send_file`](crate::RequestCtx::send_file).
//! - What the program has made, by [`RequestCtx::serve_content`](crate::RequestCtx::serve_content), of a [`Content`].
//! - Files that are part of the program: [`EmbeddedFiles`]; those of anything else: a [`FileSystem`] of your own.
//!
//! The rule: what is decided about a path is decided on the bytes that are opened, and what is said about a file is
//! said of the descriptor that is sent.
//!
//! ```
//! use anthill_http::files::Files;
//! use anthill_http::{Request, Server};
//!
//! let files = Files::builder(env!("CARGO_MANIFEST_DIR")).cache_control("*.md", "max-age=60").build()?;
//! let server = Server::builder().build_handler(files)?;
//!
//! let mut request = Request::new("GET", "/README.md")?;
//! request.set_header("Range", "bytes=0-9");
//! let part = server.call(&request)?;
//! assert_eq!((part.status_code(), part.header_str("content-type")), (206, Some("text/markdown; charset=utf-8")));
//! assert_eq!((part.body().len(), part.header_str("cache-control")), (10, Some("max-age=60")));
//! assert_eq!(server.call(&Request::new("GET", "/%2e%2e/secret")?)?.status_code(), 404);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// How it is built: what serves a folder (`handler`, its `options`); which path is meant (`rewrite`, `names`) and where
// it is looked for (`file_system`: `folder`, `embedded`); what is said about it (`media_types`, `sniff`, `glob`,
// `disposition`, by `rules`, kept in `found`); it in codings (`coded`), which somebody has put there or which was
// `made` (`copies`), files that stay open (`cache`), pages about folders (`listing`), `refusal`s; what is kept by its
// use (`used_map`). How content is answered with, in whole and in parts: `content`, by its `stamp`. Single files:
// `send`.

mod cache;
mod coded;
mod content;
mod copies;
mod disposition;
mod embedded;
mod error;
mod file_system;
mod folder;
mod found;
mod glob;
mod handler;
mod listing;
mod made;
mod media_types;
mod names;
mod options;
mod refusal;
mod rewrite;
mod rules;
mod send;
mod sniff;
mod stamp;
mod used_map;

pub use content::{Content, FileTags};
pub use embedded::EmbeddedFiles;
pub use error::FilesError;
pub use file_system::{FileSystem, FolderEntry, FolderList, FsNode};
pub use folder::Folder;
pub use handler::Files;
pub use media_types::media_type;
pub use options::FilesBuilder;
