//! Compression, both ways: on bytes, as readers and writers, and of responses over real sockets. A binary of its own,
//! which is compiled quickly.

mod choice;
mod codings;
mod decoding;
mod foreign;
mod large;
mod streams;
mod support;
mod tags;
