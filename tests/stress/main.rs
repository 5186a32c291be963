//! Random loads: everything that a pool can do, from several threads at once. A target of its own, so that it can be
//! run under a sanitizer without everything else.

mod everything;
mod random_load;
