//! A server behind a proxy: what reaches it, as benches of conversations record it.
//!
//! The idea: the version of a message and the form of its target are a hop's own, so whoever is behind a proxy cannot
//! see those of the client. The front tells them besides, and then all that is said of a request without a proxy can be
//! said of one with it.

use anthill_http::client::{Client, ReverseProxy};
use anthill_http::{Handler, RequestCtx, Server, ServerBuilder, Version};

use crate::exchange::{Bench, Record, Seen, recording};
use crate::server::Running;

const VERSION: &str = "X-Told-Version";
const TARGET: &str = "X-Told-Target";

/// A server that records what reaches it.
#[derive(Debug)]
pub struct Upstream {
    running: Running,
    client: Client,
    seen: Record,
}

impl Upstream {
    /// One on a port of its own, without limits that a front might have.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn new() -> Self {
        let seen = Record::default();
        let record = seen.clone();
        // Of the front's own there is no date either.
        let options =
            Server::builder().max_request_body_size(None).max_header_fields(256).default_date(false);
        let running = Running::with(options, move |ctx| recording(ctx, as_told(ctx), &record));
        Self { running, client: Client::new(), seen }
    }

    /// A bench whose server passes everything on to this.
    ///
    /// # Panics
    /// When the options are refused.
    #[track_caller]
    pub fn behind(&self, options: ServerBuilder) -> Bench {
        let url = format!("http://{}", self.running.address());
        let proxy = ReverseProxy::new(self.client.clone(), &url).expect("an upstream").preserve_host(true);
        let front = move |ctx: &mut RequestCtx| {
            let version = if ctx.request.version() == Version::Http10 { "1.0" } else { "1.1" };
            let target = ctx.request.request_uri().to_vec();
            ctx.request.set_header(VERSION, version);
            ctx.request.set_header(TARGET, target);
            proxy.handle(ctx);
        };
        let server = options.default_date(false).build(front).expect("options that go together");
        Bench::of(server, self.seen.clone()).quick()
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self::new()
    }
}

/// The request as its client has sent it to the front.
fn as_told(ctx: &RequestCtx) -> Seen {
    let seen = Seen::of(&ctx.request);
    let version = if ctx.header(VERSION) == Some(b"1.0") { "1.0" } else { "1.1" };
    let target = ctx.header(TARGET).unwrap_or_default().to_vec();
    Seen { version, target, ..seen }
}
