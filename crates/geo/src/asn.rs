//! Numbers of autonomous systems.

use std::fmt;

/// The number of an autonomous system (RFC 6793). Displays as `AS64496`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Asn(pub u32);

impl Asn {
    /// The reserved number 0 (RFC 7607), which no system announces. Used in tables only.
    pub(super) const UNKNOWN: Self = Self(0);
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}
