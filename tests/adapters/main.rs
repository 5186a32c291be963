//! Services of tower as handlers, handlers as such services, spans and figures; over real sockets. A binary of its own,
//! because it compiles axum, hyper and tokio.

mod departures;
mod figures;
mod inside;
mod inside_bodies;
mod kit;
mod outside;
mod outside_bodies;
mod spans;
