//! The answer to a connection that is not even served: written straight to the new socket.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::settings::Settings;

/// Which limit a connection was refused by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Concurrency,
    PerAddress,
}

/// The whole response, fasthttp's texts.
pub(crate) fn answer(refusal: Refusal, settings: &Settings) -> Vec<u8> {
    let (status, text) = match refusal {
        Refusal::Concurrency => (
            "503 Service Unavailable",
            "The connection cannot be served because Server.Concurrency limit exceeded",
        ),
        Refusal::PerAddress => {
            ("429 Too Many Requests", "The number of connections from your ip exceeds MaxConnsPerIP")
        }
    };
    let mut answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n").into_bytes();
    if let Some(name) = &settings.name {
        answer.extend_from_slice(b"Server: ");
        answer.extend_from_slice(name);
        answer.extend_from_slice(b"\r\n");
    }
    if settings.date {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        answer.extend_from_slice(b"Date: ");
        answer.extend_from_slice(crate::util::date::HttpDate::new().at(seconds));
        answer.extend_from_slice(b"\r\n");
    }
    let rest = format!("Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    answer.extend_from_slice(rest.as_bytes());
    answer
}
