//! Forms: values by name, files, the whole form, and the parts of one that is too large to be held.
//!
//! The idea: two ways. Who asks for values by name gets them out of a form that is read once, from a body that is
//! waited for and kept (so it can still be read as it is). Who takes the form, or its parts, reads the body as it
//! comes.
//!
//! The rule: what is no form, or is packed in a way that nobody knows, costs nothing: type and coding are looked at
//! before the body is waited for.

use super::{RequestCtx, StatusError};
use crate::message::request::BodyReader;
use crate::proto::ProtoError;
use crate::util::text::text;
use crate::values::args::Args;
use crate::values::coding::ContentDecoder;
use crate::values::form::{self, Form, FormFile, FormType, Limit};
use crate::values::multipart::{self, Boundary, BoundaryError, Multipart};
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;

/// How values of forms are looked up.
#[derive(Clone)]
pub(crate) struct FormValue(Arc<LookUp>);

type LookUp = dyn for<'a> Fn(&'a mut RequestCtx, &str) -> Option<Cow<'a, [u8]>> + Send + Sync;

impl FormValue {
    pub(crate) fn new(
        look_up: impl for<'a> Fn(&'a mut RequestCtx, &str) -> Option<Cow<'a, [u8]>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(look_up))
    }
}

impl fmt::Debug for FormValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormValue")
    }
}

/// Values and files by name, out of a form that is read once.
///
/// The body is waited for and kept in memory, so the server's
/// [`max_request_body_size`](crate::ServerBuilder::max_request_body_size) bounds it. Otherwise the default
/// [`form::Options`] hold. For larger forms there are [`form_with`](Self::form_with) and
/// [`multipart`](Self::multipart).
impl RequestCtx {
    /// The value called `name` of the query, or else of the form in the body: the first that is not empty (fasthttp's
    /// `FormValue`). The server's [`form_value_func`](crate::ServerBuilder::form_value_func) may say otherwise.
    ///
    /// `None` when there is none, and also when the body is no form or cannot be read; [`post_args`](Self::post_args)
    /// and [`parse_form_value`](Self::parse_form_value) say why.
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx};
    /// let mut request = Request::new("POST", "/?page=2&q=")?;
    /// request.set_content_type("application/x-www-form-urlencoded");
    /// request.set_body("q=red+ants&page=3");
    /// let mut ctx = RequestCtx::for_request(request, None);
    /// assert_eq!(ctx.form_value("page").as_deref(), Some(&b"2"[..]));
    /// assert_eq!(ctx.form_value("q").as_deref(), Some(&b"red ants"[..]));
    /// assert_eq!(ctx.form_value_body_first("page").as_deref(), Some(&b"3"[..]));
    /// assert_eq!(ctx.form_value("x"), None);
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    // CTX-03.
    pub fn form_value(&mut self, name: &str) -> Option<Cow<'_, [u8]>> {
        match self.options.as_deref().and_then(|options| options.form_value.clone()) {
            Some(FormValue(look_up)) => look_up(self, name),
            None => self.form_value_query_first(name),
        }
    }

    /// As [`form_value`](Self::form_value), if it is UTF-8.
    pub fn form_value_str(&mut self, name: &str) -> Option<Cow<'_, str>> {
        text(self.form_value(name)?)
    }

    /// The first value called `name` that is not empty: of the query, else of the form in the body; whatever the
    /// server's [`form_value_func`](crate::ServerBuilder::form_value_func) says.
    pub fn form_value_query_first(&mut self, name: &str) -> Option<Cow<'_, [u8]>> {
        // The body is not waited for when it need not be.
        if self.query_arg(name).is_none_or(|value| value.is_empty()) {
            self.load_form();
        }
        let (query, body) = (self.query_arg(name), self.loaded_value(name));
        first_with_text(query, body)
    }

    /// As [`form_value_query_first`](Self::form_value_query_first), if it is UTF-8.
    pub fn form_value_query_first_str(&mut self, name: &str) -> Option<Cow<'_, str>> {
        text(self.form_value_query_first(name)?)
    }

    /// The value called `name` of the form in the body, or else of the query: the first that is not empty (fasthttp's
    /// `NetHttpFormValueFunc`).
    pub fn form_value_body_first(&mut self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.load_form();
        let (query, body) = (self.query_arg(name), self.loaded_value(name));
        first_with_text(body, query)
    }

    /// As [`form_value_body_first`](Self::form_value_body_first), if it is UTF-8.
    pub fn form_value_body_first_str(&mut self, name: &str) -> Option<Cow<'_, str>> {
        text(self.form_value_body_first(name)?)
    }

    /// The values of an urlencoded form in the body (fasthttp's `PostArgs`).
    ///
    /// # Errors
    /// [`form::Error::NotAForm`] for a body of any other type; or why the form cannot be read.
    // FRM-01.
    pub fn post_args(&mut self) -> Result<&Args, form::Error> {
        match self.request.form_type()? {
            FormType::Urlencoded => Ok(self.kept_form()?.values()),
            FormType::Multipart(_) => Err(form::Error::NotAForm),
        }
    }

    /// The first file of the form field `name` (fasthttp's `FormFile`).
    ///
    /// # Errors
    /// [`form::Error::MissingFile`] when there is none; or why the form cannot be read.
    // FRM-03.
    pub fn form_file(&mut self, name: &str) -> Result<&FormFile, form::Error> {
        self.kept_form()?.file(name)
    }

    /// The value called `name` of the form in the body alone.
    pub(crate) fn body_value(&mut self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.load_form();
        self.loaded_value(name)
    }

    /// Reads the form unless that was tried before. That it cannot be read is not said here.
    fn load_form(&mut self) {
        if !self.request.is_form_unreadable() {
            let _ = self.kept_form();
        }
    }

    pub(super) fn kept_form(&mut self) -> Result<&Form, form::Error> {
        if self.request.loaded_form().is_none() {
            self.request.form_type()?;
            self.request.check_codings()?;
            self.read_body().map_err(form_error)?;
        }
        self.request.form()
    }

    /// The value called `name` of the form, if that was read.
    fn loaded_value(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.request.loaded_form()?.values().get(name).map(Cow::Borrowed)
    }
}

