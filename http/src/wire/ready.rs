//! Waiting for one socket.

use crate::wire::transport::ReadySet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use std::io;
use std::time::{Duration, Instant};

/// Blocks until `socket` is ready for something in `awaited`. False: `limit` passed first.
pub(crate) fn wait_ready(socket: &impl AsFd, awaited: ReadySet, limit: Option<Duration>) -> io::Result<bool> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, awaited.read);
    flags.set(PollFlags::OUT, awaited.write);
    // A limit beyond what the clock can hold is none.
    let until = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        match poll_one(socket, flags, left) {
            Ok(found) => return Ok(!found.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What of `flags` is there, or comes within `limit`.
pub(crate) fn poll_one(
    socket: &impl AsFd,
    flags: PollFlags,
    limit: Option<Duration>,
) -> io::Result<PollFlags> {
    // More than the system's clock type holds is as good as for ever.
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    let mut fds = [PollFd::new(socket, flags)];
    poll(&mut fds, limit.as_ref())?;
    Ok(fds[0].revents())
}
