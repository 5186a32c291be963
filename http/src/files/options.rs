//! What can be said about a handler of files.
//!
//! The rule: what cannot be met is found when the handler is built, and told with the option's name.

use super::cache::OpenFiles;
use super::content::FileTags;
use super::copies::CopyRules;
use super::error::FilesError;
use super::file_system::FileSystem;
use super::folder::Folder;
use super::glob::PathPattern;
use super::handler::Files;
#[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
use super::made::MakingOptions;
use super::media_types::TypeTable;
use super::rewrite::PathRewrite;
use super::rules::{FieldRules, TypeRules, is_field_value};
use crate::ctx::{Handler, RequestCtx};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// How many entries a listing has at most, unless somebody says otherwise.
const LISTED_MAX: usize = 100_000;

/// Options of a handler of files; got from [`Files::builder`] or [`Files::over`].
///
/// | Option | Default | |
/// |---|---|---|
/// | [`index_names`](Self::index_names) | `index.html` | what is served for a folder |
/// | [`listing`](Self::listing), [`max_listed`](Self::max_listed) | off, 100,000 | pages that say what is in a folder without an index, and how many entries they have |
/// | [`not_found`](Self::not_found) | a plain 404 | who answers when nothing is there |
/// | [`fallback`](Self::fallback) | none | the file that is served instead, for applications of one page |
/// | [`strip_segments`](Self::strip_segments), [`strip_prefix`](Self::strip_prefix), [`virtual_hosts`](Self::virtual_hosts), [`path_rewrite`](Self::path_rewrite) | the path as it is | which path is looked for |
/// | [`hidden_files`](Self::hidden_files) | not served | names that begin with a dot |
/// | [`media_type`](Self::media_type), [`media_types_by`](Self::media_types_by), [`charset`](Self::charset), [`sniff`](Self::sniff), [`nosniff`](Self::nosniff) | about 170 types, `utf-8`, on, off | what `Content-Type` says |
/// | [`etag`](Self::etag) | strong | which tags files have |
/// | [`cache_control`](Self::cache_control), [`immutable_names`](Self::immutable_names) | none | how long clients keep what |
/// | [`attachments`](Self::attachments) | none | what is saved rather than shown |
/// | [`compressed_copies`](Self::compressed_copies), [`copy_suffix`](Self::copy_suffix), [`copies_in`](Self::copies_in) | none | compressed copies that are there |
/// | `compress`, `compress_root`, `compress_max_bytes`, `compress_min_age` (with the feature of a coding) | none, none, 1 GiB, 60 s | compressed copies that are made |
/// | [`cache_duration`](Self::cache_duration), [`max_open_files`](Self::max_open_files) | 10 s, 1024 | how long and how many files are kept open |
/// | [`redirect_status`](Self::redirect_status) | 302 | how a folder without its slash is answered |
// Wide because each option of a handler is one.
pub struct FilesBuilder {
    store: Box<dyn FileSystem>,
    copies_store: Option<Box<dyn FileSystem>>,
    rewrite: PathRewrite,
    index_names: Vec<String>,
    lists: bool,
    listed_max: usize,
    not_found: Option<Box<dyn Handler>>,
    fallback: Option<String>,
    shows_hidden: bool,
    types: TypeRules,
    fields: FieldRules,
    copies: CopyRules,
    #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
    making: MakingOptions,
    cache_duration: Duration,
    max_open_files: usize,
    redirect_status: u16,
}

impl Files {
    /// To serve the folder `root`, with options. It may be relative to the current folder, that of now.
    pub fn builder(root: impl AsRef<Path>) -> FilesBuilder {
        Self::over(Folder::new(root))
    }

    /// To serve another file system, with options.
    pub fn over(file_system: impl FileSystem) -> FilesBuilder {
        FilesBuilder::new(Box::new(file_system))
    }
}

impl FilesBuilder {
    fn new(store: Box<dyn FileSystem>) -> Self {
        let types = TypeRules {
            table: TypeTable::default(),
            by: None,
            charset: Some("utf-8".to_owned()),
            sniffs: true,
            nosniff: false,
        };
        Self {
            store,
            copies_store: None,
            rewrite: PathRewrite::None,
            index_names: vec!["index.html".to_owned()],
            lists: false,
            listed_max: LISTED_MAX,
            not_found: None,
            fallback: None,
            shows_hidden: false,
            types,
            fields: FieldRules::default(),
            copies: CopyRules::default(),
            #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
            making: MakingOptions::default(),
            cache_duration: Duration::from_secs(10),
            max_open_files: 1024,
            redirect_status: 302,
        }
    }

