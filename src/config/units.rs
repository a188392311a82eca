//! Durations and rates as written in the configuration.

use std::fmt;
use std::time::Duration;

/// Units of a duration, largest first, as in Prometheus.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Reads a duration as Prometheus does: whole numbers with units, largest unit first, no unit
/// twice (`30s`, `1h30m`, `7d`, `500ms`). Returns `None` for any other text.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = 0u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let length = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (_, milliseconds) = units.find(|(unit, _)| *unit == &after[..length])?;
        total = total.checked_add(number.checked_mul(*milliseconds)?)?;
        rest = &after[length..];
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

/// A duration, written as [`parse_duration`] reads it.
pub(super) struct DurationText(pub(super) Duration);

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_millis();
        if rest == 0 {
            return f.write_str("0s");
        }
        // From days down: 75d is easier to read than 10w5d.
        for (unit, milliseconds) in &UNITS[2..] {
            let number = rest / u128::from(*milliseconds);
            rest %= u128::from(*milliseconds);
            if number > 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        Ok(())
    }
}

/// Reads a rate (`20/s`, `600/m`, `30/h`) as a number per second. Returns `None` for any other
/// text.
pub(super) fn parse_rate(text: &str) -> Option<f64> {
    let (number, unit) = text.split_once('/')?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u32 = number.parse().ok()?;
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(f64::from(number) / seconds)
}

/// Writes a rate per second as [`parse_rate`] reads it.
pub(super) fn write_rate(per_second: f64) -> String {
    let (number, unit) = [(per_second, "s"), (per_second * 60.0, "m")]
        .into_iter()
        .find(|(number, _)| (number - number.round()).abs() < 1e-6)
        .unwrap_or((per_second * 3600.0, "h"));
    format!("{:.0}/{unit}", number.round())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_in_prometheus() {
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("7d", 604_800_000),
            ("500ms", 500),
            ("1y2w3d4h5m6s7ms", 33_019_506_007),
            ("0s", 0),
            ("75m", 4_500_000),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_millis(milliseconds), "{text}");
            let written = DurationText(duration).to_string();
            assert_eq!(parse_duration(&written), Some(duration), "{written}");
        }
        for text in [
            "",
            "30",
            "s",
            "30 s",
            "1m1h",
            "1s1s",
            "1.5h",
            "-1s",
            "+1s",
            "1S",
            "1ms1s",
            "30sec",
            "99999999999999999999s",
            "600000000000y",
            "٣s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(DurationText(Duration::from_secs(4500)).to_string(), "1h15m");
    }

    #[test]
    fn rates() {
        for (text, rate, written) in [
            ("20/s", 20.0, "20/s"),
            ("600/m", 10.0, "10/s"),
            ("7/m", 7.0 / 60.0, "7/m"),
            ("7/h", 7.0 / 3600.0, "7/h"),
        ] {
            assert_eq!(parse_rate(text), Some(rate), "{text}");
            assert_eq!(write_rate(rate), written);
        }
        for text in [
            "20",
            "/s",
            "20/d",
            "20 /s",
            "2.5/s",
            "-1/s",
            "99999999999/s",
            "1/s/s",
        ] {
            assert_eq!(parse_rate(text), None, "{text}");
        }
    }
}
