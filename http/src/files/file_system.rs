//! What files are served from: folders of the system, maps in the program, whatever implements the trait.

use super::content::Content;
use std::io;
use std::time::SystemTime;

/// Where [`Files`](super::Files) finds what it serves: a [`Folder`](super::Folder),
/// [`EmbeddedFiles`](super::EmbeddedFiles), or something of your own, such as an archive.
///
/// Paths are relative: names separated by `/`, none of them empty, `.` or `..`, and none with a NUL; the root is the
/// empty path. They are what a request's path is after decoding, and after what was [stripped or
/// rewritten](super::FilesBuilder::path_rewrite); mostly UTF-8.
///
/// ```
/// use anthill_http::files::{Content, FileSystem, Files, FolderList, FsNode};
/// use anthill_http::{Handler, Request, RequestCtx};
/// use std::io;
///
/// /// One file of each number there is.
/// struct Squares;
///
/// impl FileSystem for Squares {
///     fn open(&self, path: &[u8]) -> io::Result<FsNode> {
///         let number = std::str::from_utf8(path).ok().and_then(|path| path.parse::<u64>().ok());
///         let number = number.ok_or(io::ErrorKind::NotFound)?;
///         Ok(FsNode::File(Content::from_bytes((number * number).to_string().into_bytes())))
///     }
///
///     fn list(&self, _path: &[u8], _most: usize) -> io::Result<FolderList> {
///         Ok(FolderList::default())
///     }
/// }
///
/// let files = Files::over(Squares).build()?;
/// let mut ctx = RequestCtx::for_request(Request::new("GET", "/12")?, None);
/// files.handle(&mut ctx);
/// assert_eq!(ctx.response.body(), b"144");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait FileSystem: Send + Sync + 'static {
    /// Opens what is at `path`. May block. Files are [kept open](super::FilesBuilder::cache_duration) and asked for
    /// again when they have changed; bytes are asked for with each request.
    ///
    /// # Errors
    /// `NotFound` and `NotADirectory` are answered 404, `PermissionDenied` 403, too many open files and `WouldBlock`
    /// 503, others 500.
    fn open(&self, path: &[u8]) -> io::Result<FsNode>;

    /// What is in the folder `path`, in any order. Of more than `most` names, be they of something that is served or
    /// not, whichever `most`; the rest is not looked at. May block.
    ///
    /// # Errors
    /// As [`open`](FileSystem::open).
    fn list(&self, path: &[u8], most: usize) -> io::Result<FolderList>;

    /// What is wrong with the whole of it, for whoever builds a handler of it.
    ///
    /// # Errors
    /// Why nothing can be served.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }
}

/// What is at a path of a [`FileSystem`].
#[derive(Clone, Debug)]
pub enum FsNode {
    /// A file, and what it is.
    File(Content),
    /// A folder.
    Folder,
}

/// What is in a folder, as far as it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderList {
    /// In any order.
    pub entries: Vec<FolderEntry>,
    /// Whether there is more.
    pub is_cut: bool,
}

/// Something that a folder has in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderEntry {
    /// Its name, without any slash.
    pub name: Vec<u8>,
    /// Whether it is a folder itself.
    pub is_folder: bool,
    /// The size of a file in bytes.
    pub size: u64,
    /// When it last changed, if that is known.
    pub modified: Option<SystemTime>,
}
