//! How the session of a request is found.

use super::error::SessionError;
use super::id::SessionId;
use super::policy::{SessionHome, SessionPolicy};
use super::record::{SessionRecord, seconds};
use super::session::{KnownSession, Session};
use super::store::SessionStore;
use crate::ctx::RequestCtx;

/// How many cookies of the name are looked for in the store: a page of a neighbouring host may have planted some.
const LOOKS: usize = 4;

impl SessionPolicy {
    /// The session of the request, or an empty one.
    pub(super) fn find(&self, ctx: &RequestCtx) -> Result<Session, SessionError> {
        let (name, now) = (self.cookie_name(ctx), self.now(ctx));
        let mut texts = ctx.request.cookies().get_all(&name);
        let found = match &self.home {
            SessionHome::Store(store) => {
                let mut found = None;
                for id in texts.filter_map(SessionId::read).take(LOOKS) {
                    found = self.load(&**store, &id, seconds(now))?;
                    if found.is_some() {
                        break;
                    }
                }
                found
            }
            SessionHome::Cookie(key) => {
                // One that is over does not hide another behind it.
                let record = texts.find_map(|text| {
                    let record = SessionRecord::decode(&key.decrypt(&name, text, now)?)?;
                    (!self.is_over(&record, seconds(now))).then_some(record)
                });
                record.map(|record| {
                    let known =
                        KnownSession { place: None, version: 0, begun: record.begun, used: record.used };
                    (record, known)
                })
            }
        };
        Ok(Session::new(found))
    }

    fn load(
        &self,
        store: &dyn SessionStore,
        id: &SessionId,
        now: u64,
    ) -> Result<Option<(SessionRecord, KnownSession)>, SessionError> {
        let key = id.key();
        let Some(stored) = store.load(&key).map_err(SessionError::Store)? else { return Ok(None) };
        let Some(record) = SessionRecord::decode(&stored.data) else {
            log::warn!(target: "anthill_http::sessions", "the session {key} is in no form that is known; it is over");
            return Ok(None);
        };
        if self.is_over(&record, now) {
            store.delete(&key).map_err(SessionError::Store)?;
            return Ok(None);
        }
        let place = Some((key, id.text()));
        let known = KnownSession { place, version: stored.version, begun: record.begun, used: record.used };
        Ok(Some((record, known)))
    }
}
