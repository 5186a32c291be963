//! The rest of the ecosystem, in both directions: services of `tower` as handlers and handlers as such services; spans
//! of `tracing` and figures for the facade `metrics`.
//!
//! - With the feature `tower`: [`tower_service()`] makes a handler of an axum `Router`, or of anything that is a
//!   `tower::Service` of `http::Request`s, without a runtime; [`HandlerService`] makes such a service of a handler, for
//!   hyper, axum and what builds on them. So a program can move from one to the other route by route. The types of the
//!   crate `http` are converted in both directions (feature `http`): [`Request`](crate::Request),
//!   [`Response`](crate::Response), [`Headers`](crate::Headers), and [what handlers keep by its
//!   type](crate::RequestCtx::extensions_mut).
//! - With the feature `tracing`: [`trace_requests`](crate::ServerBuilder::trace_requests) makes each request a span,
//!   called as OpenTelemetry has it; with the crate `tracing-opentelemetry` these are its spans.
//! - With the feature `metrics`: [`record_metrics`](crate::ServerBuilder::record_metrics) gives figures of requests, by
//!   their routes, to the recorder of the facade `metrics`.

#[cfg(feature = "tower")]
mod full_frames;
#[cfg(feature = "tower")]
mod handler_body;
#[cfg(feature = "tower")]
mod handler_call;
#[cfg(feature = "tower")]
mod handler_future;
#[cfg(feature = "tower")]
mod handler_service;
#[cfg(feature = "tower")]
mod kept_server;
#[cfg(feature = "tower")]
mod request_body;
#[cfg(feature = "metrics")]
mod request_figures;
#[cfg(feature = "tower")]
mod request_pieces;
#[cfg(feature = "tracing")]
mod request_spans;
#[cfg(feature = "tower")]
mod response_body;
#[cfg(feature = "tower")]
mod service_failure;
#[cfg(feature = "tower")]
mod service_handler;
#[cfg(feature = "tower")]
mod shared_fields;
#[cfg(feature = "tower")]
mod thread_signal;
#[cfg(feature = "tower")]
mod upgrade_offer;

#[cfg(feature = "tower")]
pub use handler_body::HandlerBody;
#[cfg(feature = "tower")]
pub use handler_future::HandlerFuture;
#[cfg(feature = "tower")]
pub use handler_service::HandlerService;
#[cfg(feature = "tower")]
pub use request_body::RequestBody;
#[cfg(feature = "tracing")]
pub use request_spans::TraceOptions;
#[cfg(feature = "tower")]
pub use service_handler::{TowerService, tower_service};
#[cfg(feature = "tower")]
pub use upgrade_offer::UpgradeOffer;
