//! Texts of cookies that only this server can have made: signed, or encrypted as well.
//!
//! The idea: what is sealed is the value with the cookie's name and until when it counts. So nobody can use it under
//! another name or later, whatever his browser does.
//!
//! The forms: `VALUE.UNTIL.MAC` is signed, where `VALUE` and `MAC` are base64url without padding, `UNTIL` is in seconds
//! since 1970 or empty, and `MAC` is HMAC-SHA256 of `NAME=VALUE.UNTIL`. Encrypted is base64url of a nonce of 24 bytes
//! and what XChaCha20-Poly1305 makes of 8 bytes with the seconds (all ones: forever) and the value, with the name as
//! what it is bound to.
//!
//! Source: RFC 2104, RFC 8439, draft-irtf-cfrg-xchacha-03.

use super::error::SealError;
use super::key::{CookieKey, CookieKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

const NONCE_BYTES: usize = 24;
const FOREVER: u64 = u64::MAX;

/// Sealing values of cookies. [`RequestCtx`](crate::RequestCtx) has the same for the cookies of a request
/// ([`signed_cookie`](crate::RequestCtx::signed_cookie), [`private_cookie`](crate::RequestCtx::private_cookie)).
impl CookieKey {
    /// The signed text of a cookie called `name`: everybody can read the value, and nobody else can have made it. It
    /// counts before `until`, or forever.
    pub fn sign(
        &self,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        until: impl Into<Option<SystemTime>>,
    ) -> String {
        let until = until.into().map(|until| seconds(until).to_string()).unwrap_or_default();
        let text = format!("{}.{until}", BASE64.encode(value));
        let mac = self.pairs().next().map(|pair| mac(pair, name.as_ref(), text.as_bytes()).finalize());
        format!("{text}.{}", BASE64.encode(mac.map(|mac| mac.into_bytes()).unwrap_or_default()))
    }

    /// The value that was [signed](Self::sign) for a cookie called `name`. `None`: it was not signed with this key or
    /// one that it accepts, not for that name, or has run out by `now`.
    pub fn verify(&self, name: impl AsRef<[u8]>, text: impl AsRef<[u8]>, now: SystemTime) -> Option<Vec<u8>> {
        let text = text.as_ref();
        let (signed, given) = text.split_at(text.iter().rposition(|&byte| byte == b'.')?);
        let given = BASE64.decode(&given[1..]).ok()?;
        let is_made = |pair| mac(pair, name.as_ref(), signed).verify_slice(&given).is_ok();
        if !self.pairs().any(is_made) {
            return None;
        }
        // From here on it is a text of ours.
        let (value, until) = std::str::from_utf8(signed).ok()?.split_once('.')?;
        let until = if until.is_empty() { FOREVER } else { until.parse().ok()? };
        if has_ended(until, now) { None } else { BASE64.decode(value).ok() }
    }

    /// The encrypted text of a cookie called `name`: nobody else can read the value, or have made it. How long it is
    /// shows. It counts before `until`, or forever.
    ///
    /// # Errors
    /// [`NoRandomness`](SealError::NoRandomness).
    pub fn encrypt(
        &self,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        until: impl Into<Option<SystemTime>>,
    ) -> Result<String, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let until = until.into().map_or(FOREVER, seconds);
        let plain = [&until.to_be_bytes(), value.as_ref()].concat();
        let payload = Payload { msg: &plain, aad: name.as_ref() };
        let pair = self.pairs().next().ok_or(SealError::TooLong)?;
        // Of what is too long only, which no cookie is.
        let sealed = cipher(pair).encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::TooLong)?;
        Ok(BASE64.encode([&nonce[..], &sealed].concat()))
    }

    /// The value that was [encrypted](Self::encrypt) for a cookie called `name`. `None`: it was not with this key or
    /// one that it accepts, not for that name, or has run out by `now`.
    pub fn decrypt(
        &self,
        name: impl AsRef<[u8]>,
        text: impl AsRef<[u8]>,
        now: SystemTime,
    ) -> Option<Vec<u8>> {
        let bytes = BASE64.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let payload = || Payload { msg: sealed, aad: name.as_ref() };
        let open = |pair| cipher(pair).decrypt(&XNonce::from(*nonce), payload()).ok();
        let plain = self.pairs().find_map(open)?;
        let (until, value) = plain.split_first_chunk()?;
        if has_ended(u64::from_be_bytes(*until), now) { None } else { Some(value.to_vec()) }
    }
}

fn mac(pair: &CookieKeyPair, name: &[u8], text: &[u8]) -> Hmac<Sha256> {
    // The key is filled up to a block with zeros, as HMAC itself does with shorter ones.
    let mut block = zeroize::Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(&*pair.signing);
    let mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
    mac.chain_update(name).chain_update(b"=").chain_update(text)
}

fn cipher(pair: &CookieKeyPair) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*pair.encryption).into())
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn has_ended(until: u64, now: SystemTime) -> bool {
    until != FOREVER && seconds(now) >= until
}
