//! A server behind a proxy: what reaches it, as benches of conversations record it.
//!
//! The idea: the version of a message and the form of its target are a hop's own, so whoever is behind a proxy cannot
//! see those of the client. The front tells them besides, and then all that is said of a request without a proxy can be
//! said of one with it. The target that the proxy has asked for has to be what becomes of that of its client.

use anthill_http::client::{Client, ReverseProxy};
use anthill_http::{Handler, RequestCtx, Server, ServerBuilder, Version};

use crate::exchange::{Bench, Record, Seen, recording};
use crate::server::Running;

const VERSION: &str = "X-Told-Version";
const TARGET: &str = "X-Told-Target";

/// Fields that say how a body comes.
const FRAMING: &[&str] = &["Content-Length", "Transfer-Encoding", "Trailer", "Expect"];

/// A server that records what reaches it.
#[derive(Debug)]
pub struct Upstream {
    running: Running,
    client: Client,
    seen: Record,
    /// Its fronts pass bodies on as they come.
    streams: bool,
}

impl Upstream {
    /// One on a port of its own, without limits that a front might have. Bodies come to it whole, or as its clients
    /// send them, if that `streams`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn new(streams: bool) -> Self {
        let seen = Record::default();
        let record = seen.clone();
        // Of the front's own there is no date either.
        let options =
            Server::builder().max_request_body_size(None).max_header_fields(256).default_date(false);
        let running = Running::with(options, move |ctx| recording(ctx, as_told(ctx, streams), &record));
        Self { running, client: Client::new(), seen, streams }
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
        let options = options.default_date(false).stream_request_body(self.streams);
        let bench =
            Bench::of(options.build(front).expect("options that go together"), self.seen.clone()).quick();
        if self.streams { bench.streaming() } else { bench }
    }
}

/// The request as its client has sent it to the front; with the target that came, if that is not what it should be.
/// What `streams` is framed as it comes, so that is nobody's but the front's.
fn as_told(ctx: &RequestCtx, streams: bool) -> Seen {
    let mut seen = Seen::of(&ctx.request);
    let frames = |name: &str| FRAMING.iter().any(|known| name.eq_ignore_ascii_case(known));
    seen.fields.retain(|(name, _)| !streams || !frames(name));
    let version = if ctx.header(VERSION) == Some(b"1.0") { "1.0" } else { "1.1" };
    let told = ctx.header(TARGET).unwrap_or_default();
    let target = if seen.target == asked_for(&seen.method, told) { told.to_vec() } else { seen.target };
    Seen { version, target, ..seen }
}

/// What a server is asked for by a proxy that was asked for `target` (RFC 9112 section 3.2): path and query, byte for
/// byte.
fn asked_for(method: &str, target: &[u8]) -> Vec<u8> {
    let before_fragment = target.split(|byte| *byte == b'#').next().unwrap_or_default();
    if before_fragment.starts_with(b"/") || before_fragment == b"*" {
        return before_fragment.to_vec();
    }
    let text = String::from_utf8_lossy(before_fragment).into_owned();
    let behind_scheme = text.split_once("://").map_or("", |(_, behind)| behind);
    match behind_scheme.find(['/', '?']).map(|at| behind_scheme.split_at(at).1) {
        None if method == "OPTIONS" => b"*".to_vec(),
        None => b"/".to_vec(),
        Some(query) if query.starts_with('?') => format!("/{query}").into_bytes(),
        Some(path) => path.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::asked_for;

    #[test]
    fn what_becomes_of_targets() {
        for (method, target, expected) in [
            ("GET", "/a/../b?c#d", "/a/../b?c"),
            ("GET", "http://h:1/a//b", "/a//b"),
            ("GET", "HTTP://h?a=/", "/?a=/"),
            ("GET", "http://h", "/"),
            ("OPTIONS", "http://h", "*"),
            ("OPTIONS", "*", "*"),
        ] {
            assert_eq!(asked_for(method, target.as_bytes()), expected.as_bytes(), "{method} {target}");
        }
    }
}
