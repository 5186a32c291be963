//! One session: plain bytes at one end, records at the other, of which a transport brings and takes some at a time.
//!
//! The rules: nothing is encrypted before what was encrypted last has been sent. A transport is read only when no plain
//! bytes are left, so that whoever waits for reports waits for what is not here. What cannot be sent any more, and what
//! came behind something good, keeps nobody from reading that.
//!
//! There is one exception to the first: what a server says at the end of a handshake, tickets to come back with, waits
//! until it is known whether a request is here, and leaves with the answer to that. It is small, and no client waits
//! for it.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem;

use rustls::{Connection, HandshakeKind, IoState, ProtocolVersion};

use crate::wire::tls_info::TlsInfo;
use crate::wire::transport::{ReadCount, Transport};

/// The most that a record protects (RFC 8446 section 5.1).
const RECORD: usize = 1 << 14;
/// Plain bytes at which no more are decrypted.
const PLAIN_MOST: usize = 1 << 14;
/// How much of a transport is read for whoever asks for less; `rustls` takes in as much at once.
const CHUNK: usize = 4096;
/// Up to so many bytes of several records leave in one call: a copy costs less than a packet of their own.
const GATHERED: usize = 4096;
/// So many bytes of records may come without a byte in them. One whole record is not many; those that are empty, or
/// change keys, are nothing that anybody needs many of, and `rustls` counts each kind alone.
const BARREN_MOST: usize = 1 << 16;

pub(super) struct TlsSession {
    connection: Connection,
    /// The name that we have asked for, as a client.
    asked_for: Option<Box<str>>,
    /// Bytes that were decrypted and not read.
    plain: usize,
    /// What was received, and is not decrypted yet: for a handshake that is reckoned later, or because enough is.
    unfed: Vec<u8>,
    /// Bytes that were fed since a plain one came.
    barren: usize,
    /// Bytes that were fed since what they were kept in was made small.
    fed: usize,
    has_said_goodbye: bool,
    first: FirstSteps,
    /// The transport takes nothing any more.
    is_mute: bool,
    /// What came is nothing that can be decrypted, from here on.
    failure: Option<rustls::Error>,
    /// The transport came to its end, and the peer had not said so.
    is_cut_off: bool,
    peer_has_ended: bool,
}

/// What is so right behind a handshake.
#[derive(Clone, Copy, Debug, Default)]
struct FirstSteps {
    /// What is to be sent may leave with whatever is written next, until a read finds nothing.
    may_wait: bool,
    /// The transport was drained by whoever read from it before.
    was_drained: bool,
}

impl TlsSession {
    /// One of either end, on which nothing was said.
    pub(super) fn new(connection: impl Into<Connection>) -> Self {
        Self {
            connection: connection.into(),
            asked_for: None,
            plain: 0,
            unfed: Vec::new(),
            barren: 0,
            fed: 0,
            has_said_goodbye: false,
            first: FirstSteps::default(),
            is_mute: false,
            failure: None,
            is_cut_off: false,
            peer_has_ended: false,
        }
    }

    /// The client's, which asks for this name.
    #[cfg(feature = "client")]
    pub(super) fn asking_for(self, name: Option<&str>) -> Self {
        Self { asked_for: name.map(Into::into), ..self }
    }

    /// Takes records of a handshake, to be looked at by [`reckon`](Self::reckon).
    pub(super) fn receive(&mut self, records: &[u8]) {
        self.unfed.extend_from_slice(records);
    }

    /// Goes on with what was received. True: the handshake is over; what came behind it is read later.
    ///
    /// # Errors
    /// When it has failed. What the peer is to be told of that is to be [pushed](Self::push).
    pub(super) fn reckon(&mut self) -> Result<bool, rustls::Error> {
        let records = mem::take(&mut self.unfed);
        self.digest(&records)?;
        // A handshake has nothing else in it.
        self.barren = 0;
        Ok(!self.connection.is_handshaking())
    }