    /// What is served for a folder: the first of these that is there. None: folders have no index.
    pub fn index_names(self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { index_names: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// Whether a folder without an index is answered with a page of what is in it (fasthttp's `GenerateIndexPages`), as
    /// HTML, or as JSON to clients that [accept](crate::header::Accept) that rather. Otherwise it is answered 403.
    ///
    /// The page is one that everybody can use: a table with heads of rows and columns, in the browser's own colours,
    /// light or dark. Folders come first, both by name. In names line breaks and other controls have pictures in their
    /// place (U+2400 and on), and what turns the direction of letters is a replacement character, so that no name looks
    /// like another one; links have the very bytes. Its `Content-Security-Policy`, if there is none, allows no script.
    /// In JSON each entry has its `name` as text, a `href` that leads to it from its folder whatever its name, its
    /// `type` (`file` or `directory`), its `size` if it is a file, and its `mtime`.
    pub fn listing(self, lists: bool) -> Self {
        Self { lists, ..self }
    }

    /// How many entries a listing has at most; 100,000 unless this says otherwise. Of a folder with more, the page
    /// tells those that the file system has named first, and that there are others; JSON has a last element of `"type":
    /// "more"`, which has no name. What is hidden counts, so that no folder takes more than so much time, and memory:
    /// some 300 bytes for each entry, for as long as the client takes.
    ///
    /// ```
    /// use anthill_http::files::{EmbeddedFiles, Files};
    /// use anthill_http::{Handler, Request, RequestCtx};
    /// let notes = EmbeddedFiles::default().file("/a.txt", *b"1").file("/b.txt", *b"2");
    /// let files = Files::over(notes).listing(true).max_listed(1).build()?;
    /// let mut request = Request::new("GET", "/")?;
    /// request.set_header("Accept", "application/json");
    /// let mut ctx = RequestCtx::for_request(request, None);
    /// files.handle(&mut ctx);
    /// let list = r#"[
    /// {"name":"a.txt","href":"./a.txt","type":"file","size":1},
    /// {"type":"more"}
    /// ]
    /// "#;
    /// assert_eq!(ctx.response.body(), list.as_bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_listed(self, most: usize) -> Self {
        Self { listed_max: most, ..self }
    }

    /// Answers when nothing is there (fasthttp's `PathNotFound`), in a response of status 404 which it fills, or
    /// changes as it likes.
    pub fn not_found(self, handler: impl Handler) -> Self {
        Self { not_found: Some(Box::new(handler)), ..self }
    }

    /// The file that is served, with status 200, when nothing is there: what an application of one page needs that
    /// gives its views paths of their own. Not for paths whose last name has a dot in it, so that a script which is
    /// missing is not answered with a page. The path is one in the root, with a slash at its front or without; where it
    /// is no file, nothing is there as well.
    pub fn fallback(self, path: impl Into<String>) -> Self {
        Self { fallback: Some(path.into()), ..self }
    }

    /// Leaves so many names out at the front of a path (fasthttp's `NewPathSlashesStripper`): with one, `/static/a/b`
    /// is `a/b` in the root. This, [`strip_prefix`](Self::strip_prefix), [`virtual_hosts`](Self::virtual_hosts) and
    /// [`path_rewrite`](Self::path_rewrite) exclude one another; the last one counts.
    pub fn strip_segments(self, count: usize) -> Self {
        Self { rewrite: PathRewrite::Segments(count), ..self }
    }

    /// Leaves this out at the front of a path (fasthttp's `NewPathPrefixStripper`), up to the end of a name: without
    /// `/static`, `/static/a` is `a` in the root, and neither `/staticky` nor `/b` is there.
    pub fn strip_prefix(self, prefix: impl Into<String>) -> Self {
        Self { rewrite: PathRewrite::Prefix(prefix.into().into_bytes().into()), ..self }
    }

    /// Puts the host of the request, in lower case and without its port, in front of the path, of which so many names
    /// are left out first (fasthttp's `NewVHostPathRewriter`): each host has a folder of its own in the root. Requests
    /// of which the host is none are looked for in the folder `invalid-host`.
    pub fn virtual_hosts(self, strip_segments: usize) -> Self {
        Self { rewrite: PathRewrite::VirtualHosts(strip_segments), ..self }
    }

    /// Looks for what this function makes of the request (fasthttp's `PathRewrite`): a path that is taken as it is,
    /// nothing in it being decoded. One that leads above the root is answered 500, and logged.
    pub fn path_rewrite(self, rewrite: impl Fn(&RequestCtx) -> String + Send + Sync + 'static) -> Self {
        Self { rewrite: PathRewrite::Own(Box::new(rewrite)), ..self }
    }

    /// Whether names that begin with a dot are served. They are often not meant to be (`.git`, `.env`). `/.well-known`
    /// is served in any case.
    pub fn hidden_files(self, shows: bool) -> Self {
        Self { shows_hidden: shows, ..self }
    }

    /// Says which type files with this extension have, instead of what [the table](super::media_type) says.
    pub fn media_type(mut self, extension: impl AsRef<str>, media_type: impl Into<String>) -> Self {
        self.types.table.add(extension.as_ref(), media_type.into());
        self
    }

    /// Asks this function for the type that goes with an extension, which is as it stands in the name, without its dot.
    /// What [`media_type`](Self::media_type) says comes before it; where it has nothing to say, or no value of a field,
    /// [the table](super::media_type) does. It is called when a file is opened.
    ///
    /// With the crate `mime_guess`, which knows a thousand extensions:
    ///
    /// ```
    /// # use anthill_http::files::{EmbeddedFiles, Files};
    /// # use anthill_http::{Handler, Request, RequestCtx};
    /// # let folder = EmbeddedFiles::new([("a.xps", &b"x"[..])]);
    /// let files = Files::over(folder).media_types_by(|extension| {
    ///     mime_guess::from_ext(extension).first_raw().map(str::to_owned)
    /// });
    /// # let files = files.build()?;
    /// # let mut ctx = RequestCtx::for_request(Request::new("GET", "/a.xps")?, None);
    /// # files.handle(&mut ctx);
    /// # assert_eq!(ctx.response.header_str("content-type"), Some("application/vnd.ms-xpsdocument"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn media_types_by(mut self, by: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        self.types.by = Some(Box::new(by));
        self
    }

