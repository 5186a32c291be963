//! What the server is told of deliveries: that they are done, have begun, go on, go back, or are given up.

use std::time::Duration;

use super::holder::{Holder, millis};
use super::link::{Link, eval};
use super::names::{GROUP, Leaf};
use super::scripts;
use crate::remote::error::SourceError;
use crate::remote::job::Receipt;

/// How many leases one script begins anew, so that others need not wait for long.
const LEASES_AT_ONCE: usize = 256;

/// Receipts by the level they are of.
fn by_level<'a>(receipts: &'a [Receipt]) -> [Vec<Leaf<'a>>; 3] {
    let mut levels: [Vec<Leaf<'a>>; 3] = Default::default();
    for leaf in receipts.iter().filter_map(Leaf::read) {
        levels[leaf.level].push(leaf);
    }
    levels
}

/// Removes jobs that are done; returns how many of them were pending.
pub(super) fn acknowledge(
    holder: &Holder,
    link: &mut Link,
    receipts: &[Receipt],
) -> Result<usize, SourceError> {
    let keys = &holder.keys;
    let mut all = redis::pipe();
    all.atomic();
    for (leaves, stream) in by_level(receipts).iter().zip(&keys.streams) {
        if !leaves.is_empty() {
            let entries: Vec<&str> = leaves.iter().map(|leaf| leaf.entry).collect();
            all.cmd("XACK").arg(stream).arg(GROUP).arg(&entries);
            all.cmd("XDEL").arg(stream).arg(&entries).ignore();
        }
    }
    if all.is_empty() {
        return Ok(0);
    }
    let known: Vec<usize> = link.pipe(keys, &all)?;
    Ok(known.into_iter().sum())
}

/// Begins leases anew, of jobs that have begun or not; returns how many are ours.
pub(super) fn extend(
    holder: &Holder,
    link: &mut Link,
    receipts: &[Receipt],
    have_begun: bool,
) -> Result<usize, SourceError> {
    let keys = &holder.keys;
    let mut all = redis::pipe();
    for (leaves, stream) in by_level(receipts).iter().zip(&keys.streams) {
        for leaves in leaves.chunks(LEASES_AT_ONCE) {
            let mut command = eval(scripts::EXTEND, &[stream]);
            command.arg(GROUP).arg(&holder.name).arg(u8::from(have_begun));
            for leaf in leaves {
                command.arg(leaf.entry).arg(leaf.count);
            }
            all.add_command(command);
        }
    }
    if all.is_empty() {
        return Ok(0);
    }
    let ours: Vec<usize> = link.pipe(keys, &all)?;
    Ok(ours.into_iter().sum())
}

/// Gives a job back.
pub(super) fn give_back(
    holder: &Holder,
    link: &mut Link,
    leaf: Leaf<'_>,
    delay: Duration,
    attempts: u32,
) -> Result<bool, SourceError> {
    let keys = &holder.keys;
    let on = [keys.streams[leaf.level].as_str(), &keys.delayed];
    link.eval(keys, scripts::GIVE_BACK, &on, |command| {
        command.arg(GROUP).arg(&holder.name).arg(leaf.entry).arg(leaf.count);
        command.arg(millis(delay)).arg(attempts).arg(leaf.level);
    })
}

/// Makes a job a dead letter.
pub(super) fn bury(
    holder: &Holder,
    link: &mut Link,
    leaf: Leaf<'_>,
    attempts: u32,
    reason: &str,
) -> Result<bool, SourceError> {
    let keys = &holder.keys;
    let on = [keys.streams[leaf.level].as_str(), &keys.dead, &keys.letters];
    link.eval(keys, scripts::BURY, &on, |command| {
        command.arg(GROUP).arg(&holder.name).arg(leaf.entry).arg(leaf.count);
        command.arg(attempts).arg(leaf.level).arg(reason);
    })
}
