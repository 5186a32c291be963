//! How jobs are taken: those that are due or whose lease has run out, then new ones, and waiting when there are none.

use std::time::Duration;

use redis::Value;

use super::holder::{Holder, millis};
use super::link::{Link, meaning};
use super::names::{GROUP, level_of};
use super::{replies, scripts};
use crate::remote::error::SourceError;
use crate::remote::job::{Delivery, levels_in_turn};
use crate::sync::Instant;

/// How often jobs that are due are looked for, when it is not known when the next one is.
const TEND_EVERY: Duration = Duration::from_millis(100);
/// How often leases that have run out are looked for: each eighth of one, and no less often than this.
const LONGEST_CLAIM_PAUSE: Duration = Duration::from_secs(1);
/// For how long an answer may be waited for beyond a planned wait is the timeout; no planned wait is longer than this.
pub(super) const LONGEST_BLOCK: Duration = Duration::from_secs(1);

/// The connection on which jobs are taken, and where that has got to.
pub(super) struct Fetching {
    link: Link,
    turn: u64,
    tend_at: Option<Instant>,
    claim_at: Option<Instant>,
    /// Where to go on looking for leases that have run out.
    cursors: Vec<String>,
}

impl Fetching {
    /// Nothing was looked for yet.
    pub(super) fn new(link: Link) -> Self {
        Fetching { link, turn: 0, tend_at: None, claim_at: None, cursors: vec!["0-0".to_owned(); 3] }
    }

    /// Takes up to `limit` jobs; waits up to `wait` for the first.
    pub(super) fn fetch(
        &mut self,
        holder: &Holder,
        limit: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, SourceError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let begun = Instant::now();
        let deadline = begun.checked_add(wait).unwrap_or(begun);
        let mut levels = [true; 3];
        loop {
            if self.tend_at.is_none_or(|at| at <= Instant::now()) {
                let taken = self.tend(holder, limit)?;
                if !taken.is_empty() {
                    return Ok(taken);
                }
            }
            let taken = self.read(holder, limit, levels)?;
            if !taken.is_empty() || Instant::now() >= deadline {
                return Ok(taken);
            }
            levels = self.block(holder, deadline)?;
        }
    }

    /// Moves jobs that are due, and takes over up to `limit` whose lease has run out.
    fn tend(&mut self, holder: &Holder, limit: usize) -> Result<Vec<Delivery>, SourceError> {
        let keys = &holder.keys;
        let [high, normal, low] = keys.streams.each_ref().map(String::as_str);
        let on = [high, normal, low, &keys.delayed];
        let now = Instant::now();
        let claims = self.claim_at.is_none_or(|at| at <= now);
        let limit = if claims { limit } else { 0 };
        let Fetching { link, cursors, .. } = self;
        let value: Value = link.eval(keys, scripts::TEND, &on, |command| {
            command.arg(GROUP).arg(&holder.name).arg(millis(holder.lease).max(1)).arg(limit).arg(&*cursors);
        })?;
        let tended = replies::tended(value).map_err(|error| meaning(error, &keys.delayed))?;
        self.cursors = tended.cursors;
        let due_in = tended.due_in.map_or(TEND_EVERY, Duration::from_millis).min(TEND_EVERY);
        self.tend_at = now.checked_add(due_in);
        // There may be more, when as many came as were asked for.
        if claims && tended.taken.len() < limit {
            self.claim_at = now.checked_add((holder.lease / 8).min(LONGEST_CLAIM_PAUSE));
        }
        Ok(tended.taken)
    }

    /// Reads up to `limit` new jobs of these levels, the most urgent first but in some turns.
    fn read(&mut self, holder: &Holder, limit: usize, of: [bool; 3]) -> Result<Vec<Delivery>, SourceError> {
        let mut taken = Vec::new();
        for level in levels_in_turn(self.turn).map(level_of) {
            if !of[level] || taken.len() == limit {
                continue;
            }
            let mut command = redis::cmd("XREADGROUP");
            command.arg("GROUP").arg(GROUP).arg(&holder.name).arg("COUNT").arg(limit - taken.len());
            command.arg("STREAMS").arg(&holder.keys.streams[level]).arg(">");
            let read = self
                .link
                .call(&holder.keys, |connection| replies::entries(command.query(connection)?, level));
            match read {
                Ok(mut entries) => taken.append(&mut entries),
                // What was read before is not lost for that.
                Err(_) if !taken.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        self.turn += u64::from(!taken.is_empty());
        Ok(taken)
    }

    /// Waits for a job nobody has taken, or until `until`; says in which levels there may be some. It takes none, so a
    /// connection that is lost meanwhile takes none along, and no more come than are asked for.
    fn block(&mut self, holder: &Holder, until: Instant) -> Result<[bool; 3], SourceError> {
        let until = self.tend_at.map_or(until, |tend_at| tend_at.min(until));
        let wait = until.saturating_duration_since(Instant::now()).min(LONGEST_BLOCK);
        if wait.is_zero() {
            return Ok([true; 3]);
        }
        let streams = &holder.keys.streams;
        let mut asked = redis::pipe();
        for stream in streams {
            asked.cmd("XINFO").arg("GROUPS").arg(stream);
        }
        self.link.call(&holder.keys, |connection| {
            let last = replies::last_delivered(asked.query(connection)?, GROUP)?;
            let mut command = redis::cmd("XREAD");
            command.arg("COUNT").arg(1).arg("BLOCK").arg(millis(wait).max(1));
            command.arg("STREAMS").arg(streams).arg(last);
            let news = replies::levels_with_news(command.query(connection)?, streams)?;
            // Nothing new, and time to look at everything again.
            Ok(if news == [false; 3] { [true; 3] } else { news })
        })
    }
}
