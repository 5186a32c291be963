//! Compressed copies of files: those that lie beside them, or in the same place of another root, and those that are
//! made.
//!
//! The idea: a copy is a file like any other, opened by the same rules, so none is taken that a link leads to out of
//! its root. One that somebody else has put there stands for the plain file while it is not older than that; one that
//! was made says itself what it is of.
//!
//! The rule: each copy has a tag of its own, with its coding in it, and the time of none counts for parts, so no client
//! puts parts of different ones together.

use super::coded::{CodedCopy, as_copy_of, coded_tag};
use super::content::{Content, FileTags};
use super::file_system::{FileSystem, FsNode};
use super::made::{CopyMaker, MadeCopies};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// So much older than the plain file a copy may be: some tools keep only the seconds of a time.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Where copies are, and what they are called.
#[derive(Debug, Default)]
pub(super) struct CopyRules {
    /// Codings with the ends of their names, those that are liked best first.
    pub(super) codings: Vec<(String, String)>,
    /// Who makes those that are not there.
    pub(super) maker: Option<Arc<CopyMaker>>,
}

/// What there is of one file.
#[derive(Debug)]
pub(super) struct FoundCopies {
    /// Those that are liked best first.
    pub(super) copies: Vec<CodedCopy>,
    /// Whom to ask for those that are to be made.
    pub(super) made: Option<MadeCopies>,
}

impl CopyRules {
    /// The copies of the file at `path` that can be sent instead of it, and those that can be made.
    pub(super) fn of(
        &self,
        store: &dyn FileSystem,
        path: &[u8],
        plain: &Content,
        tags: FileTags,
    ) -> FoundCopies {
        let copy = |(coding, suffix): &(String, String)| {
            let path = [path, suffix.as_bytes()].concat();
            let Ok(FsNode::File(content)) = store.open(&path) else { return None };
            // What was made is taken from its own place alone.
            if is_stale(&content, plain) || self.is_made(&content).unwrap_or(true) {
                return None;
            }
            let content = tags.apply(content);
            let tag = content.tag().and_then(|tag| coded_tag(tag, coding));
            Some(CodedCopy::there(coding.clone(), as_copy_of(content, plain, tag)))
        };
        let mut copies: Vec<CodedCopy> = self.codings.iter().filter_map(copy).collect();
        let made = self.maker.as_ref().and_then(|maker| MadeCopies::of(maker, plain, tags, &mut copies));
        // Those of which nobody has said how they are liked come last, the smallest of them first.
        copies.sort_by_key(|copy| {
            self.codings.iter().position(|(coding, _)| *coding == *copy.coding).unwrap_or(usize::MAX)
        });
        FoundCopies { copies, made }
    }

    /// The file itself. What a client has of it may be of a copy that is gone by now, so this is said of all files,
    /// also of those without copies.
    pub(super) fn plain(&self, content: Content) -> Content {
        if self.codings.is_empty() && self.maker.is_none() { content } else { content.with_time_of_others() }
    }

    /// Whether this is the name of a copy of one of these files.
    pub(super) fn is_copy(&self, name: &[u8], is_there: impl Fn(&[u8]) -> bool) -> bool {
        self.codings.iter().any(|(_, suffix)| name.strip_suffix(suffix.as_bytes()).is_some_and(&is_there))
    }

    /// Whether this file is a copy that was made, by whatever way one came to it. Those are sent for their files alone.
    pub(super) fn is_made(&self, file: &Content) -> io::Result<bool> {
        match &self.maker {
            Some(maker) => maker.is_copy(file),
            None => Ok(false),
        }
    }
}

fn is_stale(copy: &Content, plain: &Content) -> bool {
    match (copy.modified(), plain.modified()) {
        (Some(copy), Some(plain)) => plain.duration_since(copy).is_ok_and(|age| age >= TOLERANCE),
        _ => false,
    }
}
