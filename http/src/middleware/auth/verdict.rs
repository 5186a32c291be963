//! What functions may return that know users.

use crate::ctx::{RequestCtx, StatusError};

/// What a function may return that knows users: `bool`, or a `Result` of one.
///
/// Nothing else can implement it.
pub trait AuthVerdict: sealed::SealedVerdict {
    /// Whether the user is known; `None`: that could not be found out, and is answered.
    #[doc(hidden)]
    fn known(self, ctx: &mut RequestCtx) -> Option<bool>;
}

impl AuthVerdict for bool {
    fn known(self, _: &mut RequestCtx) -> Option<bool> {
        Some(self)
    }
}

impl<E: StatusError> AuthVerdict for Result<bool, E> {
    fn known(self, ctx: &mut RequestCtx) -> Option<bool> {
        self.inspect_err(|error| ctx.answer_error_of("look-up of the user", error)).ok()
    }
}

mod sealed {
    pub trait SealedVerdict {}
    impl SealedVerdict for bool {}
    impl<E> SealedVerdict for Result<bool, E> {}
}
