//! Visits to scripted peers, in virtual time.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

mod encryption;
mod hostile;
mod meeting;
mod metadata;
mod outcomes;
mod properties;
