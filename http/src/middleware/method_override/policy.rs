//! Where the method is said, and which may be.

use crate::config::error::BuildError;
use crate::ctx::RequestCtx;
use crate::util::token;
use std::sync::Arc;

/// Where the method is said, and which may be, for [`method_override`](crate::middleware::method_override()).
#[derive(Clone, Debug)]
pub struct MethodOverride(Arc<MethodRules>);

/// What can be said of a [`MethodOverride`].
#[derive(Clone, Debug)]
#[must_use = "nothing is checked before it is built"]
pub struct MethodOverrideBuilder(MethodRules);

#[derive(Clone, Debug)]
struct MethodRules {
    methods: Vec<String>,
    form_field: Option<String>,
    header: Option<String>,
}

impl MethodOverride {
    /// `PUT`, `PATCH` and `DELETE`, by the form's field `_method` or the head's `X-HTTP-Method-Override`; the latter
    /// counts if both are there.
    pub fn new() -> Self {
        Self(Arc::new(Self::builder().0))
    }

    /// The same, to say more.
    pub fn builder() -> MethodOverrideBuilder {
        MethodOverrideBuilder(MethodRules {
            methods: ["PUT", "PATCH", "DELETE"].map(str::to_owned).to_vec(),
            form_field: Some("_method".to_owned()),
            header: Some("X-HTTP-Method-Override".to_owned()),
        })
    }

    /// The method that the request means.
    pub(super) fn meant(&self, ctx: &mut RequestCtx) -> Option<&str> {
        let MethodRules { methods, form_field, header } = &*self.0;
        let of = |said: &[u8]| {
            methods.iter().find(|known| known.as_bytes().eq_ignore_ascii_case(said)).map(String::as_str)
        };
        if let Some(said) = header.as_ref().and_then(|name| ctx.request.header(name)) {
            return of(said);
        }
        ctx.body_value(form_field.as_ref()?).and_then(|said| of(&said))
    }
}

impl Default for MethodOverride {
    /// As [`MethodOverride::new`].
    fn default() -> Self {
        Self::new()
    }
}

impl MethodOverrideBuilder {
    /// The field of the form; `None`: forms are not looked at. Default: `_method`.
    pub fn form_field(mut self, name: Option<&str>) -> Self {
        self.0.form_field = name.map(str::to_owned);
        self
    }

    /// The field of the head; `None`: none. Default: `X-HTTP-Method-Override`.
    pub fn header(mut self, name: Option<&str>) -> Self {
        self.0.header = name.map(str::to_owned);
        self
    }

    /// The methods that may be meant, in place of the default; said in any case.
    pub fn methods<T: Into<String>>(mut self, methods: impl IntoIterator<Item = T>) -> Self {
        self.0.methods = methods.into_iter().map(Into::into).collect();
        self
    }

    /// Makes it a policy.
    ///
    /// # Errors
    /// For what is no method, and for those that change nothing or are the protocol's own: `GET`, `HEAD`, `OPTIONS`,
    /// `TRACE`, `CONNECT`.
    pub fn build(self) -> Result<MethodOverride, BuildError> {
        let is_refused = |method: &&String| {
            let others = ["GET", "HEAD", "OPTIONS", "TRACE", "CONNECT"];
            !token::is_token(method.as_bytes())
                || others.iter().any(|other| method.eq_ignore_ascii_case(other))
        };
        match self.0.methods.iter().find(is_refused) {
            Some(method) => {
                Err(BuildError::new("methods", format!("has {method:?}, which a POST cannot mean")))
            }
            None => Ok(MethodOverride(Arc::new(self.0))),
        }
    }
}
