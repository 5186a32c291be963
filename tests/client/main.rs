//! The client, over real sockets, against our own server and against scripted ones that misbehave.

mod addresses;
mod any_host;
mod balancing;
mod calling_off;
mod companions;
mod dialling;
mod early;
mod expecting;
mod https;
mod idle;
mod leftovers;
mod limits;
mod pipelining;
mod pool;
mod proxied;
mod proxied_bodies;
mod reading;
mod real;
mod redirects;
mod repeating;
mod reverse_proxy;
mod script;
mod sending;
mod tasks;
mod websocket_programs;
mod websockets;
