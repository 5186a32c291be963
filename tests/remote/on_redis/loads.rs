//! Consumers on a server when nothing goes wrong: once, in order, and no more than there is room for.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anthill_pool::WorkerPool;
use anthill_pool::remote::{Consumer, Job, JobSource};
use anthill_tests::{Gate, eventually};

use super::server::Server;
use crate::consumers::{end, send, with_five_of_a_hundred};
use crate::jobs::Numbered;

#[test]
fn one_worker_runs_each_job_once_and_in_order() {
    let Some(server) = Server::durable() else { return };
    let queue = server.queue().open().unwrap();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let seen = ran.clone();
    let consumer = Consumer::builder(queue.clone())
        .pool(WorkerPool::builder().max_workers(1).queue_capacity(64))
        .start(move |job: &Job<Numbered>| seen.lock().unwrap().push(job.payload().0))
        .unwrap();
    let sender = server.queue().open().unwrap();
    for chunk in 0..20 {
        send(&sender, chunk * 100..(chunk + 1) * 100);
    }
    eventually("all are done", || consumer.stats().acknowledged == 2000);
    let stats = end(&consumer);
    assert_eq!((stats.fetched, stats.unconfirmed, stats.errors), (2000, 0, 0));
    assert!(ran.lock().unwrap().iter().copied().eq(0..2000));
    assert_eq!(queue.depth().unwrap(), Default::default());
}

#[test]
fn a_slow_pool_leaves_the_rest_in_redis() {
    let Some(server) = Server::start(&[]) else { return };
    let (queue, gate) = (server.queue().open().unwrap(), Gate::new());
    let consumer = with_five_of_a_hundred(&queue, &gate);
    thread::sleep(Duration::from_millis(300));
    let depth = queue.depth().unwrap();
    assert_eq!((depth.ready, depth.in_flight, consumer.stats().fetched), (95, 5, 5));
    gate.open();
    eventually("all are done", || consumer.stats().acknowledged == 100);
    end(&consumer);
}
