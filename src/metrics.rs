//! From the snapshot to the exposition: what `/metrics` says, and in which words.
//!
//! | Part | What lives there |
//! |---|---|
//! | [`catalogue`] | one table of every metric: name, type, labels, help, cardinality |
//! | [`document`] | the table as `docs/metrics.md` |
//! | [`format`](mod@format) | OpenMetrics 1.0 or text 0.0.4, chosen by the `Accept` header |
//! | [`process`] | the `process_*` readings |
//! | `collector` | snapshot → samples, streamed |
//!
//! Nothing here waits, and nothing is remembered between two scrapes: what the snapshot does not
//! hold is not exposed, so a removed torrent leaves no series behind.

pub mod catalogue;
mod collector;
pub mod document;
pub mod format;
pub mod process;

#[cfg(test)]
pub(crate) mod tests;

pub use catalogue::{CATALOGUE, Metric};
pub use format::Format;
pub use process::Process;

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use seedwatch_core::snapshot::Snapshot;

/// Version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Revision of the source, from the environment of the build; `unknown` where that names none, so
/// that a build from a source archive works too.
pub const REVISION: &str = match option_env!("SEEDWATCH_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Writes the whole page into `sink`, piece by piece: nothing is collected in memory first.
///
/// # Errors
/// Only those of `sink`: a writer that fails ends the page early.
pub fn write(
    format: Format,
    snapshot: Arc<Snapshot>,
    process: Process,
    sink: &mut impl fmt::Write,
) -> fmt::Result {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(collector::Page {
        format,
        snapshot,
        process,
    }));
    text::encode_registry(sink, &registry)?;
    match format {
        Format::OpenMetrics => text::encode_eof(sink),
        Format::Text => Ok(()),
    }
}
