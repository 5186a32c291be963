//! What was said of a client, and what its clients of hosts go by.

use super::client_fields::{ClientFields, OwnFields};
use super::dial_options::DialOptions;
use super::error::ClientError;
use super::names::{Names, Resolve};
use super::places::ReuseOrder;
use super::retry::RetryPolicy;
use super::secure::{Encryption, has_fixed_name};
use super::stock::ConnAges;
use crate::values::coding::RATIO_DEFAULT;
use std::sync::Arc;
use std::time::Duration;

/// What was set.
pub(crate) struct ClientSettings {
    pub(super) resolver: Option<Box<dyn Resolve>>,
    pub(super) names_kept_for: Duration,
    pub(super) tls: Option<Encryption>,
    pub(super) dialling: DialOptions,
    pub(super) pool: PoolOptions,
    pub(super) limits: ResponseLimits,
    pub(super) timeouts: ClientTimeouts,
    pub(super) retry: RetryPolicy,
    pub(super) agent: String,
    pub(super) fields: OwnFields,
    pub(super) decompresses: bool,
}

/// What the clients of hosts go by; several may share it, and with it what is known of names.
#[derive(Clone, Debug)]
pub(crate) struct HostSettings {
    pub(super) names: Names,
    /// `None`: connections are not encrypted, or as usual if it takes that.
    pub(super) tls: Option<Encryption>,
    pub(super) dialling: DialOptions,
    pub(super) pool: PoolOptions,
    pub(super) limits: ResponseLimits,
    pub(super) timeouts: ClientTimeouts,
    pub(super) retry: Arc<RetryPolicy>,
    /// Fields of all its requests.
    pub(super) fields: Arc<ClientFields>,
    /// Whether responses may come in a content coding, which is undone.
    pub(super) decompresses: bool,
}

/// How many connections there may be, and how old.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolOptions {
    pub(super) conns_max: usize,
    pub(super) idle_max: usize,
    pub(super) order: ReuseOrder,
    pub(super) ages: ConnAges,
}

/// How large a response may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseLimits {
    pub(super) head_bytes: usize,
    pub(super) fields: usize,
    pub(super) body_bytes: Option<u64>,
    /// Decoded bytes for an encoded one.
    pub(super) ratio: Option<u32>,
}

/// How long each thing may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientTimeouts {
    pub(super) whole: Option<Duration>,
    pub(super) conn_wait: Duration,
    pub(super) connect: Option<Duration>,
    pub(super) read: Option<Duration>,
    pub(super) write: Option<Duration>,
}

impl ClientSettings {
    /// Whether all servers have to be the same.
    pub(super) fn has_fixed_name(&self) -> bool {
        self.tls.as_ref().is_some_and(has_fixed_name)
    }

    /// Says what has no meaning.
    pub(super) fn check(&self) -> Result<(), ClientError> {
        let refuse = |why: &str| Err(ClientError::invalid(why));
        if self.pool.conns_max == 0 {
            return refuse("max_conns is 0; allow one at least");
        }
        if self.pool.ages.requests == Some(0) {
            return refuse("max_conn_requests is 0; allow one at least");
        }
        if self.retry.attempts_max == 0 {
            return refuse("max_attempts is 0; allow one at least");
        }
        if self.agent.bytes().any(|byte| byte.is_ascii_control()) {
            return refuse("user_agent has a control character");
        }
        self.fields.check()
    }

    /// What they come to.
    pub(super) fn into_host_settings(self) -> HostSettings {
        HostSettings {
            names: Names::new(self.resolver, self.names_kept_for),
            tls: self.tls,
            dialling: self.dialling,
            pool: self.pool,
            limits: self.limits,
            timeouts: self.timeouts,
            retry: Arc::new(self.retry),
            fields: Arc::new(self.fields.into_client_fields(&self.agent)),
            decompresses: self.decompresses,
        }
    }
}

impl Default for ClientSettings {
    fn default() -> Self {
        let pool = PoolOptions {
            conns_max: 512,
            idle_max: 512,
            order: ReuseOrder::Lifo,
            ages: ConnAges { idle: Duration::from_secs(4), kept: 0, whole: None, requests: None },
        };
        let limits = ResponseLimits {
            head_bytes: 64 * 1024,
            fields: 256,
            body_bytes: None,
            ratio: Some(RATIO_DEFAULT),
        };
        let timeouts = ClientTimeouts {
            whole: None,
            conn_wait: Duration::ZERO,
            connect: Some(Duration::from_secs(3)),
            read: None,
            write: None,
        };
        let retry = RetryPolicy {
            attempts_max: 5,
            statuses: Vec::new(),
            backoff: (Duration::ZERO, Duration::ZERO),
            retry_after_max: Duration::from_secs(60),
            hook: None,
        };
        Self {
            resolver: None,
            names_kept_for: Duration::from_secs(60),
            tls: None,
            dialling: DialOptions::default(),
            pool,
            limits,
            timeouts,
            retry,
            agent: concat!("anthill/", env!("CARGO_PKG_VERSION")).to_owned(),
            fields: OwnFields::default(),
            decompresses: true,
        }
    }
}
