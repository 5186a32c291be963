//! What lies in a queue: dead letters, and how much there is.

use redis::Value;

use super::link::{Link, meaning};
use super::names::{GROUP, Keys};
use super::{replies, scripts};
use crate::remote::error::SourceError;
use crate::remote::job::{DeadLetter, JobId, QueueDepth};

/// The dead letters, the oldest first.
pub(super) fn dead_letters(
    keys: &Keys,
    link: &mut Link,
    limit: usize,
) -> Result<Vec<DeadLetter>, SourceError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let on = [keys.dead.as_str(), &keys.letters];
    let value: Value = link.eval(keys, scripts::DEAD_LETTERS, &on, |command| {
        command.arg(limit);
    })?;
    replies::dead_letters(value).map_err(|error| meaning(error, &keys.dead))
}

/// Takes a dead letter away, and puts it back into the queue if it `revives`.
pub(super) fn take_dead(
    keys: &Keys,
    link: &mut Link,
    id: &JobId,
    revives: bool,
) -> Result<bool, SourceError> {
    let [high, normal, low] = keys.streams.each_ref().map(String::as_str);
    let on = [keys.dead.as_str(), &keys.letters, high, normal, low];
    link.eval(keys, scripts::TAKE_DEAD, &on, |command| {
        command.arg(id.as_str()).arg(u8::from(revives));
    })
}

/// How many jobs there are.
pub(super) fn depth(keys: &Keys, link: &mut Link) -> Result<QueueDepth, SourceError> {
    let mut all = redis::pipe();
    all.atomic();
    for stream in &keys.streams {
        all.cmd("XLEN").arg(stream);
    }
    for sorted in [&keys.delayed, &keys.dead] {
        all.cmd("ZCARD").arg(sorted);
    }
    for stream in &keys.streams {
        all.cmd("XPENDING").arg(stream).arg(GROUP);
    }
    let values: Vec<Value> = link.pipe(keys, &all)?;
    let (lengths, pending, delayed, dead) =
        replies::depth(values).map_err(|error| meaning(error, &keys.delayed))?;
    Ok(QueueDepth { ready: lengths.saturating_sub(pending), delayed, in_flight: pending, dead })
}
