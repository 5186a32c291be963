//! What changes the bytes of a body on their way.

use std::io;

/// Makes other bytes of a body's, such as compressed ones.
pub(crate) trait BodyFilter: Send {
    /// Takes `bytes`, and appends to `out` what comes of them and those before, which may be nothing yet.
    fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()>;

    /// Appends what has not come yet of what was taken.
    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()>;

    /// Appends the end.
    fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}
