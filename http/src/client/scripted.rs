//! A connection that does what a test has written down, instead of the network.

use crate::wire::transport::{ReadCount, ReadySet, Transport};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// A transport that does what was written down.
#[derive(Default)]
pub(super) struct ScriptedTransport {
    /// What reads bring, one after the other; nothing is the end, and without one there is nothing yet.
    pub(super) reads: Mutex<VecDeque<Result<&'static str, io::ErrorKind>>>,
    /// What writes come to; without one all is taken.
    pub(super) writes: Mutex<VecDeque<Result<usize, io::ErrorKind>>>,
    pub(super) held: Mutex<usize>,
    pub(super) is_cut_off: bool,
    /// How much each read asked for.
    pub(super) rooms: Mutex<Vec<usize>>,
    /// What was awaited.
    pub(super) waits: Mutex<Vec<ReadySet>>,
}

impl Transport for ScriptedTransport {
    fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
        self.rooms.lock().push(room.len());
        let mut reads = self.reads.lock();
        let text = reads.pop_front().unwrap_or(Err(io::ErrorKind::WouldBlock))?;
        let (now, later) = text.split_at(text.len().min(room.len()));
        room[..now.len()].copy_from_slice(now.as_bytes());
        if !later.is_empty() {
            reads.push_front(Ok(later));
        }
        Ok(ReadCount { count: now.len(), is_drained: false })
    }

    fn write(&self, slices: [&[u8]; 2]) -> io::Result<usize> {
        let all = slices[0].len() + slices[1].len();
        Ok(self.writes.lock().pop_front().unwrap_or(Ok(all))?.min(all))
    }

    fn push(&self) -> io::Result<usize> {
        let mut held = self.held.lock();
        let some = (*held).min(3);
        *held -= some;
        Ok(some)
    }

    fn is_input_cut_off(&self) -> bool {
        self.is_cut_off
    }

    fn wait(&self, awaited: ReadySet, _limit: Option<Duration>) -> io::Result<bool> {
        self.waits.lock().push(awaited);
        Ok(true)
    }

    fn shut_down(&self) {}
}

/// That there is nothing to be read yet, or no room to write.
pub(super) fn blocked<T>() -> Result<T, io::ErrorKind> {
    Err(io::ErrorKind::WouldBlock)
}
