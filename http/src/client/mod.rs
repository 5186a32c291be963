//! The client: requests out, responses in, on the calling thread.
//!
//! ```text
//! until.rs            until when a call may take
//! patience.rs         how long it waits: until then, and unless it is called off
//! error.rs            why it gave no response
//! names.rs            the addresses of names, cached
//! reach.rs            reaching a host: connecting, what proxies are told, encrypting
//! dial.rs             making a connection: both families, the first that answers
//! dialler.rs          having the user make it
//! host_addr.rs        where a host is, and what is on the way
//! proxy.rs            which proxy is, and no_proxy.rs when none is
//! tunnel.rs, socks.rs having a proxy give a connection
//! secure.rs           encrypting it
//! conn.rs             one connection: sending and receiving with limits, over the protocol's session
//! body.rs             what is sent while it is read
//! places.rs           how many connections there may be, which are idle, who waits
//! stock.rs            leases of connections, and their age
//! watcher.rs          the thread that watches what is idle
//! exchange.rs         one request on one connection
//! arriving.rs         a body as it arrives
//! response.rs         what came back
//! settings.rs         what was said of a client, and dial_options.rs of how it reaches hosts
//! configure.rs        what is otherwise for one host
//! options.rs          saying it, and dial_builder.rs
//! client_fields.rs    fields that all its requests have
//! call.rs             what he says of one call
//! retry.rs            whether an attempt is followed by another, and when
//! host.rs             the client of one host: its connections
//! attempts.rs         a call of it: leases, exchanges, repetitions
//! redirect.rs         what a redirect makes of a request
//! any_host.rs         the client of any host: one of each host, and redirects
//! into_uri.rs         what a URL is given by
//! pipe_call.rs        a call that shares its connection with others
//! pipe_conn.rs        a connection on which requests are sent before those before them are answered
//! pipe.rs             that connection as its callers share it: who leads
//! pipeline.rs         the client that has such connections
//! balanced_client.rs  what all clients can do alike
//! balancing.rs        the client that chooses among others
//! request_builder.rs  a request to it, step by step
//! basic.rs            a user and his password
//! netrc.rs            those of a file
//! stored_cookies.rs   cookies by domains
//! cookie_jar.rs       those that a client keeps
//! companions.rs       what goes along with a request because of where it goes
//! json.rs             bodies that are JSON
//! web_socket.rs       opening a WebSocket
//! socket_driver.rs    the thread that serves one
//! passing.rs          what a proxy passes on
//! departures.rs       the thread that sees clients of a proxy leave
//! reverse_proxy.rs    a handler that asks another server
//! multipart_form.rs   a form with files
//! ```
//!
//! The rule: whatever of a connection was not asked for, not read or not understood ends it. A connection that is used
//! again begins at the first byte of a response, or not at all.

mod any_host;
mod arriving;
mod attempts;
mod balanced_client;
mod balancing;
mod basic;
mod body;
mod call;
mod client_fields;
mod companions;
mod configure;
mod conn;
#[cfg(feature = "cookies")]
mod cookie_jar;
mod departures;
mod dial;
mod dial_builder;
mod dial_options;
mod dialler;
mod error;
mod exchange;
mod host;
mod host_addr;
mod into_uri;
#[cfg(feature = "json")]
mod json;
mod multipart_form;
mod names;
mod netrc;
mod no_proxy;
mod options;
mod passing;
mod patience;
mod pipe;
mod pipe_call;
mod pipe_conn;
mod pipeline;
mod places;
mod proxied_body;
mod proxy;
mod reach;
mod redirect;
mod request_builder;
mod response;
mod retry;
mod reverse_proxy;
#[cfg(test)]
mod scripted;
mod secure;
mod settings;
#[cfg(feature = "ws")]
mod socket_driver;
mod socks;
mod stock;
#[cfg(feature = "cookies")]
mod stored_cookies;
mod tunnel;
mod until;
mod watcher;
#[cfg(feature = "ws")]
mod web_socket;

#[cfg(feature = "testing")]
pub(crate) use {
    basic::basic_credentials,
    redirect::{Hop, target_of},
};

pub use anthill_pool::{CancelListener, CancelToken};
pub use any_host::{Client, ClientStats, get};
pub use balanced_client::{BalancedClient, LimitedCall};
pub use balancing::{LbClient, LbClientBuilder};
pub use body::SendBody;
pub use call::PreparedCall;
pub use configure::HostOptions;
#[cfg(feature = "cookies")]
pub use cookie_jar::CookieJar;
pub use dialler::{Dial, DialTarget, DialledStream};
pub use error::{ClientError, ClientErrorKind, ClientPhase, RedirectFault};
pub use host::{HostClient, HostClientStats};
pub use into_uri::IntoUri;
pub use multipart_form::MultipartForm;
pub use names::Resolve;
pub use netrc::Netrc;
pub use options::{AnyHost, ClientBuilder, HostClientBuilder, OneHost};
pub use passing::ForwardedFields;
pub use pipeline::{PipelineClient, PipelineClientBuilder, PipelinedHost};
pub use places::ReuseOrder;
pub use proxy::Proxy;
pub use request_builder::RequestBuilder;
pub use response::ClientResponse;
pub use retry::FailedAttempt;
pub use reverse_proxy::{ReverseProxy, ReverseProxyError, proxy};

#[cfg(feature = "tls-no-provider")]
pub use crate::tls::{ClientTlsConfig, ClientTlsConfigBuilder, TrustedRoots};
#[cfg(feature = "ws")]
pub use web_socket::{WebSocketConnectError, WebSocketRequest};
