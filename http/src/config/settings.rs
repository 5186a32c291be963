//! The options as everything below the builder reads them: complete, and checked.

use std::time::Duration;

use crate::config::hooks::{ExpectHandler, HeadHooks, HeaderHook};
use crate::ctx::CtxOptions;
use crate::proto::{DefaultFields, Limits};

/// The resolved options.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) date: bool,
    pub(crate) content_type: bool,
    pub(crate) shards: usize,
    pub(crate) max_workers: usize,
    pub(crate) max_idle_worker_duration: Duration,
    pub(crate) concurrency: usize,
    pub(crate) max_conns_per_ip: usize,
    pub(crate) max_requests_per_conn: u64,
    pub(crate) read_buffer_size: usize,
    pub(crate) limits: Limits,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) read_header_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) keep_alive: bool,
    pub(crate) get_only: bool,
    pub(crate) close_on_shutdown: bool,
    pub(crate) ctx: CtxOptions,
    pub(crate) header_received: Option<HeaderHook>,
    pub(crate) expectation: Option<ExpectHandler>,
}

impl Settings {
    /// What responses have unless handlers set it.
    pub(crate) fn default_fields(&self) -> DefaultFields {
        DefaultFields::new(self.name.as_deref(), self.date, self.content_type)
    }

    /// What is called when a head has arrived.
    pub(crate) fn head_hooks(&self) -> HeadHooks<'_> {
        HeadHooks {
            header_received: self.header_received.as_ref().map(|hook| &*hook.0 as _),
            expectation: self.expectation.as_ref().map(|hook| &*hook.0 as _),
        }
    }
}
