//! Services of tower as handlers, handlers as such services, spans and figures; over real sockets. A binary of its own,
//! because it compiles axum, hyper and tokio.

mod departures;
mod dropped;
mod figures;
mod hard_states;
mod inside;
mod inside_bodies;
mod kit;
mod lengths;
mod outside;
mod outside_bodies;
mod spans;
