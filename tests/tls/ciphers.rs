//! A provider whose ciphers pass by the test: what is encrypted can be made another thing, and what is decrypted is
//! looked at.

use std::sync::Arc;

use anthill_tests::tls::provider;
use rustls::crypto::CryptoProvider;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter,
    OutboundChunks, OutboundOpaqueMessage, OutboundPlainMessage, Tls13AeadAlgorithm,
    UnsupportedOperationError,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, SupportedCipherSuite, Tls13CipherSuite};

/// What the test does to data, of TLS 1.3.
#[derive(Clone, Copy)]
pub(crate) struct Meddler {
    /// Before it is encrypted.
    pub(crate) writes: fn(&mut Vec<u8>),
    /// When it is decrypted.
    pub(crate) reads: fn(&[u8]),
}

struct Meddling<T>(Meddler, T);

impl Meddler {
    /// A provider that has it in its way.
    pub(crate) fn provider(self) -> Arc<CryptoProvider> {
        let mut all = CryptoProvider::clone(&provider());
        for suite in &mut all.cipher_suites {
            if let SupportedCipherSuite::Tls13(whole) = suite {
                let Tls13CipherSuite { common, hkdf_provider, aead_alg, quic } = whole;
                let common = rustls::crypto::CipherSuiteCommon {
                    suite: common.suite,
                    hash_provider: common.hash_provider,
                    confidentiality_limit: common.confidentiality_limit,
                };
                let aead_alg: &'static Meddling<_> = Box::leak(Box::new(Meddling(self, *aead_alg)));
                let changed =
                    Tls13CipherSuite { common, hkdf_provider: *hkdf_provider, aead_alg, quic: *quic };
                *suite = SupportedCipherSuite::Tls13(Box::leak(Box::new(changed)));
            }
        }
        Arc::new(all)
    }
}

impl Tls13AeadAlgorithm for Meddling<&'static dyn Tls13AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Meddling(self.0, self.1.encrypter(key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Meddling(self.0, self.1.decrypter(key, iv)))
    }

    fn key_len(&self) -> usize {
        self.1.key_len()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.1.extract_keys(key, iv)
    }
}

impl MessageEncrypter for Meddling<Box<dyn MessageEncrypter>> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        if message.typ != ContentType::ApplicationData {
            return self.1.encrypt(message, seq);
        }
        let mut data = message.payload.to_vec();
        (self.0.writes)(&mut data);
        self.1.encrypt(OutboundPlainMessage { payload: OutboundChunks::Single(&data), ..message }, seq)
    }

    fn encrypted_payload_len(&self, length: usize) -> usize {
        self.1.encrypted_payload_len(length)
    }
}

impl MessageDecrypter for Meddling<Box<dyn MessageDecrypter>> {
    fn decrypt<'a>(
        &mut self,
        message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let message = self.1.decrypt(message, seq)?;
        if message.typ == ContentType::ApplicationData {
            (self.0.reads)(message.payload);
        }
        Ok(message)
    }
}
