//! A handler that does whatever a choice says: what handlers do, and what they should not do.
//!
//! The idea: the server's promises hold whatever the handler does, so the handler is part of the input. It notes what
//! it saw and what it answered, and is judged afterwards. The rule: it panics only as a choice, by unwinding without
//! the panic hook, and never because something is wrong; that goes into its notes.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::panic::resume_unwind;

use anthill_http::body::BodyReader;
use anthill_http::{Request, RequestCtx, Response};

use super::plan::shown;

/// What the handler does with one request: how it reads it, how it answers, and a number for either.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Behaviour {
    pub(super) reads: u8,
    pub(super) answers: u8,
    pub(super) amount: u8,
}

/// A request as the handler saw it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) method: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) read: Reading,
    pub(super) answer: Answer,
}

/// What the handler read of a body.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Reading {
    Nothing,
    /// The first bytes of it.
    Some(Vec<u8>),
    /// All of it, and the trailers.
    All(Vec<u8>, Vec<(String, Vec<u8>)>),
    /// These bytes, and then an error.
    Failed(Vec<u8>, ErrorKind),
}

/// What the handler answered.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `None`: not known beforehand.
    pub(super) body: Option<Vec<u8>>,
    /// It may break off, and the connection with it.
    pub(super) breaks: bool,
    /// The connection is gone, and with it whatever was to be sent.
    pub(super) steals: bool,
    /// A function writes it, which may read the rest of the request, or not.
    pub(super) is_written: bool,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, target) = (self.method.escape_ascii(), self.target.escape_ascii());
        write!(f, "{method} {target} read {:?} answered {:?}", self.read, self.answer)
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reading::Nothing => f.write_str("nothing"),
            Reading::Some(bytes) => write!(f, "some {}", shown(bytes)),
            Reading::All(bytes, trailers) => write!(f, "all {} {trailers:?}", shown(bytes)),
            Reading::Failed(bytes, kind) => write!(f, "{} and then {kind:?}", shown(bytes)),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body.as_deref().map(shown);
        write!(f, "{} {body:?} breaks: {} steals: {}", self.status, self.breaks, self.steals)
    }
}

/// What is known while a conversation lasts.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) behaviours: Vec<Behaviour>,
    /// Bytes for handlers to put into headers.
    pub(super) junk: Vec<u8>,
    pub(super) seen: Vec<Seen>,
    /// What must not be, and was.
    pub(super) faults: Vec<String>,
    /// A request object that a handler has put aside.
    pub(super) kept: Option<Request>,
}

thread_local! {
    static STAGE: RefCell<Stage> = RefCell::default();
}

/// Begins a conversation on this thread.
pub(super) fn set_stage(stage: Stage) {
    STAGE.with(|current| *current.borrow_mut() = stage);
}

/// Ends it.
pub(super) fn take_stage() -> Stage {
    STAGE.with(RefCell::take)
}

/// The handler of every server here.
pub(super) fn handle(ctx: &mut RequestCtx) {
    let (behaviour, number, junk) = STAGE.with(|stage| {
        let stage = stage.borrow();
        let number = stage.seen.len();
        let behaviour = number.checked_rem(stage.behaviours.len()).map(|index| stage.behaviours[index]);
        (behaviour.unwrap_or_default(), number, stage.junk.clone())
    });
    let mut seen = Seen {
        method: ctx.method().as_bytes().to_vec(),
        target: ctx.request.request_uri().to_vec(),
        fields: owned(ctx.request.headers()),
        read: Reading::Nothing,
        answer: Answer { status: 200, ..Answer::default() },
    };
    seen.read = read(ctx, behaviour);
    let text = format!("{number} {} {}", seen.method.escape_ascii(), seen.target.escape_ascii()).into_bytes();
    seen.answer.body = Some(text.clone());
    let then = answer(ctx, behaviour, &mut seen.answer, text, &junk);
    STAGE.with(|stage| stage.borrow_mut().seen.push(seen));
    if then == Then::Panic {
        panic_quietly();
    }
}

/// A panic that the panic hook does not see, which fuzzers end the process by.
fn panic_quietly() -> ! {
    resume_unwind(Box::new("a choice"))
}

/// A value that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_quietly();
        }
    }
}

/// A reader that gives so many bytes of the letter x, and then does something.
struct Letters {
    left: usize,
    then: Then,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Return,
    Panic,
    Fail,
}

impl Read for Letters {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.left.min(room.len()).min(100);
        room[..count].fill(b'x');
        self.left -= count;
        match self.then {
            _ if count > 0 => Ok(count),
            Then::Return => Ok(0),
            Then::Panic => panic_quietly(),
            Then::Fail => Err(io::Error::other("a choice")),
        }
    }
}

