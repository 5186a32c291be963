//! A connection that is as unsteady as connections are: short reads, short writes, interruptions, time-outs, errors.
//!
//! The rule: whatever goes wrong goes wrong once. Habits repeat as far as they only cut; so every conversation ends.

use std::io::{self, ErrorKind, Read, Write};

use crate::wire::{Script, Wire, WireView};

/// What reads and writes do, one byte for each. Up to 200: so many bytes at most, and 0 is as many as there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Habits {
    pub(super) reads: Vec<u8>,
    pub(super) writes: Vec<u8>,
}

/// The most bytes that a habit can ask for; what is above is a mishap.
const COUNT_MAX: u8 = 200;

impl Habits {
    /// Byte by byte.
    pub(super) fn byte_by_byte() -> Self {
        Habits { reads: vec![1], writes: Vec::new() }
    }

    /// Whether something goes wrong that a peer can see.
    pub(super) fn have_mishaps(&self) -> bool {
        let hurts = |habits: &[u8], mishap: fn(u8) -> Option<ErrorKind>| {
            habits.iter().any(|habit| mishap(*habit).is_some_and(|kind| kind != ErrorKind::Interrupted))
        };
        hurts(&self.reads, read_mishap) || hurts(&self.writes, write_mishap)
    }
}

/// The server's end of such a connection.
#[derive(Debug)]
pub(super) struct Line {
    wire: Wire,
    habits: Habits,
    reads: usize,
    writes: usize,
}

impl Line {
    /// A connection whose peer sends `input` and then closes.
    pub(super) fn new(input: &[u8], habits: Habits) -> (Self, WireView) {
        let (wire, view) = Wire::new(Script::new(input));
        (Line { wire, habits, reads: 0, writes: 0 }, view)
    }
}

impl Read for Line {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let most = next(&self.habits.reads, &mut self.reads, read_mishap)?.min(room.len());
        self.wire.read(&mut room[..most])
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = next(&self.habits.writes, &mut self.writes, write_mishap)?.min(bytes.len());
        self.wire.write(&bytes[..most])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The most bytes of the next read or write, or what goes wrong with it.
fn next(habits: &[u8], turn: &mut usize, mishap: fn(u8) -> Option<ErrorKind>) -> io::Result<usize> {
    let is_first_round = *turn < habits.len();
    let habit = turn.checked_rem(habits.len()).map_or(0, |index| habits[index]);
    *turn += 1;
    match mishap(habit) {
        Some(kind) if is_first_round => Err(kind.into()),
        None if habit > 0 => Ok(habit.into()),
        _ => Ok(usize::MAX),
    }
}

fn read_mishap(habit: u8) -> Option<ErrorKind> {
    match habit {
        0..=COUNT_MAX => None,
        201..=230 => Some(ErrorKind::Interrupted),
        231..=245 => Some(ErrorKind::WouldBlock),
        _ => Some(ErrorKind::ConnectionReset),
    }
}

fn write_mishap(habit: u8) -> Option<ErrorKind> {
    match habit {
        0..=COUNT_MAX => None,
        201..=240 => Some(ErrorKind::Interrupted),
        241..=247 => Some(ErrorKind::WouldBlock),
        _ => Some(ErrorKind::BrokenPipe),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn habits_repeat_and_mishaps_do_not() {
        let habits = Habits { reads: vec![1, 210, 2, 240], writes: vec![3] };
        assert!(habits.have_mishaps() && !Habits::byte_by_byte().have_mishaps());
        let (mut line, view) = Line::new(b"abcdefghij", habits);
        let mut room = [0; 9];
        let mut read = || line.read(&mut room).map_err(|error| error.kind());
        assert_eq!(read(), Ok(1));
        assert_eq!(read(), Err(ErrorKind::Interrupted));
        assert_eq!(read(), Ok(2));
        assert_eq!(read(), Err(ErrorKind::WouldBlock));
        assert_eq!((read(), read(), read()), (Ok(1), Ok(6), Ok(0)));
        assert_eq!(line.write(b"abcdef").unwrap(), 3);
        assert_eq!(view.written(), b"abc");
    }
}
