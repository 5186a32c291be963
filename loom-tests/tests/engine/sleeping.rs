//! A shard's driver goes to sleep while others bring it something: it never sleeps past what was brought.
//!
//! The table is the real one; the poller is a condition variable, a flag for having been woken, and the reports that
//! have not been taken. Time stands still: a driver that waits for a deadline has come to the end of its scene, and one
//! that should know of a deadline, or of a connection, and does not, sleeps for ever, which loom reports.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use std::time::Duration;

use crate::engine::dispatch::queue::{Budget, HandOverQueue, Lane};
use crate::engine::shard::deadlines::{Millis, NEVER};
use crate::engine::shard::idle::Idle;
use crate::engine::shard::slots::{Readiness, Token};
use crate::engine::shard::table::{Member, Next, Table};
use crate::engine::stopping::Stopping;
use crate::explore::{Preemptions::*, explore};

const READABLE: Readiness = Readiness { readable: true, writable: false, read_closed: false };

pub(crate) struct Conn {
    pub(crate) token: Token,
    deadline: Millis,
    /// Bytes of the socket that were read.
    read: usize,
}

impl Conn {
    fn new(token: Token) -> Self {
        Conn { token, deadline: NEVER, read: 0 }
    }
}

impl Member for Conn {
    fn token(&self) -> Token {
        self.token
    }

    fn deadline(&self) -> Millis {
        self.deadline
    }

    fn idle(&self) -> Option<Idle> {
        Some(Idle::Resting(0))
    }

    fn note(&mut self, _: Readiness) {}
}

#[derive(Default)]
struct Reported {
    woken: bool,
    reports: Vec<(Token, Readiness)>,
}

pub(crate) struct Shard {
    pub(crate) table: Table<Conn>,
    poller: (Mutex<Reported>, Condvar),
    /// Bytes that arrived at the one socket of the scene.
    arrived: AtomicUsize,
    closed: AtomicUsize,
    /// Those of whom the driver was told that they have left.
    left: AtomicUsize,
}

impl Shard {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Shard {
            table: Table::new(),
            poller: (Mutex::new(Reported::default()), Condvar::new()),
            arrived: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
        })
    }

    /// A connection that is out.
    pub(crate) fn conn(&self) -> Conn {
        Conn::new(self.table.reserve().expect("the shard has not ended"))
    }

    pub(crate) fn wake_if(&self, must_wake: bool) {
        if must_wake {
            self.poller.0.lock().unwrap().woken = true;
            self.poller.1.notify_one();
        }
    }

    /// Whoever has brought something wakes the connection that is to be told, if one is.
    pub(crate) fn resume(&self, token: Option<Token>) {
        if let Some(token) = token {
            self.wake_if(self.table.resume(token));
        }
    }

    /// Parks a connection. `Some`: it is to be served again.
    pub(crate) fn park(&self, conn: Conn) -> Option<Conn> {
        match self.table.park(conn, true) {
            Ok(must_wake) => {
                self.wake_if(must_wake);
                None
            }
            Err(again) => Some(again),
        }
    }

    /// A byte arrives, and the system tells.
    fn arrive(&self, token: Token) {
        self.arrived.fetch_add(1, Ordering::Release);
        self.poller.0.lock().unwrap().reports.push((token, READABLE));
        self.poller.1.notify_one();
    }

    fn wait(&self, may_sleep: bool) {
        let mut reported = self.poller.0.lock().unwrap();
        while may_sleep && !reported.woken && reported.reports.is_empty() {
            reported = self.poller.1.wait(reported).unwrap();
        }
        reported.woken = false;
        let reports = std::mem::take(&mut reported.reports);
        drop(reported);
        let mut left = Vec::new();
        self.table.report(reports.into_iter(), &mut left);
        self.left.fetch_add(left.len(), Ordering::AcqRel);
    }

    fn read(&self, conn: &mut Conn) {
        conn.read = self.arrived.load(Ordering::Acquire);
    }

    pub(crate) fn close(&self, mut conn: Conn) {
        self.closed.fetch_add(1, Ordering::AcqRel);
        self.wake_if(self.table.end(&mut conn));
    }

    /// The driver, until `is_done` says so when nothing is left to serve but at the deadline it is given. Each
    /// connection goes through `serve`.
    pub(crate) fn drive(
        &self,
        mut serve: impl FnMut(&Self, Conn),
        mut is_done: impl FnMut(&Self, Millis) -> bool,
    ) {
        loop {
            match self.table.find(0) {
                Next::Connection(conn) => serve(self, conn),
                Next::Overdue(_) => panic!("no time has passed"),
                Next::AskPoller => self.wait(false),
                Next::Nothing(until) => {
                    if is_done(self, until) {
                        return;
                    }
                    self.wait(true);
                }
            }
        }
    }

    /// Drives until `count` connections were closed.
    pub(crate) fn drive_until_closed(&self, count: usize, serve: impl FnMut(&Self, Conn)) {
        self.drive(serve, |shard, _| shard.closed.load(Ordering::Acquire) == count);
    }

    /// The same, where all that is done with each is to close it.
    fn serve_and_close(&self, count: usize) {
        self.drive_until_closed(count, |shard, conn| shard.close(conn));
    }
}

