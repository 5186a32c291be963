//! Having a proxy of HTTP give a connection to a host: `CONNECT` (RFC 9110 section 9.3.6).
//!
//! The idea: it is an exchange like any other, by the same strict core, whose response has no body if it is one of
//! success.
//!
//! The rule: whoever speaks behind the proxy's head speaks too early; nobody is told anything before he is asked.

use super::conn::{Allowed, ClientSocket, ConnWay, NewSocket, Terms};
use super::error::{ClientError, ClientErrorKind, ClientPhase};
use super::patience::CallPatience;
use crate::proto::{Limits, RequestHead};
use crate::values::headers::{Fields, Headers};
use crate::values::version::Version;
use crate::wire::transport::Transport;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// What a connection says of its end that has no address that can be known.
pub(crate) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A connection to `authority`, a host and a port, over one to a proxy.
pub(crate) fn open(
    transport: Arc<dyn Transport>,
    authority: &str,
    authorization: &[u8],
    patience: &CallPatience,
) -> Result<Arc<dyn Transport>, ClientError> {
    let way = ConnWay { local: None, via: None, is_tunnel: false };
    let mut conn = ClientSocket::new(NewSocket { transport, remote: NOWHERE, way });
    let here = conn.ends_with(patience);
    // Whoever calls off from here on ends the connection; who did before is seen here.
    let outcome = match patience.is_cancelled() {
        true => Err(ClientError::new(ClientErrorKind::Cancelled)),
        false => ask(&mut conn, authority, authorization, patience),
    };
    drop(here);
    outcome.map_err(|error| match error.kind() {
        ClientErrorKind::Timeout(_) => ClientError::new(ClientErrorKind::Timeout(ClientPhase::Proxy)),
        ClientErrorKind::Proxy => error,
        // What was met is told, and that it was the proxy with whom.
        _ => ClientError::because(ClientErrorKind::Proxy, error.to_string()),
    })?;
    conn.into_transport()
        .ok_or_else(|| ClientError::because(ClientErrorKind::Proxy, "it says more than it was asked"))
}

fn ask(
    conn: &mut ClientSocket,
    authority: &str,
    authorization: &[u8],
    patience: &CallPatience,
) -> Result<(), ClientError> {
    let mut defaults = Headers::new();
    if !authorization.is_empty() {
        defaults.append("Proxy-Authorization", authorization);
    }
    let head = RequestHead {
        method: b"CONNECT",
        target: authority.as_bytes(),
        version: Version::Http11,
        host: authority.as_bytes(),
        defaults: defaults.fields(),
        fields: Fields::new(b"", &[]),
        expects_continue: false,
        length: Some(0),
    };
    conn.session
        .begin(&head, &conn.input, &mut conn.out)
        .map_err(|error| ClientError::because(ClientErrorKind::Proxy, error))?;
    let allowed = Allowed { until: patience.until(), read: None, write: None };
    let limits = Limits { streams_bodies: true, ..Limits::DEFAULT };
    let terms = &mut Terms {
        limits: &limits,
        allowed,
        on_informational: None,
        is_continued: false,
        sends_behind: false,
    };
    conn.send(terms)?;
    conn.session.request_sent();
    conn.receive_head(terms)?;
    match conn.found.head.status {
        200..300 => Ok(()),
        status => {
            let reason = conn.found.head.reason.within(conn.input.unread());
            let why = format!("it answers {status} {}", reason.escape_ascii());
            Err(ClientError::because(ClientErrorKind::Proxy, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::in_memory::InMemoryStream;
    use anthill_pool::CancelToken;
    use std::io::Read;
    use std::time::Duration;

    #[test]
    fn who_was_called_off_before_he_is_heard_here_asks_nobody_and_waits_for_nothing() {
        let (ours, mut proxy) = InMemoryStream::pair();
        let token = CancelToken::new();
        token.cancel();
        let patience = CallPatience::new(Some(Duration::from_secs(20)), Some(&token));
        let error = open(Arc::new(ours.into_transport()), "origin.test:443", b"", &patience).map(drop);
        let error = error.expect_err("it was called off");
        assert_ne!(error.kind(), ClientErrorKind::Timeout(ClientPhase::Proxy));
        let mut heard = Vec::new();
        proxy.read_to_end(&mut heard).expect("the connection is closed");
        assert!(heard.is_empty(), "{}", heard.escape_ascii());
    }
}
