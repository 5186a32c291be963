//! When a WebSocket is looked at although nothing happens on it, in milliseconds of whoever serves it.
//!
//! The idea: whatever came from the peer says that it is there; when nothing came for the interval it is asked by a
//! ping, and given up if nothing comes for the timeout behind that.
//!
//! The rule: nobody is given up for the time that the user's code, or somebody else's, took. What is awaited of a peer
//! is judged when a read has just found nothing of it; while it is not read from its time does not pass; and behind the
//! user's code its time to speak begins anew. Only the end has its time whatever else happens. While something is to be
//! sent that the peer does not take it can be neither asked nor heard, so there its taking is what shows that it is
//! there: one that takes nothing for as long as it may be silent is given up.

use std::time::Duration;

/// How long what may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketTimeouts {
    pub(crate) ping: Option<Duration>,
    pub(crate) pong: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) close: Duration,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Perhaps something is, unless there is something to be read.
    Look,
    /// The peer is to be asked whether it is there.
    Ping,
    /// It has not answered.
    Lost,
    /// No message came or went for too long.
    Idle,
    /// It has not answered a close frame, or not taken it.
    Close,
}

/// Reads one after the other that bring no message, at which it is judged whether the peer says anything at all.
const MANY_READS: u32 = 16;

/// The times of one socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct SocketTimes {
    /// When something came last, whatever it was.
    heard: u64,
    /// When a ping was sent, since when nothing came.
    asked: Option<u64>,
    /// When a message came or went last, or the user's code was done.
    spoke: u64,
    /// When it was seen that nothing else had come.
    looked: u64,
    /// Reads since then, or since there was a message.
    fruitless: u32,
    /// The user's code was run, for so long as is found out next.
    has_run: bool,
    /// Since when the peer has taken nothing of what is to be sent.
    stalled: Option<u64>,
    /// When the end was begun.
    closing: Option<u64>,
}

impl SocketTimes {
    /// Those of a socket that opens `now`.
    pub(super) fn new(now: u64) -> Self {
        Self {
            heard: now,
            asked: None,
            spoke: now,
            looked: now,
            fruitless: 0,
            has_run: false,
            stalled: None,
            closing: None,
        }
    }

    /// Something has come.
    pub(super) fn heard(&mut self, now: u64) {
        self.heard = now;
        self.asked = None;
        self.fruitless = self.fruitless.saturating_add(1);
    }

    /// Nothing else has come.
    pub(super) fn looked(&mut self, now: u64) {
        self.looked = now;
        self.fruitless = 0;
    }

    /// Whether so much has come that it is judged without waiting for the end of it, although there was no message.
    pub(super) fn are_reads_fruitless(&mut self, now: u64) -> bool {
        let are_many = self.fruitless >= MANY_READS;
        if are_many {
            self.looked(now);
        }
        are_many
    }

    /// The user's code was run.
    pub(super) fn ran(&mut self) {
        self.has_run = true;
    }

    /// Whoever serves goes on, `now`.
    pub(super) fn goes_on(&mut self, now: u64) {
        if std::mem::take(&mut self.has_run) {
            self.spoke(now);
        }
    }

    /// A message has come, or was sent, or the user's code kept the peer from being heard.
    pub(super) fn spoke(&mut self, now: u64) {
        self.spoke = now;
        self.fruitless = 0;
    }

    /// A ping was sent.
    pub(super) fn asked(&mut self, now: u64) {
        self.asked = Some(now);
    }

    /// Something is to be sent for which there is no room. `has_moved`: some was taken since that was said last.
    pub(super) fn stalls(&mut self, now: u64, has_moved: bool) {
        if has_moved {
            self.stalled = None;
        }
        self.stalled.get_or_insert(now);
    }

    /// Everything was sent.
    pub(super) fn flows(&mut self) {
        self.stalled = None;
    }

    /// The end begins.
    pub(super) fn closes(&mut self, now: u64) {
        self.closing.get_or_insert(now);
    }