/// A connection that others must get their turn before is put back by a thread that is the driver no more.
#[test]
fn a_queued_connection_is_not_slept_past() {
    explore(Any, || {
        let shard = Shard::new();
        let conn = shard.conn();
        let other = shard.clone();
        let helper = thread::spawn(move || other.wake_if(other.table.queue(conn)));
        shard.serve_and_close(1);
        helper.join().unwrap();
    });
}

/// A peer of which no poller tells ends while its request waits for a worker, and the driver goes to sleep.
#[test]
fn who_leaves_while_it_waits_is_not_slept_past() {
    explore(Any, || {
        let shard = Shard::new();
        let conn = shard.conn();
        let budget = Budget { helpers: 0, handlers: 0, clients: 0, spares: 0, waiting: 1 };
        let ticket = HandOverQueue::new(budget).hand_on(Lane::Handlers, (), Duration::ZERO).ticket;
        shard.table.note_ticket(conn.token, ticket);
        let (other, token) = (shard.clone(), conn.token);
        let peer = thread::spawn(move || other.wake_if(other.table.resume_ended(token)));
        shard.drive(|_, _| panic!("it is out"), |shard, _| shard.left.load(Ordering::Acquire) == 1);
        peer.join().unwrap();
        shard.close(conn);
    });
}

/// Two bring something at once: one of them wakes the driver, and it looks for both.
#[test]
fn of_two_who_bring_something_one_wakes_the_driver() {
    explore(AtMost(3), || {
        let shard = Shard::new();
        let helpers: Vec<_> = (0..2)
            .map(|_| {
                let (shard, conn) = (shard.clone(), shard.conn());
                thread::spawn(move || shard.wake_if(shard.table.queue(conn)))
            })
            .collect();
        shard.serve_and_close(2);
        for helper in helpers {
            helper.join().unwrap();
        }
    });
}

/// One parks a connection, for which nobody has to be woken, while another queues one.
#[test]
fn whoever_brings_nothing_urgent_does_not_keep_others_from_waking() {
    explore(AtMost(3), || {
        let shard = Shard::new();
        let (parked, queued) = (shard.conn(), shard.conn());
        let other = shard.clone();
        let parks = thread::spawn(move || match other.table.park(parked, true) {
            Ok(must_wake) => other.wake_if(must_wake),
            Err(_) => panic!("nothing was reported"),
        });
        let other = shard.clone();
        let queues = thread::spawn(move || other.wake_if(other.table.queue(queued)));
        shard.serve_and_close(1);
        parks.join().unwrap();
        queues.join().unwrap();
    });
}

/// A helper parks a connection that has a deadline while the driver goes to sleep without one.
#[test]
fn an_earlier_deadline_is_not_slept_past() {
    explore(Any, || {
        let shard = Shard::new();
        let mut conn = shard.conn();
        conn.deadline = 5;
        let other = shard.clone();
        let helper = thread::spawn(move || match other.table.park(conn, true) {
            Ok(must_wake) => other.wake_if(must_wake),
            Err(_) => panic!("nothing was reported"),
        });
        shard.drive(|_, _| panic!("nothing is to be served"), |_, until| until == 5);
        helper.join().unwrap();
    });
}

