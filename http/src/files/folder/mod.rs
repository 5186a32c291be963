//! A folder of the system, out of which nothing leads.
//!
//! The idea: what was opened is what is judged. A path is resolved by the system in one call that does not leave the
//! root (`beneath`), or name by name from one open folder to the next (`walk`); where neither can be had, the resolved
//! path is looked at before and after (`checked`).
//!
//! The rules: only regular files and folders are opened, and nothing that is opened waits. The root is that of its name
//! at the time, so that a root that is exchanged (a link to the current release) is served as it is then.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod beneath;
#[cfg(not(unix))]
mod checked;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod open_root;
#[cfg(unix)]
mod walk;

use super::content::Content;
use super::file_system::{FileSystem, FolderEntry, FolderList, FsNode};
use super::names;
use super::stamp::{FileKind, NodeStamp};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A folder and what is below it.
///
/// Symbolic links are followed when what they lead to lies in the folder as well, whether they are absolute or
/// relative; what lies elsewhere is not found. That is decided by the descriptor that was opened, so nobody who
/// exchanges names meanwhile gets anything else opened. (On systems other than Unix the resolved path is checked before
/// and after.) Hard links cannot be told from files. Devices, pipes and sockets are not found.
///
/// ```no_run
/// use anthill_http::files::{Files, Folder};
/// let files = Files::over(Folder::new("public").links_out(true)).build()?;
/// # Ok::<(), anthill_http::files::FilesError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Folder {
    /// As it was given; made absolute when it was, so that it does not follow the current folder.
    root: PathBuf,
    leads_out: bool,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    shared: open_root::OpenRoot,
    #[cfg(all(test, unix))]
    walks: bool,
}

/// What is opened at a path.
pub(super) struct OpenedNode {
    file: File,
    stamp: NodeStamp,
    /// The root that it was found in, which is shared for as long as it is open.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    root: Option<std::sync::Arc<std::os::fd::OwnedFd>>,
}

impl OpenedNode {
    fn new(file: File, stamp: NodeStamp) -> Self {
        Self {
            file,
            stamp,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            root: None,
        }
    }

    fn into_content(self) -> Content {
        let content = Content::of_file(self.file, self.stamp);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let content = content.below(self.root);
        content
    }
}

impl Folder {
    /// The folder at `root`, which may be relative to the current folder (that of now). Nothing is opened yet.
    pub fn new(root: impl AsRef<Path>) -> Self {
        let root = root.as_ref();
        // An empty path stays one, and is refused.
        let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf());
        Self {
            root: absolute,
            leads_out: false,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            shared: open_root::OpenRoot::default(),
            #[cfg(all(test, unix))]
            walks: false,
        }
    }

    /// Whether links that lead out of the folder are followed too. Default: false. Whoever may make links in the folder
    /// can then have anything served that the process may read.
    pub fn links_out(self, leads_out: bool) -> Self {
        Self { leads_out, ..self }
    }

    fn open_node(&self, path: &[u8]) -> io::Result<OpenedNode> {
        // The trait says how paths are; one that is not, such as an absolute one, would lead out where links may.
        if names::check(path, true) != Ok(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        #[cfg(not(unix))]
        return checked::open(&self.root, path, self.leads_out);
        #[cfg(unix)]
        {
            if self.leads_out {
                return walk::open_anywhere(&self.root, path);
            }
            #[cfg(test)]
            if self.walks {
                return walk::open(&self.root, path);
            }
            #[cfg(any(target_os = "linux", target_os = "android"))]
            if let Some(opened) = beneath::open(&self.root, &self.shared, path) {
                return opened;
            }
            walk::open(&self.root, path)
        }
    }
}

impl FileSystem for Folder {
    fn open(&self, path: &[u8]) -> io::Result<FsNode> {
        let opened = self.open_node(path)?;
        match opened.stamp.kind {
            FileKind::Regular => Ok(FsNode::File(opened.into_content())),
            FileKind::Folder => Ok(FsNode::Folder),
            FileKind::Other => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, path: &[u8], most: usize) -> io::Result<FolderList> {
        let opened = self.open_node(path)?;
        if opened.stamp.kind != FileKind::Folder {
            return Err(io::ErrorKind::NotFound.into());
        }
        let of_link = |name: &[u8]| {
            let below = if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() };
            self.open_node(&below).ok().map(|node| node.stamp)
        };
        #[cfg(unix)]
        return walk::list(&opened.file, most, of_link);
        #[cfg(not(unix))]
        checked::list(&self.root, path, most, of_link)
    }

    fn check(&self) -> io::Result<()> {
        if self.root.as_os_str().is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "is empty; `.` is the current folder"));
        }
        let said = |problem: String| io::Error::new(io::ErrorKind::InvalidInput, problem);
        let root = self.root.display();
        let metadata = std::fs::metadata(&self.root).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => said(format!("{root} does not exist")),
            _ => said(format!("{root} cannot be looked at: {error}")),
        })?;
        if !metadata.is_dir() {
            return Err(said(format!("{root} is no folder")));
        }
        std::fs::read_dir(&self.root).map_err(|error| said(format!("{root} cannot be read: {error}")))?;
        Ok(())
    }
}

/// What an entry of a folder is, once it is known what is behind its name.
fn entry(name: &[u8], stamp: &NodeStamp) -> Option<FolderEntry> {
    let is_folder = match stamp.kind {
        FileKind::Regular => false,
        FileKind::Folder => true,
        FileKind::Other => return None,
    };
    let size = if is_folder { 0 } else { stamp.size };
    Some(FolderEntry { name: name.to_vec(), is_folder, size, modified: Some(stamp.time()) })
}

#[cfg(all(test, unix))]
mod tests;
