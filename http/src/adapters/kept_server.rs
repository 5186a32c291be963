//! The server that a service's handler runs on.

use crate::engine::accept::in_memory::InMemoryListener;
use crate::server::RunningServer;
use std::time::Duration;

/// How long handlers that nobody waits for any more are waited for when the service is gone.
const END_WITHIN: Duration = Duration::from_secs(25);

/// The server of a service.
pub(super) struct KeptServer {
    pub(super) running: Option<RunningServer>,
    pub(super) listener: InMemoryListener,
    /// Nobody else has it.
    pub(super) is_own: bool,
}

impl KeptServer {
    /// Whether it is being shut down, or was.
    pub(super) fn is_stopping(&self) -> bool {
        self.running.as_ref().is_none_or(|running| running.server().stop_signal().is_stopping())
    }
}

impl Drop for KeptServer {
    /// Nobody dials any more. Its end may have to be waited for, which whoever drops this must not.
    fn drop(&mut self) {
        self.listener.close();
        let Some(running) = self.running.take().filter(|_| self.is_own) else { return };
        let end = move || {
            if let Err(error) = running.shutdown(END_WITHIN) {
                log::warn!("handlers of a service that is gone are still running: {error}");
            }
        };
        let spawned = std::thread::Builder::new().name("anthill-service-end".to_owned()).spawn(end);
        if let Err(error) = spawned {
            log::error!(
                "the server of a service that is gone goes on, as there is no thread to end it: {error}"
            );
        }
    }
}
