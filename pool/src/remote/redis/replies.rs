//! What the server's answers say.

use redis::{ErrorKind, FromRedisValue, RedisError, RedisResult, Value, from_redis_value};

use super::names::Leaf;
use super::scripts::BEGUN;
use crate::remote::job::{DeadLetter, Delivery, JobId, LEVELS};

fn odd(what: &'static str) -> RedisError {
    (ErrorKind::UnexpectedReturnType, "an answer of another form", what.to_owned()).into()
}

/// The values of a list; nothing is an empty one.
fn list(value: Value) -> RedisResult<Vec<Value>> {
    match value {
        Value::Array(values) => Ok(values),
        Value::Nil => Ok(Vec::new()),
        _ => Err(odd("no list")),
    }
}

fn tuple<const N: usize>(value: Value) -> RedisResult<[Value; N]> {
    list(value)?.try_into().map_err(|_| odd("a list of another length"))
}

fn read<T: FromRedisValue>(value: Value) -> RedisResult<T> {
    Ok(from_redis_value(value)?)
}

fn bytes(value: Value) -> RedisResult<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        _ => Err(odd("no bytes")),
    }
}

/// The entries that `XREADGROUP` read from one stream.
pub(super) fn entries(value: Value, level: usize) -> RedisResult<Vec<Delivery>> {
    let mut deliveries = Vec::new();
    for stream in list(value)? {
        let [_key, read_entries] = tuple(stream)?;
        for entry in list(read_entries)? {
            let [id, fields] = tuple(entry)?;
            deliveries.push(delivery(level, read(id)?, 1, fields)?);
        }
    }
    Ok(deliveries)
}

/// What tending a queue came to.
pub(super) struct Tended {
    /// Milliseconds until the next job is due.
    pub(super) due_in: Option<u64>,
    /// Where to go on looking in each stream.
    pub(super) cursors: Vec<String>,
    pub(super) taken: Vec<Delivery>,
}

pub(super) fn tended(value: Value) -> RedisResult<Tended> {
    let [due_in, cursors, taken] = tuple(value)?;
    let taken = list(taken)?.into_iter().map(|taken| {
        let [level, entry, count, fields] = tuple(taken)?;
        delivery(read(level)?, read(entry)?, read(count)?, fields)
    });
    Ok(Tended {
        due_in: u64::try_from(read::<i64>(due_in)?).ok(),
        cursors: read(cursors)?,
        taken: taken.collect::<RedisResult<_>>()?,
    })
}

/// An entry as a job, of which the server has counted so much. One that is none is one with a fault, so that it is not
/// tried for ever.
fn delivery(level: usize, entry: String, count: u64, fields: Value) -> RedisResult<Delivery> {
    let receipt = Leaf { level, count, entry: &entry }.write();
    let priority = *LEVELS.get(level).ok_or_else(|| odd("an unknown level"))?;
    let (deliveries, begun) = (small(count % BEGUN), small(count / BEGUN));
    if let Ok([name, body]) = tuple(fields) {
        if let Some((id, version, attempts)) = read_head(&bytes(name)?) {
            let attempt = attempts.saturating_add(begun).saturating_add(1);
            let body = bytes(body)?;
            return Ok(Delivery { id, receipt, version, body, attempt, deliveries, priority, fault: None });
        }
    }
    Ok(Delivery {
        fault: Some(format!("the entry {entry} is not one field by the name of `id version attempts`")),
        id: JobId::new(entry),
        receipt,
        version: 0,
        body: Vec::new(),
        attempt: begun.saturating_add(1),
        deliveries,
        priority,
    })
}

fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Id, version and attempts before, as [`super::names::head`] writes them.
fn read_head(head: &[u8]) -> Option<(JobId, u32, u32)> {
    let mut parts = std::str::from_utf8(head).ok()?.split(' ');
    let (id, version, attempts) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let is_head = !id.is_empty() && parts.next().is_none();
    is_head.then(|| (JobId::new(id), version, attempts))
}

/// Where the group of each of these answers of `XINFO GROUPS` has got to.
pub(super) fn last_delivered(groups: Vec<Value>, name: &str) -> RedisResult<Vec<String>> {
    let of_one = |groups: Value| {
        for group in list(groups)? {
            let mut fields = list(group)?.into_iter();
            let (mut is_ours, mut last) = (false, None);
            while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
                match bytes(field)?.as_slice() {
                    b"name" => is_ours = bytes(value)? == name.as_bytes(),
                    b"last-delivered-id" => last = Some(read(value)?),
                    _ => {}
                }
            }
            if let (true, Some(last)) = (is_ours, last) {
                return Ok(last);
            }
        }
        Err((ErrorKind::Extension, "NOGROUP", "the group of the queue is gone".to_owned()).into())
    };
    groups.into_iter().map(of_one).collect()
}

/// Which levels `XREAD` has found something new in.
pub(super) fn levels_with_news(value: Value, streams: &[String; 3]) -> RedisResult<[bool; 3]> {
    let mut found = [false; 3];
    for stream in list(value)? {
        let [key, _] = tuple(stream)?;
        let key = bytes(key)?;
        for (found, stream) in found.iter_mut().zip(streams) {
            *found |= key == stream.as_bytes();
        }
    }
    Ok(found)
}

pub(super) fn dead_letters(value: Value) -> RedisResult<Vec<DeadLetter>> {
    let letters = list(value)?.into_iter().map(|letter| {
        let [level, id, version, attempts, body, reason] = tuple(letter)?;
        Ok(DeadLetter {
            id: JobId::new(read::<String>(id)?),
            version: read(version)?,
            body: bytes(body)?,
            priority: *LEVELS.get(read::<usize>(level)?).ok_or_else(|| odd("an unknown level"))?,
            attempts: read(attempts)?,
            reason: String::from_utf8_lossy(&bytes(reason)?).into_owned(),
        })
    });
    letters.collect()
}

/// From three lengths, the counts of delayed jobs and dead letters, and three summaries of what is pending: how many
/// there are, how many of them are pending, are delayed, are dead.
pub(super) fn depth(values: Vec<Value>) -> RedisResult<(usize, usize, usize, usize)> {
    let [first, second, third, delayed, dead, high, normal, low] =
        <[Value; 8]>::try_from(values).map_err(|_| odd("a list of another length"))?;
    let (mut lengths, mut pending) = (0, 0);
    for length in [first, second, third] {
        lengths += read::<usize>(length)?;
    }
    for summary in [high, normal, low] {
        let [count, _first, _last, _by_consumer] = tuple(summary)?;
        pending += read::<usize>(count)?;
    }
    Ok((lengths, pending, read(delayed)?, read(dead)?))
}
