//! Tests across modules, and what the tests share.
//!
//! [`model`] is the crate's second opinion: it says what a tree is, as simply as possible and
//! without using the crate's encoders, tries or comparisons.

mod boundary;
mod effort;
mod fuzzing;
mod golden;
mod histories;
pub(crate) mod model;
pub(crate) mod support;
