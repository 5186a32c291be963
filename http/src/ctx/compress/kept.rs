//! What has become of bodies that live as long as the program.
//!
//! The idea: such a body is known by its place, because nothing else can ever be there. Whoever is asked for one first
//! compresses it as any other, at its client's pace, and what its client gets is kept.
//!
//! The rules: nobody waits for another, and nothing is compressed for being kept alone. What is under way is within the
//! bound as well. What did not fit is known, so that nobody tries again.

use crate::message::response::BodyWitness;
use crate::values::coding::ContentCoding;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Results, as many as fit.
pub(super) struct KeptBodies(Arc<Shelf>);

struct Shelf {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

/// Where a body is, how long it is, and in which coding.
type BodyPlace = (usize, usize, ContentCoding);

#[derive(Default)]
struct Kept {
    fates: HashMap<BodyPlace, KeptFate>,
    /// Of results, and of what is kept beside them.
    bytes: usize,
    /// Of results that are not whole.
    begun_bytes: usize,
    begun: u64,
}

/// What has become of a body.
enum KeptFate {
    Begun {
        /// Which one of those that were begun.
        number: u64,
        at: Instant,
    },
    Encoded(Arc<[u8]>),
    NoShorter,
    NoRoom,
}

/// What is to become of a body.
pub(super) enum KeptBody {
    /// This.
    Encoded(Arc<[u8]>),
    /// It stays as it is.
    NoShorter,
    /// Nobody has compressed it yet; the witness is to see it done.
    First(Keeper),
    /// Somebody does.
    Begun,
    /// It is compressed each time.
    NoRoom,
}

/// What a result takes beside its bytes.
const ENTRY_BYTES: usize = 128;

/// After this somebody else tries as well: a client may take forever.
const BEGUN_AGE_MAX: Duration = Duration::from_secs(10);

impl KeptBodies {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Shelf { bytes_max, kept: Mutex::default() }))
    }

    pub(super) fn is_used(&self) -> bool {
        self.0.bytes_max > 0
    }

    /// What is to become of `body` in that coding.
    pub(super) fn get(&self, body: &'static [u8], coding: ContentCoding, now: Instant) -> KeptBody {
        let place = (body.as_ptr() as usize, body.len(), coding);
        let mut kept = self.0.kept.lock();
        let is_known = match kept.fates.get(&place) {
            Some(KeptFate::Encoded(bytes)) => return KeptBody::Encoded(bytes.clone()),
            Some(KeptFate::NoShorter) => return KeptBody::NoShorter,
            Some(KeptFate::NoRoom) => return KeptBody::NoRoom,
            Some(KeptFate::Begun { at, .. }) if now.saturating_duration_since(*at) < BEGUN_AGE_MAX => {
                return KeptBody::Begun;
            }
            Some(KeptFate::Begun { .. }) => true,
            None => false,
        };
        if !is_known {
            let spoken_for = kept.bytes.saturating_add(kept.begun_bytes);
            if spoken_for.saturating_add(ENTRY_BYTES) > self.0.bytes_max {
                return KeptBody::NoRoom;
            }
            kept.bytes += ENTRY_BYTES;
        }
        kept.begun += 1;
        let number = kept.begun;
        kept.fates.insert(place, KeptFate::Begun { number, at: now });
        KeptBody::First(Keeper { shelf: self.0.clone(), place, number, copy: Vec::new(), is_decided: false })
    }
}

/// Keeps what it sees of one body.
pub(super) struct Keeper {
    shelf: Arc<Shelf>,
    place: BodyPlace,
    number: u64,
    copy: Vec<u8>,
    is_decided: bool,
}

impl Keeper {
    /// `None`: as if it had never begun.
    fn decide(&mut self, fate: Option<KeptFate>) {
        self.is_decided = true;
        let mut kept = self.shelf.kept.lock();
        kept.begun_bytes -= self.copy.len();
        let Some(&KeptFate::Begun { number, .. }) = kept.fates.get(&self.place) else { return };
        match fate {
            Some(fate) => {
                if let KeptFate::Encoded(bytes) = &fate {
                    kept.bytes += bytes.len();
                }
                kept.fates.insert(self.place, fate);
            }
            None if number == self.number => {
                kept.fates.remove(&self.place);
                kept.bytes -= ENTRY_BYTES;
            }
            // Somebody else is at it by now.
            None => {}
        }
    }
}

impl BodyWitness for Keeper {
    fn see(&mut self, bytes: &[u8]) -> bool {
        let (_, plain_bytes, _) = self.place;
        let length = self.copy.len().saturating_add(bytes.len());
        if length >= plain_bytes {
            self.decide(Some(KeptFate::NoShorter));
            return false;
        }
        let mut kept = self.shelf.kept.lock();
        let room = self.shelf.bytes_max.saturating_sub(kept.bytes);
        if kept.begun_bytes.saturating_add(bytes.len()) > room {
            drop(kept);
            // What others have begun may come to nothing, so that there is room next time.
            self.decide((length > room).then_some(KeptFate::NoRoom));
            return false;
        }
        kept.begun_bytes += bytes.len();
        drop(kept);
        self.copy.extend_from_slice(bytes);
        true
    }

