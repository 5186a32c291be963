//! What becomes of entity tags when bytes become others.
//!
//! The rules: a 304 has the tag that the client has shown, since that is the one it keeps. Nothing that the client has
//! shown is taken from the handler, whose own tags may end as ours do.

use super::TagChange;
use crate::message::request::Request;
use crate::message::response::Response;
use crate::values::coding::ContentCoding;
use crate::values::header::{EntityTag, EntityTagList};

/// Changes the tag of a response that is now in `coding`.
pub(super) fn change(response: &mut Response, change: TagChange, coding: ContentCoding) {
    let Some(tag) = response.header("ETag").and_then(EntityTag::parse) else { return };
    let changed = match change {
        TagChange::Weaken if tag.is_weak() => return,
        TagChange::Weaken => weak(tag),
        TagChange::Suffix => suffixed(tag, coding),
    };
    response.set_header("ETag", changed);
}

fn weak(tag: EntityTag<'_>) -> Vec<u8> {
    [b"W/\"", tag.opaque(), b"\""].concat()
}

fn suffixed(tag: EntityTag<'_>, coding: ContentCoding) -> Vec<u8> {
    let mark = if tag.is_weak() { &b"W/"[..] } else { b"" };
    [mark, b"\"", tag.opaque(), b"-", coding.name().as_bytes(), b"\""].concat()
}

/// The tag without the suffix that such a response has given it.
fn without_suffix(tag: EntityTag<'_>) -> Option<Vec<u8>> {
    let (mark, opaque) = (if tag.is_weak() { &b"W/"[..] } else { b"" }, tag.opaque());
    let stem = ContentCoding::ALL.iter().find_map(|coding| {
        let stem = opaque.strip_suffix(coding.name().as_bytes())?;
        stem.strip_suffix(b"-")
    })?;
    Some([mark, b"\"", stem, b"\""].concat())
}

/// The tags of a request that had suffixes, as its client sent them.
#[derive(Default)]
pub(super) struct ShownTags {
    none_match: Option<Vec<u8>>,
}

impl ShownTags {
    /// Puts beside each tag of the request's conditions what it is without its suffix.
    pub(super) fn add_stems(request: &mut Request) -> Self {
        add_stems_to(request, "If-Match");
        Self { none_match: add_stems_to(request, "If-None-Match") }
    }

    /// Gives a 304 the tag that was shown for it.
    pub(super) fn restore(&self, request: &Request, response: &mut Response) {
        let Some(tag) = response.header("ETag").and_then(EntityTag::parse) else { return };
        let shown = match &self.none_match {
            Some(lines) => {
                let lines = EntityTagList::new([&lines[..]]);
                // One of the handler's own, of a response that had no coding, is what it says.
                if lines.iter().any(|shown| shown.weak_eq(tag)) {
                    return;
                }
                let mut like = lines.iter().filter(|shown| {
                    let stem = without_suffix(*shown);
                    stem.as_deref().and_then(EntityTag::parse).is_some_and(|stem| stem.weak_eq(tag))
                });
                like.next().map(|shown| shown.as_bytes().to_vec())
            }
            None => {
                let lines = EntityTagList::new(request.headers().get_all("If-None-Match"));
                let has =
                    |wanted: bool| lines.iter().any(|shown| shown.weak_eq(tag) && shown.is_weak() == wanted);
                (!tag.is_weak() && has(true) && !has(false)).then(|| weak(tag))
            }
        };
        if let Some(shown) = shown {
            response.set_header("ETag", shown);
        }
    }
}

/// Gives what was there, if that was changed.
fn add_stems_to(request: &mut Request, name: &str) -> Option<Vec<u8>> {
    let (all, shown) = {
        let lines = EntityTagList::new(request.headers().get_all(name));
        let shown: Vec<&[u8]> = lines.iter().map(EntityTag::as_bytes).collect();
        let stems: Vec<Vec<u8>> = lines.iter().filter_map(without_suffix).collect();
        if stems.is_empty() {
            return None;
        }
        let stems = stems.iter().map(Vec::as_slice);
        let all: Vec<&[u8]> = shown.iter().copied().chain(stems).collect();
        (all.join(&b", "[..]), shown.join(&b", "[..]))
    };
    request.set_header(name, all);
    Some(shown)
}
