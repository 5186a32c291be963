//! Values that handlers pass on to each other within one request.
//!
//! The idea: fasthttp's user values: a short list, searched from the front, because there are never many.
//!
//! The rule: values live until the response has been sent or given up, and are then dropped once.

use super::RequestCtx;
use super::deadline::Deadline;
#[cfg(feature = "http")]
use super::extensions::KeptExtensions;
use super::failure::HandlerFailure;
use super::hijack::Hijack;
#[cfg(feature = "sessions")]
use super::session_place::SessionPlace;
use super::standing::StandingList;
use crate::message::response::Response;
use crate::util::panic::Contained;
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What a user value is called: a name or a number.
///
/// Names are bytes, so that `"a"` and `b"a"` are the same key.
///
/// ```
/// use anthill_http::UserKey;
/// assert_eq!(UserKey::from("a"), UserKey::from(&b"a"[..]));
/// assert_ne!(UserKey::from("1"), UserKey::from(1));
/// ```
// CTX-04.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserKey(Key);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Name(Cow<'static, [u8]>),
    Number(u64),
}

impl From<&'static str> for UserKey {
    fn from(name: &'static str) -> Self {
        Self(Key::Name(name.as_bytes().into()))
    }
}

impl From<&'static [u8]> for UserKey {
    fn from(name: &'static [u8]) -> Self {
        Self(Key::Name(name.into()))
    }
}

impl From<String> for UserKey {
    fn from(name: String) -> Self {
        Self(Key::Name(name.into_bytes().into()))
    }
}

impl From<Vec<u8>> for UserKey {
    fn from(name: Vec<u8>) -> Self {
        Self(Key::Name(name.into()))
    }
}

impl From<u64> for UserKey {
    fn from(number: u64) -> Self {
        Self(Key::Number(number))
    }
}

/// Values that handlers pass on to each other.
// CTX-04.
impl RequestCtx {
    /// Keeps `value` under `key`, in the place of what was kept there, until the response has been sent.
    ///
    /// ```
    /// let mut ctx = anthill_http::RequestCtx::default();
    /// ctx.set_user_value("user", String::from("ann"));
    /// assert_eq!(ctx.user_value::<String>("user").map(String::as_str), Some("ann"));
    /// assert_eq!(ctx.user_value::<u32>("user"), None, "it is of another type");
    /// ```
    pub fn set_user_value(&mut self, key: impl Into<UserKey>, value: impl Any + Send) {
        self.user_values.set(key.into(), Box::new(value));
    }

    /// The value kept under `key`, if it is a `T`.
    pub fn user_value<T: Any>(&self, key: impl Into<UserKey>) -> Option<&T> {
        self.user_values.get(&key.into())
    }

    /// The same, to change.
    pub fn user_value_mut<T: Any>(&mut self, key: impl Into<UserKey>) -> Option<&mut T> {
        self.user_values.get_mut(&key.into())
    }

    /// Takes the value kept under `key` out.
    pub fn remove_user_value(&mut self, key: impl Into<UserKey>) -> Option<Box<dyn Any + Send>> {
        self.user_values.remove(&key.into())
    }

    /// The keys in the order in which they were first set.
    pub fn user_keys(&self) -> impl Iterator<Item = &UserKey> {
        self.user_values.keys()
    }

    /// Drops all user values.
    pub fn clear_user_values(&mut self) {
        self.user_values.clear_entries();
    }

    /// Keeps something until the response has been sent or given up, or whoever has taken the connection over is done.
    pub(crate) fn hold(&mut self, held: impl Any + Send) {
        self.user_values.hold(Box::new(held));
    }
}

/// The values of one request, in the order in which they were set. Every parked connection has room for them, and
/// hardly one has any: so it is room for a pointer.
#[derive(Default)]
pub(crate) struct UserValues(Option<Box<ValueList>>);

/// See [`UserValues`].
#[derive(Default)]
struct ValueList {
    /// What the request is called in records; empty when it is not.
    request_id: Vec<u8>,
    /// What a handler has failed with, if somebody wants to know.
    failure: HandlerFailure,
    /// Whether anything of what follows may be there, which most requests do not have.
    has_more: bool,
    entries: Vec<(UserKey, Contained<Box<dyn Any + Send>>)>,
    /// Who takes the connection over, which goes the same way.
    hijack: Option<Hijack>,
    /// Until when the handler may take.
    deadline: Option<Arc<Deadline>>,
    /// What is to be sent in the place of the response.
    stand_in: Option<Box<Response>>,
    /// What wrappers do to whatever is sent.
    standing: StandingList,
    /// What is held until the response is over.
    held: Vec<Box<dyn Any + Send>>,
    /// Where the request's session is, if there are any.
    #[cfg(feature = "sessions")]
    session: Option<SessionPlace>,
    /// Values by their types.
    #[cfg(feature = "http")]
    extensions: KeptExtensions,
}

impl ValueList {
    #[inline]
    fn is_empty(&self) -> bool {
        !self.has_more || self.has_nothing_of_users()
    }

    #[inline]
    fn clear(&mut self) {
        self.request_id.clear();
        self.failure.clear();
        if self.has_more {
            self.clear_more();
        }
    }

    // Out of line, because hardly a request has any.
    #[cold]
    fn has_nothing_of_users(&self) -> bool {
        #[cfg(feature = "http")]
        if !self.extensions.is_empty() {
            return false;
        }
        self.entries.is_empty() && self.hijack.is_none() && self.held.is_empty()
    }

