//! Everything that a response's body can come from, made for tests: each knows what it was asked for and when it was
//! dropped.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::{RequestCtx, Response};

use crate::uploads::or_next;
use crate::{Gate, eventually};

/// What has happened to the sources of bodies.
#[derive(Clone, Debug, Default)]
pub struct Tally(pub Arc<(AtomicUsize, AtomicUsize)>);

/// A source of a body. What is inside must not be used up before it is dropped.
pub struct Source<R> {
    tally: Tally,
    inner: R,
}

impl Tally {
    /// Counts its reads, and its drop.
    pub fn source<R>(&self, inner: R) -> Source<R> {
        Source { tally: self.clone(), inner }
    }

    /// How often sources were asked for bytes, and how many were dropped, since the last time.
    pub fn take(&self) -> (usize, usize) {
        let (reads, drops) = &*self.0;
        (reads.swap(0, Ordering::SeqCst), drops.swap(0, Ordering::SeqCst))
    }

    /// Waits until so many sources have been dropped since the last time, and no more.
    #[track_caller]
    pub fn drops(&self, count: usize) {
        eventually("sources are dropped", || self.0.1.load(Ordering::SeqCst) >= count);
        assert_eq!(self.take().1, count);
    }
}

impl<R> Source<R> {
    /// A writer asks for its source by this.
    pub fn touch(&self) {
        self.tally.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.touch();
        self.inner.read(room)
    }
}

impl<R> Drop for Source<R> {
    fn drop(&mut self) {
        self.tally.0.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// A reader that does one thing at each read.
#[derive(Default)]
pub struct StepReader(VecDeque<Step>);

type Step = Box<dyn FnOnce(&mut [u8]) -> io::Result<usize> + Send>;

impl StepReader {
    /// One that is at its end.
    pub fn new() -> Self {
        StepReader::default()
    }

    /// The same, and then this.
    #[must_use]
    pub fn then(mut self, step: impl FnOnce(&mut [u8]) -> io::Result<usize> + Send + 'static) -> Self {
        self.0.push_back(Box::new(step));
        self
    }

    /// The same, and then it gives this text.
    #[must_use]
    pub fn gives(self, text: &'static str) -> Self {
        self.then(move |room| {
            room[..text.len()].copy_from_slice(text.as_bytes());
            Ok(text.len())
        })
    }

    /// The same, and then it waits at the gate before it gives this text.
    #[must_use]
    pub fn waits(self, gate: &Gate, text: &'static str) -> Self {
        let gate = gate.clone();
        self.then(move |room| {
            gate.pass();
            room[..text.len()].copy_from_slice(text.as_bytes());
            Ok(text.len())
        })
    }
}

impl Read for StepReader {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.pop_front().map_or(Ok(0), |step| step(room))
    }
}

/// All forms a body can have, as paths.
pub const FORMS: &[&str] =
    &["/copied", "/vec", "/static", "/shared", "/sized", "/reader", "/file", "/range", "/writer"];

/// Those of them that have a source which is read while the response is sent.
pub const SOURCES: &[&str] = &["/sized", "/reader", "/writer"];

/// A body that is there for ever.
pub static STATIC: [u8; 40_000] = [b's'; 40_000];

/// Gives `body` in the form that the path says.
pub fn give(response: &mut Response, form: &str, body: &[u8], tally: &Tally) {
    match form {
        "/copied" => response.set_body(body),
        "/vec" => response.set_body_vec(body.to_vec()),
        "/static" => response.set_body_static(&STATIC[..body.len()]),
        "/shared" => response.set_body_shared(body),
        "/sized" => {
            let reader = tally.source(io::Cursor::new(body.to_vec()));
            response.set_body_reader_sized(reader, body.len() as u64);
        }
        "/reader" => response.set_body_reader(tally.source(io::Cursor::new(body.to_vec()))),
        "/file" => {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(body).unwrap();
            response.set_body_file(file).unwrap();
        }
        "/range" => {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&[b"before", body, b"behind"].concat()).unwrap();
            response.set_body_file_range(file, 6, body.len() as u64);
        }
        "/writer" => {
            let source = tally.source(body.to_vec());
            response.set_body_writer(move |out| {
                source.touch();
                for piece in source.inner.chunks(7000) {
                    out.write_all(piece)?;
                }
                Ok(())
            });
        }
        _ => unreachable!("{form}"),
    }
}

/// A handler that gives as many bytes as the query says in the form that the path says.
pub fn giving(tally: &Tally) -> impl Fn(&mut RequestCtx) + Clone + 'static {
    let tally = tally.clone();
    or_next(move |ctx| {
        let length: usize = String::from_utf8_lossy(ctx.request.query()).parse().unwrap_or(24);
        let form = ctx.path().to_owned();
        give(&mut ctx.response, &form, &STATIC[..length], &tally);
        if let Some(status) =
            ctx.header("X-Status").map(|status| String::from_utf8_lossy(status).into_owned())
        {
            ctx.set_status_code(status.parse::<u16>().unwrap());
        }
    })
}

/// The head of the response of a [`plain`](crate::server::plain) server with a body of unknown size.
pub const CHUNKED_HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Whether a body of this form does not know its size.
pub fn is_of_unknown_size(form: &str) -> bool {
    matches!(form, "/reader" | "/writer")
}
