//! The examples, as users run them: started, spoken to over sockets, and ended by a signal.

mod adapters;
mod all;
mod autobahn;
mod behind_proxy;
mod browsers;
mod clientbed;
mod clients;
mod compressed;
#[cfg(unix)]
mod deployment;
mod encrypted;
mod files;
mod json_api;
mod logins;
mod middleware;
mod operators;
mod pages;
mod proxies;
mod routes;
mod scanners;
mod sockets;
mod streams;
mod todo;
mod waiting;
mod websockets;
