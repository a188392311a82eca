//! Resources that this process used.

use std::time::Duration;

use super::Result;

/// A clock tick in `/proc`, which is the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// Returns the user and system CPU time.
pub(crate) fn cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in parentheses; the 14th and 15th are the ticks.
    let (_, rest) = text.rsplit_once(") ").ok_or("no name")?;
    let ticks: Vec<u32> = rest
        .split(' ')
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()?;
    Ok(TICK * ticks.iter().sum())
}

/// Returns the peak resident memory in KiB.
pub(crate) fn peak_memory() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let mut lines = text.lines();
    let line = lines
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
