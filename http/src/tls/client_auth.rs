//! Whose certificates clients have to show, or may.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::error::TlsError;
use super::pem::Material;

/// Whether clients have to show a certificate, where there is a [`client_ca`](crate::TlsConfigBuilder::client_ca).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// Who shows none is not let in.
    #[default]
    Required,
    /// Who shows none is let in, and [`TlsInfo::peer_certificates`](crate::TlsInfo::peer_certificates) is empty. One
    /// that is shown has to be good all the same.
    Optional,
}

/// The authorities whose certificates are good.
pub(super) struct Authorities {
    pub(super) material: Material,
    pub(super) client_auth: ClientAuth,
}

impl Authorities {
    /// What verifies clients by the list that `text` is.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn verifier(
        &self,
        text: &[u8],
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.material.certificates(text)? {
            roots.add(certificate).map_err(|error| {
                self.material.wrong("has a certificate that is none of an authority").because(error)
            })?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = match self.client_auth {
            ClientAuth::Required => verifier,
            ClientAuth::Optional => verifier.allow_unauthenticated(),
        };
        verifier.build().map_err(|error| self.material.wrong("cannot be used").because(error))
    }
}
