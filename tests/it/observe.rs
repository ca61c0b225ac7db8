//! Observe against a slow model: whatever users do, and whenever, the tree that looks and hints
//! lead to is the tree of a naive walk.

mod counts;
mod faults;
mod fixture;
mod model;
mod random;
mod replica;
mod serving;
mod single;
mod trees;
