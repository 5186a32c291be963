//! Who runs the user's code.

/// Runs the user's code for an exchange, and knows whether the server goes on.
pub(crate) trait Runner {
    /// Runs `code`, which may block.
    fn run_user_code(&mut self, code: impl FnOnce());

    /// Whether the server is shutting down.
    fn is_stopping(&self) -> bool;
}
