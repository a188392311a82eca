//! Values that several answers have.

use serde::{Serialize, Serializer};

use seedwatch_core::snapshot::{Count, ProbeError, Retry, UniquePeers, Window};

/// Distinct peers by the label of the window.
pub(super) struct ByWindow(pub(super) UniquePeers);

impl Serialize for ByWindow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(Window::ALL.map(|window| (window.as_label(), self.0[window.index()].get())))
    }
}

/// A value by family.
#[derive(Serialize)]
pub(super) struct ByFamily<T> {
    ipv4: Option<T>,
    ipv6: Option<T>,
}

impl<T> ByFamily<T> {
    /// Returns the values by [`Family::index`](seedwatch_core::snapshot::Family::index).
    pub(super) fn of(by_family: [Option<T>; 2]) -> Self {
        let [ipv4, ipv6] = by_family;
        Self { ipv4, ipv6 }
    }
}

impl ByFamily<u32> {
    /// Returns counts by family.
    pub(super) fn counts(by_family: [Count; 2]) -> Self {
        Self::of(by_family.map(Count::get))
    }
}

/// Why a probe failed.
#[derive(Serialize)]
pub(super) struct ProbeFailure<'a> {
    reason: &'static str,
    text: &'a str,
    /// How long the tracker asks to wait, in seconds; for `never` (BEP 31), how long seedwatch
    /// leaves the torrent alone. `null` if it does not say.
    retry_seconds: Option<u64>,
}

impl<'a> ProbeFailure<'a> {
    /// Returns a failure as it is shown.
    pub(super) fn of(failed: &'a ProbeError) -> Self {
        Self {
            reason: failed.reason.as_label(),
            text: &failed.text,
            retry_seconds: failed.retry.map(Retry::seconds),
        }
    }
}
