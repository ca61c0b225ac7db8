//! Tests of the whole, in one binary: the laws, the disks' contract, crash tests of every job,
//! simulated farms, and real daemons on loopback.

mod tidy;
