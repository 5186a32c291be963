//! A request of a test as it is put together, whether it is sent or given to a handler.
//!
//! The rule: what is wrong is remembered, the first thing of it, and said when the request is used.

use crate::client::{MultipartForm, basic_credentials, target_of};
use crate::message::request::Request;
use crate::util::token;
use crate::values::args::Args;
use crate::values::uri::Uri;

/// A request that is being put together.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) request: Request,
    /// What is wrong with it, the first of several things.
    pub(super) problem: Option<String>,
    /// Whether the `Content-Type` is what follows from the body, and not what the user has said.
    is_type_ours: bool,
}

impl Draft {
    /// A request for `url`: a path with an optional query, or an absolute URL, whose host is then that of the request.
    pub(super) fn new(method: &str, url: &str) -> Self {
        match begin(method, url) {
            Ok(request) => Self { request, problem: None, is_type_ours: false },
            Err(problem) => Self { request: Request::empty(), problem: Some(problem), is_type_ours: false },
        }
    }

    pub(super) fn refuse(&mut self, problem: impl ToString) {
        self.problem.get_or_insert_with(|| problem.to_string());
    }

    pub(super) fn header(&mut self, name: &[u8], value: &[u8]) {
        let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        if !token::is_token(name) || value.iter().any(is_control) {
            let name = String::from_utf8_lossy(name);
            return self.refuse(format_args!(
                "the header field {name:?} has an invalid name, or control characters"
            ));
        }
        if name.eq_ignore_ascii_case(b"Host") {
            return self.host(value);
        }
        if name.eq_ignore_ascii_case(b"Content-Type") && std::mem::take(&mut self.is_type_ours) {
            self.request.remove_header("Content-Type");
        }
        self.request.append_header(name, value);
    }

    pub(super) fn host(&mut self, host: &[u8]) {
        if let Err(error) = self.request.set_host(host) {
            self.refuse(error);
        }
    }

    pub(super) fn query(&mut self, key: &[u8], value: &[u8]) {
        let mut added = Args::new();
        added.append(key, value);
        let mut target = self.request.request_uri().to_vec();
        target.push(if target.contains(&b'?') { b'&' } else { b'?' });
        target.extend_from_slice(&added.to_bytes());
        if let Err(error) = self.request.set_request_uri(target) {
            self.refuse(error);
        }
    }

    pub(super) fn basic_auth(&mut self, user: &str, password: &str) {
        if user.contains(':') {
            return self.refuse("a user with a colon cannot be told from his password");
        }
        let credentials = basic_credentials(user.as_bytes(), password.as_bytes());
        self.request.set_header("Authorization", credentials);
    }

    pub(super) fn bearer_auth(&mut self, token: &str) {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return self.refuse("a bearer token has characters that it must not have");
        }
        self.request.set_header("Authorization", format!("Bearer {token}"));
    }

    /// A body, and its type unless the user says another one.
    pub(super) fn body(&mut self, content_type: &str, body: Vec<u8>) {
        if self.is_type_ours || !self.request.headers().contains("Content-Type") {
            self.request.set_header("Content-Type", content_type);
            self.is_type_ours = true;
        }
        self.request.set_body_vec(body);
    }

    pub(super) fn form<K: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, pairs: impl IntoIterator<Item = (K, V)>) {
        let mut args = Args::new();
        for (key, value) in pairs {
            args.append(key, value);
        }
        self.body("application/x-www-form-urlencoded", args.to_bytes());
    }

    pub(super) fn multipart(&mut self, form: MultipartForm<'_>) {
        match form.into_bytes() {
            Ok((content_type, body)) => {
                self.request.set_header("Content-Type", content_type);
                self.is_type_ours = true;
                self.request.set_body_vec(body);
            }
            Err(error) => self.refuse(format_args!("a file of the form cannot be read: {error}")),
        }
    }

    #[cfg(feature = "json")]
    pub(super) fn json(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        match serde_json::to_vec(value) {
            Ok(body) => self.body("application/json", body),
            Err(error) => self.refuse(format_args!("the value is no JSON: {error}")),
        }
    }
}

fn begin(method: &str, url: &str) -> Result<Request, String> {
    let is_absolute = ["http://", "https://"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let said = |error: &dyn std::fmt::Display| format!("{method} {url}: {error}");
    if !is_absolute {
        return Request::new(method, url).map_err(|error| said(&error));
    }
    let uri = Uri::parse(url).map_err(|error| said(&error))?;
    let mut request = Request::new(method, target_of(&uri)).map_err(|error| said(&error))?;
    request.set_host(uri.host()).map_err(|error| said(&error))?;
    Ok(request)
}

/// What is said of a request of a test, in the same words whoever puts it together; he has a field `draft`.
macro_rules! draft_settings {
    () => {
        /// Adds a header field, keeping others of the same name; `Host` says for which host the request is.
        ///
        /// A name that is no token, and a value with control characters, fails the test when the request is used.
        pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
            self.draft.header(name.as_ref(), value.as_ref());
            self
        }

        /// The host that the request is for.
        pub fn host(mut self, host: impl AsRef<[u8]>) -> Self {
            self.draft.host(host.as_ref());
            self
        }

        /// Adds an argument to the query, escaped as it must be, behind what is there, which stays as it is.
        pub fn query(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
            self.draft.query(key.as_ref(), value.as_ref());
            self
        }

        /// Authorises by user and password (RFC 7617).
        pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
            self.draft.basic_auth(user, password);
            self
        }

        /// Authorises by a token (RFC 6750).
        pub fn bearer_auth(mut self, token: &str) -> Self {
            self.draft.bearer_auth(token);
            self
        }

        /// The body, in memory. Without a `Content-Type` of its own it is `application/octet-stream`. Of several
        /// bodies that which was said last counts.
        pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
            self.draft.body("application/octet-stream", body.into());
            self
        }

        /// The body is a form of names and values, `application/x-www-form-urlencoded`.
        pub fn form<K: AsRef<[u8]>, V: AsRef<[u8]>>(
            mut self,
            pairs: impl IntoIterator<Item = (K, V)>,
        ) -> Self {
            self.draft.form(pairs);
            self
        }

        /// The body is a form with files, `multipart/form-data`, which are read now.
        pub fn multipart(mut self, form: crate::client::MultipartForm<'_>) -> Self {
            self.draft.multipart(form);
            self
        }

        /// The body is `value` as JSON, `application/json` (feature `json`).
        #[cfg(feature = "json")]
        pub fn json(mut self, value: &(impl serde::Serialize + ?Sized)) -> Self {
            self.draft.json(value);
            self
        }
    };
}
pub(super) use draft_settings;
