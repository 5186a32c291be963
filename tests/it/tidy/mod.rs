//! Rules about the source itself, one file for each kind of rule.

mod facades;
mod files;
mod findings;
mod layers;
mod library;
mod links;
mod names;
mod packages;
mod parity;
mod paths;
mod sizes;
mod syntax;
mod tokens;
mod unsafe_code;
mod widths;
mod words;
