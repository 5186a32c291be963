//! Single values of a request, as numbers or whatever else can be read from text.
//!
//! The rule: for each part of a request there are two functions. `parse_...` wants a value; `parse_..._opt` takes it
//! that there is none. A value that cannot be read is an error with both, and an empty one is a value.

use super::error::{InputError, InputPart};
use crate::ctx::RequestCtx;
use crate::util::text::text;
use crate::values::form;
use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

/// Single values, as numbers or whatever else can be read from text ([`FromStr`]).
///
/// Those called `parse_...` want the value to be there; of those called `parse_..._opt` it may be missing, which is
/// `None`. A value that cannot be read is an error with both. So is an empty one, unless the type can be read from
/// nothing, as a `String` can. Of several the first counts; whole structures, and lists, are read by `query`, `form`,
/// `json` and `params_as`, with the features `serde` and `json`.
///
/// ```
/// use anthill_http::{Handler, InputError, Request, RequestCtx};
///
/// fn list(ctx: &mut RequestCtx) -> Result<(), InputError> {
///     let page: u32 = ctx.parse_query_arg("page")?;
///     let size: u32 = ctx.parse_query_arg_opt("size")?.unwrap_or(20);
///     ctx.set_body(format!("page {page} of {size}"));
///     Ok(())
/// }
/// let said = |target: &str| {
///     let mut ctx = RequestCtx::for_request(Request::new("GET", target).unwrap(), None);
///     list.handle(&mut ctx);
///     (ctx.response.status_code(), ctx.response.body_str().unwrap().to_owned())
/// };
/// assert_eq!(said("/?page=2"), (200, "page 2 of 20".to_owned()));
/// assert!(said("/?page=2&size=many").1.contains(r#"the query argument \"size\" is not valid: invalid digit"#));
/// assert!(said("/?size=7").1.contains(r#"the query argument \"page\" is missing"#));
/// ```
///
/// # Errors
/// [`InputError`], which is a readable answer by itself: 400, or 422 for values of a form; and with those of a form why
/// the body could not be read.
impl RequestCtx {
    /// The value of the parameter `name` of the request's [route](crate::Router).
    ///
    /// ```
    /// use anthill_http::{Handler, InputError, Request, RequestCtx, Router};
    ///
    /// fn show(ctx: &mut RequestCtx) -> Result<(), InputError> {
    ///     let id: u32 = ctx.parse_param("id")?;
    ///     ctx.set_body(format!("number {id}"));
    ///     Ok(())
    /// }
    /// let routes = Router::new().get("/items/{id}", show).build()?;
    /// let mut ctx = RequestCtx::for_request(Request::new("GET", "/items/7")?, None);
    /// routes.handle(&mut ctx);
    /// assert_eq!(ctx.response.body(), b"number 7");
    ///
    /// let mut ctx = RequestCtx::for_request(Request::new("GET", "/items/seven")?, None);
    /// routes.handle(&mut ctx);
    /// assert_eq!(ctx.response.status_code(), 400);
    /// let said = r#"the parameter \"id\" is not valid: invalid digit found in string"#;
    /// assert!(ctx.response.body_str().is_some_and(|body| body.contains(said)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// 400 with the reason when it cannot be read. 500, and a line in the log, when the route has no such parameter,
    /// which is a mistake of the program's.
    #[cfg(feature = "router")]
    pub fn parse_param<T>(&self, name: &str) -> Result<T, InputError>
    where
        T: FromStr,
        T::Err: Display,
    {
        match self.parse_param_opt(name)? {
            Some(value) => Ok(value),
            None => {
                let route = self.route();
                log::error!(target: "anthill_http::handler", "the route {route:?} has no parameter {name:?}");
                Err(InputError::no_such_parameter(name))
            }
        }
    }

    /// The same, for handlers of several routes; `None` when the request's has no such parameter.
    #[cfg(feature = "router")]
    pub fn parse_param_opt<T>(&self, name: &str) -> Result<Option<T>, InputError>
    where
        T: FromStr,
        T::Err: Display,
    {
        parsed(InputPart::Path, name, self.param(name).map(|value| value.as_bytes().into()))
    }

