//! Preconditions: whether a request is to be carried out on what there is.
//!
//! Source: RFC 9110 section 13, in the order of 13.2.2.
//!
//! The rule: all of a request's preconditions are judged here and together. One that cannot be read is ignored where
//! the RFC says so, and else not met, so the doubtful case sends a full answer or refuses a change.

use super::Fields;
use super::date::parse_http_date;
use super::etag::{EntityTag, EntityTagList};
use crate::util::date::whole_seconds;
use std::time::SystemTime;

/// What there is at a request's target, to judge its preconditions by.
///
/// ```
/// use anthill_http::Request;
/// use anthill_http::header::{Precondition, Validators};
///
/// let current = Validators::new().etag(br#""v2""#);
/// let mut request = Request::new("GET", "/page")?;
/// request.set_header("If-None-Match", r#""v1", "v2""#);
/// assert_eq!(request.precondition(&current), Precondition::NotModified);
///
/// let mut request = Request::new("PUT", "/page")?;
/// request.set_header("If-Match", r#""v1""#);
/// assert_eq!(request.precondition(&current), Precondition::Failed);
///
/// // To make what is not there yet, and nothing else.
/// let mut request = Request::new("PUT", "/page")?;
/// request.set_header("If-None-Match", "*");
/// assert_eq!(request.precondition(&Validators::missing()), Precondition::Met);
/// assert_eq!(request.precondition(&current), Precondition::Failed);
/// # Ok::<(), anthill_http::RequestError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    etag: Option<EntityTag<'a>>,
    last_modified: Option<SystemTime>,
    exists: bool,
}

/// What the preconditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// All are met, or there are none: the request is to be carried out.
    Met,
    /// The client has what there is: 304.
    NotModified,
    /// One is not met: 412, and nothing is to be changed.
    Failed,
}

impl<'a> Validators<'a> {
    /// Something is there, of which neither a tag nor a time is known.
    pub fn new() -> Self {
        Validators { etag: None, last_modified: None, exists: true }
    }

    /// Nothing is there.
    pub fn missing() -> Self {
        Validators { exists: false, ..Validators::new() }
    }

    /// Its entity tag, with its quotes; one that is none is left out.
    pub fn etag(self, tag: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Validators { etag: EntityTag::parse(tag.as_ref()), ..self }
    }

    /// The same, of a tag that is one.
    pub(crate) fn known_tag(self, tag: EntityTag<'a>) -> Self {
        Validators { etag: Some(tag), ..self }
    }

    /// When it last changed; fractions of a second do not count, because fields cannot express them.
    pub fn last_modified(self, time: SystemTime) -> Self {
        Validators { last_modified: Some(time), ..self }
    }

    /// The tag, if there is one.
    pub(crate) fn tag(&self) -> Option<EntityTag<'a>> {
        self.etag
    }

    /// The time, if it is known.
    pub(crate) fn time(&self) -> Option<SystemTime> {
        self.last_modified
    }

    /// Judges the fields of a request.
    pub(crate) fn judge(&self, method: &str, fields: Fields<'_>) -> Precondition {
        let reads = matches!(method, "GET" | "HEAD");
        if fields.contains("If-Match") {
            let list = EntityTagList::new(fields.get_all("If-Match"));
            if !self.exists || !list.matches_strongly(self.etag) {
                return Precondition::Failed;
            }
        } else if self.is_newer_than(fields, "If-Unmodified-Since") == Some(true) {
            return Precondition::Failed;
        }
        if fields.contains("If-None-Match") {
            let list = EntityTagList::new(fields.get_all("If-None-Match"));
            if self.exists && list.matches_weakly(self.etag) {
                return if reads { Precondition::NotModified } else { Precondition::Failed };
            }
        } else if reads && self.is_newer_than(fields, "If-Modified-Since") == Some(false) {
            return Precondition::NotModified;
        }
        Precondition::Met
    }

    /// Whether `Range` counts beside this `If-Range`, if there is one: the client's part is of what there is.
    pub(crate) fn meets_if_range(&self, fields: Fields<'_>) -> bool {
        let mut conditions = fields.get_all("If-Range");
        let Some(condition) = conditions.next() else { return true };
        let is_same = match EntityTag::parse(condition) {
            Some(tag) => self.etag.is_some_and(|current| current.strong_eq(tag)),
            // The very date, because an earlier one may be of something else (13.1.5).
            None => match (parse_http_date(condition), self.last_modified) {
                (Some(date), Some(changed)) => whole_seconds(date) == whole_seconds(changed),
                _ => false,
            },
        };
        is_same && conditions.next().is_none()
    }

    /// Whether it changed after the date in the one field of that name; `None`: there is no such date, or it is not
    /// known.
    fn is_newer_than(&self, fields: Fields<'_>, name: &str) -> Option<bool> {
        let mut values = fields.get_all(name);
        let date = values.next().filter(|_| values.next().is_none()).and_then(parse_http_date)?;
        let changed = self.last_modified.filter(|_| self.exists)?;
        Some(whole_seconds(changed) > whole_seconds(date))
    }
}

impl Default for Validators<'_> {
    /// As [`Validators::new`].
    fn default() -> Self {
        Validators::new()
    }
}
