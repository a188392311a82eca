//! Counts in sentences.

use std::fmt::Display;

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
