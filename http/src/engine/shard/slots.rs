//! The connections of a shard: where each is, and that no readiness is lost.
//!
//! A connection is either *parked* here, or *out*: taken by the one thread that serves it. The poller reports each
//! change of readiness once (it is edge-triggered), also while the connection is out; then the report is kept with the
//! slot, and whoever parks the connection gets it back together with the report, to serve it once more. So between
//! "the socket has nothing" and "the connection is parked" nothing can slip through.
//!
//! Tokens carry the slot's generation: a report for a connection that is gone finds nobody.

use crate::engine::dispatch::queue::Ticket;

/// What the poller reported, or several reports in one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has sent everything it will ever send.
    pub(crate) read_closed: bool,
}

impl Readiness {
    fn is_some(self) -> bool {
        self.readable || self.writable || self.read_closed
    }

    pub(crate) fn add(&mut self, other: Readiness) {
        self.readable |= other.readable;
        self.writable |= other.writable;
        self.read_closed |= other.read_closed;
    }
}

/// How a slot's number and its generation share the bits of the number that the poller takes.
#[derive(Clone, Copy, Debug)]
struct Layout {
    index_bits: u32,
    generation_bits: u32,
}

impl Layout {
    /// That of this machine, whose poller takes a `usize`.
    const HERE: Self = Self::of(usize::BITS);

    /// That of numbers of so many bits. A token is late by a few generations at most, and there can be no more
    /// connections than their memory has room for.
    const fn of(bits: u32) -> Self {
        match bits {
            64 => Self { index_bits: 32, generation_bits: 32 },
            32 => Self { index_bits: 20, generation_bits: 12 },
            _ => panic!("the engine knows pointers of 32 and of 64 bits only"),
        }
    }

    const fn pack(self, index: u32, generation: u32) -> u64 {
        (generation as u64) << self.index_bits | index as u64
    }

    const fn index(self, number: u64) -> u32 {
        (number & ((1 << self.index_bits) - 1)) as u32
    }

    const fn generation(self, number: u64) -> u32 {
        (number >> self.index_bits) as u32
    }

    /// The generation behind this one; after the last comes the first.
    const fn next(self, generation: u32) -> u32 {
        ((generation as u64 + 1) & ((1 << self.generation_bits) - 1)) as u32
    }

    /// How many slots have a number, but for the last, which belongs to the poller's waker.
    const fn slots(self) -> u64 {
        (1 << self.index_bits) - 1
    }
}

/// The most connections that a shard has room for.
pub(crate) const CONNECTIONS_MAX: usize = Layout::HERE.slots() as usize;

/// Names a connection for the poller: slot number and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(u64);

impl Token {
    /// The number given to the poller.
    pub(crate) fn to_number(self) -> usize {
        self.0 as usize
    }

    /// The token of a number that the poller gave back.
    pub(crate) fn from_number(number: usize) -> Self {
        Token(number as u64)
    }

    fn new(index: u32, generation: u32) -> Self {
        Token(Layout::HERE.pack(index, generation))
    }

    /// The slot's number.
    pub(crate) fn index(self) -> usize {
        Layout::HERE.index(self.0) as usize
    }

    fn generation(self) -> u32 {
        Layout::HERE.generation(self.0)
    }
}

#[derive(Debug)]
struct Slot<C> {
    generation: u32,
    state: SlotState<C>,
}

#[derive(Debug)]
enum SlotState<C> {
    Vacant,
    Parked(C),
    Out(OutSlot),
}

/// What is noted of a connection that is out.
#[derive(Clone, Copy, Debug, Default)]
struct OutSlot {
    missed: Readiness,
    /// Where it waits for a worker, if it does.
    ticket: Ticket,
}

/// All slots of a shard; under its lock.
#[derive(Debug)]
pub(crate) struct Slots<C> {
    slots: Vec<Slot<C>>,
    vacant: Vec<u32>,
    taken: usize,
    /// Idle connections are not parked any more.
    stopping: bool,
}

impl<C> Slots<C> {
    pub(crate) fn new() -> Self {
        Slots { slots: Vec::new(), vacant: Vec::new(), taken: 0, stopping: false }
    }

