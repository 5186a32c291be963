//! WebSockets in bad company: clients that flood, that take nothing, that cost more than they send; and in much of it.
//! A binary of its own, so that it is built fast.

mod costs;
mod floods;
#[cfg(target_os = "linux")]
mod idle;
mod places;
mod waits;