    fn end(&mut self) {
        let fate = match &self.copy[..] {
            [] => KeptFate::NoShorter,
            bytes => KeptFate::Encoded(bytes.into()),
        };
        self.decide(Some(fate));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if !self.is_decided {
            self.decide(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BODY: [u8; 1000] = [b'a'; 1000];
    static OTHER: [u8; 1000] = [b'b'; 1000];
    const CODING: ContentCoding = ContentCoding::ALL[0];

    fn get(kept: &KeptBodies, body: &'static [u8]) -> KeptBody {
        kept.get(body, CODING, Instant::now())
    }

    fn first(kept: &KeptBodies, body: &'static [u8]) -> Keeper {
        match get(kept, body) {
            KeptBody::First(keeper) => keeper,
            _ => panic!("somebody was here before"),
        }
    }

    fn bytes(kept: &KeptBodies) -> (usize, usize) {
        let kept = kept.0.kept.lock();
        (kept.bytes, kept.begun_bytes)
    }

    #[test]
    fn cmp_02_the_first_compresses_for_all() {
        let kept = KeptBodies::new(1000);
        let mut keeper = first(&kept, &BODY);
        assert!(keeper.see(&[1, 2]));
        assert!(matches!(get(&kept, &BODY), KeptBody::Begun), "once is enough");
        assert!(keeper.see(&[3]));
        keeper.end();
        drop(keeper);
        for _ in 0..2 {
            assert!(matches!(get(&kept, &BODY), KeptBody::Encoded(bytes) if *bytes == [1, 2, 3]));
        }
        assert_eq!(bytes(&kept), (ENTRY_BYTES + 3, 0));
        // A part of it is another body.
        assert!(matches!(get(&kept, &BODY[1..]), KeptBody::First(_)));
    }

    #[test]
    fn cmp_02_who_goes_before_the_end_has_never_begun() {
        let kept = KeptBodies::new(1000);
        for _ in 0..3 {
            let mut keeper = first(&kept, &BODY);
            assert!(keeper.see(&[0; 500]));
            drop(keeper);
            assert_eq!(bytes(&kept), (0, 0));
        }
    }

    #[test]
    fn cmp_02_what_is_no_shorter_or_does_not_fit_is_known() {
        let kept = KeptBodies::new(1000);
        let mut keeper = first(&kept, &BODY);
        assert!(keeper.see(&[0; 500]) && !keeper.see(&[0; 500]));
        drop(keeper);
        assert!(matches!(get(&kept, &BODY), KeptBody::NoShorter));
        first(&kept, &BODY[1..]).end();
        assert!(matches!(get(&kept, &BODY[1..]), KeptBody::NoShorter));

        let mut keeper = first(&kept, &OTHER);
        assert!(keeper.see(&[0; 500]) && !keeper.see(&[0; 400]));
        drop(keeper);
        assert!(matches!(get(&kept, &OTHER), KeptBody::NoRoom));
        assert_eq!(bytes(&kept), (3 * ENTRY_BYTES, 0));
        // Nor is there an end of what is remembered.
        for end in 100..200 {
            drop(get(&kept, &OTHER[..end]));
            if let KeptBody::First(mut keeper) = get(&kept, &OTHER[..end]) {
                keeper.end();
            }
        }
        assert!(bytes(&kept).0 <= 1000 && kept.0.kept.lock().fates.len() == 7);
        assert!(matches!(get(&kept, &OTHER[..199]), KeptBody::NoRoom));
    }

    #[test]
    fn cmp_02_a_body_that_is_begun_beside_others_is_within_the_bound() {
        let kept = KeptBodies::new(1000);
        let mut large = first(&kept, &BODY);
        assert!(large.see(&[0; 1000 - ENTRY_BYTES]), "all the room there is");
        assert!(matches!(get(&kept, &OTHER), KeptBody::NoRoom));
        large.end();
        assert_eq!(bytes(&kept), (1000, 0));
    }

    #[test]
    fn cmp_02_room_that_others_have_only_begun_to_take_may_come_back() {
        let kept = KeptBodies::new(1000);
        let (mut large, mut other) = (first(&kept, &BODY), first(&kept, &OTHER));
        assert!(large.see(&[0; 700]) && !other.see(&[0; 300]));
        drop((large, other));
        let mut keeper = first(&kept, &OTHER);
        assert!(keeper.see(&[0; 300]));
        keeper.end();
        assert!(matches!(get(&kept, &OTHER), KeptBody::Encoded(_)));
    }

    #[test]
    fn cmp_02_a_client_that_takes_forever_does_not_keep_others_from_it() {
        let kept = KeptBodies::new(10_000);
        let begin = Instant::now();
        let KeptBody::First(mut slow) = kept.get(&BODY, CODING, begin) else { panic!("nobody was here") };
        assert!(slow.see(&[0; 100]));
        assert!(matches!(kept.get(&BODY, CODING, begin), KeptBody::Begun));
        let later = begin + BEGUN_AGE_MAX;
        let KeptBody::First(mut quick) = kept.get(&BODY, CODING, later) else { panic!("it was long ago") };
        assert!(matches!(kept.get(&BODY, CODING, later), KeptBody::Begun));
        assert!(quick.see(&[1; 50]));
        quick.end();
        assert!(slow.see(&[0; 100]));
        slow.end();
        drop((slow, quick));
        assert!(matches!(get(&kept, &BODY), KeptBody::Encoded(bytes) if *bytes == [1; 50]));
        assert_eq!(bytes(&kept), (ENTRY_BYTES + 50, 0));
    }
}
