//! Files that are part of the program.

use super::content::Content;
use super::file_system::{FileSystem, FolderEntry, FolderList, FsNode};
use crate::values::header::EntityTag;
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
/// the same in every process of the program; or one that [was made when it was compiled](Self::with_tags). A time is
/// told if [one is given](Self::last_modified).
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

    /// These files, each with its tag (`"v1"`, with its quotes), so that a program with many of them reads none when it
    /// starts. Of two with the same path the last counts.
    ///
    /// A tag has to be another one whenever the bytes are: a build script makes it of them, and writes the list.
    ///
    /// ```
    /// use anthill_http::files::{EmbeddedFiles, Files};
    /// use anthill_http::{Handler, Request, RequestCtx};
    /// use std::fmt::Write;
    ///
    /// /// What `build.rs` writes to `OUT_DIR`; the program has it by `include!`.
    /// fn list(files: &[(&str, &str)]) -> Result<String, Box<dyn std::error::Error>> {
    ///     // Any hash that tells bytes apart, such as those of the crates `sha2` or `blake3`.
    ///     let add = |hash: u64, byte: &u8| hash.wrapping_mul(31).wrapping_add(u64::from(*byte));
    ///     let mut list = String::from("[");
    ///     for (path, place) in files {
    ///         let tag = format!("\"{:x}\"", std::fs::read(place)?.iter().fold(7, add));
    ///         write!(list, "({path:?}, include_bytes!({place:?}), {tag:?}),")?;
    ///     }
    ///     Ok(list + "]")
    /// }
    /// # let place = std::env::temp_dir().join(format!("anthill-doc-{}", std::process::id()));
    /// # std::fs::write(&place, "a")?;
    /// # let place = place.to_str().unwrap();
    /// # assert_eq!(list(&[("x", place)])?, format!(r#"[("x", include_bytes!({place:?}), "\"13a\""),]"#));
    /// # std::fs::remove_file(place)?;
    ///
    /// static FILES: [(&str, &[u8], &str); 1] = [("a.css", b"p { color: teal }", r#""5f3c""#)];
    /// let files = Files::over(EmbeddedFiles::with_tags(FILES)).build()?;
    /// let mut ctx = RequestCtx::for_request(Request::new("GET", "/a.css")?, None);
    /// files.handle(&mut ctx);
    /// assert_eq!(ctx.response.header_str("etag"), Some(r#""5f3c""#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What is no tag is an error when a handler [is built](super::FilesBuilder::build).
    pub fn with_tags(
        files: impl IntoIterator<Item = (impl AsRef<str>, &'static [u8], impl Into<Arc<str>>)>,
    ) -> Self {
        let mut embedded = Self::default();
        for (path, bytes, tag) in files {
            embedded.insert(path.as_ref(), Content::from_static(bytes).etag(tag));
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
        self.insert(path, content.etag(tag_of(bytes)));
    }

    fn insert(&mut self, path: &str, content: Content) {
        self.files.insert(path.trim_start_matches('/').as_bytes().into(), content);
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
    #[cfg(test)]
    tests::HASHED.with(|count| count.set(count.get() + 1));
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

    fn check(&self) -> io::Result<()> {
        let tags = self.files.iter().filter_map(|(path, content)| Some((path, content.tag()?)));
        let mut wrong = tags.filter(|(_, tag)| EntityTag::parse(tag.as_bytes()).is_none());
        wrong.next().map_or(Ok(()), |(path, tag)| {
            let path = String::from_utf8_lossy(path);
            let problem =
                format!(r#"the tag {tag:?} of {path:?} is none: one has quotes of its own, as "\"v1\"""#);
            Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
        })
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
    use std::cell::Cell;

    thread_local! {
        /// Of how many files a tag was made.
        pub(super) static HASHED: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn fs_11_tags_that_are_known_are_not_made() {
        let files = EmbeddedFiles::with_tags([("/a", &b"1"[..], "\"x\""), ("b", b"2", "W/\"y\"")]);
        assert_eq!(HASHED.get(), 0);
        let tag = |path: &[u8]| match files.open(path) {
            Ok(FsNode::File(content)) => content.tag().map(str::to_owned),
            other => panic!("{other:?}"),
        };
        assert_eq!((tag(b"a").as_deref(), tag(b"b").as_deref()), (Some("\"x\""), Some("W/\"y\"")));
        assert!(files.check().is_ok());
        let files = EmbeddedFiles::new([("a", &b"1"[..])]);
        assert_eq!(HASHED.get(), 1);
        assert!(files.check().is_ok());
        let wrong = EmbeddedFiles::with_tags([("a/b", &b"1"[..], "v1")]);
        let problem = wrong.check().expect_err("a tag without quotes").to_string();
        assert_eq!(problem, r#"the tag "v1" of "a/b" is none: one has quotes of its own, as "\"v1\"""#);
    }

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
