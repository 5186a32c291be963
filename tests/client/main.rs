//! The client, over real sockets, against our own server and against scripted ones that misbehave.

mod any_host;
mod calling_off;
mod expecting;
mod idle;
mod limits;
mod pool;
mod redirects;
mod repeating;
mod script;
mod sending;
