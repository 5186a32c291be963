//! The client, over real sockets, against our own server and against scripted ones that misbehave.

mod limits;
mod pool;
mod repeating;
mod script;
mod sending;
