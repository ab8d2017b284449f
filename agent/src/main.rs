//! `jit-agentd`, the daemon.

fn main() {}
