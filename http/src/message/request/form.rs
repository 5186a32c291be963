//! The form that a request's body is.
//!
//! The idea: handlers ask for one value after the other, so the form is read once and kept with the request. Changing
//! the request forgets it.

use super::Request;
use crate::values::coding::{CodingError, check_codings};
use crate::values::form::{Error, Form, FormType, Options};

/// What is kept of the form.
#[derive(Debug, Default)]
pub(super) struct KeptForm {
    form: Option<Box<Form>>,
    is_unreadable: bool,
}

/// The form.
impl Request {
    /// Which kind of form the header fields say that the body is.
    pub(crate) fn form_type(&self) -> Result<FormType, Error> {
        FormType::of(self.content_type().unwrap_or_default())
    }

    /// The codings that were applied to the body, as one list.
    pub(crate) fn content_codings(&self) -> Vec<u8> {
        let lines: Vec<&[u8]> = self.headers().get_all("Content-Encoding").collect();
        lines.join(&b","[..])
    }

    /// Whether these can be undone, which is known before the body is here.
    pub(crate) fn check_codings(&self) -> Result<(), CodingError> {
        if !self.headers().contains("Content-Encoding") {
            return Ok(());
        }
        check_codings(&self.content_codings())
    }

    /// The form, if it was asked for and could be read.
    pub(crate) fn loaded_form(&self) -> Option<&Form> {
        self.form.form.as_deref()
    }

    /// Whether the form was asked for and could not be read.
    pub(crate) fn is_form_unreadable(&self) -> bool {
        self.form.is_unreadable
    }

    /// The form, read from as much of the body as is there when it is asked for first.
    pub(crate) fn form(&mut self) -> Result<&Form, Error> {
        if self.form.form.is_none() {
            let read = self.read_form();
            self.form.is_unreadable = read.is_err();
            self.form.form = Some(Box::new(read?));
        }
        // It is there now; this is how to say so without a way to panic.
        Ok(self.form.form.get_or_insert_default())
    }

    /// The default [`Options`], but that a body which is in memory already needs no other bound on its size than the
    /// one it had when it was received. What comes out of an encoded one is held to that or the default, whichever is
    /// more.
    fn read_form(&self) -> Result<Form, Error> {
        let body = self.body();
        let options = Options::new();
        let body_bytes_max = options.body_bytes_max().max(body.len() as u64);
        let content_type = self.content_type().unwrap_or_default();
        options.max_body_bytes(body_bytes_max).read_encoded(content_type, self.content_codings(), body)
    }
}
