//! What two sides agree on.
//!
//! The idea: a client offers, in order of preference; the server takes the first offer it can keep, and says so. An
//! offer with anything unknown or malformed in it is declined, as the RFC wants it, without harm to the others.
//!
//! Windows: a receiver here has the largest one always, so whatever a peer says of what it sends will do. A smaller one
//! for what we send can be kept as well (`coders`), for messages by themselves; so where a client asks for both,
//! context and a smaller window, it gets the window.
//!
//! Source: RFC 7692 sections 5 and 7.1.

use super::coders::WINDOW_BITS_MAX;
use crate::ws::extensions::{Extension, read_extensions};
use crate::ws::frame::Role;
use std::fmt::{self, Write};

const NAME: &str = "permessage-deflate";
const SERVER_ALONE: &str = "server_no_context_takeover";
const CLIENT_ALONE: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";
const CLIENT_WINDOW: &str = "client_max_window_bits";

/// How messages may be compressed, if the other side can do it too (`permessage-deflate`, RFC 7692).
///
/// By default each message is compressed by itself: a connection without a message under way needs no memory for it,
/// and one compressed message can be sent to many clients.
///
/// ```
/// use anthill_http::websocket::DeflateOptions;
/// let options = DeflateOptions { min_size: 256, ..DeflateOptions::default() };
/// assert!(!options.server_context_takeover && !options.client_context_takeover);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateOptions {
    /// Whether what the server sends may refer to earlier messages (*context takeover*). It makes small messages
    /// shorter, takes some 300 KB for each connection in the server, and nothing can be shared between connections.
    /// Default `false`.
    pub server_context_takeover: bool,
    /// Whether what the client sends may refer to earlier messages. It takes some 75 KB for each connection in the
    /// server. Default `false`.
    pub client_context_takeover: bool,
    /// Messages of fewer bytes are sent as they are. Default 1024.
    pub min_size: usize,
}

impl Default for DeflateOptions {
    fn default() -> Self {
        Self { server_context_takeover: false, client_context_takeover: false, min_size: 1024 }
    }
}

impl DeflateOptions {
    /// What a client offers: a value of `Sec-WebSocket-Extensions`.
    ///
    /// ```
    /// use anthill_http::websocket::DeflateOptions;
    /// let offer = DeflateOptions::default().offer();
    /// assert!(offer.starts_with("permessage-deflate; server_no_context_takeover"));
    /// ```
    pub fn offer(&self) -> String {
        let mut offer = NAME.to_owned();
        for (name, is_kept) in
            [(SERVER_ALONE, self.server_context_takeover), (CLIENT_ALONE, self.client_context_takeover)]
        {
            if !is_kept {
                append(&mut offer, name, None);
            }
        }
        append(&mut offer, CLIENT_WINDOW, None);
        offer
    }

    /// What a server's answer to [`offer`](Self::offer) comes to: the values of its `Sec-WebSocket-Extensions`. `None`:
    /// it does not compress.
    ///
    /// # Errors
    /// The answer is not one to this offer. The client must close the connection.
    pub fn read_answer<'a>(
        &self,
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<DeflateParams>, DeflateAnswerError> {
        let extensions = read_extensions(values).map_err(|_| DeflateAnswerError)?;
        let extension = match &extensions[..] {
            [] => return Ok(None),
            [extension] if extension.name == NAME.as_bytes() => extension,
            _ => return Err(DeflateAnswerError),
        };
        let said = DeflateTerms::read(extension).ok_or(DeflateAnswerError)?;
        if said.server_keeps_context && !self.server_context_takeover || said.client_window == Some(None) {
            return Err(DeflateAnswerError);
        }
        Ok(Some(
            DeflateParams {
                server_keeps_context: said.server_keeps_context,
                client_keeps_context: said.client_keeps_context && self.client_context_takeover,
                server_window_bits: said.server_window,
                client_window_bits: said.client_window.flatten(),
                min_size: self.min_size,
            }
            .with_windows_that_can_be_kept(Role::Client),
        ))
    }
}

