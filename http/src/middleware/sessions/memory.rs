//! Sessions in the memory of the process.
//!
//! The idea: what was used longest ago goes first, so whoever is there keeps his session, however many others come.
//!
//! The rule: each change looks at the two that were used longest ago, and lets them go if their time is over. So what
//! is over is gone after half as many changes, without a thread for it.

use super::store::{SessionKey, SessionStore, StoreError, StoredSession};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// What a session takes beside its data.
const ENTRY_BYTES: usize = 256;
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// Keeps sessions in memory, at most so many, and at most 256 MiB of them; when there are more, the one that was used
/// longest ago ends. With the process they all end. In an [`Arc`](std::sync::Arc) its owner can look at it:
///
/// ```
/// use anthill_http::middleware::{MemoryStore, Sessions};
/// use std::sync::Arc;
/// let store = Arc::new(MemoryStore::new(100_000).max_bytes(64 * 1024 * 1024));
/// let sessions = Sessions::builder(store.clone()).build()?;
/// assert_eq!(store.len(), 0);
/// # let _ = sessions;
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
///
/// Anybody can begin sessions where handlers keep something for strangers, and so end those of others: keep something
/// for whoever is logged in alone, or limit who begins one.
pub struct MemoryStore {
    kept: Mutex<KeptSessions>,
    max_sessions: usize,
    max_bytes: usize,
}

#[derive(Default)]
struct KeptSessions {
    sessions: HashMap<SessionKey, KeptSession>,
    /// By when they were used, the longest ago first.
    by_use: BTreeMap<u64, SessionKey>,
    uses: u64,
    bytes: usize,
}

struct KeptSession {
    stored: StoredSession,
    used: u64,
}

impl MemoryStore {
    /// One of at most so many sessions. None: none is kept, so each request begins anew.
    pub fn new(max_sessions: usize) -> Self {
        Self { kept: Mutex::default(), max_sessions, max_bytes: MAX_BYTES }
    }

    /// How many bytes all sessions take at most, 256 for each beside what is in it. Default: 256 MiB.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        Self { max_bytes: bytes, ..self }
    }

    /// How many sessions are kept, those included that are over and were not let go yet.
    pub fn len(&self) -> usize {
        self.kept.lock().sessions.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes they take, as [`max_bytes`](Self::max_bytes) counts.
    pub fn bytes(&self) -> usize {
        self.kept.lock().bytes
    }

    /// Ends all sessions.
    pub fn clear(&self) {
        *self.kept.lock() = KeptSessions::default();
    }
}

impl SessionStore for MemoryStore {
    fn load(&self, key: &SessionKey) -> Result<Option<StoredSession>, StoreError> {
        Ok(self.kept.lock().touch(key).map(|session| session.stored.clone()))
    }

    fn save(&self, key: &SessionKey, session: &StoredSession, over: Option<u64>) -> Result<bool, StoreError> {
        let mut kept = self.kept.lock();
        for _ in 0..2 {
            kept.remove_first(|first| first.stored.expires <= session.saved);
        }
        if kept.sessions.get(key).map(|there| there.stored.version) != over {
            return Ok(false);
        }
        kept.put(*key, session.clone());
        while kept.sessions.len() > self.max_sessions || kept.bytes > self.max_bytes {
            kept.remove_first(|_| true);
        }
        Ok(true)
    }

    fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        Ok(self.kept.lock().remove(key))
    }
}

impl KeptSessions {
    /// The session, which is the one that was used last now.
    fn touch(&mut self, key: &SessionKey) -> Option<&KeptSession> {
        let session = self.sessions.get_mut(key)?;
        self.by_use.remove(&session.used);
        self.uses += 1;
        session.used = self.uses;
        self.by_use.insert(self.uses, *key);
        Some(session)
    }

    fn put(&mut self, key: SessionKey, stored: StoredSession) {
        self.remove(&key);
        self.uses += 1;
        self.bytes += stored.data.len() + ENTRY_BYTES;
        self.by_use.insert(self.uses, key);
        self.sessions.insert(key, KeptSession { stored, used: self.uses });
    }

    fn remove(&mut self, key: &SessionKey) -> bool {
        let Some(session) = self.sessions.remove(key) else { return false };
        self.by_use.remove(&session.used);
        self.bytes -= session.stored.data.len() + ENTRY_BYTES;
        true
    }

    /// Lets the one go that was used longest ago, if it is such a one.
    fn remove_first(&mut self, is_it: impl FnOnce(&KeptSession) -> bool) {
        let Some(key) = self.by_use.first_key_value().map(|(_, key)| *key) else { return };
        if self.sessions.get(&key).is_some_and(is_it) {
            self.remove(&key);
        }
    }
}

/// How many, and not which.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("MemoryStore");
        shown.field("len", &self.len()).field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
