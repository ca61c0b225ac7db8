//! Tests of the whole, in one binary: the laws, the disks' contract, crash tests of every job,
//! simulated farms, and real daemons on loopback.

mod apply_crash;
mod apply_model;
mod apply_single;
mod apply_world;
mod churn;
mod daemon;
mod disk_contract;
mod farm;
mod farm_command;
mod farm_walk;
mod lone_origin;
mod observe;
mod simulation;
mod tidy;
