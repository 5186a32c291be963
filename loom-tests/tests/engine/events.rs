//! Streams of events: no event, and no end, is left lying while whoever writes the response looks, parks its connection
//! and goes to sleep.
//!
//! The mailbox and the table are the real ones; the shard is the one of [`crate::sleeping`]. A stream that is not
//! served although there is something to take sleeps for ever, which loom reports.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::engine::shard::slots::Token;
use crate::explore::{Preemptions::*, explore};
use crate::message::events::mailbox::{Mailbox, Outcome, Taken, WhenFull};
use crate::sleeping::{Conn, Shard};

/// A shard with one stream.
struct Scene {
    shard: Arc<Shard>,
    mailbox: Mailbox<Token>,
    heard: AtomicUsize,
    /// Events after which the connection is closed.
    enough: usize,
}

impl Scene {
    /// A scene, and its connection, which is out.
    fn new(enough: usize) -> (Arc<Self>, Conn) {
        let shard = Shard::new();
        let conn = shard.conn();
        let heard = AtomicUsize::new(0);
        (Arc::new(Scene { shard, mailbox: Mailbox::new(), heard, enough }), conn)
    }

    fn send(&self, when_full: WhenFull) -> Outcome {
        let event: std::sync::Arc<[u8]> = std::sync::Arc::new([1]);
        let posted = self.mailbox.post(&event, 1, when_full);
        self.shard.resume(posted.wakes);
        posted.outcome
    }

    /// A turn, and further ones, until the connection is parked or closed.
    fn serve(&self, mut conn: Conn) {
        loop {
            if self.mailbox.look(|| conn.token) {
                let is_over = match self.mailbox.take() {
                    Taken::Event { .. } => self.heard.fetch_add(1, Ordering::AcqRel) + 1 == self.enough,
                    Taken::End | Taken::Overrun => true,
                    Taken::Nothing => panic!("it was ready"),
                };
                if is_over {
                    return self.shard.close(conn);
                }
                continue;
            }
            match self.shard.park(conn) {
                None => return,
                Some(again) => conn = again,
            }
        }
    }

    /// Drives until the connection is closed.
    fn drive(&self) {
        self.shard.drive_until_closed(1, |_, conn| self.serve(conn));
    }
}

/// A helper finds nothing and parks the connection while an event comes and the driver goes to sleep.
#[test]
fn an_event_meets_parking() {
    explore(AtMost(3), || {
        let (scene, conn) = Scene::new(1);
        let helped = scene.clone();
        let helper = thread::spawn(move || helped.serve(conn));
        let sent = scene.clone();
        let sender = thread::spawn(move || assert_eq!(sent.send(WhenFull::Overrun), Outcome::Queued));
        scene.drive();
        helper.join().unwrap();
        sender.join().unwrap();
    });
}

/// The connection is parked, and the driver goes to sleep while an event comes.
#[test]
fn an_event_meets_a_driver_that_falls_asleep() {
    explore(Any, || {
        let (scene, conn) = Scene::new(1);
        assert!(!scene.mailbox.look(|| conn.token));
        assert!(scene.shard.park(conn).is_none());
        let sent = scene.clone();
        let sender = thread::spawn(move || assert_eq!(sent.send(WhenFull::Overrun), Outcome::Queued));
        scene.drive();
        sender.join().unwrap();
    });
}

/// Two send at once, one of whose events may be dropped for the other's: what is left is heard, and then the end.
#[test]
fn the_end_of_a_stream_meets_one_who_looks() {
    explore(AtMost(3), || {
        let (scene, conn) = Scene::new(usize::MAX);
        let sent = scene.clone();
        let sender = thread::spawn(move || {
            assert_eq!(sent.send(WhenFull::DropOldest), Outcome::Queued);
            assert_eq!(sent.send(WhenFull::DropOldest), Outcome::Queued);
            let waker = sent.mailbox.end();
            sent.shard.resume(waker);
        });
        scene.serve(conn);
        scene.drive();
        sender.join().unwrap();
        let heard = scene.heard.load(Ordering::Acquire) as u64;
        assert_eq!(heard + scene.mailbox.lost(), 2, "each is heard or counted");
    });
}

/// A client that takes nothing is cut off while its connection is parked, waiting for it: it is closed at once.
#[test]
fn who_is_cut_off_is_not_waited_for() {
    explore(Any, || {
        let (scene, conn) = Scene::new(usize::MAX);
        assert_eq!(scene.send(WhenFull::Overrun), Outcome::Queued);
        // There was something, which is on its way to a client that does not take it.
        assert!(scene.mailbox.look(|| conn.token));
        let sent = scene.clone();
        let sender = thread::spawn(move || assert_eq!(sent.send(WhenFull::Overrun), Outcome::Gone));
        if let Some(conn) = scene.shard.park(conn) {
            scene.serve(conn);
        }
        scene.drive();
        sender.join().unwrap();
    });
}
