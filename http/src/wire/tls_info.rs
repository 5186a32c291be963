//! What the two ends of an encrypted connection have agreed on, for whoever wants to know.

/// What was agreed on when a connection was encrypted by TLS: [`RequestCtx::tls`](crate::RequestCtx::tls),
/// [`ConnInfo::tls`](crate::ConnInfo::tls), [`HijackedConn::tls`](crate::HijackedConn::tls), and `tls` of a response
/// that a client has got.
///
/// ```
/// use anthill_http::{HttpError, RequestCtx};
///
/// fn whoami(ctx: &mut RequestCtx) -> Result<(), HttpError> {
///     let tls = ctx.tls().ok_or(HttpError::new(421, "by TLS only"))?;
///     let line = format!("{} {} {}", tls.version(), tls.cipher_suite(), tls.server_name().unwrap_or("-"));
///     ctx.set_body(line);
///     Ok(())
/// }
/// # let mut ctx = RequestCtx::default();
/// # anthill_http::Handler::handle(&whoami, &mut ctx);
/// # assert_eq!(ctx.response.status_code(), 421);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    pub(crate) version: &'static str,
    pub(crate) cipher_suite: Box<str>,
    pub(crate) key_exchange: Option<Box<str>>,
    pub(crate) server_name: Option<Box<str>>,
    pub(crate) protocol: Option<Box<[u8]>>,
    pub(crate) peer_certificates: Vec<Box<[u8]>>,
    pub(crate) is_resumed: bool,
}

impl TlsInfo {
    /// The version: `TLSv1.3` or `TLSv1.2`.
    pub fn version(&self) -> &str {
        self.version
    }

    /// The cipher suite, by its name in IANA's registry: `TLS_AES_256_GCM_SHA384`.
    pub fn cipher_suite(&self) -> &str {
        &self.cipher_suite
    }

    /// The group that keys were exchanged in (`X25519MLKEM768`, `secp256r1`); `None` when keys of before were used
    /// again.
    pub fn key_exchange(&self) -> Option<&str> {
        self.key_exchange.as_deref()
    }

    /// The name that the client has asked for (SNI, RFC 6066 section 3); `None`: for none, as when it connects to an
    /// address.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The protocol that was agreed on (ALPN, RFC 7301): `http/1.1`, or one of
    /// [`next_proto`](crate::TlsConfigBuilder::next_proto); `None`: the client has named none.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.protocol.as_deref()
    }

    /// As [`alpn`](Self::alpn), if it is UTF-8.
    pub fn alpn_str(&self) -> Option<&str> {
        std::str::from_utf8(self.alpn()?).ok()
    }

    /// The peer's certificate and those that it has sent behind it, each in DER. To a server: the client's, none when
    /// it was not asked, or has shown none; they have been [verified](crate::TlsConfigBuilder::client_ca). To a client:
    /// the server's, verified unless it was told not to.
    pub fn peer_certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.peer_certificates.iter().map(|certificate| &**certificate)
    }

    /// Whether the client came back with what it was given on an earlier connection, so that no certificate was shown.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }
}
