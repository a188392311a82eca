//! What `seedwatch probe` prints, and when.

use std::io::{self, IsTerminal, Write};

use tokio::sync::mpsc;

use super::lookups::DhtLookups;
use super::rows::{LookupRow, Summary, TrackerRow};
use super::session::Session;
use crate::cli::Output;
use crate::config::Config;
use seedwatch_probers::Probers;
use seedwatch_torrent::Torrent;
use seedwatch_tracker::Observation;

/// Prints rows as they come, or everything at the end as JSON.
pub(super) struct Printer {
    /// Lines of text; otherwise JSON.
    is_text: bool,
    stdout: io::Stdout,
    /// Whether standard error is a terminal that shows how many answers are in.
    shows_progress: bool,
    tracker_rows: Vec<TrackerRow>,
    lookup_rows: Vec<LookupRow>,
}

impl Printer {
    /// Returns a printer to standard output.
    pub(super) fn new(output: Output) -> Self {
        let is_text = output == Output::Text;
        Self {
            is_text,
            stdout: io::stdout(),
            shows_progress: is_text && io::stderr().is_terminal(),
            tracker_rows: Vec::new(),
            lookup_rows: Vec::new(),
        }
    }

    /// Prints which torrent is probed.
    pub(super) fn print_torrent(&mut self, torrent: &Torrent) -> io::Result<()> {
        let v1 = torrent.hashes.v1().map(|hash| hash.to_string());
        let v2 = torrent.hashes.v2().map(|hash| hash.to_string());
        let hashes: Vec<_> = v1.into_iter().chain(v2).collect();
        self.print_line(&format!("{} {}", torrent.name, hashes.join(" ")))
    }

    fn print_line(&mut self, line: &str) -> io::Result<()> {
        if self.is_text {
            writeln!(self.stdout, "{line}")?;
        }
        Ok(())
    }

    /// Asks every tracker and prints rows until all answers are in.
    pub(super) async fn follow(
        &mut self,
        session: &mut Session,
        (config, probers): (&Config, &Probers),
        observations: &mut mpsc::Receiver<Vec<Observation>>,
        lookups: &mut DhtLookups,
    ) -> io::Result<()> {
        let jobs = session.jobs(config);
        let (mut waiting, mut total) = (jobs.len(), jobs.len() + lookups.waiting());
        probers.submit(jobs);
        while waiting + lookups.waiting() > 0 {
            if self.shows_progress {
                let missing = waiting + lookups.waiting();
                eprint!("\r{} of {total} answers in ", total - missing);
            }
            let mut lines: Vec<String> = Vec::new();
            tokio::select! {
                Some(batch) = observations.recv(), if waiting > 0 => {
                    for observation in batch {
                        waiting -= 1;
                        let (row, scrape) = session.absorb(observation, config);
                        lines.push(row.to_string());
                        self.tracker_rows.push(row);
                        total += scrape.len();
                        waiting += scrape.len();
                        probers.submit(scrape);
                    }
                }
                event = lookups.next(), if lookups.waiting() > 0 => {
                    let rows = session.absorb_lookups(event);
                    lines.extend(rows.iter().map(ToString::to_string));
                    self.lookup_rows.extend(rows);
                }
                else => break,
            }
            if self.shows_progress {
                eprint!("\r\x1b[K");
            }
            for line in lines {
                self.print_line(&line)?;
            }
        }
        Ok(())
    }

    /// Prints the summary.
    pub(super) fn print_summary(&mut self, torrent: &Torrent, summary: &Summary) -> io::Result<()> {
        if self.is_text {
            return writeln!(self.stdout, "{summary}");
        }
        let result = serde_json::json!({
            "torrent": torrent.name,
            "infohash": torrent.hashes.v1().map(|hash| hash.to_string()),
            "infohash_v2": torrent.hashes.v2().map(|hash| hash.to_string()),
            "probes": self.tracker_rows,
            "lookups": self.lookup_rows,
            "summary": summary,
        });
        writeln!(self.stdout, "{result:#}")
    }
}
