//! The boxes between a WebSocket's connection and the user's code: nothing that is sent is left lying while whoever
//! serves the connection parks it and goes to sleep, a peer that was not read from is read again when a loop has room,
//! and nobody waits for an end that has come.
//!
//! The boxes and the table are the real ones; the shard is the one of [`crate::sleeping`]. Whoever is not told sleeps
//! for ever, which loom reports.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::engine::shard::slots::Token;
use crate::explore::{Preemptions::*, explore};
use crate::sleeping::{Conn, Shard};
use crate::sockets::inbox::{Heard, Inbox};
use crate::sockets::outbox::{Fate, FromOutbox, Openness, Outbox, QueueRoom, WithoutRoom};

const ROOM: QueueRoom = QueueRoom { messages: 1, bytes: 100 };

/// A shard with one socket.
struct Scene {
    shard: Arc<Shard>,
    outbox: Outbox<u8, char, Token>,
    inbox: Inbox<u8, char>,
    /// Messages of the peer that were not read yet.
    unread: AtomicUsize,
    sent: AtomicUsize,
}

impl Scene {
    /// A scene, and its connection, which is out; of its peer so many messages have come.
    fn new(unread: usize) -> (Arc<Self>, Conn) {
        let shard = Shard::new();
        let conn = shard.conn();
        let outbox = Outbox::new();
        outbox.be_told_by(|| conn.token);
        let (unread, sent) = (AtomicUsize::new(unread), AtomicUsize::new(0));
        (Arc::new(Scene { shard, outbox, inbox: Inbox::with_room(1), unread, sent }), conn)
    }

    fn send(&self, item: u8) -> Fate {
        let put = self.outbox.put(item, 1, ROOM, WithoutRoom::DropOldest);
        self.shard.resume(put.wakes);
        put.fate
    }

    /// Turns, until the connection is parked or closed.
    fn serve(&self, mut conn: Conn) {
        loop {
            match self.outbox.take() {
                FromOutbox::Item(_) => {
                    self.sent.fetch_add(1, Ordering::AcqRel);
                    continue;
                }
                FromOutbox::Close(_) | FromOutbox::Overrun => {
                    self.outbox.end();
                    self.inbox.end('e');
                    return self.shard.close(conn);
                }
                FromOutbox::Nothing => {}
            }
            if self.inbox.has_room() && self.unread.load(Ordering::Acquire) > 0 {
                self.unread.fetch_sub(1, Ordering::AcqRel);
                self.inbox.put(1, 1);
                continue;
            }
            if self.outbox.look() {
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

/// A helper finds nothing and parks the connection while a message is sent, and the end behind it.
#[test]
fn what_is_sent_meets_parking() {
    explore(AtMost(3), || {
        let (scene, conn) = Scene::new(0);
        let helped = scene.clone();
        let helper = thread::spawn(move || helped.serve(conn));
        let sent = scene.clone();
        let sender = thread::spawn(move || {
            assert_eq!(sent.send(1), Fate::Queued);
            sent.shard.resume(sent.outbox.close('c'));
        });
        scene.drive();
        helper.join().unwrap();
        sender.join().unwrap();
        assert_eq!(scene.sent.load(Ordering::Acquire), 1, "what was sent comes before the end");
    });
}

/// The connection is parked, and the driver goes to sleep, while a message is sent by one and the end by another.
#[test]
fn what_is_sent_meets_a_driver_that_falls_asleep() {
    explore(AtMost(3), || {
        let (scene, conn) = Scene::new(0);
        assert!(!scene.outbox.look());
        assert!(scene.shard.park(conn).is_none());
        let sent = scene.clone();
        let sender = thread::spawn(move || sent.send(1));
        let closed = scene.clone();
        let closer = thread::spawn(move || closed.shard.resume(closed.outbox.close('c')));
        scene.drive();
        let fate = sender.join().unwrap();
        closer.join().unwrap();
        assert_eq!(scene.sent.load(Ordering::Acquire) == 1, fate == Fate::Queued);
    });
}

/// The connection waits for its peer to take more, and is closed: that is told in any case.
#[test]
fn a_close_is_told_whatever_is_waited_for() {
    explore(Any, || {
        let (scene, conn) = Scene::new(0);
        // There was something, which is on its way to a client that does not take it.
        assert_eq!(scene.send(1), Fate::Queued);
        assert!(scene.outbox.look());
        let closed = scene.clone();
        let closer = thread::spawn(move || closed.shard.resume(closed.outbox.close('c')));
        if let Some(conn) = scene.shard.park(conn) {
            scene.serve(conn);
        }
        scene.drive();
        closer.join().unwrap();
    });
}

/// The same with one that is cut off because there is no room.
#[test]
fn who_is_cut_off_is_told_whatever_is_waited_for() {
    explore(Any, || {
        let (scene, conn) = Scene::new(0);
        assert_eq!(scene.send(1), Fate::Queued);
        assert!(scene.outbox.look());
        let sent = scene.clone();
        let sender = thread::spawn(move || {
            let put = sent.outbox.put(2, 1, ROOM, WithoutRoom::CutOff);
            assert_eq!(put.fate, Fate::Gone);
            assert_eq!(sent.outbox.openness(), Openness::Overrun);
            sent.shard.resume(put.wakes);
        });
        if let Some(conn) = scene.shard.park(conn) {
            scene.serve(conn);
        }
        scene.drive();
        sender.join().unwrap();
    });
}

/// The peer has sent more than the loop has room for: it is read from again when the loop has taken something.
#[test]
fn room_in_an_inbox_meets_parking() {
    explore(AtMost(3), || {
        let (scene, conn) = Scene::new(2);
        let read = scene.clone();
        let reader = thread::spawn(move || {
            for _ in 0..2 {
                let (received, is_to_look) = read.inbox.take(None);
                assert_eq!(received, Heard::Message(1));
                if is_to_look {
                    read.shard.resume(read.outbox.nudge());
                }
            }
            read.shard.resume(read.outbox.close('c'));
        });
        scene.serve(conn);
        scene.drive();
        reader.join().unwrap();
    });
}

/// A loop waits for a message while the end comes.
#[test]
fn a_loop_hears_of_the_end() {
    explore(Any, || {
        let inbox: Arc<Inbox<u8, char>> = Arc::new(Inbox::with_room(1));
        let read = inbox.clone();
        let reader = thread::spawn(move || {
            let mut messages = 0;
            loop {
                match read.take(None).0 {
                    Heard::Message(_) => messages += 1,
                    Heard::End('e') => return messages,
                    Heard::Last => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        assert!(inbox.has_room());
        inbox.put(1, 1);
        inbox.put_last();
        inbox.end('e');
        assert_eq!(reader.join().unwrap(), 1, "what came before is taken before");
    });
}

/// Two wait for room, one of whom gets it; then the socket ends.
#[test]
fn who_waits_for_room_is_told() {
    explore(AtMost(3), || {
        let outbox: Arc<Outbox<u8, char, ()>> = Arc::new(Outbox::new());
        assert_eq!(outbox.put(0, 1, ROOM, WithoutRoom::Refuse).fate, Fate::Queued);
        let senders = [1, 2].map(|item| {
            let outbox = outbox.clone();
            thread::spawn(move || outbox.put_when_room(item, 1, ROOM, None).fate)
        });
        assert_eq!(outbox.take(), FromOutbox::Item(0));
        outbox.end();
        let fates = senders.map(|sender| sender.join().unwrap());
        assert!(fates.iter().all(|fate| matches!(fate, Fate::Queued | Fate::Gone)));
        assert!(fates.contains(&Fate::Gone), "there was room for one");
    });
}