/// A helper reads a socket empty and parks its connection while a byte arrives, and the driver goes to sleep: one of
/// the two reads it.
#[test]
fn a_report_meets_parking() {
    explore(AtMost(3), || {
        let shard = Shard::new();
        let conn = shard.conn();
        let token = conn.token;
        let (other, socket) = (shard.clone(), shard.clone());
        let helper = thread::spawn(move || {
            let mut conn = conn;
            loop {
                other.read(&mut conn);
                if conn.read == 1 {
                    other.close(conn);
                    break;
                }
                match other.table.park(conn, true) {
                    Ok(must_wake) => {
                        other.wake_if(must_wake);
                        break;
                    }
                    Err(again) => conn = again,
                }
            }
        });
        let peer = thread::spawn(move || socket.arrive(token));
        shard.drive(
            |shard, mut conn| {
                shard.read(&mut conn);
                assert_eq!(conn.read, 1, "reported before it arrived");
                shard.close(conn);
            },
            |shard, _| shard.closed.load(Ordering::Acquire) == 1,
        );
        helper.join().unwrap();
        peer.join().unwrap();
    });
}

/// An idle connection is to make room, while its next request arrives: whoever closes it takes it out first, then looks
/// whether something has come, and leaves it to the driver if so. Either way it is closed once, and what came before
/// the look is read.
#[test]
fn a_request_meets_the_closing_of_the_longest_idle() {
    explore(AtMost(3), || {
        let shard = Shard::new();
        let conn = shard.conn();
        let token = conn.token;
        assert!(!shard.table.add(conn), "the driver is up");
        let (other, socket) = (shard.clone(), shard.clone());
        let acceptor = thread::spawn(move || {
            let Some(mut conn) = other.table.take_longest_idle() else { return };
            other.read(&mut conn);
            if conn.read == 0 {
                other.close(conn);
            } else {
                other.wake_if(other.table.queue(conn));
            }
        });
        let peer = thread::spawn(move || socket.arrive(token));
        shard.drive(
            |shard, mut conn| {
                shard.read(&mut conn);
                assert_eq!(conn.read, 1, "reported before it arrived");
                shard.close(conn);
            },
            |shard, _| shard.closed.load(Ordering::Acquire) == 1,
        );
        acceptor.join().unwrap();
        peer.join().unwrap();
        assert_eq!(shard.closed.load(Ordering::Acquire), 1, "neither lost nor closed twice");
    });
}

/// A new connection is registered, and reported, before it is in the table.
#[test]
fn a_new_connection_meets_its_first_report() {
    explore(AtMost(3), || {
        let shard = Shard::new();
        let other = shard.clone();
        let acceptor = thread::spawn(move || {
            let conn = other.conn();
            // Registered: from now on it can be reported.
            other.arrive(conn.token);
            other.wake_if(other.table.add(conn));
        });
        shard.serve_and_close(1);
        acceptor.join().unwrap();
    });
}

/// The same without a report: the driver learns when to give it up.
#[test]
fn a_new_connection_brings_its_deadline() {
    explore(Any, || {
        let shard = Shard::new();
        let other = shard.clone();
        let acceptor = thread::spawn(move || {
            let mut conn = other.conn();
            conn.deadline = 5;
            other.wake_if(other.table.add(conn));
        });
        shard.drive(|_, _| panic!("nothing is to be served"), |_, until| until == 5);
        acceptor.join().unwrap();
    });
}

/// A driver that ends with its shard, once it is stopping.
fn drive_to_the_end(shard: &Shard, stopping: &Stopping<()>) {
    shard.drive(
        |shard, conn| {
            if stopping.has_begun() {
                return shard.close(conn);
            }
            match shard.table.park(conn, true) {
                Ok(must_wake) => shard.wake_if(must_wake),
                Err(again) => shard.wake_if(shard.table.queue(again)),
            }
        },
        |shard, _| stopping.has_begun() && shard.table.end_if_empty(),
    );
}

fn stop(shard: &Shard, stopping: &Stopping<()>) {
    let _ = stopping.begin();
    shard.wake_if(shard.table.stop());
}