    /// The value of the first query argument called `name`; see [`query_arg`](Self::query_arg).
    pub fn parse_query_arg<T>(&self, name: &str) -> Result<T, InputError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.parse_query_arg_opt(name)?.ok_or_else(|| InputError::missing(InputPart::Query, name))
    }

    /// The same, if there is one.
    pub fn parse_query_arg_opt<T>(&self, name: &str) -> Result<Option<T>, InputError>
    where
        T: FromStr,
        T::Err: Display,
    {
        parsed(InputPart::Query, name, self.query_arg(name))
    }

    /// The value of the first header field called `name`, in any case; see [`header`](Self::header).
    ///
    /// ```
    /// let mut request = anthill_http::Request::new("GET", "/")?;
    /// request.set_header("X-Version", "7");
    /// let ctx = anthill_http::RequestCtx::for_request(request, None);
    /// assert_eq!(ctx.parse_header("x-version").ok(), Some(7));
    /// assert_eq!(ctx.parse_header_opt::<u8>("X-Depth").unwrap(), None);
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn parse_header<T>(&self, name: &str) -> Result<T, InputError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.parse_header_opt(name)?.ok_or_else(|| InputError::missing(InputPart::Header, name))
    }

    /// The same, if there is one.
    pub fn parse_header_opt<T>(&self, name: &str) -> Result<Option<T>, InputError>
    where
        T: FromStr,
        T::Err: Display,
    {
        parsed(InputPart::Header, name, self.header(name).map(Cow::Borrowed))
    }

    /// The value of the first cookie called exactly `name`; see [`Request::cookie`](crate::Request::cookie).
    pub fn parse_cookie<T>(&self, name: &str) -> Result<T, InputError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.parse_cookie_opt(name)?.ok_or_else(|| InputError::missing(InputPart::Cookie, name))
    }

    /// The same, if there is one.
    pub fn parse_cookie_opt<T>(&self, name: &str) -> Result<Option<T>, InputError>
    where
        T: FromStr,
        T::Err: Display,
    {
        parsed(InputPart::Cookie, name, self.request.cookie(name).map(Cow::Borrowed))
    }

    /// The value that [`form_value`](Self::form_value) finds in the query or in the form, which it waits for.
    ///
    /// ```
    /// use anthill_http::{Request, RequestCtx, StatusError};
    /// let mut request = Request::new("POST", "/")?;
    /// request.set_content_type("application/x-www-form-urlencoded");
    /// request.set_body("age=30&height=tall");
    /// let mut ctx = RequestCtx::for_request(request, None);
    /// assert_eq!(ctx.parse_form_value::<u8>("age").unwrap(), 30);
    /// assert_eq!(ctx.parse_form_value::<f32>("height").unwrap_err().status(), 422);
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    ///
    /// # Errors
    /// As above; and, when there is no such value and the body is a form that cannot be read, why.
    pub fn parse_form_value<T>(&mut self, name: &str) -> Result<T, InputError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.parse_form_value_opt(name)?.ok_or_else(|| InputError::missing(InputPart::Form, name))
    }

    /// The same, if there is one.
    pub fn parse_form_value_opt<T>(&mut self, name: &str) -> Result<Option<T>, InputError>
    where
        T: FromStr,
        T::Err: Display,
    {
        if let found @ Some(_) = parsed(InputPart::Form, name, self.form_value(name))? {
            return Ok(found);
        }
        match self.kept_form() {
            // What is no form has no values.
            Ok(_) | Err(form::Error::NotAForm) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn parsed<T>(part: InputPart, name: &str, value: Option<Cow<'_, [u8]>>) -> Result<Option<T>, InputError>
where
    T: FromStr,
    T::Err: Display,
{
    let Some(value) = value else { return Ok(None) };
    let value = text(value).ok_or_else(|| InputError::invalid(part, name, "not UTF-8"))?;
    value.parse().map(Some).map_err(|error| InputError::invalid(part, name, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctx::{InputErrorKind, StatusError};
    use crate::message::request::Request;

    fn ctx(method: &str, target: &str, fields: &[(&str, &[u8])], body: &str) -> RequestCtx {
        let mut request = Request::new(method, target).expect("a request");
        for (name, value) in fields {
            request.append_header(name, value);
        }
        request.set_body(body);
        RequestCtx::for_request(request, None)
    }

    #[test]
    fn the_first_value_counts_and_bytes_that_are_no_text_are_an_error() {
        let ctx = ctx(
            "GET",
            "/?n=1&n=2&bad=%ff&empty=&bare",
            &[("X-N", b"3"), ("x-n", b"4"), ("X-Bad", b"\xff"), ("Cookie", b"n=5; n=6; bad=\xff")],
            "",
        );
        assert_eq!(ctx.parse_query_arg::<u8>("n").ok(), Some(1));
        assert_eq!(ctx.parse_header::<u8>("X-n").ok(), Some(3));
        assert_eq!(ctx.parse_cookie::<u8>("n").ok(), Some(5));
        for error in [
            ctx.parse_query_arg_opt::<String>("bad").unwrap_err(),
            ctx.parse_header_opt::<String>("x-bad").unwrap_err(),
            ctx.parse_cookie_opt::<String>("bad").unwrap_err(),
        ] {
            assert_eq!((error.status(), error.reason()), (400, "not UTF-8"));
        }
        assert_eq!(ctx.parse_query_arg::<String>("empty").ok().as_deref(), Some(""));
        assert_eq!(ctx.parse_query_arg::<String>("bare").ok().as_deref(), Some(""));
        let error = ctx.parse_query_arg_opt::<u8>("empty").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the query argument \"empty\" is not valid: cannot parse integer from empty string"
        );
        assert_eq!(ctx.parse_query_arg_opt::<u8>("none").ok(), Some(None));
        assert_eq!(ctx.parse_cookie::<u8>("none").unwrap_err().kind(), InputErrorKind::Missing);
    }

    #[test]
    fn a_form_that_cannot_be_read_says_so_where_it_is_needed() {
        const FORM: (&str, &[u8]) = ("Content-Type", b"application/x-www-form-urlencoded");
        const BROKEN: (&str, &[u8]) = ("Content-Type", b"multipart/form-data; boundary=x");
        let mut ctx_of_form = ctx("POST", "/?a=&b=2", &[FORM], "a=1&b=3");
        assert_eq!(ctx_of_form.parse_form_value::<u8>("a").ok(), Some(1));
        assert_eq!(ctx_of_form.parse_form_value::<u8>("b").ok(), Some(2), "the query comes first");
        assert_eq!(ctx_of_form.parse_form_value_opt::<u8>("c").ok(), Some(None));
        let missing = ctx_of_form.parse_form_value::<u8>("c").unwrap_err();
        assert_eq!((missing.kind(), missing.status()), (InputErrorKind::Missing, 422));

        let mut ctx_of_none = ctx("POST", "/?a=1", &[], "{}");
        assert_eq!(ctx_of_none.parse_form_value::<u8>("a").ok(), Some(1));
        assert_eq!(ctx_of_none.parse_form_value_opt::<u8>("b").ok(), Some(None));

        let mut broken = ctx("POST", "/?a=1", &[BROKEN], "no form");
        assert_eq!(broken.parse_form_value::<u8>("a").ok(), Some(1), "for that the form is not needed");
        let error = broken.parse_form_value_opt::<u8>("b").unwrap_err();
        assert_eq!((error.kind(), error.status()), (InputErrorKind::Unreadable, 400));

        let mut coded = ctx("POST", "/", &[FORM, ("Content-Encoding", b"compress")], "a=1");
        assert_eq!(coded.parse_form_value_opt::<u8>("a").unwrap_err().status(), 415);
    }
}
