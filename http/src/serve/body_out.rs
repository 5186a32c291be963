//! One response on its way, for every driver.
//!
//! The idea: what follows a response's head may be produced by the user's code. Here is how that code is run; when it
//! is, and what waits for whom, is the driver's business.
//!
//! The rule: whatever fails here ends the connection, because the peer is in the middle of a message.

use crate::ctx::RequestCtx;
use crate::message::response::{BodyWriter, Outgoing, Stream};
use crate::serve::error::Error;
use crate::util::panic;
use crate::wire::output::Output;

/// Runs the function that writes the body of the response in `ctx`, whose head is in `out`.
pub(crate) fn write_body(ctx: &mut RequestCtx, out: &mut Output, stream: Stream) -> Result<(), Error> {
    let Stream::Writer { write, ending, trailers } = stream else { return Ok(()) };
    if ctx.response.flushes_head() {
        ctx.line.is_answering = true;
        ctx.line.send(out)?;
    }
    let Some(write) = write.into_inner() else { return Ok(()) };
    let mut writer = BodyWriter::new(&mut ctx.request, &mut ctx.line, out, ending, trailers);
    match panic::call(|| write(&mut writer)) {
        Ok(Ok(())) => Ok(writer.finish()?),
        // What was collected before is the client's: earlier responses, and a part of this one, to see where it broke off.
        Ok(Err(error)) => {
            let failure = if writer.has_failed() { Error::from(error) } else { Error::body(error) };
            let _ = writer.abandon();
            Err(failure)
        }
        Err(panic::Panicked) => {
            let _ = writer.abandon();
            log::error!("the body writer of {} {:?} panicked", ctx.request.method(), ctx.request.path());
            Err(Error::body_panicked())
        }
    }
}

/// Appends the next piece of a body to `out`.
pub(crate) fn next_piece(outgoing: &mut Outgoing, out: &mut Output) -> Result<(), Error> {
    match panic::call(|| outgoing.fill(out)) {
        Ok(filled) => filled.map_err(Error::body),
        Err(panic::Panicked) => {
            log::error!("the source of a response's body panicked");
            Err(Error::body_panicked())
        }
    }
}