/// Whole forms, and forms part by part.
impl RequestCtx {
    /// The form in the body, urlencoded or multipart, of content coding `gzip`, `deflate` or none, within the bounds of
    /// `options` (fasthttp's `MultipartForm`).
    ///
    /// A body that has not arrived is read as it comes, with files going to disk as `options` say, and is gone from
    /// [`body`](Self::body) afterwards. One that has arrived stays, and can be read again.
    ///
    /// Unless the server [streams](crate::ServerBuilder::stream_request_body) the body, a longer one than its
    /// [`max_request_body_size`](crate::ServerBuilder::max_request_body_size) is refused before a handler is called,
    /// whatever `options` allow; [`form::Options::max_body_bytes`] shows how to have larger ones on some paths.
    ///
    /// ```
    /// use anthill_http::{RequestCtx, form};
    /// fn upload(ctx: &mut RequestCtx) {
    ///     let options = form::Options::new().max_body_bytes(2 * 1024 * 1024);
    ///     match ctx.form_with(&options) {
    ///         Ok(form) => ctx.set_body(format!("{} files", form.files().len())),
    ///         Err(error) => ctx.error(error.to_string(), error.status()),
    ///     }
    /// }
    /// let mut ctx = RequestCtx::default();
    /// upload(&mut ctx);
    /// assert_eq!(ctx.response.status_code(), 415, "there is no form");
    /// ```
    ///
    /// # Errors
    /// Why it cannot be read, with the [status](form::Error::status) to answer.
    // FRM-01 to FRM-04.
    pub fn form_with(&mut self, options: &form::Options) -> Result<Form, form::Error> {
        let codings = self.request.content_codings();
        if self.request.is_body_complete() {
            let content_type = self.request.content_type().unwrap_or_default();
            return options.read_encoded(content_type, codings, self.request.body());
        }
        let content_type = self.request.content_type().unwrap_or_default().to_vec();
        options.read_encoded(content_type, codings, self.body_reader())
    }