    /// Has records looked at, a piece after the other, because only so many are taken in at once. What comes behind
    /// enough plain bytes is kept as it is.
    fn digest(&mut self, mut records: &[u8]) -> Result<(), rustls::Error> {
        while !records.is_empty() {
            if self.plain >= PLAIN_MOST {
                self.unfed.extend_from_slice(records);
                break;
            }
            let fed = self.connection.read_tls(&mut records);
            let fed = fed.map_err(|error| rustls::Error::General(error.to_string()))?;
            if fed == 0 {
                // The peer has said that it is done.
                break;
            }
            let state = self.connection.process_new_packets()?;
            self.note(&state);
            self.fed += fed;
            self.barren = if self.plain > 0 { 0 } else { self.barren + fed };
        }
        Ok(())
    }

    fn note(&mut self, state: &IoState) {
        self.plain = state.plaintext_bytes_to_read();
        self.peer_has_ended |= state.peer_has_closed();
    }

    /// Whether the peer has said that it sends nothing more.
    pub(super) fn has_peer_ended(&self) -> bool {
        self.peer_has_ended
    }

    /// Whether the peer's stream ended without that.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// Leaves what is to be sent until something is written, or a read finds nothing: if nobody waits for it, as for
    /// what comes behind a handshake of TLS 1.3. False: somebody does.
    pub(super) fn lets_wait(&mut self) -> bool {
        self.first.may_wait = self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        self.first.may_wait
    }

    /// Nothing is in the transport behind what was received, as far as its next report.
    pub(super) fn is_drained_below(&mut self) {
        self.first.was_drained = true;
    }

    /// Whether records wait to be sent, and can be.
    pub(super) fn holds_records(&self) -> bool {
        self.connection.wants_write() && !self.is_mute
    }