    /// Which charset types of text are sent with; `None`: without one.
    pub fn charset(mut self, charset: Option<&str>) -> Self {
        self.types.charset = charset.map(str::to_owned);
        self
    }

    /// Whether files whose extension says nothing have the type that their first bytes tell, by the rules of the
    /// WHATWG's standard. Otherwise they are `application/octet-stream`. Turn it off where strangers put files, or such
    /// a file may be a page.
    pub fn sniff(mut self, sniffs: bool) -> Self {
        self.types.sniffs = sniffs;
        self
    }

    /// Whether `X-Content-Type-Options: nosniff` is sent, by which browsers believe the type.
    pub fn nosniff(mut self, nosniff: bool) -> Self {
        self.types.nosniff = nosniff;
        self
    }

    /// Which tags files have.
    pub fn etag(mut self, tags: FileTags) -> Self {
        self.fields.tags = tags;
        self
    }

    /// The `Cache-Control` of files of these names. In a pattern `*` stands for anything, `?` for one byte; with a
    /// slash it is about the path from the root on, without one about the name. The first pattern that matches counts.
    ///
    /// ```no_run
    /// use anthill_http::files::Files;
    /// let files = Files::builder("public")
    ///     .cache_control("*.html", "no-cache")
    ///     .cache_control("/assets/*", "public, max-age=86400")
    ///     .build()?;
    /// # Ok::<(), anthill_http::files::FilesError>(())
    /// ```
    pub fn cache_control(mut self, pattern: impl AsRef<str>, value: impl Into<String>) -> Self {
        self.fields.cache_control.push((PathPattern::new(pattern.as_ref()), value.into()));
        self
    }

