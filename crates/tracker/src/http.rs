//! Announce and scrape over HTTP (BEP 3, 7, 23, 24, 31, 48): URLs and answers.

pub mod answer;
#[cfg(fuzzing)]
mod fuzzing;
mod peers;
pub mod query;

#[cfg(fuzzing)]
pub use fuzzing::fuzz;
