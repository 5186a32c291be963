//! The handler that serves a folder.
//!
//! The idea: a path is rewritten and checked as bytes, what is at it is opened, and all that is said about it is made
//! then, and kept with the open file. So a request for a file that is open already is a look-up and an answer.

use super::cache::OpenFiles;
use super::content::Content;
use super::copies::{CopyRules, FoundCopies};
use super::disposition::attachment;
use super::file_system::{FileSystem, FolderEntry, FolderList, FsNode};
use super::found::FoundFile;
use super::glob::has_hashed_name;
use super::listing::{self, Listing};
use super::media_types::with_charset;
use super::names;
use super::refusal::FileRefusal;
use super::rewrite::{PathRewrite, decoded};
use super::rules::{FieldRules, TypeRules};
use super::sniff::{HEADER_BYTES, sniff};
use crate::ctx::{Handler, RequestCtx};
use crate::util::percent::append_encoded;
use std::borrow::Cow;
use std::sync::Arc;
use std::{fmt, io};

/// Serves the files of a folder, or of another [`FileSystem`] (fasthttp's `FS`).
///
/// ```no_run
/// use anthill_http::Server;
/// use anthill_http::files::Files;
/// let files = Files::builder("public").listing(true).build()?;
/// Server::builder().build_handler(files)?.listen_and_serve("[::]:8080")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// As a part of another handler it is called:
///
/// ```
/// use anthill_http::files::Files;
/// use anthill_http::{Handler, RequestCtx, Server};
/// let files = Files::builder(".").strip_prefix("/static").build()?;
/// let server = Server::builder().build(move |ctx| match ctx.path() {
///     path if path.starts_with("/static/") => files.handle(ctx),
///     _ => ctx.not_found(),
/// })?;
/// # let _ = server;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// - `GET` and `HEAD` are answered; other methods 405, with `Allow`.
/// - Preconditions, ranges, `ETag` and `Last-Modified`: as [`RequestCtx::serve_content`].
/// - A folder without its slash is redirected to itself with it, with its query; with it, it is its index, a
///   [listing](super::FilesBuilder::listing), or 403.
/// - What is not there is 404; what the process may not read, 403; too many open files, and one that another process
///   holds by a lease (as file servers do), 503; other trouble is logged and 500.
/// - What is decoded is decoded once. Nothing outside of the root, no [hidden](super::FilesBuilder::hidden_files) name,
///   no device, pipe or socket is opened; see
///   [`Folder`](super::Folder).
/// - Opening and reading may wait for the disk. The server finds out which routes do that, as of any handler, and then
///   has them served by threads that may wait.
// Wide because each option of a handler is one.
pub struct Files {
    pub(super) store: Box<dyn FileSystem>,
    pub(super) copies_store: Option<Box<dyn FileSystem>>,
    pub(super) rewrite: PathRewrite,
    pub(super) index_names: Vec<String>,
    /// How many entries a listing has at most; `None`: there are none.
    pub(super) listed_max: Option<usize>,
    pub(super) not_found: Option<Box<dyn Handler>>,
    pub(super) fallback: Option<String>,
    pub(super) shows_hidden: bool,
    pub(super) types: TypeRules,
    pub(super) fields: FieldRules,
    pub(super) copies: CopyRules,
    pub(super) cache: Option<OpenFiles>,
    pub(super) redirect_status: u16,
}

/// What is at a path.
enum Located {
    File(Arc<FoundFile>),
    /// A folder that was asked for without its slash.
    WithoutSlash,
    Folder(Listing),
}

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

impl Files {
    fn locate(&self, ctx: &RequestCtx) -> Result<Located, FileRefusal> {
        let is_own = self.rewrite.is_own();
        let path = self.rewrite.apply(ctx).map_err(|bad| FileRefusal::of_path(bad, is_own))?;
        // An index is kept by the path of its folder, and who asks without a slash is led to that first.
        let has_slash = ctx.path().ends_with('/');
        if has_slash || !path.ends_with(b"/") {
            if let Some(found) = self.kept(ctx, &path) {
                return Ok(Located::File(found));
            }
        }
        let names =
            names::check(&path, self.shows_hidden).map_err(|bad| FileRefusal::of_path(bad, is_own))?;
        match self.open(ctx, &path, names, has_slash) {
            Err(FileRefusal::Missing) => match self.fallback_of(&path) {
                Some(fallback) => self.open_fallback(ctx, fallback.as_bytes()),
                None => Err(FileRefusal::Missing),
            },
            located => located,
        }
    }

