//! Runs mirrormesh without a machine: one thread, no clock, no entropy, every fault by choice.

pub mod disk;
