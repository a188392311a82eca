//! Points in time as programs read them.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, UNIX_EPOCH};

use seedwatch_core::snapshot::Unix;

const DAY: u64 = 24 * 3600;

/// A point in time in UTC (RFC 3339): `2026-09-21T14:15:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timestamp(pub(super) Unix);

impl Timestamp {
    /// Returns the same point in time for people: `2026-09-21 14:15 UTC`.
    pub(super) fn readable(self) -> String {
        let (date, second) = (Date::of_day(self.0.0 / DAY), self.0.0 % DAY);
        format!("{date} {:02}:{:02} UTC", second / 3600, second / 60 % 60)
    }
}

impl Display for Timestamp {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let (date, second) = (Date::of_day(self.0.0 / DAY), self.0.0 % DAY);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        write!(to, "{date}T{hour:02}:{minute:02}:{:02}Z", second % 60)
    }
}

/// Returns a point in time as HTTP and RSS write it: RFC 822 with four digits for the year.
pub(super) fn http_date(at: Unix) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at.0))
}

/// A date of the Gregorian calendar (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// Returns the date of a day, counted from 1970-01-01.
    pub(super) fn of_day(day: u64) -> Self {
        // Years begin in March here, so that the leap day is the last one. An era has 400 years.
        let day = day + 719_468;
        let (era, day) = (day / 146_097, day % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Self {
            year: era * 400 + year + u64::from(month <= 2),
            month,
            day,
        }
    }
}

impl Date {
    /// Returns the day and the month for people: `21 Sep`.
    pub(super) fn short(self) -> String {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let month = (self.month as usize).checked_sub(1);
        let month = month.and_then(|month| MONTHS.get(month)).unwrap_or(&"");
        format!("{} {month}", self.day)
    }
}

impl Display for Date {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        write!(to, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_in_the_gregorian_calendar() {
        for (unix, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_790_000_100, "2026-09-21T14:15:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp(Unix(unix)).to_string(), expected);
        }
        let readable = Timestamp(Unix(1_790_000_100)).readable();
        assert_eq!(readable, "2026-09-21 14:15 UTC");
        for (day, short) in [(0, "1 Jan"), (364, "31 Dec"), (20_717, "21 Sep")] {
            assert_eq!(Date::of_day(day).short(), short);
        }
    }
}
