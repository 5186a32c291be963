//! What every source of jobs has to do, asked of each of them.
//!
//! A source comes as two handles, as if of two processes, with a lease of their own choice. Time is real: a test waits
//! for something to come, and where it must not come yet, the time at which it may is far off.

use std::time::Duration;

use anthill_pool::remote::{Delivery, JobSink, JobSource, MemorySource, Producer, QueueDepth, Receipt, Sent};
use anthill_pool::{ManualClock, Priority};
use anthill_tests::eventually;

use crate::jobs::{Numbered, fetch, fetch_one, number, numbers};

const LONG: Duration = Duration::from_secs(3600);
/// A lease that runs out while a test waits for it.
const SHORT_LEASE: Duration = Duration::from_millis(50);

/// A queue of a test's own.
pub(crate) trait Queue {
    type Source: JobSource + JobSink + Clone + 'static;

    /// One more handle, as of another process.
    fn handle(&self, lease: Duration) -> Self::Source;
}

impl Queue for MemorySource {
    type Source = MemorySource;

    fn handle(&self, lease: Duration) -> MemorySource {
        self.clone().with_lease(lease)
    }
}

fn send(source: &(impl JobSink + Clone + 'static), numbers: impl IntoIterator<Item = u64>) {
    let jobs: Vec<Numbered> = numbers.into_iter().map(Numbered).collect();
    Producer::new(source.clone()).send_many(&jobs).unwrap();
}

fn depth_of(source: &impl JobSource) -> (usize, usize, usize, usize) {
    let QueueDepth { ready, delayed, in_flight, dead, .. } = source.depth().unwrap();
    (ready, delayed, in_flight, dead)
}

fn receipts(fetched: &[Delivery]) -> Vec<Receipt> {
    fetched.iter().map(|delivery| delivery.receipt.clone()).collect()
}

pub(crate) fn jobs_come_in_their_order_and_never_more_than_asked_for(queue: &impl Queue) {
    let source = queue.handle(LONG);
    assert_eq!(numbers(&fetch(&source, 5)), [0; 0]);
    send(&source, 0..10);
    assert_eq!(fetch(&source, 0).len(), 0);
    assert_eq!(numbers(&fetch(&source, 1)), [0]);
    assert_eq!(numbers(&fetch(&source, 4)), [1, 2, 3, 4]);
    assert_eq!(depth_of(&source), (5, 0, 5, 0));
    assert_eq!(numbers(&fetch(&queue.handle(LONG), 100)), [5, 6, 7, 8, 9]);
    assert_eq!(fetch(&source, 1).len(), 0, "all are leased");
}

pub(crate) fn what_is_acknowledged_is_gone(queue: &impl Queue) {
    let source = queue.handle(SHORT_LEASE);
    send(&source, 0..3);
    let fetched = source.fetch(3, Duration::ZERO).unwrap();
    assert!(fetched.iter().all(|delivery| delivery.attempt == 1 && delivery.fault.is_none()));
    let all = receipts(&fetched);
    assert_eq!(source.acknowledge(&all[..2]).unwrap(), 2);
    assert_eq!(source.acknowledge(&all).unwrap(), 1, "two are gone already");
    assert_eq!(source.acknowledge(&[]).unwrap(), 0);
    assert_eq!(depth_of(&source), (0, 0, 0, 0));
    std::thread::sleep(2 * SHORT_LEASE);
    assert_eq!(fetch(&source, 3).len(), 0);
}

pub(crate) fn a_lease_that_runs_out_gives_the_job_to_others(queue: &impl Queue) {
    let (dead, alive) = (queue.handle(SHORT_LEASE), queue.handle(SHORT_LEASE));
    send(&dead, 0..3);
    let lost = fetch(&dead, 2);
    let first = fetch_one(&alive);
    assert_eq!(number(first.version, &first.body), 2);
    let mut again = Vec::new();
    eventually("both come again", || {
        alive.extend(&receipts(std::slice::from_ref(&first))).unwrap();
        again.extend(fetch(&alive, 10));
        alive.extend(&receipts(&again)).unwrap();
        again.len() == 2
    });
    assert_eq!(numbers(&again), [0, 1], "the older first");
    // Nobody has said that they had begun.
    let comes_again = |now: &Delivery| (now.attempt, now.deliveries) == (1, 2);
    assert!(again.iter().zip(&lost).all(|(now, before)| now.id == before.id && comes_again(now)));
    // Whoever held them has nothing to say any more.
    assert_eq!(dead.extend(&receipts(&lost)).unwrap(), 0);
    assert_eq!(dead.begin(&receipts(&lost)).unwrap(), 0);
    assert!(!dead.give_back(&lost[0].receipt, Duration::ZERO, 1).unwrap());
    assert!(!dead.bury(&lost[1].receipt, 1, "late").unwrap());
    assert_eq!(alive.acknowledge(&receipts(&again)).unwrap(), 2);
    assert_eq!(alive.acknowledge(&[first.receipt]).unwrap(), 1);
    assert_eq!(depth_of(&alive), (0, 0, 0, 0));
}

pub(crate) fn a_lease_that_ran_out_comes_before_what_is_more_urgent(queue: &impl Queue) {
    let source = queue.handle(SHORT_LEASE);
    let producer = Producer::new(source.clone());
    let send = |number, priority| producer.prepare(&Numbered(number)).priority(priority).send().unwrap();
    send(0, Priority::Low);
    assert_eq!(numbers(&fetch(&source, 1)), [0]);
    std::thread::sleep(2 * SHORT_LEASE);
    for number in 1..4 {
        send(number, Priority::High);
    }
    for number in 0..2 {
        assert_eq!(numbers(&fetch(&source, 1)), [number]);
    }
}

pub(crate) fn a_lease_that_is_extended_does_not_run_out(queue: &impl Queue) {
    let (holder, other) = (queue.handle(4 * SHORT_LEASE), queue.handle(4 * SHORT_LEASE));
    send(&holder, [1]);
    let held = receipts(&[fetch_one(&holder)]);
    for _ in 0..16 {
        std::thread::sleep(SHORT_LEASE);
        // On a machine that stood still for longer than the lease nothing can be said.
        if holder.extend(&held).unwrap() == 0 {
            return;
        }
        assert_eq!(fetch(&other, 1).len(), 0);
    }
    assert_eq!(holder.acknowledge(&held).unwrap(), 1);
}

pub(crate) fn only_what_has_begun_counts_as_attempted(queue: &impl Queue) {
    // On a machine that stands still for longer than the lease nothing can be said: the test ends early then.
    let source = queue.handle(5 * SHORT_LEASE);
    send(&source, 0..2);
    let both = || {
        let mut fetched = Vec::new();
        eventually("both come", || {
            fetched.extend(fetch(&source, 2));
            fetched.len() == 2
        });
        fetched.sort_by_key(|job| number(job.version, &job.body));
        let came = |job: &Delivery| (number(job.version, &job.body), job.attempt, job.deliveries);
        let came = [came(&fetched[0]), came(&fetched[1])];
        (fetched, came)
    };
    for round in 1..=3 {
        let (fetched, came) = both();
        assert_eq!(came, [(0, round, round), (1, 1, round)]);
        let first = std::slice::from_ref(&fetched[0].receipt);
        // Once more makes no difference, and neither does that the lease goes on.
        if source.begin(first).unwrap() + source.begin(first).unwrap() + source.extend(first).unwrap() < 3 {
            return;
        }
    }
    let (fetched, came) = both();
    assert_eq!(came, [(0, 4, 4), (1, 1, 4)]);
    // What has begun is settled as any other, and what goes back counts its deliveries anew.
    if source.begin(&receipts(&fetched)).unwrap() < 2
        || !source.give_back(&fetched[1].receipt, Duration::ZERO, 1).unwrap()
    {
        return;
    }
    let again = fetch_one(&source);
    assert_eq!((again.id == fetched[1].id, again.attempt, again.deliveries), (true, 2, 1));
    if source.bury(&fetched[0].receipt, 4, "often").unwrap() {
        assert_eq!(depth_of(&source).3, 1);
    }
}

pub(crate) fn a_beginning_begins_the_lease_anew(queue: &impl Queue) {
    let (holder, other) = (queue.handle(4 * SHORT_LEASE), queue.handle(4 * SHORT_LEASE));
    send(&holder, [1]);
    let held = receipts(&[fetch_one(&holder)]);
    for _ in 0..8 {
        std::thread::sleep(SHORT_LEASE);
        // As above.
        if holder.begin(&held).unwrap() == 0 {
            return;
        }
        assert_eq!(fetch(&other, 1).len(), 0);
    }
    assert_eq!(holder.acknowledge(&held).unwrap(), 1);
}

pub(crate) fn what_is_given_back_comes_again_at_the_end(queue: &impl Queue) {
    let source = queue.handle(LONG);
    send(&source, 0..3);
    let first = fetch_one(&source);
    assert!(source.give_back(&first.receipt, Duration::ZERO, 1).unwrap());
    assert!(!source.give_back(&first.receipt, Duration::ZERO, 1).unwrap(), "once is enough");
    let rest = fetch(&source, 3);
    assert_eq!(numbers(&rest), [1, 2, 0]);
    assert_eq!((rest[2].attempt, &rest[2].id), (2, &first.id));
    // What was not run does not count as attempted.
    assert!(source.give_back(&rest[2].receipt, Duration::ZERO, rest[2].attempt - 1).unwrap());
    assert_eq!(fetch_one(&source).attempt, 2);
    assert!(source.give_back(&rest[0].receipt, LONG, 1).unwrap());
    assert_eq!(depth_of(&source), (0, 1, 2, 0));
}

pub(crate) fn delays_are_kept(queue: &impl Queue) {
    let source = queue.handle(LONG);
    let producer = Producer::new(source.clone());
    producer.prepare(&Numbered(1)).delay(LONG).send().unwrap();
    producer.prepare(&Numbered(2)).delay(Duration::from_millis(150)).send().unwrap();
    assert_eq!(depth_of(&source).1, 2);
    let came = fetch_one(&source);
    assert_eq!(number(came.version, &came.body), 2);
    assert!(source.give_back(&came.receipt, Duration::from_millis(20), 1).unwrap());
    let came = fetch_one(&source);
    assert_eq!((number(came.version, &came.body), came.attempt), (2, 2));
    assert_eq!(fetch(&source, 1).len(), 0);
    assert_eq!(depth_of(&source), (0, 1, 1, 0));
}

pub(crate) fn a_fetch_that_waits_is_woken_by_a_job(queue: &impl Queue) {
    let (source, waiting) = (queue.handle(LONG), queue.handle(LONG));
    let waiter = anthill_tests::background(move || fetch_one(&waiting));
    std::thread::sleep(Duration::from_millis(20));
    send(&source, [7]);
    let came = waiter.outcome("a fetch");
    assert_eq!(number(came.version, &came.body), 7);
}

pub(crate) fn the_more_urgent_come_first_and_none_starves(queue: &impl Queue) {
    let source = queue.handle(LONG);
    let producer = Producer::new(source.clone());
    for (number, priority) in [(1, Priority::Low), (2, Priority::Normal), (3, Priority::High)] {
        for _ in 0..40 {
            producer.prepare(&Numbered(number)).priority(priority).send().unwrap();
        }
    }
    let mut came = Vec::new();
    for _ in 0..40 {
        let job = fetch_one(&source);
        came.push((number(job.version, &job.body), job.priority));
    }
    let low = came.iter().filter(|job| **job == (1, Priority::Low)).count();
    let high = came.iter().filter(|job| **job == (3, Priority::High)).count();
    assert_eq!((low, high), (2, 38), "one fetch in 16 begins with the least urgent");
    let rest = fetch(&source, 100);
    assert_eq!(numbers(&rest)[..3], [3, 3, 2], "one call looks at all levels");
    assert_eq!(rest.len(), 80);
}

pub(crate) fn a_key_keeps_doubles_out(queue: &impl Queue) {
    let source = queue.handle(LONG);
    let producer = Producer::new(source.clone());
    let keyed = |number, key: &str, span| producer.prepare(&Numbered(number)).key(key, span).send().unwrap();
    let first = keyed(1, "a", LONG);
    assert!(matches!(&first, Sent::Queued(_)));
    assert_eq!(keyed(2, "a", LONG), Sent::Double(first.id().clone()));
    let delayed = producer.prepare(&Numbered(3)).key("a", LONG).delay(SHORT_LEASE).send().unwrap();
    assert_eq!(delayed, Sent::Double(first.id().clone()));
    assert!(matches!(keyed(4, "b", LONG), Sent::Queued(_)));
    let fetched = fetch(&source, 10);
    assert_eq!(numbers(&fetched), [1, 4]);
    source.acknowledge(&receipts(&fetched)).unwrap();
    assert!(matches!(keyed(5, "a", LONG), Sent::Double(_)), "also when the job is done");
    assert!(matches!(keyed(6, "c", SHORT_LEASE), Sent::Queued(_)));
    eventually("the key is free again", || matches!(keyed(7, "c", SHORT_LEASE), Sent::Queued(_)));
    assert_eq!(numbers(&fetch(&source, 10)), [6, 7]);
}

pub(crate) fn dead_letters_keep_all_and_come_back(queue: &impl Queue) {
    let source = queue.handle(SHORT_LEASE);
    let producer = Producer::new(source.clone());
    producer.prepare(&Numbered(1)).priority(Priority::High).send().unwrap();
    send(&source, [2]);
    let fetched = fetch(&source, 2);
    for (job, reason) in fetched.iter().zip(["größer als erlaubt\n\"", ""]) {
        assert!(source.bury(&job.receipt, 3, reason).unwrap());
        assert!(!source.bury(&job.receipt, 3, reason).unwrap(), "once is enough");
    }
    assert_eq!(depth_of(&source), (0, 0, 0, 2));
    assert_eq!(source.dead_letters(1).unwrap().len(), 1);
    let letters = queue.handle(LONG).dead_letters(10).unwrap();
    assert_eq!(letters.len(), 2);
    let first = &letters[0];
    assert_eq!(first.reason, "größer als erlaubt\n\"");
    assert_eq!((number(first.version, &first.body), first.attempts), (1, 3));
    assert_eq!((&first.id, first.priority), (&fetched[0].id, Priority::High));
    assert!(source.forget(&letters[1].id).unwrap());
    assert!(!source.forget(&letters[1].id).unwrap());
    assert!(!source.revive(&letters[1].id).unwrap());
    assert!(source.revive(&first.id).unwrap());
    assert!(!source.revive(&first.id).unwrap());
    let job = fetch_one(&source);
    assert_eq!((&job.id, job.attempt, job.priority), (&first.id, 1, Priority::High));
    assert_eq!(depth_of(&source), (0, 0, 1, 0));
}

pub(crate) fn bodies_are_bytes(queue: &impl Queue) {
    let source = queue.handle(LONG);
    let body: Vec<u8> = (0..=255).collect();
    let job = |body: &[u8]| anthill_pool::remote::NewJob {
        id: anthill_pool::remote::JobId::unique(),
        version: u32::MAX,
        body: body.to_vec(),
        priority: Priority::Low,
        delay: Duration::ZERO,
        key: None,
    };
    let delayed = anthill_pool::remote::NewJob { delay: Duration::from_millis(1), ..job(&body) };
    source.send(&[job(&body), job(b""), delayed]).unwrap();
    let mut fetched = Vec::new();
    eventually("all are there", || {
        fetched.extend(fetch(&source, 3));
        fetched.len() == 3
    });
    assert_eq!([&fetched[0].body, &fetched[1].body, &fetched[2].body], [&body, &Vec::new(), &body]);
    assert!(fetched.iter().all(|job| job.version == u32::MAX && job.priority == Priority::Low));
    assert!(source.give_back(&fetched[0].receipt, Duration::from_millis(1), 7).unwrap());
    let again = fetch_one(&source);
    assert_eq!((&again.body, again.attempt, again.version), (&body, 8, u32::MAX));
}

/// Asks all of it of a source.
macro_rules! conforms {
    ($module:ident, $queue:expr) => {
        mod $module {
            $crate::conformance::conforms! { $queue;
                jobs_come_in_their_order_and_never_more_than_asked_for
                what_is_acknowledged_is_gone
                a_lease_that_runs_out_gives_the_job_to_others
                a_lease_that_ran_out_comes_before_what_is_more_urgent
                a_lease_that_is_extended_does_not_run_out
                only_what_has_begun_counts_as_attempted
                a_beginning_begins_the_lease_anew
                what_is_given_back_comes_again_at_the_end
                delays_are_kept
                a_fetch_that_waits_is_woken_by_a_job
                the_more_urgent_come_first_and_none_starves
                a_key_keeps_doubles_out
                dead_letters_keep_all_and_come_back
                bodies_are_bytes
            }
        }
    };
    ($queue:expr; $($name:ident)*) => { $(
        #[test]
        fn $name() {
            if let Some(queue) = $queue {
                $crate::conformance::$name(&queue);
            }
        }
    )* };
}
pub(crate) use conforms;

conforms!(memory, Some(anthill_pool::remote::MemorySource::new()));

/// Whoever looks in between takes away what is late, so what is late then must not overtake it.
#[test]
fn what_was_held_too_long_first_comes_again_first() {
    let clock = ManualClock::new();
    let source = MemorySource::new().clock(&clock).with_lease(LONG);
    send(&source, 0..4);
    for number in 0..3 {
        assert_eq!(numbers(&fetch(&source, 1)), [number]);
        clock.advance(LONG / 10);
    }
    for late in 1..=3 {
        clock.advance(if late == 1 { LONG * 7 / 10 } else { LONG / 10 });
        assert_eq!(depth_of(&source), (1 + late, 0, 3 - late, 0));
    }
    assert_eq!(numbers(&fetch(&source, 10)), [0, 1, 2, 3]);
}
