//! `rate_limit`: how many requests a client may send.

use std::time::Duration;

use serde::Deserialize;

use crate::rate_limit::RateLimit;
use seedwatch_input::yaml::{At, Report, SourceFile};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRate {
    interval: Option<At<String>>,
    burst: Option<At<String>>,
}

impl RawRate {
    /// Checks the section. Returns `None` for no limit: the section is empty or the interval is 0.
    pub(super) fn read(
        self,
        source: &SourceFile,
        line: u32,
        report: &mut Report,
    ) -> Option<RateLimit> {
        let fault = |line, key: &str, message: &str| {
            source.fault(line, format!("rate_limit.{key}"), message)
        };
        let burst_line = self.burst.as_ref().map_or(line, |burst| burst.line);
        if self.interval.is_none() && self.burst.is_some() {
            report.fault(fault(line, "interval", "is missing"));
        }
        let interval = self.interval.map(|At { line, value }| {
            let message = "must be a duration such as 500ms, 1s or 1m30s";
            duration(&value).ok_or_else(|| fault(line, "interval", message))
        });
        let burst = self.burst.map_or(Ok(0), |At { line, value }| {
            let burst = value.parse::<u32>();
            burst.map_err(|_| fault(line, "burst", "must be a whole number"))
        });
        let interval = interval.and_then(|interval| report.take(interval));
        let burst = report.take(burst)?;
        let interval = interval.filter(|interval| !interval.is_zero())?;
        if burst == 0 {
            let message = "must be at least 1: with 0, every request would be refused";
            report.fault(fault(burst_line, "burst", message));
        }
        Some(RateLimit::new(interval, burst))
    }
}

/// Reads a duration as Go writes it: numbers with units, or 0. A number without a unit is in
/// nanoseconds.
fn duration(text: &str) -> Option<Duration> {
    if let Ok(nanoseconds) = text.parse::<u64>() {
        return Some(Duration::from_nanos(nanoseconds));
    }
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = after;
    }
    Duration::try_from_secs_f64(total)
        .ok()
        .filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("0", Some(Duration::ZERO)),
            ("0s", Some(Duration::ZERO)),
            ("1s", Some(Duration::from_secs(1))),
            ("500ms", Some(Duration::from_millis(500))),
            ("1m30s", Some(Duration::from_secs(90))),
            ("1.5h", Some(Duration::from_secs(5400))),
            ("250us", Some(Duration::from_micros(250))),
            ("1000000000", Some(Duration::from_secs(1))),
            ("", None),
            ("s", None),
            ("1", Some(Duration::from_nanos(1))),
            ("1d", None),
            ("-1s", None),
            ("1s ", None),
            ("1s5", None),
            ("1e9s", None),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
    }
}
