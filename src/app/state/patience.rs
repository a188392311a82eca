//! Calls that block on a disk that may hang.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Longest time that one call may take: the largest part is read within a second or two.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Makes a call on a thread of its own and waits for it until `limit` is over. `None`: it has not
/// ended, and its thread is left to itself.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, outcome) = mpsc::sync_channel(1);
    let spawned = thread::Builder::new()
        .name("state".to_owned())
        .spawn(move || {
            // The caller may have given up.
            let _ = done.send(call());
        });
    spawned.ok().and_then(|_| outcome.recv_timeout(limit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_hangs_is_left_behind() {
        assert_eq!(within(PATIENCE, || 7), Some(7));
        let (end, hang) = mpsc::channel::<()>();
        let call = move || hang.recv().is_err();
        assert_eq!(within(Duration::from_millis(20), call), None);
        drop(end);
    }
}
