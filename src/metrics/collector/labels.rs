//! Values with their labels, in label order.

use std::time::Duration;

use seedwatch_core::snapshot::{Family, Phases, UniquePeers, Window};

/// The windows in label order.
const WINDOWS: [Window; Window::ALL.len()] = [Window::Day, Window::Month, Window::Week];

/// Returns the families that have a value, with their labels.
pub(super) fn by_family<T: Copy, V>(
    values: [Option<T>; 2],
    convert: impl Fn(T) -> V,
) -> impl Iterator<Item = (&'static str, V)> {
    Family::ALL
        .into_iter()
        .filter_map(move |family| Some((family.as_label(), convert(values[family.index()]?))))
}

/// Returns the windows that have a value, with their labels.
pub(super) fn by_window(unique: UniquePeers) -> impl Iterator<Item = (&'static str, u32)> {
    WINDOWS
        .into_iter()
        .filter_map(move |window| Some((window.as_label(), unique[window.index()].get()?)))
}

/// Returns the phases of a probe with their labels.
pub(super) fn by_phase(phases: Phases) -> impl Iterator<Item = (&'static str, Option<Duration>)> {
    [
        ("connect", phases.connect),
        ("resolve", phases.resolve),
        ("response", phases.response),
        ("tls", phases.tls),
    ]
    .into_iter()
}

/// Returns the items of a closed list in label order.
pub(super) fn sorted<T: Copy, const N: usize>(
    mut all: [T; N],
    label: impl Fn(T) -> &'static str,
) -> [T; N] {
    all.sort_unstable_by_key(|item| label(*item));
    all
}