/// What was agreed on for a connection: whether each side's messages may refer to earlier ones, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateParams {
    server_keeps_context: bool,
    client_keeps_context: bool,
    /// As far as they were spoken of.
    server_window_bits: Option<u8>,
    client_window_bits: Option<u8>,
    min_size: usize,
}

impl DeflateParams {
    /// The first offer that can be kept, as a server.
    pub(in crate::ws) fn agree(options: &DeflateOptions, offers: &[Extension<'_>]) -> Option<Self> {
        let ours = |offer: &&Extension<'_>| offer.name == NAME.as_bytes();
        let said = offers.iter().filter(ours).find_map(DeflateTerms::read)?;
        let params = Self {
            server_keeps_context: said.server_keeps_context && options.server_context_takeover,
            client_keeps_context: said.client_keeps_context && options.client_context_takeover,
            server_window_bits: said.server_window,
            // It may be limited by us, and need not be.
            client_window_bits: None,
            min_size: options.min_size,
        };
        Some(params.with_windows_that_can_be_kept(Role::Server))
    }

    /// A small window is kept by sending messages by themselves.
    fn with_windows_that_can_be_kept(mut self, role: Role) -> Self {
        let (bits, _) = self.sent_by(role);
        if bits < WINDOW_BITS_MAX {
            match role {
                Role::Server => self.server_keeps_context = false,
                Role::Client => self.client_keeps_context = false,
            }
        }
        self
    }

    /// What a server answers: the value of `Sec-WebSocket-Extensions`.
    pub fn answer(&self) -> String {
        let mut answer = NAME.to_owned();
        for (name, is_kept) in
            [(SERVER_ALONE, self.server_keeps_context), (CLIENT_ALONE, self.client_keeps_context)]
        {
            if !is_kept {
                append(&mut answer, name, None);
            }
        }
        for (name, bits) in
            [(SERVER_WINDOW, self.server_window_bits), (CLIENT_WINDOW, self.client_window_bits)]
        {
            if bits.is_some() {
                append(&mut answer, name, bits);
            }
        }
        answer
    }

    /// The window of what `role` sends, in bits, and whether its messages may refer to earlier ones.
    pub(super) fn sent_by(&self, role: Role) -> (u8, bool) {
        let (bits, keeps_context) = match role {
            Role::Server => (self.server_window_bits, self.server_keeps_context),
            Role::Client => (self.client_window_bits, self.client_keeps_context),
        };
        (bits.unwrap_or(WINDOW_BITS_MAX), keeps_context)
    }

    /// Whether what we send, as `role`, may refer to what was sent before, so that it has to be packed in order.
    pub(crate) fn keeps_context(&self, role: Role) -> bool {
        self.sent_by(role).1
    }

    pub(super) fn min_size(&self) -> usize {
        self.min_size
    }
}

fn append(list: &mut String, name: &str, value: Option<u8>) {
    list.push_str("; ");
    list.push_str(name);
    if let Some(value) = value {
        // A string takes everything.
        let _ = write!(list, "={value}");
    }
}

/// What an offer or an answer says.
struct DeflateTerms {
    server_keeps_context: bool,
    client_keeps_context: bool,
    server_window: Option<u8>,
    /// In an offer the name may stand alone.
    client_window: Option<Option<u8>>,
}

impl DeflateTerms {
    /// `None`: something in it is unknown, malformed or there twice.
    fn read(extension: &Extension<'_>) -> Option<Self> {
        let mut said = Self {
            server_keeps_context: true,
            client_keeps_context: true,
            server_window: None,
            client_window: None,
        };
        for (name, value) in &extension.params {
            let value = value.as_deref();
            match std::str::from_utf8(name).ok()? {
                SERVER_ALONE if value.is_none() && said.server_keeps_context => {
                    said.server_keeps_context = false
                }
                CLIENT_ALONE if value.is_none() && said.client_keeps_context => {
                    said.client_keeps_context = false
                }
                SERVER_WINDOW if said.server_window.is_none() => {
                    said.server_window = Some(window_bits(value?)?)
                }
                CLIENT_WINDOW if said.client_window.is_none() => {
                    let bits = match value {
                        None => None,
                        Some(value) => Some(window_bits(value)?),
                    };
                    said.client_window = Some(bits);
                }
                _ => return None,
            }
        }
        Some(said)
    }
}

/// 8 to 15, without leading zeros.
fn window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// What a server answered is none to what was offered: the client closes, with 1010.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeflateAnswerError;

impl fmt::Display for DeflateAnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server has answered with extensions that were not offered")
    }
}

