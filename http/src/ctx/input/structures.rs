//! Queries, forms and the parameters of routes as structures that describe themselves to serde.
//!
//! The idea: pairs are decoded here, once and as everywhere else, then printed again and read by a library that knows
//! what serde's types want of texts.
//!
//! The rule: what is wrong is found out a second time, with the way to it, only when something is wrong.

use super::error::{InputError, InputPart};
use crate::ctx::RequestCtx;
use crate::util::percent::append_encoded_query;
use serde::de::DeserializeOwned;
use serde_html_form::Deserializer;
use serde_path_to_error::{Path, Segment};
use std::borrow::Cow;
use std::fmt::Display;

/// What serde says of a field that is not there, before its name.
const MISSING: &str = "missing field `";
/// What the library says of several values where there may be one.
const SEVERAL: &str = "unsupported value";

/// Structures, with the feature `serde`.
///
/// Types that implement serde's `Deserialize` are read by their fields: numbers, texts, `bool` (`true`, `on`, `false`),
/// enums without content by their names, `Option`s, which are `None` when there is no such value (and numbers and
/// `bool`s also when it is empty), and lists of all of these, for names that are there several times. Fields of the
/// request that the type does not know are ignored, unless it has `deny_unknown_fields`. There are no lists by `name[]`
/// and no structures in structures.
impl RequestCtx {
    /// The query as a structure.
    ///
    /// ```
    /// use anthill_http::{Handler, InputError, Request, RequestCtx};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Search {
    ///     text: String,
    ///     #[serde(default)]
    ///     tag: Vec<String>,
    ///     page: Option<u32>,
    /// }
    ///
    /// fn search(ctx: &mut RequestCtx) -> Result<(), InputError> {
    ///     let search: Search = ctx.query()?;
    ///     ctx.set_body(format!("{} {:?} {}", search.text, search.tag, search.page.unwrap_or(1)));
    ///     Ok(())
    /// }
    /// let said = |target: &str| {
    ///     let mut ctx = RequestCtx::for_request(Request::new("GET", target).unwrap(), None);
    ///     search.handle(&mut ctx);
    ///     (ctx.response.status_code(), ctx.response.body_str().unwrap().to_owned())
    /// };
    /// assert_eq!(said("/?text=red+ants&tag=a&tag=b"), (200, r#"red ants ["a", "b"] 1"#.to_owned()));
    /// let (status, problem) = said("/?text=a&page=x");
    /// assert_eq!(status, 400);
    /// assert!(problem.ends_with(
    ///     r##""errors":[{"detail":"invalid digit found in string","pointer":"#/page","in":"query"}]}"##
    /// ));
    /// assert!(said("/").1.contains(r#"the query argument \"text\" is missing"#));
    /// ```
    ///
    /// # Errors
    /// 400 that names the argument which is missing, not valid, or not UTF-8.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, InputError> {
        let pairs = self.request.query_args();
        structure(InputPart::Query, pairs.map(|(name, value)| (name, value.unwrap_or_default())))
    }

    /// The form in the body, urlencoded or multipart, as a structure of its values. It is waited for and kept, as by
    /// [`form_value`](Self::form_value), and bounded alike; for files, and larger ones, there is
    /// [`form_with`](Self::form_with).
    ///
    /// ```
    /// use anthill_http::{Handler, InputError, Request, RequestCtx};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Guest {
    ///     name: String,
    ///     #[serde(default)]
    ///     vegetarian: bool,
    /// }
    ///
    /// fn invite(ctx: &mut RequestCtx) -> Result<(), InputError> {
    ///     let guest: Guest = ctx.form()?;
    ///     ctx.set_body(format!("{} {}", guest.name, guest.vegetarian));
    ///     Ok(())
    /// }
    /// let mut request = Request::new("POST", "/")?;
    /// request.set_content_type("application/x-www-form-urlencoded");
    /// request.set_body("name=ann&vegetarian=on");
    /// let mut ctx = RequestCtx::for_request(request, None);
    /// invite.handle(&mut ctx);
    /// assert_eq!(ctx.response.body(), b"ann true");
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    ///
    /// # Errors
    /// 415 when it is no form; 413 and 400 when it cannot be read; 422 that names the field which is missing, not
    /// valid, or not UTF-8.
    pub fn form<T: DeserializeOwned>(&mut self) -> Result<T, InputError> {
        let values = self.kept_form()?.values().iter();
        structure(
            InputPart::Form,
            values.map(|(name, value)| (name.into(), value.unwrap_or_default().into())),
        )
    }

    /// The parameters of the request's [route](crate::Router) as a structure.
    ///
    /// ```
    /// use anthill_http::{Handler, InputError, Request, RequestCtx, Router};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Page { book: String, number: u32 }
    ///
    /// fn show(ctx: &mut RequestCtx) -> Result<(), InputError> {
    ///     let page: Page = ctx.params_as()?;
    ///     ctx.set_body(format!("{} of {}", page.number, page.book));
    ///     Ok(())
    /// }
    /// let routes = Router::new().get("/{book}/{number}", show).build()?;
    /// let mut ctx = RequestCtx::for_request(Request::new("GET", "/ants/7")?, None);
    /// routes.handle(&mut ctx);
    /// assert_eq!(ctx.response.body(), b"7 of ants");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// 400 that names the parameter.
    #[cfg(feature = "router")]
    pub fn params_as<T: DeserializeOwned>(&self) -> Result<T, InputError> {
        let pairs = self.params();
        structure(
            InputPart::Path,
            pairs.map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into())),
        )
    }
}

