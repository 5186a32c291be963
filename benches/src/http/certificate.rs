//! The certificate of the servers that encrypt, made anew by each: nobody looks whose it is.

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use std::error::Error;

/// A certificate by an elliptic curve, as most sites have one, and its key; both in PEM.
pub(crate) fn make() -> Result<(String, String), Box<dyn Error>> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
