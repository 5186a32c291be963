//! One thread accepts and hands the connections round, so that every lane has the same number: without it, event loops
//! that accept for themselves end up with an uneven share and the figures of two runs differ by that.

use std::convert::Infallible;
use std::io;
use std::net::{TcpListener, TcpStream};

/// Accepts for ever; the n-th connection goes to lane n modulo their number. Nagle's algorithm is off, reads and
/// writes do not block.
///
/// # Errors
/// When accepting fails.
pub(super) fn accept_in_turn<L: Fn(TcpStream)>(
    listener: &TcpListener,
    lanes: &[L],
) -> io::Result<Infallible> {
    for lane in lanes.iter().cycle() {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        lane(stream);
    }
    Err(io::Error::other("there is no lane to give connections to"))
}