impl std::error::Error for DeflateAnswerError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server with `options` answers to an offer.
    fn answered(options: DeflateOptions, offer: &str) -> Option<String> {
        let offers = read_extensions([offer.as_bytes()]).expect("a list");
        DeflateParams::agree(&options, &offers).map(|params| params.answer())
    }

    const BOTH: DeflateOptions =
        DeflateOptions { server_context_takeover: true, client_context_takeover: true, min_size: 0 };

    #[test]
    fn offers_and_answers() {
        let none = DeflateOptions::default();
        let alone = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        for (options, offer, expected) in [
            (none, "permessage-deflate", alone.to_owned()),
            (none, "permessage-deflate; client_max_window_bits", alone.to_owned()),
            (none, "permessage-deflate; client_max_window_bits=9", alone.to_owned()),
            (
                none,
                "permessage-deflate; server_max_window_bits=9",
                format!("{alone}; server_max_window_bits=9"),
            ),
            (
                none,
                "permessage-deflate; server_max_window_bits=\"15\"",
                format!("{alone}; server_max_window_bits=15"),
            ),
            (none, "x-webkit-deflate-frame, permessage-deflate", alone.to_owned()),
            (none, "permessage-deflate; unknown, permessage-deflate", alone.to_owned()),
            (BOTH, "permessage-deflate", "permessage-deflate".to_owned()),
            (
                BOTH,
                "permessage-deflate; client_no_context_takeover",
                "permessage-deflate; client_no_context_takeover".to_owned(),
            ),
            (
                BOTH,
                "permessage-deflate; server_max_window_bits=8",
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=8".to_owned(),
            ),
            (
                BOTH,
                "permessage-deflate; server_max_window_bits=15",
                "permessage-deflate; server_max_window_bits=15".to_owned(),
            ),
        ] {
            assert_eq!(answered(options, offer), Some(expected), "{offer}");
        }
    }

    #[test]
    fn offers_that_are_declined() {
        for offer in [
            "",
            "permessage-bzip2",
            "Permessage-Deflate",
            "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; server_max_window_bits=100",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=0",
        ] {
            assert_eq!(answered(BOTH, offer), None, "{offer}");
        }
    }

    #[test]
    fn what_a_server_answers_a_client_understands() {
        for client in [DeflateOptions::default(), BOTH] {
            for server in [DeflateOptions::default(), BOTH] {
                let offer = client.offer();
                let agreed = DeflateParams::agree(
                    &DeflateOptions { min_size: client.min_size, ..server },
                    &read_extensions([offer.as_bytes()]).expect("a list"),
                )
                .expect("it can be kept");
                assert_eq!(client.read_answer([agreed.answer().as_bytes()]), Ok(Some(agreed)));
            }
        }
        assert_eq!(BOTH.read_answer([]), Ok(None));
    }

    #[test]
    fn answers_that_nobody_asked_for() {
        for answer in [
            "other",
            "permessage-deflate, permessage-deflate",
            "permessage-deflate; unknown",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate;",
        ] {
            assert_eq!(BOTH.read_answer([answer.as_bytes()]), Err(DeflateAnswerError), "{answer}");
        }
        let alone = DeflateOptions::default();
        assert_eq!(
            alone.read_answer([&b"permessage-deflate"[..]]),
            Err(DeflateAnswerError),
            "it was to forget"
        );
        let small = BOTH.read_answer([&b"permessage-deflate; client_max_window_bits=10"[..]]);
        let small = small.expect("valid").expect("agreed");
        assert_eq!((small.sent_by(Role::Client), small.sent_by(Role::Server)), ((10, false), (15, true)));
    }
}
