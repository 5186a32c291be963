//! The protocol core: HTTP/1.x as bytes in and bytes out, for both roles.
//!
//! The idea: a session is asked "here is what has been received so far, what now?" and answers with one of
//! three things: *need more* (a normal value, not an error), *ready* (a complete message was found), or the
//! one reason why this cannot become a message. What it wants to say to the peer it appends to an output
//! buffer. Who reads, writes, waits and counts time is none of its business, so the same code serves an event
//! loop and a blocking stream; and what a server and a client both have to know about messages is written once, below
//! their two sessions.
//!
//! ```text
//!                      advance(input)                     respond(head)             finish()
//!   Idle ──first byte──▶ Head ──blank line──▶ Body ──last byte──▶ Ready ──────────▶ Ready ────▶ Idle
//!     │                   │                    │
//!     └────────── error, once ─────────────────┘──▶ refuse(error), then the connection ends
//! ```
//!
//! This is the server's session ([`server`]); [`client`] draws its own.
//!
//! The words:
//! * A *head* is everything up to the blank line: first line and header fields. *Parts* ([`RequestParts`],
//!   `ResponseParts`) are what a received head said; [`RequestHead`] and [`ResponseHead`] are what a head to be written
//!   is made of.
//! * *Received* ([`Received`]) is a message that was found: spans into the [`Input`](crate::wire::input::Input) that it
//!   arrived in. *Input* is what came from the peer and was not used; *output* what waits to be sent.
//! * *Framing* is how the end of a received body is found, *ending* ([`Ending`]) how the end of a sent one is marked.
//!   Both are decided in [`framing`] alone.
//! * The *rest* ([`Rest`]) is what of a body has not arrived while its message is already used: the body *streams*.
//!   *Draining* is throwing away a rest that nobody reads.
//! * *Interim* responses are those with a 1xx status that are followed by the *final* one.
//! * A *head decision* is what somebody outside says about a request of which only the head is there: accept its body,
//!   or respond at once.
//! * A *refusal* is a response by the server itself to what is no request.
//! * A *close reason* ([`CloseReason`]) says why nothing can follow on a connection.
//! * A *proxy header* ([`ProxyHeader`]) is what a proxy says before the first request of a connection: whose it is.
//! * *Default fields* are those that a server adds to every response (`Server`, `Date`).
//!
//! The contract:
//! * *Consumed.* Bytes leave the input when a session is told that a message is finished (one whole message), when
//!   empty lines before a request and interim responses are passed, or, inside a chunked body, when framing is removed.
//!   Nothing behind the current message is touched.
//! * *Produced.* Only complete heads and refusals are appended to the output, in the order of the messages.
//! * *Need more.* Between two calls only the unread input and the session survive; everything else about a
//!   message that is not ready can be thrown away.
//! * The outcome does not depend on how the input was cut into pieces.
//!
//! The rule: no socket, clock, thread or log in this folder, and nothing above the bytes of a connection: no request or
//! response that a user holds, no state outside of a session. A test at the end of this file checks the first half, the
//! order of the layers the second.

pub(crate) mod body;
mod chunk_extension;
pub(crate) mod chunked;
#[cfg_attr(
    not(any(test, feature = "unstable", feature = "client")),
    expect(dead_code, reason = "the feature `client` and tests drive it")
)]
pub(crate) mod client;
pub(crate) mod close;
pub(crate) mod encode;
pub(crate) mod error;
mod fields;
pub(crate) mod framing;
pub(crate) mod limits;
pub(crate) mod lines;
mod plain_head;
pub(crate) mod proxy_header;
pub(crate) mod received;
pub(crate) mod request_head;
pub(crate) mod response_head;
mod salvage;
pub(crate) mod server;
pub(crate) mod target;
pub(crate) mod trailer;

pub(crate) use close::CloseReason;
#[cfg(any(feature = "client", feature = "tower"))]
pub(crate) use encode::append_trailers;
pub(crate) use encode::{
    CONTINUE, DefaultFields, Defaults, RequestHead, ResponseHead, append_chunk_end, append_chunk_start,
    append_last_chunk, append_plain_response_head, append_refusal, append_request_head, append_trailer_lines,
    is_continue,
};
pub use error::ProtoError;
pub(crate) use error::refusal_text;
pub(crate) use framing::{Ending, parse_content_length};
pub(crate) use limits::{FIELDS_CEILING, HEAD_BYTES_CEILING, HeadDecision, Limits};
pub(crate) use proxy_header::{ProxiedClient, ProxyHeader, ProxyHeaderError};
pub(crate) use received::{Received, Rest, Stamp};
pub(crate) use request_head::RequestParts;
pub(crate) use salvage::salvage;
pub(crate) use server::{Progress, Reply, RequestStage, ServerSession};
pub(crate) use target::split_target;
pub(crate) use trailer::is_trailer_name;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    #[test]
    fn the_core_knows_no_socket_clock_thread_or_log() {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/proto"));
        // Written apart, so that this file does not name them either.
        let forbidden = [
            ["std", "::net"],
            ["std", "::time"],
            ["std", "::thread"],
            ["std", "::io"],
            ["log", "::"],
            ["mi", "o::"],
        ];
        let files = source_files(&folder);
        assert!(files.len() >= 9, "only {} files were found in {}", files.len(), folder.display());
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a readable source file");
            for word in forbidden {
                let word = word.concat();
                assert!(!text.contains(&word), "{} names {word}", file.display());
            }
        }
    }

    fn source_files(folder: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable folder entry").path();
            if path.is_dir() {
                files.extend(source_files(&path));
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
        files
    }
}
