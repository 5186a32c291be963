//! What is put around handlers. A binary of its own, so that it is compiled quickly.

mod careful;
mod caught;
mod ids;
mod origins;
mod overrides;
mod places;
mod rates;
mod replaced;
mod tags;
