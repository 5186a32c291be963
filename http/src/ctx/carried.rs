//! Errors that an I/O error carries: such a one is answered as what it carries.

use super::{HttpError, InputError, StatusError};
use crate::message::problem::Problem;
use crate::proto::ProtoError;
use crate::values::coding::{CodingError, DecodeLimit, Undecodable};
use crate::values::multipart;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;

impl StatusError for io::Error {
    fn status(&self) -> u16 {
        inside(self).map_or(500, StatusError::status)
    }

    fn message(&self) -> Option<Cow<'_, str>> {
        inside(self).and_then(StatusError::message)
    }

    fn problem(&self) -> Option<Problem> {
        inside(self).and_then(StatusError::problem)
    }
}

/// What of ours, or of the handler's, an I/O error carries.
fn inside(error: &io::Error) -> Option<&dyn StatusError> {
    let cause = error.get_ref()?;
    fn of<'a, T: StatusError + StdError + 'static>(
        cause: &'a (dyn StdError + Send + Sync + 'static),
    ) -> Option<&'a dyn StatusError> {
        cause.downcast_ref::<T>().map(|cause| cause as _)
    }
    of::<ProtoError>(cause)
        .or_else(|| of::<HttpError>(cause))
        .or_else(|| of::<Problem>(cause))
        .or_else(|| of::<InputError>(cause))
        .or_else(|| of::<DecodeLimit>(cause))
        .or_else(|| of::<CodingError>(cause))
        .or_else(|| of::<Undecodable>(cause))
        .or_else(|| of::<multipart::Error>(cause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctx::RequestCtx;
    use crate::message::request::Request;

    #[test]
    fn an_io_error_is_what_it_carries() {
        let too_large = io::Error::new(io::ErrorKind::InvalidData, ProtoError::BodyTooLarge);
        assert_eq!(
            (too_large.status(), too_large.message().as_deref()),
            (413, Some("Request body too large"))
        );
        let bomb = io::Error::new(io::ErrorKind::InvalidData, DecodeLimit::Ratio);
        assert_eq!(bomb.status(), 413);
        let part = io::Error::from(multipart::Error::TooLarge(multipart::Limit::Part));
        assert_eq!(part.status(), 413);
        let own = io::Error::other(HttpError::new(404, "no such file"));
        assert_eq!((own.status(), own.message().as_deref()), (404, Some("no such file")));
        let ctx = RequestCtx::for_request(Request::new("GET", "/").expect("a request"), None);
        let input = io::Error::other(ctx.parse_query_arg::<u8>("page").expect_err("it is missing"));
        assert_eq!(input.status(), 400);
        assert_eq!(input.problem().map(|problem| problem.fields().count()), Some(1));
        let taken = io::Error::other(Problem::new(409).detail("taken"));
        assert_eq!((taken.status(), taken.message().as_deref()), (409, Some("taken")));
        let plain = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!((plain.status(), plain.message()), (500, None));
    }
}
