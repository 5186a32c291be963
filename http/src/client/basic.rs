//! What a user and his password are sent as (RFC 7617).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The value of `Authorization`, or of `Proxy-Authorization`.
pub(crate) fn basic_credentials(user: &[u8], password: &[u8]) -> String {
    format!("Basic {}", STANDARD.encode([user, b":", password].concat()))
}