    /// Whether files with a hash in their name (`app.3f2a9c1b.js`, `index-BX4d5fgh.css`) are sent with
    /// `Cache-Control: public, max-age=31536000, immutable`, unless a pattern says something else.
    pub fn immutable_names(mut self, are_immutable: bool) -> Self {
        self.fields.immutable_names = are_immutable;
        self
    }

    /// Has files of these names saved rather than shown
    /// ([`Response::set_attachment`](crate::Response::set_attachment)), a pattern as of
    /// [`cache_control`](Self::cache_control).
    pub fn attachments(mut self, pattern: impl AsRef<str>) -> Self {
        self.fields.attachments.push(PathPattern::new(pattern.as_ref()));
        self
    }

    /// Serves `a.css.br`, `a.css.zst` and `a.css.gz`, those that are there, instead of `a.css` to clients that
    /// [accept](crate::header::AcceptEncoding) them, in this order of preference.
    ///
    /// A copy that is older than its file by a second or more is left alone. Each has a tag of its own; all answers
    /// about a file that has copies say `Vary: Accept-Encoding`. Copies are not listed.
    ///
    /// As copies have the time of their file, an `If-Range` with a date brings the whole of it; one with a strong tag
    /// the part.
    pub fn compressed_copies(self) -> Self {
        self.copy_suffix("br", ".br").copy_suffix("zstd", ".zst").copy_suffix("gzip", ".gz")
    }

    /// Serves copies in this coding whose names have this end, behind those that were named before.
    pub fn copy_suffix(mut self, coding: impl Into<String>, suffix: impl Into<String>) -> Self {
        let (coding, suffix) = (coding.into(), suffix.into());
        self.copies.codings.retain(|(known, _)| *known != coding);
        self.copies.codings.push((coding, suffix));
        self
    }

    /// Has copies looked for in the same places of another folder.
    pub fn copies_in(self, root: impl AsRef<Path>) -> Self {
        Self { copies_store: Some(Box::new(Folder::new(root))), ..self }
    }

    /// Makes copies of files for clients that want one which is not there (fasthttp's `Compress`): in brotli, zstd and
    /// gzip, as far as the program has these codings, below the folder that
    /// [`compress_root`](Self::compress_root) names. With [`compressed_copies`](Self::compressed_copies) what somebody
    /// else has put there comes first.
    ///
    /// - Nobody waits for a copy. The first client that likes one best (among equals brotli, then zstd, then gzip) has
    ///   it made by a thread of its own, half as many at once for each handler as there are cores, 4 at most; until it
    ///   is there, all get the file as it is. Copies that are there already do not wait for those that are made. A
    ///   handler wrapped in [`compress`](crate::compress()) compresses it for each of them meanwhile.
    /// - A copy is of one version of one file, told by the file's number, its size and its times, that of its last
    ///   change of any kind among them. So none is sent for another version, also when a file is put back, exchanged or
    ///   given its former time. That is as true as the file system's times are, so on Linux and Android copies are made
    ///   of files on ext2 to ext4, XFS, Btrfs, tmpfs, overlayfs, ZFS, F2FS, bcachefs and JFS alone, on Apple's systems
    ///   and BSDs but NetBSD on their own, on others of none; where the time of the last change has a fraction of a
    ///   second, which those of images (such as squashfs below an overlay) and of old disks have not; and of files that
    ///   were [left alone for a while](Self::compress_min_age). A change of rights or names makes another version, too.
    /// - Two changes no time tells of, so neither does an `ETag`: on tmpfs what a program stores in a page that it has
    ///   mapped and written to before; and what was written over in place on a disk that is mounted with `lazytime`,
    ///   in the hours before the power fails. Put such files there as new ones.
    /// - It has an `ETag` and ranges of its own, as all copies.
    /// - That of a file which is deleted or exchanged goes with it when the handler notices, as it does while it keeps
    ///   the file open; others are left over until [room is needed](Self::compress_max_bytes).
    /// - Copies are found again when the program is started anew, also those of another level; each is read to its end
    ///   once before it is sent, by those threads. One that is cut or spoilt is made again.
    /// - Files of less than 256 bytes or more than 8 MiB, and those of which not a twentieth is saved, are sent as they
    ///   are; so are all where copies cannot be kept, which is logged, and tried again a minute later.
    /// - Of a file system of your own those [`Content`](super::Content)s are compressed that are open files. On systems
    ///   other than Unix nothing is, which is logged.
    ///
    /// ```no_run
    /// # #[cfg(feature = "gzip")] {
    /// use anthill_http::body::CompressionLevel;
    /// use anthill_http::files::Files;
    /// let files =
    ///     Files::builder("public").compress(CompressionLevel::Best).compress_root("/var/cache/site").build()?;
    /// # }
    /// # Ok::<(), anthill_http::files::FilesError>(())
    /// ```
    #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
    #[doc(alias("Compress", "CompressBrotli", "CompressZstd", "CompressedFileSuffixes"))]
    pub fn compress(mut self, level: impl Into<crate::values::coding::CompressionLevel>) -> Self {
        self.making.level = Some(level.into());
        self
    }

