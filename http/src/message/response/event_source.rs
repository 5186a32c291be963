//! A stream of events as what a body is pulled from.

use super::source::{Live, Pull};
use crate::message::events::EventStream;
use crate::wire::wake::Waker;
use std::io;
use std::time::Duration;

impl Pull for EventStream {
    fn size(&self) -> Option<u64> {
        None
    }

    fn pull(&mut self, piece: &mut Vec<u8>, most: usize) -> io::Result<()> {
        self.take(piece, most)
    }

    fn live(&mut self) -> Option<&mut dyn Live> {
        Some(self)
    }
}

impl Live for EventStream {
    fn is_ready(&mut self, waker: &dyn Fn() -> Waker) -> bool {
        EventStream::is_ready(self, waker)
    }

    fn beat(&mut self) {
        EventStream::beat(self);
    }

    fn end(&mut self) {
        EventStream::end(self);
    }

    fn has_failed(&mut self) -> bool {
        self.is_overrun()
    }

    fn heartbeat(&mut self) -> Option<Duration> {
        EventStream::heartbeat(self)
    }
}
