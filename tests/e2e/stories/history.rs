//! The history before the test began, as blocks of Prometheus.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Ranges of hours ago that rules evaluate closely, with a sample per [`DENSE`]. At other times
/// there is a sample per [`SPARSE`].
const CLOSE: [Range<u64>; 4] = [0..2, 3..4, 23..25, 27..28];
/// Less than the five minutes of Prometheus' lookback.
const DENSE: Duration = Duration::from_secs(240);
const SPARSE: Duration = Duration::from_secs(3600);

/// All series at one moment: labels as in OpenMetrics, and the value.
pub(super) type Moment = Vec<(String, f64)>;

/// Spans without changes, oldest first; the last one ends now.
#[derive(Default)]
pub(super) struct History {
    times: Vec<(Duration, Moment)>,
}

impl History {
    /// Appends a span that ends now. Earlier spans move back.
    pub(super) fn push(&mut self, span: Duration, moment: Moment) {
        self.times.push((span, moment));
    }

    /// Writes the history into the data folder of a server that is not running.
    pub(super) fn write(&self, data: &Path) {
        let text = data.with_extension("txt");
        std::fs::write(&text, self.open_metrics()).unwrap();
        // This flag is not in the help. Without it, promtool writes a block per two hours and reads
        // the file once per block.
        let output = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
            .arg("--max-block-duration=1000h")
            .args([&text, data])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool: {errors}");
    }

    fn open_metrics(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let mut parts = Vec::new();
        let mut ago = Duration::ZERO;
        for (span, moment) in self.times.iter().rev() {
            let end = ago + *span;
            let mut times = Vec::new();
            while ago < end {
                times.push((now - ago).as_secs_f64());
                let hours = ago.as_secs() / 3600;
                let close = CLOSE.iter().any(|part| part.contains(&hours));
                ago += if close { DENSE } else { SPARSE };
            }
            times.reverse();
            parts.push((times, moment));
            ago = end;
        }
        let mut text = String::new();
        // The samples of a series must be in the order of time.
        for (times, moment) in parts.iter().rev() {
            for (series, value) in *moment {
                for time in times {
                    writeln!(text, "{series} {value} {time:.3}").unwrap();
                }
            }
        }
        text + "# EOF\n"
    }
}

/// Formats a series of a Prometheus response as in OpenMetrics.
pub(super) fn series(labels: &Value) -> String {
    let labels = labels.as_object().unwrap();
    let name = labels["__name__"].as_str().unwrap();
    let pairs = labels.iter().filter(|(key, _)| *key != "__name__");
    // JSON and OpenMetrics escape quotes and backslashes alike.
    let pairs: Vec<String> = pairs.map(|(key, value)| format!("{key}={value}")).collect();
    format!("{name}{{{}}}", pairs.join(","))
}
