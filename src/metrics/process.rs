//! The standard `process_*` readings, from `/proc` and without any unsafe call.

use std::fs;

/// The process as the kernel sees it. What cannot be read is `None` and not exposed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Process {
    /// User and system time, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Soft limit of open file descriptors.
    pub max_fds: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// In bytes.
    pub resident_memory_bytes: Option<u64>,
    /// In seconds since 1970, to a hundredth.
    pub start_time_seconds: Option<f64>,
    /// Number of threads.
    pub threads: Option<u64>,
    /// In bytes.
    pub virtual_memory_bytes: Option<u64>,
}

/// Unit of the times in `/proc`. Linux fixes it at 100 for user space on every architecture that
/// Rust's standard library supports.
const TICKS_PER_SECOND: f64 = 100.0;

impl Process {
    /// Reads this process.
    pub fn read() -> Self {
        let text = |path| fs::read_to_string(path).ok();
        // Listing the directory takes a descriptor of its own, which is not counted.
        let open_fds = fs::read_dir("/proc/self/fd")
            .ok()
            .map(|entries| (entries.count() as u64).saturating_sub(1));
        Self {
            open_fds,
            ..Self::parse(
                &text("/proc/self/stat").unwrap_or_default(),
                &text("/proc/self/status").unwrap_or_default(),
                &text("/proc/self/limits").unwrap_or_default(),
                &text("/proc/stat").unwrap_or_default(),
            )
        }
    }

    /// Reads what the files say (`proc(5)`).
    fn parse(stat: &str, status: &str, limits: &str, system: &str) -> Self {
        let ticks = |number: usize| {
            // The second field is the program's name in brackets and may hold anything.
            let (_, fields) = stat.rsplit_once(')')?;
            let field = fields.split_ascii_whitespace().nth(number - 3)?;
            Some(field.parse::<u64>().ok()? as f64 / TICKS_PER_SECOND)
        };
        let of_status = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            let number = line.split_ascii_whitespace().next()?;
            number.parse::<u64>().ok()
        };
        let boot = || {
            let line = system
                .lines()
                .find_map(|line| line.strip_prefix("btime "))?;
            Some(line.trim().parse::<u64>().ok()? as f64)
        };
        let max_fds = || {
            let mut lines = limits.lines();
            let line = lines.find_map(|line| line.strip_prefix("Max open files"))?;
            line.split_ascii_whitespace().next()?.parse().ok()
        };
        Self {
            cpu_seconds: ticks(14).zip(ticks(15)).map(|(user, system)| user + system),
            max_fds: max_fds(),
            open_fds: None,
            resident_memory_bytes: of_status("VmRSS:").map(|kib| kib * 1024),
            start_time_seconds: boot().zip(ticks(22)).map(|(boot, since)| boot + since),
            threads: of_status("Threads:"),
            virtual_memory_bytes: of_status("VmSize:").map(|kib| kib * 1024),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_by_field() {
        let stat = "77 (a) (b c) S 1 77 77 0 -1 4194560 1 0 0 0 150 25 0 0 20 0 9 0 1234 1 1";
        let status = "Name:\ta\nVmSize:\t    2048 kB\nVmRSS:\t     512 kB\nThreads:\t9\n";
        let limits = "Limit     Soft Limit  Hard Limit  Units\n\
                      Max open files            1024                 524288               files\n";
        let system = "cpu  1 2 3\nbtime 1700000000\n";
        assert_eq!(
            Process::parse(stat, status, limits, system),
            Process {
                cpu_seconds: Some(1.75),
                max_fds: Some(1024),
                open_fds: None,
                resident_memory_bytes: Some(512 * 1024),
                start_time_seconds: Some(1_700_000_012.34),
                threads: Some(9),
                virtual_memory_bytes: Some(2048 * 1024),
            }
        );
    }

    #[test]
    fn what_is_unreadable_is_absent() {
        assert_eq!(Process::parse("", "", "", ""), Process::default());
        let unlimited = "Max open files            unlimited            unlimited            files";
        assert_eq!(
            Process::parse("1 (x) S", "VmRSS: x kB", unlimited, "btime x"),
            Process::default()
        );
    }

    #[test]
    fn this_process_is_alive() {
        let process = Process::read();
        assert!(process.threads.unwrap() >= 1);
        assert!(process.open_fds.unwrap() >= 3);
        assert!(process.resident_memory_bytes.unwrap() < process.virtual_memory_bytes.unwrap());
        assert!(process.start_time_seconds.unwrap() > 1_700_000_000.0);
        assert!(process.cpu_seconds.unwrap() >= 0.0);
    }
}
