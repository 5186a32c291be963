//! A file's content in a coding, or the prospect of it.

use super::content::Content;
#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
use super::content::FileTags;
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

/// What there is of a file in one coding.
#[derive(Debug)]
pub(super) struct CodedCopy {
    pub(super) coding: Cow<'static, str>,
    pub(super) state: CopyState,
}

#[derive(Debug)]
#[cfg_attr(
    not(all(unix, any(feature = "gzip", feature = "br", feature = "zstd"))),
    allow(dead_code, reason = "nothing is made there")
)]
pub(super) enum CopyState {
    /// Somebody has put it there, and may put something else there.
    There(Content),
    /// It was made, and stays as it is: what is open of it goes on being a copy of the same file, whatever becomes of
    /// its name.
    Made(Content),
    /// It can be made.
    ToBeMade(CopyProgress),
}

/// What has been heard of a copy that can be made since its file was opened.
#[derive(Debug, Default)]
#[cfg_attr(
    not(all(unix, any(feature = "gzip", feature = "br", feature = "zstd"))),
    allow(dead_code, reason = "nothing is made there")
)]
pub(super) struct CopyProgress {
    is_asked_for: AtomicBool,
    is_given_up: AtomicBool,
}

impl CodedCopy {
    /// A copy that is there.
    pub(super) fn there(coding: impl Into<Cow<'static, str>>, content: Content) -> Self {
        Self { coding: coding.into(), state: CopyState::There(content) }
    }

    pub(super) fn content(&self) -> Option<&Content> {
        match &self.state {
            CopyState::There(content) | CopyState::Made(content) => Some(content),
            CopyState::ToBeMade(_) => None,
        }
    }

    /// That of a copy that may be another one the next time.
    pub(super) fn changeable(&self) -> Option<&Content> {
        match &self.state {
            CopyState::There(content) => Some(content),
            CopyState::Made(_) | CopyState::ToBeMade(_) => None,
        }
    }

    /// Whether it is there, or may be some time.
    pub(super) fn may_be_had(&self) -> bool {
        match &self.state {
            CopyState::There(_) | CopyState::Made(_) => true,
            CopyState::ToBeMade(progress) => !progress.is_given_up.load(Ordering::Relaxed),
        }
    }
}

/// The content of a copy as it is told about, given its tag: to clients it is the same thing as the plain file, of the
/// same time.
pub(super) fn as_copy_of(copy: Content, plain: &Content, tag: Option<String>) -> Content {
    let copy = match tag {
        Some(tag) => copy.etag(tag),
        None => copy.without_etag(),
    };
    let copy = match plain.modified() {
        Some(time) => copy.last_modified(time),
        None => copy,
    };
    copy.with_time_of_others()
}

/// The tag of content in a coding: never that of the same content in another one.
pub(super) fn coded_tag(tag: &str, coding: &str) -> Option<String> {
    Some(format!("{}-{coding}\"", tag.strip_suffix('"')?))
}

/// The tag of a copy that was made of `plain`, which may be made again, of other bytes: a strong one has their
/// checksum.
#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
pub(super) fn tag_of_made(plain: &Content, tags: FileTags, coding: &str, checksum: u32) -> Option<String> {
    let plain = tags.apply(plain.clone());
    let tag = plain.tag()?;
    if tag.starts_with("W/") {
        coded_tag(tag, coding)
    } else {
        coded_tag(tag, &format!("{checksum:x}-{coding}"))
    }
}

#[cfg(all(unix, any(feature = "gzip", feature = "br", feature = "zstd")))]
impl CopyProgress {
    /// Whether somebody wanted it before.
    pub(super) fn is_asked_for(&self) -> bool {
        self.is_asked_for.load(Ordering::Relaxed)
    }

    pub(super) fn note_asked(&self) {
        self.is_asked_for.store(true, Ordering::Relaxed);
    }

    /// Notes that it is not worth it.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_have_tags_of_their_own() {
        assert_eq!(coded_tag("\"a\"", "br").as_deref(), Some("\"a-br\""));
        assert_eq!(coded_tag("W/\"a\"", "gzip").as_deref(), Some("W/\"a-gzip\""));
        assert_eq!(coded_tag("a", "gzip"), None);
    }
}
