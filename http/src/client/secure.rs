//! Encrypting a connection before there is HTTP on it.
//!
//! The idea: TLS is a layer over a socket, like any other transport once both ends have agreed. Here is what brings
//! that about: with the patience of the call, so that a server that says nothing, or a token, ends it.
//!
//! The rule: what a server's name cannot be is said before anything is resolved. Without the feature there is no value
//! of any type here, and whoever wants to encrypt is told so.

use super::error::{ClientError, ClientErrorKind};

/// What a URL of HTTPS takes that is not there.
#[cfg(not(feature = "tls-no-provider"))]
const NO_TLS: &str = "its URL is one of HTTPS, which takes the feature `tls` of anthill-http";

#[cfg(feature = "tls-no-provider")]
mod with_tls {
    use super::{ClientError, ClientErrorKind};
    use crate::client::error::ClientPhase;
    use crate::client::patience::CallPatience;
    /// How connections are encrypted.
    pub(crate) use crate::tls::ClientTlsConfig as Encryption;
    use crate::tls::{HandshakeFailure, TlsLayer};
    use crate::wire::transport::{Direction, ReadySet, Transport};
    use rustls::pki_types::ServerName;
    use std::io;
    use std::sync::Arc;

    /// Whom a server has to be.
    pub(crate) type PeerName = ServerName<'static>;

    /// How connections are encrypted if nobody says how.
    pub(crate) fn usual_encryption() -> Result<Encryption, ClientError> {
        Encryption::builder().build().map_err(ClientError::invalid)
    }

    /// Whom a server has to be that is asked for as `host`.
    pub(crate) fn peer_name(encryption: &Encryption, host: &str) -> Result<PeerName, ClientError> {
        encryption.name_for(host).ok_or_else(|| no_name(host))
    }

    /// Whom a proxy has to be that is asked as `host`.
    pub(crate) fn proxy_name(host: &str) -> Result<PeerName, ClientError> {
        Encryption::proxy_name(host).ok_or_else(|| no_name(host))
    }

    fn no_name(host: &str) -> ClientError {
        let why = format!("no certificate can be for the host {host:?}, so it cannot be asked by HTTPS");
        ClientError::invalid(why)
    }