    /// The parts of a multipart body one after the other, read as the body comes, so that an upload of any size passes
    /// through in constant memory; one of more than 32 MiB when the `limits` allow it. Content codings `gzip` and
    /// `deflate` are undone.
    ///
    /// ```
    /// use anthill_http::{RequestCtx, multipart};
    /// use std::io::Read;
    /// fn count(ctx: &mut RequestCtx) -> Result<u64, anthill_http::form::Error> {
    ///     let mut bytes = 0;
    ///     let mut parts = ctx.multipart(multipart::Limits::new().max_parts(10))?;
    ///     while let Some(mut part) = parts.next_part()? {
    ///         bytes += std::io::copy(&mut part, &mut std::io::sink()).map_err(multipart::Error::from)?;
    ///     }
    ///     Ok(bytes)
    /// }
    /// # let _: fn(&mut RequestCtx) -> Result<u64, anthill_http::form::Error> = count;
    /// ```
    ///
    /// # Errors
    /// [`form::Error::NotAForm`] when the body is not multipart, [`form::Error::Boundary`] when nothing valid separates
    /// its parts, [`form::Error::UnsupportedCoding`].
    // FRM-05.
    pub fn multipart(
        &mut self,
        limits: multipart::Limits,
    ) -> Result<Multipart<ContentDecoder<BodyReader<'_>>>, form::Error> {
        let boundary: Boundary = self.request.multipart_boundary().map_err(|error| match error {
            BoundaryError::NotMultipart => form::Error::NotAForm,
            error => form::Error::Boundary(error),
        })?;
        let codings = self.request.content_codings();
        let reader = limits.decoder(codings, self.body_reader())?;
        Ok(Multipart::with_limits(reader, &boundary, limits))
    }
}

impl form::Error {
    /// The status code to answer: 413 for what is too large, 415 for what is not a form or has an unknown coding, 408
    /// for a client that stopped sending, 500 when a file cannot be stored or the options cannot be meant, 400 for
    /// everything else that is wrong with the body.
    ///
    /// ```
    /// use anthill_http::form::{Error, Limit};
    /// assert_eq!(Error::TooLarge(Limit::Fields).status(), 413);
    /// assert_eq!(Error::NotAForm.status(), 415);
    /// assert_eq!(Error::UnnamedPart.status(), 400);
    /// ```
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge(_) => 413,
            Self::NotAForm | Self::UnsupportedCoding => 415,
            Self::Read(error) => status_of_reading(error),
            Self::Store(_) | Self::BadOption(_) => 500,
            Self::Boundary(_)
            | Self::Malformed(_)
            | Self::UnnamedPart
            | Self::MissingFile(_)
            | Self::Undecodable(_) => 400,
        }
    }
}

impl StatusError for form::Error {
    fn status(&self) -> u16 {
        form::Error::status(self)
    }
}

impl StatusError for multipart::Error {
    fn status(&self) -> u16 {
        multipart::Error::status(self)
    }
}

impl multipart::Error {
    /// The status code to answer; see [`form::Error::status`].
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::TooLarge(_) => 413,
            Self::BadOption(_) => 500,
            Self::Io(error) => status_of_reading(error),
        }
    }
}

/// The status for a body that could not be read.
fn status_of_reading(error: &io::Error) -> u16 {
    match proto_error(error) {
        Some(cause) => cause.status(),
        None if error.kind() == io::ErrorKind::TimedOut => 408,
        None => 400,
    }
}

/// Why a body that was to be collected could not be, as a form's error.
fn form_error(error: io::Error) -> form::Error {
    match proto_error(&error) {
        Some(ProtoError::BodyTooLarge) => form::Error::TooLarge(Limit::Body),
        _ => error.into(),
    }
}

fn proto_error(error: &io::Error) -> Option<ProtoError> {
    error.get_ref()?.downcast_ref().copied()
}

/// The first that is not empty, or the first that is there.
fn first_with_text<'a>(one: Option<Cow<'a, [u8]>>, other: Option<Cow<'a, [u8]>>) -> Option<Cow<'a, [u8]>> {
    match (one, other) {
        (Some(one), Some(other)) if one.is_empty() && !other.is_empty() => Some(other),
        (one, other) => one.or(other),
    }
}