    /// What is open already, unless there is more of it by now that this client would like better.
    fn kept(&self, ctx: &RequestCtx, path: &[u8]) -> Option<Arc<FoundFile>> {
        self.cache.as_ref()?.get(path).filter(|found| !found.lacks_copy(ctx))
    }

    /// A folder is missing: to be led to it with its slash would lead back here.
    fn open_fallback(&self, ctx: &RequestCtx, path: &[u8]) -> Result<Located, FileRefusal> {
        if let Some(found) = self.kept(ctx, path) {
            return Ok(Located::File(found));
        }
        match self.open(ctx, path, path, false)? {
            Located::File(found) => Ok(Located::File(found)),
            Located::WithoutSlash | Located::Folder(_) => Err(FileRefusal::Missing),
        }
    }

    fn fallback_of(&self, path: &[u8]) -> Option<&str> {
        let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        self.fallback.as_deref().filter(|_| memchr::memchr(b'.', name).is_none())
    }

    /// Finds what is at `names`, the checked form of `path`. `has_slash`: what was asked for ends with one, be it that
    /// it was stripped.
    fn open(
        &self,
        ctx: &RequestCtx,
        path: &[u8],
        names: &[u8],
        has_slash: bool,
    ) -> Result<Located, FileRefusal> {
        let is_of_folder = path.ends_with(b"/");
        let (names, content) = match self.open_node(names)? {
            FsNode::File(_) if is_of_folder => return Err(FileRefusal::Missing),
            FsNode::File(content) => (Cow::Borrowed(names), content),
            FsNode::Folder if !has_slash => return Ok(Located::WithoutSlash),
            FsNode::Folder => match self.index_of(names)? {
                Some((names, content)) => (names.into(), content),
                None => return self.list(names).map(Located::Folder),
            },
        };
        // The same path without a slash of its own may have to be led to one with it.
        let is_whole = is_of_folder || matches!(names, Cow::Borrowed(_));
        if self.copies.is_made(&content)? {
            return Err(FileRefusal::Missing);
        }
        let found = Arc::new(self.prepare(&names, content)?);
        // What has been made since it was looked for a moment ago is found by the next request.
        found.lacks_copy(ctx);
        if let Some(cache) = self.cache.as_ref().filter(|_| is_whole && found.may_be_kept()) {
            cache.keep(path, &found);
        }
        Ok(Located::File(found))
    }

    /// Opens what is there. When too many files are open, those that are kept are closed first.
    fn open_node(&self, names: &[u8]) -> Result<FsNode, FileRefusal> {
        match self.store.open(names).map_err(FileRefusal::from) {
            Err(FileRefusal::Busy(error)) => {
                let Some(cache) = &self.cache else { return Err(FileRefusal::Busy(error)) };
                cache.clear();
                Ok(self.store.open(names)?)
            }
            opened => opened,
        }
    }

