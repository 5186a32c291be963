//! One binary for all integration tests.

mod http_blocking;
mod http_body;
mod http_clients;
mod http_conn;
mod http_headers;
mod http_limits;
mod http_parse;
mod http_regress;
mod http_server;
mod http_shutdown;
mod http_timeouts;
mod objects;
mod pool;
mod pool_default;
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
mod tidy;