/// The last connection of a shard that stops is ended by a helper while the driver goes to sleep.
#[test]
fn the_last_connection_wakes_a_driver_that_stops() {
    explore(AtMost(3), || {
        let (shard, stopping) = (Shard::new(), Arc::new(Stopping::new()));
        let conn = shard.conn();
        stop(&shard, &stopping);
        let other = shard.clone();
        let helper = thread::spawn(move || other.close(conn));
        drive_to_the_end(&shard, &stopping);
        helper.join().unwrap();
        assert_eq!(shard.closed.load(Ordering::Acquire), 1);
    });
}

/// A connection that is being served, or going to be parked, when the shutdown begins.
#[test]
fn a_stop_meets_parking() {
    explore(AtMost(3), || {
        let (shard, stopping) = (Shard::new(), Arc::new(Stopping::new()));
        let conn = shard.conn();
        let (other, flag) = (shard.clone(), stopping.clone());
        let helper = thread::spawn(move || match other.table.park(conn, true) {
            Ok(must_wake) => other.wake_if(must_wake),
            Err(again) => {
                assert!(flag.has_begun(), "nothing else is reported");
                other.close(again);
            }
        });
        let (other, flag) = (shard.clone(), stopping.clone());
        let shutdown = thread::spawn(move || stop(&other, &flag));
        drive_to_the_end(&shard, &stopping);
        helper.join().unwrap();
        shutdown.join().unwrap();
        assert_eq!(shard.closed.load(Ordering::Acquire), 1, "neither lost nor left open");
    });
}

/// A connection is accepted while the server stops: it is closed by the driver, or turned away because the shard has
/// ended; neither lost nor left open.
#[test]
fn a_stop_meets_a_new_connection() {
    explore(AtMost(3), || {
        let (shard, stopping) = (Shard::new(), Arc::new(Stopping::new()));
        let (other, flag) = (shard.clone(), stopping.clone());
        let acceptor = thread::spawn(move || {
            if flag.has_begun() {
                return 0;
            }
            match other.table.reserve() {
                Some(token) => other.wake_if(other.table.add(Conn::new(token))),
                // Dropping the socket closes it.
                None => {
                    other.closed.fetch_add(1, Ordering::AcqRel);
                }
            }
            1
        });
        let (other, flag) = (shard.clone(), stopping.clone());
        let shutdown = thread::spawn(move || stop(&other, &flag));
        drive_to_the_end(&shard, &stopping);
        let accepted = acceptor.join().unwrap();
        shutdown.join().unwrap();
        assert_eq!(shard.closed.load(Ordering::Acquire), accepted, "neither lost nor left open");
    });
}

/// The same, when registering the new connection fails after its place was reserved.
#[test]
fn a_stop_meets_a_new_connection_that_fails() {
    explore(AtMost(3), || {
        let (shard, stopping) = (Shard::new(), Arc::new(Stopping::new()));
        let (other, flag) = (shard.clone(), stopping.clone());
        let acceptor = thread::spawn(move || {
            if !flag.has_begun() {
                if let Some(token) = other.table.reserve() {
                    other.wake_if(other.table.release(token));
                }
            }
        });
        let (other, flag) = (shard.clone(), stopping.clone());
        let shutdown = thread::spawn(move || stop(&other, &flag));
        drive_to_the_end(&shard, &stopping);
        acceptor.join().unwrap();
        shutdown.join().unwrap();
    });
}

/// A thread that accepts goes to sleep, or comes, while the shutdown begins: it is woken, or sees it.
#[test]
fn a_stop_wakes_those_who_accept() {
    explore(Any, || {
        let stopping = Arc::new(Stopping::new());
        let other = stopping.clone();
        let acceptor = thread::spawn(move || {
            let waker = Arc::new((Mutex::new(false), Condvar::new()));
            other.enter(&waker);
            while !other.has_begun() {
                let mut woken = waker.0.lock().unwrap();
                while !*woken {
                    woken = waker.1.wait(woken).unwrap();
                }
                *woken = false;
            }
            other.leave(&waker);
        });
        for waker in stopping.begin() {
            *waker.0.lock().unwrap() = true;
            waker.1.notify_one();
        }
        acceptor.join().unwrap();
    });
}
