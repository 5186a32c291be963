//! What a connection's bytes go over: a socket, as they are or encrypted.

use mio::net::TcpStream;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

/// See the module's text.
pub(super) enum Wire {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// Connects, and has both ends agree on how to encrypt if that is asked for. Reads and writes do not block then.
    pub(super) fn open(address: SocketAddr, encryption: Option<&Encryption>) -> io::Result<Self> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let session = encryption.map(|encryption| encryption.agree(&mut stream)).transpose()?;
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream);
        Ok(match session {
            None => Self::Plain(stream),
            Some(session) => Self::Encrypted(Box::new(StreamOwned::new(session, stream))),
        })
    }

    pub(super) fn source(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Encrypted(stream) => &mut stream.sock,
        }
    }

    /// Whether a read that brings less than there is room for has drained the socket.
    pub(super) fn is_drained_by_less(&self) -> bool {
        matches!(self, Self::Plain(_))
    }
}

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(room),
            Self::Encrypted(stream) => stream.read(room),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}

/// How clients encrypt, whosever the certificate is: by TLS 1.3 with X25519 and AES of 256 bits, which all servers
/// know, so that all compute the same. Clones know the same sessions.
#[derive(Debug, Clone)]
pub struct Encryption(Arc<ClientConfig>);

impl Encryption {
    /// Whether connections come back to sessions of earlier ones, or each makes a whole handshake.
    ///
    /// # Panics
    /// Never: the provider knows TLS 1.3.
    #[must_use]
    pub fn new(comes_back: bool) -> Self {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
        provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384];
        let verifier = Arc::new(TakesAny(provider.signature_verification_algorithms));
        let mut config = ClientConfig::builder_with_provider(provider.into())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("the provider knows TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        if !comes_back {
            config.resumption = Resumption::disabled();
        }
        Self(Arc::new(config))
    }

    /// Makes a handshake on a socket that blocks.
    pub(super) fn agree(&self, stream: &mut std::net::TcpStream) -> io::Result<ClientConnection> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut session = ClientConnection::new(self.0.clone(), name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(stream)?;
        }
        Ok(session)
    }
}

/// Verifies signatures, and not whose they are.
#[derive(Debug)]
struct TakesAny(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