    /// The first moment at which something is due, and what. `reads`: what comes is read; else the peer can neither
    /// show that it is there nor say anything.
    fn next(&self, limits: &SocketTimeouts, reads: bool) -> Option<(u64, Due)> {
        if let Some(since) = self.closing {
            return Some((after(since, limits.close), Due::Close));
        }
        if !reads {
            return None;
        }
        let life = match (limits.ping, self.asked) {
            (None, _) => None,
            (Some(_), Some(asked)) => Some((after(asked, limits.pong), Due::Lost)),
            (Some(interval), None) => Some((after(self.heard, interval), Due::Ping)),
        };
        let idle = limits.idle.map(|limit| (after(self.spoke, limit), Due::Idle));
        [life, idle].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// What is due at `now`.
    pub(super) fn due(&self, limits: &SocketTimeouts, reads: bool, now: u64) -> Due {
        match self.next(limits, reads) {
            Some((at, due)) if at <= now => match due {
                Due::Lost | Due::Idle if self.looked < at => Due::Look,
                due => due,
            },
            _ => Due::Nothing,
        }
    }

    /// When something is due next.
    pub(super) fn deadline(&self, limits: &SocketTimeouts, reads: bool) -> Option<u64> {
        self.next(limits, reads).map(|(at, _)| at)
    }

    /// When the peer is given up if it takes nothing of what is to be sent.
    pub(super) fn write_deadline(&self, limits: &SocketTimeouts) -> Option<u64> {
        let stalled = self.stalled.and_then(|since| {
            let silence = limits.ping.map(|interval| {
                // A server of ours may be heard meanwhile.
                after(since.max(self.heard), interval.saturating_add(limits.pong))
            });
            let idle = limits.idle.map(|limit| after(since.max(self.spoke), limit));
            [silence, idle].into_iter().flatten().min()
        });
        [stalled, self.close_deadline(limits)].into_iter().flatten().min()
    }

    /// Until when the end may take, if it was begun.
    pub(super) fn close_deadline(&self, limits: &SocketTimeouts) -> Option<u64> {
        self.closing.map(|since| after(since, limits.close))
    }
}

/// So long after `from`, which was rounded down.
fn after(from: u64, limit: Duration) -> u64 {
    let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    from.saturating_add(millis).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SocketTimeouts = SocketTimeouts {
        ping: Some(Duration::from_millis(100)),
        pong: Duration::from_millis(50),
        idle: Some(Duration::from_millis(1000)),
        close: Duration::from_millis(30),
    };

    #[test]
    fn who_is_silent_is_asked_and_given_up() {
        let mut times = SocketTimes::new(0);
        assert_eq!((times.due(&LIMITS, true, 100), times.deadline(&LIMITS, true)), (Due::Nothing, Some(101)));
        assert_eq!(times.due(&LIMITS, true, 101), Due::Ping);
        times.asked(101);
        times.looked(151);
        assert_eq!((times.due(&LIMITS, true, 151), times.due(&LIMITS, true, 152)), (Due::Nothing, Due::Look));
        times.looked(152);
        assert_eq!(times.due(&LIMITS, true, 152), Due::Lost);
        times.heard(140);
        assert_eq!((times.due(&LIMITS, true, 152), times.deadline(&LIMITS, true)), (Due::Nothing, Some(241)));
    }

    #[test]
    fn who_is_not_read_from_is_not_judged() {
        let mut times = SocketTimes::new(0);
        times.asked(10);
        times.looked(2000);
        assert_eq!((times.due(&LIMITS, false, 2000), times.deadline(&LIMITS, false)), (Due::Nothing, None));
    }

    #[test]
    fn pongs_are_no_messages_and_an_end_has_its_own_time() {
        let mut times = SocketTimes::new(0);
        times.spoke(500);
        times.heard(1490);
        times.looked(1501);
        assert_eq!(
            (times.due(&LIMITS, true, 1500), times.due(&LIMITS, true, 1501)),
            (Due::Nothing, Due::Idle)
        );
        times.closes(1501);
        times.closes(1520);
        assert_eq!(
            (times.due(&LIMITS, true, 1531), times.due(&LIMITS, false, 1532)),
            (Due::Nothing, Due::Close)
        );
        assert_eq!(times.close_deadline(&LIMITS), Some(1532));
    }

    #[test]
    fn who_takes_nothing_is_given_up_by_the_limits_of_who_says_nothing() {
        let mut times = SocketTimes::new(0);
        assert_eq!(times.write_deadline(&LIMITS), None, "nothing is to be sent");
        times.stalls(20, false);
        times.stalls(90, false);
        assert_eq!(times.write_deadline(&LIMITS), Some(20 + 150 + 1));
        times.stalls(100, true);
        assert_eq!(times.write_deadline(&LIMITS), Some(100 + 150 + 1), "it has taken some");
        // It is heard all the same, by a client of ours; then only messages count.
        times.heard(900);
        assert_eq!(times.write_deadline(&LIMITS), Some(900 + 150 + 1));
        let unasked = SocketTimeouts { ping: None, ..LIMITS };
        assert_eq!(times.write_deadline(&unasked), Some(100 + 1000 + 1));
        times.spoke(500);
        assert_eq!(times.write_deadline(&unasked), Some(500 + 1000 + 1));
        assert_eq!(times.write_deadline(&SocketTimeouts { idle: None, ..unasked }), None);
        times.closes(950);
        assert_eq!(times.write_deadline(&LIMITS), Some(950 + 30 + 1));
        times.flows();
        times.stalls(2000, false);
        assert_eq!(times.write_deadline(&SocketTimeouts { close: Duration::MAX, ..LIMITS }), Some(2151));
    }

    #[test]
    fn without_limits_nothing_is_due() {
        let limits = SocketTimeouts { ping: None, idle: None, ..LIMITS };
        assert_eq!(SocketTimes::new(0).deadline(&limits, true), None);
    }
}