    /// Says below which folder copies that are made lie (fasthttp's `CompressRoot`), which has to be there. In it they
    /// are in a folder `.anthill-copies`, of mode 700, that may be deleted at any time, and that several handlers and
    /// programs of the same user may share. To have them with the files, name the root of those: nothing of such a name
    /// is ever listed or served.
    ///
    /// ```
    /// # #[cfg(feature = "gzip")] {
    /// use anthill_http::files::Files;
    /// let error = Files::builder(".").compress(6).build().unwrap_err();
    /// assert_eq!(error.option(), "compress");
    /// let error = Files::builder(".").compress(6).compress_root("no/such/folder").build().unwrap_err();
    /// assert!(error.to_string().ends_with("no/such/folder does not exist"));
    /// # }
    /// ```
    #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
    #[doc(alias = "CompressRoot")]
    pub fn compress_root(mut self, root: impl AsRef<Path>) -> Self {
        self.making.set_root(root.as_ref());
        self
    }

    /// How many bytes copies that are made may have together, those that lie there already among them; 1 GiB unless
    /// this says otherwise. To make room those leave that were not opened for longest. When all were within ten
    /// minutes, no more are made. (With a [`cache_duration`](Self::cache_duration) above that those that are kept open
    /// do not count as opened.)
    ///
    /// Each handler that uses the folder keeps to its own bound, and counts what others have put there once a minute.
    /// It remembers which copies are whole, or not worth it, of the 65,536 files that were asked for last, in some 300
    /// bytes each.
    #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
    pub fn compress_max_bytes(mut self, most: u64) -> Self {
        self.making.most_bytes = most;
        self
    }

    /// For how long a file has to be left alone before a copy of it is made; 60 seconds unless this says otherwise.
    ///
    /// What is moved into place is seen to be new at any time. But what a program stores in a file that it has mapped
    /// into its memory has no new time until the system has put the page on the disk, after some 35 seconds with Linux
    /// as it comes; what takes long to be written in place has the time of its beginning; and files are not worth it
    /// that change all the time. Less is right where nobody writes to files in place.
    #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
    pub fn compress_min_age(mut self, age: Duration) -> Self {
        self.making.min_age = age;
        self
    }

    /// For how long an open file is used again. Zero: not at all (fasthttp's `SkipCache`).
    ///
    /// That a file was written to, exchanged or deleted is seen at once in any case; on other systems than Unix that it
    /// was written to, and the rest when this time is over. What is seen then everywhere: what a link points to, that
    /// an index or a copy was added, that a folder was renamed. Files that nobody asks for are closed after at most one
    /// and a half times this.
    pub fn cache_duration(self, duration: Duration) -> Self {
        Self { cache_duration: duration, ..self }
    }

    /// How many files are kept open at most. Those that are being sent are not counted; compressed copies are, so with
    /// less than 4 a file with copies in three codings is not kept.
    pub fn max_open_files(self, most: usize) -> Self {
        Self { max_open_files: most, ..self }
    }

    /// How a folder without its slash is answered: 301, 302, 303, 307 or 308. Of 301 and 308 clients keep that it is a
    /// folder.
    pub fn redirect_status(self, status: u16) -> Self {
        Self { redirect_status: status, ..self }
    }

