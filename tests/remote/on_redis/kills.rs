//! Three processes work on one queue while they are killed one after the other, and the server, too.
//!
//! Each process writes down what it runs, with `write(2)`, so that it stands there when the process is killed at once
//! afterwards. In the end each job must have been run to its end, and each double must have a reason: an earlier run
//! of it ended in a process that was killed, or the server was away for so long that its lease ran out.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, SystemTime};
use std::{env, io, process, thread};

use anthill_pool::remote::{Consumer, Job, JobSource, Producer, RedisSource};
use anthill_pool::{Backoff, WorkerPool};
use anthill_tests::{LONG_PATIENCE, comes_true_within, eventually};

use super::server::{Server, queue_at};
use crate::jobs::Numbered;

const LEASE: Duration = Duration::from_secs(2);
const PROCESSES: usize = 3;
const WORKERS: usize = 4;
/// Deliveries that a process has at a time and that have not ended.
const ROOM: usize = 16;
const WORKER: &str = "ANTHILL_REMOTE_WORKER";
const LOG: &str = "ANTHILL_REMOTE_LOG";

/// A process may begin while the server is away.
fn open(url: &str) -> RedisSource {
    let mut queue = None;
    eventually("the server lets us in", || {
        queue = queue_at(url).lease(LEASE).open().ok();
        queue.is_some()
    });
    queue.expect("it was just opened")
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970").as_millis()
}

/// The body of a process: works until its input ends.
fn work(url: &str) {
    let log = env::var_os(LOG).expect("a log");
    let log = OpenOptions::new().append(true).create(true).open(log).expect("a log");
    let consumer = Consumer::builder(open(url))
        .pool(WorkerPool::builder().max_workers(WORKERS).queue_capacity(ROOM - WORKERS))
        .retry(Backoff::constant(Duration::from_millis(1)).max_attempts(None))
        .start(move |job: &Job<Numbered>| {
            let number = job.payload().0;
            thread::sleep(Duration::from_millis(1 + number % 5));
            let line = format!("{number} {} {}\n", job.attempt(), now_ms());
            (&log).write_all(line.as_bytes()).expect("a line");
        })
        .expect("a consumer");
    io::stdin().read_to_end(&mut Vec::new()).expect("the end of the input");
    consumer.stop();
    consumer.wait().expect("the end");
    let stats = consumer.stats();
    assert_eq!((stats.running, stats.unsettled, stats.abandoned), (0, 0, 0), "{stats:?}");
    process::exit(0);
}

/// A process of a generation: each replacement is one of its own.
struct Generation {
    child: Child,
    number: usize,
}

/// Runs of one job that came to their end.
#[derive(Debug)]
struct Run {
    generation: usize,
    at_ms: u128,
}

struct Fleet<'a> {
    test: &'a str,
    url: String,
    folder: &'a Path,
    generations: usize,
    alive: Vec<Generation>,
    killed: Vec<usize>,
}

impl Fleet<'_> {
    fn log(&self, generation: usize) -> std::path::PathBuf {
        self.folder.join(format!("runs-{generation}"))
    }

    fn start_one(&mut self) {
        let number = self.generations;
        self.generations += 1;
        let child = Command::new(env::current_exe().expect("a program"))
            .args(["--exact", self.test, "--include-ignored", "--nocapture"])
            .env(WORKER, &self.url)
            .env(LOG, self.log(number))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("a process");
        self.alive.push(Generation { child, number });
    }

    /// Kills the one that has lived longest, in the middle of its work.
    fn kill_one(&mut self) {
        let mut oldest = self.alive.remove(0);
        let log = self.log(oldest.number);
        let busy = comes_true_within(LONG_PATIENCE, || fs::metadata(&log).is_ok_and(|log| log.len() > 1000));
        assert!(busy, "the process that is to be killed does not work");
        oldest.child.kill().expect("a signal");
        oldest.child.wait().expect("its end");
        self.killed.push(oldest.number);
        self.start_one();
    }

    fn end(&mut self) {
        for mut one in self.alive.drain(..) {
            drop(one.child.stdin.take());
            assert!(one.child.wait().expect("its end").success(), "process {}", one.number);
        }
    }

    /// What was run, by job.
    fn runs(&self) -> BTreeMap<u64, Vec<Run>> {
        let mut runs: BTreeMap<u64, Vec<Run>> = BTreeMap::new();
        for generation in 0..self.generations {
            let log = fs::read_to_string(self.log(generation)).unwrap_or_default();
            for line in log.lines() {
                let mut words = line.split(' ');
                let mut word = || words.next().expect("three words");
                let number = word().parse().expect("a number");
                word();
                let at_ms = word().parse().expect("a time");
                runs.entry(number).or_default().push(Run { generation, at_ms });
            }
        }
        runs
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for one in &mut self.alive {
            let _ = one.child.kill();
            let _ = one.child.wait();
        }
    }
}

