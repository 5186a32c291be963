//! What web programs are made of, over real sockets: input by type, errors and their bodies, and what is put around
//! handlers. A binary of its own, so that it is compiled quickly.

mod auth;
mod browser;
mod careful;
mod caught;
mod csrf;
mod error_bodies;
mod hostile;
mod ids;
mod input;
mod input_fuzzed;
mod json;
mod origins;
mod overrides;
mod places;
mod places_kept;
mod prepared;
mod rates;
mod replaced;
mod sealed_cookies;
mod session_stores;
mod session_times;
mod sessions;
mod tags;
