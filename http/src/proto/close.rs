//! Why a connection cannot be used for another message, for both roles.
//!
//! The rule: whoever decides that a connection ends says why. There is no bare "it ends".

use crate::util::token;
use crate::values::version::Version;

/// Why nothing can follow on a connection; see the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseReason {
    /// The peer's message says `Connection: close`, or the peer has ended its side.
    PeerAsked,
    /// Our message says `Connection: close`, or whoever serves wants the connection to end.
    WeAsked,
    /// A peer that speaks HTTP/1.0 did not say that it keeps the connection.
    OldVersion,
    /// The end of the connection is the end of the body.
    CloseDelimited,
    /// What follows is another protocol: a 101, or a tunnel after a `CONNECT`. The connection can be given away.
    Upgrade,
    /// The message had a `Transfer-Encoding` and a `Content-Length`, or a length where there cannot be a body: somebody
    /// else may have found another end of it.
    AmbiguousLength,
    /// A request was answered by its head alone; its body may come or not.
    RefusedByHead,
    /// There is more left of a body that nobody reads than is worth being thrown away.
    UnreadBody,
    /// A request was answered before all of it was sent.
    UnsentBody,
    /// Bytes came that belong to no message.
    ExtraBytes,
    /// The message that was under way cannot be told from others any more, or has failed.
    Failed,
}

/// What a message's `Connection` fields say about the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnectionOptions {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
}

impl ConnectionOptions {
    /// Takes note of a `Connection` field.
    pub(crate) fn add(&mut self, value: &[u8]) {
        // What nearly all clients send, as they spell it.
        match value {
            b"keep-alive" | b"Keep-Alive" => self.keep_alive = true,
            b"close" => self.close = true,
            _ => self.add_list(value),
        }
    }

    #[inline(never)]
    fn add_list(&mut self, value: &[u8]) {
        for option in token::list(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }

    /// Why a message of `version` with these options is its sender's last (RFC 9112 section 9.3).
    #[inline]
    pub(crate) fn close(self, version: Version) -> Option<CloseReason> {
        match (self.close, version) {
            (true, _) => Some(CloseReason::PeerAsked),
            (false, Version::Http10) if !self.keep_alive => Some(CloseReason::OldVersion),
            (false, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_the_end() {
        use CloseReason::{OldVersion, PeerAsked};
        for (value, http10, http11) in [
            ("", Some(OldVersion), None),
            ("keep-alive", None, None),
            ("Keep-Alive", None, None),
            ("KEEP-alive", None, None),
            (" keep-alive ,", None, None),
            ("keep-alivex", Some(OldVersion), None),
            ("upgrade", Some(OldVersion), None),
            ("TE, Close", Some(PeerAsked), Some(PeerAsked)),
            ("keep-alive, close", Some(PeerAsked), Some(PeerAsked)),
        ] {
            let mut options = ConnectionOptions::default();
            options.add(value.as_bytes());
            assert_eq!(options.close(Version::Http10), http10, "{value:?}");
            assert_eq!(options.close(Version::Http11), http11, "{value:?}");
            assert_eq!(options.upgrade, value == "upgrade", "{value:?}");
        }
    }
}
