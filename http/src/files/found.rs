//! What was found at a path, with all that is said about it: made once, and used for every request until it is opened
//! anew.

use super::coded::{CodedCopy, CopyState};
use super::content::Content;
use super::made::MadeCopies;
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
    /// The same content in codings, those that are liked best first.
    pub(super) copies: Vec<CodedCopy>,
    /// Whom to ask for those that are to be made.
    pub(super) made: Option<MadeCopies>,
    pub(super) nosniff: bool,
}

impl FoundFile {
    /// The content itself, and its copies that may change.
    fn changeable(&self) -> impl Iterator<Item = &Content> {
        [&self.content].into_iter().chain(self.copies.iter().filter_map(CodedCopy::changeable))
    }

    /// How many descriptors it holds.
    pub(super) fn descriptors(&self) -> usize {
        let copies = self.copies.iter().filter_map(CodedCopy::content);
        [&self.content].into_iter().chain(copies).filter(|content| content.is_file()).count()
    }

    /// Whether it can be kept: a descriptor says when it has changed, and the number of descriptors is bounded. Bytes
    /// can do neither, and whoever has them has them at hand; and what has changed just now may change again unnoticed.
    pub(super) fn may_be_kept(&self) -> bool {
        self.changeable().all(Content::is_settled)
    }

    /// Whether all of it is still as it was when it was opened.
    pub(super) fn is_unchanged(&self) -> bool {
        self.changeable().all(Content::is_unchanged)
    }

    /// Has the copy made that this client likes best, if that is one which can be. True: it was made since this was
    /// opened, and is found when it is opened anew.
    pub(super) fn lacks_copy(&self, ctx: &RequestCtx) -> bool {
        let Some(made) = &self.made else { return false };
        let wanted = preferred(ctx, self.copies.iter().filter(|copy| copy.may_be_had()));
        match wanted.map(|copy| (&*copy.coding, &copy.state)) {
            Some((coding, CopyState::ToBeMade(progress))) => made.ask(coding, progress),
            _ => false,
        }
    }

    /// Answers with it, or with the copy that the client likes best.
    pub(super) fn answer(&self, ctx: &mut RequestCtx) {
        let copy = preferred(ctx, self.copies.iter().filter(|copy| copy.content().is_some()));
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
        match copy.and_then(|copy| Some((&*copy.coding, copy.content()?))) {
            Some((coding, content)) => {
                response.set_content_encoding(coding);
                ctx.serve_content(content);
            }
            None => ctx.serve_content(&self.content),
        }
    }
}

/// The copy that the client likes best; `None`: the content itself, also for one that takes nothing of what there is.
fn preferred<'a>(
    ctx: &RequestCtx,
    copies: impl Iterator<Item = &'a CodedCopy> + Clone,
) -> Option<&'a CodedCopy> {
    // Most files have none.
    copies.clone().next()?;
    let accepted = ctx.request.accept_encoding();
    let coding = accepted.preferred(copies.clone().map(|copy| &*copy.coding).chain(["identity"]))?;
    copies.into_iter().find(|copy| copy.coding == coding)
}
