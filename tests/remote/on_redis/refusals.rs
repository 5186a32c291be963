//! A script that the server stops midway: the job is where it was, and once.

use std::time::Duration;

use anthill_pool::remote::{JobSource, Producer, QueueDepth, Receipt, RedisSource, SourceError};
use anthill_tests::PATIENCE;

use super::server::Server;
use crate::consumers::send;
use crate::jobs::{Numbered, fetch_one};

const DAY: Duration = Duration::from_secs(86_400);

type Call = fn(&RedisSource, &Receipt) -> Result<bool, SourceError>;

/// How many are ready, delayed, dead.
type Place = (usize, usize, usize);

/// What is done to a job that is held, by the commands that its script needs, and where the job is then.
const CALLS: [(&str, Call, &[&str], Place); 3] = [
    ("a pause", |queue, held| queue.give_back(held, DAY, 1), &["zadd", "xack", "xdel"], (0, 1, 0)),
    (
        "given back",
        |queue, held| queue.give_back(held, Duration::ZERO, 0),
        &["xadd", "xack", "xdel"],
        (1, 0, 0),
    ),
    ("buried", |queue, held| queue.bury(held, 1, "no good"), &["zadd", "hset", "xack", "xdel"], (0, 0, 1)),
];

fn parts(depth: QueueDepth) -> Place {
    (depth.ready, depth.delayed, depth.dead)
}

/// Lets the user of the tests do everything but this.
fn allow_all_but(server: &Server, command: Option<&str>) {
    let mut allow = redis::cmd("ACL");
    allow.arg("SETUSER").arg("worker").arg("on").arg(">secret").arg("~*").arg("&*").arg("+@all");
    if let Some(command) = command {
        allow.arg(format!("-{command}"));
    }
    allow.exec(&mut server.connect()).unwrap();
}

/// The queue as a user whose rights are changed.
fn as_user(server: &Server) -> RedisSource {
    allow_all_but(server, None);
    RedisSource::open(&format!("{}?user=worker&pass=secret", server.url()), "q").unwrap()
}

#[test]
fn a_user_who_may_not_settle_loses_no_job() {
    let Some(server) = Server::start(&[]) else { return };
    for (name, call, commands, place) in CALLS {
        for command in commands {
            redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
            let queue = as_user(&server);
            send(&queue, [7]);
            let held = fetch_one(&queue);
            allow_all_but(&server, Some(command));
            for _ in 0..2 {
                let error = call(&queue, &held.receipt).unwrap_err();
                assert!(matches!(error, SourceError::Denied(_)), "{name} without {command}: {error:?}");
            }
            allow_all_but(&server, None);
            assert_eq!(queue.depth().unwrap().in_flight, 1, "{name} without {command}");
            assert!(call(&queue, &held.receipt).unwrap(), "{name} after {command} was allowed");
            let depth = queue.depth().unwrap();
            assert_eq!((parts(depth), depth.in_flight), (place, 0), "{name} after {command} was allowed");
        }
    }
}

#[test]
fn a_user_who_may_not_revive_loses_no_dead_letter() {
    let Some(server) = Server::start(&[]) else { return };
    for command in ["xadd", "hdel", "zrem"] {
        redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
        let queue = as_user(&server);
        send(&queue, [7]);
        let held = fetch_one(&queue);
        queue.bury(&held.receipt, 1, "no good").unwrap();
        allow_all_but(&server, Some(command));
        for _ in 0..2 {
            let error = queue.revive(&held.id).unwrap_err();
            assert!(matches!(error, SourceError::Denied(_)), "without {command}: {error:?}");
        }
        allow_all_but(&server, None);
        assert_eq!(queue.dead_letters(2).unwrap().len(), 1, "without {command}");
        assert_eq!(parts(queue.depth().unwrap()), (0, 0, 1), "without {command}");
        assert!(queue.revive(&held.id).unwrap());
        assert_eq!(parts(queue.depth().unwrap()), (1, 0, 0), "after {command} was allowed");
    }
}

