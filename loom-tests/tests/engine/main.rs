//! Models of the engine's protocols: the very files of `anthill-http`, beside a `sync` made of loom's parts.
//!
//! Claims: a shard has one driver at any moment, never two and never none, whatever handlers, take-overs, an exhausted
//! pool and a shutdown do at the same time; no readiness is lost between serving and parking; no driver sleeps past
//! what was brought to it; no event of a stream, and nothing on a WebSocket, is left lying; what is handed over is
//! served once, and a handshake reckoned once, however many reckoners block; no handler runs while the monitor sleeps;
//! a shutdown leaves nobody behind, and everybody learns of its end. Mutations that each model was seen to fail under
//! are in `mutations/engine.txt`; `PROTOCOL.md` beside the engine's source says which race is whose.

mod alarms;
mod attempts;
mod boxes;
mod ctx;
mod driving;
mod ending;
mod engine;
mod events;
mod explore;
mod hand_overs;
mod leases;
mod message;
mod reckoners;
mod reserves;
mod sleeping;
mod slots;
mod sockets;
mod taking_over;
mod wire;