    /// What kind of failure it is when nothing more can be had of a connection. A server that wants a certificate, or
    /// another one, may say so when the handshake is over for the client: `is_new` if nothing was heard before that.
    pub(crate) fn kind_of_loss(error: &io::Error, is_new: bool) -> ClientErrorKind {
        match error.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(rustls::Error::AlertReceived(_)) if is_new => ClientErrorKind::Tls,
            _ => ClientErrorKind::ConnectionClosed,
        }
    }

    /// Whether all servers have to be the same.
    pub(crate) fn has_fixed_name(encryption: &Encryption) -> bool {
        encryption.has_name()
    }

    /// Agreeing with a server on how everything above a transport is encrypted, as far as that has come.
    pub(crate) struct Handshake {
        layer: Arc<TlsLayer>,
        has_heard: bool,
    }

    impl Handshake {
        /// Over `below`; nothing is said yet.
        pub(crate) fn new(
            below: Arc<dyn Transport>,
            encryption: &Encryption,
            name: &PeerName,
        ) -> Result<Self, ClientError> {
            let layer = encryption.layer(below, name).map_err(failed)?;
            Ok(Self { layer: Arc::new(layer), has_heard: false })
        }

        /// Goes on with it. False: `patience` is over; it may go on later.
        pub(crate) fn go_on(&mut self, patience: &CallPatience) -> Result<bool, ClientError> {
            let here = patience.waits(|| {
                let layer = self.layer.clone();
                Box::new(move || layer.shut_down())
            });
            let outcome = shake(&self.layer, &mut self.has_heard, patience);
            // So that whoever has the connection next has it alone.
            drop(here);
            outcome
        }

        /// What is agreed on.
        pub(crate) fn into_transport(self) -> Arc<dyn Transport> {
            self.layer
        }
    }

    /// Agrees with the server on how everything above `below` is encrypted.
    pub(crate) fn encrypt(
        below: Arc<dyn Transport>,
        encryption: &Encryption,
        name: &PeerName,
        patience: &CallPatience,
    ) -> Result<Arc<dyn Transport>, ClientError> {
        let mut handshake = Handshake::new(below, encryption, name)?;
        match handshake.go_on(patience)? {
            true => Ok(handshake.into_transport()),
            false => Err(ClientError::new(ClientErrorKind::Timeout(ClientPhase::Tls))),
        }
    }

    /// Goes on until both ends have agreed. False: there was no time for that.
    fn shake(layer: &TlsLayer, has_heard: &mut bool, patience: &CallPatience) -> Result<bool, ClientError> {
        let mut room = [0; 4096];
        loop {
            layer.reckon();
            if let Some(outcome) = layer.outcome() {
                return outcome.map(|()| true).map_err(failed);
            }
            if patience.is_over() {
                return Ok(false);
            }
            // Why a server takes nothing more it may have said before.
            let (is_sent, failure) = match push_all(layer) {
                Ok(is_sent) => (is_sent, None),
                Err(error) => (true, Some(error)),
            };
            match layer.read(&mut room) {
                Ok(read) if read.count == 0 => {
                    return Err(failure.map_or_else(|| failed(HandshakeFailure::Ended), lost));
                }
                Ok(read) => {
                    let heard = &room[..read.count];
                    if !std::mem::replace(has_heard, true) && heard.starts_with(b"HTTP/") {
                        return Err(failed(HandshakeFailure::PlainHttp));
                    }
                    layer.feed(heard).map_err(failed)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Some(failure) = failure {
                        return Err(lost(failure));
                    }
                    let awaited = ReadySet { write: !is_sent, ..Direction::Read.into() };
                    layer.wait(awaited, patience.until().left()).map_err(lost)?;
                }
                Err(error) => return Err(lost(error)),
            }
        }
    }

    /// Sends what the handshake has to say. False: not all of it can be sent now.
    fn push_all(layer: &TlsLayer) -> io::Result<bool> {
        loop {
            match layer.push() {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    fn failed(failure: HandshakeFailure) -> ClientError {
        match failure {
            HandshakeFailure::Refused(error) => refused(error),
            HandshakeFailure::PlainHttp => {
                ClientError::because(ClientErrorKind::Tls, "what answers there speaks plain HTTP")
            }
            failure => ClientError::because(ClientErrorKind::Tls, failure.to_string()),
        }
    }

    fn refused(error: rustls::Error) -> ClientError {
        ClientError::because(ClientErrorKind::Tls, error)
    }

    /// The server has ended the connection in the middle of it.
    fn lost(error: io::Error) -> ClientError {
        ClientError::because(ClientErrorKind::Tls, error)
    }
}

#[cfg(feature = "tls-no-provider")]
pub(crate) use with_tls::{
    Encryption, Handshake, PeerName, encrypt, has_fixed_name, kind_of_loss, peer_name, proxy_name,
    usual_encryption,
};

#[cfg(not(feature = "tls-no-provider"))]
mod without_tls {
    use super::{ClientError, ClientErrorKind, NO_TLS};
    use crate::client::patience::CallPatience;
    use crate::wire::transport::Transport;
    use std::convert::Infallible;
    use std::io;
    use std::sync::Arc;

    /// There is none of it.
    #[derive(Clone, Debug)]
    pub(crate) struct NoTls(Infallible);

    pub(crate) use NoTls as Encryption;
    pub(crate) use NoTls as PeerName;

    pub(crate) fn usual_encryption() -> Result<Encryption, ClientError> {
        Err(ClientError::invalid(NO_TLS))
    }

    pub(crate) fn peer_name(encryption: &Encryption, _: &str) -> Result<PeerName, ClientError> {
        match encryption.0 {}
    }

    pub(crate) fn proxy_name(_: &str) -> Result<PeerName, ClientError> {
        Err(ClientError::invalid(NO_TLS))
    }

    pub(crate) fn kind_of_loss(_: &io::Error, _: bool) -> ClientErrorKind {
        ClientErrorKind::ConnectionClosed
    }

    pub(crate) fn has_fixed_name(encryption: &Encryption) -> bool {
        match encryption.0 {}
    }

    /// Nor of this.
    pub(crate) struct NoHandshake(Infallible);

    pub(crate) use NoHandshake as Handshake;

    impl NoHandshake {
        pub(crate) fn new(
            _: Arc<dyn Transport>,
            encryption: &Encryption,
            _: &PeerName,
        ) -> Result<Self, ClientError> {
            match encryption.0 {}
        }

        pub(crate) fn go_on(&mut self, _: &CallPatience) -> Result<bool, ClientError> {
            match self.0 {}
        }

        pub(crate) fn into_transport(self) -> Arc<dyn Transport> {
            match self.0 {}
        }
    }

    pub(crate) fn encrypt(
        _: Arc<dyn Transport>,
        encryption: &Encryption,
        _: &PeerName,
        _: &CallPatience,
    ) -> Result<Arc<dyn Transport>, ClientError> {
        match encryption.0 {}
    }
}

#[cfg(not(feature = "tls-no-provider"))]
pub(crate) use without_tls::{
    Encryption, Handshake, PeerName, encrypt, has_fixed_name, kind_of_loss, peer_name, proxy_name,
    usual_encryption,
};

/// Says why a request for a URL of HTTPS, or of plain HTTP, is not for this client.
pub(crate) fn check_scheme(is_https: bool, encrypts: bool) -> Result<(), ClientError> {
    match (is_https, encrypts) {
        (true, true) | (false, false) => Ok(()),
        (false, true) => Err(ClientError::invalid("its URL is one of plain HTTP, and this client encrypts")),
        #[cfg(feature = "tls-no-provider")]
        (true, false) => Err(ClientError::invalid(
            "its URL is one of HTTPS, which this client is not told to speak: `tls`",
        )),
        #[cfg(not(feature = "tls-no-provider"))]
        (true, false) => Err(ClientError::invalid(NO_TLS)),
    }
}
