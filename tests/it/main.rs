//! One binary for all integration tests.

mod objects;
mod pool;
mod pool_idle;
mod pool_life;
mod pool_model;
mod pool_nested;
mod pool_panic;
mod pool_stats;
mod pool_stop;
mod pool_stress;
mod pool_submit;
mod pool_threads;