    #[cold]
    fn clear_more(&mut self) {
        self.has_more = false;
        self.entries.clear();
        self.hijack = None;
        self.deadline = None;
        self.stand_in = None;
        self.standing.clear();
        self.held.clear();
        #[cfg(feature = "sessions")]
        {
            self.session = None;
        }
        #[cfg(feature = "http")]
        self.extensions.clear();
    }
}

impl UserValues {
    /// The list, to put something into it.
    fn more_mut(&mut self) -> &mut ValueList {
        let list = self.0.get_or_insert_default();
        list.has_more = true;
        list
    }

    pub(super) fn set(&mut self, key: UserKey, value: Box<dyn Any + Send>) {
        let value = Contained::new(value);
        let entries = &mut self.more_mut().entries;
        match entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, place)) => *place = value,
            None => entries.push((key, value)),
        }
    }

    pub(super) fn get<T: Any>(&self, key: &UserKey) -> Option<&T> {
        self.entries().iter().find(|(known, _)| known == key)?.1.as_ref()?.downcast_ref()
    }

    pub(super) fn get_mut<T: Any>(&mut self, key: &UserKey) -> Option<&mut T> {
        let entries = &mut self.0.as_mut()?.entries;
        entries.iter_mut().find(|(known, _)| known == key)?.1.as_mut()?.downcast_mut()
    }

    pub(super) fn remove(&mut self, key: &UserKey) -> Option<Box<dyn Any + Send>> {
        let entries = &mut self.0.as_mut()?.entries;
        let index = entries.iter().position(|(known, _)| known == key)?;
        entries.remove(index).1.into_inner()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &UserKey> {
        self.entries().iter().map(|(key, _)| key)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_deref().is_none_or(ValueList::is_empty)
    }

    pub(crate) fn set_hijack(&mut self, hijack: Hijack) {
        self.more_mut().hijack = Some(hijack);
    }

    #[inline]
    pub(super) fn hijack(&self) -> Option<&Hijack> {
        self.0.as_ref()?.hijack.as_ref()
    }

    pub(super) fn hijack_mut(&mut self) -> Option<&mut Hijack> {
        self.0.as_mut()?.hijack.as_mut()
    }

    /// Whether the connection is to be a WebSocket's.
    #[cfg(feature = "ws")]
    pub(crate) fn is_socket(&self) -> bool {
        self.hijack().is_some_and(|hijack| matches!(hijack.taker, super::hijack::Taker::Socket(_)))
    }

    pub(crate) fn take_hijack(&mut self) -> Option<Hijack> {
        self.0.as_mut()?.hijack.take()
    }

    pub(super) fn deadline(&self) -> Option<&Arc<Deadline>> {
        self.0.as_ref()?.deadline.as_ref()
    }

    pub(super) fn set_deadline(&mut self, deadline: Option<Arc<Deadline>>) {
        if deadline.is_some() || self.0.is_some() {
            self.more_mut().deadline = deadline;
        }
    }

    #[inline]
    pub(super) fn has_stand_in(&self) -> bool {
        self.0.as_ref().is_some_and(|list| list.stand_in.is_some())
    }

    pub(super) fn standing_mut(&mut self) -> &mut StandingList {
        &mut self.more_mut().standing
    }

    pub(super) fn request_id(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |list| &list.request_id)
    }

    pub(super) fn request_id_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0.get_or_insert_default().request_id
    }

    pub(super) fn hold(&mut self, held: Box<dyn Any + Send>) {
        self.more_mut().held.push(held);
    }

    pub(super) fn failure(&self) -> Option<&HandlerFailure> {
        self.0.as_ref().map(|list| &list.failure)
    }

    pub(super) fn failure_mut(&mut self) -> &mut HandlerFailure {
        &mut self.0.get_or_insert_default().failure
    }

    pub(super) fn set_stand_in(&mut self, response: Response) {
        self.more_mut().stand_in = Some(Box::new(response));
    }

    #[cfg(feature = "sessions")]
    pub(super) fn session_mut(&mut self) -> Option<&mut SessionPlace> {
        self.0.as_mut()?.session.as_mut()
    }

    /// Puts another place there, and gives what was there.
    #[cfg(feature = "sessions")]
    pub(super) fn put_session(&mut self, place: Option<SessionPlace>) -> Option<SessionPlace> {
        std::mem::replace(&mut self.more_mut().session, place)
    }

    /// Values by their types, if there may be any.
    #[cfg(feature = "tower")]
    pub(super) fn extensions(&self) -> Option<&KeptExtensions> {
        Some(&self.0.as_ref()?.extensions)
    }

    /// Values by their types.
    #[cfg(feature = "http")]
    pub(super) fn extensions_mut(&mut self) -> &mut KeptExtensions {
        &mut self.more_mut().extensions
    }

    /// Whether there may be anything.
    #[inline]
    pub(super) fn has_any(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn take_stand_in(&mut self) -> Option<Box<Response>> {
        self.0.as_mut()?.stand_in.take()
    }

    /// Drops them all; keeps the list's memory.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if let Some(list) = &mut self.0 {
            list.clear();
        }
    }

    fn clear_entries(&mut self) {
        if let Some(list) = &mut self.0 {
            list.entries.clear();
        }
    }

    fn entries(&self) -> &[(UserKey, Contained<Box<dyn Any + Send>>)] {
        self.0.as_ref().map_or(&[], |list| &list.entries)
    }
}

impl fmt::Debug for UserValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}
