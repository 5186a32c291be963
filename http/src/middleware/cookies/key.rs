//! Keys that cookies are signed and encrypted with.
//!
//! The rule: a key never shows, neither in messages nor in `Debug`, and its memory is overwritten when it goes. One
//! that could be guessed is an error before anything is signed.

use crate::config::error::BuildError;
use hkdf::Hkdf;
use sha2::Sha256;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

const KEY_BYTES: usize = 64;
const SECRET_BYTES_MIN: usize = 32;
/// What else is derived from the same secret has another text here.
const PURPOSE: &[u8] = b"anthill-http cookies 1";

/// What cookies are signed and encrypted with: one key, and older ones whose cookies are still taken.
///
/// A clone is the same key. To exchange a key without logging everybody out, let the new one
/// [accept](Self::accepting) the old one for as long as its cookies may last.
///
/// ```
/// use anthill_http::middleware::CookieKey;
/// use std::time::SystemTime;
///
/// // In a program: `std::env::var("COOKIE_SECRET")?`, of 32 random bytes or more, as `openssl rand -base64 48` gives.
/// let old = CookieKey::from_secret("cGv1lHn7PoMZhTfs0RmyOKRfzVE8m2tjtjDYvBr1yRw")?;
/// let new = CookieKey::from_secret("9xJsCQrVf6wMTFzwUeQk2yE7pQZrB0qpSgcl5mQO1nA")?.accepting(&old);
///
/// let now = SystemTime::now();
/// let signed = old.sign("user", "ann", None);
/// assert_eq!(new.verify("user", &signed, now).as_deref(), Some(&b"ann"[..]));
/// assert_eq!(old.verify("user", new.sign("user", "ann", None), now), None);
///
/// let error = CookieKey::from_secret("secret").unwrap_err();
/// assert!(error.to_string().contains("openssl rand -base64 48"));
/// # Ok::<(), anthill_http::BuildError>(())
/// ```
#[derive(Clone)]
pub struct CookieKey(Arc<[CookieKeyPair]>);

/// The two halves of a key.
#[derive(Clone)]
pub(super) struct CookieKeyPair {
    pub(super) signing: Zeroizing<[u8; 32]>,
    pub(super) encryption: Zeroizing<[u8; 32]>,
}

impl CookieKey {
    /// One of 64 random bytes: 32 for HMAC-SHA256, 32 for XChaCha20-Poly1305.
    ///
    /// # Errors
    /// When there are more or fewer, and when they are not random: text, or the same few over again.
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, BuildError> {
        Self::of(bytes.as_ref())
    }

    fn of(bytes: &[u8]) -> Result<Self, BuildError> {
        if bytes.len() != KEY_BYTES {
            let problem = format!("has {} bytes and must have {KEY_BYTES}: {FROM_SECRET}", bytes.len());
            return Err(weak(problem));
        }
        // Of 64 random ones 57 are different, and hardly ever fewer than 40.
        if different(bytes) < 24 {
            return Err(weak(format!("is not of random bytes: {FROM_SECRET}")));
        }
        let (signing, encryption) = bytes.split_at(KEY_BYTES / 2);
        let half = |bytes: &[u8]| Zeroizing::new(std::array::from_fn(|index| bytes[index]));
        Ok(Self([CookieKeyPair { signing: half(signing), encryption: half(encryption) }].into()))
    }

    /// One that is derived from a secret of 32 bytes or more, in any form, by HKDF with SHA-256 (RFC 5869). The same
    /// secret always gives the same key. It must be random: words and passwords can be guessed by whoever has a cookie.
    ///
    /// # Errors
    /// When it is shorter, or of so few different bytes that it cannot be random.
    pub fn from_secret(secret: impl AsRef<[u8]>) -> Result<Self, BuildError> {
        let secret = secret.as_ref();
        if secret.len() < SECRET_BYTES_MIN {
            let problem = format!(
                "is of a secret of {} bytes and needs {SECRET_BYTES_MIN} random ones or more: {MAKE_ONE}",
                secret.len()
            );
            return Err(weak(problem));
        }
        // 32 random hexadecimal digits have 14 different ones.
        if different(secret) < 6 || is_periodic(secret) {
            return Err(weak(format!("is of a secret that repeats itself: {MAKE_ONE}")));
        }
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let expanded = Hkdf::<Sha256>::new(None, secret).expand(PURPOSE, &mut *bytes);
        expanded.map_err(|error| weak(format!("cannot be derived: {error}")))?;
        Self::of(&*bytes)
    }

    /// A new one of the system's randomness, which nobody else has: with the program its cookies end.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate() -> Result<Self, BuildError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let filled = getrandom::fill(&mut *bytes);
        filled.map_err(|error| {
            weak(format!("cannot be made, for the system gives no random bytes: {error}"))
        })?;
        Self::of(&*bytes)
    }

    /// This key, which takes what was signed or encrypted with `old` as well, and with whatever that accepts.
    #[must_use]
    pub fn accepting(&self, old: &CookieKey) -> Self {
        Self(self.0.iter().chain(old.0.iter()).cloned().collect())
    }

    /// What is signed and encrypted with, and then what else is taken.
    pub(super) fn pairs(&self) -> impl Iterator<Item = &CookieKeyPair> {
        self.0.iter()
    }
}

const MAKE_ONE: &str = "make one by `openssl rand -base64 48` and keep it out of the source";
const FROM_SECRET: &str =
    "make one by `openssl rand -base64 48`, keep it out of the source, and use CookieKey::from_secret";

fn weak(problem: String) -> BuildError {
    BuildError::new("the cookie key", problem)
}

fn different(bytes: &[u8]) -> usize {
    bytes.iter().collect::<HashSet<_>>().len()
}

/// Whether it is one piece over again.
fn is_periodic(bytes: &[u8]) -> bool {
    (1..=bytes.len() / 2).any(|period| bytes[period..] == bytes[..bytes.len() - period])
}

/// Without the keys.
impl fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CookieKey({} keys)", self.0.len())
    }
}
