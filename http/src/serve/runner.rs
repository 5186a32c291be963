//! Who runs the user's code.

#[cfg(feature = "ws")]
use crate::sockets::LoopPlace;

/// Which of the user's functions is run, for whoever learns from how long that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserCode {
    /// The handler.
    Handler,
    /// A hook that decides on a head.
    Hook,
    /// What brings a response's body.
    Body,
    /// The drop of what the user has kept, or gave us; or what else of his is quick, and says nothing of the route.
    Cleanup,
}

/// Runs the user's code for an exchange, and knows whether the server goes on.
pub(crate) trait Runner {
    /// Runs `code`, which may block.
    fn run_user_code(&mut self, what: UserCode, code: impl FnOnce());

    /// Drops what the user has kept, or gave us, now or later.
    fn forget(&mut self, what: impl Send + 'static) {
        self.run_user_code(UserCode::Cleanup, move || drop(what));
    }

    /// Asked before a function of the user's goes on at the pace of the client, on this thread. False: there are as
    /// many of that kind as may be.
    fn may_wait_for_client(&mut self) -> bool;

    /// Asked before it is agreed to a WebSocket that a loop owns. `None`: there are as many of that kind as may be.
    #[cfg(feature = "ws")]
    fn promises_loop(&mut self) -> Option<LoopPlace>;

    /// Whether the server is shutting down.
    fn is_stopping(&self) -> bool;
}