    /// Connections there are, parked or out.
    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    /// A slot for a new connection, which counts as out.
    pub(crate) fn reserve(&mut self) -> Token {
        self.taken += 1;
        let out = SlotState::Out(OutSlot::default());
        if let Some(index) = self.vacant.pop() {
            let slot = &mut self.slots[index as usize];
            slot.state = out;
            return Token::new(index, slot.generation);
        }
        assert!(self.slots.len() < CONNECTIONS_MAX, "no more connections are admitted");
        let index = self.slots.len() as u32;
        self.slots.push(Slot { generation: 0, state: out });
        Token::new(index, 0)
    }

    /// The poller's report. `Some`: the connection, which is now out and must be served. `None`: it is out already, and
    /// the report is kept for whoever parks it; or it is gone.
    pub(crate) fn report(&mut self, token: Token, readiness: Readiness) -> Option<C> {
        let slot = self.slot(token)?;
        match &mut slot.state {
            SlotState::Vacant => None,
            SlotState::Out(out) => {
                out.missed.add(readiness);
                None
            }
            SlotState::Parked(_) => take(slot),
        }
    }

    /// A connection that is out waits for a worker, and this is its ticket. (If it does not any more, that does no
    /// harm.)
    pub(crate) fn note_ticket(&mut self, token: Token, ticket: Ticket) {
        if let Some(Slot { state: SlotState::Out(out), .. }) = self.slot(token) {
            out.ticket = ticket;
        }
    }

    /// The ticket of a connection that is out, if it waits for a worker.
    pub(crate) fn ticket(&mut self, token: Token) -> Option<Ticket> {
        match &self.slot(token)?.state {
            SlotState::Out(out) => Some(out.ticket).filter(|ticket| *ticket != Ticket::default()),
            SlotState::Vacant | SlotState::Parked(_) => None,
        }
    }

    /// Takes a parked connection; `None` when it is out or gone.
    pub(crate) fn take(&mut self, token: Token) -> Option<C> {
        let slot = self.slot(token)?;
        match slot.state {
            SlotState::Parked(_) => take(slot),
            SlotState::Vacant | SlotState::Out(_) => None,
        }
    }

    /// How many slots there are, taken or not.
    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }

    /// The connection that is parked in the slot of this number.
    pub(crate) fn parked(&self, index: usize) -> Option<&C> {
        match &self.slots.get(index)?.state {
            SlotState::Parked(connection) => Some(connection),
            SlotState::Vacant | SlotState::Out(_) => None,
        }
    }

    /// Puts a connection back. When something was reported since it was taken, it comes straight back with the report
    /// and stays out; so does an idle one, as if it were readable, once the table is stopping: whoever served it may
    /// not have known yet.
    pub(crate) fn park(&mut self, token: Token, connection: C, is_idle: bool) -> Result<(), (C, Readiness)> {
        let must_look_again = is_idle && self.stopping;
        let Some(slot) = self.slot(token) else {
            debug_assert!(false, "parked after its end");
            return Ok(());
        };
        match &mut slot.state {
            SlotState::Out(out) if out.missed.is_some() => Err((connection, std::mem::take(out).missed)),
            SlotState::Out(_) if must_look_again => {
                Err((connection, Readiness { readable: true, ..Readiness::default() }))
            }
            state => {
                debug_assert!(matches!(state, SlotState::Out(_)), "a connection is in one place");
                *state = SlotState::Parked(connection);
                Ok(())
            }
        }
    }

    /// Ends a connection that is out.
    pub(crate) fn release(&mut self, token: Token) {
        let Some(slot) = self.slot(token) else { return };
        if matches!(slot.state, SlotState::Vacant) {
            return;
        }
        slot.generation = Layout::HERE.next(slot.generation);
        slot.state = SlotState::Vacant;
        self.vacant.push(token.index() as u32);
        self.taken -= 1;
    }

    /// Takes all parked connections out, and lets no idle one be parked from now on.
    pub(crate) fn stop(&mut self) -> Vec<C> {
        self.stopping = true;
        self.slots
            .iter_mut()
            .filter(|slot| matches!(slot.state, SlotState::Parked(_)))
            .filter_map(take)
            .collect()
    }

    fn slot(&mut self, token: Token) -> Option<&mut Slot<C>> {
        self.slots.get_mut(token.index()).filter(|slot| slot.generation == token.generation())
    }
}

