//! Problem details: what went wrong, as JSON that programs read (RFC 9457).
//!
//! The idea: the members that the RFC names, a list of what is wrong with which field, and members of one's own, which
//! are text of JSON from the moment on at which they are given. So all of it is written without a library.
//!
//! The rule: whatever text is put in, what comes out is one JSON object whose members are there once.

mod value;

pub use value::ProblemValue;

use super::response::{IntoStatus, Response};
use crate::util::byte_set::{ByteSet, alphanumerics_and};
use crate::util::{json, percent};
use crate::values::status;
use std::borrow::Cow;
use std::fmt::{self, Write};

/// The type of a body that is problem details.
pub(crate) const PROBLEM_TYPE: &str = "application/problem+json";

/// The members that have a method of their own.
const STANDARD: [&str; 6] = ["type", "title", "status", "detail", "instance", "errors"];

/// What may stand in the fragment of a URI as it is (RFC 3986 section 3.5).
static FRAGMENT: ByteSet = alphanumerics_and(b"-._~!$&'()*+,;=:@/?");

/// Why a request is not answered with what it asked for, as programs read it: problem details (RFC 9457), of type
/// `application/problem+json`.
///
/// It is an error that handlers may fail with ([`StatusError`](crate::StatusError)); what they had put into the
/// response is then replaced by it. [`HttpError`](crate::HttpError) and
/// [`InputError`](crate::InputError) become one by `?`. To have it in a response otherwise there is
/// [`Response::set_problem`].
///
/// ```
/// use anthill_http::{Handler, Problem, RequestCtx};
///
/// fn reserve(_: &mut RequestCtx) -> Result<(), Problem> {
///     Err(Problem::new(409).detail("the room is taken").field("room", "choose another one").extension("free", 3))
/// }
/// let mut ctx = RequestCtx::default();
/// reserve.handle(&mut ctx);
/// assert_eq!(ctx.response.header_str("Content-Type"), Some("application/problem+json"));
/// assert_eq!(
///     ctx.response.body_str(),
///     Some(concat!(
///         r#"{"type":"about:blank","title":"Conflict","status":409,"detail":"the room is taken","#,
///         r##""errors":[{"detail":"choose another one","pointer":"#/room"}],"free":3}"##
///     ))
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<ProblemMembers>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct ProblemMembers {
    status: u16,
    kind: Option<Cow<'static, str>>,
    title: Option<Cow<'static, str>>,
    detail: Option<Cow<'static, str>>,
    instance: Option<Cow<'static, str>>,
    faults: Vec<FieldFault>,
    extensions: Vec<(Cow<'static, str>, ProblemValue)>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldFault {
    detail: Cow<'static, str>,
    /// A JSON pointer, as the fragment of a URI.
    pointer: String,
    /// The part of the request that it points into; `None`: the body.
    part: Option<&'static str>,
}

impl Problem {
    /// A problem to answer with `status`, which should be 400 or more; that is not checked. Its title is the standard
    /// words for the status, its type `about:blank`, which says that there is no more to it (RFC 9457 section 4.2.1).
    pub fn new(status: impl IntoStatus) -> Self {
        Self(Box::new(ProblemMembers {
            status: status.into_status(),
            kind: None,
            title: None,
            detail: None,
            instance: None,
            faults: Vec::new(),
            extensions: Vec::new(),
        }))
    }

    /// The `type`: a URI that tells this kind of problem from others, which best leads to a page about it.
    pub fn type_uri(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.0.kind = Some(uri.into());
        self
    }

    /// The `title`: a few words on this kind of problem, the same each time it occurs.
    pub fn title(mut self, title: impl Into<Cow<'static, str>>) -> Self {
        self.0.title = Some(title.into());
        self
    }

    /// The `detail`: what went wrong this time, for people. It is told to the client, whatever the status.
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The `instance`: a URI of this occurrence.
    pub fn instance(mut self, uri: impl Into<Cow<'static, str>>) -> Self {
        self.0.instance = Some(uri.into());
        self
    }

    /// Adds to the `errors` what is wrong with one field of the body: its name, or, when it begins with a slash, a JSON
    /// pointer to it (RFC 6901).
    ///
    /// ```
    /// use anthill_http::Problem;
    /// let problem = Problem::new(422).field("name", "is empty").field("/tags/0", "is too long");
    /// assert!(problem.fields().eq([("#/name", "is empty"), ("#/tags/0", "is too long")]));
    /// ```
    pub fn field(mut self, field: impl AsRef<str>, detail: impl Into<Cow<'static, str>>) -> Self {
        let field = field.as_ref();
        if field.starts_with('/') {
            self.push_fault(None, field, detail.into());
        } else {
            let mut pointer = String::new();
            append_segment(&mut pointer, field);
            self.push_fault(None, &pointer, detail.into());
        }
        self
    }

    /// Adds a member of one's own, or replaces that of the same name. The names of the standard members (`type`,
    /// `title`, `status`, `detail`, `instance`, `errors`) are theirs: what is given for them here is left out.
    ///
    /// ```
    /// use anthill_http::Problem;
    /// let problem = Problem::new(402).extension("balance", 30).extension("accounts", vec!["/a/1", "/a/2"]);
    /// assert!(problem.to_json().ends_with(r#""balance":30,"accounts":["/a/1","/a/2"]}"#));
    /// ```
    pub fn extension(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<ProblemValue>) -> Self {
        let (name, value) = (name.into(), value.into());
        if STANDARD.contains(&&*name) {
            return self;
        }
        match self.0.extensions.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.extensions.push((name, value)),
        }
        self
    }

    /// The status.
    pub fn status_code(&self) -> u16 {
        self.0.status
    }

    /// The title: the one that was set, or the standard words for the status.
    pub fn title_text(&self) -> &str {
        self.0.title.as_deref().unwrap_or_else(|| status::reason(self.0.status))
    }

    /// The detail, if there is one.
    pub fn detail_text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What is wrong with which field: JSON pointers as fragments of URIs, and what was said of them.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.faults.iter().map(|fault| (fault.pointer.as_str(), &*fault.detail))
    }

    /// The problem as one JSON object: the standard members in the order of the RFC, then the others in that in which
    /// they were added.
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(128);
        // Writing into a String cannot fail.
        let _ = self.write_json(&mut text);
        text
    }

    fn write_json(&self, out: &mut String) -> fmt::Result {
        let members = &*self.0;
        out.write_str("{\"type\":")?;
        json::append_string_of(out, members.kind.as_deref().unwrap_or("about:blank"))?;
        out.write_str(",\"title\":")?;
        json::append_string_of(out, self.title_text())?;
        write!(out, ",\"status\":{}", members.status)?;
        for (name, value) in [("detail", &members.detail), ("instance", &members.instance)] {
            if let Some(value) = value {
                write!(out, ",\"{name}\":")?;
                json::append_string_of(out, value)?;
            }
        }
        if !members.faults.is_empty() {
            out.write_str(",\"errors\":[")?;
            for (index, fault) in members.faults.iter().enumerate() {
                out.write_str(if index == 0 { "{\"detail\":" } else { ",{\"detail\":" })?;
                json::append_string_of(out, &fault.detail)?;
                out.write_str(",\"pointer\":")?;
                json::append_string_of(out, &fault.pointer)?;
                if let Some(part) = fault.part {
                    write!(out, ",\"in\":\"{part}\"")?;
                }
                out.write_char('}')?;
            }
            out.write_char(']')?;
        }
        for (name, value) in &members.extensions {
            out.write_char(',')?;
            json::append_string_of(out, name)?;
            write!(out, ":{}", value.as_json())?;
        }
        out.write_char('}')
    }

    /// Adds what is wrong with what `pointer`, a JSON pointer, leads to in this part of the request.
    pub(crate) fn push_fault(
        &mut self,
        part: Option<&'static str>,
        pointer: &str,
        detail: Cow<'static, str>,
    ) {
        let mut fragment = vec![b'#'];
        percent::append_encoded(&mut fragment, pointer.as_bytes(), &FRAGMENT);
        let pointer = String::from_utf8(fragment).unwrap_or_default();
        self.0.faults.push(FieldFault { detail, pointer, part });
    }
}

