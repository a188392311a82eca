//! Counts in sentences.

use std::fmt::{self, Display, Formatter};

/// Returns a count with its noun, which is in the singular only for one. A noun that ends in a
/// consonant and `y` ends in `ies` in the plural.
///
/// ```
/// use seedwatch_core::plural;
///
/// assert_eq!(plural(0u32, "peer"), "0 peers");
/// assert_eq!(plural(1u32, "peer"), "1 peer");
/// assert_eq!(plural(2u32, "query"), "2 queries");
/// assert_eq!(plural(2u32, "day"), "2 days");
/// ```
pub fn plural(count: impl Into<u64> + Display, noun: &str) -> String {
    let shown = count.to_string();
    if count.into() == 1 {
        return format!("{shown} {noun}");
    }
    let stem = noun
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    match stem {
        Some(stem) => format!("{shown} {stem}ies"),
        None => format!("{shown} {noun}s"),
    }
}

/// A count with a comma before each three digits.
///
/// ```
/// use seedwatch_core::{Grouped, plural};
///
/// assert_eq!(plural(Grouped(1_002_003), "peer"), "1,002,003 peers");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouped(pub u64);

impl From<Grouped> for u64 {
    fn from(count: Grouped) -> Self {
        count.0
    }
}

impl Display for Grouped {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..1000 => self.0.fmt(to),
            _ => write!(to, "{},{:03}", Self(self.0 / 1000), self.0 % 1000),
        }
    }
}
