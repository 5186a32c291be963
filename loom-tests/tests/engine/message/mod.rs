//! The files of messages that are modelled, by the same paths as in the library.
#![allow(dead_code)]

pub(crate) mod events;
