//! Compressed copies that lie beside files, or in the same place of another root.
//!
//! The idea: a copy is a file like any other, opened by the same rules, so none is taken that a link leads to out of
//! its root. It stands for the plain file only while it is not older than that.
//!
//! The rule: each copy has a tag of its own, with its coding in it, and the time of none counts for parts, so no client
//! puts parts of different ones together.

use super::content::{Content, FileTags, coded_tag};
use super::file_system::{FileSystem, FsNode};
use super::found::CodedCopy;
use std::time::Duration;

/// So much older than the plain file a copy may be: some tools keep only the seconds of a time.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Where copies are, and what they are called.
#[derive(Debug, Default)]
pub(super) struct CopyRules {
    /// Codings with the ends of their names, those that are liked best first.
    pub(super) codings: Vec<(String, String)>,
}

impl CopyRules {
    /// The copies of the file at `path` that can be sent instead of it.
    pub(super) fn of(
        &self,
        store: &dyn FileSystem,
        path: &[u8],
        plain: &Content,
        tags: FileTags,
    ) -> Vec<CodedCopy> {
        let copy = |(coding, suffix): &(String, String)| {
            let path = [path, suffix.as_bytes()].concat();
            let Ok(FsNode::File(content)) = store.open(&path) else { return None };
            if is_stale(&content, plain) {
                return None;
            }
            let content = tags.apply(content);
            let tag = content.tag().and_then(|tag| coded_tag(tag, coding));
            let content = match tag {
                Some(tag) => content.etag(tag),
                None => content,
            };
            // To clients it is the same thing, of the same time.
            let content = match plain.modified() {
                Some(time) => content.last_modified(time),
                None => content,
            };
            Some(CodedCopy { coding: coding.clone(), content: content.with_time_of_others() })
        };
        self.codings.iter().filter_map(copy).collect()
    }

    /// The file itself. What a client has of it may be of a copy that is gone by now, so this is said of all files,
    /// also of those without copies.
    pub(super) fn plain(&self, content: Content) -> Content {
        if self.codings.is_empty() { content } else { content.with_time_of_others() }
    }

    /// Whether this is the name of a copy of one of these files.
    pub(super) fn is_copy(&self, name: &[u8], is_there: impl Fn(&[u8]) -> bool) -> bool {
        self.codings.iter().any(|(_, suffix)| name.strip_suffix(suffix.as_bytes()).is_some_and(&is_there))
    }
}

fn is_stale(copy: &Content, plain: &Content) -> bool {
    match (copy.modified(), plain.modified()) {
        (Some(copy), Some(plain)) => plain.duration_since(copy).is_ok_and(|age| age >= TOLERANCE),
        _ => false,
    }
}
