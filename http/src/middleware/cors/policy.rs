//! What is said about pages of other origins.

use super::rules::{CorsLines, CorsNames, CorsRules, Origins};
use std::sync::Arc;
use std::time::Duration;

/// Which pages of other origins may read responses, for [`cors`](crate::middleware::cors()).
#[derive(Clone, Debug)]
pub struct Cors(pub(super) Arc<CorsRules>);

/// What can be said of [`Cors`].
///
/// ```
/// use anthill_http::middleware::Cors;
/// let error = Cors::builder().any_origin().credentials(true).build().unwrap_err();
/// assert_eq!(error.option(), "credentials");
/// ```
#[derive(Debug)]
#[must_use = "nothing is checked before it is built"]
pub struct CorsBuilder(pub(super) CorsRules);

/// What pages send with forms and links anyway is always allowed.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

impl Cors {
    /// A policy, to say more: without origins, which have to be named; the methods `GET`, `HEAD`, `POST`, `PUT`,
    /// `PATCH` and `DELETE`; whatever fields a page wants to send; no credentials.
    pub fn builder() -> CorsBuilder {
        CorsBuilder(CorsRules {
            origins: Origins::Listed(Vec::new()),
            credentials: false,
            methods: CorsNames::Listed(METHODS.map(str::to_owned).to_vec()),
            headers: CorsNames::Any,
            exposed: String::new(),
            max_age: None,
            private_network: false,
            lines: CorsLines::default(),
        })
    }
}

impl CorsBuilder {
    /// These may read, as browsers write them: `https://app.example`, `http://localhost:5173`; scheme, host and a port
    /// that is not the usual one, and nothing behind it.
    pub fn origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.0.origins = Origins::Listed(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Those may read of which this says yes, given the origin as the browser wrote it. Compare all of it, or from the
    /// scheme on with a dot before what has to be its end: `example.org` is also the end of `https://notexample.org`.
    /// The origin `null`, which any page can have, is one as well.
    pub fn origins_if(mut self, judge: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.0.origins = Origins::Judged(Box::new(judge));
        self
    }

    /// Every page may read: for what is public.
    pub fn any_origin(mut self) -> Self {
        self.0.origins = Origins::Any;
        self
    }

    /// Whether pages may read responses to requests with cookies and other credentials of their users. Default: no.
    pub fn credentials(mut self, allowed: bool) -> Self {
        self.0.credentials = allowed;
        self
    }

    /// The methods that pages may use, beside `GET`, `HEAD` and `POST`, which are no question. In place of the default.
    pub fn methods<T: Into<String>>(mut self, methods: impl IntoIterator<Item = T>) -> Self {
        self.0.methods = CorsNames::Listed(methods.into_iter().map(Into::into).collect());
        self
    }

    /// The fields that pages may set in their requests, in any case. Default: any.
    pub fn headers<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.0.headers = CorsNames::Listed(names.into_iter().map(Into::into).collect());
        self
    }

    /// The fields of responses that pages may read, beside those about caches and content that they always may. With
    /// credentials, `*` is a name like any other to browsers. Default: none.
    pub fn expose<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
        self.0.exposed = names.join(", ");
        self
    }

    /// How long a browser may remember what it was answered before; browsers have bounds of their own (2 hours, 24
    /// hours). Default: not said, which is 5 seconds.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.0.max_age = Some(age);
        self
    }

    /// Whether public pages may ask a server in a private network, of which some browsers ask before. Default: no.
    pub fn private_network(mut self, allowed: bool) -> Self {
        self.0.private_network = allowed;
        self
    }
}
