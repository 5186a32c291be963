//! Certificates and keys as files have them: PEM (RFC 7468).
//!
//! The rule: whatever is wrong with a file, its name and what helps are said.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::TlsError;

/// No chain, and no list of authorities, is longer.
const BYTES_MAX: u64 = 4 << 20;

/// What a file is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Certificate,
    Key,
    ClientAuthorities,
    #[cfg(feature = "client")]
    Authorities,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Certificate => "the certificate",
            Self::Key => "the key",
            Self::ClientAuthorities => "the list of clients' authorities",
            #[cfg(feature = "client")]
            Self::Authorities => "the list of trusted authorities",
        }
    }
}

/// Where something is to be read from, once or again.
#[derive(Clone, Debug)]
pub(super) struct Material {
    purpose: Purpose,
    place: MaterialPlace,
}

#[derive(Clone, Debug)]
enum MaterialPlace {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

impl Material {
    pub(super) fn file(purpose: Purpose, path: &Path) -> Self {
        Self { purpose, place: MaterialPlace::File(path.to_owned()) }
    }

    pub(super) fn memory(purpose: Purpose, text: &[u8]) -> Self {
        Self { purpose, place: MaterialPlace::Memory(text.into()) }
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match &self.place {
            MaterialPlace::File(path) => Some(path),
            MaterialPlace::Memory(_) => None,
        }
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> String {
        match &self.place {
            MaterialPlace::File(path) => format!("{} {}", self.purpose.name(), path.display()),
            MaterialPlace::Memory(_) => format!("{} that was given in memory", self.purpose.name()),
        }
    }

    /// Says that `problem` is wrong with it.
    pub(super) fn wrong(&self, problem: impl Into<std::borrow::Cow<'static, str>>) -> TlsError {
        TlsError::new(self.name(), problem).of_file(self.path())
    }

    /// All of its text.
    ///
    /// # Errors
    /// When it cannot be read, or there is nothing.
    pub(super) fn read(&self) -> Result<Vec<u8>, TlsError> {
        let text = match &self.place {
            MaterialPlace::File(path) => {
                read(path).map_err(|error| self.wrong("cannot be read").because(error))?
            }
            MaterialPlace::Memory(text) => text.to_vec(),
        };
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(self.wrong("is empty"));
        }
        Ok(text)
    }

    /// The certificates in `text`, at least one.
    ///
    /// # Errors
    /// When there is none, or one is damaged.
    pub(super) fn certificates(&self, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        match all {
            Ok(all) if all.is_empty() => Err(self.wrong(no_certificate(text))),
            Ok(all) => Ok(all),
            Err(error) => Err(self.damaged(error)),
        }
    }

    /// The first key in `text`.
    ///
    /// # Errors
    /// When there is none, or it is damaged or encrypted.
    pub(super) fn key(&self, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        if contains(text, b"BEGIN ENCRYPTED PRIVATE KEY") || contains(text, b"Proc-Type: 4,ENCRYPTED") {
            let problem = "is encrypted by a passphrase, which nobody is there to type in; decrypt it: `openssl pkey -in \
                           FILE -out PLAIN`, and let only the server read that";
            return Err(self.wrong(problem));
        }
        PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
            pem::Error::NoItemsFound => self.wrong(no_key(text)),
            error => self.damaged(error),
        })
    }

    fn damaged(&self, error: pem::Error) -> TlsError {
        self.wrong("is damaged: its PEM cannot be read; copy the file anew").because(error)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has more than 4 MiB"));
    }
    Ok(text)
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(text, what).is_some()
}

/// Why there is no certificate in `text`.
fn no_certificate(text: &[u8]) -> &'static str {
    if contains(text, b"PRIVATE KEY-----") {
        "holds a key and no certificate; are the two files mixed up?"
    } else if contains(text, b"CERTIFICATE REQUEST-----") {
        "is a request for a certificate; what the authority has made of it is needed"
    } else if is_der(text) {
        "is no PEM but DER; convert it: `openssl x509 -inform der -in FILE -out PEM`"
    } else {
        "is no PEM: there is no line `-----BEGIN CERTIFICATE-----`"
    }
}

/// Why there is no key in `text`.
fn no_key(text: &[u8]) -> &'static str {
    if contains(text, b"BEGIN CERTIFICATE-----") {
        "holds a certificate and no key; are the two files mixed up?"
    } else if contains(text, b"PUBLIC KEY-----") {
        "is a public key; the private one is needed"
    } else if is_der(text) {
        "is no PEM but DER; convert it: `openssl pkey -inform der -in FILE -out PEM`"
    } else {
        "is no PEM: there is no line `-----BEGIN PRIVATE KEY-----`, nor one of `EC` or `RSA`"
    }
}

/// Whether it begins as a sequence of ASN.1 does.
fn is_der(text: &[u8]) -> bool {
    matches!(text, [0x30, 0x81 | 0x82, ..])
}
