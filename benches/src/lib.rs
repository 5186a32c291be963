//! What the benchmarks share: the load generator, the peers behind one shape, and the reporting.
//!
//! A benchmark is a question with an answer that can be wrong twice: the figure, and what was measured. So everything
//! here keeps two rules. Contestants take turns within one run, and the ratio between them is the result, because
//! absolute figures drift with the machine. And every run checks its own work (each response byte for byte, each
//! payload run exactly once) before a figure is printed.
//!
//! [`http`] has the servers and the rounds they play; [`load`] the client. [`memory`] has the protocol code of the
//! servers without sockets, [`micro`] asks what a single operation costs. [`pools`] has the worker pools, [`objects`]
//! the object pools, [`ws`] the WebSocket servers, [`clients`] the clients, [`files`] and [`bodies`] what is served.
//! Our own side is only in `ours_client`, `ours_http`, `ours_pool`, `ours_ws`, `memory::ours` and `objects::ours`,
//! adapters as thin as those of the peers, and in the operations that the benchmarks with [`micro`] spell out.

pub mod allocations;
pub mod bodies;
mod chance;
pub mod chart;
pub mod clients;
pub mod cpu;
pub mod descriptors;
pub mod files;
pub mod http;
pub mod instructions;
pub mod latency;
pub mod load;
pub mod machine;
pub mod memory;
pub mod micro;
pub mod objects;
mod ours_client;
mod ours_http;
mod ours_pool;
mod ours_ws;
pub mod pools;
pub mod report;
pub mod rounds;
pub mod settings;
mod versions;
pub mod ws;
