//! Errors on their way to a log: each text says what has happened, and a chain of causes says nothing twice.

use std::error::Error;
use std::io;

use anthill_pool::BuildError;
use anthill_pool::remote::{PayloadError, SendError, SourceError, StartError};

/// As `anyhow` prints a chain with `{:#}`.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[derive(Debug)]
struct Outer(io::Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no answer")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn cause() -> Box<Outer> {
    Box::new(Outer(io::Error::other("the cable is cut")))
}

#[test]
fn a_chain_says_each_cause_once() {
    let unreachable = "the source of jobs cannot be reached: no answer: the cable is cut";
    assert_eq!(chain(&SourceError::Unreachable(cause())), unreachable);
    assert_eq!(chain(&SendError::from(SourceError::Unreachable(cause()))), unreachable);
    assert_eq!(
        chain(&SourceError::Denied(cause())),
        "the source of jobs refuses access: no answer: the cable is cut"
    );
    assert_eq!(
        chain(&SourceError::Failed(cause())),
        "the source of jobs failed: no answer: the cable is cut"
    );
    assert_eq!(
        chain(&SendError::from(PayloadError::new("a key that is no text"))),
        "the payload cannot be written: a key that is no text"
    );
    assert_eq!(
        chain(&StartError::Thread(io::Error::other("no more of them"))),
        "the consumer's threads cannot be made: no more of them"
    );
    let start = StartError::Pool(BuildError::NoWorkers);
    assert_eq!(chain(&start), format!("the consumer's pool cannot be built: {}", BuildError::NoWorkers));
}
