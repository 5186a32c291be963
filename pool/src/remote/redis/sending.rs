//! How jobs are sent.

use redis::Pipeline;

use super::holder::millis;
use super::link::{Link, eval};
use super::names::{Keys, head, level_of};
use super::scripts;
use crate::remote::error::SourceError;
use crate::remote::job::{JobId, NewJob, Sent};

/// Sends them, all or none of those without a key.
pub(super) fn send(keys: &Keys, link: &mut Link, jobs: &[NewJob]) -> Result<Vec<Sent>, SourceError> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = redis::pipe();
    // All or nothing, also when the connection is lost in the middle.
    all.atomic();
    for job in jobs {
        add(&mut all, keys, job);
    }
    let answers: Vec<String> = link.pipe(keys, &all)?;
    let sent = jobs.iter().zip(answers).map(|(job, answer)| match job.key {
        Some(_) if answer != job.id.as_str() => Sent::Double(JobId::new(answer)),
        _ => Sent::Queued(job.id.clone()),
    });
    Ok(sent.collect())
}

/// Adds the command that sends a job.
fn add(all: &mut Pipeline, keys: &Keys, job: &NewJob) {
    let NewJob { id, version, body, priority, delay, key } = job;
    let stream = keys.stream(*priority);
    if delay.is_zero() && key.is_none() {
        all.cmd("XADD").arg(stream).arg("*").arg(head(id, *version)).arg(body.as_slice());
        return;
    }
    let (name, span) = match key {
        Some((name, span)) => (keys.of_double(name), millis(*span).max(1)),
        None => (keys.of_double(""), 0),
    };
    let mut command = eval(scripts::SEND, &[stream, &keys.delayed, &name]);
    command.arg(level_of(*priority)).arg(id.as_str()).arg(*version).arg(body.as_slice());
    command.arg(millis(*delay)).arg(span);
    all.add_command(command);
}