#[test]
fn a_key_is_not_taken_by_a_job_that_was_not_sent() {
    let Some(server) = Server::start(&[]) else { return };
    let queue = as_user(&server);
    let producer = Producer::new(queue.clone());
    let send = || producer.prepare(&Numbered(7)).delay(DAY).key("seven", DAY).send();
    for command in ["zadd", "set"] {
        allow_all_but(&server, Some(command));
        send().unwrap_err();
    }
    allow_all_but(&server, None);
    assert_eq!(parts(queue.depth().unwrap()), (0, 0, 0));
    send().unwrap();
    send().unwrap();
    assert_eq!(parts(queue.depth().unwrap()), (0, 1, 0), "the first is no double, the second is");
}

#[test]
fn what_is_due_and_cannot_be_moved_stays_once() {
    let Some(server) = Server::start(&[]) else { return };
    let queue = as_user(&server);
    Producer::new(queue.clone()).prepare(&Numbered(7)).delay(Duration::from_millis(1)).send().unwrap();
    std::thread::sleep(Duration::from_millis(20));
    for command in ["zrem", "xadd"] {
        allow_all_but(&server, Some(command));
        for _ in 0..2 {
            // The queue is tended anew by each who comes.
            let other = RedisSource::open(&format!("{}?user=worker&pass=secret", server.url()), "q").unwrap();
            let error = other.fetch(1, Duration::ZERO).unwrap_err();
            assert!(matches!(error, SourceError::Denied(_)), "without {command}: {error:?}");
        }
    }
    allow_all_but(&server, None);
    fetch_one(&queue);
    let depth = queue.depth().unwrap();
    assert_eq!((parts(depth), depth.in_flight), ((0, 0, 0), 1), "there was one, and it is held");
    assert!(queue.fetch(1, Duration::ZERO).unwrap().is_empty());
}

#[test]
fn a_key_that_becomes_something_else_while_in_use_loses_no_job() {
    let Some(server) = Server::start(&[]) else { return };
    let [pause, _, burial] = CALLS;
    for ((name, call, _, place), part) in [(pause, "delayed"), (burial, "letters"), (burial, "dead")] {
        redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
        let queue = server.queue().open().unwrap();
        send(&queue, [7]);
        let held = fetch_one(&queue);
        let key = format!("{{anthill:q}}:{part}");
        redis::cmd("SET").arg(&key).arg("mine").exec(&mut server.connect()).unwrap();
        let error = call(&queue, &held.receipt).unwrap_err();
        assert!(matches!(error, SourceError::WrongType { .. }), "{name}: {error:?}");
        redis::cmd("DEL").arg(&key).exec(&mut server.connect()).unwrap();
        assert!(call(&queue, &held.receipt).unwrap(), "{name}");
        assert_eq!(parts(queue.depth().unwrap()), place, "{name}");
    }
}

#[test]
fn a_server_that_is_out_of_memory_lets_jobs_that_it_has_be_settled() {
    let Some(server) = Server::start(&[]) else { return };
    for (name, call, _, place) in CALLS {
        redis::cmd("FLUSHALL").exec(&mut server.connect()).unwrap();
        let queue = server.queue().open().unwrap();
        send(&queue, [7]);
        Producer::new(queue.clone()).prepare(&Numbered(8)).delay(Duration::from_millis(500)).send().unwrap();
        let held = fetch_one(&queue);
        let limit = |bytes: u32| {
            redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(&mut server.connect()).unwrap();
        };
        limit(1);
        let full = Producer::new(queue.clone()).send(&Numbered(9)).unwrap_err();
        assert!(full.to_string().contains("maxmemory"), "{full}");
        assert!(call(&queue, &held.receipt).unwrap(), "{name}");
        if place == (0, 0, 1) {
            assert!(queue.revive(&held.id).unwrap());
        }
        let next = queue.fetch(2, PATIENCE).unwrap();
        assert!(!next.is_empty(), "what is due is moved");
        limit(0);
    }
}
