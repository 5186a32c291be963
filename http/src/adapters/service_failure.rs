//! Why a service has not answered, and how it is polled within a runtime.

use super::shared_fields::BoxError;
use crate::ctx::StatusError;
use crate::message::convert::ConvertError;
use std::fmt;

/// The status in records when the client has left before there was an answer; nginx's.
const CLIENT_GONE: u16 = 499;

/// Calls a function within a runtime.
pub(super) type EnterFn = dyn Fn(&mut dyn FnMut()) + Send + Sync;

/// Runs `run`, within a runtime if there is one.
pub(super) fn entered<R>(enter: Option<&EnterFn>, run: impl FnOnce() -> R) -> Result<R, ServiceFailure> {
    let Some(enter) = enter else { return Ok(run()) };
    let (mut run, mut result) = (Some(run), None);
    enter(&mut || {
        if let Some(run) = run.take() {
            result = Some(run());
        }
    });
    result.ok_or(ServiceFailure::NotEntered)
}

/// Why a service has not answered.
#[derive(Debug)]
pub(super) enum ServiceFailure {
    /// It has failed, or its body before anything of it was sent.
    Service(BoxError),
    /// It cannot be given the request.
    Request(ConvertError),
    /// Nobody waits for it any more.
    Gone,
    /// What was to enter a runtime has called nothing.
    NotEntered,
    /// It has answered with a status that is none.
    Interim(u16),
    /// It has switched protocols, and nobody speaks the other one.
    NobodyTakesOver,
}

impl fmt::Display for ServiceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => write!(f, "the service failed: {error}"),
            Self::Request(error) => write!(f, "the request cannot be given to the service: {error}"),
            Self::Gone => f.write_str("nobody waits for the answer any more"),
            Self::NotEntered => {
                f.write_str("the function given to `entering` has not called what it was given")
            }
            Self::Interim(status) => write!(f, "the service answered {status}, which is no final status"),
            Self::NobodyTakesOver => {
                f.write_str("the service answered 101, and no `UpgradeOffer` of its request was accepted")
            }
        }
    }
}

impl std::error::Error for ServiceFailure {}

impl StatusError for ServiceFailure {
    fn status(&self) -> u16 {
        match self {
            Self::Service(_) | Self::NotEntered | Self::Interim(_) => 500,
            Self::Request(_) => 400,
            Self::Gone => CLIENT_GONE,
            Self::NobodyTakesOver => 501,
        }
    }
}
