//! Rules about the source itself, one file for each kind of rule.

mod facades;
mod files;
mod layers;
mod library;
mod parity;
mod paths;
mod syntax;
mod tokens;
mod unsafe_code;
