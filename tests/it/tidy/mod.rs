//! Rules about the source itself, one file for each kind of rule.

mod facades;
mod files;
mod layers;
mod parity;
mod syntax;
mod unsafe_code;
