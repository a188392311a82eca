//! Where the result of a probe goes, and what is shown until it is known.

use std::io::{self, IsTerminal, Write};

use super::report::ProbeReport;
use super::table::Style;
use crate::cli::Output;

/// Prints the result to standard output.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn print(report: &ProbeReport, output: Output) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match output {
        Output::Text => stdout.write_all(report.text(Style::of(&stdout)).as_bytes()),
        Output::Json => writeln!(stdout, "{:#}", report.json()),
    }?;
    stdout.flush()
}

/// One line on standard error that says how many answers are in. It is erased in the end, and
/// absent if standard error is no terminal.
pub(super) struct Progress {
    is_shown: bool,
}

impl Progress {
    /// Returns the progress of a probe, before anything was asked.
    pub(super) fn new(output: Output) -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            is_shown: output == Output::Text && io::stderr().is_terminal() && !is_dumb,
        }
    }

    /// Shows how many answers are in.
    pub(super) fn show(&self, answers: usize, total: usize) {
        if self.is_shown {
            eprint!("\r\x1b[K{answers} of {total} answers in ");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}