    fn index_of(&self, folder: &[u8]) -> Result<Option<(Vec<u8>, Content)>, FileRefusal> {
        for name in &self.index_names {
            let slash: &[u8] = if folder.is_empty() { b"" } else { b"/" };
            let path = [folder, slash, name.as_bytes()].concat();
            match self.open_node(&path) {
                Ok(FsNode::File(content)) => return Ok(Some((path, content))),
                Ok(FsNode::Folder) | Err(FileRefusal::Missing) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(None)
    }

    /// What of a folder may be listed.
    fn list(&self, folder: &[u8]) -> Result<Listing, FileRefusal> {
        let Some(most) = self.listed_max else { return Err(FileRefusal::NoIndex) };
        let FolderList { mut entries, is_cut } = self.store.list(folder, most)?;
        let left_off_behind = (is_cut || entries.len() > most).then_some(most);
        entries.truncate(most);
        let is_at_root = folder.is_empty();
        entries.retain(|entry| {
            let is_served = names::check(&entry.name, true).is_ok();
            let is_shown = !entry.name.starts_with(b".") || is_at_root && entry.name == b".well-known";
            is_served && (self.shows_hidden || is_shown)
        });
        if !self.copies.codings.is_empty() && self.copies_store.is_none() {
            entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
            let is_copy = |entry: &FolderEntry| {
                let is_there =
                    |name: &[u8]| entries.binary_search_by(|known| known.name.as_slice().cmp(name)).is_ok();
                !entry.is_folder && self.copies.is_copy(&entry.name, is_there)
            };
            let kept: Vec<bool> = entries.iter().map(|entry| !is_copy(entry)).collect();
            let mut kept = kept.into_iter();
            entries.retain(|_| kept.next().unwrap_or(true));
        }
        Ok(Listing { entries, left_off_behind })
    }

    /// All that is said about a file.
    fn prepare(&self, names: &[u8], content: Content) -> io::Result<FoundFile> {
        let media_type = match self.types.of(names) {
            Some(known) => known,
            None if self.types.sniffs => sniff(&content.beginning(HEADER_BYTES)?).into(),
            None => "application/octet-stream".into(),
        };
        let media_type = with_charset(media_type, self.types.charset.as_deref());
        let by_pattern = self.fields.cache_control.iter().find(|(pattern, _)| pattern.matches(names));
        let cache_control = by_pattern
            .map(|(_, value)| value.as_str())
            .or_else(|| (self.fields.immutable_names && has_hashed_name(names)).then_some(IMMUTABLE));
        let is_attachment = self.fields.attachments.iter().any(|pattern| pattern.matches(names));
        let disposition = is_attachment.then(|| attachment(&String::from_utf8_lossy(names)));
        let store = self.copies_store.as_deref().unwrap_or(&*self.store);
        let FoundCopies { copies, made } = self.copies.of(store, names, &content, self.fields.tags);
        Ok(FoundFile {
            content: self.copies.plain(self.fields.tags.apply(content)),
            media_type,
            cache_control: cache_control.map(str::to_owned),
            disposition,
            copies,
            made,
            nosniff: self.types.nosniff,
        })
    }

    /// Leads to the same folder with its slash.
    fn add_slash(&self, ctx: &mut RequestCtx) {
        // The path is decoded and has one slash at its front; whatever could make more of it is encoded again.
        let mut target = Vec::with_capacity(128);
        append_encoded(&mut target, &decoded(ctx), &listing::PATH_BYTES);
        target.push(b'/');
        let query = ctx.request.query();
        if !query.is_empty() {
            target.push(b'?');
            target.extend_from_slice(query);
        }
        ctx.redirect(target, self.redirect_status);
    }
}

impl Handler for Files {
    fn handle(&self, ctx: &mut RequestCtx) {
        if !ctx.request.is_get() && !ctx.request.is_head() {
            ctx.error("Method Not Allowed", 405);
            ctx.response.set_header("Allow", "GET, HEAD");
            return;
        }
        match self.locate(ctx) {
            Ok(Located::File(found)) => found.answer(ctx),
            Ok(Located::WithoutSlash) => self.add_slash(ctx),
            Ok(Located::Folder(listing)) => {
                let path = decoded(ctx).into_owned();
                listing::answer(ctx, &path, listing);
            }
            Err(FileRefusal::Missing) => match &self.not_found {
                Some(hook) => {
                    ctx.set_status_code(404);
                    hook.handle(ctx);
                }
                None => FileRefusal::Missing.answer(ctx),
            },
            Err(refusal) => refusal.answer(ctx),
        }
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("index_names", &self.index_names)
            .field("listing", &self.listed_max)
            .field("rewrite", &self.rewrite)
            .finish_non_exhaustive()
    }
}
