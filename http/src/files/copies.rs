//! Compressed copies that lie beside files, or in the same place of another root.
//!
//! The idea: a copy is a file like any other, opened by the same rules, so none is taken that a link leads to out of
//! its root. It stands for the plain file only while it is not older than that.
//!
//! The rule: each copy has a tag of its own, with its coding in it, and the time of none counts for parts, so no client
//! puts parts of different ones together.

use super::content::{Content, FileTags, coded_tag};
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
use super::copy_maker::{self, CopyMaker, CopyState};
use super::file_system::{FileSystem, FsNode};
use crate::ctx::RequestCtx;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
use crate::values::coding::ContentCoding;
use std::time::Duration;

/// So much older than the plain file a copy may be: some tools keep only the seconds of a time.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Where copies are, and what they are called.
#[derive(Debug, Default)]
pub(super) struct CopyRules {
    /// Codings with the ends of their names, those that are liked best first.
    pub(super) codings: Vec<(String, String)>,
    #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
    pub(super) maker: Option<CopyMaker>,
}

/// The content of a file in a coding.
#[derive(Debug)]
pub(super) struct CodedCopy {
    pub(super) coding: String,
    pub(super) content: Content,
}

/// What there is of a file in codings.
#[derive(Debug, Default)]
pub(super) struct FoundCopies {
    /// Those that are liked best first.
    pub(super) there: Vec<CodedCopy>,
    /// The codings of those that can be made.
    pub(super) makeable: Vec<&'static str>,
}

/// Where the copies of a file are looked for.
pub(super) struct CopyPlace<'a> {
    pub(super) store: &'a dyn FileSystem,
    /// Whether that is where the file is.
    pub(super) is_beside: bool,
    pub(super) path: &'a [u8],
}

impl CopyRules {
    /// The copies of a file that can be sent instead of it; the one that this client likes best is made, if it can be.
    pub(super) fn of(
        &self,
        place: &CopyPlace<'_>,
        plain: &Content,
        tags: FileTags,
        ctx: &RequestCtx,
    ) -> FoundCopies {
        let copy = |(coding, suffix): &(String, String)| {
            let path = [place.path, suffix.as_bytes()].concat();
            match place.store.open(&path) {
                Ok(FsNode::File(content)) if !is_stale(&content, plain) => {
                    Some(coded(content, plain, tags, coding))
                }
                _ => None,
            }
        };
        #[allow(unused_mut)]
        let mut found =
            FoundCopies { there: self.codings.iter().filter_map(copy).collect(), makeable: Vec::new() };
        #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
        if let Some(maker) = &self.maker {
            add_made(maker, place, plain, tags, ctx, &mut found);
        }
        // Without codings nothing is made, for whomever and wherever.
        #[cfg(not(any(feature = "gzip", feature = "br", feature = "zstd")))]
        let _ = (ctx, place.is_beside);
        found
    }

    /// Whether files may have copies.
    pub(super) fn are_served(&self) -> bool {
        !self.codings.is_empty() || self.makes()
    }

    /// Whether copies are made.
    pub(super) fn makes(&self) -> bool {
        #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
        return self.maker.is_some();
        #[cfg(not(any(feature = "gzip", feature = "br", feature = "zstd")))]
        false
    }

    /// The file itself. What a client has of it may be of a copy that is gone by now, so this is said of all files,
    /// also of those without copies.
    pub(super) fn plain(&self, content: Content) -> Content {
        if self.are_served() { content.with_time_of_others() } else { content }
    }

    /// Whether this is the name of a copy of one of these files.
    pub(super) fn is_copy(&self, name: &[u8], is_there: impl Fn(&[u8]) -> bool) -> bool {
        let is_copy_by = |suffix: &str| name.strip_suffix(suffix.as_bytes()).is_some_and(&is_there);
        #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
        if self.maker.is_some()
            && CopyMaker::CODINGS.iter().any(|coding| is_copy_by(copy_maker::suffix(*coding)))
        {
            return true;
        }
        self.codings.iter().any(|(_, suffix)| is_copy_by(suffix))
    }
}

/// A copy as it is told about.
fn coded(content: Content, plain: &Content, tags: FileTags, coding: &str) -> CodedCopy {
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
    CodedCopy { coding: coding.to_owned(), content: content.with_time_of_others() }
}

/// Which of these codings the client likes best, none at all (`identity`) among them.
pub(super) fn preferred<'a>(ctx: &RequestCtx, codings: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    ctx.request.accept_encoding().preferred(codings.into_iter().chain(["identity"]))
}

impl FoundCopies {
    /// What the client likes best of what is there and what can be made.
    pub(super) fn wanted(&self, ctx: &RequestCtx) -> Option<&str> {
        let there = self.there.iter().map(|copy| copy.coding.as_str());
        let mut all: Vec<&str> = there.chain(self.makeable.iter().copied()).collect();
        all.sort_by_key(|coding| rank(coding));
        preferred(ctx, all)
    }

    /// Whether the client likes best what can be made.
    pub(super) fn lacks(&self, ctx: &RequestCtx) -> bool {
        !self.makeable.is_empty() && self.wanted(ctx).is_some_and(|coding| self.makeable.contains(&coding))
    }
}

/// The place of a coding among those that are made, the smallest first; others come behind.
fn rank(coding: &str) -> usize {
    ["br", "zstd", "gzip"].iter().position(|known| *known == coding).unwrap_or(usize::MAX)
}

/// Adds the copies that were made, and makes the one that the client likes best.
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
fn add_made(
    maker: &CopyMaker,
    place: &CopyPlace<'_>,
    plain: &Content,
    tags: FileTags,
    ctx: &RequestCtx,
    found: &mut FoundCopies,
) {
    for coding in CopyMaker::CODINGS {
        let name = coding.name();
        if found.there.iter().any(|copy| copy.coding == name) {
            continue;
        }
        match maker.find(place.store, place.path, plain, *coding) {
            CopyState::There(content) => found.there.push(coded(content, plain, tags, name)),
            CopyState::Missing => found.makeable.push(name),
            CopyState::Never => {}
        }
    }
    if found.lacks(ctx) {
        let wanted = found.wanted(ctx).and_then(ContentCoding::from_name);
        let Some(coding) = wanted else { return };
        match maker.make(place.store, place.path, plain, coding, place.is_beside) {
            CopyState::There(content) => {
                found.makeable.retain(|name| *name != coding.name());
                found.there.push(coded(content, plain, tags, coding.name()));
            }
            CopyState::Missing => {}
            // What is not worth it, or fails, would be so with another coding; until the file is opened the next time.
            CopyState::Never => found.makeable.clear(),
        }
    }
    found.there.sort_by_key(|copy| rank(&copy.coding));
}

fn is_stale(copy: &Content, plain: &Content) -> bool {
    match (copy.modified(), plain.modified()) {
        (Some(copy), Some(plain)) => plain.duration_since(copy).is_ok_and(|age| age >= TOLERANCE),
        _ => false,
    }
}
