//! The log of save errors: one line when saving begins to fail, when the cause changes, and when it
//! works again. Each cause is logged once per minute at most.

use std::io::ErrorKind;
use std::time::Instant;

use tracing::{info, warn};

use crate::store::StoreError;
use seedwatch_clock::LineLimit;

/// Decides which save errors are logged.
#[derive(Debug, Default)]
pub(super) struct SaveErrorLog {
    /// The cause that was logged last, unless saving has worked since.
    logged: Option<Cause>,
    limit: LineLimit<Cause>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// An error of the operating system.
    System(ErrorKind),
    InUse,
    OtherKey,
    File,
}

impl SaveErrorLog {
    /// Logs that saving failed, if a line is due.
    pub(super) fn failed(&mut self, error: &StoreError) {
        if let Some(suppressed) = self.admit(error, Instant::now()) {
            warn!(%error, suppressed, "the state is not saved");
        }
    }

    /// Logs that saving works, if it failed before.
    pub(super) fn recovered(&mut self) {
        if self.logged.take().is_some() {
            info!("the state is saved again");
        }
    }

    /// Returns how many lines were suppressed if a line is due. The file is not part of the cause:
    /// on a full disk it changes with every pass.
    fn admit(&mut self, error: &StoreError, now: Instant) -> Option<u64> {
        let cause = match error {
            StoreError::Folder { source, .. } | StoreError::Save { source, .. } => {
                Cause::System(source.kind())
            }
            StoreError::InUse { .. } => Cause::InUse,
            StoreError::OtherKey { .. } => Cause::OtherKey,
            StoreError::File { .. } => Cause::File,
        };
        if self.logged == Some(cause) {
            return None;
        }
        let suppressed = self.limit.admit(cause, now)?;
        self.logged = Some(cause);
        Some(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwatch_clock::LINE_INTERVAL;

    fn save(path: &str, kind: ErrorKind) -> StoreError {
        StoreError::Save {
            path: path.into(),
            source: kind.into(),
        }
    }

    #[test]
    fn each_cause_is_logged_once() {
        let mut log = SaveErrorLog::default();
        let now = Instant::now();
        let other_key = StoreError::OtherKey { path: "a".into() };
        let full = save("a", ErrorKind::StorageFull);
        assert_eq!(log.admit(&full, now), Some(0));
        assert_eq!(log.admit(&save("b", ErrorKind::StorageFull), now), None);
        let folder = StoreError::Folder {
            path: "a".into(),
            source: ErrorKind::StorageFull.into(),
        };
        assert_eq!(log.admit(&folder, now), None);
        let denied = save("b", ErrorKind::PermissionDenied);
        assert_eq!(log.admit(&denied, now), Some(0));
        assert_eq!(log.admit(&other_key, now), Some(0));
        log.recovered();
        let later = now + LINE_INTERVAL;
        assert_eq!(log.admit(&other_key, later), Some(0));
    }

    #[test]
    fn a_recurring_fault_is_logged_once_per_minute() {
        let mut log = SaveErrorLog::default();
        let start = Instant::now();
        let full = save("a", ErrorKind::StorageFull);
        let mut lines = Vec::new();
        for second in 0..120 {
            let now = start + std::time::Duration::from_secs(second);
            lines.extend(log.admit(&full, now));
            log.recovered();
        }
        assert_eq!(lines, [0, 59]);
    }
}
