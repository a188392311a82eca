//! Shortage of local resources. It says nothing about the tracker.

use std::io;
use std::time::Instant;

use nix::errno::Errno;

use seedwatch_clock::LineLimit;
use seedwatch_tracker::ProbeError;
use seedwatch_tracker::udp::engine::NO_BUFFERS;

/// Limits the log to one line per minute.
static LINES: LineLimit<()> = LineLimit::new();

/// Returns the failure of a probe that this machine had no resources for, and logs it. `None` if
/// `error` has another cause.
pub(super) fn failed(error: &io::Error) -> Option<ProbeError> {
    let lacks = shortage(error)?;
    Some(report(lacks))
}

/// As [`failed`], for an error that is known to be a shortage.
pub(super) fn report(lacks: &str) -> ProbeError {
    log(lacks);
    ProbeError::ours(lacks)
}

/// Logs a shortage, once per minute.
pub(super) fn log(lacks: &str) {
    if let Some(suppressed) = LINES.admit((), Instant::now()) {
        tracing::warn!(
            reason = lacks,
            suppressed,
            "this machine lacks resources for probes: they do not count, and will be retried soon"
        );
    }
}

/// Returns whether an operation failed for want of descriptors, memory or buffers.
pub(super) fn is_shortage(error: &io::Error) -> bool {
    shortage(error).is_some()
}

fn shortage(error: &io::Error) -> Option<&'static str> {
    let number = error.raw_os_error().map(Errno::from_raw);
    Some(match number {
        Some(Errno::EMFILE) => "too many open files in this process",
        Some(Errno::ENFILE) => "too many open files in this system",
        Some(Errno::ENOMEM) => "no memory",
        Some(Errno::ENOBUFS) => NO_BUFFERS,
        // `epoll_ctl`: more descriptors are watched than `fs.epoll.max_user_watches` allows.
        Some(Errno::ENOSPC) => "too many watched descriptors of this user",
        None if error.kind() == io::ErrorKind::OutOfMemory => "no memory",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_resource_shortages_are_local_failures() {
        for number in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::ENOBUFS] {
            let error = io::Error::from_raw_os_error(number as i32);
            assert!(
                failed(&error).is_some_and(|failed| failed.is_ours),
                "{number}"
            );
        }
        for number in [Errno::ECONNREFUSED, Errno::EHOSTUNREACH, Errno::ETIMEDOUT] {
            let error = io::Error::from_raw_os_error(number as i32);
            assert_eq!(failed(&error), None, "{number}");
        }
    }
}
