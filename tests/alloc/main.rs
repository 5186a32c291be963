//! Zero allocations in steady state.
