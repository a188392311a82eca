//! Values that several answers have.

use serde::{Serialize, Serializer};

use seedwatch_core::snapshot::{Count, UniquePeers, Window};

/// Current peers by family.
#[derive(Serialize)]
pub(super) struct Peers {
    ipv4: Option<u32>,
    ipv6: Option<u32>,
}

impl Peers {
    /// Returns the counts by [`Family::index`](seedwatch_core::snapshot::Family::index).
    pub(super) fn of(by_family: [Count; 2]) -> Self {
        let [ipv4, ipv6] = by_family.map(Count::get);
        Self { ipv4, ipv6 }
    }
}

/// Distinct peers by the label of the window.
pub(super) struct ByWindow(pub(super) UniquePeers);

impl Serialize for ByWindow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(Window::ALL.map(|window| (window.as_label(), self.0[window.index()].get())))
    }
}
