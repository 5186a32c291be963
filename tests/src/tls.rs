//! Certificates made for a test, and a client that speaks TLS and can be held up in the middle of it.
//!
//! The rule: nothing is read from this machine. Whoever is to be trusted was made by the test.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};

use crate::client::{Client, SOCKET_LIMIT};

/// Somebody who makes certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own, as clients are given it.
    pub pem: String,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// In PEM.
    pub certificate: String,
    /// In PEM.
    pub key: String,
}

impl Authority {
    /// One of this name.
    ///
    /// # Panics
    /// When there is no chance to be had.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for these names.
    ///
    /// # Panics
    /// When they are none.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.issue_with(names, |_| ())
    }

    /// The same, with something different about it.
    ///
    /// # Panics
    /// When that cannot be.
    pub fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        self.sign(names, &KeyPair::generate().expect("a key"), change)
    }

    /// A certificate with a key of RSA.
    ///
    /// # Panics
    /// When there is no chance to be had.
    pub fn issue_rsa(&self, names: &[&str]) -> Identity {
        self.issue_rsa_with(names, |_| ())
    }

    /// The same, with something different about it.
    ///
    /// # Panics
    /// When that cannot be.
    pub fn issue_rsa_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let size = rcgen::RsaKeySize::_2048;
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).expect("a key");
        self.sign(names, &key, change)
    }

    fn sign(&self, names: &[&str], key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).expect("names");
        params.distinguished_name.push(DnType::CommonName, names.first().map_or("nobody", |name| name));
        change(&mut params);
        let certificate = params.signed_by(key, &self.issuer).expect("a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// What trusts those that it has made.
    ///
    /// # Panics
    /// When it is none.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(der(&self.pem)).expect("an authority");
        roots
    }
}

impl Identity {
    /// Writes it into two files of `folder`.
    ///
    /// # Panics
    /// When there is no room.
    pub fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let paths = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        fs::write(&paths.0, &self.certificate).expect("room on the disk");
        fs::write(&paths.1, &self.key).expect("room on the disk");
        paths
    }

    /// The certificate as it is sent.
    pub fn der(&self) -> Vec<u8> {
        der(&self.certificate).to_vec()
    }

    /// For a client that shows it.
    pub fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        (vec![der(&self.certificate)], key)
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}

/// The provider of clients.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Both versions.
pub const BOTH: &[&SupportedProtocolVersion] = rustls::ALL_VERSIONS;
/// The last one alone.
pub const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
/// The one before alone.
pub const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

/// A client that trusts whom `authority` has made, of these versions.
///
/// # Panics
/// When there are none.
pub fn trusting(authority: &Authority, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(authority.roots())
        .with_no_client_auth()
}

/// The same, which shows `identity` when it is asked.
///
/// # Panics
/// When that is of no use.
pub fn showing(authority: &Authority, identity: &Identity) -> ClientConfig {
    let (chain, key) = identity.parts();
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(authority.roots())
        .with_client_auth_cert(chain, key)
        .expect("a certificate with its key")
}

/// A client that takes any certificate, signed in one of these ways.
///
/// # Panics
/// When there are no versions.
pub fn gullible(schemes: &[SignatureScheme]) -> ClientConfig {
    gullible_by(BOTH, schemes)
}

/// The same, of these versions.
///
/// # Panics
/// When there are none.
pub fn gullible_by(
    versions: &[&'static SupportedProtocolVersion],
    schemes: &[SignatureScheme],
) -> ClientConfig {
    let mut anybody = Judging::by(|_: &CertificateDer<'_>| Ok(()));
    if !schemes.is_empty() {
        anybody.schemes = schemes.to_vec();
    }
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(anybody))
        .with_no_client_auth()
}

/// Believes those servers whose certificate `judge` believes, and that they have the key of it.
pub struct Judging<F> {
    judge: F,
    schemes: Vec<SignatureScheme>,
}

impl<F: Fn(&CertificateDer<'_>) -> Result<(), rustls::Error>> Judging<F> {
    /// Of whatever is signed in a way that is known.
    pub fn by(judge: F) -> Self {
        Self { judge, schemes: provider().signature_verification_algorithms.supported_schemes() }
    }
}

impl<F> fmt::Debug for Judging<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Judging")
    }
}

impl<F> ServerCertVerifier for Judging<F>
where
    F: Fn(&CertificateDer<'_>) -> Result<(), rustls::Error> + Send + Sync,
{
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        (self.judge)(certificate).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// The stream of a client.
pub type TlsStream<S = TcpStream> = StreamOwned<ClientConnection, S>;

/// A client that has shaken hands.
///
/// # Panics
/// When the handshake fails.
#[track_caller]
pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Client<TlsStream> {
    Client::over(try_connect(address, config, name).expect("a handshake"))
}

/// The same, for a server that may not agree.
///
/// # Errors
/// When the handshake fails.
///
/// # Panics
/// When nobody listens.
pub fn try_connect(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<TlsStream> {
    shake(socket(address), session(config, name))
}

/// A connection on which nothing has been said.
///
/// # Panics
/// When nobody listens.
#[track_caller]
pub fn socket(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect_timeout(&address, SOCKET_LIMIT).expect("somebody listens there");
    socket.set_nodelay(true).expect("an option of every TCP socket");
    socket.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
    socket.set_write_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
    socket
}

/// What a client says on one.
///
/// # Panics
/// When the name is none.
pub fn session(config: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    ClientConnection::new(config.clone(), name).expect("a client")
}

/// Has both come together.
///
/// # Errors
/// When the handshake fails.
pub fn shake<S: Read + Write>(mut stream: S, mut session: ClientConnection) -> io::Result<TlsStream<S>> {
    while session.is_handshaking() {
        session.complete_io(&mut stream)?;
    }
    // The last flight.
    while session.wants_write() {
        session.write_tls(&mut stream)?;
    }
    Ok(StreamOwned::new(session, stream))
}

/// The first thing that a client says.
///
/// # Panics
/// When it says nothing.
pub fn hello(session: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut bytes).expect("memory");
    }
    bytes
}
