//! What can be wrong with a server or what is on it: an error that says so, and nothing lost.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anthill_pool::remote::{Consumer, Job, JobSource, Producer, RedisSource, SendError, SourceError};
use anthill_pool::{WaitError, WorkerPool};
use anthill_tests::{Gate, eventually};

use super::server::Server;
use crate::consumers::{end, send};
use crate::jobs::{Numbered, SHORT, fetch, fetch_one};
use crate::stopping::three_of;

#[test]
fn no_server_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("unix://{}", folder.path().join("nobody").display());
    let error = RedisSource::open(&url, "q").unwrap_err();
    assert!(matches!(&error, SourceError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().starts_with("the source of jobs cannot be reached: "), "{error}");
    let error = RedisSource::open("no address", "q").unwrap_err();
    assert!(matches!(&error, SourceError::Failed(_)), "{error:?}");
}

#[test]
fn a_wrong_password_is_told_from_other_faults() {
    let Some(server) = Server::start(&["--requirepass", "secret"]) else { return };
    let open = |end: &str| RedisSource::open(&format!("{}{end}", server.url()), "q");
    for end in ["", "?pass=wrong", "?user=nobody&pass=secret"] {
        let error = open(end).unwrap_err();
        assert!(matches!(&error, SourceError::Denied(_)), "{end}: {error:?}");
        assert!(error.to_string().starts_with("the source of jobs refuses access: "), "{error}");
    }
    open("?pass=secret").unwrap();
}

#[test]
fn a_key_that_holds_something_else_is_named_and_left_alone() {
    let Some(server) = Server::start(&[]) else { return };
    for part in ["high", "normal", "low", "delayed", "dead", "letters"] {
        let mut connection = server.connect();
        let key = format!("{{anthill:q}}:{part}");
        redis::cmd("FLUSHALL").exec(&mut connection).unwrap();
        redis::cmd("SET").arg(&key).arg("mine").exec(&mut connection).unwrap();
        let error = server.queue().open().unwrap_err();
        assert!(matches!(&error, SourceError::WrongType { key: named } if *named == key), "{error:?}");
        let kept: String = redis::cmd("GET").arg(&key).query(&mut connection).unwrap();
        assert_eq!(kept, "mine");
    }
}

/// A server that answers each command as it is told.
fn fake(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap(), &answer);
        }
    });
    url
}

fn serve(stream: TcpStream, answer: &impl Fn(&str) -> String) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    loop {
        let mut count = String::new();
        reader.read_line(&mut count).ok().filter(|bytes| *bytes > 0)?;
        let mut words = Vec::new();
        for _ in 0..count.trim_start_matches('*').trim().parse::<usize>().ok()? {
            let mut length = String::new();
            reader.read_line(&mut length).ok()?;
            let mut word = vec![0; length.trim_start_matches('$').trim().parse::<usize>().ok()? + 2];
            reader.read_exact(&mut word).ok()?;
            words.push(String::from_utf8_lossy(&word).trim_end().to_owned());
        }
        writer.write_all(answer(&words[0]).as_bytes()).ok()?;
    }
}

#[test]
fn a_server_without_what_is_needed_is_too_old() {
    let url = fake(|command| match command {
        "XAUTOCLAIM" => "-ERR unknown command `XAUTOCLAIM`, with args beginning with: `q`\r\n".to_owned(),
        "ZCARD" | "HLEN" => ":0\r\n".to_owned(),
        _ => "+OK\r\n".to_owned(),
    });
    let error = RedisSource::open(&url, "q").unwrap_err();
    assert!(matches!(&error, SourceError::TooOld(_)), "{error:?}");
    assert!(
        error.to_string().starts_with("the server is too old: Redis 6.2 is needed, for XAUTOCLAIM"),
        "{error}"
    );
}

#[test]
fn what_is_no_redis_or_does_not_answer_is_given_up() {
    let url = fake(|_| "HTTP/1.1 400 Bad Request\r\n\r\n".to_owned());
    RedisSource::open(&url, "q").unwrap_err();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", silent.local_addr().unwrap());
    let open = RedisSource::builder(&url, "q").timeout(Duration::from_millis(100));
    let error = anthill_tests::within("a silent server", move || open.open()).unwrap_err();
    assert!(matches!(&error, SourceError::Unreachable(_)), "{error:?}");
}

#[test]
fn an_entry_that_is_no_job_is_a_dead_letter() {
    let Some(server) = Server::start(&[]) else { return };
    let queue = server.queue().open().unwrap();
    let mut add = redis::cmd("XADD");
    add.arg("{anthill:q}:normal").arg("*").arg("user").arg("ada").arg("age").arg(36);
    let entry: String = add.query(&mut server.connect()).unwrap();
    send(&queue, [1]);
    let consumer = Consumer::builder(queue.clone()).start(|_: &Job<Numbered>| ()).unwrap();
    eventually("both have come to their end", || {
        (consumer.stats().buried, consumer.stats().acknowledged) == (1, 1)
    });
    end(&consumer);
    let letter = queue.dead_letters(2).unwrap().remove(0);
    assert_eq!((letter.id.as_str(), letter.body.as_slice()), (entry.as_str(), &b"user=ada\nage=36"[..]));
    assert!(letter.reason.contains("is not one field by the name of"), "{}", letter.reason);
    assert!(queue.forget(&letter.id).unwrap());
    assert_eq!(queue.depth().unwrap(), Default::default());
}

