//! What is put around handlers. A binary of its own, so that it is compiled quickly.

mod auth;
mod browser;
mod careful;
mod caught;
mod csrf;
mod ids;
mod origins;
mod overrides;
mod places;
mod rates;
mod replaced;
mod sealed_cookies;
mod session_stores;
mod session_times;
mod sessions;
mod tags;