fn take<C>(slot: &mut Slot<C>) -> Option<C> {
    match std::mem::replace(&mut slot.state, SlotState::Out(OutSlot::default())) {
        SlotState::Parked(connection) => Some(connection),
        SlotState::Vacant | SlotState::Out(_) => None,
    }
}

#[cfg(all(test, not(anthill_loom)))]
mod tests {
    use super::*;

    const READABLE: Readiness = Readiness { readable: true, writable: false, read_closed: false };
    const CLOSED: Readiness = Readiness { readable: false, writable: false, read_closed: true };

    #[test]
    fn a_report_while_out_is_handed_to_whoever_parks() {
        let mut slots = Slots::new();
        let token = slots.reserve();
        assert_eq!(slots.park(token, 'c', false), Ok(()));
        assert_eq!(slots.report(token, READABLE), Some('c'));
        assert_eq!(slots.report(token, READABLE), None);
        assert_eq!(slots.report(token, CLOSED), None);
        let both = Readiness { readable: true, writable: false, read_closed: true };
        assert_eq!(slots.park(token, 'c', false), Err(('c', both)));
        assert_eq!(slots.park(token, 'c', false), Ok(()), "a report is handed over once");
        assert_eq!(slots.take(token), Some('c'));
        assert_eq!(slots.take(token), None);
    }

    #[test]
    fn once_stopping_only_busy_connections_are_parked() {
        let mut slots = Slots::new();
        let tokens: Vec<Token> = (0..3).map(|_| slots.reserve()).collect();
        assert_eq!(slots.park(tokens[0], 0, true), Ok(()));
        assert_eq!(slots.park(tokens[1], 1, false), Ok(()));
        assert_eq!(slots.stop(), [0, 1], "all that were parked");
        assert_eq!(slots.park(tokens[2], 2, true), Err((2, READABLE)));
        assert_eq!(slots.park(tokens[1], 1, false), Ok(()));
    }

    #[test]
    fn a_stale_token_finds_nobody() {
        let mut slots = Slots::new();
        let first = slots.reserve();
        slots.release(first);
        slots.release(first);
        let second = slots.reserve();
        assert_ne!(first, second);
        assert_eq!(slots.park(second, 's', true), Ok(()));
        assert_eq!(slots.report(first, READABLE), None);
        assert_eq!(slots.len(), 1);
        assert_eq!(Token::from_number(second.to_number()), second);
        assert_eq!(slots.report(Token::from_number(usize::MAX), READABLE), None);
    }

    #[test]
    fn engine_f11_number_and_generation_fit_into_any_pointer() {
        for bits in [32, 64] {
            let layout = Layout::of(bits);
            assert_eq!(layout.index_bits + layout.generation_bits, bits);
            let last_slot = u32::try_from(layout.slots() - 1).expect("slots are numbered by 32 bits");
            let last_generation =
                u32::try_from((1u64 << layout.generation_bits) - 1).expect("so are generations");
            let mut seen = Vec::new();
            for index in [0, 1, 262_143, last_slot] {
                for generation in [0, 1, 2, last_generation - 1, last_generation] {
                    let number = layout.pack(index, generation);
                    assert_eq!(
                        (layout.index(number), layout.generation(number)),
                        (index, generation),
                        "{bits} bits"
                    );
                    assert!(
                        u128::from(number) < 1 << bits,
                        "nothing is cut off of {number:x} in {bits} bits"
                    );
                    // The waker's.
                    assert_ne!(u128::from(number), (1 << bits) - 1);
                    seen.push(number);
                }
            }
            let count = seen.len();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), count, "each has a number of its own");
            assert_eq!((layout.next(0), layout.next(last_generation)), (1, 0));
        }
    }

    #[test]
    fn engine_f11_a_slot_can_be_used_for_ever() {
        let mut slots = Slots::new();
        let mut last = slots.reserve();
        // More often than there are generations where they are fewest.
        for _ in 0..5000 {
            slots.release(last);
            let next = slots.reserve();
            assert_ne!(next, last);
            assert_eq!(slots.park(next, 'c', false), Ok(()));
            assert_eq!(slots.report(last, READABLE), None);
            let reported = Token::from_number(next.to_number());
            assert_eq!(slots.report(reported, READABLE), Some('c'));
            last = next;
        }
    }
}
