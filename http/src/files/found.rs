//! What was found at a path, with all that is said about it: made once, and used for every request until it is opened
//! anew.

use super::content::Content;
use crate::ctx::RequestCtx;
use std::borrow::Cow;

/// A file, ready to be answered with.
#[derive(Debug)]
pub(super) struct FoundFile {
    pub(super) content: Content,
    pub(super) media_type: Cow<'static, str>,
    pub(super) cache_control: Option<String>,
    /// The value of `Content-Disposition`.
    pub(super) disposition: Option<String>,
    pub(super) copies: Vec<CodedCopy>,
    pub(super) nosniff: bool,
}

/// The same content in a coding.
#[derive(Debug)]
pub(super) struct CodedCopy {
    pub(super) coding: String,
    pub(super) content: Content,
}

impl FoundFile {
    /// How many descriptors it holds.
    pub(super) fn descriptors(&self) -> usize {
        let copies = self.copies.iter().filter(|copy| copy.content.is_file()).count();
        copies + usize::from(self.content.is_file())
    }

    /// Whether it can be kept: a descriptor says when it has changed, and the number of descriptors is bounded. Bytes
    /// can do neither, and whoever has them has them at hand; and what has changed just now may change again unnoticed.
    pub(super) fn may_be_kept(&self) -> bool {
        self.content.is_settled() && self.copies.iter().all(|copy| copy.content.is_settled())
    }

    /// Whether all of it is still as it was when it was opened.
    pub(super) fn is_unchanged(&self) -> bool {
        self.content.is_unchanged() && self.copies.iter().all(|copy| copy.content.is_unchanged())
    }

    /// Answers with it, or with the copy that the client likes best.
    pub(super) fn answer(&self, ctx: &mut RequestCtx) {
        let copy = self.preferred(ctx);
        let response = &mut ctx.response;
        response.set_content_type(&*self.media_type);
        if let Some(value) = &self.cache_control {
            response.set_header("Cache-Control", value);
        }
        if let Some(value) = &self.disposition {
            response.set_header("Content-Disposition", value);
        }
        if self.nosniff {
            response.set_header("X-Content-Type-Options", "nosniff");
        }
        if !self.copies.is_empty() {
            response.append_header("Vary", "Accept-Encoding");
        }
        match copy {
            Some(copy) => {
                response.set_content_encoding(&copy.coding);
                ctx.serve_content(&copy.content);
            }
            None => ctx.serve_content(&self.content),
        }
    }

    /// The copy to send; `None`: the content itself, also to a client that takes nothing of what there is.
    fn preferred(&self, ctx: &RequestCtx) -> Option<&CodedCopy> {
        if self.copies.is_empty() {
            return None;
        }
        let accepted = ctx.request.accept_encoding();
        let offers = self.copies.iter().map(|copy| copy.coding.as_str()).chain(["identity"]);
        let coding = accepted.preferred(offers)?;
        self.copies.iter().find(|copy| copy.coding == coding)
    }
}
