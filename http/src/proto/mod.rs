//! The protocol core: HTTP/1.x as bytes in and bytes out.
//!
//! The idea: the core is asked "here is what has been received so far, what now?" and answers with one of
//! three things: *need more* (a normal value, not an error), *ready* (a complete request was found), or the
//! one reason why this cannot become a request. What it wants to say to the peer it appends to an output
//! buffer. Who reads, writes, waits and counts time is none of its business, so the same code serves an event
//! loop, a blocking stream and the client.
//!
//! ```text
//!                      advance(input)                     respond(response)         finish()
//!   Idle ──first byte──▶ Head ──blank line──▶ Body ──last byte──▶ Ready ──────────▶ Ready ────▶ Idle
//!     │                   │                    │
//!     └────────── error, once ─────────────────┘──▶ refuse(error), then the connection ends
//! ```
//!
//! The contract:
//! * *Consumed.* Bytes leave the input by [`ServerSession::finish`] (one whole request) or, inside a
//!   chunked body, when framing is removed. Nothing behind the current request is touched.
//! * *Produced.* Only complete messages are appended to the output, in the order of the requests.
//! * *Need more.* Between two calls only the unread input and the session survive; everything else about a
//!   request that is not ready can be thrown away.
//! * The outcome does not depend on how the input was cut into pieces.
//!
//! The rule: no socket, clock, thread or log in this folder. A test at the end of this file checks that.

pub(crate) mod body;
pub(crate) mod chunked;
#[cfg_attr(not(any(test, feature = "unstable")), expect(dead_code, reason = "only tests drive it yet"))]
pub(crate) mod client;
pub(crate) mod close;
pub(crate) mod encode;
pub(crate) mod error;
mod fields;
pub(crate) mod framing;
pub(crate) mod limits;
pub(crate) mod lines;
pub(crate) mod received;
pub(crate) mod request_head;
#[cfg_attr(not(any(test, feature = "unstable")), expect(dead_code, reason = "only tests read reasons yet"))]
pub(crate) mod response_head;
pub(crate) mod server;
pub(crate) mod target;
pub(crate) mod trailer;

pub(crate) use close::CloseReason;
pub(crate) use encode::{
    CONTINUE, DefaultFields, Defaults, RequestHead, ResponseHead, append_chunk_end, append_chunk_start,
    append_last_chunk, append_plain_response_head, append_refusal, append_request_head, append_trailer_lines,
};
pub use error::ProtoError;
pub(crate) use error::refusal_text;
pub(crate) use framing::{Ending, parse_content_length};
pub(crate) use limits::{FIELDS_CEILING, HEAD_BYTES_CEILING, HeadDecision, Limits};
pub(crate) use received::{Received, Rest};
pub(crate) use request_head::RequestParts;
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
