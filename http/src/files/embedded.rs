//! Files that are part of the program.

use super::content::Content;
use super::file_system::{FileSystem, FolderEntry, FolderList, FsNode};
use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

/// Files in memory, by their paths: from `include_bytes!`, from the crates that walk a folder when the program is
/// compiled, or made up at run time.
///
/// Folders are what paths are made of. Each file has a strong tag, of its bytes, which is computed once, here, and is
/// the same in every process of the program. A time is told if [one is given](Self::last_modified).
///
/// ```
/// use anthill_http::files::{EmbeddedFiles, Files};
/// use anthill_http::{Handler, Request, RequestCtx};
///
/// static PAGES: [(&str, &[u8]); 2] = [("index.html", b"<p>hello"), ("css/site.css", b"p { color: teal }")];
/// let files = Files::over(EmbeddedFiles::new(PAGES)).build()?;
///
/// let mut ctx = RequestCtx::for_request(Request::new("GET", "/css/site.css")?, None);
/// files.handle(&mut ctx);
/// assert_eq!(ctx.response.header_str("content-type"), Some("text/css; charset=utf-8"));
/// assert_eq!(ctx.response.body(), b"p { color: teal }");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct EmbeddedFiles {
    files: BTreeMap<Box<[u8]>, Content>,
}

impl EmbeddedFiles {
    /// These files. Of two with the same path the last counts. A slash at the front of a path does not.
    pub fn new(files: impl IntoIterator<Item = (impl AsRef<str>, &'static [u8])>) -> Self {
        let mut embedded = Self::default();
        for (path, bytes) in files {
            embedded.add(path.as_ref(), Content::from_static(bytes), bytes);
        }
        embedded
    }

    /// One more file, of bytes that were made at run time.
    ///
    /// ```
    /// use anthill_http::files::{EmbeddedFiles, FileSystem, FsNode};
    /// let files = EmbeddedFiles::default().file("a/version", format!("{}", 7).into_bytes());
    /// assert!(matches!(files.open(b"a/version")?, FsNode::File(_)));
    /// assert!(matches!(files.open(b"a")?, FsNode::Folder));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn file(mut self, path: impl AsRef<str>, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        self.add(path.as_ref(), Content::from_bytes(bytes.clone()), &bytes);
        self
    }

    /// Says of all files so far when they last changed: that is mostly when the program was built.
    pub fn last_modified(mut self, time: SystemTime) -> Self {
        for content in self.files.values_mut() {
            *content = content.clone().last_modified(time);
        }
        self
    }

    fn add(&mut self, path: &str, content: Content, bytes: &[u8]) {
        let path = path.trim_start_matches('/').as_bytes();
        self.files.insert(path.into(), content.etag(tag_of(bytes)));
    }

    /// The files below a folder, each with what of its path is below.
    fn below<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a Content)> {
        let start: Box<[u8]> = if path.is_empty() { Box::default() } else { [path, b"/"].concat().into() };
        let length = start.len();
        let from_there = self.files.range(start.clone()..);
        let below = from_there.take_while(move |(known, _)| known.starts_with(&start));
        below.map(move |(known, content)| (&known[length..], content))
    }
}

/// A tag of so many bits that no two files that people write have the same.
fn tag_of(bytes: &[u8]) -> String {
    let hash = |seed: u8| {
        // With fixed keys, unlike those of maps.
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(seed);
        hasher.write(bytes);
        hasher.finish()
    };
    format!("\"{:016x}{:016x}\"", hash(1), hash(2))
}

impl FileSystem for EmbeddedFiles {
    fn open(&self, path: &[u8]) -> io::Result<FsNode> {
        match self.files.get(path) {
            Some(content) => Ok(FsNode::File(content.clone())),
            None if path.is_empty() || self.below(path).next().is_some() => Ok(FsNode::Folder),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, path: &[u8], most: usize) -> io::Result<FolderList> {
        let mut entries: Vec<FolderEntry> = Vec::new();
        let mut is_cut = false;
        for (below, content) in self.below(path) {
            let slash = memchr::memchr(b'/', below);
            let name = &below[..slash.unwrap_or(below.len())];
            // What is in one folder stands together, but for files whose names begin as the folder's does.
            if slash.is_some() && entries.iter().rev().any(|known| known.is_folder && known.name == name) {
                continue;
            }
            is_cut = entries.len() >= most;
            if is_cut {
                break;
            }
            entries.push(FolderEntry {
                name: name.to_vec(),
                is_folder: slash.is_some(),
                size: if slash.is_some() { 0 } else { content.len() },
                modified: content.modified(),
            });
        }
        if entries.is_empty() && !is_cut && !path.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(FolderList { entries, is_cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_what_paths_are_made_of() {
        let files = EmbeddedFiles::new([
            ("/a.txt", &b"1"[..]),
            ("b/c/d", b"22"),
            ("b/c.txt", b"3"),
            ("b/c/e", b"4"),
            ("bb", b"5"),
        ]);
        let names = |path: &str| -> Vec<String> {
            let entries = files.list(path.as_bytes(), usize::MAX).expect("a folder").entries;
            let shown = |entry: &FolderEntry| {
                let slash = if entry.is_folder { "/" } else { "" };
                format!("{}{slash}", String::from_utf8_lossy(&entry.name))
            };
            entries.iter().map(shown).collect()
        };
        assert_eq!(names(""), ["a.txt", "b/", "bb"]);
        assert_eq!(names("b"), ["c.txt", "c/"]);
        assert_eq!(names("b/c"), ["d", "e"]);
        for (most, is_cut) in [(2, true), (3, false)] {
            let list = files.list(b"", most).expect("the root");
            assert_eq!((list.entries.len(), list.is_cut), (most, is_cut));
        }
        assert!(
            files.list(b"b/c/d/", usize::MAX).is_err()
                && files.open(b"b/").is_err()
                && files.open(b"c").is_err()
        );
    }

    #[test]
    fn tags_are_of_the_bytes() {
        assert_eq!(tag_of(b"a"), tag_of(b"a"));
        assert_ne!(tag_of(b"a"), tag_of(b"b"));
        assert_eq!(tag_of(b"").len(), 34);
    }
}
