//! The numbers of sessions: what a client has, and what a store knows of it.
//!
//! The idea: a store never has what a client shows, so whoever reads the store, or a copy of it, is nobody.

use super::error::SessionError;
use super::store::SessionKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest, Sha256};

/// 256 bits of the system's randomness.
#[derive(Clone, Copy)]
pub(super) struct SessionId([u8; 32]);

impl SessionId {
    pub(super) fn random() -> Result<Self, SessionError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| SessionError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// What a client has sent, if it has the form of a number.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let bytes = BASE64.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// As it is in a cookie.
    pub(super) fn text(&self) -> String {
        BASE64.encode(self.0)
    }

    pub(super) fn key(&self) -> SessionKey {
        SessionKey::new(Sha256::digest(self.0).into())
    }
}
