//! Early hints: what a client may fetch while the response is being made.
//!
//! The rule: nothing is sent ahead of what is owed to the client already.

use super::RequestCtx;
use crate::values::version::Version;
use std::io;
use std::sync::atomic::Ordering;

impl RequestCtx {
    /// Sends a `103 Early Hints` with the `Link` fields of the response so far, at once (fasthttp's `EarlyHints`). They
    /// stay in the response.
    ///
    /// False, and nothing is sent, where there is no `Link`, the client speaks HTTP/1.0, or there is no connection.
    /// Also, the first time that a server sends hints, behind earlier requests of the same client that were answered
    /// and not sent yet: from then on they are sent before handlers run.
    ///
    /// ```
    /// fn page(ctx: &mut anthill_http::RequestCtx) {
    ///     ctx.response.append_header("Link", "</style.css>; rel=preload; as=style");
    ///     let _ = ctx.early_hints(); // whether the client still listens shows when it is answered
    ///     ctx.success("text/html", "<p>this took a while"); // what takes a while
    /// }
    /// # let mut ctx = anthill_http::RequestCtx::default();
    /// # page(&mut ctx);
    /// ```
    ///
    /// # Errors
    /// When the client is gone, or takes nothing for too long.
    // EH-01.
    pub fn early_hints(&mut self) -> io::Result<bool> {
        let Some(options) = self.options.as_deref() else { return Ok(false) };
        if !options.sends_hints.load(Ordering::Relaxed) {
            options.sends_hints.store(true, Ordering::Relaxed);
        }
        let links = self.response.headers().get_all("Link");
        let mut hints = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
        let empty = hints.len();
        for link in links {
            hints.extend_from_slice(b"Link: ");
            hints.extend_from_slice(link);
            hints.extend_from_slice(b"\r\n");
        }
        if hints.len() == empty || self.request.version() != Version::Http11 || !self.lent.may_send_first() {
            return Ok(false);
        }
        hints.extend_from_slice(b"\r\n");
        self.lent.write_ahead(&hints)?;
        Ok(true)
    }
}
