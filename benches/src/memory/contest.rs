//! How protocol code is measured: threads that serve one connection after the other.
//!
//! Before anything is measured some answers are looked at, byte by byte; in the measured part their number and their
//! size must be the same.

use super::traffic::Tally;
use super::{Connection, Job, Protocol};
use crate::allocations::Allocations;
use crate::cpu::CpuTime;
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What serving costs.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Time from start to end per request of one thread, in nanoseconds.
    pub nanos: f64,
    /// CPU time per request, in nanoseconds.
    pub cpu_nanos: f64,
    /// Blocks allocated per request.
    pub allocations: f64,
    /// Bytes allocated per request.
    pub allocated_bytes: f64,
}

/// Lets `threads` threads serve `requests` requests each.
///
/// # Panics
/// When an answer is wrong, missing, or one too many.
#[must_use]
pub fn cost<P: Protocol>(job: Job, threads: u32, requests: u64) -> Cost {
    let protocol = P::start(job);
    let answer_bytes = if P::ANSWERS { answer_bytes(&protocol, job) } else { 0 };
    let gate = Barrier::new(usize::try_from(threads).map_or(usize::MAX, |threads| threads + 1));
    let serve = || {
        connections(&protocol, job, requests / 20);
        gate.wait();
        let (tally, allocations, started) =
            (Tally::of_this_thread(), Allocations::of_this_thread(), Instant::now());
        connections(&protocol, job, requests);
        let ended = Instant::now();
        let allocated = Allocations::of_this_thread() - allocations;
        let now = Tally::of_this_thread();
        assert_eq!(now.handled - tally.handled, requests, "every request is handled once");
        assert_eq!(now.written - tally.written, requests * answer_bytes, "every request is answered");
        (started, ended, allocated)
    };
    let (runs, cpu) = thread::scope(|scope| {
        let servers: Vec<_> = (0..threads).map(|_| scope.spawn(serve)).collect();
        gate.wait();
        let before = CpuTime::of_this_process();
        let runs: Vec<_> =
            servers.into_iter().map(|server| server.join().expect("serving goes well")).collect();
        (runs, CpuTime::of_this_process() - before)
    });

    let elapsed = span(runs.iter().map(|run| (run.0, run.1)));
    let allocated = runs.iter().fold(Allocations::default(), |sum, run| sum + run.2);
    let all = (requests * u64::from(threads)) as f64;
    Cost {
        nanos: elapsed.as_secs_f64() * 1e9 / requests as f64,
        cpu_nanos: cpu.total().as_secs_f64() * 1e9 / all,
        allocations: allocated.count as f64 / all,
        allocated_bytes: allocated.bytes as f64 / all,
    }
}

/// Serves connections with `requests` requests together.
fn connections<P: Protocol>(protocol: &P, job: Job, requests: u64) {
    let mut left = requests;
    while left > 0 {
        let taken = left.min(job.per_connection);
        protocol.serve(Connection::new(job.request, taken));
        left -= taken;
    }
}

/// From the first start to the last end.
fn span(times: impl Iterator<Item = (Instant, Instant)> + Clone) -> Duration {
    let started = times.clone().map(|(started, _)| started).min();
    let ended = times.map(|(_, ended)| ended).max();
    started.zip(ended).map_or(Duration::ZERO, |(started, ended)| ended - started)
}

/// Looks at the answers of one connection; says how long each is.
fn answer_bytes<P: Protocol>(protocol: &P, job: Job) -> u64 {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let requests = job.per_connection.min(50);
    protocol.serve(Connection::keeping(job.request, requests, kept.clone()));
    let all = String::from_utf8(kept.lock().unwrap_or_else(PoisonError::into_inner).clone())
        .expect("answers in ASCII");
    let answers: Vec<&str> = all.split_inclusive("\r\n\r\n").collect();
    let first_head = answers.first().expect("an answer");
    let each = first_head.len() + job.task.answer().len();
    assert_eq!(all.len() as u64, each as u64 * requests, "answers of the same length: {all}");
    for start in (0..all.len()).step_by(each) {
        check_answer(&all[start..start + each], job);
    }
    each as u64
}

fn check_answer(answer: &str, job: Job) {
    let body = job.task.answer();
    let head = answer.strip_suffix(body).and_then(|rest| rest.strip_suffix("\r\n\r\n"));
    let head = head.unwrap_or_else(|| panic!("not the right body: {answer}"));
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("HTTP/1.1 200 OK"));
    let fields: Vec<String> = lines.map(str::to_ascii_lowercase).collect();
    let mut wanted = vec![format!("content-length: {}", body.len()), "server: anthill".to_owned()];
    if !body.is_empty() {
        wanted.push("content-type: text/plain".to_owned());
    }
    if job.closes() {
        wanted.push("connection: close".to_owned());
    }
    for field in &wanted {
        assert!(fields.contains(field), "no {field} in {head}");
    }
    assert!(fields.iter().any(|field| field.starts_with("date: ")), "no date in {head}");
    assert_eq!(fields.len(), wanted.len() + 1, "and nothing else: {head}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{GET, Httparse, Hyper, Ours, POST, Task};

    #[test]
    fn everybody_gives_the_right_answers() {
        for per_connection in [1, 2, 30, 1000] {
            for (request, task) in [(GET, Task::Greet), (POST, Task::Echo), (POST, Task::Measure(13))] {
                let job = Job { request: request.as_bytes(), task, per_connection };
                for cost in
                    [cost::<Ours>(job, 2, 100), cost::<Hyper>(job, 2, 100), cost::<Httparse>(job, 2, 100)]
                {
                    assert!(cost.nanos > 0.0);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "not the right body")]
    fn a_wrong_answer_is_noticed() {
        let job = Job { request: GET.as_bytes(), task: Task::Greet, per_connection: 2 };
        check_answer("HTTP/1.1 200 OK\r\nServer: anthill\r\n\r\nHello, World!", job);
    }
}
