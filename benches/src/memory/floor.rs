//! The floor: `httparse` splits the heads, and nothing is answered. What a server adds to it is the answer.

use super::{Connection, Job, Protocol, READ_BYTES, count_handled};
use std::io::Read;
use std::mem::MaybeUninit;

/// Bare `httparse`.
#[derive(Debug)]
pub struct Httparse {
    request_bytes: usize,
}

/// As many fields as our server has room for.
const FIELDS_MAX: usize = 128;

impl Protocol for Httparse {
    const ANSWERS: bool = false;

    fn start(job: Job) -> Self {
        Self { request_bytes: job.request.len() }
    }

    fn serve(&self, mut connection: Connection) {
        // It knows what it will find, and spares itself looking for the length of the body.
        let mut buffer = vec![0; READ_BYTES + self.request_bytes];
        let mut unread = 0..0;
        loop {
            while unread.len() >= self.request_bytes {
                let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
                let mut request = httparse::Request::new(&mut []);
                let parsed =
                    request.parse_with_uninit_headers(&buffer[unread.clone()], &mut fields).expect("a head");
                assert!(parsed.is_complete() && !std::hint::black_box(&request).headers.is_empty());
                unread.start += self.request_bytes;
                count_handled();
            }
            buffer.copy_within(unread.clone(), 0);
            unread = 0..unread.len();
            match connection.read(&mut buffer[unread.end..]).expect("memory can be read") {
                0 => return,
                count => unread.end += count,
            }
        }
    }
}
