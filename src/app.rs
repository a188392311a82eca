//! Builds the parts, owns tasks, reload and shutdown: the only module that knows all others.

pub mod core;
pub mod outage;