    /// Sends records. How many bytes; 0: there are none.
    pub(super) fn push(&mut self, below: &dyn Transport) -> io::Result<usize> {
        self.first.may_wait = false;
        if !self.connection.wants_write() {
            return Ok(0);
        }
        if self.is_mute {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let pushed = match self.connection.write_tls(&mut Below(below)) {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            pushed => pushed,
        };
        pushed.inspect_err(|error| {
            self.is_mute = !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
        })
    }

    /// Sends all records.
    pub(super) fn push_all(&mut self, below: &dyn Transport) -> io::Result<()> {
        self.push_counted(below, &mut 0)
    }

    /// The same, and counts what went.
    fn push_counted(&mut self, below: &dyn Transport, sent: &mut usize) -> io::Result<()> {
        loop {
            match self.push(below) {
                Ok(0) => return Ok(()),
                Ok(count) => *sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// As [`Transport::write`]. An error means that nothing of the slices was sent; of what fails behind that the next
    /// call tells.
    pub(super) fn write(&mut self, below: &dyn Transport, slices: [&[u8]; 2]) -> io::Result<usize> {
        if self.has_said_goodbye {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if !mem::take(&mut self.first.may_wait) {
            self.push_all(below)?;
        }
        let [mut first, mut second] = slices;
        let (mut taken, mut sent) = (0, 0);
        while !first.is_empty() || !second.is_empty() {
            let of_first = first.len().min(RECORD);
            let of_second = second.len().min(RECORD - of_first);
            let record = [IoSlice::new(&first[..of_first]), IoSlice::new(&second[..of_second])];
            let count = self.connection.writer().write_vectored(&record)?;
            if count == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            taken += count;
            let of_first = count.min(first.len());
            (first, second) = (&first[of_first..], &second[count - of_first..]);
            match self.push_counted(below, &mut sent) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock || sent > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// As [`Transport::read`].
    pub(super) fn read(&mut self, below: &dyn Transport, room: &mut [u8]) -> io::Result<ReadCount> {
        // Perhaps the peer waits for what we have not got rid of.
        self.push_unless_it_may_wait(below);
        let mut is_drained = mem::take(&mut self.first.was_drained);
        loop {
            if let Some(count) = self.take(room)? {
                if count == 0 {
                    self.push_if_possible(below);
                }
                let has_more = self.plain > 0 || !self.unfed.is_empty() || self.failure.is_some();
                let is_all = count == 0 || !has_more;
                let is_drained = is_all && (is_drained || count == 0);
                if is_drained {
                    self.relax();
                }
                return Ok(ReadCount { count, is_drained });
            }
            if let Some(failure) = &self.failure {
                return Err(io::Error::new(ErrorKind::InvalidData, failure.clone()));
            }
            if self.barren > BARREN_MOST {
                let reason = "the peer sends records without anything in them";
                return Err(io::Error::new(ErrorKind::InvalidData, reason));
            }
            if !self.unfed.is_empty() {
                let records = mem::take(&mut self.unfed);
                self.feed(&records, below);
                continue;
            }
            // Records are longer than what they protect, so there is room for that afterwards.
            is_drained = match room.len() {
                0..CHUNK => self.bring(below, &mut [0; CHUNK])?,
                length => self.bring(below, &mut room[..length.min(RECORD)])?,
            };
        }
    }

    /// Reads records by way of `room`. True: that has drained the transport.
    fn bring(&mut self, below: &dyn Transport, room: &mut [u8]) -> io::Result<bool> {
        let arrived = below.read(room).inspect_err(|error| {
            if error.kind() == ErrorKind::WouldBlock {
                self.relax();
                if self.first.may_wait {
                    self.push_if_possible(below);
                }
            }
        })?;
        if arrived.count == 0 {
            self.connection.read_tls(&mut io::empty())?;
        } else {
            self.feed(&room[..arrived.count], below);
        }
        Ok(arrived.is_drained)
    }

    /// Nothing more is there for now, and it may stay so: what records were kept in is made small. That is done when
    /// there is room made for the next ones.
    fn relax(&mut self) {
        if mem::take(&mut self.fed) >= CHUNK {
            // Which are not there.
            let _ = self.connection.read_tls(&mut Nothing);
        }
    }

    /// Takes plain bytes; 0 at the end of the peer's stream. `None`: there are none.
    fn take(&mut self, room: &mut [u8]) -> io::Result<Option<usize>> {
        match self.connection.reader().read(room) {
            Ok(count) => {
                self.plain = self.plain.saturating_sub(count);
                Ok(Some(count))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.is_cut_off = true;
                Ok(Some(0))
            }
            Err(error) => Err(error),
        }
    }

    /// Decrypts records that have come. Those before one that is none stay good.
    fn feed(&mut self, records: &[u8], below: &dyn Transport) {
        if let Err(failure) = self.digest(records) {
            self.failure = Some(failure);
            // Of what is wrong the peer is told, too.
            self.first.may_wait = false;
        }
        self.push_unless_it_may_wait(below);
    }

    fn push_unless_it_may_wait(&mut self, below: &dyn Transport) {
        if !self.first.may_wait {
            self.push_if_possible(below);
        }
    }

    /// Whoever writes is told when it is not.
    fn push_if_possible(&mut self, below: &dyn Transport) {
        if let Err(error) = self.push_all(below) {
            log::trace!("records are not sent now: {error}");
        }
    }

    /// Says that nothing more will come.
    pub(super) fn say_goodbye(&mut self, below: &dyn Transport) -> io::Result<()> {
        if !self.has_said_goodbye {
            self.has_said_goodbye = true;
            self.connection.send_close_notify();
        }
        self.push_all(below)
    }

    /// What was agreed on, once the handshake is over.
    pub(super) fn info(&self) -> TlsInfo {
        let connection = &self.connection;
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        let suite = suite.and_then(|suite| suite.as_str()).unwrap_or("unknown");
        let group = connection.negotiated_key_exchange_group().map(|group| group.name());
        let certificates = connection.peer_certificates().unwrap_or_default();
        let server_name = match connection {
            Connection::Server(connection) => connection.server_name(),
            Connection::Client(_) => self.asked_for.as_deref(),
        };
        TlsInfo {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
                _ => "unknown",
            },
            // The registry does not say the version in the names of this one.
            cipher_suite: suite.replacen("TLS13_", "TLS_", 1).into(),
            key_exchange: group.and_then(|group| group.as_str()).map(Into::into),
            server_name: server_name.map(Into::into),
            protocol: connection.alpn_protocol().map(Into::into),
            peer_certificates: certificates.iter().map(|certificate| certificate.as_ref().into()).collect(),
            is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

/// What nothing has come of.
struct Nothing;

impl Read for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

/// A transport as `rustls` writes to it.
struct Below<'a>(&'a dyn Transport);

impl Write for Below<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write([bytes, &[]])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [] => Ok(0),
            [only] => self.0.write([only, &[]]),
            [first, second] => self.0.write([first, second]),
            [first, second, ..] if first.len() + second.len() >= GATHERED => self.0.write([first, second]),
            many => {
                let (mut gathered, mut length) = ([0; GATHERED], 0);
                for slice in many {
                    let count = slice.len().min(GATHERED - length);
                    gathered[length..length + count].copy_from_slice(&slice[..count]);
                    length += count;
                }
                self.0.write([&gathered[..length], &[]])
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, feature = "client", any(feature = "tls", feature = "tls-ring")))]
mod tests {
    use super::*;
    use crate::tls::{ClientTlsConfig, TlsConfig, TrustedRoots};
    use parking_lot::Mutex;
    use rustls::{ClientConnection, ServerConnection};
    use std::collections::VecDeque;
    use std::sync::Arc;

    /// Of `session.test`, by itself, for a hundred years.
    const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBnzCCAUSgAwIBAgIUFdLlx9Mbvg8lQAIm9wmryos7EWMwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMc2Vzc2lvbi50ZXN0MCAXDTI2MTIwMTAwMjE1MloYDzIxMjYx
MTA3MDAyMTUyWjAXMRUwEwYDVQQDDAxzZXNzaW9uLnRlc3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAAR9nqGoWdQ9RtoPaTqMyf64INYVUMwGRK1Y8goQii/u0bZw
gvpP0M6D1Z+M4reWUtaxcFILcS3bhnVet9QOc78Ao2wwajAdBgNVHQ4EFgQUnK4H
+HXgUNySXj8uGTppGbOlPwEwHwYDVR0jBBgwFoAUnK4H+HXgUNySXj8uGTppGbOl
PwEwDwYDVR0TAQH/BAUwAwEB/zAXBgNVHREEEDAOggxzZXNzaW9uLnRlc3QwCgYI
KoZIzj0EAwIDSQAwRgIhAP2jJfQP//ke2sktZxgSO0F1tYP1iyL8WdTJVTPtFfT1
AiEAp9Ddon7mwhmrmf7VpitrtxhNrBB/3d9jNEq8WcB6fNs=
-----END CERTIFICATE-----
";
    const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRxO4pO+9qwKDPvq4
OfNwpdEmohnTGSaU1cyBN+FOeamhRANCAAR9nqGoWdQ9RtoPaTqMyf64INYVUMwG
RK1Y8goQii/u0bZwgvpP0M6D1Z+M4reWUtaxcFILcS3bhnVet9QOc78A
-----END PRIVATE KEY-----
";

    /// What is below a session: what it brings, and what becomes of what it is given.
    #[derive(Default)]
    struct Wire {
        brings: Mutex<VecDeque<Vec<u8>>>,
        /// Without one all is taken.
        writes: Mutex<VecDeque<Result<usize, ErrorKind>>>,
        took: Mutex<Vec<u8>>,
    }

    impl Wire {
        fn bringing(pieces: &[&[u8]]) -> Self {
            let brings = pieces.iter().map(|piece| piece.to_vec()).collect();
            Self { brings: Mutex::new(brings), ..Self::default() }
        }
    }

    impl Transport for Wire {
        fn read(&self, room: &mut [u8]) -> io::Result<ReadCount> {
            let mut brings = self.brings.lock();
            let mut piece = brings.pop_front().ok_or(ErrorKind::WouldBlock)?;
            let count = piece.len().min(room.len());
            room[..count].copy_from_slice(&piece[..count]);
            let rest = piece.split_off(count);
            if !rest.is_empty() {
                brings.push_front(rest);
            }
            Ok(ReadCount { count, is_drained: brings.is_empty() })
        }

        fn write(&self, slices: [&[u8]; 2]) -> io::Result<usize> {
            let most = self.writes.lock().pop_front().unwrap_or(Ok(usize::MAX))?;
            let all = slices.concat();
            let count = all.len().min(most);
            self.took.lock().extend_from_slice(&all[..count]);
            Ok(count)
        }

        fn shut_down(&self) {}
    }

    /// Both ends of a session that is open.
    fn open() -> (TlsSession, TlsSession) {
        let server = TlsConfig::from_pem(CERTIFICATE, KEY).expect("a certificate");
        let mut server = TlsSession::new(ServerConnection::new(server.for_connection()).expect("a server"));
        let trusts = ClientTlsConfig::builder().roots(TrustedRoots::None).ca_pem(CERTIFICATE);
        let client = trusts.build().expect("an authority").for_test();
        let name = "session.test".try_into().expect("a name");
        let mut client = TlsSession::new(ClientConnection::new(Arc::new(client), name).expect("a client"));
        let mut is_open = (false, false);
        while is_open != (true, true) {
            is_open.0 = client.reckon().expect("it agrees");
            let wire = Wire::default();
            client.push_all(&wire).expect("it is taken");
            server.receive(&wire.took.lock());
            is_open.1 = server.reckon().expect("it agrees");
            let wire = Wire::default();
            server.push_all(&wire).expect("it is taken");
            client.receive(&wire.took.lock());
        }
        client.reckon().expect("tickets");
        (client, server)
    }

    /// What the session says, as it goes over the wire.
    fn said(session: &mut TlsSession, text: &[u8]) -> Vec<u8> {
        let wire = Wire::default();
        assert_eq!(session.write(&wire, [text, &[]]).expect("it is taken"), text.len());
        wire.took.into_inner()
    }

    fn read_all(session: &mut TlsSession, wire: &Wire) -> (Vec<u8>, ErrorKind) {
        let (mut all, mut room) = (Vec::new(), [0; 64]);
        loop {
            match session.read(wire, &mut room) {
                Ok(read) if read.count > 0 => all.extend_from_slice(&room[..read.count]),
                Ok(_) => return (all, ErrorKind::UnexpectedEof),
                Err(error) => return (all, error.kind()),
            }
        }
    }

    #[test]
    fn what_was_sent_counts_whatever_comes_behind_it() {
        let body = vec![b'x'; 3 * RECORD];
        for (writes, expected) in [
            (vec![Err(ErrorKind::ConnectionReset)], None),
            (vec![Ok(usize::MAX), Err(ErrorKind::ConnectionReset)], Some(2 * RECORD)),
            (vec![Ok(1), Err(ErrorKind::BrokenPipe)], Some(RECORD)),
            (vec![Ok(usize::MAX), Err(ErrorKind::WouldBlock)], Some(2 * RECORD)),
        ] {
            let (mut client, mut server) = open();
            let answer = said(&mut server, b"413");
            let is_late = writes.last() == Some(&Err(ErrorKind::WouldBlock));
            let wire = Wire { writes: Mutex::new(writes.into()), ..Wire::bringing(&[&answer]) };
            assert_eq!(client.write(&wire, [&body, &[]]).ok(), expected);
            assert_eq!(client.holds_records(), is_late);
            // It says so from now on, and reads all the same.
            assert_eq!(client.write(&wire, [b"y", &[]]).is_ok(), is_late);
            assert_eq!(client.push(&wire).is_ok(), is_late);
            assert_eq!(read_all(&mut client, &wire), (b"413".to_vec(), ErrorKind::WouldBlock));
        }
    }

    #[test]
    fn what_is_none_takes_nothing_from_what_came_before_it() {
        let garbage = [23, 3, 3, 0, 4, 1, 2, 3, 4];
        let count = 3 + 5 + 17 + garbage.len();
        for cut in 0..count {
            let (mut client, mut server) = open();
            let all = [&said(&mut server, b"all")[..], &garbage].concat();
            assert_eq!(all.len(), count);
            let (first, second) = all.split_at(cut);
            let pieces: Vec<&[u8]> = [first, second].into_iter().filter(|piece| !piece.is_empty()).collect();
            let wire = Wire::bringing(&pieces);
            assert_eq!(read_all(&mut client, &wire), (b"all".to_vec(), ErrorKind::InvalidData), "{cut}");
            assert_eq!(read_all(&mut client, &wire), (Vec::new(), ErrorKind::InvalidData), "{cut}");
        }
    }
}