#[test]
fn connections_that_are_cut_again_and_again_lose_nothing() {
    let Some(server) = Server::start(&[]) else { return };
    let queue = server.queue().lease(Duration::from_millis(500)).open().unwrap();
    let runs = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeMap::new()));
    let counted = runs.clone();
    let consumer = Consumer::builder(queue.clone())
        .pool(WorkerPool::builder().max_workers(4).queue_capacity(16))
        .retry(SHORT.max_attempts(None))
        .start(move |job: &Job<Numbered>| {
            *counted.lock().unwrap().entry(job.payload().0).or_insert(0) += 1;
            thread::sleep(Duration::from_millis(1));
        })
        .unwrap();
    let producer = Producer::new(server.queue().open().unwrap());
    let mut scissors = server.connect();
    for number in 0..500 {
        if number % 25 == 0 {
            let mut cut = redis::cmd("CLIENT");
            cut.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
            assert!(cut.query::<u64>(&mut scissors).unwrap() >= 1);
        }
        // With a key it can be sent again when the answer is lost.
        let key = number.to_string();
        let day = Duration::from_secs(86_400);
        while let Err(error) = producer.prepare(&Numbered(number)).key(&key, day).send() {
            assert!(matches!(error, SendError::Source(SourceError::Unreachable(_))), "{error:?}");
        }
    }
    eventually("all is done", || {
        let depth = queue.depth();
        depth.is_ok_and(|depth| depth.ready + depth.delayed + depth.in_flight == 0)
    });
    let stats = end(&consumer);
    assert!(stats.errors > 0, "{stats:?}");
    assert!(runs.lock().unwrap().keys().copied().eq(0..500), "each was run");
}

#[test]
fn a_server_that_ends_and_comes_back_is_used_again() {
    let Some(mut server) = Server::durable() else { return };
    let queue = server.queue().open().unwrap();
    send(&queue, 0..3);
    let held = fetch_one(&queue);
    server.crash();
    let error = queue.fetch(1, Duration::ZERO).unwrap_err();
    assert!(matches!(error, SourceError::Unreachable(_)), "{error:?}");
    let consumer = Consumer::builder(queue.clone()).start(|_: &Job<Numbered>| ()).unwrap();
    eventually("it has tried", || consumer.stats().errors > 0);
    server.restart();
    eventually("the others are done", || consumer.stats().acknowledged == 2);
    end(&consumer);
    assert_eq!(queue.depth().unwrap().in_flight, 1, "the lease has outlived the server");
    assert_eq!(queue.acknowledge(&[held.receipt]).unwrap(), 1);
}

#[test]
fn a_server_that_is_gone_keeps_no_end_waiting() {
    let Some(mut server) = Server::durable() else { return };
    let (queue, gate) = (server.queue().open().unwrap(), Gate::new());
    send(&queue, 0..3);
    let consumer = three_of(queue.clone(), &gate);
    server.crash();
    consumer.stop();
    gate.open();
    let unfinished = consumer.finish(Duration::from_millis(300)).unwrap_err();
    assert_eq!((unfinished.reason, unfinished.jobs), (WaitError::Timeout, Default::default()));
    assert_eq!(unfinished.running + unfinished.untold, 3);
    server.restart();
    let jobs = consumer.finish(anthill_tests::PATIENCE).unwrap();
    assert_eq!((jobs.done + jobs.given_back, jobs.failed, jobs.uncertain), (3, 0, 0));
    let depth = queue.depth().unwrap();
    assert_eq!((depth.ready as u64, depth.in_flight), (jobs.given_back, 0));
}

#[test]
fn a_queue_that_is_removed_while_in_use_is_made_anew() {
    let Some(server) = Server::start(&[]) else { return };
    let queue = server.queue().open().unwrap();
    let consumer = Consumer::builder(queue.clone()).start(|_: &Job<Numbered>| ()).unwrap();
    send(&queue, [1]);
    eventually("one is done", || consumer.stats().acknowledged == 1);
    redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
    send(&queue, [2]);
    eventually("the other one, too", || consumer.stats().acknowledged == 2);
    end(&consumer);
}

#[test]
fn a_holder_that_ends_in_order_leaves_no_name_behind() {
    let Some(server) = Server::start(&[]) else { return };
    let names = || -> usize {
        let mut ask = redis::cmd("XINFO");
        ask.arg("CONSUMERS").arg("{anthill:q}:normal").arg("workers");
        ask.query::<Vec<redis::Value>>(&mut server.connect()).unwrap().len()
    };
    let queue = server.queue().open().unwrap();
    let before = names();
    send(&queue, [1, 2]);
    let held = fetch(&queue, 1);
    assert_eq!(names(), before + 1);
    let other = server.queue().open().unwrap();
    assert_eq!(fetch(&other, 1).len(), 1);
    assert_eq!(names(), before + 2);
    // What it holds would be lost with its name.
    drop(other);
    assert_eq!(names(), before + 2);
    queue.acknowledge(&[held[0].receipt.clone()]).unwrap();
    drop(queue);
    assert_eq!(names(), before + 1);
}
