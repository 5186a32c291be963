//! Values that handlers pass on to each other within one request.
//!
//! The idea: fasthttp's user values: a short list, searched from the front, because there are never many.
//!
//! The rule: values live until the response has been sent or given up, and are then dropped once.

use crate::contain::Contained;
use std::any::Any;
use std::borrow::Cow;
use std::fmt;

/// What a user value is called: a name or a number.
///
/// Names are bytes, so that `"a"` and `b"a"` are the same key (row `CTX-04`).
///
/// ```
/// use anthill_http::UserKey;
/// assert_eq!(UserKey::from("a"), UserKey::from(&b"a"[..]));
/// assert_ne!(UserKey::from("1"), UserKey::from(1));
/// ```
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

/// The values of one request, in the order in which they were set.
#[derive(Default)]
pub(crate) struct UserValues(Vec<(UserKey, Contained<Box<dyn Any + Send>>)>);

impl UserValues {
    pub(super) fn set(&mut self, key: UserKey, value: Box<dyn Any + Send>) {
        let value = Contained::new(value);
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, place)) => *place = value,
            None => self.0.push((key, value)),
        }
    }

    pub(super) fn get<T: Any>(&self, key: &UserKey) -> Option<&T> {
        self.0.iter().find(|(known, _)| known == key)?.1.as_ref()?.downcast_ref()
    }

    pub(super) fn get_mut<T: Any>(&mut self, key: &UserKey) -> Option<&mut T> {
        self.0.iter_mut().find(|(known, _)| known == key)?.1.as_mut()?.downcast_mut()
    }

    pub(super) fn remove(&mut self, key: &UserKey) -> Option<Box<dyn Any + Send>> {
        let index = self.0.iter().position(|(known, _)| known == key)?;
        self.0.remove(index).1.into_inner()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &UserKey> {
        self.0.iter().map(|(key, _)| key)
    }

    /// Drops them all; keeps the list's memory.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for UserValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}
