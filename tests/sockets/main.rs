//! WebSockets in bad company: clients that flood, that take nothing, that cost more than they send. A binary of its
//! own, so that it is built fast.

mod costs;
mod floods;
mod places;
mod waits;