    /// The handler.
    ///
    /// # Errors
    /// [`FilesError`] when the root is missing, no folder or unreadable, or an option cannot be met.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "br", feature = "zstd")),
        allow(unused_mut, reason = "nobody makes copies")
    )]
    pub fn build(mut self) -> Result<Files, FilesError> {
        self.store.check().map_err(|error| FilesError::new("root", error.to_string()))?;
        if let Some(store) = &self.copies_store {
            store.check().map_err(|error| FilesError::new("copies_in", error.to_string()))?;
            if self.copies.codings.is_empty() {
                let problem = "no copies are served; say compressed_copies or copy_suffix as well";
                return Err(FilesError::new("copies_in", problem));
            }
        }
        self.check_names()?;
        let fallback = self.fallback.as_deref().map(checked_fallback).transpose()?;
        self.check_values()?;
        if !matches!(self.redirect_status, 301 | 302 | 303 | 307 | 308) {
            let problem = format!("{} is not 301, 302, 303, 307 or 308", self.redirect_status);
            return Err(FilesError::new("redirect_status", problem));
        }
        if self.listed_max == 0 {
            return Err(FilesError::new("max_listed", "must be at least 1"));
        }
        if self.max_open_files == 0 && !self.cache_duration.is_zero() {
            let problem = "must be at least 1; to keep nothing open, cache_duration is zero";
            return Err(FilesError::new("max_open_files", problem));
        }
        #[cfg(any(feature = "gzip", feature = "br", feature = "zstd"))]
        {
            self.copies.maker = self.making.start()?;
        }
        let cache = (!self.cache_duration.is_zero())
            .then(|| OpenFiles::new(self.cache_duration, self.max_open_files));
        Ok(Files {
            store: self.store,
            copies_store: self.copies_store,
            rewrite: self.rewrite,
            index_names: self.index_names,
            listed_max: self.lists.then_some(self.listed_max),
            not_found: self.not_found,
            fallback,
            shows_hidden: self.shows_hidden,
            types: self.types,
            fields: self.fields,
            copies: self.copies,
            cache,
            redirect_status: self.redirect_status,
        })
    }

    fn check_names(&self) -> Result<(), FilesError> {
        let is_path = |path: &str| !path.is_empty() && super::names::check(path.as_bytes(), true).is_ok();
        for name in &self.index_names {
            if !is_path(name) || name.contains('/') {
                return Err(FilesError::new("index_names", format!("{name:?} is no name of a file")));
            }
        }
        if let PathRewrite::Prefix(prefix) = &self.rewrite {
            if !prefix.starts_with(b"/") {
                let prefix = String::from_utf8_lossy(prefix);
                return Err(FilesError::new(
                    "strip_prefix",
                    format!("{prefix:?} does not begin with a slash"),
                ));
            }
        }
        for (coding, suffix) in &self.copies.codings {
            if !crate::util::token::is_token(coding.as_bytes()) || coding.eq_ignore_ascii_case("identity") {
                return Err(FilesError::new("copy_suffix", format!("{coding:?} is no content coding")));
            }
            if !is_path(suffix) || suffix.contains('/') {
                return Err(FilesError::new("copy_suffix", format!("{suffix:?} is no end of a name")));
            }
        }
        Ok(())
    }

    fn check_values(&self) -> Result<(), FilesError> {
        let cache_control =
            self.fields.cache_control.iter().map(|(_, value)| ("cache_control", value.as_str()));
        let types = self.types.table.own().iter().map(|(_, value)| ("media_type", value.as_str()));
        let charset = self.types.charset.iter().map(|value| ("charset", value.as_str()));
        for (option, value) in cache_control.chain(types).chain(charset) {
            if !is_field_value(value) {
                return Err(FilesError::new(option, format!("{value:?} is no value of a field")));
            }
        }
        Ok(())
    }
}

/// The path of a fallback as file systems take it. With the slash that may be at its front it would be one of the whole
/// system.
fn checked_fallback(path: &str) -> Result<String, FilesError> {
    match super::names::check(path.as_bytes(), true).map(std::str::from_utf8) {
        Ok(Ok(names)) if !names.is_empty() && !path.ends_with('/') => Ok(names.to_owned()),
        _ => Err(FilesError::new("fallback", format!("{path:?} is no path of a file"))),
    }
}

impl fmt::Debug for FilesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesBuilder")
            .field("index_names", &self.index_names)
            .field("listing", &self.lists)
            .field("rewrite", &self.rewrite)
            .finish_non_exhaustive()
    }
}
