//! Nearly nothing: what is sent was made before, and of the answer only its end and its body are looked at.

use super::Question;
use super::by_threads;
use super::stage::Stage;
use crate::latency::Histogram;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const END: &[u8] = b"\r\n\r\n";

/// How long anything may take before the run has failed.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn play(callers: usize, question: &Question, stage: &Stage) -> Result<Histogram, String> {
    let request = request(question);
    let shortest = b"HTTP/1.1 200".len();
    by_threads(callers, stage, || {
        let mut kept = None;
        let mut answer = Vec::new();
        let request = &request;
        Ok(move || {
            let mut stream = match kept.take() {
                Some(stream) => stream,
                None => connect(question).map_err(|error| error.to_string())?,
            };
            let body = ask(&mut stream, request, question.answer_bytes(), &mut answer);
            let body = body.map_err(|error| error.to_string())?;
            let status =
                answer.get(shortest - 3..shortest).and_then(|digits| std::str::from_utf8(digits).ok());
            let status = status.and_then(|digits| digits.parse().ok()).unwrap_or_default();
            question.judge(status, answer.get(body..).unwrap_or_default())?;
            kept = (!question.is_last).then_some(stream);
            Ok(())
        })
    })
}

fn request(question: &Question) -> Vec<u8> {
    let method = if question.body.is_some() { "POST" } else { "GET" };
    let mut head = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", question.path, question.address);
    if question.is_last {
        head.push_str("Connection: close\r\n");
    }
    let body = question.body.clone().unwrap_or_default();
    if question.body.is_some() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    [format!("{head}\r\n").as_bytes(), &body].concat()
}

fn connect(question: &Question) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(question.address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends the request and reads the answer, whose body has so many bytes and begins where is returned.
fn ask(
    stream: &mut TcpStream,
    request: &[u8],
    body_bytes: usize,
    answer: &mut Vec<u8>,
) -> std::io::Result<usize> {
    stream.write_all(request)?;
    answer.resize(body_bytes + 1024, 0);
    let (mut filled, mut body) = (0, None);
    loop {
        let count = stream.read(&mut answer[filled..])?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
        if body.is_none() {
            let end = answer[..filled].windows(END.len()).position(|window| window == END);
            body = end.map(|end| end + END.len());
        }
        if let Some(body) = body.filter(|body| body + body_bytes <= filled) {
            answer.truncate(filled);
            return Ok(body);
        }
    }
}