/// Appends the name of a member, or a place in a list, to a JSON pointer (RFC 6901 section 3).
pub(crate) fn append_segment(pointer: &mut String, name: &str) {
    pointer.push('/');
    for letter in name.chars() {
        match letter {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(letter),
        }
    }
}

/// For people: the detail, or else the title.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail_text().unwrap_or_else(|| self.title_text()))
    }
}

impl std::error::Error for Problem {}

impl Response {
    /// Makes `problem` the response: its status, and it as the body, of type `application/problem+json`. Other fields
    /// stay.
    ///
    /// ```
    /// use anthill_http::{Problem, Response};
    /// let mut response = Response::new();
    /// response.set_header("Retry-After", "60");
    /// response.set_problem(&Problem::new(503).detail("we are moving"));
    /// assert_eq!((response.status_code(), response.header_str("Retry-After")), (503, Some("60")));
    /// assert!(response.body().ends_with(br#""status":503,"detail":"we are moving"}"#));
    /// ```
    pub fn set_problem(&mut self, problem: &Problem) {
        self.set_status_code(problem.status_code());
        self.set_content_type(PROBLEM_TYPE);
        self.set_body_vec(problem.to_json().into_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_members_in_their_order() {
        let problem = Problem::new(403)
            .extension("balance", 30)
            .type_uri("https://example.com/probs/out-of-credit")
            .title("You do not have enough credit.")
            .detail("Your balance is 30, but that costs 50.")
            .instance("/account/12345/msgs/abc")
            .extension("accounts", vec!["/account/12345", "/account/67890"])
            .extension("balance", 31);
        assert_eq!(
            problem.to_json(),
            concat!(
                r#"{"type":"https://example.com/probs/out-of-credit","title":"You do not have enough credit.","#,
                r#""status":403,"detail":"Your balance is 30, but that costs 50.","#,
                r#""instance":"/account/12345/msgs/abc","balance":31,"#,
                r#""accounts":["/account/12345","/account/67890"]}"#
            )
        );
        assert_eq!(problem.to_string(), "Your balance is 30, but that costs 50.");
        assert_eq!(Problem::new(404).to_string(), "Not Found");
    }

    #[test]
    fn members_are_there_once() {
        let mut problem = Problem::new(400);
        for name in STANDARD {
            problem = problem.extension(name, "mine");
        }
        assert_eq!(problem, Problem::new(400));
    }

    #[test]
    fn no_text_leaves_its_place() {
        let evil = "\"},\\\n\u{0}</script>\u{2028}";
        let problem = Problem::new(400)
            .type_uri(evil)
            .title(evil)
            .detail(evil)
            .instance(evil)
            .field(evil, evil)
            .extension(evil, evil);
        let escaped = r#"\"},\\\n\u0000</script>\u2028"#;
        let text = problem.to_json();
        assert_eq!(text.matches(escaped).count(), 7, "{text}");
        assert!(!text.contains('\n') && !text.contains('\u{2028}'));
        assert!(text.contains("\"pointer\":\"#/%22%7D,%5C%0A%00%3C~1script%3E%E2%80%A8\""), "{text}");
    }

    #[test]
    fn names_are_no_pointers_and_pointers_are() {
        let problem = Problem::new(422).field("a/b~c ä", "1").field("/a/0/b~1c", "2").field("", "3");
        let pointers: Vec<&str> = problem.fields().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["#/a~1b~0c%20%C3%A4", "#/a/0/b~1c", "#/"]);
    }
}
