//! Numbers of bytes as people read them.

use std::fmt::{self, Display, Formatter};

/// A number of bytes in the largest unit that fits, in powers of 1000: those of `max_tb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteSize(pub(super) u64);

impl Display for ByteSize {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        if self.0 < 1000 {
            return write!(to, "{} B", self.0);
        }
        let units = ["kB", "MB", "GB", "TB", "PB", "EB"];
        let mut value = self.0 as f64 / 1000.0;
        let mut units = units.into_iter().peekable();
        let mut unit = units.next().unwrap_or_default();
        // One digit after the point, rounded up to the next unit if need be.
        while value >= 999.95
            && let Some(next) = units.next()
        {
            (value, unit) = (value / 1000.0, next);
        }
        write!(to, "{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_largest_unit_that_fits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (4_700_000_000, "4.7 GB"),
            (1_000_000_000_000, "1.0 TB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), expected);
        }
    }
}
