//! What do durable jobs cost beside a bare loop over the same server?
//!
//! A Redis server of the benchmark's own, without persistence, so that nothing hides the cost. Throughput: jobs that
//! lie there already, until the last one is done and acknowledged; empty ones on one worker, and ones that take 1 ms on
//! eight. Latency: one job at a time to somebody who waits, from before it is sent until it begins. `bare` is a loop of
//! `XREADGROUP` and `XACK`, 256 at a time, on a connection of its own for each worker; `bare_del` removes what is done
//! as well, as ours does. `ours_again` are jobs that another consumer had taken, whose lease has run out: of each the
//! server is told before it begins.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anthill_benches::latency::exact_quantile;
use anthill_benches::report::{self, Table, micros};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use anthill_pool::WorkerPool;
use anthill_pool::remote::{Consumer, Job, JobSource, Payload, Producer, RedisSource};
use redis::{Client, Connection, Value};
use serde::{Deserialize, Serialize};

const BATCH: usize = 256;
const GROUP: &str = "bare";

#[derive(Clone, Deserialize, Serialize)]
struct Work {
    number: u64,
    micros: u64,
}

impl Payload for Work {}

impl Work {
    fn run(&self) {
        if self.micros > 0 {
            thread::sleep(Duration::from_micros(self.micros));
        }
    }
}

/// A server, for as long as it is needed.
struct Server {
    child: Child,
    _folder: tempfile::TempDir,
    url: String,
}

impl Server {
    fn start() -> Option<Server> {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().ok()?;
        let server = Server { child, _folder: folder, url: format!("unix://{}", socket.display()) };
        let deadline = Instant::now() + Duration::from_secs(30);
        while Client::open(server.url.as_str()).and_then(|client| client.get_connection()).is_err() {
            assert!(Instant::now() < deadline, "the server does not answer");
            thread::sleep(Duration::from_millis(5));
        }
        Some(server)
    }

    fn connect(&self) -> Connection {
        let connection = Client::open(self.url.as_str()).and_then(|client| client.get_connection());
        connection.expect("a connection")
    }

