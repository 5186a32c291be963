//! A job that has its process killed each time, and those that were taken along with it.
//!
//! Each process has one worker and takes all jobs. The first one blocks, and while it runs its process is killed. So it
//! must be given up in the end, after one kill more than it has attempts; the others never began and have all theirs
//! left.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, io, process, thread};

use anthill_pool::WorkerPool;
use anthill_pool::remote::{Consumer, Job, JobSource};
use anthill_tests::eventually;

use super::server::{Server, queue_at};
use crate::consumers::send;
use crate::jobs::{Numbered, SHORT, number};

const LEASE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 3;
const JOBS: u64 = 16;
const WORKER: &str = "ANTHILL_REMOTE_ATTEMPTS_WORKER";
const LOG: &str = "ANTHILL_REMOTE_ATTEMPTS_LOG";

/// The body of a process: works until its input ends.
fn work(url: &str) {
    let log = env::var_os(LOG).expect("a log");
    let log = OpenOptions::new().append(true).create(true).open(log).expect("a log");
    let queue = queue_at(url).lease(LEASE).open().expect("a queue");
    let consumer = Consumer::builder(queue)
        .pool(WorkerPool::builder().max_workers(1).queue_capacity(JOBS as usize))
        .retry(SHORT.max_attempts(ATTEMPTS))
        .start(move |job: &Job<Numbered>| {
            (&log).write_all(format!("{} {}\n", job.payload().0, job.attempt()).as_bytes()).expect("a line");
            while job.payload().0 == 0 {
                thread::sleep(Duration::from_secs(3600));
            }
        })
        .expect("a consumer");
    io::stdin().read_to_end(&mut Vec::new()).expect("the end of the input");
    consumer.finish(anthill_tests::PATIENCE).expect("the end");
    process::exit(0);
}

/// Kills the process when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(url: &str, log: &Path) -> Killed {
    let test = "on_redis::attempts::what_was_taken_and_has_not_begun_loses_no_attempt_by_kills";
    let child = Command::new(env::current_exe().expect("a program"))
        .args(["--exact", test, "--nocapture"])
        .env(WORKER, url)
        .env(LOG, log)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    Killed(child.expect("a process"))
}

#[test]
fn what_was_taken_and_has_not_begun_loses_no_attempt_by_kills() {
    if let Ok(url) = env::var(WORKER) {
        work(&url);
    }
    let Some(server) = Server::durable() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("runs");
    let lines = || fs::read_to_string(&log).unwrap_or_default();
    let begins = || lines().lines().filter(|line| line.starts_with("0 ")).count();
    let queue = server.queue().lease(LEASE).open().unwrap();
    send(&queue, 0..JOBS);
    let mut kills = 0;
    while queue.depth().unwrap().dead == 0 {
        let one = start(&server.url(), &log);
        eventually("the first job begins again, or is given up", || {
            begins() > kills || queue.depth().unwrap().dead == 1
        });
        if begins() > kills {
            assert_eq!(queue.depth().unwrap().in_flight as u64, JOBS, "all were taken");
            assert_eq!(lines().lines().count(), begins(), "no other has begun");
            kills += 1;
            drop(one);
            // So that the next one gets them all, in their order.
            thread::sleep(LEASE + LEASE / 4);
        } else {
            eventually("the others are done", || queue.depth().unwrap().in_flight == 0);
        }
    }
    // The first kill may have come before the queue knew of the beginning.
    assert!((ATTEMPTS..=ATTEMPTS + 1).contains(&(kills as u32)), "{kills} kills");
    let letter = &queue.dead_letters(9).unwrap()[0];
    assert_eq!((number(letter.version, &letter.body), letter.attempts), (0, ATTEMPTS));
    assert_eq!(letter.reason, format!("{ATTEMPTS} attempts were begun, and the last one did not end"));
    let ran = lines();
    let others: Vec<&str> = ran.lines().filter(|line| !line.starts_with("0 ")).collect();
    let expected: Vec<String> = (1..JOBS).map(|number| format!("{number} 1")).collect();
    assert_eq!(others, expected, "each once, in its first attempt");
}
