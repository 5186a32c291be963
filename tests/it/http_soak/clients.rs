//! The kinds of clients: each function is one visit, and says how many answers it was given and checked.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use anthill_tests::client::get;
use anthill_tests::uploads::{chunked, sized, upload};
use anthill_tests::{LONG_PATIENCE, background};

use super::site::{Place, Site, Visit};

/// Chance that is the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

type Kind = (&'static str, usize, fn(&Place, &mut Dice) -> u64);

/// Names, how many of them, and what they do.
const KINDS: [Kind; 8] = [
    ("quick", 4, quick),
    ("patient", 6, patient),
    ("pipelining", 3, pipelining),
    ("reading a stream", 3, reading),
    ("sending a body", 3, sending),
    ("trickling", 4, trickling),
    ("leaving early", 4, leaving_early),
    ("only connecting", 2, only_connecting),
];

/// All of them at once for so long; how many answers they checked.
pub(super) fn crowd(site: &Site, time: Duration) -> u64 {
    let deadline = Instant::now() + time;
    let mut clients = Vec::new();
    for (name, count, visit) in KINDS {
        for number in 0..count {
            let (place, seed) = (site.place(), 0x9E37_79B9_7F4A_7C15 ^ ((number as u64 + 1) << name.len()));
            let client = background(move || {
                let mut dice = Dice(seed);
                let mut answers = 0;
                while answers == 0 || Instant::now() < deadline {
                    answers += visit(&place, &mut dice);
                }
                answers
            });
            clients.push((name, client));
        }
    }
    clients.into_iter().map(|(name, client)| client.outcome_within(time + LONG_PATIENCE, name)).sum()
}

/// Asks for `path` and checks the answer.
fn ask(visit: &mut Visit, path: &str, size: usize) -> u64 {
    let (target, asked) = visit.next(path, size);
    visit.client.send(get(&target));
    visit.hear(asked);
    1
}

/// Many small answers on one connection, and at its end now and then a farewell.
fn quick(place: &Place, dice: &mut Dice) -> u64 {
    let mut visit = place.visit();
    let mut answers = 0;
    for _ in 0..=dice.below(60) {
        answers += ask(&mut visit, "/fast", dice.below(2000));
    }
    if dice.one_in(2) {
        let (target, asked) = visit.next("/fast", 10);
        visit.client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
        visit.hear(asked);
        visit.client.expect_end();
        answers += 1;
    }
    visit.leave();
    answers
}

/// Handlers that block or compute.
fn patient(place: &Place, dice: &mut Dice) -> u64 {
    let mut visit = place.visit();
    let mut answers = 0;
    for _ in 0..=dice.below(20) {
        let path = if dice.one_in(4) { "/compute" } else { "/slow" };
        answers += ask(&mut visit, path, dice.below(2000));
    }
    visit.leave();
    answers
}

/// Requests of all kinds in one piece, or in pieces that end anywhere.
fn pipelining(place: &Place, dice: &mut Dice) -> u64 {
    let mut visit = place.visit();
    let mut answers = 0;
    for _ in 0..=dice.below(5) {
        let (mut bytes, mut all) = (Vec::new(), Vec::new());
        for _ in 0..2 + dice.below(30) {
            let path = ["/fast", "/fast", "/slow", "/compute", "/stream", "/upload"][dice.below(6)];
            let (target, asked) = visit.next(path, dice.below(3000));
            if path == "/upload" {
                bytes.extend(upload(&target, &asked.body()));
            } else {
                bytes.extend(get(&target).into_bytes());
            }
            all.push(asked);
        }
        let cut = if dice.one_in(2) { bytes.len() } else { dice.below(bytes.len()) };
        visit.client.send(&bytes[..cut]);
        visit.client.send(&bytes[cut..]);
        for asked in all {
            visit.hear(asked);
            answers += 1;
        }
    }
    visit.leave();
    answers
}

/// Bodies that a handler writes while they are sent, now and then more than the sockets hold and read late.
fn reading(place: &Place, dice: &mut Dice) -> u64 {
    let mut visit = place.visit();
    let mut answers = 0;
    for _ in 0..=dice.below(6) {
        let is_large = dice.one_in(16);
        let size = if is_large { 4 << 20 } else { dice.below(200_000) };
        let (target, asked) = visit.next("/stream", size);
        visit.client.send(get(&target));
        if is_large {
            thread::sleep(Duration::from_millis(50));
        }
        visit.hear(asked);
        answers += 1;
    }
    visit.leave();
    answers
}

/// Bodies of either framing, in pieces.
fn sending(place: &Place, dice: &mut Dice) -> u64 {
    let mut visit = place.visit();
    let mut answers = 0;
    for _ in 0..=dice.below(6) {
        let (target, asked) = visit.next("/upload", dice.below(300_000));
        let bytes = match dice.below(2) {
            0 => upload(&target, &asked.body()),
            _ => chunked(&target, &asked.body(), 10 + dice.below(20_000)),
        };
        let piece = 1000 + dice.below(100_000);
        for part in bytes.chunks(piece) {
            visit.client.send(part);
            if dice.one_in(4) {
                thread::sleep(Duration::from_millis(2));
            }
        }
        visit.hear(asked);
        answers += 1;
    }
    visit.leave();
    answers
}

/// A head and a body a byte at a time.
fn trickling(place: &Place, dice: &mut Dice) -> u64 {
    let mut visit = place.visit();
    for _ in 0..2 {
        let (target, asked) = visit.next("/upload", dice.below(50));
        for byte in upload(&target, &asked.body()) {
            visit.client.send([byte]);
            thread::sleep(Duration::from_millis(dice.below(4) as u64));
        }
        visit.hear(asked);
    }
    visit.leave();
    2
}

/// One answer, and then something that is begun and not waited for. Half of them leave that answer unread, which makes
/// the kernel reset the connection when it is closed.
fn leaving_early(place: &Place, dice: &mut Dice) -> u64 {
    let mut visit = place.visit();
    let (target, first) = visit.next("/fast", 100);
    visit.client.send(get(&target));
    let resets = dice.one_in(2);
    if resets {
        let arrived = visit.client.stream().peek(&mut [0]).expect("an answer");
        assert_eq!(arrived, 1, "the connection was closed in place of an answer");
    } else {
        visit.hear(first);
    }
    begin_something(&mut visit, dice);
    if dice.one_in(2) {
        thread::sleep(Duration::from_micros(dice.below(5000) as u64));
    }
    u64::from(!resets)
}

fn begin_something(visit: &mut Visit, dice: &mut Dice) {
    let (path, size) =
        [("/slow", 10), ("/compute", 10), ("/stream", 500_000), ("/upload", 100_000), ("/fast", 10)]
            [dice.below(5)];
    let (target, asked) = visit.next(path, size);
    let bytes = match path {
        "/upload" if dice.one_in(2) => sized(&target, size).into_bytes(),
        "/upload" => [sized(&target, size).into_bytes(), asked.body()].concat(),
        _ => get(&target).into_bytes(),
    };
    // All of it, half of it, or with more behind it.
    let end = if dice.one_in(3) { bytes.len() / 2 } else { bytes.len() };
    let more = if dice.one_in(4) { get(&visit.next("/slow", 10).0) } else { String::new() };
    let is_whole = end == bytes.len();
    // Its answer to the first request may be there already, but nobody has closed anything.
    visit.client.send(&bytes[..end]);
    if is_whole {
        visit.client.send(more);
    }
    match dice.below(3) {
        0 => {
            // Some of it, if any comes: half a request gets no answer.
            let stream = visit.client.stream();
            stream.set_read_timeout(Some(Duration::from_millis(20))).expect("an option of every socket");
            let _ = (&*stream).read(&mut [0; 100]);
        }
        1 => visit.client.finish_sending(),
        _ => {}
    }
}

/// Connections that come and go: closed at once, with half a line sent, or reset behind an unread answer. One in many
/// is used.
fn only_connecting(place: &Place, dice: &mut Dice) -> u64 {
    for _ in 0..20 {
        let mut visit = place.visit();
        match dice.below(4) {
            0 => {}
            1 => _ = visit.client.stream().write(b"GET /fa"),
            2 => _ = visit.client.stream().shutdown(Shutdown::Both),
            _ => {
                let (target, _) = visit.next("/fast", 1);
                visit.client.send(get(&target));
                let arrived = visit.client.stream().peek(&mut [0]).expect("an answer");
                assert_eq!(arrived, 1, "the connection was closed in place of an answer");
            }
        }
        drop(visit);
        thread::sleep(Duration::from_micros(500));
    }
    let mut visit = place.visit();
    let answers = ask(&mut visit, "/fast", 10);
    visit.leave();
    answers
}
