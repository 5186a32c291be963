//! A connection in memory: the peer's bytes arrive in exactly the pieces that a script says, and what the server does
//! with the connection can be seen from outside, even after it has consumed the stream.
//!
//! The idea: where a byte stream is cut is the network's whim, so a protocol test decides on it and does not leave it
//! to a socket. The rule: nothing here waits. A peer that would make a server wait forever is a time-out at once.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anthill_http::{RequestCtx, Server, ServerBuilder};

/// What the peer sends, and how.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// All bytes the peer sends.
    pub bytes: Vec<u8>,
    /// Places within the bytes that no read goes beyond, in ascending order.
    pub cuts: Vec<usize>,
    /// Places within the bytes, in ascending order, where the peer goes on only after it got something new to read.
    pub waits: Vec<usize>,
    /// What it does behind the last byte.
    pub then: Then,
}

/// What a peer does when it has sent everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// It ends its direction of the connection.
    #[default]
    Closes,
    /// Nothing, until the server's patience is over.
    KeepsSilent,
}

impl Script {
    /// A peer that sends `bytes` in one piece and then closes.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        Script { bytes: bytes.as_ref().to_vec(), ..Script::default() }
    }

    /// The same, cut at these places.
    #[must_use]
    pub fn cut_at(&self, cuts: impl IntoIterator<Item = usize>) -> Self {
        Script { cuts: cuts.into_iter().collect(), ..self.clone() }
    }

    /// The same with `bytes` behind the others.
    #[must_use]
    pub fn followed_by(&self, bytes: impl AsRef<[u8]>) -> Self {
        Script { bytes: [&self.bytes, bytes.as_ref()].concat(), ..self.clone() }
    }

    /// The same with `bytes` before the others.
    #[must_use]
    pub fn preceded_by(&self, bytes: impl AsRef<[u8]>) -> Self {
        let shift = bytes.as_ref().len();
        let shifted = |places: &[usize]| places.iter().map(|place| place + shift).collect();
        Script {
            bytes: [bytes.as_ref(), &self.bytes].concat(),
            cuts: shifted(&self.cuts),
            waits: shifted(&self.waits),
            then: self.then,
        }
    }
}

/// The server's end of the connection.
#[derive(Debug)]
pub struct Wire(Arc<Mutex<State>>);

/// What has happened to a [`Wire`].
#[derive(Clone, Debug)]
pub struct WireView(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    script: Script,
    taken: usize,
    written: Vec<u8>,
    /// How much had been written when the peer last went on after waiting.
    noticed: usize,
    /// The wait that the peer has not begun yet.
    next_wait: usize,
    met_end: bool,
    met_silence: bool,
    stalled: bool,
}

impl Wire {
    /// A connection whose peer follows `script`.
    pub fn new(script: Script) -> (Wire, WireView) {
        let state = Arc::new(Mutex::new(State {
            script,
            taken: 0,
            written: Vec::new(),
            noticed: 0,
            next_wait: 0,
            met_end: false,
            met_silence: false,
            stalled: false,
        }));
        (Wire(state.clone()), WireView(state))
    }
}

impl WireView {
    /// Everything the server has written.
    pub fn written(&self) -> Vec<u8> {
        lock(&self.0).written.clone()
    }

    /// How many of the peer's bytes the server has read.
    pub fn taken(&self) -> usize {
        lock(&self.0).taken
    }

    /// Whether the server has read the end of the peer's bytes.
    pub fn met_end(&self) -> bool {
        lock(&self.0).met_end
    }

    /// Whether the server wanted more than the peer had to say.
    pub fn met_silence(&self) -> bool {
        lock(&self.0).met_silence
    }

    /// Whether the server wanted to read while the peer waited for it to write.
    pub fn stalled(&self) -> bool {
        lock(&self.0).stalled
    }
}

impl Read for Wire {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut state = lock(&self.0);
        if space.is_empty() {
            return Ok(0);
        }
        if state.script.waits.get(state.next_wait) == Some(&state.taken) {
            if state.written.len() == state.noticed {
                state.stalled = true;
                return Err(ErrorKind::WouldBlock.into());
            }
            state.noticed = state.written.len();
            state.next_wait += 1;
        }
        let from = state.taken;
        if from == state.script.bytes.len() {
            return match state.script.then {
                Then::Closes => {
                    state.met_end = true;
                    Ok(0)
                }
                Then::KeepsSilent => {
                    state.met_silence = true;
                    Err(ErrorKind::WouldBlock.into())
                }
            };
        }
        let script = &state.script;
        let next = |places: &[usize]| {
            places.get(places.partition_point(|place| *place <= from)).copied().unwrap_or(usize::MAX)
        };
        let piece_end = next(&script.cuts).min(next(&script.waits)).min(script.bytes.len());
        let to = piece_end.min(from + space.len());
        space[..to - from].copy_from_slice(&state.script.bytes[from..to]);
        state.taken = to;
        Ok(to - from)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lets `serve_conn` serve what a script says; returns what it wrote.
pub fn served(server: &Server, script: Script) -> String {
    let (wire, view) = Wire::new(script);
    // How the connection ended is seen in what was written.
    let _ = server.serve_conn(wire);
    String::from_utf8_lossy(&view.written()).into_owned()
}

/// What a server with these options and this handler sends in answer to `request`, but for what depends on the time.
///
/// # Panics
/// When the options are refused, or the connection does not end well.
#[track_caller]
pub fn answer(
    options: ServerBuilder,
    handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static,
    request: &str,
) -> String {
    let server = options.default_date(false).name(None).build(handler).expect("options");
    let (wire, view) = Wire::new(Script::new(request));
    server.serve_conn(wire).expect("a connection that ends well");
    String::from_utf8_lossy(&view.written()).into_owned()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wire: &mut Wire, space: usize) -> io::Result<String> {
        let mut buffer = vec![0; space];
        let count = wire.read(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
    }

    #[test]
    fn no_read_goes_beyond_a_cut_or_the_space() {
        let (mut wire, view) = Wire::new(Script::new("abcdefgh").cut_at([1, 4]));
        for piece in ["a", "bc", "d", "ef", "gh"] {
            assert!(!view.met_end());
            assert_eq!(read(&mut wire, 2).unwrap(), piece);
        }
        assert_eq!((view.taken(), view.met_end()), (8, false));
        assert_eq!(read(&mut wire, 2).unwrap(), "");
        assert!(view.met_end() && !view.met_silence());
    }

    #[test]
    fn a_peer_that_waits_goes_on_when_it_was_answered() {
        let script = Script { waits: vec![1, 2], ..Script::new("abc") };
        let (mut wire, view) = Wire::new(script);
        assert_eq!(read(&mut wire, 9).unwrap(), "a");
        wire.write_all(b"answer").unwrap();
        assert_eq!(read(&mut wire, 9).unwrap(), "b");
        assert_eq!(read(&mut wire, 9).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(view.stalled());
        assert_eq!(view.written(), b"answer");
    }

    #[test]
    fn a_silent_peer_is_a_time_out() {
        let script = Script { then: Then::KeepsSilent, ..Script::new("a") };
        let (mut wire, view) = Wire::new(script.preceded_by("x").followed_by("b"));
        assert_eq!(read(&mut wire, 9).unwrap(), "xab");
        assert!(read(&mut wire, 9).is_err());
        assert!(view.met_silence() && !view.met_end());
    }
}
