//! Answering with one file of the system.

use super::content::Content;
use super::media_types::{type_of, with_charset};
use super::refusal::FileRefusal;
use super::sniff::{HEADER_BYTES, sniff};
use super::stamp::{FileKind, NodeStamp};
use crate::ctx::RequestCtx;
use std::fs::File;
use std::io;
use std::path::Path;

impl RequestCtx {
    /// Answers with the file at `path`, a path of the system that is taken literally (fasthttp's `ServeFileLiteral`;
    /// relative ones begin at the current folder): all of it or what the request asks for, as
    /// [`serve_content`](Self::serve_content) does.
    ///
    /// Its type is that of its extension, or what its first bytes tell, unless `Content-Type` was set before. What is
    /// no regular file, or not there, is answered 404; what may not be read, 403.
    ///
    /// The path is the program's, not the client's: from `..` and links nothing is kept. To serve what a client names
    /// there is [`Files`](crate::files::Files).
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx};
    /// let mut ctx = RequestCtx::for_request(Request::new("GET", "/manifest")?, None);
    /// ctx.set_content_type("text/plain");
    /// ctx.send_file("Cargo.toml");
    /// assert_eq!(ctx.response.status_code(), 200);
    /// assert!(ctx.response.body_str().is_some_and(|text| text.starts_with("[package]")));
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn send_file(&mut self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let sent = open(path).and_then(|content| {
            if self.response.content_type().is_none() {
                let name = path.file_name().unwrap_or_default();
                let found = match type_of(name.as_encoded_bytes()) {
                    Some(known) => known.into(),
                    None => sniff(&content.beginning(HEADER_BYTES)?).into(),
                };
                self.set_content_type(&*with_charset(found, Some("utf-8")));
            }
            self.serve_content(&content);
            Ok(())
        });
        if let Err(error) = sent {
            FileRefusal::from(error).answer(self);
        }
    }
}

/// Opens a regular file, and nothing that would wait or do something.
fn open(path: &Path) -> io::Result<Content> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    #[cfg(unix)]
    let file = {
        use rustix::fs::{Mode, OFlags, open};
        File::from(open(
            path,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY,
            Mode::empty(),
        )?)
    };
    #[cfg(not(unix))]
    let file = File::open(path)?;
    let stamp = NodeStamp::of(&file)?;
    // It may have been exchanged meanwhile.
    if stamp.kind == FileKind::Regular {
        Ok(Content::of_file(file, stamp))
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}