fn owned(fields: anthill_http::header::Fields<'_>) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}

fn fault(problem: String) {
    STAGE.with(|stage| stage.borrow_mut().faults.push(problem));
}

fn read(ctx: &mut RequestCtx, behaviour: Behaviour) -> Reading {
    let amount = usize::from(behaviour.amount);
    match behaviour.reads % 9 {
        1 => Reading::Nothing,
        2 => {
            let mut found = Vec::new();
            let result = ctx.body_reader().take(amount as u64).read_to_end(&mut found);
            match result {
                Ok(_) if found.len() == amount => Reading::Some(found),
                Ok(_) => all(ctx, found),
                Err(error) => Reading::Failed(found, error.kind()),
            }
        }
        3 => {
            let mut found = Vec::new();
            match read_piece_by_piece(&mut ctx.body_reader(), amount.max(1), &mut found) {
                Ok(()) => all(ctx, found),
                Err(kind) => Reading::Failed(found, kind),
            }
        }
        4 => {
            let mut found = Vec::new();
            let mut room = vec![0; 8 * 1024];
            loop {
                match ctx.body_reader().read(&mut room) {
                    Ok(0) => return all(ctx, found),
                    Ok(count) => found.extend_from_slice(&room[..count]),
                    Err(error) => {
                        let again = ctx.body_reader().read(&mut room).map_err(|error| error.kind());
                        if again != Err(error.kind()) {
                            fault(format!("an error did not stay: {error}, then {again:?}"));
                        }
                        return Reading::Failed(found, error.kind());
                    }
                }
            }
        }
        5 => {
            ctx.request.set_body("changed");
            let mut found = Vec::new();
            let result = ctx.body_reader().take(100).read_to_end(&mut found);
            if result.is_err() || found != b"changed" {
                fault(format!(
                    "a body that was set reads as {:?}, {result:?}",
                    found.escape_ascii().to_string()
                ));
            }
            Reading::Nothing
        }
        6 => {
            let copy = ctx.request.clone();
            if copy.request_uri() != ctx.request.request_uri()
                || copy.method() != ctx.request.method()
                || copy.host() != ctx.request.host()
                || copy.path() != ctx.request.path()
                || copy.body() != ctx.request.body()
                || owned(copy.headers()) != owned(ctx.request.headers())
            {
                fault(format!("a copy differs: {copy:?} of {:?}", ctx.request));
            }
            ctx.request = copy;
            Reading::Nothing
        }
        7 => {
            // What is there can be looked at without reading it, and reading then begins with it.
            let there = ctx.body().to_vec();
            let mut found = Vec::new();
            match ctx.body_reader().read_to_end(&mut found) {
                _ if !found.starts_with(&there) => {
                    fault("reading does not begin with what is there".to_owned());
                    Reading::Nothing
                }
                Ok(_) => all(ctx, found),
                Err(error) => Reading::Failed(found, error.kind()),
            }
        }
        8 => {
            // Whether it is a form is not known here; what is read of it must not disturb anything else.
            let _ = ctx.form_value("a").map(std::borrow::Cow::into_owned);
            let _ = ctx.form_file("f").map(|file| file.len());
            let _ = ctx.post_args().map(anthill_http::Args::len);
            let _ = ctx.form_with(&anthill_http::form::Form::options().max_fields(amount));
            Reading::Nothing
        }
        _ => match ctx.read_body() {
            Ok(body) => {
                let body = body.to_vec();
                all(ctx, body)
            }
            // How much was received by then is chance.
            Err(error) => Reading::Failed(Vec::new(), error.kind()),
        },
    }
}

fn all(ctx: &RequestCtx, body: Vec<u8>) -> Reading {
    if !ctx.request.is_body_complete() {
        fault("a body that was read to its end is not complete".to_owned());
    }
    Reading::All(body, owned(ctx.request.trailers()))
}

fn read_piece_by_piece(
    reader: &mut BodyReader<'_>,
    size: usize,
    found: &mut Vec<u8>,
) -> Result<(), ErrorKind> {
    loop {
        let piece = reader.fill_buf().map_err(|error| error.kind())?;
        if piece.is_empty() {
            return Ok(());
        }
        let count = piece.len().min(size);
        found.extend_from_slice(&piece[..count]);
        reader.consume(count);
    }
}

fn answer(
    ctx: &mut RequestCtx,
    behaviour: Behaviour,
    noted: &mut Answer,
    text: Vec<u8>,
    junk: &[u8],
) -> Then {
    let amount = usize::from(behaviour.amount);
    noted.is_written = matches!(behaviour.answers % 26, 6..=9);
    let letters = |then| Letters { left: amount, then };
    let all_letters = Some(vec![b'x'; amount]);
    match behaviour.answers % 26 {
        1 => {
            ctx.set_body("half a response");
            ctx.set_status_code(201);
            *noted =
                Answer { status: 500, body: Some(b"Internal Server Error".to_vec()), ..Answer::default() };
            return Then::Panic;
        }
        2 => {
            ctx.set_body(&text);
            ctx.response.set_connection_close();
        }
        3 => {
            noted.body = all_letters;
            ctx.response.set_body_reader(letters(Then::Return));
        }
        4 => {
            noted.body = all_letters;
            ctx.response.set_body_reader_sized(letters(Then::Return), amount as u64);
        }
        5 => {
            noted.breaks = true;
            noted.body = None;
            ctx.response.set_body_reader_sized(letters(Then::Return), amount as u64 + 1);
        }
        6 => {
            ctx.response.set_immediate_header_flush(amount % 2 == 1);
            ctx.response.set_body_writer(move |out| {
                let (one, other) = text.split_at(text.len() / 2);
                out.write_all(one)?;
                out.flush()?;
                out.write_all(other)?;
                out.append_trailer("x-sum", "1\r\n2");
                out.append_trailer("content-length", "7");
                Ok(())
            });
        }
        7 => {
            // Both at once; the body may be malformed, and the client is told so by the break.
            noted.breaks = true;
            noted.body = None;
            ctx.response.set_body_writer(|out| {
                let mut room = [0; 50];
                loop {
                    let count = out.body_reader().read(&mut room)?;
                    if count == 0 {
                        return Ok(());
                    }
                    out.write_all(&room[..count])?;
                }
            });
        }
        8 | 9 => {
            // Nothing was sent, so that is what is answered; unless there is no body to be written.
            if !matches!(ctx.method(), "HEAD" | "CONNECT") {
                noted.status = 500;
                noted.body = Some(b"Internal Server Error".to_vec());
            }
            let panics = behaviour.answers % 26 == 9;
            let sends = amount % 3 == 2;
            noted.breaks = sends;
            if sends {
                (noted.status, noted.body) = (200, None);
            }
            ctx.response.set_body_writer(move |out| {
                out.write_all(b"begun")?;
                if sends {
                    out.flush()?;
                }
                if panics { panic_quietly() } else { Err(io::Error::other("a choice")) }
            });
        }
        10 => {
            let other = Request::new("HEAD", "/other").unwrap_or_else(|_| ctx.request.clone());
            STAGE.with(|stage| stage.borrow_mut().kept = Some(std::mem::replace(&mut ctx.request, other)));
            ctx.set_body(&text);
        }
        11 => {
            let kept = STAGE.with(|stage| stage.borrow_mut().kept.take());
            ctx.request = kept.unwrap_or_else(|| ctx.request.clone());
            ctx.set_body(&text);
        }
        12 => {
            noted.steals = true;
            noted.body = None;
            drop(std::mem::take(ctx));
        }
        13 => {
            ctx.set_user_value("bomb", Bomb);
            ctx.set_user_value("number", amount);
            ctx.set_body(&text);
        }
        14 => {
            let status = [102, 103, 199, 200, 204, 205, 299, 304, 404, 999][amount % 10];
            noted.status = status;
            ctx.set_status_code(status);
            ctx.set_body(&text);
        }
        15 => {
            let middle = amount.min(junk.len());
            ctx.response.set_header(&junk[..middle], &junk[middle..]);
            ctx.response.append_header("X-Junk", junk);
            ctx.response.set_reason(junk);
            ctx.response.append_header("Set-Cookie", junk);
            ctx.set_body(&text);
        }
        16 => {
            noted.breaks = true;
            noted.body = None;
            ctx.response.set_body_reader(letters(Then::Panic));
        }
        17 => {
            let _ = ctx.request.set_method("HEAD");
            ctx.request.set_version(anthill_http::Version::Http10);
            ctx.request.remove_header("Host");
            ctx.request.set_header("Connection", "close");
            ctx.set_body(&text);
        }
        18 => {
            noted.body = Some(b"for ever".to_vec());
            ctx.response.set_body_static(b"for ever");
        }
        19 => {
            noted.status = 404;
            noted.body = Some(junk.to_vec());
            ctx.set_body("not this");
            ctx.error(junk, 404);
        }
        20 => {
            noted.status = 302;
            ctx.set_body(&text);
            ctx.redirect(junk, 0);
        }
        21 => {
            let big = vec![b'y'; amount * 300];
            noted.body = Some(big.clone());
            ctx.response.set_body_vec(big);
        }
        22 => {
            ctx.response.set_connection_close();
            ctx.response = Response::new();
            ctx.response.set_body_shared(text);
        }
        23 => {
            noted.breaks = true;
            noted.body = None;
            ctx.response.set_body_reader(letters(Then::Fail));
        }
        24 => {
            noted.body = all_letters;
            let _ = ctx.response.add_trailer("X-Sum, Content-Length");
            ctx.response.set_header("X-Sum", "3");
            ctx.response.set_immediate_header_flush(true);
            ctx.response.set_body_reader(letters(Then::Return));
        }
        25 => {
            // The response's own idea of its framing does not count.
            ctx.response.set_header("Content-Length", "3");
            ctx.response.set_header("Transfer-Encoding", "chunked");
            ctx.response.set_header("Connection", "keep-alive");
            ctx.set_body(&text);
        }
        _ => ctx.set_body(&text),
    }
    Then::Return
}
