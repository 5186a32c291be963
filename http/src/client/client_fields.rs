//! Fields that all requests of a client have, unless they have them themselves.
//!
//! The rule: what is meant for one origin alone goes to those that the user himself asks, and not to where a redirect
//! leads.

use super::error::ClientError;
use super::redirect::is_for_one_origin;
use crate::util::token;
use crate::values::headers::{Fields, Headers};
use std::fmt;

/// What a user says of them.
#[derive(Default)]
pub(crate) struct OwnFields {
    headers: Headers,
    /// Whether one of them cannot be sent.
    is_refused: bool,
}

/// The same, ready to be sent.
pub(crate) struct ClientFields {
    plain: Headers,
    /// With what says in which codings a response may come.
    decoding: Headers,
    /// Behind a redirect to another origin, likewise.
    elsewhere: Headers,
    elsewhere_decoding: Headers,
}

const ACCEPT_ENCODING: &str = "Accept-Encoding";

/// The codings that a response may have, as they are sent. Of `deflate`, which is undone as well, servers know two
/// forms.
const ACCEPTED_CODINGS: &str = match (cfg!(feature = "br"), cfg!(feature = "zstd")) {
    (true, true) => "gzip, br, zstd",
    (true, false) => "gzip, br",
    (false, true) => "gzip, zstd",
    (false, false) => "gzip",
};

/// What only a request can say, of itself and its connection.
const NO_DEFAULTS: &[&str] =
    &["Connection", "Content-Length", "Expect", "Host", "Trailer", "Transfer-Encoding", "Upgrade"];

impl OwnFields {
    pub(crate) fn append(&mut self, name: &[u8], value: &[u8]) {
        let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
        let is_none = NO_DEFAULTS.iter().any(|no_default| name.eq_ignore_ascii_case(no_default.as_bytes()));
        self.is_refused |= is_none || !token::is_token(name) || value.iter().any(is_control);
        self.headers.append(name, value);
    }

    /// # Errors
    /// When one of them cannot be sent.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        match self.is_refused {
            true => Err(ClientError::invalid(
                "a default_header has an invalid name, control characters, or says what only a request can",
            )),
            false => Ok(()),
        }
    }

    /// What they come to, for a client that says that it is `agent` (empty: nothing).
    pub(crate) fn into_client_fields(mut self, agent: &str) -> ClientFields {
        if !agent.is_empty() && !self.headers.contains("User-Agent") {
            let own = std::mem::take(&mut self.headers);
            self.headers.append("User-Agent", agent);
            own.iter().for_each(|(name, value)| self.headers.append(name, value));
        }
        let mut elsewhere = Headers::new();
        let common = self.headers.iter().filter(|(name, _)| !is_for_one_origin(name));
        common.for_each(|(name, value)| elsewhere.append(name, value));
        ClientFields {
            decoding: with_codings(&self.headers),
            elsewhere_decoding: with_codings(&elsewhere),
            plain: self.headers,
            elsewhere,
        }
    }
}

fn with_codings(headers: &Headers) -> Headers {
    let mut with = Headers::new();
    with.copy_from(headers.fields());
    if !with.contains(ACCEPT_ENCODING) {
        with.append(ACCEPT_ENCODING, ACCEPTED_CODINGS);
    }
    with
}

impl ClientFields {
    /// Those of a request whose response may be decoded or not, and which goes where its user said or elsewhere.
    pub(crate) fn of(&self, decodes: bool, elsewhere: bool) -> Fields<'_> {
        let headers = match (elsewhere, decodes) {
            (false, false) => &self.plain,
            (false, true) => &self.decoding,
            (true, false) => &self.elsewhere,
            (true, true) => &self.elsewhere_decoding,
        };
        headers.fields()
    }

    /// Whether they say themselves in which codings a response may come.
    pub(crate) fn speak_of_codings(&self) -> bool {
        self.plain.contains(ACCEPT_ENCODING)
    }
}

/// Without the fields, which may have secrets.
impl fmt::Debug for ClientFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFields").finish_non_exhaustive()
    }
}
