//! Where sessions are kept: what a store has to do.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// What a store may fail with.
pub(crate) type StoreError = Box<dyn StdError + Send + Sync>;

/// Keeps sessions: in memory ([`MemoryStore`](super::MemoryStore)), in a database.
///
/// It is called by the threads that answer requests, by many at once, and may block. What fails, fails the request with
/// 500.
///
/// For a table `sessions (key BLOB PRIMARY KEY, data BLOB, version INTEGER, expires INTEGER)` the three are:
///
/// - [`load`](Self::load): `SELECT data, version FROM sessions WHERE key = ?`
/// - [`save`](Self::save) over nothing: `INSERT ... ON CONFLICT DO NOTHING`; over a version: `UPDATE sessions SET
///   data = ?, version = ?, expires = ? WHERE key = ? AND version = ?`; and whether that has changed a row
/// - [`delete`](Self::delete): `DELETE FROM sessions WHERE key = ?`, and whether there was one
///
/// and now and then `DELETE FROM sessions WHERE expires < ?`. What has expired may be given all the same; it is not
/// used. The whole store is in [the guide](crate::guide).
pub trait SessionStore: Send + Sync + 'static {
    /// What is kept under `key`, if there is anything.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>, Box<dyn StdError + Send + Sync>>;

    /// Keeps `session` under `key` if what is there has the version `over`, or, for `None`, if nothing is there; in one
    /// step, so that of two who save at once one is told `false`. Says whether it is kept.
    ///
    /// That keeps changes of requests that run at the same time, and has a session that was deleted stay so.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn save(
        &self,
        key: &SessionKey,
        session: &StoredSession,
        over: Option<u64>,
    ) -> Result<bool, Box<dyn StdError + Send + Sync>>;

    /// Forgets what is under `key`. Says whether there was anything.
    ///
    /// # Errors
    /// When it cannot be forgotten.
    fn delete(&self, key: &SessionKey) -> Result<bool, Box<dyn StdError + Send + Sync>>;
}

/// A store that several own.
impl<S: SessionStore + ?Sized> SessionStore for Arc<S> {
    fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>, StoreError> {
        (**self).load(key)
    }

    fn save(&self, key: &SessionKey, session: &StoredSession, over: Option<u64>) -> Result<bool, StoreError> {
        (**self).save(key, session, over)
    }

    fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        (**self).delete(key)
    }
}

/// Under what a session is kept: a hash (SHA-256) of what its client has, from which that cannot be found.
///
/// It is shown in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    pub(super) fn new(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({self})")
    }
}

/// A session as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// What is in it, in a form of this crate's.
    pub data: Vec<u8>,
    /// Counts how often it was saved.
    pub version: u64,
    /// When it was saved, which is now while it is being saved. It is for stores; what [`load`](SessionStore::load)
    /// gives here is not looked at.
    pub saved: SystemTime,
    /// From when on it may be forgotten.
    pub expires: SystemTime,
}

/// Without what is in it.
impl fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { data, version, saved, expires } = self;
        let data = format_args!("({} bytes)", data.len());
        let mut shown = f.debug_struct("StoredSession");
        shown.field("data", &data).field("version", version);
        shown.field("saved", saved).field("expires", expires).finish()
    }
}
