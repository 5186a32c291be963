//! How what became of a session is kept, when its handler has returned.
//!
//! The rule: it is kept before anything of the response is sent, and a response whose session was not kept is none.

use super::error::SessionError;
use super::id::SessionId;
use super::mark::SessionMark;
use super::policy::{SessionHome, SessionPolicy};
use super::record::{SessionRecord, seconds, time_at};
use super::session::{KnownSession, Session, SessionFate};
use super::store::{SessionKey, SessionStore, StoredSession};
use crate::ctx::{RequestCtx, Standing};
use crate::middleware::cookies::CookieKey;
use crate::values::cookie::{Cookie, CookieError};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often others may come in between before a request gives up.
const ATTEMPTS: usize = 32;

/// What browsers keep of a cookie, name and value together.
const COOKIE_BYTES_MAX: usize = 4096;

impl SessionPolicy {
    /// Keeps what became of the session that a handler has asked for, and has the response say what clients and caches
    /// have to know.
    pub(super) fn settle(&self, ctx: &mut RequestCtx, session: &Session) {
        if ctx.has_panicked {
            return;
        }
        let now = seconds(self.now(ctx));
        let kept = match &self.home {
            SessionHome::Store(store) => self.keep_in_store(&**store, ctx, session, now),
            SessionHome::Cookie(key) => self.keep_in_cookie(key, ctx, session, now),
        };
        let mark = match kept {
            Ok(cookie) => Arc::new(SessionMark { cookie }),
            Err(error) => {
                // Nor is anything put in the place of that.
                ctx.drop_stand_in();
                return ctx.answer_error_of("session", &error);
            }
        };
        if ctx.may_leave_http() {
            // A WebSocket's client keeps cookies as well.
            mark.apply(ctx);
        }
        ctx.stand(&mark);
    }

    fn keep_in_store(
        &self,
        store: &dyn SessionStore,
        ctx: &RequestCtx,
        session: &Session,
        now: u64,
    ) -> Result<Option<Cookie>, SessionError> {
        let known = session.known.as_ref().and_then(|known| Some((known, known.place.as_ref()?)));
        let Some((known, (key, text))) = known else { return self.begin(store, ctx, &session.values, now) };
        match session.fate {
            SessionFate::Kept => {
                let is_kept = self.update(store, (key, known), session, now)?;
                let end = time_at(self.end(known.begun, now));
                Ok((is_kept && self.outlives_browser).then(|| self.cookie(ctx, text, end)))
            }
            SessionFate::Renewed => {
                // What others have saved meanwhile goes along.
                let Some(stored) = store.load(key).map_err(SessionError::Store)? else { return Ok(None) };
                let mut values = session.values.clone();
                let others = SessionRecord::decode(&stored.data).filter(|_| stored.version != known.version);
                if let Some(found) = others {
                    values = found.values;
                    session.change(&mut values);
                    session.forget_csrf_secret(&mut values);
                }
                // One that somebody else has ended meanwhile stays so.
                let is_there = store.delete(key).map_err(SessionError::Store)?;
                if is_there { self.begin(store, ctx, &values, now) } else { Ok(None) }
            }
            SessionFate::Ended => {
                store.delete(key).map_err(SessionError::Store)?;
                let begun = self.begin(store, ctx, &session.values, now)?;
                Ok(Some(begun.unwrap_or_else(|| self.gone(ctx))))
            }
        }
    }

    /// Begins a session, if there is something to be kept.
    fn begin(
        &self,
        store: &dyn SessionStore,
        ctx: &RequestCtx,
        values: &BTreeMap<String, String>,
        now: u64,
    ) -> Result<Option<Cookie>, SessionError> {
        if values.is_empty() {
            return Ok(None);
        }
        let id = SessionId::random()?;
        let record = SessionRecord { begun: now, used: now, values: values.clone() };
        if !self.save(store, &id.key(), &record, None)? {
            return Err(SessionError::Contended);
        }
        Ok(Some(self.cookie(ctx, &id.text(), time_at(self.end(now, now)))))
    }

    /// Saves what was changed, or that it was used; says whether anything was saved.
    fn update(
        &self,
        store: &dyn SessionStore,
        (key, known): (&SessionKey, &KnownSession),
        session: &Session,
        now: u64,
    ) -> Result<bool, SessionError> {
        if session.changed.is_empty() && !self.is_to_be_noted(known.used, now) {
            return Ok(false);
        }
        // A clock that was set back does not make it last longer.
        let begun = known.begun.min(now);
        let mut record = SessionRecord { begun, used: now, values: session.values.clone() };
        let mut version = known.version;
        for _ in 0..ATTEMPTS {
            if self.save(store, key, &record, Some(version))? {
                return Ok(true);
            }
            let Some(stored) = store.load(key).map_err(SessionError::Store)? else { break };
            let Some(found) = SessionRecord::decode(&stored.data) else { break };
            if session.changed.is_empty() {
                // Whoever came in between has noted it.
                return Ok(true);
            }
            (record.values, version) = (found.values, stored.version);
            session.change(&mut record.values);
        }
        match store.load(key).map_err(SessionError::Store)? {
            Some(_) => Err(SessionError::Contended),
            // It was ended, and stays so.
            None => Ok(false),
        }
    }

    fn save(
        &self,
        store: &dyn SessionStore,
        key: &SessionKey,
        record: &SessionRecord,
        over: Option<u64>,
    ) -> Result<bool, SessionError> {
        let data = record.encode();
        if data.len() > self.max_bytes {
            return Err(SessionError::TooLarge { bytes: data.len(), max: self.max_bytes });
        }
        let version = over.map_or(0, |over| over.wrapping_add(1));
        let (saved, expires) = (time_at(record.used), time_at(self.end(record.begun, record.used)));
        store.save(key, &StoredSession { data, version, saved, expires }, over).map_err(SessionError::Store)
    }

    fn keep_in_cookie(
        &self,
        key: &CookieKey,
        ctx: &RequestCtx,
        session: &Session,
        now: u64,
    ) -> Result<Option<Cookie>, SessionError> {
        let begun = match &session.known {
            None if session.values.is_empty() => return Ok(None),
            Some(_) if session.fate == SessionFate::Ended && session.values.is_empty() => {
                return Ok(Some(self.gone(ctx)));
            }
            Some(known) if session.fate == SessionFate::Kept => {
                if session.changed.is_empty() && !self.is_to_be_noted(known.used, now) {
                    return Ok(None);
                }
                known.begun.min(now)
            }
            _ => now,
        };
        let end = time_at(self.end(begun, now));
        let data = SessionRecord { begun, used: now, values: session.values.clone() }.encode();
        let text = key.encrypt(self.cookie_name(ctx), data, end).map_err(|_| SessionError::NoRandomness)?;
        let cookie = self.cookie(ctx, &text, end);
        let (bytes, max) = (cookie.name().len() + cookie.value().len(), COOKIE_BYTES_MAX.min(self.max_bytes));
        if bytes > max || cookie.validate() == Err(CookieError::TooLong) {
            return Err(SessionError::TooLarge { bytes, max });
        }
        Ok(Some(cookie))
    }

    /// Has the client forget what it had.
    fn gone(&self, ctx: &RequestCtx) -> Cookie {
        let mut cookie = self.cookie(ctx, "", time_at(0));
        cookie.expire();
        cookie
    }
}