/// What these names and values say.
fn structure<'a, T: DeserializeOwned>(
    part: InputPart,
    pairs: impl Iterator<Item = (Cow<'a, [u8]>, Cow<'a, [u8]>)>,
) -> Result<T, InputError> {
    let mut printed = Vec::new();
    for (name, value) in pairs {
        let Ok(field) = std::str::from_utf8(&name) else {
            return Err(InputError::invalid_whole(part, "a name is not UTF-8"));
        };
        if std::str::from_utf8(&value).is_err() {
            return Err(InputError::invalid(part, field, "not UTF-8"));
        }
        if !printed.is_empty() {
            printed.push(b'&');
        }
        append_encoded_query(&mut printed, &name);
        printed.push(b'=');
        append_encoded_query(&mut printed, &value);
    }
    T::deserialize(Deserializer::from_bytes(&printed)).map_err(|error| explain::<T>(part, &printed, &error))
}

/// What is wrong, and where.
#[cold]
fn explain<T: DeserializeOwned>(part: InputPart, printed: &[u8], error: &dyn Display) -> InputError {
    let text = error.to_string();
    if let Some(field) = missing(&text) {
        return InputError::missing(part, field);
    }
    let tried = serde_path_to_error::deserialize::<_, T>(Deserializer::from_bytes(printed));
    let reason = if text == SEVERAL { "there is more than one" } else { &text };
    match tried.err().as_ref().and_then(|error| field(error.path())) {
        Some(field) => InputError::invalid(part, field, reason),
        None => InputError::invalid_whole(part, reason),
    }
}

/// The field that serde says is missing.
pub(super) fn missing(text: &str) -> Option<&str> {
    let (field, _) = text.strip_prefix(MISSING)?.split_once('`')?;
    Some(field)
}

/// The name at the beginning of a path.
fn field(path: &Path) -> Option<&str> {
    path.iter().find_map(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctx::{InputErrorKind, StatusError};
    use crate::message::request::Request;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Everything {
        number: i8,
        #[serde(default)]
        list: Vec<u16>,
        word: Option<String>,
        size: Option<Size>,
        maybe: Option<f32>,
        #[serde(default)]
        yes: bool,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Size {
        Small,
        Large,
    }

    fn of<T: DeserializeOwned>(query: &str) -> Result<T, InputError> {
        let request = Request::new("GET", format!("/?{query}")).expect("a request");
        RequestCtx::for_request(request, None).query()
    }

    #[test]
    fn values_are_what_their_types_want() {
        assert_eq!(
            of::<Everything>("number=-7&list=1&list=2&word=caf%C3%A9+%26&size=large&maybe=&yes=on")
                .expect("all"),
            Everything {
                number: -7,
                list: vec![1, 2],
                word: Some("caf\u{e9} &".to_owned()),
                size: Some(Size::Large),
                maybe: None,
                yes: true,
            }
        );
        let little = of::<Everything>("number=1&list=5&size=small&&=").expect("the rest is optional");
        assert_eq!((little.list, little.size), (vec![5], Some(Size::Small)));
        let map: BTreeMap<String, String> = of("a=1&b").expect("a map");
        assert!(map.into_iter().eq([("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]));
    }

    #[test]
    fn errors_name_the_field() {
        for (query, kind, field, reason) in [
            ("", InputErrorKind::Missing, Some("number"), "is missing"),
            ("number=x", InputErrorKind::Invalid, Some("number"), "invalid digit found in string"),
            ("number=300", InputErrorKind::Invalid, Some("number"), "number too large to fit in target type"),
            ("number=1&number=2", InputErrorKind::Invalid, Some("number"), "there is more than one"),
            (
                "number=1&list=1&list=x",
                InputErrorKind::Invalid,
                Some("list"),
                "invalid digit found in string",
            ),
            ("number=1&word=%ff", InputErrorKind::Invalid, Some("word"), "not UTF-8"),
            ("number=1&%ff=1", InputErrorKind::Invalid, None, "a name is not UTF-8"),
            (
                "number=1&size=huge",
                InputErrorKind::Invalid,
                Some("size"),
                "unknown variant `huge`, expected `small` or `large`",
            ),
        ] {
            let error = of::<Everything>(query).expect_err(query);
            assert_eq!((error.kind(), error.field(), error.reason()), (kind, field, reason), "{query}");
            assert_eq!(error.status(), 400);
        }
        let unknown = of::<Everything>("number=1&other=2").unwrap_err();
        assert!(unknown.to_string().contains("unknown field `other`, expected one of"), "{unknown}");
    }
}