/// Sends jobs until it is told to stop; with keys, so that what may be lost is sent again.
fn produce(url: &str, is_over: &AtomicBool, sent: &AtomicU64) {
    let producer = Producer::new(open(url));
    let day = Duration::from_secs(86_400);
    while !is_over.load(SeqCst) {
        let number = sent.load(SeqCst);
        if producer.prepare(&Numbered(number)).key(number.to_string(), day).send().is_ok() {
            sent.store(number + 1, SeqCst);
            // About half of what the processes can do.
            if number.is_multiple_of(4) {
                thread::sleep(Duration::from_millis(4));
            }
        }
    }
}

/// Has three processes work, kills one so many times, and the server once in between.
fn survive(test: &str, kills: usize) {
    if let Ok(url) = env::var(WORKER) {
        work(&url);
    }
    let Some(mut server) = Server::durable() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (url, path) = (server.url(), folder.path());
    let (alive, killed) = (Vec::new(), Vec::new());
    let mut fleet = Fleet { test, url: url.clone(), folder: path, generations: 0, alive, killed };
    (0..PROCESSES).for_each(|_| fleet.start_one());
    let (is_over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut outage = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| produce(&url, &is_over, &sent));
        // Ends the sender also when something below fails.
        let over = Over(&is_over);
        for kill in 0..kills {
            fleet.kill_one();
            if kill == kills / 2 {
                outage.0 = now_ms();
                server.crash();
                server.restart();
                outage.1 = now_ms();
            }
        }
        drop(over);
    });
    let queue = open(&url);
    let is_done = comes_true_within(LONG_PATIENCE, || {
        let depth = queue.depth().expect("an answer");
        depth.ready + depth.delayed + depth.in_flight == 0
    });
    assert!(is_done, "jobs are left: {:?}", queue.depth());
    assert_eq!(queue.depth().unwrap().dead, 0);
    fleet.end();
    account(&fleet, sent.load(SeqCst), outage);
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Each job has run to its end, and each double has its reason.
fn account(fleet: &Fleet<'_>, sent: u64, outage: (u128, u128)) {
    let runs = fleet.runs();
    let lost: Vec<u64> = (0..sent).filter(|number| !runs.contains_key(number)).collect();
    assert!(lost.is_empty(), "lost: {lost:?} of {sent}");
    assert_eq!(runs.len() as u64, sent, "nothing else was run");
    let (mut by_kill, mut by_outage) = (0, 0);
    for (number, runs) in runs.iter().filter(|(_, runs)| runs.len() > 1) {
        // All runs but one have to be explained.
        let killed = runs.iter().filter(|run| fleet.killed.contains(&run.generation)).count();
        let lease = LEASE.as_millis();
        let cut_off =
            runs.iter().filter(|run| run.at_ms + lease >= outage.0 && run.at_ms <= outage.1 + lease).count();
        if killed >= runs.len() - 1 {
            by_kill += runs.len() - 1;
        } else {
            assert!(killed + cut_off >= runs.len() - 1, "job {number} was run twice for no reason: {runs:?}");
            by_outage += runs.len() - 1;
        }
    }
    let kills = fleet.killed.len();
    eprintln!(
        "{sent} jobs, {kills} kills, server away for {} ms: none lost; run again after a kill {by_kill}, after the \
         outage {by_outage}",
        outage.1 - outage.0
    );
    // No more than those that were killed may have had: twice their room.
    assert!(by_kill <= kills * 2 * ROOM, "{by_kill} doubles by {kills} kills");
}

#[test]
fn no_job_is_lost_by_kills_and_a_restart_of_the_server() {
    survive("on_redis::kills::no_job_is_lost_by_kills_and_a_restart_of_the_server", 2);
}

#[test]
#[ignore = "takes half a minute"]
fn no_job_is_lost_by_many_kills_and_a_restart_of_the_server() {
    survive("on_redis::kills::no_job_is_lost_by_many_kills_and_a_restart_of_the_server", 20);
}