    fn clear(&self) {
        redis::cmd("FLUSHALL").exec(&mut self.connect()).expect("an answer");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Ours { again: bool },
    Bare { deletes: bool },
}

const CONTESTANTS: [(&str, Way); 4] = [
    ("ours", Way::Ours { again: false }),
    ("bare", Way::Bare { deletes: false }),
    ("bare_del", Way::Bare { deletes: true }),
    ("ours_again", Way::Ours { again: true }),
];

/// Long enough that none runs out while it is needed.
const LEASE: Duration = Duration::from_secs(2);

const PATIENCE: Duration = Duration::from_secs(30);

/// What is asked, by name.
#[derive(Clone, Copy)]
enum Case {
    Throughput { jobs: u64, micros: u64, workers: usize },
    Latency { jobs: u64 },
}

const CASES: [(&str, Case); 3] = [
    ("empty", Case::Throughput { jobs: 100_000, micros: 0, workers: 1 }),
    ("1ms", Case::Throughput { jobs: 8_000, micros: 1_000, workers: 8 }),
    ("lone", Case::Latency { jobs: 500 }),
];

/// Jobs per second.
fn throughput(server: &Server, way: Way, jobs: u64, micros: u64, workers: usize) -> f64 {
    server.clear();
    let done = Arc::new(AtomicU64::new(0));
    let work: Vec<Work> = (0..jobs).map(|number| Work { number, micros }).collect();
    match way {
        Way::Ours { again } => {
            let open = || RedisSource::builder(&server.url, "bench").lease(LEASE).open().expect("a queue");
            let queue = open();
            work.chunks(1000)
                .for_each(|some| drop(Producer::new(queue.clone()).send_many(some).expect("sent")));
            if again {
                let taken = open().fetch(work.len(), Duration::ZERO).expect("jobs");
                assert_eq!(taken.len(), work.len());
                thread::sleep(LEASE);
            }
            let counted = done.clone();
            let begun = Instant::now();
            let consumer = Consumer::builder(queue.clone())
                .pool(WorkerPool::builder().max_workers(workers).queue_capacity(4 * BATCH - workers))
                .start(move |job: &Job<Work>| {
                    job.payload().run();
                    counted.fetch_add(1, SeqCst);
                })
                .expect("a consumer");
            while consumer.stats().acknowledged < jobs {
                thread::sleep(Duration::from_micros(200));
            }
            let rate = jobs as f64 / begun.elapsed().as_secs_f64();
            // It would take jobs of the next one.
            consumer.finish(PATIENCE).expect("the end");
            assert_eq!(done.load(SeqCst), jobs, "each job was done once");
            rate
        }
        Way::Bare { deletes } => {
            fill(&mut server.connect(), &work);
            let begun = Instant::now();
            thread::scope(|scope| {
                for worker in 0..workers {
                    let (mut connection, done) = (server.connect(), &done);
                    // Not so many for one that the others have nothing.
                    let batch = BATCH.min((jobs as usize).div_ceil(workers * 4)).max(1);
                    scope.spawn(move || {
                        while done.load(SeqCst) < jobs {
                            let count = step(&mut connection, worker, batch, deletes, &mut Work::run);
                            done.fetch_add(count, SeqCst);
                        }
                    });
                }
            });
            jobs as f64 / begun.elapsed().as_secs_f64()
        }
    }
}

fn fill(connection: &mut Connection, work: &[Work]) {
    let mut create = redis::cmd("XGROUP");
    create.arg("CREATE").arg("bare").arg(GROUP).arg("0").arg("MKSTREAM").exec(connection).expect("a group");
    for some in work.chunks(1000) {
        let mut all = redis::pipe();
        for work in some {
            add(&mut all, work);
        }
        all.exec(connection).expect("sent");
    }
}

fn add(all: &mut redis::Pipeline, work: &Work) {
    let body = serde_json_body(work);
    all.cmd("XADD").arg("bare").arg("*").arg("b").arg(body);
}

/// As ours writes it.
fn serde_json_body(work: &Work) -> String {
    format!("{{\"number\":{},\"micros\":{}}}", work.number, work.micros)
}

/// What Redis gives for a job: its name, and its fields.
type Entry = (String, Vec<Vec<u8>>);

/// Reads some, does them, acknowledges them; says how many.
fn step(
    connection: &mut Connection,
    worker: usize,
    batch: usize,
    deletes: bool,
    run: &mut impl FnMut(&Work),
) -> u64 {
    let mut command = redis::cmd("XREADGROUP");
    command.arg("GROUP").arg(GROUP).arg(worker).arg("COUNT").arg(batch).arg("BLOCK").arg(20);
    let value: Value = command.arg("STREAMS").arg("bare").arg(">").query(connection).expect("an answer");
    let read: Option<Vec<(String, Vec<Entry>)>> = redis::from_redis_value(value).expect("entries");
    let Some((_, entries)) = read.and_then(|mut streams| streams.pop()) else { return 0 };
    let mut ids = Vec::new();
    for (id, fields) in entries {
        let work = anthill_pool::remote::from_json(&fields[1]).expect("a job");
        run(&work);
        ids.push(id);
    }
    let mut all = redis::pipe();
    all.cmd("XACK").arg("bare").arg(GROUP).arg(&ids);
    if deletes {
        all.atomic().cmd("XDEL").arg("bare").arg(&ids);
    }
    all.exec(connection).expect("an answer");
    ids.len() as u64
}

/// How long jobs took to begin, the median, in microseconds.
fn latency(server: &Server, way: Way, jobs: u64) -> f64 {
    server.clear();
    let (begins, inbox) = mpsc::channel();
    let ask = |send: &mut dyn FnMut(u64)| {
        let mut took: Vec<Duration> = (0..jobs)
            .map(|number| {
                thread::sleep(Duration::from_millis(2));
                let sent = Instant::now();
                send(number);
                let begun: Instant = inbox.recv_timeout(Duration::from_secs(30)).expect("a job that begins");
                begun.saturating_duration_since(sent)
            })
            .collect();
        micros(exact_quantile(&mut took, 0.5))
    };
    match way {
        Way::Ours { .. } => {
            let producer = Producer::new(RedisSource::open(&server.url, "bench").expect("a queue"));
            let consumer = Consumer::builder(RedisSource::open(&server.url, "bench").expect("a queue"))
                .pool(WorkerPool::builder().max_workers(1).queue_capacity(BATCH))
                .start(move |_: &Job<Work>| begins.send(Instant::now()).expect("a listener"))
                .expect("a consumer");
            let middle = ask(&mut |number| drop(producer.send(&Work { number, micros: 0 }).expect("sent")));
            consumer.finish(PATIENCE).expect("the end");
            middle
        }
        Way::Bare { deletes } => {
            let mut sender = server.connect();
            fill(&mut sender, &[]);
            let is_over = Arc::new(AtomicBool::new(false));
            let (over, mut connection) = (is_over.clone(), server.connect());
            let reader = thread::spawn(move || {
                while !over.load(SeqCst) {
                    step(&mut connection, 0, BATCH, deletes, &mut |_| {
                        begins.send(Instant::now()).expect("a listener");
                    });
                }
            });
            let middle = ask(&mut |number| {
                let mut all = redis::pipe();
                add(&mut all, &Work { number, micros: 0 });
                all.exec(&mut sender).expect("sent");
            });
            is_over.store(true, SeqCst);
            reader.join().expect("the reader");
            middle
        }
    }
}

fn main() {
    let settings = Settings::from_command_line();
    report::headline(
        "What do durable jobs cost beside a bare loop of XREADGROUP?",
        &["redis"],
        settings.quick,
    );
    let Some(server) = Server::start() else {
        report::say("skipped: there is no redis-server");
        return;
    };
    let contestants = settings.choose(&CONTESTANTS, |(name, _)| name);
    let rounds = settings.rounds_or(5);
    let scale = if settings.quick { 100 } else { 1 };
    for (name, case) in settings.choose_cases(&CASES, |(name, _)| name) {
        match case {
            Case::Throughput { jobs, micros, workers } => {
                let title = format!("{name}, {workers} worker(s)");
                let names = contestants.iter().map(|(name, _)| *name).collect();
                let played = Rounds::play(rounds, names, |contestant| {
                    throughput(&server, contestants[contestant].1, jobs / scale, micros, workers)
                });
                print(&title, "jobs/s", "jobs/s : ours", &played);
            }
            Case::Latency { jobs } => {
                // Who takes a job over does not wait for it to be sent.
                let asked = contestants.iter().filter(|(_, way)| *way != Way::Ours { again: true });
                let asked: Vec<_> = asked.copied().collect();
                let names = asked.iter().map(|(name, _)| *name).collect();
                let played = Rounds::play(rounds, names, |contestant| {
                    latency(&server, asked[contestant].1, (jobs / scale).max(10))
                });
                print("a lone job", "p50 us", "us : ours", &played);
            }
        }
    }
}

fn print(title: &str, figure: &str, ratio: &str, played: &Rounds<f64>) {
    let mut table = Table::new(&[title, figure, ratio, "spread"]);
    for (contestant, name) in played.contestants() {
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", played.median(contestant, |figure| *figure)),
            played.ratio_to_ours(contestant, |figure| *figure),
            format!("{:.0} %", played.spread(contestant, |figure| *figure)),
        ]);
    }
    report::say("");
    table.print();
}
